#include "mod_dgon_pass_int.h"

#include "mod_dgon_access.h"
#include "mod_dgon_alias.h"
#include "mod_dgon_body.h"
#include "mod_dgon_models.h"
#include "mod_dgon_tally.h"

#include "dgon/multipart.h"

#include <apr_strings.h>

#include <string.h>
#include <strings.h>

#define MODEL_HEADER "X-Dgon-Model"

/* The value of `model` in a query, decoded; NULL: none. */
static const char *query_model(request_rec *r)
{
    char *last = NULL, *args = r->args != NULL ? apr_pstrdup(r->pool, r->args) : NULL;
    for (char *pair = args != NULL ? apr_strtok(args, "&", &last) : NULL; pair != NULL;
         pair = apr_strtok(NULL, "&", &last))
        if (strncmp(pair, "model=", 6) == 0)
            return ap_unescape_urlencoded(pair) == OK ? pair + 6 : "";
    return NULL;
}

bool mod_dgon_pass_wrong(mod_dgon_asked *a, int http, const char *code, const char *param,
                         const char *text)
{
    dgon_error_set(&a->e, http, code, param, "%s", text);
    return false;
}

bool mod_dgon_pass_read_until(mod_dgon_asked *a, size_t length)
{
    mod_dgon_stream *s = a->s;
    bool ok = true;
    while (ok && !a->eos && s->body.len < length)
        ok = mod_dgon_body_some(s->r, s->upload->in, APR_BLOCK_READ, MOD_DGON_PASS_PIECE, &s->body,
                                &a->eos, &a->e);
    return ok;
}

static bool name_in_json(mod_dgon_asked *a)
{
    mod_dgon_stream *s = a->s;
    char name[DGON_WIRE_NAME_MAX + 1];
    size_t at = 0, len = 0;
    if (!mod_dgon_pass_read_until(a, SIZE_MAX))
        return false;
    dgon_status st = dgon_pass_json_model(s->body.data != NULL ? s->body.data : "", s->body.len,
                                          name, &at, &len);
    if (st == DGON_EINVAL)
        return mod_dgon_pass_wrong(a, HTTP_BAD_REQUEST, NULL, "model", "'model' must be one text.");
    a->named = st == DGON_OK;
    if (a->named) {
        s->model = apr_pstrdup(s->r->pool, name);
        a->head->model_at = (int64_t)at;
        a->head->model_len = (uint32_t)len;
    }
    return true;
}

/* Reads as far as it takes to find the field. */
static bool name_in_form(mod_dgon_asked *a, dgon_multipart *form)
{
    mod_dgon_stream *s = a->s;
    size_t fed = 0;
    do {
        if (!mod_dgon_pass_read_until(a, fed + 1))
            return false;
        if (dgon_multipart_feed(form, s->body.data + fed, s->body.len - fed) != DGON_OK)
            return mod_dgon_pass_wrong(a, HTTP_BAD_REQUEST, NULL, NULL,
                                       "The body is no multipart/form-data.");
        fed = s->body.len;
    } while (!form->found && !a->eos);
    a->named = form->found;
    if (a->named) {
        s->model = apr_pstrdup(s->r->pool, form->model);
        a->head->model_at = (int64_t)form->model_at;
        a->head->model_len = (uint32_t)form->model_len;
    }
    return true;
}

/* In this order: header, query, body. */
static bool find_name(mod_dgon_asked *a)
{
    mod_dgon_stream *s = a->s;
    const char *type = apr_table_get(s->r->headers_in, "Content-Type");
    const char *name = apr_table_get(s->r->headers_in, MODEL_HEADER);
    dgon_multipart form;
    if (name == NULL)
        name = query_model(s->r);
    if (name != NULL) {
        a->named = true;
        s->model = apr_pstrndup(s->r->pool, name, DGON_WIRE_NAME_MAX);
        return true;
    }
    if (type == NULL || apr_table_get(s->r->headers_in, "Content-Encoding") != NULL)
        return true;
    if (strncasecmp(type, "application/json", 16) == 0)
        return name_in_json(a);
    return !dgon_multipart_init(&form, type) || name_in_form(a, &form);
}

static bool is_same_in_query(mod_dgon_asked *a)
{
    request_rec *r = a->s->r;
    char *last = NULL, *args = r->args != NULL ? apr_pstrdup(r->pool, r->args) : NULL;
    for (char *pair = args != NULL ? apr_strtok(args, "&;", &last) : NULL; pair != NULL;
         pair = apr_strtok(NULL, "&;", &last)) {
        if (ap_unescape_urlencoded(pair) != OK ||
            (strncasecmp(pair, "model=", 6) == 0 && strcmp(pair + 6, a->s->model) != 0))
            return false;
        a->in_query = a->in_query || strncmp(pair, "model=", 6) == 0;
    }
    return true;
}

static bool is_same_in_form(mod_dgon_asked *a, dgon_multipart *form)
{
    const dgon_buf *body = &a->s->body;
    if (dgon_multipart_feed(form, body->data, body->len) != DGON_OK || form->twice)
        return false;
    a->in_body = form->found;
    return !form->found || strcmp(form->model, a->s->model) == 0;
}

static bool is_same_in_json(mod_dgon_asked *a)
{
    char name[DGON_WIRE_NAME_MAX + 1];
    const dgon_buf *body = &a->s->body;
    size_t blanks = 0, at, len;
    while (blanks < body->len && strchr(" \t\r\n", body->data[blanks]) != NULL)
        blanks++;
    if (blanks == body->len || body->data[blanks] != '{')
        return true;
    int models = dgon_pass_json_models(body->data, body->len);
    if (models != 1)
        return models == 0;
    a->in_body = dgon_pass_json_model(body->data, body->len, name, &at, &len) == DGON_OK &&
                 strcmp(name, a->s->model) == 0;
    return a->in_body;
}

/* Where somebody may use one model and not another, all places that a backend may look at must name
 * the same, and they are all looked at, so that such a body is read whole. */
static bool names_one(mod_dgon_asked *a)
{
    request_rec *r = a->s->r;
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    const char *header = apr_table_get(r->headers_in, MODEL_HEADER);
    dgon_multipart form;
    bool multipart = type != NULL && strncasecmp(type, "multipart/", 10) == 0;
    if (!mod_dgon_access_is_limited(r))
        return true;
    if (apr_table_get(r->headers_in, "Content-Encoding") != NULL ||
        (type != NULL && strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0))
        return mod_dgon_pass_wrong(
            a, HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", NULL,
            "Not every model is open to you here, so the body must be readable: send it "
            "as JSON or multipart/form-data, without Content-Encoding.");
    if (!mod_dgon_pass_read_until(a, SIZE_MAX))
        return false;
    if ((header == NULL || strcmp(header, a->s->model) == 0) && is_same_in_query(a) &&
        (multipart ? dgon_multipart_init(&form, type) && is_same_in_form(a, &form)
                   : is_same_in_json(a)))
        return true;
    return mod_dgon_pass_wrong(
        a, HTTP_BAD_REQUEST, "invalid_value", "model",
        "Header, query and body must name the same model, each of them once.");
}

bool mod_dgon_pass_find_name(mod_dgon_asked *a)
{
    return find_name(a) && names_one(a);
}

bool mod_dgon_pass_find_model(mod_dgon_asked *a)
{
    mod_dgon_stream *s = a->s;
    dgon_registry *reg = s->engine->registry;
    s->spec.need = a->rule != NULL ? DGON_NEED_RULE(a->rule->number) : 0;
    if (a->named) {
        s->spec.model = mod_dgon_models_find(s->engine, s->model, false, &s->alias);
        if (s->spec.model == DGON_NONE)
            return mod_dgon_pass_wrong(
                a, HTTP_NOT_FOUND, "model_not_found", "model",
                "That model does not exist here; GET /v1/models lists those that do.");
        s->tally->model = s->model;
    } else if (a->rule == NULL) {
        return mod_dgon_pass_wrong(
            a, HTTP_BAD_REQUEST, "missing_required_parameter", "model",
            "'model' is missing: put that field before the file, or name it in "
            "X-Dgon-Model.");
    } else {
        s->spec.model = dgon_registry_model(reg, MOD_DGON_PASS_ANY, strlen(MOD_DGON_PASS_ANY));
    }
    if (s->spec.model == DGON_NONE ||
        (!dgon_registry_model_can(reg, s->spec.model, s->spec.need, 0) &&
         !mod_dgon_alias_advance(s)))
        return mod_dgon_pass_wrong(a, HTTP_FORBIDDEN, "not_opened", NULL,
                                   "No agent has opened this address (its key allow).");
    return a->named ? mod_dgon_models_may(s->r, s->engine, s->spec.model, &a->e)
                    : mod_dgon_access_may(s->r, MOD_DGON_PASS_ANY, &a->e);
}

/* Is the path that goes out the administrator's own, to the letter? */
static bool is_own_path(const mod_dgon_asked *a)
{
    const char *own = a->rule->target != NULL ? a->rule->target : a->rule->path;
    size_t n = strcspn(a->head->path, "?");
    return strlen(own) == n && memcmp(own, a->head->path, n) == 0;
}

/* Does the model stand where the backend reads it? A body goes before a query, and where there is
 * neither, the client has said nothing but the header. */
static bool is_inside(const mod_dgon_asked *a)
{
    if (a->s->body.len > 0)
        return a->in_body;
    return a->in_query || a->s->r->args == NULL;
}

/* Where somebody may not use every model, nothing of the client's may name another one to the
 * backend: what a star stands for, or a query or body in which we find none. */
bool mod_dgon_pass_names_no_other(mod_dgon_asked *a)
{
    request_rec *r = a->s->r;
    const char *why;
    if (!a->named || !mod_dgon_access_is_limited(r))
        return true;
    bool own = a->rule == NULL || is_own_path(a);
    if ((own && is_inside(a)) || mod_dgon_access_may(r, MOD_DGON_PASS_ANY, &a->e))
        return true;
    if (a->e.http != HTTP_FORBIDDEN)
        return false;
    if (own) {
        why = "this request may name another one: write it in the body, or in the query if there "
              "is no body ('model').";
    } else {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "DGON0212: the star of DgonPass %s may stand for a model: write a line for "
                      "this path without a star if it names none",
                      a->rule->opening);
        why = "this address may name another one.";
    }
    dgon_error_set(&a->e, HTTP_FORBIDDEN, "model_not_found", "model",
                   "Not every model is open to you here, and %s", why);
    return false;
}

#include "mod_dgon_pass.h"

#include "mod_dgon_access.h"
#include "mod_dgon_alias.h"
#include "mod_dgon_api.h"
#include "mod_dgon_body.h"
#include "mod_dgon_error.h"
#include "mod_dgon_models.h"
#include "mod_dgon_tally.h"

#include "dgon/multipart.h"

#include <http_core.h>
#include <http_protocol.h>
#include <apr_strings.h>

#include <string.h>

#define MODEL_HEADER "X-Dgon-Model"
#define HOLD_MAX     (64u * 1024u) /* a body up to here is read whole: it may go to another agent */

/* ---- configuration ---- */

static const mod_dgon_pass *rule_at(const apr_array_header_t *passes, int i)
{
    return &APR_ARRAY_IDX(passes, i, mod_dgon_pass);
}

static bool has_star(const char *path)
{
    return path[0] != '\0' && path[strlen(path) - 1] == '*';
}

const char *mod_dgon_pass_add(cmd_parms *cmd, apr_array_header_t **passes, const char *methods,
                              const char *path, const char *target)
{
    const char *opening = apr_psprintf(cmd->pool, "%s %s", methods, path);
    const char *wrong =
        strchr(opening, ',') != NULL ? "there is a comma" : dgon_pass_check(opening);
    if (wrong == NULL && target != NULL) {
        wrong = dgon_pass_check(apr_pstrcat(cmd->pool, "* ", target, NULL));
        if (wrong == NULL && has_star(path) != has_star(target))
            wrong = "both paths end in a star, or none";
    }
    if (wrong != NULL)
        return apr_psprintf(cmd->pool, "DgonPass %s%s%s: %s", opening, target != NULL ? " " : "",
                            target != NULL ? target : "", wrong);
    if (*passes == NULL)
        *passes = apr_array_make(cmd->pool, 8, sizeof(mod_dgon_pass));
    if ((unsigned)(*passes)->nelts == DGON_PASS_RULES_MAX)
        return apr_psprintf(cmd->pool, "DgonPass: at most %u of them: use a path with a star",
                            DGON_PASS_RULES_MAX);
    unsigned number = (unsigned)(*passes)->nelts;
    mod_dgon_pass *rule = apr_array_push(*passes);
    *rule = (mod_dgon_pass){
        .opening = opening,
        .path = apr_pstrmemdup(cmd->pool, path, strlen(path) - has_star(path)),
        .target = target != NULL
                      ? apr_pstrmemdup(cmd->pool, target, strlen(target) - has_star(target))
                      : NULL,
        .backend_opening =
            target != NULL ? apr_pstrcat(cmd->pool, methods, " ", target, NULL) : opening,
        .number = number};
    return NULL;
}

uint32_t mod_dgon_pass_opens(const apr_array_header_t *passes, const char *allow)
{
    uint32_t rules = 0;
    for (int i = 0; passes != NULL && allow != NULL && i < passes->nelts; i++)
        if (dgon_pass_overlap(rule_at(passes, i)->backend_opening, allow))
            rules |= 1u << rule_at(passes, i)->number;
    return rules;
}

/* ---- the request's head ---- */

static const char *text_after(const char *path, const char *what)
{
    const char *at = strstr(path, what);
    return at != NULL ? at : path;
}

/* The path as the client wrote it; httpd has decoded the one it works with. */
static const char *raw_path(request_rec *r)
{
    const char *uri = r->unparsed_uri, *scheme = strstr(uri, "://");
    if (uri[0] != '/' && scheme != NULL)
        uri = strchr(scheme + 3, '/') != NULL ? strchr(scheme + 3, '/') : "/";
    return apr_pstrmemdup(r->pool, uri, strcspn(uri, "?"));
}

/* The path and query for the backend, as the client wrote them: nothing is decoded and written
 * anew. NULL: it cannot be said. */
static const char *target_of(request_rec *r, const mod_dgon_pass *rule)
{
    const char *raw = raw_path(r);
    const char *path =
        rule == NULL || strncmp(rule->path, "/v1", 3) == 0 ? text_after(raw, "/v1") : raw;
    if (rule != NULL && rule->target != NULL) {
        size_t n = strlen(rule->path);
        if (strncmp(path, rule->path, n) != 0)
            return NULL;
        path = apr_pstrcat(r->pool, rule->target, path + n, NULL);
    }
    if (r->args != NULL)
        path = apr_pstrcat(r->pool, path, "?", r->args, NULL);
    return strlen(path) <= DGON_PASS_PATH_MAX && dgon_pass_is_target(path) ? path : NULL;
}

static int add_header(void *data, const char *name, const char *value)
{
    if (dgon_pass_request_header(name, strlen(name)))
        (void)dgon_pass_head_add(data, name, strlen(name), value, strlen(value));
    return 1;
}

/* ---- the model ---- */

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

/* What is known of a request before it is a job. */
typedef struct asked {
    mod_dgon_stream *s;
    const mod_dgon_pass *rule; /* NULL: a path of the table */
    dgon_pass_head *head;
    bool eos, named;
    dgon_error e;
} asked;

static bool wrong(asked *a, int http, const char *code, const char *param, const char *text)
{
    dgon_error_set(&a->e, http, code, param, "%s", text);
    return false;
}

static bool read_until(asked *a, size_t length)
{
    mod_dgon_stream *s = a->s;
    bool ok = true;
    while (ok && !a->eos && s->body.len < length)
        ok = mod_dgon_body_some(s->r, s->upload->in, APR_BLOCK_READ, MOD_DGON_PASS_PIECE, &s->body,
                                &a->eos, &a->e);
    return ok;
}

static bool name_in_json(asked *a)
{
    mod_dgon_stream *s = a->s;
    size_t at = 0, len = 0;
    if (!read_until(a, SIZE_MAX))
        return false;
    dgon_status st = dgon_pass_json_model(s->body.data != NULL ? s->body.data : "", s->body.len,
                                          s->model, &at, &len);
    if (st == DGON_EINVAL)
        return wrong(a, HTTP_BAD_REQUEST, NULL, "model", "'model' must be one text.");
    a->named = st == DGON_OK;
    if (a->named) {
        a->head->model_at = (int64_t)at;
        a->head->model_len = (uint32_t)len;
    }
    return true;
}

/* Reads as far as it takes to find the field. */
static bool name_in_form(asked *a, dgon_multipart *form)
{
    mod_dgon_stream *s = a->s;
    size_t fed = 0;
    do {
        if (!read_until(a, fed + 1))
            return false;
        if (dgon_multipart_feed(form, s->body.data + fed, s->body.len - fed) != DGON_OK)
            return wrong(a, HTTP_BAD_REQUEST, NULL, NULL, "The body is no multipart/form-data.");
        fed = s->body.len;
    } while (!form->found && !a->eos);
    a->named = form->found;
    if (a->named) {
        memcpy(s->model, form->model, sizeof(s->model));
        a->head->model_at = (int64_t)form->model_at;
        a->head->model_len = (uint32_t)form->model_len;
    }
    return true;
}

/* In this order: header, query, body. */
static bool find_name(asked *a)
{
    mod_dgon_stream *s = a->s;
    const char *type = apr_table_get(s->r->headers_in, "Content-Type");
    const char *name = apr_table_get(s->r->headers_in, MODEL_HEADER);
    dgon_multipart form;
    if (name == NULL)
        name = query_model(s->r);
    if (name != NULL) {
        a->named = true;
        apr_cpystrn(s->model, name, sizeof(s->model));
        return true;
    }
    if (type == NULL || apr_table_get(s->r->headers_in, "Content-Encoding") != NULL)
        return true;
    if (strncasecmp(type, "application/json", 16) == 0)
        return name_in_json(a);
    return !dgon_multipart_init(&form, type) || name_in_form(a, &form);
}

static bool is_same_in_query(asked *a)
{
    request_rec *r = a->s->r;
    char *last = NULL, *args = r->args != NULL ? apr_pstrdup(r->pool, r->args) : NULL;
    for (char *pair = args != NULL ? apr_strtok(args, "&;", &last) : NULL; pair != NULL;
         pair = apr_strtok(NULL, "&;", &last))
        if (ap_unescape_urlencoded(pair) != OK ||
            (strncasecmp(pair, "model=", 6) == 0 && strcmp(pair + 6, a->s->model) != 0))
            return false;
    return true;
}

static bool is_same_in_form(asked *a, dgon_multipart *form)
{
    const dgon_buf *body = &a->s->body;
    return dgon_multipart_feed(form, body->data, body->len) == DGON_OK && !form->twice &&
           (!form->found || strcmp(form->model, a->s->model) == 0);
}

static bool is_same_in_json(asked *a)
{
    char name[DGON_WIRE_NAME_MAX + 1];
    const dgon_buf *body = &a->s->body;
    size_t blanks = 0, at, len;
    while (blanks < body->len && strchr(" \t\r\n", body->data[blanks]) != NULL)
        blanks++;
    if (blanks == body->len || body->data[blanks] != '{')
        return true;
    int models = dgon_pass_json_models(body->data, body->len);
    return models == 0 ||
           (models == 1 &&
            dgon_pass_json_model(body->data, body->len, name, &at, &len) == DGON_OK &&
            strcmp(name, a->s->model) == 0);
}

/* Where somebody may use one model and not another, all places that a backend may look at must name
 * the same, and they are all looked at, so that such a body is read whole. */
static bool names_one(asked *a)
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
        return wrong(a, HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", NULL,
                     "Not every model is open to you here, so the body must be readable: send it "
                     "as JSON or multipart/form-data, without Content-Encoding.");
    if (!read_until(a, SIZE_MAX))
        return false;
    if ((header == NULL || strcmp(header, a->s->model) == 0) && is_same_in_query(a) &&
        (multipart ? dgon_multipart_init(&form, type) && is_same_in_form(a, &form)
                   : is_same_in_json(a)))
        return true;
    return wrong(a, HTTP_BAD_REQUEST, "invalid_value", "model",
                 "Header, query and body must name the same model, each of them once.");
}

static bool find_model(asked *a)
{
    mod_dgon_stream *s = a->s;
    dgon_registry *reg = s->engine->registry;
    s->spec.need = a->rule != NULL ? DGON_NEED_RULE(a->rule->number) : 0;
    if (a->named) {
        s->spec.model = mod_dgon_models_find(s->engine, s->model, false, &s->alias);
        if (s->spec.model == DGON_NONE)
            return wrong(a, HTTP_NOT_FOUND, "model_not_found", "model",
                         "That model does not exist here; GET /v1/models lists those that do.");
        s->tally->model = s->model;
    } else if (a->rule == NULL) {
        return wrong(a, HTTP_BAD_REQUEST, "missing_required_parameter", "model",
                     "'model' is missing: put that field before the file, or name it in "
                     "X-Dgon-Model.");
    } else {
        s->spec.model = dgon_registry_model(reg, MOD_DGON_PASS_ANY, strlen(MOD_DGON_PASS_ANY));
    }
    if (s->spec.model == DGON_NONE ||
        (!dgon_registry_model_can(reg, s->spec.model, s->spec.need, 0) &&
         !mod_dgon_alias_advance(s)))
        return wrong(a, HTTP_FORBIDDEN, "not_opened", NULL,
                     "No agent has opened this address (its key allow).");
    return a->named ? mod_dgon_models_may(s->r, s->engine, s->spec.model, &a->e)
                    : mod_dgon_access_may(s->r, MOD_DGON_PASS_ANY, &a->e);
}

/* ---- from the request to the job ---- */

static bool write_head(asked *a)
{
    request_rec *r = a->s->r;
    apr_off_t length;
    bool has_body = mod_dgon_body_length(r, &length) ||
                    apr_table_get(r->headers_in, "Transfer-Encoding") != NULL;
    const char *target = target_of(r, a->rule);
    if (target == NULL || strlen(r->method) > DGON_PASS_METHOD_MAX)
        return wrong(a, HTTP_BAD_REQUEST, NULL, NULL, "This address cannot be passed on.");
    apr_cpystrn(a->head->method, r->method, sizeof(a->head->method));
    apr_cpystrn(a->head->path, target, sizeof(a->head->path));
    /* a filter may have changed its length */
    a->head->length = a->eos ? (int64_t)a->s->body.len : has_body ? (int64_t)length : 0;
    apr_table_do(add_header, a->head, r->headers_in, NULL);
    if (dgon_pass_head_write(&a->s->upload->head, a->head) != DGON_OK)
        return wrong(a, HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, NULL, NULL,
                     "The address or the headers are too long to be passed on.");
    return true;
}

static int ask(request_rec *r, mod_dgon_engine *engine, const mod_dgon_pass *rule)
{
    asked a = {.rule = rule, .head = apr_palloc(r->pool, sizeof(dgon_pass_head))};
    mod_dgon_stream *s = mod_dgon_client_create(r, engine, mod_dgon_config_get(r->server));
    s->upload = apr_pcalloc(r->pool, sizeof(*s->upload));
    s->upload->in = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    dgon_buf_init(&s->upload->head, DGON_PASS_HEAD_MAX);
    dgon_pass_head_init(a.head);
    a.s = s;
    s->spec.op = DGON_OP_PASS;
    s->tally->op = DGON_OP_PASS;
    if (!mod_dgon_body_is_sound(r, &a.e) || !find_name(&a) || !names_one(&a) ||
        !read_until(&a, HOLD_MAX) || !find_model(&a) || !write_head(&a)) {
        if (!a.eos)
            r->connection->keepalive = AP_CONN_CLOSE;
        return mod_dgon_api_refuse(r, &a.e);
    }
    s->upload->more = !a.eos;
    return mod_dgon_client_run(s);
}

static const mod_dgon_pass *find_rule(const apr_array_header_t *passes, const char *method,
                                      const char *path, bool *other_method)
{
    *other_method = false;
    for (int i = 0; passes != NULL && i < passes->nelts; i++) {
        const mod_dgon_pass *rule = rule_at(passes, i);
        if (dgon_pass_allows(rule->opening, method, path))
            return rule;
        *other_method = *other_method || dgon_pass_has_path(rule->opening, path);
    }
    return NULL;
}

/* "GET, POST": what the openings of the path take. */
static const char *methods_of(request_rec *r, const apr_array_header_t *passes, const char *path)
{
    const char *list = NULL;
    for (int i = 0; i < passes->nelts; i++) {
        const char *opening = rule_at(passes, i)->opening;
        if (!dgon_pass_has_path(opening, path))
            continue;
        char *methods = apr_pstrmemdup(r->pool, opening, strcspn(opening, " "));
        for (char *bar; (bar = strchr(methods, '|')) != NULL;)
            *bar = ' ';
        list = list != NULL ? apr_pstrcat(r->pool, list, " ", methods, NULL) : methods;
    }
    char *last, *words = apr_pstrdup(r->pool, list), *out = apr_strtok(words, " ", &last), *word;
    while ((word = apr_strtok(NULL, " ", &last)) != NULL)
        out = apr_pstrcat(r->pool, out, ", ", word, NULL);
    return out;
}

int mod_dgon_pass_try(request_rec *r, mod_dgon_engine *engine, const char *path)
{
    bool other_method;
    const mod_dgon_pass *rule = find_rule(engine->conf->passes, r->method, path, &other_method);
    if (rule != NULL)
        return ask(r, engine, rule);
    if (dgon_pass_is_builtin(path))
        return r->method_number == M_POST ? ask(r, engine, NULL)
                                          : mod_dgon_api_not_allowed(r, "POST");
    return other_method ? mod_dgon_api_not_allowed(r, methods_of(r, engine->conf->passes, path))
                        : DECLINED;
}

int mod_dgon_pass_handler(request_rec *r)
{
    int status = OK;
    mod_dgon_engine *engine = mod_dgon_api_engine(r, "dgon-pass", &status);
    if (engine == NULL)
        return status;
    status = mod_dgon_pass_try(r, engine, r->uri);
    return status != DECLINED ? status
                              : mod_dgon_api_unknown(r, "There is nothing at this address: it is "
                                                        "not opened (DgonPass).");
}

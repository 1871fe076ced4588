#include "mod_dgon_pass_int.h"

#include "mod_dgon_api.h"
#include "mod_dgon_body.h"
#include "mod_dgon_error.h"
#include "mod_dgon_tally.h"

#include <http_core.h>
#include <http_protocol.h>
#include <apr_strings.h>

#include <string.h>

#define HOLD_MAX (64u * 1024u) /* a body up to here is read whole: it may go to another agent */

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

/* ---- from the request to the job ---- */

static bool write_head(mod_dgon_asked *a)
{
    request_rec *r = a->s->r;
    apr_off_t length;
    bool has_body = mod_dgon_body_length(r, &length) ||
                    apr_table_get(r->headers_in, "Transfer-Encoding") != NULL;
    const char *target = target_of(r, a->rule);
    if (target == NULL || strlen(r->method) > DGON_PASS_METHOD_MAX)
        return mod_dgon_pass_wrong(a, HTTP_BAD_REQUEST, NULL, NULL,
                                   "This address cannot be passed on.");
    apr_cpystrn(a->head->method, r->method, sizeof(a->head->method));
    apr_cpystrn(a->head->path, target, sizeof(a->head->path));
    /* a filter may have changed its length */
    a->head->length = a->eos ? (int64_t)a->s->body.len : has_body ? (int64_t)length : 0;
    apr_table_do(add_header, a->head, r->headers_in, NULL);
    if (dgon_pass_head_write(&a->s->upload->head, a->head) != DGON_OK)
        return mod_dgon_pass_wrong(a, HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, NULL, NULL,
                                   "The address or the headers are too long to be passed on.");
    return true;
}

static int ask(request_rec *r, mod_dgon_engine *engine, const mod_dgon_pass *rule)
{
    mod_dgon_asked a = {.rule = rule, .head = apr_palloc(r->pool, sizeof(dgon_pass_head))};
    mod_dgon_stream *s = mod_dgon_client_create(r, engine, mod_dgon_config_get(r->server));
    s->upload = apr_pcalloc(r->pool, sizeof(*s->upload));
    s->upload->in = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    dgon_buf_init(&s->upload->head, DGON_PASS_HEAD_MAX);
    dgon_pass_head_init(a.head);
    a.s = s;
    s->spec.op = DGON_OP_PASS;
    s->tally->op = DGON_OP_PASS;
    if (!mod_dgon_body_is_sound(r, &a.e) || !mod_dgon_pass_find_name(&a) ||
        !mod_dgon_pass_read_until(&a, HOLD_MAX) || !mod_dgon_pass_find_model(&a) ||
        !write_head(&a) || !mod_dgon_pass_names_no_other(&a)) {
        if (!a.eos)
            r->connection->keepalive = AP_CONN_CLOSE;
        return mod_dgon_api_refuse(r, &a.e);
    }
    s->upload->more = !a.eos;
    return mod_dgon_client_run(s);
}

/* The one with this very path, else the first whose star covers it. */
static const mod_dgon_pass *find_rule(const apr_array_header_t *passes, const char *method,
                                      const char *path, bool *other_method)
{
    const mod_dgon_pass *found = NULL;
    *other_method = false;
    for (int i = 0; passes != NULL && i < passes->nelts; i++) {
        const mod_dgon_pass *rule = rule_at(passes, i);
        bool allows = dgon_pass_allows(rule->opening, method, path);
        if (allows && strcmp(rule->path, path) == 0)
            return rule;
        if (allows && found == NULL)
            found = rule;
        *other_method = *other_method || dgon_pass_has_path(rule->opening, path);
    }
    return found;
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

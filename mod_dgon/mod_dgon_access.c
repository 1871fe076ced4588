#include "mod_dgon_access.h"

#include "mod_dgon_pass.h"

#include "dgon/glob.h"

#include <ap_provider.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_auth.h>
#include <apr_strings.h>

#include <string.h>
#include <strings.h>

#define RECORD     "mod_dgon_access"
#define MODEL_NOTE "dgon-model"

/* Of a request and of what it is redirected to inside httpd, which has the same pool. */
typedef struct record {
    bool asked;         /* a Require dgon-model was looked at */
    const char *model;  /* known now; NULL: not yet */
    int no_login;       /* the status with which a login failed that only some models need */
    const char *models; /* that the user is restricted to; "": all */
} record;

/* ---- configuration ---- */

typedef struct condition {
    bool negated;                 /* by an odd number of not and RequireNone above */
    apr_array_header_t *patterns; /* of const char * */
} condition;

static bool begins_with_not(const char *args)
{
    args += strspn(args, " \t");
    return strncasecmp(args, "not", 3) == 0 && (args[3] == ' ' || args[3] == '\t');
}

static const char *find_parity(cmd_parms *cmd, bool *negated)
{
    const ap_directive_t *d = cmd->directive;
    *negated = begins_with_not(d->args);
    for (d = d->parent; d != NULL; d = d->parent) {
        if (strcasecmp(d->directive, "<AuthzProviderAlias") == 0)
            return "it cannot stand in <AuthzProviderAlias>: write it where it is needed";
        if (strcasecmp(d->directive, "<RequireNone") == 0 ||
            strcasecmp(d->directive, "<RequireNotAll") == 0)
            *negated = !*negated;
    }
    return strcasecmp(cmd->directive->directive, "<AuthzProviderAlias") == 0
               ? "it cannot stand in <AuthzProviderAlias>: write it where it is needed"
               : NULL;
}

static const char *parse_require_line(cmd_parms *cmd, const char *line, const void **parsed)
{
    condition *c = apr_pcalloc(cmd->pool, sizeof(*c));
    const char *wrong = find_parity(cmd, &c->negated), *word;
    if (wrong != NULL)
        return apr_pstrcat(cmd->pool, "Require dgon-model: ", wrong, NULL);
    c->patterns = apr_array_make(cmd->pool, 4, sizeof(const char *));
    while (*(word = ap_getword_conf(cmd->pool, &line)) != '\0') {
        if (!dgon_glob_is(word, strlen(word)))
            return apr_psprintf(cmd->pool,
                                "Require dgon-model \"%s\": write names of models with blanks "
                                "between them, * for any characters: llama3* qwen3:32b",
                                word);
        APR_ARRAY_PUSH(c->patterns, const char *) = word;
    }
    *parsed = c;
    return c->patterns->nelts > 0 ? NULL : "Require dgon-model: name at least one model";
}

/* ---- a request ---- */

static record *find(request_rec *r)
{
    void *found = NULL;
    for (; r != NULL && found == NULL; r = r->main)
        (void)apr_pool_userdata_get(&found, RECORD, r->pool);
    return found;
}

static record *find_or_make(request_rec *r)
{
    record *a = find(r);
    if (a == NULL) {
        a = apr_pcalloc(r->pool, sizeof(*a));
        a->models = "";
        (void)apr_pool_userdata_setn(a, RECORD, apr_pool_cleanup_null, r->pool);
    }
    return a;
}

void mod_dgon_access_restrict(request_rec *r, const char *models)
{
    if (models[0] != '\0')
        find_or_make(r)->models = models;
}

bool mod_dgon_access_is_limited(request_rec *r)
{
    return find(r) != NULL;
}

bool mod_dgon_access_names_one(request_rec *r, const char *body, size_t n, dgon_error *e)
{
    if (find(r) == NULL || dgon_pass_json_models(body, n) == 1)
        return true;
    dgon_error_set(e, HTTP_BAD_REQUEST, "invalid_value", "model",
                   "The body must name one model, in one member 'model'.");
    return false;
}

/* As long as the model is not known, what gives the most: granted, or denied where that is
 * negated. Then a request that is refused would be for every model. */
static authz_status check_authorization(request_rec *r, const char *line, const void *parsed)
{
    const condition *c = parsed;
    record *a = find_or_make(r);
    (void)line;
    a->asked = true;
    /* where somebody can log in, somebody must: no key, no model */
    if (!c->negated && r->user == NULL && ap_auth_type(r) != NULL)
        return AUTHZ_DENIED_NO_USER;
    if (a->model == NULL)
        return c->negated ? AUTHZ_DENIED : AUTHZ_GRANTED;
    if (c->negated && strcmp(a->model, MOD_DGON_PASS_ANY) == 0)
        return AUTHZ_GRANTED; /* it may be one of them */
    for (int i = 0; i < c->patterns->nelts; i++) {
        const char *pattern = APR_ARRAY_IDX(c->patterns, i, const char *);
        if (dgon_glob_fits(pattern, strlen(pattern), a->model))
            return AUTHZ_GRANTED;
    }
    return AUTHZ_DENIED;
}

/* As httpd's ap_process_request_internal does it. A user that is there was checked: one that was
 * not does not stay. */
static int authorize(request_rec *r, record *a)
{
    if (r->user != NULL && apr_table_get(r->notes, AP_GET_BASIC_AUTH_PW_NOTE) != NULL)
        r->user = NULL; /* somebody has read the header, no more */
    if (r->user != NULL)
        return ap_run_auth_checker(r);
    int status = ap_run_access_checker_ex(r);
    if (status != DECLINED)
        return status;
    if (a->no_login == 0) {
        status = ap_run_check_user_id(r);
        if (status == OK && r->user != NULL)
            return ap_run_auth_checker(r);
        r->user = NULL;
        a->no_login = ap_is_HTTP_ERROR(status) ? status : HTTP_INTERNAL_SERVER_ERROR;
    }
    return a->no_login;
}

/* Quietly: httpd has logged its own decision, and one that belongs to a model is not its news. At
 * LogLevel dgon:debug every Require line speaks. */
static int decide(request_rec *r, record *a, const char *model)
{
    static const struct ap_logconf quiet = {NULL, APLOG_CRIT};
    const struct ap_logconf *before = r->log;
    int status = OK;
    if (a->asked) {
        if (!APLOGrdebug(r))
            r->log = &quiet;
        a->model = model;
        apr_table_set(r->notes, MODEL_NOTE, model);
        status = authorize(r, a);
        a->model = NULL;
        r->log = before;
        if (status != OK && r->user != NULL) /* no login would help */
            apr_table_unset(r->err_headers_out, "WWW-Authenticate");
    }
    if (status == OK && a->models[0] != '\0' && !dgon_glob_list_fits(a->models, model))
        status = HTTP_FORBIDDEN;
    return status;
}

bool mod_dgon_access_sees(request_rec *r, const char *model)
{
    record *a = find(r);
    if (a == NULL)
        return true;
    bool sees = decide(r, a, model) == OK;
    apr_table_unset(r->notes, MODEL_NOTE);
    apr_table_unset(r->err_headers_out, "WWW-Authenticate");
    return sees;
}

bool mod_dgon_access_may(request_rec *r, const char *model, dgon_error *e)
{
    record *a = find(r);
    int status = a != NULL ? decide(r, a, model) : OK;
    const char *user = r->user != NULL ? r->user : "-";
    if (status == OK)
        return true;
    if (status >= HTTP_INTERNAL_SERVER_ERROR) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "DGON0210: nobody could say whether user %s may use model %s (status %d): "
                      "LogLevel dgon:debug shows which Require line failed",
                      user, model, status);
        dgon_error_set(e, status, NULL, NULL, "The gateway could not find out who may use this.");
        return false;
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "DGON0211: user %s may not use model %s", user,
                  model);
    if (status == HTTP_UNAUTHORIZED && r->user == NULL)
        dgon_error_set(e, status, "invalid_api_key", NULL,
                       "Authentication is required for the model '%s'.", model);
    else if (strcmp(model, MOD_DGON_PASS_ANY) == 0)
        dgon_error_set(
            e, HTTP_FORBIDDEN, "model_not_found", "model",
            "Not every model is open to you here: name one ('model' in the query or body, or "
            "X-Dgon-Model where there is neither).");
    else
        dgon_error_set(e, HTTP_FORBIDDEN, "model_not_found", "model",
                       "%s%s%s does not have access to model '%s'.", r->user != NULL ? "'" : "",
                       r->user != NULL ? r->user : "Nobody without a login",
                       r->user != NULL ? "'" : "", model);
    return false;
}

void mod_dgon_access_register(apr_pool_t *p)
{
    static const authz_provider provider = {check_authorization, parse_require_line};
    ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, "dgon-model", AUTHZ_PROVIDER_VERSION,
                              &provider, AP_AUTH_INTERNAL_PER_CONF);
}

#include "mod_dgon_cors.h"

#include "mod_dgon_config.h"
#include "mod_dgon_error.h"

#include <http_protocol.h>
#include <http_request.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>
#include <strings.h>

#define MAX_AGE     "600" /* seconds for which a browser need not ask again */
#define HEADERS_MAX 64    /* names in one question */

const char *mod_dgon_cors_check(apr_pool_t *p, const char *origin)
{
    const char *host = strstr(origin, "://");
    bool web = strncmp(origin, "https://", 8) == 0 || strncmp(origin, "http://", 7) == 0;
    if (web && host[3] != '\0' && strpbrk(host + 3, "/?#@* ") == NULL)
        return NULL;
    return apr_psprintf(p,
                        "DgonCorsOrigin \"%s\": write an origin as browsers send it, such as "
                        "https://chat.example.org or http://localhost:5173: no path, no *",
                        origin);
}

/* The origin if it is a named one. */
static const char *named_origin(request_rec *r)
{
    const mod_dgon_conf *conf = mod_dgon_config_get(r->server);
    const char *origin = apr_table_get(r->headers_in, "Origin");
    for (int i = 0; origin != NULL && conf->cors != NULL && i < conf->cors->nelts; i++)
        if (strcmp(APR_ARRAY_IDX(conf->cors, i, const char *), origin) == 0)
            return origin;
    return NULL;
}

void mod_dgon_cors_headers(request_rec *r)
{
    if (mod_dgon_config_get(r->server)->cors == NULL)
        return;
    apr_table_mergen(r->err_headers_out, "Vary", "Origin");
    const char *origin = named_origin(r);
    if (origin == NULL)
        return;
    apr_table_setn(r->err_headers_out, "Access-Control-Allow-Origin", origin);
    apr_table_setn(r->err_headers_out, "Access-Control-Expose-Headers",
                   "x-request-id, retry-after");
}

/* What SDKs and programs send. */
static bool is_known(const char *name)
{
    static const char *const names[] = {"authorization", "content-type", "accept",
                                        "x-api-key",     "x-request-id", "idempotency-key",
                                        "traceparent",   "user-agent"};
    static const char *const prefixes[] = {"x-stainless-", "openai-", "anthropic-"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static bool is_token(const char *name)
{
    for (const char *c = name; *c != '\0'; c++)
        if (!apr_isalnum(*c) && *c != '-')
            return false;
    return *name != '\0';
}

/* Those of the asked names that are let in. */
static const char *allowed_headers(request_rec *r)
{
    const char *asked = apr_table_get(r->headers_in, "Access-Control-Request-Headers");
    const char *list = "";
    char *rest = asked != NULL ? apr_pstrdup(r->pool, asked) : NULL, *name, *last = NULL;
    for (int n = 0; rest != NULL && n < HEADERS_MAX; n++) {
        name = apr_strtok(n == 0 ? rest : NULL, ", \t", &last);
        if (name == NULL)
            break;
        if (is_token(name) && is_known(name))
            list = apr_pstrcat(r->pool, list, *list != '\0' ? ", " : "", name, NULL);
    }
    return list;
}

static bool is_question(request_rec *r)
{
    return r->method_number == M_OPTIONS &&
           apr_table_get(r->headers_in, "Access-Control-Request-Method") != NULL &&
           named_origin(r) != NULL;
}

int mod_dgon_cors_preflight(request_rec *r)
{
    if (!is_question(r))
        return DECLINED;
    const char *headers = allowed_headers(r);
    apr_table_setn(r->err_headers_out, "Access-Control-Allow-Methods", "GET, POST");
    if (*headers != '\0')
        apr_table_setn(r->err_headers_out, "Access-Control-Allow-Headers", headers);
    apr_table_setn(r->err_headers_out, "Access-Control-Max-Age", MAX_AGE);
    r->status = HTTP_NO_CONTENT;
    return OK;
}

/* Length of "host:port" without the port that the scheme has anyway. */
static size_t authority_len(const char *authority, const char *scheme)
{
    const char *port = strcmp(scheme, "https") == 0 ? ":443" : ":80";
    size_t n = strcspn(authority, "/"), m = strlen(port);
    return n > m && strncmp(authority + n - m, port, m) == 0 ? n - m : n;
}

/* Has the origin the host and port that were asked? The scheme may be a proxy's affair. */
static bool is_own(request_rec *r, const char *origin)
{
    const char *host = apr_table_get(r->headers_in, "Host"), *at = strstr(origin, "://");
    if (host == NULL || at == NULL)
        return false;
    const char *scheme = apr_pstrmemdup(r->pool, origin, (apr_size_t)(at - origin));
    size_t n = authority_len(at + 3, scheme);
    return n == authority_len(host, scheme) && strncasecmp(at + 3, host, n) == 0;
}

bool mod_dgon_cors_is_foreign(request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *origin = apr_table_get(r->headers_in, "Origin");
    bool safe = r->method_number == M_GET || r->method_number == M_OPTIONS; /* M_GET: HEAD too */
    if (safe || (site == NULL && origin == NULL) || named_origin(r) != NULL)
        return false;
    if (site != NULL) /* the browser knows better than we what the page's own host is called */
        return strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
    return !is_own(r, origin);
}

/* The answer says nothing but what may be asked, so authentication is passed by. */
static int access_hook(request_rec *r)
{
    return ap_is_initial_req(r) && is_question(r) && mod_dgon_error_is_ours(r) ? OK : DECLINED;
}

void mod_dgon_cors_register(void)
{
    ap_hook_check_access_ex(access_hook, NULL, NULL, APR_HOOK_FIRST, AP_AUTH_INTERNAL_PER_CONF);
}

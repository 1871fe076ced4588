#include "mod_dgon_bearer.h"

#include "mod_dgon_access.h"
#include "mod_dgon_bearer_cache.h"
#include "mod_dgon_config.h"
#include "mod_dgon_dir.h"
#include "mod_dgon_engine.h"
#include "mod_dgon_error.h"

#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <apr_strings.h>

#include <string.h>
#include <strings.h>

#define BAD_NOTE "dgon-bearer-bad" /* a key was sent, and it is not good */

/* A key in two parts: the secret is what follows the last dot. */
typedef struct credential {
    const char *whole;
    char *id; /* NUL-terminated */
    size_t id_len;
    const char *secret;
    size_t secret_len;
} credential;

/* ---- what the client has sent ---- */

/* NULL: nothing. */
static const char *sent(request_rec *r)
{
    static const char scheme[] = "Bearer ";
    const char *text = apr_table_get(r->headers_in, "Authorization");
    if (text == NULL || strncasecmp(text, scheme, sizeof(scheme) - 1) != 0)
        return apr_table_get(r->headers_in, "x-api-key");
    text += sizeof(scheme) - 1;
    return text + strspn(text, " ");
}

static bool is_plain(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return true;
}

static bool split(request_rec *r, const char *text, credential *c)
{
    size_t n = strnlen(text, MOD_DGON_BEARER_MAX + 1);
    while (n > 0 && text[n - 1] == ' ')
        n--;
    const char *dot = NULL;
    for (size_t i = 0; i < n; i++)
        if (text[i] == '.')
            dot = text + i;
    if (dot == NULL || dot == text || dot == text + n - 1 || n > MOD_DGON_BEARER_MAX ||
        !is_plain(text, n))
        return false;
    *c = (credential){.whole = apr_pstrmemdup(r->pool, text, n),
                      .id = apr_pstrmemdup(r->pool, text, (apr_size_t)(dot - text)),
                      .id_len = (size_t)(dot - text)};
    c->secret = c->whole + c->id_len + 1;
    c->secret_len = n - c->id_len - 1;
    return true;
}

/* ---- httpd's own providers ---- */

/* One answer hangs on the key, on the providers, and on what else may tell them where to look: the
 * host, the realm and the address. The address, because httpd's modules do not say what they were
 * told: a <Location> within this one may have another AuthUserFile for the same providers. */
static bool cache_key(request_rec *r, const mod_dgon_dir *d, const credential *c,
                      unsigned char what[DGON_HASH_SIZE])
{
    const char *realm = ap_auth_name(r);
    const dgon_hash_part parts[] = {{&r->server, sizeof(r->server)},
                                    {&d->serial, sizeof(d->serial)},
                                    {realm, realm != NULL ? strlen(realm) : 0},
                                    {r->uri, strlen(r->uri)},
                                    {c->whole, c->id_len + 1 + c->secret_len}};
    return dgon_hash_parts(what, parts, sizeof(parts) / sizeof(parts[0])) == DGON_OK;
}

static authn_status ask_providers(request_rec *r, const mod_dgon_dir *d, const credential *c)
{
    authn_status status = AUTH_USER_NOT_FOUND;
    for (int i = 0; i < d->providers->nelts && status == AUTH_USER_NOT_FOUND; i++) {
        const mod_dgon_dir_provider *p = &APR_ARRAY_IDX(d->providers, i, mod_dgon_dir_provider);
        apr_table_setn(r->notes, AUTHN_PROVIDER_NAME_NOTE, p->name);
        status = p->provider->check_password(r, c->id, c->secret);
        apr_table_unset(r->notes, AUTHN_PROVIDER_NAME_NOTE);
    }
    return status;
}

static authn_status check_providers(request_rec *r, const mod_dgon_dir *d, const credential *c)
{
    int64_t keep = d->cache_ms != MOD_DGON_UNSET ? d->cache_ms : MOD_DGON_BEARER_CACHE_MS;
    unsigned char what[DGON_HASH_SIZE];
    uint64_t now = mod_dgon_now_ms();
    bool cached = keep > 0 && cache_key(r, d, c, what);
    if (cached && mod_dgon_bearer_cache_has(what, now))
        return AUTH_GRANTED;
    authn_status status = ask_providers(r, d, c);
    if (cached && status == AUTH_GRANTED)
        mod_dgon_bearer_cache_put(what, now, now + (uint64_t)keep);
    return status;
}

/* ---- the verdict ---- */

static int refuse(request_rec *r, const char *why)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "DGON0205: no access to %s: %s", r->uri, why);
    mod_dgon_error_because(r, why);
    ap_note_auth_failure(r);
    return HTTP_UNAUTHORIZED;
}

static int refuse_key(request_rec *r, const char *why)
{
    apr_table_setn(r->notes, BAD_NOTE, "1");
    return refuse(r, why);
}

static int fail(request_rec *r, const char *what)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "DGON0206: AuthType Bearer: %s", what);
    return HTTP_INTERNAL_SERVER_ERROR;
}

static int check(request_rec *r, const mod_dgon_dir *d, const credential *c)
{
    const char *models = "";
    authn_status status = AUTH_USER_NOT_FOUND;
    if (d->keys != NULL) {
        switch (mod_dgon_keyfile_check(d->keys, r, c->id, c->id_len, c->secret, c->secret_len,
                                       &models)) {
        case MOD_DGON_KEY_GOOD:
            status = AUTH_GRANTED;
            break;
        case MOD_DGON_KEY_UNKNOWN:
            break;
        case MOD_DGON_KEY_WRONG:
            status = AUTH_DENIED;
            break;
        case MOD_DGON_KEY_EXPIRED:
            return refuse_key(r, "This API key has expired. Ask the administrator for a new one.");
        case MOD_DGON_KEY_BROKEN:
            return fail(r, "no SHA-256 from libcrypto");
        }
    }
    if (status == AUTH_USER_NOT_FOUND && d->providers != NULL)
        status = check_providers(r, d, c);
    if (status == AUTH_DENIED || status == AUTH_USER_NOT_FOUND)
        return refuse_key(r, "Incorrect API key provided.");
    if (status != AUTH_GRANTED)
        return HTTP_INTERNAL_SERVER_ERROR; /* the provider has logged why */
    r->user = c->id;
    mod_dgon_access_restrict(r, models);
    return OK;
}

static int check_user_id(request_rec *r)
{
    const char *type = ap_auth_type(r);
    if (type == NULL || strcasecmp(type, "Bearer") != 0)
        return DECLINED;
    const mod_dgon_dir *d = ap_get_module_config(r->per_dir_config, &dgon_module);
    if (d->keys == NULL && d->providers == NULL)
        return fail(r, "it needs DgonKeyFile or DgonBearerProvider in the same place");
    r->ap_auth_type = apr_pstrdup(r->pool, "Bearer");
    credential c;
    const char *text = sent(r);
    if (text == NULL || *text == '\0')
        return refuse(r, "You didn't provide an API key. Send it in an Authorization header with "
                         "Bearer auth (Authorization: Bearer YOUR_KEY).");
    if (!split(r, text, &c))
        return refuse_key(r, "Incorrect API key provided.");
    return check(r, d, &c);
}

/* RFC 6750, 3: an error is named only where a key was sent. */
static int note_auth_failure(request_rec *r, const char *type)
{
    if (strcasecmp(type, "Bearer") != 0)
        return DECLINED;
    const char *realm = ap_auth_name(r); /* its quotes are escaped */
    apr_table_setn(
        r->err_headers_out, "WWW-Authenticate",
        apr_pstrcat(r->pool, "Bearer realm=\"", realm != NULL ? realm : "dgon", "\"",
                    apr_table_get(r->notes, BAD_NOTE) != NULL ? ", error=\"invalid_token\"" : NULL,
                    NULL));
    return OK;
}

void mod_dgon_bearer_register(void)
{
    ap_hook_check_authn(check_user_id, NULL, NULL, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_note_auth_failure(note_auth_failure, NULL, NULL, APR_HOOK_MIDDLE);
}

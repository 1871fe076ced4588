#include "mod_dgon_dir.h"

#include "mod_dgon_config.h"

#include <ap_provider.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

#define CACHE_MAX_MS (3600 * 1000)

void *mod_dgon_dir_create(apr_pool_t *p, char *path)
{
    (void)path;
    mod_dgon_dir *d = apr_pcalloc(p, sizeof(*d));
    d->cache_ms = MOD_DGON_UNSET;
    return d;
}

void *mod_dgon_dir_merge(apr_pool_t *p, void *base, void *add)
{
    const mod_dgon_dir *from = base;
    mod_dgon_dir *d = apr_pmemdup(p, add, sizeof(*d));
    if (d->keys == NULL)
        d->keys = from->keys;
    if (d->providers == NULL) {
        d->providers = from->providers;
        d->serial = from->serial;
    }
    if (d->cache_ms == MOD_DGON_UNSET)
        d->cache_ms = from->cache_ms;
    return d;
}

const char *mod_dgon_dir_key_file(cmd_parms *cmd, void *dir, const char *path)
{
    mod_dgon_dir *d = dir;
    const char *wrong = NULL, *full = ap_server_root_relative(cmd->pool, path);
    if (full == NULL)
        return apr_pstrcat(cmd->pool, "DgonKeyFile: invalid path ", path, NULL);
    d->keys = mod_dgon_keyfile_open(cmd, full, &wrong);
    return wrong;
}

const char *mod_dgon_dir_provider_add(cmd_parms *cmd, void *dir, const char *name)
{
    static unsigned serial;
    mod_dgon_dir *d = dir;
    const authn_provider *provider =
        ap_lookup_provider(AUTHN_PROVIDER_GROUP, name, AUTHN_PROVIDER_VERSION);
    if (provider == NULL || provider->check_password == NULL)
        return apr_psprintf(cmd->pool,
                            "DgonBearerProvider %s: no module that is loaded checks passwords "
                            "under this name (file needs mod_authn_file, dbm mod_authn_dbm, dbd "
                            "mod_authn_dbd, ldap mod_authnz_ldap)",
                            name);
    if (d->providers == NULL) {
        d->providers = apr_array_make(cmd->pool, 2, sizeof(mod_dgon_dir_provider));
        d->serial = ++serial;
    }
    APR_ARRAY_PUSH(d->providers, mod_dgon_dir_provider) =
        (mod_dgon_dir_provider){apr_pstrdup(cmd->pool, name), provider};
    return NULL;
}

const char *mod_dgon_dir_cache(cmd_parms *cmd, void *dir, const char *time)
{
    mod_dgon_dir *d = dir;
    apr_interval_time_t t = 0;
    if (!apr_isdigit(time[0]) || ap_timeout_parameter_parse(time, &t, "s") != APR_SUCCESS ||
        t > apr_time_from_msec(CACHE_MAX_MS))
        return apr_psprintf(cmd->pool,
                            "DgonBearerCache \"%s\": a time is needed, 0 (no cache) to 1h: 2s, "
                            "500ms or 1min",
                            time);
    d->cache_ms = apr_time_as_msec(t);
    return NULL;
}

/* What a <Location> says about API keys: the module's per-directory configuration. */
#ifndef MOD_DGON_DIR_H
#define MOD_DGON_DIR_H

#include "mod_dgon_keyfile.h"

#include <apr_tables.h>
#include <mod_auth.h>

#include <stdint.h>

#define MOD_DGON_BEARER_CACHE_MS 2000 /* default of DgonBearerCache */

typedef struct mod_dgon_dir_provider {
    const char *name;
    const authn_provider *provider;
} mod_dgon_dir_provider;

typedef struct mod_dgon_dir {
    mod_dgon_keyfile *keys;        /* or NULL */
    apr_array_header_t *providers; /* of mod_dgon_dir_provider, or NULL */
    int64_t cache_ms;
    unsigned serial; /* of the section that named the providers */
} mod_dgon_dir;

void *mod_dgon_dir_create(apr_pool_t *p, char *path);
void *mod_dgon_dir_merge(apr_pool_t *p, void *base, void *add);

/* Directives. */
const char *mod_dgon_dir_key_file(cmd_parms *cmd, void *dir, const char *path);
const char *mod_dgon_dir_provider_add(cmd_parms *cmd, void *dir, const char *name);
const char *mod_dgon_dir_cache(cmd_parms *cmd, void *dir, const char *time);

#endif

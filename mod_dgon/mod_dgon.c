/* The module record and its hooks; nothing else. */
#include "mod_dgon_access.h"
#include "mod_dgon_admin.h"
#include "mod_dgon_agent.h"
#include "mod_dgon_api.h"
#include "mod_dgon_bearer.h"
#include "mod_dgon_check.h"
#include "mod_dgon_config.h"
#include "mod_dgon_conn.h"
#include "mod_dgon_cors.h"
#include "mod_dgon_dir.h"
#include "mod_dgon_engine.h"
#include "mod_dgon_error.h"
#include "mod_dgon_join.h"
#include "mod_dgon_keyfile.h"
#include "mod_dgon_linger.h"
#include "mod_dgon_ollama.h"
#include "mod_dgon_pass.h"
#include "mod_dgon_restart.h"
#include "mod_dgon_shm.h"
#include "mod_dgon_status.h"
#include "mod_dgon_tally.h"
#include "mod_dgon_walk.h"

#include <ap_mpm.h>
#include <http_core.h>
#include <mpm_common.h>

static int post_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)plog;
    int rc = mod_dgon_config_load(p, ptemp, s);
    if (rc != OK)
        return rc;
    /* httpd reads its configuration twice at start: the first is a rehearsal */
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        return OK;
    mod_dgon_check_log(s);
    rc = mod_dgon_admin_listen(p, s);
    return rc == OK ? mod_dgon_shm_create(s, mod_dgon_config_get(s)) : rc;
}

static void child_init(apr_pool_t *pchild, server_rec *s)
{
    mod_dgon_keyfile_child(s);
    mod_dgon_admin_start(pchild, mod_dgon_engine_start(pchild, s));
}

/* Graceful restart, recycling, too many spare children: finish. A hard stop is the pool cleanup's.
 */
static void child_stopping(apr_pool_t *pchild, int graceful)
{
    (void)pchild;
    mod_dgon_engine *e = mod_dgon_engine_get();
    if (e == NULL)
        return;
    if (graceful)
        mod_dgon_engine_drain(e);
    else
        mod_dgon_engine_stop(e);
}

static void register_hooks(apr_pool_t *p)
{
    mod_dgon_access_register(p);
    mod_dgon_bearer_register();
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_stopping(child_stopping, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_dgon_api_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_dgon_ollama_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_dgon_pass_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_dgon_agent_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_dgon_status_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_dgon_metrics_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_dgon_admin_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_dgon_join_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_dgon_invite_handler, NULL, NULL, APR_HOOK_MIDDLE);
    mod_dgon_conn_register();
    mod_dgon_cors_register();
    mod_dgon_error_register();
    mod_dgon_linger_register();
    mod_dgon_restart_register();
    mod_dgon_status_register();
    mod_dgon_tally_register();
    mod_dgon_walk_register();
}

module AP_MODULE_DECLARE_DATA dgon_module = {
    STANDARD20_MODULE_STUFF, mod_dgon_dir_create, mod_dgon_dir_merge, mod_dgon_config_create,
    mod_dgon_config_merge,   mod_dgon_cmds,       register_hooks,
#if defined(AP_MODULE_FLAG_NONE)
    AP_MODULE_FLAG_NONE,
#endif
};

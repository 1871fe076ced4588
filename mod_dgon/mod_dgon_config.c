#include "mod_dgon_config.h"

#include "mod_dgon_agents.h"
#include "mod_dgon_alias.h"
#include "mod_dgon_config_int.h"
#include "mod_dgon_cors.h"
#include "mod_dgon_dir.h"
#include "mod_dgon_pass.h"

#include "dgon/embed.h"
#include "dgon/gate.h"
#include "dgon/registry.h"

#include <http_core.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum mod_dgon_unit { UNIT_COUNT, UNIT_BYTES, UNIT_TIME } mod_dgon_unit;

/* One row a number: name, range, default. Parsing, merging, defaults and the check of
 * conf/dgon.conf all read this table. */
typedef struct mod_dgon_number {
    const char *name;
    size_t offset;
    mod_dgon_unit unit;
    int64_t min, max, def;
    bool global; /* the segment is one for the whole server */
    bool power_of_two;
} mod_dgon_number;

#define FIELD(f) offsetof(mod_dgon_conf, f)
#define HOUR_MS  (3600 * 1000)

static const mod_dgon_number numbers[] = {
    {"DgonMaxJobs", FIELD(max_jobs), UNIT_COUNT, 16, DGON_REGISTRY_JOBS_MAX, 4096, true, false},
    {"DgonRingSize", FIELD(ring_size), UNIT_BYTES, DGON_RING_MIN, DGON_RING_MAX, 16384, true, true},
    {"DgonMaxAgents", FIELD(max_agents), UNIT_COUNT, 1, DGON_REGISTRY_LINKS_MAX, 256, true, false},
    {"DgonMaxModels", FIELD(max_models), UNIT_COUNT, 1, DGON_REGISTRY_MODELS_MAX, 1024, true,
     false},
    {"DgonMaxRequestBody", FIELD(max_body), UNIT_BYTES, 1024, INT64_C(1) << 30, 32 << 20, false,
     false},
    {"DgonQueueMax", FIELD(queue_max), UNIT_COUNT, 0, DGON_REGISTRY_JOBS_MAX, 256, false, false},
    {"DgonQueueTimeout", FIELD(queue_timeout), UNIT_TIME, 100, HOUR_MS, 60000, false, false},
    {"DgonAgentWait", FIELD(agent_wait), UNIT_TIME, 0, HOUR_MS, 5000, false, false},
    {"DgonAcceptTimeout", FIELD(accept_timeout), UNIT_TIME, 100, HOUR_MS, 5000, false, false},
    {"DgonFirstTokenTimeout", FIELD(first_token_timeout), UNIT_TIME, 100, 24 * HOUR_MS, 120000,
     false, false},
    {"DgonTokenGapTimeout", FIELD(gap_timeout), UNIT_TIME, 100, 24 * HOUR_MS, 60000, false, false},
    {"DgonWriteTimeout", FIELD(write_timeout), UNIT_TIME, 100, HOUR_MS, 60000, false, false},
    {"DgonHeaderHold", FIELD(header_hold), UNIT_TIME, 0, HOUR_MS, 3000, false, false},
    {"DgonPingInterval", FIELD(ping_interval), UNIT_TIME, 100, HOUR_MS, 15000, false, false},
    {"DgonDrainTimeout", FIELD(drain_timeout), UNIT_TIME, 0, 24 * HOUR_MS, 30000, true, false},
    {"DgonLinkPing", FIELD(link_ping), UNIT_TIME, 1000, HOUR_MS, 20000, true, false},
    {"DgonLinkHangup", FIELD(link_hangup), UNIT_TIME, 2000, HOUR_MS, 35000, true, false},
    {"DgonAttempts", FIELD(attempts), UNIT_COUNT, 1, 3, 3, false, false},
    {"DgonEmbedPart", FIELD(embed_part), UNIT_COUNT, 0, DGON_EMBED_INPUTS_MAX, 32, false, false},
    {"DgonAgentHandshakes", FIELD(handshakes), UNIT_COUNT, 1, DGON_GATE_PLACES, 256, true, false},
    {"DgonAgentHandshakesPerAddress", FIELD(handshakes_address), UNIT_COUNT, 1, DGON_GATE_PLACES,
     64, true, false},
    {"DgonJoinFailures", FIELD(join_failures), UNIT_COUNT, 1, 1000000, 600, true, false},
    {"DgonJoinFailuresPerAddress", FIELD(join_failures_address), UNIT_COUNT, 1, 10000, 10, true,
     false},
};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static int64_t *number_at(mod_dgon_conf *conf, const mod_dgon_number *n)
{
    return (int64_t *)(void *)((char *)conf + n->offset);
}

void *mod_dgon_config_create(apr_pool_t *p, server_rec *s)
{
    (void)s;
    mod_dgon_conf *conf = apr_pcalloc(p, sizeof(*conf));
    for (size_t i = 0; i < NUMBERS; i++)
        *number_at(conf, &numbers[i]) = MOD_DGON_UNSET;
    return conf;
}

void *mod_dgon_config_merge(apr_pool_t *p, void *base, void *add)
{
    mod_dgon_conf *conf = apr_pmemdup(p, add, sizeof(*conf));
    mod_dgon_conf *from = base;
    for (size_t i = 0; i < NUMBERS; i++) {
        int64_t *v = number_at(conf, &numbers[i]);
        if (*v == MOD_DGON_UNSET)
            *v = *number_at(from, &numbers[i]);
    }
    if (conf->token_file == NULL)
        conf->token_file = from->token_file;
    if (conf->admin_socket == NULL)
        conf->admin_socket = from->admin_socket;
    if (conf->agent_file == NULL)
        conf->agent_file = from->agent_file;
    if (conf->agent_url == NULL)
        conf->agent_url = from->agent_url;
    if (conf->trust == 0)
        conf->trust = from->trust;
    if (conf->cors == NULL)
        conf->cors = from->cors;
    if (conf->aliases == NULL)
        conf->aliases = from->aliases;
    if (conf->passes == NULL)
        conf->passes = from->passes;
    return conf;
}

const mod_dgon_conf *mod_dgon_config_get(server_rec *s)
{
    return ap_get_module_config(s->module_config, &dgon_module);
}

static const char *parse_bytes(const char *arg, int64_t *value)
{
    char *end = NULL;
    apr_int64_t v = apr_strtoi64(arg, &end, 10);
    if (end == arg || v < 0)
        return "a number is needed, with K or M behind it if wanted";
    if (*end == 'K' || *end == 'k') {
        v *= 1024;
        end++;
    } else if (*end == 'M' || *end == 'm') {
        v *= 1024 * 1024;
        end++;
    }
    if (*end != '\0')
        return "a number is needed, with K or M behind it if wanted";
    *value = v;
    return NULL;
}

static const char *parse_number(const mod_dgon_number *n, const char *arg, int64_t *value)
{
    if (n->unit == UNIT_TIME) {
        apr_interval_time_t t = 0;
        if (!apr_isdigit(arg[0]) || ap_timeout_parameter_parse(arg, &t, "s") != APR_SUCCESS)
            return "a time is needed: 30, 30s, 500ms or 2min";
        *value = t / 1000;
        return NULL;
    }
    if (n->unit == UNIT_BYTES)
        return parse_bytes(arg, value);
    char *end = NULL;
    *value = apr_strtoi64(arg, &end, 10);
    return end == arg || *end != '\0' ? "a whole number is needed" : NULL;
}

static const char *range_text(apr_pool_t *p, const mod_dgon_number *n)
{
    if (n->unit == UNIT_TIME)
        return apr_psprintf(p, "%" APR_INT64_T_FMT "ms to %" APR_INT64_T_FMT "s",
                            (apr_int64_t)n->min, (apr_int64_t)(n->max / 1000));
    return apr_psprintf(p, "%" APR_INT64_T_FMT " to %" APR_INT64_T_FMT "%s", (apr_int64_t)n->min,
                        (apr_int64_t)n->max, n->power_of_two ? ", a power of two" : "");
}

static const char *cmd_number(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)dummy;
    const mod_dgon_number *n = cmd->info;
    mod_dgon_conf *conf = ap_get_module_config(cmd->server->module_config, &dgon_module);

    const char *wrong = ap_check_cmd_context(cmd, n->global ? GLOBAL_ONLY : NOT_IN_DIR_LOC_FILE);
    if (wrong != NULL)
        return wrong;
    int64_t v = 0;
    wrong = parse_number(n, arg, &v);
    if (wrong != NULL)
        return apr_psprintf(cmd->pool, "%s \"%s\": %s (range %s)", n->name, arg, wrong,
                            range_text(cmd->pool, n));
    if (v < n->min || v > n->max || (n->power_of_two && (v & (v - 1)) != 0))
        return apr_psprintf(cmd->pool, "%s \"%s\" is out of range: write %s", n->name, arg,
                            range_text(cmd->pool, n));
    *number_at(conf, n) = v;
    return NULL;
}

/* A path; cmd->info is its offset in mod_dgon_conf. */
static const char *cmd_path(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)dummy;
    mod_dgon_conf *conf = ap_get_module_config(cmd->server->module_config, &dgon_module);
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    if (wrong != NULL)
        return wrong;
    const char *path = ap_server_root_relative(cmd->pool, arg);
    if (path == NULL)
        return apr_pstrcat(cmd->pool, cmd->cmd->name, ": invalid path ", arg, NULL);
    *(const char **)(void *)((char *)conf + (size_t)cmd->info) = path;
    return NULL;
}

static const char *cmd_cors(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)dummy;
    mod_dgon_conf *conf = ap_get_module_config(cmd->server->module_config, &dgon_module);
    const char *wrong = mod_dgon_cors_check(cmd->pool, arg);
    if (wrong != NULL)
        return wrong;
    if (conf->cors == NULL)
        conf->cors = apr_array_make(cmd->pool, 4, sizeof(const char *));
    APR_ARRAY_PUSH(conf->cors, const char *) = apr_pstrdup(cmd->pool, arg);
    return NULL;
}

static const char *cmd_alias(cmd_parms *cmd, void *dummy, const char *name, const char *targets)
{
    (void)dummy;
    mod_dgon_conf *conf = ap_get_module_config(cmd->server->module_config, &dgon_module);
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    return wrong != NULL ? wrong : mod_dgon_alias_add(cmd, &conf->aliases, name, targets);
}

static const char *cmd_pass(cmd_parms *cmd, void *dummy, const char *methods, const char *path,
                            const char *target)
{
    (void)dummy;
    mod_dgon_conf *conf = ap_get_module_config(cmd->server->module_config, &dgon_module);
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    return wrong != NULL ? wrong : mod_dgon_pass_add(cmd, &conf->passes, methods, path, target);
}

#define CMD(name, i, help)                                                                  \
    {                                                                                       \
        name, {.take1 = cmd_number}, (void *)(uintptr_t)&numbers[i], RSRC_CONF, TAKE1, help \
    }

const command_rec mod_dgon_cmds[] = {
    {"DgonAdminSocket",
     {.take1 = cmd_path},
     (void *)FIELD(admin_socket),
     RSRC_CONF,
     TAKE1,
     "UNIX socket at which dgonctl asks; root's alone"},
    {"DgonAgentTokenFile",
     {.take1 = mod_dgon_config_token_file},
     NULL,
     RSRC_CONF,
     TAKE1,
     "file with the agents' tokens, one a line; not readable for others"},
    {"DgonAgentFile",
     {.take1 = mod_dgon_config_agent_file},
     NULL,
     RSRC_CONF,
     TAKE1,
     "file of the agents that have joined and of open invitations; written by httpd and dgonctl"},
    {"DgonAgentUrl",
     {.take1 = mod_dgon_config_agent_url},
     NULL,
     RSRC_CONF,
     TAKE1,
     "the address that agents dial, where it is not this host's /dgon/agent"},
    {"DgonAgentTrust",
     {.take1 = mod_dgon_config_trust},
     NULL,
     RSRC_CONF,
     ITERATE,
     "how agents may show who they are: token, key, ssl"},
    {"DgonAlias",
     {.take2 = cmd_alias},
     NULL,
     RSRC_CONF,
     ITERATE2,
     "public name of a model, then its targets in order of preference"},
    {"DgonPass",
     {.take3 = cmd_pass},
     NULL,
     RSRC_CONF,
     TAKE23,
     "methods and path that are passed on to agents that have opened them too; the backend's path"},
    {"DgonCorsOrigin",
     {.take1 = cmd_cors},
     NULL,
     RSRC_CONF,
     ITERATE,
     "origins whose pages may use the APIs from a browser, such as https://chat.example.org"},
    {"DgonKeyFile",
     {.take1 = mod_dgon_dir_key_file},
     NULL,
     RSRC_CONF | ACCESS_CONF,
     TAKE1,
     "file with API keys for AuthType Bearer, made by dgonctl key"},
    {"DgonBearerProvider",
     {.take1 = mod_dgon_dir_provider_add},
     NULL,
     RSRC_CONF | ACCESS_CONF,
     ITERATE,
     "httpd's own sources of users and passwords for AuthType Bearer: file, dbm, dbd, ldap"},
    {"DgonBearerCache",
     {.take1 = mod_dgon_dir_cache},
     NULL,
     RSRC_CONF | ACCESS_CONF,
     TAKE1,
     "a provider's yes is believed for so long"},
    CMD("DgonMaxJobs", 0, "jobs that may exist at once, waiting or running"),
    CMD("DgonRingSize", 1, "bytes of each direction of a job, a power of two"),
    CMD("DgonMaxAgents", 2, "links of agents that may exist at once"),
    CMD("DgonMaxModels", 3, "model names that may be known at once"),
    CMD("DgonMaxRequestBody", 4, "largest request body"),
    CMD("DgonQueueMax", 5, "jobs that may wait for one model"),
    CMD("DgonQueueTimeout", 6, "longest wait for a free slot"),
    CMD("DgonAgentWait", 7,
        "longest wait for an agent to come back when none offers a known model"),
    CMD("DgonAcceptTimeout", 8,
        "an agent that has not accepted a job by then is passed over if there is another"),
    CMD("DgonFirstTokenTimeout", 9, "longest wait for the first token"),
    CMD("DgonTokenGapTimeout", 10, "longest gap between two tokens"),
    CMD("DgonWriteTimeout", 11, "a client that takes nothing for so long is dropped"),
    CMD("DgonHeaderHold", 12, "the status line waits so long for the first token"),
    CMD("DgonPingInterval", 13, "a comment is sent to a silent stream this often"),
    CMD("DgonDrainTimeout", 14, "jobs may run on so long after a graceful restart"),
    CMD("DgonLinkPing", 15, "a silent link is pinged this often"),
    CMD("DgonLinkHangup", 16, "a link silent for so long is dead"),
    CMD("DgonAttempts", 17, "agents that are tried for one job before its first byte"),
    CMD("DgonEmbedPart", 18,
        "fewest inputs of a part, where a list to embed is split over idle agents; 0: never"),
    CMD("DgonAgentHandshakes", 19, "links at once that have not shown who they are"),
    CMD("DgonAgentHandshakesPerAddress", 20, "likewise, of one address"),
    CMD("DgonJoinFailures", 21, "failed tries to join in a minute, then all have to wait"),
    CMD("DgonJoinFailuresPerAddress", 22, "likewise, of one address"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};

static void set_defaults(mod_dgon_conf *conf)
{
    if (conf->trust == 0)
        conf->trust = MOD_DGON_TRUST_TOKEN | MOD_DGON_TRUST_KEY;
    for (size_t i = 0; i < NUMBERS; i++)
        if (*number_at(conf, &numbers[i]) == MOD_DGON_UNSET)
            *number_at(conf, &numbers[i]) = numbers[i].def;
}

int mod_dgon_config_load(apr_pool_t *p, apr_pool_t *ptemp, server_rec *s)
{
    for (server_rec *v = s; v != NULL; v = v->next)
        set_defaults(ap_get_module_config(v->module_config, &dgon_module));

    mod_dgon_conf *conf = ap_get_module_config(s->module_config, &dgon_module);
    if (conf->link_hangup <= conf->link_ping) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     "DGON0005: DgonLinkHangup must be longer than DgonLinkPing");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (conf->agent_file != NULL) {
        int rc = mod_dgon_agents_check(ptemp, s, conf->agent_file);
        if (rc != OK)
            return rc;
    }
    conf->tokens = apr_array_make(p, 1, sizeof(const char *));
    if (conf->token_file != NULL) {
        int rc = mod_dgon_config_tokens(p, ptemp, s, conf);
        if (rc != OK)
            return rc;
    }
    /* virtual hosts hold copies of the main server's pointer from the merge, made before it was
     * filled */
    for (server_rec *v = s->next; v != NULL; v = v->next) {
        mod_dgon_conf *vconf = ap_get_module_config(v->module_config, &dgon_module);
        vconf->tokens = conf->tokens;
    }
    return OK;
}

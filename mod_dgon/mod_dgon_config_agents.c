/* Directives about agents: who they are, where that stands. */
#include "mod_dgon_config_int.h"

#include "dgon/join.h"

#include <apr_file_io.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

const char *mod_dgon_config_token_file(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)dummy;
    mod_dgon_conf *conf = ap_get_module_config(cmd->server->module_config, &dgon_module);
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    if (wrong != NULL)
        return wrong;
    conf->token_file = ap_server_root_relative(cmd->pool, arg);
    if (conf->token_file == NULL)
        return apr_pstrcat(cmd->pool, "DgonAgentTokenFile: invalid path ", arg, NULL);
    return NULL;
}

const char *mod_dgon_config_agent_file(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)dummy;
    mod_dgon_conf *conf = ap_get_module_config(cmd->server->module_config, &dgon_module);
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    if (wrong != NULL)
        return wrong;
    conf->agent_file = ap_server_root_relative(cmd->pool, arg);
    if (conf->agent_file == NULL)
        return apr_pstrcat(cmd->pool, "DgonAgentFile: invalid path ", arg, NULL);
    return NULL;
}

const char *mod_dgon_config_agent_url(cmd_parms *cmd, void *dummy, const char *arg)
{
    (void)dummy;
    mod_dgon_conf *conf = ap_get_module_config(cmd->server->module_config, &dgon_module);
    bool ok = strncmp(arg, "wss://", 6) == 0 || strncmp(arg, "ws://", 5) == 0;
    if (!ok || strlen(arg) >= DGON_JOIN_URL_MAX || strpbrk(arg, " \t\"'`$\\<>?#") != NULL ||
        strchr(strstr(arg, "://") + 3, '/') == NULL)
        return apr_psprintf(cmd->pool,
                            "DgonAgentUrl \"%s\": write the address that agents dial, such as "
                            "wss://gateway.example.org/dgon/agent",
                            arg);
    conf->agent_url = arg;
    return NULL;
}

const char *mod_dgon_config_trust(cmd_parms *cmd, void *dummy, const char *arg)
{
    static const char *const words[] = {"token", "key", "ssl"};
    (void)dummy;
    mod_dgon_conf *conf = ap_get_module_config(cmd->server->module_config, &dgon_module);
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (ap_cstr_casecmp(arg, words[i]) == 0) {
            conf->trust |= 1u << i;
            return NULL;
        }
    }
    return apr_psprintf(cmd->pool,
                        "DgonAgentTrust \"%s\": write token, key, ssl, or several of them", arg);
}

/* Tokens need not be secret from the administrator's eyes, but from everybody else's: the file must
 * not be world-readable. */
int mod_dgon_config_tokens(apr_pool_t *p, apr_pool_t *ptemp, server_rec *s, mod_dgon_conf *conf)
{
    apr_file_t *f;
    apr_finfo_t info;
    apr_status_t rv = apr_file_open(&f, conf->token_file, APR_READ | APR_BUFFERED, 0, ptemp);
    if (rv != APR_SUCCESS) {
        ap_log_error(
            APLOG_MARK, APLOG_EMERG, rv, s,
            "DGON0001: DgonAgentTokenFile %s cannot be read: create it with one token a line",
            conf->token_file);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    rv = apr_file_info_get(&info, APR_FINFO_PROT, f);
    if (rv != APR_SUCCESS || (info.protection & (APR_WREAD | APR_WWRITE))) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     "DGON0002: DgonAgentTokenFile %s is open to everybody: chmod 0640 it",
                     conf->token_file);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    conf->tokens = apr_array_make(p, 4, sizeof(const char *));
    char line[1024];
    int number = 0;
    while (apr_file_gets(line, sizeof(line), f) == APR_SUCCESS) {
        number++;
        char *start = line;
        while (apr_isspace(*start))
            start++;
        char *end = start + strlen(start);
        while (end > start && apr_isspace(end[-1]))
            *--end = '\0';
        if (*start == '\0' || *start == '#')
            continue;
        if (end - start < 16) {
            ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                         "DGON0003: %s line %d: a token has at least 16 characters (try: openssl "
                         "rand -hex 32)",
                         conf->token_file, number);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
        APR_ARRAY_PUSH(conf->tokens, const char *) = apr_pstrdup(p, start);
    }
    apr_file_close(f);
    if (conf->tokens->nelts == 0)
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "DGON0004: %s holds no token: no agent can connect", conf->token_file);
    return OK;
}

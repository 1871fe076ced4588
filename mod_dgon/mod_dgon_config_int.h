/* What the files of the directives share: mod_dgon_config.c has the table, mod_dgon_config_agents.c
 * what the table calls for agents. At start only. */
#ifndef MOD_DGON_CONFIG_INT_H
#define MOD_DGON_CONFIG_INT_H

#include "mod_dgon_config.h"

const char *mod_dgon_config_token_file(cmd_parms *cmd, void *dummy, const char *arg);
const char *mod_dgon_config_agent_file(cmd_parms *cmd, void *dummy, const char *arg);
const char *mod_dgon_config_agent_url(cmd_parms *cmd, void *dummy, const char *arg);
const char *mod_dgon_config_trust(cmd_parms *cmd, void *dummy, const char *arg);
/* Fills conf->tokens from the file. OK, or an error after a log line. */
int mod_dgon_config_tokens(apr_pool_t *p, apr_pool_t *ptemp, server_rec *s, mod_dgon_conf *conf);

#endif

/* Directives: parsed and checked at start, with file and line; read-only afterwards, any thread. */
#ifndef MOD_DGON_CONFIG_H
#define MOD_DGON_CONFIG_H

#include "mod_dgon_private.h"

#include <stdint.h>

#define MOD_DGON_UNSET (-1)

/* How agents may show who they are: DgonAgentTrust. */
enum { MOD_DGON_TRUST_TOKEN = 1, MOD_DGON_TRUST_KEY = 2, MOD_DGON_TRUST_SSL = 4 };

/* One per server; a virtual host inherits what it does not set. Sizes of the segment and the
 * agents' tokens come from the main server only. Times in ms. */
typedef struct mod_dgon_conf {
    const char *token_file;
    const char *admin_socket;
    const char *agent_file; /* NULL: agents cannot join */
    const char *agent_url;  /* NULL: as the request says */
    unsigned trust;         /* MOD_DGON_TRUST_…; filled in post_config */
    apr_array_header_t *tokens; /* of const char *; filled in post_config */
    apr_array_header_t *aliases; /* of mod_dgon_alias; or NULL */
    apr_array_header_t *passes;  /* of mod_dgon_pass; or NULL */
    apr_array_header_t *cors;   /* of const char *: origins of other sites that may ask; or NULL */
    int64_t max_jobs;
    int64_t ring_size;
    int64_t max_agents;
    int64_t max_models;
    int64_t max_body;
    int64_t queue_max;
    int64_t queue_timeout;
    int64_t agent_wait;
    int64_t accept_timeout;
    int64_t first_token_timeout;
    int64_t gap_timeout;
    int64_t write_timeout;
    int64_t header_hold;
    int64_t ping_interval;
    int64_t drain_timeout;
    int64_t link_ping;
    int64_t link_hangup;
    int64_t attempts;
    int64_t embed_part;
    int64_t handshakes;
    int64_t handshakes_address;
    int64_t join_failures;
    int64_t join_failures_address;
} mod_dgon_conf;

extern const command_rec mod_dgon_cmds[];

void *mod_dgon_config_create(apr_pool_t *p, server_rec *s);
void *mod_dgon_config_merge(apr_pool_t *p, void *base, void *add);
/* The effective configuration of a server; never NULL, every number set. */
const mod_dgon_conf *mod_dgon_config_get(server_rec *s);
/* post_config: reads the token file. OK, or an error after a log line that names file and cure. */
int mod_dgon_config_load(apr_pool_t *p, apr_pool_t *ptemp, server_rec *s);

#endif

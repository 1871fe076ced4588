/* DgonAgentFile as a child of httpd sees it: the engine watches it and knows its last good content;
 * what changes it runs in workers, or in a thread of its own. */
#ifndef MOD_DGON_AGENTS_H
#define MOD_DGON_AGENTS_H

#include "mod_dgon_config.h"

#include "dgon/agents_file.h"

typedef struct mod_dgon_agents mod_dgon_agents;

/* post_config, root: refuses a file that cannot be used, with file and line. OK without a file that
 * is not there yet. */
int mod_dgon_agents_check(apr_pool_t *ptemp, server_rec *s, const char *path);

/* child_init. NULL: no memory. */
mod_dgon_agents *mod_dgon_agents_open(server_rec *s, const char *path);
/* Engine, each tick: looks at the file once a second. True: its content is another one now. */
bool mod_dgon_agents_look(mod_dgon_agents *w, uint64_t now);
/* Engine, at a login: takes the file as it is now, since the agent may have joined, or been
 * revoked, a moment ago. One stat(). */
void mod_dgon_agents_refresh(mod_dgon_agents *w);
/* Engine. The entry is valid until the next look or refresh. */
const dgon_agents_entry *mod_dgon_agents_by_key(const mod_dgon_agents *w,
                                                const unsigned char hash[DGON_HASH_SIZE]);
const dgon_agents_entry *mod_dgon_agents_by_id(const mod_dgon_agents *w, const char *id);
const dgon_agents_entry *mod_dgon_agents_by_serial(const mod_dgon_agents *w,
                                                   const unsigned char serial[DGON_AGENTS_SERIAL]);
/* Engine: the agent's next key is to be noted, or, with `first`, was used for the first time. A
 * thread writes the file; what fails or is too much at once is tried again at the agent's next
 * login. */
void mod_dgon_agents_note(mod_dgon_agents *w, const unsigned char serial[DGON_AGENTS_SERIAL],
                          const unsigned char next[DGON_HASH_SIZE], bool first);
/* Child's end, after the engine: waits for those threads, 2 s at most. */
void mod_dgon_agents_close(mod_dgon_agents *w);

#endif

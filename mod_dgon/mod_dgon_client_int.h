/* What the files of a client's stream share. Owner of the stream only: its worker, or the engine.
 */
#ifndef MOD_DGON_CLIENT_INT_H
#define MOD_DGON_CLIENT_INT_H

#include "mod_dgon_client.h"

#define MOD_DGON_CLIENT_TRIM_MS 1000 /* a stream that lasts longer gives memory back */

/* Enters the stream as the one whom news of its job slot are for; a suspended one only once the
 * engine has it. */
void mod_dgon_client_listen(mod_dgon_stream *s);
/* Claims a slot for the spec as it stands and submits it. On failure s->error says why and there is
 * no job. */
dgon_status mod_dgon_client_submit(mod_dgon_stream *s);
/* Tries another agent, as long as nothing of the answer went out. True: the job goes on. */
bool mod_dgon_client_retry(mod_dgon_stream *s);
/* Does an administrator want it to end? Then s->error says so. */
bool mod_dgon_client_cancelled(mod_dgon_stream *s);
static inline void mod_dgon_client_count(mod_dgon_stream *s, dgon_count what, uint64_t n)
{
    dgon_registry_count(s->engine->registry, s->engine->child, what, n);
}

/* Does output wait for the client's socket? In a worker never: there a write blocks. */
static inline bool mod_dgon_client_blocked(const mod_dgon_stream *s)
{
    return !s->way.clear && s->mc != NULL && mod_dgon_conn_blocked(s->mc);
}

/* Before a job is given up: what the registry knows of it. */
void mod_dgon_client_note_attempt(mod_dgon_stream *s, dgon_job_ref ref);
/* Gives the job up, if there is one. */
void mod_dgon_client_let_go(mod_dgon_stream *s);
/* Is there something of the request that the agent has not been told? */
bool mod_dgon_client_has_body(const mod_dgon_stream *s);
/* Moves what fits of the body into the up ring. */
void mod_dgon_client_feed(mod_dgon_stream *s);
/* How it went with the agent, for the fleet's page; e NULL: well. Not what is no agent's fault. */
void mod_dgon_client_agent_told(mod_dgon_stream *s, const dgon_error *e);
/* The answer is whole: sends what is left of it. */
mod_dgon_pump mod_dgon_client_end(mod_dgon_stream *s, dgon_buf *out);

/* Is it a stream between whose events comments may stand? */
bool mod_dgon_client_comments(const mod_dgon_stream *s);
/* Before the first byte: the headers of a good answer. */
void mod_dgon_client_begin(mod_dgon_stream *s);
/* Sends `out` (emptied) and, with `last`, the end of the body. False: the connection is dead. */
bool mod_dgon_client_write(mod_dgon_stream *s, dgon_buf *out, bool last);

/* mod_dgon_block.c, for who waits for several streams in one worker. */

/* The eventfd of this thread; negative: none to be had. */
int mod_dgon_block_fd(void);
/* Waits for news of any stream with s's wakefd, for s's client or until `due`. `client`: the
 * socket, or negative; *events: what it is still asked for. */
void mod_dgon_block_wait(mod_dgon_stream *s, int client, short *events, uint64_t due);
/* The client's socket as far as it can be watched, else -1. */
int mod_dgon_block_socket(const mod_dgon_stream *s);
/* Makes a broken answer show. */
void mod_dgon_block_end(mod_dgon_stream *s, mod_dgon_pump how);
/* Has the child to end now? *until: 0 at first. Then s->error says so. */
bool mod_dgon_block_is_over(mod_dgon_stream *s, uint64_t *until);

#endif

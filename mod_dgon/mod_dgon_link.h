/* An agent's link: the WebSocket, the control messages and the jobs that stand on it. The only
 * files that know wslay are mod_dgon_link.c and mod_dgon_link_ws.c. Engine thread only, but for the
 * handler. */
#ifndef MOD_DGON_LINK_H
#define MOD_DGON_LINK_H

#include "mod_dgon_conn.h"
#include "mod_dgon_engine.h"

typedef struct mod_dgon_link mod_dgon_link;
typedef struct mod_dgon_link_job mod_dgon_link_job;

/* One record a job slot; calloc'ed, NULL when memory is short. */
mod_dgon_link_job *mod_dgon_link_jobs_create(uint32_t jobs);

/* What the upgrade has shown of the agent. */
typedef struct mod_dgon_who {
    enum { MOD_DGON_WHO_TOKEN, MOD_DGON_WHO_CERTIFICATE, MOD_DGON_WHO_KEY } kind;
    char id[DGON_WIRE_ID_MAX + 1]; /* the certificate's */
    uint64_t place;                /* of a key, yet to be shown: in the gate; the link's to give back */
} mod_dgon_who;

/* Worker: the upgrade is checked and answered, the connection goes to the engine. Returns what the
 * handler must return. */
int mod_dgon_link_adopt(request_rec *r, mod_dgon_engine *e, const mod_dgon_who *who);

/* A job slot has news: is it bound to a link of ours, has it body to send, is its client gone, may
 * it have credit? */
void mod_dgon_link_news(mod_dgon_engine *e, uint32_t slot);
/* Every 100 ms: liveness, hello deadline, unconfirmed cancels, probes. */
void mod_dgon_link_tick(mod_dgon_engine *e);
/* Once a loop: sends what was queued. */
void mod_dgon_link_flush_all(mod_dgon_engine *e);
bool mod_dgon_link_any_job(const mod_dgon_engine *e);
/* The child ends: no new jobs, the agents dial elsewhere. */
void mod_dgon_link_goaway_all(mod_dgon_engine *e);
/* Closes all with 1012, now. */
void mod_dgon_link_close_all(mod_dgon_engine *e);

#endif

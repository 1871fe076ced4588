/* The jobs of this agent: table, states, slots, credit. A job belongs to the link it came on and to
 * one backend. */
#ifndef AGENT_JOBS_H
#define AGENT_JOBS_H

#include "agent_http.h"
#include "agent_link.h"
#include "agent_models.h"

#include "dgon/control.h"

typedef struct agent_jobs agent_jobs;

/* What a link remembers for its jobs; agent_link_get_data() of every link gives one. */
typedef struct agent_session {
    uint32_t window;     /* credit a job starts with */
    uint32_t jobs;       /* running on this link */
    uint64_t refused_ms; /* when a job found no slot and went back to its queue; 0: none did */
} agent_session;

/* NULL when memory is short. */
agent_jobs *agent_jobs_create(agent_loop *loop, agent_http *http, agent_models *models,
                              uint32_t body_max);
/* Cancels what runs. */
void agent_jobs_destroy(agent_jobs *t);
void agent_jobs_set_slots(agent_jobs *t, uint32_t slots);
uint32_t agent_jobs_slots(const agent_jobs *t);
uint32_t agent_jobs_count(const agent_jobs *t);
/* From now on every new job is given back to the queue. */
void agent_jobs_drain(agent_jobs *t);

/* A job message, of which c->http may be taken. DGON_EPROTO: the gateway broke the protocol, close
 * the link. */
DGON_MUST_USE dgon_status agent_jobs_start(agent_jobs *t, agent_link *l, dgon_ctl *c);
/* BODY, CREDIT, CANCEL. Records of a job that ended, or of another attempt, are dropped. */
DGON_MUST_USE dgon_status agent_jobs_record(agent_jobs *t, agent_link *l, const dgon_record *r);
/* The link takes records again. */
void agent_jobs_link_writable(agent_jobs *t, agent_link *l);
/* The link is gone: its jobs are cancelled at their backends. */
void agent_jobs_link_lost(agent_jobs *t, agent_link *l);
/* Ends every job with a 503 that another agent may take over. */
void agent_jobs_fail_all(agent_jobs *t, const char *why);
/* About once a second: the gap limit. */
void agent_jobs_tick(agent_jobs *t);

#endif

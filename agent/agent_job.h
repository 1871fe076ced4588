/* One job, from the inside: shared by agent_jobs.c (the table), agent_job_run.c (backend),
 * agent_job_unheard.c and agent_job_send.c (gateway). Everybody else sees agent_jobs.h. */
#ifndef AGENT_JOB_H
#define AGENT_JOB_H

#include "agent_jobs.h"

#define AGENT_JOBS_BUCKETS 1024u

typedef enum agent_job_state {
    AGENT_JOB_BODY = 0, /* the request's body is coming in */
    AGENT_JOB_WAITING,  /* asked the backend, no byte yet */
    AGENT_JOB_RUNNING,  /* the answer flows */
    AGENT_JOB_FINISHING /* the answer is complete, records wait for credit */
} agent_job_state;

typedef struct agent_job_choices agent_job_choices;

typedef struct agent_job {
    struct agent_job *next; /* of the bucket */
    agent_jobs *table;
    agent_link *link;
    agent_backend *backend;
    /* of its kind when the job began: the backend may change its kind later */
    const agent_backend_ops *ops;
    const char *path; /* what is asked for there; "": nothing, ops->step answers */
    agent_request *request;
    agent_timer *timer;         /* echo; the next exchange */
    agent_job_choices *choices; /* NULL: one exchange gives the answer */
    agent_exchange x;
    struct agent_job *next_unheard, **unheard_at; /* unheard_at NULL: not one of the unheard ones */
    uint64_t unheard_since;
    bool begun; /* x is set up */
    uint32_t number;
    uint8_t attempt;
    agent_job_state state;
    dgon_op op;
    bool stream, paused;
    uint8_t final; /* type of the last record, once it is known */
    dgon_buf final_payload;
    dgon_buf body; /* request; then a whole or wrong answer of the backend */
    uint64_t body_left;
    dgon_buf pending; /* records without credit */
    size_t pending_at;
    int64_t credit;
    uint32_t piece; /* longest record: the window must be able to cover it */
    uint64_t started_ms, last_ms;
    uint32_t events;
    int64_t created;
    struct agent_pass *pass; /* of a request that is passed on, else NULL */
    struct agent_load *load; /* of one to load a model, likewise */
    char id[65], model[DGON_WIRE_NAME_MAX + 1], public_model[DGON_WIRE_NAME_MAX + 1],
        traceparent[56];
} agent_job;

struct agent_jobs {
    agent_loop *loop;
    agent_http *http;
    agent_models *models;
    uint32_t body_max, slots, count;
    bool draining;
    agent_job *unheard, **unheard_end; /* the gateway has heard nothing of them yet, oldest first */
    agent_timer *unheard_timer;
    agent_job *buckets[AGENT_JOBS_BUCKETS];
};

/* --- agent_jobs.c --- */

/* Takes the job out of the table and frees it; its request must be over already. */
void agent_job_free(agent_job *j);

/* --- agent_job_unheard.c --- */

bool agent_job_unheard_init(agent_jobs *t);
/* The job is accepted: STATUS goes out in a moment, unless something else does first. */
void agent_job_unheard_begin(agent_job *j);
/* The gateway hears of it, or it is over. Any number of times. */
void agent_job_unheard_end(agent_job *j);

/* --- agent_job_choices.c --- */

/* The body is whole: does its client want several choices? Where the backend's kind gives one at a
 * time j->body becomes the body for the first one. On failure e is filled. */
DGON_MUST_USE dgon_status agent_job_choices_begin(agent_job *j, dgon_error *e);
/* The first exchange is set up. */
void agent_job_choices_begun(agent_job *j);
/* An exchange ended well. True: another one is due. */
bool agent_job_choices_more(agent_job *j);
bool agent_job_choices_due(const agent_job *j);
/* Ends the translation of the last exchange; j->body becomes the body for the one that is due. On
 * failure e is filled. */
DGON_MUST_USE dgon_status agent_job_choices_next(agent_job *j, dgon_error *e);
void agent_job_choices_free(agent_job *j);

/* --- agent_job_run.c --- */

/* The body is whole: translates it and asks the backend. May free the job. */
void agent_job_run(agent_job *j);
/* Credit came or the link is free again: sends what waits, then goes on reading the backend. May
 * free the job. */
void agent_job_go_on(agent_job *j);
/* The request at the backend is over for this job. Inside its own callback it can only be let go.
 */
void agent_job_drop_request(agent_job *j, bool inside);
/* One line at level debug. */
void agent_job_log_end(const agent_job *j, const char *how);
/* Ends the job with an error at once: what waits for credit is worthless now. Frees it. */
void agent_job_fail(agent_job *j, const dgon_error *e);
/* The same with an error that another agent may do better. */
void agent_job_fail_text(agent_job *j, int http, const char *code, const char *text);

/* The answer is complete and final_payload is what END says: now, or behind the records that wait.
 * May free the job. */
void agent_job_finish(agent_job *j);

/* --- agent_job_pass.c --- */

/* Which backend does it, and whether it may be done. False: e says why not. */
bool agent_job_pass_allowed(agent_models *m, const dgon_ctl *c, agent_backend **b, dgon_error *e);
/* Begins a job whose request is passed on; takes c->http. May free the job. */
void agent_job_pass_begin(agent_job *j, dgon_ctl *c);
/* A piece of its body. DGON_EPROTO: more than its window. May free the job. */
DGON_MUST_USE dgon_status agent_job_pass_body(agent_job *j, const dgon_record *r);
void agent_job_pass_free(struct agent_pass *p);

/* --- agent_job_load.c --- */

/* Any backend, until the body says which model. False: e says why not. */
bool agent_job_load_allowed(agent_models *m, const dgon_ctl *c, agent_backend **b, dgon_error *e);
/* The body is whole: begins to load. May free the job. */
void agent_job_load_run(agent_job *j);
void agent_job_load_free(struct agent_load *l);

/* --- agent_job_send.c --- */

/* A record that needs no credit: STATUS, END, CANCELLED. */
void agent_job_send(const agent_job *j, uint8_t type, const void *p, size_t n);
/* FAIL, for a job that has no entry in the table (any more). */
void agent_job_refuse(agent_link *l, uint32_t number, uint8_t attempt, const dgon_error *e);
/* One event of the answer (a dgon_chat_emit_fn): now, or behind what waits for credit. */
dgon_status agent_job_on_event(void *user, const char *p, size_t n);
/* The same for a whole answer. */
dgon_status agent_job_put_raw(agent_job *j, const char *p, size_t n);
/* The head of an answer that is passed on. */
dgon_status agent_job_put_head(agent_job *j, const char *p, size_t n);
/* Sends what waits as far as the credit goes. True: nothing waits any more. */
bool agent_job_send_pending(agent_job *j);

#endif

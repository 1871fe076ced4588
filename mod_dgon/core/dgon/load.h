/* Loading a model on request: what an administrator asks, what an agent tells of it while it goes
 * on, and what model servers answer. Pure functions on texts; any thread, caller's storage. */
#ifndef DGON_LOAD_H
#define DGON_LOAD_H

#include "dgon/buf.h"
#include "dgon/error.h"
#include "dgon/wire.h"

#include <stdbool.h>
#include <stdint.h>

#define DGON_LOAD_AGENTS_MAX 64u   /* asked by one request */
#define DGON_LOAD_BODY_MAX   4096u /* a question, to the gateway or to an agent */
#define DGON_LOAD_EVENT_MAX  4096u /* what an agent tells at a time */
#define DGON_LOAD_REASON_MAX 255u  /* bytes; longer ones are cut */
#define DGON_LOAD_DIGEST_MAX 79u

typedef enum dgon_load_state {
    DGON_LOAD_WAITING = 0, /* for a slot of the agent */
    DGON_LOAD_PULLING,     /* the model comes from its registry */
    DGON_LOAD_LOADING,     /* into memory */
    DGON_LOAD_LOADED,
    DGON_LOAD_FAILED, /* it was tried */
    DGON_LOAD_CANNOT, /* it could not be tried */
    DGON_LOAD_STATES
} dgon_load_state;

typedef struct dgon_load_progress {
    dgon_load_state state;
    uint64_t completed, total;             /* bytes of a pull; total 0: not known */
    char reason[DGON_LOAD_REASON_MAX + 1]; /* for people; "": none */
} dgon_load_progress;

/* Static. */
const char *dgon_load_state_str(dgon_load_state s);
/* Does nothing come after it? */
bool dgon_load_is_last(dgon_load_state s);
/* Sets state and reason (NULL: none, cut at a character border), forgets the bytes. */
void dgon_load_set(dgon_load_progress *to, dgon_load_state state, const char *reason);
bool dgon_load_same(const dgon_load_progress *a, const dgon_load_progress *b);
/* Does a model server's `name` mean the model that was asked for? Also with Ollama's ":latest"
 * behind it. */
bool dgon_load_is_name(const char *name, const char *asked);

/* ---- gateway ---- */

/* {"model_name":M,"init_nodes_num":N}, N 1 if it is missing; other members are let through.
 * DGON_EINVAL, DGON_ENOMEM: e is filled. */
DGON_MUST_USE dgon_status dgon_load_ask_in(const char *p, size_t n,
                                           char model[DGON_WIRE_NAME_MAX + 1], uint32_t *agents,
                                           dgon_error *e);
/* The body of the job for an agent, and back. DGON_EJSON, DGON_ENOMEM. */
DGON_MUST_USE dgon_status dgon_load_body_write(dgon_buf *out, const char *model);
DGON_MUST_USE dgon_status dgon_load_body_in(const char *p, size_t n,
                                            char model[DGON_WIRE_NAME_MAX + 1]);

/* ---- both ---- */

/* {"agent":…,"state":…,"completed":…,"total":…,"reason":…}; agent NULL: without it. */
DGON_MUST_USE dgon_status dgon_load_progress_write(dgon_buf *out, const char *agent,
                                                   const dgon_load_progress *p);
/* The same from an agent, hostile: any `agent` in it is ignored. DGON_EJSON: that is none, or in no
 * known state; DGON_ENOMEM. */
DGON_MUST_USE dgon_status dgon_load_progress_in(dgon_load_progress *to, const char *p, size_t n);

/* ---- agent ---- */

/* Sums up the layers that a pull has told of; zeroed at first. */
typedef struct dgon_load_pull {
    char digest[DGON_LOAD_DIGEST_MAX + 1]; /* of the layer that is told of now */
    uint64_t before, layer;                /* bytes of the layers before it; of this one */
} dgon_load_pull;

/* One line of Ollama's POST /api/pull. DGON_OK: *to is how far it is. DGON_DONE: it was the last
 * one. DGON_EBACKEND: it failed, *to says why. DGON_EJSON, DGON_ENOMEM. */
DGON_MUST_USE dgon_status dgon_load_pull_in(dgon_load_pull *t, dgon_load_progress *to,
                                            const char *p, size_t n);
/* What llama-server's router tells of the model in GET /v1/models: loading, loaded, or failed.
 * DGON_ENOTFOUND: it is not in the list. DGON_EJSON, DGON_ENOMEM. */
DGON_MUST_USE dgon_status dgon_load_router_in(dgon_load_progress *to, const char *model,
                                              const char *p, size_t n);

#endif

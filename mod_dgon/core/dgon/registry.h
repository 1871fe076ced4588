/* The job registry: one shared segment, seen by all children of the gateway, joining client
 * children and link children. No lock anywhere. Every change of a job or a link is ONE
 * compare-and-swap on its control word, so that a SIGKILL at any instruction leaves each of them in
 * a phase that somebody alive can finish. Nothing read from the segment is trusted: copied once,
 * bound-checked, used. The root parent formats it and never looks again: the names that go over to
 * the next segment it copies unread.
 *
 * Control word of a job: one u64 with all that a transition needs, in a dense array so that a scan
 * is cheap; the words are in layout.h. Slots of an agent are a dense array of tokens, one per slot
 * of its concurrency: token = 0 (free) | {job gen, job slot, child that reserves} A token is valid
 * while its job (same gen) is BOUND or RUNNING on a link of that agent, or while the job is QUEUED
 * and the reserving child lives. An invalid token counts as free and may be taken over: no counter
 * has to be repaired after a kill, the slots ARE the count. Cached counters (busy, queued) are
 * hints for the fast path; audit() puts them right.
 *
 * News: "job J has news for child C" = one bit in C's bitmap (atomic OR) and, if C sleeps, one call
 * of wake(C). For client children (records came, job done) and for link children (job bound, body
 * bytes came, client gone, credit to give) alike.
 *
 * Who may call: "client" = the child whose client the job is (any thread of it; one thread at a
 * time per job), "link" = the engine thread of the child that holds the link, "any" = any thread of
 * any child.
 */
#ifndef DGON_REGISTRY_H
#define DGON_REGISTRY_H

#include "dgon/control.h"
#include "dgon/job.h"
#include "dgon/ring.h"
#include "dgon/status.h"
#include "dgon/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DGON_REGISTRY_MAGIC        0x64676f6e2d726567ull
#define DGON_REGISTRY_VERSION      7u
#define DGON_REGISTRY_CHILDREN_MAX 1000u
#define DGON_REGISTRY_LINKS_MAX    16000u
#define DGON_REGISTRY_JOBS_MAX     1000000u
#define DGON_REGISTRY_MODELS_MAX   4096u
#define DGON_REGISTRY_EXCLUDE_MAX  2u
#define DGON_REGISTRY_ROOM_MAX     16u
#define DGON_REGISTRY_ONLY(agent)  (0x40000000u | (agent)) /* in dgon_job_spec.exclude */
#define DGON_NONE                  UINT32_MAX

typedef struct dgon_registry
    dgon_registry; /* a process's handle; heap; holds base pointer, sizes, callbacks */

/* Sizes; they are written into the segment's header and never change while it lives. */
typedef struct dgon_registry_conf {
    uint32_t children; /* slots for httpd children: old and new generation */
    uint32_t links;    /* also the size of the agent table */
    uint32_t models;
    uint32_t jobs;
    uint32_t ring_size; /* of each direction of a job, power of two */
    uint64_t build;     /* identifies the code that formatted it */
} dgon_registry_conf;

/* Both may be called from any thread. */
typedef struct dgon_registry_host {
    void (*wake)(void *user, uint32_t child); /* make that child's engine look at its news */
    bool (*alive)(
        void *user,
        uint32_t child); /* is the process that joined as `child` still there? Not its heartbeat:
                            its death, for certain. Called for other children only */
    void *user;
} dgon_registry_host;

/* Bytes needed, checked in 64 bits; 0 when conf is out of range. Parent, at start. */
size_t dgon_registry_size(const dgon_registry_conf *conf);
/* Parent, before the first fork: `base` is zeroed memory of that size. Touches only headers, so
 * untouched rings cost nothing. DGON_EINVAL; DGON_ESYS: no random number for its id. */
DGON_MUST_USE dgon_status dgon_registry_format(void *base, size_t size,
                                               const dgon_registry_conf *conf);
/* Any process: checks magic, version, sizes. NULL if it is not what conf says or memory is short.
 * Caller owns the handle (dgon_registry_detach). */
dgon_registry *dgon_registry_attach(void *base, size_t size, const dgon_registry_conf *conf,
                                    const dgon_registry_host *host);
void dgon_registry_detach(dgon_registry *r);
/* Any: never 0, the same for all processes on the segment, another one for each segment. */
uint64_t dgon_registry_id(const dgon_registry *r);

/* ---- a segment in place of another one ----
 * The models' names go over, so that requests wait for the agents, which are on their way, and are
 * not told that there is no such model; and which agents an administrator holds. */
/* Bytes of a copy of both; 0 when conf is out of range. */
size_t dgon_registry_carry_size(const dgon_registry_conf *conf);
/* Parent: copies them out of the segment of `size` bytes that conf describes, without a look at
 * them; `to` is aligned like a segment. False: there is no such segment. */
DGON_MUST_USE bool dgon_registry_carry_copy(void *to, const void *base, size_t size,
                                            const dgon_registry_conf *conf);
/* Child, once it has joined; any number of children at once. Names that are there already stay as
 * they are; an eighth of the table is left free. A copy of another layout is passed over. */
void dgon_registry_carry_take(dgon_registry *r, void *copy, const dgon_registry_conf *conf);

/* ---- children ---- */
/* child_init: takes the child slot `child` by compare-and-swap; the caller has made sure first that
 * alive(child) is true from now on (it holds the life lock of that slot). DGON_EEXIST: joined
 * already or a dead child's not yet swept: try another. */
DGON_MUST_USE dgon_status dgon_registry_join(dgon_registry *r, uint32_t pid, uint32_t child);
/* Clean exit: gives the slot back; its jobs and links must be gone (else they are swept like a dead
 * child's). */
void dgon_registry_leave(dgon_registry *r, uint32_t child);
/* Engine of `me`, on its tick (100 ms): finishes what dead children left: their clients' jobs are
 * released (so the link child cancels at the backend), jobs on their links are finished without a
 * final record (so the client child retries or reports), their links closed, waiting jobs
 * dispatched. Itself may be killed at any point: the next sweeper starts over. Returns the number
 * of dead children done. */
uint32_t dgon_registry_sweep(dgon_registry *r, uint32_t me);
/* Same caller, about once a second from one child: puts cached counters right, frees model names
 * nobody offers or waits for. */
void dgon_registry_audit(dgon_registry *r, uint32_t me);
uint32_t dgon_registry_children_alive(dgon_registry *r);
/* Engine of `child`: it drains. Its jobs and links stay what they are; it only no longer counts
 * among those that are there to stay. */
void dgon_registry_leaving(dgon_registry *r, uint32_t child);
/* Engine: children that are alive and not leaving. */
uint32_t dgon_registry_children_staying(dgon_registry *r);

/* ---- news ---- */
/* Any: sets the bit, wakes the child if it sleeps. */
void dgon_registry_notify(dgon_registry *r, uint32_t child, uint32_t slot);
/* Engine: takes all bits of its own and calls fn for each job slot. Returns how many. */
uint32_t dgon_registry_collect(dgon_registry *r, uint32_t me, void (*fn)(void *user, uint32_t slot),
                               void *user);
/* Engine, before it blocks: says "I sleep". false = there is news already, do not block. */
bool dgon_registry_sleep(dgon_registry *r, uint32_t me);
/* Engine, after it blocked. */
void dgon_registry_awake(dgon_registry *r, uint32_t me);

/* ---- models ---- */
/* Index of a model name; DGON_NONE if no agent of this segment's life offered it (then 404). */
uint32_t dgon_registry_model(dgon_registry *r, const char *name, size_t n);
typedef struct dgon_registry_model_info {
    char name[DGON_WIRE_NAME_MAX + 1];
    int64_t created;
    uint32_t context, caps; /* best and union over the agents (also of what each lacks) */
    uint32_t agents;        /* distinct agents that offer it now */
    uint32_t slots, busy;   /* over them */
    uint32_t queued;
    uint32_t job_ms; /* EWMA of a job's time on an agent */
    bool loaded;
} dgon_registry_model_info;
/* DGON_ENOTFOUND for an index without a name. Exact counts (scans), not the hints. */
DGON_MUST_USE dgon_status dgon_registry_model_get(dgon_registry *r, uint32_t model,
                                                  dgon_registry_model_info *info);
/* The name alone, cheap. DGON_ENOTFOUND as above. */
DGON_MUST_USE dgon_status dgon_registry_model_name(dgon_registry *r, uint32_t model,
                                                   char name[DGON_WIRE_NAME_MAX + 1]);
/* Client: which of these (DGON_CAP_…) a job should name as its need: those that some agent's model
 * was ever known to lack. Cheap: 0 is the rule. */
uint32_t dgon_registry_model_needs(dgon_registry *r, uint32_t model, uint32_t caps);
/* Client: has an agent's model all of that? True also while no agent is there. A scan. */
bool dgon_registry_model_can(dgon_registry *r, uint32_t model, uint32_t need, uint32_t context);
/* Does any agent offer it now? A scan. */
bool dgon_registry_model_offered(dgon_registry *r, uint32_t model);
/* Client: distinct agents that have a free slot for such a job now, counted up to `max` (at most
 * DGON_REGISTRY_ROOM_MAX). A hint: another child may take them at once. */
uint32_t dgon_registry_model_room(dgon_registry *r, uint32_t model, uint32_t need, uint32_t context,
                                  uint32_t max);
uint32_t dgon_registry_model_count(dgon_registry *r); /* indices to try: 0..count-1 */

/* ---- jobs, client side ---- */
/* In dgon_job_spec.need: the number of an opening, 0..31, one for each request. */
#define DGON_NEED_CAPS         0xffffu
#define DGON_NEED_RULE(number) (((uint32_t)(number) + 1u) << 16)

typedef struct dgon_job_ref {
    uint32_t slot;
    uint32_t gen;
} dgon_job_ref;

typedef struct dgon_job_spec {
    uint32_t model;
    unsigned char id[16]; /* random; the same over all attempts */
    int64_t created;      /* unix seconds */
    uint64_t arrival;     /* 0: a new ticket is drawn; a retry keeps its old one and so its place */
    uint32_t user;        /* dgon_registry_user(); 0: nobody told. Users take turns */
    bool again;           /* an agent had no slot for it after all: its user's turn is not over */
    uint64_t body_len;
    uint32_t first_token_ms; /* hint for the agent */
    uint8_t op;              /* dgon_op */
    uint8_t attempt;         /* 1.. */
    bool stream;
    uint32_t need;    /* DGON_CAP_…: an agent whose model lacks one of these does not get it; and
                         DGON_NEED_RULE: nor does one that has not opened what the rule opens */
    uint32_t context; /* tokens, likewise; 0: any */
    uint32_t exclude[DGON_REGISTRY_EXCLUDE_MAX]; /* agents where it failed, DGON_NONE; or
                                                    DGON_REGISTRY_ONLY: all but that one */
    char traceparent[56];
} dgon_job_spec;

/* Takes a slot (lowest free ones first, so that memory stays compact), resets both rings, fills it.
 * spec->arrival is set. DGON_EFULL: all slots taken. */
DGON_MUST_USE dgon_status dgon_registry_claim(dgon_registry *r, uint32_t me, dgon_job_spec *spec,
                                              dgon_job_ref *ref);
/* Puts it into its model's queue and dispatches at once if a slot is free. If it has to wait and
 * its place in the queue is behind queue_max (0: it may not wait), it is taken out: DGON_EFULL,
 * phase CLAIMED again. DGON_ENOTFOUND: every agent that offers the model is excluded (or none is
 * left and none is excluded: then it waits, DGON_OK). */
DGON_MUST_USE dgon_status dgon_registry_submit(dgon_registry *r, dgon_job_ref ref,
                                               uint32_t queue_max);
/* The client side lets go, in any phase, once. If an agent works on it, GONE is set and the link
 * child told. The ref is dead afterwards. */
void dgon_registry_release(dgon_registry *r, dgon_job_ref ref);
/* Any: the phase now; DGON_JOB_FREE when the ref is stale. *gone and *agent (DGON_NONE) may be
 * NULL. */
dgon_job_phase dgon_registry_phase(dgon_registry *r, dgon_job_ref ref, bool *gone, uint32_t *agent);
/* Client: CLOCK_MONOTONIC in microseconds when an agent's slot was found for it; 0: none was. */
uint64_t dgon_registry_bound_us(dgon_registry *r, dgon_job_ref ref);
/* Client: does an administrator want it to end? */
bool dgon_registry_cancel_asked(dgon_registry *r, dgon_job_ref ref);
/* Client: whose job it is, from the name of who logged in or the bytes of an address; never 0, and
 * another number in each registry. */
uint32_t dgon_registry_user(const dgon_registry *r, bool named, const void *bytes, size_t n);
/* 1 = next; 0 = does not wait. An estimate: who comes later may have his turn before. */
uint32_t dgon_registry_position(dgon_registry *r, dgon_job_ref ref);
/* Any: is it with an agent that has to load its model first? As far as the agent's last list says.
 */
bool dgon_registry_is_cold(dgon_registry *r, dgon_job_ref ref);
dgon_ring dgon_registry_up(dgon_registry *r, uint32_t slot);   /* client -> link */
dgon_ring dgon_registry_down(dgon_registry *r, uint32_t slot); /* link -> client */
/* Client: tells the link child that there is something for it (body bytes, room in the down ring).
 * No-op if no link. */
void dgon_registry_notify_link(dgon_registry *r, dgon_job_ref ref);

/* ---- jobs, link side ---- */
/* The job in `slot`, if it stands on a link of child `me`: fills ref, link, spec (copied out).
 * DGON_ESTALE else. */
DGON_MUST_USE dgon_status dgon_registry_job_here(dgon_registry *r, uint32_t me, uint32_t slot,
                                                 dgon_job_ref *ref, uint32_t *link,
                                                 dgon_job_phase *phase, bool *gone);
DGON_MUST_USE dgon_status dgon_registry_spec(dgon_registry *r, dgon_job_ref ref,
                                             dgon_job_spec *spec);
/* BOUND -> RUNNING; DGON_ESTALE if it is no longer so (GONE set: call finish). */
DGON_MUST_USE dgon_status dgon_registry_take(dgon_registry *r, dgon_job_ref ref);
/* The agent's slot is free again: -> DONE (client told) or, if GONE, FREE; token given back;
 * waiting jobs that fit are dispatched. `ms` feeds the EWMA (0 = do not). The final record was put
 * into the down ring before. */
void dgon_registry_finish(dgon_registry *r, dgon_job_ref ref, uint32_t ms);
/* Link: tells the client child that records came. */
void dgon_registry_notify_client(dgon_registry *r, dgon_job_ref ref);

/* ---- links ---- */
/* After hello: takes a link slot and finds or makes the agent's entry. *link. DGON_EFULL;
 * DGON_EEXIST: a link of another instance of this agent lives; it has been marked for a probe. */
DGON_MUST_USE dgon_status dgon_registry_link_open(dgon_registry *r, uint32_t me, const char *agent,
                                                  uint64_t instance, uint32_t slots,
                                                  uint32_t *link);
/* Replaces the models of the link (names are interned), then dispatches what waits. DGON_EFULL: the
 * model table is full (those that fit are in). */
DGON_MUST_USE dgon_status dgon_registry_link_models(dgon_registry *r, uint32_t link,
                                                    const dgon_ctl_model *m, uint32_t n);
/* Which openings (a bit each) the agent has opened as well. */
void dgon_registry_link_opens(dgon_registry *r, uint32_t link, uint32_t rules);
void dgon_registry_link_slots(dgon_registry *r, uint32_t link, uint32_t slots);
/* No new jobs on it from now on. */
void dgon_registry_link_drain(dgon_registry *r, uint32_t link);
/* Link: jobs that wait for a slot of this link's agent, and which it could take; no more are
 * counted than it ever had slots. 0 while an administrator holds it. A scan. */
uint32_t dgon_registry_link_waiting(dgon_registry *r, uint32_t link);
/* Jobs still standing on it are finished as lost; then the slot is free. */
void dgon_registry_link_close(dgon_registry *r, uint32_t link);
/* Any: the id of an agent (see dgon_registry_phase). DGON_ENOTFOUND. */
DGON_MUST_USE dgon_status dgon_registry_agent_name(dgon_registry *r, uint32_t agent,
                                                   char id[DGON_WIRE_ID_MAX + 1]);
/* Engine, tick: was a probe asked for (another instance wants this agent's name)? Clears it. */
bool dgon_registry_link_probe(dgon_registry *r, uint32_t link);

/* ---- counts ---- */
typedef enum dgon_count {
    DGON_COUNT_JOBS = 0,  /* admitted */
    DGON_COUNT_OK,        /* ended well */
    DGON_COUNT_FAILED,    /* ended with an error */
    DGON_COUNT_CANCELLED, /* client gone */
    DGON_COUNT_REFUSED,   /* 4xx, 503 before a job was made */
    DGON_COUNT_RETRIES,
    DGON_COUNT_EVENTS,         /* content events to clients */
    DGON_COUNT_DROPPED,        /* records of jobs that were not the agent's, or late */
    DGON_COUNT_LINKS,          /* links ever opened */
    DGON_COUNT_SWEPT,          /* dead children finished */
    DGON_COUNT_ABORT_NODE,     /* answers that broke off: the agent or its backend failed */
    DGON_COUNT_ABORT_DEADLINE, /* or a deadline passed */
    DGON_COUNT_WS_IN,          /* bytes on links */
    DGON_COUNT_WS_OUT,
    DGON_COUNT_MAX
} dgon_count;
/* Per child, summed when read; kept when a child slot is reused. */
void dgon_registry_count(dgon_registry *r, uint32_t child, dgon_count what, uint64_t add);
uint64_t dgon_registry_total(dgon_registry *r, dgon_count what);

/* For gauges and tests: exact, by a scan. */
typedef struct dgon_registry_gauges {
    uint32_t children, links, agents, models;
    uint32_t jobs_claimed, jobs_queued, jobs_bound, jobs_running, jobs_done,
        jobs_gone; /* by phase; gone is also counted in its phase */
    uint32_t slots, tokens_valid, tokens_stale;
} dgon_registry_gauges;
void dgon_registry_gauges_get(dgon_registry *r, dgon_registry_gauges *g);

#endif

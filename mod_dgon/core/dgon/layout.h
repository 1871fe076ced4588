/* The shared segment as it lies in memory: fixed-width integers and offsets only, no pointer, no
 * lock.
 *
 *   offset 0
 *   +----------------------------------------------------------------------------------------+
 *   | head       sizes (written once) | ticket | dispatches | jobs ever used, links ever used|
 *   +----------------------------------------------------------------------------------------+
 *   | children   [children] control word, sleep flag, counters: a line each                  |
 *   | news       [children] summary words, then one bit per job slot                         |
 *   +----------------------------------------------------------------------------------------+
 *   | metrics    [512] name word (dense) | name text | counters of each operation            |
 *   +----------------------------------------------------------------------------------------+
 *   | models     [models] name word (dense) | name text | info | waiting jobs (dense)        |
 *   | offers     [models] one bit per link: this link offers the model                       |
 *   +----------------------------------------------------------------------------------------+
 *   | agents     [links]  name word (dense) | id text | info                                 |
 *   | tokens     [links]  DGON_WIRE_SLOTS_MAX words: one per slot of the agent's concurrency |
 *   | links      [links]  control word (dense) | info and models                             |
 *   +----------------------------------------------------------------------------------------+
 *   | turns      [1024]   number of the last dispatch for a user at a model                  |
 *   | jobs       [jobs]   control word | arrival | queue (each dense) | used bits | info     |
 *   | ring ctl   [jobs]   up, down                                                           |
 *   | ring data  [jobs]   up, down: ring_size bytes each; page-aligned                       |
 *   +----------------------------------------------------------------------------------------+
 *
 * Words (most significant first):
 *   job    gen:24 | link gen:4 | phase:3 | gone:1 | child:10 | link:14 | token index mod 256:8
 *   token  0:9 | used:1 | child:10 | job slot:20 | job gen:24
 *   link   gen:32 | 0:12 | state:4 | 0:6 | child:10
 *   child  epoch:32 | sweeper's epoch:16 | sweeper:12 | state:4
 *   name   hash:32 | gen:28 | state:4
 *   count  changes:32 | value:32
 *   queue  place in turns:16 | model:16
 * The job word carries four bits of its link's generation and eight of its token's index, so that a
 * job bound to a link that closed meanwhile, and a token left by a killed dispatcher, are told from
 * good ones by two loads.
 */
#ifndef DGON_LAYOUT_H
#define DGON_LAYOUT_H

#include "dgon/registry.h"

#include <stdatomic.h>
#include <stdint.h>

#define DGON_LAYOUT_LINE        64u
#define DGON_LAYOUT_PAGE        4096u
#define DGON_LAYOUT_ID_WORDS    (DGON_WIRE_ID_MAX / 4)   /* an agent's id, four bytes a word */
#define DGON_LAYOUT_NAME_WORDS  (DGON_WIRE_NAME_MAX / 4) /* a model's name */
#define DGON_LAYOUT_TRACEPARENT 56u
#define DGON_LAYOUT_ABOUT_WORDS 16u   /* what an agent says of itself */
#define DGON_LAYOUT_RATES       16u   /* models of an agent whose speed is known */
#define DGON_LAYOUT_TURNS       1024u /* two users who share a place share their turns */

typedef enum dgon_child_state {
    DGON_CHILD_FREE = 0,
    DGON_CHILD_ACTIVE,
    DGON_CHILD_SWEEPING /* its process died or leaves; the named sweeper finishes what it left */
} dgon_child_state;

typedef enum dgon_link_state {
    DGON_LINK_FREE = 0,
    DGON_LINK_OPENING,
    DGON_LINK_OPEN,
    DGON_LINK_DRAINING,
    DGON_LINK_CLOSING
} dgon_link_state;

typedef enum dgon_name_state {
    DGON_NAME_FREE = 0,
    DGON_NAME_FILLING, /* somebody writes the text */
    DGON_NAME_LIVE,
    DGON_NAME_DYING /* the auditor looks whether anybody uses it; any user may revive it */
} dgon_name_state;

typedef struct dgon_layout_head {
    _Alignas(64) uint64_t magic;
    uint32_t version;
    uint32_t children, links, models, jobs, ring_size;
    uint64_t build;
    uint64_t size;
    uint64_t id; /* random: tells this segment from the one before and after it */
    _Alignas(64) _Atomic uint64_t ticket;     /* arrival numbers of jobs */
    _Alignas(64) _Atomic uint64_t dispatches; /* numbers of dispatches */
    _Alignas(64) _Atomic uint64_t job_high;   /* no slot at or above it was ever used */
    _Atomic uint64_t link_high;
} dgon_layout_head;

typedef struct dgon_layout_child {
    _Alignas(64) _Atomic uint64_t word;
    _Atomic uint32_t pid;
    _Atomic uint32_t leaving; /* ends as soon as its connections do */
    _Alignas(64) _Atomic uint32_t asleep;
    _Alignas(64) _Atomic uint64_t counts[16];
} dgon_layout_child;

typedef struct dgon_layout_model {
    _Alignas(64) _Atomic int64_t created;
    _Atomic uint32_t job_ms;
    _Atomic uint32_t lacks; /* of any link that ever offered it under this name */
} dgon_layout_model;

typedef struct dgon_layout_agent {
    _Alignas(64) _Atomic uint32_t slots;
    _Atomic uint32_t slots_high;        /* no token at or above it was ever used */
    _Atomic uint32_t held;              /* an administrator lets it have no new jobs */
    _Atomic uint32_t seen;              /* unix seconds: when its last link was closed; 0: never */
    _Atomic uint64_t opened;            /* links, ever */
    _Atomic uint64_t good, failed;      /* attempts, ever */
    _Atomic uint64_t error;             /* the last: unix seconds:32 | status:16 | code:16 */
    _Alignas(64) _Atomic uint64_t busy; /* count of valid tokens, a hint */
    _Atomic uint64_t last;              /* number of the last dispatch */
    _Atomic uint32_t next;              /* token freed last, a hint */
    _Alignas(64) _Atomic uint64_t rate[DGON_LAYOUT_RATES]; /* model + 1:32 | tokens in 1000 s:32 */
} dgon_layout_agent;

/* One offer in one word, so that readers need no protocol: context:32 | caps:15 | loaded:1 |
 * model:16 */
typedef struct dgon_layout_link {
    _Alignas(64) _Atomic uint64_t instance;
    _Atomic uint32_t agent;
    _Atomic uint32_t probe;
    _Atomic uint32_t offers;
    _Atomic uint32_t opens; /* a bit for each DGON_NEED_RULE */
    _Atomic int64_t since;  /* unix seconds */
    _Alignas(64) _Atomic uint64_t about[DGON_LAYOUT_ABOUT_WORDS]; /* texts, a NUL behind each */
    _Alignas(64) _Atomic uint64_t offer[DGON_WIRE_MODELS_MAX];
} dgon_layout_link;

/* Written by the client child while CLAIMED. What dispatchers of other children look at is atomic:
 * they may read it late. */
typedef struct dgon_layout_job {
    _Alignas(64) _Atomic uint32_t exclude[DGON_REGISTRY_EXCLUDE_MAX];
    _Atomic uint32_t agent; /* where it was when it became DONE */
    uint32_t first_token_ms;
    uint64_t body_len;
    int64_t created;
    unsigned char id[16];
    uint8_t op, attempt, stream, spare;
    _Atomic uint32_t cancel;        /* the generation that an administrator wants to end */
    _Atomic uint32_t need, context; /* of dgon_job_spec */
    _Alignas(64) char traceparent[DGON_LAYOUT_TRACEPARENT];
    _Atomic uint64_t bound_us; /* CLOCK_MONOTONIC, when it was bound; 0: it was not */
} dgon_layout_job;

/* Offsets of the sections, derived from conf alone. */
typedef struct dgon_layout {
    uint64_t children, news, news_stride, news_summary;
    uint64_t metric_word, metric_text, series;
    uint64_t model_word, model_text, model, waiting, offers, offer_words;
    uint64_t agent_word, agent_text, agent, tokens;
    uint64_t link_word, link;
    uint64_t turns, job_word, arrival, job_queue, used, used_words, job, ring_ctl, ring_data;
    uint64_t size;
} dgon_layout;

_Static_assert(sizeof(dgon_layout_head) == 256, "head: four lines");
_Static_assert(sizeof(dgon_layout_child) == 256, "child: word, sleep flag, counters apart");
_Static_assert(DGON_COUNT_MAX <= 16, "counters of a child");
_Static_assert(sizeof(dgon_layout_model) == 64, "model");
_Static_assert(sizeof(dgon_layout_agent) == 256, "agent");
_Static_assert(sizeof(dgon_layout_link) == 192 + 8 * DGON_WIRE_MODELS_MAX, "link");
_Static_assert(sizeof(dgon_layout_job) == 128, "job");
_Static_assert(DGON_REGISTRY_CHILDREN_MAX <= 1u << 10, "child in 10 bits");
_Static_assert(DGON_REGISTRY_LINKS_MAX <= 1u << 14, "link in 14 bits");
_Static_assert(DGON_REGISTRY_JOBS_MAX <= 1u << 20, "job slot in 20 bits");
_Static_assert(DGON_REGISTRY_MODELS_MAX <= 1u << 16, "model in 16 bits");
_Static_assert(DGON_JOB_PHASE_MAX <= 1u << 3, "phase in 3 bits");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "atomics without a lock");

/* Fills *l; false when conf is out of range. */
bool dgon_layout_plan(dgon_layout *l, const dgon_registry_conf *conf);

#endif

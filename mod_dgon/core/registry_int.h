/* Private to registry_*.c, its tests and stress programs: the handle, the words, and the few ways
 * in which the segment is written. */
#ifndef DGON_REGISTRY_INT_H
#define DGON_REGISTRY_INT_H

#include "dgon/layout.h"
#include "metrics_int.h"

/* In the test build the k-th passed point ends the process, so that a kill between any two writes
 * can be tried. */
#ifdef DGON_KILL_POINTS
void dgon_kill_point(void);
#define DGON_KILL_POINT() dgon_kill_point()
#else
#define DGON_KILL_POINT() ((void)0)
#endif

/* A table of names in which two children that add the same name at once end with one entry. */
typedef struct dgon_names {
    _Atomic uint64_t *word;
    _Atomic uint64_t *text; /* `words` a name: tag:32 | four bytes */
    uint32_t n, words;
} dgon_names;

struct dgon_registry {
    unsigned char *base;
    dgon_registry_conf conf;
    dgon_registry_host host;
    dgon_layout at;
    dgon_layout_head *head;
    dgon_names model_names, agent_names, metric_names;
    _Atomic uint64_t *link_word, *job_word, *arrival, *waiting, *used, *turns;
    _Atomic uint32_t *job_queue;
    uint32_t *surplus; /* audit: smallest surplus of each waiting count over the last rounds */
    uint32_t *idle;    /* audit: rounds in which a model's name had no user */
    uint32_t round;
    uint32_t look; /* audit: the next slot to be looked at, whether it is below the mark or not */
};

typedef struct dgon_jobw {
    uint32_t gen, lgen, phase, child, link, stamp;
    bool gone;
} dgon_jobw;

static inline dgon_jobw dgon_jobw_of(uint64_t w)
{
    return (dgon_jobw){.gen = (uint32_t)(w >> 40),
                       .lgen = (uint32_t)(w >> 36) & 0xf,
                       .phase = (uint32_t)(w >> 33) & 7,
                       .gone = (w >> 32) & 1,
                       .child = (uint32_t)(w >> 22) & 0x3ff,
                       .link = (uint32_t)(w >> 8) & 0x3fff,
                       .stamp = (uint32_t)w & 0xff};
}

static inline uint64_t dgon_jobw_pack(dgon_jobw j)
{
    return (uint64_t)j.gen << 40 | (uint64_t)(j.lgen & 0xf) << 36 | (uint64_t)(j.phase & 7) << 33 |
           (uint64_t)j.gone << 32 | (uint64_t)(j.child & 0x3ff) << 22 |
           (uint64_t)(j.link & 0x3fff) << 8 | (j.stamp & 0xff);
}

#define DGON_JOB_GEN_MASK 0xffffffu

static inline bool dgon_jobw_on_link(dgon_jobw j)
{
    return j.phase == DGON_JOB_BOUND || j.phase == DGON_JOB_RUNNING;
}

static inline uint64_t dgon_token(uint32_t child, uint32_t slot, uint32_t gen)
{
    return 1ull << 54 | (uint64_t)child << 44 | (uint64_t)slot << 24 | gen;
}
static inline uint32_t dgon_token_child(uint64_t t)
{
    return (uint32_t)(t >> 44) & 0x3ff;
}
static inline uint32_t dgon_token_slot(uint64_t t)
{
    return (uint32_t)(t >> 24) & 0xfffff;
}
static inline uint32_t dgon_token_gen(uint64_t t)
{
    return (uint32_t)t & DGON_JOB_GEN_MASK;
}

static inline uint64_t dgon_linkw(uint32_t gen, uint32_t state, uint32_t child)
{
    return (uint64_t)gen << 32 | (uint64_t)state << 16 | child;
}
static inline uint32_t dgon_linkw_gen(uint64_t w)
{
    return (uint32_t)(w >> 32);
}
static inline uint32_t dgon_linkw_state(uint64_t w)
{
    return (uint32_t)(w >> 16) & 0xf;
}
static inline uint32_t dgon_linkw_child(uint64_t w)
{
    return (uint32_t)w & 0x3ff;
}
/* Jobs may stand on it. */
static inline bool dgon_linkw_up(uint64_t w)
{
    return dgon_linkw_state(w) == DGON_LINK_OPEN || dgon_linkw_state(w) == DGON_LINK_DRAINING;
}

static inline uint64_t dgon_childw(uint32_t epoch, uint32_t state, uint32_t by, uint32_t by_epoch)
{
    return (uint64_t)epoch << 32 | (uint64_t)(by_epoch & 0xffff) << 16 |
           (uint64_t)(by & 0xfff) << 4 | state;
}
static inline uint32_t dgon_childw_epoch(uint64_t w)
{
    return (uint32_t)(w >> 32);
}
static inline uint32_t dgon_childw_state(uint64_t w)
{
    return (uint32_t)w & 0xf;
}
static inline uint32_t dgon_childw_by(uint64_t w)
{
    return (uint32_t)(w >> 4) & 0xfff;
}
static inline uint32_t dgon_childw_by_epoch(uint64_t w)
{
    return (uint32_t)(w >> 16) & 0xffff;
}

/* ---- the only ways in which words that others act on are written; each is a kill point ---- */
static inline uint64_t dgon_get(const _Atomic uint64_t *p)
{
    return atomic_load(p);
}
static inline bool dgon_cas(_Atomic uint64_t *p, uint64_t old, uint64_t new)
{
    DGON_KILL_POINT();
    bool ok = atomic_compare_exchange_strong(p, &old, new);
    DGON_KILL_POINT();
    return ok;
}
static inline void dgon_set(_Atomic uint64_t *p, uint64_t v)
{
    DGON_KILL_POINT();
    atomic_store(p, v);
    DGON_KILL_POINT();
}
static inline void dgon_set32(_Atomic uint32_t *p, uint32_t v)
{
    DGON_KILL_POINT();
    atomic_store(p, v);
    DGON_KILL_POINT();
}
static inline void dgon_bit_set(_Atomic uint64_t *words, uint32_t i)
{
    DGON_KILL_POINT();
    atomic_fetch_or(&words[i / 64], 1ull << (i % 64));
    DGON_KILL_POINT();
}
static inline void dgon_bit_clear(_Atomic uint64_t *words, uint32_t i)
{
    if (dgon_get(&words[i / 64]) & 1ull << (i % 64)) {
        DGON_KILL_POINT();
        atomic_fetch_and(&words[i / 64], ~(1ull << (i % 64)));
        DGON_KILL_POINT();
    }
}

/* Counts with a change number, so that a recount can tell that nobody wrote meanwhile. */
static inline uint32_t dgon_count_of(uint64_t w)
{
    return (uint32_t)w;
}
/* The value before. */
static inline uint32_t dgon_count_up(_Atomic uint64_t *p)
{
    for (;;) {
        uint64_t w = dgon_get(p);
        if (dgon_cas(p, w, (w & ~0xffffffffull) + (1ull << 32) + (uint32_t)(w + 1)))
            return dgon_count_of(w);
    }
}
static inline void dgon_count_down(_Atomic uint64_t *p, uint32_t by)
{
    for (;;) {
        uint64_t w = dgon_get(p);
        uint32_t v = dgon_count_of(w);
        if (v == 0 || dgon_cas(p, w, (w & ~0xffffffffull) + (1ull << 32) + (v > by ? v - by : 0)))
            return;
    }
}
static inline void dgon_raise(_Atomic uint64_t *p, uint64_t at_least)
{
    uint64_t v = dgon_get(p);
    while (v < at_least && !dgon_cas(p, v, at_least))
        v = dgon_get(p);
}

/* ---- the sections ---- */
static inline dgon_layout_child *dgon_child_at(const dgon_registry *r, uint32_t i)
{
    return (dgon_layout_child *)(void *)(r->base + r->at.children) + i;
}
static inline _Atomic uint64_t *dgon_news_at(const dgon_registry *r, uint32_t child)
{
    return (_Atomic uint64_t *)(void *)(r->base + r->at.news + r->at.news_stride * child);
}
static inline dgon_layout_model *dgon_model_at(const dgon_registry *r, uint32_t i)
{
    return (dgon_layout_model *)(void *)(r->base + r->at.model) + i;
}
static inline _Atomic uint64_t *dgon_offers_at(const dgon_registry *r, uint32_t model)
{
    return (_Atomic uint64_t *)(void *)(r->base + r->at.offers) + r->at.offer_words * model;
}
static inline dgon_layout_agent *dgon_agent_at(const dgon_registry *r, uint32_t i)
{
    return (dgon_layout_agent *)(void *)(r->base + r->at.agent) + i;
}
static inline _Atomic uint64_t *dgon_tokens_at(const dgon_registry *r, uint32_t agent)
{
    return (_Atomic uint64_t *)(void *)(r->base + r->at.tokens) +
           (uint64_t)agent * DGON_WIRE_SLOTS_MAX;
}
static inline dgon_layout_series *dgon_series_at(const dgon_registry *r, uint32_t name,
                                                 dgon_metrics_op op)
{
    return (dgon_layout_series *)(void *)(r->base + r->at.series) +
           (uint64_t)name * DGON_METRICS_OPS + op;
}
static inline dgon_layout_link *dgon_link_at(const dgon_registry *r, uint32_t i)
{
    return (dgon_layout_link *)(void *)(r->base + r->at.link) + i;
}
static inline dgon_layout_job *dgon_job_at(const dgon_registry *r, uint32_t i)
{
    return (dgon_layout_job *)(void *)(r->base + r->at.job) + i;
}

static inline uint32_t dgon_capped(uint64_t v, uint32_t max)
{
    return v < max ? (uint32_t)v : max;
}
static inline uint32_t dgon_job_high(const dgon_registry *r)
{
    return dgon_capped(dgon_get(&r->head->job_high), r->conf.jobs);
}
static inline uint32_t dgon_link_high(const dgon_registry *r)
{
    return dgon_capped(dgon_get(&r->head->link_high), r->conf.links);
}
/* Of an agent; bounded whatever stands there. */
static inline uint32_t dgon_slots(const dgon_registry *r, uint32_t agent)
{
    return dgon_capped(atomic_load(&dgon_agent_at(r, agent)->slots), DGON_WIRE_SLOTS_MAX);
}
static inline uint32_t dgon_slots_high(const dgon_registry *r, uint32_t agent)
{
    return dgon_capped(atomic_load(&dgon_agent_at(r, agent)->slots_high), DGON_WIRE_SLOTS_MAX);
}
/* The agent of a link; DGON_NONE when it is no index. */
static inline uint32_t dgon_link_agent(const dgon_registry *r, uint32_t link)
{
    uint32_t a = atomic_load(&dgon_link_at(r, link)->agent);
    return a < r->conf.links ? a : DGON_NONE;
}
static inline bool dgon_agent_held(const dgon_registry *r, uint32_t agent)
{
    return atomic_load_explicit(&dgon_agent_at(r, agent)->held, memory_order_relaxed) != 0;
}
static inline bool dgon_ref_ok(const dgon_registry *r, dgon_job_ref ref)
{
    return ref.slot < r->conf.jobs && ref.gen != 0 && ref.gen <= DGON_JOB_GEN_MASK;
}

static inline uint32_t dgon_job_queue(const dgon_registry *r, uint32_t slot)
{
    return atomic_load_explicit(&r->job_queue[slot], memory_order_relaxed);
}
static inline uint32_t dgon_queue_model(uint32_t queue)
{
    return queue & 0xffff;
}
static inline uint32_t dgon_queue_turn(uint32_t queue)
{
    return queue >> 16 & (DGON_LAYOUT_TURNS - 1);
}
/* Number of the last dispatch; what lies far after `now` is rubbish. */
static inline uint64_t dgon_turn_last(const dgon_registry *r, uint32_t turn, uint64_t now)
{
    uint64_t last = atomic_load_explicit(&r->turns[turn], memory_order_relaxed);
    return last <= now + UINT32_MAX ? last : 0;
}

/* ---- registry_turns.c ---- */
uint32_t dgon_turn_queue(uint32_t user, uint32_t model);
/* 1 = next, if nobody comes and all waiting jobs fit the same slots. */
uint32_t dgon_turn_place(const dgon_registry *r, uint32_t slot);

/* ---- registry_names.c ---- */
uint32_t dgon_names_mark(const dgon_names *t); /* entries at and above were never used */
uint32_t dgon_names_find(const dgon_names *t, const char *s, size_t n, uint64_t *word);
/* Finds or adds. DGON_NONE: full. *word is what confirm needs; *added may be NULL. */
uint32_t dgon_names_put(dgon_names *t, const char *s, size_t n, uint64_t *word, bool *added);
/* After the caller made its use of the entry visible: true = it stays; false = it was given away
 * meanwhile, put again. */
bool dgon_names_confirm(dgon_names *t, uint32_t i, uint64_t word);
bool dgon_names_live(const dgon_names *t, uint32_t i);
/* Copies the text, NUL-terminated; size > 4 * words. */
void dgon_names_text(const dgon_names *t, uint32_t i, char *out);
/* Auditor: gives the entry back if used() says no after it was marked. */
void dgon_names_reclaim(dgon_names *t, uint32_t i, bool (*used)(void *user, uint32_t i),
                        void *user);

/* ---- registry_dispatch.c ---- */
bool dgon_token_valid(dgon_registry *r, uint32_t agent, uint32_t index, uint64_t token);
/* Valid tokens of the agent, counted; *stale (may be NULL) the others. */
uint32_t dgon_tokens_count(dgon_registry *r, uint32_t agent, uint32_t *stale);
void dgon_busy_recount(dgon_registry *r, uint32_t agent);
/* Index of the slot reserved; DGON_NONE: none is free after all. */
uint32_t dgon_token_reserve(dgon_registry *r, uint32_t agent, uint64_t token);
void dgon_token_unreserve(dgon_registry *r, uint32_t agent, uint32_t index, uint64_t token);
/* Gives back the token of a job that has left its link. */
void dgon_token_return(dgon_registry *r, uint32_t agent, uint32_t slot, dgon_jobw was);
/* Binds waiting jobs of every model to free slots, oldest first, until none fits. `me`: the child
 * that does it. */
void dgon_dispatch_all(dgon_registry *r, uint32_t me);
/* The job in `slot` was just queued by child me. */
void dgon_dispatch_new(dgon_registry *r, uint32_t me, uint32_t slot, uint32_t model, bool alone);
/* A slot of this agent became free. */
void dgon_dispatch_agent(dgon_registry *r, uint32_t me, uint32_t agent);
bool dgon_excluded(const dgon_registry *r, uint32_t slot, uint32_t agent);
static inline bool dgon_is_only(uint32_t exclude)
{
    return exclude >> 30 == 1;
}
/* Has the link's model what the job needs? */
bool dgon_job_suits(const dgon_registry *r, uint32_t slot, uint32_t link, uint32_t model);

/* ---- registry_models.c ---- */
typedef struct dgon_offer {
    uint32_t model, context, caps;
    bool loaded;
} dgon_offer;
dgon_offer dgon_offer_of(uint64_t word);
bool dgon_link_can(const dgon_registry *r, uint32_t link, uint32_t model, uint32_t need,
                   uint32_t context);

/* ---- registry_jobs.c ---- */
uint32_t dgon_job_model(const dgon_registry *r, uint32_t slot); /* DGON_NONE when it is no index */
/* The table as one compare-and-swap; false: the word is no longer `w` or the event is impossible.
 * *next is the new word. */
bool dgon_job_move(dgon_registry *r, uint32_t slot, uint64_t w, dgon_job_event event,
                   uint64_t *next);
/* The link side lets go of the job (any cause): tells the client, gives the token back. false: it
 * was no longer `w`. */
bool dgon_job_let_go(dgon_registry *r, uint32_t slot, uint64_t w);
/* The client side lets go. */
void dgon_job_drop(dgon_registry *r, uint32_t slot, uint64_t w);

/* ---- registry_links.c ---- */
/* Finishes a link of which `me` is the holder or whose holder is dead; does not dispatch. */
void dgon_link_shut(dgon_registry *r, uint32_t link);
/* True when the job word names a link that is up and still the one it was bound to. */
bool dgon_link_holds(const dgon_registry *r, dgon_jobw j);

/* ---- registry_fleet.c ---- */
/* The entry has a new owner: it has done nothing yet. */
void dgon_agent_begin(dgon_registry *r, uint32_t agent);

/* ---- registry_sweep.c ---- */
/* Releases its jobs and closes its links. */
void dgon_child_let_go(dgon_registry *r, uint32_t child);
/* All that is left of it, then its slot; may be done again from the start. Does not dispatch. */
void dgon_child_finish(dgon_registry *r, uint32_t child);

#endif

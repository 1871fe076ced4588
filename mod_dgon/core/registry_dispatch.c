#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "registry_int.h"

#include "dgon/sched.h"

#include <string.h>
#include <time.h>

#define CHUNK    64u   /* candidates looked at in one call of the scheduler */
#define LOST_MAX 1000u /* races lost in a row */
#define FITS_MAX 3u    /* with more distinct agents than a job can exclude, any job fits */

/* ---- candidates ---- */

bool dgon_excluded(const dgon_registry *r, uint32_t slot, uint32_t agent)
{
    const dgon_layout_job *j = dgon_job_at(r, slot);
    for (uint32_t i = 0; i < DGON_REGISTRY_EXCLUDE_MAX; i++) {
        uint32_t e = atomic_load_explicit(&j->exclude[i], memory_order_relaxed);
        if (e == agent || (dgon_is_only(e) && e != DGON_REGISTRY_ONLY(agent)))
            return true;
    }
    return false;
}

bool dgon_job_suits(const dgon_registry *r, uint32_t slot, uint32_t link, uint32_t model)
{
    const dgon_layout_job *j = dgon_job_at(r, slot);
    return dgon_link_can(r, link, model, atomic_load_explicit(&j->need, memory_order_relaxed),
                         atomic_load_explicit(&j->context, memory_order_relaxed));
}

static bool has_need(const dgon_registry *r, uint32_t slot)
{
    const dgon_layout_job *j = dgon_job_at(r, slot);
    if ((atomic_load_explicit(&j->need, memory_order_relaxed) |
         atomic_load_explicit(&j->context, memory_order_relaxed)) != 0)
        return true;
    for (uint32_t i = 0; i < DGON_REGISTRY_EXCLUDE_MAX; i++)
        if (dgon_is_only(atomic_load_explicit(&j->exclude[i], memory_order_relaxed)))
            return true;
    return false;
}

typedef struct candidate_walk {
    const dgon_registry *r;
    _Atomic uint64_t *offers;
    uint64_t bits;
    uint32_t word, words, left; /* of the offers: where we are, those in use, those not yet seen */
} candidate_walk;

/* Round all links once, from the word `turn` (taken modulo their number) on. */
static candidate_walk walk_start(const dgon_registry *r, uint32_t model, uint64_t turn)
{
    _Atomic uint64_t *offers = dgon_offers_at(r, model);
    uint32_t words = dgon_link_high(r) / 64 + 1;
    if (words > r->at.offer_words)
        words = (uint32_t)r->at.offer_words;
    uint32_t first = (uint32_t)(turn % words);
    return (candidate_walk){.r = r,
                            .offers = offers,
                            .bits = dgon_get(&offers[first]),
                            .word = first,
                            .words = words,
                            .left = words - 1};
}

/* The next open link that offers the model. */
static bool walk_next(candidate_walk *k, uint32_t *link, uint64_t *word, uint32_t *agent)
{
    for (;;) {
        while (k->bits == 0) {
            if (k->left == 0)
                return false;
            k->left--;
            if (++k->word == k->words)
                k->word = 0;
            k->bits = dgon_get(&k->offers[k->word]);
        }
        uint32_t i = k->word * 64 + (uint32_t)__builtin_ctzll(k->bits);
        k->bits &= k->bits - 1;
        if (i >= k->r->conf.links)
            continue;
        *word = dgon_get(&k->r->link_word[i]);
        *agent = dgon_link_agent(k->r, i);
        *link = i;
        if (dgon_linkw_state(*word) == DGON_LINK_OPEN && *agent != DGON_NONE &&
            !dgon_agent_held(k->r, *agent))
            return true;
    }
}

static bool has_room(const dgon_registry *r, uint32_t agent)
{
    return dgon_count_of(dgon_get(&dgon_agent_at(r, agent)->busy)) < dgon_slots(r, agent);
}

/* Distinct agents with a free slot for the model, as many as matter. */
typedef struct fits {
    uint32_t agent[FITS_MAX];
    uint32_t n;
} fits;

static fits agents_with_room(const dgon_registry *r, uint32_t model)
{
    fits f = {.n = 0};
    candidate_walk k = walk_start(r, model, 0);
    uint32_t link, agent;
    uint64_t word;
    while (f.n < FITS_MAX && walk_next(&k, &link, &word, &agent)) {
        if (!has_room(r, agent))
            continue;
        uint32_t i = 0;
        while (i < f.n && f.agent[i] != agent)
            i++;
        if (i == f.n)
            f.agent[f.n++] = agent;
    }
    return f;
}

uint32_t dgon_registry_model_room(dgon_registry *r, uint32_t model, uint32_t need, uint32_t context,
                                  uint32_t max)
{
    uint32_t seen[DGON_REGISTRY_ROOM_MAX], n = 0;
    if (model >= r->conf.models)
        return 0;
    if (max > DGON_REGISTRY_ROOM_MAX)
        max = DGON_REGISTRY_ROOM_MAX;
    candidate_walk k = walk_start(r, model, 0);
    uint32_t link, agent;
    uint64_t word;
    while (n < max && walk_next(&k, &link, &word, &agent)) {
        if (!has_room(r, agent) || !dgon_link_can(r, link, model, need, context))
            continue;
        uint32_t i = 0;
        while (i < n && seen[i] != agent)
            i++;
        if (i == n)
            seen[n++] = agent;
    }
    return n;
}

/* A job with needs of its own: each link has to be looked at. */
static bool job_with_need_fits(const dgon_registry *r, uint32_t slot, uint32_t model)
{
    candidate_walk k = walk_start(r, model, 0);
    uint32_t link, agent;
    uint64_t word;
    while (walk_next(&k, &link, &word, &agent)) {
        if (has_room(r, agent) && !dgon_excluded(r, slot, agent) &&
            dgon_job_suits(r, slot, link, model))
            return true;
    }
    return false;
}

static bool job_fits(const dgon_registry *r, uint32_t slot, uint32_t model, const fits *f)
{
    if (has_need(r, slot))
        return job_with_need_fits(r, slot, model);
    for (uint32_t i = 0; i < f->n; i++)
        if (!dgon_excluded(r, slot, f->agent[i]))
            return true;
    return false;
}

typedef struct waiter {
    uint32_t slot, queue; /* DGON_NONE: none */
    uint64_t last, arrival, word;
} waiter;

/* Among the slots below `end`: the waiting job of the model that fits and is before `best`, whose
 * user had his last turn before the others'; of one user's the oldest. Else `best`. */
static waiter earlier(const dgon_registry *r, uint32_t model, const fits *f, uint32_t end,
                      waiter best)
{
    uint64_t now = dgon_get(&r->head->dispatches);
    for (uint32_t i = 0; i < end; i++) {
        uint64_t w = atomic_load_explicit(&r->job_word[i], memory_order_acquire);
        uint32_t queue = dgon_job_queue(r, i);
        if ((w >> 33 & 7) != DGON_JOB_QUEUED || dgon_queue_model(queue) != model)
            continue;
        uint64_t arrival = atomic_load_explicit(&r->arrival[i], memory_order_relaxed);
        uint64_t last = best.last; /* of the same user not looked up again: it may just change */
        if (queue == best.queue) {
            if (arrival >= best.arrival)
                continue;
        } else {
            last = dgon_turn_last(r, dgon_queue_turn(queue), now);
            if (last > best.last || (last == best.last && arrival >= best.arrival))
                continue;
        }
        if (dgon_jobw_of(w).gone || !job_fits(r, i, model, f))
            continue;
        best = (waiter){.slot = i, .queue = queue, .last = last, .arrival = arrival, .word = w};
    }
    return best;
}

/* The waiting job of the model that is next among those that fit; *word as it was seen. A job may
 * have come into a slot that we had passed already, before the one that we then found: so what lies
 * below that one is looked at again, until nothing earlier is there. */
static uint32_t next_job(const dgon_registry *r, uint32_t model, const fits *f, uint64_t *word)
{
    waiter none = {
        .slot = DGON_NONE, .queue = DGON_NONE, .last = UINT64_MAX, .arrival = UINT64_MAX};
    waiter best = earlier(r, model, f, dgon_job_high(r), none);
    for (uint32_t last = DGON_NONE; best.slot != last && best.slot != DGON_NONE;) {
        last = best.slot;
        best = earlier(r, model, f, last, best);
    }
    *word = best.word;
    return best.slot;
}

typedef struct choice {
    uint32_t link, agent;
    uint64_t word;
} choice;

/* Nobody can have less to do, or be nearer. */
static bool is_ideal(const dgon_sched_candidate *c)
{
    return c->busy == 0 && c->same_child;
}

/* The best link for the job among all, CHUNK at a time; false: nobody has a free slot. With more
 * than a chunk of links the first ideal one ends the search, so each search begins elsewhere. */
static bool choose(const dgon_registry *r, uint32_t slot, uint32_t model, uint32_t child,
                   choice *out)
{
    dgon_sched_candidate c[CHUNK];
    uint64_t words[CHUNK];
    uint32_t n = 0;
    candidate_walk k =
        walk_start(r, model, atomic_load_explicit(&r->head->dispatches, memory_order_relaxed));
    for (bool more = true; more;) {
        uint32_t link, agent;
        uint64_t word;
        more = walk_next(&k, &link, &word, &agent);
        if (more) {
            const dgon_layout_agent *a = dgon_agent_at(r, agent);
            c[n] = (dgon_sched_candidate){.link = link,
                                          .agent = agent,
                                          .slots = dgon_slots(r, agent),
                                          .busy = dgon_count_of(dgon_get(&a->busy)),
                                          .same_child = dgon_linkw_child(word) == child,
                                          .excluded = dgon_excluded(r, slot, agent) ||
                                                      !dgon_job_suits(r, slot, link, model),
                                          .last = dgon_get(&a->last)};
            words[n++] = word;
        }
        if (n == CHUNK || !more) {
            int best = dgon_sched_choose(c, n);
            n = 0;
            if (best >= 0) {
                c[0] = c[best];
                words[0] = words[best];
                n = 1;
                more = more && !is_ideal(&c[0]);
            }
        }
    }
    if (n == 0)
        return false;
    *out = (choice){.link = c[0].link, .agent = c[0].agent, .word = words[0]};
    return true;
}

/* ---- binding ---- */

typedef enum outcome { BOUND, LOST, NO_ROOM } outcome;

/* The link closed between choice and binding, and its closer may have looked before: nobody would
 * come for this job. */
static void undo_dead_link(dgon_registry *r, uint32_t slot, uint64_t w, const choice *c,
                           uint32_t index, uint64_t token)
{
    dgon_jobw j = dgon_jobw_of(w);
    for (uint32_t tries = 0; tries < 8 && j.gen == dgon_token_gen(token) && dgon_jobw_on_link(j);
         tries++) {
        uint64_t next;
        atomic_store(&dgon_job_at(r, slot)->agent, c->agent);
        if (dgon_job_move(r, slot, w, DGON_JOB_FINISH, &next)) {
            dgon_token_unreserve(r, c->agent, index, token);
            if (dgon_jobw_of(next).phase == DGON_JOB_DONE)
                dgon_registry_notify(r, j.child, slot);
            return;
        }
        w = dgon_get(&r->job_word[slot]);
        j = dgon_jobw_of(w);
    }
}

static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static outcome bind(dgon_registry *r, uint32_t me, uint32_t slot, uint32_t model, uint64_t w)
{
    dgon_jobw j = dgon_jobw_of(w);
    uint32_t queue = dgon_job_queue(r, slot); /* before another job has the slot */
    choice c;
    if (!choose(r, slot, model, j.child, &c))
        return NO_ROOM;
    uint64_t token = dgon_token(me, slot, j.gen);
    uint32_t index = dgon_token_reserve(r, c.agent, token);
    if (index == DGON_NONE)
        return LOST;
    int phase = dgon_job_next((dgon_job_phase)j.phase, &j.gone, DGON_JOB_BIND);
    dgon_jobw to = {.gen = j.gen,
                    .lgen = dgon_linkw_gen(c.word) & 0xf,
                    .phase = (uint32_t)phase,
                    .child = j.child,
                    .link = c.link,
                    .stamp = index & 0xff};
    if (phase < 0 || !dgon_cas(&r->job_word[slot], w, dgon_jobw_pack(to))) {
        dgon_token_unreserve(r, c.agent, index, token);
        return LOST;
    }
    atomic_store_explicit(&dgon_job_at(r, slot)->bound_us, now_us(), memory_order_relaxed);
    dgon_count_down(&r->waiting[model], 1);
    uint64_t number = atomic_fetch_add(&r->head->dispatches, 1) + 1;
    dgon_set(&dgon_agent_at(r, c.agent)->last, number);
    dgon_set(&r->turns[dgon_queue_turn(queue)], number);
    uint64_t now = dgon_get(&r->link_word[c.link]);
    if (!dgon_linkw_up(now) || dgon_linkw_gen(now) != dgon_linkw_gen(c.word))
        undo_dead_link(r, slot, dgon_jobw_pack(to), &c, index, token);
    else
        dgon_registry_notify(r, dgon_linkw_child(now), slot);
    return BOUND;
}

/* Binds at most `limit` waiting jobs of the model. A lost race means that somebody else moved on,
 * or held for a moment the slot that a third one did not see: so look again. The bounds only matter
 * when the segment is full of rubbish. */
static uint32_t dispatch(dgon_registry *r, uint32_t me, uint32_t model, uint32_t limit)
{
    uint32_t n = 0, lost = 0, high = dgon_job_high(r);
    if (limit > high)
        limit = high;
    while (n < limit && lost < LOST_MAX && dgon_count_of(dgon_get(&r->waiting[model])) != 0) {
        fits f = agents_with_room(r, model);
        uint64_t w = 0;
        uint32_t slot = f.n ? next_job(r, model, &f, &w) : DGON_NONE;
        if (slot == DGON_NONE)
            break;
        if (bind(r, me, slot, model, w) == BOUND) {
            n++;
            lost = 0;
        } else {
            lost++;
        }
    }
    return n;
}

void dgon_dispatch_new(dgon_registry *r, uint32_t me, uint32_t slot, uint32_t model, bool alone)
{
    if (alone) {
        uint64_t w = dgon_get(&r->job_word[slot]);
        if (dgon_jobw_of(w).phase == DGON_JOB_QUEUED && bind(r, me, slot, model, w) != LOST)
            return;
    }
    (void)dispatch(r, me, model, UINT32_MAX);
}

/* ---- several models compete for what became free ---- */

#define SET_WORDS (DGON_REGISTRY_MODELS_MAX / 64)

/* Model of the oldest waiting job among the models of the set; DGON_NONE: nobody waits. */
static uint32_t oldest_model(const dgon_registry *r, const uint64_t *set)
{
    uint32_t best = DGON_NONE, high = dgon_job_high(r);
    uint64_t best_arrival = UINT64_MAX;
    for (uint32_t i = 0; i < high; i++) {
        uint64_t w = atomic_load_explicit(&r->job_word[i], memory_order_acquire);
        uint32_t m = dgon_queue_model(dgon_job_queue(r, i));
        if ((w >> 33 & 7) != DGON_JOB_QUEUED || m >= r->conf.models ||
            !(set[m / 64] & 1ull << (m % 64)))
            continue;
        uint64_t arrival = atomic_load_explicit(&r->arrival[i], memory_order_relaxed);
        if (arrival < best_arrival) {
            best = m;
            best_arrival = arrival;
        }
    }
    return best;
}

static void dispatch_set(dgon_registry *r, uint32_t me, uint64_t *set, uint32_t models)
{
    uint32_t rounds = dgon_job_high(r) + r->conf.models;
    while (models > 1 && rounds-- > 0) {
        uint32_t m = oldest_model(r, set);
        if (m == DGON_NONE)
            return;
        if (dispatch(r, me, m, 1) == 0) {
            set[m / 64] &= ~(1ull << (m % 64));
            models--;
        }
    }
    for (uint32_t i = 0; i < SET_WORDS; i++)
        for (; set[i]; set[i] &= set[i] - 1)
            (void)dispatch(r, me, i * 64 + (uint32_t)__builtin_ctzll(set[i]), UINT32_MAX);
}

static bool agent_offers(const dgon_registry *r, uint32_t agent, uint32_t model)
{
    candidate_walk k = walk_start(r, model, 0);
    uint32_t link, a;
    uint64_t word;
    while (walk_next(&k, &link, &word, &a))
        if (a == agent)
            return true;
    return false;
}

/* agent DGON_NONE: of any. */
static void dispatch_models(dgon_registry *r, uint32_t me, uint32_t agent)
{
    uint64_t set[SET_WORDS];
    uint32_t n = 0, mark = dgon_names_mark(&r->model_names);
    for (uint32_t m = 0; m < mark; m++) {
        if (dgon_count_of(dgon_get(&r->waiting[m])) == 0 ||
            (agent != DGON_NONE && !agent_offers(r, agent, m)))
            continue;
        if (n++ == 0)
            memset(set, 0, sizeof set);
        set[m / 64] |= 1ull << (m % 64);
    }
    if (n)
        dispatch_set(r, me, set, n);
}

void dgon_dispatch_all(dgon_registry *r, uint32_t me)
{
    dispatch_models(r, me, DGON_NONE);
}

void dgon_dispatch_agent(dgon_registry *r, uint32_t me, uint32_t agent)
{
    dispatch_models(r, me, agent);
}

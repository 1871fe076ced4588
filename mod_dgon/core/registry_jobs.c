#include "registry_int.h"

#include <string.h>

#define EWMA_SHIFT 3 /* a job counts for an eighth */

uint32_t dgon_job_model(const dgon_registry *r, uint32_t slot)
{
    uint32_t m = dgon_queue_model(dgon_job_queue(r, slot));
    return m < r->conf.models ? m : DGON_NONE;
}

bool dgon_job_move(dgon_registry *r, uint32_t slot, uint64_t w, dgon_job_event event,
                   uint64_t *next)
{
    dgon_jobw j = dgon_jobw_of(w);
    int phase = dgon_job_next((dgon_job_phase)j.phase, &j.gone, event);
    if (phase < 0)
        return false;
    j.phase = (uint32_t)phase;
    if (phase == DGON_JOB_FREE)
        j.child = 0;
    if (!dgon_jobw_on_link(j)) {
        j.link = j.lgen = 0;
        /* Withdrawals are counted, so that who saw the job queued before one cannot bind it after
         * it. */
        if (event != DGON_JOB_SUBMIT)
            j.stamp = event == DGON_JOB_WITHDRAW ? j.stamp + 1 : 0;
    }
    *next = dgon_jobw_pack(j);
    if (!dgon_cas(&r->job_word[slot], w, *next))
        return false;
    if (phase == DGON_JOB_FREE)
        dgon_bit_clear(r->used, slot);
    return true;
}

/* ---- client side ---- */

static bool claim_slot(dgon_registry *r, uint32_t slot, uint32_t me, uint32_t *gen)
{
    uint64_t w = dgon_get(&r->job_word[slot]);
    dgon_jobw j = dgon_jobw_of(w);
    if (j.phase != DGON_JOB_FREE)
        return false;
    dgon_raise(&r->head->job_high, (uint64_t)slot + 1);
    *gen = (j.gen + 1) & DGON_JOB_GEN_MASK;
    if (*gen == 0)
        *gen = 1;
    j = (dgon_jobw){.gen = *gen, .phase = DGON_JOB_CLAIMED, .child = me};
    if (!dgon_cas(&r->job_word[slot], w, dgon_jobw_pack(j)))
        return false;
    dgon_bit_set(r->used, slot);
    return true;
}

static bool claim_any(dgon_registry *r, uint32_t me, dgon_job_ref *ref)
{
    /* The bits are a hint: a set one of a free slot hides it, a clear one of a used slot costs a
     * look. */
    for (uint32_t i = 0; i < r->at.used_words; i++)
        for (uint64_t free = ~dgon_get(&r->used[i]); free; free &= free - 1) {
            uint32_t slot = i * 64 + (uint32_t)__builtin_ctzll(free);
            if (slot >= r->conf.jobs)
                break;
            if (claim_slot(r, slot, me, &ref->gen)) {
                ref->slot = slot;
                return true;
            }
        }
    for (uint32_t slot = 0; slot < r->conf.jobs; slot++)
        if (claim_slot(r, slot, me, &ref->gen)) {
            ref->slot = slot;
            return true;
        }
    return false;
}

static void fill(dgon_registry *r, uint32_t slot, dgon_job_spec *spec)
{
    dgon_layout_job *j = dgon_job_at(r, slot);
    if (spec->arrival == 0)
        spec->arrival = atomic_fetch_add(&r->head->ticket, 1) + 1;
    atomic_store_explicit(&r->arrival[slot], spec->arrival, memory_order_relaxed);
    uint32_t queue = dgon_turn_queue(spec->user, spec->model);
    atomic_store_explicit(&r->job_queue[slot], queue, memory_order_relaxed);
    if (spec->again)
        dgon_set(&r->turns[dgon_queue_turn(queue)], 0);
    spec->again = false;
    for (uint32_t i = 0; i < DGON_REGISTRY_EXCLUDE_MAX; i++)
        atomic_store_explicit(&j->exclude[i], spec->exclude[i], memory_order_relaxed);
    atomic_store_explicit(&j->agent, DGON_NONE, memory_order_relaxed);
    atomic_store_explicit(&j->need, spec->need, memory_order_relaxed);
    atomic_store_explicit(&j->context, spec->context, memory_order_relaxed);
    atomic_store_explicit(&j->bound_us, 0, memory_order_relaxed);
    atomic_store_explicit(&j->cancel, 0, memory_order_relaxed);
    j->first_token_ms = spec->first_token_ms;
    j->body_len = spec->body_len;
    j->created = spec->created;
    memcpy(j->id, spec->id, sizeof j->id);
    j->op = spec->op;
    j->attempt = spec->attempt;
    j->stream = spec->stream;
    memcpy(j->traceparent, spec->traceparent, sizeof j->traceparent);
    dgon_ring up = dgon_registry_up(r, slot), down = dgon_registry_down(r, slot);
    dgon_ring_reset(&up);
    dgon_ring_reset(&down);
}

dgon_status dgon_registry_claim(dgon_registry *r, uint32_t me, dgon_job_spec *spec,
                                dgon_job_ref *ref)
{
    if (me >= r->conf.children || spec->model >= r->conf.models)
        return DGON_EINVAL;
    if (!claim_any(r, me, ref))
        return DGON_EFULL;
    fill(r, ref->slot, spec);
    return DGON_OK;
}

static bool has_excludes(const dgon_registry *r, uint32_t slot)
{
    for (uint32_t i = 0; i < DGON_REGISTRY_EXCLUDE_MAX; i++) {
        uint32_t e = atomic_load(&dgon_job_at(r, slot)->exclude[i]);
        if (e < r->conf.links || dgon_is_only(e))
            return true;
    }
    return false;
}

/* Some link, draining or not, of an agent where it did not fail yet offers the model. */
static bool anybody_left(const dgon_registry *r, uint32_t slot, uint32_t model)
{
    _Atomic uint64_t *offers = dgon_offers_at(r, model);
    for (uint32_t i = 0; i < r->at.offer_words; i++)
        for (uint64_t w = dgon_get(&offers[i]); w; w &= w - 1) {
            uint32_t link = i * 64 + (uint32_t)__builtin_ctzll(w);
            if (link >= r->conf.links)
                break;
            uint32_t agent = dgon_link_agent(r, link);
            if (dgon_linkw_up(dgon_get(&r->link_word[link])) && agent != DGON_NONE &&
                !dgon_excluded(r, slot, agent) && dgon_job_suits(r, slot, link, model))
                return true;
        }
    return false;
}

/* How many came before, and itself. By a scan. */
static uint32_t arrived_as(dgon_registry *r, uint32_t slot, uint32_t model)
{
    uint64_t mine = atomic_load(&r->arrival[slot]);
    uint32_t n = 1, high = dgon_job_high(r);
    for (uint32_t i = 0; i < high; i++) {
        if (dgon_jobw_of(dgon_get(&r->job_word[i])).phase != DGON_JOB_QUEUED || i == slot ||
            dgon_queue_model(dgon_job_queue(r, i)) != model)
            continue;
        n += atomic_load_explicit(&r->arrival[i], memory_order_relaxed) < mine;
    }
    return n;
}

dgon_status dgon_registry_submit(dgon_registry *r, dgon_job_ref ref, uint32_t queue_max)
{
    if (!dgon_ref_ok(r, ref))
        return DGON_ESTALE;
    uint64_t w = dgon_get(&r->job_word[ref.slot]);
    dgon_jobw j = dgon_jobw_of(w);
    uint32_t model = dgon_job_model(r, ref.slot);
    if (j.gen != ref.gen || j.phase != DGON_JOB_CLAIMED || model == DGON_NONE)
        return DGON_ESTALE;
    if (has_excludes(r, ref.slot) && !anybody_left(r, ref.slot, model))
        return DGON_ENOTFOUND;
    /* Counted before it is there: who frees a slot later than this looks into the queue. */
    bool alone = dgon_count_up(&r->waiting[model]) == 0;
    if (!dgon_job_move(r, ref.slot, w, DGON_JOB_SUBMIT, &w)) {
        dgon_count_down(&r->waiting[model], 1);
        return DGON_ESTALE;
    }
    dgon_dispatch_new(r, j.child, ref.slot, model, alone);
    if (dgon_get(&r->job_word[ref.slot]) != w)
        return DGON_OK;
    if (dgon_count_of(dgon_get(&r->waiting[model])) == 0)
        (void)dgon_count_up(&r->waiting[model]); /* an auditor took us for a leftover */
    if (dgon_count_of(dgon_get(&r->waiting[model])) <= queue_max ||
        arrived_as(r, ref.slot, model) <= queue_max ||
        !dgon_job_move(r, ref.slot, w, DGON_JOB_WITHDRAW, &w))
        return DGON_OK;
    dgon_count_down(&r->waiting[model], 1);
    return DGON_EFULL;
}

static void tell_link(dgon_registry *r, uint32_t slot, dgon_jobw j)
{
    if (dgon_jobw_on_link(j) && j.link < r->conf.links)
        dgon_registry_notify(r, dgon_linkw_child(dgon_get(&r->link_word[j.link])), slot);
}

void dgon_job_drop(dgon_registry *r, uint32_t slot, uint64_t w)
{
    dgon_jobw j = dgon_jobw_of(w);
    uint64_t next;
    /* before the slot is free: the next owner's model is another one */
    uint32_t model = dgon_job_model(r, slot);
    while (!dgon_job_move(r, slot, w, DGON_JOB_RELEASE, &next)) {
        uint64_t now = dgon_get(&r->job_word[slot]);
        if (now == w || dgon_jobw_of(now).gen != j.gen)
            return; /* nothing to release any more */
        w = now;
    }
    if (dgon_jobw_of(w).phase == DGON_JOB_QUEUED && model != DGON_NONE)
        dgon_count_down(&r->waiting[model], 1);
    tell_link(r, slot, dgon_jobw_of(next));
}

uint64_t dgon_registry_bound_us(dgon_registry *r, dgon_job_ref ref)
{
    return dgon_ref_ok(r, ref)
               ? atomic_load_explicit(&dgon_job_at(r, ref.slot)->bound_us, memory_order_relaxed)
               : 0;
}

bool dgon_registry_cancel_asked(dgon_registry *r, dgon_job_ref ref)
{
    return dgon_ref_ok(r, ref) &&
           atomic_load_explicit(&dgon_job_at(r, ref.slot)->cancel, memory_order_relaxed) == ref.gen;
}

void dgon_registry_release(dgon_registry *r, dgon_job_ref ref)
{
    if (!dgon_ref_ok(r, ref))
        return;
    uint64_t w = dgon_get(&r->job_word[ref.slot]);
    if (dgon_jobw_of(w).gen == ref.gen)
        dgon_job_drop(r, ref.slot, w);
}

dgon_job_phase dgon_registry_phase(dgon_registry *r, dgon_job_ref ref, bool *gone, uint32_t *agent)
{
    if (gone)
        *gone = false;
    if (agent)
        *agent = DGON_NONE;
    if (!dgon_ref_ok(r, ref))
        return DGON_JOB_FREE;
    dgon_jobw j = dgon_jobw_of(dgon_get(&r->job_word[ref.slot]));
    if (j.gen != ref.gen || j.phase >= DGON_JOB_PHASE_MAX)
        return DGON_JOB_FREE;
    if (gone)
        *gone = j.gone;
    if (agent && dgon_jobw_on_link(j) && j.link < r->conf.links)
        *agent = dgon_link_agent(r, j.link);
    if (agent && j.phase == DGON_JOB_DONE)
        *agent = atomic_load(&dgon_job_at(r, ref.slot)->agent);
    return (dgon_job_phase)j.phase;
}

uint32_t dgon_registry_position(dgon_registry *r, dgon_job_ref ref)
{
    if (!dgon_ref_ok(r, ref))
        return 0;
    dgon_jobw j = dgon_jobw_of(dgon_get(&r->job_word[ref.slot]));
    uint32_t model = dgon_job_model(r, ref.slot);
    if (j.gen != ref.gen || j.phase != DGON_JOB_QUEUED || model == DGON_NONE)
        return 0;
    return dgon_turn_place(r, ref.slot);
}

/* A job's two rings meet in the middle of a page, and each starts on its side of that middle: of a
 * job with a short body whose client keeps up only this page is ever touched. */
static dgon_ring ring_of(dgon_registry *r, uint32_t slot, uint32_t dir, uint32_t start)
{
    uint64_t i = (uint64_t)(slot < r->conf.jobs ? slot : 0) * 2 + dir;
    return (dgon_ring){.ctl = (dgon_ring_ctl *)(void *)(r->base + r->at.ring_ctl) + i,
                       .data =
                           r->base + r->at.ring_data + DGON_LAYOUT_PAGE / 2 + i * r->conf.ring_size,
                       .size = r->conf.ring_size,
                       .start = start};
}

dgon_ring dgon_registry_up(dgon_registry *r, uint32_t slot)
{
    return ring_of(r, slot, 0, r->conf.ring_size - DGON_LAYOUT_PAGE / 2);
}

dgon_ring dgon_registry_down(dgon_registry *r, uint32_t slot)
{
    return ring_of(r, slot, 1, 0);
}

void dgon_registry_notify_link(dgon_registry *r, dgon_job_ref ref)
{
    if (!dgon_ref_ok(r, ref))
        return;
    dgon_jobw j = dgon_jobw_of(dgon_get(&r->job_word[ref.slot]));
    if (j.gen == ref.gen)
        tell_link(r, ref.slot, j);
}

/* ---- link side ---- */

dgon_status dgon_registry_job_here(dgon_registry *r, uint32_t me, uint32_t slot, dgon_job_ref *ref,
                                   uint32_t *link, dgon_job_phase *phase, bool *gone)
{
    if (slot >= r->conf.jobs)
        return DGON_ESTALE;
    dgon_jobw j = dgon_jobw_of(dgon_get(&r->job_word[slot]));
    if (!dgon_jobw_on_link(j) || !dgon_link_holds(r, j) ||
        dgon_linkw_child(dgon_get(&r->link_word[j.link])) != me)
        return DGON_ESTALE;
    *ref = (dgon_job_ref){.slot = slot, .gen = j.gen};
    *link = j.link;
    *phase = (dgon_job_phase)j.phase;
    *gone = j.gone;
    return DGON_OK;
}

dgon_status dgon_registry_spec(dgon_registry *r, dgon_job_ref ref, dgon_job_spec *spec)
{
    if (!dgon_ref_ok(r, ref) || dgon_jobw_of(dgon_get(&r->job_word[ref.slot])).gen != ref.gen)
        return DGON_ESTALE;
    const dgon_layout_job *j = dgon_job_at(r, ref.slot);
    *spec = (dgon_job_spec){.model = dgon_job_model(r, ref.slot),
                            .created = j->created,
                            .arrival = atomic_load(&r->arrival[ref.slot]),
                            .body_len = j->body_len,
                            .first_token_ms = j->first_token_ms,
                            .need = atomic_load(&j->need),
                            .context = atomic_load(&j->context),
                            .op = j->op,
                            .attempt = j->attempt,
                            .stream = j->stream != 0};
    memcpy(spec->id, j->id, sizeof spec->id);
    for (uint32_t i = 0; i < DGON_REGISTRY_EXCLUDE_MAX; i++)
        spec->exclude[i] = atomic_load(&j->exclude[i]);
    memcpy(spec->traceparent, j->traceparent, sizeof spec->traceparent);
    spec->traceparent[sizeof spec->traceparent - 1] = '\0';
    dgon_jobw now = dgon_jobw_of(dgon_get(&r->job_word[ref.slot]));
    if (now.gen != ref.gen || now.phase == DGON_JOB_FREE || spec->model == DGON_NONE)
        return DGON_ESTALE;
    return DGON_OK;
}

dgon_status dgon_registry_take(dgon_registry *r, dgon_job_ref ref)
{
    if (!dgon_ref_ok(r, ref))
        return DGON_ESTALE;
    uint64_t w = dgon_get(&r->job_word[ref.slot]);
    if (dgon_jobw_of(w).gen != ref.gen || !dgon_link_holds(r, dgon_jobw_of(w)) ||
        !dgon_job_move(r, ref.slot, w, DGON_JOB_TAKE, &w))
        return DGON_ESTALE;
    return DGON_OK;
}

bool dgon_job_let_go(dgon_registry *r, uint32_t slot, uint64_t w)
{
    dgon_jobw j = dgon_jobw_of(w);
    uint32_t agent =
        j.link < r->conf.links && dgon_link_holds(r, j) ? dgon_link_agent(r, j.link) : DGON_NONE;
    if (agent != DGON_NONE)
        atomic_store(&dgon_job_at(r, slot)->agent, agent);
    uint64_t next;
    if (!dgon_job_move(r, slot, w, DGON_JOB_FINISH, &next))
        return false;
    if (agent != DGON_NONE)
        dgon_token_return(r, agent, slot, j);
    if (dgon_jobw_of(next).phase == DGON_JOB_DONE)
        dgon_registry_notify(r, j.child, slot);
    return true;
}

static void learn(dgon_registry *r, uint32_t model, uint32_t ms)
{
    _Atomic uint32_t *p = &dgon_model_at(r, model)->job_ms;
    uint32_t old = atomic_load_explicit(p, memory_order_relaxed);
    int64_t step = ((int64_t)ms - old) / (1 << EWMA_SHIFT);
    atomic_store_explicit(p, old ? (uint32_t)(old + step) : ms, memory_order_relaxed);
}

void dgon_registry_finish(dgon_registry *r, dgon_job_ref ref, uint32_t ms)
{
    if (!dgon_ref_ok(r, ref))
        return;
    uint64_t w = dgon_get(&r->job_word[ref.slot]);
    dgon_jobw j = dgon_jobw_of(w);
    uint32_t model = dgon_job_model(r, ref.slot);
    while (j.gen == ref.gen && dgon_jobw_on_link(j)) {
        uint32_t link = j.link;
        if (link >= r->conf.links || !dgon_link_holds(r, j))
            return;
        uint32_t agent = dgon_link_agent(r, link);
        if (dgon_job_let_go(r, ref.slot, w)) {
            if (ms && model != DGON_NONE)
                learn(r, model, ms);
            if (agent != DGON_NONE)
                dgon_dispatch_agent(r, dgon_linkw_child(dgon_get(&r->link_word[link])), agent);
            return;
        }
        uint64_t now = dgon_get(&r->job_word[ref.slot]);
        if (now == w)
            return;
        w = now;
        j = dgon_jobw_of(w);
    }
}

void dgon_registry_notify_client(dgon_registry *r, dgon_job_ref ref)
{
    if (!dgon_ref_ok(r, ref))
        return;
    dgon_jobw j = dgon_jobw_of(dgon_get(&r->job_word[ref.slot]));
    if (j.gen == ref.gen && !j.gone && j.phase != DGON_JOB_FREE)
        dgon_registry_notify(r, j.child, ref.slot);
}

#include "registry_int.h"

#include <string.h>

#define AUDIT_ROUNDS 3u /* a surplus seen this often in a row is left by somebody dead */
#define IDLE_ROUNDS \
    60u /* a name without a user for so many audits may go, if the table gets full */
#define JOBS_LOOKED  4096u /* slots that one audit looks at beside those below the mark */
#define MODELS_AHEAD 16u   /* that come between two audits: what stands there counts for them */

/* ---- what a dead child left ---- */

/* Tokens for jobs that still wait would become valid again when its slot is joined anew. */
static void clear_tokens(dgon_registry *r, uint32_t child)
{
    uint32_t mark = dgon_names_mark(&r->agent_names);
    for (uint32_t a = 0; a < mark; a++) {
        _Atomic uint64_t *t = dgon_tokens_at(r, a);
        uint32_t high = dgon_slots_high(r, a);
        for (uint32_t i = 0; i < high; i++) {
            uint64_t v = dgon_get(&t[i]);
            if (v && !dgon_token_valid(r, a, i, v) &&
                (dgon_token_child(v) == child || dgon_token_slot(v) >= r->conf.jobs))
                (void)dgon_cas(&t[i], v, 0);
        }
        dgon_busy_recount(r, a);
    }
}

static void drop_jobs(dgon_registry *r, uint32_t child)
{
    uint32_t high = dgon_job_high(r);
    for (uint32_t i = 0; i < high; i++) {
        uint64_t w = dgon_get(&r->job_word[i]);
        dgon_jobw j = dgon_jobw_of(w);
        if (j.phase != DGON_JOB_FREE && j.child == child)
            dgon_job_drop(r, i, w);
    }
}

/* Jobs on a link that is not theirs any more: bound by a child that died before it could look
 * again. And news that a killed child did not pass on: told once more, which is harmless. */
static void settle_jobs(dgon_registry *r, bool tell)
{
    uint32_t high = dgon_job_high(r);
    for (uint32_t i = 0; i < high; i++) {
        uint64_t w = dgon_get(&r->job_word[i]);
        dgon_jobw j = dgon_jobw_of(w);
        if (dgon_jobw_on_link(j) && !dgon_link_holds(r, j))
            (void)dgon_job_let_go(r, i, w);
        else if ((tell || j.gone || j.phase == DGON_JOB_BOUND) && dgon_jobw_on_link(j))
            dgon_registry_notify(r, dgon_linkw_child(dgon_get(&r->link_word[j.link])), i);
        if (tell && j.phase == DGON_JOB_DONE)
            dgon_registry_notify(r, j.child, i);
    }
}

static void shut_links(dgon_registry *r, uint32_t child)
{
    uint32_t high = dgon_link_high(r);
    for (uint32_t i = 0; i < high; i++) {
        uint64_t w = dgon_get(&r->link_word[i]);
        if (dgon_linkw_state(w) != DGON_LINK_FREE && dgon_linkw_child(w) == child)
            dgon_link_shut(r, i);
    }
}

void dgon_child_let_go(dgon_registry *r, uint32_t child)
{
    drop_jobs(r, child);
    shut_links(r, child);
}

void dgon_child_finish(dgon_registry *r, uint32_t child)
{
    _Atomic uint64_t *p = &dgon_child_at(r, child)->word;
    uint64_t w = dgon_get(p);
    dgon_child_let_go(r, child);
    settle_jobs(r, true);
    clear_tokens(r, child);
    (void)dgon_cas(p, w, dgon_childw(dgon_childw_epoch(w), DGON_CHILD_FREE, 0, 0));
}

static bool gone_for_certain(dgon_registry *r, uint32_t child)
{
    return r->host.alive && !r->host.alive(r->host.user, child);
}

/* Somebody who lives sweeps it already. */
static bool in_good_hands(dgon_registry *r, uint32_t me, uint64_t w)
{
    uint32_t by = dgon_childw_by(w);
    if (by == me || by >= r->conf.children)
        return false;
    uint64_t other = dgon_get(&dgon_child_at(r, by)->word);
    return dgon_childw_state(other) == DGON_CHILD_ACTIVE &&
           (dgon_childw_epoch(other) & 0xffff) == dgon_childw_by_epoch(w) &&
           !gone_for_certain(r, by);
}

/* True when `me` is now the one to finish child c. */
static bool take_over(dgon_registry *r, uint32_t me, uint32_t c)
{
    _Atomic uint64_t *p = &dgon_child_at(r, c)->word;
    uint64_t w = dgon_get(p);
    uint32_t state = dgon_childw_state(w);
    if (state == DGON_CHILD_FREE || !gone_for_certain(r, c))
        return false;
    if (state == DGON_CHILD_SWEEPING && in_good_hands(r, me, w))
        return false;
    uint32_t epoch = dgon_childw_epoch(dgon_get(&dgon_child_at(r, me)->word));
    return dgon_cas(p, w, dgon_childw(dgon_childw_epoch(w), DGON_CHILD_SWEEPING, me, epoch));
}

uint32_t dgon_registry_sweep(dgon_registry *r, uint32_t me)
{
    if (me >= r->conf.children)
        return 0;
    uint32_t n = 0;
    for (uint32_t c = 0; c < r->conf.children; c++) {
        if (c == me || !take_over(r, me, c))
            continue;
        dgon_child_finish(r, c);
        dgon_dispatch_all(r, me);
        dgon_registry_count(r, me, DGON_COUNT_SWEPT, 1);
        n++;
    }
    return n;
}

/* ---- audit ---- */

static bool joined(const dgon_registry *r, uint32_t child)
{
    return child < r->conf.children &&
           dgon_childw_state(dgon_get(&dgon_child_at(r, child)->word)) != DGON_CHILD_FREE;
}

/* Jobs above the mark of the last one, which rubbish may have lowered: nobody sees them. */
static void find_jobs(dgon_registry *r)
{
    for (uint32_t n = 0; n < JOBS_LOOKED && n < r->conf.jobs; n++) {
        if (r->look >= r->conf.jobs)
            r->look = 0;
        if (dgon_jobw_of(dgon_get(&r->job_word[r->look++])).phase != DGON_JOB_FREE)
            dgon_raise(&r->head->job_high, r->look);
    }
}

/* Words that no child of ours can have written: healed so that the slots are not lost for good. */
static void heal(dgon_registry *r)
{
    find_jobs(r);
    uint32_t high = dgon_job_high(r);
    for (uint32_t i = 0; i < high; i++) {
        uint64_t w = dgon_get(&r->job_word[i]);
        dgon_jobw j = dgon_jobw_of(w);
        if (j.phase == DGON_JOB_FREE)
            dgon_bit_clear(r->used, i);
        else if (j.phase >= DGON_JOB_PHASE_MAX || j.gen == 0)
            (void)dgon_cas(&r->job_word[i], w, dgon_jobw_pack((dgon_jobw){.gen = j.gen}));
        else if (!joined(r, j.child))
            dgon_job_drop(r, i, w);
    }
    for (uint32_t i = 0; i < r->conf.links; i++) {
        uint64_t w = dgon_get(&r->link_word[i]);
        if (dgon_linkw_state(w) == DGON_LINK_FREE)
            continue;
        dgon_raise(&r->head->link_high, (uint64_t)i + 1);
        if (!joined(r, dgon_linkw_child(w)))
            dgon_link_shut(r, i);
    }
    settle_jobs(r, false);
}

static uint32_t count_phase_of(const dgon_registry *r, uint32_t model, dgon_job_phase phase)
{
    uint32_t n = 0, high = dgon_job_high(r);
    for (uint32_t i = 0; i < high; i++)
        n +=
            dgon_jobw_of(dgon_get(&r->job_word[i])).phase == phase && dgon_job_model(r, i) == model;
    return n;
}

/* Too few would leave a job unseen: put right at once. Too many only cost time, and a job just
 * being bound looks the same: taken off when it was there in several audits. A claimed job may
 * have been counted and not be queued yet: never taken for too many, or the next one overtakes it.
 */
static void recount_waiting(dgon_registry *r, uint32_t model)
{
    uint32_t waiting = count_phase_of(r, model, DGON_JOB_QUEUED);
    uint32_t coming = count_phase_of(r, model, DGON_JOB_CLAIMED);
    uint64_t w = dgon_get(&r->waiting[model]);
    uint32_t now = dgon_count_of(w);
    uint32_t surplus = now > waiting + coming ? now - waiting - coming : 0;
    if (now < waiting)
        (void)dgon_cas(&r->waiting[model], w, (w & ~0xffffffffull) + (1ull << 32) + waiting);
    if (r->round == 0 || surplus < r->surplus[model])
        r->surplus[model] = surplus;
    if (r->round == AUDIT_ROUNDS - 1 && r->surplus[model])
        dgon_count_down(&r->waiting[model], r->surplus[model]);
}

/* The next models begin with nobody who waits and nobody who offers them. Of a model without a name
 * there is nothing to lose: its name is looked at behind what is cleared. */
static void clear_nameless(dgon_registry *r, uint32_t model)
{
    const _Atomic uint64_t *name = &r->model_names.word[model];
    uint64_t w = dgon_get(&r->waiting[model]);
    if (dgon_count_of(w) != 0 && dgon_get(name) == 0)
        (void)dgon_cas(&r->waiting[model], w, (w & ~0xffffffffull) + (1ull << 32));
    _Atomic uint64_t *offers = dgon_offers_at(r, model);
    for (uint32_t i = 0; i < r->at.offer_words; i++) {
        w = dgon_get(&offers[i]);
        if (w != 0 && dgon_get(name) == 0)
            (void)dgon_cas(&offers[i], w, 0);
    }
}

static bool link_offers(const dgon_registry *r, uint32_t model)
{
    _Atomic uint64_t *offers = dgon_offers_at(r, model);
    uint32_t high = dgon_link_high(r);
    for (uint32_t i = 0; i < high; i++)
        if (dgon_get(&offers[i / 64]) & 1ull << (i % 64) &&
            dgon_linkw_state(dgon_get(&r->link_word[i])) != DGON_LINK_FREE)
            return true;
    return false;
}

static bool model_used(void *user, uint32_t model)
{
    const dgon_registry *r = user;
    if (link_offers(r, model))
        return true;
    uint32_t high = dgon_job_high(r);
    for (uint32_t i = 0; i < high; i++)
        if (dgon_jobw_of(dgon_get(&r->job_word[i])).phase != DGON_JOB_FREE &&
            dgon_job_model(r, i) == model)
            return true;
    return false;
}

static bool agent_used(void *user, uint32_t agent)
{
    const dgon_registry *r = user;
    uint32_t high = dgon_link_high(r);
    if (dgon_agent_held(r, agent)) /* it shall be held when it comes back, too */
        return true;
    for (uint32_t i = 0; i < high; i++)
        if (dgon_linkw_state(dgon_get(&r->link_word[i])) != DGON_LINK_FREE &&
            atomic_load(&dgon_link_at(r, i)->agent) == agent)
            return true;
    return false;
}

/* More than seven eighths are taken: names without a user may go. A model is kept longer, because
 * somebody may be between its look-up and its job. */
static bool crowded(const dgon_names *t, uint32_t mark)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < mark; i++)
        live += dgon_names_live(t, i);
    return live > t->n - (t->n + 7) / 8;
}

/* One past the last used entry as well: it is the next to be claimed. */
static uint32_t names_end(const dgon_names *t)
{
    uint32_t mark = dgon_names_mark(t);
    return mark < t->n ? mark + 1 : mark;
}

static bool never(void *user, uint32_t i)
{
    (void)user;
    (void)i;
    return false;
}

static void reclaim_names(dgon_registry *r)
{
    uint32_t end = names_end(&r->model_names);
    bool full = crowded(&r->model_names, end);
    for (uint32_t i = 0; i < end; i++) {
        bool live = dgon_names_live(&r->model_names, i);
        if (live && (!full || model_used(r, i)))
            r->idle[i] = 0;
        else if (!live || ++r->idle[i] > IDLE_ROUNDS)
            dgon_names_reclaim(&r->model_names, i, model_used, r);
    }
    end = names_end(&r->metric_names);
    for (uint32_t i = 0; i < end; i++)
        if (!dgon_names_live(&r->metric_names, i)) /* half-made by somebody who was killed */
            dgon_names_reclaim(&r->metric_names, i, never, r);
    end = names_end(&r->agent_names);
    full = crowded(&r->agent_names, end);
    for (uint32_t i = 0; i < end; i++)
        if (full || !dgon_names_live(&r->agent_names, i))
            dgon_names_reclaim(&r->agent_names, i, agent_used, r);
}

void dgon_registry_audit(dgon_registry *r, uint32_t me)
{
    heal(r);
    uint32_t mark = dgon_names_mark(&r->model_names);
    for (uint32_t m = 0; m < mark; m++)
        recount_waiting(r, m);
    for (uint32_t m = mark; m < r->conf.models && m < mark + MODELS_AHEAD; m++)
        clear_nameless(r, m);
    r->round = (r->round + 1) % AUDIT_ROUNDS;
    mark = dgon_names_mark(&r->agent_names);
    for (uint32_t a = 0; a < mark; a++)
        dgon_busy_recount(r, a);
    reclaim_names(r);
    dgon_dispatch_all(r, me);
}

/* ---- gauges ---- */

static void count_phase(dgon_registry_gauges *g, dgon_jobw j)
{
    g->jobs_claimed += j.phase == DGON_JOB_CLAIMED;
    g->jobs_queued += j.phase == DGON_JOB_QUEUED;
    g->jobs_bound += j.phase == DGON_JOB_BOUND;
    g->jobs_running += j.phase == DGON_JOB_RUNNING;
    g->jobs_done += j.phase == DGON_JOB_DONE;
    g->jobs_gone += dgon_jobw_on_link(j) && j.gone;
}

void dgon_registry_gauges_get(dgon_registry *r, dgon_registry_gauges *g)
{
    memset(g, 0, sizeof *g);
    g->children = dgon_registry_children_alive(r);
    uint32_t high = dgon_link_high(r);
    for (uint32_t i = 0; i < high; i++)
        g->links += dgon_linkw_state(dgon_get(&r->link_word[i])) != DGON_LINK_FREE;
    uint32_t mark = dgon_names_mark(&r->agent_names);
    for (uint32_t a = 0; a < mark; a++) {
        uint32_t stale;
        g->tokens_valid += dgon_tokens_count(r, a, &stale);
        g->tokens_stale += stale;
        if (dgon_names_live(&r->agent_names, a) && agent_used(r, a)) {
            g->agents++;
            g->slots += dgon_slots(r, a);
        }
    }
    mark = dgon_names_mark(&r->model_names);
    for (uint32_t m = 0; m < mark; m++)
        g->models += dgon_names_live(&r->model_names, m);
    high = dgon_job_high(r);
    for (uint32_t i = 0; i < high; i++)
        count_phase(g, dgon_jobw_of(dgon_get(&r->job_word[i])));
}

/* An agent's slots: a token in each that is taken, which names the job it is taken for. */
#include "registry_int.h"

bool dgon_token_valid(dgon_registry *r, uint32_t agent, uint32_t index, uint64_t token)
{
    uint32_t slot = dgon_token_slot(token), child = dgon_token_child(token);
    if (token == 0 || slot >= r->conf.jobs)
        return false;
    dgon_jobw j = dgon_jobw_of(dgon_get(&r->job_word[slot]));
    if (j.gen != dgon_token_gen(token))
        return false;
    if (dgon_jobw_on_link(j))
        return j.stamp == (index & 0xff) && dgon_link_holds(r, j) &&
               dgon_link_agent(r, j.link) == agent;
    return j.phase == DGON_JOB_QUEUED && child < r->conf.children &&
           dgon_childw_state(dgon_get(&dgon_child_at(r, child)->word)) == DGON_CHILD_ACTIVE;
}

uint32_t dgon_tokens_count(dgon_registry *r, uint32_t agent, uint32_t *stale)
{
    _Atomic uint64_t *t = dgon_tokens_at(r, agent);
    uint32_t n = 0, bad = 0, high = dgon_slots_high(r, agent);
    for (uint32_t i = 0; i < high; i++) {
        uint64_t v = dgon_get(&t[i]);
        if (v == 0)
            continue;
        if (dgon_token_valid(r, agent, i, v))
            n++;
        else
            bad++;
    }
    if (stale)
        *stale = bad;
    return n;
}

/* May come out too low, when a child is between its count and its token; never too high. Too low
 * costs a search. */
void dgon_busy_recount(dgon_registry *r, uint32_t agent)
{
    _Atomic uint64_t *busy = &dgon_agent_at(r, agent)->busy;
    uint64_t w = dgon_get(busy);
    uint32_t n = dgon_tokens_count(r, agent, NULL);
    if (n != dgon_count_of(w))
        (void)dgon_cas(busy, w, (w & ~0xffffffffull) + (1ull << 32) + n);
}

static uint32_t token_put(dgon_registry *r, uint32_t agent, uint32_t slots, uint64_t token)
{
    _Atomic uint64_t *t = dgon_tokens_at(r, agent);
    uint32_t from = atomic_load_explicit(&dgon_agent_at(r, agent)->next, memory_order_relaxed);
    if (from >= slots)
        from = 0;
    for (uint32_t k = 0; k < slots; k++) {
        uint32_t i = from + k < slots ? from + k : from + k - slots;
        if (atomic_load_explicit(&t[i], memory_order_relaxed) == 0 && dgon_cas(&t[i], 0, token))
            return i;
    }
    for (uint32_t i = 0; i < slots; i++) {
        uint64_t old = dgon_get(&t[i]);
        if (!dgon_token_valid(r, agent, i, old) && dgon_cas(&t[i], old, token))
            return i;
    }
    return DGON_NONE;
}

uint32_t dgon_token_reserve(dgon_registry *r, uint32_t agent, uint64_t token)
{
    _Atomic uint64_t *busy = &dgon_agent_at(r, agent)->busy;
    uint32_t slots = dgon_slots(r, agent);
    uint32_t i = DGON_NONE;
    bool hint_said_free = dgon_count_up(busy) < slots;
    if (hint_said_free)
        i = token_put(r, agent, slots, token);
    if (i != DGON_NONE)
        return i;
    dgon_count_down(busy, 1);
    if (hint_said_free)
        dgon_busy_recount(r, agent);
    return DGON_NONE;
}

void dgon_token_unreserve(dgon_registry *r, uint32_t agent, uint32_t index, uint64_t token)
{
    dgon_layout_agent *a = dgon_agent_at(r, agent);
    (void)dgon_cas(&dgon_tokens_at(r, agent)[index], token, 0);
    atomic_store_explicit(&a->next, index, memory_order_relaxed);
    dgon_count_down(&a->busy, 1);
}

void dgon_token_return(dgon_registry *r, uint32_t agent, uint32_t slot, dgon_jobw was)
{
    _Atomic uint64_t *t = dgon_tokens_at(r, agent);
    uint32_t high = dgon_slots_high(r, agent);
    for (uint32_t i = was.stamp; i < high; i += 256) {
        uint64_t v = dgon_get(&t[i]);
        if (v != 0 && dgon_token_slot(v) == slot && dgon_token_gen(v) == was.gen) {
            dgon_token_unreserve(r, agent, i, v);
            return;
        }
    }
    dgon_count_down(&dgon_agent_at(r, agent)->busy, 1);
}

#include "registry_int.h"

#include <string.h>
#include <time.h>

#define TRIES 100u

bool dgon_link_holds(const dgon_registry *r, dgon_jobw j)
{
    if (j.link >= r->conf.links)
        return false;
    uint64_t w = dgon_get(&r->link_word[j.link]);
    uint32_t s = dgon_linkw_state(w);
    return (dgon_linkw_gen(w) & 0xf) == j.lgen &&
           (s == DGON_LINK_OPEN || s == DGON_LINK_DRAINING || s == DGON_LINK_CLOSING);
}

static void clear_offers(dgon_registry *r, uint32_t link)
{
    uint32_t mark = dgon_names_mark(&r->model_names);
    for (uint32_t m = 0; m < mark; m++)
        dgon_bit_clear(dgon_offers_at(r, m), link);
    atomic_store(&dgon_link_at(r, link)->offers, 0);
}

static uint64_t to_state(uint64_t w, uint32_t state)
{
    return dgon_linkw(dgon_linkw_gen(w), state, dgon_linkw_child(w));
}

void dgon_link_shut(dgon_registry *r, uint32_t link)
{
    uint64_t w = dgon_get(&r->link_word[link]);
    for (uint32_t tries = 0; tries < TRIES && dgon_linkw_state(w) != DGON_LINK_CLOSING; tries++) {
        if (dgon_linkw_state(w) == DGON_LINK_FREE)
            return;
        if (dgon_cas(&r->link_word[link], w, to_state(w, DGON_LINK_CLOSING)))
            w = to_state(w, DGON_LINK_CLOSING);
        else
            w = dgon_get(&r->link_word[link]);
    }
    clear_offers(r, link);
    uint32_t agent = dgon_link_agent(r, link);
    if (agent != DGON_NONE)
        atomic_store(&dgon_agent_at(r, agent)->seen, (uint32_t)time(NULL));
    uint32_t high = dgon_job_high(r);
    for (uint32_t i = 0; i < high; i++) {
        uint64_t jw = dgon_get(&r->job_word[i]);
        dgon_jobw j = dgon_jobw_of(jw);
        for (uint32_t tries = 0; tries < TRIES && dgon_jobw_on_link(j) && j.link == link &&
                                 j.lgen == (dgon_linkw_gen(w) & 0xf) && !dgon_job_let_go(r, i, jw);
             tries++) {
            jw = dgon_get(&r->job_word[i]); /* taken or released meanwhile */
            j = dgon_jobw_of(jw);
        }
    }
    (void)dgon_cas(&r->link_word[link], w, dgon_linkw(dgon_linkw_gen(w) + 1, DGON_LINK_FREE, 0));
}

/* ---- opening ---- */

static uint32_t claim_link(dgon_registry *r, uint32_t me, uint64_t *word)
{
    for (uint32_t i = 0; i < r->conf.links; i++) {
        uint64_t w = dgon_get(&r->link_word[i]);
        if (dgon_linkw_state(w) != DGON_LINK_FREE)
            continue;
        dgon_raise(&r->head->link_high, (uint64_t)i + 1);
        *word = dgon_linkw(dgon_linkw_gen(w), DGON_LINK_OPENING, me);
        if (dgon_cas(&r->link_word[i], w, *word))
            return i;
    }
    return DGON_NONE;
}

static bool holder_lives(const dgon_registry *r, uint32_t me, uint64_t w)
{
    uint32_t c = dgon_linkw_child(w);
    return c == me || (c < r->conf.children && (!r->host.alive || r->host.alive(r->host.user, c)));
}

/* Another instance of the agent has an open link to a child that lives. It is asked to prove that
 * it is there. */
static bool other_instance(dgon_registry *r, uint32_t me, uint32_t link, uint32_t agent)
{
    uint64_t mine = dgon_get(&dgon_link_at(r, link)->instance);
    bool found = false;
    uint32_t high = dgon_link_high(r);
    for (uint32_t i = 0; i < high; i++) {
        uint64_t w = dgon_get(&r->link_word[i]);
        dgon_layout_link *l = dgon_link_at(r, i);
        if (i == link || !dgon_linkw_up(w) || atomic_load(&l->agent) != agent ||
            dgon_get(&l->instance) == mine || !holder_lives(r, me, w))
            continue;
        dgon_set32(&l->probe, 1);
        found = true;
    }
    return found;
}

static void set_slots(dgon_registry *r, uint32_t agent, uint32_t slots)
{
    dgon_layout_agent *a = dgon_agent_at(r, agent);
    if (slots > DGON_WIRE_SLOTS_MAX)
        slots = DGON_WIRE_SLOTS_MAX;
    uint32_t high = atomic_load(&a->slots_high);
    while (high < slots && !atomic_compare_exchange_strong(&a->slots_high, &high, slots))
        ;
    dgon_set32(&a->slots, slots);
}

/* DGON_AGAIN: the agent's entry was given away meanwhile. */
static dgon_status open_once(dgon_registry *r, uint32_t me, const char *id, uint64_t instance,
                             uint32_t *link, uint32_t *agent)
{
    uint64_t name, w;
    bool added;
    *agent = dgon_names_put(&r->agent_names, id, strlen(id), &name, &added);
    if (*agent == DGON_NONE)
        return DGON_EFULL;
    if (added)
        dgon_agent_begin(r, *agent);
    uint32_t i = claim_link(r, me, &w);
    if (i == DGON_NONE)
        return DGON_EFULL;
    clear_offers(r, i);
    dgon_layout_link *l = dgon_link_at(r, i);
    dgon_set(&l->instance, instance);
    dgon_set32(&l->agent, *agent);
    atomic_store(&l->probe, 0);
    if (!dgon_cas(&r->link_word[i], w, to_state(w, DGON_LINK_OPEN)))
        return DGON_AGAIN;
    dgon_status st = DGON_OK;
    if (!dgon_names_confirm(&r->agent_names, *agent, name))
        st = DGON_AGAIN;
    else if (other_instance(r, me, i, *agent))
        st = DGON_EEXIST;
    if (st != DGON_OK)
        dgon_link_shut(r, i);
    *link = i;
    return st;
}

dgon_status dgon_registry_link_open(dgon_registry *r, uint32_t me, const char *agent,
                                    uint64_t instance, uint32_t slots, uint32_t *link)
{
    if (me >= r->conf.children || !dgon_wire_is_agent_id(agent, strlen(agent)))
        return DGON_EINVAL;
    for (uint32_t tries = 0; tries < TRIES; tries++) {
        uint32_t a;
        dgon_status st = open_once(r, me, agent, instance, link, &a);
        if (st == DGON_AGAIN)
            continue;
        if (st != DGON_OK)
            return st;
        set_slots(r, a, slots);
        dgon_busy_recount(r, a);
        atomic_fetch_add(&dgon_agent_at(r, a)->opened, 1);
        return DGON_OK;
    }
    return DGON_EFULL;
}

static bool is_up(const dgon_registry *r, uint32_t link)
{
    return link < r->conf.links && dgon_linkw_up(dgon_get(&r->link_word[link]));
}

static uint32_t holder(const dgon_registry *r, uint32_t link)
{
    return dgon_linkw_child(dgon_get(&r->link_word[link]));
}

void dgon_registry_link_opens(dgon_registry *r, uint32_t link, uint32_t rules)
{
    if (is_up(r, link))
        dgon_set32(&dgon_link_at(r, link)->opens, rules);
}

void dgon_registry_link_slots(dgon_registry *r, uint32_t link, uint32_t slots)
{
    uint32_t agent = is_up(r, link) ? dgon_link_agent(r, link) : DGON_NONE;
    if (agent == DGON_NONE)
        return;
    set_slots(r, agent, slots);
    dgon_dispatch_agent(r, holder(r, link), agent);
}

void dgon_registry_link_drain(dgon_registry *r, uint32_t link)
{
    if (link >= r->conf.links)
        return;
    uint64_t w = dgon_get(&r->link_word[link]);
    if (dgon_linkw_state(w) == DGON_LINK_OPEN)
        (void)dgon_cas(&r->link_word[link], w, to_state(w, DGON_LINK_DRAINING));
}

static bool could_take(const dgon_registry *r, uint32_t link, uint32_t agent, uint32_t slot)
{
    dgon_jobw j = dgon_jobw_of(dgon_get(&r->job_word[slot]));
    uint32_t model = dgon_job_model(r, slot);
    return j.phase == DGON_JOB_QUEUED && !j.gone && model != DGON_NONE &&
           dgon_get(&dgon_offers_at(r, model)[link / 64]) & 1ull << (link % 64) &&
           !dgon_excluded(r, slot, agent) && dgon_job_suits(r, slot, link, model);
}

uint32_t dgon_registry_link_waiting(dgon_registry *r, uint32_t link)
{
    uint32_t agent = is_up(r, link) ? dgon_link_agent(r, link) : DGON_NONE;
    if (agent == DGON_NONE || dgon_agent_held(r, agent))
        return 0;
    uint32_t n = 0, most = dgon_slots_high(r, agent), high = dgon_job_high(r);
    for (uint32_t i = 0; i < high && n < most; i++)
        n += could_take(r, link, agent, i);
    return n;
}

void dgon_registry_link_close(dgon_registry *r, uint32_t link)
{
    if (link >= r->conf.links)
        return;
    uint32_t me = holder(r, link);
    dgon_link_shut(r, link);
    dgon_dispatch_all(r, me);
}

dgon_status dgon_registry_agent_name(dgon_registry *r, uint32_t agent,
                                     char id[DGON_WIRE_ID_MAX + 1])
{
    if (!dgon_names_live(&r->agent_names, agent))
        return DGON_ENOTFOUND;
    dgon_names_text(&r->agent_names, agent, id);
    return dgon_wire_is_agent_id(id, strlen(id)) ? DGON_OK : DGON_ENOTFOUND;
}

bool dgon_registry_link_probe(dgon_registry *r, uint32_t link)
{
    if (!is_up(r, link))
        return false;
    _Atomic uint32_t *probe = &dgon_link_at(r, link)->probe;
    return atomic_load(probe) && atomic_exchange(probe, 0);
}

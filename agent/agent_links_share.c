/* Registries that the gateway's processes do not share, one after an upgrade and the one before it,
 * share the slots of this agent: who waits in an older one goes first. And when to leave the links
 * that the gateway asked to leave. */
#include "agent_links_int.h"

#define REFUSED_MS 1000u /* so long a job that was refused here may take to be told as waiting */

/* What the agent has to do with one registry. */
typedef struct share {
    uint64_t registry, left_ms;
    uint64_t running, waiting;
    bool current; /* a link to it takes jobs and is not to be left */
} share;

static bool is_up(const agent_held *h)
{
    agent_link_state st = agent_link_get_state(h->link);
    return h->welcome_ms != 0 && (st == AGENT_LINK_READY || st == AGENT_LINK_LEAVING);
}

/* --- leaving --- */

static bool has_successor(const agent_links *s, const agent_held *old)
{
    for (unsigned i = 0; i < s->count; i++) {
        const agent_held *h = s->links[i];
        if (h->registry == old->registry && h->welcome_ms >= old->leave_ms &&
            agent_link_get_state(h->link) == AGENT_LINK_READY) {
            return true;
        }
    }
    return false;
}

/* The gateway may not know yet of a job that was refused: it comes again. */
static bool somebody_waits(const agent_links *s, const agent_held *old)
{
    uint64_t now = agent_os_now_ms();
    for (unsigned i = 0; i < s->count; i++) {
        const agent_held *h = s->links[i];
        if (h->standby && h->registry == old->registry &&
            (h->waiting != 0 ||
             (h->session.refused_ms != 0 && now - h->session.refused_ms < REFUSED_MS))) {
            return true;
        }
    }
    return false;
}

void agent_links_relieve(agent_links *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        agent_held *h = s->links[i];
        if (h->standby && (s->draining || has_successor(s, h) || !somebody_waits(s, h))) {
            agent_links_leave(s, h, "relieved");
        }
    }
}

/* --- slots --- */

static unsigned collect(const agent_links *s, share *list)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->count; i++) {
        const agent_held *h = s->links[i];
        if (!is_up(h)) {
            continue;
        }
        unsigned k = 0;
        while (k < n && list[k].registry != h->registry) {
            k++;
        }
        if (k == n) {
            list[n++] = (share){.registry = h->registry};
        }
        share *e = &list[k];
        e->running += h->session.jobs;
        e->waiting = h->standby && h->waiting > e->waiting ? h->waiting : e->waiting;
        e->left_ms = h->leave_ms > e->left_ms ? h->leave_ms : e->left_ms;
        e->current = e->current || agent_link_get_state(h->link) == AGENT_LINK_READY;
    }
    return n;
}

static bool goes_first(const share *a, const share *b)
{
    return !a->current && (b->current || a->left_ms < b->left_ms ||
                           (a->left_ms == b->left_ms && a->registry < b->registry));
}

/* Slots for the registry `mine`: without those that older ones use or wait for, and those that
 * newer ones use. Two that are both current, behind one address, know nothing of each other. */
static uint32_t slots_for(const agent_links *s, const share *list, unsigned n, uint64_t mine)
{
    uint64_t taken = 0;
    const share *me = list;
    while (me->registry != mine) {
        me++;
    }
    for (const share *e = list; e < list + n; e++) {
        if (e == me) {
            continue;
        }
        if (goes_first(e, me)) {
            taken += e->running + e->waiting;
        } else if (!me->current) {
            taken += e->running;
        }
    }
    return taken < s->slots ? s->slots - (uint32_t)taken : 0;
}

void agent_links_share(agent_links *s)
{
    share list[AGENT_LINKS_MAX];
    bool told = true, shared = false;
    for (unsigned i = 0; i < s->count; i++) {
        const agent_held *h = s->links[i];
        told = told && h->told == s->slots;
        shared = shared || h->registry != s->links[0]->registry;
    }
    if (told && !shared) {
        return;
    }
    unsigned n = collect(s, list);
    for (unsigned i = 0; i < s->count; i++) {
        agent_held *h = s->links[i];
        uint32_t slots = is_up(h) && !h->quiet ? slots_for(s, list, n, h->registry) : h->told;
        if (slots != h->told) {
            h->told = slots;
            agent_links_tell_slots(s, h);
        }
    }
}

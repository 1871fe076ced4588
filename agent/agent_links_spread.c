/* More links: one to each process of the gateway, up to the configured number. A dial cannot choose
 * its process. Where little else goes on, one at a time is accepted by the same process again and
 * again; several at once mostly wake more than one. */
#include "agent_links_int.h"

#define SPREAD_FIRST_MS 100u
#define SPREAD_NEXT_MS  250u
#define SPREAD_IDLE_MS  30000u /* after too many tries that found none */
#define SPREAD_TRIES    6u
/* Dials of a try, if the one before was in vain. Not of each: where a process serves one
 * connection, as prefork's do, they stand before requests in the queue for it. */
#define SPREAD_AT_ONCE 3u

static void spread_in(agent_links *s, uint32_t ms)
{
    if (!s->draining && s->spec.config->links > 1) {
        agent_timer_set(s->spread_timer, ms);
    }
}

/* How soon another try is worth it. */
static void try_again(agent_links *s, uint32_t ms)
{
    spread_in(s, s->spread_tries >= SPREAD_TRIES ? SPREAD_IDLE_MS : ms);
}

void agent_links_spread_soon(agent_links *s)
{
    spread_in(s, SPREAD_NEXT_MS);
}

void agent_links_spread_lost(agent_links *s)
{
    try_again(s, SPREAD_NEXT_MS);
}

/* Links that take jobs; and is one of them to that process, other than `but`? */
static unsigned count_ready(const agent_links *s, uint32_t child, const agent_held *but,
                            bool *has_child)
{
    unsigned n = 0;
    *has_child = false;
    for (unsigned i = 0; i < s->count; i++) {
        const agent_held *h = s->links[i];
        if (h != but && agent_link_get_state(h->link) == AGENT_LINK_READY) {
            n++;
            *has_child = *has_child || h->child == child;
        }
    }
    return n;
}

static bool is_dialing_extra(const agent_links *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->links[i]->extra && agent_link_get_state(s->links[i]->link) < AGENT_LINK_READY) {
            return true;
        }
    }
    return false;
}

static unsigned most_links(const agent_links *s)
{
    return s->children < s->spec.config->links ? s->children : s->spec.config->links;
}

static bool wants_more(const agent_links *s)
{
    bool unused;
    return s->current != NULL && agent_link_get_state(s->current) == AGENT_LINK_READY &&
           count_ready(s, 0, NULL, &unused) < most_links(s);
}

void agent_links_spread_welcome(agent_links *s, agent_held *h)
{
    bool has;
    unsigned others = count_ready(s, h->child, h, &has);
    if (h->extra && (has || others >= most_links(s))) {
        agent_links_leave(s, h, has ? "second link to one process" : "enough links");
    } else if (h->extra) {
        s->spread_tries = 0;
    }
    if (wants_more(s)) {
        try_again(s, h->extra ? SPREAD_NEXT_MS : SPREAD_FIRST_MS);
    }
}

bool agent_links_promote(agent_links *s)
{
    s->current = NULL;
    for (unsigned i = 0; i < s->count; i++) {
        if (agent_link_get_state(s->links[i]->link) == AGENT_LINK_READY) {
            s->current = s->links[i]->link;
            s->links[i]->extra = false;
            s->spread_tries = 0;
            spread_in(s, SPREAD_NEXT_MS);
            return true;
        }
    }
    return false;
}

void agent_links_dial_extra(agent_links *s)
{
    char why[700];
    s->spread_due = false;
    if (s->draining || !wants_more(s) || is_dialing_extra(s)) {
        return;
    }
    unsigned n = s->spread_tries++ == 0 ? 1 : SPREAD_AT_ONCE;
    for (; n > 0; n--) {
        (void)agent_links_add(s, true, why, sizeof why); /* what is wrong, the first link says */
    }
}

#include "mod_dgon_agents.h"
#include "mod_dgon_link_int.h"
#include "mod_dgon_shm.h"

#include <http_protocol.h>
#include <http_request.h>

#include <stdlib.h>
#include <sys/epoll.h>

#define STANDBY_MS                                                                                \
    12000 /* after goaway jobs still come here, until the agent has another link or says draining \
           */

void mod_dgon_link_dirty(mod_dgon_link *l)
{
    l->dirty = true;
    l->engine->dirty = true;
}

void mod_dgon_link_end(mod_dgon_link *l, uint16_t code, const char *why)
{
    if (l->close_code != 0)
        return;
    l->close_code = code;
    ap_log_rerror(APLOG_MARK, code == 1012 || code == 1000 ? APLOG_INFO : APLOG_WARNING, 0, l->r,
                  "DGON0050: link of agent %s closed: %u %s",
                  l->agent[0] != '\0' ? l->agent : "(no hello)", code, why);
    if (l->ws != NULL)
        mod_dgon_ws_close(l->ws, code, why);
    mod_dgon_link_dirty(l);
}

/* The record goes; its jobs are lost, which their clients hear of through the registry. */
static void destroy(mod_dgon_link *l)
{
    mod_dgon_engine *e = l->engine;
    mod_dgon_link_is_known(l);
    mod_dgon_link_jobs_forget(l);
    if (l->index != DGON_NONE) {
        e->link_at[l->index] = NULL;
        dgon_registry_link_close(e->registry, l->index);
        if (l->close_code == 0)
            ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, l->r, "DGON0051: agent %s has left", l->agent);
    }
    if (l->ws != NULL)
        mod_dgon_ws_destroy(l->ws);
    if (l->next == l) {
        e->links = NULL;
    } else {
        l->prev->next = l->next;
        l->next->prev = l->prev;
        if (e->links == l)
            e->links = l->next;
    }
    mod_dgon_conn_done(l->mc, l->r, true);
    free(l->targets);
    free(l);
}

static bool message(void *user, bool text, const unsigned char *p, size_t n)
{
    mod_dgon_link *l = user;
    return text ? mod_dgon_link_control(l, (const char *)p, n) : mod_dgon_link_records(l, p, n);
}

static void adopted(void *user)
{
    mod_dgon_link *l = user;
    mod_dgon_engine *e = l->engine;
    l->opened = l->heard = l->pinged = e->now;
    if (e->links == NULL) {
        l->next = l->prev = l;
        e->links = l;
    } else {
        l->next = e->links;
        l->prev = e->links->prev;
        l->prev->next = l;
        l->next->prev = l;
    }
    l->ws = mod_dgon_ws_create(l->mc, DGON_WIRE_MESSAGE_MAX, message, l);
    if (l->ws == NULL || !mod_dgon_link_challenge(l)) {
        destroy(l);
        return;
    }
    mod_dgon_conn_again(l->mc); /* the hello may be here already */
}

static void event(void *user, uint32_t events)
{
    mod_dgon_link *l = user;
    if ((events & (EPOLLHUP | EPOLLERR)) || l->mc->c->aborted || !mod_dgon_ws_read(l->ws)) {
        destroy(l);
        return;
    }
    if (mod_dgon_ws_heard(l->ws)) {
        l->heard = l->engine->now;
        l->probe_until = 0; /* it lives */
    }
    mod_dgon_link_dirty(l);
}

int mod_dgon_link_adopt(request_rec *r, mod_dgon_engine *e, const mod_dgon_who *who)
{
    static const mod_dgon_conn_user user = {adopted, event, true};
    mod_dgon_conn *mc = mod_dgon_conn_get(r->connection);
    mod_dgon_link *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        dgon_gate_leave(mod_dgon_shm_gate(), who->place);
        return HTTP_SERVICE_UNAVAILABLE;
    }
    l->who = *who;
    l->engine = e;
    l->mc = mc;
    l->r = r;
    l->index = DGON_NONE;
    return mod_dgon_conn_suspend(mc, e, &user, l);
}

static void check_life(mod_dgon_link *l)
{
    mod_dgon_engine *e = l->engine;
    uint64_t silent = e->now - l->heard;
    if (l->close_code != 0)
        return;
    if (l->index == DGON_NONE) {
        if (e->now - l->opened >= MOD_DGON_HELLO_MS)
            mod_dgon_link_end(l, DGON_CLOSE_PROTOCOL, "no hello");
        return;
    }
    if (silent >= (uint64_t)e->conf->link_hangup ||
        (l->probe_until != 0 && e->now >= l->probe_until)) {
        mod_dgon_link_end(l, DGON_CLOSE_TIMEOUT, "the agent does not answer");
        l->mc->c->aborted = 1;
        return;
    }
    bool probe = dgon_registry_link_probe(e->registry, l->index);
    if (probe)
        l->probe_until = e->now + MOD_DGON_PROBE_MS;
    if (probe || (silent >= (uint64_t)e->conf->link_ping &&
                  e->now - l->pinged >= (uint64_t)e->conf->link_ping)) {
        l->pinged = e->now;
        (void)mod_dgon_ws_ping(l->ws);
        mod_dgon_link_dirty(l);
    }
    if (l->goaway_at != 0 && !l->draining) {
        mod_dgon_link_tell_waiting(l);
        if (l->waiting == 0 && e->now - l->goaway_at >= STANDBY_MS)
            mod_dgon_link_drain(l);
    }
    if (l->goaway_at != 0 && l->draining && l->jobs == 0 &&
        e->now - l->goaway_at >= MOD_DGON_PROBE_MS)
        mod_dgon_link_end(l, 1012, "restart");
    if (l->left && e->now - l->goaway_at >= (uint64_t)e->conf->drain_timeout)
        mod_dgon_link_end(l, 1012, "the time to leave is over");
    if (l->cancels > 0)
        mod_dgon_link_jobs_overdue(l);
}

/* fn may destroy the link it gets, and no other. */
static void each(mod_dgon_engine *e, void (*fn)(mod_dgon_link *l))
{
    mod_dgon_link *l = e->links;
    if (l == NULL)
        return;
    mod_dgon_link *last = l->prev;
    for (bool end = false; !end;) {
        mod_dgon_link *next = l->next;
        end = l == last;
        fn(l);
        l = next;
    }
}

static void flush(mod_dgon_link *l)
{
    while (l->dirty) {
        l->dirty = false;
        if (!mod_dgon_ws_flush(l->ws) || l->close_code != 0) {
            destroy(l); /* a close frame that does not get through at once is not waited for */
            return;
        }
        mod_dgon_link_jobs_feed(l); /* bodies that had no room: they make it dirty again */
    }
}

void mod_dgon_link_flush_all(mod_dgon_engine *e)
{
    e->dirty = false;
    each(e, flush);
}

void mod_dgon_link_tick(mod_dgon_engine *e)
{
    if (e->agents != NULL && mod_dgon_agents_look(e->agents, e->now))
        each(e, mod_dgon_link_agents_changed);
    each(e, check_life);
}

void mod_dgon_link_goaway_all(mod_dgon_engine *e)
{
    each(e, mod_dgon_link_goaway);
}

bool mod_dgon_link_any_job(const mod_dgon_engine *e)
{
    const mod_dgon_link *l = e->links;
    if (l == NULL)
        return false;
    do {
        if (l->jobs > 0)
            return true;
        l = l->next;
    } while (l != e->links);
    return false;
}

static void close_restart(mod_dgon_link *l)
{
    mod_dgon_link_end(l, 1012, "restart");
    (void)mod_dgon_ws_flush(l->ws);
    destroy(l);
}

void mod_dgon_link_close_all(mod_dgon_engine *e)
{
    each(e, close_restart);
}

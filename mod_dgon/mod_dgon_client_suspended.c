/* The suspended stream: the engine waits for its records, its socket and its deadlines. Engine
 * thread, but for mod_dgon_client_run(). */
#include "mod_dgon_client_int.h"

#include "mod_dgon_error.h"

#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>

#define GONE_MAX_MS 50 /* since the first client went, before what is left of them is done */
#define PROBE_MS    25 /* between the two pings that tell a half-closed client from a gone one */

static void end_suspended(mod_dgon_stream *s, mod_dgon_pump how);
static void run_suspended(mod_dgon_stream *s);

/* The engine reads its clock once a wake-up, so a stream admitted since then is newer than "now".
 */
static void set_now(mod_dgon_stream *s)
{
    s->now = s->engine->now > s->started ? s->engine->now : s->started;
}

static mod_dgon_stream *of_timer(mod_dgon_timer *t)
{
    return (mod_dgon_stream *)(void *)((char *)t - offsetof(mod_dgon_stream, timer));
}

static void probe_step(mod_dgon_stream *s)
{
    if (!s->probing || s->now < s->probe_at)
        return;
    s->probing = false; /* the second ping went through: half-closed, it still listens */
    if (!mod_dgon_client_probe(s, &s->engine->out)) {
        mod_dgon_client_gone(s);
        end_suspended(s, PUMP_BROKEN);
    }
}

static void stream_timer(mod_dgon_timer *t, uint64_t now)
{
    mod_dgon_stream *s = of_timer(t);
    (void)now;
    set_now(s);
    if (!s->trimmed && s->now - s->started >= MOD_DGON_CLIENT_TRIM_MS) {
        s->trimmed = true;
        mod_dgon_conn_trim(s->mc);
    }
    probe_step(s);
    if (!s->over)
        run_suspended(s);
}

static void run_suspended(mod_dgon_stream *s)
{
    mod_dgon_engine *e = s->engine;
    uint64_t due = 0;
    set_now(s);
    dgon_buf_reset(&e->out);
    mod_dgon_pump how = mod_dgon_client_pump(s, &e->out);
    if (how == PUMP_WAIT)
        how = mod_dgon_client_tick(s, &e->out, &due);
    if (how != PUMP_WAIT)
        end_suspended(s, how);
    else
        mod_dgon_timer_set(&e->wheel, &s->timer, due, stream_timer);
}

/* Records came. The token path: no timer is moved unless the stream was not timed yet. */
void mod_dgon_client_news(mod_dgon_stream *s)
{
    mod_dgon_engine *e = s->engine;
    set_now(s);
    if (!s->content_sent) {
        run_suspended(s);
        return;
    }
    dgon_buf_reset(&e->out);
    mod_dgon_pump how = mod_dgon_client_pump(s, &e->out);
    if (how != PUMP_WAIT) {
        end_suspended(s, how);
    } else if (mod_dgon_client_blocked(s) && s->blocked_since == 0) {
        s->blocked_since = e->now;
        mod_dgon_timer_set(&e->wheel, &s->timer, e->now + (uint64_t)s->conf->write_timeout,
                           stream_timer);
    }
}

static void unlist(mod_dgon_stream *s)
{
    if (s->next == NULL)
        return;
    if (s->next == s) {
        s->engine->streams = NULL;
    } else {
        s->prev->next = s->next;
        s->next->prev = s->prev;
        if (s->engine->streams == s)
            s->engine->streams = s->next;
    }
    s->next = s->prev = NULL;
}

static void end_suspended(mod_dgon_stream *s, mod_dgon_pump how)
{
    mod_dgon_client_gone(s); /* no-op when it is over already */
    mod_dgon_timer_stop(&s->timer);
    unlist(s);
    mod_dgon_way_tell(&s->way, s->r);
    mod_dgon_conn_done(s->mc, s->r, how == PUMP_BROKEN);
}

/* The client is gone. The cancel is on its way at once; what is left to do here, log and all, waits
 * until those of the clients that went with this one are, and the processor is free of them. */
static void leave(mod_dgon_stream *s)
{
    mod_dgon_engine *e = s->engine;
    mod_dgon_client_gone(s);
    mod_dgon_timer_stop(&s->timer);
    unlist(s);
    mod_dgon_conn_unwatch(s->mc);
    s->prev = e->gone;
    if (e->gone == NULL)
        e->gone_first = e->now;
    e->gone_last = e->now;
    e->gone = s;
}

void mod_dgon_client_end_gone(mod_dgon_engine *e, bool all)
{
    if (!all && e->now - e->gone_last < MOD_DGON_GONE_REST_MS &&
        e->now - e->gone_first < GONE_MAX_MS)
        return;
    while (e->gone != NULL) {
        mod_dgon_stream *s = e->gone;
        e->gone = s->prev;
        s->prev = NULL;
        set_now(s);
        mod_dgon_way_tell(&s->way, s->r);
        mod_dgon_conn_done(s->mc, s->r, true);
    }
}

/* Whether the client's kernel has answered what was just written with a reset. */
static bool was_reset(const mod_dgon_stream *s)
{
    struct pollfd p = {.fd = s->mc->fd};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

static void adopted(void *user)
{
    mod_dgon_stream *s = user;
    mod_dgon_engine *e = s->engine;
    if (e->streams == NULL) {
        s->next = s->prev = s;
        e->streams = s;
    } else {
        s->next = e->streams;
        s->prev = e->streams->prev;
        s->prev->next = s;
        s->next->prev = s;
    }
    mod_dgon_client_listen(s);
    run_suspended(s);
}

static void event(void *user, uint32_t events)
{
    mod_dgon_stream *s = user;
    set_now(s);
    s->way.clear = false;
    if (s->c->aborted || (events & (EPOLLHUP | EPOLLERR))) {
        s->c->aborted = 1;
        leave(s);
        return;
    }
    if (events & EPOLLRDHUP) {
        /* gone or only half-closed? A gone client's kernel answers a write with a reset. */
        dgon_buf_reset(&s->engine->out);
        if (!mod_dgon_client_comments(s) || s->in_event ||
            !mod_dgon_client_probe(s, &s->engine->out)) {
            leave(s);
            return;
        }
        if (was_reset(s)) {
            s->c->aborted = 1;
            leave(s);
            return;
        }
        s->probing = true;
        s->probe_at = s->now + PROBE_MS;
        mod_dgon_timer_set(&s->engine->wheel, &s->timer, s->probe_at, stream_timer);
    }
    if (events & EPOLLOUT) {
        s->blocked_since = 0;
        run_suspended(s);
    }
}

void mod_dgon_client_fail_all(mod_dgon_engine *e)
{
    while (e->streams != NULL) {
        mod_dgon_stream *s = e->streams;
        set_now(s);
        dgon_error_set(mod_dgon_client_error(s), HTTP_SERVICE_UNAVAILABLE, "server_restarting",
                       NULL, "The gateway restarts. Send the request again.");
        mod_dgon_client_error(s)->retry_after = 1;
        dgon_buf_reset(&e->out);
        end_suspended(s, mod_dgon_client_fail(s, &e->out));
    }
}

static const mod_dgon_conn_user stream_user = {adopted, event, false};

int mod_dgon_client_run(mod_dgon_stream *s)
{
    mod_dgon_engine *e = s->engine;
    s->mc = mod_dgon_conn_get(s->c);
    bool uploads = s->upload != NULL && s->upload->more; /* the engine reads no bodies */
    if (s->mc == NULL || s->c->master != NULL || !e->async || s->c->cs == NULL || uploads) {
        s->mc = NULL;
        return mod_dgon_client_block(s);
    }
    if (mod_dgon_client_admit(s) != DGON_OK)
        return mod_dgon_error_send(s->r, mod_dgon_client_error(s));
    if (!s->not_quick)
        mod_dgon_conn_took(s->mc, s->r);
    return mod_dgon_conn_suspend(s->mc, e, &stream_user, s);
}

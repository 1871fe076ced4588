/* The fleet as a stream. Every child looks at most once a second, however many watch; a watcher
 * holds a connection of the engine's and no thread, but over HTTP/2 and with other MPMs. */
#include "mod_dgon_status.h"

#include "mod_dgon_api.h"
#include "mod_dgon_conn.h"

#include "dgon/sse.h"

#include <http_protocol.h>
#include <apr_strings.h>
#include <apr_time.h>

#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>

#define EACH_MS      1000
#define KEEP_MS      15000 /* an unchanged fleet is told this often, so that proxies stay patient */
#define LIVE_MAX     (8u * 1024u * 1024u)
#define WATCHERS_MAX 256u /* of a child */

/* One for all watchers of a child. Engine thread. */
static struct {
    uint64_t made, changed; /* ms; number of the content */
    dgon_buf text, next;
} shot;

typedef struct watcher {
    mod_dgon_engine *engine;
    request_rec *r;
    mod_dgon_conn *mc;
    mod_dgon_timer timer;
    bool events, ended;
    uint64_t seen, sent;
    struct watcher *next, *prev;
} watcher;

static watcher *watchers; /* engine thread */
static atomic_uint count; /* all of the child */

/* ---- the text ---- */

static bool frame(dgon_buf *out, const dgon_buf *json, bool events)
{
    if (events && dgon_buf_adds(out, "data: ") != DGON_OK)
        return false;
    return dgon_buf_add(out, json->data, json->len) == DGON_OK &&
           dgon_buf_adds(out, events ? "\n\n" : "\n") == DGON_OK;
}

static void look(mod_dgon_engine *e)
{
    if (shot.made != 0 && e->now - shot.made < EACH_MS - MOD_DGON_WHEEL_MS)
        return;
    if (shot.made == 0) {
        dgon_buf_init(&shot.text, LIVE_MAX);
        dgon_buf_init(&shot.next, LIVE_MAX);
    }
    shot.made = e->now;
    dgon_buf_reset(&shot.next);
    if (mod_dgon_status_write(e, &shot.next) != DGON_OK ||
        (shot.next.len == shot.text.len && shot.text.len > 0 &&
         memcmp(shot.next.data, shot.text.data, shot.text.len) == 0))
        return;
    dgon_buf old = shot.text;
    shot.text = shot.next;
    shot.next = old;
    shot.changed++;
}

static void headers(request_rec *r, bool events)
{
    ap_set_content_type(r, events ? "text/event-stream; charset=utf-8" : "application/x-ndjson");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Accel-Buffering", "no");
    apr_table_setn(r->subprocess_env, "no-gzip", "1");
}

/* ---- in the engine ---- */

static bool write_out(watcher *w, dgon_buf *out, bool last)
{
    apr_bucket_alloc_t *alloc = w->r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(w->r->pool, alloc);
    if (out->len > 0)
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_transient_create(out->data, out->len, alloc));
    if (last) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
        w->r->eos_sent = 1;
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(alloc));
    bool ok = mod_dgon_conn_write(w->mc, w->r->output_filters, bb);
    apr_brigade_destroy(bb);
    w->sent = w->engine->now;
    return ok;
}

static void end(watcher *w, bool broken)
{
    if (w->ended)
        return;
    w->ended = true;
    mod_dgon_timer_stop(&w->timer);
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        watchers = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    atomic_fetch_sub(&count, 1);
    mod_dgon_conn_done(w->mc, w->r, broken);
}

static void turn(watcher *w)
{
    dgon_buf out;
    bool ok = true;
    look(w->engine);
    if (!mod_dgon_conn_blocked(w->mc) &&
        (w->seen != shot.changed || w->engine->now - w->sent >= KEEP_MS)) {
        w->seen = shot.changed;
        dgon_buf_init(&out, LIVE_MAX + 64u);
        ok = frame(&out, &shot.text, w->events) && write_out(w, &out, false);
        dgon_buf_fini(&out);
    } else if (w->engine->now - w->sent >= (uint64_t)w->engine->conf->write_timeout) {
        ok = false; /* it takes nothing */
    }
    if (!ok)
        end(w, true);
}

static void on_timer(mod_dgon_timer *t, uint64_t now)
{
    watcher *w = (watcher *)(void *)((char *)t - offsetof(watcher, timer));
    mod_dgon_timer_set(&w->engine->wheel, t, now + EACH_MS, on_timer);
    turn(w);
}

static void adopted(void *user)
{
    watcher *w = user;
    w->next = watchers;
    if (watchers != NULL)
        watchers->prev = w;
    watchers = w;
    w->sent = w->engine->now;
    mod_dgon_timer_set(&w->engine->wheel, &w->timer, w->engine->now + EACH_MS, on_timer);
    turn(w);
}

static void event(void *user, uint32_t bits)
{
    watcher *w = user;
    /* who has ended its sending has nothing more to ask, and is taken for gone */
    if (w->r->connection->aborted || (bits & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)))
        end(w, true);
}

void mod_dgon_status_live_end(mod_dgon_engine *e)
{
    dgon_buf out;
    (void)e;
    dgon_buf_init(&out, 64);
    while (watchers != NULL) {
        watcher *w = watchers;
        end(w, !write_out(w, &out, true));
    }
    dgon_buf_fini(&out);
}

/* ---- in a worker ---- */

static int block(watcher *w)
{
    mod_dgon_engine *e = w->engine;
    conn_rec *c = w->r->connection;
    apr_bucket_brigade *bb = apr_brigade_create(w->r->pool, c->bucket_alloc);
    dgon_buf json, out;
    dgon_buf_init(&json, LIVE_MAX);
    dgon_buf_init(&out, LIVE_MAX + 64u);
    atomic_fetch_add(&e->workers_waiting, 1);
    while (!c->aborted && !mod_dgon_engine_leaving(e)) {
        dgon_buf_reset(&json);
        dgon_buf_reset(&out);
        if (mod_dgon_status_write(e, &json) != DGON_OK || !frame(&out, &json, w->events))
            break;
        if (ap_fwrite(w->r->output_filters, bb, out.data, out.len) != APR_SUCCESS ||
            ap_fflush(w->r->output_filters, bb) != APR_SUCCESS)
            break;
        apr_brigade_cleanup(bb);
        for (int i = 0;
             i < EACH_MS / MOD_DGON_TICK_MS && !c->aborted && !mod_dgon_engine_leaving(e); i++)
            apr_sleep(apr_time_from_msec(MOD_DGON_TICK_MS));
    }
    atomic_fetch_sub(&e->workers_waiting, 1);
    dgon_buf_fini(&json);
    dgon_buf_fini(&out);
    atomic_fetch_sub(&count, 1);
    return OK;
}

int mod_dgon_status_live(request_rec *r, mod_dgon_engine *e, bool events)
{
    static const mod_dgon_conn_user user = {adopted, event, false};
    dgon_error err;
    if (atomic_fetch_add(&count, 1) >= WATCHERS_MAX || atomic_load(&e->draining)) {
        atomic_fetch_sub(&count, 1);
        dgon_error_set(&err, HTTP_SERVICE_UNAVAILABLE, "no_capacity", NULL,
                       "Too many watch already. Ask without stream=1.");
        err.retry_after = 5;
        return mod_dgon_api_refuse(r, &err);
    }
    watcher *w = apr_pcalloc(r->pool, sizeof(*w));
    w->engine = e;
    w->r = r;
    w->events = events;
    w->mc = mod_dgon_conn_get(r->connection);
    headers(r, events);
    if (w->mc == NULL || r->connection->master != NULL || !e->async || r->connection->cs == NULL)
        return block(w);
    return mod_dgon_conn_suspend(w->mc, e, &user, w);
}

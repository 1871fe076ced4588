/* The blocking loop: a worker waits for its stream's records itself. HTTP/2 streams, worker and
 * prefork MPM. */
#include "mod_dgon_client_int.h"
#include "mod_dgon_error.h"

#include <http_core.h>
#include <http_protocol.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define H2_LOOK_MS 20 /* an HTTP/2 stream's reset shows only in c->aborted */

/* One eventfd a worker thread, kept for the thread's life: a late wake-up of an earlier stream does
 * no harm. */
static _Thread_local int thread_fd = -1;

int mod_dgon_block_fd(void)
{
    if (thread_fd < 0)
        thread_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return thread_fd;
}

/* A FIN came: the client is gone, or it has only ended its sending. A gone client's kernel answers
 * what we write with a reset, which the next poll shows. True: go on. */
static bool half_closed(mod_dgon_stream *s)
{
    dgon_buf comment;
    if (!mod_dgon_client_comments(s) || s->in_event)
        return false;
    dgon_buf_init(&comment, 64);
    bool ok = mod_dgon_client_probe(s, &comment);
    dgon_buf_fini(&comment);
    return ok;
}

void mod_dgon_block_wait(mod_dgon_stream *s, int client, short *events, uint64_t due)
{
    bool input = s->upload != NULL && s->upload->wants_input;
    struct pollfd p[2] = {{.fd = s->wakefd, .events = POLLIN},
                          {.fd = client, .events = (short)(*events | (input ? POLLIN : 0))}};
    int most = s->c->master != NULL ? H2_LOOK_MS : MOD_DGON_TICK_MS;
    int wait = due > s->now && due - s->now < (uint64_t)most ? (int)(due - s->now) : most;
    int n = poll(p, client >= 0 ? 2 : 1, wait);
    uint64_t sink;
    if (n > 0 && (p[0].revents & POLLIN)) {
        ssize_t got = read(s->wakefd, &sink, sizeof(sink));
        (void)got;
    }
    if (n <= 0 || client < 0)
        return;
    if (p[1].revents & (POLLERR | POLLHUP)) {
        s->c->aborted = 1;
    } else if (p[1].revents & POLLRDHUP) {
        *events = 0;
        if (!half_closed(s))
            s->c->aborted = 1;
    }
}

void mod_dgon_block_end(mod_dgon_stream *s, mod_dgon_pump how)
{
    if (how == PUMP_BROKEN && !s->c->aborted) {
        /* httpd would end the body properly behind us: it must not */
        apr_bucket_brigade *bb = apr_brigade_create(s->r->pool, s->c->bucket_alloc);
        APR_BRIGADE_INSERT_TAIL(
            bb, ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, s->r->pool, s->c->bucket_alloc));
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(s->c->bucket_alloc));
        (void)ap_pass_brigade(s->r->output_filters, bb);
        s->c->keepalive = AP_CONN_CLOSE;
        s->r->eos_sent = 1;
        if (s->c->master == NULL)
            s->c->aborted = 1;
    }
}

int mod_dgon_block_socket(const mod_dgon_stream *s)
{
    const mod_dgon_conn *mc = s->c->master == NULL ? mod_dgon_conn_get(s->c) : NULL;
    return mc != NULL ? mc->fd : -1;
}

bool mod_dgon_block_is_over(mod_dgon_stream *s, uint64_t *until)
{
    mod_dgon_engine *e = s->engine;
    if (!mod_dgon_engine_leaving(e))
        return false;
    if (*until == 0)
        *until = s->now + (uint64_t)e->conf->drain_timeout;
    if (!atomic_load(&e->stopping) && s->now < *until)
        return false;
    dgon_error_set(mod_dgon_client_error(s), HTTP_SERVICE_UNAVAILABLE, "server_restarting", NULL,
                   "The gateway restarts. Send the request again.");
    return true;
}

int mod_dgon_client_block(mod_dgon_stream *s)
{
    mod_dgon_engine *e = s->engine;
    short events = POLLRDHUP;
    s->wakefd = mod_dgon_block_fd();
    if (s->wakefd < 0) {
        dgon_error_set(mod_dgon_client_error(s), HTTP_SERVICE_UNAVAILABLE, "no_capacity", NULL,
                       "The gateway is short of file descriptors.");
        return mod_dgon_error_send(s->r, mod_dgon_client_error(s));
    }
    int client = mod_dgon_block_socket(s);
    if (mod_dgon_client_admit(s) != DGON_OK)
        return mod_dgon_error_send(s->r, mod_dgon_client_error(s));

    dgon_buf out;
    dgon_buf_init(&out, MOD_DGON_OUT_MAX);
    atomic_fetch_add(&e->workers_waiting, 1);
    mod_dgon_pump how;
    uint64_t drain_until = 0;
    for (;;) {
        uint64_t due = 0;
        s->now = mod_dgon_now_ms();
        how = mod_dgon_client_pump(s, &out);
        if (how == PUMP_WAIT)
            how = mod_dgon_client_tick(s, &out, &due);
        if (how != PUMP_WAIT)
            break;
        if (mod_dgon_block_is_over(s, &drain_until)) {
            how = mod_dgon_client_fail(s, &out);
            break;
        }
        mod_dgon_block_wait(s, client, &events, due);
    }
    mod_dgon_client_gone(s);
    atomic_fetch_sub(&e->workers_waiting, 1);
    dgon_buf_fini(&out);
    mod_dgon_block_end(s, how);
    return OK;
}

/* The next request on a kept connection: run by the engine's own thread or by a borrowed worker. */
#include "mod_dgon_conn_int.h"

#include "dgon/request.h"

#include <ap_mpm.h>
#include <http_connection.h>
#include <http_core.h>

#include <string.h>
#include <sys/socket.h>

#define REQUESTS_TURN 4     /* requests of one turn; then tokens and links have theirs */
#define REQUESTS_MAX  16    /* that wait for a turn; more go to httpd's workers */
#define QUICK_US      1000  /* from a request's first line to its job */
#define LOOK_MAX      16384 /* a longer request goes to a worker: reading its JSON takes too long */

/* Reads and runs the next request, as process_socket would. */
static void run_request(mod_dgon_conn *mc)
{
    conn_rec *c = mc->c;
    c->cs->state = CONN_STATE_PROCESSING;
    ap_run_process_connection(c);
    if (!mc->suspending) {
        mc->ops = NULL;
        if (c->cs->state != CONN_STATE_WRITE_COMPLETION)
            c->cs->state = CONN_STATE_LINGER;
    }
}

static void resumed_by_worker(void *baton)
{
    mod_dgon_conn *mc = baton;
    run_request(mc);
    mod_dgon_engine_post(mc->engine, &mc->task);
}

static void give_to_worker(mod_dgon_conn *mc)
{
    mod_dgon_timer_stop(&mc->timer);
    mod_dgon_conn_watch_bits(mc, 0);
    mc->alone = false;
    mc->nonblocking = false;
    mc->stage = CONN_WORKER;
    if (ap_mpm_register_timed_callback(0, resumed_by_worker, mc) != APR_SUCCESS) {
        mc->nonblocking = true;
        mod_dgon_conn_linger(mc);
    }
}

/* What lies ready of the next request, in the engine's buffer for reads. It stays where it is: in
 * the socket or, where TLS or httpd has read it already, in their filters. */
static size_t look_ahead(mod_dgon_conn *mc)
{
    conn_rec *c = mc->c;
    apr_size_t n = LOOK_MAX;
    if (mc->plain && !c->data_in_input_filters) {
        ssize_t got = recv(mc->fd, mc->engine->in, n, MSG_PEEK | MSG_DONTWAIT);
        if (got <= 0)
            return 0;
        (void)apr_socket_opt_set(ap_get_conn_socket(c), APR_INCOMPLETE_READ, 0); /* it need not wait for them */
        return (size_t)got;
    }
    apr_off_t all = 0;
    if (ap_get_brigade(c->input_filters, mc->look, AP_MODE_SPECULATIVE, APR_NONBLOCK_READ,
                       LOOK_MAX) != APR_SUCCESS ||
        apr_brigade_flatten(mc->look, (char *)mc->engine->in, &n) != APR_SUCCESS)
        n = 0;
    if (mc->plain && apr_brigade_length(mc->look, 0, &all) == APR_SUCCESS && all > 0)
        mod_dgon_conn_looked_at(c, all); /* what TLS reads is its own from then on */
    apr_brigade_cleanup(mc->look);
    return n;
}

/* The engine runs it itself if that will neither wait nor last: all of it is here, and the last one
 * like it on this connection was admitted in no time. A guess; dgon_relief is there for when it
 * is wrong. */
static bool is_quick(mod_dgon_conn *mc)
{
    mod_dgon_engine *e = mc->engine;
    const char *p = (const char *)e->in;
    size_t line;
    mc->alone = false;
    if (mc->request == 0 || e->requests_waiting >= REQUESTS_MAX || !dgon_relief_ready(&e->relief))
        return false;
    size_t there = look_ahead(mc), whole = dgon_request_whole(p, there, &line);
    if (whole == 0 || dgon_request_line_hash(p, line) != mc->request)
        return false;
    mc->alone = mc->plain && !mc->c->data_in_input_filters && whole == there;
    return true;
}

static void run_here(mod_dgon_conn *mc)
{
    mod_dgon_engine *e = mc->engine;
    mod_dgon_timer_stop(&mc->timer);
    mc->stage = CONN_WORKER;
    mc->missed = false;
    mc->next = NULL;
    if (e->requests == NULL)
        e->requests_end = &e->requests;
    *e->requests_end = mc;
    e->requests_end = &mc->next;
    e->requests_waiting++;
}

bool mod_dgon_conn_requests_run(mod_dgon_engine *e)
{
    for (unsigned n = 0; e->requests != NULL && n < REQUESTS_TURN; n++) {
        mod_dgon_conn *mc = e->requests;
        e->requests = mc->next;
        e->requests_waiting--;
        mc->request = 0;
        if (!dgon_relief_ready(&e->relief)) {
            give_to_worker(mc);
            continue;
        }
        atomic_store(&e->idle, false);
        atomic_fetch_add(&e->requests_running, 1);
        dgon_relief_let_go(&e->relief);
        run_request(mc);
        bool leads = dgon_relief_regain(&e->relief);
        if (leads) {
            e->now = mod_dgon_now_ms();
            mod_dgon_conn_arrived(&mc->task);
        } else {
            mod_dgon_conn_watch_bits(mc, 0); /* what it would have told went to the other thread */
            mod_dgon_engine_post(e, &mc->task);
        }
        atomic_fetch_sub(&e->requests_running, 1);
        if (!leads)
            return false;
    }
    return true;
}

void mod_dgon_conn_next(mod_dgon_conn *mc)
{
    if (is_quick(mc))
        run_here(mc);
    else
        give_to_worker(mc);
}

void mod_dgon_conn_took(mod_dgon_conn *mc, const request_rec *r)
{
    bool quick = apr_time_now() - r->request_time < QUICK_US;
    mc->request = quick ? dgon_request_line_hash(r->the_request, strlen(r->the_request)) : 0;
}

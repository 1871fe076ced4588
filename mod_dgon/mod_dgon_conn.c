/* The way back: keep-alive, linger, end. */
#include "mod_dgon_conn_int.h"

#include <http_connection.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mpm_common.h>
#include <apr_portable.h>

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define FILTER_NAME "DGON_NONBLOCKING"
#define LINGER_MS   2000
#define BEHIND_MS   10  /* until a look for what was read along with the last request */
#define TRIM_NODES  6   /* at most: as many as reading a request takes */
#define LOOK_AT     512 /* bytes of a node, of which a used one has some that are not zero */

static ap_filter_rec_t *filter_rec;

static void timer_fn(mod_dgon_timer *t, uint64_t now);

mod_dgon_conn *mod_dgon_conn_get(conn_rec *c)
{
    return ap_get_module_config(c->conn_config, &dgon_module);
}

void mod_dgon_conn_watch_bits(mod_dgon_conn *mc, uint32_t bits)
{
    struct epoll_event ev = {.events = bits, .data.ptr = &mc->watch};
    if (bits == mc->watching)
        return;
    int op = mc->watching == 0 ? EPOLL_CTL_ADD : bits == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    if (epoll_ctl(mc->engine->epfd, op, mc->fd, &ev) == 0)
        mc->watching = bits;
    else
        mc->c->aborted = 1;
}

/* EPOLLOUT is asked for only while output waits, so that a fast client costs no event. A user that
 * reads gets level-triggered events; a stream leaves what its client sends ahead unread, so it must
 * hear of it once only. */
void mod_dgon_conn_watch(mod_dgon_conn *mc)
{
    uint32_t edge = mc->ops != NULL && mc->ops->reads ? 0 : (uint32_t)EPOLLET;
    mod_dgon_conn_watch_bits(mc, EPOLLIN | EPOLLRDHUP | edge |
                                     (mod_dgon_conn_blocked(mc) ? (uint32_t)EPOLLOUT : 0));
}

static mod_dgon_conn *of_timer(mod_dgon_timer *t)
{
    return (mod_dgon_conn *)(void *)((char *)t - offsetof(mod_dgon_conn, timer));
}

static void forget_again(mod_dgon_conn *mc)
{
    mod_dgon_conn **at = &mc->engine->again;
    while (mc->again && *at != NULL) {
        if (*at == mc) {
            *at = mc->next_again;
            mc->again = false;
        } else {
            at = &(*at)->next_again;
        }
    }
}

void mod_dgon_conn_destroy(mod_dgon_conn *mc)
{
    mod_dgon_timer_stop(&mc->timer);
    mod_dgon_conn_watch_bits(mc, 0);
    forget_again(mc);
    if (mc->parked) {
        pthread_mutex_lock(mc->park_mutex);
        mc->stage = CONN_WORKER;
        mc->nonblocking = false;
        mc->c->aborted = 1;
        pthread_cond_signal(mc->park_cond);
        pthread_mutex_unlock(mc->park_mutex);
        return;
    }
    if (!mod_dgon_conn_worker_left(mc)) {
        mc->stage = CONN_DEAD;
        mc->next = mc->engine->handover;
        mc->engine->handover = mc;
        return;
    }
    /* mpm_event counts suspended connections down only in this state */
    mc->c->cs->state = CONN_STATE_SUSPENDED;
    apr_pool_destroy(mc->c->pool);
}

void mod_dgon_conn_linger(mod_dgon_conn *mc)
{
    conn_rec *c = mc->c;
    if (!c->aborted) {
        ap_prep_lingering_close(c);
        ap_flush_conn(c);
        (void)mod_dgon_conn_send_pending(mc);
    }
    if (c->aborted || shutdown(mc->fd, SHUT_WR) != 0 || mc->half_closed) {
        mod_dgon_conn_destroy(mc);
        return;
    }
    mc->stage = CONN_LINGER;
    mod_dgon_conn_watch(mc);
    mod_dgon_timer_set(&mc->engine->wheel, &mc->timer, mc->engine->now + LINGER_MS, timer_fn);
}

static void linger_read(mod_dgon_conn *mc)
{
    char sink[4096];
    ssize_t n;
    int rounds = 64;
    do {
        n = recv(mc->fd, sink, sizeof(sink), MSG_DONTWAIT);
    } while (n > 0 && --rounds > 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        mod_dgon_conn_destroy(mc);
}

void mod_dgon_conn_request_over(mod_dgon_conn *mc)
{
    conn_rec *c = mc->c;
    mod_dgon_engine *e = mc->engine;
    mc->ops = NULL;
    mc->user = NULL;
    if (c->aborted || c->cs == NULL || c->cs->state == CONN_STATE_LINGER) {
        mod_dgon_conn_linger(mc);
        return;
    }
    if (mod_dgon_conn_blocked(mc)) {
        mc->stage = CONN_FLUSH;
        mod_dgon_conn_watch(mc);
        mod_dgon_timer_set(&e->wheel, &mc->timer, e->now + (uint64_t)e->conf->write_timeout,
                           timer_fn);
        return;
    }
    if (c->keepalive != AP_CONN_KEEPALIVE || mc->half_closed || mc->parked ||
        atomic_load(&e->draining) || atomic_load(&e->stopping)) {
        mod_dgon_conn_linger(mc);
        return;
    }
    /* a worker can only be borrowed once the one that suspended the connection has left it */
    if (c->data_in_input_filters && mod_dgon_conn_worker_left(mc)) {
        mod_dgon_conn_next(mc);
        return;
    }
    mc->stage = CONN_KEEPALIVE;
    mod_dgon_conn_watch(mc);
    uint64_t wait = (uint64_t)apr_time_as_msec(c->base_server->keep_alive_timeout);
    wait = c->data_in_input_filters ? 1 : mc->alone && wait > BEHIND_MS ? BEHIND_MS : wait;
    mod_dgon_timer_set(&e->wheel, &mc->timer, e->now + wait, timer_fn);
}

/* httpd looks for the next request after each one, with a system call. After one that was alone the
 * engine does so later: only what has come just while it was read could have been read along. */
static void look_behind(mod_dgon_conn *mc)
{
    conn_rec *c = mc->c;
    mc->alone = false;
    c->data_in_input_filters =
        ap_check_pipeline(c, mc->look, DEFAULT_LIMIT_BLANK_LINES) == APR_SUCCESS;
    apr_brigade_cleanup(mc->look);
    mod_dgon_conn_request_over(mc);
}

static void end_request(mod_dgon_conn *mc, request_rec *r)
{
    conn_rec *c = mc->c;
    if (!mc->alone) {
        ap_process_request_after_handler(r);
        return;
    }
    APR_BRIGADE_INSERT_TAIL(mc->look, ap_bucket_eor_create(c->bucket_alloc, r));
    (void)ap_pass_brigade(c->output_filters, mc->look);
    apr_brigade_cleanup(mc->look);
    c->data_in_input_filters = 0;
    c->cs->state = c->aborted ? CONN_STATE_LINGER : CONN_STATE_WRITE_COMPLETION;
}

static void keepalive_event(mod_dgon_conn *mc, uint32_t events)
{
    if (events & (EPOLLHUP | EPOLLERR)) {
        mc->c->aborted = 1;
        mod_dgon_conn_linger(mc);
    } else if ((events & EPOLLIN) && !(events & EPOLLRDHUP)) {
        if (mod_dgon_conn_worker_left(mc)) {
            mod_dgon_conn_next(mc);
        } else {
            mc->c->data_in_input_filters = 1;
            mod_dgon_timer_set(&mc->engine->wheel, &mc->timer, mc->engine->now + 1, timer_fn);
        }
    } else if (events & EPOLLRDHUP) {
        mod_dgon_conn_linger(mc);
    }
}

static void timer_fn(mod_dgon_timer *t, uint64_t now)
{
    mod_dgon_conn *mc = of_timer(t);
    switch (mc->stage) {
    case CONN_KEEPALIVE:
        if (mc->alone) {
            look_behind(mc);
        } else if (!mc->c->data_in_input_filters) {
            mod_dgon_conn_linger(mc);
        } else if (mod_dgon_conn_worker_left(mc)) {
            mod_dgon_conn_next(mc);
        } else {
            mod_dgon_timer_set(&mc->engine->wheel, t, now + MOD_DGON_WHEEL_MS, timer_fn);
        }
        break;
    case CONN_FLUSH:
        mc->c->aborted = 1;
        mod_dgon_conn_linger(mc);
        break;
    default:
        mod_dgon_conn_destroy(mc);
        break;
    }
}

void mod_dgon_conn_event(mod_dgon_watch *w, uint32_t events)
{
    mod_dgon_conn *mc = (mod_dgon_conn *)(void *)((char *)w - offsetof(mod_dgon_conn, watch));
    if (mc->stage == CONN_WORKER) {
        mc->missed = true;
        mc->alone = false;
        return;
    }
    if (events & EPOLLIN)
        mc->alone = false;
    if (events & EPOLLRDHUP)
        mc->half_closed = true;
    if (events & EPOLLOUT) {
        (void)mod_dgon_conn_send_pending(mc);
        mod_dgon_conn_watch(mc);
    }
    switch (mc->stage) {
    case CONN_USED:
        mc->ops->event(mc->user, events);
        break;
    case CONN_FLUSH:
        if (mc->c->aborted || (events & (EPOLLHUP | EPOLLERR)) || !mod_dgon_conn_blocked(mc)) {
            if (events & (EPOLLHUP | EPOLLERR))
                mc->c->aborted = 1;
            mod_dgon_timer_stop(&mc->timer);
            mod_dgon_conn_request_over(mc);
        }
        break;
    case CONN_KEEPALIVE:
        keepalive_event(mc, events);
        break;
    case CONN_LINGER:
        linger_read(mc);
        break;
    default:
        break;
    }
}

void mod_dgon_conn_done(mod_dgon_conn *mc, request_rec *r, bool broken)
{
    conn_rec *c = mc->c;
    if (broken) {
        /* no last chunk, no finalize: the client must see that it was cut */
        c->keepalive = AP_CONN_CLOSE;
        if (mod_dgon_conn_blocked(mc))
            c->aborted = 1;
    } else {
        ap_finalize_request_protocol(r);
    }
    if (mc->parked) {
        /* the parked worker goes on with the request itself */
        mc->ops = NULL;
        mod_dgon_conn_destroy(mc);
        return;
    }
    end_request(mc, r);
    if (broken && c->cs != NULL)
        c->cs->state = CONN_STATE_LINGER;
    mod_dgon_conn_request_over(mc);
}

void mod_dgon_conn_unwatch(mod_dgon_conn *mc)
{
    mod_dgon_conn_watch_bits(mc, 0);
}

/* APR does not say whether a node was a free one or has come from the system for this call. The
 * system's are zeros (or, where they are malloc's, look used: then all are tried). */
static bool is_from_system(const apr_memnode_t *node)
{
    static const char zeros[LOOK_AT];
    return memcmp(node->first_avail, zeros, sizeof(zeros)) == 0;
}

void mod_dgon_conn_trim(mod_dgon_conn *mc)
{
    apr_allocator_t *a = apr_pool_allocator_get(mc->c->pool);
    apr_memnode_t *node[TRIM_NODES];
    size_t n = 0;
    if (a == NULL)
        return;
    /* a node is looked at only when it comes back */
    apr_allocator_max_free_set(a, 1);
    while (n < TRIM_NODES && (node[n] = apr_allocator_alloc(a, 1)) != NULL)
        if (is_from_system(node[n++]))
            break;
    while (n > 0)
        apr_allocator_free(a, node[--n]);
    apr_allocator_max_free_set(a, ap_max_mem_free);
}

void mod_dgon_conn_again(mod_dgon_conn *mc)
{
    if (mc->again)
        return;
    mc->again = true;
    mc->next_again = mc->engine->again;
    mc->engine->again = mc;
}

bool mod_dgon_conn_again_run(mod_dgon_engine *e)
{
    mod_dgon_conn *list = e->again;
    e->again = NULL;
    while (list != NULL) {
        mod_dgon_conn *mc = list;
        list = mc->next_again;
        mc->again = false;
        mod_dgon_conn_event(&mc->watch, EPOLLIN);
    }
    return e->again != NULL;
}

static int pre_connection_hook(conn_rec *c, void *csd)
{
    if (c->master != NULL || csd == NULL)
        return DECLINED;
    apr_os_sock_t fd;
    if (apr_os_sock_get(&fd, csd) != APR_SUCCESS)
        return DECLINED;
    mod_dgon_conn *mc = apr_pcalloc(c->pool, sizeof(*mc));
    mc->c = c;
    mc->fd = fd;
    ap_set_module_config(c->conn_config, &dgon_module, mc);
    ap_add_output_filter_handle(filter_rec, mc, NULL, c);
    return DECLINED;
}

void mod_dgon_conn_register(void)
{
    filter_rec =
        ap_register_output_filter(FILTER_NAME, mod_dgon_conn_filter, NULL, AP_FTYPE_NETWORK - 1);
    ap_hook_pre_connection(pre_connection_hook, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_process_connection(mod_dgon_conn_begins, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_suspend_connection(mod_dgon_conn_suspended, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_optional_fn_retrieve(mod_dgon_conn_optional_fns, NULL, NULL, APR_HOOK_MIDDLE);
}

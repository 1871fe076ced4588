#include "mod_dgon_conn.h"

#include <ap_mpm.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mpm_common.h>
#include <apr_optional.h>
#include <apr_portable.h>
#include <apr_strings.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILTER_NAME   "DGON_NONBLOCKING"
#define LINGER_MS     2000
#define WRITE_VECTORS 16
#define TRIM_NODES    6 /* as many as reading a request takes */

static ap_filter_rec_t *filter_rec;
static APR_OPTIONAL_FN_TYPE(ap_logio_add_bytes_out) * logio_add_bytes_out;

/* Bumped by each worker thread whenever it begins to process a connection: part of the proof that
 * it has left an earlier one. One a thread, never freed: a suspended connection may look at it
 * after the thread has ended. */
static _Thread_local atomic_uint *thread_epoch;

mod_dgon_conn *mod_dgon_conn_get(conn_rec *c)
{
    return ap_get_module_config(c->conn_config, &dgon_module);
}

bool mod_dgon_conn_blocked(const mod_dgon_conn *mc)
{
    return mc->c->data_in_output_filters != 0;
}

static void watch_bits(mod_dgon_conn *mc, uint32_t bits)
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
static void watch_now(mod_dgon_conn *mc)
{
    uint32_t edge = mc->ops != NULL && mc->ops->reads ? 0 : (uint32_t)EPOLLET;
    watch_bits(mc,
               EPOLLIN | EPOLLRDHUP | edge | (mod_dgon_conn_blocked(mc) ? (uint32_t)EPOLLOUT : 0));
}

/* ---- the filter just above core ---- */

static bool is_memory(const apr_bucket *b)
{
    return APR_BUCKET_IS_HEAP(b) || APR_BUCKET_IS_POOL(b) || APR_BUCKET_IS_TRANSIENT(b) ||
           APR_BUCKET_IS_IMMORTAL(b);
}

/* Sends what is in memory at the front of bb. True if all went out that was tried. */
static bool send_front(mod_dgon_conn *mc, apr_bucket_brigade *bb)
{
    struct iovec vec[WRITE_VECTORS];
    size_t count = 0, want = 0;
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb);
         b != APR_BRIGADE_SENTINEL(bb) && count < WRITE_VECTORS; b = APR_BUCKET_NEXT(b)) {
        if (APR_BUCKET_IS_METADATA(b)) {
            /* an EOR frees the data before it: it must not pass what is unsent */
            break;
        }
        if (!is_memory(b))
            break;
        const char *data;
        apr_size_t len;
        if (apr_bucket_read(b, &data, &len, APR_NONBLOCK_READ) != APR_SUCCESS)
            break;
        vec[count].iov_base = (void *)(uintptr_t)data;
        vec[count++].iov_len = len;
        want += len;
    }
    if (want == 0)
        return false;
    struct msghdr msg = {.msg_iov = vec, .msg_iovlen = count};
    ssize_t n;
    do {
        n = sendmsg(mc->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            mc->c->aborted = 1;
        return false;
    }
    if (logio_add_bytes_out != NULL)
        logio_add_bytes_out(mc->c, n);
    size_t sent = (size_t)n;
    while (sent > 0) {
        apr_bucket *b = APR_BRIGADE_FIRST(bb);
        if (b->length > sent) {
            apr_bucket_split(b, sent);
            sent = 0;
        } else {
            sent -= b->length;
        }
        apr_bucket_delete(b);
    }
    return (size_t)n == want;
}

/* While the engine owns the connection core must never see a FLUSH: it would block on it. What can
 * be sent is sent from here, without core's setting it aside first; the rest is core's to keep. */
static apr_status_t nonblocking_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    mod_dgon_conn *mc = f->ctx;
    if (!mc->nonblocking)
        return ap_pass_brigade(f->next, bb);
    if (mc->c->aborted) {
        apr_brigade_cleanup(bb);
        return APR_ECONNABORTED;
    }
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb), *next; b != APR_BRIGADE_SENTINEL(bb); b = next) {
        next = APR_BUCKET_NEXT(b);
        if (APR_BUCKET_IS_FLUSH(b))
            apr_bucket_delete(b);
    }
    while (!mod_dgon_conn_blocked(mc) && !APR_BRIGADE_EMPTY(bb)) {
        apr_bucket *first = APR_BRIGADE_FIRST(bb);
        if (APR_BUCKET_IS_METADATA(first)) {
            /* in its turn: an EOR ends and logs its request here */
            apr_bucket_delete(first);
            continue;
        }
        if (!send_front(mc, bb)) {
            if (mc->c->aborted) {
                apr_brigade_cleanup(bb);
                return APR_ECONNABORTED;
            }
            break;
        }
    }
    return APR_BRIGADE_EMPTY(bb) ? APR_SUCCESS : ap_pass_brigade(f->next, bb);
}

static bool send_pending(mod_dgon_conn *mc)
{
    if (mod_dgon_conn_blocked(mc))
        (void)mc->core->frec->filter_func.out_func(mc->core, NULL);
    return !mc->c->aborted;
}

bool mod_dgon_conn_write(mod_dgon_conn *mc, ap_filter_t *filters, apr_bucket_brigade *bb)
{
    if (mc->c->aborted) {
        apr_brigade_cleanup(bb);
        return false;
    }
    apr_status_t rv = ap_pass_brigade(filters, bb);
    apr_brigade_cleanup(bb);
    if (rv != APR_SUCCESS)
        mc->c->aborted = 1;
    /* core kept some: it has not tried the socket with it, and EPOLLET tells only changes */
    if (!mc->c->aborted && mod_dgon_conn_blocked(mc)) {
        (void)send_pending(mc);
        watch_now(mc);
    }
    return !mc->c->aborted;
}

/* ---- the way back: keep-alive, linger, destroy ---- */

static void conn_event(mod_dgon_watch *w, uint32_t events);
static void timer_fn(mod_dgon_timer *t, uint64_t now);
static void request_over(mod_dgon_conn *mc);
static void forget_again(mod_dgon_conn *mc);

static mod_dgon_conn *of_timer(mod_dgon_timer *t)
{
    return (mod_dgon_conn *)(void *)((char *)t - offsetof(mod_dgon_conn, timer));
}

static mod_dgon_conn *of_task(mod_dgon_task *t)
{
    return (mod_dgon_conn *)(void *)((char *)t - offsetof(mod_dgon_conn, task));
}

/* First use needs c->sbh == NULL: process_socket has stored it after our hook, and from then on
 * nothing of ours writes into the worker's scoreboard slot. */
static bool may_use(const mod_dgon_conn *mc)
{
    return mc->left || __atomic_load_n(&mc->c->sbh, __ATOMIC_ACQUIRE) == NULL;
}

/* Blocked in the kernel, or ended: in either case not between the last stores of process_socket,
 * where there is no call. */
static bool thread_rests(pid_t tid)
{
    char path[48], stat[256];
    if (syscall(SYS_tgkill, getpid(), tid, 0) != 0)
        return errno == ESRCH;
    apr_snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, stat, sizeof(stat) - 1);
    close(fd);
    stat[n > 0 ? n : 0] = '\0';
    const char *name_end = strrchr(stat, ')');
    return name_end != NULL && name_end[1] == ' ' && name_end[2] == 'S';
}

/* Destroying needs more: process_socket stores once more after that. It has returned for certain
 * when its worker has begun something new (its epoch), when its scoreboard slot says that it is
 * ready, or when the thread rests. GRACEFUL and DEAD in the slot prove nothing: other threads write
 * them. */
static bool worker_left(mod_dgon_conn *mc)
{
    if (mc->left || !may_use(mc))
        return mc->left;
    unsigned char status = __atomic_load_n(&mc->ws->status, __ATOMIC_ACQUIRE);
    mc->left = atomic_load(mc->epoch) != mc->epoch_was || status == SERVER_READY ||
               ((status == SERVER_GRACEFUL || status == SERVER_DEAD) && thread_rests(mc->tid));
    return mc->left;
}

static void destroy(mod_dgon_conn *mc)
{
    mod_dgon_timer_stop(&mc->timer);
    watch_bits(mc, 0);
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
    if (!worker_left(mc)) {
        mc->stage = CONN_DEAD;
        mc->next = mc->engine->handover;
        mc->engine->handover = mc;
        return;
    }
    /* mpm_event counts suspended connections down only in this state */
    mc->c->cs->state = CONN_STATE_SUSPENDED;
    apr_pool_destroy(mc->c->pool);
}

static void linger(mod_dgon_conn *mc)
{
    conn_rec *c = mc->c;
    if (!c->aborted) {
        ap_prep_lingering_close(c);
        ap_flush_conn(c);
        (void)send_pending(mc);
    }
    if (c->aborted || shutdown(mc->fd, SHUT_WR) != 0 || mc->half_closed) {
        destroy(mc);
        return;
    }
    mc->stage = CONN_LINGER;
    watch_now(mc);
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
        destroy(mc);
}

/* A worker reads and runs the next request, as process_socket would. */
static void resumed_by_worker(void *baton)
{
    mod_dgon_conn *mc = baton;
    conn_rec *c = mc->c;
    c->cs->state = CONN_STATE_PROCESSING;
    ap_run_process_connection(c);
    if (!mc->suspending) {
        mc->ops = NULL;
        if (c->cs->state != CONN_STATE_WRITE_COMPLETION)
            c->cs->state = CONN_STATE_LINGER;
    }
    mod_dgon_engine_post(mc->engine, &mc->task);
}

static void give_to_worker(mod_dgon_conn *mc)
{
    mod_dgon_timer_stop(&mc->timer);
    watch_bits(mc, 0);
    mc->nonblocking = false;
    mc->stage = CONN_WORKER;
    if (ap_mpm_register_timed_callback(0, resumed_by_worker, mc) != APR_SUCCESS) {
        mc->nonblocking = true;
        linger(mc);
    }
}

static void request_over(mod_dgon_conn *mc)
{
    conn_rec *c = mc->c;
    mod_dgon_engine *e = mc->engine;
    mc->ops = NULL;
    mc->user = NULL;
    if (c->aborted || c->cs == NULL || c->cs->state == CONN_STATE_LINGER) {
        linger(mc);
        return;
    }
    if (mod_dgon_conn_blocked(mc)) {
        mc->stage = CONN_FLUSH;
        watch_now(mc);
        mod_dgon_timer_set(&e->wheel, &mc->timer, e->now + (uint64_t)e->conf->write_timeout,
                           timer_fn);
        return;
    }
    if (c->keepalive != AP_CONN_KEEPALIVE || mc->half_closed || mc->parked ||
        atomic_load(&e->draining) || atomic_load(&e->stopping)) {
        linger(mc);
        return;
    }
    /* a worker can only be borrowed once the one that suspended the connection has left it */
    if (c->data_in_input_filters && worker_left(mc)) {
        give_to_worker(mc);
        return;
    }
    mc->stage = CONN_KEEPALIVE;
    watch_now(mc);
    uint64_t wait = (uint64_t)apr_time_as_msec(c->base_server->keep_alive_timeout);
    mod_dgon_timer_set(&e->wheel, &mc->timer, e->now + (c->data_in_input_filters ? 1 : wait),
                       timer_fn);
}

static void keepalive_event(mod_dgon_conn *mc, uint32_t events)
{
    if (events & (EPOLLHUP | EPOLLERR)) {
        mc->c->aborted = 1;
        linger(mc);
    } else if ((events & EPOLLIN) && !(events & EPOLLRDHUP)) {
        if (worker_left(mc)) {
            give_to_worker(mc);
        } else {
            mc->c->data_in_input_filters = 1;
            mod_dgon_timer_set(&mc->engine->wheel, &mc->timer, mc->engine->now + 1, timer_fn);
        }
    } else if (events & EPOLLRDHUP) {
        linger(mc);
    }
}

static void timer_fn(mod_dgon_timer *t, uint64_t now)
{
    mod_dgon_conn *mc = of_timer(t);
    switch (mc->stage) {
    case CONN_KEEPALIVE:
        if (!mc->c->data_in_input_filters) {
            linger(mc);
        } else if (worker_left(mc)) {
            give_to_worker(mc);
        } else {
            mod_dgon_timer_set(&mc->engine->wheel, t, now + MOD_DGON_WHEEL_MS, timer_fn);
        }
        break;
    case CONN_FLUSH:
        mc->c->aborted = 1;
        linger(mc);
        break;
    default:
        destroy(mc);
        break;
    }
}

static void conn_event(mod_dgon_watch *w, uint32_t events)
{
    mod_dgon_conn *mc = (mod_dgon_conn *)(void *)((char *)w - offsetof(mod_dgon_conn, watch));
    if (events & EPOLLRDHUP)
        mc->half_closed = true;
    if (events & EPOLLOUT) {
        (void)send_pending(mc);
        watch_now(mc);
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
            request_over(mc);
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
        destroy(mc);
        return;
    }
    ap_process_request_after_handler(r);
    if (broken && c->cs != NULL)
        c->cs->state = CONN_STATE_LINGER;
    request_over(mc);
}

void mod_dgon_conn_unwatch(mod_dgon_conn *mc)
{
    watch_bits(mc, 0);
}

void mod_dgon_conn_trim(mod_dgon_conn *mc)
{
    apr_allocator_t *a = apr_pool_allocator_get(mc->c->pool);
    apr_memnode_t *node[TRIM_NODES];
    if (a == NULL)
        return;
    /* a node is looked at only when it comes back */
    apr_allocator_max_free_set(a, 1);
    for (size_t i = 0; i < TRIM_NODES; i++)
        node[i] = apr_allocator_alloc(a, 1);
    for (size_t i = 0; i < TRIM_NODES; i++)
        if (node[i] != NULL)
            apr_allocator_free(a, node[i]);
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
        conn_event(&mc->watch, EPOLLIN);
    }
    return e->again != NULL;
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

/* ---- from worker to engine ---- */

static void adopt(mod_dgon_conn *mc)
{
    mc->nonblocking = true;
    if (mc->suspending) {
        mc->suspending = false;
        mc->stage = CONN_USED;
        watch_now(mc);
        mc->ops->adopted(mc->user);
    } else {
        request_over(mc); /* a borrowed worker has run an ordinary request */
    }
}

static void arrived(mod_dgon_task *t)
{
    mod_dgon_conn *mc = of_task(t);
    if (may_use(mc)) {
        adopt(mc);
        return;
    }
    mc->stage = CONN_HANDOVER;
    mc->next = mc->engine->handover;
    mc->engine->handover = mc;
}

bool mod_dgon_conn_handover_run(mod_dgon_engine *e)
{
    mod_dgon_conn *list = e->handover;
    e->handover = NULL;
    while (list != NULL) {
        mod_dgon_conn *mc = list;
        list = mc->next;
        if (mc->stage == CONN_DEAD) {
            destroy(mc); /* puts itself back if the proof is still missing */
        } else if (may_use(mc)) {
            adopt(mc);
        } else {
            mc->next = e->handover;
            e->handover = mc;
        }
    }
    return e->handover != NULL;
}

static int park(mod_dgon_conn *mc)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&cond, &attr);
    mc->park_mutex = &mutex;
    mc->park_cond = &cond;
    mc->parked = true;
    mc->left = true;
    mc->stage = CONN_HANDOVER;
    atomic_fetch_add(&mc->engine->workers_waiting, 1);
    mod_dgon_engine_post(mc->engine, &mc->task);
    pthread_mutex_lock(&mutex);
    while (mc->stage != CONN_WORKER) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += 100 * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        (void)pthread_cond_timedwait(&cond, &mutex, &until);
        (void)mod_dgon_engine_leaving(mc->engine);
    }
    pthread_mutex_unlock(&mutex);
    atomic_fetch_sub(&mc->engine->workers_waiting, 1);
    pthread_cond_destroy(&cond);
    pthread_condattr_destroy(&attr);
    mc->parked = false;
    return OK;
}

int mod_dgon_conn_suspend(mod_dgon_conn *mc, mod_dgon_engine *e, const mod_dgon_conn_user *ops,
                          void *user)
{
    mc->engine = e;
    mc->ops = ops;
    mc->user = user;
    mc->suspending = true;
    mc->half_closed = false;
    mc->watch.fn = conn_event;
    mc->task.fn = arrived;
    mc->core = mc->c->output_filters;
    while (mc->core->next != NULL)
        mc->core = mc->core->next;
    if (e->async && mc->c->cs != NULL)
        return SUSPENDED;
    return park(mc);
}

/* The only safe place to publish: httpd is done with the request, and what it still does to the
 * connection is known (may_use, worker_left). */
static void suspend_hook(conn_rec *c, request_rec *r)
{
    (void)r;
    mod_dgon_conn *mc = mod_dgon_conn_get(c);
    if (mc == NULL || !mc->suspending || c->cs == NULL || c->cs->state != CONN_STATE_SUSPENDED ||
        c->sbh == NULL)
        return;
    mc->left = false;
    mc->ws = ap_get_scoreboard_worker(c->sbh);
    mc->tid = (pid_t)syscall(SYS_gettid);
    mc->epoch = thread_epoch;
    mc->epoch_was = atomic_load(thread_epoch);
    mod_dgon_engine_post(mc->engine, &mc->task);
#ifdef MOD_DGON_SLEEP_IN_HOOK
    /* test build: makes the hand-over race as wide as a barn door */
    apr_sleep(MOD_DGON_SLEEP_IN_HOOK);
#endif
}

static int process_hook(conn_rec *c)
{
    (void)c;
    if (thread_epoch == NULL)
        thread_epoch = calloc(1, sizeof(*thread_epoch));
    if (thread_epoch == NULL)
        return HTTP_INTERNAL_SERVER_ERROR;
    atomic_fetch_add(thread_epoch, 1);
    return DECLINED;
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

static void optional_fn_hook(void)
{
    logio_add_bytes_out = APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_out);
}

void mod_dgon_conn_register(void)
{
    filter_rec =
        ap_register_output_filter(FILTER_NAME, nonblocking_filter, NULL, AP_FTYPE_NETWORK - 1);
    ap_hook_pre_connection(pre_connection_hook, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_process_connection(process_hook, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_suspend_connection(suspend_hook, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_optional_fn_retrieve(optional_fn_hook, NULL, NULL, APR_HOOK_MIDDLE);
}

#include "mod_dgon_engine.h"

#include "mod_dgon_agents.h"
#include "mod_dgon_client.h"
#include "mod_dgon_conn.h"
#include "mod_dgon_link.h"
#include "mod_dgon_shm.h"
#include "mod_dgon_status.h"

#include "dgon/slice.h"

#include <ap_mpm.h>
#include <scoreboard.h>
#include <apr_strings.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX     32 /* few: what the first of many bring goes out before the last are read */
#define HANDOVER_SPIN  64 /* looks at a worker that has not left yet before the engine naps 1 ms */
#define AUDIT_MS       1000
#define LINKS_LATER_MS (2 * MOD_DGON_TICK_MS)
#define GOAWAY_MS                                                                                 \
    100 /* after a graceful restart: by then the old listeners are closed and new children listen \
         */

static mod_dgon_engine *here;

uint64_t mod_dgon_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

mod_dgon_engine *mod_dgon_engine_get(void)
{
    return here;
}

void mod_dgon_engine_post(mod_dgon_engine *e, mod_dgon_task *t)
{
    mod_dgon_task *head = atomic_load_explicit(&e->inbox, memory_order_relaxed);
    do {
        t->next = head;
    } while (!atomic_compare_exchange_weak(&e->inbox, &head, t));
    /* only the first of a batch wakes: the engine empties the inbox before it sleeps */
    if (head == NULL)
        mod_dgon_shm_wake(NULL, e->child);
}

void mod_dgon_engine_drain(mod_dgon_engine *e)
{
    if (!atomic_exchange(&e->draining, true))
        mod_dgon_shm_wake(NULL, e->child);
}

bool mod_dgon_engine_leaving(mod_dgon_engine *e)
{
    int state = AP_MPMQ_RUNNING;
    if (ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS && state == AP_MPMQ_STOPPING)
        mod_dgon_engine_drain(e);
    return atomic_load(&e->draining) || atomic_load(&e->stopping);
}

static void run_inbox(mod_dgon_engine *e)
{
    mod_dgon_task *t = atomic_exchange(&e->inbox, NULL);
    mod_dgon_task *fifo = NULL;
    while (t != NULL) {
        mod_dgon_task *next = t->next;
        t->next = fifo;
        fifo = t;
        t = next;
    }
    while (fifo != NULL) {
        t = fifo;
        fifo = t->next;
        t->fn(t);
    }
}

/* A job slot has news: it may be of a client of this child, of a link of this child, or of both. */
static void news(void *user, uint32_t slot)
{
    mod_dgon_engine *e = user;
    if (slot >= e->jobs)
        return;
    mod_dgon_link_news(e, slot);
    uintptr_t client = atomic_load(&e->clients[slot]);
    if (client & 1) {
        uint64_t one = 1;
        ssize_t n = write((int)(client >> 1), &one, sizeof(one));
        (void)n; /* full means awake already */
    } else if (client != 0) {
        mod_dgon_client_news((mod_dgon_stream *)client);
    }
}

static void wake_fn(mod_dgon_watch *w, uint32_t events)
{
    (void)w;
    (void)events;
    uint64_t n;
    ssize_t got = read(here->wakefd, &n, sizeof(n));
    (void)got;
}

/* The parent counts its generation up before it tells the children to end. Where it does not, this
 * child is recycled, or httpd stops. */
static bool is_retiring(mod_dgon_engine *e)
{
    int mine = 0;
    const global_score *now = ap_get_scoreboard_global();
    return (now != NULL && ap_mpm_query(AP_MPMQ_GENERATION, &mine) == APR_SUCCESS &&
            now->running_generation != mine) ||
           dgon_registry_children_staying(e->registry) == 0;
}

static void tick(mod_dgon_engine *e)
{
    e->next_tick = e->now + MOD_DGON_TICK_MS;
    uint32_t swept = dgon_registry_sweep(e->registry, e->child);
    if (swept > 0) {
        dgon_registry_count(e->registry, e->child, DGON_COUNT_SWEPT, swept);
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, e->server,
                     "DGON0030: finished what %u dead child process%s left", swept,
                     swept == 1 ? "" : "es");
    }
    if (e->now >= e->next_audit) {
        e->next_audit = e->now + AUDIT_MS;
        if (mod_dgon_shm_is_first(e->child))
            dgon_registry_audit(e->registry, e->child);
    }
    e->retiring = atomic_load(&e->draining) && is_retiring(e);
    mod_dgon_link_tick(e);
    dgon_registry_count(e->registry, e->child, DGON_COUNT_WS_IN, e->ws_in);
    dgon_registry_count(e->registry, e->child, DGON_COUNT_WS_OUT, e->ws_out);
    e->ws_in = e->ws_out = 0;
}

static void drain_step(mod_dgon_engine *e)
{
    if (e->drain_until == 0) {
        e->drain_until = e->now + (uint64_t)e->conf->drain_timeout;
        e->goaway_at = e->now + GOAWAY_MS;
        dgon_registry_leaving(e->registry, e->child);
    }
    mod_dgon_status_live_end(e);
    if (e->now >= e->goaway_at)
        mod_dgon_link_goaway_all(e);
    if (e->now < e->drain_until)
        return;
    mod_dgon_client_fail_all(e);
    /* Other children reach their end a moment later: their clients, whose jobs our links may carry,
     * shall hear of the restart and not of a lost link. */
    if (e->now >= e->drain_until + LINKS_LATER_MS)
        mod_dgon_link_close_all(e);
}

static bool is_idle(mod_dgon_engine *e)
{
    return e->streams == NULL && e->gone == NULL && e->handover == NULL && e->requests == NULL &&
           atomic_load(&e->requests_running) == 0 && atomic_load(&e->inbox) == NULL &&
           !mod_dgon_link_any_job(e);
}

/* True: it is time to stop. False: another thread leads now. */
static bool loop(mod_dgon_engine *e)
{
    static mod_dgon_watch wake = {wake_fn};
    struct epoll_event ev[EVENTS_MAX];
    struct epoll_event add = {.events = EPOLLIN, .data.ptr = &wake};
    unsigned spins = 0;

    (void)epoll_ctl(e->epfd, EPOLL_CTL_ADD, e->wakefd, &add);
    while (!atomic_load(&e->stopping)) {
        run_inbox(e);
        bool waiting = mod_dgon_conn_handover_run(e);
        dgon_registry_collect(e->registry, e->child, news, e);
        if (e->now >= e->next_tick)
            tick(e);
        mod_dgon_wheel_run(&e->wheel, e->now);
        if (atomic_load(&e->draining))
            drain_step(e);
        bool more = mod_dgon_conn_again_run(e);
        if (e->dirty)
            mod_dgon_link_flush_all(e);
        mod_dgon_client_end_gone(e, false);
        atomic_store(&e->idle, is_idle(e));

        int timeout = mod_dgon_wheel_wait(&e->wheel, e->now,
                                          e->next_tick > e->now ? (int)(e->next_tick - e->now) : 0);
        if (waiting) {
            if (++spins < HANDOVER_SPIN) {
                sched_yield();
                timeout = 0;
            } else if (timeout > 1) {
                timeout = 1;
            }
        } else {
            spins = 0;
        }
        if (e->gone != NULL && timeout > MOD_DGON_GONE_REST_MS)
            timeout = MOD_DGON_GONE_REST_MS;
        if (more || e->requests != NULL)
            timeout = 0;
        if (timeout > 0 &&
            (atomic_load(&e->inbox) != NULL || !dgon_registry_sleep(e->registry, e->child)))
            timeout = 0;
        int n = epoll_wait(e->epfd, ev, EVENTS_MAX, timeout);
        dgon_registry_awake(e->registry, e->child);
        e->now = mod_dgon_now_ms();
        for (int i = 0; i < n; i++) {
            mod_dgon_watch *w = ev[i].data.ptr;
            w->fn(w, ev[i].events);
        }
        if (!mod_dgon_conn_requests_run(e))
            return false;
    }
    run_inbox(e);
    (void)mod_dgon_conn_handover_run(e);
    mod_dgon_client_end_gone(e, true);
    mod_dgon_client_fail_all(e);
    mod_dgon_status_live_end(e);
    mod_dgon_link_close_all(e);
    (void)mod_dgon_conn_handover_run(e);
    return true;
}

static _Thread_local bool on_engine;

bool mod_dgon_engine_is_here(void)
{
    return on_engine;
}

static void prepare_thread(void)
{
    on_engine = true;
    pthread_setname_np(pthread_self(), "dgon-engine");
    dgon_slice_short();
}

static void *leader(void *arg)
{
    mod_dgon_engine *e = arg;
    prepare_thread();
    while (!loop(e) && dgon_relief_stand_by(&e->relief, &e->stopping))
        ;
    return NULL;
}

static void *relief(void *arg)
{
    mod_dgon_engine *e = arg;
    prepare_thread();
    if (dgon_relief_stand_by(&e->relief, &e->stopping))
        leader(e);
    return NULL;
}

static volatile sig_atomic_t told_to_die;

static void on_sigterm(int sig)
{
    (void)sig;
    told_to_die = 1;
}

/* mpm_event counts a connection only when a worker has taken it from the queue: a child that ends
 * gracefully may believe that all is done just before a last stream is suspended. Such streams end
 * here, while the child's main thread waits, and so does what is asked at the administrators'
 * socket. */
static void let_streams_end(mod_dgon_engine *e)
{
    struct sigaction action = {.sa_handler = on_sigterm};
    sigaction(SIGTERM, &action, NULL);
    uint64_t until = mod_dgon_now_ms() + (uint64_t)e->conf->drain_timeout;
    /* twice idle: what the last worker has posted is seen by then */
    for (unsigned seen = 0; seen < 2 && !told_to_die && mod_dgon_now_ms() < until;) {
        mod_dgon_shm_wake(NULL, e->child);
        apr_sleep(apr_time_from_msec(5));
        seen = atomic_load(&e->idle) && atomic_load(&e->askers) == 0 ? seen + 1 : 0;
    }
}

static apr_status_t stop_cleanup(void *data)
{
    mod_dgon_engine *e = data;
    if (atomic_load(&e->draining) && !atomic_load(&e->stopping))
        let_streams_end(e);
    mod_dgon_engine_stop(e);
    return APR_SUCCESS;
}

mod_dgon_engine *mod_dgon_engine_start(apr_pool_t *pchild, server_rec *s)
{
    mod_dgon_engine *e = calloc(1, sizeof(*e));
    if (e == NULL)
        return NULL;
    e->server = s;
    e->conf = mod_dgon_config_get(s);
    e->jobs = (uint32_t)e->conf->max_jobs;
    e->window = (uint32_t)e->conf->ring_size - DGON_RING_RESERVE;
    int async = 0;
    e->async = ap_mpm_query(AP_MPMQ_IS_ASYNC, &async) == APR_SUCCESS && async;
    e->registry = mod_dgon_shm_join(s, &e->child, &e->wakefd);
    e->clients = calloc(e->jobs, sizeof(*e->clients));
    e->link_jobs = mod_dgon_link_jobs_create(e->jobs);
    e->link_at = calloc((size_t)e->conf->max_agents, sizeof(struct mod_dgon_link *));
    if (e->conf->agent_file != NULL)
        e->agents = mod_dgon_agents_open(s, e->conf->agent_file);
    e->epfd = epoll_create1(EPOLL_CLOEXEC);
    dgon_buf_init(&e->out, MOD_DGON_OUT_MAX);
    e->in = malloc(MOD_DGON_IN_MAX);
    if (e->registry == NULL || e->clients == NULL || e->link_jobs == NULL || e->link_at == NULL ||
        e->in == NULL || e->epfd < 0 || (e->conf->agent_file != NULL && e->agents == NULL) ||
        !dgon_relief_init(&e->relief) || dgon_buf_reserve(&e->out, MOD_DGON_OUT_MAX) != DGON_OK) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, APR_FROM_OS_ERROR(errno), s,
                     "DGON0031: this child cannot take requests for models");
        free(e);
        return NULL;
    }
    e->now = mod_dgon_now_ms();
    mod_dgon_wheel_init(&e->wheel, e->now);
    here = e;
    int rc = pthread_create(&e->thread[0], NULL, leader, e);
    if (rc != 0) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, APR_FROM_OS_ERROR(rc), s,
                     "DGON0032: the engine's thread cannot be started");
        here = NULL;
        return NULL;
    }
    e->threads = 1;
    /* without it all requests go to httpd's workers */
    if (pthread_create(&e->thread[1], NULL, relief, e) == 0)
        e->threads = 2;
    apr_pool_pre_cleanup_register(pchild, e, stop_cleanup);
    return e;
}

void mod_dgon_engine_stop(mod_dgon_engine *e)
{
    if (atomic_exchange(&e->stopping, true))
        return;
    mod_dgon_shm_wake(NULL, e->child);
    dgon_relief_wake(&e->relief);
    for (unsigned i = 0; i < e->threads; i++)
        pthread_join(e->thread[i], NULL);
    if (e->agents != NULL)
        mod_dgon_agents_close(e->agents);
    /* the blocking loops and the parked workers see the flag within a tick */
    for (int i = 0; i < 40 && atomic_load(&e->workers_waiting) > 0; i++)
        apr_sleep(apr_time_from_msec(5));
    mod_dgon_shm_leave(e->registry, e->child);
}

/* From worker to engine: a connection is published, used once its worker has let go, and destroyed
 * once that is proven to have left. */
#include "mod_dgon_conn_int.h"

#include <http_protocol.h>
#include <http_ssl.h>
#include <mpm_common.h>
#include <apr_strings.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bumped by each worker thread whenever it begins to process a connection: part of the proof that
 * it has left an earlier one. One a thread, never freed: a suspended connection may look at it
 * after the thread has ended. */
static _Thread_local atomic_uint *thread_epoch;

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
bool mod_dgon_conn_worker_left(mod_dgon_conn *mc)
{
    if (mc->left || !may_use(mc))
        return mc->left;
    unsigned char status = __atomic_load_n(&mc->ws->status, __ATOMIC_ACQUIRE);
    mc->left = atomic_load(mc->epoch) != mc->epoch_was || status == SERVER_READY ||
               ((status == SERVER_GRACEFUL || status == SERVER_DEAD) && thread_rests(mc->tid));
    return mc->left;
}

static void adopt(mod_dgon_conn *mc)
{
    mc->nonblocking = true;
    if (mc->missed) {
        mc->missed = false;
        mod_dgon_conn_watch_bits(mc, 0); /* is told again when the watch begins */
    }
    if (mc->suspending) {
        mc->suspending = false;
        mc->stage = CONN_USED;
        mod_dgon_conn_watch(mc);
        mc->ops->adopted(mc->user);
    } else {
        mod_dgon_conn_request_over(mc); /* a borrowed worker has run an ordinary request */
    }
}

void mod_dgon_conn_arrived(mod_dgon_task *t)
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
            mod_dgon_conn_destroy(mc); /* puts itself back if the proof is still missing */
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
    mc->watch.fn = mod_dgon_conn_event;
    mc->plain = !ap_ssl_conn_is_ssl(mc->c);
    if (mc->held == NULL) {
        mc->held = apr_brigade_create(mc->c->pool, mc->c->bucket_alloc);
        mc->look = apr_brigade_create(mc->c->pool, mc->c->bucket_alloc);
    }
    mc->task.fn = mod_dgon_conn_arrived;
    mc->core = mc->c->output_filters;
    while (mc->core->next != NULL)
        mc->core = mc->core->next;
    if (e->async && mc->c->cs != NULL)
        return SUSPENDED;
    return park(mc);
}

/* The only safe place to publish: httpd is done with the request, and what it still does to the
 * connection is known (may_use, worker_left). */
void mod_dgon_conn_suspended(conn_rec *c, request_rec *r)
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

int mod_dgon_conn_begins(conn_rec *c)
{
    (void)c;
    if (thread_epoch == NULL)
        thread_epoch = calloc(1, sizeof(*thread_epoch));
    if (thread_epoch == NULL)
        return HTTP_INTERNAL_SERVER_ERROR;
    atomic_fetch_add(thread_epoch, 1);
    return DECLINED;
}

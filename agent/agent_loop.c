#include "agent_loop.h"

#include "agent_log.h"

#include "dgon/alloc.h"
#include "dgon/slice.h"

#include <libwebsockets.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 32   /* few: what the first of many bring goes out before the last are read */
#define LOOK_MS    50   /* between two looks of libwebsockets at its timers */
#define STAY_MS    1000 /* without an event; then libwebsockets waits */
#define LINK       (UINT64_C(1) << 32) /* beside the descriptor in an epoll event: a link's */

struct agent_loop {
    agent_loop_handlers on;
    void *user;
    struct lws_context *lws;
    agent_timers *timers;
    int ep, signals;
    bool stop;
};

/* libwebsockets' own words explain a failed TLS handshake; nobody else does. */
static void lws_line(int level, const char *line)
{
    size_t n = strcspn(line, "\n");
    (void)level;
    agent_log(AGENT_LOG_DEBUG, "libwebsockets: %.*s", (int)n, line);
}

static void read_signals(agent_loop *l)
{
    agent_os_signal s;
    while ((s = agent_os_signal_next(l->signals)) != AGENT_OS_SIGNAL_NONE) {
        l->on.on_signal(l->user, s);
    }
}

static void handle(agent_loop *l, int fd, uint32_t events)
{
    if (fd == l->signals) {
        read_signals(l);
    } else if (fd == agent_timers_fd(l->timers)) {
        agent_timers_run(l->timers);
    } else {
        l->on.on_fd(l->user, fd,
                    ((events & EPOLLIN) != 0 ? (unsigned)AGENT_LOOP_IN : 0u) |
                        ((events & EPOLLOUT) != 0 ? (unsigned)AGENT_LOOP_OUT : 0u) |
                        ((events & (EPOLLERR | EPOLLHUP)) != 0 ? (unsigned)AGENT_LOOP_ERR : 0u));
    }
}

/* Of a link that the agent does not read itself libwebsockets reads what is there, and what TLS
 * holds behind it. */
static void serve_link(agent_loop *l, int fd, uint32_t events)
{
    if (l->on.on_link(l->user, fd)) {
        return;
    }
    short bits = (short)(((events & EPOLLIN) != 0 ? POLLIN : 0) |
                         ((events & (EPOLLERR | EPOLLHUP)) != 0 ? POLLHUP : 0));
    struct lws_pollfd p = {.fd = fd, .events = POLLIN, .revents = bits};
    (void)lws_service_fd(l->lws, &p);
    while (lws_service_adjust_timeout(l->lws, 1, 0) == 0 && lws_service(l->lws, -1) >= 0)
        ;
}

/* While jobs come and tokens flow the agent waits here for the next ones: the way out and in
 * through libwebsockets' own wait costs two more system calls each time. */
static void read_events(agent_loop *l)
{
    struct epoll_event ev[EVENTS_MAX];
    uint64_t now = agent_os_now_ms(), busy = now, look = now + LOOK_MS;
    bool stay = true;
    for (int wait = 0; stay; wait = LOOK_MS) {
        int n = epoll_wait(l->ep, ev, EVENTS_MAX, wait);
        for (int i = 0; i < n; i++) {
            if ((ev[i].data.u64 & LINK) != 0) {
                serve_link(l, (int)(uint32_t)ev[i].data.u64, ev[i].events);
            } else {
                handle(l, (int)ev[i].data.u64, ev[i].events);
            }
        }
        now = agent_os_now_ms();
        busy = n > 0 ? now : busy;
        if (now >= look) {
            look = now + LOOK_MS;
            (void)lws_service(l->lws, -1);
        }
        l->on.on_settle(l->user);
        agent_timers_arm(l->timers);
        stay = !l->stop && now < busy + STAY_MS && l->on.is_settled(l->user);
    }
}

/* libwebsockets' wait has told of the descriptor in which ours are. */
static int on_epoll(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    (void)wsi;
    (void)reason;
    (void)user;
    (void)in;
    (void)len;
    return 0;
}

static const struct lws_protocols loop_protocols[] = {{.name = "loop", .callback = on_epoll}, {0}};

static bool open_lws(agent_loop *l)
{
    lws_set_log_level(LLL_ERR | LLL_WARN, lws_line);
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof info);
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.user = l;
    info.fd_limit_per_thread = 64; /* the backends' are not in its table */
    info.pt_serv_buf_size = 16384;
    /* -1: keep ours. Signed in one version of libwebsockets, unsigned in the next. */
    memset(&info.uid, 0xff, sizeof info.uid);
    memset(&info.gid, 0xff, sizeof info.gid);
    l->lws = lws_create_context(&info);
    if (l->lws == NULL) {
        return false;
    }
    info.options = 0;
    info.vhost_name = "loop";
    info.protocols = loop_protocols;
    struct lws_vhost *vh = lws_create_vhost(l->lws, &info);
    lws_sock_file_fd_type d = {.filefd = l->ep};
    return vh != NULL &&
           lws_adopt_descriptor_vhost(vh, LWS_ADOPT_RAW_FILE_DESC, d, "loop", NULL) != NULL;
}

agent_loop *agent_loop_create(const agent_loop_handlers *handlers, void *user)
{
    agent_loop *l = dgon_calloc(1, sizeof *l);
    if (l == NULL) {
        return NULL;
    }
    l->on = *handlers;
    l->user = user;
    l->signals = -1;
    l->ep = epoll_create1(EPOLL_CLOEXEC);
    if (l->ep >= 0) {
        l->signals = agent_os_signal_open();
    }
    l->timers = agent_timers_create();
    if (l->signals < 0 || l->timers == NULL || !open_lws(l)) {
        agent_loop_destroy(l);
        return NULL;
    }
    agent_loop_watch(l, l->signals, AGENT_LOOP_IN, false);
    agent_loop_watch(l, agent_timers_fd(l->timers), AGENT_LOOP_IN, false);
    return l;
}

void agent_loop_destroy(agent_loop *l)
{
    if (l == NULL) {
        return;
    }
    if (l->lws != NULL) {
        lws_context_destroy(l->lws); /* closes the adopted epoll descriptor */
    } else if (l->ep >= 0) {
        (void)close(l->ep);
    }
    if (l->signals >= 0) {
        (void)close(l->signals);
    }
    agent_timers_destroy(l->timers);
    dgon_free(l);
}

void agent_loop_run(agent_loop *l)
{
    dgon_slice_short();
    do {
        read_events(l);
    } while (!l->stop && lws_service(l->lws, 0) >= 0);
}

void agent_loop_stop(agent_loop *l)
{
    l->stop = true;
    lws_cancel_service(l->lws);
}

void agent_loop_watch_link(agent_loop *l, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = LINK | (uint32_t)fd};
    (void)epoll_ctl(l->ep, EPOLL_CTL_ADD, fd, &ev);
}

struct lws_context *agent_loop_lws(agent_loop *l)
{
    return l->lws;
}

agent_timers *agent_loop_timers(const agent_loop *l)
{
    return l->timers;
}

void agent_loop_watch(agent_loop *l, int fd, unsigned events, bool known)
{
    struct epoll_event ev = {.data.u64 = (uint32_t)fd};
    if (events == 0) {
        (void)epoll_ctl(l->ep, EPOLL_CTL_DEL, fd, &ev);
        return;
    }
    ev.events = ((events & AGENT_LOOP_IN) != 0 ? (uint32_t)EPOLLIN : 0u) |
                ((events & AGENT_LOOP_OUT) != 0 ? (uint32_t)EPOLLOUT : 0u);
    (void)epoll_ctl(l->ep, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev);
}

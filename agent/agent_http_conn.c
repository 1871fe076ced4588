#include "agent_http_conn.h"

#include "agent_http_dial.h"
#include "agent_http_known.h"

#include "dgon/alloc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

struct agent_http_conn {
    agent_http_conn *next; /* idle ones, the last used first */
    agent_http_conns *all;
    agent_http_dial *dial; /* while it is made and, behind TLS, as long as it lives */
    void *user;            /* NULL: idle */
    uint64_t idle_since;   /* ms */
    int fd;                /* -1: not made yet */
    unsigned watched;
    uint32_t timeout_s;
    bool on_its_way; /* without libcurl */
    char *origin;    /* and behind its NUL the CA file */
};

/* Who hears of a descriptor. */
typedef struct agent_http_fd {
    agent_http_conn *conn;
    agent_http_dial *dial;
} agent_http_fd;

struct agent_http_conns {
    agent_loop *loop;
    agent_http_dials *dials;
    agent_http_known *known;
    const agent_http_conn_ops *ops;
    agent_http_conn *idle;
    unsigned idle_count;
    agent_http_fd *of_fd;
    size_t fds;
};

static void on_dialed(void *user, const char *why, int fd);

agent_http_conns *agent_http_conns_create(agent_loop *loop, const agent_http_conn_ops *ops)
{
    agent_http_conns *all = dgon_calloc(1, sizeof *all);
    if (all == NULL) {
        return NULL;
    }
    all->loop = loop;
    all->ops = ops;
    all->dials = agent_http_dials_create(all, loop, on_dialed);
    all->known = agent_http_known_create();
    if (all->dials == NULL || all->known == NULL) {
        agent_http_conns_destroy(all);
        return NULL;
    }
    return all;
}

/* --- descriptors --- */

static agent_http_fd *entry(agent_http_conns *all, int fd)
{
    size_t at = (size_t)fd;
    if (at >= all->fds) {
        size_t n = at < 512 ? 1024 : at * 2;
        agent_http_fd *more = dgon_realloc(all->of_fd, n * sizeof *more);
        if (more == NULL) {
            return NULL;
        }
        memset(more + all->fds, 0, (n - all->fds) * sizeof *more);
        all->of_fd = more;
        all->fds = n;
    }
    return &all->of_fd[at];
}

bool agent_http_conns_watch_dial(agent_http_conns *all, agent_http_dial *d, int fd, unsigned events,
                                 bool known)
{
    agent_http_fd *e = entry(all, fd);
    if (e == NULL) {
        return false;
    }
    e->dial = events != 0 ? d : NULL;
    agent_loop_watch(all->loop, fd, events, known);
    return true;
}

static void on_decided(agent_http_conn *c);

void agent_http_conns_on_fd(agent_http_conns *all, int fd, unsigned events)
{
    if (fd < 0 || (size_t)fd >= all->fds) {
        return;
    }
    agent_http_fd *e = &all->of_fd[fd];
    if (e->dial != NULL) {
        agent_http_dial_on_fd(e->dial, fd, events);
    } else if (e->conn != NULL && e->conn->on_its_way) {
        on_decided(e->conn);
    } else if (e->conn != NULL && e->conn->user != NULL) {
        all->ops->on_ready(e->conn->user, events);
    } else if (e->conn != NULL) {
        agent_http_conn_close(e->conn, false); /* idle, and it ends or says what nobody asked for */
    }
}

void agent_http_conn_watch(agent_http_conn *c, unsigned events)
{
    if (events != c->watched) {
        agent_loop_watch(c->all->loop, c->fd, events, c->watched != 0);
        c->watched = events;
    }
}

/* --- making them --- */

static bool ask_libcurl(agent_http_conn *c)
{
    c->dial = agent_http_dial_create(c->all->dials, c->origin, c->origin + strlen(c->origin) + 1,
                                     c->timeout_s, c);
    return c->dial != NULL;
}

static void on_dialed(void *user, const char *why, int fd)
{
    agent_http_conn *c = user;
    agent_http_fd *e = why == NULL ? entry(c->all, fd) : NULL;
    if (e == NULL) {
        c->all->ops->on_made(c->user, why != NULL ? why : "out of memory");
        return;
    }
    c->fd = fd;
    e->conn = c;
    if (!agent_http_dial_is_tls(c->dial)) {
        agent_http_dial_destroy(c->dial, false);
        c->dial = NULL;
        agent_http_known_learn(c->all->known, c->origin, fd);
    }
    agent_http_conn_watch(c, AGENT_LOOP_IN);
    c->all->ops->on_made(c->user, NULL);
}

/* Where it was found before. */
static bool go_there(agent_http_conn *c)
{
    bool made = false;
    int fd = agent_http_known_connect(c->all->known, c->origin, &made);
    agent_http_fd *e = fd >= 0 ? entry(c->all, fd) : NULL;
    if (e == NULL) {
        if (fd >= 0) {
            agent_os_close_backend(fd, false);
        }
        return false;
    }
    c->fd = fd;
    e->conn = c;
    c->on_its_way = !made;
    agent_http_conn_watch(c, made ? AGENT_LOOP_IN : AGENT_LOOP_OUT);
    return true;
}

static void forget_socket(agent_http_conn *c)
{
    c->all->of_fd[c->fd].conn = NULL; /* the loop forgets it when it is closed */
    c->fd = -1;
    c->watched = 0;
}

static void on_decided(agent_http_conn *c)
{
    c->on_its_way = false;
    if (agent_os_is_connected(c->fd)) {
        agent_http_conn_watch(c, AGENT_LOOP_IN);
        c->all->ops->on_made(c->user, NULL);
        return;
    }
    int fd = c->fd;
    forget_socket(c);
    agent_os_close_backend(fd, false);
    agent_http_known_forget(c->all->known, c->origin);
    if (!ask_libcurl(c)) {
        c->all->ops->on_made(c->user, "out of memory");
    }
}

agent_http_conn *agent_http_conn_make(agent_http_conns *all, const char *origin,
                                      const char *ca_file, uint32_t timeout_s, void *user)
{
    size_t a = strlen(origin) + 1, b = strlen(ca_file) + 1;
    agent_http_conn *c = dgon_calloc(1, sizeof *c);
    char *text = dgon_malloc(a + b);
    if (c == NULL || text == NULL) {
        dgon_free(c);
        dgon_free(text);
        return NULL;
    }
    memcpy(text, origin, a);
    memcpy(text + a, ca_file, b);
    c->all = all;
    c->fd = -1;
    c->timeout_s = timeout_s;
    c->origin = text;
    c->user = user;
    if (!go_there(c) && !ask_libcurl(c)) {
        agent_http_conn_close(c, false);
        return NULL;
    }
    return c;
}

bool agent_http_conn_is_made(const agent_http_conn *c)
{
    return c->fd >= 0 && !c->on_its_way;
}

/* --- keeping them --- */

agent_http_conn *agent_http_conn_take(agent_http_conns *all, const char *origin,
                                      const char *ca_file, void *user)
{
    for (agent_http_conn **at = &all->idle; *at != NULL; at = &(*at)->next) {
        agent_http_conn *c = *at;
        if (strcmp(c->origin, origin) == 0 &&
            strcmp(c->origin + strlen(origin) + 1, ca_file) == 0) {
            if (agent_os_now_ms() - c->idle_since > AGENT_HTTP_IDLE_MS) {
                return NULL; /* and the others to there are older */
            }
            *at = c->next;
            all->idle_count--;
            c->next = NULL;
            c->user = user;
            return c;
        }
    }
    return NULL;
}

static void drop_last(agent_http_conns *all)
{
    agent_http_conn *last = all->idle;
    while (last->next != NULL) {
        last = last->next;
    }
    agent_http_conn_close(last, false);
}

void agent_http_conn_keep(agent_http_conn *c)
{
    agent_http_conns *all = c->all;
    agent_http_conn_watch(c, AGENT_LOOP_IN);
    c->user = NULL;
    c->idle_since = agent_os_now_ms();
    c->next = all->idle;
    all->idle = c;
    if (++all->idle_count > AGENT_HTTP_IDLE_MAX) {
        drop_last(all);
    }
}

static void forget_idle(agent_http_conn *c)
{
    for (agent_http_conn **at = &c->all->idle; *at != NULL; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            c->all->idle_count--;
            return;
        }
    }
}

void agent_http_conn_close(agent_http_conn *c, bool reset)
{
    if (c->user == NULL) {
        forget_idle(c);
    }
    if (c->on_its_way) {
        agent_http_known_forget(c->all->known, c->origin); /* it took too long */
    }
    int fd = c->fd;
    if (fd >= 0) {
        forget_socket(c);
    }
    if (c->dial != NULL) {
        agent_http_dial_destroy(c->dial, reset);
    } else if (fd >= 0) {
        agent_os_close_backend(fd, reset);
    }
    dgon_free(c->origin);
    dgon_free(c);
}

void agent_http_conns_tick(agent_http_conns *all)
{
    uint64_t now = agent_os_now_ms();
    for (agent_http_conn *c = all->idle, *next; c != NULL; c = next) {
        next = c->next;
        if (now - c->idle_since > AGENT_HTTP_IDLE_MS) {
            agent_http_conn_close(c, false);
        }
    }
}

void agent_http_conns_destroy(agent_http_conns *all)
{
    if (all == NULL) {
        return;
    }
    while (all->idle != NULL) {
        agent_http_conn_close(all->idle, false);
    }
    dgon_free(all->of_fd);
    agent_http_known_destroy(all->known);
    agent_http_dials_destroy(all->dials);
    dgon_free(all);
}

/* --- bytes --- */

bool agent_http_conn_hides(const agent_http_conn *c)
{
    return c->dial != NULL;
}

static ssize_t or_why(ssize_t n)
{
    return n >= 0                                    ? n
           : errno == EAGAIN || errno == EWOULDBLOCK ? AGENT_HTTP_AGAIN
                                                     : AGENT_HTTP_LOST;
}

ssize_t agent_http_conn_read(agent_http_conn *c, char *p, size_t n)
{
    ssize_t got;
    if (c->dial != NULL) {
        return agent_http_dial_read(c->dial, p, n);
    }
    do {
        got = recv(c->fd, p, n, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    return or_why(got);
}

ssize_t agent_http_conn_write(agent_http_conn *c, const struct iovec *v, int count)
{
    ssize_t sent;
    if (c->dial != NULL) {
        return agent_http_dial_write(c->dial, v[0].iov_base, v[0].iov_len);
    }
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)v, .msg_iovlen = (size_t)count};
    do {
        sent = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return or_why(sent);
}

#include "load_transport.h"

#include "load_options.h"
#include "load_report.h"
#include "load_tls.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOW_WINDOW 4096
/* The kernel looks longer and longer for a free port of one address; half of its range is quick. */
#define PORTS 8192

static struct addrinfo *address;
static int epoll;

void transport_init(void)
{
    struct addrinfo hint = {.ai_socktype = SOCK_STREAM};

    if (getaddrinfo(opt.host, opt.port, &hint, &address)) {
        fprintf(stderr, "load: no address for %s:%s\n", opt.host, opt.port);
        exit(2);
    }
    if (opt.tls) {
        tls_init(opt.http2 ? "h2" : "http/1.1");
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) {
        die("epoll_create1");
    }
}

void transport_fini(void)
{
    tls_fini();
    freeaddrinfo(address);
    close(epoll);
}

int transport_wait(struct epoll_event *e, int max, int ms)
{
    return epoll_wait(epoll, e, max, ms);
}

static void watch(struct transport *t)
{
    struct epoll_event e = {.data.ptr = t->user};
    int op;

    if (transport_opening(t)) {
        e.events = t->want_write ? EPOLLOUT : EPOLLIN;
    } else {
        e.events =
            (t->slow ? 0 : (uint32_t)EPOLLIN) | (bytes_used(&t->out) ? (uint32_t)EPOLLOUT : 0);
    }
    if (e.events == t->events) {
        return;
    }
    op = !t->events ? EPOLL_CTL_ADD : !e.events ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    t->events = e.events;
    if (epoll_ctl(epoll, op, t->fd, &e)) {
        die("epoll_ctl");
    }
}

/* On loopback, connections come from 127.0.0.1 and, when it has enough of them, from 127.0.0.2 ...
 */
static void spread_source(int fd)
{
    struct sockaddr_in a;
    int one = 1;

    if (address->ai_family != AF_INET || count.connected <= PORTS) {
        return;
    }
    memcpy(&a, address->ai_addr, sizeof(a));
    if (ntohl(a.sin_addr.s_addr) >> 24 != 127) {
        return;
    }
    a.sin_port = 0;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(count.connected / PORTS));
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) ||
        bind(fd, (struct sockaddr *)&a, sizeof(a))) {
        die("bind");
    }
}

bool transport_open(struct transport *t, void *user, bool slow)
{
    int one = 1, small = SLOW_WINDOW;

    *t = (struct transport){
        .user = user, .state = TRANSPORT_CONNECTING, .slow = slow, .want_write = true};
    t->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd < 0) {
        die("socket");
    }
    count.connections++;
    count.connected++;
    if (count.connected > count.connected_high) {
        count.connected_high = count.connected;
    }
    spread_source(t->fd);
    setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (slow) {
        setsockopt(t->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    }
    if (connect(t->fd, address->ai_addr, address->ai_addrlen) && errno != EINPROGRESS) {
        note_error(strerror(errno), strlen(strerror(errno)));
        return false;
    }
    watch(t);
    return true;
}

static int step_connect(struct transport *t)
{
    int error = 0;
    socklen_t n = sizeof(error);

    getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (error) {
        note_error(strerror(error), strlen(strerror(error)));
        return -1;
    }
    if (!opt.tls) {
        return 1;
    }
    t->tls = tls_new(t->fd, opt.host);
    t->state = TRANSPORT_HANDSHAKE;
    return 0;
}

int transport_step(struct transport *t)
{
    int k = t->state == TRANSPORT_CONNECTING ? step_connect(t) : 0;

    if (t->state == TRANSPORT_HANDSHAKE) {
        k = tls_step(t->tls, &t->want_write);
    }
    if (k < 0) {
        return k;
    }
    if (k) {
        t->state = TRANSPORT_OPEN;
    }
    watch(t);
    return k;
}

ssize_t transport_read(struct transport *t, char *p, size_t max)
{
    ssize_t n = t->tls ? tls_read(t->tls, p, max) : recv(t->fd, p, max, 0);

    if (n < 0 && !t->tls) {
        return errno == EAGAIN || errno == EINTR ? -1 : 0;
    }
    count.bytes += n > 0 ? (uint64_t)n : 0;
    return n;
}

bool transport_more(const struct transport *t)
{
    return t->state == TRANSPORT_OPEN && t->tls && SSL_has_pending(t->tls);
}

static ssize_t send_some(struct transport *t)
{
    const char *p = bytes_begin(&t->out);
    size_t n = bytes_used(&t->out);
    ssize_t sent = t->tls ? tls_write(t->tls, p, n) : send(t->fd, p, n, MSG_NOSIGNAL);

    if (sent < 0 && !t->tls && errno != EAGAIN && errno != EINTR) {
        return 0;
    }
    return sent;
}

void transport_flush(struct transport *t)
{
    while (bytes_used(&t->out)) {
        ssize_t n = send_some(t);

        if (n < 0) {
            watch(t);
            return;
        }
        if (n == 0) {
            break;
        }
        t->out.at += (size_t)n;
    }
    bytes_free(&t->out);
    watch(t);
}

void transport_write(struct transport *t, const char *p, size_t n)
{
    bytes_add(&t->out, p, n);
    transport_flush(t);
}

void transport_close(struct transport *t)
{
    if (t->state != TRANSPORT_CLOSED) {
        SSL_free(t->tls);
        t->tls = NULL;
        close(t->fd);
        count.connected--;
    }
    bytes_free(&t->out);
    t->state = TRANSPORT_CLOSED;
    t->events = 0;
}

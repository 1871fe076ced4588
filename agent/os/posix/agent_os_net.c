/* Names, and how a TCP connection is made, tuned and ended. */
#include "agent_os.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

unsigned agent_os_resolve(const char *host, unsigned port,
                          char out[AGENT_OS_ADDRS_MAX][AGENT_OS_ADDR_MAX])
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1 || inet_pton(AF_INET6, host, &v6) == 1) {
        hints.ai_flags = AI_NUMERICHOST; /* ADDRCONFIG would hide a loopback address on a machine
                                            without network */
    }
    struct addrinfo *list = NULL;
    char service[16];
    (void)snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &list) != 0) {
        return 0;
    }
    unsigned n = 0;
    for (struct addrinfo *a = list; a != NULL && n < AGENT_OS_ADDRS_MAX; a = a->ai_next) {
        if (getnameinfo(a->ai_addr, a->ai_addrlen, out[n], AGENT_OS_ADDR_MAX, NULL, 0,
                        NI_NUMERICHOST) == 0) {
            n++;
        }
    }
    freeaddrinfo(list);
    return n;
}

void agent_os_tune_link(int fd, unsigned dead_s)
{
    unsigned ms = dead_s * 1000u;
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* By itself the buffer grows to megabytes, and a token that waits in it is an old one. */
void agent_os_tune_backend(intptr_t fd)
{
    int n = 65536; /* the kernel doubles it, for its own needs */
    (void)setsockopt((int)fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof n);
}

bool agent_os_peer_of(int fd, agent_os_peer *peer)
{
    socklen_t n = sizeof peer->address;
    _Static_assert(sizeof(struct sockaddr_storage) <= sizeof peer->address, "any address");
    if (getpeername(fd, (struct sockaddr *)(void *)peer->address, &n) != 0) {
        return false;
    }
    peer->len = n;
    return true;
}

static bool is_begun(int fd, const agent_os_peer *peer, bool *made)
{
    const struct sockaddr *to = (const struct sockaddr *)(const void *)peer->address;
    *made = false;
    /* a second time: on this machine it often stands by now, and a turn of the loop is spared */
    for (int i = 0; i < 2 && !*made; i++) {
        *made = connect(fd, to, peer->len) == 0 || errno == EISCONN;
        if (!*made && errno != EINPROGRESS && errno != EALREADY) {
            return false;
        }
    }
    return true;
}

int agent_os_connect_backend(const agent_os_peer *peer, bool *made)
{
    const struct sockaddr *to = (const struct sockaddr *)(const void *)peer->address;
    int one = 1, fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    agent_os_tune_backend(fd);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!is_begun(fd, peer, made)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool agent_os_is_connected(int fd)
{
    int error = 0;
    socklen_t n = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0;
}

void agent_os_close_backend(intptr_t fd, bool reset)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (reset) {
        (void)setsockopt((int)fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    (void)close((int)fd);
}

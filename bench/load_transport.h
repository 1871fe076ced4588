/* A TCP connection, with or without TLS, that never blocks. */
#ifndef BENCH_LOAD_TRANSPORT_H
#define BENCH_LOAD_TRANSPORT_H

#include "common.h"

#include <openssl/types.h>
#include <sys/epoll.h>

enum transport_state {
    TRANSPORT_CLOSED,
    TRANSPORT_CONNECTING,
    TRANSPORT_HANDSHAKE,
    TRANSPORT_OPEN
};

/* Zeroed memory is a closed one. */
struct transport {
    struct bytes out; /* not sent yet */
    void *user;       /* comes with its events */
    SSL *tls;         /* NULL: none */
    enum transport_state state;
    uint32_t events;
    int fd;
    bool slow, want_write;
};

/* Looks the address of opt.host up; ends the program when there is none. */
void transport_init(void);
void transport_fini(void);
/* Fills e with what happened to open transports (data.ptr is user); returns how many. */
int transport_wait(struct epoll_event *e, int max, int ms);

/* Begins to connect. slow: a small window, and no event once it is open. False: refused at once. */
bool transport_open(struct transport *t, void *user, bool slow);
static inline bool transport_opening(const struct transport *t)
{
    return t->state == TRANSPORT_CONNECTING || t->state == TRANSPORT_HANDSHAKE;
}

/* After an event of one that is opening. 1: it is open now; 0: not yet; -1: it failed, which has
 * been noted. */
int transport_step(struct transport *t);
/* Bytes read; 0: the other side closed, or the connection broke; -1: nothing is there now. */
ssize_t transport_read(struct transport *t, char *p, size_t max);
/* Bytes that no event will tell of are there: read again. */
bool transport_more(const struct transport *t);
/* Queues the bytes and sends what can be sent; an error shows in the next read. */
void transport_write(struct transport *t, const char *p, size_t n);
/* After EPOLLOUT. */
void transport_flush(struct transport *t);
/* Also of a closed one. */
void transport_close(struct transport *t);

#endif

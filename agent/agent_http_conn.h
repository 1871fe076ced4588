/* Connections to backends, kept between requests. libcurl finds the backend (names, several
 * addresses); a plain connection is a socket, and all that it needs. Behind TLS libcurl makes each,
 * reads and writes it. */
#ifndef AGENT_HTTP_CONN_H
#define AGENT_HTTP_CONN_H

#include "agent_loop.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define AGENT_HTTP_IDLE_MAX 512u  /* connections kept for later, to all backends */
#define AGENT_HTTP_IDLE_MS  3000u /* and for how long: llama-server drops them after 5 s */

/* What agent_http_conn_read() and _write() say beside a length. */
#define AGENT_HTTP_AGAIN ((ssize_t)-1) /* not now: the loop tells when */
#define AGENT_HTTP_LOST  ((ssize_t)-2) /* it is broken */

typedef struct agent_http_conn agent_http_conn;
typedef struct agent_http_conns agent_http_conns;

typedef struct agent_http_conn_ops {
    /* why NULL: it stands. Else it never will; it is closed by the user. */
    void (*on_made)(void *user, const char *why);
    void (*on_ready)(void *user, unsigned events);
} agent_http_conn_ops;

/* NULL when memory is short. */
agent_http_conns *agent_http_conns_create(agent_loop *loop, const agent_http_conn_ops *ops);
/* All connections that are in use must be closed before. */
void agent_http_conns_destroy(agent_http_conns *all);
/* From the loop's handler. */
void agent_http_conns_on_fd(agent_http_conns *all, int fd, unsigned events);
/* About once a second: those that nobody has used for long go. */
void agent_http_conns_tick(agent_http_conns *all);

/* `origin`: http://host:port, in memory of the caller's; ca_file: "" = the system's. user: of the
 * calls above, until it is kept or closed. */

/* A kept one; NULL: there is none. The last one used comes first. */
agent_http_conn *agent_http_conn_take(agent_http_conns *all, const char *origin,
                                      const char *ca_file, void *user);
/* A new one; on_made tells, later, unless it is made by then. NULL when memory is short. */
agent_http_conn *agent_http_conn_make(agent_http_conns *all, const char *origin,
                                      const char *ca_file, uint32_t timeout_s, void *user);
bool agent_http_conn_is_made(const agent_http_conn *c);
/* The user is done with it; it has nothing to say. */
void agent_http_conn_keep(agent_http_conn *c);
/* reset: nobody wants what is still to come. */
void agent_http_conn_close(agent_http_conn *c, bool reset);
/* What on_ready is called for: AGENT_LOOP_*; a new one is watched for input. */
void agent_http_conn_watch(agent_http_conn *c, unsigned events);
/* 0: it has ended. */
ssize_t agent_http_conn_read(agent_http_conn *c, char *p, size_t n);
ssize_t agent_http_conn_write(agent_http_conn *c, const struct iovec *v, int count);
/* Bytes may wait where the loop does not see them, so read until there are none. */
bool agent_http_conn_hides(const agent_http_conn *c);

#endif

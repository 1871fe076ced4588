/* libcurl makes one connection, without a request. For agent_http_conn.c alone. */
#ifndef AGENT_HTTP_DIAL_H
#define AGENT_HTTP_DIAL_H

#include "agent_http_conn.h"

typedef struct agent_http_dial agent_http_dial;

/* libcurl itself, once a process, and what its connections share: names it has looked up, TLS
 * sessions to be resumed. NULL when memory is short. on_dialed, why NULL: fd is connected and,
 * without TLS, the caller's from now on; the dial is destroyed by the caller, perhaps from inside.
 * Not called from inside agent_http_dial_create(). */
typedef struct agent_http_dials agent_http_dials;
agent_http_dials *agent_http_dials_create(agent_http_conns *all, agent_loop *loop,
                                          void (*on_dialed)(void *user, const char *why, int fd));
/* All of them must be destroyed before. */
void agent_http_dials_destroy(agent_http_dials *dials);

/* NULL when memory is short. The texts must last as long as the dial. */
agent_http_dial *agent_http_dial_create(agent_http_dials *dials, const char *origin,
                                        const char *ca_file, uint32_t timeout_s, void *user);
/* With what it has connected, unless that was given away. */
void agent_http_dial_destroy(agent_http_dial *d, bool reset);
bool agent_http_dial_is_tls(const agent_http_dial *d);
void agent_http_dial_on_fd(agent_http_dial *d, int fd, unsigned events);
/* Behind TLS; as agent_http_conn_read() and agent_http_conn_write(). */
ssize_t agent_http_dial_read(agent_http_dial *d, char *p, size_t n);
ssize_t agent_http_dial_write(agent_http_dial *d, const char *p, size_t n);

/* agent_http_conn.c: events 0 forgets fd. False when memory is short. */
bool agent_http_conns_watch_dial(agent_http_conns *all, agent_http_dial *d, int fd, unsigned events,
                                 bool known);

#endif

/* What the files of a connection share. Engine thread unless it says otherwise. */
#ifndef MOD_DGON_CONN_INT_H
#define MOD_DGON_CONN_INT_H

#include "mod_dgon_conn.h"

#include <sys/types.h>

struct iovec;

/* mod_dgon_conn.c */
void mod_dgon_conn_event(mod_dgon_watch *w, uint32_t events);
/* epoll bits for its socket, 0: none. Owner of the connection: whichever thread has it. */
void mod_dgon_conn_watch_bits(mod_dgon_conn *mc, uint32_t bits);
/* Those that its stage and its pending output need. */
void mod_dgon_conn_watch(mod_dgon_conn *mc);
/* Flushes what waits, keeps the connection alive, or closes it. */
void mod_dgon_conn_request_over(mod_dgon_conn *mc);
void mod_dgon_conn_linger(mod_dgon_conn *mc);
/* At once or, while its worker has not left, as soon as that has. */
void mod_dgon_conn_destroy(mod_dgon_conn *mc);

/* mod_dgon_conn_out.c */
apr_status_t mod_dgon_conn_filter(ap_filter_t *f, apr_bucket_brigade *bb);
/* Sends to fd, mc's socket, what that takes now: the bytes, or negative. If the client is gone, the
 * connection is aborted then. */
ssize_t mod_dgon_conn_sendv(mod_dgon_conn *mc, int fd, struct iovec *vec, size_t count);
/* For mod_logio, which else counts them in core's filter. */
void mod_dgon_conn_count_out(conn_rec *c, size_t bytes);
/* And counts in as often as they are looked at. */
void mod_dgon_conn_looked_at(conn_rec *c, apr_off_t bytes);
/* What core has kept. False: the connection is dead. */
bool mod_dgon_conn_send_pending(mod_dgon_conn *mc);
void mod_dgon_conn_optional_fns(void); /* hook */

/* mod_dgon_conn_next.c */
/* Something of the next request is there: has it run, here or by a worker. */
void mod_dgon_conn_next(mod_dgon_conn *mc);

/* mod_dgon_conn_handover.c */
/* Proven: the worker that suspended it is out of process_socket. */
bool mod_dgon_conn_worker_left(mod_dgon_conn *mc);
/* The engine has it (again). */
void mod_dgon_conn_arrived(mod_dgon_task *t);
void mod_dgon_conn_suspended(conn_rec *c, request_rec *r); /* hooks, worker */
int mod_dgon_conn_begins(conn_rec *c);

#endif

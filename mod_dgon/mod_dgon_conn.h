/* A client connection in the engine's hands. httpd 2.4 can suspend a connection but not resume it,
 * so the engine keeps it for the rest of its life: writes through the filter chain, runs the next
 * request itself or by a borrowed worker, lingers and closes. Ownership goes worker -> engine ->
 * worker -> engine; exactly one thread touches it at a time. */
#ifndef MOD_DGON_CONN_H
#define MOD_DGON_CONN_H

#include "mod_dgon_engine.h"

#include <scoreboard.h>
#include <util_filter.h>

typedef struct mod_dgon_conn mod_dgon_conn;

/* Who uses the connection now: a client stream or a link. Engine thread. */
typedef struct mod_dgon_conn_user {
    void (*adopted)(void *user); /* the worker has let go: the connection may be used from now on */
    void (*event)(void *user, uint32_t epoll_bits); /* readable, writable (pending output has been
                                                       sent on already), hung up */
    bool reads; /* it reads what comes; else input waits for the next request */
} mod_dgon_conn_user;

typedef enum mod_dgon_conn_stage {
    CONN_WORKER = 0, /* a worker's, or waits in engine->requests, or that request runs */
    CONN_HANDOVER,   /* in the inbox, or the worker has not left it yet */
    CONN_USED,       /* by a stream or a link */
    CONN_FLUSH,      /* the request is over, output is pending */
    CONN_KEEPALIVE,  /* waits for the next request */
    CONN_LINGER,     /* FIN sent, waits for the client's */
    CONN_DEAD        /* waits for the proof that the worker has left, then it is destroyed */
} mod_dgon_conn_stage;

struct mod_dgon_conn {
    mod_dgon_watch watch;
    mod_dgon_task task;
    mod_dgon_timer timer; /* flush, keep-alive, linger; the user has its own */
    mod_dgon_engine *engine;
    conn_rec *c;
    ap_filter_t *core;        /* httpd's last output filter */
    apr_bucket_brigade *held; /* while writing: head of the write */
    apr_bucket_brigade *look; /* between two requests */
    mod_dgon_conn *next;      /* in engine->handover or engine->requests */
    mod_dgon_conn *next_again;
    bool again;
    const mod_dgon_conn_user *ops;
    void *user;
    mod_dgon_conn_stage stage;
    int fd;
    uint32_t watching; /* epoll bits registered, 0 = not in the set */
    bool nonblocking;  /* the engine owns it: FLUSH is stripped, nothing blocks */
    bool suspending;   /* the handler has asked for adoption */
    bool half_closed;  /* the client's FIN was seen */
    bool writing;      /* what is passed down without a flush waits for what comes with one */
    bool missed;       /* events came that nobody could hear */
    bool plain;        /* no TLS: httpd reads what lies in the socket */
    bool alone;        /* its request was all that lay there, and nothing has come since */
    uint64_t request;  /* of its last stream, if that was admitted in no time: its request line */
    bool left;         /* proven: the worker that suspended it is out of process_socket */
    /* what the proof looks at, noted in the suspend_connection hook */
    const worker_score *ws;
    pid_t tid;
    const atomic_uint *epoch;
    unsigned epoch_was;
    /* a worker parked in the handler, where the MPM cannot suspend */
    pthread_mutex_t *park_mutex;
    pthread_cond_t *park_cond;
    bool parked;
};

/* Registers filter and hooks; register_hooks. */
void mod_dgon_conn_register(void);
/* The connection's record; NULL on HTTP/2 streams and where the hook did not run. Worker. */
mod_dgon_conn *mod_dgon_conn_get(conn_rec *c);
/* Worker, in a handler: the engine shall have the connection. Returns what the handler must return:
 * SUSPENDED, or, where the MPM cannot suspend, OK after the worker was parked until the engine was
 * done with it. */
int mod_dgon_conn_suspend(mod_dgon_conn *mc, mod_dgon_engine *e, const mod_dgon_conn_user *ops,
                          void *user);
/* Worker: r's job was admitted. If that was quick, the next request like it may be run in the
 * engine. */
void mod_dgon_conn_took(mod_dgon_conn *mc, const request_rec *r);

/* Engine thread, from here on. */

/* Sends bb (ends with FLUSH) through `filters`; never blocks. False: the connection is dead. */
bool mod_dgon_conn_write(mod_dgon_conn *mc, ap_filter_t *filters, apr_bucket_brigade *bb);
/* True while output waits for the socket: write no more. */
bool mod_dgon_conn_blocked(const mod_dgon_conn *mc);
/* The request is over (its end was written; `broken`: it was not, the client must notice): log it,
 * then flush, keep alive or close. r is dead afterwards. */
void mod_dgon_conn_done(mod_dgon_conn *mc, request_rec *r, bool broken);
/* No more events, until mod_dgon_conn_done(). */
void mod_dgon_conn_unwatch(mod_dgon_conn *mc);
/* Gives back what reading the request has left in the connection's allocator (4 KiB and more): for
 * a stream that has lasted a while and may last longer. */
void mod_dgon_conn_trim(mod_dgon_conn *mc);
/* The user left input unread: its event is called again next turn. */
void mod_dgon_conn_again(mod_dgon_conn *mc);
/* Called once a loop. True if there is more to do at once. */
bool mod_dgon_conn_again_run(mod_dgon_engine *e);
/* Called once a turn: requests on kept connections. False: another thread leads now. */
bool mod_dgon_conn_requests_run(mod_dgon_engine *e);
/* Called once a loop: hand-overs whose worker has left. True if some still wait. */
bool mod_dgon_conn_handover_run(mod_dgon_engine *e);

#endif

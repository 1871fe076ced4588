/* The engine: one thread a child, made in child_init, that owns every agent link and every
 * suspended client connection of that child. Nothing else touches them while it does; workers hand
 * over and take back through its inbox. A second thread stands by (dgon_relief.h). */
#ifndef MOD_DGON_ENGINE_H
#define MOD_DGON_ENGINE_H

#include "mod_dgon_config.h"
#include "mod_dgon_timer.h"

#include "dgon/buf.h"
#include "dgon/registry.h"
#include "dgon/relief.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MOD_DGON_TICK_MS \
    100 /* longest wait: stop flags and dead children are looked for this often */
#define MOD_DGON_OUT_MAX \
    (64u * 1024u) /* what one turn may hand to a client; below httpd's FlushMaxThreshold */

#define MOD_DGON_IN_MAX (64u * 1024u)

struct mod_dgon_stream;
struct mod_dgon_link;
struct mod_dgon_link_job;

/* Embedded in whatever has a file descriptor in the engine's epoll set. */
typedef struct mod_dgon_watch mod_dgon_watch;
struct mod_dgon_watch {
    void (*fn)(mod_dgon_watch *w, uint32_t events);
};

/* Embedded in whatever a worker thread sends to the engine. */
typedef struct mod_dgon_task mod_dgon_task;
struct mod_dgon_task {
    mod_dgon_task *next;
    void (*fn)(mod_dgon_task *t);
};

typedef struct mod_dgon_engine {
    server_rec *server;
    const mod_dgon_conf *conf; /* of the main server */
    dgon_registry *registry;
    uint32_t child;
    uint32_t jobs;   /* slots in the registry */
    uint32_t window; /* credit a job starts with */
    int wakefd, epfd;
    dgon_relief relief;
    pthread_t thread[2]; /* one leads, the other stands by */
    unsigned threads;
    bool async; /* the MPM can suspend */
    _Atomic(mod_dgon_task *) inbox;
    atomic_bool draining;         /* finish, take nothing new */
    atomic_bool stopping;         /* leave within 100 ms */
    atomic_uint requests_running; /* by the engine's threads */
    atomic_bool idle; /* as of the last turn: no stream, no job on a link, nobody on the way here */
    _Atomic(uintptr_t) *clients; /* per job slot: 0, a stream of the engine's, or (eventfd << 1 | 1)
                                    of a waiting worker */
    atomic_uint workers_waiting; /* streams in the blocking loop, links that park a worker */
    atomic_uint askers;          /* whom threads of the administrators' socket serve */

    /* the thread that leads only, from here on */
    mod_dgon_wheel wheel;
    uint64_t now;                    /* ms, CLOCK_MONOTONIC, read once a wake-up */
    uint64_t drain_until, goaway_at; /* 0: not draining */
    bool retiring;                   /* and nobody who stays is known to use this registry */
    bool dirty;                      /* some link has something to send */
    uint64_t ws_in, ws_out;          /* bytes on links that were not added up yet */
    uint64_t next_tick, next_audit;
    struct mod_dgon_link_job *link_jobs; /* per job slot */
    struct mod_dgon_stream *streams;     /* list of the suspended ones */
    struct mod_dgon_stream *gone;   /* clients that went, streams still to be ended (by prev) */
    uint64_t gone_first, gone_last; /* ms */
    struct mod_dgon_link *links;
    struct mod_dgon_conn *handover; /* connections the worker has not let go of yet */
    struct mod_dgon_conn *again;    /* connections with input left unread */
    struct mod_dgon_conn *requests, **requests_end; /* kept connections with a request to be run */
    unsigned requests_waiting;
    struct mod_dgon_agents *agents; /* who has joined; NULL: no DgonAgentFile */
    struct mod_dgon_link **link_at; /* per link slot of the registry, those of this child */
    dgon_buf out;                   /* scratch for one write */
    unsigned char *in;              /* and for one read, MOD_DGON_IN_MAX */
} mod_dgon_engine;

/* child_init. NULL after a log line; the handlers then answer 503. */
mod_dgon_engine *mod_dgon_engine_start(apr_pool_t *pchild, server_rec *s);
/* The child's engine, NULL if there is none. Any thread. */
mod_dgon_engine *mod_dgon_engine_get(void);
/* Any thread: run t->fn in the engine. t stays the caller's memory until then. */
void mod_dgon_engine_post(mod_dgon_engine *e, mod_dgon_task *t);
/* Graceful: goaway to the agents, jobs may end until the drain timeout. Any thread, any number of
 * times. */
void mod_dgon_engine_drain(mod_dgon_engine *e);
/* Hard: every stream gets an error event, links are closed, the thread is joined. pchild cleanup,
 * once. */
void mod_dgon_engine_stop(mod_dgon_engine *e);
/* Blocking loops and parked workers: true when the MPM wants the child to end soon (also tells the
 * engine). */
bool mod_dgon_engine_leaving(mod_dgon_engine *e);
/* Is this thread one of the engine's two? Then it runs a request that must not wait. */
bool mod_dgon_engine_is_here(void);
uint64_t mod_dgon_now_ms(void);

#endif

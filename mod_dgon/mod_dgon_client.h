/* A client's stream: one request from admission to its last byte. The same job code serves a
 * suspended connection in the engine and a worker in the blocking loop; they differ in who waits
 * and in whether a write may block. */
#ifndef MOD_DGON_CLIENT_H
#define MOD_DGON_CLIENT_H

#include "mod_dgon_engine.h"
#include "mod_dgon_way.h"

#include "dgon/error.h"
#include "dgon/op.h"
#include "dgon/pass.h"

#include <stddef.h>

#define MOD_DGON_LINE       64 /* bytes of a line of the cache */
#define MOD_DGON_STREAM_HOT (2 * MOD_DGON_LINE)

typedef struct mod_dgon_stream mod_dgon_stream;

typedef enum mod_dgon_pump {
    PUMP_WAIT = 0, /* nothing to do until news, a timer or the socket */
    PUMP_ENDED,    /* the answer is complete (an error object or event counts as one) */
    PUMP_BROKEN    /* it cannot be completed: the connection must break visibly. One that is
                      collected has failed: its error says why */
} mod_dgon_pump;

/* A request that is passed on, as it is (mod_dgon_pass.h). */
typedef struct mod_dgon_upload {
    dgon_buf head;                /* JSON for the agent */
    bool head_fed;                /* to this attempt */
    bool more;                    /* the client's body goes on behind what is in `body` */
    bool begun;                   /* some of that was read: no other attempt can be made */
    bool ended;                   /* the end was fed to this attempt */
    bool wants_input;             /* nothing to read for the moment */
    uint64_t input_at;            /* when something was last read */
    const dgon_pass_head *answer; /* its head, once it came: headers until the first write */
    int64_t passed;               /* bytes of its body so far */
    apr_bucket_brigade *in;
} mod_dgon_upload;

struct mod_dgon_stream {
    /* What a token looks at. It stands together, and the stream at the start of a cache line: with
     * a thousand of them each line costs a token a miss. */
    mod_dgon_engine *engine;
    mod_dgon_upload *upload; /* of a request that is passed on, else NULL */
    uint64_t now, started;
    dgon_job_ref ref;
    uint64_t last_content, last_write, blocked_since;
    uint64_t events;
    mod_dgon_way way;  /* of what comes behind its headers */
    uint32_t consumed; /* of the down ring since the link child was told */
    dgon_form form;    /* of the job's answer */
    bool streaming;
    bool collect; /* a part of a request: the answer, or the lines of a stream, stay in memory and
                     nothing goes to the client */
    bool has_job;
    bool content_sent; /* something of the answer went out: no retry any more */
    bool headers_sent, in_event, over;

    request_rec *r;
    conn_rec *c;
    mod_dgon_conn *mc;      /* NULL in the blocking loop */
    apr_bucket_brigade *bb; /* for one write at a time */
    const mod_dgon_conf *conf;
    int wakefd;                   /* blocking loop: the worker's eventfd */
    mod_dgon_stream *next, *prev; /* in engine->streams */
    mod_dgon_timer timer;

    /* the request */
    const char *model; /* as it was asked for; "" until it is known */
    dgon_buf body;     /* kept for a retry until the first content went out */
    size_t body_at;
    bool has_place; /* its request was let in with another part: it waits whatever DgonQueueMax */
    bool not_quick; /* the next request like it is not for the engine's own thread */

    /* the job */
    int alias;     /* step of the alias that was asked for, or MOD_DGON_ALIAS_NONE */
    uint32_t caps; /* DGON_CAP_… that the request asks of a model */
    dgon_job_spec spec;
    bool accepted; /* the agent has the body and a slot for it */
    bool was_bound;
    bool cold_asked; /* whether its agent has to load the model */
    bool requeue;    /* an agent refused for want of a slot: claimed again at requeue_at */
    unsigned requeues;
    uint64_t bound_at, requeue_at, queued_told_at;
    uint32_t queued_told;

    /* the answer */
    bool probing, trimmed;
    uint64_t probe_at;
    struct mod_dgon_tally *tally; /* of the request; its parts share it */
    dgon_buf answer;              /* a whole JSON answer, until its end is known */
    dgon_error *failed;           /* mod_dgon_client_error() */
};

_Static_assert(offsetof(mod_dgon_stream, r) <= MOD_DGON_STREAM_HOT,
               "two lines of the cache have all that a token looks at");

/* Worker: a stream for r with pool lifetime; body is the caller's to fill. */
mod_dgon_stream *mod_dgon_client_create(request_rec *r, mod_dgon_engine *e,
                                        const mod_dgon_conf *conf);
/* Owner of the stream: why it fails, for reading and writing; http is 0 while it does not. Few ever
 * do, so the room for it is taken when it is first asked for. */
dgon_error *mod_dgon_client_error(mod_dgon_stream *s);
/* Worker: admits the job and runs it to its end. Returns what the handler must return. */
int mod_dgon_client_run(mod_dgon_stream *s);

/* Engine thread. */
void mod_dgon_client_news(mod_dgon_stream *s);
/* Since the last client went. A hundred that go at once take up to 7 ms to the backends' ends, and
 * memory that is given back meanwhile would be in the way of the cancels. */
#define MOD_DGON_GONE_REST_MS 10
/* Once a turn: ends the streams whose clients were seen to be gone a moment ago; `all`: at once. */
void mod_dgon_client_end_gone(mod_dgon_engine *e, bool all);
/* Ends every suspended stream with an error ("server_restarting"). */
void mod_dgon_client_fail_all(mod_dgon_engine *e);

/* Owner of the stream (engine or its worker), shared by both ways; mod_dgon_block.c has the other
 * one. */
dgon_status mod_dgon_client_admit(mod_dgon_stream *s);
mod_dgon_pump mod_dgon_client_pump(mod_dgon_stream *s, dgon_buf *out);
/* Deadlines. *due: when to call again at the latest. */
mod_dgon_pump mod_dgon_client_tick(mod_dgon_stream *s, dgon_buf *out, uint64_t *due);
/* Ends it with its error: as status and object, or as an event. */
mod_dgon_pump mod_dgon_client_fail(mod_dgon_stream *s, dgon_buf *out);
/* The client is gone: cancel. */
void mod_dgon_client_gone(mod_dgon_stream *s);
/* Sends 200 and a comment although nothing came yet. False: the connection is dead. */
bool mod_dgon_client_probe(mod_dgon_stream *s, dgon_buf *out);
/* The blocking loop: HTTP/2 streams, worker and prefork MPM. */
int mod_dgon_client_block(mod_dgon_stream *s);

#endif

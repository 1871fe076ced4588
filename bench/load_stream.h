/* The life of a stream: one request after the other, each answer checked, until none is left. */
#ifndef BENCH_LOAD_STREAM_H
#define BENCH_LOAD_STREAM_H

#include "load_answer.h"
#include "load_http1.h"
#include "load_http2.h"

enum stream_state { STREAM_IDLE, STREAM_ACTIVE, STREAM_OVER };

struct stream {
    struct answer answer;
    struct http1 http1;        /* the one that */
    struct http2_stream http2; /* carries it */
    enum stream_state state;
};

/* How requests travel. All are called from the one thread; now is its clock's last reading. */
struct carrier {
    /* Sends the stream's request, on a connection that it has or opens; sets answer.sent_at. */
    void (*request)(struct stream *s, uint64_t now);
    /* The stream wants no more of what it asked for, or of its connection. */
    void (*drop)(struct stream *s);
    /* Takes at most n bytes for a slow stream. */
    void (*read_slow)(struct stream *s, size_t n);
    /* Something happened to what the carrier gave to transport_open. */
    void (*event)(void *user, uint32_t events);
};

extern const struct carrier *carrier;
extern struct stream *streams; /* opt.streams of them */
/* busy: streams that are not over; begin, finish: when the first one began and the last one ended,
 * nanoseconds. */
extern uint64_t streams_busy, streams_begin, streams_finish;

/* The first request of a stream, if there is still one to do. */
void stream_start(struct stream *s, uint64_t now);
/* The same request once more: the server gave its connection up before it looked at it. */
void stream_retry(struct stream *s, uint64_t now);
/* The body came to its end; keep: the connection may be used again. */
void stream_answered(struct stream *s, bool keep, uint64_t now);
/* The answer will not come, or not to its end. The counter says why. */
void stream_fail(struct stream *s, uint64_t *counter, uint64_t now);
/* The client goes away on purpose, and is not replaced. */
void stream_cancel(struct stream *s, uint64_t now);
/* The run is over. */
void stream_stop(struct stream *s);
/* Writes the JSON of the request, NUL-terminated, and returns its length. Ends the program when n
 * is too small. */
size_t stream_body(const struct stream *s, char *buf, size_t n);
/* What of it tells the backend what to do, likewise. */
size_t stream_plan(const struct stream *s, char *buf, size_t n);

#endif

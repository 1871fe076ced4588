/* A client's connection: what it asked, what it still has to be told, and its end. */
#ifndef BENCH_FAKELLM_CONN_H
#define BENCH_FAKELLM_CONN_H

#include "common.h"

#define HEAD_MAX (64 * 1024)
#define BODY_MAX (64 * 1024 * 1024)
#define OUT_MAX  (64 * 1024) /* unsent bytes at which a stream waits for its reader */

/* What the field "bench" of a request says; the command line gives the defaults. */
struct plan {
    uint64_t tokens, first_ms, id;
    uint64_t burst; /* tokens of one write */
    double rate;    /* tokens a second; 0: as fast as the reader takes them */
    bool spread;    /* the streams' tokens fall evenly between each other, not all together */
    bool silent; /* after its tokens, or at once without any, the stream neither speaks nor ends */
};

enum conn_state { READING, STREAMING, ANSWERING, SILENT };

struct conn {
    struct bytes in, out;
    struct plan plan;
    const struct model *model; /* of the request that is answered */
    enum conn_state state;
    size_t place;            /* in the timetable + 1; 0: not in it */
    uint64_t due, first_due; /* of the next and of the first token, nanoseconds */
    uint64_t next;           /* number of the next token */
    uint64_t arrived;        /* the request, nanoseconds */
    int fd;
    bool ollama, usage, head_sent, close_after, dead;
    struct conn *before, *after, *next_dead;
};

/* Takes every connection that waits at the listener. */
void conn_accept(int listener, int epoll);
/* Sends what can be sent; the rest waits for EPOLLOUT. False: the connection is closed now. */
bool conn_flush(struct conn *c);
/* Reads all that is there. False: the connection is closed now. */
bool conn_read(struct conn *c);
/* The memory stays until conn_bury, since events of this turn may still name it. */
void conn_close(struct conn *c);
void conn_bury(void);
/* Closes and frees all. */
void conn_fini(void);

/* Puts a whole answer of n bytes into c->out. */
void conn_answer(struct conn *c, const char *status, const char *type, const char *body, size_t n);
void conn_answer_json(struct conn *c, const char *status, const struct bytes *body);

#endif

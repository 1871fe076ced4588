/* One answer, checked token by token, whatever brought its bytes. */
#ifndef BENCH_LOAD_ANSWER_H
#define BENCH_LOAD_ANSWER_H

#include "common.h"

struct answer {
    struct bytes line;    /* of an event stream: the line that is not whole yet */
    uint8_t *seen;        /* a bit for each token */
    uint64_t id, sent_at; /* of the request; the sender sets sent_at */
    uint64_t last_at;     /* arrival of the last token */
    uint64_t unique, highest;
    bool done, error, slow; /* slow: checked, not timed */
};

/* Before the request is sent. */
void answer_begin(struct answer *a, uint64_t id);
/* The next n bytes of the body, which arrived at now. */
void answer_take(struct answer *a, const char *p, size_t n, uint64_t now);
/* The body is over. NULL: it was whole and has been counted; else the counter of what it lacks,
 * for the caller to raise. Frees what the answer holds. */
uint64_t *answer_end(struct answer *a, uint64_t now);
/* The body will not end. Its tokens up to the last one that came are due. */
void answer_drop(struct answer *a);

#endif

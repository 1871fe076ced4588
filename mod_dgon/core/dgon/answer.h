/* Reads an HTTP/1.1 answer from what a connection brings, in pieces of any size (RFC 9112). Pure:
 * no I/O, no time; one thread at a time. */
#ifndef DGON_ANSWER_H
#define DGON_ANSWER_H

#include "dgon/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DGON_ANSWER_HEAD_MAX 65536u /* all lines of all heads and trailers */
#define DGON_ANSWER_SIZE_MAX 4096u  /* the line of a chunk's size, extensions and all */

typedef enum dgon_answer_event {
    DGON_ANSWER_MORE = 0, /* all bytes are used: wait for more */
    DGON_ANSWER_BEGIN,    /* a head begins; again, if the one before was interim (1xx) */
    DGON_ANSWER_HEADER,   /* name and value */
    DGON_ANSWER_HEAD,     /* the final head is complete */
    DGON_ANSWER_BODY,     /* data */
    DGON_ANSWER_END,      /* the answer is complete; what may follow is not its */
    DGON_ANSWER_BAD       /* this is no answer: why. For good */
} dgon_answer_event;

typedef struct dgon_answer {
    int status;  /* from BEGIN on */
    bool keep;   /* from HEAD on: the connection may be used again after END */
    bool bodied; /* false: it was asked with HEAD */
    /* of the last event, until the next call */
    const char *name, *value, *data;
    size_t name_len, value_len, data_len;
    const char *why; /* static */
    /* the reader's own */
    uint8_t state;
    bool chunked, stated, minor, used;
    uint64_t left; /* of a chunk, or of the body */
    uint32_t head; /* bytes of lines so far */
    dgon_buf line; /* the beginning of a line whose end has not come */
} dgon_answer;

/* `bodied`: false for HEAD. */
void dgon_answer_init(dgon_answer *a, bool bodied);
void dgon_answer_fini(dgon_answer *a);
/* The next event in p[0..n) and how many bytes belong to it and are used. Pointers of the event are
 * into p or into a. After END and BAD the same comes again. */
dgon_answer_event dgon_answer_next(dgon_answer *a, const char *p, size_t n, size_t *used);
/* The connection has ended. True: so has the answer, as it should; false: half of it is lost. */
bool dgon_answer_eof(const dgon_answer *a);

#endif

/* A request for many embeddings in parts: the inputs of its body split, the parts' answers put
 * together again. In the gateway, which passes on all else byte by byte. */
#ifndef DGON_BATCH_H
#define DGON_BATCH_H

#include "dgon/buf.h"
#include "dgon/op.h"

#include <stddef.h>

#define DGON_BATCH_PARTS_MAX 16u

/* The list of inputs in a body; offsets into it. */
typedef struct dgon_batch {
    size_t list, len; /* with its brackets */
    size_t count;     /* inputs */
} dgon_batch;

/* Inputs of a part, one behind the other: count of them, with the commas between. */
typedef struct dgon_batch_part {
    size_t at, len, count;
} dgon_batch_part;

/* Finds the inputs of a body that was checked. DGON_ENOTFOUND: there is nothing to be split: one
 * text, one list of tokens, or names that only a tree can tell (escaped, doubled). Any thread, as
 * all below. */
DGON_MUST_USE dgon_status dgon_batch_find(dgon_batch *b, const char *body, size_t n);
/* Fills part[0..parts), 1 <= parts <= b->count, of the same size but for one input. DGON_EJSON: the
 * body is not the one that was looked at. */
DGON_MUST_USE dgon_status dgon_batch_split(const dgon_batch *b, const char *body,
                                           dgon_batch_part *part, size_t parts);
/* Appends the body with these inputs alone. */
DGON_MUST_USE dgon_status dgon_batch_body(dgon_buf *out, const dgon_batch *b,
                                          const dgon_batch_part *part, const char *body, size_t n);

/* A part's whole answer, which an agent made: hostile input. */
typedef struct dgon_batch_answer {
    const char *p;
    size_t n;
    size_t count; /* of its inputs */
} dgon_batch_answer;

/* Appends one answer for all: the first one's members, with the vectors of all in order (byte by
 * byte), their indices, the sums of their tokens and the longest of their durations. op:
 * DGON_OP_EMBED or DGON_OP_OLLAMA_EMBED. DGON_EJSON, DGON_EUTF8, DGON_EDEPTH: one of them is no
 * such answer, has another number of vectors than inputs, or numbers where the others have base64;
 * DGON_ETOOBIG, DGON_ENOMEM; DGON_EINVAL: no answer, or more than DGON_BATCH_PARTS_MAX. Then
 * nothing was appended. */
DGON_MUST_USE dgon_status dgon_batch_join(dgon_buf *out, dgon_op op, const dgon_batch_answer *a,
                                          size_t answers);

#endif

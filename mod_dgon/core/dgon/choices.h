/* Several choices from a backend that gives one at a time, in the agent: which ones a request asks
 * for, and the request for one of them. Choices are numbered as OpenAI does: all of the first
 * prompt, then all of the second one. */
#ifndef DGON_CHOICES_H
#define DGON_CHOICES_H

#include "dgon/buf.h"
#include "dgon/chat.h"
#include "dgon/error.h"
#include "dgon/op.h"

typedef struct dgon_choices {
    unsigned prompts; /* of a text completion; else 1 */
    unsigned each;    /* n: choices for each prompt */
} dgon_choices;

static inline unsigned dgon_choices_total(const dgon_choices *c)
{
    return c->prompts * c->each;
}

/* Reads a client's body, which the gateway has checked; what is no number of choices counts as one.
 * The usual body costs a search for a word. DGON_EINVAL with e: more than DGON_CHAT_CHOICES_MAX;
 * DGON_ENOMEM. */
DGON_MUST_USE dgon_status dgon_choices_read(dgon_choices *c, dgon_op op, const char *body, size_t n,
                                            dgon_error *e);
/* Appends the body that asks for choice `index` alone: its prompt, no n, and a seed of its own
 * (seed + k for the k-th choice of a prompt, as llama.cpp has it), for with the same one all
 * choices would be equal. A negative seed means any to the backends and stays. DGON_EJSON,
 * DGON_ENOMEM, DGON_ETOOBIG. */
DGON_MUST_USE dgon_status dgon_choices_body(dgon_buf *out, const dgon_choices *c, unsigned index,
                                            const char *body, size_t n);

#endif

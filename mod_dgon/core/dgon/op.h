/* What a job asks of a model: one of these, in the registry as a number and on the link as a word.
 */
#ifndef DGON_OP_H
#define DGON_OP_H

#include <stdbool.h>

typedef enum dgon_op {
    DGON_OP_NONE = 0,
    DGON_OP_CHAT,       /* POST /v1/chat/completions */
    DGON_OP_COMPLETION, /* POST /v1/completions */
    DGON_OP_EMBED,      /* POST /v1/embeddings */
    /* From here on the backend's answer is passed on as it is. */
    DGON_OP_RESPONSES,    /* POST /v1/responses */
    DGON_OP_MESSAGES,     /* POST /v1/messages (Anthropic's) */
    DGON_OP_COUNT_TOKENS, /* POST /v1/messages/count_tokens */
    DGON_OP_RERANK,       /* POST /v1/rerank */
    DGON_OP_MAX
} dgon_op;

/* Is it passed on as it is? The payload of an EVENT record is then the event's name, a blank, and
 * its data. */
static inline bool dgon_op_is_relay(dgon_op op)
{
    return op >= DGON_OP_RESPONSES && op < DGON_OP_MAX;
}

/* The word in a `job` message; "" for none. Static. */
const char *dgon_op_str(dgon_op op);
/* DGON_OP_NONE: no such word. */
dgon_op dgon_op_of(const char *word);
/* What the id of such an answer begins with, as OpenAI's do. Static. */
const char *dgon_op_id_prefix(dgon_op op);

#endif

/* What a job asks of a model: one of these, in the registry as a number and on the link as a word.
 */
#ifndef DGON_OP_H
#define DGON_OP_H

typedef enum dgon_op {
    DGON_OP_NONE = 0,
    DGON_OP_CHAT,       /* POST /v1/chat/completions */
    DGON_OP_COMPLETION, /* POST /v1/completions */
    DGON_OP_EMBED,      /* POST /v1/embeddings */
    DGON_OP_MAX
} dgon_op;

/* The word in a `job` message; "" for none. Static. */
const char *dgon_op_str(dgon_op op);
/* DGON_OP_NONE: no such word. */
dgon_op dgon_op_of(const char *word);
/* What the id of such an answer begins with, as OpenAI's do. Static. */
const char *dgon_op_id_prefix(dgon_op op);

#endif

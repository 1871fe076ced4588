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
    DGON_OP_OLLAMA_CHAT,  /* POST /api/chat, and so on: Ollama's own */
    DGON_OP_OLLAMA_GENERATE,
    DGON_OP_OLLAMA_EMBED,
    DGON_OP_OLLAMA_EMBEDDINGS, /* its older form */
    DGON_OP_PASS,              /* any method and path of the backend, pass.h */
    DGON_OP_LOAD,              /* a model into the memory of one agent's machine, load.h */
    DGON_OP_MAX
} dgon_op;

/* How a stream of it goes to the client, and what the payload of an EVENT record is. */
typedef enum dgon_form {
    DGON_FORM_DATA,   /* "data: JSON" and at last [DONE]; JSON */
    DGON_FORM_EVENTS, /* "event: NAME", "data: JSON"; the name, a blank, JSON */
    DGON_FORM_LINES,  /* a JSON text a line; JSON */
    DGON_FORM_BYTES   /* no events: the backend's own bytes */
} dgon_form;
dgon_form dgon_op_form(dgon_op op);

/* Is its JSON passed on as it is? */
static inline bool dgon_op_is_relay(dgon_op op)
{
    return op >= DGON_OP_RESPONSES && op < DGON_OP_PASS;
}

/* The word in a `job` message; "" for none. Static. */
const char *dgon_op_str(dgon_op op);
/* DGON_OP_NONE: no such word. */
dgon_op dgon_op_of(const char *word);
/* What the id of such an answer begins with, as OpenAI's do. Static. */
const char *dgon_op_id_prefix(dgon_op op);

#endif

/* Ollama's own API in front of an OpenAI-compatible backend, in the agent: the client's body
 * becomes a chat completion or embeddings request, the answer becomes Ollama's lines. Not to be
 * mixed up with dgon/ollama.h, which is about Ollama as the backend. */
#ifndef DGON_OLLAMA_FRONT_H
#define DGON_OLLAMA_FRONT_H

#include "dgon/chat.h"
#include "dgon/op.h"

#include <jansson.h>
#include <time.h>

/* One answer. Caller's storage; the chat says whether all of it came, as in every exchange. */
typedef struct dgon_ollama_front {
    dgon_chat *chat;
    dgon_op op;
    bool stream, last_sent;
    struct timespec begun;
    json_t *calls; /* tool calls whose arguments are still coming; owned */
} dgon_ollama_front;

/* chat has been set up already. */
void dgon_ollama_front_init(dgon_ollama_front *f, dgon_chat *chat, dgon_op op, bool stream);
void dgon_ollama_front_fini(dgon_ollama_front *f);

/* The body for /v1/chat/completions or /v1/embeddings. DGON_EINVAL: e says which member the backend
 * cannot have. DGON_DONE: nothing to ask, the client only wants the model loaded. */
DGON_MUST_USE dgon_status dgon_ollama_front_request(dgon_buf *out, dgon_op op, const char *body,
                                                    size_t n, const char *model, bool stream,
                                                    dgon_error *e);
/* One payload of the backend's stream: emits a line for what it says. DGON_DONE: that was [DONE],
 * and the last line went out. Errors as in dgon_openai_chunk. */
DGON_MUST_USE dgon_status dgon_ollama_front_chunk(dgon_ollama_front *f, dgon_buf *out,
                                                  const char *p, size_t n, dgon_chat_emit_fn fn,
                                                  void *user);
/* The backend's stream ended: the last line, if it is still owed. */
DGON_MUST_USE dgon_status dgon_ollama_front_end(dgon_ollama_front *f, dgon_buf *out,
                                                dgon_chat_emit_fn fn, void *user);
/* A whole answer (HTTP 200), appended. */
DGON_MUST_USE dgon_status dgon_ollama_front_answer(dgon_ollama_front *f, dgon_buf *out,
                                                   const char *p, size_t n);
/* The answer to a request that only loads the model, appended. */
DGON_MUST_USE dgon_status dgon_ollama_front_loaded(dgon_ollama_front *f, dgon_buf *out);

#endif

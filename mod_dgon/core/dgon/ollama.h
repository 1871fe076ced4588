/* Ollama's native API (/api/chat, /api/generate, /api/embed; NDJSON) as seen by the agent. */
#ifndef DGON_OLLAMA_H
#define DGON_OLLAMA_H

#include "dgon/chat.h"
#include "dgon/openai.h"

typedef struct dgon_ollama_options {
    bool truncate; /* let Ollama drop old messages of a too long prompt; default false: an honest
                      400 */
    bool thinking; /* the model can think; if not, a reasoning_effort is refused */
} dgon_ollama_options;

/* An OpenAI body -> that of /api/chat, /api/generate or /api/embed. On an unsupported field:
 * DGON_EINVAL and e filled (400 unsupported_value, param). */
DGON_MUST_USE dgon_status dgon_ollama_request_out(dgon_buf *out, dgon_op op, const char *body,
                                                  size_t n, const char *model, bool stream,
                                                  const dgon_ollama_options *opt, bool *want_usage,
                                                  dgon_error *e);
/* One NDJSON line of a stream -> chunks. DGON_DONE after "done":true. Malformed lines as in
 * dgon_openai_chunk. {"error":…} is DGON_EBACKEND. */
DGON_MUST_USE dgon_status dgon_ollama_line(dgon_chat *c, dgon_buf *out, const char *p, size_t n,
                                           dgon_chat_emit_fn fn, void *user);
/* A non-streamed answer (HTTP 200) -> chat.completion or text_completion. */
DGON_MUST_USE dgon_status dgon_ollama_answer(dgon_chat *c, dgon_buf *out, const char *p, size_t n);
/* A non-200 answer as our error; 404 model not found is retryable elsewhere; 503 busy is retryable;
 * "context length" texts -> 400 context_length_exceeded. */
void dgon_ollama_backend_error(dgon_error *e, int http, const char *p, size_t n);
/* Module: one entry of /api/tags or, loaded, of /api/ps, and the answer of /api/show. What only the
 * model's server knows (size, family, template) is empty. */
typedef struct dgon_ollama_model {
    const char *name;
    const char *modified; /* RFC 3339 */
    uint32_t context, caps;
} dgon_ollama_model;
DGON_MUST_USE dgon_status dgon_ollama_model_write(dgon_buf *out, const dgon_ollama_model *m,
                                                  bool loaded);
DGON_MUST_USE dgon_status dgon_ollama_show_write(dgon_buf *out, const dgon_ollama_model *m);
/* Module: the name in a body of /api/show ("model", or "name" as of old). DGON_EINVAL: e says what
 * is wrong. */
DGON_MUST_USE dgon_status dgon_ollama_show_in(const char *body, size_t n,
                                              char name[DGON_WIRE_NAME_MAX + 1], dgon_error *e);

/* GET /api/tags -> models (capabilities and details.context_length where told). */
DGON_MUST_USE dgon_status dgon_ollama_tags_in(const char *p, size_t n, dgon_model_fn fn,
                                              void *user);
/* GET /api/ps -> names of the loaded models (caps 0, loaded true, context_length). */
DGON_MUST_USE dgon_status dgon_ollama_ps_in(const char *p, size_t n, dgon_model_fn fn, void *user);

#endif

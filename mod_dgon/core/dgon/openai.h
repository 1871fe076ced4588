/* OpenAI's chat and text completions and embeddings: checking a client's request (module), and the
 * OpenAI-compatible backends (agent). */
#ifndef DGON_OPENAI_H
#define DGON_OPENAI_H

#include "dgon/chat.h"
#include "dgon/op.h"
#include "dgon/wire.h"

/* What the module must know of a request; it parses the body for this and forwards the bytes
 * as they came. */
typedef struct dgon_openai_request {
    char model[DGON_WIRE_NAME_MAX + 1];
    bool stream;
    bool include_usage;
    bool has_image, has_tools;
    uint32_t context; /* num_ctx, an extension: tokens that the model's context must have; 0: any */
} dgon_openai_request;

/* Checks a body of /v1/chat/completions, /v1/completions or /v1/embeddings. DGON_OK, or an error
 * with e filled (400 with param and code as OpenAI has them): not an object, too deep
 * (DGON_JSON_DEPTH_MAX), invalid UTF-8, NUL, no model, model not a string, messages missing, empty,
 * not a list or its members without a known role, a prompt or an input that is neither text nor
 * tokens nor a list of either, stream not a bool, stream_options without stream:true, wrong types
 * of the documented scalar fields, a member given twice (parsers differ on which counts), a URL in
 * a content part that is not data:. Unknown fields are let through. A name that no model can have
 * is DGON_ENOTFOUND (404); an unknown model is the caller's to find. Any thread. */
DGON_MUST_USE dgon_status dgon_openai_check(dgon_openai_request *r, dgon_op op, const char *body,
                                            size_t n, dgon_error *e);

/* Agent: the body for an OpenAI-compatible backend. Byte-exact copy except: model becomes `model`
 * (backend's name); with stream, stream_options.include_usage is set to true (the client's wish is
 * in *want_usage and is kept by dgon_chat). DGON_EJSON etc. */
DGON_MUST_USE dgon_status dgon_openai_request_out(dgon_buf *out, const char *body, size_t n,
                                                  const char *model, bool stream, bool *want_usage);

/* Agent: one SSE payload of the backend's stream. Emits 0..n chunks. The usual chunk (one choice,
 * text or a role) is recognised and written anew without a tree; a tree takes over for all else: a
 * finish, tool calls, logprobs, `reasoning` -> `reasoning_content`, tool delta without type, usage
 * chunk (taken, sent only if wanted), `timings`, an `error` object (DGON_EBACKEND, c->error; a
 * top-level "error":null is removed). At the top only id, object, created, model, choices and usage
 * go out. DGON_DONE: [DONE] was seen. One malformed payload is skipped (c->bad_lines), the third in
 * a row is DGON_EBACKEND. */
DGON_MUST_USE dgon_status dgon_openai_chunk(dgon_chat *c, dgon_buf *out, const char *p, size_t n,
                                            dgon_chat_emit_fn fn, void *user);

/* Agent: a whole non-streamed answer with HTTP status 200: `out` gets the answer for the client;
 * usage and finish are noted. DGON_EBACKEND if it is none. */
DGON_MUST_USE dgon_status dgon_openai_answer(dgon_chat *c, dgon_buf *out, const char *p, size_t n);

/* Agent: a backend's non-200 answer as our error: 4xx (but 401, 403, 404 of the endpoint, 407, 429)
 * are the client's and keep status and text, code made a string; exceed_context_size_error and
 * texts that say so become 400 context_length_exceeded; 429 and 503 are retryable (busy); 401/403
 * become 502; 501 a retryable 400; other 5xx a retryable 502. p may be anything. */
void dgon_openai_backend_error(dgon_error *e, int http, const char *p, size_t n);

/* Module: one entry of GET /v1/models and the answer of GET /v1/models/{id}. */
typedef struct dgon_openai_model {
    const char *name;
    int64_t created;
    uint32_t context, caps, agents;
    bool loaded;
} dgon_openai_model;
DGON_MUST_USE dgon_status dgon_openai_model_write(dgon_buf *out, const dgon_openai_model *m);

/* Agent: GET /v1/models of a backend. Calls fn for each id that is a valid model name; context from
 * meta.n_ctx_train, max_model_len, context_length if there. */
typedef void (*dgon_model_fn)(void *user, const char *name, uint32_t context, uint32_t caps,
                              bool loaded);
DGON_MUST_USE dgon_status dgon_openai_models_in(const char *p, size_t n, dgon_model_fn fn,
                                                void *user);

#endif

/* Answers that are passed on as the backend gave them (op.h), in the agent: each event of a stream
 * is looked at for its name, for the usage, for an error and for the end, so that a stream that was
 * cut is never taken for a whole one. */
#ifndef DGON_RELAY_H
#define DGON_RELAY_H

#include "dgon/chat.h"
#include "dgon/op.h"
#include "dgon/sse.h"

#define DGON_RELAY_NAME_MAX 64u /* of an event */

/* The client's body with the backend's own name of the model; all else byte by byte, unless its
 * names are escaped or doubled. DGON_EJSON etc. */
DGON_MUST_USE dgon_status dgon_relay_request_out(dgon_buf *out, const char *body, size_t n,
                                                 const char *model);

/* One event of the backend's stream: emits "name data" in one line. DGON_DONE: it was the last one.
 * DGON_EBACKEND with c->error: it was an error. Data that is no JSON is skipped as in
 * dgon_openai_chunk. */
DGON_MUST_USE dgon_status dgon_relay_event(dgon_chat *c, dgon_op op, dgon_buf *out,
                                           const dgon_sse_event *ev, dgon_chat_emit_fn fn,
                                           void *user);

/* One line of Ollama's stream: emits it. As above; the last one has "done":true. */
DGON_MUST_USE dgon_status dgon_relay_line(dgon_chat *c, dgon_buf *out, const char *p, size_t n,
                                          dgon_chat_emit_fn fn, void *user);

/* A whole answer (HTTP 200): appended as it is. DGON_EBACKEND: it is no JSON object, or an error.
 */
DGON_MUST_USE dgon_status dgon_relay_answer(dgon_chat *c, dgon_op op, dgon_buf *out, const char *p,
                                            size_t n);

/* Module: makes the block of an event of a payload "name data" that was appended behind `at`, where
 * "event: " had been written before: "event: name\ndata: data". DGON_EJSON: there is no name. */
DGON_MUST_USE dgon_status dgon_relay_unfold(dgon_buf *out, size_t at);

#endif

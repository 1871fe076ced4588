/* OpenAI's error object, the one form in which a client ever sees a failure (API.md 1.5). */
#ifndef DGON_ERROR_H
#define DGON_ERROR_H

#include "dgon/buf.h"
#include "dgon/op.h"

#include <stdbool.h>

#define DGON_ERROR_TEXT_MAX 512

typedef struct dgon_error {
    int http;                          /* status before the first byte: 400..599 */
    const char *type;                  /* static string */
    char code[64];                     /* "" becomes null */
    char param[128];                   /* "" becomes null */
    char message[DGON_ERROR_TEXT_MAX]; /* for people: what, where, what to do; valid UTF-8 */
    bool retryable;  /* another agent may do better; only meaningful from agent to gateway */
    bool requeue;    /* not even an attempt: the agent had no slot; back to the head of the queue */
    bool lasting;    /* the same request will fail in the same way: clients are told (5xx only) */
    int retry_after; /* seconds, 0 = no header */
} dgon_error;

/* Fills e; the type follows from the HTTP status: 400..499 invalid_request_error (429
 * rate_limit_error, 408 timeout), 500, 502, 504 server_error, 503 service_unavailable_error. code
 * and param may be NULL. Long texts are cut at a character border. */
void dgon_error_set(dgon_error *e, int http, const char *code, const char *param, const char *fmt,
                    ...) DGON_PRINTF(5, 6);
/* Appends {"error":{"message":…,"type":…,"param":…,"code":…}}, one line, all four keys. */
DGON_MUST_USE dgon_status dgon_error_write(dgon_buf *out, const dgon_error *e);

/* The same in the form of the API to which the operation belongs: of Anthropic's
 * {"type":"error","error":{"type":…,"message":…}}, of Ollama's {"error":"…"}. */
DGON_MUST_USE dgon_status dgon_error_write_for(dgon_buf *out, const dgon_error *e, dgon_op op);
/* Appends what ends a stream of that operation in mid-way, as events: clients raise it. */
DGON_MUST_USE dgon_status dgon_error_write_event(dgon_buf *out, const dgon_error *e, dgon_op op);

/* For logs: e->code if it is one of this list's, "-" if there is none, else "other". A code that a
 * backend chose may quote the prompt. Static string. */
const char *dgon_error_code_for_log(const dgon_error *e);
/* The same as a small number, for shared memory, and back. */
unsigned dgon_error_code_number(const dgon_error *e);
const char *dgon_error_code_name(unsigned number);

/* Payload of a FAIL record, agent to gateway:
 * {"status":502,"code":…,"param":…,"message":…,"retryable":true,"requeue":false}, and
 * "lasting":true or "retry_after" where there is one. */
DGON_MUST_USE dgon_status dgon_error_pack(dgon_buf *out, const dgon_error *e);
/* Reads one, hostile input: unknown keys ignored, status outside 400..599 becomes 502, texts cut.
 * DGON_EJSON. */
DGON_MUST_USE dgon_status dgon_error_unpack(dgon_error *e, const char *p, size_t n);

#endif

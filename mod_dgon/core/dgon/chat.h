/* One generated answer on its way from a backend to the client, in the agent: whatever the backend
 * speaks goes in, final OpenAI JSON comes out. It is a chat completion or a plain text completion.
 * The order of a stream is kept here, in one place: role chunk (chat), deltas, finish chunk, usage
 * chunk (if asked), and never a clean end without a finish. */
#ifndef DGON_CHAT_H
#define DGON_CHAT_H

#include "dgon/buf.h"
#include "dgon/error.h"
#include "dgon/json.h"

#include <stdbool.h>
#include <stdint.h>

#define DGON_CHAT_ANSWER_MAX  (16u * 1024u * 1024u) /* a non-streamed answer */
#define DGON_CHAT_CHOICES_MAX 128u                  /* in one answer, as OpenAI allows */
#define DGON_CHAT_FINISH_MAX  23u                   /* letters of a finish_reason */

typedef struct dgon_chat_usage {
    bool known;
    int64_t prompt, completion, cached, reasoning; /* cached, reasoning: -1 = not told */
} dgon_chat_usage;

#define DGON_CHAT_LIKE_MAX 320u

/* What stood around the text of the last usual chunk of an OpenAI-compatible backend. */
typedef struct dgon_chat_like {
    bool known, reasoning;
    uint8_t index;
    uint16_t head, tail;
    char around[DGON_CHAT_LIKE_MAX]; /* head, then tail */
} dgon_chat_like;

/* Indices of choices. */
typedef struct dgon_chat_set {
    uint64_t bits[DGON_CHAT_CHOICES_MAX / 64];
} dgon_chat_set;

typedef struct dgon_chat {
    /* set by init */
    char id_json[72], model_json[136 * 2], created[24];
    dgon_json_identity ident;
    bool text; /* a text completion: choices have a text instead of a delta or message */
    bool stream;
    bool rename;     /* relay.h: the backend knows the model by another name than the client */
    bool want_usage; /* the client asked for stream_options.include_usage */
    /* progress */
    char head[480]; /* of every chunk: {"id":…,"object":…,"created":…,"model":…,"choices":[ */
    size_t head_len;
    bool role_sent, finish_seen, done_seen, tool_seen, usage_sent;
    unsigned choices;         /* highest index seen + 1 */
    unsigned roles, finishes; /* choices that have begun, that are finished */
    dgon_chat_set begun, finished;
    uint32_t tool_count;
    /* an answer whose choices are asked for one after another */
    unsigned wanted; /* choices that the client wants, set behind init; 0: what comes is all */
    unsigned first;  /* index of what this exchange calls choice 0 */
    unsigned rounds; /* exchanges before this one */
    bool same_prompt, answer_begun;
    dgon_chat_usage before; /* of those exchanges */
    dgon_chat_like like;
    uint32_t tokens;       /* chunks emitted that carry text, reasoning or a tool call */
    char finish[DGON_CHAT_FINISH_MAX + 1]; /* finish_reason of choice 0 */
    dgon_chat_usage usage; /* of this exchange */
    int64_t load_ns, prompt_ns, eval_ns; /* backend's own timings, 0 = not told */
    unsigned bad_lines;                  /* malformed lines skipped in a row; 3 is an error */
    dgon_error error; /* filled when a call returned DGON_EBACKEND or another error */
} dgon_chat;

/* Receives one finished JSON text (one line) for an EVENT record. Not DGON_OK stops. */
typedef dgon_status (*dgon_chat_emit_fn)(void *user, const char *json, size_t n);

/* `id`, `model` (public name), `created` go into every chunk. Caller's storage. */
DGON_MUST_USE dgon_status dgon_chat_init(dgon_chat *c, const char *id, const char *model,
                                         int64_t created, bool stream, bool want_usage);

/* The same for a text completion. */
DGON_MUST_USE dgon_status dgon_chat_init_text(dgon_chat *c, const char *id, const char *model,
                                              int64_t created, bool stream, bool want_usage);

/* The next exchange of the same answer begins: its choice 0 is choice `index` of the answer.
 * same_prompt: an exchange before this one has had its prompt, whose tokens count once. */
void dgon_chat_next(dgon_chat *c, unsigned index, bool same_prompt);
/* The lowest choice that is wanted and has not finished; c->wanted or more: there is none. */
unsigned dgon_chat_missing(const dgon_chat *c);

/* Building blocks, used by the Ollama mapping and by the echo backend. Each appends to `out` (reset
 * first) and emits. */
DGON_MUST_USE dgon_status dgon_chat_emit_role(dgon_chat *c, dgon_buf *out, dgon_chat_emit_fn fn,
                                              void *user);
DGON_MUST_USE dgon_status dgon_chat_emit_text(dgon_chat *c, dgon_buf *out, const char *text,
                                              size_t n, bool reasoning, dgon_chat_emit_fn fn,
                                              void *user);
/* finish chunk, then the usage chunk if want_usage. */
DGON_MUST_USE dgon_status dgon_chat_emit_finish(dgon_chat *c, dgon_buf *out, const char *finish,
                                                dgon_chat_emit_fn fn, void *user);

/* After the backend's body ended: DGON_OK and the END payload in `end`
 * ({"usage":{…}|null,"finish":…,"timings":{"load_ns":…,"prompt_ns":…,"eval_ns":…}}) if the answer
 * is complete, all its wanted choices; else DGON_EBACKEND with c->error filled (cut answer: 502
 * upstream_error, retryable while nothing was sent). */
DGON_MUST_USE dgon_status dgon_chat_end(dgon_chat *c, dgon_buf *end);

/* The gateway's look at that payload, which is an agent's and so may be anything: the tokens that
 * the backend counted, 0 or more. False: it told none. */
bool dgon_chat_end_tokens(const char *p, size_t n, int64_t *in, int64_t *out);
/* Likewise the finish_reason. False: none, or not a word of small letters. */
bool dgon_chat_end_finish(const char *p, size_t n, char finish[DGON_CHAT_FINISH_MAX + 1]);

#endif

/* What the two mappings share beyond dgon/chat.h: chunks of any choice, made of raw JSON or of a
 * tree. */
#ifndef DGON_CHAT_INT_H
#define DGON_CHAT_INT_H

#include "dgon/chat.h"
#include "peek_int.h"

#include <jansson.h>

#define DGON_CHAT_TOOLS    256u /* tool calls in one answer */
#define DGON_CHAT_CALL_MAX 64u  /* room for an id of dgon_chat_call_id */

/* Where chunks go: `out` is scratch for one chunk at a time. */
typedef struct dgon_chat_sink {
    dgon_buf *out;
    dgon_chat_emit_fn fn;
    void *user;
} dgon_chat_sink;

/* May more be sent for this choice? Not after its finish, nor after the usage chunk. */
bool dgon_chat_is_open(const dgon_chat *c, unsigned index);

/* The role chunk of a choice, the first time; later, and for a text completion, nothing. It goes
 * out with what the choice says first: a backend sends its own ahead, and a wake-up of all who are
 * on the way would say nothing to anybody. */
DGON_MUST_USE dgon_status dgon_chat_role(dgon_chat *c, unsigned index, const dgon_chat_sink *to);
/* A delta with one member whose value is finished JSON (one line). Of a text completion only the
 * content goes out, as its text. */
DGON_MUST_USE dgon_status dgon_chat_raw(dgon_chat *c, unsigned index, const char *key,
                                        const dgon_span *json, const dgon_chat_sink *to);
/* A delta, or the text of a text completion, given as a tree; logprobs may be NULL. */
DGON_MUST_USE dgon_status dgon_chat_delta(dgon_chat *c, unsigned index, const json_t *delta,
                                          const json_t *logprobs, const dgon_chat_sink *to);
/* The finish chunk of a choice; `finish` is one of OpenAI's words. */
DGON_MUST_USE dgon_status dgon_chat_finish(dgon_chat *c, unsigned index, const char *finish,
                                           const dgon_chat_sink *to);
/* The usage chunk: once, if it is wanted and known and every choice has finished. */
DGON_MUST_USE dgon_status dgon_chat_usage_chunk(dgon_chat *c, const dgon_chat_sink *to);

/* Notes that something of the choice goes out. */
void dgon_chat_note_begun(dgon_chat *c, unsigned index);
/* Notes a finish for the END record, without a chunk. */
void dgon_chat_note_finish(dgon_chat *c, unsigned index, const char *finish);
/* Any backend's word as one of OpenAI's five (static); NULL: the backend gave the answer up. */
const char *dgon_chat_finish_word(const char *word);
/* The id of the k-th tool call of this answer, from the job's id: unique, and the same each time.
 */
void dgon_chat_call_id(const dgon_chat *c, unsigned k, char id[DGON_CHAT_CALL_MAX]);
/* Of all exchanges: the tokens of a prompt once, those of every choice. */
dgon_chat_usage dgon_chat_total(const dgon_chat *c);
/* Appends the usage object. */
DGON_MUST_USE dgon_status dgon_chat_write_usage(const dgon_chat_usage *u, dgon_buf *out);
/* A whole answer: {"id":…,"choices":CHOICES,"usage":…}. While choices are missing it ends behind
 * the last one that is there, and the next call goes on behind that. */
DGON_MUST_USE dgon_status dgon_chat_write_answer(dgon_chat *c, const json_t *choices,
                                                 dgon_buf *out);

/* How reading a line ended, s, as it is returned: malformed ones (DGON_EJSON) are counted and
 * skipped, until too many come in a row: DGON_EBACKEND with c->error. */
DGON_MUST_USE dgon_status dgon_chat_line_read(dgon_chat *c, dgon_status s);
/* Fills c->error as 502 upstream_error, returns DGON_EBACKEND. */
DGON_MUST_USE dgon_status dgon_chat_fail(dgon_chat *c, const char *message);

/* Removes `reasoning` and `thinking` from a message or delta; a text in one of them becomes
 * reasoning_content. 0 or -1 (memory). */
int dgon_chat_name_reasoning(json_t *message);

#endif

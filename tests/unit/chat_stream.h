/* Runs a backend's stream through a mapping and keeps what came out, a line for each event. Every
 * event is checked here: one line of valid JSON, fit for an EVENT record, with the identity of the
 * job. */
#ifndef DGON_TESTS_CHAT_STREAM_H
#define DGON_TESTS_CHAT_STREAM_H

#include "unit.h"

#include "dgon/chat.h"
#include "dgon/utf8.h"
#include "dgon/wire.h"

#include <jansson.h>

#define HEAD                                                                              \
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000," \
    "\"model\":\"pub\",\"choices\":["

/* What follows HEAD in the usual chunks. */
#define ROLE_OF(i)   \
    "{\"index\":" #i \
    ",\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n"
#define ROLE            ROLE_OF(0)
#define DELTA_OF(i, d)  "{\"index\":" #i ",\"delta\":{" d "},\"finish_reason\":null}]}\n"
#define TEXT(t)         DELTA_OF(0, "\"content\":\"" t "\"")
#define THOUGHT(t)      DELTA_OF(0, "\"reasoning_content\":\"" t "\"")
#define FINISH_OF(i, f) "{\"index\":" #i ",\"delta\":{},\"finish_reason\":\"" f "\"}]}\n"
#define FINISH(f)       FINISH_OF(0, f)
#define USAGE(p, c, t)                                                                             \
    "],\"usage\":{\"prompt_tokens\":" #p ",\"completion_tokens\":" #c ",\"total_tokens\":" #t "}}" \
                                                                                              "\n"

typedef struct chat_stream {
    dgon_chat chat;
    dgon_buf out, events, end;
    unsigned count;
    bool strict; /* check with CUnit and a tree; off while allocations fail */
} chat_stream;

static inline void chat_stream_init(chat_stream *s, bool want_usage)
{
    memset(s, 0, sizeof *s);
    CU_ASSERT(dgon_chat_init(&s->chat, "chatcmpl-1", "pub", 1700000000, true, want_usage) ==
                  DGON_OK ||
              unit_heap_state.failed);
    dgon_buf_init(&s->out, 1u << 20);
    dgon_buf_init(&s->events, 1u << 20);
    dgon_buf_init(&s->end, DGON_WIRE_FINAL_MAX);
    s->strict = true;
}

static inline void chat_stream_fini(chat_stream *s)
{
    dgon_buf_fini(&s->out);
    dgon_buf_fini(&s->events);
    dgon_buf_fini(&s->end);
}

static inline dgon_status chat_stream_event(void *user, const char *json, size_t n)
{
    chat_stream *s = user;
    size_t head = sizeof HEAD - 1;
    dgon_utf8 u = {0};
    s->count++;
    CU_ASSERT(dgon_utf8_feed(&u, json, n, true) == DGON_OK && dgon_utf8_complete(&u));
    CU_ASSERT_FATAL(n > head && memcmp(json, HEAD, head) == 0);
    if (s->strict) {
        json_t *t = json_loadb(json, n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
        CU_ASSERT_PTR_NOT_NULL(t);
        json_decref(t);
    }
    dgon_status st = dgon_buf_add(&s->events, json + head, n - head);
    return st == DGON_OK ? dgon_buf_add(&s->events, "\n", 1) : st;
}

static inline bool chat_stream_text_is(const dgon_buf *b, const char *text)
{
    bool same = b->len == strlen(text) && (b->len == 0 || memcmp(b->data, text, b->len) == 0);
    if (!same)
        fprintf(stderr, "got:\n%.*s\nwant:\n%s\n", (int)b->len, b->len > 0 ? b->data : "", text);
    return same;
}

#endif

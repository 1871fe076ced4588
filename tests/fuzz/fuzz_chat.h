/* What the two mappings are held to, whatever a backend sends: every event is one line of valid
 * JSON with the job's identity, the order of a choice is role, deltas, finish, and the recognised
 * way says the same as the tree. */
#ifndef DGON_TESTS_FUZZ_CHAT_H
#define DGON_TESTS_FUZZ_CHAT_H

#include "fuzz.h"

#include "dgon/chat.h"
#include "dgon/utf8.h"
#include "dgon/wire.h"

#include <jansson.h>

typedef dgon_status (*fuzz_chunk_fn)(dgon_chat *c, dgon_buf *out, const char *p, size_t n,
                                     dgon_chat_emit_fn fn, void *user);

/* Set by the driver: text completions instead of chat ones. */
static bool fuzz_text;

typedef struct fuzz_chat {
    dgon_chat chat;
    dgon_buf out;
    bool roles[DGON_CHAT_CHOICES_MAX], finishes[DGON_CHAT_CHOICES_MAX];
    unsigned begun, finished;
    bool usage;
    dgon_buf text; /* content and reasoning of all choices */
} fuzz_chat;

static inline json_t *fuzz_line(const char *p, size_t n)
{
    FUZZ_ASSERT(memchr(p, '\n', n) == NULL && memchr(p, '\r', n) == NULL);
    json_t *t = json_loadb(p, n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    FUZZ_ASSERT(json_is_object(t));
    return t;
}

static inline void fuzz_add_text(fuzz_chat *f, const json_t *delta, const char *key, char mark)
{
    const json_t *v = json_object_get(delta, key);
    if (!json_is_string(v))
        return;
    FUZZ_ASSERT(dgon_buf_add(&f->text, &mark, 1) == DGON_OK);
    FUZZ_ASSERT(dgon_buf_add(&f->text, json_string_value(v), json_string_length(v)) == DGON_OK);
}

static inline void fuzz_choice(fuzz_chat *f, const json_t *choice)
{
    json_int_t index = json_integer_value(json_object_get(choice, "index"));
    const json_t *delta = json_object_get(choice, "delta");
    const json_t *finish = json_object_get(choice, "finish_reason");
    FUZZ_ASSERT(index >= 0 && index < (json_int_t)DGON_CHAT_CHOICES_MAX && !f->usage);
    FUZZ_ASSERT(fuzz_text ? json_is_string(json_object_get(choice, "text"))
                          : json_is_object(delta));
    bool role = json_object_get(delta, "role") != NULL;
    FUZZ_ASSERT(!f->finishes[index]);
    FUZZ_ASSERT(fuzz_text || role == !f->roles[index]);
    f->begun += f->roles[index] ? 0 : 1;
    f->roles[index] = true;
    if (json_is_string(finish)) {
        FUZZ_ASSERT(json_object_size(delta) == 0);
        FUZZ_ASSERT(!fuzz_text || json_string_length(json_object_get(choice, "text")) == 0);
        f->finishes[index] = true;
        f->finished++;
        return;
    }
    FUZZ_ASSERT(json_is_null(finish));
    if (role)
        return;
    if (fuzz_text)
        fuzz_add_text(f, choice, "text", 'c');
    fuzz_add_text(f, delta, "reasoning_content", 'r');
    fuzz_add_text(f, delta, "content", 'c');
}

static inline dgon_status fuzz_event(void *user, const char *p, size_t n)
{
    fuzz_chat *f = user;
    dgon_utf8 u = {0};
    FUZZ_ASSERT(dgon_utf8_feed(&u, p, n, true) == DGON_OK && dgon_utf8_complete(&u));
    json_t *t = fuzz_line(p, n);
    const char *id = json_string_value(json_object_get(t, "id"));
    const json_t *choices = json_object_get(t, "choices");
    FUZZ_ASSERT(id != NULL && strcmp(id, "chatcmpl-1") == 0 && json_is_array(choices));
    FUZZ_ASSERT(json_object_get(t, "error") == NULL);
    if (json_array_size(choices) == 0) {
        FUZZ_ASSERT(!f->usage && f->chat.want_usage && f->begun == f->finished);
        FUZZ_ASSERT(json_is_object(json_object_get(t, "usage")));
        f->usage = true;
    } else {
        FUZZ_ASSERT(json_array_size(choices) == 1 && json_object_get(t, "usage") == NULL);
        fuzz_choice(f, json_array_get(choices, 0));
    }
    json_decref(t);
    return DGON_OK;
}

static inline void fuzz_chat_init(fuzz_chat *f, bool stream, bool usage)
{
    memset(f, 0, sizeof *f);
    FUZZ_ASSERT((fuzz_text ? dgon_chat_init_text : dgon_chat_init)(
                    &f->chat, "chatcmpl-1", "pub", 1700000000, stream, usage) == DGON_OK);
    dgon_buf_init(&f->out, DGON_CHAT_ANSWER_MAX);
    dgon_buf_init(&f->text, DGON_CHAT_ANSWER_MAX);
}

/* Each line of p in a block of its own size, until fn says otherwise than DGON_OK. */
static inline dgon_status fuzz_lines(const char *p, size_t n,
                                     dgon_status (*fn)(void *user, const char *p, size_t n),
                                     void *user)
{
    dgon_status s = DGON_OK;
    for (size_t at = 0; at < n && s == DGON_OK;) {
        const char *nl = memchr(p + at, '\n', n - at);
        size_t len = nl != NULL ? (size_t)(nl - p) - at : n - at;
        char *exact = fuzz_copy(p + at, len);
        s = fn(user, exact, len);
        free(exact);
        at += len + 1;
    }
    return s;
}

static inline void fuzz_error_sound(const dgon_error *e)
{
    dgon_buf b;
    dgon_buf_init(&b, 1u << 16);
    FUZZ_ASSERT(e->http >= 400 && e->http <= 599);
    FUZZ_ASSERT(dgon_error_write(&b, e) == DGON_OK);
    json_decref(fuzz_line(b.data, b.len));
    dgon_buf_fini(&b);
}

static inline void fuzz_chat_end(fuzz_chat *f)
{
    dgon_buf end;
    dgon_buf_init(&end, DGON_WIRE_FINAL_MAX);
    dgon_status s = dgon_chat_end(&f->chat, &end);
    FUZZ_ASSERT(s == DGON_OK || s == DGON_EBACKEND);
    if (s == DGON_OK)
        json_decref(fuzz_line(end.data, end.len));
    else
        fuzz_error_sound(&f->chat.error);
    FUZZ_ASSERT(s != DGON_OK || !f->chat.stream || (f->begun != 0 && f->begun == f->finished));
    dgon_buf_fini(&end);
    dgon_buf_fini(&f->out);
}

/* Each line of p is one payload; with `lead` in front none is recognised and all go through a tree.
 */
static inline void fuzz_stream_once(fuzz_chat *f, fuzz_chunk_fn chunk, const char *p, size_t n,
                                    const char *lead, bool usage)
{
    fuzz_chat_init(f, true, usage);
    for (size_t at = 0; at < n;) {
        const char *nl = memchr(p + at, '\n', n - at);
        size_t len = nl != NULL ? (size_t)(nl - p) - at : n - at, add = strlen(lead);
        bool done = len >= 6 && memcmp(p + at, "[DONE]", 6) == 0;
        char *line = malloc(len + add + 1);
        FUZZ_ASSERT(line != NULL);
        add = done ? 0 : add;
        memcpy(line, lead, add);
        memcpy(line + add, p + at, len);
        char *exact = fuzz_copy(line, len + add);
        free(line);
        dgon_status s = chunk(&f->chat, &f->out, exact, len + add, fuzz_event, f);
        free(exact);
        FUZZ_ASSERT(s == DGON_OK || s == DGON_DONE || s == DGON_EBACKEND);
        at += len + 1;
    }
    fuzz_chat_end(f);
}

static inline void fuzz_stream(fuzz_chunk_fn chunk, const char *p, size_t n, bool usage)
{
    static fuzz_chat a, b;
    fuzz_stream_once(&a, chunk, p, n, "", usage);
    fuzz_stream_once(&b, chunk, p, n, "\t", usage);
    FUZZ_ASSERT(a.usage == b.usage && memcmp(a.roles, b.roles, sizeof a.roles) == 0 &&
                memcmp(a.finishes, b.finishes, sizeof a.finishes) == 0);
    FUZZ_ASSERT(a.text.len == b.text.len &&
                (a.text.len == 0 || memcmp(a.text.data, b.text.data, a.text.len) == 0));
    dgon_buf_fini(&a.text);
    dgon_buf_fini(&b.text);
}

static inline void fuzz_answer(dgon_status (*answer)(dgon_chat *, dgon_buf *, const char *, size_t),
                               const char *p, size_t n)
{
    static fuzz_chat f;
    fuzz_chat_init(&f, false, false);
    dgon_status s = answer(&f.chat, &f.out, p, n);
    FUZZ_ASSERT(s == DGON_OK || s == DGON_EBACKEND);
    if (s == DGON_OK)
        json_decref(fuzz_line(f.out.data, f.out.len));
    else
        FUZZ_ASSERT(f.out.len == 0);
    fuzz_chat_end(&f);
    dgon_buf_fini(&f.text);
}

static inline void fuzz_model(void *user, const char *name, uint32_t context, uint32_t caps,
                              bool loaded)
{
    (void)context;
    (void)caps;
    (void)loaded;
    FUZZ_ASSERT(dgon_wire_is_model_name(name, strlen(name)));
    FUZZ_ASSERT(++*(size_t *)user <= DGON_WIRE_MODELS_MAX);
}

#endif

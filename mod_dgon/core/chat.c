#include "dgon/chat.h"

#include "chat_int.h"
#include "tree_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Copies s as a JSON string into dst, NUL-terminated. */
static dgon_status quote(char *dst, size_t size, const char *s, size_t *len)
{
    dgon_buf b;
    dgon_buf_init(&b, size - 1);
    dgon_status st = dgon_buf_add_json_string(&b, s, strlen(s));
    if (st == DGON_OK) {
        memcpy(dst, b.data, b.len);
        dst[b.len] = '\0';
        *len = b.len;
    }
    dgon_buf_fini(&b);
    return st;
}

_Static_assert(sizeof((dgon_chat){0}.head) > sizeof((dgon_chat){0}.id_json) +
                                                 sizeof((dgon_chat){0}.model_json) +
                                                 sizeof((dgon_chat){0}.created) + 100,
               "the head has room for the longest names");

static void write_head(dgon_chat *c)
{
    const char *const parts[] = {
        "{\"id\":",        c->id_json,
        ",\"object\":\"",  c->text ? "text_completion" : "chat.completion.chunk",
        "\",\"created\":", c->created,
        ",\"model\":",     c->model_json,
        ",\"choices\":["};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t n = strlen(parts[i]);
        memcpy(c->head + c->head_len, parts[i], n + 1);
        c->head_len += n;
    }
}

static dgon_status init(dgon_chat *c, const char *id, const char *model, int64_t created,
                        bool stream, bool want_usage, bool text)
{
    memset(c, 0, sizeof *c);
    dgon_status s = quote(c->id_json, sizeof c->id_json, id, &c->ident.id_len);
    if (s == DGON_OK)
        s = quote(c->model_json, sizeof c->model_json, model, &c->ident.model_len);
    if (s != DGON_OK)
        return s;
    c->ident.created_len =
        (size_t)snprintf(c->created, sizeof c->created, "%" PRId64, created < 0 ? 0 : created);
    c->ident.id_json = c->id_json;
    c->ident.model_json = c->model_json;
    c->ident.created = c->created;
    c->text = text;
    write_head(c);
    c->stream = stream;
    c->want_usage = want_usage;
    c->usage.cached = c->usage.reasoning = -1;
    return DGON_OK;
}

dgon_status dgon_chat_init(dgon_chat *c, const char *id, const char *model, int64_t created,
                           bool stream, bool want_usage)
{
    return init(c, id, model, created, stream, want_usage, false);
}

dgon_status dgon_chat_init_text(dgon_chat *c, const char *id, const char *model, int64_t created,
                                bool stream, bool want_usage)
{
    return init(c, id, model, created, stream, want_usage, true);
}

/* ---- chunks ---- */

/* A raw DEL is JSON, but no text for an EVENT record; in JSON it can only stand inside a string. */
static dgon_status escape_del(dgon_buf *out)
{
    dgon_buf clean;
    dgon_status s = DGON_OK;
    dgon_buf_init(&clean, out->max);
    for (size_t i = 0; i < out->len && s == DGON_OK; i++) {
        bool del = out->data[i] == 0x7f;
        s = dgon_buf_add(&clean, del ? "\\u007f" : out->data + i, del ? 6 : 1);
    }
    if (s == DGON_OK) {
        dgon_buf_reset(out);
        s = dgon_buf_add(out, clean.data, clean.len);
    }
    dgon_buf_fini(&clean);
    return s;
}

static dgon_status emit(const dgon_chat_sink *to)
{
    if (memchr(to->out->data, 0x7f, to->out->len) != NULL) {
        dgon_status s = escape_del(to->out);
        if (s != DGON_OK)
            return s;
    }
    return to->fn(to->user, to->out->data, to->out->len);
}

static dgon_status emit_token(dgon_chat *c, const dgon_chat_sink *to)
{
    c->tokens++;
    return emit(to);
}

static char *put(char *to, const char *p, size_t n)
{
    memcpy(to, p, n);
    return to + n;
}

#define SPAN(literal) ((dgon_span){literal, sizeof(literal) - 1})

/* The chunk of every token: one reservation, then copies. `delta` is the delta object, or the text
 * of a text completion, in pieces. */
static dgon_status write_choice(const dgon_chat *c, unsigned index, const dgon_span *delta,
                                size_t pieces, dgon_buf *out)
{
    const dgon_span before = SPAN("{\"index\":");
    const dgon_span between = c->text ? SPAN(",\"text\":") : SPAN(",\"delta\":");
    const dgon_span behind = c->text ? SPAN(",\"logprobs\":null,\"finish_reason\":null}]}")
                                     : SPAN(",\"finish_reason\":null}]}");
    char digits[3];
    size_t nd = index < 10 ? 1 : index < 100 ? 2 : 3; /* index < DGON_CHAT_CHOICES_MAX */
    for (size_t k = nd, left = index; k > 0; left /= 10)
        digits[--k] = (char)('0' + left % 10);
    size_t n = c->head_len + before.n + nd + between.n + behind.n;
    for (size_t k = 0; k < pieces; k++)
        n += delta[k].n;
    dgon_buf_reset(out);
    dgon_status s = dgon_buf_reserve(out, n);
    if (s != DGON_OK)
        return s;
    char *to = put(out->data, c->head, c->head_len);
    to = put(to, before.p, before.n);
    to = put(to, digits, nd);
    to = put(to, between.p, between.n);
    for (size_t k = 0; k < pieces; k++)
        to = put(to, delta[k].p, delta[k].n);
    to = put(to, behind.p, behind.n);
    out->len = (size_t)(to - out->data);
    return DGON_OK;
}

static bool has(const dgon_chat_set *set, unsigned index)
{
    return (set->bits[index / 64] >> index % 64 & 1) != 0;
}

/* 1: it was not there before. */
static unsigned add(dgon_chat_set *set, unsigned index)
{
    bool was = has(set, index);
    set->bits[index / 64] |= UINT64_C(1) << index % 64;
    return was ? 0 : 1;
}

bool dgon_chat_is_open(const dgon_chat *c, unsigned index)
{
    unsigned end = c->wanted != 0 ? c->wanted : DGON_CHAT_CHOICES_MAX;
    return index < end && !c->usage_sent && !has(&c->finished, index);
}

void dgon_chat_note_begun(dgon_chat *c, unsigned index)
{
    c->roles += add(&c->begun, index);
    c->choices = index >= c->choices ? index + 1 : c->choices;
    c->role_sent = has(&c->begun, 0);
    c->finish_seen = c->roles == c->finishes;
}

dgon_status dgon_chat_role(dgon_chat *c, unsigned index, const dgon_chat_sink *to)
{
    const dgon_span delta = SPAN("{\"role\":\"assistant\",\"content\":\"\"}");
    if (index >= DGON_CHAT_CHOICES_MAX)
        return DGON_EINVAL;
    if (c->text || has(&c->begun, index) || c->usage_sent)
        return DGON_OK;
    dgon_status s = write_choice(c, index, &delta, 1, to->out);
    if (s != DGON_OK)
        return s;
    dgon_chat_note_begun(c, index);
    return emit(to);
}

dgon_status dgon_chat_raw(dgon_chat *c, unsigned index, const char *key, const dgon_span *json,
                          const dgon_chat_sink *to)
{
    const dgon_span delta[] = {{"{\"", 2}, {key, strlen(key)}, {"\":", 2}, *json, {"}", 1}};
    if (!dgon_chat_is_open(c, index) || (c->text && strcmp(key, "content") != 0))
        return DGON_OK;
    dgon_status s = dgon_chat_role(c, index, to);
    if (s == DGON_OK && c->text) {
        dgon_chat_note_begun(c, index);
        s = write_choice(c, index, json, 1, to->out);
    } else if (s == DGON_OK) {
        s = write_choice(c, index, delta, sizeof delta / sizeof delta[0], to->out);
    }
    return s == DGON_OK ? emit_token(c, to) : s;
}

dgon_status dgon_chat_delta(dgon_chat *c, unsigned index, const json_t *delta,
                            const json_t *logprobs, const dgon_chat_sink *to)
{
    if (!dgon_chat_is_open(c, index))
        return DGON_OK;
    dgon_status s = dgon_chat_role(c, index, to);
    if (s != DGON_OK)
        return s;
    dgon_buf_reset(to->out);
    dgon_chat_note_begun(c, index);
    s = dgon_buf_addf(to->out, "%s{\"index\":%u,\"%s\":", c->head, index,
                      c->text ? "text" : "delta");
    if (s == DGON_OK)
        s = dgon_tree_dump(to->out, delta);
    if (s == DGON_OK && logprobs != NULL)
        s = dgon_buf_adds(to->out, ",\"logprobs\":");
    if (s == DGON_OK && logprobs != NULL)
        s = dgon_tree_dump(to->out, logprobs);
    else if (s == DGON_OK && c->text)
        s = dgon_buf_adds(to->out, ",\"logprobs\":null");
    if (s == DGON_OK)
        s = dgon_buf_adds(to->out, ",\"finish_reason\":null}]}");
    return s == DGON_OK ? emit_token(c, to) : s;
}

void dgon_chat_note_finish(dgon_chat *c, unsigned index, const char *finish)
{
    c->finishes += add(&c->finished, index);
    dgon_chat_note_begun(c, index);
    if (index == 0) {
        size_t n = strlen(finish);
        n = n < sizeof c->finish ? n : sizeof c->finish - 1;
        memcpy(c->finish, finish, n);
        c->finish[n] = '\0';
    }
}

dgon_status dgon_chat_finish(dgon_chat *c, unsigned index, const char *finish,
                             const dgon_chat_sink *to)
{
    if (!dgon_chat_is_open(c, index))
        return DGON_OK;
    dgon_status s = dgon_chat_role(c, index, to);
    if (s != DGON_OK)
        return s;
    dgon_buf_reset(to->out);
    s = dgon_buf_add(to->out, c->head, c->head_len);
    if (s == DGON_OK)
        s = dgon_buf_adds(to->out, "{\"index\":");
    if (s == DGON_OK)
        s = dgon_buf_addu(to->out, index);
    if (s == DGON_OK)
        s = dgon_buf_adds(to->out, c->text ? ",\"text\":\"\",\"logprobs\":null,\"finish_reason\":\""
                                           : ",\"delta\":{},\"finish_reason\":\"");
    if (s == DGON_OK)
        s = dgon_buf_adds(to->out, finish);
    if (s == DGON_OK)
        s = dgon_buf_adds(to->out, "\"}]}");
    if (s != DGON_OK)
        return s;
    dgon_chat_note_finish(c, index, finish);
    return emit(to);
}

/* ---- several exchanges ---- */

/* Some choice is still to be asked for. */
static bool is_owed(const dgon_chat *c)
{
    return c->finishes < c->wanted;
}

unsigned dgon_chat_missing(const dgon_chat *c)
{
    unsigned index = 0;
    while (index < c->wanted && has(&c->finished, index))
        index++;
    return index;
}

void dgon_chat_next(dgon_chat *c, unsigned index, bool same_prompt)
{
    c->before = dgon_chat_total(c);
    c->usage = (dgon_chat_usage){.cached = -1, .reasoning = -1};
    c->rounds++;
    c->first = index;
    c->same_prompt = same_prompt;
    c->done_seen = c->tool_seen = c->like.known = false;
    c->tool_count = 0;
    c->bad_lines = 0;
}

/* Negative: not told. */
static int64_t sum(int64_t a, int64_t b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

dgon_chat_usage dgon_chat_total(const dgon_chat *c)
{
    dgon_chat_usage all = c->usage;
    if (c->rounds == 0)
        return all;
    all.known = c->before.known && c->usage.known;
    all.prompt = sum(c->before.prompt, c->same_prompt ? 0 : c->usage.prompt);
    all.cached = sum(c->before.cached, c->same_prompt ? -1 : c->usage.cached);
    all.completion = sum(c->before.completion, c->usage.completion);
    all.reasoning = sum(c->before.reasoning, c->usage.reasoning);
    return all;
}

dgon_status dgon_chat_usage_chunk(dgon_chat *c, const dgon_chat_sink *to)
{
    const dgon_chat_usage usage = dgon_chat_total(c);
    if (!c->want_usage || !usage.known || c->usage_sent || !c->finish_seen || is_owed(c))
        return DGON_OK;
    dgon_buf_reset(to->out);
    dgon_status s = dgon_buf_addf(to->out, "%s],\"usage\":", c->head);
    if (s == DGON_OK)
        s = dgon_chat_write_usage(&usage, to->out);
    if (s == DGON_OK)
        s = dgon_buf_adds(to->out, "}");
    if (s != DGON_OK)
        return s;
    c->usage_sent = true;
    return emit(to);
}

dgon_status dgon_chat_emit_role(dgon_chat *c, dgon_buf *out, dgon_chat_emit_fn fn, void *user)
{
    return dgon_chat_role(c, c->first, &(dgon_chat_sink){out, fn, user});
}

dgon_status dgon_chat_emit_text(dgon_chat *c, dgon_buf *out, const char *text, size_t n,
                                bool reasoning, dgon_chat_emit_fn fn, void *user)
{
    dgon_chat_sink to = {out, fn, user};
    if (!dgon_chat_is_open(c, c->first))
        return DGON_OK;
    dgon_status s = dgon_chat_role(c, c->first, &to);
    if (s != DGON_OK || n == 0)
        return s;
    dgon_buf json;
    dgon_buf_init(&json, out->max);
    s = dgon_buf_add_json_string(&json, text, n);
    if (s == DGON_OK)
        s = dgon_chat_raw(c, c->first, reasoning ? "reasoning_content" : "content",
                          &(dgon_span){json.data, json.len}, &to);
    dgon_buf_fini(&json);
    return s;
}

dgon_status dgon_chat_emit_finish(dgon_chat *c, dgon_buf *out, const char *finish,
                                  dgon_chat_emit_fn fn, void *user)
{
    dgon_chat_sink to = {out, fn, user};
    if (c->tool_seen && strcmp(finish, "stop") == 0)
        finish = "tool_calls";
    dgon_status s = dgon_chat_finish(c, c->first, finish, &to);
    return s == DGON_OK ? dgon_chat_usage_chunk(c, &to) : s;
}

/* ---- the end ---- */

/* Without printf: a short answer is made of little else. */
static dgon_status add_number(dgon_buf *out, const char *before, int64_t v)
{
    dgon_status s = dgon_buf_adds(out, before);
    return s == DGON_OK ? dgon_buf_addu(out, v > 0 ? (uint64_t)v : 0) : s;
}

dgon_status dgon_chat_write_usage(const dgon_chat_usage *u, dgon_buf *out)
{
    int64_t total = u->prompt > INT64_MAX - u->completion ? INT64_MAX : u->prompt + u->completion;
    dgon_status s = add_number(out, "{\"prompt_tokens\":", u->prompt);
    if (s == DGON_OK)
        s = add_number(out, ",\"completion_tokens\":", u->completion);
    if (s == DGON_OK)
        s = add_number(out, ",\"total_tokens\":", total);
    if (s == DGON_OK && u->cached >= 0)
        s = dgon_buf_addf(out, ",\"prompt_tokens_details\":{\"cached_tokens\":%" PRId64 "}",
                          u->cached);
    if (s == DGON_OK && u->reasoning >= 0)
        s = dgon_buf_addf(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":%" PRId64 "}",
                          u->reasoning);
    return s == DGON_OK ? dgon_buf_adds(out, "}") : s;
}

static dgon_status begin_answer(const dgon_chat *c, dgon_buf *out)
{
    return dgon_buf_addf(out,
                         "{\"id\":%s,\"object\":\"%s\",\"created\":%s,"
                         "\"model\":%s,\"choices\":[",
                         c->id_json, c->text ? "text_completion" : "chat.completion", c->created,
                         c->model_json);
}

static dgon_status end_answer(const dgon_chat *c, dgon_buf *out)
{
    const dgon_chat_usage usage = dgon_chat_total(c);
    dgon_status s = dgon_buf_adds(out, "],\"usage\":");
    if (s == DGON_OK)
        s = dgon_chat_write_usage(&usage, out);
    return s == DGON_OK ? dgon_buf_adds(out, "}") : s;
}

dgon_status dgon_chat_write_answer(dgon_chat *c, const json_t *choices, dgon_buf *out)
{
    size_t before = out->len, i;
    const json_t *choice;
    bool first = !c->answer_begun;
    dgon_status s = first ? begin_answer(c, out) : DGON_OK;
    json_array_foreach(choices, i, choice)
    {
        if (s == DGON_OK && !first)
            s = dgon_buf_adds(out, ",");
        if (s == DGON_OK)
            s = dgon_tree_dump(out, choice);
        first = false;
    }
    c->answer_begun = !first;
    if (s == DGON_OK && !is_owed(c))
        s = end_answer(c, out);
    if (s != DGON_OK)
        out->len = before;
    return s;
}

dgon_status dgon_chat_end(dgon_chat *c, dgon_buf *end)
{
    if (c->error.http != 0)
        return DGON_EBACKEND;
    if (c->roles == 0 || c->roles != c->finishes || is_owed(c))
        return dgon_chat_fail(c, "The backend's answer ended before it was complete.");
    size_t before = end->len;
    const dgon_chat_usage usage = dgon_chat_total(c);
    dgon_status s = dgon_buf_adds(end, "{\"usage\":");
    if (s == DGON_OK)
        s = usage.known ? dgon_chat_write_usage(&usage, end) : dgon_buf_adds(end, "null");
    if (s == DGON_OK)
        s = dgon_buf_adds(end, ",\"finish\":\"");
    if (s == DGON_OK)
        s = dgon_buf_adds(end, c->finish);
    if (s == DGON_OK)
        s = add_number(end, "\",\"timings\":{\"load_ns\":", c->load_ns);
    if (s == DGON_OK)
        s = add_number(end, ",\"prompt_ns\":", c->prompt_ns);
    if (s == DGON_OK)
        s = add_number(end, ",\"eval_ns\":", c->eval_ns);
    if (s == DGON_OK)
        s = dgon_buf_adds(end, "}}");
    if (s != DGON_OK)
        end->len = before;
    return s;
}

/* Answers of OpenAI-compatible backends: a stream's payloads and the whole answer. Every token of
 * every such backend passes here: the usual chunk is read without a tree (openai_quick.c). */
#include "dgon/openai.h"

#include "chat_int.h"
#include "openai_int.h"
#include "tree_int.h"

#include <stdio.h>
#include <string.h>

/* ---- usage and timings ---- */

void dgon_openai_take_usage(dgon_chat *c, const json_t *root)
{
    const json_t *usage = json_object_get(root, "usage");
    if (json_is_object(usage)) {
        const json_t *in = json_object_get(usage, "prompt_tokens_details");
        const json_t *out = json_object_get(usage, "completion_tokens_details");
        c->usage.known = true;
        c->usage.prompt = dgon_tree_int(usage, "prompt_tokens", 0);
        c->usage.completion = dgon_tree_int(usage, "completion_tokens", 0);
        c->usage.cached = dgon_tree_int(in, "cached_tokens", -1);
        c->usage.reasoning = dgon_tree_int(out, "reasoning_tokens", -1);
    }
    const json_t *timings = json_object_get(root, "timings");
    double prompt = json_number_value(json_object_get(timings, "prompt_ms"));
    double eval = json_number_value(json_object_get(timings, "predicted_ms"));
    if (prompt > 0 && prompt < 1e12)
        c->prompt_ns = (int64_t)(prompt * 1e6);
    if (eval > 0 && eval < 1e12)
        c->eval_ns = (int64_t)(eval * 1e6);
}

/* ---- messages and deltas ---- */

static void drop_nulls(json_t *o)
{
    const char *key;
    json_t *v;
    void *next;
    json_object_foreach_safe(o, next, key, v)
    {
        if (json_is_null(v))
            (void)json_object_del(o, key);
    }
}

/* Arguments are a JSON text; some servers send the object, or nothing at first. */
static int fix_arguments(json_t *function)
{
    json_t *v = json_object_get(function, "arguments");
    if (json_is_string(v))
        return 0;
    json_t *text = v == NULL ? json_string("") : dgon_tree_text(v);
    return json_object_set_new(function, "arguments", text);
}

/* The first piece of a call has an id and a type, whatever the backend forgot. */
static int fix_call_start(const dgon_chat *c, json_t *call, unsigned k)
{
    int bad = 0;
    const char *id = dgon_tree_str(call, "id");
    if (id == NULL || *id == '\0') {
        char made[DGON_CHAT_CALL_MAX];
        dgon_chat_call_id(c, k, made);
        bad |= json_object_set_new(call, "id", json_string(made));
    }
    if (dgon_tree_str(call, "type") == NULL)
        bad |= json_object_set_new(call, "type", json_string("function"));
    return bad;
}

/* DGON_EJSON: not a list of calls. In a delta a call may go on where an earlier chunk ended. */
static dgon_status fix_calls(dgon_chat *c, json_t *message, bool delta)
{
    json_t *calls = json_object_get(message, "tool_calls"), *call;
    size_t i;
    int bad = 0;
    if (calls != NULL && !json_is_array(calls))
        return DGON_EJSON;
    json_array_foreach(calls, i, call)
    {
        int64_t k = dgon_tree_int(call, "index", (int64_t)i);
        if (!json_is_object(call) || k >= DGON_CHAT_TOOLS)
            return DGON_EJSON;
        drop_nulls(call);
        json_t *function = json_object_get(call, "function");
        if (json_is_object(function)) {
            drop_nulls(function);
            bad |= fix_arguments(function);
        }
        if (delta)
            bad |= json_object_set_new(call, "index", json_integer(k));
        if (!delta || k >= (int64_t)c->tool_count || json_object_get(call, "id") != NULL)
            bad |= fix_call_start(c, call, (unsigned)k);
        if (k >= (int64_t)c->tool_count)
            c->tool_count = (uint32_t)k + 1;
        c->tool_seen = true;
    }
    return bad == 0 ? DGON_OK : DGON_ENOMEM;
}

/* ---- any other chunk ---- */

/* *word: the finish word, NULL while there is none (null, or "" as some servers have it). */
static dgon_status finish_of(dgon_chat *c, const json_t *choice, const char **word)
{
    const json_t *v = json_object_get(choice, "finish_reason");
    *word = NULL;
    if (v == NULL || json_is_null(v))
        return DGON_OK;
    if (!json_is_string(v))
        return DGON_EJSON;
    if (json_string_length(v) == 0)
        return DGON_OK;
    *word = dgon_chat_finish_word(json_string_value(v));
    return *word != NULL ? DGON_OK : dgon_chat_fail(c, "The backend gave the answer up.");
}

static dgon_status fix_delta(dgon_chat *c, json_t *delta)
{
    drop_nulls(delta);
    (void)json_object_del(delta, "role");
    dgon_tree_drop_empty(delta, "content");
    dgon_tree_drop_empty(delta, "tool_calls");
    if (dgon_chat_name_reasoning(delta) != 0)
        return DGON_ENOMEM;
    return fix_calls(c, delta, true);
}

/* The delta of a choice, made when it is missing; NULL: no object, or no memory (*s). */
static json_t *delta_of(json_t *choice, dgon_status *s)
{
    json_t *delta = json_object_get(choice, "delta");
    *s = DGON_OK;
    if (delta == NULL || json_is_null(delta)) {
        if (json_object_set_new(choice, "delta", json_object()) != 0)
            *s = DGON_ENOMEM;
        return json_object_get(choice, "delta");
    }
    *s = json_is_object(delta) ? DGON_OK : DGON_EJSON;
    return delta;
}

/* What a choice says now: its delta or, of a text completion, its text. *some: there is anything.
 */
static dgon_status said_of(dgon_chat *c, json_t *choice, const json_t **said, bool *some)
{
    dgon_status s = DGON_OK;
    if (c->text) {
        const json_t *text = json_object_get(choice, "text");
        if ((text == NULL || json_is_null(text)) &&
            json_object_set_new(choice, "text", json_string("")) != 0)
            return DGON_ENOMEM;
        *said = json_object_get(choice, "text");
        *some = json_string_length(*said) > 0;
        return json_is_string(*said) ? DGON_OK : DGON_EJSON;
    }
    json_t *delta = delta_of(choice, &s);
    if (s == DGON_OK)
        s = fix_delta(c, delta);
    *said = delta;
    *some = json_object_size(delta) > 0;
    return s;
}

static dgon_status tree_choice(dgon_chat *c, json_t *choice, const dgon_chat_sink *to)
{
    int64_t index = dgon_tree_int(choice, "index", 0);
    const json_t *logprobs = json_object_get(choice, "logprobs"), *said;
    const char *finish;
    bool some;
    if (!json_is_object(choice) || index >= DGON_CHAT_CHOICES_MAX)
        return DGON_EJSON;
    index += c->first;
    if (!dgon_chat_is_open(c, (unsigned)index))
        return DGON_OK;
    dgon_status s = said_of(c, choice, &said, &some);
    if (s != DGON_OK)
        return s;
    dgon_status given =
        finish_of(c, choice, &finish); /* an answer given up: its text goes out first */
    if (given == DGON_EJSON)
        return given;
    if (!json_is_object(logprobs))
        logprobs = NULL;
    if (some || logprobs != NULL)
        s = dgon_chat_delta(c, (unsigned)index, said, logprobs, to);
    if (s == DGON_OK && finish != NULL)
        s = dgon_chat_finish(c, (unsigned)index, finish, to);
    return s == DGON_OK ? given : s;
}

static dgon_status tree_chunk(dgon_chat *c, json_t *root, const dgon_chat_sink *to)
{
    json_t *choices = json_object_get(root, "choices"), *choice;
    size_t i;
    dgon_status s = DGON_OK;
    if (dgon_openai_error_in(&c->error, 0, root)) {
        c->error.retryable = c->error.retryable && c->roles == 0;
        return DGON_EBACKEND;
    }
    if (!json_is_array(choices) && !json_is_object(json_object_get(root, "usage")))
        return DGON_EJSON;
    dgon_openai_take_usage(c, root);
    json_array_foreach(choices, i, choice)
    {
        s = tree_choice(c, choice, to);
        if (s != DGON_OK)
            return s;
    }
    return json_array_size(choices) == 0 ? dgon_chat_usage_chunk(c, to) : s;
}

static bool is_done(const char *p, size_t n)
{
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\r'))
        n--;
    return n == 6 && memcmp(p, "[DONE]", 6) == 0;
}

dgon_status dgon_openai_chunk(dgon_chat *c, dgon_buf *out, const char *p, size_t n,
                              dgon_chat_emit_fn fn, void *user)
{
    const dgon_chat_sink to = {out, fn, user};
    dgon_openai_quick quick = {.is_text = c->text};
    json_t *root;
    if (c->error.http != 0)
        return DGON_EBACKEND;
    if (c->done_seen)
        return DGON_DONE;
    if (is_done(p, n)) {
        c->done_seen = true;
        dgon_status s = dgon_chat_usage_chunk(c, &to);
        return s == DGON_OK ? DGON_DONE : s;
    }
    dgon_span text;
    if (dgon_openai_like_read(&c->like, p, n, &text)) {
        c->bad_lines = 0;
        quick.index = c->like.index;
        quick.has_choice = true;
        *(c->like.reasoning ? &quick.reasoning : &quick.content) = text;
        return dgon_openai_quick_emit(c, &quick, &to);
    }
    if (dgon_openai_quick_read(&quick, p, n)) {
        c->bad_lines = 0;
        dgon_openai_quick_keep(c, &quick, p, n);
        return dgon_openai_quick_emit(c, &quick, &to);
    }
    dgon_status s = dgon_tree_load_backend(&root, p, n);
    if (s == DGON_OK) {
        s = tree_chunk(c, root, &to);
        json_decref(root);
    }
    return dgon_chat_line_read(c, s);
}

/* ---- the whole answer ---- */

static dgon_status fix_message(dgon_chat *c, json_t *message)
{
    json_t *content = json_object_get(message, "content");
    int bad = dgon_chat_name_reasoning(message);
    bad |= json_object_set_new(message, "role", json_string("assistant"));
    if (content == NULL)
        bad |= json_object_set_new(message, "content", json_null());
    if (json_object_get(message, "refusal") == NULL)
        bad |= json_object_set_new(message, "refusal", json_null());
    if (json_is_null(json_object_get(message, "tool_calls")))
        (void)json_object_del(message, "tool_calls");
    dgon_tree_drop_empty(message, "tool_calls");
    return bad == 0 ? fix_calls(c, message, false) : DGON_ENOMEM;
}

static dgon_status answer_choice(dgon_chat *c, json_t *from, unsigned position, json_t *list)
{
    const char *what = c->text ? "text" : "message";
    json_t *message = json_object_get(from, what);
    json_t *logprobs = json_object_get(from, "logprobs");
    int64_t index = dgon_tree_int(from, "index", position);
    const char *finish;
    if (!(c->text ? json_is_string(message) : json_is_object(message)) ||
        index >= DGON_CHAT_CHOICES_MAX)
        return DGON_EJSON;
    index += c->first;
    if (!dgon_chat_is_open(c, (unsigned)index))
        return DGON_OK; /* more than was asked for */
    c->tool_count = 0;  /* each choice counts its own calls */
    dgon_status s = c->text ? DGON_OK : fix_message(c, message);
    if (s == DGON_OK)
        s = finish_of(c, from, &finish);
    if (s != DGON_OK)
        return s;
    finish = finish != NULL ? finish : "stop";
    dgon_chat_note_finish(c, (unsigned)index, finish);
    json_t *to = json_object();
    int bad = json_object_set_new(to, "index", json_integer(index));
    bad |= json_object_set(to, what, message);
    bad |= json_is_object(logprobs) ? json_object_set(to, "logprobs", logprobs)
                                    : json_object_set_new(to, "logprobs", json_null());
    bad |= json_object_set_new(to, "finish_reason", json_string(finish));
    bad |= json_array_append_new(list, to);
    return bad == 0 ? DGON_OK : DGON_ENOMEM;
}

static dgon_status tree_answer(dgon_chat *c, const json_t *root, dgon_buf *out)
{
    json_t *choices = json_object_get(root, "choices"), *choice;
    size_t i;
    if (dgon_openai_error_in(&c->error, 0, root))
        return DGON_EBACKEND;
    if (!json_is_array(choices) || json_array_size(choices) == 0 ||
        json_array_size(choices) > DGON_CHAT_CHOICES_MAX)
        return DGON_EJSON;
    dgon_openai_take_usage(c, root);
    json_t *list = json_array();
    dgon_status s = list != NULL ? DGON_OK : DGON_ENOMEM;
    json_array_foreach(choices, i, choice)
    {
        if (s == DGON_OK)
            s = answer_choice(c, choice, (unsigned)i, list);
    }
    if (s == DGON_OK)
        s = dgon_chat_write_answer(c, list, out);
    json_decref(list);
    return s;
}

dgon_status dgon_openai_answer(dgon_chat *c, dgon_buf *out, const char *p, size_t n)
{
    json_t *root;
    dgon_status s = dgon_tree_load_backend(&root, p, n);
    if (s == DGON_OK) {
        s = tree_answer(c, root, out);
        json_decref(root);
    }
    if (s == DGON_EJSON)
        return dgon_chat_fail(c, "The backend's answer is not a completion.");
    return s;
}

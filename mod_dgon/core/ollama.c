/* Answers of Ollama's /api/chat and /api/generate: lines of a stream and the whole answer. The
 * usual line, one token, is recognised without a tree. */
#include "dgon/ollama.h"

#include "chat_int.h"
#include "openai_int.h"
#include "tree_int.h"

#include <string.h>

/* ---- the usual line ---- */

typedef struct quick_line {
    dgon_span content, thinking;
    bool has_message;
} quick_line;

static bool quick_message(dgon_peek *c, quick_line *q)
{
    dgon_span key, role;
    bool open = false;
    int more;
    while ((more = dgon_peek_member(c, &open, &key)) == 1) {
        bool ok = false;
        if (dgon_span_is(&key, "content"))
            ok = q->content.p == NULL && dgon_peek_string(c, &q->content);
        else if (dgon_span_is(&key, "thinking"))
            ok = q->thinking.p == NULL && dgon_peek_string(c, &q->thinking);
        else if (dgon_span_is(&key, "role"))
            ok = dgon_peek_string(c, &role);
        if (!ok)
            return false;
    }
    q->has_message = more == 0;
    return more == 0;
}

/* True: text or thinking of a running answer and nothing else that would have to be looked at. */
static bool quick_read(quick_line *q, bool generate, const char *p, size_t n)
{
    dgon_peek c = {p, p + n};
    dgon_span key, text;
    bool open = false;
    int more;
    while ((more = dgon_peek_member(&c, &open, &key)) == 1) {
        bool ok = false;
        if (!generate && dgon_span_is(&key, "message"))
            ok = !q->has_message && quick_message(&c, q);
        else if (generate && dgon_span_is(&key, "response"))
            ok = q->has_message = !q->has_message && dgon_peek_string(&c, &q->content);
        else if (dgon_span_is(&key, "done"))
            ok = dgon_peek_word(&c, "false");
        else if (dgon_span_is(&key, "model") || dgon_span_is(&key, "created_at"))
            ok = dgon_peek_string(&c, &text);
        if (!ok)
            return false;
    }
    dgon_peek_blanks(&c);
    return more == 0 && c.p == c.end && q->has_message;
}

static dgon_status quick_emit(dgon_chat *c, const quick_line *q, const dgon_chat_sink *to)
{
    dgon_status s = dgon_chat_role(c, c->first, to);
    if (s == DGON_OK && dgon_span_has_text(&q->thinking))
        s = dgon_chat_raw(c, c->first, "reasoning_content", &q->thinking, to);
    if (s == DGON_OK && dgon_span_has_text(&q->content))
        s = dgon_chat_raw(c, c->first, "content", &q->content, to);
    return s;
}

/* ---- pieces of a message ---- */

/* Ollama's call as OpenAI's: arguments as a text, an id of our own. NULL: no call, or no memory
 * (*bad). */
static json_t *call_out(dgon_chat *c, const json_t *call, bool stream, int *bad)
{
    const json_t *function = json_object_get(call, "function");
    json_t *name = json_object_get(function, "name");
    json_t *arguments = json_object_get(function, "arguments");
    char id[DGON_CHAT_CALL_MAX];
    if (!json_is_string(name) || c->tool_count >= DGON_CHAT_TOOLS)
        return NULL;
    dgon_chat_call_id(c, c->tool_count, id);
    json_t *out = json_object(), *inner = json_object();
    if (stream)
        *bad |= json_object_set_new(out, "index", json_integer(c->tool_count));
    *bad |= json_object_set_new(out, "id", json_string(id));
    *bad |= json_object_set_new(out, "type", json_string("function"));
    *bad |= json_object_set(inner, "name", name);
    *bad |= json_object_set_new(inner, "arguments",
                                json_is_object(arguments) ? dgon_tree_text(arguments)
                                                          : json_string("{}"));
    *bad |= json_object_set_new(out, "function", inner);
    c->tool_count++;
    c->tool_seen = true;
    return out;
}

/* The list of calls in OpenAI's form; NULL: none, or no memory (*bad). */
static json_t *calls_out(dgon_chat *c, const json_t *message, bool stream, int *bad)
{
    const json_t *calls = json_object_get(message, "tool_calls"), *call;
    size_t i;
    if (json_array_size(calls) == 0)
        return NULL;
    json_t *list = json_array();
    json_array_foreach(calls, i, call)
    {
        json_t *one = call_out(c, call, stream, bad);
        if (one != NULL || *bad != 0)
            *bad |= json_array_append_new(list, one);
    }
    if (list == NULL)
        *bad = -1;
    return list;
}

/* logprobs[] as OpenAI's object; NULL: none, or no memory (*bad). */
static json_t *logprobs_out(const json_t *root, int *bad)
{
    json_t *list = json_object_get(root, "logprobs"), *v;
    size_t i;
    if (json_array_size(list) == 0)
        return NULL;
    json_array_foreach(list, i, v)
    {
        if (json_is_object(v) && json_object_get(v, "bytes") == NULL)
            *bad |= json_object_set_new(v, "bytes", json_null());
        if (json_is_object(v) && json_object_get(v, "top_logprobs") == NULL)
            *bad |= json_object_set_new(v, "top_logprobs", json_array());
    }
    json_t *out = json_object();
    *bad |= json_object_set(out, "content", list);
    *bad |= json_object_set_new(out, "refusal", json_null());
    return out;
}

static void take_figures(dgon_chat *c, const json_t *root)
{
    c->usage.known = true;
    c->usage.prompt = dgon_tree_int(root, "prompt_eval_count", 0);
    c->usage.completion = dgon_tree_int(root, "eval_count", 0);
    c->load_ns = dgon_tree_int(root, "load_duration", 0);
    c->prompt_ns = dgon_tree_int(root, "prompt_eval_duration", 0);
    c->eval_ns = dgon_tree_int(root, "eval_duration", 0);
}

static bool error_in(dgon_chat *c, const json_t *root)
{
    if (!dgon_openai_error_in(&c->error, 0, root))
        return false;
    c->error.retryable = c->error.retryable && (!c->stream || c->roles == 0);
    return true;
}

static const char *finish_of(const dgon_chat *c, const json_t *root)
{
    const char *reason = dgon_tree_str(root, "done_reason");
    const char *word = reason != NULL ? dgon_chat_finish_word(reason) : "stop";
    if (word != NULL && c->tool_seen && strcmp(word, "stop") == 0)
        return "tool_calls";
    return word;
}

/* ---- any other line ---- */

static dgon_status emit_string(dgon_chat *c, const json_t *v, bool reasoning,
                               const dgon_chat_sink *to)
{
    if (!json_is_string(v) || json_string_length(v) == 0)
        return DGON_OK;
    return dgon_chat_emit_text(c, to->out, json_string_value(v), json_string_length(v), reasoning,
                               to->fn, to->user);
}

/* A delta with logprobs or tool calls: one tree, text included. */
static dgon_status emit_tree(dgon_chat *c, const json_t *root, const dgon_chat_sink *to)
{
    const json_t *message = json_object_get(root, "message");
    json_t *content = json_object_get(message, "content");
    json_t *delta = json_object();
    int bad = delta == NULL ? -1 : 0;
    json_t *calls = calls_out(c, message, true, &bad);
    json_t *logprobs = logprobs_out(root, &bad);
    if (json_is_string(content) && json_string_length(content) > 0)
        bad |= json_object_set(delta, "content", content);
    if (calls != NULL)
        bad |= json_object_set(delta, "tool_calls", calls);
    dgon_tree_drop_empty(delta, "tool_calls");
    dgon_status s = bad == 0 ? DGON_OK : DGON_ENOMEM;
    if (s == DGON_OK && (json_object_size(delta) > 0 || logprobs != NULL))
        s = dgon_chat_delta(c, c->first, delta, logprobs, to);
    json_decref(delta);
    json_decref(calls);
    json_decref(logprobs);
    return s;
}

static dgon_status tree_line(dgon_chat *c, const json_t *root, const dgon_chat_sink *to)
{
    const json_t *message = json_object_get(root, "message");
    bool done = json_is_true(json_object_get(root, "done"));
    if (error_in(c, root))
        return DGON_EBACKEND;
    const json_t *said = c->text ? json_object_get(root, "response") : message;
    if (!(c->text ? json_is_string(said) : json_is_object(said)) && !done)
        return DGON_EJSON;
    dgon_status s = dgon_chat_role(c, c->first, to);
    if (s == DGON_OK && c->text)
        s = emit_string(c, said, false, to);
    if (s == DGON_OK && !c->text)
        s = emit_string(c, json_object_get(message, "thinking"), true, to);
    if (s == DGON_OK && !c->text)
        s = emit_tree(c, root, to);
    if (s != DGON_OK || !done)
        return s;
    const char *finish = finish_of(c, root);
    if (finish == NULL)
        return dgon_chat_fail(c, "The backend gave the answer up.");
    take_figures(c, root);
    c->done_seen = true;
    s = dgon_chat_emit_finish(c, to->out, finish, to->fn, to->user);
    return s == DGON_OK ? DGON_DONE : s;
}

dgon_status dgon_ollama_line(dgon_chat *c, dgon_buf *out, const char *p, size_t n,
                             dgon_chat_emit_fn fn, void *user)
{
    const dgon_chat_sink to = {out, fn, user};
    quick_line quick = {0};
    json_t *root;
    if (c->error.http != 0)
        return DGON_EBACKEND;
    if (c->done_seen)
        return DGON_DONE;
    if (quick_read(&quick, c->text, p, n)) {
        c->bad_lines = 0;
        return quick_emit(c, &quick, &to);
    }
    dgon_status s = dgon_tree_load_backend(&root, p, n);
    if (s == DGON_OK) {
        s = tree_line(c, root, &to);
        json_decref(root);
    }
    return dgon_chat_line_read(c, s);
}

/* ---- the whole answer ---- */

static int put_message(dgon_chat *c, const json_t *from, json_t *choice)
{
    json_t *content = json_object_get(from, "content");
    json_t *thinking = json_object_get(from, "thinking");
    json_t *message = json_object();
    int bad = json_object_set_new(message, "role", json_string("assistant"));
    json_t *calls = calls_out(c, from, false, &bad);
    bool silent = !json_is_string(content) || (calls != NULL && json_string_length(content) == 0);
    bad |= json_object_set_new(message, "content", silent ? json_null() : json_incref(content));
    bad |= json_object_set_new(message, "refusal", json_null());
    if (json_is_string(thinking) && json_string_length(thinking) > 0)
        bad |= json_object_set(message, "reasoning_content", thinking);
    if (json_array_size(calls) > 0)
        bad |= json_object_set(message, "tool_calls", calls);
    json_decref(calls);
    return bad | json_object_set_new(choice, "message", message);
}

static dgon_status tree_answer(dgon_chat *c, const json_t *root, dgon_buf *out)
{
    json_t *said = json_object_get(root, c->text ? "response" : "message");
    if (error_in(c, root))
        return DGON_EBACKEND;
    if (!(c->text ? json_is_string(said) : json_is_object(said)) ||
        !json_is_true(json_object_get(root, "done")))
        return DGON_EJSON;
    json_t *list = json_array(), *choice = json_object();
    int bad = json_object_set_new(choice, "index", json_integer(c->first));
    bad |= c->text ? json_object_set(choice, "text", said) : put_message(c, said, choice);
    const char *finish = finish_of(c, root);
    json_t *logprobs = logprobs_out(root, &bad);
    bad |= json_object_set_new(choice, "logprobs", logprobs != NULL ? logprobs : json_null());
    bad |=
        json_object_set_new(choice, "finish_reason", json_string(finish != NULL ? finish : "stop"));
    bad |= json_array_append_new(list, choice);
    take_figures(c, root);
    dgon_status s = bad == 0 ? DGON_OK : DGON_ENOMEM;
    if (s == DGON_OK && finish == NULL)
        s = dgon_chat_fail(c, "The backend gave the answer up.");
    if (s == DGON_OK) {
        dgon_chat_note_finish(c, c->first, finish);
        s = dgon_chat_write_answer(c, list, out);
    }
    json_decref(list);
    return s;
}

dgon_status dgon_ollama_answer(dgon_chat *c, dgon_buf *out, const char *p, size_t n)
{
    json_t *root;
    dgon_status s = dgon_tree_load_backend(&root, p, n);
    if (s == DGON_OK) {
        s = tree_answer(c, root, out);
        json_decref(root);
    }
    if (s == DGON_EJSON)
        return dgon_chat_fail(c, "The backend's answer is not a chat answer.");
    return s;
}

void dgon_ollama_backend_error(dgon_error *e, int http, const char *p, size_t n)
{
    dgon_openai_backend_error(e, http, p, n);
}

/* Answers of an OpenAI-compatible backend as Ollama's lines. */
#include "dgon/ollama_front.h"

#include "dgon/embed.h"

#include "chat_int.h"
#include "openai_int.h"
#include "tree_int.h"

#include <stdio.h>
#include <string.h>

#define CALLS_MAX 64

void dgon_ollama_front_init(dgon_ollama_front *f, dgon_chat *chat, dgon_op op, bool stream)
{
    *f = (dgon_ollama_front){.chat = chat, .op = op, .stream = stream};
    (void)timespec_get(&f->begun, TIME_UTC);
}

void dgon_ollama_front_fini(dgon_ollama_front *f)
{
    json_decref(f->calls);
    f->calls = NULL;
}

/* ---- lines ---- */

/* RFC 3339 with microseconds. */
static void now_text(char text[40])
{
    struct timespec now;
    char seconds[24] = "1970-01-01T00:00:00";
    (void)timespec_get(&now, TIME_UTC);
    const struct tm *tm = gmtime(&now.tv_sec); /* the agent has one thread */
    if (tm != NULL)
        (void)strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", tm);
    (void)snprintf(text, 40, "%s.%06ldZ", seconds, now.tv_nsec / 1000);
}

static int64_t since(const struct timespec *begun)
{
    struct timespec now;
    (void)timespec_get(&now, TIME_UTC);
    int64_t ns = (int64_t)(now.tv_sec - begun->tv_sec) * 1000000000 + now.tv_nsec - begun->tv_nsec;
    return ns > 0 ? ns : 1;
}

static dgon_status begin_line(const dgon_ollama_front *f, dgon_buf *out)
{
    char when[40];
    now_text(when);
    return dgon_buf_addf(out, "{\"model\":%s,\"created_at\":\"%s\",", f->chat->model_json, when);
}

static bool is_generate(const dgon_ollama_front *f)
{
    return f->op == DGON_OP_OLLAMA_GENERATE;
}

/* The text, the thoughts and the calls of a line; each may be NULL. */
static dgon_status add_said(const dgon_ollama_front *f, dgon_buf *out, const dgon_span *text,
                            const dgon_span *thought, const json_t *calls)
{
    static const dgon_span nothing = {"\"\"", 2};
    const dgon_span *said = text != NULL ? text : &nothing;
    dgon_status s = dgon_buf_adds(
        out, is_generate(f) ? "\"response\":" : "\"message\":{\"role\":\"assistant\",\"content\":");
    if (s == DGON_OK)
        s = dgon_buf_add(out, said->p, said->n);
    if (s == DGON_OK && thought != NULL) {
        s = dgon_buf_adds(out, ",\"thinking\":");
        if (s == DGON_OK)
            s = dgon_buf_add(out, thought->p, thought->n);
    }
    if (s == DGON_OK && json_array_size(calls) > 0 && !is_generate(f)) {
        s = dgon_buf_adds(out, ",\"tool_calls\":");
        if (s == DGON_OK)
            s = dgon_tree_dump(out, calls);
    }
    return s == DGON_OK && !is_generate(f) ? dgon_buf_adds(out, "}") : s;
}

static dgon_status add_end(const dgon_ollama_front *f, dgon_buf *out, const char *reason)
{
    const dgon_chat *c = f->chat;
    int64_t total = since(&f->begun), eval = c->eval_ns > 0 ? c->eval_ns : total;
    return dgon_buf_addf(out,
                         ",\"done\":true,\"done_reason\":\"%s\",\"total_duration\":%lld,"
                         "\"load_duration\":%lld,\"prompt_eval_count\":%lld,"
                         "\"prompt_eval_duration\":%lld,\"eval_count\":%lld,"
                         "\"eval_duration\":%lld}",
                         reason, (long long)total, (long long)c->load_ns,
                         (long long)c->usage.prompt, (long long)c->prompt_ns,
                         (long long)c->usage.completion, (long long)eval);
}

static dgon_status emit(dgon_ollama_front *f, const dgon_chat_sink *to)
{
    dgon_chat_note_begun(f->chat, 0); /* a part has gone out */
    f->chat->tokens++;
    return to->fn(to->user, to->out->data, to->out->len);
}

static dgon_status emit_said(dgon_ollama_front *f, const dgon_span *text, const dgon_span *thought,
                             const json_t *calls, const dgon_chat_sink *to)
{
    dgon_buf_reset(to->out);
    dgon_status s = begin_line(f, to->out);
    if (s == DGON_OK)
        s = add_said(f, to->out, text, thought, calls);
    if (s == DGON_OK)
        s = dgon_buf_adds(to->out, ",\"done\":false}");
    return s == DGON_OK ? emit(f, to) : s;
}

static const char *reason_of(const dgon_chat *c)
{
    return strcmp(c->finish, "length") == 0 ? "length" : "stop";
}

static dgon_status emit_last(dgon_ollama_front *f, const dgon_chat_sink *to)
{
    if (f->last_sent)
        return DGON_OK;
    f->last_sent = true;
    dgon_buf_reset(to->out);
    dgon_status s = begin_line(f, to->out);
    if (s == DGON_OK)
        s = add_said(f, to->out, NULL, NULL, NULL);
    if (s == DGON_OK)
        s = add_end(f, to->out, reason_of(f->chat));
    return s == DGON_OK ? emit(f, to) : s;
}

/* ---- tool calls ---- */

/* OpenAI's arguments are a text; what is none of an object becomes an empty one. */
static json_t *arguments_of(const char *text)
{
    json_t *v = text != NULL ? json_loads(text, 0, NULL) : NULL;
    if (json_is_object(v))
        return v;
    json_decref(v);
    return json_object();
}

/* Appends {"function":{"name":…,"arguments":{…}}}; nothing for a call without a name. 0 or -1
 * (memory). */
static int add_call(json_t *list, const char *name, const char *arguments)
{
    if (name == NULL || *name == '\0')
        return 0;
    return json_array_append_new(list, json_pack("{s:{s:s,s:o}}", "function", "name", name,
                                                 "arguments", arguments_of(arguments)));
}

/* Adds a delta's pieces of calls to those that came before: [{"name":…,"text":"…"}]. */
static dgon_status gather(dgon_ollama_front *f, const json_t *calls)
{
    const json_t *v;
    size_t i;
    if (f->calls == NULL)
        f->calls = json_array();
    if (f->calls == NULL)
        return DGON_ENOMEM;
    json_array_foreach(calls, i, v)
    {
        int64_t k = dgon_tree_int(v, "index", (int64_t)i);
        const json_t *function = json_object_get(v, "function");
        const char *name = dgon_tree_str(function, "name");
        const char *more = dgon_tree_str(function, "arguments");
        int bad = 0;
        if (k > CALLS_MAX)
            return DGON_EJSON;
        while (json_array_size(f->calls) <= (size_t)k && bad == 0)
            bad = json_array_append_new(f->calls, json_pack("{s:s,s:s}", "name", "", "text", ""));
        json_t *to = json_array_get(f->calls, (size_t)k);
        if (name != NULL && *name != '\0')
            bad |= json_object_set_new(to, "name", json_string(name));
        if (more != NULL && *more != '\0')
            bad |= json_object_set_new(to, "text",
                                       json_sprintf("%s%s", dgon_tree_str(to, "text"), more));
        if (bad != 0)
            return DGON_ENOMEM;
    }
    return DGON_OK;
}

/* All calls are whole: one line has them, as Ollama does. */
static dgon_status emit_calls(dgon_ollama_front *f, const dgon_chat_sink *to)
{
    const json_t *v;
    size_t i;
    int bad = 0;
    if (json_array_size(f->calls) == 0)
        return DGON_OK;
    json_t *list = json_array();
    json_array_foreach(f->calls, i, v)
    {
        bad |= add_call(list, dgon_tree_str(v, "name"), dgon_tree_str(v, "text"));
    }
    dgon_status s = bad == 0 && list != NULL ? DGON_OK : DGON_ENOMEM;
    if (s == DGON_OK && json_array_size(list) > 0)
        s = emit_said(f, NULL, NULL, list, to);
    json_decref(list);
    (void)json_array_clear(f->calls);
    return s;
}

/* ---- chunks ---- */

/* Texts of a delta as JSON strings, dumped from its tree. */
static dgon_status emit_text(dgon_ollama_front *f, const json_t *v, bool thought,
                             const dgon_chat_sink *to)
{
    dgon_buf json;
    if (!json_is_string(v) || json_string_length(v) == 0)
        return DGON_OK;
    dgon_buf_init(&json, to->out->max);
    dgon_status s = dgon_buf_add_json_string(&json, json_string_value(v), json_string_length(v));
    const dgon_span span = {json.data, json.len};
    if (s == DGON_OK)
        s = emit_said(f, thought ? NULL : &span, thought ? &span : NULL, NULL, to);
    dgon_buf_fini(&json);
    return s;
}

static dgon_status finish_with(dgon_ollama_front *f, const char *word, const dgon_chat_sink *to)
{
    const char *finish = dgon_chat_finish_word(word);
    if (finish == NULL)
        return dgon_chat_fail(f->chat, "The backend gave the answer up.");
    dgon_status s = emit_calls(f, to);
    dgon_chat_note_finish(f->chat, 0, finish);
    return s;
}

static dgon_status tree_chunk(dgon_ollama_front *f, json_t *root, const dgon_chat_sink *to)
{
    dgon_chat *c = f->chat;
    json_t *choices = json_object_get(root, "choices");
    json_t *choice = json_array_get(choices, 0), *delta = json_object_get(choice, "delta");
    const char *word = dgon_tree_str(choice, "finish_reason");
    if (dgon_openai_error_in(&c->error, 0, root)) {
        c->error.retryable = c->error.retryable && c->roles == 0;
        return DGON_EBACKEND;
    }
    if (!json_is_array(choices) && !json_is_object(json_object_get(root, "usage")))
        return DGON_EJSON;
    dgon_openai_take_usage(c, root);
    if (choice == NULL || c->finishes != 0)
        return DGON_OK;
    if (dgon_chat_name_reasoning(delta) != 0)
        return DGON_ENOMEM;
    dgon_status s = emit_text(f, json_object_get(delta, "reasoning_content"), true, to);
    if (s == DGON_OK)
        s = emit_text(f, json_object_get(delta, "content"), false, to);
    if (s == DGON_OK && json_array_size(json_object_get(delta, "tool_calls")) > 0)
        s = gather(f, json_object_get(delta, "tool_calls"));
    return s == DGON_OK && word != NULL && *word != '\0' ? finish_with(f, word, to) : s;
}

static dgon_status quick_chunk(dgon_ollama_front *f, const dgon_openai_quick *q,
                               const dgon_chat_sink *to)
{
    dgon_status s = DGON_OK;
    if (q->usage.known)
        f->chat->usage = q->usage;
    if (f->chat->finishes != 0)
        return s;
    if (dgon_span_has_text(&q->reasoning))
        s = emit_said(f, NULL, &q->reasoning, NULL, to);
    if (s == DGON_OK && dgon_span_has_text(&q->content))
        s = emit_said(f, &q->content, NULL, NULL, to);
    return s == DGON_OK && q->finish != NULL ? finish_with(f, q->finish, to) : s;
}

dgon_status dgon_ollama_front_chunk(dgon_ollama_front *f, dgon_buf *out, const char *p, size_t n,
                                    dgon_chat_emit_fn fn, void *user)
{
    const dgon_chat_sink to = {out, fn, user};
    dgon_chat *c = f->chat;
    dgon_openai_quick quick = {0};
    json_t *root;
    if (c->error.http != 0)
        return DGON_EBACKEND;
    if (c->done_seen)
        return DGON_DONE;
    if (n == 6 && memcmp(p, "[DONE]", 6) == 0) {
        dgon_status s = dgon_ollama_front_end(f, out, fn, user);
        return s == DGON_OK ? DGON_DONE : s;
    }
    if (dgon_openai_quick_read(&quick, p, n)) {
        c->bad_lines = 0;
        return quick_chunk(f, &quick, &to);
    }
    dgon_status s = dgon_tree_load_backend(&root, p, n);
    if (s == DGON_OK) {
        s = tree_chunk(f, root, &to);
        json_decref(root);
    }
    return dgon_chat_line_read(c, s);
}

dgon_status dgon_ollama_front_end(dgon_ollama_front *f, dgon_buf *out, dgon_chat_emit_fn fn,
                                  void *user)
{
    const dgon_chat_sink to = {out, fn, user};
    f->chat->done_seen = true;
    return f->chat->finishes != 0 ? emit_last(f, &to) : DGON_OK;
}

/* ---- the whole answer ---- */

static dgon_status put_message(dgon_ollama_front *f, dgon_buf *out, json_t *message)
{
    dgon_buf texts[2];
    const json_t *from[2], *calls = json_object_get(message, "tool_calls"), *v;
    json_t *list = json_array();
    int bad = dgon_chat_name_reasoning(message);
    size_t i;
    dgon_status s = DGON_OK;
    from[0] = json_object_get(message, "content");
    from[1] = json_object_get(message, "reasoning_content");
    for (i = 0; i < 2; i++) {
        dgon_buf_init(&texts[i], out->max);
        if (s == DGON_OK && json_is_string(from[i]))
            s = dgon_buf_add_json_string(&texts[i], json_string_value(from[i]),
                                         json_string_length(from[i]));
    }
    json_array_foreach(calls, i, v)
    {
        const json_t *function = json_object_get(v, "function");
        bad |=
            add_call(list, dgon_tree_str(function, "name"), dgon_tree_str(function, "arguments"));
    }
    if (bad != 0 || list == NULL)
        s = DGON_ENOMEM;
    const dgon_span text = {texts[0].data, texts[0].len}, thought = {texts[1].data, texts[1].len};
    if (s == DGON_OK)
        s = add_said(f, out, text.n > 0 ? &text : NULL, thought.n > 2 ? &thought : NULL, list);
    json_decref(list);
    dgon_buf_fini(&texts[0]);
    dgon_buf_fini(&texts[1]);
    return s;
}

static dgon_status chat_answer(dgon_ollama_front *f, dgon_buf *out, const json_t *root)
{
    json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
    json_t *message = json_object_get(choice, "message");
    const char *word = dgon_tree_str(choice, "finish_reason");
    const char *finish = dgon_chat_finish_word(word != NULL ? word : "stop");
    if (!json_is_object(message))
        return DGON_EJSON;
    if (finish == NULL)
        return dgon_chat_fail(f->chat, "The backend gave the answer up.");
    dgon_openai_take_usage(f->chat, root);
    dgon_chat_note_finish(f->chat, 0, finish);
    dgon_status s = begin_line(f, out);
    if (s == DGON_OK)
        s = put_message(f, out, message);
    return s == DGON_OK ? add_end(f, out, reason_of(f->chat)) : s;
}

/* {"embeddings":[[…],…]}, or of the older form {"embedding":[…]}; numbers as they stand. */
static dgon_status embed_answer(dgon_ollama_front *f, dgon_buf *out, const char *p, size_t n)
{
    dgon_span vectors;
    dgon_buf list;
    dgon_buf_init(&list, out->max);
    dgon_status s = dgon_embed_vectors(f->chat, &list, p, n);
    vectors = (dgon_span){list.data, list.len};
    if (s == DGON_OK && f->op == DGON_OP_OLLAMA_EMBEDDINGS) { /* [[…]] -> […] */
        s = dgon_buf_adds(out, "{\"embedding\":");
        vectors = (dgon_span){list.data + 1, list.len - 2};
    } else if (s == DGON_OK) {
        s = dgon_buf_addf(out,
                          "{\"model\":%s,\"total_duration\":%lld,\"load_duration\":0,"
                          "\"prompt_eval_count\":%lld,\"embeddings\":",
                          f->chat->model_json, (long long)since(&f->begun),
                          (long long)f->chat->usage.prompt);
    }
    if (s == DGON_OK)
        s = dgon_buf_add(out, vectors.p, vectors.n);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, "}");
    dgon_buf_fini(&list);
    return s;
}

dgon_status dgon_ollama_front_answer(dgon_ollama_front *f, dgon_buf *out, const char *p, size_t n)
{
    size_t before = out->len;
    json_t *root;
    if (f->op == DGON_OP_OLLAMA_EMBED || f->op == DGON_OP_OLLAMA_EMBEDDINGS)
        return embed_answer(f, out, p, n);
    dgon_status s = dgon_tree_load_backend(&root, p, n);
    if (s == DGON_OK) {
        s = dgon_openai_error_in(&f->chat->error, 0, root) ? DGON_EBACKEND
                                                           : chat_answer(f, out, root);
        json_decref(root);
    }
    if (s != DGON_OK)
        out->len = before;
    return s == DGON_EJSON ? dgon_chat_fail(f->chat, "The backend's answer is not a completion.")
                           : s;
}

dgon_status dgon_ollama_front_loaded(dgon_ollama_front *f, dgon_buf *out)
{
    dgon_chat_note_finish(f->chat, 0, "stop");
    dgon_status s = begin_line(f, out);
    if (s == DGON_OK)
        s = add_said(f, out, NULL, NULL, NULL);
    return s == DGON_OK ? dgon_buf_adds(out, ",\"done\":true,\"done_reason\":\"load\"}") : s;
}

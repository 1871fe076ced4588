#include "dgon/relay.h"

#include "chat_int.h"
#include "openai_int.h"
#include "tree_int.h"

#include "dgon/json.h"
#include "dgon/utf8.h"

#include <string.h>

/* ---- what an event says ---- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static bool is_name(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_name_char(p[i]))
            return false;
    }
    return n > 0 && n <= DGON_RELAY_NAME_MAX;
}

/* The name that the event has, or that its data gives itself. False: none. */
static bool name_of(const dgon_sse_event *ev, const json_t *root,
                    char name[DGON_RELAY_NAME_MAX + 1])
{
    const char *type = dgon_tree_str(root, "type");
    const char *p = ev->event_len > 0 ? ev->event : type;
    size_t n = ev->event_len > 0 ? ev->event_len : type != NULL ? strlen(type) : 0;
    if (!is_name(p, n))
        return false;
    memcpy(name, p, n);
    name[n] = '\0';
    return true;
}

static bool is_one_of(const char *name, const char *const *list)
{
    while (*list != NULL && strcmp(name, *list) != 0)
        list++;
    return *list != NULL;
}

static bool is_last(dgon_op op, const char *name)
{
    static const char *const responses[] = {"response.completed", "response.incomplete",
                                            "response.failed", "response.cancelled", NULL};
    static const char *const messages[] = {"message_stop", NULL};
    return is_one_of(name, op == DGON_OP_RESPONSES ? responses : messages);
}

/* ---- usage ---- */

static void take_usage(dgon_chat *c, const json_t *usage)
{
    const json_t *in = json_object_get(usage, "input_tokens_details");
    const json_t *out = json_object_get(usage, "output_tokens_details");
    if (!json_is_object(usage))
        return;
    c->usage.known = true;
    c->usage.prompt = dgon_tree_int(usage, "input_tokens", c->usage.prompt);
    if (c->usage.prompt == 0)
        c->usage.prompt = dgon_tree_int(usage, "prompt_tokens", 0);
    c->usage.completion = dgon_tree_int(usage, "output_tokens", c->usage.completion);
    c->usage.cached = dgon_tree_int(in, "cached_tokens", c->usage.cached);
    /* Anthropic's input_tokens are those that were not in the cache */
    int64_t cached = dgon_tree_int(usage, "cache_read_input_tokens", -1);
    if (cached >= 0 && json_object_get(usage, "input_tokens") != NULL) {
        c->usage.cached = cached;
        c->usage.prompt += cached + dgon_tree_int(usage, "cache_creation_input_tokens", 0);
    }
    c->usage.reasoning = dgon_tree_int(out, "reasoning_tokens", c->usage.reasoning);
}

static void usage_of(dgon_chat *c, const json_t *root)
{
    take_usage(c, json_object_get(root, "usage"));
    take_usage(c, json_object_get(json_object_get(root, "response"), "usage"));
    take_usage(c, json_object_get(json_object_get(root, "message"), "usage"));
    if (json_object_get(root, "prompt_eval_count") != NULL) { /* Ollama's */
        c->usage.known = true;
        c->usage.prompt = dgon_tree_int(root, "prompt_eval_count", 0);
        c->usage.completion = dgon_tree_int(root, "eval_count", 0);
    }
}

/* ---- the model's name ---- */

static bool rename_in(const dgon_chat *c, json_t *o)
{
    if (!json_is_string(json_object_get(o, "model")))
        return false;
    /* a name has no character that JSON would escape */
    json_t *name = json_stringn(c->model_json + 1, strlen(c->model_json) - 2);
    return json_object_set_new(o, "model", name) == 0;
}

/* The name that the client asked for, wherever an answer or event has one. True: it changed. */
static bool rename_model(const dgon_chat *c, json_t *root)
{
    if (!c->rename)
        return false;
    bool changed = rename_in(c, root);
    changed = rename_in(c, json_object_get(root, "response")) || changed;
    return rename_in(c, json_object_get(root, "message")) || changed;
}

/* ---- one event ---- */

/* {"type":"error","message":…}, as a response's stream has it, beside the usual objects. */
static bool is_error(dgon_chat *c, const char *name, const dgon_sse_event *ev, const json_t *root)
{
    if (dgon_openai_error_in(&c->error, 0, root))
        return true;
    const char *type = dgon_tree_str(root, "type");
    if (!ev->error_field && strcmp(name, "error") != 0 &&
        (type == NULL || strcmp(type, "error") != 0))
        return false;
    int64_t http = dgon_tree_int(root, "code", 502);
    dgon_backend_error_map(&c->error, http >= 400 && http < 600 ? (int)http : 502,
                           dgon_tree_str(root, "message"), dgon_tree_str(root, "code"), NULL);
    return true;
}

static bool is_good(const char *p, size_t n, bool line)
{
    dgon_utf8 u = {0};
    return dgon_utf8_feed(&u, p, n, line) == DGON_OK && dgon_utf8_complete(&u) &&
           dgon_tree_half_surrogate(p, n) == n;
}

/* As it came if that is one line of good text. */
static dgon_status put_data(const dgon_chat *c, dgon_buf *out, const char *p, size_t n,
                            json_t *root)
{
    return !rename_model(c, root) && is_good(p, n, true) ? dgon_buf_add(out, p, n)
                                                         : dgon_tree_dump(out, root);
}

/* A part goes out. The last one is noted as the end. */
static dgon_status emit(dgon_chat *c, const dgon_chat_sink *to, bool last)
{
    dgon_chat_note_begun(c, 0);
    c->tokens++;
    dgon_status s = to->fn(to->user, to->out->data, to->out->len);
    if (s != DGON_OK || !last)
        return s;
    dgon_chat_note_finish(c, 0, "stop");
    c->done_seen = true;
    return DGON_DONE;
}

/* The backend's error is noted: another agent may be asked as long as nothing went out. */
static dgon_status refused(dgon_chat *c)
{
    c->error.retryable = c->error.retryable && c->roles == 0;
    return DGON_EBACKEND;
}

static dgon_status event(dgon_chat *c, dgon_op op, dgon_buf *out, const dgon_sse_event *ev,
                         json_t *root, const dgon_chat_sink *to)
{
    char name[DGON_RELAY_NAME_MAX + 1];
    if (!json_is_object(root) || !name_of(ev, root, name))
        return DGON_EJSON;
    if (is_error(c, name, ev, root))
        return refused(c);
    usage_of(c, root);
    bool last = is_last(op, name);
    dgon_buf_reset(out);
    dgon_status s = dgon_buf_addf(out, "%s ", name);
    if (s == DGON_OK)
        s = put_data(c, out, ev->data, ev->data_len, root);
    return s == DGON_OK ? emit(c, to, last) : s;
}

dgon_status dgon_relay_event(dgon_chat *c, dgon_op op, dgon_buf *out, const dgon_sse_event *ev,
                             dgon_chat_emit_fn fn, void *user)
{
    const dgon_chat_sink to = {out, fn, user};
    json_t *root;
    if (c->error.http != 0)
        return DGON_EBACKEND;
    if (c->done_seen)
        return DGON_DONE;
    if (ev->data_len == 6 && memcmp(ev->data, "[DONE]", 6) == 0)
        return DGON_OK;
    dgon_status s = dgon_tree_load_backend(&root, ev->data, ev->data_len);
    if (s == DGON_OK) {
        s = event(c, op, out, ev, root, &to);
        json_decref(root);
    }
    return dgon_chat_line_read(c, s);
}

/* ---- one line ---- */

static bool is_key(const char *p, const dgon_json_member *m, const char *key)
{
    return m->key_len == strlen(key) && memcmp(p + m->key, key, m->key_len) == 0;
}

/* A token: nothing in it that would have to be looked at. *model: where its model's name stands. */
static bool is_usual_line(const char *p, size_t n, dgon_json_member *model)
{
    dgon_json_scan scan;
    dgon_json_member m;
    dgon_status s;
    bool running = false;
    *model = (dgon_json_member){.value_len = 0};
    dgon_json_scan_init(&scan, p, n);
    while ((s = dgon_json_scan_next(&scan, &m)) == DGON_OK) {
        if (is_key(p, &m, "error") || (is_key(p, &m, "done") && (m.value_len != 5 || running)) ||
            (is_key(p, &m, "model") && model->value_len > 0))
            return false;
        if (is_key(p, &m, "done"))
            running = true; /* "done":false */
        else if (is_key(p, &m, "model"))
            *model = m;
    }
    return s == DGON_DONE && running && scan.at == n && is_good(p, n, true);
}

static dgon_status put_usual_line(const dgon_chat *c, dgon_buf *out, const char *p, size_t n,
                                  const dgon_json_member *model)
{
    size_t at = c->rename && model->value_len > 0 ? model->value : n;
    dgon_buf_reset(out);
    dgon_status s = dgon_buf_add(out, p, at);
    if (s != DGON_OK || at == n)
        return s;
    s = dgon_buf_adds(out, c->model_json);
    at += model->value_len;
    return s == DGON_OK ? dgon_buf_add(out, p + at, n - at) : s;
}

static dgon_status line(dgon_chat *c, const char *p, size_t n, json_t *root,
                        const dgon_chat_sink *to)
{
    if (!json_is_object(root))
        return DGON_EJSON;
    if (dgon_openai_error_in(&c->error, 0, root))
        return refused(c);
    usage_of(c, root);
    dgon_buf_reset(to->out);
    dgon_status s = put_data(c, to->out, p, n, root);
    return s == DGON_OK ? emit(c, to, json_is_true(json_object_get(root, "done"))) : s;
}

dgon_status dgon_relay_line(dgon_chat *c, dgon_buf *out, const char *p, size_t n,
                            dgon_chat_emit_fn fn, void *user)
{
    const dgon_chat_sink to = {out, fn, user};
    json_t *root;
    if (c->error.http != 0)
        return DGON_EBACKEND;
    if (c->done_seen)
        return DGON_DONE;
    dgon_json_member model;
    if (is_usual_line(p, n, &model)) {
        c->bad_lines = 0;
        dgon_status s = put_usual_line(c, out, p, n, &model);
        return s == DGON_OK ? emit(c, &to, false) : s;
    }
    dgon_status s = dgon_tree_load_backend(&root, p, n);
    if (s == DGON_OK) {
        s = line(c, p, n, root, &to);
        json_decref(root);
    }
    return dgon_chat_line_read(c, s);
}

/* ---- the whole answer ---- */

dgon_status dgon_relay_answer(dgon_chat *c, dgon_op op, dgon_buf *out, const char *p, size_t n)
{
    json_t *root;
    (void)op;
    dgon_status s = dgon_tree_load_backend(&root, p, n);
    if (s == DGON_EJSON)
        return dgon_chat_fail(c, "The backend's answer is not JSON.");
    if (s != DGON_OK)
        return s;
    if (!json_is_object(root))
        s = dgon_chat_fail(c, "The backend's answer is not a JSON object.");
    else if (dgon_openai_error_in(&c->error, 0, root))
        s = DGON_EBACKEND;
    else
        usage_of(c, root);
    if (s == DGON_OK)
        s = !rename_model(c, root) && is_good(p, n, false) ? dgon_buf_add(out, p, n)
                                                           : dgon_tree_dump(out, root);
    json_decref(root);
    if (s == DGON_OK)
        dgon_chat_note_finish(c, 0, "stop");
    return s;
}

/* ---- in the gateway ---- */

dgon_status dgon_relay_unfold(dgon_buf *out, size_t at)
{
    static const char between[] = "\ndata: ";
    const char *blank = memchr(out->data + at, ' ', out->len - at);
    size_t n = blank != NULL ? (size_t)(blank - out->data) - at : 0;
    if (!is_name(out->data + at, n))
        return DGON_EJSON;
    dgon_status s = dgon_buf_reserve(out, sizeof between);
    if (s != DGON_OK)
        return s;
    char *to = out->data + at + n;
    size_t rest = out->len - at - n - 1;
    memmove(to + sizeof between - 1, to + 1, rest);
    memcpy(to, between, sizeof between - 1);
    out->len = at + n + sizeof between - 1 + rest;
    return DGON_OK;
}

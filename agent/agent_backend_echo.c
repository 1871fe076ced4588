/* A backend without a model: answers the last user message word by word, for trying things out. */
#include "agent_backend.h"

#include "dgon/alloc.h"

#include <jansson.h>

#include <string.h>

#define TEXT_MAX (1024u * 1024u)

/* Text of a message's content: a string, or the text parts of a list. */
static dgon_status add_content(dgon_buf *out, const json_t *content)
{
    if (json_is_string(content)) {
        return dgon_buf_add(out, json_string_value(content), json_string_length(content));
    }
    dgon_status s = DGON_OK;
    size_t i;
    json_t *part;
    json_array_foreach(content, i, part)
    {
        const json_t *text = json_object_get(part, "text");
        if (s == DGON_OK && json_is_string(text)) {
            s = dgon_buf_add(out, json_string_value(text), json_string_length(text));
        }
    }
    return s;
}

/* A prompt, the first of several, or the last user message. */
static dgon_status text_of(dgon_buf *out, const json_t *root)
{
    const json_t *prompt = json_object_get(root, "prompt");
    if (prompt != NULL) {
        return add_content(out, json_is_array(prompt) ? json_array_get(prompt, 0) : prompt);
    }
    const json_t *messages = json_object_get(root, "messages");
    for (size_t i = json_array_size(messages); i-- > 0;) {
        const json_t *m = json_array_get(messages, i);
        const char *role = json_string_value(json_object_get(m, "role"));
        if (role != NULL && strcmp(role, "user") == 0) {
            return add_content(out, json_object_get(m, "content"));
        }
    }
    return DGON_OK;
}

/* Length of the next piece: blanks and the word behind them; at the text's end it starts again. */
static size_t next_piece(agent_echo *e)
{
    if (e->at == e->len) {
        e->at = 0;
    }
    size_t n = e->at;
    while (n < e->len && strchr(" \t\r\n", e->text[n]) != NULL) {
        n++;
    }
    while (n < e->len && strchr(" \t\r\n", e->text[n]) == NULL) {
        n++;
    }
    return n - e->at;
}

static uint32_t count_pieces(agent_echo *e)
{
    uint32_t count = 0;
    do {
        e->at += next_piece(e);
        count++;
    } while (e->at < e->len);
    e->at = 0;
    return count;
}

static dgon_status begin(agent_exchange *x, const agent_exchange_job *job, dgon_buf *request,
                         dgon_error *e)
{
    (void)request;
    json_t *root = json_loadb(job->body, job->body_len, 0, NULL);
    bool want_usage =
        json_is_true(json_object_get(json_object_get(root, "stream_options"), "include_usage"));
    dgon_buf text;
    dgon_buf_init(&text, TEXT_MAX);
    dgon_status s = root != NULL ? text_of(&text, root) : DGON_EJSON;
    if (s == DGON_OK && text.len == 0) {
        s = dgon_buf_adds(&text, "(nothing to echo)");
    }
    json_decref(root);
    s = agent_exchange_init(x, job, s, want_usage, e);
    if (s != DGON_OK) {
        dgon_buf_fini(&text);
        return s;
    }
    agent_echo *echo = &x->u.echo;
    memset(echo, 0, sizeof *echo);
    echo->len = text.len;
    echo->text = text.data;
    echo->delay_ms = job->config->delay_ms;
    echo->left = job->config->tokens != 0 ? job->config->tokens : count_pieces(echo);
    x->reading = true;
    x->chat.usage.known = true;
    x->chat.usage.prompt = count_pieces(echo);
    x->chat.usage.completion = echo->left;
    x->chat.usage.cached = x->chat.usage.reasoning = -1;
    return DGON_OK;
}

/* The non-streamed answer is the same text in one piece, in the form the core's mapping takes. */
static dgon_status whole(agent_exchange *x)
{
    agent_echo *e = &x->u.echo;
    dgon_buf text, json;
    dgon_buf_init(&text, DGON_CHAT_ANSWER_MAX / 2);
    dgon_buf_init(&json, DGON_CHAT_ANSWER_MAX);
    dgon_status s = DGON_OK;
    for (; s == DGON_OK && e->left > 0; e->left--) {
        size_t n = next_piece(e);
        s = dgon_buf_add(&text, e->text + e->at, n);
        e->at += n;
    }
    if (s == DGON_OK) {
        s = dgon_buf_addf(&json, "{\"choices\":[{\"index\":0,%s",
                          x->chat.text ? "\"text\":"
                                       : "\"message\":{\"role\":\"assistant\",\"content\":");
    }
    if (s == DGON_OK) {
        s = dgon_buf_add_json_string(&json, text.data != NULL ? text.data : "", text.len);
    }
    if (s == DGON_OK) {
        long long in = x->chat.usage.prompt, out = x->chat.usage.completion;
        s = dgon_buf_addf(&json,
                          "%s,\"logprobs\":null,\"finish_reason\":\"stop\"}],"
                          "\"usage\":{\"prompt_tokens\":%lld,"
                          "\"completion_tokens\":%lld,\"total_tokens\":%lld}}",
                          x->chat.text ? "" : ",\"refusal\":null}", in, out, in + out);
    }
    if (s == DGON_OK) {
        s = dgon_openai_answer(&x->chat, &x->out, json.data, json.len);
    }
    dgon_buf_fini(&text);
    dgon_buf_fini(&json);
    return s == DGON_OK ? DGON_DONE : s;
}

static dgon_status step(agent_exchange *x, uint32_t *wait_ms)
{
    agent_echo *e = &x->u.echo;
    *wait_ms = e->delay_ms;
    if (!x->stream) {
        if (!e->started && e->delay_ms != 0) {
            e->started = true;
            uint64_t all = (uint64_t)e->delay_ms * e->left;
            *wait_ms = all < 3600000u ? (uint32_t)all : 3600000u;
            return DGON_OK;
        }
        return whole(x);
    }
    if (!e->started) {
        e->started = true;
        return dgon_chat_emit_role(&x->chat, &x->out, x->emit, x->user);
    }
    if (e->left == 0) {
        dgon_status s = dgon_chat_emit_finish(&x->chat, &x->out, "stop", x->emit, x->user);
        x->chat.done_seen = true;
        return s == DGON_OK ? DGON_DONE : s;
    }
    size_t n = next_piece(e);
    const char *p = e->text + e->at;
    e->at += n;
    e->left--;
    return dgon_chat_emit_text(&x->chat, &x->out, p, n, false, x->emit, x->user);
}

static void fini(agent_exchange *x)
{
    if (x->reading) {
        dgon_free(x->u.echo.text);
    }
}

const agent_backend_ops agent_backend_echo = {
    .kind = AGENT_KIND_ECHO,
    .ask = {[DGON_OP_CHAT] = "", [DGON_OP_COMPLETION] = ""},
    .one_choice = true,
    .begin = begin,
    .step = step,
    .fini = fini};

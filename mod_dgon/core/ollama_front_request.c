/* A body of Ollama's API as OpenAI's want it. */
#include "dgon/ollama_front.h"

#include "check_int.h"
#include "tree_int.h"

#include <stdio.h>
#include <string.h>

/* `bad` collects failures of the tree's setters: out of memory, seen once at the end. */
typedef struct build {
    const json_t *in;
    json_t *out, *messages;
    json_t *open; /* names of the calls without a result so far; their ids are call_0, call_1 … */
    size_t calls; /* made so far; the open ones are the last of them */
    dgon_error *e;
    int bad;
} build;

static json_t *given(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

static void put(build *b, json_t *o, const char *key, json_t *v)
{
    b->bad |= json_object_set_new(o, key, v);
}

static void share(build *b, json_t *o, const char *key, json_t *v)
{
    if (v != NULL)
        b->bad |= json_object_set(o, key, v);
}

static dgon_status unsupported(const build *b, const char *param)
{
    return dgon_check_refuse(b->e, "unsupported_value", param,
                             "'%s' is not supported for this model's backend.", param);
}

/* ---- messages ---- */

/* What kind of image it is its first bytes tell, in base64. */
static const char *image_type(const char *data)
{
    return strncmp(data, "/9j/", 4) == 0    ? "jpeg"
           : strncmp(data, "R0lG", 4) == 0  ? "gif"
           : strncmp(data, "UklGR", 5) == 0 ? "webp"
                                            : "png";
}

/* The text, or a list of text and images. */
static json_t *content_of(build *b, const char *text, const json_t *images)
{
    const json_t *v;
    size_t i;
    if (json_array_size(images) == 0)
        return json_string(text);
    json_t *parts = json_array();
    if (*text != '\0')
        b->bad |=
            json_array_append_new(parts, json_pack("{s:s,s:s}", "type", "text", "text", text));
    json_array_foreach(images, i, v)
    {
        const char *data = json_string_value(v);
        if (data == NULL)
            continue;
        json_t *url = json_sprintf("data:image/%s;base64,%s", image_type(data), data);
        b->bad |= json_array_append_new(
            parts, json_pack("{s:s,s:{s:o}}", "type", "image_url", "image_url", "url", url));
    }
    return parts;
}

static void put_calls(build *b, json_t *message, const json_t *calls)
{
    const json_t *v;
    size_t i;
    if (json_array_size(calls) == 0)
        return;
    json_t *list = json_array();
    b->bad |= json_array_clear(b->open);
    json_array_foreach(calls, i, v)
    {
        const json_t *function = json_object_get(v, "function");
        const char *name = dgon_tree_str(function, "name");
        const json_t *arguments = json_object_get(function, "arguments");
        char id[32];
        (void)snprintf(id, sizeof id, "call_%zu", b->calls++);
        b->bad |= json_array_append_new(b->open, json_string(name != NULL ? name : ""));
        b->bad |= json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:{s:s,s:o}}", "id", id, "type", "function", "function", "name",
                      name != NULL ? name : "", "arguments",
                      json_is_object(arguments) ? dgon_tree_text(arguments) : json_string("{}")));
    }
    put(b, message, "tool_calls", list);
}

/* A result belongs to the first call of that name that has none yet; without a name, to the first.
 */
static void put_call_id(build *b, json_t *message, const json_t *in)
{
    const char *name = dgon_tree_str(in, "tool_name");
    size_t n = json_array_size(b->open), k = 0;
    char id[32];
    for (size_t i = n; i-- > 0;) {
        const char *open = json_string_value(json_array_get(b->open, i));
        if (open != NULL && (name == NULL || strcmp(open, name) == 0))
            k = i;
    }
    (void)snprintf(id, sizeof id, "call_%zu", b->calls >= n ? b->calls - n + k : k);
    if (k < n)
        b->bad |= json_array_set_new(b->open, k, json_null());
    put(b, message, "tool_call_id", json_string(id));
}

static dgon_status put_message(build *b, const json_t *in, size_t number)
{
    const char *role = dgon_tree_str(in, "role"), *text = dgon_tree_str(in, "content");
    char at[48];
    if (role == NULL) {
        (void)snprintf(at, sizeof at, "messages[%zu].role", number);
        return dgon_check_refuse(b->e, "missing_required_parameter", at, "'%s' is missing.", at);
    }
    json_t *out = json_object();
    put(b, out, "role", json_string(role));
    put(b, out, "content", content_of(b, text != NULL ? text : "", json_object_get(in, "images")));
    const char *thinking = dgon_tree_str(in, "thinking");
    if (thinking != NULL && *thinking != '\0')
        put(b, out, "reasoning_content", json_string(thinking));
    if (strcmp(role, "assistant") == 0)
        put_calls(b, out, json_object_get(in, "tool_calls"));
    if (strcmp(role, "tool") == 0)
        put_call_id(b, out, in);
    b->bad |= json_array_append_new(b->messages, out);
    return DGON_OK;
}

static dgon_status put_messages(build *b)
{
    const json_t *messages = json_object_get(b->in, "messages"), *m;
    size_t i;
    dgon_status s = DGON_OK;
    json_array_foreach(messages, i, m)
    {
        s = put_message(b, m, i);
        if (s != DGON_OK)
            return s;
    }
    return s;
}

static dgon_status put_prompt(build *b)
{
    static const char *const never[] = {"suffix", "context", "template"};
    const char *system = dgon_tree_str(b->in, "system"), *prompt = dgon_tree_str(b->in, "prompt");
    for (size_t k = 0; k < sizeof never / sizeof never[0]; k++) {
        const json_t *v = given(b->in, never[k]);
        if (json_string_length(v) > 0 || json_array_size(v) > 0)
            return unsupported(b, never[k]);
    }
    if (json_is_true(json_object_get(b->in, "raw")))
        return unsupported(b, "raw");
    if (system != NULL && *system != '\0')
        b->bad |= json_array_append_new(
            b->messages, json_pack("{s:s,s:s}", "role", "system", "content", system));
    json_t *content = content_of(b, prompt != NULL ? prompt : "", json_object_get(b->in, "images"));
    b->bad |= json_array_append_new(b->messages,
                                    json_pack("{s:s,s:o}", "role", "user", "content", content));
    return DGON_OK;
}

/* ---- the rest ---- */

static void put_options(build *b)
{
    static const char *const same[] = {
        "temperature",       "top_p",          "top_k",        "min_p",
        "typical_p",         "seed",           "stop",         "presence_penalty",
        "frequency_penalty", "repeat_penalty", "repeat_last_n"};
    const json_t *options = json_object_get(b->in, "options");
    int64_t most;
    for (size_t k = 0; k < sizeof same / sizeof same[0]; k++)
        share(b, b->out, same[k], given(options, same[k]));
    if (dgon_tree_whole(json_object_get(options, "num_predict"), &most) && most > 0)
        put(b, b->out, "max_tokens", json_integer(most));
}

static dgon_status put_format(build *b)
{
    json_t *format = given(b->in, "format");
    const char *word = json_string_value(format);
    if (format == NULL || (word != NULL && *word == '\0'))
        return DGON_OK;
    if (json_is_object(format)) {
        put(b, b->out, "response_format",
            json_pack("{s:s,s:{s:s,s:O,s:b}}", "type", "json_schema", "json_schema", "name",
                      "answer", "schema", format, "strict", 1));
        return DGON_OK;
    }
    if (word == NULL || strcmp(word, "json") != 0)
        return unsupported(b, "format");
    put(b, b->out, "response_format", json_pack("{s:s}", "type", "json_object"));
    return DGON_OK;
}

static void put_think(build *b)
{
    json_t *think = given(b->in, "think");
    if (json_is_false(think))
        put(b, b->out, "chat_template_kwargs", json_pack("{s:b}", "enable_thinking", 0));
    else if (json_is_string(think))
        share(b, b->out, "reasoning_effort", think);
}

static dgon_status put_chat(build *b, dgon_op op, bool stream)
{
    b->messages = json_array();
    share(b, b->out, "messages", b->messages);
    put(b, b->out, "stream", json_boolean(stream));
    if (stream)
        put(b, b->out, "stream_options", json_pack("{s:b}", "include_usage", 1));
    if (json_is_true(json_object_get(b->in, "logprobs")))
        return unsupported(b, "logprobs");
    put_options(b);
    put_think(b);
    if (json_array_size(json_object_get(b->in, "tools")) > 0)
        share(b, b->out, "tools", json_object_get(b->in, "tools"));
    dgon_status s = op == DGON_OP_OLLAMA_CHAT ? put_messages(b) : put_prompt(b);
    return s == DGON_OK ? put_format(b) : s;
}

static dgon_status put_embed(build *b, dgon_op op)
{
    const char *from = op == DGON_OP_OLLAMA_EMBED ? "input" : "prompt";
    json_t *input = given(b->in, from);
    if (!json_is_string(input) && json_array_size(input) == 0)
        return dgon_check_refuse(b->e, "missing_required_parameter", from, "'%s' is missing.",
                                 from);
    share(b, b->out, "input", input);
    share(b, b->out, "dimensions", given(b->in, "dimensions"));
    put(b, b->out, "encoding_format", json_string("float"));
    return DGON_OK;
}

/* Without anything to say the client only wants the model in memory. */
static bool is_load(dgon_op op, const json_t *in)
{
    if (op == DGON_OP_OLLAMA_CHAT)
        return json_array_size(json_object_get(in, "messages")) == 0;
    return op == DGON_OP_OLLAMA_GENERATE &&
           json_string_length(json_object_get(in, "prompt")) == 0 &&
           json_array_size(json_object_get(in, "images")) == 0;
}

dgon_status dgon_ollama_front_request(dgon_buf *out, dgon_op op, const char *body, size_t n,
                                      const char *model, bool stream, dgon_error *e)
{
    json_error_t err;
    json_t *root;
    dgon_status s = dgon_tree_load(&root, body, n, 0, &err);
    if (s != DGON_OK || !json_is_object(root)) {
        json_decref(root);
        return s == DGON_ENOMEM
                   ? s
                   : dgon_check_refuse(e, NULL, NULL, "The request body is not a JSON object.");
    }
    if (is_load(op, root)) {
        json_decref(root);
        return DGON_DONE;
    }
    build b = {.in = root, .out = json_object(), .open = json_array(), .e = e};
    put(&b, b.out, "model", json_string(model));
    s = op == DGON_OP_OLLAMA_CHAT || op == DGON_OP_OLLAMA_GENERATE ? put_chat(&b, op, stream)
                                                                   : put_embed(&b, op);
    if (s == DGON_OK && (b.bad != 0 || b.open == NULL))
        s = DGON_ENOMEM;
    if (s == DGON_OK)
        s = dgon_tree_dump(out, b.out);
    json_decref(b.messages);
    json_decref(b.open);
    json_decref(b.out);
    json_decref(root);
    return s;
}

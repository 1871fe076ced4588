/* An OpenAI chat request as Ollama's /api/chat wants it. A whole tree is built: names, places and
 * types differ. */
#include "dgon/ollama.h"

#include "openai_int.h"
#include "tree_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* `bad` collects failures of the tree's setters: out of memory, seen once at the end. */
typedef struct build {
    const json_t *in;
    json_t *out;
    json_t *names; /* id of each call so far -> name of its function */
    dgon_error *e;
    int bad;
} build;

static dgon_status refuse(const build *b, const char *code, const char *param, const char *fmt, ...)
    DGON_PRINTF(4, 5);

static dgon_status refuse(const build *b, const char *code, const char *param, const char *fmt, ...)
{
    char text[DGON_ERROR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    dgon_error_set(b->e, 400, code, param, "%s", text);
    return DGON_EINVAL;
}

static dgon_status unsupported(const build *b, const char *param)
{
    return refuse(b, "unsupported_value", param, "'%s' is not supported for this model's backend.",
                  param);
}

static void set(build *b, json_t *o, const char *key, json_t *v)
{
    b->bad |= json_object_set_new(o, key, v);
}

/* Shares v with the request's tree. */
static void share(build *b, json_t *o, const char *key, json_t *v)
{
    b->bad |= json_object_set(o, key, v);
}

/* A member of the request; NULL when absent or null. */
static json_t *given(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

/* ---- what Ollama cannot do ---- */

static bool is_plain_modalities(const json_t *v)
{
    const char *only = json_string_value(json_array_get(v, 0));
    return json_array_size(v) == 0 ||
           (json_array_size(v) == 1 && only != NULL && strcmp(only, "text") == 0);
}

static dgon_status check_unsupported(const build *b)
{
    static const char *const never[] = {"audio", "logit_bias", "functions"};
    int64_t n = 1;
    for (size_t k = 0; k < sizeof never / sizeof never[0]; k++) {
        const json_t *v = given(b->in, never[k]);
        if (v != NULL && json_object_size(v) + json_array_size(v) > 0)
            return unsupported(b, never[k]);
    }
    if (given(b->in, "n") != NULL && (!dgon_tree_whole(given(b->in, "n"), &n) || n != 1))
        return refuse(b, "unsupported_value", "n",
                      "'n' must be 1: this model's backend gives one choice at a time.");
    return is_plain_modalities(given(b->in, "modalities")) ? DGON_OK : unsupported(b, "modalities");
}

/* ---- options ---- */

/* Integers as integers, also when the client wrote 5.0. */
static void put_number(build *b, json_t *options, const char *key, json_t *v, bool whole)
{
    int64_t number;
    if (whole && dgon_tree_whole(v, &number))
        set(b, options, key, json_integer(number));
    else if (!whole && json_is_number(v))
        share(b, options, key, v);
}

static void put_stop(build *b, json_t *options)
{
    json_t *stop = given(b->in, "stop");
    if (json_is_array(stop)) {
        share(b, options, "stop", stop);
    } else if (json_is_string(stop)) {
        json_t *list = json_array();
        b->bad |= json_array_append(list, stop);
        set(b, options, "stop", list);
    }
}

static void put_options(build *b)
{
    static const struct {
        const char *name;
        bool whole;
    } same[] = {{"temperature", false},
                {"top_p", false},
                {"presence_penalty", false},
                {"frequency_penalty", false},
                {"min_p", false},
                {"repeat_penalty", false},
                {"top_k", true},
                {"num_ctx", true},
                {"seed", true}};
    json_t *options = json_object();
    for (size_t k = 0; k < sizeof same / sizeof same[0]; k++)
        put_number(b, options, same[k].name, given(b->in, same[k].name), same[k].whole);
    json_t *limit = given(b->in, "max_completion_tokens");
    put_number(b, options, "num_predict", limit != NULL ? limit : given(b->in, "max_tokens"), true);
    put_stop(b, options);
    if (options == NULL)
        b->bad = -1;
    if (json_object_size(options) > 0)
        share(b, b->out, "options", options);
    json_decref(options);
}

static dgon_status put_format(build *b)
{
    const json_t *format = given(b->in, "response_format");
    const char *type = dgon_tree_str(format, "type");
    if (format == NULL || (type != NULL && strcmp(type, "text") == 0))
        return DGON_OK;
    if (type == NULL)
        return refuse(b, "invalid_type", "response_format", "'response_format' needs a 'type'.");
    json_t *schema = given(json_object_get(format, "json_schema"), "schema");
    if (strcmp(type, "json_schema") == 0 && json_is_object(schema))
        share(b, b->out, "format", schema);
    else if (strcmp(type, "json_schema") == 0 || strcmp(type, "json_object") == 0)
        set(b, b->out, "format", json_string("json"));
    else
        return unsupported(b, "response_format.type");
    return DGON_OK;
}

static void put_think(build *b)
{
    static const char *const levels[][2] = {{"minimal", "low"},   {"low", "low"},
                                            {"medium", "medium"}, {"high", "high"},
                                            {"xhigh", "max"},     {"max", "max"}};
    const char *effort = dgon_tree_str(b->in, "reasoning_effort");
    if (effort != NULL && strcmp(effort, "none") == 0)
        set(b, b->out, "think", json_false());
    for (size_t k = 0; effort != NULL && k < sizeof levels / sizeof levels[0]; k++) {
        if (strcmp(effort, levels[k][0]) == 0)
            set(b, b->out, "think", json_string(levels[k][1]));
    }
}

/* ---- tools ---- */

static dgon_status put_tools(build *b)
{
    json_t *tools = given(b->in, "tools"), *tool;
    const json_t *choice = given(b->in, "tool_choice");
    const char *word = json_string_value(choice);
    size_t i;
    if (word != NULL && strcmp(word, "none") == 0)
        return DGON_OK;
    if (choice != NULL && (word == NULL || strcmp(word, "auto") != 0))
        return refuse(b, "unsupported_value", "tool_choice",
                      "'tool_choice' can only be 'auto' or 'none' for this model's backend.");
    if (json_array_size(tools) == 0)
        return DGON_OK;
    json_array_foreach(tools, i, tool)
    {
        const char *type = dgon_tree_str(tool, "type");
        if (type == NULL || strcmp(type, "function") != 0)
            return unsupported(b, "tools");
    }
    share(b, b->out, "tools", tools);
    return DGON_OK;
}

/* ---- messages ---- */

/* Where a message comes from and what is made of it. */
typedef struct turn {
    const json_t *in;
    json_t *out, *images; /* images: NULL until the first one */
    size_t number;
    dgon_buf text;
    bool has_text;
} turn;

static dgon_status bad_part(const build *b, const turn *t, size_t part, const char *code,
                            const char *why)
{
    char param[64];
    (void)snprintf(param, sizeof param, "messages[%zu].content[%zu]", t->number, part);
    return refuse(b, code, param, "'%s' %s", param, why);
}

/* Several texts of one message become one, a line each. */
static dgon_status add_text(turn *t, const json_t *v)
{
    dgon_status s = t->has_text ? dgon_buf_add(&t->text, "\n", 1) : DGON_OK;
    t->has_text = true;
    return s == DGON_OK ? dgon_buf_add(&t->text, json_string_value(v), json_string_length(v)) : s;
}

/* data:image/png;base64,XXXX gives XXXX; NULL: something else. */
static const char *image_data(const char *url)
{
    static const char mark[] = ";base64,";
    bool data = url != NULL && strlen(url) > 5 && (url[0] | 0x20) == 'd' &&
                (url[1] | 0x20) == 'a' && (url[2] | 0x20) == 't' && (url[3] | 0x20) == 'a' &&
                url[4] == ':';
    const char *comma = data ? strchr(url, ',') : NULL;
    size_t n = sizeof mark - 1;
    if (comma == NULL || (size_t)(comma - url) < n || memcmp(comma + 1 - n, mark, n) != 0)
        return NULL;
    return comma + 1;
}

static dgon_status add_image(build *b, turn *t, const json_t *part, size_t number)
{
    const json_t *image = json_object_get(part, "image_url");
    const char *url =
        json_is_string(image) ? json_string_value(image) : dgon_tree_str(image, "url");
    const char *data = image_data(url);
    if (data == NULL)
        return bad_part(b, t, number, "unsupported_value",
                        "must be a data: URL with base64: nothing is fetched from the network.");
    if (t->images == NULL) {
        t->images = json_array();
        set(b, t->out, "images", t->images); /* takes it, or frees it */
        if (b->bad != 0)
            return DGON_ENOMEM;
    }
    b->bad |= json_array_append_new(t->images, json_string(data));
    return DGON_OK;
}

static dgon_status add_part(build *b, turn *t, const json_t *part, size_t number)
{
    const char *type = dgon_tree_str(part, "type");
    if (type == NULL)
        return bad_part(b, t, number, "invalid_type", "must be an object with a 'type'.");
    if (strcmp(type, "image_url") == 0)
        return add_image(b, t, part, number);
    if (strcmp(type, "text") != 0 && strcmp(type, "refusal") != 0)
        return bad_part(b, t, number, "unsupported_value",
                        "has a type that this model's backend does not support.");
    const json_t *text = json_object_get(part, type);
    if (!json_is_string(text))
        return bad_part(b, t, number, "invalid_type", "needs a text.");
    return add_text(t, text);
}

static dgon_status put_content(build *b, turn *t)
{
    json_t *content = given(t->in, "content"), *part;
    size_t i;
    if (json_is_string(content)) {
        share(b, t->out, "content", content);
        return DGON_OK;
    }
    if (content != NULL && !json_is_array(content))
        return refuse(b, "invalid_type", "messages",
                      "The content of a message must be a string or a list.");
    dgon_status s = DGON_OK;
    json_array_foreach(content, i, part)
    {
        if (s == DGON_OK)
            s = add_part(b, t, part, i);
    }
    if (s == DGON_OK)
        set(b, t->out, "content", json_stringn(t->text.len > 0 ? t->text.data : "", t->text.len));
    return s;
}

/* The JSON text of a call's arguments as an object, caller owns it. "" counts as {}. DGON_EJSON: it
 * is none. */
static dgon_status arguments_object(json_t **object, const json_t *function)
{
    json_t *v = json_object_get(function, "arguments");
    json_error_t err;
    *object = NULL;
    if (json_is_object(v))
        *object = json_incref(v);
    else if (json_is_string(v) && json_string_length(v) == 0)
        *object = json_object();
    else if (!json_is_string(v))
        return DGON_EJSON;
    if (!json_is_string(v) || json_string_length(v) == 0)
        return *object != NULL ? DGON_OK : DGON_ENOMEM;
    dgon_status s =
        dgon_tree_load(object, json_string_value(v), json_string_length(v), JSON_ALLOW_NUL, &err);
    if (s != DGON_OK || json_is_object(*object))
        return s;
    json_decref(*object);
    *object = NULL;
    return DGON_EJSON;
}

static dgon_status put_call(build *b, const turn *t, const json_t *call, size_t number,
                            json_t *list)
{
    const json_t *function = json_object_get(call, "function");
    json_t *name = json_object_get(function, "name"), *id = json_object_get(call, "id"), *arguments;
    dgon_status s = arguments_object(&arguments, function);
    if (s == DGON_EJSON || !json_is_string(name)) {
        char param[96];
        json_decref(arguments);
        (void)snprintf(param, sizeof param, "messages[%zu].tool_calls[%zu].function", t->number,
                       number);
        return refuse(b, "invalid_type", param,
                      "'%s' must have a name and, as arguments, the text of a JSON object.", param);
    }
    if (s != DGON_OK)
        return s;
    json_t *out = json_object(), *inner = json_object();
    share(b, inner, "name", name);
    set(b, inner, "arguments", arguments);
    if (json_is_string(id)) {
        share(b, out, "id", id);
        share(b, b->names, json_string_value(id), name);
    }
    set(b, out, "function", inner);
    b->bad |= json_array_append_new(list, out);
    return DGON_OK;
}

static dgon_status put_calls(build *b, const turn *t)
{
    const json_t *calls = given(t->in, "tool_calls"), *call;
    size_t i;
    dgon_status s = DGON_OK;
    if (json_array_size(calls) == 0)
        return DGON_OK;
    json_t *list = json_array();
    json_array_foreach(calls, i, call)
    {
        if (s == DGON_OK)
            s = put_call(b, t, call, i, list);
    }
    set(b, t->out, "tool_calls", list);
    return s;
}

static void put_thinking(build *b, const turn *t)
{
    static const char *const names[] = {"reasoning_content", "reasoning", "thinking"};
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        json_t *v = json_object_get(t->in, names[k]);
        if (json_is_string(v) && json_string_length(v) > 0) {
            share(b, t->out, "thinking", v);
            return;
        }
    }
}

/* Ollama knows the answer of a tool by the tool's name, OpenAI by the call's id. */
static void put_tool(build *b, const turn *t)
{
    json_t *id = json_object_get(t->in, "tool_call_id");
    json_t *name = json_is_string(id) ? json_object_get(b->names, json_string_value(id)) : NULL;
    if (name == NULL)
        name = json_object_get(t->in, "name");
    if (json_is_string(name))
        share(b, t->out, "tool_name", name);
    if (json_is_string(id))
        share(b, t->out, "tool_call_id", id);
}

static const char *role_out(const char *role)
{
    static const char *const map[][2] = {{"system", "system"}, {"developer", "system"},
                                         {"user", "user"},     {"assistant", "assistant"},
                                         {"tool", "tool"},     {"function", "tool"}};
    for (size_t k = 0; role != NULL && k < sizeof map / sizeof map[0]; k++) {
        if (strcmp(role, map[k][0]) == 0)
            return map[k][1];
    }
    return NULL;
}

static dgon_status put_message(build *b, const json_t *in, size_t number, json_t *list)
{
    turn t = {.in = in, .out = json_object(), .number = number};
    const char *role = role_out(dgon_tree_str(in, "role"));
    b->bad |= json_array_append_new(list, t.out);
    if (b->bad != 0)
        return DGON_ENOMEM;
    if (role == NULL)
        return refuse(b, "invalid_value", "messages", "Message %zu has no known role.", number);
    dgon_buf_init(&t.text, DGON_CHAT_ANSWER_MAX);
    set(b, t.out, "role", json_string(role));
    dgon_status s = put_content(b, &t);
    dgon_buf_fini(&t.text);
    if (s == DGON_OK && strcmp(role, "assistant") == 0) {
        put_thinking(b, &t);
        s = put_calls(b, &t);
    } else if (s == DGON_OK && strcmp(role, "tool") == 0) {
        put_tool(b, &t);
    }
    return s;
}

static dgon_status put_messages(build *b)
{
    const json_t *messages = json_object_get(b->in, "messages"), *m;
    size_t i;
    dgon_status s = DGON_OK;
    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return refuse(b, "missing_required_parameter", "messages",
                      "Missing required parameter: 'messages'.");
    json_t *list = json_array();
    json_array_foreach(messages, i, m)
    {
        if (s == DGON_OK)
            s = put_message(b, m, i, list);
    }
    set(b, b->out, "messages", list);
    return s;
}

/* ---- the whole ---- */

static void put_plain(build *b, const char *model, bool stream, const dgon_ollama_options *opt)
{
    static const char *const same[] = {"keep_alive", "logprobs", "top_logprobs"};
    set(b, b->out, "model", json_string(model));
    set(b, b->out, "stream", json_boolean(stream));
    set(b, b->out, "truncate", json_boolean(opt->truncate));
    for (size_t k = 0; k < sizeof same / sizeof same[0]; k++) {
        json_t *v = given(b->in, same[k]);
        if (v != NULL && !json_is_object(v) && !json_is_array(v))
            share(b, b->out, same[k], v);
    }
    if (opt->thinking)
        put_think(b);
    put_options(b);
}

static dgon_status put_all(build *b, const char *model, bool stream, const dgon_ollama_options *opt)
{
    put_plain(b, model, stream, opt);
    dgon_status s = check_unsupported(b);
    if (s == DGON_OK)
        s = put_messages(b);
    if (s == DGON_OK)
        s = put_tools(b);
    if (s == DGON_OK)
        s = put_format(b);
    return s == DGON_OK && b->bad != 0 ? DGON_ENOMEM : s;
}

static dgon_status bad_body(dgon_error *e)
{
    dgon_error_set(e, 400, NULL, NULL, "The request body is not a JSON object.");
    return DGON_EINVAL;
}

dgon_status dgon_ollama_request_out(dgon_buf *out, const char *body, size_t n, const char *model,
                                    bool stream, const dgon_ollama_options *opt, bool *want_usage,
                                    dgon_error *e)
{
    json_error_t err;
    json_t *root;
    *want_usage = false;
    dgon_status s = dgon_json_precheck(body, n, DGON_JSON_DEPTH_MAX, NULL);
    if (s != DGON_OK)
        return bad_body(e);
    s = dgon_tree_load(&root, body, n, 0, &err);
    if (s == DGON_EJSON || (s == DGON_OK && !json_is_object(root))) {
        json_decref(root);
        return bad_body(e);
    }
    if (s == DGON_OK) {
        build b = {.in = root, .out = json_object(), .names = json_object(), .e = e};
        *want_usage =
            stream && json_is_true(json_object_get(given(root, "stream_options"), "include_usage"));
        s = b.names != NULL ? put_all(&b, model, stream, opt) : DGON_ENOMEM;
        if (s == DGON_OK)
            s = dgon_tree_dump(out, b.out);
        json_decref(b.names);
        json_decref(b.out);
        json_decref(root);
    }
    if (s == DGON_ENOMEM || s == DGON_ETOOBIG)
        dgon_error_set(e, s == DGON_ENOMEM ? 500 : 413, NULL, NULL,
                       "The request is too large for the agent.");
    return s;
}

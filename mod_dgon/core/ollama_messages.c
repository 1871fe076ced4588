/* Messages of a chat request as Ollama wants them: images beside the text, calls with objects for
 * arguments. */
#include "ollama_int.h"

#include "tree_int.h"

#include <stdio.h>
#include <string.h>

/* Where a message comes from and what is made of it. */
typedef struct turn {
    const json_t *in;
    json_t *out, *images; /* images: NULL until the first one */
    size_t number;
    dgon_buf text;
    bool has_text;
} turn;

static dgon_status bad_part(const dgon_ollama_build *b, const turn *t, size_t part,
                            const char *code, const char *why)
{
    char param[64];
    (void)snprintf(param, sizeof param, "messages[%zu].content[%zu]", t->number, part);
    return dgon_check_refuse(b->e, code, param, "'%s' %s", param, why);
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

static dgon_status add_image(dgon_ollama_build *b, turn *t, const json_t *part, size_t number)
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
        dgon_ollama_set(b, t->out, "images", t->images); /* takes it, or frees it */
        if (b->bad != 0)
            return DGON_ENOMEM;
    }
    b->bad |= json_array_append_new(t->images, json_string(data));
    return DGON_OK;
}

static dgon_status add_part(dgon_ollama_build *b, turn *t, const json_t *part, size_t number)
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

static dgon_status put_content(dgon_ollama_build *b, turn *t)
{
    json_t *content = dgon_ollama_given(t->in, "content"), *part;
    size_t i;
    if (json_is_string(content)) {
        dgon_ollama_share(b, t->out, "content", content);
        return DGON_OK;
    }
    if (content != NULL && !json_is_array(content))
        return dgon_check_refuse(b->e, "invalid_type", "messages",
                                 "The content of a message must be a string or a list.");
    dgon_status s = DGON_OK;
    json_array_foreach(content, i, part)
    {
        if (s == DGON_OK)
            s = add_part(b, t, part, i);
    }
    if (s == DGON_OK)
        dgon_ollama_set(b, t->out, "content",
                        json_stringn(t->text.len > 0 ? t->text.data : "", t->text.len));
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

static dgon_status put_call(dgon_ollama_build *b, const turn *t, const json_t *call, size_t number,
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
        return dgon_check_refuse(
            b->e, "invalid_type", param,
            "'%s' must have a name and, as arguments, the text of a JSON object.", param);
    }
    if (s != DGON_OK)
        return s;
    json_t *out = json_object(), *inner = json_object();
    dgon_ollama_share(b, inner, "name", name);
    dgon_ollama_set(b, inner, "arguments", arguments);
    if (json_is_string(id)) {
        dgon_ollama_share(b, out, "id", id);
        dgon_ollama_share(b, b->names, json_string_value(id), name);
    }
    dgon_ollama_set(b, out, "function", inner);
    b->bad |= json_array_append_new(list, out);
    return DGON_OK;
}

static dgon_status put_calls(dgon_ollama_build *b, const turn *t)
{
    const json_t *calls = dgon_ollama_given(t->in, "tool_calls"), *call;
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
    dgon_ollama_set(b, t->out, "tool_calls", list);
    return s;
}

static void put_thinking(dgon_ollama_build *b, const turn *t)
{
    static const char *const names[] = {"reasoning_content", "reasoning", "thinking"};
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        json_t *v = json_object_get(t->in, names[k]);
        if (json_is_string(v) && json_string_length(v) > 0) {
            dgon_ollama_share(b, t->out, "thinking", v);
            return;
        }
    }
}

/* Ollama knows the answer of a tool by the tool's name, OpenAI by the call's id. */
static void put_tool(dgon_ollama_build *b, const turn *t)
{
    json_t *id = json_object_get(t->in, "tool_call_id");
    json_t *name = json_is_string(id) ? json_object_get(b->names, json_string_value(id)) : NULL;
    if (name == NULL)
        name = json_object_get(t->in, "name");
    if (json_is_string(name))
        dgon_ollama_share(b, t->out, "tool_name", name);
    if (json_is_string(id))
        dgon_ollama_share(b, t->out, "tool_call_id", id);
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

static dgon_status put_message(dgon_ollama_build *b, const json_t *in, size_t number, json_t *list)
{
    turn t = {.in = in, .out = json_object(), .number = number};
    const char *role = role_out(dgon_tree_str(in, "role"));
    b->bad |= json_array_append_new(list, t.out);
    if (b->bad != 0)
        return DGON_ENOMEM;
    if (role == NULL)
        return dgon_check_refuse(b->e, "invalid_value", "messages",
                                 "Message %zu has no known role.", number);
    dgon_buf_init(&t.text, DGON_CHAT_ANSWER_MAX);
    dgon_ollama_set(b, t.out, "role", json_string(role));
    dgon_status s = put_content(b, &t);
    dgon_buf_fini(&t.text);
    if (s == DGON_OK && strcmp(role, "assistant") == 0) {
        put_thinking(b, &t);
        s = put_calls(b, &t);
        if (s == DGON_OK && dgon_ollama_given(in, "function_call") != NULL) {
            char param[64];
            (void)snprintf(param, sizeof param, "messages[%zu].function_call", number);
            s = dgon_ollama_unsupported(b, param);
        }
    } else if (s == DGON_OK && strcmp(role, "tool") == 0) {
        put_tool(b, &t);
    }
    return s;
}

dgon_status dgon_ollama_put_messages(dgon_ollama_build *b)
{
    const json_t *messages = json_object_get(b->request, "messages"), *m;
    size_t i;
    dgon_status s = DGON_OK;
    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return dgon_check_refuse(b->e, "missing_required_parameter", "messages",
                                 "Missing required parameter: 'messages'.");
    json_t *list = json_array();
    json_array_foreach(messages, i, m)
    {
        if (s == DGON_OK)
            s = put_message(b, m, i, list);
    }
    dgon_ollama_set(b, b->out, "messages", list);
    return s;
}

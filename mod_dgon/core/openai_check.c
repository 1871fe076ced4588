/* The gateway's look at a chat request: types and ranges as OpenAI documents them, unknown members
 * let through. */
#include "dgon/openai.h"

#include "openai_int.h"
#include "tree_int.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- saying what is wrong ---- */

typedef struct checker {
    dgon_error *e;
    char at[96]; /* "messages[2]", the place of the thing in hand */
} checker;

static const char *type_name(const json_t *v)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a number",  [JSON_TRUE] = "a boolean",
        [JSON_FALSE] = "a boolean",    [JSON_NULL] = "null",
    };
    return v != NULL ? names[json_typeof(v)] : "nothing";
}

static dgon_status wrong(checker *k, const char *code, const char *param, const char *fmt, ...)
    DGON_PRINTF(4, 5);

static dgon_status wrong(checker *k, const char *code, const char *param, const char *fmt, ...)
{
    char text[DGON_ERROR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    dgon_error_set(k->e, 400, code, param, "%s", text);
    return DGON_EINVAL;
}

/* The full name of a member: "messages[2].role". */
static void place(const checker *k, const char *name, char full[128])
{
    (void)snprintf(full, 128, "%s%s%s", k->at, *k->at != '\0' && *name != '\0' ? "." : "", name);
}

static dgon_status missing(checker *k, const char *name)
{
    char full[128];
    place(k, name, full);
    return wrong(k, "missing_required_parameter", full, "Missing required parameter: '%s'.", full);
}

static dgon_status wrong_type(checker *k, const char *name, const char *expected, const json_t *v)
{
    char full[128];
    place(k, name, full);
    return wrong(k, "invalid_type", full, "Invalid type for '%s': expected %s, but got %s instead.",
                 full, expected, type_name(v));
}

static dgon_status wrong_value(checker *k, const char *name, const char *supported)
{
    char full[128];
    place(k, name, full);
    return wrong(k, "invalid_value", full, "Invalid value for '%s'. Supported values are: %s.",
                 full, supported);
}

/* ---- single members ---- */

typedef enum kind { BOOL, INTEGER, NUMBER, STRING, OBJECT, ARRAY } kind;

static const char *const kind_names[] = {"a boolean", "an integer", "a number",
                                         "a string",  "an object",  "an array"};

static bool is_kind(const json_t *v, kind what)
{
    int64_t whole;
    switch (what) {
    case BOOL:
        return json_is_boolean(v);
    case INTEGER:
        return dgon_tree_whole(v, &whole);
    case NUMBER:
        return json_is_number(v);
    case STRING:
        return json_is_string(v);
    case OBJECT:
        return json_is_object(v);
    default:
        return json_is_array(v);
    }
}

/* An optional member: *v is NULL when it is absent or null. */
static dgon_status optional(checker *k, const json_t *o, const char *name, kind what, json_t **v)
{
    *v = json_object_get(o, name);
    if (json_is_null(*v))
        *v = NULL;
    return *v == NULL || is_kind(*v, what) ? DGON_OK : wrong_type(k, name, kind_names[what], *v);
}

static dgon_status required(checker *k, const json_t *o, const char *name, kind what, json_t **v)
{
    *v = json_object_get(o, name);
    if (*v == NULL)
        return missing(k, name);
    return is_kind(*v, what) ? DGON_OK : wrong_type(k, name, kind_names[what], *v);
}

typedef struct field {
    const char *name;
    kind what;
    double min, max; /* both 0: any */
} field;

#define ANY 0, 0

static const field fields[] = {
    {"temperature", NUMBER, 0, 2},
    {"top_p", NUMBER, 0, 1},
    {"presence_penalty", NUMBER, -2, 2},
    {"frequency_penalty", NUMBER, -2, 2},
    {"top_logprobs", INTEGER, 0, 20},
    {"n", INTEGER, 1, 1e9},
    {"max_tokens", INTEGER, ANY},
    {"max_completion_tokens", INTEGER, ANY},
    {"seed", INTEGER, ANY},
    {"logprobs", BOOL, ANY},
    {"parallel_tool_calls", BOOL, ANY},
    {"store", BOOL, ANY},
    {"logit_bias", OBJECT, ANY},
    {"metadata", OBJECT, ANY},
    {"audio", OBJECT, ANY},
    {"prediction", OBJECT, ANY},
    {"web_search_options", OBJECT, ANY},
    {"modalities", ARRAY, ANY},
    {"functions", ARRAY, ANY},
    {"user", STRING, ANY},
    {"reasoning_effort", STRING, ANY},
    {"verbosity", STRING, ANY},
    {"service_tier", STRING, ANY},
    {"safety_identifier", STRING, ANY},
    {"prompt_cache_key", STRING, ANY},
};

static dgon_status out_of_range(checker *k, const field *f, bool above)
{
    const char *what = f->what == INTEGER ? "integer" : "decimal";
    char code[48];
    (void)snprintf(code, sizeof code, "%s_%s_value", what, above ? "above_max" : "below_min");
    return wrong(k, code, f->name, "Invalid '%s': %s %s value. Expected a value %s %g.", f->name,
                 what, above ? "above maximum" : "below minimum",
                 above ? "<=" : ">=", above ? f->max : f->min);
}

static dgon_status check_fields(checker *k, const json_t *root)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const field *f = &fields[i];
        json_t *v;
        dgon_status s = optional(k, root, f->name, f->what, &v);
        if (s != DGON_OK)
            return s;
        if (v == NULL || (f->min >= f->max))
            continue;
        double d = json_number_value(v);
        if (d < f->min || d > f->max)
            return out_of_range(k, f, d > f->max);
    }
    return DGON_OK;
}

static dgon_status check_stop(checker *k, const json_t *root)
{
    const json_t *stop = json_object_get(root, "stop"), *v;
    size_t i;
    if (stop == NULL || json_is_null(stop) || json_is_string(stop))
        return DGON_OK;
    if (!json_is_array(stop))
        return wrong_type(k, "stop", "a string or an array of strings", stop);
    json_array_foreach(stop, i, v)
    {
        if (!json_is_string(v))
            return wrong_type(k, "stop", "a string or an array of strings", stop);
    }
    return DGON_OK;
}

/* ---- tools and format ---- */

static dgon_status check_tool(checker *k, const json_t *tool)
{
    json_t *type, *function, *v;
    if (!json_is_object(tool))
        return wrong_type(k, "", "an object", tool);
    dgon_status s = required(k, tool, "type", STRING, &type);
    if (s != DGON_OK || strcmp(json_string_value(type), "function") != 0)
        return s;
    s = required(k, tool, "function", OBJECT, &function);
    if (s == DGON_OK)
        s = required(k, function, "name", STRING, &v);
    if (s == DGON_OK)
        s = optional(k, function, "description", STRING, &v);
    if (s == DGON_OK)
        s = optional(k, function, "parameters", OBJECT, &v);
    return s;
}

static dgon_status check_tool_choice(checker *k, const json_t *root)
{
    const json_t *choice = json_object_get(root, "tool_choice");
    const char *word = json_string_value(choice);
    if (choice == NULL || json_is_null(choice) || json_is_object(choice))
        return DGON_OK;
    if (word == NULL)
        return wrong_type(k, "tool_choice", "a string or an object", choice);
    if (strcmp(word, "none") == 0 || strcmp(word, "auto") == 0 || strcmp(word, "required") == 0)
        return DGON_OK;
    return wrong_value(k, "tool_choice", "'none', 'auto', and 'required'");
}

static dgon_status check_tools(checker *k, const json_t *root, dgon_openai_request *r)
{
    json_t *tools, *tool;
    size_t i;
    dgon_status s = optional(k, root, "tools", ARRAY, &tools);
    if (s != DGON_OK)
        return s;
    r->has_tools = json_array_size(tools) > 0;
    json_array_foreach(tools, i, tool)
    {
        (void)snprintf(k->at, sizeof k->at, "tools[%zu]", i);
        s = check_tool(k, tool);
        if (s != DGON_OK)
            return s;
    }
    k->at[0] = '\0';
    return check_tool_choice(k, root);
}

static dgon_status check_format(checker *k, const json_t *root)
{
    json_t *format, *type, *schema;
    dgon_status s = optional(k, root, "response_format", OBJECT, &format);
    if (s != DGON_OK || format == NULL)
        return s;
    (void)snprintf(k->at, sizeof k->at, "response_format");
    s = required(k, format, "type", STRING, &type);
    if (s == DGON_OK && strcmp(json_string_value(type), "json_schema") == 0)
        s = required(k, format, "json_schema", OBJECT, &schema);
    k->at[0] = '\0';
    return s;
}

/* ---- messages ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool ends_in_url(const char *key)
{
    size_t n = strlen(key);
    return n >= 3 && lower(key[n - 3]) == 'u' && lower(key[n - 2]) == 'r' &&
           lower(key[n - 1]) == 'l';
}

static bool is_data_url(const char *s)
{
    static const char data[] = "data:";
    size_t k = 0;
    while (data[k] != '\0' && lower(s[k]) == data[k])
        k++;
    return data[k] == '\0';
}

static bool is_remote(const char *key, json_t *v, const char **at)
{
    json_t *element;
    size_t i;
    *at = key;
    if (json_is_string(v))
        return ends_in_url(key) && !is_data_url(json_string_value(v));
    if (json_is_object(v))
        return dgon_openai_has_remote_url(v, at);
    json_array_foreach(v, i, element)
    {
        if (is_remote(key, element, at))
            return true;
    }
    return false;
}

bool dgon_openai_has_remote_url(json_t *part, const char **at)
{
    const char *key;
    json_t *v;
    json_object_foreach(part, key, v)
    {
        if (is_remote(key, v, at))
            return true;
    }
    return false;
}

static dgon_status check_image(checker *k, const json_t *part)
{
    const json_t *image = json_object_get(part, "image_url");
    json_t *url;
    if (image == NULL)
        return missing(k, "image_url");
    if (json_is_string(image))
        return DGON_OK;
    if (!json_is_object(image))
        return wrong_type(k, "image_url", "an object", image);
    size_t n = strlen(k->at);
    (void)snprintf(k->at + n, sizeof k->at - n, ".image_url");
    dgon_status s = required(k, image, "url", STRING, &url);
    k->at[n] = '\0';
    return s;
}

static dgon_status check_part(checker *k, json_t *part, dgon_openai_request *r)
{
    json_t *type, *text;
    const char *at = "";
    if (!json_is_object(part))
        return wrong_type(k, "", "an object", part);
    dgon_status s = required(k, part, "type", STRING, &type);
    if (s != DGON_OK)
        return s;
    if (strcmp(json_string_value(type), "text") == 0)
        return required(k, part, "text", STRING, &text);
    if (strcmp(json_string_value(type), "image_url") == 0) {
        r->has_image = true;
        s = check_image(k, part);
    }
    if (s == DGON_OK && dgon_openai_has_remote_url(part, &at)) {
        char full[128];
        place(k, strlen(at) < 32 ? at : "", full);
        return wrong(
            k, "unsupported_value", full,
            "Only data: URLs are taken for '%s': nothing is fetched from the network. Send "
            "the content itself, base64-encoded.",
            full);
    }
    return s;
}

static dgon_status check_content(checker *k, const json_t *content, dgon_openai_request *r)
{
    char message[sizeof k->at];
    json_t *part;
    size_t i;
    dgon_status s = DGON_OK;
    memcpy(message, k->at, sizeof message);
    json_array_foreach(content, i, part)
    {
        (void)snprintf(k->at, sizeof k->at, "%.40s.content[%zu]", message, i);
        s = check_part(k, part, r);
        if (s != DGON_OK)
            break;
    }
    memcpy(k->at, message, sizeof message);
    return s;
}

static dgon_status check_call(checker *k, const json_t *call)
{
    json_t *function, *v;
    if (!json_is_object(call))
        return wrong_type(k, "", "an object", call);
    dgon_status s = required(k, call, "id", STRING, &v);
    if (s == DGON_OK)
        s = optional(k, call, "type", STRING, &v);
    if (s != DGON_OK || (v != NULL && strcmp(json_string_value(v), "function") != 0))
        return s;
    s = required(k, call, "function", OBJECT, &function);
    if (s == DGON_OK)
        s = required(k, function, "name", STRING, &v);
    if (s == DGON_OK)
        s = required(k, function, "arguments", STRING, &v);
    return s;
}

static dgon_status check_calls(checker *k, const json_t *m)
{
    char message[sizeof k->at];
    json_t *calls, *call;
    size_t i;
    dgon_status s = optional(k, m, "tool_calls", ARRAY, &calls);
    if (s != DGON_OK)
        return s;
    memcpy(message, k->at, sizeof message);
    json_array_foreach(calls, i, call)
    {
        (void)snprintf(k->at, sizeof k->at, "%.40s.tool_calls[%zu]", message, i);
        s = check_call(k, call);
        if (s != DGON_OK)
            break;
    }
    memcpy(k->at, message, sizeof message);
    return s;
}

/* An assistant's turn may have no content if it has something else to say. */
static bool may_lack_content(const json_t *m, const char *role)
{
    static const char *const others[] = {"tool_calls", "function_call", "refusal",
                                         "audio",      "reasoning",     "reasoning_content"};
    if (strcmp(role, "function") == 0)
        return true;
    for (size_t i = 0; i < sizeof others / sizeof others[0] && strcmp(role, "assistant") == 0;
         i++) {
        const json_t *v = json_object_get(m, others[i]);
        if (v != NULL && !json_is_null(v))
            return true;
    }
    return false;
}

static bool is_role(const char *role)
{
    static const char *const roles[] = {"developer", "system", "user",
                                        "assistant", "tool",   "function"};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(role, roles[i]) == 0)
            return true;
    }
    return false;
}

static dgon_status check_message(checker *k, const json_t *m, dgon_openai_request *r)
{
    json_t *v;
    if (!json_is_object(m))
        return wrong_type(k, "", "an object", m);
    dgon_status s = required(k, m, "role", STRING, &v);
    if (s != DGON_OK)
        return s;
    const char *role = json_string_value(v);
    if (!is_role(role))
        return wrong_value(k, "role",
                           "'developer', 'system', 'user', 'assistant', 'tool', and 'function'");
    const json_t *content = json_object_get(m, "content");
    bool lacks = content == NULL || json_is_null(content);
    if (lacks && !may_lack_content(m, role))
        return content == NULL ? missing(k, "content")
                               : wrong_type(k, "content", "a string or an array", content);
    if (!lacks && !json_is_string(content) && !json_is_array(content))
        return wrong_type(k, "content", "a string or an array", content);
    if (strcmp(role, "tool") == 0)
        s = required(k, m, "tool_call_id", STRING, &v);
    if (s == DGON_OK)
        s = optional(k, m, "name", STRING, &v);
    if (s == DGON_OK)
        s = check_calls(k, m);
    return s == DGON_OK ? check_content(k, content, r) : s;
}

static dgon_status check_messages(checker *k, const json_t *root, dgon_openai_request *r)
{
    json_t *messages, *m;
    size_t i;
    dgon_status s = required(k, root, "messages", ARRAY, &messages);
    if (s != DGON_OK)
        return s;
    if (json_array_size(messages) == 0)
        return wrong(k, "empty_array", "messages",
                     "Invalid 'messages': empty array. Expected at least one message.");
    json_array_foreach(messages, i, m)
    {
        (void)snprintf(k->at, sizeof k->at, "messages[%zu]", i);
        s = check_message(k, m, r);
        if (s != DGON_OK)
            return s;
    }
    k->at[0] = '\0';
    return DGON_OK;
}

/* ---- the whole ---- */

static dgon_status check_model(checker *k, const json_t *root, dgon_openai_request *r)
{
    json_t *v;
    dgon_status s = required(k, root, "model", STRING, &v);
    if (s != DGON_OK)
        return s;
    size_t n = json_string_length(v);
    if (n == 0)
        return missing(k, "model");
    if (!dgon_wire_is_model_name(json_string_value(v), n)) {
        dgon_error_set(k->e, 404, "model_not_found", "model",
                       "The model does not exist: no model has a name like this.");
        return DGON_ENOTFOUND;
    }
    memcpy(r->model, json_string_value(v), n + 1);
    return DGON_OK;
}

static dgon_status check_stream(checker *k, const json_t *root, dgon_openai_request *r)
{
    json_t *stream, *options, *usage = NULL;
    dgon_status s = optional(k, root, "stream", BOOL, &stream);
    if (s == DGON_OK)
        s = optional(k, root, "stream_options", OBJECT, &options);
    if (s != DGON_OK)
        return s;
    r->stream = json_is_true(stream);
    if (options == NULL)
        return DGON_OK;
    if (!r->stream)
        return wrong(k, "invalid_value", "stream_options",
                     "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
    (void)snprintf(k->at, sizeof k->at, "stream_options");
    s = optional(k, options, "include_usage", BOOL, &usage);
    k->at[0] = '\0';
    r->include_usage = json_is_true(usage);
    return s;
}

static dgon_status check_root(checker *k, const json_t *root, dgon_openai_request *r)
{
    if (!json_is_object(root))
        return wrong(k, "invalid_type", NULL, "The request body must be a JSON object, not %s.",
                     type_name(root));
    dgon_status s = check_model(k, root, r);
    if (s == DGON_OK)
        s = check_messages(k, root, r);
    if (s == DGON_OK)
        s = check_stream(k, root, r);
    if (s == DGON_OK)
        s = check_fields(k, root);
    if (s == DGON_OK)
        s = check_stop(k, root);
    if (s == DGON_OK)
        s = check_tools(k, root, r);
    return s == DGON_OK ? check_format(k, root) : s;
}

/* What is wrong with bytes that are no JSON; never a piece of the body itself. */
static void explain(dgon_error *e, const json_error_t *err)
{
    static const char surrogate[] = "invalid Unicode";
    const char *what = "it is not valid JSON";
    switch (json_error_code(err)) {
    case json_error_null_character:
    case json_error_null_byte_in_key:
        what = "a NUL character (\\u0000) is not allowed";
        break;
    case json_error_duplicate_key:
        what = "an object has the same member twice";
        break;
    case json_error_premature_end_of_input:
        what = "it ends too early";
        break;
    case json_error_end_of_input_expected:
        what = "something follows behind the object";
        break;
    case json_error_numeric_overflow:
        what = "a number is too large";
        break;
    default:
        if (strncmp(err->text, surrogate, sizeof surrogate - 1) == 0)
            what = "a \\u escape is half of a surrogate pair";
    }
    dgon_error_set(e, 400, NULL, NULL,
                   "We could not parse the JSON body of your request: %s (line %d, column %d).",
                   what, err->line, err->column);
}

static void explain_precheck(dgon_error *e, dgon_status s, size_t offset)
{
    if (s == DGON_EDEPTH)
        dgon_error_set(e, 400, NULL, NULL,
                       "The JSON body of your request is nested deeper than %d levels (byte %zu).",
                       DGON_JSON_DEPTH_MAX, offset);
    else if (s == DGON_EUTF8)
        dgon_error_set(e, 400, NULL, NULL,
                       "The body of your request is not valid UTF-8 (byte %zu).", offset);
    else
        dgon_error_set(e, 400, NULL, NULL,
                       "The body of your request has a NUL byte (byte %zu), which is not allowed.",
                       offset);
}

dgon_status dgon_openai_check(dgon_openai_request *r, const char *body, size_t n, dgon_error *e)
{
    checker k = {e, ""};
    json_error_t err;
    json_t *root = NULL;
    size_t offset = 0;
    memset(r, 0, sizeof *r);
    dgon_status s = dgon_json_precheck(body, n, DGON_JSON_DEPTH_MAX, &offset);
    if (s != DGON_OK) {
        explain_precheck(e, s, offset);
        return s;
    }
    /* a member given twice may mean one thing here and another in the backend */
    s = dgon_tree_load(&root, body, n, JSON_REJECT_DUPLICATES, &err);
    if (s == DGON_OK)
        s = check_root(&k, root, r);
    else if (s == DGON_EJSON)
        explain(e, &err);
    if (s == DGON_ENOMEM)
        dgon_error_set(e, 500, NULL, NULL, "The gateway is out of memory.");
    json_decref(root);
    return s;
}

/* The gateway's look at a request: types and ranges as OpenAI documents them, unknown members let
 * through. */
#include "dgon/openai.h"

#include "openai_int.h"
#include "relay_check_int.h"
#include "tree_int.h"

#include <stdio.h>
#include <string.h>

#define ANY 0, 0

const dgon_openai_field dgon_openai_fields[DGON_OPENAI_FIELDS] = {
    {"temperature", DGON_IS_NUMBER, 0, 2},
    {"top_p", DGON_IS_NUMBER, 0, 1},
    {"presence_penalty", DGON_IS_NUMBER, -2, 2},
    {"frequency_penalty", DGON_IS_NUMBER, -2, 2},
    {"top_logprobs", DGON_IS_INTEGER, 0, 20},
    {"n", DGON_IS_INTEGER, 1, DGON_CHAT_CHOICES_MAX},
    {"max_tokens", DGON_IS_INTEGER, ANY},
    {"max_completion_tokens", DGON_IS_INTEGER, ANY},
    {"seed", DGON_IS_INTEGER, ANY},
    {"logprobs", DGON_IS_BOOL, ANY},
    {"parallel_tool_calls", DGON_IS_BOOL, ANY},
    {"store", DGON_IS_BOOL, ANY},
    {"logit_bias", DGON_IS_OBJECT, ANY},
    {"metadata", DGON_IS_OBJECT, ANY},
    {"audio", DGON_IS_OBJECT, ANY},
    {"prediction", DGON_IS_OBJECT, ANY},
    {"web_search_options", DGON_IS_OBJECT, ANY},
    {"modalities", DGON_IS_ARRAY, ANY},
    {"functions", DGON_IS_ARRAY, ANY},
    {"user", DGON_IS_STRING, ANY},
    {"reasoning_effort", DGON_IS_STRING, ANY},
    {"verbosity", DGON_IS_STRING, ANY},
    {"service_tier", DGON_IS_STRING, ANY},
    {"safety_identifier", DGON_IS_STRING, ANY},
    {"prompt_cache_key", DGON_IS_STRING, ANY},
};

#undef ANY

static dgon_status out_of_range(const dgon_check *k, const dgon_openai_field *f, bool above)
{
    const char *what = f->what == DGON_IS_INTEGER ? "integer" : "decimal";
    char code[48];
    (void)snprintf(code, sizeof code, "%s_%s_value", what, above ? "above_max" : "below_min");
    return dgon_check_refuse(
        k->e, code, f->name, "Invalid '%s': %s %s value. Expected a value %s %g.", f->name, what,
        above ? "above maximum" : "below minimum", above ? "<=" : ">=", above ? f->max : f->min);
}

dgon_status dgon_openai_check_fields(dgon_check *k, const json_t *root,
                                     const dgon_openai_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const dgon_openai_field *f = &fields[i];
        json_t *v;
        dgon_status s = dgon_check_optional(k, root, f->name, f->what, &v);
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

dgon_status dgon_openai_check_stop(dgon_check *k, const json_t *root)
{
    const json_t *stop = json_object_get(root, "stop"), *v;
    size_t i;
    if (stop == NULL || json_is_null(stop) || json_is_string(stop))
        return DGON_OK;
    if (!json_is_array(stop))
        return dgon_check_wrong_type(k, "stop", "a string or an array of strings", stop);
    json_array_foreach(stop, i, v)
    {
        if (!json_is_string(v))
            return dgon_check_wrong_type(k, "stop", "a string or an array of strings", stop);
    }
    return DGON_OK;
}

/* ---- tools and format ---- */

static dgon_status check_tool(dgon_check *k, const json_t *tool)
{
    json_t *type, *function, *v;
    if (!json_is_object(tool))
        return dgon_check_wrong_type(k, "", "an object", tool);
    dgon_status s = dgon_check_required(k, tool, "type", DGON_IS_STRING, &type);
    if (s != DGON_OK || strcmp(json_string_value(type), "function") != 0)
        return s;
    s = dgon_check_required(k, tool, "function", DGON_IS_OBJECT, &function);
    if (s != DGON_OK)
        return s;
    size_t mark = dgon_check_enter(k, "function");
    s = dgon_check_required(k, function, "name", DGON_IS_STRING, &v);
    if (s == DGON_OK)
        s = dgon_check_optional(k, function, "description", DGON_IS_STRING, &v);
    if (s == DGON_OK)
        s = dgon_check_optional(k, function, "parameters", DGON_IS_OBJECT, &v);
    dgon_check_leave(k, mark);
    return s;
}

static dgon_status check_tool_choice(dgon_check *k, const json_t *root)
{
    const json_t *choice = json_object_get(root, "tool_choice");
    const char *word = json_string_value(choice);
    if (choice == NULL || json_is_null(choice) || json_is_object(choice))
        return DGON_OK;
    if (word == NULL)
        return dgon_check_wrong_type(k, "tool_choice", "a string or an object", choice);
    if (strcmp(word, "none") == 0 || strcmp(word, "auto") == 0 || strcmp(word, "required") == 0)
        return DGON_OK;
    return dgon_check_wrong_value(k, "tool_choice", "'none', 'auto', and 'required'");
}

static dgon_status check_tools(dgon_check *k, const json_t *root, dgon_openai_request *r)
{
    json_t *tools, *tool;
    size_t i;
    dgon_status s = dgon_check_optional(k, root, "tools", DGON_IS_ARRAY, &tools);
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

static dgon_status check_format(dgon_check *k, const json_t *root)
{
    json_t *format, *type, *schema;
    dgon_status s = dgon_check_optional(k, root, "response_format", DGON_IS_OBJECT, &format);
    if (s != DGON_OK || format == NULL)
        return s;
    (void)snprintf(k->at, sizeof k->at, "response_format");
    s = dgon_check_required(k, format, "type", DGON_IS_STRING, &type);
    if (s == DGON_OK && strcmp(json_string_value(type), "json_schema") == 0)
        s = dgon_check_required(k, format, "json_schema", DGON_IS_OBJECT, &schema);
    k->at[0] = '\0';
    return s;
}

/* ---- the whole ---- */

static dgon_status check_model(dgon_check *k, const json_t *root, dgon_openai_request *r)
{
    json_t *v;
    dgon_status s = dgon_check_required(k, root, "model", DGON_IS_STRING, &v);
    if (s != DGON_OK)
        return s;
    size_t n = json_string_length(v);
    if (n == 0)
        return dgon_check_missing(k, "model");
    if (!dgon_wire_is_model_name(json_string_value(v), n)) {
        dgon_error_set(k->e, 404, "model_not_found", "model",
                       "The model does not exist: no model has a name like this.");
        return DGON_ENOTFOUND;
    }
    memcpy(r->model, json_string_value(v), n + 1);
    return DGON_OK;
}

dgon_status dgon_openai_check_stream(dgon_check *k, const json_t *root, dgon_openai_request *r)
{
    json_t *stream, *options, *usage = NULL;
    dgon_status s = dgon_check_optional(k, root, "stream", DGON_IS_BOOL, &stream);
    if (s == DGON_OK)
        s = dgon_check_optional(k, root, "stream_options", DGON_IS_OBJECT, &options);
    if (s != DGON_OK)
        return s;
    r->stream = json_is_true(stream);
    if (options == NULL)
        return DGON_OK;
    if (!r->stream)
        return dgon_check_refuse(
            k->e, "invalid_value", "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
    (void)snprintf(k->at, sizeof k->at, "stream_options");
    s = dgon_check_optional(k, options, "include_usage", DGON_IS_BOOL, &usage);
    k->at[0] = '\0';
    r->include_usage = json_is_true(usage);
    return s;
}

/* The context that a client asks for, as Ollama's clients do; anything else is let through. */
static void take_context(const json_t *root, dgon_openai_request *r)
{
    const json_t *options = json_object_get(root, "options");
    int64_t n = dgon_tree_int(root, "num_ctx", 0);
    if (n == 0)
        n = dgon_tree_int(options, "num_ctx", 0);
    r->context = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static dgon_status check_chat(dgon_check *k, const json_t *root, dgon_openai_request *r)
{
    dgon_status s = dgon_openai_check_messages(k, root, r);
    if (s == DGON_OK)
        s = dgon_openai_check_stream(k, root, r);
    if (s == DGON_OK)
        s = dgon_openai_check_fields(k, root, dgon_openai_fields, DGON_OPENAI_FIELDS);
    if (s == DGON_OK)
        s = dgon_openai_check_stop(k, root);
    if (s == DGON_OK)
        s = check_tools(k, root, r);
    return s == DGON_OK ? check_format(k, root) : s;
}

static bool has_images(const json_t *root)
{
    const json_t *messages = json_object_get(root, "messages"), *m;
    size_t i;
    bool some = json_array_size(json_object_get(root, "images")) > 0;
    json_array_foreach(messages, i, m)
    {
        some = some || json_array_size(json_object_get(m, "images")) > 0;
    }
    return some;
}

static dgon_status check_relay(dgon_check *k, dgon_op op, const json_t *root,
                               dgon_openai_request *r)
{
    json_t *stream;
    dgon_status s = dgon_check_optional(k, root, "stream", DGON_IS_BOOL, &stream);
    if (op == DGON_OP_RESPONSES || op == DGON_OP_MESSAGES)
        r->stream = json_is_true(stream);
    if (op == DGON_OP_OLLAMA_CHAT || op == DGON_OP_OLLAMA_GENERATE) {
        r->stream = !json_is_false(stream);
        r->has_image = has_images(root);
    }
    r->has_tools = json_array_size(json_object_get(root, "tools")) > 0;
    return s == DGON_OK ? dgon_relay_check(k, op, root, r) : s;
}

static dgon_status check_root(dgon_check *k, dgon_op op, const json_t *root, dgon_openai_request *r)
{
    if (!json_is_object(root))
        return dgon_check_refuse(k->e, "invalid_type", NULL,
                                 "The request body must be a JSON object, not %s.",
                                 dgon_check_type_name(root));
    dgon_status s = check_model(k, root, r);
    if (s != DGON_OK)
        return s;
    take_context(root, r);
    switch (op) {
    case DGON_OP_COMPLETION:
        return dgon_openai_check_completion(k, root, r);
    case DGON_OP_EMBED:
        return dgon_openai_check_embed(k, root);
    case DGON_OP_CHAT:
        return check_chat(k, root, r);
    default:
        return check_relay(k, op, root, r);
    }
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

dgon_status dgon_openai_check(dgon_openai_request *r, dgon_op op, const char *body, size_t n,
                              dgon_error *e)
{
    dgon_check k = {e, ""};
    json_error_t err;
    json_t *root = NULL;
    size_t offset = 0;
    if (op == DGON_OP_CHAT && dgon_openai_check_quick(r, body, n))
        return DGON_OK;
    memset(r, 0, sizeof *r);
    dgon_status s = dgon_json_precheck(body, n, DGON_JSON_DEPTH_MAX, &offset);
    if (s != DGON_OK) {
        explain_precheck(e, s, offset);
        return s;
    }
    /* a member given twice may mean one thing here and another in the backend */
    s = dgon_tree_load(&root, body, n, JSON_REJECT_DUPLICATES, &err);
    if (s == DGON_OK)
        s = check_root(&k, op, root, r);
    else if (s == DGON_EJSON)
        explain(e, &err);
    if (s == DGON_ENOMEM)
        dgon_error_set(e, 500, NULL, NULL, "The gateway is out of memory.");
    json_decref(root);
    return s;
}

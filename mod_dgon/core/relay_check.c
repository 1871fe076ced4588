/* The gateway's look at requests that are passed on: the documented members have the documented
 * types, so that a mistake is told at once and by its name whatever the backend makes of it. */
#include "relay_check_int.h"

#include <stdio.h>
#include <string.h>

#define ANY      0, 0
#define COUNT(a) sizeof(a) / sizeof((a)[0])

static const dgon_openai_field responses_fields[] = {
    {"temperature", DGON_IS_NUMBER, 0, 2},
    {"top_p", DGON_IS_NUMBER, 0, 1},
    {"top_logprobs", DGON_IS_INTEGER, 0, 20},
    {"max_output_tokens", DGON_IS_INTEGER, ANY},
    {"max_tool_calls", DGON_IS_INTEGER, ANY},
    {"background", DGON_IS_BOOL, ANY},
    {"parallel_tool_calls", DGON_IS_BOOL, ANY},
    {"store", DGON_IS_BOOL, ANY},
    {"include", DGON_IS_ARRAY, ANY},
    {"tools", DGON_IS_ARRAY, ANY},
    {"metadata", DGON_IS_OBJECT, ANY},
    {"reasoning", DGON_IS_OBJECT, ANY},
    {"stream_options", DGON_IS_OBJECT, ANY},
    {"text", DGON_IS_OBJECT, ANY},
    {"instructions", DGON_IS_STRING, ANY},
    {"previous_response_id", DGON_IS_STRING, ANY},
    {"prompt_cache_key", DGON_IS_STRING, ANY},
    {"safety_identifier", DGON_IS_STRING, ANY},
    {"service_tier", DGON_IS_STRING, ANY},
    {"truncation", DGON_IS_STRING, ANY},
    {"user", DGON_IS_STRING, ANY},
};

static const dgon_openai_field messages_fields[] = {
    {"max_tokens", DGON_IS_INTEGER, 1, 1e9}, {"temperature", DGON_IS_NUMBER, 0, 1},
    {"top_p", DGON_IS_NUMBER, 0, 1},         {"top_k", DGON_IS_INTEGER, 0, 1e9},
    {"stop_sequences", DGON_IS_ARRAY, ANY},  {"tools", DGON_IS_ARRAY, ANY},
    {"mcp_servers", DGON_IS_ARRAY, ANY},     {"metadata", DGON_IS_OBJECT, ANY},
    {"thinking", DGON_IS_OBJECT, ANY},       {"tool_choice", DGON_IS_OBJECT, ANY},
    {"output_config", DGON_IS_OBJECT, ANY},  {"service_tier", DGON_IS_STRING, ANY},
};

static const dgon_openai_field rerank_fields[] = {
    {"top_n", DGON_IS_INTEGER, 1, 1e9},
    {"return_documents", DGON_IS_BOOL, ANY},
};

static const dgon_openai_field ollama_fields[] = {
    {"top_logprobs", DGON_IS_INTEGER, 0, 20},
    {"dimensions", DGON_IS_INTEGER, ANY},
    {"logprobs", DGON_IS_BOOL, ANY},
    {"raw", DGON_IS_BOOL, ANY},
    {"shift", DGON_IS_BOOL, ANY},
    {"truncate", DGON_IS_BOOL, ANY},
    {"context", DGON_IS_ARRAY, ANY},
    {"images", DGON_IS_ARRAY, ANY},
    {"tools", DGON_IS_ARRAY, ANY},
    {"options", DGON_IS_OBJECT, ANY},
    {"prompt", DGON_IS_STRING, ANY},
    {"suffix", DGON_IS_STRING, ANY},
    {"system", DGON_IS_STRING, ANY},
    {"template", DGON_IS_STRING, ANY},
};

/* Ollama takes 1.0 for 1 and 1 for 1.0. */
static const dgon_openai_field option_fields[] = {
    {"num_ctx", DGON_IS_NUMBER, ANY},
    {"num_predict", DGON_IS_NUMBER, ANY},
    {"num_keep", DGON_IS_NUMBER, ANY},
    {"num_batch", DGON_IS_NUMBER, ANY},
    {"num_gpu", DGON_IS_NUMBER, ANY},
    {"num_thread", DGON_IS_NUMBER, ANY},
    {"seed", DGON_IS_NUMBER, ANY},
    {"top_k", DGON_IS_NUMBER, ANY},
    {"top_p", DGON_IS_NUMBER, ANY},
    {"min_p", DGON_IS_NUMBER, ANY},
    {"typical_p", DGON_IS_NUMBER, ANY},
    {"repeat_last_n", DGON_IS_NUMBER, ANY},
    {"temperature", DGON_IS_NUMBER, ANY},
    {"repeat_penalty", DGON_IS_NUMBER, ANY},
    {"presence_penalty", DGON_IS_NUMBER, ANY},
    {"frequency_penalty", DGON_IS_NUMBER, ANY},
    {"stop", DGON_IS_ARRAY, ANY},
};

#undef ANY

static json_t *given(const json_t *o, const char *name)
{
    json_t *v = json_object_get(o, name);
    return json_is_null(v) ? NULL : v;
}

/* A member that may be one of two kinds; absent is fine. */
static dgon_status check_either(dgon_check *k, const json_t *o, const char *name, bool ok,
                                const char *expected)
{
    const json_t *v = given(o, name);
    return v == NULL || ok ? DGON_OK : dgon_check_wrong_type(k, name, expected, v);
}

static dgon_status check_text_or_list(dgon_check *k, const json_t *o, const char *name)
{
    const json_t *v = given(o, name);
    return check_either(k, o, name, json_is_string(v) || json_is_array(v), "a string or an array");
}

static void enter_item(dgon_check *k, size_t mark, const char *name, size_t i)
{
    (void)snprintf(k->at + mark, sizeof k->at - mark, "%s%s[%zu]", mark > 0 ? "." : "", name, i);
}

typedef dgon_status (*item_fn)(dgon_check *k, const json_t *item, dgon_openai_request *r);

/* Each member of a list must be an object, and what fn says. fn may be NULL. */
static dgon_status check_items(dgon_check *k, const json_t *o, const char *name, item_fn fn,
                               dgon_openai_request *r)
{
    const json_t *v;
    size_t i, mark = strlen(k->at);
    dgon_status s = DGON_OK;
    json_array_foreach(json_object_get(o, name), i, v)
    {
        enter_item(k, mark, name, i);
        if (!json_is_object(v))
            s = dgon_check_wrong_type(k, "", "an object", v);
        else if (fn != NULL)
            s = fn(k, v, r);
        if (s != DGON_OK)
            return s;
    }
    dgon_check_leave(k, mark);
    return s;
}

static dgon_status check_texts(dgon_check *k, const json_t *o, const char *name)
{
    const json_t *v;
    size_t i;
    json_array_foreach(json_object_get(o, name), i, v)
    {
        if (!json_is_string(v)) {
            enter_item(k, strlen(k->at), name, i);
            return dgon_check_wrong_type(k, "", "a string", v);
        }
    }
    return DGON_OK;
}

static dgon_status remote(dgon_check *k, const char *name)
{
    char full[DGON_CHECK_NAME_MAX];
    dgon_check_place(k, name, full);
    return dgon_check_refuse(k->e, "unsupported_value", full,
                             "'%s' is an address: nothing is fetched from the network. Send the "
                             "content itself, base64-encoded.",
                             full);
}

/* ---- OpenAI's Responses ---- */

static dgon_status check_response_part(dgon_check *k, const json_t *part, dgon_openai_request *r)
{
    static const char *const urls[] = {"image_url", "file_url"};
    const char *type = json_string_value(json_object_get(part, "type"));
    if (type != NULL && strcmp(type, "input_image") == 0)
        r->has_image = true;
    for (size_t i = 0; i < COUNT(urls); i++) {
        const json_t *v = given(part, urls[i]);
        if (v != NULL && !json_is_string(v))
            return dgon_check_wrong_type(k, urls[i], "a string", v);
        if (v != NULL && !dgon_openai_is_data_url(json_string_value(v)))
            return remote(k, urls[i]);
    }
    return DGON_OK;
}

static dgon_status check_response_item(dgon_check *k, const json_t *item, dgon_openai_request *r)
{
    json_t *v;
    dgon_status s = dgon_check_optional(k, item, "role", DGON_IS_STRING, &v);
    if (s == DGON_OK && v != NULL)
        s = check_text_or_list(k, item, "content");
    return s == DGON_OK ? check_items(k, item, "content", check_response_part, r) : s;
}

static dgon_status check_responses(dgon_check *k, const json_t *root, dgon_openai_request *r)
{
    const json_t *choice = given(root, "tool_choice");
    if (given(root, "input") == NULL && given(root, "prompt") == NULL &&
        given(root, "previous_response_id") == NULL && given(root, "conversation") == NULL)
        return dgon_check_missing(k, "input");
    dgon_status s = check_text_or_list(k, root, "input");
    if (s == DGON_OK)
        s = dgon_openai_check_fields(k, root, responses_fields, COUNT(responses_fields));
    if (s == DGON_OK)
        s = check_either(k, root, "tool_choice", json_is_string(choice) || json_is_object(choice),
                         "a string or an object");
    if (s == DGON_OK)
        s = check_items(k, root, "tools", NULL, r);
    return s == DGON_OK ? check_items(k, root, "input", check_response_item, r) : s;
}

/* ---- Anthropic's messages ---- */

static dgon_status check_message_part(dgon_check *k, const json_t *part, dgon_openai_request *r)
{
    json_t *v, *source;
    dgon_status s = dgon_check_required(k, part, "type", DGON_IS_STRING, &v);
    if (s != DGON_OK)
        return s;
    const char *type = json_string_value(v);
    if (strcmp(type, "text") == 0)
        return dgon_check_required(k, part, "text", DGON_IS_STRING, &v);
    if (strcmp(type, "tool_result") == 0)
        return json_is_array(json_object_get(part, "content"))
                   ? check_items(k, part, "content", check_message_part, r)
                   : DGON_OK;
    if (strcmp(type, "image") != 0 && strcmp(type, "document") != 0)
        return DGON_OK;
    r->has_image = r->has_image || strcmp(type, "image") == 0;
    s = dgon_check_required(k, part, "source", DGON_IS_OBJECT, &source);
    const char *kind = json_string_value(json_object_get(source, "type"));
    return s == DGON_OK && kind != NULL && strcmp(kind, "url") == 0 ? remote(k, "source") : s;
}

static dgon_status check_message(dgon_check *k, const json_t *m, dgon_openai_request *r)
{
    static const char *const roles[] = {"user", "assistant", "system"};
    json_t *role;
    bool known = false;
    dgon_status s = dgon_check_required(k, m, "role", DGON_IS_STRING, &role);
    if (s != DGON_OK)
        return s;
    for (size_t i = 0; i < COUNT(roles); i++)
        known = known || strcmp(json_string_value(role), roles[i]) == 0;
    if (!known)
        return dgon_check_wrong_value(k, "role", "'user' and 'assistant'");
    if (given(m, "content") == NULL)
        return dgon_check_missing(k, "content");
    s = check_text_or_list(k, m, "content");
    return s == DGON_OK ? check_items(k, m, "content", check_message_part, r) : s;
}

static dgon_status check_tool(dgon_check *k, const json_t *tool, dgon_openai_request *r)
{
    json_t *v;
    (void)r;
    return dgon_check_required(k, tool, "name", DGON_IS_STRING, &v);
}

static dgon_status check_messages(dgon_check *k, dgon_op op, const json_t *root,
                                  dgon_openai_request *r)
{
    json_t *v;
    dgon_status s = DGON_OK;
    if (op == DGON_OP_MESSAGES && given(root, "max_tokens") == NULL)
        return dgon_check_missing(k, "max_tokens");
    s = dgon_check_required(k, root, "messages", DGON_IS_ARRAY, &v);
    if (s == DGON_OK && json_array_size(v) == 0)
        return dgon_check_refuse(k->e, "empty_array", "messages",
                                 "Invalid 'messages': expected at least one message.");
    if (s == DGON_OK)
        s = dgon_openai_check_fields(k, root, messages_fields, COUNT(messages_fields));
    if (s == DGON_OK)
        s = check_text_or_list(k, root, "system");
    if (s == DGON_OK)
        s = check_texts(k, root, "stop_sequences");
    if (s == DGON_OK)
        s = check_items(k, root, "system", check_message_part, r);
    if (s == DGON_OK)
        s = check_items(k, root, "tools", check_tool, r);
    return s == DGON_OK ? check_items(k, root, "messages", check_message, r) : s;
}

/* ---- reranking ---- */

static dgon_status check_rerank(dgon_check *k, const json_t *root)
{
    const char *name = given(root, "texts") != NULL ? "texts" : "documents";
    const json_t *query = given(root, "query");
    json_t *v;
    if (query == NULL)
        return dgon_check_missing(k, "query");
    if (!json_is_string(query) && !json_is_object(query))
        return dgon_check_wrong_type(k, "query", "a string", query);
    dgon_status s = dgon_check_required(k, root, name, DGON_IS_ARRAY, &v);
    if (s == DGON_OK && json_array_size(v) == 0)
        return dgon_check_refuse(k->e, "empty_array", name,
                                 "Invalid '%s': expected at least one document.", name);
    return s == DGON_OK ? dgon_openai_check_fields(k, root, rerank_fields, COUNT(rerank_fields))
                        : s;
}

/* ---- Ollama's ---- */

static dgon_status check_ollama_message(dgon_check *k, const json_t *m, dgon_openai_request *r)
{
    json_t *v;
    dgon_status s = dgon_check_required(k, m, "role", DGON_IS_STRING, &v);
    if (s == DGON_OK)
        s = dgon_check_optional(k, m, "content", DGON_IS_STRING, &v);
    if (s == DGON_OK)
        s = dgon_check_optional(k, m, "images", DGON_IS_ARRAY, &v);
    if (s == DGON_OK)
        s = check_texts(k, m, "images");
    if (s == DGON_OK)
        s = dgon_check_optional(k, m, "tool_calls", DGON_IS_ARRAY, &v);
    return s == DGON_OK ? check_items(k, m, "tool_calls", NULL, r) : s;
}

static dgon_status check_ollama(dgon_check *k, dgon_op op, const json_t *root,
                                dgon_openai_request *r)
{
    const json_t *format = given(root, "format"), *think = given(root, "think");
    const json_t *keep = given(root, "keep_alive");
    json_t *v;
    dgon_status s = dgon_openai_check_fields(k, root, ollama_fields, COUNT(ollama_fields));
    if (s == DGON_OK)
        s = check_either(k, root, "format", json_is_string(format) || json_is_object(format),
                         "a string or an object");
    if (s == DGON_OK)
        s = check_either(k, root, "think", json_is_boolean(think) || json_is_string(think),
                         "a boolean or a string");
    if (s == DGON_OK)
        s = check_either(k, root, "keep_alive", json_is_string(keep) || json_is_number(keep),
                         "a string or a number");
    if (s == DGON_OK && op == DGON_OP_OLLAMA_EMBED)
        s = check_text_or_list(k, root, "input");
    if (s == DGON_OK && op == DGON_OP_OLLAMA_EMBED)
        s = check_texts(k, root, "input");
    if (s == DGON_OK)
        s = check_texts(k, root, "images");
    if (s == DGON_OK)
        s = check_items(k, root, "tools", NULL, r);
    if (s == DGON_OK && op == DGON_OP_OLLAMA_CHAT) {
        s = dgon_check_optional(k, root, "messages", DGON_IS_ARRAY, &v);
        if (s == DGON_OK)
            s = check_items(k, root, "messages", check_ollama_message, r);
    }
    if (s != DGON_OK)
        return s;
    const json_t *options = given(root, "options");
    size_t mark = dgon_check_enter(k, "options");
    s = dgon_openai_check_fields(k, options, option_fields, COUNT(option_fields));
    if (s == DGON_OK)
        s = check_texts(k, options, "stop");
    dgon_check_leave(k, mark);
    return s;
}

/* ---- all ---- */

dgon_status dgon_relay_check(dgon_check *k, dgon_op op, const json_t *root, dgon_openai_request *r)
{
    switch (op) {
    case DGON_OP_RESPONSES:
        return check_responses(k, root, r);
    case DGON_OP_MESSAGES:
    case DGON_OP_COUNT_TOKENS:
        return check_messages(k, op, root, r);
    case DGON_OP_RERANK:
        return check_rerank(k, root);
    default:
        return dgon_op_form(op) == DGON_FORM_LINES ? check_ollama(k, op, root, r) : DGON_OK;
    }
}

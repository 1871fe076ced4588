/* The messages of a chat request: roles, contents, calls, and that nobody is made to fetch a URL.
 */
#include "openai_int.h"

#include <stdio.h>
#include <string.h>

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

bool dgon_openai_is_data_url(const char *s)
{
    static const char data[] = "data:";
    size_t k = 0;
    while (data[k] != '\0' && lower(s[k]) == data[k])
        k++;
    return data[k] == '\0';
}

static const char *remote_member(json_t *part);

static bool is_remote(const char *key, json_t *v)
{
    json_t *element;
    size_t i;
    if (json_is_string(v))
        return ends_in_url(key) && !dgon_openai_is_data_url(json_string_value(v));
    if (json_is_object(v))
        return remote_member(v) != NULL;
    json_array_foreach(v, i, element)
    {
        if (is_remote(key, element))
            return true;
    }
    return false;
}

/* The member of a content part with a URL in it that somebody would have to fetch, or NULL. Every
 * name that ends in "url" in any case counts: servers differ in how they match names. */
static const char *remote_member(json_t *part)
{
    const char *key;
    json_t *v;
    json_object_foreach(part, key, v)
    {
        if (is_remote(key, v))
            return key;
    }
    return NULL;
}

static dgon_status check_image(dgon_check *k, const json_t *part)
{
    const json_t *image = json_object_get(part, "image_url");
    json_t *url;
    if (image == NULL)
        return dgon_check_missing(k, "image_url");
    if (json_is_string(image))
        return DGON_OK;
    if (!json_is_object(image))
        return dgon_check_wrong_type(k, "image_url", "an object", image);
    size_t mark = dgon_check_enter(k, "image_url");
    dgon_status s = dgon_check_required(k, image, "url", DGON_IS_STRING, &url);
    dgon_check_leave(k, mark);
    return s;
}

static dgon_status check_part(dgon_check *k, json_t *part, dgon_openai_request *r)
{
    json_t *type, *text;
    if (!json_is_object(part))
        return dgon_check_wrong_type(k, "", "an object", part);
    dgon_status s = dgon_check_required(k, part, "type", DGON_IS_STRING, &type);
    if (s != DGON_OK)
        return s;
    if (strcmp(json_string_value(type), "text") == 0)
        return dgon_check_required(k, part, "text", DGON_IS_STRING, &text);
    if (strcmp(json_string_value(type), "image_url") == 0) {
        r->has_image = true;
        s = check_image(k, part);
    }
    const char *at = s == DGON_OK ? remote_member(part) : NULL;
    if (at != NULL) {
        char full[DGON_CHECK_NAME_MAX];
        dgon_check_place(k, strlen(at) < 32 ? at : "", full);
        return dgon_check_refuse(
            k->e, "unsupported_value", full,
            "Only data: URLs are taken for '%s': nothing is fetched from the network. Send "
            "the content itself, base64-encoded.",
            full);
    }
    return s;
}

static dgon_status check_content(dgon_check *k, const json_t *content, dgon_openai_request *r)
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

static dgon_status check_call(dgon_check *k, const json_t *call)
{
    json_t *function, *v;
    if (!json_is_object(call))
        return dgon_check_wrong_type(k, "", "an object", call);
    dgon_status s = dgon_check_required(k, call, "id", DGON_IS_STRING, &v);
    if (s == DGON_OK)
        s = dgon_check_optional(k, call, "type", DGON_IS_STRING, &v);
    if (s != DGON_OK || (v != NULL && strcmp(json_string_value(v), "function") != 0))
        return s;
    s = dgon_check_required(k, call, "function", DGON_IS_OBJECT, &function);
    if (s != DGON_OK)
        return s;
    size_t mark = dgon_check_enter(k, "function");
    s = dgon_check_required(k, function, "name", DGON_IS_STRING, &v);
    if (s == DGON_OK)
        s = dgon_check_required(k, function, "arguments", DGON_IS_STRING, &v);
    dgon_check_leave(k, mark);
    return s;
}

static dgon_status check_calls(dgon_check *k, const json_t *m)
{
    char message[sizeof k->at];
    json_t *calls, *call;
    size_t i;
    dgon_status s = dgon_check_optional(k, m, "tool_calls", DGON_IS_ARRAY, &calls);
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

static dgon_status check_message(dgon_check *k, const json_t *m, dgon_openai_request *r)
{
    json_t *v;
    if (!json_is_object(m))
        return dgon_check_wrong_type(k, "", "an object", m);
    dgon_status s = dgon_check_required(k, m, "role", DGON_IS_STRING, &v);
    if (s != DGON_OK)
        return s;
    const char *role = json_string_value(v);
    if (!is_role(role))
        return dgon_check_wrong_value(
            k, "role", "'developer', 'system', 'user', 'assistant', 'tool', and 'function'");
    const json_t *content = json_object_get(m, "content");
    bool lacks = content == NULL || json_is_null(content);
    if (lacks && !may_lack_content(m, role))
        return content == NULL
                   ? dgon_check_missing(k, "content")
                   : dgon_check_wrong_type(k, "content", "a string or an array", content);
    if (!lacks && !json_is_string(content) && !json_is_array(content))
        return dgon_check_wrong_type(k, "content", "a string or an array", content);
    if (strcmp(role, "tool") == 0)
        s = dgon_check_required(k, m, "tool_call_id", DGON_IS_STRING, &v);
    if (s == DGON_OK)
        s = dgon_check_optional(k, m, "name", DGON_IS_STRING, &v);
    if (s == DGON_OK)
        s = check_calls(k, m);
    return s == DGON_OK ? check_content(k, content, r) : s;
}

dgon_status dgon_openai_check_messages(dgon_check *k, const json_t *root, dgon_openai_request *r)
{
    json_t *messages, *m;
    size_t i;
    dgon_status s = dgon_check_required(k, root, "messages", DGON_IS_ARRAY, &messages);
    if (s != DGON_OK)
        return s;
    if (json_array_size(messages) == 0)
        return dgon_check_refuse(k->e, "empty_array", "messages",
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

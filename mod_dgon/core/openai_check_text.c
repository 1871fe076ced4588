/* The gateway's look at requests without messages: a prompt to go on with, inputs to embed. */
#include "choices_int.h"
#include "openai_int.h"
#include "tree_int.h"

#include <stdio.h>
#include <string.h>

#define ANY 0, 0

static const dgon_openai_field completion_fields[] = {
    {"temperature", DGON_IS_NUMBER, 0, 2},
    {"top_p", DGON_IS_NUMBER, 0, 1},
    {"presence_penalty", DGON_IS_NUMBER, -2, 2},
    {"frequency_penalty", DGON_IS_NUMBER, -2, 2},
    {"n", DGON_IS_INTEGER, 1, DGON_CHAT_CHOICES_MAX},
    {"best_of", DGON_IS_INTEGER, 1, 1e9},
    {"logprobs", DGON_IS_INTEGER, 0, 20},
    {"max_tokens", DGON_IS_INTEGER, ANY},
    {"seed", DGON_IS_INTEGER, ANY},
    {"echo", DGON_IS_BOOL, ANY},
    {"logit_bias", DGON_IS_OBJECT, ANY},
    {"suffix", DGON_IS_STRING, ANY},
    {"user", DGON_IS_STRING, ANY},
};

static const dgon_openai_field embed_fields[] = {
    {"dimensions", DGON_IS_INTEGER, 1, 1e9},
    {"encoding_format", DGON_IS_STRING, ANY},
    {"user", DGON_IS_STRING, ANY},
};

#undef ANY

static bool is_token(const json_t *v)
{
    int64_t n;
    return dgon_tree_whole(v, &n) && n >= 0;
}

/* Each member is what the first one is: a text, a token, or a list of tokens. */
static dgon_status check_list(dgon_check *k, const char *name, const json_t *list)
{
    static const char expected[] = "a string, an array of strings, tokens, or arrays of tokens";
    const json_t *first = json_array_get(list, 0), *v, *token;
    size_t i, j;
    if (first == NULL)
        return dgon_check_refuse(k->e, "empty_array", name,
                                 "Invalid '%s': expected a non-empty array.", name);
    json_array_foreach(list, i, v)
    {
        char place[32];
        (void)snprintf(place, sizeof place, "%s[%zu]", name, i);
        if (json_is_array(first) && json_is_array(v) && json_array_size(v) > 0) {
            json_array_foreach(v, j, token)
            {
                if (!is_token(token))
                    return dgon_check_wrong_type(k, place, "an array of tokens", v);
            }
        } else if (!(json_is_string(first) && json_is_string(v)) &&
                   !(json_is_integer(first) && is_token(v))) {
            return dgon_check_wrong_type(k, place, expected, v);
        }
    }
    return DGON_OK;
}

static dgon_status check_texts(dgon_check *k, const json_t *root, const char *name)
{
    const json_t *v = json_object_get(root, name);
    if (v == NULL)
        return dgon_check_missing(k, name);
    if (json_is_string(v))
        return DGON_OK;
    if (!json_is_array(v))
        return dgon_check_wrong_type(k, name, "a string or an array", v);
    return check_list(k, name, v);
}

dgon_status dgon_openai_check_completion(dgon_check *k, const json_t *root, dgon_openai_request *r)
{
    dgon_status s = check_texts(k, root, "prompt");
    if (s == DGON_OK)
        s = dgon_openai_check_stream(k, root, r);
    if (s == DGON_OK)
        s = dgon_openai_check_fields(k, root, completion_fields,
                                     sizeof completion_fields / sizeof completion_fields[0]);
    if (s == DGON_OK)
        s = dgon_choices_count(&(dgon_choices){0}, DGON_OP_COMPLETION, root, k->e);
    return s == DGON_OK ? dgon_openai_check_stop(k, root) : s;
}

dgon_status dgon_openai_check_embed(dgon_check *k, const json_t *root)
{
    dgon_status s = check_texts(k, root, "input");
    if (s == DGON_OK)
        s = dgon_openai_check_fields(k, root, embed_fields,
                                     sizeof embed_fields / sizeof embed_fields[0]);
    const char *format = dgon_tree_str(root, "encoding_format");
    if (s == DGON_OK && format != NULL && strcmp(format, "float") != 0 &&
        strcmp(format, "base64") != 0)
        return dgon_check_wrong_value(k, "encoding_format", "'float' and 'base64'");
    const json_t *input = json_object_get(root, "input");
    if (s == DGON_OK && json_is_string(input) && json_string_length(input) == 0)
        return dgon_check_refuse(k->e, "invalid_value", "input",
                                 "Invalid 'input': an empty text cannot be embedded.");
    return s;
}

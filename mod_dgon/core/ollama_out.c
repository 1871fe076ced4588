/* An OpenAI request as Ollama's own API wants it. A whole tree is built: names, places and types
 * differ. */
#include "dgon/ollama.h"

#include "ollama_int.h"
#include "tree_int.h"

#include <string.h>

dgon_status dgon_ollama_unsupported(const dgon_ollama_build *b, const char *param)
{
    return dgon_check_refuse(b->e, "unsupported_value", param,
                             "'%s' is not supported for this model's backend.", param);
}

/* ---- what Ollama cannot do ---- */

static bool is_plain_modalities(const json_t *v)
{
    const char *only = json_string_value(json_array_get(v, 0));
    return json_array_size(v) == 0 ||
           (json_array_size(v) == 1 && only != NULL && strcmp(only, "text") == 0);
}

dgon_status dgon_ollama_check_unsupported(const dgon_ollama_build *b)
{
    static const char *const never[] = {"audio", "logit_bias", "functions"};
    int64_t n = 1;
    for (size_t k = 0; k < sizeof never / sizeof never[0]; k++) {
        const json_t *v = dgon_ollama_given(b->request, never[k]);
        if (v != NULL && json_object_size(v) + json_array_size(v) > 0)
            return dgon_ollama_unsupported(b, never[k]);
    }
    if (dgon_ollama_given(b->request, "n") != NULL &&
        (!dgon_tree_whole(dgon_ollama_given(b->request, "n"), &n) || n != 1))
        return dgon_check_refuse(b->e, "unsupported_value", "n",
                                 "'n' must be 1: this model's backend gives one choice at a time.");
    return is_plain_modalities(dgon_ollama_given(b->request, "modalities"))
               ? DGON_OK
               : dgon_ollama_unsupported(b, "modalities");
}

/* Absent, or one of the two words that ask for nothing but the usual. */
static bool is_usual(const json_t *v, const char *word, const char *other)
{
    const char *s = json_string_value(v);
    return v == NULL || (s != NULL && (strcmp(s, word) == 0 || strcmp(s, other) == 0));
}

/* Members of a chat request that ask for what Ollama has not. Those that cannot change an answer
 * (user, metadata, prediction and what is about OpenAI's cache) are left out without a word. */
static dgon_status check_chat_unsupported(const dgon_ollama_build *b)
{
    static const struct {
        const char *name, *usual, *other;
    } words[] = {{"function_call", "auto", "none"},
                 {"service_tier", "auto", "default"},
                 {"verbosity", "medium", "medium"}};
    static const char *const never[] = {"web_search_options", "moderation"};
    for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
        if (!is_usual(dgon_ollama_given(b->request, words[k].name), words[k].usual, words[k].other))
            return dgon_ollama_unsupported(b, words[k].name);
    }
    for (size_t k = 0; k < sizeof never / sizeof never[0]; k++) {
        if (dgon_ollama_given(b->request, never[k]) != NULL)
            return dgon_ollama_unsupported(b, never[k]);
    }
    if (json_is_true(json_object_get(b->request, "store")))
        return dgon_ollama_unsupported(b, "store");
    if (json_is_false(json_object_get(b->request, "parallel_tool_calls")) &&
        json_array_size(json_object_get(b->request, "tools")) > 0)
        return dgon_check_refuse(
            b->e, "unsupported_value", "parallel_tool_calls",
            "'parallel_tool_calls' cannot be false for this model's backend: how many tools are "
            "called at once is up to the model.");
    return dgon_ollama_check_unsupported(b);
}

/* ---- options ---- */

/* Integers as integers, also when the client wrote 5.0. */
static void put_number(dgon_ollama_build *b, json_t *options, const char *key, json_t *v,
                       bool whole)
{
    int64_t number;
    if (whole && dgon_tree_whole(v, &number))
        dgon_ollama_set(b, options, key, json_integer(number));
    else if (!whole && json_is_number(v))
        dgon_ollama_share(b, options, key, v);
}

static void put_stop(dgon_ollama_build *b, json_t *options)
{
    json_t *stop = dgon_ollama_given(b->request, "stop");
    if (json_is_array(stop)) {
        dgon_ollama_share(b, options, "stop", stop);
    } else if (json_is_string(stop)) {
        json_t *list = json_array();
        b->bad |= json_array_append(list, stop);
        dgon_ollama_set(b, options, "stop", list);
    }
}

void dgon_ollama_put_options(dgon_ollama_build *b)
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
        put_number(b, options, same[k].name, dgon_ollama_given(b->request, same[k].name),
                   same[k].whole);
    json_t *limit = dgon_ollama_given(b->request, "max_completion_tokens");
    put_number(b, options, "num_predict",
               limit != NULL ? limit : dgon_ollama_given(b->request, "max_tokens"), true);
    put_stop(b, options);
    if (options == NULL)
        b->bad = -1;
    if (json_object_size(options) > 0)
        dgon_ollama_share(b, b->out, "options", options);
    json_decref(options);
}

static dgon_status put_format(dgon_ollama_build *b)
{
    const json_t *format = dgon_ollama_given(b->request, "response_format");
    const char *type = dgon_tree_str(format, "type");
    if (format == NULL || (type != NULL && strcmp(type, "text") == 0))
        return DGON_OK;
    if (type == NULL)
        return dgon_check_refuse(b->e, "invalid_type", "response_format",
                                 "'response_format' needs a 'type'.");
    json_t *schema = dgon_ollama_given(json_object_get(format, "json_schema"), "schema");
    if (strcmp(type, "json_schema") == 0 && json_is_object(schema))
        dgon_ollama_share(b, b->out, "format", schema);
    else if (strcmp(type, "json_schema") == 0 || strcmp(type, "json_object") == 0)
        dgon_ollama_set(b, b->out, "format", json_string("json"));
    else
        return dgon_ollama_unsupported(b, "response_format.type");
    return DGON_OK;
}

static dgon_status put_think(dgon_ollama_build *b, bool can)
{
    static const char *const levels[][2] = {{"minimal", "low"},   {"low", "low"},
                                            {"medium", "medium"}, {"high", "high"},
                                            {"xhigh", "max"},     {"max", "max"}};
    const char *effort = dgon_tree_str(b->request, "reasoning_effort");
    if (effort == NULL || (strcmp(effort, "none") == 0 && !can))
        return DGON_OK;
    if (!can)
        return dgon_check_refuse(
            b->e, "unsupported_value", "reasoning_effort",
            "'reasoning_effort' can only be 'none': the model does not think.");
    if (strcmp(effort, "none") == 0) {
        dgon_ollama_set(b, b->out, "think", json_false());
        return DGON_OK;
    }
    for (size_t k = 0; k < sizeof levels / sizeof levels[0]; k++) {
        if (strcmp(effort, levels[k][0]) == 0) {
            dgon_ollama_set(b, b->out, "think", json_string(levels[k][1]));
            return DGON_OK;
        }
    }
    return dgon_check_refuse(b->e, "invalid_value", "reasoning_effort",
                             "Invalid value for 'reasoning_effort'. Supported values are: 'none', "
                             "'minimal', 'low', 'medium', 'high', 'xhigh', and 'max'.");
}

/* ---- tools ---- */

static dgon_status put_tools(dgon_ollama_build *b)
{
    json_t *tools = dgon_ollama_given(b->request, "tools"), *tool;
    const json_t *choice = dgon_ollama_given(b->request, "tool_choice");
    const char *word = json_string_value(choice);
    size_t i;
    if (word != NULL && strcmp(word, "none") == 0)
        return DGON_OK;
    if (choice != NULL && (word == NULL || strcmp(word, "auto") != 0))
        return dgon_check_refuse(
            b->e, "unsupported_value", "tool_choice",
            "'tool_choice' can only be 'auto' or 'none' for this model's backend.");
    if (json_array_size(tools) == 0)
        return DGON_OK;
    json_array_foreach(tools, i, tool)
    {
        const char *type = dgon_tree_str(tool, "type");
        if (type == NULL || strcmp(type, "function") != 0)
            return dgon_ollama_unsupported(b, "tools");
    }
    dgon_ollama_share(b, b->out, "tools", tools);
    return DGON_OK;
}

/* ---- the whole ---- */

static void put_given(dgon_ollama_build *b, const char *key)
{
    json_t *v = dgon_ollama_given(b->request, key);
    if (v != NULL && !json_is_object(v) && !json_is_array(v))
        dgon_ollama_share(b, b->out, key, v);
}

static dgon_status put_chat(dgon_ollama_build *b, bool thinking)
{
    dgon_status s = check_chat_unsupported(b);
    if (s == DGON_OK)
        s = put_think(b, thinking);
    if (s == DGON_OK)
        s = dgon_ollama_put_messages(b);
    if (s == DGON_OK)
        s = put_tools(b);
    return s == DGON_OK ? put_format(b) : s;
}

static dgon_status put_all(dgon_ollama_build *b, dgon_op op, const char *model, bool stream,
                           const dgon_ollama_options *opt)
{
    dgon_ollama_set(b, b->out, "model", json_string(model));
    if (op != DGON_OP_EMBED)
        dgon_ollama_set(b, b->out, "stream", json_boolean(stream));
    dgon_ollama_set(b, b->out, "truncate", json_boolean(opt->truncate));
    put_given(b, "keep_alive");
    if (op == DGON_OP_CHAT) {
        put_given(b, "logprobs");
        put_given(b, "top_logprobs");
    }
    dgon_ollama_put_options(b);
    dgon_status s = op == DGON_OP_CHAT         ? put_chat(b, opt->thinking)
                    : op == DGON_OP_COMPLETION ? dgon_ollama_put_prompt(b)
                                               : dgon_ollama_put_inputs(b);
    return s == DGON_OK && b->bad != 0 ? DGON_ENOMEM : s;
}

static dgon_status bad_body(dgon_error *e)
{
    dgon_error_set(e, 400, NULL, NULL, "The request body is not a JSON object.");
    return DGON_EINVAL;
}

dgon_status dgon_ollama_request_out(dgon_buf *out, dgon_op op, const char *body, size_t n,
                                    const char *model, bool stream, const dgon_ollama_options *opt,
                                    bool *want_usage, dgon_error *e)
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
        dgon_ollama_build b = {
            .request = root, .out = json_object(), .names = json_object(), .e = e};
        *want_usage = stream && json_is_true(json_object_get(
                                    dgon_ollama_given(root, "stream_options"), "include_usage"));
        s = b.names != NULL ? put_all(&b, op, model, stream, opt) : DGON_ENOMEM;
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

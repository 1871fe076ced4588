/* Small parts of both mappings: a backend's faults and words as OpenAI has them. */
#include "chat_int.h"

#include <stdio.h>
#include <string.h>

#define BAD_LINES_MAX 3u

dgon_status dgon_chat_fail(dgon_chat *c, const char *message)
{
    dgon_error_set(&c->error, 502, "upstream_error", NULL, "%s", message);
    c->error.retryable = !c->stream || c->roles == 0; /* else a part has gone out */
    return DGON_EBACKEND;
}

dgon_status dgon_chat_line_read(dgon_chat *c, dgon_status s)
{
    if (s == DGON_OK)
        c->bad_lines = 0;
    if (s != DGON_EJSON)
        return s;
    if (++c->bad_lines < BAD_LINES_MAX)
        return DGON_OK;
    return dgon_chat_fail(c, "The backend sent several malformed lines in a row.");
}

const char *dgon_chat_finish_word(const char *word)
{
    static const char *const map[][2] = {{"stop", "stop"},
                                         {"length", "length"},
                                         {"tool_calls", "tool_calls"},
                                         {"content_filter", "content_filter"},
                                         {"function_call", "function_call"},
                                         {"max_tokens", "length"},
                                         {"tool_use", "tool_calls"},
                                         {"abort", NULL},
                                         {"error", NULL},
                                         {"cancelled", NULL}};
    for (size_t k = 0; k < sizeof map / sizeof map[0]; k++) {
        if (strcmp(word, map[k][0]) == 0)
            return map[k][1];
    }
    return "stop"; /* end_turn, eos, eos_token, stop_sequence, load … */
}

void dgon_chat_call_id(const dgon_chat *c, unsigned k, char id[DGON_CHAT_CALL_MAX])
{
    static const char prefix[] = "chatcmpl-";
    const char *from = c->id_json + 1;
    char part[41];
    size_t n = 0;
    if (strncmp(from, prefix, sizeof prefix - 1) == 0)
        from += sizeof prefix - 1;
    for (; *from != '\0' && n < sizeof part - 1; from++) {
        if ((*from >= '0' && *from <= '9') || (*from >= 'a' && *from <= 'z') ||
            (*from >= 'A' && *from <= 'Z'))
            part[n++] = *from;
    }
    part[n] = '\0';
    (void)snprintf(id, DGON_CHAT_CALL_MAX, "call_%s_%u", part, c->first * DGON_CHAT_TOOLS + k);
}

int dgon_chat_name_reasoning(json_t *message)
{
    static const char *const names[] = {"reasoning_content", "reasoning", "thinking"};
    json_t *text = NULL;
    for (size_t k = 0; k < sizeof names / sizeof names[0] && text == NULL; k++) {
        json_t *v = json_object_get(message, names[k]);
        text = json_is_string(v) && json_string_length(v) > 0 ? json_incref(v) : NULL;
    }
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
        (void)json_object_del(message, names[k]);
    return text == NULL ? 0 : json_object_set_new(message, names[0], text);
}

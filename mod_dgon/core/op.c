#include "dgon/op.h"

#include <string.h>

static const struct {
    const char *word, *id_prefix;
} ops[DGON_OP_MAX] = {
    [DGON_OP_NONE] = {"", ""},
    [DGON_OP_CHAT] = {"chat", "chatcmpl-"},
    [DGON_OP_COMPLETION] = {"completion", "cmpl-"},
    [DGON_OP_EMBED] = {"embed", "embd-"},
    [DGON_OP_RESPONSES] = {"responses", "resp-"},
    [DGON_OP_MESSAGES] = {"messages", "msg-"},
    [DGON_OP_COUNT_TOKENS] = {"count_tokens", "count-"},
    [DGON_OP_RERANK] = {"rerank", "rerank-"},
    [DGON_OP_OLLAMA_CHAT] = {"ollama_chat", "oll-"},
    [DGON_OP_OLLAMA_GENERATE] = {"ollama_generate", "oll-"},
    [DGON_OP_OLLAMA_EMBED] = {"ollama_embed", "oll-"},
    [DGON_OP_OLLAMA_EMBEDDINGS] = {"ollama_legacy", "oll-"},
    [DGON_OP_PASS] = {"pass", "pass-"},
    [DGON_OP_LOAD] = {"load", "load-"},
};

const char *dgon_op_str(dgon_op op)
{
    return op < DGON_OP_MAX ? ops[op].word : "";
}

dgon_op dgon_op_of(const char *word)
{
    for (int op = DGON_OP_NONE + 1; op < DGON_OP_MAX; op++) {
        if (strcmp(word, ops[op].word) == 0)
            return (dgon_op)op;
    }
    return DGON_OP_NONE;
}

dgon_form dgon_op_form(dgon_op op)
{
    if (op == DGON_OP_PASS)
        return DGON_FORM_BYTES;
    if (op == DGON_OP_LOAD || (op >= DGON_OP_OLLAMA_CHAT && op < DGON_OP_PASS))
        return DGON_FORM_LINES;
    return dgon_op_is_relay(op) ? DGON_FORM_EVENTS : DGON_FORM_DATA;
}

const char *dgon_op_id_prefix(dgon_op op)
{
    return op < DGON_OP_MAX ? ops[op].id_prefix : "";
}

#include "agent_backend.h"

const agent_backend_ops *agent_backend_ops_get(agent_kind k)
{
    switch (k) {
    case AGENT_KIND_OPENAI:
        return &agent_backend_openai;
    case AGENT_KIND_OLLAMA:
        return &agent_backend_ollama;
    case AGENT_KIND_ECHO:
        return &agent_backend_echo;
    case AGENT_KIND_AUTO:
        break;
    }
    return NULL;
}

const agent_backend_ops *agent_backend_translation(const agent_backend_ops *kind, dgon_op op)
{
    if (!dgon_op_is_relay(op)) {
        return kind;
    }
    return dgon_op_form(op) == DGON_FORM_LINES && kind->kind == AGENT_KIND_OPENAI
               ? &agent_backend_front
               : &agent_backend_relay;
}

size_t agent_backend_answer_max(dgon_op op)
{
    return op == DGON_OP_EMBED || op == DGON_OP_OLLAMA_EMBED ? DGON_EMBED_ANSWER_MAX
                                                             : DGON_CHAT_ANSWER_MAX;
}

dgon_status agent_exchange_init(agent_exchange *x, const agent_exchange_job *job, dgon_status s,
                                bool want_usage, dgon_error *e)
{
    if (s == DGON_OK && job->again) {
        return s;
    }
    if (s == DGON_OK) {
        x->stream = job->stream;
        x->op = job->op;
        dgon_buf_init(&x->out, agent_backend_answer_max(job->op) + 65536u);
        s = (job->op == DGON_OP_COMPLETION ? dgon_chat_init_text : dgon_chat_init)(
            &x->chat, job->id, job->public_model, job->created, job->stream, want_usage);
    }
    if (s != DGON_OK) {
        dgon_error_set(e, s == DGON_ENOMEM ? 500 : 400, NULL, NULL,
                       "The request cannot be passed on: %s.", dgon_status_str(s));
    }
    return s;
}

/* Any server with OpenAI's /v1: llama.cpp, vLLM, LM Studio and others. */
#include "agent_backend.h"

#include <jansson.h>

static dgon_status on_event(void *user, const dgon_sse_event *ev)
{
    agent_exchange *x = user;
    return dgon_openai_chunk(&x->chat, &x->out, ev->data, ev->data_len, x->emit, x->user);
}

static dgon_status begin(agent_exchange *x, const agent_exchange_job *job, dgon_buf *request,
                         dgon_error *e)
{
    bool want_usage = false;
    dgon_status s = dgon_openai_request_out(request, job->body, job->body_len, job->model->name,
                                            job->stream, &want_usage);
    s = agent_exchange_init(x, job, s, want_usage, e);
    if (s == DGON_OK && job->op == DGON_OP_EMBED) {
        x->base64 = dgon_embed_wants_base64(job->body, job->body_len);
    }
    if (s == DGON_OK && job->stream) {
        dgon_sse_init(&x->u.sse, DGON_SSE_LINE_MAX, on_event, x);
        x->reading = true;
    }
    return s;
}

static dgon_status feed(agent_exchange *x, const char *p, size_t n)
{
    return dgon_sse_feed(&x->u.sse, p, n);
}

static dgon_status finish(agent_exchange *x)
{
    return dgon_sse_end(&x->u.sse);
}

static dgon_status answer(agent_exchange *x, const char *p, size_t n)
{
    return x->op == DGON_OP_EMBED ? dgon_embed_answer(&x->chat, x->base64, &x->out, p, n)
                                  : dgon_openai_answer(&x->chat, &x->out, p, n);
}

static void fini(agent_exchange *x)
{
    if (x->reading) {
        dgon_sse_fini(&x->u.sse);
    }
}

/* llama-server's /props tells its slots; other servers have no such path, which is no fault. */
static dgon_status props_in(const char *p, size_t n, dgon_model_fn fn, void *user, uint32_t *slots)
{
    (void)fn;
    (void)user;
    json_t *root = json_loadb(p, n, 0, NULL);
    json_int_t v = json_integer_value(json_object_get(root, "total_slots"));
    json_decref(root);
    if (v > 0 && v <= (json_int_t)DGON_WIRE_SLOTS_MAX) {
        *slots = (uint32_t)v;
    }
    return DGON_OK;
}

const agent_backend_ops agent_backend_openai = {
    .kind = AGENT_KIND_OPENAI,
    .ask = {[DGON_OP_CHAT] = "/v1/chat/completions",
            [DGON_OP_COMPLETION] = "/v1/completions",
            [DGON_OP_EMBED] = "/v1/embeddings",
            [DGON_OP_RESPONSES] = "/v1/responses",
            [DGON_OP_MESSAGES] = "/v1/messages",
            [DGON_OP_COUNT_TOKENS] = "/v1/messages/count_tokens",
            [DGON_OP_RERANK] = "/v1/rerank",
            [DGON_OP_OLLAMA_CHAT] = "/v1/chat/completions",
            [DGON_OP_OLLAMA_GENERATE] = "/v1/chat/completions",
            [DGON_OP_OLLAMA_EMBED] = "/v1/embeddings",
            [DGON_OP_OLLAMA_EMBEDDINGS] = "/v1/embeddings"},
    .models = "/v1/models",
    .more = "/props",
    .begin = begin,
    .feed = feed,
    .finish = finish,
    .answer = answer,
    .error = dgon_openai_backend_error,
    .fini = fini,
    .models_in = dgon_openai_models_in,
    .more_in = props_in,
};

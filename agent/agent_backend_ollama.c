/* Ollama by its native API, which loses nothing on the way (its own /v1 does). */
#include "agent_backend.h"

#include "dgon/control.h"

static dgon_status on_line(void *user, const char *line, size_t n)
{
    agent_exchange *x = user;
    return dgon_ollama_line(&x->chat, &x->out, line, n, x->emit, x->user);
}

static dgon_status begin(agent_exchange *x, const agent_exchange_job *job, dgon_buf *request,
                         dgon_error *e)
{
    bool want_usage = false;
    /* an old Ollama tells nothing of its models, and says itself which do not think */
    dgon_ollama_options opt = {.truncate = job->config->truncate,
                               .thinking = job->model->caps == 0 ||
                                           (job->model->caps & DGON_CAP_THINKING) != 0};
    dgon_status s = dgon_ollama_request_out(request, job->op, job->body, job->body_len,
                                            job->model->name, job->stream, &opt, &want_usage, e);
    if (s == DGON_EINVAL) {
        return s; /* e says which field */
    }
    s = agent_exchange_init(x, job, s, want_usage, e);
    if (s == DGON_OK && job->op == DGON_OP_EMBED) {
        x->base64 = dgon_embed_wants_base64(job->body, job->body_len);
    }
    if (s == DGON_OK && job->stream) {
        dgon_ndjson_init(&x->u.ndjson, DGON_NDJSON_LINE_MAX, on_line, x);
        x->reading = true;
    }
    return s;
}

static dgon_status feed(agent_exchange *x, const char *p, size_t n)
{
    return dgon_ndjson_feed(&x->u.ndjson, p, n);
}

static dgon_status finish(agent_exchange *x)
{
    return dgon_ndjson_end(&x->u.ndjson);
}

static dgon_status answer(agent_exchange *x, const char *p, size_t n)
{
    return x->op == DGON_OP_EMBED ? dgon_embed_answer(&x->chat, x->base64, &x->out, p, n)
                                  : dgon_ollama_answer(&x->chat, &x->out, p, n);
}

static void fini(agent_exchange *x)
{
    if (x->reading) {
        dgon_ndjson_fini(&x->u.ndjson);
    }
}

static dgon_status ps_in(const char *p, size_t n, dgon_model_fn fn, void *user, uint32_t *slots)
{
    (void)slots; /* Ollama does not tell OLLAMA_NUM_PARALLEL */
    return dgon_ollama_ps_in(p, n, fn, user);
}

const agent_backend_ops agent_backend_ollama = {
    .kind = AGENT_KIND_OLLAMA,
    .ask = {[DGON_OP_CHAT] = "/api/chat",
            [DGON_OP_COMPLETION] = "/api/generate",
            [DGON_OP_EMBED] = "/api/embed",
            [DGON_OP_RESPONSES] = "/v1/responses",
            [DGON_OP_MESSAGES] = "/v1/messages",
            [DGON_OP_COUNT_TOKENS] = "/v1/messages/count_tokens",
            [DGON_OP_OLLAMA_CHAT] = "/api/chat",
            [DGON_OP_OLLAMA_GENERATE] = "/api/generate",
            [DGON_OP_OLLAMA_EMBED] = "/api/embed",
            [DGON_OP_OLLAMA_EMBEDDINGS] = "/api/embeddings"},
    .one_choice = true,
    .models = "/api/tags",
    .more = "/api/ps",
    .begin = begin,
    .feed = feed,
    .finish = finish,
    .answer = answer,
    .error = dgon_ollama_backend_error,
    .fini = fini,
    .models_in = dgon_ollama_tags_in,
    .more_in = ps_in,
};

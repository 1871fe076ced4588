/* Ollama's own API in front of an OpenAI-compatible backend. */
#include "agent_backend.h"

static dgon_status on_event(void *user, const dgon_sse_event *ev)
{
    agent_exchange *x = user;
    return dgon_ollama_front_chunk(&x->u.front.lines, &x->out, ev->data, ev->data_len, x->emit,
                                   x->user);
}

/* Nothing to ask the backend: the answer says that the model is there. */
static dgon_status loaded(agent_exchange *x)
{
    dgon_status s = dgon_ollama_front_loaded(&x->u.front.lines, &x->out);
    if (s == DGON_OK && x->stream) {
        s = x->emit(x->user, x->out.data, x->out.len);
    }
    return s == DGON_OK ? DGON_DONE : s;
}

static dgon_status begin(agent_exchange *x, const agent_exchange_job *job, dgon_buf *request,
                         dgon_error *e)
{
    dgon_status s = dgon_ollama_front_request(request, job->op, job->body, job->body_len,
                                              job->model->name, job->stream, e);
    if (s == DGON_EINVAL) {
        return s; /* e says which member */
    }
    bool load = s == DGON_DONE;
    s = agent_exchange_init(x, job, load ? DGON_OK : s, false, e);
    if (s != DGON_OK) {
        return s;
    }
    dgon_ollama_front_init(&x->u.front.lines, &x->chat, job->op, job->stream);
    dgon_sse_init(&x->u.front.sse, DGON_SSE_LINE_MAX, on_event, x);
    x->reading = true;
    return load ? loaded(x) : DGON_OK;
}

static dgon_status feed(agent_exchange *x, const char *p, size_t n)
{
    return dgon_sse_feed(&x->u.front.sse, p, n);
}

static dgon_status finish(agent_exchange *x)
{
    dgon_status s = dgon_sse_end(&x->u.front.sse);
    return s == DGON_OK ? dgon_ollama_front_end(&x->u.front.lines, &x->out, x->emit, x->user) : s;
}

static dgon_status answer(agent_exchange *x, const char *p, size_t n)
{
    return dgon_ollama_front_answer(&x->u.front.lines, &x->out, p, n);
}

static void fini(agent_exchange *x)
{
    if (x->reading) {
        dgon_sse_fini(&x->u.front.sse);
        dgon_ollama_front_fini(&x->u.front.lines);
    }
}

const agent_backend_ops agent_backend_front = {
    .begin = begin,
    .feed = feed,
    .finish = finish,
    .answer = answer,
    .error = dgon_openai_backend_error,
    .fini = fini,
};

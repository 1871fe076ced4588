/* What is passed on as the backend says it: Responses, Anthropic's messages, reranking, Ollama's
 * own API. */
#include "agent_backend.h"

#include <string.h>

static dgon_status on_event(void *user, const dgon_sse_event *ev)
{
    agent_exchange *x = user;
    return dgon_relay_event(&x->chat, x->op, &x->out, ev, x->emit, x->user);
}

static dgon_status on_line(void *user, const char *line, size_t n)
{
    agent_exchange *x = user;
    return dgon_relay_line(&x->chat, &x->out, line, n, x->emit, x->user);
}

static bool has_lines(const agent_exchange *x)
{
    return dgon_op_form(x->op) == DGON_FORM_LINES;
}

static dgon_status begin(agent_exchange *x, const agent_exchange_job *job, dgon_buf *request,
                         dgon_error *e)
{
    dgon_status s = dgon_relay_request_out(request, job->body, job->body_len, job->model->name);
    s = agent_exchange_init(x, job, s, false, e);
    x->chat.rename = strcmp(job->public_model, job->model->name) != 0;
    if (s != DGON_OK || !job->stream) {
        return s;
    }
    if (has_lines(x)) {
        dgon_ndjson_init(&x->u.ndjson, DGON_NDJSON_LINE_MAX, on_line, x);
    } else {
        dgon_sse_init(&x->u.sse, DGON_SSE_LINE_MAX, on_event, x);
    }
    x->reading = true;
    return s;
}

static dgon_status feed(agent_exchange *x, const char *p, size_t n)
{
    return has_lines(x) ? dgon_ndjson_feed(&x->u.ndjson, p, n) : dgon_sse_feed(&x->u.sse, p, n);
}

static dgon_status finish(agent_exchange *x)
{
    return has_lines(x) ? dgon_ndjson_end(&x->u.ndjson) : dgon_sse_end(&x->u.sse);
}

static dgon_status answer(agent_exchange *x, const char *p, size_t n)
{
    return dgon_relay_answer(&x->chat, x->op, &x->out, p, n);
}

static void fini(agent_exchange *x)
{
    if (x->reading && has_lines(x)) {
        dgon_ndjson_fini(&x->u.ndjson);
    } else if (x->reading) {
        dgon_sse_fini(&x->u.sse);
    }
}

const agent_backend_ops agent_backend_relay = {
    .begin = begin,
    .feed = feed,
    .finish = finish,
    .answer = answer,
    .error = dgon_openai_backend_error,
    .fini = fini,
};

/* A job from its whole body to its end: asks the backend, passes the answer on. */
#include "agent_job.h"

#include "agent_log.h"

#include <stdio.h>
#include <string.h>

#define ERROR_MAX  65536u /* of a backend's non-200 answer */
#define ECHO_BURST 64u

/* --- ends --- */

void agent_job_log_end(const agent_job *j, const char *how)
{
    if (agent_log_enabled(AGENT_LOG_DEBUG)) {
        agent_log(AGENT_LOG_DEBUG, "job %s %s: backend %s, model %s, %u events, %llu ms", j->id,
                  how, j->backend->config.name, j->model, j->events,
                  (unsigned long long)(agent_os_now_ms() - j->started_ms));
    }
}

void agent_job_drop_request(agent_job *j, bool inside)
{
    if (j->request == NULL) {
        return;
    }
    if (inside) {
        agent_http_release(j->request);
    } else {
        agent_http_cancel(j->request);
    }
    j->request = NULL;
}

void agent_job_fail(agent_job *j, const dgon_error *e)
{
    agent_job_log_end(j, "failed");
    agent_job_refuse(j->link, j->number, j->attempt, e);
    agent_job_free(j);
}

void agent_job_fail_text(agent_job *j, int http, const char *code, const char *text)
{
    dgon_error e;
    dgon_error_set(&e, http, code, NULL, "%s", text);
    e.retryable = true;
    agent_job_fail(j, &e);
}

/* The answer is whole: END now, or behind the records that wait. May free the job. */
static void job_end(agent_job *j)
{
    dgon_status s = dgon_chat_end(&j->x.chat, &j->final_payload);
    if (s == DGON_OK && j->final_payload.len > DGON_WIRE_FINAL_MAX) {
        dgon_buf_reset(&j->final_payload);
        s = dgon_buf_adds(&j->final_payload, "{\"usage\":null,\"finish\":\"stop\"}");
    }
    if (s == DGON_EBACKEND) {
        agent_job_fail(j, &j->x.chat.error);
        return;
    }
    if (s != DGON_OK) {
        agent_job_fail_text(j, 500, NULL, "The agent is out of memory.");
        return;
    }
    agent_job_finish(j);
}

void agent_job_finish(agent_job *j)
{
    j->final = DGON_REC_END;
    j->state = AGENT_JOB_FINISHING;
    if (j->pending.len == 0) {
        agent_job_send(j, j->final, j->final_payload.data, j->final_payload.len);
        agent_job_log_end(j, "done");
        agent_job_free(j);
    }
}

static void on_timer(void *user);

/* on_timer() is called after `ms`. */
static dgon_status later(agent_job *j, uint32_t ms)
{
    if (j->timer == NULL) {
        j->timer = agent_timer_create(j->table->loop, on_timer, j);
    }
    if (j->timer == NULL) {
        return DGON_ENOMEM;
    }
    agent_timer_set(j->timer, ms);
    return DGON_OK;
}

/* The translation refused what came. Frees the job. */
static void job_broken(agent_job *j, dgon_status s)
{
    if (s == DGON_EBACKEND && j->x.chat.error.http != 0) {
        agent_job_fail(j, &j->x.chat.error);
    } else if (s == DGON_ENOMEM) {
        agent_job_fail_text(j, 500, NULL, "The agent is out of memory.");
    } else {
        agent_job_fail_text(j, 502, "upstream_error",
                            s == DGON_ETOOBIG ? "The backend's answer is too long."
                                              : "The backend's answer cannot be read.");
    }
}

/* An exchange ended well: the next one, from the loop, for this one's request still has its answer's rest
 * to read; or the end. May free the job. */
static void exchange_over(agent_job *j)
{
    dgon_status s = DGON_OK;
    if (agent_job_choices_more(j)) {
        s = later(j, 0);
        if (s != DGON_OK) {
            job_broken(j, s);
        }
        return;
    }
    if (!j->stream) {
        s = agent_job_put_raw(j, j->x.out.data, j->x.out.len);
        dgon_buf_fini(&j->x.out);
    }
    if (s == DGON_OK) {
        job_end(j);
    } else {
        job_broken(j, s);
    }
}

static void end_whole(agent_job *j)
{
    dgon_status s = j->ops->answer(&j->x, j->body.data != NULL ? j->body.data : "", j->body.len);
    if (s == DGON_OK) {
        exchange_over(j);
    } else {
        job_broken(j, s);
    }
}

/* --- the backend's answer --- */

static agent_http_take on_stream(agent_job *j, const char *p, size_t n)
{
    if (j->pending.len != 0 || agent_link_is_choked(j->link)) {
        j->paused = true;
        return AGENT_HTTP_PAUSE;
    }
    dgon_status s = j->ops->feed(&j->x, p, n);
    if (s == DGON_OK) {
        return AGENT_HTTP_TAKEN;
    }
    agent_job_drop_request(j, true);
    if (s == DGON_DONE) {
        exchange_over(j);
        return AGENT_HTTP_TAKEN; /* the rest of the body lets the connection be used again */
    }
    job_broken(j, s);
    return AGENT_HTTP_STOP;
}

static agent_http_take on_body(void *user, int status, const char *p, size_t n)
{
    agent_job *j = user;
    j->last_ms = agent_os_now_ms();
    if (status == 200 && j->stream) {
        return on_stream(j, p, n);
    }
    size_t max = status == 200 ? agent_backend_answer_max(j->op) : ERROR_MAX;
    if (j->body.len + n > max) {
        if (status != 200) {
            return AGENT_HTTP_TAKEN; /* the head of an error is enough */
        }
        agent_job_drop_request(j, true);
        job_broken(j, DGON_ETOOBIG);
        return AGENT_HTTP_STOP;
    }
    dgon_status s = dgon_buf_add(&j->body, p, n);
    if (s != DGON_OK) {
        agent_job_drop_request(j, true);
        job_broken(j, s);
        return AGENT_HTTP_STOP;
    }
    j->state = AGENT_JOB_RUNNING;
    return AGENT_HTTP_TAKEN;
}

static void fail_transport(agent_job *j, const agent_http_result *r)
{
    agent_backend *b = j->backend;
    agent_log(AGENT_LOG_INFO, "job %s: backend %s failed: %s", j->id, b->config.name, r->reason);
    agent_models_suspect(b);
    agent_job_fail_text(j, 502, "upstream_error",
                        !r->connected ? "The model server cannot be reached."
                        : r->got      ? "The model server broke off its answer."
                                 : "The model server closed the connection without an answer.");
}

/* Where the client is told of a fault that is not its own, the owner of the machine finds the
 * reason here: a key that is wrong, a proxy that sends elsewhere. Nothing of the answer, which may
 * quote the prompt. */
static void log_refusal(const agent_job *j, int status)
{
    bool ours = status < 400 || status == 401 || status == 403 || status == 407;
    agent_log(ours ? AGENT_LOG_WARN : AGENT_LOG_INFO,
              "job %s: backend %s answered %s with HTTP %d%s", j->id, j->backend->config.name,
              j->path, status, status < 400 ? ", which is not followed" : "");
}

static void on_done(void *user, const agent_http_result *r)
{
    agent_job *j = user;
    j->request = NULL;
    if (!r->complete) {
        fail_transport(j, r);
    } else if (r->status != 200) {
        dgon_error e;
        memset(&e, 0, sizeof e);
        j->ops->error(&e, r->status, j->body.data != NULL ? j->body.data : "", j->body.len);
        if ((r->status == 404 || r->status == 405) && e.http >= 500 && j->op != DGON_OP_CHAT) {
            dgon_error_set(&e, 400, "unsupported_operation", "model",
                           "The model's backend does not have %s.", j->path);
            e.retryable = true;
        }
        if (e.http >= 500) {
            log_refusal(j, r->status);
        }
        agent_job_fail(j, &e);
    } else if (j->stream) {
        dgon_status s = j->ops->finish(&j->x);
        if (s == DGON_OK || s == DGON_DONE) {
            exchange_over(j);
        } else {
            job_broken(j, s);
        }
    } else {
        end_whole(j);
    }
}

/* --- the built-in backend --- */

static void on_step(agent_job *j)
{
    uint32_t wait = 0;
    dgon_status s = DGON_OK;
    j->last_ms = agent_os_now_ms();
    for (unsigned i = 0; s == DGON_OK && wait == 0 && i < ECHO_BURST; i++) {
        if (j->pending.len != 0 || agent_link_is_choked(j->link)) {
            j->paused = true;
            return;
        }
        s = j->ops->step(&j->x, &wait);
    }
    if (s == DGON_OK) {
        agent_timer_set(j->timer, wait);
    } else if (s == DGON_DONE) {
        exchange_over(j);
    } else {
        job_broken(j, s);
    }
}

static void on_timer(void *user)
{
    agent_job *j = user;
    if (agent_job_choices_due(j)) {
        agent_job_run(j);
    } else {
        on_step(j);
    }
}

/* --- start and going on --- */

static dgon_status ask_backend(agent_job *j, dgon_buf *request)
{
    static const agent_http_ops ops = {.on_body = on_body, .on_done = on_done};
    char url[AGENT_CONFIG_PATH_MAX + 32];
    const agent_config_backend *c = &j->backend->config;
    if (*j->path == '\0') {
        return later(j, 0);
    }
    int n = snprintf(url, sizeof url, "%s%s", c->url, j->path);
    if (n < 0 || (size_t)n >= sizeof url) {
        return DGON_ETOOBIG;
    }
    agent_http_spec spec = {.url = url,
                            .secret = c->secret,
                            .ca_file = c->ca_file,
                            .traceparent = j->traceparent,
                            .connect_timeout_s = c->connect_timeout,
                            .body = request};
    j->request = agent_http_start(j->table->http, &spec, &ops, j);
    return j->request != NULL ? DGON_OK : DGON_ENOMEM;
}

void agent_job_run(agent_job *j)
{
    const agent_model *model = NULL;
    bool again = j->begun;
    dgon_error e;
    if (j->op == DGON_OP_LOAD) {
        agent_job_load_run(j);
        return;
    }
    memset(&e, 0, sizeof e);
    /* The list may have changed while the body came. */
    for (uint32_t i = 0; i < j->backend->model_count && model == NULL; i++) {
        model = strcmp(j->backend->models[i].name, j->model) == 0 ? &j->backend->models[i] : NULL;
    }
    if (model == NULL) {
        agent_job_fail_text(j, 404, "model_not_found", "The model is not served any more.");
        return;
    }
    dgon_status s = again ? agent_job_choices_next(j, &e) : agent_job_choices_begin(j, &e);
    if (s != DGON_OK) {
        agent_job_fail(j, &e);
        return;
    }
    agent_exchange_job job = {.id = j->id,
                              .public_model = j->public_model,
                              .body = j->body.data != NULL ? j->body.data : "",
                              .body_len = j->body.len,
                              .created = j->created,
                              .op = j->op,
                              .stream = j->stream,
                              .again = again,
                              .model = model,
                              .config = &j->backend->config};
    dgon_buf request;
    dgon_buf_init(&request, (size_t)j->table->body_max * 2u + 65536u);
    j->x.emit = agent_job_on_event;
    j->x.user = j;
    j->begun = true;
    s = j->ops->begin(&j->x, &job, &request, &e);
    if (s == DGON_DONE) {
        dgon_buf_fini(&request);
        exchange_over(j);
        return;
    }
    if (s != DGON_OK) {
        dgon_buf_fini(&request);
        agent_job_fail(j, &e);
        return;
    }
    dgon_buf_fini(&j->body);
    dgon_buf_init(&j->body, agent_backend_answer_max(j->op));
    j->state = AGENT_JOB_WAITING;
    j->last_ms = agent_os_now_ms();
    if (!again) {
        agent_job_choices_begun(j);
        agent_job_unheard_begin(j);
    }
    if (ask_backend(j, &request) != DGON_OK) {
        dgon_buf_fini(&request);
        agent_job_fail_text(j, 500, NULL, "The agent cannot ask the model server.");
        return;
    }
    dgon_buf_fini(&request);
}

void agent_job_go_on(agent_job *j)
{
    if (!agent_job_send_pending(j)) {
        return;
    }
    if (j->state == AGENT_JOB_FINISHING) {
        agent_job_send(j, j->final, j->final_payload.data, j->final_payload.len);
        agent_job_log_end(j, "done");
        agent_job_free(j);
    } else if (j->paused && !agent_link_is_choked(j->link)) {
        j->paused = false;
        if (j->request != NULL) {
            agent_http_resume(j->request);
        } else {
            agent_timer_set(j->timer, 0);
        }
    }
}

#include "agent_jobs.h"

#include "agent_log.h"

#include "dgon/alloc.h"

#include <stdio.h>
#include <string.h>

#define BUCKETS       1024u
#define PENDING_MAX   (DGON_CHAT_ANSWER_MAX + 1024u * 1024u)
#define ERROR_MAX     65536u /* of a backend's non-200 answer */
#define ECHO_BURST    64u
#define STATUS_ACCEPT 102u

typedef struct agent_job {
    struct agent_job *next; /* of the bucket */
    agent_jobs *table;
    agent_link *link;
    agent_backend *backend;
    const agent_backend_ops
        *ops; /* of its kind when the job began: the backend may change its kind later */
    agent_request *request;
    agent_timer *timer; /* echo */
    agent_exchange x;
    bool begun; /* x is set up */
    uint32_t number;
    uint8_t attempt;
    agent_job_state state;
    bool stream, paused;
    uint8_t final; /* type of the last record, once it is known */
    dgon_buf final_payload;
    dgon_buf body; /* request; then a whole or wrong answer of the backend */
    uint64_t body_left;
    dgon_buf pending; /* records without credit */
    size_t pending_at;
    int64_t credit;
    uint32_t piece; /* longest record: the window must be able to cover it */
    uint64_t started_ms, last_ms;
    uint32_t events;
    int64_t created;
    char id[65], model[DGON_WIRE_NAME_MAX + 1], public_model[DGON_WIRE_NAME_MAX + 1],
        traceparent[56];
} agent_job;

struct agent_jobs {
    agent_loop *loop;
    agent_http *http;
    agent_models *models;
    uint32_t body_max, slots, count;
    bool draining;
    agent_job *buckets[BUCKETS];
};

/* --- table --- */

static agent_job **bucket(agent_jobs *t, const agent_link *l, uint32_t number)
{
    uintptr_t h = ((uintptr_t)l >> 6) * 31u + number;
    return &t->buckets[h % BUCKETS];
}

static agent_job *find(agent_jobs *t, const agent_link *l, uint32_t number)
{
    agent_job *j = *bucket(t, l, number);
    while (j != NULL && (j->link != l || j->number != number)) {
        j = j->next;
    }
    return j;
}

static agent_session *session(const agent_link *l)
{
    return agent_link_get_data(l);
}

static const char *job_state_str(agent_job_state s)
{
    static const char *const names[] = {"body", "waiting", "running", "finishing"};
    return names[s];
}

static void job_free(agent_job *j)
{
    agent_jobs *t = j->table;
    agent_job **at = bucket(t, j->link, j->number);
    while (*at != j) {
        at = &(*at)->next;
    }
    *at = j->next;
    t->count--;
    session(j->link)->jobs--;
    if (j->begun) {
        j->ops->fini(&j->x);
        dgon_buf_fini(&j->x.out);
    }
    agent_timer_destroy(j->timer);
    j->backend->running--;
    agent_backend_unref(j->backend);
    dgon_buf_fini(&j->final_payload);
    dgon_buf_fini(&j->body);
    dgon_buf_fini(&j->pending);
    dgon_free(j);
}

/* --- sending --- */

static void send_record(agent_link *l, uint32_t number, uint8_t attempt, uint8_t type,
                        const void *p, size_t n)
{
    dgon_record r = {
        .job = number, .type = type, .attempt = attempt, .len = (uint32_t)n, .payload = p};
    agent_link_record(l, &r);
}

static void send_fail(agent_link *l, uint32_t number, uint8_t attempt, const dgon_error *e)
{
    dgon_buf b;
    dgon_buf_init(&b, 8192);
    dgon_status s = dgon_error_pack(&b, e);
    if (s == DGON_OK && b.len > DGON_WIRE_FINAL_MAX) {
        dgon_error cut = *e; /* a text full of characters that need escapes */
        (void)snprintf(cut.message, sizeof cut.message,
                       "The backend's error is too long to be passed on.");
        dgon_buf_reset(&b);
        s = dgon_error_pack(&b, &cut);
    }
    if (s == DGON_OK) {
        send_record(l, number, attempt, DGON_REC_FAIL, b.data, b.len);
    } else {
        static const char plain[] =
            "{\"status\":500,\"code\":null,\"param\":null,\"message\":\"The agent is out of "
            "memory.\",\"retryable\":true,\"requeue\":false}";
        send_record(l, number, attempt, DGON_REC_FAIL, plain, sizeof plain - 1);
    }
    dgon_buf_fini(&b);
}

static bool may_send(agent_job *j, size_t n)
{
    return j->credit >= (int64_t)(n + DGON_WIRE_CREDIT_OVERHEAD) && !agent_link_is_choked(j->link);
}

/* One record with credit accounting: now, or behind what waits already. */
static dgon_status put(agent_job *j, uint8_t type, uint16_t events, const char *p, size_t n)
{
    dgon_record r = {.job = j->number,
                     .type = type,
                     .attempt = j->attempt,
                     .n = events,
                     .len = (uint32_t)n,
                     .payload = (const unsigned char *)p};
    if (j->pending.len == 0 && may_send(j, n)) {
        j->credit -= (int64_t)(n + DGON_WIRE_CREDIT_OVERHEAD);
        agent_link_record(j->link, &r);
        return DGON_OK;
    }
    unsigned char header[DGON_WIRE_HEADER];
    dgon_wire_put_header(header, &r);
    dgon_status s = dgon_buf_reserve(&j->pending, sizeof header + n);
    s = s == DGON_OK ? dgon_buf_add(&j->pending, header, sizeof header) : s;
    return s == DGON_OK ? dgon_buf_add(&j->pending, p, n) : s;
}

/* Role, finish and usage chunks carry no token. Quotes inside a text are escaped, so these patterns
 * are no text. */
static bool has_token(const char *p, size_t n)
{
    return memmem(p, n, "\"content\":\"\"", 12) == NULL &&
           memmem(p, n, "\"delta\":{}", 10) == NULL && memmem(p, n, "\"choices\":[]", 12) == NULL;
}

static dgon_status on_event(void *user, const char *p, size_t n)
{
    agent_job *j = user;
    dgon_status s = DGON_OK;
    j->state = AGENT_JOB_RUNNING;
    while (s == DGON_OK && n > j->piece) {
        s = put(j, DGON_REC_EVENT_PART, 0, p, j->piece);
        p += j->piece;
        n -= j->piece;
    }
    if (s == DGON_OK) {
        uint16_t events = has_token(p, n) ? 1 : 0;
        j->events += events;
        s = put(j, DGON_REC_EVENT, events, p, n);
    }
    return s;
}

static dgon_status put_raw(agent_job *j, const char *p, size_t n)
{
    dgon_status s = DGON_OK;
    while (s == DGON_OK && n != 0) {
        size_t piece = n < j->piece ? n : j->piece;
        s = put(j, DGON_REC_RAW, 0, p, piece);
        p += piece;
        n -= piece;
    }
    return s;
}

/* Sends what waits as far as the credit goes. True: nothing waits any more. */
static bool send_pending(agent_job *j)
{
    const unsigned char *p = (const unsigned char *)j->pending.data;
    size_t at = j->pending_at;
    dgon_record r;
    while (at < j->pending.len && dgon_wire_next(p, j->pending.len, &at, &r) == DGON_OK &&
           may_send(j, r.len)) {
        j->credit -= (int64_t)r.len + DGON_WIRE_CREDIT_OVERHEAD;
        agent_link_record(j->link, &r);
        j->pending_at = at;
    }
    if (j->pending_at < j->pending.len) {
        return false;
    }
    if (j->pending.size > 65536u) {
        dgon_buf_fini(&j->pending);
    }
    dgon_buf_reset(&j->pending);
    j->pending_at = 0;
    return true;
}

/* --- ends --- */

static void log_end(const agent_job *j, const char *how)
{
    if (agent_log_enabled(AGENT_LOG_DEBUG)) {
        agent_log(AGENT_LOG_DEBUG, "job %s %s: backend %s, model %s, %u events, %llu ms", j->id,
                  how, j->backend->config.name, j->model, j->events,
                  (unsigned long long)(agent_os_now_ms() - j->started_ms));
    }
}

/* The request at the backend is over for this job. Inside its own callback it can only be let go.
 */
static void drop_request(agent_job *j, bool inside)
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

/* Ends the job with an error at once: what waits for credit is worthless now. Frees it. */
static void job_fail(agent_job *j, const dgon_error *e)
{
    log_end(j, "failed");
    send_fail(j->link, j->number, j->attempt, e);
    job_free(j);
}

static void job_fail_text(agent_job *j, int http, const char *code, const char *text)
{
    dgon_error e;
    dgon_error_set(&e, http, code, NULL, "%s", text);
    e.retryable = true;
    job_fail(j, &e);
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
        job_fail(j, &j->x.chat.error);
        return;
    }
    if (s != DGON_OK) {
        job_fail_text(j, 500, NULL, "The agent is out of memory.");
        return;
    }
    j->final = DGON_REC_END;
    j->state = AGENT_JOB_FINISHING;
    if (j->pending.len == 0) {
        send_record(j->link, j->number, j->attempt, j->final, j->final_payload.data,
                    j->final_payload.len);
        log_end(j, "done");
        job_free(j);
    }
}

/* The translation refused what came. Frees the job. */
static void job_broken(agent_job *j, dgon_status s)
{
    if (s == DGON_EBACKEND && j->x.chat.error.http != 0) {
        job_fail(j, &j->x.chat.error);
    } else if (s == DGON_ENOMEM) {
        job_fail_text(j, 500, NULL, "The agent is out of memory.");
    } else {
        job_fail_text(j, 502, "upstream_error",
                      s == DGON_ETOOBIG ? "The backend's answer is too long."
                                        : "The backend's answer cannot be read.");
    }
}

static void end_whole(agent_job *j)
{
    dgon_status s = j->ops->answer(&j->x, j->body.data != NULL ? j->body.data : "", j->body.len);
    if (s == DGON_OK) {
        s = put_raw(j, j->x.out.data, j->x.out.len);
        dgon_buf_fini(&j->x.out);
    }
    if (s == DGON_OK) {
        job_end(j);
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
    drop_request(j, true);
    if (s == DGON_DONE) {
        job_end(j);
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
    size_t max = status == 200 ? DGON_CHAT_ANSWER_MAX : ERROR_MAX;
    if (j->body.len + n > max) {
        if (status != 200) {
            return AGENT_HTTP_TAKEN; /* the head of an error is enough */
        }
        drop_request(j, true);
        job_broken(j, DGON_ETOOBIG);
        return AGENT_HTTP_STOP;
    }
    dgon_status s = dgon_buf_add(&j->body, p, n);
    if (s != DGON_OK) {
        drop_request(j, true);
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
    job_fail_text(j, 502, "upstream_error",
                  !r->connected ? "The model server cannot be reached."
                  : r->got      ? "The model server broke off its answer."
                                : "The model server closed the connection without an answer.");
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
        job_fail(j, &e);
    } else if (j->stream) {
        dgon_status s = j->ops->finish(&j->x);
        if (s == DGON_OK || s == DGON_DONE) {
            job_end(j);
        } else {
            job_broken(j, s);
        }
    } else {
        end_whole(j);
    }
}

/* --- the built-in backend --- */

static void on_step(void *user)
{
    agent_job *j = user;
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
        s = j->stream ? DGON_OK : put_raw(j, j->x.out.data, j->x.out.len);
        if (s == DGON_OK) {
            job_end(j);
        } else {
            job_broken(j, s);
        }
    } else {
        job_broken(j, s);
    }
}

/* --- start --- */

static dgon_status ask_backend(agent_job *j, dgon_buf *request)
{
    static const agent_http_ops ops = {on_body, on_done};
    char url[AGENT_CONFIG_PATH_MAX + 32];
    const agent_config_backend *c = &j->backend->config;
    if (j->ops->chat == NULL) {
        j->timer = agent_timer_create(j->table->loop, on_step, j);
        if (j->timer == NULL) {
            return DGON_ENOMEM;
        }
        agent_timer_set(j->timer, 0);
        return DGON_OK;
    }
    (void)snprintf(url, sizeof url, "%s%s", c->url, j->ops->chat);
    agent_http_spec spec = {.url = url,
                            .secret = c->secret,
                            .ca_file = c->ca_file,
                            .traceparent = j->traceparent,
                            .connect_timeout_s = c->connect_timeout,
                            .body = request};
    j->request = agent_http_start(j->table->http, &spec, &ops, j);
    return j->request != NULL ? DGON_OK : DGON_ENOMEM;
}

/* The body is whole: translate it and ask. May free the job. */
static void job_run(agent_job *j)
{
    unsigned char status[2];
    dgon_put_u16(status, STATUS_ACCEPT);
    send_record(j->link, j->number, j->attempt, DGON_REC_STATUS, status, sizeof status);
    const agent_model *model = NULL;
    dgon_error e;
    memset(&e, 0, sizeof e);
    /* The list may have changed while the body came. */
    for (uint32_t i = 0; i < j->backend->model_count && model == NULL; i++) {
        model = strcmp(j->backend->models[i].name, j->model) == 0 ? &j->backend->models[i] : NULL;
    }
    if (model == NULL) {
        job_fail_text(j, 404, "model_not_found", "The model is not served any more.");
        return;
    }
    agent_exchange_job job = {.id = j->id,
                              .public_model = j->public_model,
                              .body = j->body.data != NULL ? j->body.data : "",
                              .body_len = j->body.len,
                              .created = j->created,
                              .stream = j->stream,
                              .model = model,
                              .config = &j->backend->config};
    dgon_buf request;
    dgon_buf_init(&request, (size_t)j->table->body_max * 2u + 65536u);
    j->x.emit = on_event;
    j->x.user = j;
    j->begun = true;
    dgon_status s = j->ops->begin(&j->x, &job, &request, &e);
    if (s != DGON_OK) {
        dgon_buf_fini(&request);
        job_fail(j, &e);
        return;
    }
    dgon_buf_fini(&j->body);
    dgon_buf_init(&j->body, DGON_CHAT_ANSWER_MAX);
    j->state = AGENT_JOB_WAITING;
    if (ask_backend(j, &request) != DGON_OK) {
        dgon_buf_fini(&request);
        job_fail_text(j, 500, NULL, "The agent cannot ask the model server.");
        return;
    }
    dgon_buf_fini(&request);
}

static bool refused(agent_jobs *t, const dgon_ctl *c, agent_backend **b, dgon_error *e)
{
    const agent_model *model = NULL;
    memset(e, 0, sizeof *e);
    if (strcmp(c->op, "chat") != 0) {
        dgon_error_set(e, 501, "unsupported_operation", NULL,
                       "This agent cannot do that operation.");
        return true;
    }
    if (t->draining || t->count >= t->slots) {
        dgon_error_set(e, 503, "no_capacity", NULL, "%s",
                       t->draining ? "The agent is shutting down." : "The agent has no free slot.");
        e->retryable = e->requeue = true;
        return true;
    }
    if (c->body > t->body_max) {
        dgon_error_set(e, 413, "request_too_large", NULL,
                       "The request is larger than this agent takes.");
        return true;
    }
    *b = agent_models_find(t->models, c->model, &model);
    if (*b == NULL) {
        dgon_error_set(e, 404, "model_not_found", "model", "The model is not served here.");
        e->retryable = true;
        return true;
    }
    return false;
}

static agent_job *job_create(agent_jobs *t, agent_link *l, const dgon_ctl *c, agent_backend *b)
{
    agent_job *j = dgon_calloc(1, sizeof *j);
    if (j == NULL) {
        return NULL;
    }
    j->table = t;
    j->link = l;
    j->backend = b;
    j->ops = b->ops;
    j->number = c->job;
    j->attempt = (uint8_t)c->attempt;
    j->stream = c->stream;
    j->created = c->created;
    j->credit = session(l)->window;
    j->piece = session(l)->window - DGON_WIRE_CREDIT_OVERHEAD;
    j->piece = j->piece < DGON_WIRE_RECORD_MAX ? j->piece : DGON_WIRE_RECORD_MAX;
    j->body_left = c->body;
    j->started_ms = j->last_ms = agent_os_now_ms();
    dgon_buf_init(&j->body, t->body_max);
    dgon_buf_init(&j->pending, PENDING_MAX);
    dgon_buf_init(&j->final_payload, 65536);
    (void)snprintf(j->id, sizeof j->id, "%s", c->id);
    (void)snprintf(j->model, sizeof j->model, "%s", c->model);
    (void)snprintf(j->public_model, sizeof j->public_model, "%s", c->public_model);
    (void)snprintf(j->traceparent, sizeof j->traceparent, "%s", c->traceparent);
    agent_job **at = bucket(t, l, j->number);
    j->next = *at;
    *at = j;
    t->count++;
    session(l)->jobs++;
    b->running++;
    agent_backend_ref(b);
    return j;
}

dgon_status agent_jobs_start(agent_jobs *t, agent_link *l, const dgon_ctl *c)
{
    agent_backend *b = NULL;
    dgon_error e;
    if (c->attempt > UINT8_MAX || find(t, l, c->job) != NULL) {
        return DGON_EPROTO;
    }
    if (refused(t, c, &b, &e)) {
        send_fail(l, c->job, (uint8_t)c->attempt, &e);
        return DGON_OK;
    }
    agent_job *j = job_create(t, l, c, b);
    if (j == NULL) {
        dgon_error_set(&e, 503, "no_capacity", NULL, "The agent is out of memory.");
        e.retryable = true;
        send_fail(l, c->job, (uint8_t)c->attempt, &e);
        return DGON_OK;
    }
    if (j->body_left == 0) {
        job_run(j);
    }
    return DGON_OK;
}

/* --- records of the gateway --- */

static dgon_status take_body(agent_job *j, const dgon_record *r)
{
    if (j->state != AGENT_JOB_BODY || r->len > j->body_left) {
        return DGON_EPROTO;
    }
    j->last_ms = agent_os_now_ms();
    if (dgon_buf_add(&j->body, r->payload, r->len) != DGON_OK) {
        job_fail_text(j, 503, "no_capacity", "The agent is out of memory.");
        return DGON_OK;
    }
    j->body_left -= r->len;
    if (j->body_left == 0) {
        job_run(j);
    }
    return DGON_OK;
}

/* Credit came or the link is free again. May free the job. */
static void go_on(agent_job *j)
{
    if (!send_pending(j)) {
        return;
    }
    if (j->state == AGENT_JOB_FINISHING) {
        send_record(j->link, j->number, j->attempt, j->final, j->final_payload.data,
                    j->final_payload.len);
        log_end(j, "done");
        job_free(j);
    } else if (j->paused && !agent_link_is_choked(j->link)) {
        j->paused = false;
        if (j->request != NULL) {
            agent_http_resume(j->request);
        } else {
            agent_timer_set(j->timer, 0);
        }
    }
}

static dgon_status take_credit(agent_job *j, const dgon_record *r)
{
    if (r->len != 4) {
        return DGON_EPROTO;
    }
    j->credit += dgon_get_u32(r->payload);
    j->credit = j->credit < INT64_C(0x7fffffff) ? j->credit : INT64_C(0x7fffffff);
    j->last_ms = agent_os_now_ms();
    if (j->state != AGENT_JOB_BODY) {
        go_on(j);
    }
    return DGON_OK;
}

static void job_cancel(agent_job *j)
{
    agent_log(AGENT_LOG_DEBUG, "job %s cancelled while %s", j->id, job_state_str(j->state));
    drop_request(j, false);
    send_record(j->link, j->number, j->attempt, DGON_REC_CANCELLED, "", 0);
    job_free(j);
}

dgon_status agent_jobs_record(agent_jobs *t, agent_link *l, const dgon_record *r)
{
    agent_job *j = find(t, l, r->job);
    if (r->type != DGON_REC_BODY && r->type != DGON_REC_CREDIT && r->type != DGON_REC_CANCEL) {
        return DGON_EPROTO;
    }
    if (j == NULL || j->attempt != r->attempt) {
        return DGON_OK; /* late: it ended here before the record came */
    }
    switch (r->type) {
    case DGON_REC_BODY:
        return take_body(j, r);
    case DGON_REC_CREDIT:
        return take_credit(j, r);
    default:
        job_cancel(j);
        return DGON_OK;
    }
}

/* --- all jobs --- */

/* Calls fn for each job (of l, if given); fn may free the job it gets, and no other. */
static void each(agent_jobs *t, const agent_link *l, void (*fn)(agent_job *j, const void *arg),
                 const void *arg)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (agent_job *j = t->buckets[i], *next; j != NULL; j = next) {
            next = j->next;
            if (l == NULL || j->link == l) {
                fn(j, arg);
            }
        }
    }
}

static void writable_one(agent_job *j, const void *arg)
{
    (void)arg;
    if (j->state != AGENT_JOB_BODY && (j->pending.len != 0 || j->paused)) {
        go_on(j);
    }
}

void agent_jobs_link_writable(agent_jobs *t, agent_link *l)
{
    each(t, l, writable_one, NULL);
}

static void lose_one(agent_job *j, const void *arg)
{
    (void)arg;
    drop_request(j, false);
    log_end(j, "lost with its link");
    job_free(j);
}

void agent_jobs_link_lost(agent_jobs *t, agent_link *l)
{
    each(t, l, lose_one, NULL);
}

static void fail_one(agent_job *j, const void *arg)
{
    drop_request(j, false);
    job_fail_text(j, 503, "no_capacity", arg);
}

void agent_jobs_fail_all(agent_jobs *t, const char *why)
{
    each(t, NULL, fail_one, why);
}

static void check_gap(agent_job *j, const void *arg)
{
    uint64_t now = *(const uint64_t *)arg;
    if (now - j->last_ms > (uint64_t)j->backend->config.stall_timeout * 1000u) {
        agent_log(AGENT_LOG_WARN, "job %s: nothing moved for %u s (%s), given up", j->id,
                  j->backend->config.stall_timeout, job_state_str(j->state));
        drop_request(j, false);
        job_fail_text(j, 504, "timeout", "The model server did not go on with its answer.");
    }
}

void agent_jobs_tick(agent_jobs *t)
{
    uint64_t now = agent_os_now_ms();
    each(t, NULL, check_gap, &now);
}

/* --- life --- */

agent_jobs *agent_jobs_create(agent_loop *loop, agent_http *http, agent_models *models,
                              uint32_t body_max)
{
    agent_jobs *t = dgon_calloc(1, sizeof *t);
    if (t != NULL) {
        t->loop = loop;
        t->http = http;
        t->models = models;
        t->body_max = body_max;
        t->slots = 1;
    }
    return t;
}

void agent_jobs_destroy(agent_jobs *t)
{
    if (t != NULL) {
        each(t, NULL, lose_one, NULL);
    }
    dgon_free(t);
}

void agent_jobs_set_slots(agent_jobs *t, uint32_t slots)
{
    t->slots = slots;
}

uint32_t agent_jobs_slots(const agent_jobs *t)
{
    return t->slots;
}

uint32_t agent_jobs_count(const agent_jobs *t)
{
    return t->count;
}

void agent_jobs_drain(agent_jobs *t)
{
    t->draining = true;
}

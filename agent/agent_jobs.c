/* The table of jobs: slots, what the gateway says to a job, what concerns all of them. */
#include "agent_job.h"

#include "agent_log.h"

#include "dgon/alloc.h"

#include <assert.h>
#include <string.h>

#define PENDING_MORE (1024u * 1024u) /* than an answer: what its records take */

/* --- table --- */

static agent_job **bucket(agent_jobs *t, const agent_link *l, uint32_t number)
{
    uintptr_t h = ((uintptr_t)l >> 6) * 31u + number;
    return &t->buckets[h % AGENT_JOBS_BUCKETS];
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

void agent_job_free(agent_job *j)
{
    agent_jobs *t = j->table;
    agent_job **at = bucket(t, j->link, j->number);
    while (*at != j) {
        at = &(*at)->next;
    }
    *at = j->next;
    agent_job_unheard_end(j);
    t->count--;
    session(j->link)->jobs--;
    if (j->begun) {
        j->ops->fini(&j->x);
        dgon_buf_fini(&j->x.out);
    }
    agent_job_pass_free(j->pass);
    agent_job_load_free(j->load);
    agent_timer_destroy(j->timer);
    agent_job_choices_free(j);
    j->backend->running--;
    agent_backend_unref(j->backend);
    dgon_buf_fini(&j->final_payload);
    dgon_buf_fini(&j->body);
    dgon_buf_fini(&j->pending);
    dgon_free(j);
}

/* --- start --- */

static bool refused(agent_jobs *t, const dgon_ctl *c, agent_backend **b, dgon_error *e)
{
    const agent_model *model = NULL;
    memset(e, 0, sizeof *e);
    if (t->draining || t->count >= t->slots) {
        dgon_error_set(e, 503, "no_capacity", NULL, "%s",
                       t->draining ? "The agent is shutting down." : "The agent has no free slot.");
        e->retryable = e->requeue = true;
        return true;
    }
    if (c->http != NULL) {
        return !agent_job_pass_allowed(t->models, c, b, e);
    }
    if (c->body > t->body_max) {
        dgon_error_set(e, 413, "request_too_large", NULL,
                       "The request is larger than this agent takes.");
        return true;
    }
    if (dgon_op_of(c->op) == DGON_OP_LOAD) {
        return !agent_job_load_allowed(t->models, c, b, e);
    }
    *b = agent_models_find(t->models, c->model, &model);
    if (*b == NULL) {
        dgon_error_set(e, 404, "model_not_found", "model", "The model is not served here.");
        e->retryable = true;
        return true;
    }
    if ((*b)->ops->ask[dgon_op_of(c->op)] == NULL) {
        dgon_error_set(e, 400, "unsupported_operation", "model",
                       "The model's backend cannot do that operation.");
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
    j->op = dgon_op_of(c->op);
    if (j->op != DGON_OP_LOAD) { /* whose backend may not be known yet */
        j->path = c->http != NULL ? c->http->path : b->ops->ask[j->op];
        j->ops = agent_backend_translation(b->ops, j->op);
    }
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
    dgon_buf_init(&j->pending, agent_backend_answer_max(j->op) + PENDING_MORE);
    dgon_buf_init(&j->final_payload, 65536);
    static_assert(sizeof j->id == sizeof c->id && sizeof j->model == sizeof c->model &&
                      sizeof j->public_model == sizeof c->public_model &&
                      sizeof j->traceparent == sizeof c->traceparent,
                  "a job keeps its names as they came");
    memcpy(j->id, c->id, sizeof j->id);
    memcpy(j->model, c->model, sizeof j->model);
    memcpy(j->public_model, c->public_model, sizeof j->public_model);
    memcpy(j->traceparent, c->traceparent, sizeof j->traceparent);
    agent_job **at = bucket(t, l, j->number);
    j->next = *at;
    *at = j;
    t->count++;
    session(l)->jobs++;
    b->running++;
    agent_backend_ref(b);
    return j;
}

dgon_status agent_jobs_start(agent_jobs *t, agent_link *l, dgon_ctl *c)
{
    agent_backend *b = NULL;
    dgon_error e;
    if (c->attempt > UINT8_MAX || find(t, l, c->job) != NULL ||
        (c->http != NULL) != (dgon_op_of(c->op) == DGON_OP_PASS)) {
        return DGON_EPROTO;
    }
    if (refused(t, c, &b, &e)) {
        session(l)->refused_ms = e.requeue ? agent_os_now_ms() : session(l)->refused_ms;
        agent_job_refuse(l, c->job, (uint8_t)c->attempt, &e);
        return DGON_OK;
    }
    agent_job *j = job_create(t, l, c, b);
    if (j == NULL) {
        dgon_error_set(&e, 503, "no_capacity", NULL, "The agent is out of memory.");
        e.retryable = true;
        agent_job_refuse(l, c->job, (uint8_t)c->attempt, &e);
        return DGON_OK;
    }
    if (c->http != NULL) {
        agent_job_pass_begin(j, c);
    } else if (j->body_left == 0) {
        agent_job_run(j);
    }
    return DGON_OK;
}

/* --- records of the gateway --- */

static dgon_status take_body(agent_job *j, const dgon_record *r)
{
    j->last_ms = agent_os_now_ms();
    if (j->pass != NULL) {
        return agent_job_pass_body(j, r);
    }
    if (j->state != AGENT_JOB_BODY || r->len > j->body_left) {
        return DGON_EPROTO;
    }
    if (dgon_buf_add(&j->body, r->payload, r->len) != DGON_OK) {
        agent_job_fail_text(j, 503, "no_capacity", "The agent is out of memory.");
        return DGON_OK;
    }
    j->body_left -= r->len;
    if (j->body_left == 0) {
        agent_job_run(j);
    }
    return DGON_OK;
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
        agent_job_go_on(j);
    }
    return DGON_OK;
}

static void job_cancel(agent_job *j)
{
    agent_log(AGENT_LOG_DEBUG, "job %s cancelled while %s", j->id, job_state_str(j->state));
    agent_job_drop_request(j, false);
    agent_job_send(j, DGON_REC_CANCELLED, "", 0);
    agent_job_free(j);
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
    for (size_t i = 0; i < AGENT_JOBS_BUCKETS; i++) {
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
        agent_job_go_on(j);
    }
}

void agent_jobs_link_writable(agent_jobs *t, agent_link *l)
{
    each(t, l, writable_one, NULL);
}

static void lose_one(agent_job *j, const void *arg)
{
    (void)arg;
    agent_job_drop_request(j, false);
    agent_job_log_end(j, "lost with its link");
    agent_job_free(j);
}

void agent_jobs_link_lost(agent_jobs *t, agent_link *l)
{
    each(t, l, lose_one, NULL);
}

static void fail_one(agent_job *j, const void *arg)
{
    agent_job_drop_request(j, false);
    agent_job_fail_text(j, 503, "no_capacity", arg);
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
        agent_job_drop_request(j, false);
        agent_job_fail_text(j, 504, "timeout", "The model server did not go on with its answer.");
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
        if (!agent_job_unheard_init(t)) {
            dgon_free(t);
            t = NULL;
        }
    }
    return t;
}

void agent_jobs_destroy(agent_jobs *t)
{
    if (t != NULL) {
        each(t, NULL, lose_one, NULL);
        agent_timer_destroy(t->unheard_timer);
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

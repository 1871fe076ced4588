#include "mod_dgon_client_int.h"

#include "mod_dgon_alias.h"
#include "mod_dgon_error.h"
#include "mod_dgon_pass.h"
#include "mod_dgon_tally.h"

#include "dgon/chat.h"
#include "dgon/fleet.h"
#include "dgon/relay.h"
#include "dgon/sched.h"
#include "dgon/sse.h"

#include <http_protocol.h>
#include <http_request.h>
#include <apr_general.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define FILL_MAX    (32u * 1024u)  /* content of one write; more waits for the next turn */
#define ANSWER_HOLD (256u * 1024u) /* a longer whole answer is sent as it comes */
#define ANSWER_MAX  (16u * 1024u * 1024u)
#define ROUNDS_MAX  8 /* writes of one turn; then the other streams have theirs */
#define REQUEUE_MS  50

/* ---- making and admitting ---- */

static apr_status_t stream_cleanup(void *data)
{
    mod_dgon_stream *s = data;
    dgon_buf_fini(&s->body);
    dgon_buf_fini(&s->answer);
    if (s->upload != NULL)
        dgon_buf_fini(&s->upload->head);
    return APR_SUCCESS;
}

mod_dgon_stream *mod_dgon_client_create(request_rec *r, mod_dgon_engine *e,
                                        const mod_dgon_conf *conf)
{
    mod_dgon_stream *s = apr_pcalloc(r->pool, sizeof(*s));
    s->engine = e;
    s->conf = conf;
    s->r = r;
    s->c = r->connection;
    s->wakefd = -1;
    s->alias = MOD_DGON_ALIAS_NONE;
    s->tally = mod_dgon_tally_of(r);
    s->bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    dgon_buf_init(&s->body, (size_t)conf->max_body);
    dgon_buf_init(&s->answer, ANSWER_MAX);
    for (unsigned i = 0; i < DGON_REGISTRY_EXCLUDE_MAX; i++)
        s->spec.exclude[i] = DGON_NONE;
    apr_pool_cleanup_register(r->pool, s, stream_cleanup, apr_pool_cleanup_null);
    return s;
}

static void count(mod_dgon_stream *s, dgon_count what, uint64_t n)
{
    dgon_registry_count(s->engine->registry, s->engine->child, what, n);
}

/* Whom the engine tells of news for the slot. A suspended stream is entered by the engine itself,
 * once it is its. */
void mod_dgon_client_listen(mod_dgon_stream *s)
{
    uintptr_t who = 0;
    if (s->wakefd >= 0)
        who = ((uintptr_t)s->wakefd << 1) | 1;
    else if (s->next != NULL)
        who = (uintptr_t)s;
    atomic_store(&s->engine->clients[s->ref.slot], who);
}

/* Before a job is given up: what the registry knows of it. */
static void note_attempt(mod_dgon_stream *s, dgon_job_ref ref)
{
    mod_dgon_tally *t = s->tally;
    uint32_t agent = DGON_NONE;
    if (t->bound_us == 0)
        t->bound_us = dgon_registry_bound_us(s->engine->registry, ref);
    (void)dgon_registry_phase(s->engine->registry, ref, NULL, &agent);
    if (agent != DGON_NONE)
        (void)!dgon_registry_agent_name(s->engine->registry, agent, t->agent);
}

static void let_go(mod_dgon_stream *s)
{
    if (!s->has_job)
        return;
    s->has_job = false;
    note_attempt(s, s->ref);
    atomic_store(&s->engine->clients[s->ref.slot], 0);
    dgon_registry_release(s->engine->registry, s->ref);
}

/* Is there something of the request that the agent has not been told? */
static bool has_body(const mod_dgon_stream *s)
{
    return s->body_at < s->body.len || (s->upload != NULL && !s->upload->ended);
}

/* Moves what fits of the body into the up ring. */
static void feed_body(mod_dgon_stream *s)
{
    dgon_ring up = dgon_registry_up(s->engine->registry, s->ref.slot);
    bool fed = s->upload != NULL && mod_dgon_pass_feed_head(s, &up);
    while (s->body_at < s->body.len) {
        uint32_t n = dgon_ring_space_spsc(&up);
        size_t left = s->body.len - s->body_at;
        if (n > DGON_WIRE_RECORD_MAX)
            n = DGON_WIRE_RECORD_MAX;
        if (n > left)
            n = (uint32_t)left;
        if (n == 0 ||
            dgon_ring_put_spsc(&up, DGON_REC_BODY, 0, s->body.data + s->body_at, n) != DGON_OK)
            break;
        s->body_at += n;
        fed = true;
    }
    if (s->upload != NULL && mod_dgon_pass_feed_end(s, &up))
        fed = true;
    if (fed)
        dgon_registry_notify_link(s->engine->registry, s->ref);
}

static void no_capacity(mod_dgon_stream *s, int http, const char *code, const char *text)
{
    dgon_registry_model_info info = {.slots = 1};
    (void)!dgon_registry_model_get(s->engine->registry, s->spec.model, &info);
    dgon_error_set(&s->error, http, code, NULL, "%s", text);
    s->error.retry_after = (int)dgon_sched_retry_after(info.queued, info.slots, info.job_ms);
}

/* Claims a slot for the spec as it stands and submits it. On failure s->error says why and there is
 * no job. */
dgon_status mod_dgon_client_submit(mod_dgon_stream *s)
{
    dgon_registry *reg = s->engine->registry;
    dgon_status st = dgon_registry_claim(reg, s->engine->child, &s->spec, &s->ref);
    if (st != DGON_OK) {
        no_capacity(s, HTTP_SERVICE_UNAVAILABLE, "no_capacity",
                    "The gateway holds as many jobs as it may (DgonMaxJobs). Try again later.");
        return st;
    }
    s->has_job = true;
    s->accepted = s->was_bound = s->requeue = s->in_event = false;
    s->consumed = 0;
    s->body_at = 0;
    if (s->upload != NULL)
        s->upload->head_fed = s->upload->ended = false;
    mod_dgon_client_listen(s);
    feed_body(s);
    st = dgon_registry_submit(reg, s->ref, (uint32_t)s->conf->queue_max);
    if (st == DGON_OK)
        return DGON_OK;
    if (st == DGON_ENOTFOUND && mod_dgon_alias_advance(s)) {
        let_go(s);
        return mod_dgon_client_submit(s); /* as often as the alias has steps */
    }
    if (st == DGON_EFULL)
        no_capacity(s, HTTP_SERVICE_UNAVAILABLE, "server_is_overloaded",
                    "Too many requests wait for this model already. Try again later.");
    else
        no_capacity(s, HTTP_SERVICE_UNAVAILABLE, "no_capacity",
                    "No other agent offers this model at the moment. Try again later.");
    let_go(s);
    return st;
}

dgon_status mod_dgon_client_admit(mod_dgon_stream *s)
{
    s->now = s->started = s->last_write = mod_dgon_now_ms();
    s->tally->admitted_us = mod_dgon_tally_now();
    if (apr_generate_random_bytes(s->spec.id, sizeof(s->spec.id)) != APR_SUCCESS) {
        dgon_error_set(&s->error, HTTP_INTERNAL_SERVER_ERROR, NULL, NULL,
                       "No random numbers to be had.");
        return DGON_ESYS;
    }
    s->spec.created = (int64_t)apr_time_sec(s->r->request_time);
    s->spec.body_len = s->upload != NULL ? DGON_WIRE_BODY_OPEN : s->body.len;
    s->spec.attempt = 1;
    s->spec.stream = s->streaming;
    s->spec.first_token_ms = (uint32_t)s->conf->first_token_timeout;
    const char *trace = apr_table_get(s->r->headers_in, "traceparent");
    if (trace != NULL && strlen(trace) == sizeof(s->spec.traceparent) - 1 &&
        strspn(trace, "0123456789abcdef-") == strlen(trace))
        memcpy(s->spec.traceparent, trace, sizeof(s->spec.traceparent));
    dgon_status st = mod_dgon_client_submit(s);
    count(s, st == DGON_OK ? DGON_COUNT_JOBS : DGON_COUNT_REFUSED, 1);
    return st;
}

/* ---- writing ---- */

bool mod_dgon_client_write(mod_dgon_stream *s, dgon_buf *out, bool last)
{
    request_rec *r = s->r;
    apr_bucket_brigade *bb = s->bb;
    bool ok = false;
    if (s->upload != NULL && !s->headers_sent)
        mod_dgon_pass_headers(s);
    if (!s->c->aborted) {
        if (out->len > 0)
            APR_BRIGADE_INSERT_TAIL(
                bb, apr_bucket_transient_create(out->data, out->len, bb->bucket_alloc));
        if (last) {
            APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(bb->bucket_alloc));
            r->eos_sent = 1;
        }
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(bb->bucket_alloc));
        if (s->mc != NULL) {
            ok = mod_dgon_conn_write(s->mc, r->output_filters, bb);
        } else {
            ok = ap_pass_brigade(r->output_filters, bb) == APR_SUCCESS && !s->c->aborted;
            apr_brigade_cleanup(bb);
        }
    }
    dgon_buf_reset(out);
    s->headers_sent = true;
    s->last_write = s->now;
    return ok;
}

bool mod_dgon_client_comments(const mod_dgon_stream *s)
{
    return s->streaming && dgon_op_form((dgon_op)s->spec.op) != DGON_FORM_LINES;
}

static void stream_headers(mod_dgon_stream *s)
{
    request_rec *r = s->r;
    ap_set_content_type(r, mod_dgon_client_comments(s) ? "text/event-stream; charset=utf-8"
                                                       : "application/x-ndjson");
    apr_table_setn(r->headers_out, "Cache-Control", "no-cache");
    apr_table_setn(r->headers_out, "X-Accel-Buffering", "no");
    apr_table_setn(r->subprocess_env, "no-gzip", "1");
}

/* Before the first byte of a stream or answer. */
void mod_dgon_client_begin(mod_dgon_stream *s)
{
    if (s->headers_sent)
        return;
    if (s->streaming)
        stream_headers(s);
    else if (s->upload == NULL) /* else they came with the answer's head */
        ap_set_content_type(s->r, "application/json");
}

/* Tokens in 1000 s, from the first token on; 0: not to be said. */
static uint32_t rate(const mod_dgon_stream *s)
{
    const mod_dgon_tally *t = s->tally;
    uint64_t now = mod_dgon_tally_now();
    if (!s->streaming || t->tokens_out < 2 || t->first_us == 0 || now <= t->first_us)
        return 0;
    double r = (double)(t->tokens_out - 1) * 1e9 / (double)(now - t->first_us);
    return r < UINT32_MAX ? (uint32_t)r : UINT32_MAX;
}

/* How it went there, for the fleet's page; e NULL: well. Not what is no agent's fault. */
static void agent_told(mod_dgon_stream *s, const dgon_error *e)
{
    uint32_t agent = DGON_NONE;
    if (!s->has_job || (e != NULL && (e->http < 500 || strcmp(e->code, "server_restarting") == 0 ||
                                      strcmp(e->code, "cancelled") == 0)))
        return;
    (void)dgon_registry_phase(s->engine->registry, s->ref, NULL, &agent);
    if (agent != DGON_NONE)
        dgon_fleet_tell(s->engine->registry, agent, s->spec.model, e, e == NULL ? rate(s) : 0);
}

static mod_dgon_pump ended(mod_dgon_stream *s, dgon_buf *out)
{
    s->over = true;
    s->tally->good = true;
    agent_told(s, NULL);
    let_go(s);
    return mod_dgon_client_write(s, out, true) ? PUMP_ENDED : PUMP_BROKEN;
}

/* Half of an answer is lost. */
static void count_abort(mod_dgon_stream *s)
{
    if (s->content_sent && !s->collect)
        count(s,
              s->error.http == HTTP_GATEWAY_TIME_OUT ? DGON_COUNT_ABORT_DEADLINE
                                                     : DGON_COUNT_ABORT_NODE,
              1);
}

mod_dgon_pump mod_dgon_client_fail(mod_dgon_stream *s, dgon_buf *out)
{
    s->over = true;
    agent_told(s, &s->error);
    let_go(s);
    count_abort(s);
    count(s, DGON_COUNT_FAILED, 1);
    /* not the message: a backend may quote the prompt in it, in its code too */
    const char *id = apr_table_get(s->r->err_headers_out, "x-request-id");
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, s->r, "DGON0040: %s: job for model %s failed: %d %s",
                  id != NULL ? id : "-", s->model, s->error.http,
                  dgon_error_code_for_log(&s->error));
    if (s->collect)
        return PUMP_BROKEN;
    if (s->upload != NULL)
        s->upload->answer = NULL; /* its headers are not the error's */
    if (!s->headers_sent) {
        if (mod_dgon_error_prepare(s->r, &s->error, out) != DGON_OK)
            return PUMP_BROKEN;
        return mod_dgon_client_write(s, out, true) ? PUMP_ENDED : PUMP_BROKEN;
    }
    /* half an event or half an answer went out: nothing can be added to it */
    mod_dgon_tally_error(s->r, &s->error);
    if (!s->streaming || s->in_event)
        return PUMP_BROKEN;
    if (dgon_error_write_event(out, &s->error, (dgon_op)s->spec.op) != DGON_OK)
        return PUMP_BROKEN;
    return mod_dgon_client_write(s, out, true) ? PUMP_ENDED : PUMP_BROKEN;
}

void mod_dgon_client_gone(mod_dgon_stream *s)
{
    if (s->over)
        return;
    s->over = true;
    let_go(s);
    s->tally->gone = !s->collect || s->c->aborted;
    count(s, DGON_COUNT_CANCELLED, 1);
}

bool mod_dgon_client_probe(mod_dgon_stream *s, dgon_buf *out)
{
    if (s->mc != NULL && mod_dgon_conn_blocked(s->mc))
        return true;
    mod_dgon_client_begin(s);
    if (dgon_sse_write_comment(out, "ping") != DGON_OK)
        return true;
    return mod_dgon_client_write(s, out, false);
}

/* ---- retry ---- */

/* Another agent, as long as nothing of the answer went out. True: the job goes on. */
bool mod_dgon_client_retry(mod_dgon_stream *s)
{
    uint32_t agent = DGON_NONE;
    dgon_job_ref old = s->ref;
    dgon_job_spec spec = s->spec;
    int alias = s->alias;
    if (s->content_sent || s->spec.attempt >= s->conf->attempts || !s->has_job ||
        (s->upload != NULL && s->upload->begun))
        return false;
    (void)dgon_registry_phase(s->engine->registry, s->ref, NULL, &agent);
    if (agent != DGON_NONE && s->spec.attempt <= DGON_REGISTRY_EXCLUDE_MAX)
        s->spec.exclude[s->spec.attempt - 1] = agent;
    s->spec.attempt++;
    dgon_error was = s->error;
    bool accepted = s->accepted, was_bound = s->was_bound;
    size_t body_at = s->body_at;
    uint32_t consumed = s->consumed;
    /* the new attempt stands before the old one is given up: if there is nobody else, the old one
     * may still answer */
    if (mod_dgon_client_submit(s) != DGON_OK) {
        s->ref = old;
        s->has_job = true;
        s->spec = spec;
        s->alias = alias;
        s->error = was;
        s->accepted = accepted;
        s->was_bound = was_bound;
        s->body_at = body_at;
        s->consumed = consumed;
        return false;
    }
    atomic_store(&s->engine->clients[old.slot], 0);
    note_attempt(s, old);
    dgon_fleet_tell(s->engine->registry, agent, spec.model, &was, 0);
    dgon_registry_release(s->engine->registry, old);
    dgon_buf_reset(&s->answer);
    s->tally->retries++;
    count(s, DGON_COUNT_RETRIES, 1);
    return true;
}

static mod_dgon_pump attempt_failed(mod_dgon_stream *s, dgon_buf *out)
{
    if (s->error.requeue && !s->content_sent) {
        /* the agent had no slot after all: the same job with its old place, a moment later */
        let_go(s);
        s->requeue = true;
        s->requeues++;
        s->requeue_at = s->now + REQUEUE_MS;
        return PUMP_WAIT;
    }
    if (s->error.retryable && mod_dgon_client_retry(s))
        return PUMP_WAIT;
    return mod_dgon_client_fail(s, out);
}

static mod_dgon_pump attempt_lost(mod_dgon_stream *s, dgon_buf *out)
{
    dgon_error_set(&s->error, s->content_sent ? HTTP_BAD_GATEWAY : HTTP_SERVICE_UNAVAILABLE,
                   s->content_sent ? "upstream_error" : "no_capacity", NULL,
                   "The connection to the agent that worked on this request was lost.");
    s->error.retry_after = s->content_sent ? 0 : 1;
    if (mod_dgon_client_retry(s))
        return PUMP_WAIT;
    return mod_dgon_client_fail(s, out);
}

/* ---- records ---- */

/* Appends the payload of the record that was peeked. */
static bool take_into(dgon_buf *b, dgon_ring *down, const dgon_ring_record *rec)
{
    if (dgon_buf_reserve(b, rec->len) != DGON_OK)
        return false;
    dgon_ring_take_spsc(down, rec, b->data + b->len);
    b->len += rec->len;
    return true;
}

static void content_begins(mod_dgon_stream *s)
{
    s->last_content = s->now;
    if (s->content_sent)
        return;
    s->content_sent = true;
    s->tally->first_us = mod_dgon_tally_now();
    if (s->upload != NULL)
        return;              /* its body may still be on its way */
    dgon_buf_fini(&s->body); /* no retry from here on */
    s->body_at = 0;
}

static bool on_event(mod_dgon_stream *s, dgon_buf *out, dgon_ring *down,
                     const dgon_ring_record *rec)
{
    dgon_form form = dgon_op_form((dgon_op)s->spec.op);
    bool first = !s->in_event;
    if (s->collect)
        out = &s->answer; /* its lines, for who waits for them */
    else
        mod_dgon_client_begin(s);
    content_begins(s);
    if (first && form != DGON_FORM_LINES &&
        dgon_buf_adds(out, form == DGON_FORM_EVENTS ? "event: " : "data: ") != DGON_OK)
        return false;
    size_t at = out->len;
    s->in_event = rec->type == DGON_REC_EVENT_PART;
    if (!take_into(out, down, rec))
        return false;
    if (first && form == DGON_FORM_EVENTS && dgon_relay_unfold(out, at) != DGON_OK)
        return false;
    s->events += rec->n;
    return s->in_event || dgon_buf_adds(out, form == DGON_FORM_LINES ? "\n" : "\n\n") == DGON_OK;
}

/* An answer without a head, or of another length than it said: an agent's fault. */
static mod_dgon_pump no_head(mod_dgon_stream *s, dgon_buf *out)
{
    dgon_error_set(&s->error, HTTP_BAD_GATEWAY, "upstream_error", NULL,
                   "The agent's answer was not valid.");
    return mod_dgon_client_fail(s, out);
}

static void note_end(mod_dgon_stream *s, dgon_ring *down, const dgon_ring_record *rec)
{
    char text[DGON_WIRE_FINAL_MAX];
    int64_t in, out;
    bool fits = rec->len <= sizeof(text);
    dgon_ring_take_spsc(down, rec, fits ? text : NULL);
    if (!fits)
        return;
    (void)dgon_chat_end_finish(text, rec->len, s->tally->finish);
    if (!dgon_chat_end_tokens(text, rec->len, &in, &out))
        return;
    /* of another part of this request there may be some already */
    s->tally->tokens_in = in + (s->tally->tokens_in > 0 ? s->tally->tokens_in : 0);
    s->tally->tokens_out = out + (s->tally->tokens_out > 0 ? s->tally->tokens_out : 0);
}

static mod_dgon_pump on_end(mod_dgon_stream *s, dgon_buf *out)
{
    count(s, DGON_COUNT_OK, 1);
    count(s, DGON_COUNT_EVENTS, s->events);
    if (s->upload != NULL)
        return mod_dgon_pass_is_whole(s) ? ended(s, out) : no_head(s, out);
    if (s->collect) {
        s->over = true;
        agent_told(s, NULL);
        let_go(s);
        return PUMP_ENDED;
    }
    mod_dgon_client_begin(s);
    if (s->streaming) {
        bool done = dgon_op_form((dgon_op)s->spec.op) == DGON_FORM_DATA;
        if (s->in_event || (done && dgon_buf_adds(out, "data: [DONE]\n\n") != DGON_OK))
            return PUMP_BROKEN;
        return ended(s, out);
    }
    if (!s->headers_sent)
        ap_set_content_length(s->r, (apr_off_t)s->answer.len);
    return ended(s, &s->answer);
}

static mod_dgon_pump on_fail(mod_dgon_stream *s, dgon_buf *out, dgon_ring *down,
                             const dgon_ring_record *rec)
{
    char text[DGON_WIRE_FINAL_MAX];
    if (rec->len > sizeof(text)) {
        dgon_ring_take_spsc(down, rec, NULL);
        dgon_error_set(&s->error, HTTP_BAD_GATEWAY, "upstream_error", NULL,
                       "The agent reported an error.");
    } else {
        dgon_ring_take_spsc(down, rec, text);
        if (dgon_error_unpack(&s->error, text, rec->len) != DGON_OK)
            dgon_error_set(&s->error, HTTP_BAD_GATEWAY, "upstream_error", NULL,
                           "The agent reported an error.");
    }
    return attempt_failed(s, out);
}

/* Tells the link child that there is room again, every quarter window: it then gives the agent
 * credit. What is left untold (less than a quarter) must never be what a record of the longest kind
 * waits for: three quarters cover one. */
static void consumed(mod_dgon_stream *s, uint32_t len)
{
    s->consumed += len + DGON_WIRE_CREDIT_OVERHEAD;
    if (s->consumed >= s->engine->window / 4) {
        s->consumed = 0;
        dgon_registry_notify_link(s->engine->registry, s->ref);
    }
}

_Static_assert((DGON_RING_MIN - DGON_RING_RESERVE) / 4 * 3 >=
                   DGON_WIRE_RECORD_MAX + DGON_WIRE_CREDIT_OVERHEAD,
               "three quarters of the smallest window cover the longest record");

typedef enum { STEP_NONE, STEP_MORE, STEP_FINAL } mod_dgon_step;

/* One record from the ring into `out` (or the answer). STEP_FINAL: *how says how the stream goes
 * on. */
static mod_dgon_step step(mod_dgon_stream *s, dgon_buf *out, mod_dgon_pump *how)
{
    dgon_ring down = dgon_registry_down(s->engine->registry, s->ref.slot);
    dgon_ring_record rec;
    /* read before the ring is looked at: what stands in the ring was put there before DONE */
    bool done = dgon_registry_phase(s->engine->registry, s->ref, NULL, NULL) == DGON_JOB_DONE;
    dgon_status st = dgon_ring_peek_spsc(&down, &rec);
    if (st == DGON_AGAIN) {
        if (!done)
            return STEP_NONE;
        *how = attempt_lost(s, out);
        return STEP_FINAL;
    }
    if (st != DGON_OK) {
        dgon_error_set(&s->error, HTTP_INTERNAL_SERVER_ERROR, NULL, NULL,
                       "The gateway lost track of this job.");
        *how = mod_dgon_client_fail(s, out);
        return STEP_FINAL;
    }
    switch (rec.type) {
    case DGON_REC_EVENT:
    case DGON_REC_EVENT_PART:
        if (!s->streaming || !on_event(s, out, &down, &rec)) {
            *how = PUMP_BROKEN;
            return STEP_FINAL;
        }
        break;
    case DGON_REC_HEAD:
        if (s->upload == NULL || !mod_dgon_pass_answer(s, &down, &rec)) {
            *how = no_head(s, out);
            return STEP_FINAL;
        }
        content_begins(s);
        break;
    case DGON_REC_RAW:
        if (s->upload != NULL) {
            if (!mod_dgon_pass_takes(s, rec.len) || !take_into(out, &down, &rec)) {
                *how = no_head(s, out);
                return STEP_FINAL;
            }
            s->last_content = s->now;
            break;
        }
        if (s->streaming || !take_into(&s->answer, &down, &rec)) {
            dgon_error_set(&s->error, HTTP_BAD_GATEWAY, "upstream_error", NULL,
                           "The answer of the model server is too large.");
            *how = mod_dgon_client_fail(s, out);
            return STEP_FINAL;
        }
        s->last_content = s->now;
        break;
    case DGON_REC_END:
        note_end(s, &down, &rec);
        *how = on_end(s, out);
        return STEP_FINAL;
    case DGON_REC_FAIL:
        *how = on_fail(s, out, &down, &rec);
        return STEP_FINAL;
    case DGON_REC_STATUS:
        s->accepted = true;
        dgon_ring_take_spsc(&down, &rec, NULL);
        return STEP_MORE;
    default:
        dgon_ring_take_spsc(&down, &rec, NULL);
        return STEP_MORE;
    }
    consumed(s, rec.len);
    return STEP_MORE;
}

bool mod_dgon_client_cancelled(mod_dgon_stream *s)
{
    if (!s->has_job || !dgon_registry_cancel_asked(s->engine->registry, s->ref))
        return false;
    dgon_error_set(&s->error, HTTP_SERVICE_UNAVAILABLE, "cancelled", NULL,
                   "An administrator has ended this request.");
    s->error.lasting = true;
    return true;
}

mod_dgon_pump mod_dgon_client_pump(mod_dgon_stream *s, dgon_buf *out)
{
    mod_dgon_pump how = PUMP_WAIT;
    if (s->c->aborted) {
        mod_dgon_client_gone(s);
        return PUMP_BROKEN;
    }
    for (unsigned rounds = 0; s->has_job && !s->over; rounds++) {
        if (rounds == ROUNDS_MAX) {
            dgon_registry_notify(s->engine->registry, s->engine->child, s->ref.slot);
            break;
        }
        if (s->upload != NULL && s->upload->more && !mod_dgon_pass_read(s))
            return mod_dgon_client_fail(s, out);
        if (has_body(s))
            feed_body(s);
        if (s->mc != NULL && mod_dgon_conn_blocked(s->mc))
            break; /* the ring holds the rest; the agent's credit runs out and its backend waits */
        mod_dgon_step last = STEP_MORE;
        unsigned steps = 0;
        for (; last == STEP_MORE && out->len < FILL_MAX; steps++)
            last = step(s, out, &how);
        if (last == STEP_NONE && steps == 1 && mod_dgon_client_cancelled(s))
            return mod_dgon_client_fail(s, out); /* news of no record: perhaps this one */
        if (last == STEP_FINAL)
            return how;
        if (s->answer.len > ANSWER_HOLD && !s->streaming && !s->collect) {
            mod_dgon_client_begin(s);
            content_begins(s);
            if (!mod_dgon_client_write(s, &s->answer, false))
                how = PUMP_BROKEN;
        }
        if (out->len > 0 && !mod_dgon_client_write(s, out, false))
            how = PUMP_BROKEN;
        if (how == PUMP_BROKEN) {
            mod_dgon_client_gone(s);
            return how;
        }
        if (last == STEP_NONE)
            break;
    }
    return PUMP_WAIT;
}

#include "mod_dgon_client_int.h"

#include "mod_dgon_alias.h"
#include "mod_dgon_pass.h"
#include "mod_dgon_random.h"
#include "mod_dgon_tally.h"

#include "dgon/fleet.h"
#include "dgon/sched.h"

#include <string.h>

#define ANSWER_MAX (16u * 1024u * 1024u)

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
    char *room = apr_pcalloc(r->pool, sizeof(mod_dgon_stream) + MOD_DGON_LINE - 1);
    mod_dgon_stream *s =
        (void *)(room + (MOD_DGON_LINE - (uintptr_t)room % MOD_DGON_LINE) % MOD_DGON_LINE);
    s->engine = e;
    s->conf = conf;
    s->r = r;
    s->c = r->connection;
    s->wakefd = -1;
    s->alias = MOD_DGON_ALIAS_NONE;
    s->model = "";
    s->tally = mod_dgon_tally_of(r);
    s->bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    dgon_buf_init(&s->body, (size_t)conf->max_body);
    dgon_buf_init(&s->answer, ANSWER_MAX);
    for (unsigned i = 0; i < DGON_REGISTRY_EXCLUDE_MAX; i++)
        s->spec.exclude[i] = DGON_NONE;
    apr_pool_cleanup_register(r->pool, s, stream_cleanup, apr_pool_cleanup_null);
    return s;
}

dgon_error *mod_dgon_client_error(mod_dgon_stream *s)
{
    if (s->failed == NULL)
        s->failed = apr_pcalloc(s->r->pool, sizeof(*s->failed));
    return s->failed;
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
void mod_dgon_client_note_attempt(mod_dgon_stream *s, dgon_job_ref ref)
{
    mod_dgon_tally *t = s->tally;
    uint32_t agent = DGON_NONE;
    if (t->bound_us == 0)
        t->bound_us = dgon_registry_bound_us(s->engine->registry, ref);
    (void)dgon_registry_phase(s->engine->registry, ref, NULL, &agent);
    if (agent != DGON_NONE)
        (void)!dgon_registry_agent_name(s->engine->registry, agent, t->agent);
}

void mod_dgon_client_let_go(mod_dgon_stream *s)
{
    if (!s->has_job)
        return;
    s->has_job = false;
    mod_dgon_client_note_attempt(s, s->ref);
    atomic_store(&s->engine->clients[s->ref.slot], 0);
    dgon_registry_release(s->engine->registry, s->ref);
}

/* Is there something of the request that the agent has not been told? */
bool mod_dgon_client_has_body(const mod_dgon_stream *s)
{
    if (s->content_sent && s->upload == NULL)
        return false;
    return s->body_at < s->body.len || (s->upload != NULL && !s->upload->ended);
}

/* Moves what fits of the body into the up ring. */
void mod_dgon_client_feed(mod_dgon_stream *s)
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
    dgon_error_set(mod_dgon_client_error(s), http, code, NULL, "%s", text);
    mod_dgon_client_error(s)->retry_after =
        (int)dgon_sched_retry_after(info.queued, info.slots, info.job_ms);
}

/* Claims a slot for the spec as it stands and submits it. On failure its error says why and there
 * is no job. */
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
    s->form = dgon_op_form((dgon_op)s->spec.op);
    s->accepted = s->was_bound = s->cold_asked = s->requeue = s->in_event = false;
    s->consumed = 0;
    s->body_at = 0;
    if (s->upload != NULL)
        s->upload->head_fed = s->upload->ended = false;
    mod_dgon_client_listen(s);
    mod_dgon_client_feed(s);
    st =
        dgon_registry_submit(reg, s->ref, s->has_place ? UINT32_MAX : (uint32_t)s->conf->queue_max);
    if (st == DGON_OK)
        return DGON_OK;
    if (st == DGON_ENOTFOUND && mod_dgon_alias_advance(s)) {
        mod_dgon_client_let_go(s);
        return mod_dgon_client_submit(s); /* as often as the alias has steps */
    }
    if (st == DGON_EFULL)
        no_capacity(s, HTTP_SERVICE_UNAVAILABLE, "server_is_overloaded",
                    "Too many requests wait for this model already. Try again later.");
    else
        no_capacity(s, HTTP_SERVICE_UNAVAILABLE, "no_capacity",
                    "No other agent offers this model at the moment. Try again later.");
    mod_dgon_client_let_go(s);
    return st;
}

/* Users take turns in the queue; where nobody logs in, addresses do (of IPv6 a site's half). */
static uint32_t user_of(const mod_dgon_stream *s)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    const request_rec *r = s->r;
    const apr_sockaddr_t *a = r->useragent_addr;
    if (r->user != NULL && r->user[0] != '\0')
        return dgon_registry_user(s->engine->registry, true, r->user, strlen(r->user));
    if (a == NULL || a->ipaddr_len <= 0)
        return 0;
    const unsigned char *p = a->ipaddr_ptr;
    size_t n = (size_t)a->ipaddr_len;
    bool v6 = n > sizeof(mapped), v4 = v6 && memcmp(p, mapped, sizeof(mapped)) == 0;
    return dgon_registry_user(s->engine->registry, false, v4 ? p + sizeof(mapped) : p,
                              v4   ? n - sizeof(mapped)
                              : v6 ? n / 2
                                   : n);
}

dgon_status mod_dgon_client_admit(mod_dgon_stream *s)
{
    s->now = s->started = s->last_write = mod_dgon_now_ms();
    s->tally->admitted_us = mod_dgon_tally_now();
    if (!mod_dgon_random(s->spec.id)) {
        dgon_error_set(mod_dgon_client_error(s), HTTP_INTERNAL_SERVER_ERROR, NULL, NULL,
                       "No random numbers to be had.");
        return DGON_ESYS;
    }
    s->spec.created = (int64_t)apr_time_sec(s->r->request_time);
    s->spec.body_len = s->upload != NULL ? DGON_WIRE_BODY_OPEN : s->body.len;
    s->spec.attempt = 1;
    s->spec.user = user_of(s);
    s->spec.stream = s->streaming;
    s->spec.first_token_ms = (uint32_t)s->conf->first_token_timeout;
    const char *trace = apr_table_get(s->r->headers_in, "traceparent");
    if (trace != NULL && strlen(trace) == sizeof(s->spec.traceparent) - 1 &&
        strspn(trace, "0123456789abcdef-") == strlen(trace))
        memcpy(s->spec.traceparent, trace, sizeof(s->spec.traceparent));
    dgon_status st = mod_dgon_client_submit(s);
    mod_dgon_client_count(s, st == DGON_OK ? DGON_COUNT_JOBS : DGON_COUNT_REFUSED, 1);
    return st;
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
    dgon_error was = *mod_dgon_client_error(s);
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
        *mod_dgon_client_error(s) = was;
        s->accepted = accepted;
        s->was_bound = was_bound;
        s->body_at = body_at;
        s->consumed = consumed;
        return false;
    }
    atomic_store(&s->engine->clients[old.slot], 0);
    mod_dgon_client_note_attempt(s, old);
    dgon_fleet_tell(s->engine->registry, agent, spec.model, &was, 0);
    dgon_registry_release(s->engine->registry, old);
    dgon_buf_reset(&s->answer);
    s->tally->retries++;
    mod_dgon_client_count(s, DGON_COUNT_RETRIES, 1);
    return true;
}

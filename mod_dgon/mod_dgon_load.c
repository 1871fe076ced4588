/* Each agent that is asked has a job of its own, so that queue, deadlines, cancel and what follows
 * a kill are those of any job. One thread waits for all of them, in the blocking way: such requests
 * are rare and last long. The whole request is a stream without a job, which has the client; each
 * job is a stream whose lines are collected. */
#include "mod_dgon_load.h"

#include "mod_dgon_alias.h"
#include "mod_dgon_api.h"
#include "mod_dgon_body.h"
#include "mod_dgon_client_int.h"
#include "mod_dgon_error.h"
#include "mod_dgon_tally.h"

#include "dgon/load.h"

#include <http_protocol.h>
#include <apr_strings.h>

#include <poll.h>
#include <string.h>

#define LINES_MAX  (64u * 1024u) /* of one agent, between two looks at them */
#define REPEAT_MS  10000         /* what has not changed is told again so often */
#define ANSWER_MAX (256u * 1024u)

typedef struct part {
    const mod_dgon_load_candidate *who;
    mod_dgon_stream *stream; /* NULL: there is nothing to wait for */
    dgon_load_progress now, told;
    uint64_t told_at; /* 0: never */
    bool ended;
} part;

typedef struct load {
    mod_dgon_stream *s; /* the whole request */
    char model[DGON_WIRE_NAME_MAX + 1];
    uint32_t wanted;
    part part[DGON_LOAD_AGENTS_MAX];
    unsigned parts, usable;
    int client;  /* its socket, negative where that cannot be watched */
    short watch; /* what it is watched for besides its end */
    dgon_buf out;
} load;

static atomic_uint loads; /* of this child */

/* ---- who is asked ---- */

/* False: e says why nobody can be asked. */
static bool choose(load *l, dgon_error *e)
{
    mod_dgon_stream *s = l->s;
    const apr_array_header_t *all = mod_dgon_load_candidates(s->engine, s->r->pool, l->model);
    if (all == NULL) {
        dgon_error_set(e, HTTP_INTERNAL_SERVER_ERROR, NULL, NULL,
                       "The gateway is short of memory.");
        return false;
    }
    for (int i = 0; i < all->nelts && l->parts < l->wanted; i++) {
        const mod_dgon_load_candidate *c = &APR_ARRAY_IDX(all, i, mod_dgon_load_candidate);
        l->usable += c->rank < MOD_DGON_LOAD_MAY_NOT;
        l->part[l->parts++].who = c;
    }
    if (l->usable > 0)
        return true;
    dgon_error_set(e, HTTP_NOT_FOUND, "model_not_found", "model_name",
                   l->parts == 0 ? "No agent is connected that could load '%s'."
                                 : "No agent has the model '%s', and none may get it: the owner of "
                                   "a node allows that with pull = yes in its agent's "
                                   "configuration.",
                   l->model);
    return false;
}

/* ---- beginning ---- */

static const char *cannot_reason(mod_dgon_load_rank r)
{
    return r == MOD_DGON_LOAD_OLD
               ? "The agent is too old to load models on request."
               : "It does not have the model, and its owner does not let it get models "
                 "(pull).";
}

static bool submit(load *l, part *p, uint32_t model)
{
    mod_dgon_stream *s = l->s;
    mod_dgon_stream *job = mod_dgon_client_create(s->r, s->engine, s->conf);
    p->stream = job;
    dgon_buf_init(&job->answer, LINES_MAX);
    job->model = s->model;
    job->wakefd = s->wakefd;
    job->collect = job->streaming = true;
    job->spec.op = DGON_OP_LOAD;
    job->spec.model = model;
    /* the last one: a retry puts the agent itself into the first, and so finds nobody */
    job->spec.exclude[DGON_REGISTRY_EXCLUDE_MAX - 1] = DGON_REGISTRY_ONLY(p->who->agent);
    if (dgon_load_body_write(&job->body, l->model) != DGON_OK) {
        dgon_error_set(mod_dgon_client_error(job), HTTP_INTERNAL_SERVER_ERROR, NULL, NULL,
                       "The gateway is short of memory.");
        return false;
    }
    return mod_dgon_client_admit(job) == DGON_OK;
}

static void begin(load *l)
{
    dgon_registry *reg = l->s->engine->registry;
    uint32_t model = dgon_registry_model(reg, MOD_DGON_LOAD_ANY, strlen(MOD_DGON_LOAD_ANY));
    for (unsigned i = 0; i < l->parts; i++) {
        part *p = &l->part[i];
        p->ended = true;
        if (p->who->rank == MOD_DGON_LOAD_READY)
            dgon_load_set(&p->now, DGON_LOAD_LOADED, NULL);
        else if (p->who->rank >= MOD_DGON_LOAD_MAY_NOT || model == DGON_NONE)
            dgon_load_set(&p->now, DGON_LOAD_CANNOT, cannot_reason(p->who->rank));
        else if (!submit(l, p, model))
            dgon_load_set(&p->now, DGON_LOAD_FAILED, mod_dgon_client_error(p->stream)->message);
        else
            p->ended = false;
    }
}

/* ---- what comes ---- */

/* The newest of the lines that are there. False: one of them is none. */
static bool take_lines(part *p)
{
    dgon_buf *lines = &p->stream->answer;
    size_t at = 0;
    bool good = true;
    for (const char *end;
         good && at < lines->len && (end = memchr(lines->data + at, '\n', lines->len - at)) != NULL;
         at = (size_t)(end - lines->data) + 1)
        good = dgon_load_progress_in(&p->now, lines->data + at, (size_t)(end - lines->data) - at) ==
               DGON_OK;
    dgon_buf_consume(lines, good ? at : lines->len);
    return good;
}

static void fail(part *p, const char *why)
{
    dgon_load_set(&p->now, DGON_LOAD_FAILED, why);
    mod_dgon_client_gone(p->stream); /* no-op where it is over */
    p->ended = true;
}

static const char *why_broken(mod_dgon_stream *s)
{
    const dgon_error *e = mod_dgon_client_error(s);
    if (e->http == 0)
        return "The agent's answer was not valid.";
    /* the link may end a moment before we do */
    return mod_dgon_engine_leaving(s->engine) && e->http >= HTTP_BAD_GATEWAY
               ? "The gateway restarts. Ask again."
               : e->message;
}

static void look_at(load *l, part *p, uint64_t *due)
{
    mod_dgon_stream *s = p->stream;
    uint64_t at = *due;
    s->now = l->s->now;
    mod_dgon_pump how = mod_dgon_client_pump(s, &l->out);
    if (how == PUMP_WAIT)
        how = mod_dgon_client_tick(s, &l->out, &at);
    if (at < *due)
        *due = at;
    if (!take_lines(p))
        fail(p, "The agent's answer was not valid.");
    else if (how == PUMP_BROKEN)
        fail(p, why_broken(s));
    else if (how == PUMP_ENDED && !dgon_load_is_last(p->now.state))
        fail(p, "The agent ended without saying whether the model is loaded.");
    p->ended |= how == PUMP_ENDED;
}

/* ---- what goes out ---- */

static dgon_status add_part(dgon_buf *out, const part *p)
{
    return dgon_load_progress_write(out, p->who->id, &p->now);
}

/* A line for each agent of which there is news. */
static bool tell(load *l)
{
    mod_dgon_stream *s = l->s;
    dgon_status st = DGON_OK;
    for (unsigned i = 0; i < l->parts && st == DGON_OK; i++) {
        part *p = &l->part[i];
        bool same = p->told_at != 0 && dgon_load_same(&p->now, &p->told);
        if (same && (p->ended || s->now - p->told_at < REPEAT_MS))
            continue;
        p->told = p->now;
        p->told_at = s->now;
        st = dgon_buf_adds(&l->out, "{\"type\":\"scheduler_init\",\"data\":");
        if (st == DGON_OK)
            st = add_part(&l->out, p);
        if (st == DGON_OK)
            st = dgon_buf_adds(&l->out, "}\n");
    }
    if (st != DGON_OK)
        return false;
    if (l->out.len == 0)
        return true;
    mod_dgon_client_begin(s);
    return mod_dgon_client_write(s, &l->out, false);
}

static unsigned count_loaded(const load *l)
{
    unsigned n = 0;
    for (unsigned i = 0; i < l->parts; i++)
        n += l->part[i].now.state == DGON_LOAD_LOADED;
    return n;
}

static dgon_status add_agents(load *l)
{
    dgon_status st = dgon_buf_adds(&l->out, ",\"agents\":[");
    for (unsigned i = 0; i < l->parts && st == DGON_OK; i++) {
        st = dgon_buf_adds(&l->out, i > 0 ? "," : "");
        if (st == DGON_OK)
            st = add_part(&l->out, &l->part[i]);
    }
    return st == DGON_OK ? dgon_buf_adds(&l->out, "]") : st;
}

/* What came of it; with the agents where no lines have told of them. */
static dgon_status add_sum(load *l)
{
    unsigned loaded = count_loaded(l);
    dgon_status st =
        dgon_buf_adds(&l->out, "{\"type\":\"scheduler_init\",\"data\":{\"model_name\":");
    if (st == DGON_OK)
        st = dgon_buf_add_json_string(&l->out, l->model, strlen(l->model));
    if (st == DGON_OK)
        st =
            dgon_buf_addf(&l->out, ",\"wanted\":%u,\"loaded\":%u,\"done\":true", l->wanted, loaded);
    if (st == DGON_OK && l->usable < l->wanted)
        st = dgon_buf_addf(&l->out,
                           ",\"reason\":\"Only %u of the agents that are connected could be "
                           "asked.\"",
                           l->usable);
    if (st == DGON_OK && !l->s->streaming)
        st = add_agents(l);
    return st == DGON_OK ? dgon_buf_adds(&l->out, "}}\n") : st;
}

/* ---- waiting ---- */

static bool look_at_all(load *l, uint64_t *due)
{
    bool waits = false;
    l->s->now = mod_dgon_now_ms();
    *due = l->s->now + MOD_DGON_TICK_MS;
    for (unsigned i = 0; i < l->parts; i++) {
        if (!l->part[i].ended)
            look_at(l, &l->part[i], due);
        waits |= !l->part[i].ended;
    }
    return waits;
}

static void fail_all(load *l, const char *why)
{
    for (unsigned i = 0; i < l->parts; i++)
        if (!l->part[i].ended)
            fail(&l->part[i], why);
}

/* Until every agent is done with it. False: the client is gone. */
static bool wait_for_all(load *l)
{
    mod_dgon_stream *s = l->s;
    uint64_t until = 0, due = 0;
    for (;;) {
        bool waits = look_at_all(l, &due);
        if (waits && mod_dgon_block_is_over(s, &until)) {
            fail_all(l, mod_dgon_client_error(s)->message);
            waits = false;
        }
        if (s->c->aborted || (s->streaming && !tell(l)))
            return false;
        if (!waits)
            return true;
        mod_dgon_block_wait(s, l->client, &l->watch, due);
    }
}

/* What was left running ends: its client is gone. */
static void let_go(load *l)
{
    for (unsigned i = 0; i < l->parts; i++) {
        mod_dgon_stream *s = l->part[i].stream;
        if (s != NULL) {
            mod_dgon_client_gone(s);
            dgon_buf_fini(&s->body);
            dgon_buf_fini(&s->answer);
        }
    }
}

static bool answer(load *l)
{
    mod_dgon_stream *s = l->s;
    dgon_buf_reset(&l->out);
    if (add_sum(l) != DGON_OK)
        return false;
    mod_dgon_client_begin(s);
    if (!s->streaming) {
        ap_set_content_length(s->r, (apr_off_t)l->out.len);
        apr_table_setn(s->r->headers_out, "Cache-Control", "no-store");
    }
    return mod_dgon_client_write(s, &l->out, true);
}

static void run(load *l)
{
    mod_dgon_stream *s = l->s;
    atomic_fetch_add(&s->engine->workers_waiting, 1);
    begin(l);
    bool good = wait_for_all(l) && answer(l);
    let_go(l);
    ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, s->r,
                  "DGON0331: model %s is loaded by %u of %u agents, as %s asked%s", l->model,
                  count_loaded(l), l->wanted, s->r->user, good ? "" : ", who has gone");
    s->tally->good = good;
    s->tally->gone = !good;
    mod_dgon_block_end(s, good ? PUMP_ENDED : PUMP_BROKEN);
    atomic_fetch_sub(&s->engine->workers_waiting, 1);
}

/* ---- the request ---- */

static bool read_ask(load *l, const char *p, size_t n, dgon_error *e)
{
    bool ok = dgon_load_ask_in(p, n, l->model, &l->wanted, e) == DGON_OK;
    if (ok && mod_dgon_alias_find(l->s->conf->aliases, l->model, strlen(l->model)) >= 0) {
        dgon_error_set(e, HTTP_BAD_REQUEST, "invalid_value", "model_name",
                       "'%s' is an alias (DgonAlias): name the model itself.", l->model);
        return false;
    }
    return ok;
}

static bool may_begin(load *l, dgon_error *e)
{
    mod_dgon_stream *s = l->s;
    s->wakefd = mod_dgon_block_fd();
    if (s->wakefd >= 0 && !mod_dgon_engine_is_here())
        return true;
    dgon_error_set(e, HTTP_SERVICE_UNAVAILABLE, "no_capacity", NULL,
                   "No thread of the gateway can wait for this now. Try again.");
    e->retry_after = 1;
    return false;
}

static void watch(load *l, int fd)
{
    l->client = fd >= 0 ? fd : mod_dgon_block_socket(l->s);
    l->watch = fd >= 0 ? 0 : POLLRDHUP; /* of a UNIX socket the kernel tells a half-close apart */
}

static bool ask(const mod_dgon_load_ask *a, dgon_error *e)
{
    request_rec *r = a->r;
    load *l = apr_pcalloc(r->pool, sizeof(*l));
    mod_dgon_tally_begin(r, a->engine); /* which requests of the APIs have from the beginning */
    mod_dgon_stream *s = mod_dgon_client_create(r, a->engine, mod_dgon_config_get(r->server));
    l->s = s;
    s->tally->op = DGON_OP_LOAD;
    s->spec.op = DGON_OP_LOAD;
    s->streaming = a->lines;
    s->tally->stream = s->streaming;
    s->now = mod_dgon_now_ms();
    if (!read_ask(l, a->text, a->n, e) || !choose(l, e) || !may_begin(l, e))
        return false;
    watch(l, a->fd);
    s->model = apr_pstrdup(r->pool, l->model);
    s->tally->model = s->model;
    ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r,
                  "DGON0330: %s asks %u of %u agents to load model %s", r->user, l->usable,
                  l->wanted, l->model);
    dgon_buf_init(&l->out, ANSWER_MAX);
    run(l);
    dgon_buf_fini(&l->out);
    return true;
}

bool mod_dgon_load_run(const mod_dgon_load_ask *a, dgon_error *e)
{
    bool began = false;
    if (atomic_fetch_add(&loads, 1) < MOD_DGON_LOADS_MAX) {
        began = ask(a, e);
    } else {
        dgon_error_set(e, HTTP_SERVICE_UNAVAILABLE, "no_capacity", NULL,
                       "%u models are being loaded already. Try again later.", MOD_DGON_LOADS_MAX);
        e->retry_after = 10;
    }
    atomic_fetch_sub(&loads, 1);
    return began;
}

int mod_dgon_load_asked(request_rec *r, mod_dgon_engine *engine, const dgon_buf *body)
{
    dgon_error e;
    const char *accept = apr_table_get(r->headers_in, "Accept");
    const mod_dgon_load_ask a = {.r = r,
                                 .engine = engine,
                                 .text = body->data != NULL ? body->data : "",
                                 .n = body->len,
                                 .lines = accept != NULL &&
                                          strstr(accept, "application/x-ndjson") != NULL,
                                 .fd = -1};
    return mod_dgon_load_run(&a, &e) ? OK : mod_dgon_api_refuse(r, &e);
}

int mod_dgon_load(request_rec *r, mod_dgon_engine *engine)
{
    dgon_error e;
    dgon_buf body;
    if (r->method_number != M_POST)
        return mod_dgon_api_not_allowed(r, "POST");
    if (r->user == NULL) {
        dgon_error_set(&e, HTTP_FORBIDDEN, NULL, NULL,
                       "Nobody is logged in: put AuthType and Require into this location.");
        return mod_dgon_api_refuse(r, &e);
    }
    if (!mod_dgon_api_is_json(r)) {
        dgon_error_set(&e, HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", NULL,
                       "Send the question as Content-Type: application/json.");
        return mod_dgon_api_refuse(r, &e);
    }
    dgon_buf_init(&body, DGON_LOAD_BODY_MAX);
    int status = mod_dgon_body_read(r, DGON_LOAD_BODY_MAX, &body, &e)
                     ? mod_dgon_load_asked(r, engine, &body)
                     : mod_dgon_api_refuse(r, &e);
    dgon_buf_fini(&body);
    return status;
}

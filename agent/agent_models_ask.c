/* Asks one backend, again and again, what it serves. */
#include "agent_models_int.h"

#include "agent_log.h"

#include "dgon/alloc.h"
#include "dgon/backoff.h"

#include <stdio.h>
#include <string.h>

#define LIST_MAX      (4u * 1024u * 1024u)
#define ASK_TIMEOUT_S 10u
#define DOWN_BASE_MS  500u

typedef enum probe_step { PROBE_KIND, PROBE_MODELS, PROBE_MORE } probe_step;

/* One round of questions to one backend. */
typedef struct agent_probe {
    agent_timer *timer;
    agent_request *request;
    dgon_buf answer;
    dgon_backoff backoff;
    probe_step step;
    bool again; /* suspected while a round was under way */
    bool said_down;
    agent_model *models; /* of this round */
    uint32_t count;
} agent_probe;

static void ask(agent_backend *b, probe_step step);

/* --- the answers --- */

static void add_model(void *user, const char *name, uint32_t context, uint32_t caps, bool loaded)
{
    agent_backend *b = user;
    agent_probe *p = b->probe;
    if (p->count == DGON_WIRE_MODELS_MAX || !agent_backend_may_offer(b, name) ||
        agent_models_named(p->models, p->count, name) != NULL) {
        return;
    }
    agent_model *more = dgon_realloc(p->models, (p->count + 1u) * sizeof *more);
    if (more == NULL) {
        return;
    }
    p->models = more;
    agent_model *m = &more[p->count++];
    memset(m, 0, sizeof *m);
    (void)snprintf(m->name, sizeof m->name, "%s", name);
    m->context = context;
    m->caps = caps;
    m->loaded = loaded;
}

static void note_loaded(void *user, const char *name, uint32_t context, uint32_t caps, bool loaded)
{
    agent_backend *b = user;
    agent_model *m = agent_models_named(b->probe->models, b->probe->count, name);
    (void)caps;
    if (m != NULL) {
        m->loaded = loaded;
        m->context = context != 0 ? context : m->context;
    }
}

static void again_in(agent_backend *b, uint32_t ms)
{
    agent_timer_set(b->probe->timer, b->probe->again ? 0 : ms);
    b->probe->again = false;
}

static void tell(agent_backend *b, bool changed)
{
    bool first = !b->asked;
    b->asked = true;
    if (changed || first) {
        b->owner->changed(b->owner->user);
    }
}

/* The round succeeded: its list becomes the backend's. */
static void round_done(agent_backend *b, uint32_t slots)
{
    agent_probe *p = b->probe;
    bool same = b->up && b->slots == slots && b->model_count == p->count &&
                (p->count == 0 || memcmp(b->models, p->models, p->count * sizeof *p->models) == 0);
    if (!b->up) {
        agent_log(AGENT_LOG_INFO, "backend %s up: %s, %u model%s", b->config.name,
                  agent_kind_str(b->ops->kind), p->count, p->count == 1 ? "" : "s");
    } else if (b->model_count != p->count) {
        agent_log(AGENT_LOG_INFO, "backend %s: %u model%s now", b->config.name, p->count,
                  p->count == 1 ? "" : "s");
    }
    dgon_free(b->models);
    b->models = p->models;
    b->model_count = p->count;
    b->slots = slots;
    b->up = true;
    p->models = NULL;
    p->count = 0;
    p->said_down = false;
    dgon_backoff_reset(&p->backoff);
    again_in(b, b->owner->interval_ms);
    tell(b, !same);
}

static void round_failed(agent_backend *b, const char *why, int status)
{
    agent_probe *p = b->probe;
    bool was_up = b->up;
    if (!p->said_down) {
        p->said_down = true;
        if (status != 0) {
            agent_log(AGENT_LOG_WARN, "backend %s down: it answered with status %d", b->config.name,
                      status);
        } else {
            agent_log(AGENT_LOG_WARN, "backend %s down: %s", b->config.name, why);
        }
    }
    b->up = false;
    b->model_count = 0;
    if (b->config.kind == AGENT_KIND_AUTO) {
        b->ops = NULL; /* another server may come up in its place */
    }
    p->count = 0;
    again_in(b, dgon_backoff_next(&p->backoff, agent_os_random()));
    tell(b, was_up);
}

static void take_answer(agent_backend *b, const agent_http_result *r)
{
    agent_probe *p = b->probe;
    const char *text = p->answer.data != NULL ? p->answer.data : "";
    bool ok = r->complete && r->status == 200;
    uint32_t slots = b->slots;
    switch (p->step) {
    case PROBE_KIND:
        if (!r->complete) {
            round_failed(b, r->reason, 0);
            return;
        }
        b->ops = agent_backend_ops_get(ok ? AGENT_KIND_OLLAMA : AGENT_KIND_OPENAI);
        ask(b, PROBE_MODELS);
        return;
    case PROBE_MODELS:
        if (!ok) {
            round_failed(b, r->reason, r->complete ? r->status : 0);
        } else if (b->ops->models_in(text, p->answer.len, add_model, b) != DGON_OK) {
            round_failed(b, "its list of models cannot be read", 0);
        } else {
            ask(b, PROBE_MORE);
        }
        return;
    case PROBE_MORE:
        if (ok && b->ops->more_in(text, p->answer.len, note_loaded, b, &slots) != DGON_OK) {
            agent_log(AGENT_LOG_DEBUG, "backend %s: %s cannot be read", b->config.name,
                      b->ops->more);
        }
        round_done(b, slots);
        return;
    }
}

/* --- the questions --- */

static agent_http_take on_body(void *user, int status, const char *p, size_t n)
{
    agent_backend *b = user;
    if (status == 200 && dgon_buf_add(&b->probe->answer, p, n) != DGON_OK) {
        return AGENT_HTTP_STOP;
    }
    return AGENT_HTTP_TAKEN;
}

static void on_done(void *user, const agent_http_result *r)
{
    agent_backend *b = user;
    b->probe->request = NULL;
    take_answer(b, r);
}

static void ask(agent_backend *b, probe_step step)
{
    static const agent_http_ops ops = {.on_body = on_body, .on_done = on_done};
    agent_probe *p = b->probe;
    char url[AGENT_CONFIG_PATH_MAX + 32];
    const char *path = step == PROBE_KIND     ? "/api/version"
                       : step == PROBE_MODELS ? b->ops->models
                                              : b->ops->more;
    p->step = step;
    dgon_buf_reset(&p->answer);
    (void)snprintf(url, sizeof url, "%s%s", b->config.url, path);
    agent_http_spec spec = {.url = url,
                            .secret = b->config.secret,
                            .ca_file = b->config.ca_file,
                            .connect_timeout_s = b->config.connect_timeout,
                            .total_timeout_s = ASK_TIMEOUT_S};
    p->request = agent_http_start(b->owner->http, &spec, &ops, b);
    if (p->request == NULL) {
        round_failed(b, "the request cannot be made", 0);
    }
}

static void on_timer(void *user)
{
    agent_backend *b = user;
    if (b->probe->request != NULL) {
        return;
    }
    dgon_free(b->probe->models);
    b->probe->models = NULL;
    b->probe->count = 0;
    if (b->config.kind == AGENT_KIND_ECHO) {
        add_model(b, "echo", 0, DGON_CAP_COMPLETION, true);
        for (uint32_t i = 0; i < b->config.model_count; i++) {
            add_model(b, b->config.models[i], 0, DGON_CAP_COMPLETION, true);
        }
        round_done(b, 0);
        agent_timer_stop(b->probe->timer);
        return;
    }
    ask(b, b->ops == NULL ? PROBE_KIND : PROBE_MODELS);
}

void agent_models_suspect(agent_backend *b)
{
    if (b->probe == NULL || b->config.kind == AGENT_KIND_ECHO) {
        return;
    }
    if (b->probe->request != NULL) {
        b->probe->again = true;
    } else {
        agent_timer_set(b->probe->timer, 0);
    }
}

/* --- life of a backend --- */

agent_backend *agent_models_backend_create(agent_models *m, agent_config_backend *c)
{
    agent_backend *b = dgon_calloc(1, sizeof *b);
    agent_probe *p = dgon_calloc(1, sizeof *p);
    agent_timer *t = b != NULL && p != NULL ? agent_timer_create(m->loop, on_timer, b) : NULL;
    if (t == NULL) {
        dgon_free(b);
        dgon_free(p);
        return NULL;
    }
    b->config = *c;
    c->models = NULL; /* moved */
    c->model_count = 0;
    b->ops = agent_backend_ops_get(c->kind);
    b->owner = m;
    b->refs = 1;
    b->probe = p;
    p->timer = t;
    dgon_buf_init(&p->answer, LIST_MAX);
    dgon_backoff_init(&p->backoff, DOWN_BASE_MS,
                      m->interval_ms > DOWN_BASE_MS ? m->interval_ms : DOWN_BASE_MS);
    agent_timer_set(t, 0);
    return b;
}

static void probe_destroy(agent_probe *p)
{
    if (p == NULL) {
        return;
    }
    if (p->request != NULL) {
        agent_http_cancel(p->request);
    }
    agent_timer_destroy(p->timer);
    dgon_buf_fini(&p->answer);
    dgon_free(p->models);
    dgon_free(p);
}

void agent_models_backend_drop(agent_backend *b)
{
    probe_destroy(b->probe);
    b->probe = NULL;
    b->owner = NULL;
    b->up = false;
    agent_backend_unref(b);
}

/* A job that loads a model: pulls it first where it is missing and the owner allows that, then lets
 * the model server load it, and tells how far it is. What the server says about an error goes to
 * the administrator who asked, not into the log. */
#include "agent_job.h"

#include "agent_log.h"

#include "dgon/alloc.h"
#include "dgon/load.h"

#include <stdio.h>
#include <string.h>

#define SAY_MS     500u  /* progress, at most this often */
#define ALIVE_MS   2000u /* and the same again, so that the gateway sees that we live */
#define LOOK_MS    500u  /* between two looks at a router's list */
#define LINE_MAX   65536u
#define ANSWER_MAX (1024u * 1024u) /* a list of models; of an error its head */

typedef enum load_step {
    STEP_PULL,   /* Ollama */
    STEP_LOAD,   /* Ollama, a model that answers */
    STEP_EMBED,  /* Ollama, one that embeds */
    STEP_ROUTER, /* llama-server's */
    STEP_LOOK,   /* at what it tells of the model */
    STEP_STUDIO, /* LM Studio */
    STEPS
} load_step;

static const char *const paths[STEPS] = {"/api/pull",    "/api/generate", "/api/embed",
                                         "/models/load", "/v1/models",    "/api/v1/models/load"};

typedef struct agent_load {
    char model[DGON_WIRE_NAME_MAX + 1]; /* as the backend has it, or is to pull it */
    load_step step;
    dgon_load_progress now;
    dgon_load_pull pull;
    bool pulled; /* its last line came */
    dgon_ndjson lines;
    dgon_buf answer;
    uint64_t said_ms, look_ms;
} agent_load;

static void ask(agent_job *j, load_step step);

void agent_job_load_free(agent_load *l)
{
    if (l != NULL) {
        dgon_ndjson_fini(&l->lines);
        dgon_buf_fini(&l->answer);
    }
    dgon_free(l);
}

bool agent_job_load_allowed(agent_models *m, const dgon_ctl *c, agent_backend **b, dgon_error *e)
{
    *b = agent_models_at(m, 0);
    if (c->body > DGON_LOAD_BODY_MAX) {
        dgon_error_set(e, 413, "request_too_large", NULL, "The request to load is too large.");
    } else if (*b == NULL || !c->stream) {
        dgon_error_set(e, 400, "unsupported_operation", NULL, "The agent cannot load models.");
    } else {
        return true;
    }
    return false;
}

/* --- what is told --- */

static dgon_status say(agent_job *j)
{
    dgon_buf b;
    j->load->said_ms = agent_os_now_ms();
    dgon_buf_init(&b, DGON_LOAD_EVENT_MAX);
    dgon_status s = dgon_load_progress_write(&b, NULL, &j->load->now);
    if (s == DGON_OK) {
        s = agent_job_on_event(j, b.data, b.len);
    }
    dgon_buf_fini(&b);
    return s;
}

/* Nothing is lost where it is not said: more will come. */
static void say_soon(agent_job *j)
{
    if (j->pending.len == 0 && agent_os_now_ms() - j->load->said_ms >= SAY_MS) {
        (void)!say(j);
    }
}

/* The last word. May free the job. */
static void end(agent_job *j, dgon_load_state state, const char *reason)
{
    agent_load *l = j->load;
    agent_timer_stop(j->timer);
    dgon_load_set(&l->now, state, reason);
    agent_log(AGENT_LOG_INFO, "job %s: model %s of backend %s: %s after %llu ms", j->id, l->model,
              j->backend->config.name, dgon_load_state_str(state),
              (unsigned long long)(agent_os_now_ms() - j->started_ms));
    agent_models_suspect(j->backend); /* its list has changed */
    if (say(j) != DGON_OK ||
        dgon_buf_adds(&j->final_payload, "{\"usage\":null,\"finish\":\"stop\"}") != DGON_OK) {
        agent_job_fail_text(j, 500, NULL, "The agent is out of memory.");
        return;
    }
    agent_job_finish(j);
}

static void begin(agent_job *j, dgon_load_state state)
{
    if (j->load->now.state != state || j->load->said_ms == 0) {
        dgon_load_set(&j->load->now, state, NULL);
        (void)!say(j);
    }
}

/* --- what comes back --- */

static dgon_status on_line(void *user, const char *line, size_t n)
{
    agent_job *j = user;
    agent_load *l = j->load;
    dgon_status s = dgon_load_pull_in(&l->pull, &l->now, line, n);
    l->pulled = s == DGON_DONE;
    if (s == DGON_OK) {
        say_soon(j);
    }
    return s == DGON_DONE ? DGON_OK : s;
}

static agent_http_take on_body(void *user, int status, const char *p, size_t n)
{
    agent_job *j = user;
    agent_load *l = j->load;
    if (l->step != STEP_LOOK) { /* which goes on however long the model takes */
        j->last_ms = agent_os_now_ms();
    }
    if (status == 200 && l->step == STEP_PULL) {
        dgon_status s =
            l->now.state == DGON_LOAD_FAILED ? DGON_OK : dgon_ndjson_feed(&l->lines, p, n);
        return s == DGON_OK || s == DGON_EBACKEND ? AGENT_HTTP_TAKEN : AGENT_HTTP_STOP;
    }
    size_t room = ANSWER_MAX - l->answer.len;
    if (dgon_buf_add(&l->answer, p, n < room ? n : room) != DGON_OK) {
        return AGENT_HTTP_STOP;
    }
    return AGENT_HTTP_TAKEN;
}

/* What the server says itself, as far as it says anything. */
static void end_refused(agent_job *j, int status)
{
    agent_load *l = j->load;
    dgon_error e;
    memset(&e, 0, sizeof e);
    agent_log(AGENT_LOG_INFO, "job %s: backend %s answered %s with HTTP %d", j->id,
              j->backend->config.name, paths[l->step], status);
    dgon_openai_backend_error(&e, status, l->answer.data != NULL ? l->answer.data : "",
                              l->answer.len);
    end(j, DGON_LOAD_FAILED, e.message);
}

static bool has_no_such_path(int status)
{
    return status == 404 || status == 405 || status == 501;
}

static void after_pull(agent_job *j, int status)
{
    agent_load *l = j->load;
    if (status != 200) {
        end_refused(j, status);
    } else if (l->now.state == DGON_LOAD_FAILED) {
        char reason[DGON_LOAD_REASON_MAX + 1];
        memcpy(reason, l->now.reason, sizeof reason);
        end(j, DGON_LOAD_FAILED, reason);
    } else if (!l->pulled) {
        end(j, DGON_LOAD_FAILED, "The model server broke off the pull.");
    } else {
        ask(j, STEP_LOAD);
    }
}

static void after_look(agent_job *j, int status)
{
    agent_load *l = j->load;
    dgon_load_progress p;
    dgon_status s = DGON_ENOTFOUND;
    if (status == 200) {
        s = dgon_load_router_in(&p, l->model, l->answer.data != NULL ? l->answer.data : "",
                                l->answer.len);
    }
    if (s != DGON_OK) {
        end(j, DGON_LOAD_FAILED, "The model server does not tell how far the model is.");
    } else if (dgon_load_is_last(p.state)) {
        end(j, p.state, p.reason);
    } else {
        l->look_ms = agent_os_now_ms() + LOOK_MS;
        agent_timer_set(j->timer, LOOK_MS);
    }
}

static void after(agent_job *j, int status)
{
    switch (j->load->step) {
    case STEP_PULL:
        after_pull(j, status);
        return;
    case STEP_LOOK:
        after_look(j, status);
        return;
    case STEP_LOAD:
        if (status == 400) { /* it does not generate, so perhaps it embeds */
            ask(j, STEP_EMBED);
            return;
        }
        break;
    case STEP_ROUTER:
        if (status == 200 || has_no_such_path(status)) {
            ask(j, status == 200 ? STEP_LOOK : STEP_STUDIO);
            return;
        }
        break;
    case STEP_STUDIO:
        if (has_no_such_path(status)) {
            end(j, DGON_LOAD_CANNOT, "The model server loads models only when it is started.");
            return;
        }
        break;
    default:
        break;
    }
    if (status == 200) {
        end(j, DGON_LOAD_LOADED, NULL);
    } else {
        end_refused(j, status);
    }
}

static void on_done(void *user, const agent_http_result *r)
{
    agent_job *j = user;
    j->request = NULL;
    if (r->complete) {
        after(j, r->status);
        return;
    }
    agent_log(AGENT_LOG_INFO, "job %s: backend %s failed: %s", j->id, j->backend->config.name,
              r->reason);
    end(j, DGON_LOAD_FAILED,
        r->connected ? "The model server broke off its answer."
                     : "The model server cannot be reached.");
}

/* --- the questions --- */

static dgon_status add_keep_alive(dgon_buf *b, const char *keep)
{
    size_t n = strlen(keep);
    bool number = n > 0 && strchr("smh", keep[n - 1]) == NULL;
    return n == 0
               ? DGON_OK
               : dgon_buf_addf(b, number ? ",\"keep_alive\":%s" : ",\"keep_alive\":\"%s\"", keep);
}

static dgon_status write_question(const agent_job *j, dgon_buf *b)
{
    const agent_load *l = j->load;
    dgon_status s = dgon_buf_adds(b, "{\"model\":");
    if (s == DGON_OK)
        s = dgon_buf_add_json_string(b, l->model, strlen(l->model));
    if (s == DGON_OK && (l->step == STEP_LOAD || l->step == STEP_EMBED))
        s = add_keep_alive(b, j->backend->config.keep_alive);
    if (s == DGON_OK)
        s = dgon_buf_adds(b, l->step == STEP_PULL    ? ",\"stream\":true}"
                             : l->step == STEP_LOAD  ? ",\"stream\":false}"
                             : l->step == STEP_EMBED ? ",\"input\":\"\"}"
                                                     : "}");
    return s;
}

/* May free the job. */
static void ask(agent_job *j, load_step step)
{
    static const agent_http_ops ops = {.on_body = on_body, .on_done = on_done};
    agent_load *l = j->load;
    const agent_config_backend *c = &j->backend->config;
    char url[AGENT_CONFIG_PATH_MAX + 32];
    dgon_buf question;
    l->step = step;
    dgon_buf_reset(&l->answer);
    dgon_buf_init(&question, DGON_LOAD_BODY_MAX);
    begin(j, step == STEP_PULL ? DGON_LOAD_PULLING : DGON_LOAD_LOADING);
    (void)snprintf(url, sizeof url, "%s%s", c->url, paths[step]);
    agent_http_spec spec = {.url = url,
                            .secret = c->secret,
                            .ca_file = c->ca_file,
                            .traceparent = j->traceparent,
                            .connect_timeout_s = c->connect_timeout,
                            .body = step == STEP_LOOK ? NULL : &question};
    if (write_question(j, &question) == DGON_OK) {
        j->request = agent_http_start(j->table->http, &spec, &ops, j);
    }
    dgon_buf_fini(&question);
    if (j->request == NULL) {
        end(j, DGON_LOAD_FAILED, "The agent cannot ask the model server.");
    }
}

static void on_timer(void *user)
{
    agent_job *j = user;
    agent_load *l = j->load;
    uint64_t now = agent_os_now_ms();
    if (l->step == STEP_LOOK && j->request == NULL && now >= l->look_ms) {
        ask(j, STEP_LOOK); /* perhaps the job is gone now */
        return;
    }
    if (now - l->said_ms >= ALIVE_MS && j->pending.len == 0) {
        (void)!say(j);
    }
    agent_timer_set(j->timer, l->step == STEP_LOOK && j->request == NULL ? LOOK_MS : ALIVE_MS);
}

/* --- which model, where --- */

static void use(agent_job *j, agent_backend *b, const char *name)
{
    agent_backend_ref(b);
    b->running++;
    j->backend->running--;
    agent_backend_unref(j->backend);
    j->backend = b;
    (void)snprintf(j->load->model, sizeof j->load->model, "%s", name);
}

/* The model that a backend has; *m NULL: none does. */
static agent_backend *find_model(agent_models *all, const char *asked, const agent_model **m)
{
    *m = NULL;
    agent_backend *b;
    for (unsigned i = 0; (b = agent_models_at(all, i)) != NULL; i++) {
        for (uint32_t k = 0; b->up && k < b->model_count; k++) {
            if (dgon_load_is_name(b->models[k].name, asked)) {
                *m = &b->models[k];
                return b;
            }
        }
    }
    return NULL;
}

static void load_here(agent_job *j, agent_backend *b, const agent_model *m)
{
    use(j, b, m->name);
    if (b->ops->kind == AGENT_KIND_OLLAMA) {
        ask(j, STEP_LOAD); /* also where it is loaded: it stays so for longer */
    } else if (m->loaded) {
        end(j, DGON_LOAD_LOADED, NULL);
    } else {
        ask(j, STEP_ROUTER);
    }
}

static void pull_or_say_why(agent_job *j, const char *asked)
{
    agent_backend *b;
    const char *why = "The model is not here, and no model server here gets models on request.";
    for (unsigned i = 0; (b = agent_models_at(j->table->models, i)) != NULL; i++) {
        if (!b->up || b->ops->kind != AGENT_KIND_OLLAMA) {
            continue;
        }
        if (!b->config.pull) {
            why = "The model is not here, and its owner does not let it get models (pull).";
        } else if (!agent_backend_may_offer(b, asked)) {
            why = "The owner offers other models only (models).";
        } else {
            use(j, b, asked);
            ask(j, STEP_PULL);
            return;
        }
    }
    end(j, DGON_LOAD_CANNOT, why);
}

void agent_job_load_run(agent_job *j)
{
    char asked[DGON_WIRE_NAME_MAX + 1];
    const agent_model *m;
    agent_load *l = dgon_calloc(1, sizeof *l);
    j->load = l;
    j->timer = agent_timer_create(j->table->loop, on_timer, j);
    if (l == NULL || j->timer == NULL) {
        agent_job_fail_text(j, 503, "no_capacity", "The agent is out of memory.");
        return;
    }
    dgon_ndjson_init(&l->lines, LINE_MAX, on_line, j);
    dgon_buf_init(&l->answer, ANSWER_MAX);
    if (dgon_load_body_in(j->body.data != NULL ? j->body.data : "", j->body.len, asked) !=
        DGON_OK) {
        agent_job_fail_text(j, 400, NULL, "The request to load is no good JSON.");
        return;
    }
    (void)snprintf(l->model, sizeof l->model, "%s", asked);
    agent_timer_set(j->timer, ALIVE_MS);
    agent_backend *b = find_model(j->table->models, asked, &m);
    if (b != NULL) {
        load_here(j, b, m);
    } else {
        pull_or_say_why(j, asked);
    }
}

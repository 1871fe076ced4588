#include "agent.h"

#include "agent_links.h"
#include "agent_log.h"
#include "agent_status.h"

#include <stdio.h>
#include <string.h>

#define TICK_MS 1000u
#define START_WAIT_MS \
    1000u /* for the backends' first answers, so that the hello tells the models */
#define READY_LATE_MS  10000u /* a gateway that is away must not fail the start of the service */
#define DRAIN_CHECK_MS 50u
#define CLOSE_WAIT_MS  1500u
#define STOP_SLACK_MS  5000u
#define ERRORS_MAX     16384u

typedef struct agent {
    agent_config *config;
    const char *path;
    agent_loop *loop;
    agent_http *http;
    agent_models *models;
    agent_jobs *jobs;
    agent_links *links;
    agent_status *status;
    agent_timer *tick, *start, *watchdog, *drain;
    uint64_t begun_ms, stop_ms, close_ms;
    bool once, stopping, closing, said_ready;
    agent_exit result;
} agent;

/* --- loop --- */

static bool on_link(void *user, int fd)
{
    agent *a = user;
    return a->links != NULL && agent_links_on_fd(a->links, fd);
}

static void on_fd(void *user, int fd, unsigned events)
{
    agent *a = user;
    if (!agent_status_on_fd(a->status, fd) && a->http != NULL) {
        agent_http_on_fd(a->http, fd, events);
    }
}

static void on_settle(void *user)
{
    agent *a = user;
    if (a->links != NULL) {
        agent_http_settle(a->http);
        agent_links_settle(a->links);
    }
}

static bool is_settled(void *user)
{
    const agent *a = user;
    return a->links == NULL || agent_links_are_settled(a->links);
}

static void notify_ready(agent *a)
{
    agent_status_tell(a->status, a->stopping, a->said_ready ? "" : "READY=1");
    a->said_ready = true;
}

static void on_tick(void *user)
{
    agent *a = user;
    agent_timer_set(a->tick, TICK_MS);
    agent_http_tick(a->http);
    agent_jobs_tick(a->jobs);
    agent_links_tick(a->links);
    if (a->said_ready || agent_os_now_ms() - a->begun_ms > READY_LATE_MS) {
        notify_ready(a);
    }
}

static void on_watchdog(void *user)
{
    agent *a = user;
    agent_os_notify("WATCHDOG=1");
    agent_timer_set(a->watchdog, agent_os_watchdog_ms());
}

static void on_start(void *user)
{
    agent *a = user;
    agent_links_start(a->links);
}

/* --- links and models --- */

static void on_models(void *user)
{
    agent *a = user;
    if (a->links == NULL) {
        return;
    }
    agent_links_models(a->links);
    if (agent_models_settled(a->models)) {
        agent_links_start(a->links);
    }
}

static void finish_once(agent *a, agent_exit result)
{
    if (a->once && !a->stopping) {
        a->result = result;
        a->stopping = a->closing = true;
        a->close_ms = agent_os_now_ms();
        agent_links_drain(a->links);
        agent_links_close(a->links);
        agent_timer_set(a->drain, 0);
    }
}

static void on_ready(void *user)
{
    agent *a = user;
    notify_ready(a);
    finish_once(a, AGENT_EXIT_OK);
}

static void on_end(void *user, const agent_link_end *end)
{
    agent *a = user;
    if (a->said_ready) {
        notify_ready(a);
    }
    bool refused = end->http == 401 || end->http == 403 || end->close == DGON_CLOSE_UNKNOWN ||
                   end->close == DGON_CLOSE_REVOKED;
    finish_once(a, refused ? AGENT_EXIT_NOPERM : AGENT_EXIT_UNAVAILABLE);
}

/* --- stop --- */

static void on_drain(void *user)
{
    agent *a = user;
    uint64_t now = agent_os_now_ms();
    agent_timer_set(a->drain, DRAIN_CHECK_MS);
    if (!a->closing) {
        if (now - a->stop_ms > (uint64_t)a->config->drain * 1000u &&
            agent_jobs_count(a->jobs) != 0) {
            agent_log(AGENT_LOG_WARN, "%u jobs did not end in %u s and are given up",
                      agent_jobs_count(a->jobs), a->config->drain);
            agent_jobs_fail_all(a->jobs, "The agent is shutting down.");
        }
        if (agent_jobs_count(a->jobs) == 0) {
            a->closing = true;
            a->close_ms = now;
        }
    }
    if (a->closing && (agent_links_count(a->links) == 0 || now - a->close_ms > CLOSE_WAIT_MS)) {
        agent_loop_stop(a->loop);
    }
}

/* The service manager waits for as long as the drain may last, whatever its own limit is. */
static void tell_stopping(agent *a)
{
    char text[64];
    uint64_t ms = (uint64_t)a->config->drain * 1000u + CLOSE_WAIT_MS + STOP_SLACK_MS;
    (void)snprintf(text, sizeof text, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu",
                   (unsigned long long)ms * 1000u);
    agent_status_tell(a->status, true, text);
}

static void stop(agent *a)
{
    if (a->stopping) {
        agent_log(AGENT_LOG_NOTICE, "second signal: leaving at once");
        agent_loop_stop(a->loop);
        return;
    }
    agent_log(AGENT_LOG_NOTICE, "stopping: %u jobs run, at most %u s for them",
              agent_jobs_count(a->jobs), a->config->drain);
    a->stopping = true;
    tell_stopping(a);
    a->stop_ms = agent_os_now_ms();
    agent_jobs_drain(a->jobs);
    agent_links_drain(a->links);
    agent_timer_set(a->drain, 0);
}

/* --- reload --- */

static void log_errors(const dgon_buf *errors)
{
    for (size_t at = 0; at < errors->len;) {
        const char *p = errors->data + at, *end = memchr(p, '\n', errors->len - at);
        size_t n = end != NULL ? (size_t)(end - p) : errors->len - at;
        agent_log(AGENT_LOG_ERROR, "%.*s", (int)n, p);
        at += n + 1;
    }
}

static void open_log(const agent_config *c)
{
    agent_log_set_level((agent_log_level)c->log_level);
    if (agent_os_log_open(c->log_file) != DGON_OK) {
        agent_log(AGENT_LOG_ERROR, "log_file %s cannot be opened, the log goes on where it was",
                  c->log_file);
    }
}

/* Only what may change while links stand: backends, slots, drain, log. */
static void take_config(agent *a, agent_config *next)
{
    if (!agent_config_same_gateway(a->config, next)) {
        agent_log(AGENT_LOG_WARN, "[gateway] and the agent's id change only with a restart");
    }
    a->config->slots = next->slots;
    a->config->drain = next->drain;
    a->config->models_interval = next->models_interval;
    a->config->log_level = next->log_level;
    memcpy(a->config->log_file, next->log_file, sizeof next->log_file);
    open_log(a->config);
    if (agent_models_configure(a->models, next) != DGON_OK) {
        agent_log(AGENT_LOG_ERROR, "out of memory: not every backend is in use");
    }
    agent_links_models(a->links);
    agent_log(AGENT_LOG_NOTICE, "configuration reloaded: %u backends, %u slots",
              next->backend_count, agent_jobs_slots(a->jobs));
}

static void reload(agent *a)
{
    dgon_buf errors;
    agent_config *next = agent_config_create();
    dgon_buf_init(&errors, ERRORS_MAX);
    if (next != NULL && agent_config_load(next, a->path, &errors) == DGON_OK) {
        take_config(a, next);
    } else {
        log_errors(&errors);
        agent_log(AGENT_LOG_ERROR, "the configuration has mistakes: the old one stays");
    }
    dgon_buf_fini(&errors);
    agent_config_destroy(next);
}

static void on_signal(void *user, agent_os_signal signal)
{
    agent *a = user;
    if (signal == AGENT_OS_SIGNAL_STOP) {
        stop(a);
    } else if (!a->stopping) {
        agent_os_notify("RELOADING=1");
        reload(a);
        agent_status_tell(a->status, false, "READY=1");
    }
}

/* --- life --- */

static bool make_parts(agent *a)
{
    static const agent_loop_handlers handlers = {on_fd, on_link, on_signal, on_settle, is_settled};
    a->loop = agent_loop_create(&handlers, a);
    a->http = a->loop != NULL ? agent_http_create(a->loop) : NULL;
    a->models = a->http != NULL ? agent_models_create(a->loop, a->http, on_models, a) : NULL;
    a->jobs = a->models != NULL
                  ? agent_jobs_create(a->loop, a->http, a->models, a->config->body_max)
                  : NULL;
    if (a->jobs == NULL) {
        return false;
    }
    agent_links_spec spec = {.loop = a->loop,
                             .config = a->config,
                             .models = a->models,
                             .jobs = a->jobs,
                             .on_ready = on_ready,
                             .on_end = on_end,
                             .user = a};
    a->links = agent_links_create(&spec);
    if (a->links == NULL) {
        return false;
    }
    agent_status_spec look = {.loop = a->loop,
                              .config = a->config,
                              .links = a->links,
                              .models = a->models,
                              .jobs = a->jobs,
                              .listen = !a->once};
    a->status = agent_status_create(&look);
    a->tick = agent_timer_create(a->loop, on_tick, a);
    a->start = agent_timer_create(a->loop, on_start, a);
    a->drain = agent_timer_create(a->loop, on_drain, a);
    a->watchdog = agent_timer_create(a->loop, on_watchdog, a);
    return a->status != NULL && a->tick != NULL && a->start != NULL && a->drain != NULL &&
           a->watchdog != NULL;
}

/* Backwards: what uses goes before what is used. */
static void free_parts(agent *a)
{
    agent_links *links = a->links;
    a->links = NULL;
    agent_status_destroy(a->status);
    a->status = NULL;
    agent_timer_destroy(a->tick);
    agent_timer_destroy(a->start);
    agent_timer_destroy(a->drain);
    agent_timer_destroy(a->watchdog);
    agent_jobs_destroy(a->jobs);
    agent_links_shut(links);
    agent_models_destroy(a->models);
    agent_http_destroy(a->http);
    a->http = NULL;
    agent_loop_destroy(a->loop);
    agent_links_destroy(links);
}

static void run(agent *a)
{
    a->begun_ms = agent_os_now_ms();
    agent_timer_set(a->tick, TICK_MS);
    agent_timer_set(a->start, START_WAIT_MS);
    if (agent_os_watchdog_ms() != 0) {
        agent_timer_set(a->watchdog, 0);
    }
    agent_loop_run(a->loop);
}

agent_exit agent_run(agent_config *config, const char *path, bool once)
{
    agent a = {.config = config, .path = path, .once = once, .result = AGENT_EXIT_OK};
    open_log(config);
    if (config->pid_file[0] != '\0') {
        dgon_status s = agent_os_pid_file(config->pid_file);
        if (s != DGON_OK) {
            agent_log(AGENT_LOG_ERROR, "pid_file %s: %s", config->pid_file,
                      s == DGON_EEXIST ? "another agent runs with it" : "it cannot be written");
            agent_config_destroy(config);
            return s == DGON_EEXIST ? AGENT_EXIT_TEMPFAIL : AGENT_EXIT_CONFIG;
        }
    }
    if (!make_parts(&a)) {
        agent_log(AGENT_LOG_ERROR,
                  "the agent cannot start: out of memory or descriptors, or unusable TLS files");
        a.result = AGENT_EXIT_SOFTWARE;
    } else if (agent_models_configure(a.models, config) != DGON_OK) {
        a.result = AGENT_EXIT_SOFTWARE;
    } else {
        agent_log(AGENT_LOG_NOTICE, "agent %s starts: gateway %s, %u backends", config->id,
                  config->url, config->backend_count);
        run(&a);
    }
    free_parts(&a);
    agent_os_pid_file_remove(config->pid_file);
    agent_log(AGENT_LOG_NOTICE, "agent %s stopped", config->id);
    agent_config_destroy(config);
    return a.result;
}

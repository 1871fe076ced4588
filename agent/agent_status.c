#include "agent_status.h"

#include "agent_log.h"

#include "dgon/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAMES_IN_LINE 4u

struct agent_status {
    agent_status_spec spec;
    char path[AGENT_CONFIG_PATH_MAX];
    char said[AGENT_STATUS_LINE_MAX];
    uint64_t begun_ms;
    int fd; /* -1: nobody can ask */
    bool stopping;
};

/* --- the line --- */

static void add(char *out, const char *fmt, ...) DGON_PRINTF(2, 3);
static void add(char *out, const char *fmt, ...)
{
    size_t n = strlen(out);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(out + n, AGENT_STATUS_LINE_MAX - n, fmt, ap);
    va_end(ap);
}

static void add_models(const agent_status *s, char *out)
{
    dgon_ctl_model *list = NULL;
    uint32_t n = 0;
    if (agent_models_list(s->spec.models, &list, &n) != DGON_OK) {
        return;
    }
    for (uint32_t i = 0; i < n && i < NAMES_IN_LINE; i++) {
        add(out, "%s%s", i == 0 ? ", models: " : ", ", list[i].name);
    }
    if (n > NAMES_IN_LINE) {
        add(out, " and %u more", n - NAMES_IN_LINE);
    }
    dgon_free(list);
    if (n == 0) {
        const agent_backend *b = agent_models_at(s->spec.models, 0);
        add(out, ", no model: %s%s", b != NULL && !b->up ? "no answer from backend " : "none there",
            b != NULL && !b->up ? b->config.name : "");
    }
}

static void write_line(const agent_status *s, char *out)
{
    agent_links_view v;
    uint32_t jobs = agent_jobs_count(s->spec.jobs);
    agent_links_look(s->spec.links, &v);
    out[0] = '\0';
    if (s->stopping) {
        add(out, "stopping, %u job%s still running", jobs, jobs == 1 ? "" : "s");
    } else if (v.ready == 0) {
        add(out, "no link to the gateway%s%s", v.reason[0] != '\0' ? ": " : " yet", v.reason);
    } else {
        add(out, "%u link%s, %u of %u slots busy", v.ready, v.ready == 1 ? "" : "s", jobs,
            agent_jobs_slots(s->spec.jobs));
        add_models(s, out);
    }
    /* Reasons and names come from outside: a line break would be one more message to systemd. */
    for (char *p = out; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
}

void agent_status_tell(agent_status *s, bool stopping, const char *more)
{
    char line[AGENT_STATUS_LINE_MAX], text[AGENT_STATUS_LINE_MAX + 64];
    s->stopping = stopping;
    if (agent_os_getenv("NOTIFY_SOCKET") == NULL) {
        return;
    }
    write_line(s, line);
    if (more[0] == '\0' && strcmp(line, s->said) == 0) {
        return;
    }
    memcpy(s->said, line, sizeof line);
    (void)snprintf(text, sizeof text, "%s%sSTATUS=%s", more, more[0] != '\0' ? "\n" : "", line);
    agent_os_notify(text);
}

/* --- the object --- */

static bool json_name(dgon_buf *b, const char *before, const char *text)
{
    return dgon_buf_adds(b, before) == DGON_OK &&
           dgon_buf_add_json_string(b, text, strlen(text)) == DGON_OK;
}

static bool json_backends(const agent_status *s, dgon_buf *b)
{
    const agent_backend *e;
    bool ok = dgon_buf_adds(b, ",\"backends\":[") == DGON_OK;
    for (unsigned i = 0; ok && (e = agent_models_at(s->spec.models, i)) != NULL; i++) {
        ok = json_name(b, i == 0 ? "{\"name\":" : ",{\"name\":", e->config.name) &&
             dgon_buf_addf(b, ",\"kind\":\"%s\",\"up\":%s,\"running\":%u,\"models\":%u}",
                           agent_kind_str(e->ops != NULL ? e->ops->kind : e->config.kind),
                           e->up ? "true" : "false", e->running, e->model_count) == DGON_OK;
    }
    return ok && dgon_buf_adds(b, "]") == DGON_OK;
}

static bool json_models(const agent_status *s, dgon_buf *b)
{
    dgon_ctl_model *list = NULL;
    uint32_t n = 0;
    if (agent_models_list(s->spec.models, &list, &n) != DGON_OK) {
        return false;
    }
    bool ok = dgon_buf_addf(b, ",\"models_total\":%u,\"models\":[", n) == DGON_OK;
    for (uint32_t i = 0; ok && i < n && i < AGENT_STATUS_MODELS_MAX; i++) {
        ok = json_name(b, i == 0 ? "" : ",", list[i].name);
    }
    dgon_free(list);
    return ok && dgon_buf_adds(b, "]") == DGON_OK;
}

static bool write_object(const agent_status *s, dgon_buf *b)
{
    agent_links_view v;
    char line[AGENT_STATUS_LINE_MAX];
    uint64_t now = agent_os_now_ms();
    agent_links_look(s->spec.links, &v);
    write_line(s, line);
    return dgon_buf_addf(b, "{\"state\":\"%s\",\"version\":\"%s\",\"pid\":%u,\"up_s\":%llu",
                         s->stopping    ? "stopping"
                         : v.ready != 0 ? "linked"
                                        : "no link",
                         AGENT_VERSION, agent_os_pid(),
                         (unsigned long long)((now - s->begun_ms) / 1000u)) == DGON_OK &&
           json_name(b, ",\"id\":", s->spec.config->id) && json_name(b, ",\"status\":", line) &&
           json_name(b, ",\"gateway\":", s->spec.config->url) &&
           json_name(b, ",\"last_reason\":", v.reason) &&
           dgon_buf_addf(b,
                         ",\"links\":{\"ready\":%u,\"dialing\":%u,\"leaving\":%u,\"ready_s\":%llu}"
                         ",\"slots\":%u,\"busy\":%u",
                         v.ready, v.dialing, v.leaving,
                         (unsigned long long)(v.ready != 0 ? v.ready_ms / 1000u : 0),
                         agent_jobs_slots(s->spec.jobs),
                         agent_jobs_count(s->spec.jobs)) == DGON_OK &&
           json_backends(s, b) && json_models(s, b) && dgon_buf_adds(b, "}\n") == DGON_OK;
}

bool agent_status_on_fd(agent_status *s, int fd)
{
    if (s == NULL || s->fd < 0 || fd != s->fd) {
        return false;
    }
    dgon_buf b;
    dgon_buf_init(&b, AGENT_STATUS_MAX);
    bool ok = write_object(s, &b);
    /* Who gets nothing says that the agent does not answer. */
    agent_os_status_answer(fd, b.data, ok ? b.len : 0);
    dgon_buf_fini(&b);
    return true;
}

/* --- life --- */

agent_status *agent_status_create(const agent_status_spec *spec)
{
    agent_status *s = dgon_calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->spec = *spec;
    s->fd = -1;
    s->begun_ms = agent_os_now_ms();
    const char *folder = agent_os_getenv("RUNTIME_DIRECTORY");
    if (!spec->listen) {
        return s;
    }
    if (spec->config->status_socket[0] != '\0') {
        (void)snprintf(s->path, sizeof s->path, "%s", spec->config->status_socket);
    } else if (folder != NULL && folder[0] != '\0') {
        /* systemd separates several with colons; ours is the first */
        (void)snprintf(s->path, sizeof s->path, "%.*s/status.sock", (int)strcspn(folder, ":"),
                       folder);
    } else {
        return s;
    }
    s->fd = agent_os_status_listen(s->path);
    if (s->fd < 0) {
        agent_log(AGENT_LOG_WARN,
                  "status socket %s cannot be made (does another agent run with it? is its folder "
                  "writable?): --status will not work",
                  s->path);
    } else {
        agent_loop_watch(spec->loop, s->fd, AGENT_LOOP_IN, false);
    }
    return s;
}

void agent_status_destroy(agent_status *s)
{
    if (s != NULL) {
        agent_os_status_close(s->fd, s->path);
        dgon_free(s);
    }
}

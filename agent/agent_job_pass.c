/* A job whose request is passed on as it is: any method and path, a body that is sent while it
 * still comes, and an answer whose status, headers and bytes go back as they are. */
#include "agent_job.h"

#include "agent_log.h"

#include "dgon/alloc.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A body up to here is collected first: then it can be sent again where a kept connection died. */
#define HOLD_MAX 65536

typedef struct agent_pass {
    dgon_pass_head *head;   /* of the request */
    dgon_pass_head *answer; /* of the answer, while it comes */
    dgon_buf body;          /* what came and was not sent yet */
    size_t sent;            /* of it */
    uint64_t at;            /* bytes of the client's body that came */
    uint64_t granted;       /* of these, how many were given back as credit */
    bool rename;            /* another name of the model is put into the body */
    bool builtin;           /* a path of the table in pass.h */
    bool hold, ended, waiting;
    int refused; /* status that says something about us, not about the request */
} agent_pass;

static void cut_query(const dgon_pass_head *h, char path[DGON_PASS_PATH_MAX + 1])
{
    size_t n = strcspn(h->path, "?");
    memcpy(path, h->path, n);
    path[n] = '\0';
}

static bool may(const agent_backend *b, const char *method, const char *path)
{
    return b->ops->kind != AGENT_KIND_ECHO &&
           ((dgon_pass_is_builtin(path) && strcmp(method, "POST") == 0) ||
            (b->config.allow[0] != '\0' && dgon_pass_allows(b->config.allow, method, path)));
}

bool agent_job_pass_allowed(agent_models *m, const dgon_ctl *c, agent_backend **b, dgon_error *e)
{
    const agent_model *model = NULL;
    char path[DGON_PASS_PATH_MAX + 1];
    cut_query(c->http, path);
    *b = c->model[0] != '\0' ? agent_models_find(m, c->model, &model)
                             : agent_models_opened(m, c->http->method, path);
    if (*b == NULL && c->model[0] != '\0') {
        dgon_error_set(e, 404, "model_not_found", "model", "The model is not served here.");
    } else if (*b == NULL || !may(*b, c->http->method, path)) {
        dgon_error_set(e, 403, "not_opened", NULL,
                       "The agent's owner has not opened this address (allow).");
    } else {
        return true;
    }
    e->retryable = true;
    return false;
}

void agent_job_pass_free(agent_pass *p)
{
    if (p != NULL) {
        dgon_buf_fini(&p->body);
        dgon_free(p->head);
        dgon_free(p->answer);
    }
    dgon_free(p);
}

/* --- the request --- */

static dgon_status add_until(agent_pass *p, const char *data, size_t n, uint64_t end)
{
    size_t some = p->at < end ? (size_t)(end - p->at < n ? end - p->at : n) : 0;
    p->at += some;
    return dgon_buf_add(&p->body, data, some);
}

/* Takes a piece of the body, the model's name in it replaced. */
static dgon_status add(agent_job *j, const char *data, size_t n)
{
    agent_pass *p = j->pass;
    dgon_status s = DGON_OK;
    if (p->rename) {
        uint64_t begin = (uint64_t)p->head->model_at, end = begin + p->head->model_len, was = p->at;
        s = add_until(p, data, n, begin);
        data += p->at - was;
        n -= (size_t)(p->at - was);
        if (s == DGON_OK && n > 0 && p->at == begin && was <= begin) {
            s = dgon_buf_adds(&p->body, j->model);
            p->rename = s != DGON_OK || p->head->model_len > 0;
        }
        if (s == DGON_OK && p->at >= begin && p->at < end) {
            size_t skip = end - p->at < n ? (size_t)(end - p->at) : n;
            p->at += skip;
            data += skip;
            n -= skip;
        }
        p->rename = p->rename && p->at < end;
    }
    p->at += n;
    return s == DGON_OK ? dgon_buf_add(&p->body, data, n) : s;
}

/* What was sent, or needs no room here, may be followed by more. */
static void give_credit(agent_job *j)
{
    agent_pass *p = j->pass;
    uint64_t here = p->body.len - p->sent, gone = p->at > here ? p->at - here : 0;
    if (p->ended || gone < p->granted + DGON_WIRE_BODY_WINDOW / 4) {
        return;
    }
    unsigned char payload[4];
    dgon_put_u32(payload, (uint32_t)(gone - p->granted));
    p->granted = gone;
    agent_job_send(j, DGON_REC_CREDIT, payload, sizeof payload);
}

static size_t on_upload(void *user, char *to, size_t size)
{
    agent_job *j = user;
    agent_pass *p = j->pass;
    size_t n = p->body.len - p->sent;
    if (n == 0) {
        p->waiting = !p->ended;
        return p->ended ? 0 : AGENT_HTTP_UPLOAD_WAIT;
    }
    n = n < size ? n : size;
    memcpy(to, p->body.data + p->sent, n);
    p->sent += n;
    if (p->sent == p->body.len) {
        dgon_buf_reset(&p->body);
        p->sent = 0;
    } else if (p->sent > p->body.len / 2) {
        dgon_buf_consume(&p->body, p->sent);
        p->sent = 0;
    }
    j->last_ms = agent_os_now_ms();
    give_credit(j);
    return n;
}

/* --- the answer --- */

static void on_header(void *user, const char *name, size_t name_len, const char *value,
                      size_t value_len)
{
    agent_job *j = user;
    dgon_pass_head *h = j->pass->answer;
    if (name == NULL) {
        dgon_pass_head_init(h);
        return;
    }
    char digits[20];
    if (name_len == 14 && strncasecmp(name, "Content-Length", 14) == 0 &&
        value_len < sizeof digits) {
        long long length = -1;
        memcpy(digits, value, value_len);
        digits[value_len] = '\0';
        h->length = sscanf(digits, "%lld", &length) == 1 && length >= 0 ? length : -1;
    } else if (dgon_pass_answer_header(name, name_len)) {
        (void)dgon_pass_head_add(h, name, name_len, value, value_len);
    }
}

/* Our key, our login, our address: nothing that the client could do anything about. */
static bool is_ours(int status)
{
    return status == 401 || status == 403 || status == 407 ||
           (status >= 300 && status < 400 && status != 304);
}

static void on_head(void *user, int status)
{
    agent_job *j = user;
    agent_pass *p = j->pass;
    dgon_buf text;
    bool lacks = (status == 404 || status == 405 || status == 501) && j->pass->builtin;
    if (is_ours(status) || lacks) {
        p->refused = status;
        return;
    }
    p->answer->status = status;
    dgon_buf_init(&text, DGON_PASS_HEAD_MAX);
    dgon_status s;
    while ((s = dgon_pass_head_write(&text, p->answer)) == DGON_ETOOBIG || text.len > j->piece) {
        dgon_buf_reset(&text); /* too much is said about it: the first headers have to do */
        p->answer->headers--;
    }
    if (s == DGON_OK) {
        s = agent_job_put_head(j, text.data, text.len);
    }
    dgon_buf_fini(&text);
    p->refused = s == DGON_OK ? 0 : 500;
}

static agent_http_take on_body(void *user, int status, const char *data, size_t n)
{
    agent_job *j = user;
    (void)status;
    j->last_ms = agent_os_now_ms();
    if (j->pass->refused != 0) {
        return AGENT_HTTP_TAKEN;
    }
    if (j->pending.len != 0 || agent_link_is_choked(j->link)) {
        j->paused = true;
        return AGENT_HTTP_PAUSE;
    }
    return agent_job_put_raw(j, data, n) == DGON_OK ? AGENT_HTTP_TAKEN : AGENT_HTTP_STOP;
}

static bool is_safe(const agent_job *j)
{
    const char *method = j->pass->head->method;
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || j->pass->builtin;
}

static void fail(agent_job *j, int http, const char *code, const char *text, bool retryable)
{
    dgon_error e;
    dgon_error_set(&e, http, code, NULL, "%s", text);
    e.retryable = retryable;
    e.lasting = j->pass != NULL && is_ours(j->pass->refused);
    agent_job_fail(j, &e);
}

static void fail_refused(agent_job *j)
{
    int status = j->pass->refused;
    if (!is_ours(status) && status != 500) {
        fail(j, 400, "unsupported_operation", "The model's backend does not have this address.",
             true);
        return;
    }
    agent_log(AGENT_LOG_WARN, "job %s: backend %s answered with status %d: %s", j->id,
              j->backend->config.name, status,
              status == 401 || status == 403 ? "its key (key_file) is missing or wrong"
                                             : "that is no answer to be passed on");
    fail(j, 502, "upstream_error", "The model server did not accept the agent's request.", true);
}

static void on_done(void *user, const agent_http_result *r)
{
    agent_job *j = user;
    j->request = NULL;
    if (!r->complete) {
        agent_log(AGENT_LOG_INFO, "job %s: backend %s failed: %s", j->id, j->backend->config.name,
                  r->reason);
        agent_models_suspect(j->backend);
        fail(j, 502, "upstream_error",
             r->connected ? "The model server broke off its answer."
                          : "The model server cannot be reached.",
             !r->connected || is_safe(j));
    } else if (j->pass->refused != 0) {
        fail_refused(j);
    } else if (dgon_buf_adds(&j->final_payload, "{\"usage\":null,\"finish\":\"stop\"}") !=
               DGON_OK) {
        fail(j, 500, NULL, "The agent is out of memory.", false);
    } else {
        agent_job_finish(j);
    }
}

/* --- from one to the other --- */

static bool has_body(const dgon_pass_head *h)
{
    return h->length != 0 || strcmp(h->method, "POST") == 0 || strcmp(h->method, "PUT") == 0 ||
           strcmp(h->method, "PATCH") == 0;
}

static dgon_status start(agent_job *j)
{
    static const agent_http_ops ops = {on_body, on_done, on_header, on_head, on_upload};
    agent_pass *p = j->pass;
    const agent_config_backend *c = &j->backend->config;
    const char *lines[DGON_PASS_HEADERS_MAX + 1] = {NULL};
    char url[AGENT_CONFIG_PATH_MAX + DGON_PASS_PATH_MAX + 1];
    dgon_buf text;
    size_t at[DGON_PASS_HEADERS_MAX];
    dgon_status s = DGON_OK;
    dgon_buf_init(&text, 2 * DGON_PASS_TEXT_MAX);
    for (unsigned i = 0; s == DGON_OK && i < p->head->headers; i++) {
        at[i] = text.len;
        s = dgon_buf_addf(&text, "%s: %s", p->head->header[i].name, p->head->header[i].value);
        if (s == DGON_OK)
            s = dgon_buf_add(&text, "", 1);
    }
    for (unsigned i = 0; s == DGON_OK && i < p->head->headers; i++) {
        lines[i] = text.data + at[i];
    }
    (void)snprintf(url, sizeof url, "%s%s", c->url, p->head->path);
    bool body = has_body(p->head);
    agent_http_spec spec = {.url = url,
                            .secret = c->secret,
                            .ca_file = c->ca_file,
                            .traceparent = j->traceparent,
                            .connect_timeout_s = c->connect_timeout,
                            .method = p->head->method,
                            .headers = lines,
                            .body = body && p->hold ? &p->body : NULL,
                            .upload = body && !p->hold,
                            .upload_length = p->head->length};
    if (s == DGON_OK) {
        j->state = AGENT_JOB_WAITING;
        j->request = agent_http_start(j->table->http, &spec, &ops, j);
        s = j->request != NULL ? DGON_OK : DGON_ENOMEM;
    }
    dgon_buf_fini(&text);
    return s;
}

/* May free the job. */
static void start_or_fail(agent_job *j)
{
    if (start(j) != DGON_OK) {
        fail(j, 500, NULL, "The agent cannot ask the model server.", true);
    }
}

void agent_job_pass_begin(agent_job *j, dgon_ctl *c)
{
    static const unsigned char accepted[2] = {0, 102};
    char path[DGON_PASS_PATH_MAX + 1];
    agent_pass *p = dgon_calloc(1, sizeof *p);
    dgon_pass_head *answer = dgon_malloc(sizeof *answer);
    j->path = "";
    if (p == NULL || answer == NULL) {
        dgon_free(p);
        dgon_free(answer);
        fail(j, 503, "no_capacity", "The agent is out of memory.", true);
        return;
    }
    j->pass = p;
    p->answer = answer;
    dgon_pass_head_init(p->answer);
    p->head = c->http;
    c->http = NULL;
    cut_query(p->head, path);
    p->builtin = dgon_pass_is_builtin(path);
    /* a window not yet sent, and behind what is sent of it as much again */
    dgon_buf_init(&p->body, 2 * DGON_WIRE_BODY_WINDOW + DGON_WIRE_NAME_MAX);
    p->hold = p->head->length >= 0 && p->head->length <= HOLD_MAX;
    p->rename = p->head->model_at >= 0 && strcmp(j->model, j->public_model) != 0;
    if (p->rename && p->head->length >= 0) {
        p->head->length += (int64_t)strlen(j->model) - (int64_t)p->head->model_len;
    }
    agent_job_send(j, DGON_REC_STATUS, accepted, sizeof accepted);
    if (!p->hold) {
        start_or_fail(j);
    }
}

dgon_status agent_job_pass_body(agent_job *j, const dgon_record *r)
{
    agent_pass *p = j->pass;
    if (p->ended || p->at + r->len - p->granted > DGON_WIRE_BODY_WINDOW) {
        return DGON_EPROTO;
    }
    if (add(j, (const char *)r->payload, r->len) != DGON_OK) {
        agent_job_drop_request(j, false);
        fail(j, 503, "no_capacity", "The agent is out of memory.", true);
        return DGON_OK;
    }
    p->ended = r->len == 0;
    if (p->hold && p->ended) {
        start_or_fail(j);
    } else if (p->waiting && j->request != NULL) {
        p->waiting = false;
        agent_http_resume(j->request);
    } else if (j->state == AGENT_JOB_FINISHING) {
        dgon_buf_reset(&p->body); /* the answer is complete: nobody wants the rest */
        p->sent = 0;
        give_credit(j);
    }
    return DGON_OK;
}

#include "agent_http_head.h"
#include "agent_http_int.h"

#include "agent_os.h"

#include "dgon/alloc.h"

#include <string.h>

#define RELEASED_MS 1000u

static void on_made(void *user, const char *why);
static void on_ready(void *user, unsigned events);

agent_http *agent_http_create(agent_loop *loop)
{
    static const agent_http_conn_ops ops = {on_made, on_ready};
    agent_http *h = dgon_calloc(1, sizeof *h);
    if (h == NULL) {
        return NULL;
    }
    h->conns = agent_http_conns_create(loop, &ops);
    if (h->conns == NULL) {
        dgon_free(h);
        return NULL;
    }
    h->over_end = &h->over;
    return h;
}

void agent_http_on_fd(agent_http *h, int fd, unsigned events)
{
    agent_http_conns_on_fd(h->conns, fd, events);
}

/* --- the end of a request --- */

void agent_http_drop_conn(agent_request *r, bool reset)
{
    if (r->conn != NULL) {
        agent_http_conn_close(r->conn, reset);
        r->conn = NULL;
    }
}

void agent_http_drop_head(agent_request *r)
{
    if (r->head.data != NULL) {
        agent_os_wipe(r->head.data, r->head.len);
    }
    dgon_buf_fini(&r->head);
}

static void request_free(agent_request *r, bool reset)
{
    agent_http *h = r->http;
    agent_http_drop_conn(r, reset);
    for (agent_request **at = &h->over; r->over && *at != NULL; at = &(*at)->next_over) {
        if (*at == r) {
            *at = r->next_over;
            if (r->next_over == NULL) {
                h->over_end = at;
            }
            break;
        }
    }
    agent_http_drop_head(r);
    dgon_buf_fini(&r->body);
    dgon_buf_fini(&r->held);
    dgon_answer_fini(&r->answer);
    if (r->prev != NULL) {
        r->prev->next = r->next;
    } else {
        h->list = r->next;
    }
    if (r->next != NULL) {
        r->next->prev = r->prev;
    }
    dgon_free(r->origin);
    dgon_free(r);
}

void agent_http_destroy(agent_http *h)
{
    if (h == NULL) {
        return;
    }
    while (h->list != NULL) {
        request_free(h->list, false);
    }
    agent_http_conns_destroy(h->conns);
    dgon_free(h);
}

void agent_http_finish(agent_request *r, const char *reason)
{
    r->complete = reason == NULL;
    r->reason = reason != NULL ? reason : "";
    r->over = true;
    r->paused = r->waiting = false;
    r->next_over = NULL;
    *r->http->over_end = r;
    r->http->over_end = &r->next_over;
    if (reason != NULL) {
        agent_http_drop_conn(r, false);
    }
}

/* --- its connection --- */

static void begin_anew(agent_request *r)
{
    r->sent = 0;
    r->connected = r->unsendable = false;
    r->begun_ms = agent_os_now_ms();
    dgon_answer_fini(&r->answer);
    dgon_answer_init(&r->answer, r->answer.bodied);
}

static bool make_conn(agent_request *r)
{
    r->reused = false;
    r->conn = agent_http_conn_make(r->http->conns, r->origin, r->origin + strlen(r->origin) + 1,
                                   r->connect_timeout_s, r);
    if (r->conn != NULL && agent_http_conn_is_made(r->conn)) {
        r->connected = true;
        if (r->upload) { /* who began it may not expect to be asked for its bytes yet */
            agent_http_conn_watch(r->conn, AGENT_LOOP_IN | AGENT_LOOP_OUT);
        } else {
            agent_http_send(r);
        }
    }
    return r->conn != NULL;
}

/* A connection that was kept may have died meanwhile, or die of this request. Once, on one that
 * nobody had before; not where part of the request cannot be had again. */
bool agent_http_try_anew(agent_request *r)
{
    bool nothing = !r->began && r->answer.line.len == 0;
    if (!nothing || !r->reused || r->fresh || r->upload || r->ops == NULL) {
        return false;
    }
    r->fresh = true;
    agent_http_drop_conn(r, false);
    begin_anew(r);
    return make_conn(r);
}

static void on_made(void *user, const char *why)
{
    agent_request *r = user;
    if (why != NULL) {
        agent_http_finish(r, why);
        return;
    }
    r->connected = true;
    agent_http_send(r);
}

static void on_ready(void *user, unsigned events)
{
    agent_http_ready(user, events);
}

/* --- beginning one --- */

static bool prepare(agent_request *r, const agent_http_spec *spec)
{
    char origin[AGENT_HTTP_ORIGIN_MAX];
    const char *ca_file = spec->ca_file != NULL ? spec->ca_file : "";
    if (!agent_http_head_origin(origin, spec->url) ||
        agent_http_head_write(&r->head, spec) != DGON_OK) {
        return false;
    }
    size_t a = strlen(origin) + 1, b = strlen(ca_file) + 1;
    r->origin = dgon_malloc(a + b);
    if (r->origin == NULL) {
        return false;
    }
    memcpy(r->origin, origin, a);
    memcpy(r->origin + a, ca_file, b);
    return true;
}

static bool connect_it(agent_request *r)
{
    /* what was sent to a dead connection of an upload cannot be sent again */
    if (!r->upload) {
        r->conn =
            agent_http_conn_take(r->http->conns, r->origin, r->origin + strlen(r->origin) + 1, r);
    }
    if (r->conn == NULL) {
        return make_conn(r);
    }
    r->reused = r->connected = true;
    agent_http_send(r);
    return true;
}

agent_request *agent_http_start(agent_http *h, const agent_http_spec *spec,
                                const agent_http_ops *ops, void *user)
{
    agent_request *r = dgon_calloc(1, sizeof *r);
    if (r == NULL) {
        if (spec->body != NULL) {
            dgon_buf_fini(spec->body);
        }
        return NULL;
    }
    r->http = h;
    r->ops = ops;
    r->user = user;
    r->upload = spec->upload;
    r->chunked = spec->upload && spec->upload_length < 0;
    r->uploaded = spec->upload && spec->upload_length == 0;
    r->upload_left = spec->upload_length;
    r->connect_timeout_s = spec->connect_timeout_s;
    r->total_timeout_s = spec->total_timeout_s;
    r->begun_ms = agent_os_now_ms();
    r->next = h->list;
    if (r->next != NULL) {
        r->next->prev = r;
    }
    h->list = r;
    dgon_buf_init(&r->head, AGENT_HTTP_HEAD_MAX + AGENT_HTTP_PIECE_MAX + AGENT_HTTP_CHUNK_LINE);
    dgon_answer_init(&r->answer, spec->method == NULL || strcmp(spec->method, "HEAD") != 0);
    bool ready = prepare(r, spec);
    if (spec->body != NULL) {
        r->body = *spec->body;
        dgon_buf_init(spec->body, spec->body->max);
    }
    if (!ready || !connect_it(r)) {
        request_free(r, false);
        return NULL;
    }
    return r;
}

void agent_http_cancel(agent_request *r)
{
    request_free(r, true);
}

void agent_http_release(agent_request *r)
{
    r->ops = NULL;
    r->user = NULL;
    r->released_ms = agent_os_now_ms();
}

/* --- reports --- */

static void report(agent_request *r)
{
    const agent_http_ops *ops = r->ops;
    void *user = r->user;
    agent_http_result result = {.complete = r->complete,
                                .connected = r->connected,
                                .got = r->got,
                                .status = r->began ? r->answer.status : 0,
                                .reason = r->reason};
    request_free(r, false);
    if (ops != NULL) {
        ops->on_done(user, &result);
    }
}

void agent_http_settle(agent_http *h)
{
    while (h->over != NULL) {
        report(h->over);
    }
}

void agent_http_tick(agent_http *h)
{
    uint64_t now = agent_os_now_ms();
    for (agent_request *r = h->list, *next; r != NULL; r = next) {
        next = r->next;
        uint64_t limit =
            (uint64_t)(r->connected ? r->total_timeout_s : r->connect_timeout_s) * 1000;
        if (r->ops == NULL && now - r->released_ms > RELEASED_MS) {
            request_free(r, false);
        } else if (!r->over && limit > 0 && now - r->begun_ms > limit) {
            agent_http_finish(r, "it took too long");
        }
    }
    agent_http_settle(h);
    agent_http_conns_tick(h->conns);
}

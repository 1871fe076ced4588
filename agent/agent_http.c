#include "agent_http_conn.h"
#include "agent_http_head.h"

#include "agent_os.h"

#include "dgon/alloc.h"
#include "dgon/answer.h"

#include <string.h>

#define RELEASED_MS 1000u
#define READ_MAX    16384u /* at once; of what a paused request has left, at most */
#define PIECE_MAX   16384u /* of an upload, at once */
#define PIECES_TURN 16u    /* of them in a turn of the loop; then others have theirs */
#define CHUNK_LINE  24u    /* more than a chunk's size and its line ends take */

struct agent_http {
    agent_http_conns *conns;
    agent_request *list;
    agent_request *over, **over_end; /* to be reported, in order */
    char in[READ_MAX];
    char piece[PIECE_MAX];
};

struct agent_request {
    agent_request *prev, *next, *next_over;
    agent_http *http;
    agent_http_conn *conn;
    const agent_http_ops *ops; /* NULL once released */
    void *user;
    dgon_buf head; /* what goes out before the body; of an upload, its pieces as well */
    dgon_buf body;
    size_t sent;         /* of both */
    int64_t upload_left; /* negative: nobody knows */
    dgon_answer answer;
    dgon_buf held; /* while it is paused: what was read and not taken */
    size_t held_body;
    uint64_t begun_ms, released_ms;
    uint32_t connect_timeout_s, total_timeout_s;
    char *origin; /* and behind its NUL the CA file */
    const char *reason;
    bool connected, reused, fresh, began, got, paused, over, complete;
    bool upload, chunked, uploaded, waiting, unsendable;
};

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

static void drop_conn(agent_request *r, bool reset)
{
    if (r->conn != NULL) {
        agent_http_conn_close(r->conn, reset);
        r->conn = NULL;
    }
}

/* It holds the backend's key. */
static void drop_head(agent_request *r)
{
    if (r->head.data != NULL) {
        agent_os_wipe(r->head.data, r->head.len);
    }
    dgon_buf_fini(&r->head);
}

static void request_free(agent_request *r, bool reset)
{
    agent_http *h = r->http;
    drop_conn(r, reset);
    for (agent_request **at = &h->over; r->over && *at != NULL; at = &(*at)->next_over) {
        if (*at == r) {
            *at = r->next_over;
            if (r->next_over == NULL) {
                h->over_end = at;
            }
            break;
        }
    }
    drop_head(r);
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

/* on_done is called from the end of the turn: who has called us may not expect it now. */
static void finish(agent_request *r, const char *reason)
{
    r->complete = reason == NULL;
    r->reason = reason != NULL ? reason : "";
    r->over = true;
    r->paused = r->waiting = false;
    r->next_over = NULL;
    *r->http->over_end = r;
    r->http->over_end = &r->next_over;
    if (reason != NULL) {
        drop_conn(r, false);
    }
}

/* The answer is complete; `rest` bytes came behind it. */
static void complete(agent_request *r, size_t rest)
{
    bool sent = r->sent == r->head.len + r->body.len && (!r->upload || r->uploaded);
    if (r->conn != NULL && sent && rest == 0 && r->answer.keep) {
        agent_http_conn_keep(r->conn);
        r->conn = NULL;
    }
    drop_conn(r, false);
    finish(r, NULL);
}

/* --- what goes out --- */

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
    return r->conn != NULL;
}

/* False: the rest must wait, or cannot be sent. */
static bool send_text(agent_request *r)
{
    while (!r->unsendable && r->sent < r->head.len + r->body.len) {
        struct iovec v[2];
        int n = 0;
        size_t of_body = r->sent > r->head.len ? r->sent - r->head.len : 0;
        if (r->sent < r->head.len) {
            v[n].iov_base = r->head.data + r->sent;
            v[n++].iov_len = r->head.len - r->sent;
        }
        if (of_body < r->body.len) {
            v[n].iov_base = r->body.data + of_body;
            v[n++].iov_len = r->body.len - of_body;
        }
        ssize_t sent = agent_http_conn_write(r->conn, v, n);
        if (sent < 0) {
            /* an answer may have come all the same: what is read tells */
            r->unsendable = sent == AGENT_HTTP_LOST;
            return false;
        }
        r->sent += (size_t)sent;
    }
    return !r->unsendable;
}

/* The next piece of an upload in place of what was sent. False: none now. */
static bool next_piece(agent_request *r)
{
    char *piece = r->http->piece;
    size_t n = r->ops != NULL ? r->ops->on_upload(r->user, piece, PIECE_MAX) : 0;
    r->waiting = n == AGENT_HTTP_UPLOAD_WAIT;
    if (r->waiting) {
        return false;
    }
    if (!r->chunked && (n > 0 ? (int64_t)n > r->upload_left : r->upload_left > 0)) {
        finish(r, "the request was not as long as it said");
        return false;
    }
    drop_head(r);
    r->sent = 0;
    r->upload_left -= (int64_t)n;
    r->uploaded = n == 0;
    dgon_status s = DGON_OK;
    if (r->chunked) {
        s = dgon_buf_addf(&r->head, "%zx\r\n", n);
        if (s == DGON_OK) {
            s = dgon_buf_add(&r->head, piece, n);
        }
        if (s == DGON_OK) {
            s = dgon_buf_adds(&r->head, "\r\n");
        }
    } else if (n > 0) {
        s = dgon_buf_add(&r->head, piece, n);
    }
    if (s != DGON_OK) {
        finish(r, "out of memory");
    }
    return s == DGON_OK;
}

static void send_on(agent_request *r)
{
    bool all = send_text(r);
    for (unsigned i = 0; all && r->upload && !r->uploaded && i < PIECES_TURN; i++) {
        all = next_piece(r) && send_text(r);
    }
    if (r->over) {
        return;
    }
    bool more = r->sent < r->head.len + r->body.len || (r->upload && !r->uploaded && !r->waiting);
    agent_http_conn_watch(r->conn, (r->paused ? 0u : (unsigned)AGENT_LOOP_IN) |
                                       (more && !r->unsendable ? (unsigned)AGENT_LOOP_OUT : 0u));
}

/* --- what comes back --- */

/* An answer has begun, so nothing will be sent a second time: a request is not kept beside it. */
static void drop_request(agent_request *r)
{
    if (!r->upload && r->sent == r->head.len + r->body.len) {
        drop_head(r);
        dgon_buf_fini(&r->body);
        r->sent = 0;
    }
}

/* True: go on. False: it is paused or over. */
static bool take_body(agent_request *r, const char *p, size_t n, const char *rest, size_t rest_len)
{
    r->got = true;
    switch (r->ops == NULL ? AGENT_HTTP_TAKEN : r->ops->on_body(r->user, r->answer.status, p, n)) {
    case AGENT_HTTP_TAKEN:
        return true;
    case AGENT_HTTP_PAUSE:
        break;
    case AGENT_HTTP_STOP:
        finish(r, "its answer was not wanted");
        return false;
    }
    dgon_buf_init(&r->held, READ_MAX);
    if (dgon_buf_add(&r->held, p, n) != DGON_OK ||
        dgon_buf_add(&r->held, rest, rest_len) != DGON_OK) {
        finish(r, "out of memory");
        return false;
    }
    r->held_body = n;
    r->paused = true;
    return false;
}

static void tell(const agent_request *r, dgon_answer_event e)
{
    const dgon_answer *a = &r->answer;
    if (r->ops == NULL || r->ops->on_head == NULL) {
        return;
    }
    if (e == DGON_ANSWER_HEAD) {
        r->ops->on_head(r->user, a->status);
    } else if (e == DGON_ANSWER_BEGIN) {
        r->ops->on_header(r->user, NULL, 0, NULL, 0);
    } else {
        r->ops->on_header(r->user, a->name, a->name_len, a->value, a->value_len);
    }
}

/* True: read on. */
static bool feed(agent_request *r, const char *p, size_t n)
{
    for (;;) {
        size_t used = 0;
        dgon_answer_event e = dgon_answer_next(&r->answer, p, n, &used);
        p += used;
        n -= used;
        switch (e) {
        case DGON_ANSWER_MORE:
            return true;
        case DGON_ANSWER_BEGIN:
            r->began = true;
            drop_request(r);
            tell(r, e);
            break;
        case DGON_ANSWER_HEADER:
        case DGON_ANSWER_HEAD:
            tell(r, e);
            break;
        case DGON_ANSWER_BODY:
            if (!take_body(r, r->answer.data, r->answer.data_len, p, n)) {
                return false;
            }
            break;
        case DGON_ANSWER_END:
            complete(r, n);
            return false;
        case DGON_ANSWER_BAD:
            finish(r, r->answer.why);
            return false;
        }
    }
}

/* A connection that was kept may have died meanwhile, or die of this request. Once, on one that
 * nobody had before; not where part of the request cannot be had again. */
static bool try_anew(agent_request *r)
{
    bool nothing = !r->began && r->answer.line.len == 0;
    if (!nothing || !r->reused || r->fresh || r->upload || r->ops == NULL) {
        return false;
    }
    r->fresh = true;
    drop_conn(r, false);
    begin_anew(r);
    return make_conn(r);
}

static void conn_ended(agent_request *r, bool lost)
{
    if (!lost && dgon_answer_eof(&r->answer)) {
        complete(r, 0);
    } else if (!try_anew(r)) {
        finish(r, r->began ? "the connection ended before the answer did"
                           : "it closed the connection without an answer");
    }
}

static void receive(agent_request *r)
{
    ssize_t n;
    do {
        n = agent_http_conn_read(r->conn, r->http->in, READ_MAX);
        if (n == AGENT_HTTP_AGAIN) {
            return;
        }
        if (n <= 0) {
            conn_ended(r, n < 0);
            return;
        }
    } while (feed(r, r->http->in, (size_t)n) && agent_http_conn_hides(r->conn));
    if (r->paused) {
        send_on(r); /* and no more of it is read */
    }
}

/* --- events --- */

static void on_made(void *user, const char *why)
{
    agent_request *r = user;
    if (why != NULL) {
        finish(r, why);
        return;
    }
    r->connected = true;
    send_on(r);
}

static void on_ready(void *user, unsigned events)
{
    agent_request *r = user;
    if ((events & AGENT_LOOP_OUT) != 0) {
        send_on(r);
    }
    if (!r->over && !r->paused && (events & (AGENT_LOOP_IN | AGENT_LOOP_ERR)) != 0) {
        receive(r);
    }
}

void agent_http_resume(agent_request *r)
{
    if (r->waiting) {
        r->waiting = false;
        send_on(r);
    }
    if (!r->paused || r->over) {
        return;
    }
    dgon_buf held = r->held;
    size_t n = r->held_body;
    r->paused = false;
    dgon_buf_init(&r->held, READ_MAX);
    if (take_body(r, held.data, n, held.data + n, held.len - n) &&
        feed(r, held.data + n, held.len - n)) {
        send_on(r);
        receive(r);
    }
    dgon_buf_fini(&held);
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
    send_on(r);
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
    dgon_buf_init(&r->head, AGENT_HTTP_HEAD_MAX + PIECE_MAX + CHUNK_LINE);
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
            finish(r, "it took too long");
        }
    }
    agent_http_settle(h);
    agent_http_conns_tick(h->conns);
}

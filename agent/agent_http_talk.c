/* What is said over a connection: the request, the answer, and how each waits for the other side.
 */
#include "agent_http_int.h"

#include <string.h>

/* In a turn of the loop; then others have theirs. */
#define PIECES_TURN 16u /* of an upload */
#define READS_TURN  16u /* through TLS, of which one takes a whole record */

/* --- what goes out --- */

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
    size_t n = r->ops != NULL ? r->ops->on_upload(r->user, piece, AGENT_HTTP_PIECE_MAX) : 0;
    r->waiting = n == AGENT_HTTP_UPLOAD_WAIT;
    if (r->waiting) {
        return false;
    }
    if (!r->chunked && (n > 0 ? (int64_t)n > r->upload_left : r->upload_left > 0)) {
        agent_http_finish(r, "the request was not as long as it said");
        return false;
    }
    agent_http_drop_head(r);
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
        agent_http_finish(r, "out of memory");
    }
    return s == DGON_OK;
}

void agent_http_send(agent_request *r)
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

/* The answer is complete; `rest` bytes came behind it. */
static void complete(agent_request *r, size_t rest)
{
    bool sent = r->sent == r->head.len + r->body.len && (!r->upload || r->uploaded);
    if (r->conn != NULL && sent && rest == 0 && r->answer.keep) {
        agent_http_conn_keep(r->conn);
        r->conn = NULL;
    }
    agent_http_drop_conn(r, false);
    agent_http_finish(r, NULL);
}

/* An answer has begun, so nothing will be sent a second time: a request is not kept beside it. */
static void drop_request(agent_request *r)
{
    if (!r->upload && r->sent == r->head.len + r->body.len) {
        agent_http_drop_head(r);
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
        agent_http_finish(r, "its answer was not wanted");
        return false;
    }
    dgon_buf_init(&r->held, AGENT_HTTP_READ_MAX);
    if (dgon_buf_add(&r->held, p, n) != DGON_OK ||
        dgon_buf_add(&r->held, rest, rest_len) != DGON_OK) {
        agent_http_finish(r, "out of memory");
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
            agent_http_finish(r, r->answer.why);
            return false;
        }
    }
}

static void conn_ended(agent_request *r, bool lost)
{
    if (!lost && dgon_answer_eof(&r->answer)) {
        complete(r, 0);
    } else if (!agent_http_try_anew(r)) {
        agent_http_finish(r, r->began ? "the connection ended before the answer did"
                                      : "it closed the connection without an answer");
    }
}

static void receive(agent_request *r)
{
    ssize_t n;
    unsigned times = 0;
    do {
        n = agent_http_conn_read(r->conn, r->http->in, AGENT_HTTP_READ_MAX);
        if (n == AGENT_HTTP_AGAIN) {
            return;
        }
        if (n <= 0) {
            conn_ended(r, n < 0);
            return;
        }
    } while (feed(r, r->http->in, (size_t)n) && agent_http_conn_hides(r->conn) &&
             ++times < READS_TURN);
    if (r->paused) {
        agent_http_send(r); /* and no more of it is read */
    }
}

/* --- events --- */

void agent_http_ready(agent_request *r, unsigned events)
{
    if ((events & AGENT_LOOP_OUT) != 0) {
        agent_http_send(r);
    }
    if (!r->over && !r->paused && (events & (AGENT_LOOP_IN | AGENT_LOOP_ERR)) != 0) {
        receive(r);
    }
}

void agent_http_resume(agent_request *r)
{
    if (r->waiting) {
        r->waiting = false;
        agent_http_send(r);
    }
    if (!r->paused || r->over) {
        return;
    }
    dgon_buf held = r->held;
    size_t n = r->held_body;
    r->paused = false;
    dgon_buf_init(&r->held, AGENT_HTTP_READ_MAX);
    if (take_body(r, held.data, n, held.data + n, held.len - n) &&
        feed(r, held.data + n, held.len - n)) {
        agent_http_send(r);
        if (agent_http_conn_hides(r->conn)) { /* else the loop tells what is there */
            receive(r);
        }
    }
    dgon_buf_fini(&held);
}

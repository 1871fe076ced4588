#include "mod_dgon_ws.h"

#include "dgon/ws_in.h"

#include <http_protocol.h>
#include <http_ssl.h>
#include <util_filter.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define READ_MAX   MOD_DGON_IN_MAX /* taken from the connection at once */
#define READ_TURNS 16              /* reads of one turn; then the others have theirs */

struct mod_dgon_ws {
    mod_dgon_conn *mc;
    wslay_event_context_ptr ctx;
    dgon_ws_in in;
    dgon_buf *out;
    size_t bytes_left; /* that are read at all; 0: any number */
    bool heard;
    bool plain;
    bool direct;            /* plain, and httpd's filters have been emptied: read from the socket */
    unsigned char *scratch; /* READ_MAX bytes to read into */
    apr_bucket_brigade *bb, *in_bb;
};

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user)
{
    mod_dgon_ws *ws = user;
    (void)ctx;
    (void)flags;
    return dgon_ws_in_recv(&ws->in, buf, len);
}

static bool pass_out(mod_dgon_ws *ws)
{
    if (ws->out->len == 0)
        return true;
    APR_BRIGADE_INSERT_TAIL(
        ws->bb, apr_bucket_transient_create(ws->out->data, ws->out->len, ws->bb->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(ws->bb, apr_bucket_flush_create(ws->bb->bucket_alloc));
    bool ok = mod_dgon_conn_write(ws->mc, ws->mc->c->output_filters, ws->bb);
    dgon_buf_reset(ws->out);
    return ok;
}

/* Gathers frames in the engine's scratch buffer, so that what is queued leaves in one write. */
static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags,
                       void *user)
{
    mod_dgon_ws *ws = user;
    (void)flags;
    size_t room = ws->out->max - ws->out->len;
    if (room == 0) {
        if (!pass_out(ws)) {
            wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
            return -1;
        }
        room = ws->out->max;
    }
    if (ws->out->len == 0 && mod_dgon_conn_blocked(ws->mc)) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t n = len < room ? len : room;
    if (dgon_buf_add(ws->out, data, n) != DGON_OK) {
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    ws->mc->engine->ws_out += n;
    return (ssize_t)n;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg,
                       void *user)
{
    mod_dgon_ws *ws = user;
    (void)ctx;
    dgon_ws_in_on_msg(&ws->in, arg);
}

mod_dgon_ws *mod_dgon_ws_create(mod_dgon_conn *mc, size_t max, mod_dgon_ws_message fn, void *user)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv, .send_callback = on_send, .on_msg_recv_callback = on_message};
    mod_dgon_ws *ws = calloc(1, sizeof(*ws));
    if (ws == NULL)
        return NULL;
    ws->mc = mc;
    ws->out = &mc->engine->out;
    ws->bb = apr_brigade_create(mc->c->pool, mc->c->bucket_alloc);
    ws->in_bb = apr_brigade_create(mc->c->pool, mc->c->bucket_alloc);
    if (wslay_event_context_server_init(&ws->ctx, &callbacks, ws) != 0) {
        free(ws);
        return NULL;
    }
    ws->in =
        (dgon_ws_in){.ctx = ws->ctx, .whole = dgon_frame_message, .on_message = fn, .user = user};
    ws->plain = !ap_ssl_conn_is_ssl(mc->c);
    ws->scratch = mc->engine->in;
    mod_dgon_ws_limit(ws, max, 0);
    return ws;
}

void mod_dgon_ws_limit(mod_dgon_ws *ws, size_t message, size_t bytes)
{
    wslay_event_config_set_max_recv_msg_length(ws->ctx, message);
    ws->in.message_max = message;
    ws->bytes_left = bytes;
}

void mod_dgon_ws_destroy(mod_dgon_ws *ws)
{
    wslay_event_context_free(ws->ctx);
    free(ws);
}

/* n more bytes came. False: more than this peer may send. */
static bool count(mod_dgon_ws *ws, size_t n)
{
    bool ok = ws->bytes_left == 0 || n < ws->bytes_left;
    ws->heard = ws->heard || n > 0;
    ws->mc->engine->ws_in += n;
    if (ws->bytes_left > 0 && ok)
        ws->bytes_left -= n;
    return ok;
}

static unsigned char *room(mod_dgon_ws *ws, size_t *n)
{
    size_t kept = dgon_ws_in_begin(&ws->in, ws->scratch);
    *n = READ_MAX - kept;
    return ws->scratch + kept;
}

/* n bytes were read to p, which room() gave. */
static bool take(mod_dgon_ws *ws, unsigned char *p, size_t n)
{
    return dgon_ws_in_take(&ws->in, ws->scratch, (size_t)(p - ws->scratch) + n);
}

static bool take_copy(mod_dgon_ws *ws, const char *data, size_t n)
{
    bool ok = count(ws, n);
    while (ok && n > 0 && !ws->in.stopped) {
        size_t max;
        unsigned char *p = room(ws, &max);
        size_t k = n < max ? n : max;
        memcpy(p, data, k);
        data += k;
        n -= k;
        ok = take(ws, p, k);
    }
    return ok;
}

/* Through httpd's filters, as TLS needs it. */
static bool read_filters(mod_dgon_ws *ws, size_t *got)
{
    conn_rec *c = ws->mc->c;
    apr_bucket_brigade *bb = ws->in_bb;
    apr_status_t rv =
        ap_get_brigade(c->input_filters, bb, AP_MODE_READBYTES, APR_NONBLOCK_READ, READ_MAX);
    bool ok = rv == APR_SUCCESS || APR_STATUS_IS_EAGAIN(rv);
    *got = 0;
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); ok && b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t n;
        if (APR_BUCKET_IS_EOS(b)) {
            ok = false;
            break;
        }
        if (APR_BUCKET_IS_METADATA(b))
            continue;
        rv = apr_bucket_read(b, &data, &n, APR_NONBLOCK_READ);
        if (rv != APR_SUCCESS) {
            ok = APR_STATUS_IS_EAGAIN(rv);
            break;
        }
        *got += n;
        ok = take_copy(ws, data, n);
    }
    apr_brigade_cleanup(bb);
    return ok;
}

/* From the socket: a token costs one call instead of two, and no bucket. */
static bool read_socket(mod_dgon_ws *ws, size_t *got)
{
    size_t max;
    unsigned char *p = room(ws, &max);
    ssize_t n;
    do {
        n = recv(ws->mc->fd, p, max, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    *got = n <= 0 ? 0 : (size_t)n == max ? READ_MAX : (size_t)n;
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK;
    return n > 0 && count(ws, (size_t)n) && take(ws, p, (size_t)n);
}

bool mod_dgon_ws_read(mod_dgon_ws *ws)
{
    /* Behind TLS decoded data may sit in a filter where epoll cannot see it: there the only end is
     * "nothing came". On a plain connection epoll tells again, so anything short of a full buffer
     * is the end of a turn. */
    size_t got = READ_MAX;
    for (unsigned turn = 0;
         turn < READ_TURNS && !ws->in.stopped && got >= (ws->direct ? READ_MAX : 1); turn++) {
        if (!(ws->direct ? read_socket(ws, &got) : read_filters(ws, &got)))
            return false;
        if (!ws->direct && got == 0 && ws->plain)
            ws->direct = true;
    }
    if (got > 0 && !ws->direct && !ws->in.stopped)
        mod_dgon_conn_again(ws->mc);
    if (wslay_event_get_close_received(ws->ctx)) {
        (void)mod_dgon_ws_flush(ws);
        return false;
    }
    /* a frame that broke the protocol has a close queued by wslay: flush sends it and reports the
     * end */
    return true;
}

static bool queue(mod_dgon_ws *ws, uint8_t opcode, const void *p, size_t n)
{
    struct wslay_event_msg msg = {.opcode = opcode, .msg = p, .msg_length = n};
    return wslay_event_queue_msg(ws->ctx, &msg) == 0;
}

bool mod_dgon_ws_text(mod_dgon_ws *ws, const char *p, size_t n)
{
    return queue(ws, WSLAY_TEXT_FRAME, p, n);
}

bool mod_dgon_ws_binary(mod_dgon_ws *ws, const unsigned char *p, size_t n)
{
    return queue(ws, WSLAY_BINARY_FRAME, p, n);
}

bool mod_dgon_ws_ping(mod_dgon_ws *ws)
{
    return queue(ws, WSLAY_PING, NULL, 0);
}

void mod_dgon_ws_close(mod_dgon_ws *ws, uint16_t code, const char *reason)
{
    size_t n = strlen(reason);
    (void)!wslay_event_queue_close(ws->ctx, code, (const uint8_t *)reason, n > 120 ? 120 : n);
}

bool mod_dgon_ws_flush(mod_dgon_ws *ws)
{
    if (ws->mc->c->aborted)
        return false;
    if (!wslay_event_want_write(ws->ctx))
        return !wslay_event_get_close_sent(ws->ctx);
    dgon_buf_reset(ws->out);
    int rc = wslay_event_send(ws->ctx);
    if (rc != 0 || !pass_out(ws))
        return false;
    return !wslay_event_get_close_sent(ws->ctx);
}

size_t mod_dgon_ws_queued(const mod_dgon_ws *ws)
{
    return wslay_event_get_queued_msg_length(ws->ctx);
}

bool mod_dgon_ws_heard(mod_dgon_ws *ws)
{
    bool heard = ws->heard;
    ws->heard = false;
    return heard;
}

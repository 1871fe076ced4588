/* What comes in on a link once the gateway knows the agent. libwebsockets works on each byte by
 * itself, 67 instructions for each, which is 6 us for a kilobyte of a prompt: so the agent reads,
 * and leaves it handshake, liveness and what goes out. */
#include "agent_link_int.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

#define READ_TURNS 16 /* of one wake-up; then others have theirs */
#define PONGS_MAX  64u

typedef enum got { GOT_BYTES, GOT_NOTHING, GOT_END } got;

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user)
{
    agent_link *l = user;
    (void)ctx;
    (void)flags;
    return dgon_ws_in_recv(&l->in, buf, len);
}

static int on_mask(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, void *user)
{
    agent_link *l = user;
    (void)ctx;
    for (size_t n = 0; n < len; n += 4) {
        const unsigned char *key = agent_link_next_key(l);
        if (key == NULL) {
            return -1;
        }
        memcpy(buf + n, key, len - n < 4 ? len - n : 4);
    }
    return 0;
}

/* Part of a message: wslay would keep more of it than a message may hold. */
static void on_frame(wslay_event_context_ptr ctx,
                     const struct wslay_event_on_frame_recv_start_arg *arg, void *user)
{
    agent_link *l = user;
    if (wslay_is_ctrl_frame(arg->opcode)) {
        return;
    }
    l->message_length = arg->opcode == WSLAY_CONTINUATION_FRAME ? l->message_length : 0;
    if (arg->payload_length > DGON_WIRE_MESSAGE_MAX - l->message_length) {
        l->in.stopped = true;
        wslay_event_shutdown_read(ctx);
        agent_link_close(l, DGON_CLOSE_TOO_BIG, "message too big");
        return;
    }
    l->message_length += (size_t)arg->payload_length;
}

/* The gateway's close. What waits to leave is of no interest to it any more. */
static void on_close(agent_link *l, const unsigned char *p, size_t n)
{
    bool answered = l->close_code != 0;
    agent_link_note_peer_close(l, p, n);
    if (answered) {
        (void)lws_callback_on_writable(l->wsi);
        return;
    }
    agent_link_drop_texts(l);
    l->at = l->tx.len;
    agent_link_begin_close(l, n >= 2 ? dgon_get_u16(p) : 1000u, "");
}

static void on_msg(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg,
                   void *user)
{
    agent_link *l = user;
    (void)ctx;
    if (arg->opcode == WSLAY_PONG) {
        lws_validity_confirmed(l->wsi);
    } else if (arg->opcode == WSLAY_CONNECTION_CLOSE) {
        on_close(l, arg->msg, arg->msg_length);
    }
    dgon_ws_in_on_msg(&l->in, arg);
}

static bool on_message(void *user, bool text, const unsigned char *p, size_t n)
{
    agent_link *l = user;
    if (l->state == AGENT_LINK_CLOSING) {
        return true; /* until its close comes */
    }
    agent_link_deliver(l, text, p, n);
    return l->state != AGENT_LINK_DOWN;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *p, size_t n, int flags,
                       void *user); /* below, with what uses it */

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = on_recv,
    .send_callback = on_send,
    .genmask_callback = on_mask,
    .on_frame_recv_start_callback = on_frame,
    .on_msg_recv_callback = on_msg,
};

void agent_link_read_here(agent_link *l)
{
    wslay_event_context_ptr ctx;
    if (l->wsi == NULL || l->in.ctx != NULL) {
        return;
    }
    if (wslay_event_context_client_init(&ctx, &callbacks, l) != 0) {
        agent_link_kill(l, "out of memory");
        return;
    }
    l->in = (dgon_ws_in){.ctx = ctx,
                         .whole = dgon_frame_from_gateway,
                         .on_message = on_message,
                         .user = l,
                         .message_max = DGON_WIRE_MESSAGE_MAX};
    wslay_event_config_set_max_recv_msg_length(ctx, INT64_MAX); /* on_frame() is the judge */
    dgon_buf_fini(&l->rx);
    (void)lws_rx_flow_control(l->wsi, 0);
}

void agent_link_read_fini(agent_link *l)
{
    if (l->in.ctx != NULL) {
        wslay_event_context_free(l->in.ctx);
    }
}

bool agent_link_reads(const agent_link *l, int fd)
{
    return l->in.ctx != NULL && l->wsi != NULL && lws_get_socket_fd(l->wsi) == fd;
}

static got read_tls(SSL *ssl, unsigned char *p, size_t max, size_t *n)
{
    ERR_clear_error();
    int r = SSL_read_ex(ssl, p, max, n);
    if (r == 1) {
        return GOT_BYTES;
    }
    int why = SSL_get_error(ssl, r);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? GOT_NOTHING : GOT_END;
}

static got read_plain(int fd, unsigned char *p, size_t max, size_t *n)
{
    ssize_t r;
    do {
        r = recv(fd, p, max, MSG_DONTWAIT);
    } while (r < 0 && errno == EINTR);
    *n = r > 0 ? (size_t)r : 0;
    return r > 0                                                ? GOT_BYTES
           : r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? GOT_NOTHING
                                                                : GOT_END;
}

/* True: there may be more that epoll does not tell of, or that fills the buffer. */
static bool read_once(agent_link *l, SSL *ssl)
{
    unsigned char *buf = l->dialer->in;
    size_t kept = dgon_ws_in_begin(&l->in, buf), n = 0, max = AGENT_LINK_IN_MAX - kept;
    got g = ssl != NULL ? read_tls(ssl, buf + kept, max, &n)
                        : read_plain(lws_get_socket_fd(l->wsi), buf + kept, max, &n);
    if (g == GOT_END) {
        agent_link_kill(l, "connection lost");
    } else if (g == GOT_BYTES && !l->in.stopped) {
        if (!dgon_ws_in_take(&l->in, buf, kept + n) ||
            (!l->peer_closed && !l->in.stopped && wslay_event_get_read_enabled(l->in.ctx) == 0)) {
            l->in.stopped = true;
            agent_link_close(l, 1002, "broken frame");
        } else if (wslay_event_get_queued_msg_count(l->in.ctx) > PONGS_MAX) {
            agent_link_kill(l, "too many pings wait");
        }
    }
    return g == GOT_BYTES && l->state != AGENT_LINK_DOWN && (ssl != NULL || n == max);
}

void agent_link_read(agent_link *l)
{
    SSL *ssl = l->dialer->tls ? lws_get_ssl(l->wsi) : NULL;
    unsigned turn = 0;
    while (l->state != AGENT_LINK_DOWN && read_once(l, ssl) &&
           (++turn < READ_TURNS || (ssl != NULL && SSL_pending(ssl) > 0)))
        ;
    agent_link_flush(l);
}

/* --- pongs --- */

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *p, size_t n, int flags,
                       void *user)
{
    agent_link *l = user;
    size_t room = AGENT_LINK_PONGS - l->pongs_len;
    (void)flags;
    if (room == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    n = n < room ? n : room;
    memcpy(l->pongs + LWS_PRE + l->pongs_len, p, n);
    l->pongs_len += n;
    return (ssize_t)n;
}

bool agent_link_send_pongs(agent_link *l)
{
    bool ok = true;
    while (ok && wslay_event_want_write(l->in.ctx) != 0 && !agent_link_is_partial(l)) {
        l->pongs_len = 0;
        ok = wslay_event_send(l->in.ctx) == 0 && lws_write(l->wsi, l->pongs + LWS_PRE, l->pongs_len,
                                                           LWS_WRITE_RAW) >= (int)l->pongs_len;
    }
    return ok;
}

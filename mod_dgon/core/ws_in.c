#include "dgon/ws_in.h"

#include <string.h>

size_t dgon_ws_in_begin(const dgon_ws_in *w, unsigned char *buf)
{
    memcpy(buf, w->head, w->head_len);
    return w->head_len;
}

static void hand_on(dgon_ws_in *w, bool text, const unsigned char *p, size_t n)
{
    if (!w->on_message(w->user, text, p, n)) {
        w->stopped = true;
        wslay_event_shutdown_read(w->ctx);
    }
}

static bool reads(const dgon_ws_in *w)
{
    return !w->stopped && wslay_event_get_read_enabled(w->ctx);
}

/* The next n bytes of a frame. */
static bool give_wslay(dgon_ws_in *w, const unsigned char *p, size_t n)
{
    bool ok = true;
    w->rest -= n;
    w->at = p;
    w->left = n;
    while (ok && w->left > 0 && reads(w))
        ok = wslay_event_recv(w->ctx) == 0;
    w->left = 0;
    return ok;
}

/* wslay takes a mask off byte by byte, which was 40 % of the instructions of a token, and what is
 * whole needs none of its copies. */
bool dgon_ws_in_take(dgon_ws_in *w, unsigned char *p, size_t n)
{
    bool ok = true;
    w->head_len = 0;
    while (ok && n > 0 && reads(w)) {
        dgon_frame f;
        size_t used;
        if (w->rest == 0 && !w->in_parts && w->whole(p, n, w->message_max, &f)) {
            hand_on(w, f.text, f.payload, f.len);
            used = f.size;
        } else {
            if (w->rest == 0) {
                w->rest = dgon_frame_size(p, n);
                if (w->rest == 0) {
                    memcpy(w->head, p, n);
                    w->head_len = n;
                    return true;
                }
                if ((p[0] & 0x0f) < WSLAY_CONNECTION_CLOSE) /* data; control may come between */
                    w->in_parts = (p[0] & 0x80) == 0;
            }
            used = n < w->rest ? n : (size_t)w->rest;
            ok = give_wslay(w, p, used);
        }
        p += used;
        n -= used;
    }
    return ok;
}

ssize_t dgon_ws_in_recv(dgon_ws_in *w, uint8_t *buf, size_t len)
{
    if (w->left == 0) {
        wslay_event_set_error(w->ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t n = len < w->left ? len : w->left;
    memcpy(buf, w->at, n);
    w->at += n;
    w->left -= n;
    return (ssize_t)n;
}

void dgon_ws_in_on_msg(dgon_ws_in *w, const struct wslay_event_on_msg_recv_arg *arg)
{
    if (!w->stopped && !wslay_is_ctrl_frame(arg->opcode))
        hand_on(w, arg->opcode == WSLAY_TEXT_FRAME, arg->msg, arg->msg_length);
}

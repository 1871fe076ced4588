/* What goes out on a link: control messages, records packed into messages, the close frame. */
#include "agent_link_int.h"

#include "dgon/alloc.h"
#include "dgon/frame.h"

#include <string.h>

#define PACK_MAX  65536u /* packed bytes that are sent in the middle of a wake-up */
#define TEXTS_MAX 64u
/* The library keeps this value of its enum to itself ("handled by lws_close_reason()"). */
#define WRITE_CLOSE ((enum lws_write_protocol)4)

static bool can_send(const agent_link *l)
{
    return l->wsi != NULL && !l->broken && !l->close_sent && l->state != AGENT_LINK_DIALING &&
           l->state != AGENT_LINK_DOWN;
}

static void fail(agent_link *l, const char *why)
{
    l->broken = true;
    agent_link_kill(l, why);
}

static void flush_texts(agent_link *l)
{
    while (l->texts != NULL && !l->broken && !agent_link_is_partial(l)) {
        agent_link_item *t = l->texts;
        if (lws_write(l->wsi, t->bytes + LWS_PRE, t->n, LWS_WRITE_TEXT) < (int)t->n) {
            fail(l, "write failed");
        }
        l->texts = t->next;
        l->texts_end = l->texts == NULL ? &l->texts : l->texts_end;
        l->text_count--;
        dgon_free(t);
    }
}

/* Length of the next message: all that is packed, or as many whole records as one message may hold.
 */
static size_t message_length(const agent_link *l)
{
    size_t n = l->tx.len - l->at, at = 0, end = 0;
    dgon_record r;
    if (n <= DGON_WIRE_MESSAGE_MAX) {
        return n;
    }
    const unsigned char *p = (const unsigned char *)l->tx.data + l->at;
    while (dgon_wire_next(p, n, &at, &r) == DGON_OK && at <= DGON_WIRE_MESSAGE_MAX) {
        end = at;
    }
    return end;
}

const unsigned char *agent_link_next_key(agent_link *l)
{
    agent_link_keys *k = &l->dialer->keys;
    if (k->left < 4) {
        k->left = lws_get_random(lws_get_context(l->wsi), k->bytes, sizeof k->bytes);
    }
    if (k->left < 4) {
        return NULL;
    }
    k->left -= 4;
    return k->bytes + k->left;
}

/* Our own frame instead of the library's: it masks byte by byte, which was a third of what a full
 * link cost. Masked in place; the head's bytes are already sent ones, or LWS_PRE. */
static bool send_binary(agent_link *l, unsigned char *p, size_t n)
{
    const unsigned char *key = agent_link_next_key(l);
    if (key == NULL) {
        return false;
    }
    size_t head = dgon_frame_binary(p, n, key);
    return lws_write(l->wsi, p - head, n + head, LWS_WRITE_RAW) >= (int)(n + head);
}

_Static_assert(LWS_PRE >= DGON_FRAME_HEAD_MAX, "the head of a frame fits in front");

static void flush_records(agent_link *l)
{
    while (l->at < l->tx.len && !l->broken && !agent_link_is_partial(l)) {
        size_t n = message_length(l);
        if (n == 0 || !send_binary(l, (unsigned char *)l->tx.data + l->at, n)) {
            fail(l, "write failed");
            return;
        }
        l->at += n;
    }
    if (l->at >= l->tx.len) {
        if (l->tx.size > 4u * PACK_MAX) {
            dgon_buf_fini(&l->tx);
        }
        dgon_buf_reset(&l->tx);
        l->at = 0;
    }
}

void agent_link_flush(agent_link *l)
{
    bool pongs = l->in.ctx != NULL && l->close_code == 0 && wslay_event_want_write(l->in.ctx) != 0;
    if (!can_send(l) || (l->texts == NULL && l->at >= l->tx.len && l->close_code == 0 && !pongs)) {
        return;
    }
    if (pongs && !agent_link_is_partial(l) && !agent_link_send_pongs(l)) {
        fail(l, "write failed");
        return;
    }
    flush_texts(l);
    flush_records(l);
    if (!l->broken && (pongs || agent_link_is_partial(l) || l->texts != NULL || l->at < l->tx.len ||
                       l->close_code != 0)) {
        (void)lws_callback_on_writable(l->wsi);
    }
}

void agent_link_drop_texts(agent_link *l)
{
    while (l->texts != NULL) {
        agent_link_item *t = l->texts;
        l->texts = t->next;
        dgon_free(t);
    }
    l->texts_end = &l->texts;
    l->text_count = 0;
}

void agent_link_text(agent_link *l, const char *p, size_t n)
{
    if (!can_send(l)) {
        return;
    }
    agent_link_item *t = l->text_count < TEXTS_MAX ? dgon_malloc(sizeof *t + LWS_PRE + n) : NULL;
    if (t == NULL) {
        fail(l, "too many control messages wait");
        return;
    }
    t->next = NULL;
    t->n = n;
    memcpy(t->bytes + LWS_PRE, p, n);
    *l->texts_end = t;
    l->texts_end = &t->next;
    l->text_count++;
}

void agent_link_record(agent_link *l, const dgon_record *r)
{
    static const char room[LWS_PRE];
    unsigned char header[DGON_WIRE_HEADER];
    if (!can_send(l)) {
        return;
    }
    dgon_status s = DGON_OK;
    if (l->tx.len == 0) {
        s = dgon_buf_add(&l->tx, room, sizeof room);
        l->at = l->tx.len;
    }
    dgon_wire_put_header(header, r);
    s = s == DGON_OK ? dgon_buf_reserve(&l->tx, sizeof header + r->len) : s;
    s = s == DGON_OK ? dgon_buf_add(&l->tx, header, sizeof header) : s;
    s = s == DGON_OK ? dgon_buf_add(&l->tx, r->payload, r->len) : s;
    if (s != DGON_OK) {
        fail(l, "the gateway does not take its records");
    } else if (l->tx.len - l->at > PACK_MAX && !agent_link_is_partial(l)) {
        agent_link_flush(l);
    }
}

bool agent_link_is_choked(agent_link *l)
{
    bool now = l->wsi != NULL && l->tx.len - l->at > PACK_MAX && agent_link_is_partial(l);
    l->choked = l->choked || now; /* who was told to wait is told to go on, whoever asks next */
    return now;
}

bool agent_link_is_settled(const agent_link *l)
{
    return (l->state == AGENT_LINK_READY || l->state == AGENT_LINK_LEAVING) && l->wsi != NULL &&
           !l->broken && !l->peer_closed && l->close_code == 0 && l->texts == NULL &&
           l->at >= l->tx.len && !agent_link_is_partial(l);
}

/* The library's own close drops the connection behind the close frame: a record of the gateway that
 * is still under way then resets it, and the last records before the close are lost. So the frame
 * is written like any other, and the gateway, which answers with its own, ends the connection. */
void agent_link_send_close(agent_link *l)
{
    unsigned char frame[LWS_PRE + 2 + sizeof l->close_reason];
    size_t n = strlen(l->close_reason);
    dgon_put_u16(frame + LWS_PRE, (uint16_t)l->close_code);
    memcpy(frame + LWS_PRE + 2, l->close_reason, n);
    l->close_sent = true;
    if (lws_write(l->wsi, frame + LWS_PRE, n + 2, WRITE_CLOSE) < 0) {
        fail(l, "write failed");
    }
}

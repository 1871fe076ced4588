#include "unit.h"

#include "dgon/ws_in.h"

#include <stdio.h>
#include <string.h>

/* What the gateway may say, and what the agent is to have heard of it: t text, b binary, with the
 * length; p ping, c close. */
typedef struct ears {
    wslay_event_context_ptr ctx;
    dgon_ws_in in;
    char heard[512];
    unsigned stop_after; /* messages; 0: never */
} ears;

static void note(ears *e, char kind, const unsigned char *p, size_t n)
{
    size_t at = strlen(e->heard);
    (void)snprintf(e->heard + at, sizeof e->heard - at, "%c%zu%c ", kind, n,
                   n > 0 ? (char)p[n - 1] : '-');
}

static bool on_message(void *user, bool text, const unsigned char *p, size_t n)
{
    ears *e = user;
    note(e, text ? 't' : 'b', p, n);
    return e->stop_after == 0 || --e->stop_after > 0;
}

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user)
{
    ears *e = user;
    (void)ctx;
    (void)flags;
    return dgon_ws_in_recv(&e->in, buf, len);
}

static void on_msg(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg,
                   void *user)
{
    ears *e = user;
    (void)ctx;
    if (wslay_is_ctrl_frame(arg->opcode))
        note(e, arg->opcode == WSLAY_PING ? 'p' : 'c', arg->msg, arg->msg_length);
    dgon_ws_in_on_msg(&e->in, arg);
}

static void open_ears(ears *e)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_recv,
                                                           .on_msg_recv_callback = on_msg};
    memset(e, 0, sizeof *e);
    CU_ASSERT_EQUAL_FATAL(wslay_event_context_client_init(&e->ctx, &callbacks, e), 0);
    e->in = (dgon_ws_in){.ctx = e->ctx,
                         .whole = dgon_frame_from_gateway,
                         .on_message = on_message,
                         .user = e,
                         .message_max = 1000};
}

/* As a reader does it: behind what was kept, in a buffer that somebody else had in between. */
static bool hear(ears *e, const unsigned char *p, size_t n)
{
    unsigned char buf[2048];
    memset(buf, 0xee, sizeof buf);
    size_t kept = dgon_ws_in_begin(&e->in, buf);
    memcpy(buf + kept, p, n);
    return dgon_ws_in_take(&e->in, buf, kept + n);
}

static size_t frame(unsigned char *p, unsigned first, size_t n, char letter)
{
    size_t head = n < 126 ? 2 : 4;
    p[0] = (unsigned char)first;
    p[1] = (unsigned char)(n < 126 ? n : 126);
    p[2] = (unsigned char)(n >> 8);
    p[3] = (unsigned char)n;
    memset(p + head, letter, n);
    return head + n;
}

static size_t talk(unsigned char *p)
{
    size_t n = frame(p, 0x81, 5, 'a');
    n += frame(p + n, 0x82, 300, 'b');
    n += frame(p + n, 0x89, 3, 'c'); /* a ping */
    n += frame(p + n, 0x01, 4, 'd'); /* three parts, a ping in between */
    n += frame(p + n, 0x00, 130, 'e');
    n += frame(p + n, 0x89, 0, 'f');
    n += frame(p + n, 0x80, 2, 'g');
    n += frame(p + n, 0x82, 0, 'h');
    n += frame(p + n, 0x81, 125, 'i');
    return n;
}

#define HEARD "t5a b300b p3c p0- t136g b0- t125i "

/* Whatever pieces it comes in: two, of all lengths, and pieces of one length, of all lengths. */
static void test_pieces(void)
{
    unsigned char p[1024];
    size_t n = talk(p), wrong = 0;
    for (size_t cut = 0; cut <= n; cut++) {
        ears e;
        open_ears(&e);
        bool ok = hear(&e, p, cut) && hear(&e, p + cut, n - cut);
        wrong += !ok || strcmp(e.heard, HEARD) != 0;
        wslay_event_context_free(e.ctx);
    }
    for (size_t piece = 1; piece <= n; piece++) {
        ears e;
        bool ok = true;
        open_ears(&e);
        for (size_t at = 0; ok && at < n; at += piece)
            ok = hear(&e, p + at, n - at < piece ? n - at : piece);
        wrong += !ok || strcmp(e.heard, HEARD) != 0;
        wslay_event_context_free(e.ctx);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* Who wants no more hears no more. */
static void test_stop(void)
{
    unsigned char p[1024];
    size_t n = talk(p);
    ears e;
    open_ears(&e);
    e.stop_after = 2;
    CU_ASSERT(hear(&e, p, n));
    CU_ASSERT(hear(&e, p, n));
    CU_ASSERT_STRING_EQUAL(e.heard, "t5a b300b ");
    wslay_event_context_free(e.ctx);
}

/* What breaks the protocol is nobody's message, and ends the reading. */
static void test_broken(void)
{
    static const struct {
        unsigned char p[12];
        size_t n;
    } broken[] = {
        {{0x82, 0x81, 1, 2, 3, 4, 'x'}, 7},      /* masked */
        {{0xc2, 0x01, 'x'}, 3},                  /* RSV1 */
        {{0x83, 0x01, 'x'}, 3},                  /* no opcode */
        {{0x80, 0x01, 'x'}, 3},                  /* the rest of nothing */
        {{0x89, 0x7e, 0, 126}, 4},               /* a long ping */
        {{0x09, 0x00}, 2},                       /* a ping in parts */
        {{0x82, 0x7e, 0, 1, 'x'}, 5},            /* a longer form of its length */
        {{0x02, 0x01, 'x', 0x82, 0x01, 'y'}, 6}, /* a message within another */
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        ears e;
        open_ears(&e);
        bool ok = hear(&e, broken[i].p, broken[i].n);
        CU_ASSERT(!ok || wslay_event_get_read_enabled(e.ctx) == 0);
        (void)hear(&e, (const unsigned char *)"\x81\x01z", 3);
        CU_ASSERT_STRING_EQUAL(e.heard, "");
        wslay_event_context_free(e.ctx);
    }
}

UNIT_MAIN("ws_in", {"pieces", test_pieces}, {"stop", test_stop}, {"broken", test_broken})

/* The messages of a WebSocket, out of the bytes that come in on it. A whole message in one frame is
 * handed on from where it lies; all else (control frames, messages in parts or of which not all is
 * there, what breaks the protocol) is wslay's, which is never given more than the frame that it
 * works on, so that it is known where the next one begins. One for each connection; the thread that
 * reads it. */
#ifndef DGON_WS_IN_H
#define DGON_WS_IN_H

#include "dgon/frame.h"

#include <wslay/wslay.h>

/* p[0..n) begins with a whole message of at most max bytes: dgon_frame_message() for a client's,
 * dgon_frame_from_gateway(). */
typedef bool (*dgon_ws_in_whole)(unsigned char *p, size_t n, size_t max, dgon_frame *f);
/* A whole message; p is valid during the call. False: nothing more is handed on. */
typedef bool (*dgon_ws_in_message)(void *user, bool text, const unsigned char *p, size_t n);

typedef struct dgon_ws_in {
    wslay_event_context_ptr ctx; /* the caller's */
    dgon_ws_in_whole whole;
    dgon_ws_in_message on_message;
    void *user;
    size_t message_max;
    bool stopped;
    bool in_parts;                           /* a message of several frames has begun */
    unsigned char head[DGON_FRAME_HEAD_MAX]; /* too little of one to know its length */
    size_t head_len;
    uint64_t rest;           /* of a frame that wslay has begun */
    const unsigned char *at; /* what wslay is given of it */
    size_t left;
} dgon_ws_in;

/* Where the next bytes go: behind what was kept of a head, which is put at buf (at least
 * DGON_FRAME_HEAD_MAX bytes, which others may have used since). Returns the kept length. */
size_t dgon_ws_in_begin(const dgon_ws_in *w, unsigned char *buf);
/* Takes p[0..n), the kept head and what was read behind it; p is written to. False: wslay failed,
 * a protocol error among others, for which it has queued a close. */
bool dgon_ws_in_take(dgon_ws_in *w, unsigned char *p, size_t n);

/* What the owner's wslay callbacks of these names call. */
ssize_t dgon_ws_in_recv(dgon_ws_in *w, uint8_t *buf, size_t len);
void dgon_ws_in_on_msg(dgon_ws_in *w, const struct wslay_event_on_msg_recv_arg *arg);

#endif

/* WebSocket data frames (RFC 6455, 5.2 and 5.3), final and never compressed. The agent's are
 * masked. Here is read what is a whole message; the rest is a library's (ws_in.h). */
#ifndef DGON_FRAME_H
#define DGON_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DGON_FRAME_HEAD_MAX 14u

/* Makes a binary frame in place: masks the n bytes at payload with key and puts the head right in
 * front of them, where DGON_FRAME_HEAD_MAX bytes must be free. Returns the length of the head; the
 * frame begins at payload less that. key: four random bytes, fresh for each frame. Any thread. */
size_t dgon_frame_binary(unsigned char *payload, size_t n, const unsigned char key[4]);

typedef struct dgon_frame {
    unsigned char *payload; /* into what was given, unmasked */
    size_t len;
    size_t size; /* head and all */
    bool text;
} dgon_frame;

/* Does p[0..n) begin with a whole binary message in one frame, at most `max` bytes long, and
 * without a fault? True: it is unmasked in place. False: p is untouched. Any thread. */
bool dgon_frame_message(unsigned char *p, size_t n, size_t max, dgon_frame *f);
/* The same for what the gateway sends, text or binary and never masked. p is left as it is. */
bool dgon_frame_from_gateway(unsigned char *p, size_t n, size_t max, dgon_frame *f);
/* The length of the frame that p[0..n) begins with, masked or not, good or not; 0: too little of
 * its head is there. Any thread. */
uint64_t dgon_frame_size(const unsigned char *p, size_t n);

#endif

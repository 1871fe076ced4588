/* A client's WebSocket data frame (RFC 6455, 5.2 and 5.3): masked, final, never compressed. Only
 * the agent sends any. */
#ifndef DGON_FRAME_H
#define DGON_FRAME_H

#include <stddef.h>

#define DGON_FRAME_HEAD_MAX 14u

/* Makes a binary frame in place: masks the n bytes at payload with key and puts the head right in
 * front of them, where DGON_FRAME_HEAD_MAX bytes must be free. Returns the length of the head; the
 * frame begins at payload less that. key: four random bytes, fresh for each frame. Any thread. */
size_t dgon_frame_binary(unsigned char *payload, size_t n, const unsigned char key[4]);

#endif

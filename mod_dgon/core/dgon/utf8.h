/* UTF-8 checking (RFC 3629) that can stop and go on at any byte. */
#ifndef DGON_UTF8_H
#define DGON_UTF8_H

#include "dgon/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct dgon_utf8 {
    uint32_t state; /* 0 = at a character's border */
} dgon_utf8;

/* Feeds n bytes. DGON_OK, or DGON_EUTF8 at the first byte that cannot stand there. With `line`
 * set, bytes below 0x20 are refused as well: what passes is one line of text, safe to frame as one
 * SSE data line. (0x7f passes: it ends no line, and JSON writers leave it as it is.) ASCII takes a
 * word-wise fast path: this runs once per token. */
DGON_MUST_USE dgon_status dgon_utf8_feed(dgon_utf8 *u, const void *p, size_t n, bool line);
/* True when the text may end here. */
bool dgon_utf8_complete(const dgon_utf8 *u);
/* Copies src[0..n) into dst (room for 3 * n bytes), each invalid sequence as U+FFFD (the "maximal
 * subpart" practice of Unicode 3.9). Returns the length written. For text from backends. */
size_t dgon_utf8_repair(char *dst, const char *src, size_t n);

#endif

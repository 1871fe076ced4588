/* A growing byte buffer with a cap: every buffer of the product has a named maximum. */
#ifndef DGON_BUF_H
#define DGON_BUF_H

#include "dgon/status.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef struct dgon_buf {
    char *data; /* NULL while nothing was added; never NUL-terminated by itself */
    size_t len;
    size_t size; /* allocated */
    size_t max;  /* cap of len; a call that would pass it fails with DGON_ETOOBIG, len unchanged */
} dgon_buf;

/* Caller's storage; no allocation yet. One thread at a time, as all calls below. */
void dgon_buf_init(dgon_buf *b, size_t max);
/* Frees the memory; the buffer may be used again with the same cap. */
void dgon_buf_fini(dgon_buf *b);
/* Empties it, keeps the memory. */
void dgon_buf_reset(dgon_buf *b);
/* Drops the first n bytes (n <= len). */
void dgon_buf_consume(dgon_buf *b, size_t n);
/* Makes room for n more bytes behind len. DGON_ETOOBIG, DGON_ENOMEM; the content stays. */
DGON_MUST_USE dgon_status dgon_buf_reserve(dgon_buf *b, size_t n);
/* Append; on failure nothing was appended. */
DGON_MUST_USE dgon_status dgon_buf_add(dgon_buf *b, const void *p, size_t n);
DGON_MUST_USE dgon_status dgon_buf_adds(dgon_buf *b, const char *s);
/* v in decimal. */
DGON_MUST_USE dgon_status dgon_buf_addu(dgon_buf *b, uint64_t v);
DGON_MUST_USE dgon_status dgon_buf_addf(dgon_buf *b, const char *fmt, ...) DGON_PRINTF(2, 3);
/* Appends s[0..n) as a quoted JSON string: '"', backslash and all below 0x20 escaped, invalid
 * UTF-8 replaced by U+FFFD, so that the result is always one line of valid JSON (RFC 8259 7). */
DGON_MUST_USE dgon_status dgon_buf_add_json_string(dgon_buf *b, const char *s, size_t n);
/* Gives the memory away: caller owns the result (NUL-terminated, dgon_free), the buffer is empty.
 * NULL when memory is short; then the buffer is unchanged. */
char *dgon_buf_take(dgon_buf *b, size_t *len);

#endif

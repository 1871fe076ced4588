/* SHA-256, random bytes and comparison in constant time, all of them OpenSSL's libcrypto. */
#ifndef DGON_HASH_H
#define DGON_HASH_H

#include "dgon/status.h"

#include <stdbool.h>
#include <stddef.h>

#define DGON_HASH_SIZE     32u
#define DGON_HASH_HEX_SIZE (2u * DGON_HASH_SIZE + 1u)

typedef struct dgon_hash_part {
    const void *p; /* may be NULL if n is 0 */
    size_t n;
} dgon_hash_part;

/* Any thread. DGON_ESYS: libcrypto does not give what was asked for. */
DGON_MUST_USE dgon_status dgon_hash(unsigned char out[DGON_HASH_SIZE], const void *p, size_t n);
/* One hash of several things: each goes in behind its length, so that no two lists that differ have
 * the same bytes. Not the same from one machine to another. */
DGON_MUST_USE dgon_status dgon_hash_parts(unsigned char out[DGON_HASH_SIZE],
                                          const dgon_hash_part *parts, unsigned count);
DGON_MUST_USE dgon_status dgon_hash_random(void *p, size_t n);
/* The time it takes depends on n alone. */
bool dgon_hash_same(const void *a, const void *b, size_t n);

/* Small hex digits and a NUL: out holds 2 * n + 1. */
void dgon_hash_hex(char *out, const unsigned char *p, size_t n);
/* n bytes from 2 * n hex digits in either case; false: hex holds anything else. */
bool dgon_hash_unhex(unsigned char *out, size_t n, const char *hex, size_t len);

#endif

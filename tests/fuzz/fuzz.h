/* What every fuzz target shares. A target is LLVMFuzzerTestOneInput and asserts its invariants
 * itself. */
#ifndef DGON_TESTS_FUZZ_H
#define DGON_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_ASSERT(x)                                              \
    do {                                                            \
        if (!(x)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
            abort();                                                \
        }                                                           \
    } while (0)

/* Everything a reader said, as one number (FNV-1a), to compare two ways of feeding it. */
typedef struct fuzz_trace {
    uint64_t hash;
    size_t events;
} fuzz_trace;

static inline void fuzz_note(fuzz_trace *t, const void *p, size_t n)
{
    const unsigned char *c = p;
    t->hash = (t->hash ^ n) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < n; i++)
        t->hash = (t->hash ^ c[i]) * UINT64_C(0x100000001b3);
}

/* Length of the next piece, 1..rest, from a seed taken out of the input. */
static inline size_t fuzz_piece(uint32_t *seed, size_t rest)
{
    *seed = *seed * 1664525u + 1013904223u;
    size_t len = 1 + (*seed >> 24) % ((*seed >> 20 & 1) != 0 ? 4 : 64);
    return len < rest ? len : rest;
}

/* A copy in a block of its own size, so that a sanitizer sees a read behind it. */
static inline void *fuzz_copy(const void *p, size_t n)
{
    void *copy = malloc(n > 0 ? n : 1);
    FUZZ_ASSERT(copy != NULL);
    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

#endif

/* What the stress programs share: a segment between two forbidden pages, a seed, a complaint. */
#ifndef DGON_TESTS_STRESS_H
#define DGON_TESTS_STRESS_H

#include "registry_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static inline void die(const char *what)
{
    fprintf(stderr, "FAILED: %s\n", what);
    exit(1);
}

/* Shared with all processes forked later; a write next to it is a crash. Zeroed. */
static inline void *segment_map(size_t size)
{
    const size_t guard = 1u << 20;
    unsigned char *p =
        mmap(NULL, size + 2 * guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED ||
        mmap(p + guard, size, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        die("mmap");
    return p + guard;
}

static inline void segment_unmap(void *p, size_t size)
{
    const size_t guard = 1u << 20;
    munmap((unsigned char *)p - guard, size + 2 * guard);
}

static inline double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

typedef struct rng {
    uint64_t s;
} rng;

static inline uint32_t rnd(rng *r, uint32_t n)
{
    r->s ^= r->s << 13;
    r->s ^= r->s >> 7;
    r->s ^= r->s << 17;
    return (uint32_t)((r->s >> 16) % n);
}

/* argv[1]: seconds, argv[2]: seed (printed, so that a run can be repeated). */
static inline void arguments(int argc, char **argv, double *secs, uint64_t *seed)
{
    *secs = argc > 1 ? atof(argv[1]) : *secs;
    *seed = argc > 2 ? strtoull(argv[2], NULL, 0) : ((uint64_t)time(NULL) << 20 | 1);
    printf("%s %g %llu\n", argv[0], *secs, (unsigned long long)*seed);
    fflush(stdout);
}

#endif

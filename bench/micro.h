/* The median of several rounds, as a line of JSON. */
#ifndef BENCH_MICRO_H
#define BENCH_MICRO_H

#include "common.h"

#define MICRO_ROUNDS 15

static inline void micro_check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static inline int micro_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Sorts the rounds' nanoseconds per operation. min is the figure that noise of the machine touches
 * least. */
static inline void micro_print(const char *name, uint64_t n, double ns[MICRO_ROUNDS])
{
    qsort(ns, MICRO_ROUNDS, sizeof(*ns), micro_compare);
    printf("{\"micro\":\"%s\",\"n\":%llu,\"ns\":%.1f,\"min_ns\":%.1f,\"max_ns\":%.1f}\n", name,
           (unsigned long long)n, ns[MICRO_ROUNDS / 2], ns[0], ns[MICRO_ROUNDS - 1]);
    fflush(stdout);
}

/* step(user) does `operations` of them; it is called until `round` nanoseconds have passed. */
static inline void micro_run(const char *name, uint64_t n, uint64_t operations, uint64_t round,
                             void (*step)(void *user), void *user)
{
    double ns[MICRO_ROUNDS];

    step(user); /* caches, page faults */
    for (int i = 0; i < MICRO_ROUNDS; i++) {
        uint64_t begin = now_ns(), end, steps = 0;

        do {
            step(user);
            steps++;
            end = now_ns();
        } while (end - begin < round);
        ns[i] = (double)(end - begin) / (double)(steps * operations);
    }
    micro_print(name, n, ns);
}

#endif

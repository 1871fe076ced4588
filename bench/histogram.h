/* Times in nanoseconds, kept to better than 0.5 %, in fixed memory. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 256 /* of an octave */

struct histogram {
    uint64_t count, max, sum, bucket[64 * HISTOGRAM_STEPS];
};

void histogram_add(struct histogram *h, uint64_t v);
/* q in [0, 1]; 0 when nothing was added. Never more than the exact maximum h->max. */
uint64_t histogram_quantile(const struct histogram *h, double q);

#endif

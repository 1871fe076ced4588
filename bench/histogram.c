#include "histogram.h"

static unsigned bucket_of(uint64_t v)
{
    unsigned shift = 0;

    while (v >> shift >= 2 * HISTOGRAM_STEPS) {
        shift++;
    }
    return v < HISTOGRAM_STEPS ? (unsigned)v : shift * HISTOGRAM_STEPS + (unsigned)(v >> shift);
}

void histogram_add(struct histogram *h, uint64_t v)
{
    h->bucket[bucket_of(v)]++;
    h->count++;
    h->sum += v;
    h->max = v > h->max ? v : h->max;
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
    uint64_t rank = (uint64_t)(q * (double)h->count), seen = 0;

    for (unsigned i = 0; i < 64 * HISTOGRAM_STEPS; i++) {
        seen += h->bucket[i];
        if (seen > rank) {
            unsigned shift = i < 2 * HISTOGRAM_STEPS ? 0 : i / HISTOGRAM_STEPS - 1;
            uint64_t low = (uint64_t)(i - shift * HISTOGRAM_STEPS) << shift;
            uint64_t middle = low + ((1ULL << shift) >> 1);

            return middle < h->max ? middle : h->max;
        }
    }
    return h->max;
}

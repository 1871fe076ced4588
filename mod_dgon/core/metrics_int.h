/* The counters as they lie in the segment, and what they are called. */
#ifndef DGON_METRICS_INT_H
#define DGON_METRICS_INT_H

#include "dgon/metrics.h"

#include <stdatomic.h>

#define DGON_METRICS_OTHER   (DGON_METRICS_MODELS - 1u) /* has no name in the table */
#define DGON_METRICS_CODES   24u
#define DGON_METRICS_BUCKETS 20u /* the last of a histogram's is +Inf */

typedef enum dgon_metrics_op {
    DGON_METRICS_CHAT = 0,
    DGON_METRICS_TEXT,
    DGON_METRICS_EMBED,
    DGON_METRICS_RESPONSES,
    DGON_METRICS_MESSAGES,
    DGON_METRICS_COUNT_TOKENS,
    DGON_METRICS_RERANK,
    DGON_METRICS_PASS,
    DGON_METRICS_NOT_A_JOB, /* lists, refusals before it was known */
    DGON_METRICS_OPS
} dgon_metrics_op;

typedef enum dgon_histogram {
    DGON_HISTOGRAM_FIRST = 0, /* µs */
    DGON_HISTOGRAM_TOKEN,     /* µs */
    DGON_HISTOGRAM_TOTAL,     /* µs */
    DGON_HISTOGRAM_QUEUE,     /* µs */
    DGON_HISTOGRAM_IN,        /* tokens */
    DGON_HISTOGRAM_OUT,       /* tokens */
    DGON_HISTOGRAM_MAX
} dgon_histogram;

typedef struct dgon_layout_series {
    _Alignas(64) _Atomic uint64_t codes[DGON_METRICS_CODES];
    _Atomic uint64_t sum[DGON_HISTOGRAM_MAX + 2];
    _Atomic uint64_t bucket[DGON_HISTOGRAM_MAX][DGON_METRICS_BUCKETS];
} dgon_layout_series;

_Static_assert(sizeof(dgon_layout_series) == 1216, "series: 19 lines");

/* Of a histogram: the bounds without +Inf, in its own unit (µs, tokens). */
typedef struct dgon_metrics_bounds {
    unsigned n;
    uint64_t le[DGON_METRICS_BUCKETS - 1];
} dgon_metrics_bounds;
extern const dgon_metrics_bounds dgon_metrics_bounds_of[DGON_HISTOGRAM_MAX];

/* The statuses that are told apart; the last entry (0) stands for all others. */
extern const int dgon_metrics_codes[DGON_METRICS_CODES];
/* As in OpenTelemetry where it has a word. */
extern const char *const dgon_metrics_ops[DGON_METRICS_OPS];

#endif

/* What is counted of requests, in the shared segment: one set of counters for all children, which
 * outlives each of them and every graceful restart. A series is a pair of model and operation; both
 * are bounded. Names and buckets are those of OpenTelemetry's gen_ai metrics in Prometheus' form.
 *
 * Each word is added to by one atomic instruction, so a child that is killed leaves nothing half,
 * and the request that it was counting is one that was in flight. */
#ifndef DGON_METRICS_H
#define DGON_METRICS_H

#include "dgon/buf.h"
#include "dgon/op.h"
#include "dgon/registry.h"

#define DGON_METRICS_MODELS  512u /* that get series; one of them is "_other", for all beyond */
#define DGON_METRICS_UNKNOWN (-1)

/* A request that has ended. Times in microseconds; DGON_METRICS_UNKNOWN: it did not come to that,
 * nobody told. */
typedef struct dgon_metrics_request {
    const char *model; /* the public name, of a model that is known here; NULL: none was */
    dgon_op op;
    int status; /* as the client saw it; 499: it had gone */
    bool stream;
    bool good;        /* the answer is whole */
    int64_t queue_us; /* until an agent's slot was found */
    int64_t first_us, total_us;
    int64_t tokens_in, tokens_out;
} dgon_metrics_request;

/* Any thread of any child: once for each request, at its end. */
void dgon_metrics_count(dgon_registry *r, const dgon_metrics_request *q);

/* What only a process knows. */
typedef struct dgon_metrics_about {
    const char *version;
    bool openmetrics; /* else Prometheus' text format 0.0.4 */
} dgon_metrics_about;

/* Appends all of it: counters, histograms, gauges of agents, models and jobs. Any thread. */
DGON_MUST_USE dgon_status dgon_metrics_write(dgon_registry *r, const dgon_metrics_about *about,
                                             dgon_buf *out);

#endif

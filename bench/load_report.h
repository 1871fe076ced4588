/* What load counts, and how it prints that. */
#ifndef BENCH_LOAD_REPORT_H
#define BENCH_LOAD_REPORT_H

#include "histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct counts {
    uint64_t requests, complete, tokens;
    uint64_t lost, doubled, reordered, foreign, no_done, broken, error_events, http_errors;
    uint64_t last_status, connect_failures, timed_out, cancelled, comments, reconnects, slow_tokens;
    uint64_t connections, connected, connected_high, bytes;
};

/* A stream that load closed on purpose. */
struct closing {
    uint64_t id, ns, tokens;
};

extern struct counts count;
/* token: one-way time of a token; gap: from a token's arrival to that of the stream's next one;
 * first: request to first token, less the backend's own time; whole: request to end. */
extern struct histogram token_time, gap_time, first_time, whole_time;
/* The first count.cancelled ones, in the order of time; main gives room for one a stream. */
extern struct closing *closings;

/* A token came now that took so many ns: into token_time, and into the time slice (--slice). */
void note_token(uint64_t now, uint64_t took);
/* The first text of an error is kept for the report. */
void note_error(const char *p, size_t n);
/* Anything that a good run must not have. */
bool report_bad(void);
void report_print(double seconds, bool json);

#endif

/* What fakellm remembers, and GET /stats. */
#ifndef BENCH_FAKELLM_STATS_H
#define BENCH_FAKELLM_STATS_H

#include "common.h"

struct stats {
    uint64_t requests, finished, tokens, open, open_high;
};

extern struct stats stats;

void stats_opened(void);
/* A request of this id began at ns; its client went away now. The last 1,000 of each are kept. */
void stats_started(uint64_t id, uint64_t ns);
void stats_aborted(uint64_t id);
/* Appends the JSON; lists: with the times of starts and aborts. */
void stats_print(struct bytes *out, bool lists);

#endif

/* Which link gets a job: a pure function over a snapshot, so that it can be tested without shared
 * memory. */
#ifndef DGON_SCHED_H
#define DGON_SCHED_H

#include <stdbool.h>
#include <stdint.h>

typedef struct dgon_sched_candidate {
    uint32_t link;   /* index in the link table */
    uint32_t agent;  /* index in the agent table; two links may be of one agent */
    uint32_t slots;  /* of the agent */
    uint32_t busy;   /* of the agent, may exceed slots after a capacity change */
    bool same_child; /* the link is in the client's own child: saves a crossing (about 17 us) */
    bool excluded;   /* an earlier attempt of this job failed there */
    uint64_t last; /* ticket of the agent's last dispatch: the one idle for longest goes first among
                      equals */
} dgon_sched_candidate;

/* Index of the choice, -1 when nobody has a free slot. Order: not excluded, free slot, lowest
 * busy/slots (compared exactly, by cross-multiplication), same child, longest idle, lowest link.
 * Linear in n, no allocation. */
int dgon_sched_choose(const dgon_sched_candidate *c, uint32_t n);

/* Seconds for Retry-After: the time until `waiting` jobs before a new one have drained through
 * `slots` at `job_ms` each (EWMA; 0 = unknown, taken as 1 s), clamped to 1..30. */
uint32_t dgon_sched_retry_after(uint32_t waiting, uint32_t slots, uint32_t job_ms);

#endif

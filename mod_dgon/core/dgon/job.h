/* The life of a job slot as a table: which event may move which phase where. Pure; registry.c turns
 * each step into one compare-and-swap. A retry is a new slot with the next attempt number (the old
 * one is released), so two attempts never share a ring.
 *
 *   FREE --claim--> CLAIMED --submit--> QUEUED --bind--> BOUND --take--> RUNNING --finish--> DONE
 * --release--> FREE |                  |                |                |
 *                      +------release-----+-----> FREE     +----release-----+--> the same phase
 * with GONE set: the client side is gone, the link side still has to cancel at the agent; its
 * finish then goes to FREE
 *
 * "withdraw" (client child, submit to a full queue) leads from QUEUED back to CLAIMED.
 * "release" is the client child's (or the sweeper's for a dead client child); take and finish are
 * the link child's (or the sweeper's for a dead link child: finish).
 */
#ifndef DGON_JOB_H
#define DGON_JOB_H

#include "dgon/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum dgon_job_phase {
    DGON_JOB_FREE = 0,
    DGON_JOB_CLAIMED, /* the client child fills it */
    DGON_JOB_QUEUED,  /* waits for a slot of an agent; anybody may bind it */
    DGON_JOB_BOUND,   /* a slot is reserved, the link child has not taken it yet */
    DGON_JOB_RUNNING, /* sent to the agent */
    DGON_JOB_DONE,    /* the link side has let go; what is in the down ring may still be read */
    DGON_JOB_PHASE_MAX
} dgon_job_phase;

typedef enum dgon_job_event {
    DGON_JOB_CLAIM = 0,
    DGON_JOB_SUBMIT,
    DGON_JOB_BIND,
    DGON_JOB_TAKE,
    DGON_JOB_FINISH,
    DGON_JOB_RELEASE,
    DGON_JOB_WITHDRAW, /* the queue was full: back to CLAIMED, the client child decides */
    DGON_JOB_EVENT_MAX
} dgon_job_event;

/* The phase after `event`, with *gone updated; -1 where the event is impossible (a stale actor: it
 * does nothing). BIND, TAKE on a job with GONE: TAKE is impossible, FINISH is right. */
int dgon_job_next(dgon_job_phase phase, bool *gone, dgon_job_event event);
const char *dgon_job_phase_str(dgon_job_phase p);
const char *dgon_job_event_str(dgon_job_event e);

#endif

#include "dgon/job.h"

/* What an event does to a job that nobody has let go of; FREE.. as in the picture of job.h, -1 =
 * impossible. */
static const signed char table[DGON_JOB_PHASE_MAX][DGON_JOB_EVENT_MAX] = {
    [DGON_JOB_FREE] = {DGON_JOB_CLAIMED, -1, -1, -1, -1, -1, -1},
    [DGON_JOB_CLAIMED] = {-1, DGON_JOB_QUEUED, -1, -1, -1, DGON_JOB_FREE, -1},
    [DGON_JOB_QUEUED] = {-1, -1, DGON_JOB_BOUND, -1, -1, DGON_JOB_FREE, DGON_JOB_CLAIMED},
    [DGON_JOB_BOUND] = {-1, -1, -1, DGON_JOB_RUNNING, DGON_JOB_DONE, DGON_JOB_BOUND, -1},
    [DGON_JOB_RUNNING] = {-1, -1, -1, -1, DGON_JOB_DONE, DGON_JOB_RUNNING, -1},
    [DGON_JOB_DONE] = {-1, -1, -1, -1, -1, DGON_JOB_FREE, -1},
};

static bool on_agent(dgon_job_phase p)
{
    return p == DGON_JOB_BOUND || p == DGON_JOB_RUNNING;
}

int dgon_job_next(dgon_job_phase phase, bool *gone, dgon_job_event event)
{
    if ((unsigned)phase >= DGON_JOB_PHASE_MAX || (unsigned)event >= DGON_JOB_EVENT_MAX)
        return -1;
    int next = table[phase][event];
    if (next < 0)
        return -1;
    if (!on_agent(phase)) {
        /* GONE has no meaning here; only what ends the job may pass, and clears it. */
        if (*gone && next != DGON_JOB_FREE && phase != DGON_JOB_FREE)
            return -1;
        *gone = false;
        return next;
    }
    if (event == DGON_JOB_FINISH) {
        next = *gone ? DGON_JOB_FREE : DGON_JOB_DONE;
        *gone = false;
        return next;
    }
    if (*gone)
        return -1; /* a second release, or a take that comes too late */
    *gone = event == DGON_JOB_RELEASE;
    return next;
}

const char *dgon_job_phase_str(dgon_job_phase p)
{
    static const char *const names[DGON_JOB_PHASE_MAX] = {"free",  "claimed", "queued",
                                                          "bound", "running", "done"};
    return (unsigned)p < DGON_JOB_PHASE_MAX ? names[p] : "?";
}

const char *dgon_job_event_str(dgon_job_event e)
{
    static const char *const names[DGON_JOB_EVENT_MAX] = {"claim",  "submit",  "bind",    "take",
                                                          "finish", "release", "withdraw"};
    return (unsigned)e < DGON_JOB_EVENT_MAX ? names[e] : "?";
}

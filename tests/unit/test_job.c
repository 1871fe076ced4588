#include "unit.h"

#include "dgon/job.h"

/* The picture of job.h, once more and by hand: phase, gone before, event -> phase, gone after. All
 * else is impossible. */
typedef struct step {
    int from, gone, event, to, gone_after;
} step;

static const step steps[] = {
    {DGON_JOB_FREE, 0, DGON_JOB_CLAIM, DGON_JOB_CLAIMED, 0},
    {DGON_JOB_FREE, 1, DGON_JOB_CLAIM, DGON_JOB_CLAIMED, 0},
    {DGON_JOB_CLAIMED, 0, DGON_JOB_SUBMIT, DGON_JOB_QUEUED, 0},
    {DGON_JOB_CLAIMED, 0, DGON_JOB_RELEASE, DGON_JOB_FREE, 0},
    {DGON_JOB_CLAIMED, 1, DGON_JOB_RELEASE, DGON_JOB_FREE, 0},
    {DGON_JOB_QUEUED, 0, DGON_JOB_BIND, DGON_JOB_BOUND, 0},
    {DGON_JOB_QUEUED, 0, DGON_JOB_WITHDRAW, DGON_JOB_CLAIMED, 0},
    {DGON_JOB_QUEUED, 0, DGON_JOB_RELEASE, DGON_JOB_FREE, 0},
    {DGON_JOB_QUEUED, 1, DGON_JOB_RELEASE, DGON_JOB_FREE, 0},
    {DGON_JOB_BOUND, 0, DGON_JOB_TAKE, DGON_JOB_RUNNING, 0},
    {DGON_JOB_BOUND, 0, DGON_JOB_FINISH, DGON_JOB_DONE, 0},
    {DGON_JOB_BOUND, 1, DGON_JOB_FINISH, DGON_JOB_FREE, 0},
    {DGON_JOB_BOUND, 0, DGON_JOB_RELEASE, DGON_JOB_BOUND, 1},
    {DGON_JOB_RUNNING, 0, DGON_JOB_FINISH, DGON_JOB_DONE, 0},
    {DGON_JOB_RUNNING, 1, DGON_JOB_FINISH, DGON_JOB_FREE, 0},
    {DGON_JOB_RUNNING, 0, DGON_JOB_RELEASE, DGON_JOB_RUNNING, 1},
    {DGON_JOB_DONE, 0, DGON_JOB_RELEASE, DGON_JOB_FREE, 0},
    {DGON_JOB_DONE, 1, DGON_JOB_RELEASE, DGON_JOB_FREE, 0},
};

static const step *find(int from, int gone, int event)
{
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (steps[i].from == from && steps[i].gone == gone && steps[i].event == event)
            return &steps[i];
    return NULL;
}

static void test_matrix(void)
{
    size_t possible = 0;
    for (int p = -1; p <= DGON_JOB_PHASE_MAX + 2; p++)
        for (int g = 0; g < 2; g++)
            for (int e = -1; e <= DGON_JOB_EVENT_MAX; e++) {
                bool gone = g;
                int to = dgon_job_next((dgon_job_phase)p, &gone, (dgon_job_event)e);
                const step *s = find(p, g, e);
                CU_ASSERT_EQUAL(to, s ? s->to : -1);
                CU_ASSERT_EQUAL(gone, s ? s->gone_after : g);
                possible += to >= 0;
            }
    CU_ASSERT_EQUAL(possible, sizeof steps / sizeof steps[0]);
}

/* From every phase a release and a finish, in either order, end in FREE: nobody has to wait for
 * more than the other side. */
static void test_always_ends(void)
{
    for (int p = 0; p < DGON_JOB_PHASE_MAX; p++)
        for (int first = 0; first < 2; first++) {
            int phase = p;
            bool gone = false;
            for (int i = 0; i < 4; i++) {
                dgon_job_event e = (i + first) % 2 ? DGON_JOB_FINISH : DGON_JOB_RELEASE;
                int to = dgon_job_next((dgon_job_phase)phase, &gone, e);
                phase = to < 0 ? phase : to;
            }
            CU_ASSERT_EQUAL(phase, DGON_JOB_FREE);
            CU_ASSERT(!gone);
        }
}

static void test_names(void)
{
    for (int p = 0; p < DGON_JOB_PHASE_MAX; p++)
        CU_ASSERT_STRING_NOT_EQUAL(dgon_job_phase_str((dgon_job_phase)p), "?");
    for (int e = 0; e < DGON_JOB_EVENT_MAX; e++)
        CU_ASSERT_STRING_NOT_EQUAL(dgon_job_event_str((dgon_job_event)e), "?");
    CU_ASSERT_STRING_EQUAL(dgon_job_phase_str(DGON_JOB_PHASE_MAX), "?");
    CU_ASSERT_STRING_EQUAL(dgon_job_event_str(DGON_JOB_EVENT_MAX), "?");
}

UNIT_MAIN("job", {"matrix", test_matrix}, {"always ends", test_always_ends}, {"names", test_names})

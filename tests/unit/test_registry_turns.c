/* Users take turns at a model; one user's jobs stay in their order. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "registry_fixture.h"

#define QUEUE_MAX 1000u

static dgon_job_spec spec_of(const char *user)
{
    dgon_job_spec s = {.model = model("m"), .op = 1, .attempt = 1};
    s.exclude[0] = s.exclude[1] = DGON_NONE;
    s.user = user != NULL ? dgon_registry_user(reg, true, user, strlen(user)) : 0;
    return s;
}

static dgon_job_ref submit_spec(dgon_job_spec *s)
{
    dgon_job_ref ref = {0};
    CU_ASSERT_FATAL(dgon_registry_claim(reg, 0, s, &ref) == DGON_OK);
    CU_ASSERT(dgon_registry_submit(reg, ref, QUEUE_MAX) == DGON_OK);
    return ref;
}

static dgon_job_ref submit_as(const char *user)
{
    dgon_job_spec s = spec_of(user);
    return submit_spec(&s);
}

/* The one of them that is bound, which ends; n: none is. */
static int serve(dgon_job_ref *jobs, int n)
{
    for (int i = 0; i < n; i++) {
        if (phase(jobs[i]) == DGON_JOB_BOUND) {
            dgon_registry_finish(reg, jobs[i], 1);
            dgon_registry_release(reg, jobs[i]);
            return i;
        }
    }
    return n;
}

static void test_one_of_many(void)
{
    setup();
    (void)open_link(1, "x", 1, 1, "m");
    dgon_job_ref a[50], b;
    for (int i = 0; i < 50; i++)
        a[i] = submit_as("ada");
    b = submit_as("bob");
    CU_ASSERT_EQUAL(dgon_registry_position(reg, b), 1);
    CU_ASSERT_EQUAL(dgon_registry_position(reg, a[1]), 2);
    CU_ASSERT_EQUAL(dgon_registry_position(reg, a[49]), 50);
    CU_ASSERT_EQUAL(serve(a, 50), 0);
    CU_ASSERT_EQUAL(phase(b), DGON_JOB_BOUND);
    dgon_registry_finish(reg, b, 1);
    dgon_registry_release(reg, b);
    for (int i = 1; i < 50; i++)
        CU_ASSERT_EQUAL(serve(a, 50), i);
    nothing_left();
    teardown();
}

static void test_in_turn(void)
{
    static const char *const users[] = {"ada", "bob", "eve"};
    setup();
    (void)open_link(1, "x", 1, 1, "m");
    dgon_job_ref j[12];
    /* ada's five, bob's four, eve's three */
    int n = 0, of[12];
    for (int u = 0; u < 3; u++)
        for (int i = 0; i < 5 - u; i++) {
            of[n] = u;
            j[n++] = submit_as(users[u]);
        }
    static const int order[] = {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 0};
    int last[3] = {-1, -1, -1};
    for (int i = 0; i < 12; i++) {
        uint32_t places = 0;
        for (int k = 0; k < 12; k++)
            places += dgon_registry_position(reg, j[k]) == 1;
        CU_ASSERT_EQUAL(places, i == 11 ? 0 : 1);
        int k = serve(j, 12);
        CU_ASSERT_FATAL(k < 12);
        CU_ASSERT_EQUAL(of[k], order[i]);
        CU_ASSERT(k > last[of[k]]);
        last[of[k]] = k;
    }
    nothing_left();
    teardown();
}

static void test_nobody_told(void)
{
    setup();
    (void)open_link(1, "x", 1, 1, "m");
    dgon_job_ref j[20];
    for (int i = 0; i < 20; i++)
        j[i] = submit_as(NULL);
    for (uint32_t i = 1; i < 20; i++)
        CU_ASSERT_EQUAL(dgon_registry_position(reg, j[i]), i);
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(serve(j, 20), i);
    nothing_left();
    teardown();
}

/* The agent had no slot after all: the job is next, and so is its user. */
static void test_again(void)
{
    setup();
    (void)open_link(1, "x", 1, 1, "m");
    dgon_job_ref a[3];
    dgon_job_spec s = spec_of("bob");
    a[0] = submit_as("ada");
    a[1] = submit_spec(&s);
    a[2] = submit_as("ada");
    CU_ASSERT_EQUAL(serve(a, 1), 0);
    CU_ASSERT_EQUAL(phase(a[1]), DGON_JOB_BOUND);
    dgon_registry_link_slots(reg, 0, 0);
    dgon_registry_finish(reg, a[1], 0);
    dgon_registry_release(reg, a[1]);
    s.again = true;
    a[1] = submit_spec(&s);
    CU_ASSERT(!s.again);
    dgon_registry_link_slots(reg, 0, 1);
    CU_ASSERT_EQUAL(phase(a[1]), DGON_JOB_BOUND);
    CU_ASSERT_EQUAL(serve(a + 1, 2), 0);
    CU_ASSERT_EQUAL(serve(a + 1, 2), 1);
    nothing_left();
    teardown();
}

static void test_rubbish(void)
{
    setup();
    (void)open_link(1, "x", 1, 1, "m");
    dgon_job_ref j[3];
    j[0] = submit_as("ada");
    j[1] = submit_as("bob");
    j[2] = submit_as("ada");
    for (uint32_t t = 0; t < DGON_LAYOUT_TURNS; t++)
        atomic_store(&reg->turns[t], UINT64_MAX);
    atomic_fetch_or(&reg->job_queue[j[1].slot], 0xffff0000u);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(serve(j, 3), i);
    nothing_left();
    teardown();
}

static void test_user(void)
{
    setup();
    uint32_t name = dgon_registry_user(reg, true, "ada", 3), old = name;
    CU_ASSERT(name != 0 && name == dgon_registry_user(reg, true, "ada", 3));
    CU_ASSERT_NOT_EQUAL(name, dgon_registry_user(reg, true, "adb", 3));
    CU_ASSERT_NOT_EQUAL(name, dgon_registry_user(reg, false, "ada", 3));
    teardown();
    setup();
    CU_ASSERT_NOT_EQUAL(dgon_registry_user(reg, true, "ada", 3), old);
    teardown();
}

UNIT_MAIN("registry_turns", {"one of many", test_one_of_many}, {"in turn", test_in_turn},
          {"nobody told", test_nobody_told}, {"again", test_again}, {"rubbish", test_rubbish},
          {"user", test_user})

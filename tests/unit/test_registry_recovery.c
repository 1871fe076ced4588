/* What dead processes leave, and what is stale. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "registry_fixture.h"

static void test_sweep_client(void)
{
    setup();
    uint32_t a = open_link(1, "a", 1, 2, "m");
    dgon_job_ref run = submit(0, "m"), bound = submit(0, "m"), wait = submit(0, "m"),
                 claimed = claim(0, "m"), other = submit(2, "m");
    CU_ASSERT(dgon_registry_take(reg, run) == DGON_OK);
    dead[0] = true;
    CU_ASSERT_EQUAL(dgon_registry_sweep(reg, 1), 1);
    CU_ASSERT_EQUAL(dgon_registry_sweep(reg, 1), 0);
    CU_ASSERT(phase(wait) == DGON_JOB_FREE && phase(claimed) == DGON_JOB_FREE);
    bool gone = false;
    CU_ASSERT(dgon_registry_phase(reg, run, &gone, NULL) == DGON_JOB_RUNNING && gone);
    dgon_registry_finish(reg, run, 0);
    dgon_registry_finish(reg, bound, 0);
    CU_ASSERT_EQUAL(phase(other), DGON_JOB_BOUND);
    dgon_registry_finish(reg, other, 0);
    dgon_registry_release(reg, other);
    CU_ASSERT_EQUAL(dgon_registry_total(reg, DGON_COUNT_SWEPT), 1);
    nothing_left();
    dgon_registry_link_close(reg, a);
    teardown();
}

static void test_sweep_link(void)
{
    setup();
    open_link(1, "a", 1, 1, "m");
    dgon_job_ref run = submit(0, "m"), gone = submit(0, "m"), wait = submit(0, "m");
    dgon_registry_finish(reg, run, 0);
    dgon_registry_release(reg, run);
    dgon_registry_release(reg, gone);
    open_link(2, "b", 1, 1, "n");
    dead[1] = true;
    /* The first sweeper dies at its work; the next one takes over. */
    _Atomic uint64_t *w = &dgon_child_at(reg, 1)->word;
    uint64_t epoch = dgon_childw_epoch(dgon_get(w));
    atomic_store(w, dgon_childw((uint32_t)epoch, DGON_CHILD_SWEEPING, 2, 1));
    CU_ASSERT_EQUAL(dgon_registry_sweep(reg, 0), 0); /* 2 lives */
    dead[2] = true;
    CU_ASSERT_EQUAL(dgon_registry_sweep(reg, 0), 2);
    CU_ASSERT_EQUAL(phase(gone), DGON_JOB_FREE);
    CU_ASSERT_EQUAL(phase(wait), DGON_JOB_QUEUED);
    CU_ASSERT_EQUAL(gauges().links, 0);
    dead[1] = false;
    CU_ASSERT(dgon_registry_join(reg, 9, 1) == DGON_OK);
    open_link(1, "a", 2, 1, "m");
    CU_ASSERT_EQUAL(phase(wait), DGON_JOB_BOUND);
    dgon_registry_finish(reg, wait, 0);
    dgon_registry_release(reg, wait);
    nothing_left();
    teardown();
}

static void test_stale_tokens(void)
{
    setup();
    open_link(1, "a", 1, 2, "m");
    dgon_job_ref j = submit(0, "m"), k = submit(0, "m"), w = submit(0, "m");
    /* Child 2 reserved for a waiting job, counted, and was killed. */
    dgon_registry_finish(reg, k, 0);
    dgon_registry_release(reg, k);
    dgon_registry_finish(reg, j, 0);
    dgon_registry_release(reg, j);
    dgon_registry_finish(reg, w, 0);
    dgon_registry_release(reg, w);
    dgon_job_ref q = claim(0, "m");
    uint64_t word = dgon_get(&reg->job_word[q.slot]);
    CU_ASSERT(dgon_job_move(reg, q.slot, word, DGON_JOB_SUBMIT, &word));
    (void)dgon_count_up(&reg->waiting[model("m")]);
    atomic_store(&dgon_tokens_at(reg, 0)[0], dgon_token(2, q.slot, q.gen));
    atomic_store(&dgon_tokens_at(reg, 0)[1], dgon_token(2, q.slot, q.gen));
    (void)dgon_count_up(&dgon_agent_at(reg, 0)->busy);
    (void)dgon_count_up(&dgon_agent_at(reg, 0)->busy);
    CU_ASSERT_EQUAL(gauges().tokens_valid, 2);
    dgon_registry_audit(reg, 0);
    CU_ASSERT_EQUAL(phase(q), DGON_JOB_QUEUED);
    dead[2] = true;
    CU_ASSERT_EQUAL(dgon_registry_sweep(reg, 0), 1);
    CU_ASSERT_EQUAL(phase(q), DGON_JOB_BOUND);
    CU_ASSERT_EQUAL(gauges().tokens_valid, 1);
    CU_ASSERT_EQUAL(gauges().tokens_stale, 0);
    dgon_registry_finish(reg, q, 0);
    dgon_registry_release(reg, q);
    nothing_left();
    teardown();
}

static void test_audit(void)
{
    setup();
    open_link(1, "a", 1, 1, "m");
    uint32_t m = model("m");
    atomic_store(&reg->waiting[m], 5);
    for (int i = 0; i < 6; i++)
        dgon_registry_audit(reg, 0);
    CU_ASSERT_EQUAL(dgon_count_of(dgon_get(&reg->waiting[m])), 0);
    dgon_job_ref j = submit(0, "m"), w = submit(0, "m");
    atomic_store(&reg->waiting[m], 0); /* too low: the waiting job is not seen by finish */
    dgon_registry_finish(reg, j, 0);
    CU_ASSERT_EQUAL(phase(w), DGON_JOB_QUEUED);
    dgon_registry_audit(reg, 0);
    CU_ASSERT_EQUAL(phase(w), DGON_JOB_BOUND);
    atomic_store(&dgon_agent_at(reg, 0)->busy, 9);
    dgon_registry_release(reg, j);
    dgon_registry_finish(reg, w, 0);
    dgon_registry_release(reg, w);
    dgon_registry_audit(reg, 0);
    nothing_left();
    /* Words that nobody can have written. */
    uint32_t slot = claim(0, "m").slot;
    atomic_store(&reg->job_word[slot], UINT64_MAX);
    atomic_store(&reg->job_word[slot + 1], dgon_jobw_pack((dgon_jobw){.phase = 3, .link = 69}));
    atomic_store(&reg->head->job_high, 5);
    dgon_registry_audit(reg, 0);
    dgon_job_ref ref = {.slot = slot + 1, .gen = 0};
    dgon_registry_release(reg, ref);
    CU_ASSERT_EQUAL(dgon_jobw_of(dgon_get(&reg->job_word[slot])).phase, DGON_JOB_FREE);
    CU_ASSERT_EQUAL(gauges().jobs_bound, 0);
    teardown();
}

static void test_stale_refs(void)
{
    setup();
    dgon_job_ref bad[] = {{0, 0}, {1u << 30, 1}, {5, UINT32_MAX}, {0, 12345}};
    dgon_job_spec spec;
    bool gone;
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT(dgon_registry_submit(reg, bad[i], 1) == DGON_ESTALE);
        CU_ASSERT(dgon_registry_take(reg, bad[i]) == DGON_ESTALE);
        CU_ASSERT(dgon_registry_spec(reg, bad[i], &spec) == DGON_ESTALE);
        CU_ASSERT_EQUAL(dgon_registry_phase(reg, bad[i], &gone, NULL), DGON_JOB_FREE);
        CU_ASSERT_EQUAL(dgon_registry_position(reg, bad[i]), 0);
        dgon_registry_finish(reg, bad[i], 1);
        dgon_registry_release(reg, bad[i]);
        dgon_registry_notify_link(reg, bad[i]);
        dgon_registry_notify_client(reg, bad[i]);
    }
    dgon_registry_link_close(reg, 10000);
    dgon_registry_link_drain(reg, 10000);
    dgon_registry_link_slots(reg, 10000, 1);
    CU_ASSERT(!dgon_registry_link_probe(reg, 10000));
    CU_ASSERT(dgon_registry_link_models(reg, 3, NULL, 0) == DGON_ESTALE);
    spec = (dgon_job_spec){.model = 8};
    dgon_job_ref ref;
    CU_ASSERT(dgon_registry_claim(reg, 0, &spec, &ref) == DGON_EINVAL);
    nothing_left();
    teardown();
}

UNIT_MAIN("registry_recovery", {"sweep of a client child", test_sweep_client},
          {"sweep of a link child", test_sweep_link}, {"stale tokens", test_stale_tokens},
          {"audit", test_audit}, {"stale refs", test_stale_refs})

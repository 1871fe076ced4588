/* What dead processes leave, and what is stale. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "registry_fixture.h"

#include "dgon/fleet.h"

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

/* The job that waits has the slot of the one that runs, as soon as that ends. */
static void follows(dgon_job_ref waiting, dgon_job_ref running)
{
    dgon_registry_finish(reg, running, 0);
    CU_ASSERT_EQUAL(phase(waiting), DGON_JOB_BOUND);
    dgon_registry_finish(reg, waiting, 0);
    dgon_registry_release(reg, running);
    dgon_registry_release(reg, waiting);
}

/* What stands where the next model will be, from a child that went mad. */
static void test_audit_of_the_next_model(void)
{
    setup();
    uint32_t link = open_link(1, "a", 1, 1, "m");
    open_link(1, "b", 2, 1, "m");
    uint32_t next = model("m") + 1;
    atomic_store(&reg->waiting[next], UINT32_MAX); /* one more is none: the job is not looked for */
    atomic_store(dgon_offers_at(reg, next), UINT64_MAX);
    /* pieces that seem newer than any owner */
    for (uint32_t k = 0; k < reg->model_names.words; k++)
        atomic_store(&reg->model_names.text[next * reg->model_names.words + k],
                     (uint64_t)(k % 2 ? 1 : 0x8000001) << 32 | 7);
    dgon_registry_audit(reg, 0);
    dgon_ctl_model n = {.name = "n"};
    CU_ASSERT_EQUAL(dgon_registry_link_models(reg, link, &n, 1), DGON_OK);
    CU_ASSERT_EQUAL(model("n"), next);
    dgon_job_ref j = submit(0, "n");
    CU_ASSERT_EQUAL(phase(j), DGON_JOB_BOUND);
    dgon_job_ref w = submit(0, "n"); /* the other agent has no such model */
    CU_ASSERT_EQUAL(phase(w), DGON_JOB_QUEUED);
    dgon_registry_audit(reg, 0);
    CU_ASSERT_EQUAL(phase(w), DGON_JOB_QUEUED);
    follows(w, j);
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

/* The mark of the last job is too low: what lies above it is found again. */
static void test_audit_of_hidden_jobs(void)
{
    setup();
    open_link(1, "a", 1, 1, "m");
    dgon_job_ref j = submit(0, "m"), w = submit(0, "m");
    atomic_store(&reg->head->job_high, 0);
    CU_ASSERT_EQUAL(gauges().jobs_bound, 0);
    dgon_registry_audit(reg, 0);
    CU_ASSERT_EQUAL(gauges().jobs_bound, 1);
    CU_ASSERT_EQUAL(gauges().jobs_queued, 1);
    atomic_store(&reg->head->job_high, 0);
    dgon_registry_audit(reg, 0);
    follows(w, j);
    nothing_left();
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

/* What the agent of a link that is to be left is kept for. */
static void test_link_waiting(void)
{
    setup();
    CU_ASSERT(dgon_registry_id(reg) != 0);
    uint32_t a = open_link(1, "a", 1, 2, "m"), b = open_link(2, "b", 2, 1, "n"), on;
    CU_ASSERT_EQUAL(dgon_registry_link_waiting(reg, a), 0);
    dgon_job_ref m[5], n = submit(0, "n");
    for (int i = 0; i < 3; i++)
        m[i] = submit(0, "m");
    CU_ASSERT_EQUAL(phase(m[2]), DGON_JOB_QUEUED);
    CU_ASSERT_EQUAL(dgon_registry_link_waiting(reg, a), 1);
    CU_ASSERT_EQUAL(dgon_registry_link_waiting(reg, b), 0);
    (void)dgon_registry_phase(reg, m[0], NULL, &on);
    dgon_job_spec spec = {.model = model("m"), .attempt = 2, .exclude = {on, DGON_NONE}};
    CU_ASSERT(dgon_registry_claim(reg, 0, &spec, &m[3]) == DGON_OK);
    CU_ASSERT(dgon_registry_submit(reg, m[3], 9) == DGON_ENOTFOUND);
    uint32_t more = open_link(1, "c", 3, 1, "m");
    CU_ASSERT_EQUAL(phase(m[2]), DGON_JOB_BOUND);
    CU_ASSERT(dgon_registry_submit(reg, m[3], 9) == DGON_OK);
    CU_ASSERT_EQUAL(dgon_registry_link_waiting(reg, a), 0); /* it failed there */
    CU_ASSERT_EQUAL(dgon_registry_link_waiting(reg, more), 1);
    m[4] = submit(0, "m");
    CU_ASSERT_EQUAL(dgon_registry_link_waiting(reg, a), 1);
    CU_ASSERT_EQUAL(dgon_registry_link_waiting(reg, more), 1); /* no more than its slots */
    dgon_registry_link_slots(reg, a, 0); /* it lends them to another registry */
    CU_ASSERT_EQUAL(dgon_registry_link_waiting(reg, a), 1);
    CU_ASSERT(dgon_fleet_hold(reg, 0, "a", true) == DGON_OK);
    CU_ASSERT_EQUAL(dgon_registry_link_waiting(reg, a), 0);
    CU_ASSERT(dgon_fleet_hold(reg, 0, "a", false) == DGON_OK);
    dgon_registry_link_close(reg, a);
    CU_ASSERT_EQUAL(dgon_registry_link_waiting(reg, a), 0);
    CU_ASSERT_EQUAL(dgon_registry_link_waiting(reg, DGON_NONE), 0);
    dgon_registry_link_close(reg, b);
    dgon_registry_link_close(reg, more);
    for (int i = 0; i < 5; i++)
        dgon_registry_release(reg, m[i]);
    dgon_registry_release(reg, n);
    nothing_left();
    teardown();
}

static bool is_held(const char *id)
{
    uint32_t agent = dgon_names_find(&reg->agent_names, id, strlen(id), NULL);
    return agent != DGON_NONE && dgon_agent_held(reg, agent);
}

/* A registry in place of another one knows its models, and which agents are held. */
static void test_carried(void)
{
    setup();
    (void)open_link(1, "a", 1, 2, "org/m:7b");
    (void)open_link(1, "b", 2, 2, "*");
    CU_ASSERT_EQUAL(dgon_fleet_hold(reg, 0, "b", true), DGON_OK);
    uint64_t id = dgon_registry_id(reg);
    int64_t created = 1234;
    atomic_store(&dgon_model_at(reg, 0)->created, created);
    atomic_store(&dgon_model_at(reg, 0)->lacks, DGON_CAP_VISION);
    size_t size = dgon_registry_size(&conf), names = dgon_registry_carry_size(&conf);
    CU_ASSERT(names > 0 && names < size);
    dgon_registry_conf was = conf, none = {0};
    CU_ASSERT_EQUAL(dgon_registry_carry_size(&none), 0);
    unsigned char *copy = aligned_alloc(DGON_LAYOUT_LINE, (names + 63) / 64 * 64), *bad;
    bad = aligned_alloc(DGON_LAYOUT_LINE, (names + 63) / 64 * 64);
    CU_ASSERT_FATAL(copy != NULL && bad != NULL);
    CU_ASSERT(!dgon_registry_carry_copy(copy, seg, size - 1, &conf));
    CU_ASSERT(dgon_registry_carry_copy(copy, seg, size, &conf));
    teardown();
    conf.models = 16;
    conf.jobs = 100;
    setup();
    CU_ASSERT_NOT_EQUAL(dgon_registry_id(reg), id);
    memcpy(bad, copy, names);
    ((dgon_layout_head *)(void *)bad)->version++;
    dgon_registry_carry_take(reg, bad, &was);
    CU_ASSERT_EQUAL(dgon_registry_model_count(reg), 0);
    memset(bad + sizeof(dgon_layout_head), 0xff, names - sizeof(dgon_layout_head));
    ((dgon_layout_head *)(void *)bad)->version--;
    dgon_registry_carry_take(reg, bad, &was); /* rubbish */
    CU_ASSERT_EQUAL(dgon_registry_model_count(reg), 0);
    for (int twice = 0; twice < 2; twice++)
        dgon_registry_carry_take(reg, copy, &was);
    CU_ASSERT_EQUAL(dgon_registry_model_count(reg), 2);
    CU_ASSERT(is_held("b") && !is_held("a"));
    CU_ASSERT_EQUAL(dgon_fleet_hold(reg, 0, "b", false), DGON_OK);
    dgon_registry_carry_take(reg, copy, &was); /* a child that comes later */
    CU_ASSERT(!is_held("b"));
    uint32_t m = model("org/m:7b");
    CU_ASSERT_FATAL(m != DGON_NONE && model("*") != DGON_NONE);
    CU_ASSERT(atomic_load(&dgon_model_at(reg, m)->created) == created);
    CU_ASSERT_EQUAL(dgon_registry_model_needs(reg, m, DGON_CAP_VISION), DGON_CAP_VISION);
    CU_ASSERT(!dgon_registry_model_offered(reg, m));
    dgon_job_ref j = submit(0, "org/m:7b");
    CU_ASSERT_EQUAL(phase(j), DGON_JOB_QUEUED);
    uint32_t a = open_link(1, "a", 1, 2, "org/m:7b");
    CU_ASSERT_EQUAL(phase(j), DGON_JOB_BOUND);
    dgon_registry_link_close(reg, a);
    dgon_registry_release(reg, j);
    nothing_left();
    teardown();
    conf = was;
    free(copy);
    free(bad);
}

UNIT_MAIN("registry_recovery", {"sweep of a client child", test_sweep_client},
          {"sweep of a link child", test_sweep_link}, {"stale tokens", test_stale_tokens},
          {"audit", test_audit}, {"audit of the next model", test_audit_of_the_next_model},
          {"audit of hidden jobs", test_audit_of_hidden_jobs}, {"stale refs", test_stale_refs},
          {"who waits for a link's agent", test_link_waiting}, {"carried over", test_carried})

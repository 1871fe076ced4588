#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "registry_fixture.h"

static void test_conf(void)
{
    dgon_registry_conf c = conf;
    CU_ASSERT(dgon_registry_size(&c) > 0);
    c.ring_size = 20000;
    CU_ASSERT_EQUAL(dgon_registry_size(&c), 0);
    c = conf;
    c.children = DGON_REGISTRY_CHILDREN_MAX + 1;
    CU_ASSERT_EQUAL(dgon_registry_size(&c), 0);
    c = conf;
    c.jobs = 0;
    CU_ASSERT_EQUAL(dgon_registry_size(&c), 0);
    c = (dgon_registry_conf){
        DGON_REGISTRY_CHILDREN_MAX, DGON_REGISTRY_LINKS_MAX, DGON_REGISTRY_MODELS_MAX,
        DGON_REGISTRY_JOBS_MAX,     DGON_RING_MAX,           1};
    CU_ASSERT(dgon_registry_size(&c) > 1ull << 42);
    setup();
    c = conf;
    size_t size = dgon_registry_size(&conf);
    CU_ASSERT_PTR_NULL(dgon_registry_attach(seg, size - 1, &conf, &host));
    c.build = 8;
    CU_ASSERT_PTR_NULL(dgon_registry_attach(seg, size, &c, &host));
    c = conf;
    c.jobs++;
    CU_ASSERT_PTR_NULL(dgon_registry_attach(seg, size + (1 << 20), &c, &host));
    CU_ASSERT(dgon_registry_format(seg, size - 1, &conf) == DGON_EINVAL);
    unit_fail_at(1);
    CU_ASSERT_PTR_NULL(dgon_registry_attach(seg, size, &conf, &host));
    unit_fail_at(2);
    CU_ASSERT_PTR_NULL(dgon_registry_attach(seg, size, &conf, &host));
    unit_fail_at(3);
    CU_ASSERT_PTR_NULL(dgon_registry_attach(seg, size, &conf, &host));
    unit_fail_at(0);
    teardown();
}

static void test_children(void)
{
    setup();
    CU_ASSERT_EQUAL(dgon_registry_children_alive(reg), 3);
    CU_ASSERT(dgon_registry_join(reg, 5, 2) == DGON_EEXIST);
    CU_ASSERT(dgon_registry_join(reg, 5, 4) == DGON_EINVAL);
    dgon_registry_count(reg, 2, DGON_COUNT_JOBS, 3);
    dgon_registry_leaving(reg, 2);
    dgon_registry_leaving(reg, 4);
    CU_ASSERT_EQUAL(dgon_registry_children_alive(reg), 3);
    CU_ASSERT_EQUAL(dgon_registry_children_staying(reg), 2);
    dgon_registry_leave(reg, 2);
    dgon_registry_leave(reg, 2);
    CU_ASSERT_EQUAL(dgon_registry_children_alive(reg), 2);
    CU_ASSERT(dgon_registry_join(reg, 5, 2) == DGON_OK);
    CU_ASSERT_EQUAL(dgon_registry_children_staying(reg), 3);
    dgon_registry_count(reg, 0, DGON_COUNT_JOBS, 4);
    CU_ASSERT_EQUAL(dgon_registry_total(reg, DGON_COUNT_JOBS), 7);
    CU_ASSERT_EQUAL(dgon_registry_total(reg, DGON_COUNT_MAX), 0);
    teardown();
}

static uint32_t seen[8], seen_n;

static void see(void *user, uint32_t slot)
{
    (void)user;
    if (seen_n < 8)
        seen[seen_n++] = slot;
}

static void test_news(void)
{
    setup();
    seen_n = 0;
    dgon_registry_notify(reg, 1, 3);
    dgon_registry_notify(reg, 1, 3);
    dgon_registry_notify(reg, 1, 199);
    dgon_registry_notify(reg, 1, 200); /* outside: ignored */
    dgon_registry_notify(reg, 9, 1);
    CU_ASSERT_EQUAL(wakes[1], 0);
    CU_ASSERT(!dgon_registry_sleep(reg, 1));
    CU_ASSERT_EQUAL(dgon_registry_collect(reg, 1, see, NULL), 2);
    CU_ASSERT_EQUAL(seen[0], 3);
    CU_ASSERT_EQUAL(seen[1], 199);
    CU_ASSERT_EQUAL(dgon_registry_collect(reg, 1, see, NULL), 0);
    CU_ASSERT(dgon_registry_sleep(reg, 1));
    dgon_registry_notify(reg, 1, 64);
    dgon_registry_notify(reg, 1, 65);
    CU_ASSERT_EQUAL(wakes[1], 1); /* once a sleep */
    dgon_registry_awake(reg, 1);
    CU_ASSERT_EQUAL(dgon_registry_collect(reg, 1, see, NULL), 2);
    teardown();
}

static void test_normal_path(void)
{
    setup();
    CU_ASSERT_EQUAL(model("m"), DGON_NONE);
    uint32_t link = open_link(1, "a", 1, 2, "m");
    dgon_job_ref ref = submit(0, "m"), here;
    CU_ASSERT_EQUAL(phase(ref), DGON_JOB_BOUND);
    uint32_t l;
    dgon_job_phase p;
    bool gone;
    seen_n = 0;
    CU_ASSERT_EQUAL(dgon_registry_collect(reg, 1, see, NULL), 1);
    CU_ASSERT_EQUAL(seen[0], ref.slot);
    CU_ASSERT(dgon_registry_job_here(reg, 0, ref.slot, &here, &l, &p, &gone) == DGON_ESTALE);
    CU_ASSERT(dgon_registry_job_here(reg, 1, ref.slot, &here, &l, &p, &gone) == DGON_OK);
    CU_ASSERT(here.gen == ref.gen && here.slot == ref.slot && l == link && p == DGON_JOB_BOUND &&
              !gone);
    dgon_job_spec spec;
    CU_ASSERT(dgon_registry_spec(reg, here, &spec) == DGON_OK);
    CU_ASSERT(spec.body_len == 5 && spec.attempt == 1 && spec.model == model("m"));
    CU_ASSERT(dgon_registry_take(reg, here) == DGON_OK);
    CU_ASSERT(dgon_registry_take(reg, here) == DGON_ESTALE);
    dgon_ring down = dgon_registry_down(reg, ref.slot);
    CU_ASSERT(dgon_ring_put_spsc(&down, DGON_REC_END, 0, "{}", 2) == DGON_OK);
    dgon_registry_model_info info;
    CU_ASSERT(dgon_registry_model_get(reg, model("m"), &info) == DGON_OK);
    CU_ASSERT(info.slots == 2 && info.busy == 1 && info.agents == 1 && info.loaded &&
              info.context == 4096 && info.queued == 0 && info.caps == DGON_CAP_TOOLS &&
              info.created > 0);
    dgon_registry_finish(reg, here, 80);
    uint32_t agent;
    CU_ASSERT_EQUAL(dgon_registry_phase(reg, ref, NULL, &agent), DGON_JOB_DONE);
    CU_ASSERT_NOT_EQUAL(agent, DGON_NONE);
    seen_n = 0;
    CU_ASSERT_EQUAL(dgon_registry_collect(reg, 0, see, NULL), 1);
    dgon_ring_record rec;
    CU_ASSERT(dgon_ring_peek_spsc(&down, &rec) == DGON_OK && rec.type == DGON_REC_END);
    dgon_registry_release(reg, ref);
    CU_ASSERT_EQUAL(phase(ref), DGON_JOB_FREE);
    CU_ASSERT(dgon_registry_model_get(reg, model("m"), &info) == DGON_OK);
    CU_ASSERT(info.job_ms == 80 && info.busy == 0);
    char name[DGON_WIRE_NAME_MAX + 1];
    CU_ASSERT(dgon_registry_model_name(reg, model("m"), name) == DGON_OK && !strcmp(name, "m"));
    CU_ASSERT(dgon_registry_model_get(reg, 7, &info) == DGON_ENOTFOUND);
    nothing_left();
    teardown();
}

static void test_cold(void)
{
    setup();
    uint32_t link = open_link(1, "a", 1, 1, "m");
    dgon_ctl_model cold[2] = {{.name = "other", .loaded = true}, {.name = "m"}};
    CU_ASSERT(dgon_registry_link_models(reg, link, cold, 2) == DGON_OK);
    dgon_job_ref ref = submit(0, "m"), next = submit(0, "m"), stale = {ref.slot, ref.gen + 1};
    CU_ASSERT(phase(ref) == DGON_JOB_BOUND && phase(next) == DGON_JOB_QUEUED);
    CU_ASSERT(dgon_registry_is_cold(reg, ref));
    CU_ASSERT(!dgon_registry_is_cold(reg, next)); /* it waits for a slot, not for a model */
    CU_ASSERT(!dgon_registry_is_cold(reg, stale));
    CU_ASSERT(!dgon_registry_is_cold(reg, (dgon_job_ref){DGON_NONE, 0}));
    cold[1].loaded = true;
    CU_ASSERT(dgon_registry_link_models(reg, link, cold, 2) == DGON_OK);
    CU_ASSERT(!dgon_registry_is_cold(reg, ref));
    dgon_registry_finish(reg, ref, 1);
    CU_ASSERT(!dgon_registry_is_cold(reg, ref));
    dgon_registry_release(reg, ref);
    dgon_registry_finish(reg, next, 1);
    dgon_registry_release(reg, next);
    nothing_left();
    teardown();
}

static void test_fifo(void)
{
    setup();
    open_link(1, "a", 1, 1, "m");
    dgon_job_ref j[20];
    for (uint32_t i = 0; i < 20; i++)
        j[i] = submit(i % 2, "m");
    for (uint32_t i = 0; i < 20; i++) {
        CU_ASSERT_EQUAL(phase(j[i]), DGON_JOB_BOUND);
        CU_ASSERT_EQUAL(dgon_registry_position(reg, j[i]), 0);
        if (i < 19) {
            CU_ASSERT_EQUAL(phase(j[i + 1]), DGON_JOB_QUEUED);
            CU_ASSERT_EQUAL(dgon_registry_position(reg, j[i + 1]), 1);
            CU_ASSERT_EQUAL(dgon_registry_position(reg, j[19]), 19 - i);
        }
        dgon_registry_finish(reg, j[i], 1);
        dgon_registry_release(reg, j[i]);
    }
    /* A retry keeps its ticket and so its place. */
    dgon_job_ref first = submit(0, "m"), second = submit(0, "m");
    dgon_job_spec spec = {.model = model("m"), .arrival = 1, .attempt = 2};
    spec.exclude[0] = spec.exclude[1] = DGON_NONE;
    dgon_job_ref old;
    CU_ASSERT(dgon_registry_claim(reg, 1, &spec, &old) == DGON_OK);
    CU_ASSERT(dgon_registry_submit(reg, old, 1) == DGON_OK);
    CU_ASSERT_EQUAL(dgon_registry_position(reg, old), 1);
    dgon_registry_finish(reg, first, 1);
    CU_ASSERT_EQUAL(phase(old), DGON_JOB_BOUND);
    CU_ASSERT_EQUAL(phase(second), DGON_JOB_QUEUED);
    dgon_registry_release(reg, first);
    dgon_registry_release(reg, second);
    dgon_registry_finish(reg, old, 1);
    dgon_registry_release(reg, old);
    nothing_left();
    teardown();
}

static void test_queue_max(void)
{
    setup();
    open_link(1, "a", 1, 1, "m");
    dgon_job_ref a = submit(0, "m"), b = claim(0, "m"), c = claim(0, "m");
    CU_ASSERT(dgon_registry_submit(reg, b, 0) == DGON_EFULL);
    CU_ASSERT_EQUAL(phase(b), DGON_JOB_CLAIMED);
    CU_ASSERT(dgon_registry_submit(reg, b, 1) == DGON_OK);
    CU_ASSERT_EQUAL(phase(b), DGON_JOB_QUEUED);
    CU_ASSERT(dgon_registry_submit(reg, c, 1) == DGON_EFULL);
    CU_ASSERT_EQUAL(phase(c), DGON_JOB_CLAIMED);
    dgon_registry_finish(reg, a, 0);
    CU_ASSERT_EQUAL(phase(b), DGON_JOB_BOUND);
    dgon_registry_release(reg, a);
    dgon_registry_release(reg, b);
    dgon_registry_finish(reg, b, 0);
    dgon_registry_release(reg, c);
    nothing_left();
    teardown();
}

static void test_release_everywhere(void)
{
    setup();
    uint32_t link = open_link(1, "a", 1, 1, "m"), l;
    dgon_job_ref ref = claim(0, "m"), here;
    dgon_registry_release(reg, ref);
    CU_ASSERT_EQUAL(phase(ref), DGON_JOB_FREE);
    dgon_registry_release(reg, ref); /* twice: nothing */
    CU_ASSERT(dgon_registry_submit(reg, ref, 9) == DGON_ESTALE);
    dgon_job_ref run = submit(0, "m");
    CU_ASSERT_EQUAL(run.slot, ref.slot); /* lowest first, a new generation */
    CU_ASSERT_NOT_EQUAL(run.gen, ref.gen);
    CU_ASSERT(dgon_registry_take(reg, ref) == DGON_ESTALE);
    dgon_registry_finish(reg, ref, 0);
    CU_ASSERT_EQUAL(phase(run), DGON_JOB_BOUND);
    dgon_job_ref wait = submit(0, "m");
    dgon_registry_release(reg, wait);
    CU_ASSERT_EQUAL(phase(wait), DGON_JOB_FREE);
    CU_ASSERT(dgon_registry_take(reg, run) == DGON_OK);
    wait = submit(2, "m");
    dgon_registry_collect(reg, 1, see, NULL);
    dgon_registry_release(reg, run);
    seen_n = 0;
    CU_ASSERT_EQUAL(dgon_registry_collect(reg, 1, see, NULL), 1);
    bool gone;
    dgon_job_phase p;
    CU_ASSERT_EQUAL(dgon_registry_phase(reg, run, &gone, NULL), DGON_JOB_RUNNING);
    CU_ASSERT(gone);
    CU_ASSERT(dgon_registry_job_here(reg, 1, run.slot, &here, &l, &p, &gone) == DGON_OK && gone &&
              l == link);
    CU_ASSERT_EQUAL(phase(wait), DGON_JOB_QUEUED); /* busy until the agent confirms */
    dgon_registry_finish(reg, run, 0);
    CU_ASSERT_EQUAL(phase(run), DGON_JOB_FREE);
    CU_ASSERT_EQUAL(phase(wait), DGON_JOB_BOUND);
    dgon_registry_release(reg, wait); /* bound, not taken */
    CU_ASSERT(dgon_registry_take(reg, wait) == DGON_ESTALE);
    dgon_registry_finish(reg, wait, 0);
    CU_ASSERT_EQUAL(phase(wait), DGON_JOB_FREE);
    nothing_left();
    teardown();
}

static void test_exclusion(void)
{
    setup();
    open_link(1, "a", 1, 1, "m");
    dgon_job_ref first = submit(0, "m");
    uint32_t agent;
    (void)dgon_registry_phase(reg, first, NULL, &agent);
    dgon_registry_finish(reg, first, 0);
    dgon_registry_release(reg, first);
    dgon_job_spec spec = {.model = model("m"), .attempt = 2, .exclude = {agent, DGON_NONE}};
    dgon_job_ref ref;
    CU_ASSERT(dgon_registry_claim(reg, 0, &spec, &ref) == DGON_OK);
    CU_ASSERT(dgon_registry_submit(reg, ref, 9) == DGON_ENOTFOUND);
    CU_ASSERT_EQUAL(phase(ref), DGON_JOB_CLAIMED);
    uint32_t b = open_link(2, "b", 1, 1, "m");
    dgon_job_ref x = submit(0, "m"); /* longest idle: b */
    dgon_job_ref y = submit(0, "m");
    CU_ASSERT(phase(x) == DGON_JOB_BOUND && phase(y) == DGON_JOB_BOUND);
    CU_ASSERT(dgon_registry_submit(reg, ref, 9) == DGON_OK);
    CU_ASSERT_EQUAL(phase(ref), DGON_JOB_QUEUED);
    dgon_job_ref z = submit(0, "m"); /* younger, but fits on a */
    uint32_t ax;
    (void)dgon_registry_phase(reg, x, NULL, &ax);
    dgon_job_ref on_a = ax == agent ? x : y, on_b = ax == agent ? y : x;
    dgon_registry_finish(reg, on_a, 0);
    CU_ASSERT_EQUAL(phase(ref), DGON_JOB_QUEUED);
    CU_ASSERT_EQUAL(phase(z), DGON_JOB_BOUND);
    dgon_registry_finish(reg, on_b, 0);
    CU_ASSERT_EQUAL(phase(ref), DGON_JOB_BOUND);
    uint32_t on;
    (void)dgon_registry_phase(reg, ref, NULL, &on);
    CU_ASSERT_NOT_EQUAL(on, agent);
    dgon_registry_finish(reg, ref, 0);
    dgon_registry_finish(reg, z, 0);
    dgon_job_ref all[] = {x, y, z, ref};
    for (size_t i = 0; i < 4; i++)
        dgon_registry_release(reg, all[i]);
    dgon_registry_link_close(reg, b);
    nothing_left();
    teardown();
}

/* For one certain agent: it waits for that one, whoever else is idle, and for nobody once it has
 * gone. */
static void test_only(void)
{
    setup();
    const char *const names[] = {"a", "b", "c", "d"};
    uint32_t links[4], agent, on;
    for (uint32_t i = 0; i < 4; i++)
        links[i] = open_link(1, names[i], i + 1, 1, "m");
    agent = dgon_link_agent(reg, links[3]);
    dgon_job_ref ref[3];
    for (uint32_t i = 0; i < 3; i++) {
        dgon_job_spec spec = {.model = model("m"), .attempt = 1};
        spec.exclude[0] = i == 2 ? agent : DGON_REGISTRY_ONLY(agent);
        spec.exclude[1] = i == 2 ? DGON_REGISTRY_ONLY(agent) : DGON_NONE;
        CU_ASSERT(dgon_registry_claim(reg, 0, &spec, &ref[i]) == DGON_OK);
    }
    CU_ASSERT(dgon_registry_submit(reg, ref[0], 9) == DGON_OK);
    CU_ASSERT_EQUAL(dgon_registry_phase(reg, ref[0], NULL, &on), DGON_JOB_BOUND);
    CU_ASSERT_EQUAL(on, agent);
    CU_ASSERT(dgon_registry_submit(reg, ref[1], 9) == DGON_OK);
    CU_ASSERT_EQUAL(phase(ref[1]), DGON_JOB_QUEUED);
    CU_ASSERT(dgon_registry_submit(reg, ref[2], 9) == DGON_ENOTFOUND);
    dgon_job_ref other = submit(0, "m"); /* younger, and not held up by it */
    CU_ASSERT_EQUAL(phase(other), DGON_JOB_BOUND);
    dgon_registry_finish(reg, ref[0], 0);
    CU_ASSERT_EQUAL(dgon_registry_phase(reg, ref[1], NULL, &on), DGON_JOB_BOUND);
    CU_ASSERT_EQUAL(on, agent);
    dgon_registry_finish(reg, ref[1], 0);
    dgon_registry_finish(reg, other, 0);
    dgon_registry_link_close(reg, links[3]);
    dgon_registry_release(reg, ref[1]);
    dgon_job_spec spec = {.model = model("m"), .attempt = 1};
    spec.exclude[0] = DGON_REGISTRY_ONLY(agent);
    spec.exclude[1] = DGON_NONE;
    CU_ASSERT(dgon_registry_claim(reg, 0, &spec, &ref[1]) == DGON_OK);
    CU_ASSERT(dgon_registry_submit(reg, ref[1], 9) == DGON_ENOTFOUND);
    for (size_t i = 0; i < 3; i++)
        dgon_registry_release(reg, ref[i]);
    dgon_registry_release(reg, other);
    for (uint32_t i = 0; i < 3; i++)
        dgon_registry_link_close(reg, links[i]);
    nothing_left();
    teardown();
}

static void test_drain_and_close(void)
{
    setup();
    uint32_t a = open_link(1, "a", 1, 2, "m");
    dgon_job_ref j = submit(0, "m");
    CU_ASSERT(dgon_registry_take(reg, j) == DGON_OK);
    dgon_registry_link_drain(reg, a);
    dgon_job_ref w = submit(0, "m");
    CU_ASSERT_EQUAL(phase(w), DGON_JOB_QUEUED);
    uint32_t b = open_link(2, "a", 1, 2, "m"); /* the same agent, another child */
    CU_ASSERT_EQUAL(gauges().agents, 1);
    CU_ASSERT_EQUAL(gauges().slots, 2);
    CU_ASSERT_EQUAL(phase(w), DGON_JOB_BOUND);
    dgon_job_ref v = submit(0, "m"); /* both links share the agent's two slots */
    CU_ASSERT_EQUAL(phase(v), DGON_JOB_QUEUED);
    dgon_registry_collect(reg, 0, see, NULL);
    dgon_registry_link_close(reg, a); /* j is lost, its slot free */
    CU_ASSERT_EQUAL(phase(j), DGON_JOB_DONE);
    seen_n = 0;
    CU_ASSERT_EQUAL(dgon_registry_collect(reg, 0, see, NULL), 1);
    CU_ASSERT_EQUAL(phase(v), DGON_JOB_BOUND);
    dgon_registry_release(reg, v);
    dgon_registry_link_close(reg, b); /* gone ones become free at once */
    CU_ASSERT_EQUAL(phase(v), DGON_JOB_FREE);
    CU_ASSERT_EQUAL(phase(w), DGON_JOB_DONE);
    dgon_registry_link_close(reg, b);
    dgon_registry_release(reg, w);
    dgon_registry_release(reg, j);
    dgon_job_ref q = submit(0, "m"); /* the name stays known: it waits */
    CU_ASSERT_EQUAL(phase(q), DGON_JOB_QUEUED);
    dgon_registry_release(reg, q);
    CU_ASSERT_EQUAL(gauges().links, 0);
    nothing_left();
    teardown();
}

static void test_capacity(void)
{
    setup();
    uint32_t a = open_link(1, "a", 1, 3, "m");
    dgon_job_ref j[6];
    for (int i = 0; i < 6; i++)
        j[i] = submit(0, "m");
    CU_ASSERT_EQUAL(gauges().jobs_bound, 3);
    dgon_registry_link_slots(reg, a, 1);
    dgon_registry_finish(reg, j[0], 0);
    dgon_registry_finish(reg, j[1], 0);
    CU_ASSERT_EQUAL(gauges().jobs_bound, 1);
    dgon_registry_finish(reg, j[2], 0);
    CU_ASSERT_EQUAL(phase(j[3]), DGON_JOB_BOUND);
    CU_ASSERT_EQUAL(phase(j[4]), DGON_JOB_QUEUED);
    dgon_registry_link_slots(reg, a, 0);
    dgon_registry_finish(reg, j[3], 0);
    CU_ASSERT_EQUAL(phase(j[4]), DGON_JOB_QUEUED);
    dgon_registry_link_slots(reg, a, 1000000);
    CU_ASSERT_EQUAL(gauges().slots, DGON_WIRE_SLOTS_MAX);
    CU_ASSERT(phase(j[4]) == DGON_JOB_BOUND && phase(j[5]) == DGON_JOB_BOUND);
    for (int i = 0; i < 6; i++) {
        dgon_registry_finish(reg, j[i], 0);
        dgon_registry_release(reg, j[i]);
    }
    nothing_left();
    teardown();
}

static void test_many_slots(void)
{
    setup();
    open_link(1, "a", 1, 1000, "m");
    dgon_job_ref j[200];
    for (int i = 0; i < 200; i++)
        j[i] = submit(0, "m");
    dgon_job_spec spec = {.model = model("m")};
    dgon_job_ref none;
    CU_ASSERT(dgon_registry_claim(reg, 0, &spec, &none) == DGON_EFULL);
    CU_ASSERT_EQUAL(gauges().jobs_bound, 200);
    CU_ASSERT_EQUAL(gauges().tokens_valid, 200);
    for (int i = 199; i >= 0; i--) {
        dgon_registry_finish(reg, j[i], 0);
        dgon_registry_release(reg, j[i]);
    }
    nothing_left();
    teardown();
}

/* More links than the scheduler sees at once: still nobody gets a second job before all have one,
 * and those in the client's child come first. */
static void test_many_agents(void)
{
    enum { AGENTS = 70 };
    setup();
    dgon_job_ref j[2 * AGENTS];
    uint32_t child[AGENTS], had[AGENTS] = {0};
    for (uint32_t i = 0; i < AGENTS; i++) {
        char name[8];
        snprintf(name, sizeof name, "a%u", i);
        open_link(1 + i % 2, name, 1, 2, "m");
        child[i] = 1 + i % 2;
    }
    for (uint32_t i = 0; i < 2 * AGENTS; i++) {
        uint32_t agent = DGON_NONE;
        j[i] = submit(1, "m");
        CU_ASSERT(dgon_registry_phase(reg, j[i], NULL, &agent) == DGON_JOB_BOUND);
        CU_ASSERT_FATAL(agent < AGENTS);
        CU_ASSERT_EQUAL(had[agent], i / AGENTS);
        CU_ASSERT_EQUAL(child[agent], i % AGENTS < AGENTS / 2 ? 1 : 2);
        had[agent]++;
    }
    for (uint32_t i = 0; i < 2 * AGENTS; i++) {
        dgon_registry_finish(reg, j[i], 0);
        dgon_registry_release(reg, j[i]);
    }
    nothing_left();
    teardown();
}

static void test_duplicates(void)
{
    setup();
    uint32_t a = open_link(1, "a", 1, 1, "m"), b = DGON_NONE;
    CU_ASSERT(dgon_registry_link_open(reg, 2, "a", 2, 1, &b) == DGON_EEXIST);
    CU_ASSERT(dgon_registry_link_probe(reg, a));
    CU_ASSERT(!dgon_registry_link_probe(reg, a));
    CU_ASSERT_EQUAL(gauges().links, 1);
    CU_ASSERT(dgon_registry_link_open(reg, 2, "a", 1, 1, &b) == DGON_OK);
    CU_ASSERT(dgon_registry_link_open(reg, 2, "bad id", 1, 1, &b) == DGON_EINVAL);
    CU_ASSERT(dgon_registry_link_open(reg, 9, "b", 1, 1, &b) == DGON_EINVAL);
    dgon_ctl_model m[3] = {{.name = "m"}, {.name = "m"}, {.name = "n"}};
    CU_ASSERT(dgon_registry_link_models(reg, b, m, 3) == DGON_OK);
    CU_ASSERT_EQUAL(gauges().models, 2);
    dgon_registry_model_info info;
    CU_ASSERT(dgon_registry_model_get(reg, model("m"), &info) == DGON_OK);
    CU_ASSERT_EQUAL(info.agents, 1);
    CU_ASSERT(dgon_registry_model_get(reg, model("n"), &info) == DGON_OK);
    CU_ASSERT_EQUAL(info.agents, 1);
    /* A dead child's link does not keep its agent out. */
    dead[1] = dead[2] = true;
    CU_ASSERT(dgon_registry_link_open(reg, 0, "a", 3, 1, &b) == DGON_OK);
    teardown();
}

static void test_tables_full(void)
{
    setup();
    uint32_t a = open_link(1, "a", 1, 1, "m0"), x;
    dgon_ctl_model m[12];
    memset(m, 0, sizeof m);
    for (int i = 0; i < 12; i++)
        snprintf(m[i].name, sizeof m[i].name, "m%d", i);
    CU_ASSERT(dgon_registry_link_models(reg, a, m, 12) == DGON_EFULL);
    CU_ASSERT_EQUAL(gauges().models, 8);
    dgon_job_ref j = submit(0, "m7");
    CU_ASSERT_EQUAL(phase(j), DGON_JOB_BOUND);
    dgon_registry_finish(reg, j, 0);
    dgon_registry_release(reg, j);
    /* Names without a user go when the table is full, but not at once. */
    CU_ASSERT(dgon_registry_link_models(reg, a, m, 1) == DGON_OK);
    dgon_registry_audit(reg, 0);
    CU_ASSERT_EQUAL(gauges().models, 8);
    for (int i = 0; i < 70; i++)
        dgon_registry_audit(reg, 0);
    CU_ASSERT(gauges().models < 8);
    CU_ASSERT_NOT_EQUAL(model("m0"), DGON_NONE);
    CU_ASSERT_EQUAL(model("m1"), DGON_NONE);
    CU_ASSERT(dgon_registry_link_models(reg, a, m + 11, 1) == DGON_OK);
    CU_ASSERT_NOT_EQUAL(model("m11"), DGON_NONE);
    /* As many agents as there are entries, then others, for ever. */
    char id[24];
    for (uint32_t i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "agent-%u", i);
        dgon_status st = dgon_registry_link_open(reg, 2, id, i, 1, &x);
        if (st == DGON_EFULL) {
            dgon_registry_audit(reg, 0);
            st = dgon_registry_link_open(reg, 2, id, i, 1, &x);
        }
        CU_ASSERT(st == DGON_OK);
        dgon_registry_link_close(reg, x);
    }
    for (uint32_t i = 0; i < conf.links - 1; i++) {
        snprintf(id, sizeof id, "agent-%u", i);
        dgon_status st = dgon_registry_link_open(reg, 2, id, i, 1, &x);
        if (st == DGON_EFULL) {
            dgon_registry_audit(reg, 0);
            st = dgon_registry_link_open(reg, 2, id, i, 1, &x);
        }
        CU_ASSERT(st == DGON_OK);
    }
    CU_ASSERT(dgon_registry_link_open(reg, 2, "one-more", 1, 1, &x) == DGON_EFULL);
    teardown();
}

static void test_models_compete(void)
{
    setup();
    uint32_t a, b;
    CU_ASSERT(dgon_registry_link_open(reg, 1, "a", 1, 1, &a) == DGON_OK);
    dgon_ctl_model m[2] = {{.name = "m"}, {.name = "n"}};
    CU_ASSERT(dgon_registry_link_models(reg, a, m, 2) == DGON_OK);
    dgon_job_ref run = submit(0, "m"), first = submit(0, "n"), second = submit(0, "m"),
                 third = submit(0, "n");
    dgon_registry_finish(reg, run, 0);
    CU_ASSERT(phase(first) == DGON_JOB_BOUND && phase(second) == DGON_JOB_QUEUED);
    dgon_registry_finish(reg, first, 0);
    CU_ASSERT(phase(second) == DGON_JOB_BOUND && phase(third) == DGON_JOB_QUEUED);
    b = open_link(2, "b", 1, 4, "n");
    CU_ASSERT(phase(third) == DGON_JOB_BOUND);
    dgon_registry_finish(reg, second, 0);
    dgon_registry_finish(reg, third, 0);
    dgon_job_ref all[] = {run, first, second, third};
    for (int i = 0; i < 4; i++)
        dgon_registry_release(reg, all[i]);
    /* Same agent, two children: the link in the client's own child is taken. */
    uint32_t c = open_link(0, "b", 1, 4, "n");
    dgon_job_ref near = submit(0, "n"), here;
    uint32_t l;
    dgon_job_phase p;
    bool gone;
    CU_ASSERT(dgon_registry_job_here(reg, 0, near.slot, &here, &l, &p, &gone) == DGON_OK && l == c);
    CU_ASSERT_NOT_EQUAL(b, c);
    dgon_registry_finish(reg, near, 0);
    dgon_registry_release(reg, near);
    nothing_left();
    teardown();
}

static dgon_job_ref submit_need(uint32_t need, uint32_t context)
{
    dgon_job_spec spec = {
        .model = model("m"), .op = 1, .attempt = 1, .need = need, .context = context};
    spec.exclude[0] = spec.exclude[1] = DGON_NONE;
    dgon_job_ref ref = {0};
    CU_ASSERT_FATAL(dgon_registry_claim(reg, 0, &spec, &ref) == DGON_OK);
    CU_ASSERT(dgon_registry_submit(reg, ref, 1000) == DGON_OK);
    return ref;
}

static uint32_t agent_of(dgon_job_ref ref)
{
    uint32_t agent = DGON_NONE;
    (void)dgon_registry_phase(reg, ref, NULL, &agent);
    dgon_jobw j = dgon_jobw_of(dgon_get(&reg->job_word[ref.slot]));
    return dgon_jobw_on_link(j) ? dgon_link_agent(reg, j.link) : agent;
}

/* A job goes where its needs are met, waits for that one, and holds up nobody meanwhile. */
static void test_needs(void)
{
    const uint32_t eyes = DGON_CAP_VISION;
    setup();
    uint32_t blind, seeing;
    dgon_ctl_model m = {.name = "m", .context = 1000, .caps = eyes << DGON_CAP_LACKS};
    CU_ASSERT(dgon_registry_link_open(reg, 1, "blind", 1, 4, &blind) == DGON_OK);
    CU_ASSERT(dgon_registry_link_models(reg, blind, &m, 1) == DGON_OK);
    CU_ASSERT_EQUAL(dgon_registry_model_needs(reg, model("m"), eyes | DGON_CAP_TOOLS), eyes);
    CU_ASSERT(!dgon_registry_model_can(reg, model("m"), eyes, 0));
    CU_ASSERT(dgon_registry_model_can(reg, model("m"), DGON_CAP_TOOLS, 1000));
    CU_ASSERT(!dgon_registry_model_can(reg, model("m"), 0, 1001));

    m = (dgon_ctl_model){.name = "m", .context = 4000, .caps = eyes};
    CU_ASSERT(dgon_registry_link_open(reg, 2, "seeing", 1, 1, &seeing) == DGON_OK);
    CU_ASSERT(dgon_registry_link_models(reg, seeing, &m, 1) == DGON_OK);
    CU_ASSERT(dgon_registry_model_can(reg, model("m"), eyes, 4000));
    dgon_job_ref image = submit_need(eyes, 0), second = submit_need(eyes, 0),
                 longer = submit_need(0, 2000), plain = submit_need(0, 1000);
    CU_ASSERT_EQUAL(agent_of(image), dgon_link_agent(reg, seeing));
    CU_ASSERT(phase(second) == DGON_JOB_QUEUED && phase(longer) == DGON_JOB_QUEUED);
    CU_ASSERT_EQUAL(agent_of(plain), dgon_link_agent(reg, blind));
    dgon_registry_finish(reg, plain, 0);
    CU_ASSERT(phase(second) == DGON_JOB_QUEUED);
    dgon_registry_finish(reg, image, 0);
    CU_ASSERT(phase(second) == DGON_JOB_BOUND && phase(longer) == DGON_JOB_QUEUED);
    CU_ASSERT_EQUAL(agent_of(second), dgon_link_agent(reg, seeing));
    dgon_registry_finish(reg, second, 0);
    CU_ASSERT_EQUAL(agent_of(longer), dgon_link_agent(reg, seeing));
    dgon_registry_finish(reg, longer, 0);

    /* of two it failed on the one that can: the other one is nobody to turn to */
    dgon_job_spec spec = {.model = model("m"), .op = 1, .attempt = 2, .need = eyes};
    spec.exclude[0] = dgon_link_agent(reg, seeing);
    spec.exclude[1] = DGON_NONE;
    dgon_job_ref again;
    CU_ASSERT_FATAL(dgon_registry_claim(reg, 0, &spec, &again) == DGON_OK);
    CU_ASSERT_EQUAL(dgon_registry_submit(reg, again, 1000), DGON_ENOTFOUND);

    dgon_job_ref all[] = {image, second, longer, plain, again};
    for (int i = 0; i < 5; i++)
        dgon_registry_release(reg, all[i]);
    /* while nobody is there a job may wait for somebody who can */
    dgon_registry_link_close(reg, blind);
    dgon_registry_link_close(reg, seeing);
    CU_ASSERT(dgon_registry_model_can(reg, model("m"), eyes, 0));
    nothing_left();
    teardown();
}

/* Distinct agents with a free slot, whatever their links; only those that can do the job. */
static void test_room(void)
{
    setup();
    CU_ASSERT_EQUAL(dgon_registry_model_room(reg, DGON_NONE, 0, 0, 16), 0);
    for (uint32_t i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%u", i);
        open_link(1, name, i + 1, 1, "m");
        CU_ASSERT_EQUAL(dgon_registry_model_room(reg, model("m"), 0, 0, 100),
                        i < DGON_REGISTRY_ROOM_MAX ? i + 1 : DGON_REGISTRY_ROOM_MAX);
    }
    CU_ASSERT_EQUAL(dgon_registry_model_room(reg, model("m"), 0, 0, 3), 3);
    CU_ASSERT_EQUAL(dgon_registry_model_room(reg, model("m"), 0, 5000, 16), 0);
    teardown();

    setup();
    open_link(1, "one", 1, 2, "m");
    open_link(2, "one", 1, 2, "m");
    open_link(2, "two", 1, 1, "m");
    open_link(2, "other", 1, 1, "x");
    CU_ASSERT_EQUAL(dgon_registry_model_room(reg, model("m"), 0, 0, 16), 2);
    (void)submit(0, "m");
    (void)submit(0, "m"); /* one each: the idle ones go first */
    CU_ASSERT_EQUAL(dgon_registry_model_room(reg, model("m"), 0, 0, 16), 1);
    (void)submit(0, "m");
    CU_ASSERT_EQUAL(dgon_registry_model_room(reg, model("m"), 0, 0, 16), 0);
    teardown();
}

UNIT_MAIN("registry", {"conf", test_conf}, {"children", test_children}, {"news", test_news},
          {"normal path", test_normal_path}, {"first come first served", test_fifo},
          {"cold model", test_cold}, {"queue bound", test_queue_max}, {"room", test_room},
          {"release in every phase", test_release_everywhere}, {"exclusion", test_exclusion},
          {"only one agent", test_only}, {"drain and close", test_drain_and_close},
          {"capacity change", test_capacity}, {"many slots", test_many_slots},
          {"many agents", test_many_agents}, {"duplicates", test_duplicates},
          {"tables full", test_tables_full}, {"models compete", test_models_compete},
          {"needs", test_needs})

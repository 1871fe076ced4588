/* A registry on a segment of its own, for the tests of its parts. */
#ifndef DGON_TESTS_REGISTRY_FIXTURE_H
#define DGON_TESTS_REGISTRY_FIXTURE_H

#include "unit.h"

#include "registry_int.h"

#include <stdatomic.h>
#include <sys/mman.h>

/* One segment, one process that plays all children: 0 and 1 hold clients, 1 and 2 hold links. */
static dgon_registry_conf conf = {
    .children = 4, .links = 70, .models = 8, .jobs = 200, .ring_size = DGON_RING_MIN, .build = 7};
static void *seg;
static dgon_registry *reg;
static bool dead[4];
static unsigned wakes[4];

static inline void wake(void *user, uint32_t child)
{
    (void)user;
    wakes[child]++;
}

static inline bool alive(void *user, uint32_t child)
{
    (void)user;
    return !dead[child];
}

static const dgon_registry_host host = {.wake = wake, .alive = alive};

static inline void setup(void)
{
    size_t size = dgon_registry_size(&conf);
    seg =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CU_ASSERT_FATAL(seg != MAP_FAILED);
    CU_ASSERT_FATAL(dgon_registry_format(seg, size, &conf) == DGON_OK);
    reg = dgon_registry_attach(seg, size, &conf, &host);
    CU_ASSERT_FATAL(reg != NULL);
    memset(dead, 0, sizeof dead);
    memset(wakes, 0, sizeof wakes);
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT_FATAL(dgon_registry_join(reg, 100 + i, i) == DGON_OK);
}

static inline void teardown(void)
{
    dgon_registry_detach(reg);
    munmap(seg, dgon_registry_size(&conf));
}

static inline dgon_registry_gauges gauges(void)
{
    dgon_registry_gauges g;
    dgon_registry_gauges_get(reg, &g);
    return g;
}

static inline uint32_t open_link(uint32_t child, const char *agent, uint64_t instance,
                                 uint32_t slots, const char *model)
{
    uint32_t link = DGON_NONE;
    CU_ASSERT_FATAL(dgon_registry_link_open(reg, child, agent, instance, slots, &link) == DGON_OK);
    dgon_ctl_model m = {.context = 4096, .caps = DGON_CAP_TOOLS, .loaded = true};
    snprintf(m.name, sizeof m.name, "%s", model);
    CU_ASSERT(dgon_registry_link_models(reg, link, &m, 1) == DGON_OK);
    return link;
}

static inline uint32_t model(const char *name)
{
    return dgon_registry_model(reg, name, strlen(name));
}

static inline dgon_job_ref claim(uint32_t child, const char *name)
{
    dgon_job_spec spec = {.model = model(name), .op = 1, .attempt = 1, .body_len = 5};
    spec.exclude[0] = spec.exclude[1] = DGON_NONE;
    dgon_job_ref ref = {0};
    CU_ASSERT_FATAL(dgon_registry_claim(reg, child, &spec, &ref) == DGON_OK);
    CU_ASSERT(spec.arrival != 0);
    return ref;
}

static inline dgon_job_ref submit(uint32_t child, const char *name)
{
    dgon_job_ref ref = claim(child, name);
    CU_ASSERT(dgon_registry_submit(reg, ref, 1000) == DGON_OK);
    return ref;
}

static inline dgon_job_phase phase(dgon_job_ref ref)
{
    return dgon_registry_phase(reg, ref, NULL, NULL);
}

/* Nothing is left over: what every test ends in. */
static inline void nothing_left(void)
{
    dgon_registry_gauges g = gauges();
    CU_ASSERT_EQUAL(g.jobs_claimed + g.jobs_queued + g.jobs_bound + g.jobs_running + g.jobs_done,
                    0);
    CU_ASSERT_EQUAL(g.tokens_valid, 0);
    for (uint32_t m = 0; m < dgon_registry_model_count(reg); m++)
        CU_ASSERT_EQUAL(dgon_count_of(dgon_get(&reg->waiting[m])), 0);
    for (uint32_t a = 0; a < conf.links; a++)
        CU_ASSERT_EQUAL(dgon_count_of(dgon_get(&dgon_agent_at(reg, a)->busy)), 0);
    for (uint32_t i = 0; i < reg->at.used_words; i++)
        CU_ASSERT_EQUAL(dgon_get(&reg->used[i]), 0);
}

#endif

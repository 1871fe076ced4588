/* The choice of an agent, and a job's whole way through the registry with nobody waiting, by number
 * of agents, of busy jobs and of models. */
#include "dgon/sched.h"
#include "micro.h"
#include "micro_registry.h"

struct choice {
    dgon_sched_candidate *candidate;
    uint32_t n;
};

static void choose(void *user)
{
    struct choice *c = user;

    micro_check(dgon_sched_choose(c->candidate, c->n) >= 0, "choose");
}

static void sched(uint32_t n)
{
    struct choice c = {.candidate = calloc(n, sizeof(*c.candidate)), .n = n};

    micro_check(c.candidate != NULL, "memory");
    for (uint32_t i = 0; i < n; i++) {
        c.candidate[i] = (dgon_sched_candidate){.link = i,
                                                .agent = i,
                                                .slots = 4,
                                                .busy = i * 7 % 5,
                                                .same_child = i % 2,
                                                .last = (uint64_t)i * 7919 % n};
    }
    micro_run("sched choose; n: agents", n, 1, 5 * MS, choose, &c);
    free(c.candidate);
}

struct way {
    struct gateway gateway;
    uint32_t model;
};

static void whole_way(void *user)
{
    struct way *w = user;

    gateway_finish(&w->gateway, gateway_job(&w->gateway, w->model));
}

static void way(const char *name, uint32_t n, uint32_t agents, uint32_t busy, uint32_t models)
{
    struct way w = {.gateway = gateway_new(agents, busy / agents + 1, models, 20000)};

    w.model = w.gateway.model;
    for (uint32_t i = 0; i < busy; i++) {
        (void)gateway_job(&w.gateway, w.model);
    }
    micro_run(name, n, 1, 5 * MS, whole_way, &w);
    if (models > 1) { /* of one of the few agents that offer it */
        w.model = gateway_model(&w.gateway, 1);
        micro_run("registry job of a rare model; n: models", n, 1, 5 * MS, whole_way, &w);
    }
    gateway_free(&w.gateway);
}

int main(void)
{
    static const uint32_t agents[] = {1, 10, 100, 1000, 10000, DGON_REGISTRY_LINKS_MAX};
    static const uint32_t busy[] = {10, 1000, 10000}, models[] = {10, 1000};

    for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
        sched(agents[i]);
    }
    for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
        way("registry job; n: agents", agents[i], agents[i], 0, 1);
    }
    for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
        way("registry job, one agent idle; n: agents", agents[i], agents[i], agents[i] - 1, 1);
    }
    for (size_t i = 0; i < sizeof(busy) / sizeof(busy[0]); i++) {
        way("registry job, 10 agents; n: busy jobs", busy[i], 10, busy[i], 1);
    }
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        way("registry job, 1000 agents; n: models", models[i], 1000, 0, models[i]);
    }
    return 0;
}

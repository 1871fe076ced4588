#include "micro_registry.h"

#include "micro.h"

#include <sys/mman.h>

static void model_name(char *buf, size_t n, uint32_t i)
{
    snprintf(buf, n, i ? "m%u" : "m", i);
}

struct gateway gateway_new(uint32_t agents, uint32_t slots, uint32_t models, uint32_t jobs)
{
    dgon_registry_conf conf = {.children = 2,
                               .links = agents,
                               .models = models + 1,
                               .jobs = jobs,
                               .ring_size = DGON_RING_MIN,
                               .build = 1};
    dgon_registry_host host = {0};
    struct gateway g = {.size = dgon_registry_size(&conf)};

    micro_check(g.size != 0, "the registry has no room for so many");
    g.memory = mmap(NULL, g.size, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    micro_check(g.memory != MAP_FAILED, "mmap");
    micro_check(dgon_registry_format(g.memory, g.size, &conf) == DGON_OK, "format");
    g.registry = dgon_registry_attach(g.memory, g.size, &conf, &host);
    micro_check(g.registry && dgon_registry_join(g.registry, 1, 0) == DGON_OK, "attach");
    for (uint32_t i = 0; i < agents; i++) {
        dgon_ctl_model m[2] = {0};
        char id[24];
        uint32_t link;

        snprintf(id, sizeof(id), "agent-%u", i);
        model_name(m[0].name, sizeof(m[0].name), 0);
        if (models > 1) {
            model_name(m[1].name, sizeof(m[1].name), 1 + i % (models - 1));
        }
        micro_check(dgon_registry_link_open(g.registry, 0, id, 1, slots, &link) == DGON_OK, "link");
        micro_check(dgon_registry_link_models(g.registry, link, m, models > 1 ? 2 : 1) == DGON_OK,
                    "models");
    }
    g.model = gateway_model(&g, 0);
    return g;
}

void gateway_free(struct gateway *g)
{
    dgon_registry_detach(g->registry);
    munmap(g->memory, g->size);
}

uint32_t gateway_model(const struct gateway *g, uint32_t i)
{
    char name[24];

    model_name(name, sizeof(name), i);
    return dgon_registry_model(g->registry, name, strlen(name));
}

dgon_job_ref gateway_job(struct gateway *g, uint32_t model)
{
    dgon_job_spec s = {.model = model, .attempt = 1, .exclude = {DGON_NONE, DGON_NONE}};
    dgon_job_ref ref = {0};

    if (g->users != 0) {
        s.user = 1 + g->jobs++ % g->users;
    }
    micro_check(dgon_registry_claim(g->registry, 0, &s, &ref) == DGON_OK, "claim");
    micro_check(dgon_registry_submit(g->registry, ref, UINT32_MAX) == DGON_OK, "submit");
    return ref;
}

void gateway_finish(struct gateway *g, dgon_job_ref ref)
{
    micro_check(dgon_registry_take(g->registry, ref) == DGON_OK, "take");
    dgon_registry_finish(g->registry, ref, 1);
    dgon_registry_release(g->registry, ref);
}

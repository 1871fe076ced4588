/* What looking at a fleet costs: /metrics and /cluster/status, by number of agents; 100 models, in
 * each of which something was counted. */
#include "micro.h"
#include "micro_registry.h"

#include "dgon/fleet.h"
#include "dgon/metrics.h"

#define MODELS 100u
#define SLOTS  4u
#define JOBS   4096u

struct fleet {
    struct gateway gateway;
    dgon_buf out;
};

static void scrape(void *user)
{
    struct fleet *f = user;
    const dgon_metrics_about about = {.version = "0"};

    dgon_buf_reset(&f->out);
    micro_check(dgon_metrics_write(f->gateway.registry, &about, &f->out) == DGON_OK, "metrics");
}

static void status(void *user)
{
    struct fleet *f = user;

    dgon_buf_reset(&f->out);
    micro_check(dgon_fleet_write(f->gateway.registry, "0", &f->out) == DGON_OK, "status");
}

static void count_for(struct fleet *f, const char *model)
{
    const dgon_metrics_request q = {.model = model,
                                    .op = DGON_OP_CHAT,
                                    .status = 200,
                                    .stream = true,
                                    .good = true,
                                    .first_us = 20000,
                                    .total_us = 900000,
                                    .tokens_in = 100,
                                    .tokens_out = 40};

    dgon_metrics_count(f->gateway.registry, &q);
}

static void count(void *user)
{
    count_for(user, "m1");
}

static void run(uint32_t agents)
{
    struct fleet f = {.gateway = gateway_new(agents, SLOTS, MODELS, JOBS)};
    char name[24];

    dgon_buf_init(&f.out, 1u << 28);
    for (uint32_t i = 0; i < MODELS; i++) {
        snprintf(name, sizeof(name), "m%u", i);
        count_for(&f, name);
    }
    micro_run("scrape of 100 models; n: agents", agents, 1, 20 * MS, scrape, &f);
    micro_run("cluster status of 100 models; n: agents", agents, 1, 20 * MS, status, &f);
    micro_run("counting a request; n: agents", agents, 1, 5 * MS, count, &f);
    dgon_buf_fini(&f.out);
    gateway_free(&f.gateway);
}

int main(void)
{
    static const uint32_t agents[] = {10, 100, 1000};

    for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
        run(agents[i]);
    }
    return 0;
}

/* What the shared memory costs: a record through a ring, a job from submit to release by number of
 * links and of waiting jobs. One JSON line per result. One thread plays both sides, so no wake-up
 * is counted. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "dgon/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench_registry: %s\n", what);
        exit(1);
    }
}

static dgon_job_ref job(dgon_registry *r, uint32_t model)
{
    dgon_job_spec s = {.model = model, .attempt = 1, .exclude = {DGON_NONE, DGON_NONE}};
    dgon_job_ref ref = {0};
    check(dgon_registry_claim(r, 0, &s, &ref) == DGON_OK, "claim");
    check(dgon_registry_submit(r, ref, UINT32_MAX) == DGON_OK, "submit");
    return ref;
}

static void ring(dgon_registry *r)
{
    dgon_ring g = dgon_registry_down(r, 0);
    unsigned char p[200] = {0}, out[200];
    const int n = 5000000;
    double t = seconds();
    for (int i = 0; i < n; i++) {
        dgon_ring_record rec;
        check(dgon_ring_put_spsc(&g, 3, 1, p, sizeof p) == DGON_OK, "put");
        check(dgon_ring_peek_spsc(&g, &rec) == DGON_OK, "peek");
        dgon_ring_take_spsc(&g, &rec, out);
    }
    printf("{\"bench\":\"ring\",\"bytes\":200,\"ns\":%.1f}\n", (seconds() - t) / n * 1e9);
}

/* busy: jobs that run all the while. waiting: jobs in the queue, so that each finish binds the
 * next. */
static void path(uint32_t links, uint32_t busy, uint32_t waiting)
{
    dgon_registry_conf conf = {
        .children = 2, .links = 1024, .models = 64, .jobs = 32768, .ring_size = 16384, .build = 1};
    dgon_registry_host host = {0};
    size_t size = dgon_registry_size(&conf);
    void *seg =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(seg != MAP_FAILED && dgon_registry_format(seg, size, &conf) == DGON_OK, "segment");
    dgon_registry *r = dgon_registry_attach(seg, size, &conf, &host);
    check(r && dgon_registry_join(r, 1, 0) == DGON_OK, "attach");
    uint32_t slots = busy / links + 1;
    for (uint32_t i = 0; i < links; i++) {
        char id[24];
        uint32_t link;
        snprintf(id, sizeof id, "agent-%u", i);
        check(dgon_registry_link_open(r, 0, id, 1, slots, &link) == DGON_OK, "link");
        dgon_ctl_model m = {.name = "m"};
        check(dgon_registry_link_models(r, link, &m, 1) == DGON_OK, "model");
    }
    uint32_t model = dgon_registry_model(r, "m", 1);
    for (uint32_t i = 0; i < busy; i++)
        (void)job(r, model);
    uint32_t queue = waiting ? links * slots - busy + waiting : 0;
    dgon_job_ref *q = calloc(queue + 1, sizeof *q);
    check(q != NULL, "memory");
    for (uint32_t i = 0; i < queue; i++)
        q[i] = job(r, model);
    const uint32_t n = waiting ? 3000 : 100000;
    double t = seconds();
    for (uint32_t i = 0; i < n; i++) {
        dgon_job_ref ref = job(r, model);
        if (queue) { /* the oldest one ends, the next is bound, ours goes to the end */
            dgon_job_ref old = q[i % queue];
            q[i % queue] = ref;
            ref = old;
        }
        check(dgon_registry_take(r, ref) == DGON_OK, "take");
        dgon_registry_finish(r, ref, 1);
        dgon_registry_release(r, ref);
    }
    printf("{\"bench\":\"job\",\"links\":%u,\"busy\":%u,\"waiting\":%u,\"us\":%.2f}\n", links, busy,
           waiting, (seconds() - t) / n * 1e6);
    free(q);
    dgon_registry_detach(r);
    munmap(seg, size);
}

int main(void)
{
    dgon_registry_conf conf = {
        .children = 1, .links = 1, .models = 1, .jobs = 1, .ring_size = 16384, .build = 1};
    size_t size = dgon_registry_size(&conf);
    void *seg = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    dgon_registry_host host = {0};
    check(seg != MAP_FAILED && dgon_registry_format(seg, size, &conf) == DGON_OK, "segment");
    dgon_registry *r = dgon_registry_attach(seg, size, &conf, &host);
    check(r != NULL, "attach");
    ring(r);
    dgon_registry_detach(r);
    static const uint32_t links[] = {1, 10, 1000}, waiting[] = {0, 1000, 10000};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            path(links[i], 0, waiting[k]);
    path(10, 10000, 0);
    path(1000, 10000, 0);
    return 0;
}

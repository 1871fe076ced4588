/* Two children in one process: before and after each write to a shared word in the work of the
 * first, the second one does a whole piece of work of its own, then the first goes on. Afterwards
 * no queue counter may be too low and no job wait for a free slot. stress_kill_points says where
 * the points are. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "stress.h"

#include <string.h>

static const dgon_registry_conf conf = {
    .children = 2, .links = 4, .models = 4, .jobs = 12, .ring_size = DGON_RING_MIN, .build = 1};

static const dgon_registry_host host = {0};

typedef void piece(dgon_registry *r);

static dgon_registry *reg;
static piece *second;
static uint64_t at, passed;
static bool inside;

void dgon_kill_point(void)
{
    if (inside || ++passed != at)
        return;
    inside = true;
    second(reg);
    inside = false;
}

static dgon_job_ref first_jobs[4], second_jobs[12]; /* the second one fills the table */

static dgon_job_ref job(dgon_registry *r, uint32_t me, const char *model)
{
    dgon_job_spec s = {.model = dgon_registry_model(r, model, strlen(model)), .attempt = 1};
    dgon_job_ref ref = {0};
    s.exclude[0] = s.exclude[1] = DGON_NONE;
    if (dgon_registry_claim(r, me, &s, &ref) == DGON_OK)
        (void)!dgon_registry_submit(r, ref, 100);
    return ref;
}

static void offer(dgon_registry *r, uint32_t link, const char *model)
{
    dgon_ctl_model m;
    memset(&m, 0, sizeof m);
    snprintf(m.name, sizeof m.name, "%s", model);
    (void)!dgon_registry_link_models(r, link, &m, 1);
}

/* ---- the first child's work: "m" is served by its own link with two slots, "n" by nobody ---- */

static uint32_t link_of_first;

static void submits(dgon_registry *r)
{
    for (uint32_t i = 0; i < 4; i++)
        first_jobs[i] = job(r, 0, i % 2 ? "n" : "m");
}

static void releases(dgon_registry *r)
{
    for (uint32_t i = 0; i < 4; i++)
        dgon_registry_release(r, first_jobs[i]);
}

static void serves(dgon_registry *r)
{
    for (uint32_t slot = 0; slot < conf.jobs; slot++) {
        dgon_job_ref ref;
        uint32_t link;
        dgon_job_phase p;
        bool gone;
        if (dgon_registry_job_here(r, 0, slot, &ref, &link, &p, &gone) != DGON_OK)
            continue;
        if (!gone)
            (void)!dgon_registry_take(r, ref);
        dgon_registry_finish(r, ref, 1);
    }
}

static void audits(dgon_registry *r)
{
    dgon_registry_audit(r, 0);
}

static void withdraws(dgon_registry *r)
{
    dgon_job_spec spec = {.model = dgon_registry_model(r, "n", 1), .attempt = 1};
    spec.exclude[0] = spec.exclude[1] = DGON_NONE;
    dgon_job_ref ref;
    if (dgon_registry_claim(r, 0, &spec, &ref) != DGON_OK)
        return;
    if (dgon_registry_submit(r, ref, 0) == DGON_EFULL)
        dgon_registry_release(r, ref);
}

/* ---- what the second one does in between ---- */

static void takes_slots(dgon_registry *r)
{
    for (uint32_t i = 0; i < 12; i++)
        second_jobs[i] = job(r, 1, i % 2 ? "o" : "m");
}

static void gives_slots(dgon_registry *r)
{
    for (uint32_t i = 0; i < 3; i++)
        dgon_registry_release(r, second_jobs[i]);
}

static void takes_for_others(dgon_registry *r)
{
    for (uint32_t i = 0; i < 12; i++)
        second_jobs[i] = job(r, 1, "o");
}

static void opens_a_link(dgon_registry *r)
{
    uint32_t link;
    if (dgon_registry_link_open(r, 1, "y", 1, 1, &link) == DGON_OK)
        offer(r, link, "n");
}

static void must(bool ok, const char *name, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "%s at point %llu: ", name, (unsigned long long)at);
    die(what);
}

static uint32_t queued(dgon_registry *r, uint32_t model)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < conf.jobs; i++)
        n += dgon_jobw_of(dgon_get(&r->job_word[i])).phase == DGON_JOB_QUEUED &&
             dgon_job_model(r, i) == model;
    return n;
}

static void check(dgon_registry *r, const char *name)
{
    uint32_t m = dgon_registry_model(r, "m", 1);
    for (uint32_t i = 0; i < conf.models; i++)
        must(dgon_count_of(dgon_get(&r->waiting[i])) >= queued(r, i), name,
             "a queue counter is too low");
    for (int i = 0; i < 6; i++) {
        must(queued(r, m) == 0 ||
                 dgon_tokens_count(r, dgon_link_agent(r, link_of_first), NULL) == 2,
             name, "a job waits beside a free slot");
        serves(r);
    }
    releases(r);
    for (uint32_t i = 0; i < 12; i++)
        dgon_registry_release(r, second_jobs[i]);
    for (int i = 0; i < 4; i++)
        audits(r);
    for (uint32_t i = 0; i < conf.models; i++)
        must(dgon_count_of(dgon_get(&r->waiting[i])) == queued(r, i), name,
             "a queue counter is left");
}

/* False: the first one has no such point. */
static bool one(const char *name, piece *work, piece *between, bool full)
{
    size_t size = dgon_registry_size(&conf);
    void *seg = segment_map(size);
    inside = true; /* no points yet */
    if (dgon_registry_format(seg, size, &conf) != DGON_OK)
        die("format");
    reg = dgon_registry_attach(seg, size, &conf, &host);
    if (!reg || dgon_registry_join(reg, 1, 0) != DGON_OK ||
        dgon_registry_join(reg, 2, 1) != DGON_OK)
        die("attach");
    memset(first_jobs, 0, sizeof first_jobs);
    memset(second_jobs, 0, sizeof second_jobs);
    if (dgon_registry_link_open(reg, 0, "x", 1, 2, &link_of_first) != DGON_OK)
        die("link_open");
    offer(reg, link_of_first, "n"); /* names stay known */
    offer(reg, link_of_first, "o");
    offer(reg, link_of_first, "m");
    if (work != submits)
        submits(reg);
    if (full)
        takes_slots(reg);
    inside = false;
    second = between;
    passed = 0;
    work(reg);
    bool came = passed >= at;
    inside = true;
    check(reg, name);
    dgon_registry_detach(reg);
    segment_unmap(seg, size);
    return came;
}

int main(void)
{
    static piece *const work[] = {submits, releases, serves, withdraws, audits};
    static const struct {
        const char *name;
        piece *p;
        bool full;
    } between[] = {{"takes slots", takes_slots, false},
                   {"takes slots for others", takes_for_others, false},
                   {"gives slots", gives_slots, true},
                   {"opens a link", opens_a_link, false},
                   {"audits", audits, true}};
    uint64_t points = 0;
    for (size_t k = 0; k < sizeof work / sizeof work[0]; k++)
        for (size_t i = 0; i < sizeof between / sizeof between[0]; i++)
            for (at = 1; one(between[i].name, work[k], between[i].p, between[i].full); at++)
                points++;
    printf("ok: %llu interleavings\n", (unsigned long long)points);
    return points > 200 ? 0 : 1;
}

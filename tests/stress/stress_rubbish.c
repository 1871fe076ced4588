/* A child of the gateway that went mad writes random words all over the segment while the others
 * work: they may lose jobs, but none may crash, hang or write outside. Afterwards an audit makes
 * the registry usable again. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "stress.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 3u

static const dgon_registry_conf conf = {
    .children = 4, .links = 70, .models = 8, .jobs = 130, .ring_size = DGON_RING_MIN, .build = 1};

static bool alive(void *user, uint32_t child)
{
    (void)user;
    return child < conf.children && child % 3 != 2;
}

static void wake(void *user, uint32_t child)
{
    (void)user;
    if (child >= conf.children)
        die("wake of nobody");
}

static const dgon_registry_host host = {.wake = wake, .alive = alive};

typedef struct user {
    dgon_registry *r;
    rng g;
    uint32_t me;
} user;

static void rings(user *u, uint32_t slot)
{
    static unsigned char out[DGON_RING_MAX];
    dgon_ring ring = rnd(&u->g, 2) ? dgon_registry_up(u->r, slot) : dgon_registry_down(u->r, slot);
    dgon_ring_record rec;
    if (dgon_ring_peek_spsc(&ring, &rec) == DGON_OK) {
        if (rec.len > ring.size)
            die("a record longer than its ring");
        dgon_ring_take_spsc(&ring, &rec, out);
    }
    (void)!dgon_ring_put_spsc(&ring, 3, 1, out, rnd(&u->g, 300));
}

static void news(void *p, uint32_t slot)
{
    user *u = p;
    if (slot >= conf.jobs)
        die("news of no slot");
    dgon_job_ref ref;
    uint32_t link;
    dgon_job_phase phase;
    bool gone;
    dgon_job_spec spec;
    if (dgon_registry_job_here(u->r, u->me, slot, &ref, &link, &phase, &gone) != DGON_OK)
        return;
    if (link >= conf.links)
        die("a link out of range");
    (void)!dgon_registry_spec(u->r, ref, &spec);
    (void)!dgon_registry_take(u->r, ref);
    rings(u, slot);
    dgon_registry_notify_client(u->r, ref);
    dgon_registry_finish(u->r, ref, rnd(&u->g, 100));
}

static void links(user *u)
{
    uint32_t link = rnd(&u->g, conf.links + 2);
    char id[8];
    snprintf(id, sizeof id, "a%u", rnd(&u->g, 5));
    dgon_ctl_model m[3];
    memset(m, 0, sizeof m);
    for (uint32_t i = 0; i < 3; i++)
        snprintf(m[i].name, sizeof m[i].name, "m%u", rnd(&u->g, 5));
    switch (rnd(&u->g, 6)) {
    case 0:
        if (dgon_registry_link_open(u->r, u->me, id, 1, 3, &link) != DGON_OK)
            return;
        break;
    case 1:
        dgon_registry_link_close(u->r, link);
        break;
    case 2:
        dgon_registry_link_drain(u->r, link);
        break;
    case 3:
        dgon_registry_link_slots(u->r, link, rnd(&u->g, 9));
        break;
    default:
        (void)dgon_registry_link_probe(u->r, link);
    }
    (void)!dgon_registry_link_models(u->r, link, m, 3);
}

static void jobs(user *u)
{
    dgon_job_spec s = {.model = rnd(&u->g, conf.models + 1), .exclude = {DGON_NONE, 1}};
    dgon_job_ref ref;
    if (dgon_registry_claim(u->r, u->me, &s, &ref) != DGON_OK)
        ref = (dgon_job_ref){.slot = rnd(&u->g, conf.jobs + 3), .gen = rnd(&u->g, 50)};
    else
        (void)!dgon_registry_submit(u->r, ref, rnd(&u->g, 20));
    uint32_t agent;
    (void)dgon_registry_phase(u->r, ref, NULL, &agent);
    (void)dgon_registry_position(u->r, ref);
    dgon_registry_notify_link(u->r, ref);
    rings(u, ref.slot);
    if (rnd(&u->g, 2))
        dgon_registry_release(u->r, ref);
}

static void others(user *u)
{
    dgon_registry_model_info info;
    dgon_registry_gauges g;
    char name[DGON_WIRE_NAME_MAX + 1];
    switch (rnd(&u->g, 8)) {
    case 0:
        (void)dgon_registry_sweep(u->r, u->me);
        break;
    case 1:
        dgon_registry_audit(u->r, u->me);
        break;
    case 2:
        dgon_registry_gauges_get(u->r, &g);
        break;
    case 3:
        (void)!dgon_registry_model_get(u->r, rnd(&u->g, 10), &info);
        break;
    case 4:
        (void)!dgon_registry_model_name(u->r, rnd(&u->g, 10), name);
        break;
    case 5:
        (void)!dgon_registry_join(u->r, 1, rnd(&u->g, 5));
        break;
    case 6:
        if (rnd(&u->g, 50) == 0)
            dgon_registry_leave(u->r, rnd(&u->g, 5));
        break;
    default:
        (void)dgon_registry_sleep(u->r, u->me);
        dgon_registry_awake(u->r, u->me);
    }
}

static void work(void *seg, size_t size, uint32_t me, uint64_t seed, double secs)
{
    user u = {.r = dgon_registry_attach(seg, size, &conf, &host), .g = {seed}, .me = me};
    if (!u.r)
        die("attach");
    alarm((unsigned)secs + 20); /* a hang ends the test */
    for (double end = seconds() + secs; seconds() < end;) {
        (void)dgon_registry_collect(u.r, me, news, &u);
        jobs(&u);
        links(&u);
        others(&u);
    }
    dgon_registry_detach(u.r);
}

/* Words of every kind: random, small, all ones, copies from elsewhere with a bit changed. Not the
 * head's sizes, which nobody reads again. */
static uint64_t rubbish(rng *g, const uint64_t *words, uint64_t n)
{
    uint64_t any = (uint64_t)rnd(g, UINT32_MAX) << 32 | rnd(g, UINT32_MAX);
    switch (rnd(g, 4)) {
    case 0:
        return any;
    case 1:
        return any % 20;
    case 2:
        return UINT64_MAX >> rnd(g, 64);
    default:
        return words[any % n] ^ 1ull << rnd(g, 64);
    }
}

static void scribble(unsigned char *seg, rng *g, double secs)
{
    dgon_layout l;
    (void)dgon_layout_plan(&l, &conf);
    const uint64_t part[] = {64,       l.children,   l.news,     l.model_word, l.waiting,
                             l.offers, l.agent_word, l.agent,    l.tokens,     l.link_word,
                             l.link,   l.turns,      l.job_word, l.arrival,    l.job_queue,
                             l.used,   l.job,        l.ring_ctl, l.ring_data};
    const uint32_t parts = sizeof part / sizeof part[0];
    for (double end = seconds() + secs; seconds() < end;)
        for (int i = 0; i < 20; i++) {
            uint32_t k = rnd(g, parts);
            uint64_t span = (k + 1 < parts ? part[k + 1] : l.size) - part[k];
            uint64_t at = part[k] + rnd(g, (uint32_t)(span < 16384 ? span : 16384)) / 8 * 8;
            atomic_store((_Atomic uint64_t *)(void *)(seg + at),
                         rubbish(g, (const uint64_t *)(const void *)seg, l.children / 8));
            if (i == 0)
                usleep(rnd(g, 200));
        }
}

static void finish_gone(void *p, uint32_t slot)
{
    dgon_registry *r = p;
    dgon_job_ref ref;
    uint32_t link;
    dgon_job_phase phase;
    bool gone;
    if (dgon_registry_job_here(r, 0, slot, &ref, &link, &phase, &gone) == DGON_OK && gone)
        dgon_registry_finish(r, ref, 0);
}

/* A job of a new agent, from its offer on. */
static dgon_job_ref offer_and_submit(dgon_registry *r, uint32_t link)
{
    dgon_ctl_model m = {.name = "fresh"};
    if (dgon_registry_link_models(r, link, &m, 1) != DGON_OK)
        die("no model after healing");
    dgon_job_spec s = {.model = dgon_registry_model(r, "fresh", 5),
                       .exclude = {DGON_NONE, DGON_NONE}};
    dgon_job_ref ref;
    if (dgon_registry_claim(r, 0, &s, &ref) != DGON_OK)
        die("no slot after healing");
    if (dgon_registry_submit(r, ref, 9) != DGON_OK)
        die("no queue after healing");
    return ref;
}

/* With everybody gone, a few audits and one new child: a job passes. */
static void heals(void *seg, size_t size)
{
    dgon_registry *r = dgon_registry_attach(seg, size, &conf, &host);
    if (!r)
        die("attach");
    for (uint32_t c = 0; c < conf.children; c++)
        atomic_store(&dgon_child_at(r, c)->word, 0);
    /* Links that claim to be child 0's go with it. */
    if (dgon_registry_join(r, 1, 0) != DGON_OK)
        die("join");
    dgon_registry_audit(r, 0); /* puts the mark of the last link right */
    dgon_registry_leave(r, 0);
    if (dgon_registry_join(r, 1, 0) != DGON_OK)
        die("join again");
    for (int i = 0; i < 70; i++) /* more than a name without a user is kept for */
        dgon_registry_audit(r, 0);
    uint32_t link;
    if (dgon_registry_link_open(r, 0, "fresh", 1, 1, &link) != DGON_OK)
        die("no link after healing");
    dgon_job_ref ref = offer_and_submit(r, link);
    if (dgon_registry_take(r, ref) != DGON_OK)
        die("no dispatch after healing");
    dgon_registry_finish(r, ref, 1);
    dgon_registry_release(r, ref);
    dgon_registry_audit(r, 0);
    (void)dgon_registry_collect(r, 0, finish_gone, r);
    dgon_registry_gauges g;
    dgon_registry_gauges_get(r, &g);
    if (g.jobs_claimed + g.jobs_queued + g.jobs_bound + g.jobs_running + g.jobs_done ||
        g.tokens_valid) {
        fprintf(stderr, "claimed %u queued %u bound %u running %u done %u gone %u tokens %u\n",
                g.jobs_claimed, g.jobs_queued, g.jobs_bound, g.jobs_running, g.jobs_done,
                g.jobs_gone, g.tokens_valid);
        die("rubbish is left");
    }
    dgon_registry_detach(r);
}

int main(int argc, char **argv)
{
    double secs = 4;
    rng g;
    arguments(argc, argv, &secs, &g.s);
    size_t size = dgon_registry_size(&conf);
    for (double end = seconds() + secs; seconds() < end;) {
        unsigned char *seg = segment_map(size);
        if (dgon_registry_format(seg, size, &conf) != DGON_OK)
            die("format");
        pid_t pid[WORKERS];
        for (uint32_t i = 0; i < WORKERS; i++) {
            pid[i] = fork();
            if (pid[i] < 0)
                die("fork");
            if (pid[i] == 0) {
                work(seg, size, i, g.s + i + 1, 1);
                exit(0);
            }
        }
        scribble(seg, &g, 1);
        for (uint32_t i = 0; i < WORKERS; i++) {
            int st;
            waitpid(pid[i], &st, 0);
            if (!WIFEXITED(st) || WEXITSTATUS(st) != 0) {
                fprintf(stderr, "worker %u: status %x\n", i, (unsigned)st);
                die("a worker crashed or hung");
            }
        }
        heals(seg, size);
        segment_unmap(seg, size);
    }
    puts("ok");
    return 0;
}

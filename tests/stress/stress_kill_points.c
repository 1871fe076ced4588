/* A child is killed at the first point of a long piece of work, then at the second, and so on
 * through all of them; each time another child sweeps, and everything must be free and usable. The
 * points stand around every write of the registry to shared words (registry_int.h). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "stress.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const dgon_registry_conf conf = {
    .children = 3, .links = 4, .models = 4, .jobs = 12, .ring_size = DGON_RING_MIN, .build = 1};

static uint64_t kill_at, passed;

void dgon_kill_point(void)
{
    if (++passed == kill_at)
        raise(SIGKILL);
}

static bool dead[3];
static uint32_t first_me, last_me; /* the children that this process plays */

static bool alive(void *user, uint32_t child)
{
    (void)user;
    return !dead[child];
}

static const dgon_registry_host host = {.alive = alive};

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "at kill point %llu: ", (unsigned long long)kill_at);
        die(what);
    }
}

static void offer(dgon_registry *r, uint32_t link, const char *a, const char *b)
{
    dgon_ctl_model m[2];
    memset(m, 0, sizeof m);
    snprintf(m[0].name, sizeof m[0].name, "%s", a);
    snprintf(m[1].name, sizeof m[1].name, "%s", b);
    (void)!dgon_registry_link_models(r, link, m, 2);
}

static dgon_job_ref job(dgon_registry *r, uint32_t me, const char *model)
{
    dgon_job_spec s = {.model = dgon_registry_model(r, model, strlen(model)), .attempt = 1};
    s.exclude[0] = s.exclude[1] = DGON_NONE;
    dgon_job_ref ref = {0};
    if (dgon_registry_claim(r, me, &s, &ref) == DGON_OK)
        (void)!dgon_registry_submit(r, ref, 100);
    return ref;
}

static void serve(void *user, uint32_t slot)
{
    dgon_registry *r = user;
    for (uint32_t me = first_me; me <= last_me; me++) {
        dgon_job_ref ref;
        uint32_t link;
        dgon_job_phase p;
        bool gone;
        if (dead[me] || dgon_registry_job_here(r, me, slot, &ref, &link, &p, &gone) != DGON_OK)
            continue;
        if (!gone)
            (void)!dgon_registry_take(r, ref);
        dgon_registry_finish(r, ref, 1);
    }
}

/* Everything that a child does, in one piece; child 2 died before and is swept on the way. */
/* False: something did not go its way. */
static bool victim(dgon_registry *r)
{
    uint32_t a, b;
    if (dgon_registry_join(r, 1, 0) != DGON_OK)
        return false;
    (void)dgon_registry_sweep(r, 0);
    if (dgon_registry_link_open(r, 0, "x", 1, 2, &a) != DGON_OK ||
        dgon_registry_link_open(r, 0, "y", 1, 1, &b) != DGON_OK)
        return false;
    offer(r, a, "m", "n");
    offer(r, b, "m", "o");
    dgon_job_ref j[6];
    for (int i = 0; i < 6; i++)
        j[i] = job(r, 0, i % 2 ? "m" : "n");
    (void)!dgon_registry_submit(r, job(r, 0, "n"), 0);
    dgon_registry_notify_link(r, j[0]);
    (void)!dgon_registry_take(r, j[0]);
    dgon_registry_release(r, j[0]); /* gone while running */
    dgon_registry_release(r, j[1]);
    dgon_registry_release(r, j[5]); /* while it waits */
    for (int i = 0; i < 4; i++)
        (void)dgon_registry_collect(r, 0, serve, r);
    dgon_registry_link_slots(r, a, 1);
    dgon_registry_link_drain(r, a);
    dgon_registry_audit(r, 0);
    for (int i = 2; i < 5; i++)
        dgon_registry_release(r, j[i]);
    (void)job(r, 0, "o");
    dgon_registry_link_close(r, b);
    dgon_registry_link_close(r, a);
    dgon_registry_leave(r, 0);
    return true;
}

/* Child 1: its link has one slot, so that its own jobs wait and the victim moves them. */
static void before(dgon_registry *r, dgon_job_ref *mine)
{
    uint32_t link;
    must(dgon_registry_join(r, 1, 1) == DGON_OK, "join");
    must(dgon_registry_join(r, 1, 2) == DGON_OK, "join");
    must(dgon_registry_link_open(r, 1, "x", 1, 1, &link) == DGON_OK, "link");
    offer(r, link, "m", "n");
    mine[0] = job(r, 1, "m");
    must(dgon_registry_link_open(r, 2, "z", 1, 1, &link) == DGON_OK, "link");
    offer(r, link, "n", "o");
    mine[1] = job(r, 1, "n");
    (void)job(r, 2, "m");
    (void)job(r, 2, "n");
    mine[2] = job(r, 1, "n");
    dead[2] = true;
}

static void check_empty(dgon_registry *r)
{
    dgon_registry_gauges g;
    for (int i = 0; i < 4; i++)
        dgon_registry_audit(r, 1);
    dgon_registry_gauges_get(r, &g);
    must(g.jobs_claimed + g.jobs_queued + g.jobs_bound + g.jobs_running + g.jobs_done == 0,
         "a job is left");
    must(g.tokens_valid == 0, "a token is left");
    must(g.children == 1, "a child is left");
    must(g.links == 1, "a link is left");
    for (uint32_t m = 0; m < conf.models; m++)
        must(dgon_count_of(dgon_get(&r->waiting[m])) == 0, "a queue counter is left");
    for (uint32_t a = 0; a < conf.links; a++)
        must(dgon_count_of(dgon_get(&dgon_agent_at(r, a)->busy)) == 0, "a busy counter is left");
}

/* Every slot of every table can be had, and a full load passes through. */
static void check_usable(dgon_registry *r)
{
    dgon_job_ref ref[12];
    uint32_t link[4] = {0};
    must(dgon_registry_join(r, 1, 0) == DGON_OK && dgon_registry_join(r, 1, 2) == DGON_OK,
         "join again");
    for (uint32_t i = 1; i < conf.links; i++) {
        char id[4] = {(char)('p' + (char)i), 0, 0, 0};
        dgon_status st = dgon_registry_link_open(r, 0, id, 1, 2, &link[i]);
        if (st == DGON_EFULL) { /* names of agents that went: the audit gives them back */
            dgon_registry_audit(r, 1);
            st = dgon_registry_link_open(r, 0, id, 1, 2, &link[i]);
        }
        must(st == DGON_OK, "a link again");
        offer(r, link[i], "m", "n");
    }
    for (uint32_t i = 0; i < conf.jobs; i++) {
        ref[i] = job(r, 1, i % 2 ? "m" : "n");
        must(dgon_registry_phase(r, ref[i], NULL, NULL) != DGON_JOB_FREE, "a job again");
    }
    for (uint32_t i = 0; i < conf.jobs; i++) {
        must(dgon_registry_phase(r, ref[i], NULL, NULL) == DGON_JOB_BOUND,
             "a waiting job was not served");
        dgon_registry_finish(r, ref[i], 1);
    }
    for (uint32_t i = 0; i < conf.jobs; i++)
        dgon_registry_release(r, ref[i]);
}

/* False when the victim came through: there is no such point. */
static bool one(void *seg, size_t size)
{
    memset(dead, 0, sizeof dead);
    if (dgon_registry_format(seg, size, &conf) != DGON_OK)
        die("format");
    dgon_registry *r = dgon_registry_attach(seg, size, &conf, &host);
    if (!r)
        die("attach");
    dgon_job_ref mine[3];
    uint64_t at = kill_at;
    kill_at = 0;
    first_me = last_me = 1;
    before(r, mine);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        kill_at = at;
        passed = 0;
        first_me = last_me = 0;
        if (!victim(r))
            _exit(1);
        _exit(0);
    }
    int st;
    waitpid(pid, &st, 0);
    kill_at = 0;
    dead[0] = true;
    (void)dgon_registry_sweep(r, 1);
    kill_at = at; /* only printed from here on */
    passed = at;
    must(WIFSIGNALED(st) ? WTERMSIG(st) == SIGKILL : WEXITSTATUS(st) == 0, "the victim crashed");
    for (int i = 0; i < 20; i++)
        (void)dgon_registry_collect(r, 1, serve, r);
    for (int i = 0; i < 3; i++) {
        dgon_job_phase p = dgon_registry_phase(r, mine[i], NULL, NULL);
        must(p == DGON_JOB_DONE, "a job of the survivor is stuck");
        dgon_registry_release(r, mine[i]);
    }
    dead[0] = dead[2] = false;
    check_empty(r);
    check_usable(r);
    dgon_registry_detach(r);
    return WIFSIGNALED(st);
}

int main(void)
{
    size_t size = dgon_registry_size(&conf);
    uint64_t points = 0;
    for (bool killed = true; killed; points++) {
        void *seg = segment_map(size);
        kill_at = points + 1;
        killed = one(seg, size);
        segment_unmap(seg, size);
    }
    printf("ok: %llu kill points\n", (unsigned long long)(points - 1));
    return points > 100 ? 0 : 1;
}

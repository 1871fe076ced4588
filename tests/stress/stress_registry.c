/* Processes on one registry, each a client child and a link child at once; a killer ends random
 * ones at random moments and puts new ones in their place. Jobs are driven by news alone.
 * Afterwards nothing may be left over, and on the way no record may be lost, doubled or torn, no
 * job overtaken, nobody wait for ever. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "stress.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 5u
#define AGENTS  3u
#define MODELS  3u
#define MINE    12u /* jobs a client child has at once */
#define STUCK_S 20.0

static const dgon_registry_conf conf = {.children = WORKERS + 1,
                                        .links = 16,
                                        .models = 4,
                                        .jobs = 80,
                                        .ring_size = DGON_RING_MIN,
                                        .build = 1};

typedef struct shared {
    _Atomic uint32_t alive[WORKERS + 1];
    _Atomic uint32_t woken[WORKERS + 1];
    _Atomic uint32_t stop;
    _Atomic uint64_t jobs, cut, cancelled, records, refused, checks;
    _Atomic uint64_t queued_since[128]; /* gen:24 | ticket:40, when submit had returned */
} shared;

typedef struct payload {
    unsigned char id[16];
    uint32_t seq, sum;
    unsigned char fill[200];
} payload;

typedef struct mine {
    dgon_job_ref ref;
    unsigned char id[16];
    uint32_t got;
    bool used, ended;
    double since;
} mine;

typedef struct theirs {
    dgon_job_ref ref;
    unsigned char id[16];
    uint32_t sent, total;
    bool used;
} theirs;

typedef struct worker {
    dgon_registry *r;
    uint32_t me, link[2];
    bool linked[2];
    mine mine[MINE];
    theirs theirs[80];
    rng rng;
} worker;

static shared *sh;

static bool alive(void *user, uint32_t child)
{
    (void)user;
    return atomic_load(&sh->alive[child]) != 0;
}

static void wake(void *user, uint32_t child)
{
    (void)user;
    atomic_store(&sh->woken[child], 1);
}

static const dgon_registry_host host = {.wake = wake, .alive = alive};

static uint32_t sum_of(const payload *p, uint32_t len)
{
    uint32_t s = p->seq * 2654435761u;
    for (uint32_t i = 0; i < len; i++)
        s = s * 31 + p->fill[i];
    return s;
}

static uint32_t put_record(worker *w, dgon_ring *ring, uint8_t type, const unsigned char *id,
                           uint32_t seq)
{
    payload p = {.seq = seq};
    uint32_t len = rnd(&w->rng, sizeof p.fill);
    memcpy(p.id, id, 16);
    for (uint32_t i = 0; i < len; i++)
        p.fill[i] = (unsigned char)rnd(&w->rng, 256);
    p.sum = sum_of(&p, len);
    return dgon_ring_put_spsc(ring, type, 1, &p, (uint32_t)offsetof(payload, fill) + len) ==
           DGON_OK;
}

/* The next record, checked against its job. */
static bool get_record(dgon_ring *ring, const unsigned char *id, uint32_t seq, uint8_t *type)
{
    dgon_ring_record rec;
    dgon_status st = dgon_ring_peek_spsc(ring, &rec);
    if (st == DGON_AGAIN)
        return false;
    payload p;
    if (st != DGON_OK || rec.len > sizeof p || rec.len < offsetof(payload, fill))
        die("impossible record");
    dgon_ring_take_spsc(ring, &rec, &p);
    if (id && memcmp(p.id, id, 16) != 0)
        die("a record of another job");
    if (p.seq != seq)
        die("a record lost or doubled");
    if (p.sum != sum_of(&p, rec.len - (uint32_t)offsetof(payload, fill)))
        die("a torn record");
    *type = rec.type;
    return true;
}

/* ---- client side ---- */

static void submit_one(worker *w, mine *m)
{
    char name[8];
    snprintf(name, sizeof name, "m%u", rnd(&w->rng, MODELS));
    dgon_job_spec spec = {.model = dgon_registry_model(w->r, name, 2), .attempt = 1};
    spec.exclude[0] = spec.exclude[1] = DGON_NONE;
    if (spec.model == DGON_NONE)
        return;
    for (int i = 0; i < 16; i++)
        spec.id[i] = (unsigned char)rnd(&w->rng, 256);
    *m = (mine){.used = true, .since = seconds()};
    memcpy(m->id, spec.id, 16);
    if (dgon_registry_claim(w->r, w->me, &spec, &m->ref) != DGON_OK) {
        m->used = false;
        atomic_fetch_add(&sh->refused, 1);
        return;
    }
    dgon_ring up = dgon_registry_up(w->r, m->ref.slot);
    if (!put_record(w, &up, DGON_REC_BODY, m->id, 0))
        die("no room in a new ring");
    dgon_status st = dgon_registry_submit(w->r, m->ref, rnd(&w->rng, 40));
    if (st == DGON_EFULL) {
        dgon_registry_release(w->r, m->ref);
        m->used = false;
        atomic_fetch_add(&sh->refused, 1);
        return;
    }
    if (st != DGON_OK)
        die("submit");
    atomic_store(&sh->queued_since[m->ref.slot],
                 (uint64_t)m->ref.gen << 40 | dgon_get(&w->r->head->ticket));
    atomic_fetch_add(&sh->jobs, 1);
}

static void end_mine(worker *w, mine *m)
{
    dgon_registry_release(w->r, m->ref);
    m->used = false;
}

static void read_mine(worker *w, mine *m)
{
    /* The phase first: when the link side has let go, all it wrote is in the ring. */
    dgon_job_phase p = dgon_registry_phase(w->r, m->ref, NULL, NULL);
    if (p == DGON_JOB_FREE)
        die("a job went away under its client");
    dgon_ring down = dgon_registry_down(w->r, m->ref.slot);
    uint8_t type;
    bool some = false;
    while (!m->ended && get_record(&down, m->id, m->got, &type)) {
        m->got++;
        m->ended = type == DGON_REC_END;
        some = true;
        atomic_fetch_add_explicit(&sh->records, 1, memory_order_relaxed);
    }
    if (p == DGON_JOB_DONE) {
        if (!m->ended)
            atomic_fetch_add(&sh->cut, 1);
        end_mine(w, m);
    } else if (some) {
        dgon_registry_notify_link(w->r, m->ref);
    }
}

static void client_tick(worker *w, bool stop)
{
    for (uint32_t i = 0; i < MINE; i++) {
        mine *m = &w->mine[i];
        if (!m->used && !stop && rnd(&w->rng, 8) == 0)
            submit_one(w, m);
        else if (m->used && rnd(&w->rng, 3000) == 0) {
            end_mine(w, m);
            atomic_fetch_add(&sh->cancelled, 1);
        } else if (m->used && seconds() - m->since > STUCK_S) {
            fprintf(stderr, "child %u slot %u: %s, place %u\n", w->me, m->ref.slot,
                    dgon_job_phase_str(dgon_registry_phase(w->r, m->ref, NULL, NULL)),
                    dgon_registry_position(w->r, m->ref));
            die("a job is stuck");
        }
    }
}

/* ---- link side ---- */

/* While x was bound, an older job of the model that was in the queue before x was even claimed must
 * not wait any more. */
static void check_order(worker *w, dgon_job_ref x)
{
    dgon_job_spec s;
    if (dgon_registry_spec(w->r, x, &s) != DGON_OK)
        return;
    for (uint32_t i = 0; i < conf.jobs; i++) {
        uint64_t since = atomic_load(&sh->queued_since[i]);
        dgon_job_ref y = {.slot = i, .gen = (uint32_t)(since >> 40)};
        if (i == x.slot || (since & 0xffffffffffull) >= s.arrival ||
            dgon_job_model(w->r, i) != s.model)
            continue;
        if (dgon_registry_phase(w->r, y, NULL, NULL) == DGON_JOB_QUEUED &&
            dgon_registry_phase(w->r, x, NULL, NULL) != DGON_JOB_FREE) {
            fprintf(stderr,
                    "model %u: slot %u (arrival %llu) before slot %u (arrival %llu, in the queue "
                    "since %llu), counter %u\n",
                    s.model, x.slot, (unsigned long long)s.arrival, i,
                    (unsigned long long)dgon_get(&w->r->arrival[i]),
                    (unsigned long long)(since & 0xffffffffff),
                    dgon_count_of(dgon_get(&w->r->waiting[s.model])));
            die("a job was overtaken");
        }
        atomic_fetch_add_explicit(&sh->checks, 1, memory_order_relaxed);
    }
}

static void serve(worker *w, uint32_t slot)
{
    theirs *t = &w->theirs[slot];
    dgon_job_ref ref;
    uint32_t link;
    dgon_job_phase phase;
    bool gone;
    if (dgon_registry_job_here(w->r, w->me, slot, &ref, &link, &phase, &gone) != DGON_OK) {
        t->used = false;
        return;
    }
    if (phase == DGON_JOB_BOUND && !gone) {
        check_order(w, ref);
        if (dgon_registry_take(w->r, ref) == DGON_OK) {
            *t = (theirs){.ref = ref, .used = true, .total = rnd(&w->rng, 150)};
            dgon_job_spec s;
            uint8_t type;
            dgon_ring up = dgon_registry_up(w->r, slot);
            if (dgon_registry_spec(w->r, ref, &s) != DGON_OK || !get_record(&up, s.id, 0, &type))
                die("no body");
            memcpy(t->id, s.id, 16);
        } else {
            gone = true;
        }
    }
    if (gone) {
        dgon_registry_finish(w->r, ref, 0);
        t->used = false;
        return;
    }
    if (!t->used || t->ref.gen != ref.gen)
        die("running without having been taken");
    dgon_ring down = dgon_registry_down(w->r, slot);
    uint32_t burst = 1 + rnd(&w->rng, 30);
    while (t->sent < t->total && burst-- > 0 &&
           put_record(w, &down, DGON_REC_EVENT, t->id, t->sent))
        t->sent++;
    if (t->sent == t->total && put_record(w, &down, DGON_REC_END, t->id, t->sent)) {
        t->used = false;
        dgon_registry_finish(w->r, ref, 1);
        return;
    }
    dgon_registry_notify_client(w->r, ref);
    if (dgon_ring_space_spsc(&down) > sizeof(payload) || t->sent == 0)
        dgon_registry_notify(w->r, w->me, slot); /* the agent has more to say */
}

static void link_tick(worker *w, bool stop)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (!w->linked[i] && !stop && rnd(&w->rng, 20) == 0) {
            char id[8];
            uint32_t a = rnd(&w->rng, AGENTS);
            snprintf(id, sizeof id, "a%u", a);
            dgon_status st = dgon_registry_link_open(w->r, w->me, id, 1, 2 + a, &w->link[i]);
            if (st != DGON_OK)
                die("link_open");
            w->linked[i] = true;
        }
        if (!w->linked[i])
            continue;
        if (rnd(&w->rng, 60) == 0) {
            dgon_ctl_model m[MODELS];
            memset(m, 0, sizeof m);
            uint32_t from = rnd(&w->rng, 2), n = MODELS - from;
            for (uint32_t k = 0; k < n; k++)
                snprintf(m[k].name, sizeof m[k].name, "m%u", from + k);
            if (dgon_registry_link_models(w->r, w->link[i], m, n) != DGON_OK)
                die("link_models");
        }
        if (rnd(&w->rng, 2000) == 0)
            dgon_registry_link_drain(w->r, w->link[i]);
        if (rnd(&w->rng, 2000) == 0) {
            dgon_registry_link_close(w->r, w->link[i]);
            w->linked[i] = false;
        }
    }
}

/* ---- a worker ---- */

static void news(void *user, uint32_t slot)
{
    worker *w = user;
    for (uint32_t i = 0; i < MINE; i++)
        if (w->mine[i].used && w->mine[i].ref.slot == slot)
            read_mine(w, &w->mine[i]);
    serve(w, slot);
}

static bool busy(const worker *w)
{
    for (uint32_t i = 0; i < MINE; i++)
        if (w->mine[i].used)
            return true;
    return false;
}

static _Noreturn void work(void *seg, size_t size, uint32_t me, uint64_t seed)
{
    static worker w;
    w.r = dgon_registry_attach(seg, size, &conf, &host);
    w.me = me;
    w.rng.s = seed;
    if (!w.r)
        die("attach");
    while (dgon_registry_join(w.r, (uint32_t)getpid(), me) != DGON_OK)
        usleep(200); /* its dead predecessor is swept by another one */
    double swept = 0, audited = seconds(), quiet = seconds();
    for (;;) {
        bool stop = atomic_load(&sh->stop) != 0;
        client_tick(&w, stop);
        link_tick(&w, stop && !busy(&w));
        double now = seconds();
        if (now - swept > 0.002) {
            (void)dgon_registry_sweep(w.r, me);
            swept = now;
        }
        if (me == 0 && now - audited > 0.3) {
            dgon_registry_audit(w.r, me);
            audited = now;
        }
        if (dgon_registry_collect(w.r, me, news, &w) == 0 && dgon_registry_sleep(w.r, me)) {
            usleep(50);
            dgon_registry_awake(w.r, me);
        }
        dgon_registry_gauges g;
        if (!stop || busy(&w)) {
            quiet = now;
            continue;
        }
        dgon_registry_gauges_get(w.r, &g);
        if (g.jobs_queued + g.jobs_bound + g.jobs_running + g.jobs_done + g.jobs_claimed == 0)
            break;
        if (now - quiet > STUCK_S) {
            fprintf(stderr, "child %u: queued %u bound %u running %u done %u claimed %u gone %u\n",
                    me, g.jobs_queued, g.jobs_bound, g.jobs_running, g.jobs_done, g.jobs_claimed,
                    g.jobs_gone);
            die("jobs are left over");
        }
    }
    for (uint32_t i = 0; i < 2; i++)
        if (w.linked[i] && rnd(&w.rng, 2))
            dgon_registry_link_close(w.r, w.link[i]);
    dgon_registry_leave(w.r, me);
    dgon_registry_detach(w.r);
    exit(0);
}

/* ---- the killer ---- */

static pid_t start(void *seg, size_t size, uint32_t me, rng *g)
{
    uint64_t seed = (uint64_t)rnd(g, UINT32_MAX) << 20 | (me + 1);
    fflush(stdout);
    /* From here on it counts as alive; its slot can only be joined when it is free. */
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() == 1)
            _exit(1);
        while (!atomic_load(&sh->alive[me]))
            usleep(50);
        work(seg, size, me, seed);
    }
    return pid;
}

/* A predecessor's slot must be swept (seen dead) before the next one counts as alive. */
static void wait_swept(dgon_registry *r, uint32_t i)
{
    double since = seconds();
    while (dgon_childw_state(dgon_get(&dgon_child_at(r, i)->word)) != DGON_CHILD_FREE) {
        if (seconds() - since > STUCK_S)
            die("a dead child is not swept");
        usleep(100);
    }
}

static void check_empty(dgon_registry *r)
{
    dgon_registry_gauges g;
    if (dgon_registry_join(r, 1, WORKERS) != DGON_OK)
        die("join");
    (void)dgon_registry_sweep(r, WORKERS);
    for (int i = 0; i < 7; i++)
        dgon_registry_audit(r, WORKERS);
    dgon_registry_gauges_get(r, &g);
    if (g.children != 1 || g.links || g.jobs_claimed || g.jobs_queued || g.jobs_bound ||
        g.jobs_running || g.jobs_done || g.jobs_gone || g.tokens_valid)
        die("something is left over");
    for (uint32_t m = 0; m < conf.models; m++)
        if (dgon_count_of(dgon_get(&r->waiting[m])))
            die("a queue counter is left over");
    for (uint32_t a = 0; a < conf.links; a++)
        if (dgon_count_of(dgon_get(&dgon_agent_at(r, a)->busy)))
            die("a busy counter is left over");
    for (uint32_t i = 0; i < r->at.used_words; i++)
        if (dgon_get(&r->used[i]))
            die("a used bit is left over");
    if (dgon_names_mark(&r->agent_names) > AGENTS + WORKERS ||
        dgon_registry_model_count(r) > MODELS + 1)
        die("a name was added twice");
    dgon_registry_leave(r, WORKERS);
}

static uint32_t round_of_kills(void *seg, size_t size, dgon_registry *r, rng *g, double secs)
{
    pid_t pid[WORKERS];
    uint32_t kills = 0;
    atomic_store(&sh->stop, 0);
    for (uint32_t i = 0; i < WORKERS; i++) {
        pid[i] = start(seg, size, i, g);
        atomic_store(&sh->alive[i], 1);
    }
    for (double end = seconds() + secs; seconds() < end;) {
        usleep(1000 + rnd(g, 15000));
        uint32_t i = rnd(g, WORKERS);
        int st;
        if (waitpid(pid[i], &st, WNOHANG) != 0)
            die("a worker ended by itself");
        kill(pid[i], SIGKILL);
        waitpid(pid[i], &st, 0);
        if (!WIFSIGNALED(st))
            die("a worker ended by itself");
        atomic_store(&sh->alive[i], 0);
        kills++;
        if (rnd(g, 3) == 0) { /* a second one, perhaps the sweeper of the first */
            usleep(rnd(g, 3000));
            uint32_t k = (i + 1) % WORKERS;
            kill(pid[k], SIGKILL);
            waitpid(pid[k], &st, 0);
            atomic_store(&sh->alive[k], 0);
            kills++;
            wait_swept(r, k);
            pid[k] = start(seg, size, k, g);
            atomic_store(&sh->alive[k], 1);
        }
        wait_swept(r, i);
        pid[i] = start(seg, size, i, g);
        atomic_store(&sh->alive[i], 1);
    }
    atomic_store(&sh->stop, 1);
    for (uint32_t i = 0; i < WORKERS; i++) {
        int st;
        waitpid(pid[i], &st, 0);
        if (!WIFEXITED(st) || WEXITSTATUS(st) != 0)
            die("a worker failed");
        atomic_store(&sh->alive[i], 0);
    }
    return kills;
}

int main(int argc, char **argv)
{
    double secs = 10;
    rng g;
    arguments(argc, argv, &secs, &g.s);
    size_t size = dgon_registry_size(&conf);
    void *seg = segment_map(size);
    sh = segment_map(sizeof *sh);
    if (dgon_registry_format(seg, size, &conf) != DGON_OK)
        die("format");
    dgon_registry *r = dgon_registry_attach(seg, size, &conf, &host);
    if (!r)
        die("attach");
    atomic_store(&sh->alive[WORKERS], 1);
    uint32_t kills = 0, rounds = 0;
    for (double end = seconds() + secs; seconds() < end; rounds++) {
        kills += round_of_kills(seg, size, r, &g, 1);
        check_empty(r);
    }
    printf("ok: %u rounds, %u kills, %llu jobs (%llu cut, %llu cancelled, %llu refused), %llu "
           "records, "
           "%llu order checks\n",
           rounds, kills, (unsigned long long)sh->jobs, (unsigned long long)sh->cut,
           (unsigned long long)sh->cancelled, (unsigned long long)sh->refused,
           (unsigned long long)sh->records, (unsigned long long)sh->checks);
    dgon_registry_detach(r);
    return 0;
}

/* A record through a ring: in one process, and from one process to another on another core, by
 * length of the record. No wake-up is counted: both sides poll. */
#include "dgon/ring.h"
#include "micro.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE    16384u
#define BATCH   1000u
#define RECORDS 50000u /* of a round between two processes */
#define SPIN    2000u  /* looks before the core is offered to somebody else */

static dgon_ring new_ring(void)
{
    unsigned char *p = mmap(NULL, sizeof(dgon_ring_ctl) + SIZE, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    dgon_ring g = {.size = SIZE};

    micro_check(p != MAP_FAILED, "mmap");
    g.ctl = (dgon_ring_ctl *)(void *)p;
    g.data = p + sizeof(dgon_ring_ctl);
    dgon_ring_reset(&g);
    return g;
}

struct one {
    dgon_ring ring;
    uint32_t len;
};

static void put_and_take(void *user)
{
    struct one *o = user;
    unsigned char in[8192] = {0}, out[8192];
    dgon_ring_record rec;

    for (unsigned i = 0; i < BATCH; i++) {
        micro_check(dgon_ring_put_spsc(&o->ring, 3, 1, in, o->len) == DGON_OK, "put");
        micro_check(dgon_ring_peek_spsc(&o->ring, &rec) == DGON_OK, "peek");
        dgon_ring_take_spsc(&o->ring, &rec, out);
    }
}

/* --- two processes --------------------------------------------------------------------------- */

static cpu_set_t all; /* as the program was started */

static bool pin(unsigned k)
{
    cpu_set_t one;

    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &all) && k-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(i, &one);
            return sched_setaffinity(0, sizeof(one), &one) == 0;
        }
    }
    return false;
}

static void spin(unsigned *looks)
{
    if (++*looks % SPIN == 0) {
        micro_check(waitpid(-1, NULL, WNOHANG) <= 0, "the other process has ended");
        sched_yield();
    }
}

static void take(dgon_ring *g, unsigned char *out)
{
    dgon_ring_record rec;
    dgon_status s;
    unsigned looks = 0;

    while ((s = dgon_ring_peek_spsc(g, &rec)) == DGON_AGAIN) {
        spin(&looks);
    }
    micro_check(s == DGON_OK, "peek");
    dgon_ring_take_spsc(g, &rec, out);
}

static void put(dgon_ring *g, const unsigned char *p, uint32_t len)
{
    unsigned looks = 0;

    while (dgon_ring_put_spsc(g, 3, 1, p, len) != DGON_OK) {
        spin(&looks);
    }
}

/* `there` is full all the while (a record's throughput), or each record is answered (there and
 * back, half of which is a crossing). */
static void two_processes(const char *name, uint32_t len, bool answer)
{
    dgon_ring there = new_ring(), back = new_ring();
    unsigned char buf[8192] = {0};
    const unsigned n = answer ? RECORDS / 10 : RECORDS;
    double ns[MICRO_ROUNDS];
    pid_t child = fork();

    micro_check(child >= 0, "fork");
    if (child == 0) {
        if (!pin(1)) {
            _exit(3);
        }
        for (unsigned i = 0; i < (MICRO_ROUNDS + 1) * n; i++) {
            take(&there, buf);
            if (answer || i % n == n - 1) {
                put(&back, buf, len);
            }
        }
        _exit(0);
    }
    micro_check(pin(0), "affinity");
    for (int i = -1; i < MICRO_ROUNDS; i++) { /* the first round warms up */
        uint64_t begin = now_ns();

        for (unsigned k = 0; k < n; k++) {
            put(&there, buf, len);
            if (answer) {
                take(&back, buf);
            }
        }
        if (!answer) {
            take(&back, buf);
        }
        if (i >= 0) {
            ns[i] = (double)(now_ns() - begin) / n / (answer ? 2 : 1);
        }
    }
    micro_print(name, len, ns);
    waitpid(child, NULL, 0);
}

int main(void)
{
    static const uint32_t lengths[] = {16, 200, 1000, 8000};

    sched_getaffinity(0, sizeof(all), &all);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct one o = {.ring = new_ring(), .len = lengths[i]};

        micro_run("ring one process, record", o.len, BATCH, 10 * MS, put_and_take, &o);
    }
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        return 0; /* polling against each other on one core would measure the kernel's scheduler */
    }
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        two_processes("ring two cores, record in a full stream", lengths[i], false);
    }
    two_processes("ring two cores, one crossing", 200, true);
    return 0;
}

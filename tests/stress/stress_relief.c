/* Two threads and one lead. Each request is quick or lasts: at any time one thread at most leads
 * (ThreadSanitizer sees it in `work`, which has no lock), no request is lost, and while one lasts
 * the other thread goes on. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "stress.h"

#include "dgon/relief.h"

#include <pthread.h>
#include <time.h>

#define SLOW_EVERY 50    /* requests; such a one lasts longer than a far look */
#define SLOW_US    20000 /* it */
#define LATE_US    15000 /* a turn that waited for it */

static dgon_relief relief;
static atomic_bool stopping;
static atomic_ulong ended;
static unsigned long count = 3000;
static struct {
    unsigned long begun, turns, late;
    struct timespec last;
} work; /* the leader's */

static void sleep_us(long us)
{
    struct timespec t = {.tv_nsec = us * 1000};
    nanosleep(&t, NULL);
}

static void turn(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    unsigned long us = (unsigned long)((now.tv_sec - work.last.tv_sec) * 1000000 +
                                       (now.tv_nsec - work.last.tv_nsec) / 1000);
    work.late += work.turns++ > 0 && us > LATE_US;
    work.last = now;
}

/* True: time to stop. False: the lead is lost. */
static bool lead(void)
{
    while (work.begun < count) {
        turn();
        if (!dgon_relief_ready(&relief)) {
            sleep_us(100);
            continue;
        }
        bool slow = ++work.begun % SLOW_EVERY == 0;
        dgon_relief_let_go(&relief);
        if (slow)
            sleep_us(SLOW_US);
        bool leads = dgon_relief_regain(&relief);
        atomic_fetch_add(&ended, 1);
        if (!leads)
            return false;
    }
    atomic_store(&stopping, true);
    dgon_relief_wake(&relief);
    return true;
}

static void *first(void *user)
{
    (void)user;
    while (!lead() && dgon_relief_stand_by(&relief, &stopping))
        ;
    return NULL;
}

static void *second(void *user)
{
    return dgon_relief_stand_by(&relief, &stopping) ? first(user) : NULL;
}

int main(int argc, char **argv)
{
    pthread_t t[2];
    if (argc > 1)
        count = strtoul(argv[1], NULL, 0);
    if (!dgon_relief_init(&relief) || pthread_create(&t[0], NULL, first, NULL) != 0 ||
        pthread_create(&t[1], NULL, second, NULL) != 0)
        die("no thread");
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    if (work.begun != count || atomic_load(&ended) != count)
        die("a request was lost");
    if (work.late > count / SLOW_EVERY / 4) /* a busy machine has late ones too */
        die("slow requests hold up the loop");
    printf("%lu requests, %lu of %lu turns late\n", count, work.late, work.turns);
    return 0;
}

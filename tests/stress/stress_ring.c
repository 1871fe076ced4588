/* Writer and reader of one ring as two threads on one mapping: ThreadSanitizer sees a race only
 * there. Also without it: order and content. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "stress.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

static dgon_ring ring;
static uint64_t count = 1000000;

static uint32_t length(uint64_t i)
{
    return (uint32_t)(i * 2654435761u >> 7) % 300;
}

static void *writer(void *user)
{
    (void)user;
    unsigned char p[300];
    for (uint64_t i = 0; i < count; i++) {
        uint32_t n = length(i);
        memset(p, (int)(i & 0xff), n);
        while (dgon_ring_put_spsc(&ring, (uint8_t)(i % 7), (uint16_t)i, p, n) != DGON_OK)
            sched_yield();
    }
    return NULL;
}

static void reader(void)
{
    unsigned char p[300];
    for (uint64_t i = 0; i < count; i++) {
        dgon_ring_record rec;
        dgon_status st;
        while ((st = dgon_ring_peek_spsc(&ring, &rec)) == DGON_AGAIN)
            sched_yield();
        if (st != DGON_OK || rec.len != length(i) || rec.n != (uint16_t)i || rec.type != i % 7)
            die("wrong record");
        dgon_ring_take_spsc(&ring, &rec, p);
        for (uint32_t k = 0; k < rec.len; k++)
            if (p[k] != (unsigned char)i)
                die("torn record");
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        count = strtoull(argv[1], NULL, 0);
    ring.size = DGON_RING_MIN;
    ring.ctl = segment_map(65536);
    ring.data = (unsigned char *)ring.ctl + 4096;
    pthread_t t;
    double t0 = seconds();
    if (pthread_create(&t, NULL, writer, NULL) != 0)
        die("pthread_create");
    reader();
    pthread_join(t, NULL);
    printf("ok: %llu records in %.2f s\n", (unsigned long long)count, seconds() - t0);
    return 0;
}

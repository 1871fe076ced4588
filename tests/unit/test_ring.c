#include "unit.h"

#include "dgon/ring.h"

static dgon_ring_ctl ctl;
static unsigned char data[DGON_RING_MIN + 64];
static dgon_ring ring = {.ctl = &ctl, .data = data, .size = DGON_RING_MIN};

static void fill(unsigned char *p, uint32_t n, uint32_t seed)
{
    for (uint32_t i = 0; i < n; i++)
        p[i] = (unsigned char)(seed + i * 7);
}

static void put_take(uint32_t len, uint32_t seed)
{
    static unsigned char in[DGON_RING_MIN], out[DGON_RING_MIN];
    fill(in, len, seed);
    CU_ASSERT(dgon_ring_put_spsc(&ring, 3, (uint16_t)seed, in, len) == DGON_OK);
    dgon_ring_record rec;
    CU_ASSERT(dgon_ring_peek_spsc(&ring, &rec) == DGON_OK);
    CU_ASSERT(rec.len == len && rec.type == 3 && rec.n == (uint16_t)seed);
    memset(out, 0xee, len + 1);
    dgon_ring_take_spsc(&ring, &rec, out);
    CU_ASSERT(memcmp(in, out, len) == 0 && out[len] == 0xee);
    CU_ASSERT(dgon_ring_peek_spsc(&ring, &rec) == DGON_AGAIN);
}

/* The next record begins at that offset, and an empty one is before it. */
static void fill_up_to(uint32_t at)
{
    static const unsigned char zero[DGON_RING_MIN];
    dgon_ring_record rec;
    dgon_ring_reset(&ring);
    atomic_store(&ctl.head, UINT64_MAX - ring.size / 2); /* the counters themselves wrap, too */
    atomic_store(&ctl.tail, UINT64_MAX - ring.size / 2);
    CU_ASSERT(dgon_ring_put_spsc(&ring, 1, 0, zero, at - 2 * DGON_RING_HEADER) == DGON_OK);
    CU_ASSERT(dgon_ring_put_spsc(&ring, 1, 0, NULL, 0) == DGON_OK);
    CU_ASSERT(dgon_ring_peek_spsc(&ring, &rec) == DGON_OK);
    dgon_ring_take_spsc(&ring, &rec, NULL);
}

/* A record begins at every offset, so that header and payload wrap at every byte. */
static void test_wrap(void)
{
    static unsigned char in[64], out[64];
    memset(data + DGON_RING_MIN, 0x5a, 64);
    for (uint32_t at = 2 * DGON_RING_HEADER; at <= ring.size; at++) {
        uint32_t len = at % 41;
        dgon_ring_record rec;
        fill_up_to(at);
        fill(in, len, at);
        CU_ASSERT(dgon_ring_put_spsc(&ring, 3, (uint16_t)at, in, len) == DGON_OK);
        CU_ASSERT(dgon_ring_peek_spsc(&ring, &rec) == DGON_OK && rec.len == 0 && rec.type == 1);
        dgon_ring_take_spsc(&ring, &rec, NULL);
        CU_ASSERT(dgon_ring_peek_spsc(&ring, &rec) == DGON_OK);
        CU_ASSERT(rec.len == len && rec.type == 3 && rec.n == (uint16_t)at);
        dgon_ring_take_spsc(&ring, &rec, out);
        CU_ASSERT(memcmp(in, out, len) == 0);
        CU_ASSERT(dgon_ring_peek_spsc(&ring, &rec) == DGON_AGAIN);
    }
    dgon_ring_reset(&ring);
    for (uint32_t i = 0; i < 3000; i++)
        put_take(i * 5 % (ring.size - DGON_RING_HEADER), i);
    for (uint32_t i = 0; i < 64; i++)
        CU_ASSERT_EQUAL(data[DGON_RING_MIN + i], 0x5a);
}

/* Of the ring of a reader that keeps up only the first bytes are ever written. */
static void test_begins_anew_when_empty(void)
{
    dgon_ring_reset(&ring);
    memset(data, 0x5a, sizeof data);
    for (uint32_t i = 0; i < 1000; i++)
        put_take(100, i);
    for (uint32_t i = DGON_RING_HEADER + 100; i < sizeof data; i++)
        CU_ASSERT_EQUAL_FATAL(data[i], 0x5a);
}

static void test_full_and_empty(void)
{
    static unsigned char buf[DGON_RING_MIN];
    dgon_ring_record rec;
    dgon_ring_reset(&ring);
    CU_ASSERT_EQUAL(dgon_ring_space_spsc(&ring), ring.size - DGON_RING_HEADER);
    CU_ASSERT(dgon_ring_put_spsc(&ring, 1, 0, buf, ring.size - DGON_RING_HEADER + 1) == DGON_EFULL);
    CU_ASSERT(dgon_ring_put_spsc(&ring, 1, 0, buf, UINT32_MAX) == DGON_EFULL);
    CU_ASSERT(dgon_ring_peek_spsc(&ring, &rec) == DGON_AGAIN);
    CU_ASSERT(dgon_ring_put_spsc(&ring, 1, 0, buf, ring.size - DGON_RING_HEADER) == DGON_OK);
    CU_ASSERT_EQUAL(dgon_ring_space_spsc(&ring), 0);
    CU_ASSERT(dgon_ring_put_spsc(&ring, 1, 0, NULL, 0) == DGON_EFULL);
    CU_ASSERT(dgon_ring_peek_spsc(&ring, &rec) == DGON_OK);
    dgon_ring_take_spsc(&ring, &rec, NULL);
    uint32_t n = 0;
    while (dgon_ring_put_spsc(&ring, 1, 0, "x", 1) == DGON_OK)
        n++;
    CU_ASSERT_EQUAL(n, ring.size / 9);
    CU_ASSERT(dgon_ring_space_spsc(&ring) < 9);
    while (dgon_ring_peek_spsc(&ring, &rec) == DGON_OK) {
        dgon_ring_take_spsc(&ring, &rec, buf);
        n--;
    }
    CU_ASSERT_EQUAL(n, 0);
}

static void test_impossible(void)
{
    static unsigned char out[DGON_RING_MIN];
    dgon_ring_record rec;
    static const uint64_t used[] = {1, 7, DGON_RING_MIN + 1, UINT64_MAX, 1ull << 63};
    for (size_t i = 0; i < sizeof used / sizeof used[0]; i++) {
        dgon_ring_reset(&ring);
        atomic_store(&ctl.head, 100);
        atomic_store(&ctl.tail, 100 + used[i]);
        CU_ASSERT(dgon_ring_peek_spsc(&ring, &rec) == DGON_EPROTO);
        if (used[i] > DGON_RING_MIN) {
            CU_ASSERT_EQUAL(dgon_ring_space_spsc(&ring), 0);
            CU_ASSERT(dgon_ring_put_spsc(&ring, 1, 0, "x", 1) == DGON_EFULL);
        }
    }
    dgon_ring_reset(&ring);
    CU_ASSERT(dgon_ring_put_spsc(&ring, 1, 0, "xyz", 3) == DGON_OK);
    uint32_t lie = 4;
    memcpy(data, &lie, 4);
    CU_ASSERT(dgon_ring_peek_spsc(&ring, &rec) == DGON_EPROTO);
    lie = UINT32_MAX;
    memcpy(data, &lie, 4);
    CU_ASSERT(dgon_ring_peek_spsc(&ring, &rec) == DGON_EPROTO);
    rec.len = UINT32_MAX; /* a caller that did not look: nothing is copied */
    dgon_ring_take_spsc(&ring, &rec, out);
}

/* Random rubbish in the words and in the data: the reader never leaves the ring. */
static void test_rubbish(void)
{
    static unsigned char out[DGON_RING_MIN];
    dgon_ring_record rec;
    srand(1);
    for (int i = 0; i < 200000; i++) {
        atomic_store(&ctl.head, (uint64_t)rand() << (rand() % 40));
        atomic_store(&ctl.tail, atomic_load(&ctl.head) + (uint64_t)(rand() % 40000));
        atomic_store(&ctl.base, (uint64_t)rand() << (rand() % 40));
        for (int k = 0; k < 8; k++)
            data[(uint32_t)rand() % DGON_RING_MIN] = (unsigned char)rand();
        if (dgon_ring_peek_spsc(&ring, &rec) == DGON_OK) {
            CU_ASSERT(rec.len <= ring.size - DGON_RING_HEADER);
            dgon_ring_take_spsc(&ring, &rec, out);
        }
        (void)!dgon_ring_put_spsc(&ring, 1, 1, out, (uint32_t)rand() % DGON_RING_MIN);
    }
}

UNIT_MAIN("ring", {"wrap at every offset", test_wrap},
          {"begins anew when empty", test_begins_anew_when_empty},
          {"full and empty", test_full_and_empty}, {"impossible words", test_impossible},
          {"rubbish", test_rubbish})

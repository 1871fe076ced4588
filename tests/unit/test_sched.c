#include "unit.h"

#include "dgon/sched.h"

static uint32_t rnd_state = 1;
static uint32_t rnd(uint32_t n)
{
    rnd_state ^= rnd_state << 13;
    rnd_state ^= rnd_state >> 17;
    rnd_state ^= rnd_state << 5;
    return rnd_state % n;
}

/* a must not lose against b: the order of sched.h in long arithmetic. */
static bool not_worse(const dgon_sched_candidate *a, const dgon_sched_candidate *b)
{
    long double la = (long double)a->busy / a->slots, lb = (long double)b->busy / b->slots;
    if ((uint64_t)a->busy * b->slots != (uint64_t)b->busy * a->slots)
        return la < lb;
    if (a->same_child != b->same_child)
        return a->same_child;
    if (a->last != b->last)
        return a->last < b->last;
    return a->link <= b->link;
}

static void test_properties(void)
{
    for (int round = 0; round < 20000; round++) {
        dgon_sched_candidate c[12];
        uint32_t n = rnd(13);
        bool somebody = false;
        for (uint32_t i = 0; i < n; i++) {
            c[i] = (dgon_sched_candidate){.link = i,
                                          .agent = i,
                                          .slots = rnd(5),
                                          .busy = rnd(6),
                                          .same_child = rnd(2),
                                          .excluded = rnd(4) == 0,
                                          .last = rnd(3)};
            somebody |= !c[i].excluded && c[i].busy < c[i].slots;
        }
        int best = dgon_sched_choose(c, n);
        CU_ASSERT_EQUAL(best >= 0, somebody);
        if (best < 0)
            continue;
        CU_ASSERT(!c[best].excluded && c[best].busy < c[best].slots);
        for (uint32_t i = 0; i < n; i++)
            if (!c[i].excluded && c[i].busy < c[i].slots)
                CU_ASSERT(not_worse(&c[best], &c[i]));
    }
}

static void test_order(void)
{
    CU_ASSERT_EQUAL(dgon_sched_choose(NULL, 0), -1);
    dgon_sched_candidate c[2] = {{.link = 0, .slots = 3, .busy = 1, .last = 1},
                                 {.link = 1, .slots = 3000000000u, .busy = 1000000001u}};
    CU_ASSERT_EQUAL(dgon_sched_choose(c, 2), 0); /* 1/3 < 1000000001/3000000000, exactly */
    c[1].busy = 1000000000;
    CU_ASSERT_EQUAL(dgon_sched_choose(c, 2), 1); /* equal: idle for longer */
    c[0].same_child = true;
    CU_ASSERT_EQUAL(dgon_sched_choose(c, 2), 0);
    c[0].busy = 9; /* more than it has, after a capacity change */
    CU_ASSERT_EQUAL(dgon_sched_choose(c, 2), 1);
    c[1].excluded = true;
    CU_ASSERT_EQUAL(dgon_sched_choose(c, 2), -1);
}

/* Equal agents get equal shares. */
static void test_fair(void)
{
    dgon_sched_candidate c[7];
    uint32_t got[7] = {0};
    for (uint32_t i = 0; i < 7; i++)
        c[i] = (dgon_sched_candidate){.link = i, .agent = i, .slots = 4};
    for (uint64_t t = 1; t <= 700; t++) {
        int i = dgon_sched_choose(c, 7);
        CU_ASSERT_FATAL(i >= 0);
        got[i]++;
        c[i].last = t;
    }
    for (int i = 0; i < 7; i++)
        CU_ASSERT_EQUAL(got[i], 100);
}

static void test_retry_after(void)
{
    CU_ASSERT_EQUAL(dgon_sched_retry_after(0, 4, 100), 1);
    CU_ASSERT_EQUAL(dgon_sched_retry_after(10, 0, 100), 30);
    CU_ASSERT_EQUAL(dgon_sched_retry_after(10, 2, 0), 5);
    CU_ASSERT_EQUAL(dgon_sched_retry_after(10, 2, 1001), 6);
    CU_ASSERT_EQUAL(dgon_sched_retry_after(UINT32_MAX, 1, UINT32_MAX), 30);
}

UNIT_MAIN("sched", {"properties", test_properties}, {"order", test_order}, {"fair", test_fair},
          {"retry after", test_retry_after})

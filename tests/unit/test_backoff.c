#include "dgon/backoff.h"

#include "unit.h"

static void test_bounds(void)
{
    static const uint32_t ceilings[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
    dgon_backoff b;
    dgon_backoff lo;
    dgon_backoff_init(&b, 500, 30000);
    dgon_backoff_init(&lo, 500, 30000);
    for (size_t i = 0; i < sizeof ceilings / sizeof ceilings[0]; i++) {
        CU_ASSERT_EQUAL(dgon_backoff_next(&b, UINT32_MAX), ceilings[i]);
        CU_ASSERT_EQUAL(dgon_backoff_next(&lo, 0), DGON_BACKOFF_FLOOR_MS);
    }
    dgon_backoff_reset(&b);
    CU_ASSERT_EQUAL(dgon_backoff_next(&b, UINT32_MAX), 500);
}

static void test_exponent_is_clamped(void)
{
    dgon_backoff b;
    dgon_backoff_init(&b, UINT32_MAX, UINT32_MAX);
    for (int i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(dgon_backoff_next(&b, UINT32_MAX), UINT32_MAX);
    b.tries = UINT32_MAX;
    CU_ASSERT_EQUAL(dgon_backoff_next(&b, UINT32_MAX), UINT32_MAX);
    CU_ASSERT_EQUAL(b.tries, UINT32_MAX);
}

static void test_odd_settings(void)
{
    dgon_backoff b;
    dgon_backoff_init(&b, 0, 0);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(dgon_backoff_next(&b, 12345), DGON_BACKOFF_FLOOR_MS);
    dgon_backoff_init(&b, 1000, 10);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(dgon_backoff_next(&b, UINT32_MAX), 1000);
}

static void test_spread(void)
{
    dgon_backoff b;
    dgon_backoff_init(&b, 1000, 1000);
    CU_ASSERT_EQUAL(dgon_backoff_next(&b, UINT32_MAX / 2 + 1), 525);
    uint32_t before = 0;
    for (uint32_t r = 0; r < 16; r++) {
        uint32_t d = dgon_backoff_next(&b, r << 28);
        CU_ASSERT(d > before && d >= DGON_BACKOFF_FLOOR_MS && d <= 1000);
        before = d;
    }
}

UNIT_MAIN("backoff", {"bounds", test_bounds}, {"exponent is clamped", test_exponent_is_clamped},
          {"odd settings", test_odd_settings}, {"spread", test_spread})

#include "dgon/utc.h"

#include "unit.h"

static int64_t read(const char *text)
{
    int64_t t = 0;
    return dgon_utc_read(text, strlen(text), &t) ? t : -1;
}

static void test_read(void)
{
    CU_ASSERT_EQUAL(read("1970-01-01T00:00:00Z"), 0);
    CU_ASSERT_EQUAL(read("2000-02-29T12:34:56Z"), 951827696);
    CU_ASSERT_EQUAL(read("2026-12-31T23:59:59Z"), 1798761599);
    CU_ASSERT_EQUAL(read("2026-12-31T23:59:60Z"), 1798761599);
    CU_ASSERT_EQUAL(read("9999-12-31T23:59:59Z"), DGON_UTC_MAX);
}

static void test_refused(void)
{
    static const char *const bad[] = {
        "",
        "2026-12-31",
        "2026-12-31T23:59:59",
        "2026-12-31T23:59:59+00:00",
        "2026-12-31 23:59:59Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-01-32T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-1-01T00:00:000Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CU_ASSERT_EQUAL(read(bad[i]), -1);
}

/* Every day of 800 years, and back. */
static void test_there_and_back(void)
{
    char text[DGON_UTC_SIZE], last[DGON_UTC_SIZE] = "";
    for (int64_t t = 0; t < INT64_C(800) * 365 * 86400; t += 86400 - 1) {
        dgon_utc_write(text, t);
        CU_ASSERT_EQUAL(read(text), t);
        CU_ASSERT(strcmp(last, text) < 0);
        memcpy(last, text, sizeof last);
    }
    dgon_utc_write(text, -5);
    CU_ASSERT_STRING_EQUAL(text, "1970-01-01T00:00:00Z");
    dgon_utc_write(text, INT64_MAX);
    CU_ASSERT_STRING_EQUAL(text, "9999-12-31T23:59:59Z");
}

UNIT_MAIN("utc", {"read", test_read}, {"refused", test_refused},
          {"there and back", test_there_and_back})

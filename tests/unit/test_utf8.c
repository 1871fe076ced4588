#include "dgon/utf8.h"

#include "unit.h"

/* The slow truth, from the table of RFC 3629 section 4: length of the character at p, 0 if none. */
static size_t reference(const unsigned char *p, size_t n)
{
    static const struct {
        unsigned char lo, hi, lo2, hi2;
        size_t len;
    } rows[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        if (p[0] < rows[r].lo || p[0] > rows[r].hi)
            continue;
        if (n < rows[r].len || (rows[r].len > 1 && (p[1] < rows[r].lo2 || p[1] > rows[r].hi2)))
            return 0;
        for (size_t k = 2; k < rows[r].len; k++) {
            if (p[k] < 0x80 || p[k] > 0xbf)
                return 0;
        }
        return rows[r].len;
    }
    return 0;
}

static bool reference_valid(const unsigned char *p, size_t n)
{
    for (size_t i = 0, len; i < n; i += len) {
        len = reference(p + i, n - i);
        if (len == 0)
            return false;
    }
    return true;
}

static bool valid(const void *p, size_t n)
{
    dgon_utf8 u = {0};
    return dgon_utf8_feed(&u, p, n, false) == DGON_OK && dgon_utf8_complete(&u);
}

/* Every split point must give the same verdict as the whole. */
static bool valid_at_every_split(const char *p, size_t n)
{
    bool whole = valid(p, n);
    for (size_t cut = 0; cut <= n; cut++) {
        dgon_utf8 u = {0};
        bool ok = dgon_utf8_feed(&u, p, cut, false) == DGON_OK &&
                  dgon_utf8_feed(&u, p + cut, n - cut, false) == DGON_OK && dgon_utf8_complete(&u);
        CU_ASSERT_EQUAL(ok, whole);
    }
    return whole;
}

static void test_all_of_three_bytes(void)
{
    unsigned wrong = 0;
    for (uint32_t v = 0; v < 1u << 24; v++) {
        unsigned char p[3] = {(unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v};
        if (valid(p, 3) != reference_valid(p, 3))
            wrong++;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_four_bytes(void)
{
    static const unsigned char edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90,
                                          0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    unsigned wrong = 0;
    for (unsigned a = 0xe0; a <= 0xff; a++) {
        for (unsigned v = 0; v < 11 * 11 * 11; v++) {
            unsigned char p[4] = {(unsigned char)a, edges[v / 121], edges[v / 11 % 11],
                                  edges[v % 11]};
            wrong += valid(p, 4) != reference_valid(p, 4);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_cases(void)
{
    CU_ASSERT(valid_at_every_split("", 0));
    CU_ASSERT(valid_at_every_split("plain text over more than one word", 34));
    CU_ASSERT(valid_at_every_split("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", 11));
    CU_ASSERT(valid_at_every_split("12345678\xf4\x8f\xbf\xbf"
                                   "1234567",
                                   19));
    CU_ASSERT(valid_at_every_split("\x00", 1));
    CU_ASSERT_FALSE(valid_at_every_split("\xf4\x90\x80\x80", 4));      /* over U+10FFFF */
    CU_ASSERT_FALSE(valid_at_every_split("\xed\xa0\x80", 3));          /* surrogate */
    CU_ASSERT_FALSE(valid_at_every_split("\xc0\x80", 2));              /* overlong NUL */
    CU_ASSERT_FALSE(valid_at_every_split("\xf8\x88\x80\x80\x80", 5));  /* five bytes */
    CU_ASSERT_FALSE(valid_at_every_split("some text \xe2\x82", 12));   /* cut */
    CU_ASSERT_FALSE(valid_at_every_split("1234567890123456\x80", 17)); /* alone */
}

static void test_fails_at_once(void)
{
    dgon_utf8 u = {0};
    CU_ASSERT_EQUAL(dgon_utf8_feed(&u, "\xce\xba\xf4", 3, false), DGON_OK);
    CU_ASSERT_FALSE(dgon_utf8_complete(&u));
    CU_ASSERT_EQUAL(dgon_utf8_feed(&u, "\x90", 1, false), DGON_EUTF8);
}

static void test_line(void)
{
    for (unsigned c = 0; c < 0x80; c++) {
        for (size_t at = 0; at < 20; at++) {
            char text[21];
            dgon_utf8 u = {0};
            memset(text, 'x', sizeof text);
            text[at] = (char)c;
            dgon_status s = dgon_utf8_feed(&u, text, sizeof text, true);
            CU_ASSERT_EQUAL(s, c < 0x20 ? DGON_EUTF8 : DGON_OK);
            u = (dgon_utf8){0};
            CU_ASSERT_EQUAL(dgon_utf8_feed(&u, text, sizeof text, false), DGON_OK);
        }
    }
    dgon_utf8 u = {0};
    CU_ASSERT_EQUAL(dgon_utf8_feed(&u, "a\xe2\x80\xa8z\xc2\x85", 7, true), DGON_OK);
}

static void check_repair(const char *in, const char *expected)
{
    char out[100];
    size_t n = dgon_utf8_repair(out, in, strlen(in));
    CU_ASSERT_EQUAL(n, strlen(expected));
    CU_ASSERT_EQUAL(memcmp(out, expected, n), 0);
    CU_ASSERT(valid(out, n));
}

#define R "\xef\xbf\xbd"

static void test_repair(void)
{
    check_repair("", "");
    check_repair("plain text", "plain text");
    check_repair("\xc3\xa4 \xf0\x9f\x98\x80", "\xc3\xa4 \xf0\x9f\x98\x80");
    check_repair("a\xff"
                 "b",
                 "a" R "b");
    /* the examples of Unicode's table 3-8 and 3-11 */
    check_repair("\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64",
                 "a" R R R "b" R "c" R R "d");
    check_repair("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", R R R R "A");
    check_repair("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", R R R R R R R R "A");
    check_repair("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", R R R R R R R R "A");
}

static void test_repair_needs_three_times(void)
{
    char in[300], out[900];
    memset(in, 0xff, sizeof in);
    CU_ASSERT_EQUAL(dgon_utf8_repair(out, in, sizeof in), sizeof out);
}

UNIT_MAIN("utf8", {"all of three bytes", test_all_of_three_bytes}, {"four bytes", test_four_bytes},
          {"cases, every split", test_cases}, {"fails at once", test_fails_at_once},
          {"line", test_line}, {"repair", test_repair},
          {"repair needs three times", test_repair_needs_three_times})

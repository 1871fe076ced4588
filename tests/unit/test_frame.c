#include "unit.h"

#include "dgon/frame.h"

/* RFC 6455 5.7: a single-frame masked "Hello", as binary. */
static void test_example(void)
{
    static const unsigned char expected[] = {0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                             0x7f, 0x9f, 0x4d, 0x51, 0x58};
    unsigned char b[DGON_FRAME_HEAD_MAX + 5];
    memcpy(b + DGON_FRAME_HEAD_MAX, "Hello", 5);
    CU_ASSERT_EQUAL(dgon_frame_binary(b + DGON_FRAME_HEAD_MAX, 5, expected + 2), 6);
    CU_ASSERT_EQUAL(memcmp(b + DGON_FRAME_HEAD_MAX - 6, expected, sizeof expected), 0);
}

/* Every length around a border, at every alignment: unmasked it is what went in, and nothing
 * beside it was touched. */
static void test_lengths(void)
{
    static const size_t lengths[] = {0,   1,   2,     3,     4,     5,     7,     8,
                                     9,   15,  16,    17,    124,   125,   126,   127,
                                     128, 255, 65534, 65535, 65536, 65537, 100000};
    static const unsigned char key[4] = {0xa1, 0x00, 0xff, 0x5c};
    unsigned char *b = malloc(100000 + 64);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
        for (size_t shift = 0; shift < 8; shift++) {
            size_t n = lengths[k], bad = 0;
            unsigned char *p = b + DGON_FRAME_HEAD_MAX + shift;
            memset(b, 0xee, n + 64);
            for (size_t i = 0; i < n; i++)
                p[i] = (unsigned char)(i * 7 + 1);
            size_t head = dgon_frame_binary(p, n, key);
            CU_ASSERT_EQUAL(head, n < 126 ? 6 : n < 65536 ? 8 : 14);
            CU_ASSERT_EQUAL(p[-(ptrdiff_t)head], 0x82);
            CU_ASSERT_EQUAL(memcmp(p - 4, key, 4), 0);
            uint64_t len = p[1 - (ptrdiff_t)head] & 0x7f;
            if (len >= 126) {
                len = 0;
                for (const unsigned char *q = p - head + 2; q < p - 4; q++)
                    len = len << 8 | *q;
            }
            CU_ASSERT_EQUAL(len, n);
            for (size_t i = 0; i < n; i++)
                bad += (p[i] ^ key[i % 4]) != (unsigned char)(i * 7 + 1);
            CU_ASSERT_EQUAL(bad, 0);
            CU_ASSERT(p[n] == 0xee && p[n + 7] == 0xee);
            CU_ASSERT(shift == 0 || p[-(ptrdiff_t)head - 1] == 0xee || head == 14);
        }
    }
    free(b);
}

UNIT_MAIN("frame", {"example of the RFC", test_example}, {"lengths", test_lengths})

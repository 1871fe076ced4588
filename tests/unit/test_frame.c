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

/* What dgon_frame_binary() makes is read back, at any length and alignment, with whatever behind
 * it, and not before all of it is there. */
static void test_read(void)
{
    static const size_t lengths[] = {0, 1, 7, 8, 9, 125, 126, 127, 65535, 65536};
    static const unsigned char key[4] = {0xa1, 0x00, 0xff, 0x5c};
    unsigned char *b = malloc(70000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
        size_t n = lengths[k], bad = 0;
        dgon_frame f;
        unsigned char *p = b + DGON_FRAME_HEAD_MAX;
        memset(b, 0xee, 70000);
        for (size_t i = 0; i < n; i++)
            p[i] = (unsigned char)(i * 7 + 1);
        size_t size = dgon_frame_binary(p, n, key) + n;
        unsigned char *frame = p + n - size;
        CU_ASSERT_EQUAL(dgon_frame_size(frame, size + 9), size);
        CU_ASSERT_EQUAL(dgon_frame_size(frame, size - n), size);
        for (size_t less = 0; less < size - n; less++)
            CU_ASSERT_EQUAL(dgon_frame_size(frame, less), 0);
        for (size_t less = size > 40 ? size - 40 : 0; less < size; less++)
            CU_ASSERT(!dgon_frame_message(frame, less, n, &f));
        CU_ASSERT(n == 0 || !dgon_frame_message(frame, size, n - 1, &f));
        CU_ASSERT_FATAL(dgon_frame_message(frame, size + 9, n, &f));
        CU_ASSERT(f.payload == p && f.len == n && f.size == size);
        for (size_t i = 0; i < n; i++)
            bad += p[i] != (unsigned char)(i * 7 + 1);
        CU_ASSERT(bad == 0 && p[n] == 0xee);
    }
    free(b);
}

/* What is no whole binary message, or breaks the protocol, is left alone: the library's. */
static void test_others(void)
{
    static const struct {
        unsigned char p[16];
        uint64_t size;
    } frames[] = {
        {{0x02, 0x81, 1, 2, 3, 4, 'x'}, 7},               /* a first part */
        {{0x80, 0x81, 1, 2, 3, 4, 'x'}, 7},               /* a last part */
        {{0x81, 0x81, 1, 2, 3, 4, 'x'}, 7},               /* text */
        {{0xc2, 0x81, 1, 2, 3, 4, 'x'}, 7},               /* RSV1 */
        {{0x89, 0x80, 1, 2, 3, 4}, 6},                    /* ping */
        {{0x82, 0x01, 'x'}, 3},                           /* not masked */
        {{0x82, 0xfe, 0, 1, 1, 2, 3, 4, 'x'}, 9},         /* a longer form of its length */
        {{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2}, 15}, /* likewise */
        {{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}, UINT64_MAX},
        {{0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0}, (UINT64_C(1) << 63) + 10},
    };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        unsigned char copy[16];
        dgon_frame f;
        memcpy(copy, frames[i].p, sizeof copy);
        CU_ASSERT(!dgon_frame_message(copy, sizeof copy, 16, &f));
        CU_ASSERT_EQUAL(memcmp(copy, frames[i].p, sizeof copy), 0);
        CU_ASSERT_EQUAL(dgon_frame_size(copy, sizeof copy), frames[i].size);
    }
}

/* The gateway's are text or binary and not masked; all else is the library's as well. */
static void test_gateway(void)
{
    static const struct {
        unsigned char p[16];
        size_t n;
        bool ok, text;
    } frames[] = {
        {{0x81, 0x01, 'x'}, 3, true, true},
        {{0x82, 0x01, 'x', 0x81}, 4, true, false},
        {{0x82, 0x00}, 2, true, false},
        {{0x82}, 1, false, false},
        {{0x82, 0x02, 'x'}, 3, false, false},             /* not all of it */
        {{0x82, 0x81, 1, 2, 3, 4, 'x'}, 7, false, false}, /* masked */
        {{0x82, 0x7e, 0, 1, 'x'}, 5, false, false},       /* a longer form of its length */
        {{0x02, 0x01, 'x'}, 3, false, false},             /* a first part */
        {{0xc1, 0x01, 'x'}, 3, false, false},             /* RSV1 */
        {{0x89, 0x00}, 2, false, false},                  /* ping */
        {{0x82, 0x05, 1, 2, 3, 4, 5}, 7, false, false},   /* longer than a message may be */
    };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        unsigned char copy[16];
        dgon_frame f;
        memcpy(copy, frames[i].p, sizeof copy);
        bool ok = dgon_frame_from_gateway(copy, frames[i].n, 4, &f);
        CU_ASSERT_EQUAL(ok, frames[i].ok);
        CU_ASSERT(!ok || (f.text == frames[i].text && f.payload == copy + 2 && f.len == copy[1] &&
                          f.size == 2u + copy[1]));
        CU_ASSERT_EQUAL(memcmp(copy, frames[i].p, sizeof copy), 0);
    }
}

UNIT_MAIN("frame", {"example of the RFC", test_example}, {"lengths", test_lengths},
          {"read", test_read}, {"others", test_others}, {"the gateway's", test_gateway})

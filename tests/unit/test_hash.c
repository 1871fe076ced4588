#include "dgon/hash.h"

#include "unit.h"

#include <string.h>

static void test_known(void)
{
    unsigned char h[DGON_HASH_SIZE];
    char hex[DGON_HASH_HEX_SIZE];
    CU_ASSERT_EQUAL(dgon_hash(h, "abc", 3), DGON_OK);
    dgon_hash_hex(hex, h, sizeof h);
    /* FIPS 180-4, its first example */
    CU_ASSERT_STRING_EQUAL(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CU_ASSERT_EQUAL(dgon_hash(h, "", 0), DGON_OK);
    dgon_hash_hex(hex, h, sizeof h);
    CU_ASSERT_STRING_EQUAL(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static bool same_parts(const char *a, const char *b, const char *c, const char *d)
{
    unsigned char h[DGON_HASH_SIZE], other[DGON_HASH_SIZE];
    const dgon_hash_part one[] = {{a, strlen(a)}, {b, strlen(b)}},
                         two[] = {{c, strlen(c)}, {d, strlen(d)}};
    CU_ASSERT_EQUAL(dgon_hash_parts(h, one, 2), DGON_OK);
    CU_ASSERT_EQUAL(dgon_hash_parts(other, two, 2), DGON_OK);
    return dgon_hash_same(h, other, sizeof h);
}

static void test_parts(void)
{
    unsigned char h[DGON_HASH_SIZE], flat[DGON_HASH_SIZE], text[2 * sizeof(size_t) + 5];
    const size_t two = 2, three = 3;
    const dgon_hash_part parts[] = {{"ab", two}, {"cde", three}}, none = {NULL, 0}, empty = {"", 0};
    memcpy(text, &two, sizeof two);
    memcpy(text + sizeof two, "ab", 2);
    memcpy(text + sizeof two + 2, &three, sizeof three);
    memcpy(text + 2 * sizeof two + 2, "cde", 3);
    CU_ASSERT_EQUAL(dgon_hash_parts(h, parts, 2), DGON_OK);
    CU_ASSERT_EQUAL(dgon_hash(flat, text, sizeof text), DGON_OK);
    CU_ASSERT(dgon_hash_same(h, flat, sizeof h));
    CU_ASSERT(same_parts("ab", "cde", "ab", "cde"));
    CU_ASSERT_FALSE(same_parts("ab", "cde", "abc", "de"));
    CU_ASSERT_FALSE(same_parts("", "abcde", "abcde", ""));
    CU_ASSERT_EQUAL(dgon_hash_parts(h, &none, 1), DGON_OK);
    CU_ASSERT_EQUAL(dgon_hash_parts(flat, &empty, 1), DGON_OK);
    CU_ASSERT(dgon_hash_same(h, flat, sizeof h));
    CU_ASSERT_EQUAL(dgon_hash_parts(flat, NULL, 0), DGON_OK);
    CU_ASSERT_FALSE(dgon_hash_same(h, flat, sizeof h));
}

static void test_hex(void)
{
    unsigned char b[3];
    CU_ASSERT(dgon_hash_unhex(b, 3, "00ffA9", 6) && memcmp(b, "\x00\xff\xa9", 3) == 0);
    CU_ASSERT_FALSE(dgon_hash_unhex(b, 3, "00ffA", 5));
    CU_ASSERT_FALSE(dgon_hash_unhex(b, 3, "00ffA9b", 7));
    CU_ASSERT_FALSE(dgon_hash_unhex(b, 3, "00ffg9", 6));
    CU_ASSERT_FALSE(dgon_hash_unhex(b, 3, "00 f09", 6));
}

static void test_random(void)
{
    unsigned char a[32] = {0}, b[32] = {0};
    CU_ASSERT_EQUAL(dgon_hash_random(a, sizeof a), DGON_OK);
    CU_ASSERT_EQUAL(dgon_hash_random(b, sizeof b), DGON_OK);
    CU_ASSERT_FALSE(dgon_hash_same(a, b, sizeof a));
    CU_ASSERT(dgon_hash_same(a, a, sizeof a));
    b[31] = a[31];
    memcpy(b, a, 31);
    CU_ASSERT(dgon_hash_same(a, b, sizeof a));
}

UNIT_MAIN("hash", {"known", test_known}, {"parts", test_parts}, {"hex", test_hex},
          {"random", test_random})

#include "dgon/buf.h"

#include "unit.h"

static bool holds(const dgon_buf *b, const char *s)
{
    return b->len == strlen(s) && (b->len == 0 || memcmp(b->data, s, b->len) == 0);
}

static void test_add(void)
{
    dgon_buf b;
    dgon_buf_init(&b, 1000);
    CU_ASSERT_EQUAL(dgon_buf_add(&b, NULL, 0), DGON_OK);
    CU_ASSERT_EQUAL(dgon_buf_add(&b, "ab\0c", 4), DGON_OK);
    CU_ASSERT_EQUAL(b.len, 4);
    CU_ASSERT_EQUAL(dgon_buf_adds(&b, "de"), DGON_OK);
    CU_ASSERT_EQUAL(memcmp(b.data, "ab\0cde", 6), 0);
    dgon_buf_reset(&b);
    CU_ASSERT_EQUAL(dgon_buf_addf(&b, "%d-%s", 17, "x"), DGON_OK);
    CU_ASSERT(holds(&b, "17-x"));
    dgon_buf_fini(&b);
    CU_ASSERT_EQUAL(dgon_buf_adds(&b, "again"), DGON_OK);
    CU_ASSERT(holds(&b, "again"));
    dgon_buf_fini(&b);
}

static void test_cap(void)
{
    dgon_buf b;
    dgon_buf_init(&b, 5);
    CU_ASSERT_EQUAL(dgon_buf_adds(&b, "12345"), DGON_OK);
    CU_ASSERT_EQUAL(dgon_buf_adds(&b, "6"), DGON_ETOOBIG);
    CU_ASSERT_EQUAL(dgon_buf_reserve(&b, SIZE_MAX), DGON_ETOOBIG);
    CU_ASSERT(holds(&b, "12345"));
    dgon_buf_consume(&b, 3);
    CU_ASSERT(holds(&b, "45"));
    CU_ASSERT_EQUAL(dgon_buf_addf(&b, "%s", "6789"), DGON_ETOOBIG);
    CU_ASSERT_EQUAL(dgon_buf_addf(&b, "%s", "678"), DGON_OK);
    CU_ASSERT(holds(&b, "45678"));
    CU_ASSERT_EQUAL(dgon_buf_add_json_string(&b, "", 0), DGON_ETOOBIG);
    CU_ASSERT(holds(&b, "45678"));
    dgon_buf_consume(&b, 99);
    CU_ASSERT_EQUAL(b.len, 0);
    CU_ASSERT_EQUAL(dgon_buf_add_json_string(&b, "abcd", 4), DGON_ETOOBIG);
    CU_ASSERT_EQUAL(b.len, 0);
    CU_ASSERT_EQUAL(dgon_buf_add_json_string(&b, "abc", 3), DGON_OK);
    CU_ASSERT(holds(&b, "\"abc\""));
    dgon_buf_fini(&b);
    dgon_buf_init(&b, 0);
    CU_ASSERT_EQUAL(dgon_buf_add(&b, "", 0), DGON_OK);
    CU_ASSERT_EQUAL(dgon_buf_adds(&b, "x"), DGON_ETOOBIG);
    dgon_buf_fini(&b);
    dgon_buf_init(&b, SIZE_MAX);
    CU_ASSERT_EQUAL(dgon_buf_reserve(&b, SIZE_MAX), DGON_ENOMEM);
    dgon_buf_fini(&b);
}

static void test_grows_over_many_adds(void)
{
    dgon_buf b;
    dgon_buf_init(&b, 100000);
    for (unsigned i = 0; i < 100000; i++)
        CU_ASSERT_EQUAL_FATAL(dgon_buf_add(&b, &"0123456789"[i % 10], 1), DGON_OK);
    CU_ASSERT_EQUAL(dgon_buf_add(&b, "x", 1), DGON_ETOOBIG);
    bool right = true;
    for (unsigned i = 0; i < 100000; i++)
        right = right && b.data[i] == (char)('0' + i % 10);
    CU_ASSERT(right);
    dgon_buf_fini(&b);
}

static void test_take(void)
{
    dgon_buf b;
    size_t n = 99;
    dgon_buf_init(&b, 4);
    char *s = dgon_buf_take(&b, &n);
    CU_ASSERT_STRING_EQUAL(s, "");
    CU_ASSERT_EQUAL(n, 0);
    dgon_free(s);
    CU_ASSERT_EQUAL(dgon_buf_adds(&b, "1234"), DGON_OK);
    s = dgon_buf_take(&b, NULL);
    CU_ASSERT_STRING_EQUAL(s, "1234");
    CU_ASSERT_PTR_NULL(b.data);
    CU_ASSERT_EQUAL(dgon_buf_adds(&b, "5678"), DGON_OK);
    dgon_buf_fini(&b);
    dgon_free(s);
}

static void check_json(const char *s, size_t n, const char *expected)
{
    dgon_buf b;
    dgon_buf_init(&b, 1000);
    CU_ASSERT_EQUAL(dgon_buf_add_json_string(&b, s, n), DGON_OK);
    CU_ASSERT(holds(&b, expected));
    dgon_buf_fini(&b);
}

static void test_json_string(void)
{
    check_json("", 0, "\"\"");
    check_json("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    check_json("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
    check_json("a\0\x01\x1f\x7f", 5, "\"a\\u0000\\u0001\\u001f\\u007f\"");
    check_json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
               "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
    check_json("x\xe2\x82", 3, "\"x\xef\xbf\xbd\"");
    check_json("\xe2\x80\xa8", 3, "\"\xe2\x80\xa8\"");
}

static bool fill(void *user)
{
    (void)user;
    dgon_buf b;
    dgon_buf_init(&b, 20000);
    dgon_status s = DGON_OK;
    for (int i = 0; i < 100 && s == DGON_OK; i++) {
        size_t before = b.len;
        s = i % 2 ? dgon_buf_addf(&b, "%0200d", i) : dgon_buf_add_json_string(&b, "\n\n", 2);
        if (s != DGON_OK && b.len != before)
            CU_FAIL("a failed call appended something");
    }
    size_t len = b.len;
    char *p = dgon_buf_take(&b, NULL);
    CU_ASSERT(p != NULL || b.len == len);
    dgon_free(p);
    dgon_buf_fini(&b);
    return s == DGON_OK && p != NULL;
}

static bool take_empty(void *user)
{
    (void)user;
    dgon_buf b;
    dgon_buf_init(&b, 10);
    char *p = dgon_buf_take(&b, NULL);
    dgon_free(p);
    return p != NULL;
}

static void test_no_memory(void)
{
    unit_each_alloc(fill, NULL);
    unit_each_alloc(take_empty, NULL);
}

UNIT_MAIN("buf", {"add", test_add}, {"cap", test_cap},
          {"grows over many adds", test_grows_over_many_adds}, {"take", test_take},
          {"JSON string", test_json_string}, {"no memory", test_no_memory})

#include "dgon/alloc.h"

#include "unit.h"

#include <jansson.h>

static void test_zero_is_a_valid_pointer(void)
{
    void *p = dgon_malloc(0);
    void *c = dgon_calloc(0, 8);
    CU_ASSERT_PTR_NOT_NULL(p);
    CU_ASSERT_PTR_NOT_NULL(c);
    p = dgon_realloc(p, 0);
    CU_ASSERT_PTR_NOT_NULL(p);
    dgon_free(p);
    dgon_free(c);
    dgon_free(NULL);
}

static void test_calloc(void)
{
    unsigned char *p = dgon_calloc(7, 3);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    for (size_t i = 0; i < 21; i++)
        CU_ASSERT_EQUAL(p[i], 0);
    dgon_free(p);
    CU_ASSERT_PTR_NULL(dgon_calloc(SIZE_MAX / 2, 3));
}

static void test_strndup(void)
{
    char *s = dgon_strndup("hello", 3);
    CU_ASSERT_STRING_EQUAL(s, "hel");
    dgon_free(s);
    s = dgon_strndup("hi", 100);
    CU_ASSERT_STRING_EQUAL(s, "hi");
    dgon_free(s);
    s = dgon_strndup(NULL, 0);
    CU_ASSERT_STRING_EQUAL(s, "");
    dgon_free(s);
}

static void test_the_nth_fails(void)
{
    unit_fail_at(2);
    void *a = dgon_malloc(1);
    void *b = dgon_malloc(1);
    void *c = dgon_realloc(a, 100);
    unit_fail_at(0);
    CU_ASSERT_PTR_NOT_NULL(a);
    CU_ASSERT_PTR_NULL(b);
    CU_ASSERT_PTR_NOT_NULL(c);
    dgon_free(c);
}

static bool make_json(void *user)
{
    (void)user;
    json_error_t err;
    json_t *o = json_loads("{\"a\":[1,2,{\"b\":\"text\"}]}", 0, &err);
    json_decref(o);
    return o != NULL;
}

static void test_jansson_shares_the_hooks(void)
{
    unit_fail_at(1);
    CU_ASSERT_FALSE(make_json(NULL));
    unit_fail_at(0);
    unit_each_alloc(make_json, NULL);
}

UNIT_MAIN("alloc", {"zero is a valid pointer", test_zero_is_a_valid_pointer},
          {"calloc", test_calloc}, {"strndup", test_strndup},
          {"the n-th fails", test_the_nth_fails},
          {"jansson shares the hooks", test_jansson_shares_the_hooks})

/* What every unit test shares: the runner and the counting allocator. One program per core unit:
 *
 *     static void test_empty(void) { … CU_ASSERT(…) … }
 *     UNIT_MAIN("buf", {"empty", test_empty}, {"cap", test_cap})
 */
#ifndef DGON_TESTS_UNIT_H
#define DGON_TESTS_UNIT_H

#include "dgon/alloc.h"

#include <CUnit/Basic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct unit_test {
    const char *name;
    void (*fn)(void);
} unit_test;

/* live: blocks not yet freed. fail_at: number of the allocation that fails, 0 = none. */
typedef struct unit_heap {
    size_t count, fail_at;
    long live;
    bool failed;
} unit_heap;

static unit_heap unit_heap_state;

static inline bool unit_heap_fails(void)
{
    unit_heap_state.count++;
    if (unit_heap_state.count != unit_heap_state.fail_at)
        return false;
    unit_heap_state.failed = true;
    return true;
}

static inline void *unit_malloc(size_t n)
{
    void *p = unit_heap_fails() ? NULL : malloc(n);
    unit_heap_state.live += p != NULL;
    return p;
}

static inline void *unit_realloc(void *old, size_t n)
{
    void *p = unit_heap_fails() ? NULL : realloc(old, n);
    unit_heap_state.live += p != NULL && old == NULL;
    return p;
}

static inline void unit_free(void *p)
{
    unit_heap_state.live -= p != NULL;
    free(p);
}

/* Blocks of the core and of jansson that are alive now. */
static inline long unit_live(void)
{
    return unit_heap_state.live;
}

/* From now on the n-th allocation fails, once; 0 = none. */
static inline void unit_fail_at(size_t n)
{
    unit_heap_state.count = 0;
    unit_heap_state.fail_at = n;
    unit_heap_state.failed = false;
}

/* Runs fn again and again, with the first, the second, … allocation failing, until none is left to
 * fail. fn does the work and frees everything, and returns whether the work succeeded: it must with
 * no failure, and nothing may stay allocated. With a failure it may do either (a fallback is
 * allowed). */
static inline void unit_each_alloc(bool (*fn)(void *user), void *user)
{
    for (size_t n = 1;; n++) {
        long before = unit_live();
        unit_fail_at(n);
        bool ok = fn(user);
        bool failed = unit_heap_state.failed;
        unit_fail_at(0);
        CU_ASSERT_EQUAL(unit_live(), before);
        if (!failed) {
            CU_ASSERT(ok);
            return;
        }
    }
}

/* 0 if every test passed, else 1: the exit code. */
static inline int unit_run(const char *suite_name, const unit_test *tests, size_t n)
{
    static const dgon_alloc_hooks hooks = {unit_malloc, unit_realloc, unit_free};
    dgon_alloc_hook(&hooks);
    dgon_alloc_hook_json();
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);
    bool ok = suite != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = CU_add_test(suite, tests[i].name, tests[i].fn) != NULL;
    CU_basic_set_mode(CU_BRM_VERBOSE);
    ok = ok && CU_basic_run_tests() == CUE_SUCCESS && CU_get_number_of_tests_run() == n &&
         CU_get_number_of_tests_failed() == 0;
    CU_cleanup_registry();
    if (unit_live() != 0) {
        fprintf(stderr, "%s: %ld blocks leaked\n", suite_name, unit_live());
        ok = false;
    }
    dgon_alloc_hook(NULL);
    return ok ? 0 : 1;
}

#define UNIT_MAIN(suite, ...)                                          \
    int main(void)                                                     \
    {                                                                  \
        static const unit_test tests[] = {__VA_ARGS__};                \
        return unit_run(suite, tests, sizeof tests / sizeof tests[0]); \
    }

#endif

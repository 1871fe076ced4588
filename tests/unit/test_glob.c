#include "dgon/glob.h"

#include "unit.h"

static bool fits(const char *pattern, const char *name)
{
    return dgon_glob_fits(pattern, strlen(pattern), name);
}

static void test_fits(void)
{
    CU_ASSERT(fits("llama3:70b", "llama3:70b"));
    CU_ASSERT(!fits("llama3:70b", "llama3:70"));
    CU_ASSERT(!fits("llama3:70", "llama3:70b"));
    CU_ASSERT(!fits("Llama", "llama"));
    CU_ASSERT(fits("*", "llama"));
    CU_ASSERT(fits("llama*", "llama"));
    CU_ASSERT(fits("llama*", "llama3/x"));
    CU_ASSERT(fits("*70b", "llama70b-70b"));
    CU_ASSERT(fits("a*b*c", "aXbXbc"));
    CU_ASSERT(!fits("a*b*c", "aXbXbcd"));
    CU_ASSERT(fits("**a**", "a"));
    CU_ASSERT(!fits("a", ""));
    CU_ASSERT(!fits("", "a"));
}

/* The longest names there are, and a pattern that tries hard: its time is bounded by the product.
 */
static void test_time(void)
{
    char name[129], pattern[129];
    memset(name, 'a', 128);
    name[128] = '\0';
    for (size_t i = 0; i < 128; i++)
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    pattern[127] = 'b';
    pattern[128] = '\0';
    for (int i = 0; i < 1000; i++)
        CU_ASSERT(!fits(pattern, name));
}

static bool is(const char *list)
{
    return dgon_glob_is_list(list, strlen(list));
}

static void test_lists(void)
{
    CU_ASSERT(is("a"));
    CU_ASSERT(is("llama3:70b,qwen*,*/gguf"));
    CU_ASSERT(!is(""));
    CU_ASSERT(!is(","));
    CU_ASSERT(!is("a,"));
    CU_ASSERT(!is(",a"));
    CU_ASSERT(!is("a,,b"));
    CU_ASSERT(!is("a b"));
    CU_ASSERT(!is("a\n"));
    char longest[DGON_GLOB_LIST_MAX + 2];
    memset(longest, 'a', sizeof longest);
    for (size_t i = 100; i < sizeof longest; i += 100)
        longest[i] = ',';
    CU_ASSERT(dgon_glob_is_list(longest, DGON_GLOB_LIST_MAX));
    CU_ASSERT(!dgon_glob_is_list(longest, DGON_GLOB_LIST_MAX + 1));
    memset(longest, 'a', 129);
    CU_ASSERT(dgon_glob_is_list(longest, 128));
    CU_ASSERT(!dgon_glob_is_list(longest, 129));
}

static void test_list_fits(void)
{
    CU_ASSERT(dgon_glob_list_fits("a,b*", "a"));
    CU_ASSERT(dgon_glob_list_fits("a,b*", "bcd"));
    CU_ASSERT(!dgon_glob_list_fits("a,b*", "ab"));
    CU_ASSERT(!dgon_glob_list_fits("a,b*", "a,b"));
}

UNIT_MAIN("glob", {"fits", test_fits}, {"time", test_time}, {"lists", test_lists},
          {"list fits", test_list_fits})

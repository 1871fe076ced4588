#include "dgon/alias.h"

#include "unit.h"

static void test_check(void)
{
    static const char *const good[] = {"llama3", "org/llama3:70b,qwen", "gpu-7=llama3",
                                       "a,b=c,d.e=f/g:h"};
    static const char *const bad[] = {"",   ",",     "a,",    ",a",  "a b", "=a",
                                      "a=", "a/b=c", "a=b=c", "a#1", "*"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CU_ASSERT_PTR_NULL(dgon_alias_check(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CU_ASSERT_PTR_NOT_NULL(dgon_alias_check(bad[i]));
}

static const dgon_ctl_model models[] = {
    {.name = "small"}, {.name = "llama3:70b"}, {.name = "llama"}};

static const char *pick(const char *targets, const char *agent)
{
    const dgon_ctl_model *m = dgon_alias_pick(targets, agent, models, 3);
    return m != NULL ? m->name : "";
}

static void test_pick(void)
{
    CU_ASSERT_STRING_EQUAL(pick("llama3:70b", "a"), "llama3:70b");
    CU_ASSERT_STRING_EQUAL(pick("large,llama,small", "a"), "llama");
    CU_ASSERT_STRING_EQUAL(pick("b=llama,small", "a"), "small");
    CU_ASSERT_STRING_EQUAL(pick("b=llama,small", "b"), "llama");
    CU_ASSERT_STRING_EQUAL(pick("bb=llama,llama3", "b"), "");
    CU_ASSERT_STRING_EQUAL(pick("lla", "a"), "");
    CU_ASSERT_PTR_NULL(dgon_alias_pick("small", "a", NULL, 0));
}

static void test_steps(void)
{
    char out[DGON_WIRE_NAME_MAX + 1], name[DGON_WIRE_NAME_MAX + 1];
    CU_ASSERT_EQUAL(dgon_alias_step_name(out, "gpt", 0), DGON_OK);
    CU_ASSERT_STRING_EQUAL(out, "gpt");
    CU_ASSERT_EQUAL(dgon_alias_step_name(out, "gpt", 2), DGON_OK);
    CU_ASSERT_EQUAL(dgon_alias_public_len(out), 3);
    CU_ASSERT_FALSE(dgon_wire_is_model_name(out, strlen(out)));
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    CU_ASSERT_EQUAL(dgon_alias_step_name(out, name, 0), DGON_OK);
    CU_ASSERT_EQUAL(dgon_alias_step_name(out, name, 1), DGON_ETOOBIG);
}

UNIT_MAIN("alias", {"check", test_check}, {"pick", test_pick}, {"steps", test_steps})

#include "dgon/join.h"

#include "dgon/agents.h"
#include "unit.h"

#include <string.h>

#define KEY "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

static void test_code(void)
{
    char a[DGON_JOIN_CODE + 1], b[DGON_JOIN_CODE + 1];
    unsigned char h[DGON_HASH_SIZE], g[DGON_HASH_SIZE];
    CU_ASSERT_EQUAL(dgon_join_code(a), DGON_OK);
    CU_ASSERT_EQUAL(dgon_join_code(b), DGON_OK);
    CU_ASSERT_EQUAL(strlen(a), DGON_JOIN_CODE);
    CU_ASSERT(a[5] == '-' && a[11] == '-' && a[17] == '-' && strcmp(a, b) != 0);
    CU_ASSERT_EQUAL(strspn(a, "0123456789ABCDEFGHJKMNPQRSTVWXYZ-"), DGON_JOIN_CODE);
    CU_ASSERT(dgon_join_code_hash(h, a, strlen(a)) && dgon_join_code_hash(g, b, strlen(b)));
    CU_ASSERT_FALSE(dgon_hash_same(h, g, sizeof h));
}

static void test_code_as_typed(void)
{
    static const char good[] = "01AB1-0CDEF-GHJKM-NPQRS";
    static const char *const same[] = {"01ab1-0cdef-ghjkm-npqrs", "OIABL OCDEF GHJKM NPQRS",
                                       "01AB10CDEFGHJKMNPQRS", " 01AB1--0CDEFGHJKM-NPQRS "};
    static const char *const wrong[] = {"",
                                        "01AB1",
                                        "01AB1-0CDEF-GHJKM-NPQR",
                                        "01AB1-0CDEF-GHJKM-NPQRST",
                                        "01AB1-0CDEF-GHJKM-NPQRU",
                                        "01AB1_0CDEF-GHJKM-NPQRS"};
    unsigned char h[DGON_HASH_SIZE], g[DGON_HASH_SIZE];
    CU_ASSERT(dgon_join_code_hash(h, good, strlen(good)));
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        CU_ASSERT(dgon_join_code_hash(g, same[i], strlen(same[i])));
        CU_ASSERT(dgon_hash_same(h, g, sizeof h));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_FALSE(dgon_join_code_hash(g, wrong[i], strlen(wrong[i])));
    CU_ASSERT_FALSE(dgon_join_code_hash(g, "01AB1-0CDEF-GHJKM-NPQ\0S", 23));
}

static bool both_ways(void *user)
{
    unsigned char key[DGON_SIGN_KEY];
    dgon_join j;
    dgon_buf b;
    const char *member = NULL;
    (void)user;
    (void)dgon_hash_unhex(key, sizeof key, KEY, strlen(KEY));
    dgon_buf_init(&b, DGON_JOIN_BODY_MAX);
    bool ok =
        dgon_join_write(&b, "01AB1-0CDEF-GHJKM-NPQRS", key, "gpu-7", "linux", "0.1.0") == DGON_OK &&
        dgon_join_read(&j, b.data, b.len, &member) == DGON_OK;
    if (ok)
        CU_ASSERT(j.has_code && memcmp(j.key, key, sizeof key) == 0 &&
                  strcmp(j.name, "gpu-7") == 0 && strcmp(j.os, "linux") == 0 &&
                  strcmp(j.version, "0.1.0") == 0);
    dgon_buf_fini(&b);
    return ok;
}

static void test_request(void)
{
    static const struct {
        const char *text, *member;
    } wrong[] = {{"{}", "code"},
                 {"{\"code\":7}", "code"},
                 {"{\"code\":\"x\"}", "key"},
                 {"{\"code\":\"x\",\"key\":\"00\"}", "key"},
                 {"{\"code\":\"x\",\"key\":\"" KEY "0\"}", "key"},
                 {"{\"code\":\"x\",\"key\":\"" KEY "\",\"name\":\"a b\"}", "name"},
                 {"{\"code\":\"x\",\"key\":\"" KEY "\",\"name\":null}", "name"},
                 {"{\"code\":\"x\",\"key\":\"" KEY "\",\"os\":\"0123456789abcdefg\"}", "os"},
                 {"{\"code\":\"x\",\"key\":\"" KEY "\",\"version\":[]}", "version"},
                 {"[]", NULL},
                 {"", NULL},
                 {"{\"code\":[[[[[]]]]]}", NULL}};
    dgon_join j;
    const char *member;
    unit_each_alloc(both_ways, NULL);
    static const char short_one[] = "{\"code\":\"x\",\"key\":\"" KEY "\",\"z\":1}";
    CU_ASSERT_EQUAL(dgon_join_read(&j, short_one, strlen(short_one), &member), DGON_OK);
    CU_ASSERT(!j.has_code && j.name[0] == '\0');
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CU_ASSERT_NOT_EQUAL(dgon_join_read(&j, wrong[i].text, strlen(wrong[i].text), &member),
                            DGON_OK);
        CU_ASSERT(member == wrong[i].member || strcmp(member, wrong[i].member) == 0);
    }
}

static void test_answer(void)
{
    dgon_join_answer a = {.id = "gpu-7", .link = "wss://g/dgon/agent"}, b;
    dgon_buf out;
    dgon_buf_init(&out, 1024);
    CU_ASSERT_EQUAL(dgon_join_answer_write(&out, &a), DGON_OK);
    CU_ASSERT_EQUAL(dgon_join_answer_read(&b, out.data, out.len), DGON_OK);
    CU_ASSERT(strcmp(a.id, b.id) == 0 && strcmp(a.link, b.link) == 0);
    CU_ASSERT_EQUAL(dgon_join_answer_read(&b, "{\"id\":\"\",\"link\":\"x\"}", 20), DGON_EPROTO);
    CU_ASSERT_EQUAL(dgon_join_answer_read(&b, "{\"id\":\"a\"}", 10), DGON_EPROTO);
    CU_ASSERT_EQUAL(dgon_join_answer_read(&b, "<html>", 6), DGON_EJSON);
    dgon_buf_fini(&out);
}

static void test_period(void)
{
    CU_ASSERT_EQUAL(dgon_join_period("90s"), 90);
    CU_ASSERT_EQUAL(dgon_join_period("30m"), 1800);
    CU_ASSERT_EQUAL(dgon_join_period("12h"), 43200);
    CU_ASSERT_EQUAL(dgon_join_period("30d"), DGON_AGENTS_EXPIRES_MAX);
    static const char *const wrong[] = {"",   "1",   "h",   "0s",         "31d",
                                        "1y", "1h ", "-1h", "9999999999s"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_EQUAL(dgon_join_period(wrong[i]), -1);
}

static void test_invite(void)
{
    dgon_join_invite i;
    const char *member;
    static const char all[] = "{\"name\":\"gpu-7\",\"expires\":\"2h\",\"uses\":1}";
    CU_ASSERT_EQUAL(dgon_join_invite_read(&i, NULL, 0, &member), DGON_OK);
    CU_ASSERT(i.uses == 1 && i.expires == DGON_JOIN_EXPIRES && i.name[0] == '\0');
    CU_ASSERT_EQUAL(dgon_join_invite_read(&i, all, strlen(all), &member), DGON_OK);
    CU_ASSERT(i.uses == 1 && i.expires == 7200 && strcmp(i.name, "gpu-7") == 0);
    static const char *const wrong[][2] = {{"{\"uses\":0}", "uses"},
                                           {"{\"uses\":1001}", "uses"},
                                           {"{\"uses\":\"1\"}", "uses"},
                                           {"{\"uses\":2,\"name\":\"a\"}", "uses"},
                                           {"{\"expires\":\"1y\"}", "expires"},
                                           {"{\"name\":\"/\"}", "name"}};
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        CU_ASSERT_EQUAL(dgon_join_invite_read(&i, wrong[k][0], strlen(wrong[k][0]), &member),
                        DGON_EPROTO);
        CU_ASSERT_STRING_EQUAL(member, wrong[k][1]);
    }
}

static void test_command(void)
{
    dgon_buf b;
    dgon_buf_init(&b, 256);
    CU_ASSERT_EQUAL(dgon_join_command(&b, "https://g", "CODE", false), DGON_OK);
    CU_ASSERT(b.len == 35 && memcmp(b.data, "sudo dgon-agent join https://g CODE", 35) == 0);
    dgon_buf_reset(&b);
    CU_ASSERT_EQUAL(dgon_join_command(&b, "https://g", "CODE", true), DGON_OK);
    CU_ASSERT(b.len == 34 && memcmp(b.data, "dgon-agent.exe join https://g CODE", 34) == 0);
    dgon_buf_fini(&b);
}

UNIT_MAIN("join", {"code", test_code}, {"code as typed", test_code_as_typed},
          {"request", test_request}, {"answer", test_answer}, {"period", test_period},
          {"invite", test_invite}, {"command", test_command})

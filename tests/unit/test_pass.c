#include "dgon/pass.h"

#include "unit.h"

static void test_check(void)
{
    static const char *const good[] = {"GET /slots", "GET|POST /a/*", "* /x", "GET /a,\tPOST  /b ",
                                       "GET /*"};
    static const char *const bad[] = {"",
                                      "GET",
                                      "/x",
                                      "get /x",
                                      "GET x",
                                      "GET /a b",
                                      "GET /a?b",
                                      "GET /a#",
                                      "GET| /x",
                                      "|GET /x",
                                      "GET /a*b",
                                      "GET /x,",
                                      ",GET /x",
                                      "G*T /x",
                                      "GET /\xc3\xa4",
                                      "ABCDEFGHIJKLMNOPQ /x"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CU_ASSERT_PTR_NULL(dgon_pass_check(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CU_ASSERT_PTR_NOT_NULL(dgon_pass_check(bad[i]));
}

static void test_allows(void)
{
    static const char list[] = "GET|HEAD /slots, POST /slots/*, * /any/*,PUT /";
    static const struct {
        const char *method, *path;
        bool allowed, known;
    } cases[] = {{"GET", "/slots", true, true},    {"HEAD", "/slots", true, true},
                 {"POST", "/slots", false, true},  {"POST", "/slots/", true, true},
                 {"POST", "/slots/0", true, true}, {"GET", "/slots/0", false, true},
                 {"DELETE", "/any/x", true, true}, {"DELETE", "/any", false, false},
                 {"PUT", "/", true, true},         {"PUT", "/a", false, false},
                 {"GE", "/slots", false, true},    {"GETT", "/slots", false, true},
                 {"GET", "/slot", false, false},   {"GET", "/slots?a", false, false},
                 {"GET", "", false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(dgon_pass_allows(list, cases[i].method, cases[i].path), cases[i].allowed);
        CU_ASSERT_EQUAL(dgon_pass_has_path(list, cases[i].path), cases[i].known);
    }
}

static void test_overlap(void)
{
    static const struct {
        const char *a, *b;
        bool both;
    } cases[] = {{"GET /x", "GET /x", true},        {"GET /x", "POST /x", false},
                 {"GET|POST /x", "* /x", true},     {"GET /x", "GET /y", false},
                 {"GET /x/*", "GET /x/a", true},    {"GET /x/*", "GET /x", false},
                 {"GET /x/*", "GET /x/a/*", true},  {"GET /x/a", "GET /x/a/*", false},
                 {"GET /*", "PUT /a,GET /b", true}, {"DELETE /x", "GET|PUT /x", false},
                 {"GET /a*", "GET /ab", true},      {"GET /ab*", "GET /a", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(dgon_pass_overlap(cases[i].a, cases[i].b), cases[i].both);
        CU_ASSERT_EQUAL(dgon_pass_overlap(cases[i].b, cases[i].a), cases[i].both);
    }
}

static void test_head(void)
{
    dgon_pass_head h, back;
    dgon_buf b;
    dgon_buf_init(&b, 1u << 16);
    dgon_pass_head_init(&h);
    memcpy(h.method, "POST", 5);
    memcpy(h.path, "/a?b=\"c\"", 9);
    h.length = 100;
    h.model_at = 10;
    h.model_len = 5;
    CU_ASSERT(dgon_pass_head_add(&h, "Content-Type", 12, "a/b; c=\"d\"", 10));
    CU_ASSERT(dgon_pass_head_add(&h, "Cookie", 6, "no", 2));
    CU_ASSERT_FALSE(dgon_pass_head_add(&h, "A b", 3, "x", 1));
    CU_ASSERT_FALSE(dgon_pass_head_add(&h, "A", 1, "x\r\nB: y", 7));
    CU_ASSERT_FALSE(dgon_pass_head_add(&h, "A", 1, "\xe4", 1));
    CU_ASSERT_EQUAL(dgon_pass_head_write(&b, &h), DGON_OK);
    CU_ASSERT_EQUAL(dgon_pass_request_read(&back, b.data, b.len), DGON_OK);
    CU_ASSERT(strcmp(back.method, "POST") == 0 && strcmp(back.path, h.path) == 0);
    CU_ASSERT(back.length == 100 && back.model_at == 10 && back.model_len == 5);
    CU_ASSERT(back.headers == 1 && strcmp(back.header[0].value, "a/b; c=\"d\"") == 0);
    dgon_buf_reset(&b);
    dgon_pass_head_init(&h);
    h.status = 418;
    CU_ASSERT(dgon_pass_head_add(&h, "ETag", 4, "\"x\"", 3) &&
              dgon_pass_head_add(&h, "Set-Cookie", 10, "a", 1));
    CU_ASSERT_EQUAL(dgon_pass_head_write(&b, &h), DGON_OK);
    CU_ASSERT_EQUAL(dgon_pass_answer_read(&back, b.data, b.len), DGON_OK);
    CU_ASSERT(back.status == 418 && back.length == -1 && back.headers == 1);
    dgon_buf_fini(&b);
}

static void test_limits(void)
{
    dgon_pass_head h;
    dgon_buf b;
    char value[1000];
    memset(value, '"', sizeof value);
    dgon_pass_head_init(&h);
    unsigned n = 0;
    while (dgon_pass_head_add(&h, "Vary", 4, value, sizeof value))
        n++;
    CU_ASSERT_EQUAL(n, 5);
    h.status = 200;
    dgon_buf_init(&b, 1u << 16);
    CU_ASSERT_EQUAL(dgon_pass_head_write(&b, &h), DGON_ETOOBIG); /* each quote takes two */
    CU_ASSERT_EQUAL(b.len, 0);
    dgon_buf_fini(&b);
    dgon_pass_head_init(&h);
    for (n = 0; dgon_pass_head_add(&h, "A", 1, "b", 1); n++)
        ;
    CU_ASSERT_EQUAL(n, DGON_PASS_HEADERS_MAX);
}

static void test_bad_heads(void)
{
    static const char *const requests[] = {
        "",
        "[]",
        "{}",
        "{\"method\":\"GET\"}",
        "{\"method\":\"get\",\"path\":\"/\"}",
        "{\"method\":\"\",\"path\":\"/\"}",
        "{\"method\":\"GET\",\"path\":\"x\"}",
        "{\"method\":\"GET\",\"path\":\"/a b\"}",
        "{\"method\":\"GET\",\"path\":\"/a\\r\\n\"}",
        "{\"method\":\"GET\",\"path\":\"/a/../b\"}",
        "{\"method\":\"GET\",\"path\":\"/..\"}",
        "{\"method\":\"GET\",\"path\":\"/a#b\"}",
        "{\"method\":\"GET\",\"path\":\"/a\\u0000\"}",
        "{\"method\":\"GET\",\"path\":\"/\",\"length\":-1}",
        "{\"method\":\"GET\",\"path\":\"/\",\"length\":5,\"model_at\":3,\"model_len\":3}",
        "{\"method\":\"GET\",\"path\":\"/\",\"model_at\":9223372036854775807}",
        "{\"method\":\"GET\",\"path\":\"/\",\"headers\":[[\"Accept\"]]}",
        "{\"method\":\"GET\",\"path\":\"/\",\"headers\":[[\"Accept\",\"a\\nb\"]]}",
        "{\"method\":\"GET\",\"path\":\"/\",\"path\":\"/\"}"};
    static const char *const answers[] = {"{}",
                                          "{\"status\":100}",
                                          "{\"status\":600}",
                                          "{\"status\":\"200\"}",
                                          "{\"status\":200,\"length\":1.5}",
                                          "{\"status\":200,\"headers\":[[\"ETag\",5]]}"};
    dgon_pass_head h;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        CU_ASSERT_NOT_EQUAL(dgon_pass_request_read(&h, requests[i], strlen(requests[i])), DGON_OK);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        CU_ASSERT_NOT_EQUAL(dgon_pass_answer_read(&h, answers[i], strlen(answers[i])), DGON_OK);
    CU_ASSERT(dgon_pass_is_target("/a..b/..c?/../"));
}

static void test_json_model(void)
{
    static const struct {
        const char *body;
        dgon_status status;
        const char *name, *raw;
    } cases[] = {{"{\"a\":{\"model\":\"x\"},\"model\" : \"m/1\"}", DGON_OK, "m/1", "m/1"},
                 {"{\"mod\\u0065l\":\"m\\u0031\"}", DGON_OK, "m1", "m\\u0031"},
                 {"{\"model\":\"a\",\"model\":\"b\"}", DGON_EINVAL, NULL, NULL},
                 {"{\"model\":null}", DGON_EINVAL, NULL, NULL},
                 {"{\"model\":\"a\\u0000b\"}", DGON_OK, "", "a\\u0000b"},
                 {"{\"Model\":\"a\"}", DGON_ENOTFOUND, NULL, NULL},
                 {"{\"model\":\"a\"", DGON_ENOTFOUND, NULL, NULL},
                 {"[]", DGON_ENOTFOUND, NULL, NULL},
                 {"", DGON_ENOTFOUND, NULL, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[DGON_WIRE_NAME_MAX + 1];
        size_t at = 0, len = 0;
        dgon_status s = dgon_pass_json_model(cases[i].body, strlen(cases[i].body), name, &at, &len);
        CU_ASSERT_EQUAL(s, cases[i].status);
        if (s == DGON_OK)
            CU_ASSERT(strcmp(name, cases[i].name) == 0 && len == strlen(cases[i].raw) &&
                      memcmp(cases[i].body + at, cases[i].raw, len) == 0);
    }
}

static void test_json_models(void)
{
    static const struct {
        const char *body;
        int count;
    } cases[] = {{"{\"a\":{\"model\":\"x\"},\"model\" : \"m/1\"} \n", 1},
                 {"{\"model\":\"a\",\"Model\":\"b\"}", 2},
                 {"{\"MOD\\u0045L\":null}", 1},
                 {"{\"models\":\"a\",\"mode\":1,\"m\\u006fdels\":1}", 0},
                 {"{}", 0},
                 {"{\"model\":\"a\"} {\"model\":\"b\"}", -1},
                 {"{\"model\":\"a\"", -1},
                 {"[]", -1},
                 {"", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_EQUAL(dgon_pass_json_models(cases[i].body, strlen(cases[i].body)),
                        cases[i].count);
}

static bool once(void *user)
{
    static const char head[] =
        "{\"method\":\"GET\",\"path\":\"/\",\"headers\":[[\"Accept\",\"a\"]]}";
    static const char body[] = "{\"mod\\u0065l\":\"m\\u0031\"}";
    char name[DGON_WIRE_NAME_MAX + 1];
    size_t at, len;
    dgon_pass_head h;
    (void)user;
    bool ok = dgon_pass_request_read(&h, head, sizeof head - 1) == DGON_OK;
    return dgon_pass_json_model(body, sizeof body - 1, name, &at, &len) == DGON_OK &&
           name[0] == 'm' && ok;
}

static void test_memory(void)
{
    unit_each_alloc(once, NULL);
}

UNIT_MAIN("pass", {"check", test_check}, {"allows", test_allows}, {"overlap", test_overlap},
          {"head", test_head}, {"limits", test_limits}, {"bad heads", test_bad_heads},
          {"json model", test_json_model}, {"json models", test_json_models},
          {"memory", test_memory})

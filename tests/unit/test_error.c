#include "dgon/error.h"

#include "dgon/utf8.h"
#include "dgon/wire.h"
#include "unit.h"

#include <jansson.h>

static void check_text(const dgon_buf *b, const char *expected)
{
    CU_ASSERT_EQUAL(b->len, strlen(expected));
    CU_ASSERT_NSTRING_EQUAL(b->data, expected, b->len);
}

static void test_types(void)
{
    static const struct {
        int http, expected;
        const char *type;
    } rows[] = {{400, 400, "invalid_request_error"},
                {401, 401, "invalid_request_error"},
                {404, 404, "invalid_request_error"},
                {413, 413, "invalid_request_error"},
                {408, 408, "timeout"},
                {429, 429, "rate_limit_error"},
                {499, 499, "invalid_request_error"},
                {500, 500, "server_error"},
                {502, 502, "server_error"},
                {503, 503, "service_unavailable_error"},
                {504, 504, "server_error"},
                {599, 599, "server_error"},
                {200, 500, "server_error"},
                {-1, 500, "server_error"},
                {600, 500, "server_error"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        dgon_error e;
        dgon_error_set(&e, rows[i].http, NULL, NULL, "x");
        CU_ASSERT_EQUAL(e.http, rows[i].expected);
        CU_ASSERT_STRING_EQUAL(e.type, rows[i].type);
        CU_ASSERT(!e.retryable && !e.requeue && e.retry_after == 0);
    }
}

static void test_write(void)
{
    dgon_error e;
    dgon_buf b;
    dgon_buf_init(&b, 4096);
    dgon_error_set(&e, 404, "model_not_found", "model", "The model \"%s\" is not here\n", "a/b");
    CU_ASSERT_EQUAL(dgon_error_write(&b, &e), DGON_OK);
    check_text(
        &b, "{\"error\":{\"message\":\"The model \\\"a/b\\\" is not here\\n\",\"type\":\"invalid_"
            "request_error\",\"param\":\"model\",\"code\":\"model_not_found\"}}");
    dgon_buf_reset(&b);
    dgon_error_set(&e, 500, NULL, "", "%s", "");
    CU_ASSERT_EQUAL(dgon_error_write(&b, &e), DGON_OK);
    check_text(
        &b,
        "{\"error\":{\"message\":\"\",\"type\":\"server_error\",\"param\":null,\"code\":null}}");
    dgon_buf_reset(&b);
    e = (dgon_error){.http = 503, .message = "only these were set"};
    CU_ASSERT_EQUAL(dgon_error_write(&b, &e), DGON_OK);
    check_text(&b, "{\"error\":{\"message\":\"only these were "
                   "set\",\"type\":\"service_unavailable_error\",\"param\":null,\"code\":null}}");
    dgon_buf_fini(&b);
}

static bool valid(const char *s)
{
    dgon_utf8 u = {0};
    return dgon_utf8_feed(&u, s, strlen(s), false) == DGON_OK && dgon_utf8_complete(&u);
}

static void test_cut_at_a_character(void)
{
    char text[3000];
    for (size_t shift = 0; shift < 4; shift++) {
        dgon_error e;
        memset(text, 'a', shift);
        for (size_t i = shift; i < 2000; i += 4)
            memcpy(text + i, "\xf0\x9f\x98\x80", 4);
        text[shift + 1996] = '\0';
        dgon_error_set(&e, 400, text, text, "%s", text);
        CU_ASSERT(valid(e.message) && valid(e.code) && valid(e.param));
        CU_ASSERT_EQUAL(strlen(e.message), 511 - (511 - shift) % 4);
        CU_ASSERT_EQUAL(strlen(e.code), 63 - (63 - shift) % 4);
        CU_ASSERT_EQUAL(memcmp(e.message, text, strlen(e.message)), 0);
    }
    memset(text, '\xff', 2000);
    text[2000] = '\0';
    dgon_error e;
    dgon_error_set(&e, 400, text, text, "%s", text);
    CU_ASSERT(valid(e.message) && valid(e.code) && valid(e.param));
    CU_ASSERT_EQUAL(strlen(e.message), 510);
}

static void test_round_trip(void)
{
    dgon_error e, back;
    dgon_buf b;
    dgon_buf_init(&b, 4096);
    dgon_error_set(&e, 502, "upstream_error", "messages[0]", "backend \xc3\xa4 said \"%d\"", 17);
    e.retryable = true;
    CU_ASSERT_EQUAL(dgon_error_pack(&b, &e), DGON_OK);
    check_text(&b,
               "{\"status\":502,\"code\":\"upstream_error\",\"param\":\"messages[0]\",\"message\":"
               "\"backend \xc3\xa4 said \\\"17\\\"\",\"retryable\":true,\"requeue\":false}");
    CU_ASSERT_EQUAL(dgon_error_unpack(&back, b.data, b.len), DGON_OK);
    CU_ASSERT_EQUAL(back.http, 502);
    CU_ASSERT_STRING_EQUAL(back.type, "server_error");
    CU_ASSERT_STRING_EQUAL(back.code, e.code);
    CU_ASSERT_STRING_EQUAL(back.param, e.param);
    CU_ASSERT_STRING_EQUAL(back.message, e.message);
    CU_ASSERT(back.retryable && !back.requeue && back.retry_after == 0);

    dgon_buf_reset(&b);
    dgon_error_set(&e, 503, NULL, NULL, "busy");
    e.requeue = true;
    e.retry_after = 7;
    e.lasting = true;
    CU_ASSERT_EQUAL(dgon_error_pack(&b, &e), DGON_OK);
    CU_ASSERT_EQUAL(dgon_error_unpack(&back, b.data, b.len), DGON_OK);
    CU_ASSERT(back.http == 503 && back.requeue && !back.retryable && back.retry_after == 7 &&
              back.lasting);
    CU_ASSERT_STRING_EQUAL(back.code, "");
    dgon_buf_fini(&b);
}

static void test_pack_fits_a_final_record(void)
{
    dgon_error e = {.http = 502};
    dgon_error back;
    dgon_buf b;
    memset(e.code, 1, sizeof e.code - 1);
    memset(e.param, 1, sizeof e.param - 1);
    memset(e.message, 1, sizeof e.message - 1);
    dgon_buf_init(&b, 100000);
    CU_ASSERT_EQUAL(dgon_error_pack(&b, &e), DGON_OK);
    CU_ASSERT(b.len <= DGON_WIRE_FINAL_MAX);
    CU_ASSERT_EQUAL(dgon_error_unpack(&back, b.data, b.len), DGON_OK);
    CU_ASSERT(strlen(back.message) > 100);
    dgon_buf_fini(&b);
}

static dgon_status unpack(dgon_error *e, const char *s)
{
    return dgon_error_unpack(e, s, strlen(s));
}

static void test_hostile(void)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "1",
                                      "{",
                                      "nul",
                                      "{\"a\":1}x",
                                      "\xff",
                                      "{\"message\":\"\xc3\"}",
                                      "{\"a\":[[[[[[[[[[]]]]]]]]]]}",
                                      "{\"message\":\"a\\u0000b\"}"};
    dgon_error e;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CU_ASSERT_EQUAL(unpack(&e, bad[i]), DGON_EJSON);
    static const char *const odd[] = {
        "{}", "{\"status\":200,\"code\":5,\"param\":[],\"message\":null,\"retryable\":1}",
        "{\"status\":99999999999999999,\"requeue\":\"true\",\"retry_after\":-1}",
        "{\"status\":\"404\",\"unknown\":{\"a\":[1]}}", "{\"status\":502.0,\"retry_after\":86401}"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        CU_ASSERT_EQUAL(unpack(&e, odd[i]), DGON_OK);
        CU_ASSERT_EQUAL(e.http, 502);
        CU_ASSERT(!e.retryable && !e.requeue && e.retry_after == 0);
        CU_ASSERT(e.code[0] == '\0' && e.param[0] == '\0' && e.message[0] == '\0');
    }
    CU_ASSERT_EQUAL(unpack(&e, "{\"message\":\"100%s%n\"}"), DGON_OK);
    CU_ASSERT_STRING_EQUAL(e.message, "100%s%n");
}

static bool there_and_back(void *user)
{
    (void)user;
    dgon_error e, back;
    dgon_buf b;
    dgon_buf_init(&b, 4096);
    dgon_error_set(&e, 502, "upstream_error", NULL, "%0300d", 5);
    dgon_status s = dgon_error_write(&b, &e);
    CU_ASSERT(s == DGON_OK || b.len == 0);
    dgon_buf_fini(&b);
    if (s == DGON_OK)
        s = dgon_error_pack(&b, &e);
    if (s == DGON_OK)
        s = dgon_error_unpack(&back, b.data, b.len);
    dgon_buf_fini(&b);
    CU_ASSERT(s == DGON_OK || s == DGON_ENOMEM);
    return s == DGON_OK;
}

static void test_code_for_log(void)
{
    dgon_error e;
    dgon_error_set(&e, 502, "upstream_error", NULL, "x");
    CU_ASSERT_STRING_EQUAL(dgon_error_code_for_log(&e), "upstream_error");
    dgon_error_set(&e, 502, NULL, NULL, "x");
    CU_ASSERT_STRING_EQUAL(dgon_error_code_for_log(&e), "-");
    dgon_error_set(&e, 400, "you_asked_for_my_secret", NULL, "x");
    CU_ASSERT_STRING_EQUAL(dgon_error_code_for_log(&e), "other");
}

static void test_no_memory(void)
{
    unit_each_alloc(there_and_back, NULL);
}

UNIT_MAIN("error", {"types", test_types}, {"write", test_write},
          {"cut at a character", test_cut_at_a_character}, {"round trip", test_round_trip},
          {"pack fits a final record", test_pack_fits_a_final_record}, {"hostile", test_hostile},
          {"code for the log", test_code_for_log}, {"no memory", test_no_memory})

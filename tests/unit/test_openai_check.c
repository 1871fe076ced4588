#include "dgon/openai.h"
#include "openai_int.h"

#include "unit.h"

#define U           "{\"role\":\"user\",\"content\":\"x\"}"
#define BODY(more)  "{\"model\":\"m\",\"messages\":[" U "]" more "}"
#define MESSAGES(m) "{\"model\":\"m\",\"messages\":[" m "]}"
#define PARTS(p)    MESSAGES("{\"role\":\"user\",\"content\":[" p "]}")
#define IMAGE(url)  PARTS("{\"type\":\"image_url\",\"image_url\":{\"url\":\"" url "\"}}")

typedef struct check_case {
    const char *body;
    int http; /* 0: accepted */
    const char *code, *param;
} check_case;

static const check_case check_cases[] = {
    {BODY(""), 0, "", ""},
    {" \n" BODY(",\"temperature\":0.7,\"top_p\":1,\"seed\":-5,\"stop\":[\"a\"],\"n\":2") "\n", 0,
     "", ""},
    {BODY(",\"temperature\":null,\"stop\":null,\"stream\":null,\"tools\":null,\"n\":null"), 0, "",
     ""},
    {BODY(",\"keep_alive\":\"5m\",\"num_ctx\":4096,\"x\":{\"y\":[1]}"), 0, "", ""},
    {BODY(",\"x\":123456789012345678901234567890"), 0, "", ""},
    {BODY(",\"max_tokens\":-1"), 0, "", ""},
    {MESSAGES(
         "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\",\"type\":"
         "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\","
         "\"tool_call_id\":\"c\",\"content\":\"1\"}"),
     0, "", ""},
    {MESSAGES("{\"role\":\"developer\",\"content\":\"d\"},{\"role\":\"system\",\"content\":\"s\"},"
              "{\"role\":\"function\",\"name\":\"f\",\"content\":null}"),
     0, "", ""},
    {IMAGE("data:image/png;base64,AAAA"), 0, "", ""},
    {IMAGE("DATA:image/png;base64,AAAA"), 0, "", ""},
    {PARTS("{\"type\":\"image_url\",\"image_url\":\"data:image/png;base64,AAAA\"}"), 0, "", ""},
    {BODY(",\"tool_choice\":\"auto\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
          "\"f\"}}]"),
     0, "", ""},
    {BODY(",\"stream\":true,\"stream_options\":{\"include_usage\":true}"), 0, "", ""},

    {"", 400, "", ""},
    {"nonsense", 400, "", ""},
    {"[]", 400, "invalid_type", ""},
    {BODY("") "x", 400, "", ""},
    {BODY(",\"model\":\"other\""), 400, "", ""},
    {BODY(",\"a\":\"\\u0000\""), 400, "", ""},
    {BODY(",\"a\\u0000\":1"), 400, "", ""},
    {BODY(",\"a\":\"\\ud800\""), 400, "", ""},
    {BODY(",\"a\":\"\\udc00x\""), 400, "", ""},
    {BODY(",\"a\":\"\xff\""), 400, "", ""},
    {BODY(",\"a\":1e999"), 400, "", ""},
    {"{\"messages\":[" U "]}", 400, "missing_required_parameter", "model"},
    {"{\"model\":1,\"messages\":[" U "]}", 400, "invalid_type", "model"},
    {"{\"model\":\"\",\"messages\":[" U "]}", 400, "missing_required_parameter", "model"},
    {"{\"model\":\"a b\",\"messages\":[" U "]}", 404, "model_not_found", "model"},
    {"{\"model\":\"m\"}", 400, "missing_required_parameter", "messages"},
    {"{\"model\":\"m\",\"messages\":\"x\"}", 400, "invalid_type", "messages"},
    {"{\"model\":\"m\",\"messages\":null}", 400, "invalid_type", "messages"},
    {MESSAGES(""), 400, "empty_array", "messages"},
    {MESSAGES("1"), 400, "invalid_type", "messages[0]"},
    {MESSAGES(U ",{\"content\":\"x\"}"), 400, "missing_required_parameter", "messages[1].role"},
    {MESSAGES(U "," U ",{\"role\":\"boss\",\"content\":\"x\"}"), 400, "invalid_value",
     "messages[2].role"},
    {MESSAGES("{\"role\":\"user\"}"), 400, "missing_required_parameter", "messages[0].content"},
    {MESSAGES("{\"role\":\"user\",\"content\":null}"), 400, "invalid_type", "messages[0].content"},
    {MESSAGES("{\"role\":\"assistant\",\"content\":null}"), 400, "invalid_type",
     "messages[0].content"},
    {MESSAGES("{\"role\":\"user\",\"content\":5}"), 400, "invalid_type", "messages[0].content"},
    {MESSAGES("{\"role\":\"tool\",\"content\":\"x\"}"), 400, "missing_required_parameter",
     "messages[0].tool_call_id"},
    {MESSAGES("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\","
              "\"arguments\":{}}}]}"),
     400, "invalid_type", "messages[0].tool_calls[0].function.arguments"},
    {PARTS("\"x\""), 400, "invalid_type", "messages[0].content[0]"},
    {PARTS("{\"type\":\"text\"}"), 400, "missing_required_parameter",
     "messages[0].content[0].text"},
    {PARTS("{\"type\":\"image_url\"}"), 400, "missing_required_parameter",
     "messages[0].content[0].image_url"},
    {IMAGE("http://169.254.169.254/latest"), 400, "unsupported_value",
     "messages[0].content[0].image_url"},
    {IMAGE("https://example.org/a.png"), 400, "unsupported_value",
     "messages[0].content[0].image_url"},
    {IMAGE("file:///etc/passwd"), 400, "unsupported_value", "messages[0].content[0].image_url"},
    {IMAGE("gopher://127.0.0.1:25/"), 400, "unsupported_value", "messages[0].content[0].image_url"},
    {IMAGE(" http://x"), 400, "unsupported_value", "messages[0].content[0].image_url"},
    {IMAGE(""), 400, "unsupported_value", "messages[0].content[0].image_url"},
    {PARTS("{\"type\":\"image_url\",\"image_url\":\"//host/a.png\"}"), 400, "unsupported_value",
     "messages[0].content[0].image_url"},
    {PARTS("{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:,x\",\"URL\":\"http://x\"}}"),
     400, "unsupported_value", "messages[0].content[0].image_url"},
    {PARTS("{\"type\":\"video_url\",\"video_url\":{\"url\":\"http://x\"}}"), 400,
     "unsupported_value", "messages[0].content[0].video_url"},
    {PARTS("{\"type\":\"image_url\",\"image_url\":{\"url\":[\"http://x\"]}}"), 400, "invalid_type",
     "messages[0].content[0].image_url.url"},
    {PARTS("{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:,x\",\"thumb_url\":[\"data:,x\","
           "\"http://x\"]}}"),
     400, "unsupported_value", "messages[0].content[0].image_url"},
    {PARTS("{\"type\":\"image_url\",\"image_url\":5}"), 400, "invalid_type",
     "messages[0].content[0].image_url"},
    {PARTS("{\"text\":\"x\"}"), 400, "missing_required_parameter", "messages[0].content[0].type"},
    {MESSAGES("{\"role\":\"assistant\",\"tool_calls\":[5]}"), 400, "invalid_type",
     "messages[0].tool_calls[0]"},
    {MESSAGES("{\"role\":\"assistant\",\"tool_calls\":5}"), 400, "invalid_type",
     "messages[0].tool_calls"},
    {MESSAGES("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\"}]}"),
     400, "missing_required_parameter", "messages[0].tool_calls[0].function"},
    {MESSAGES("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"custom\"}]}"), 0,
     "", ""},
    {BODY(",\"stream\":1"), 400, "invalid_type", "stream"},
    {BODY(",\"stream_options\":{}"), 400, "invalid_value", "stream_options"},
    {BODY(",\"stream\":true,\"stream_options\":{\"include_usage\":\"y\"}"), 400, "invalid_type",
     "stream_options.include_usage"},
    {BODY(",\"temperature\":\"hot\""), 400, "invalid_type", "temperature"},
    {BODY(",\"temperature\":2.1"), 400, "decimal_above_max_value", "temperature"},
    {BODY(",\"temperature\":-0.1"), 400, "decimal_below_min_value", "temperature"},
    {BODY(",\"top_p\":1.5"), 400, "decimal_above_max_value", "top_p"},
    {BODY(",\"presence_penalty\":-3"), 400, "decimal_below_min_value", "presence_penalty"},
    {BODY(",\"frequency_penalty\":3"), 400, "decimal_above_max_value", "frequency_penalty"},
    {BODY(",\"top_logprobs\":21"), 400, "integer_above_max_value", "top_logprobs"},
    {BODY(",\"n\":0"), 400, "integer_below_min_value", "n"},
    {BODY(",\"n\":1.5"), 400, "invalid_type", "n"},
    {BODY(",\"max_tokens\":\"1\""), 400, "invalid_type", "max_tokens"},
    {BODY(",\"seed\":123456789012345678901234567890"), 400, "invalid_type", "seed"},
    {BODY(",\"stop\":5"), 400, "invalid_type", "stop"},
    {BODY(",\"stop\":[5]"), 400, "invalid_type", "stop"},
    {BODY(",\"tools\":{}"), 400, "invalid_type", "tools"},
    {BODY(",\"tools\":[{\"type\":\"function\"}]"), 400, "missing_required_parameter",
     "tools[0].function"},
    {BODY(",\"tool_choice\":\"maybe\""), 400, "invalid_value", "tool_choice"},
    {BODY(",\"response_format\":{}"), 400, "missing_required_parameter", "response_format.type"},
    {BODY(",\"response_format\":{\"type\":\"json_schema\"}"), 400, "missing_required_parameter",
     "response_format.json_schema"},
};

static void check_one(const check_case *c)
{
    dgon_openai_request r;
    dgon_error e = {0};
    dgon_status s = dgon_openai_check(&r, DGON_OP_CHAT, c->body, strlen(c->body), &e);
    bool ok = c->http == 0 ? s == DGON_OK
                           : s != DGON_OK && e.http == c->http && strcmp(e.code, c->code) == 0 &&
                                 strcmp(e.param, c->param) == 0 && e.message[0] != '\0';
    CU_ASSERT(ok);
    if (!ok)
        fprintf(stderr, "%s\n-> %d %d [%s] [%s] %s\n", c->body, s, e.http, e.code, e.param,
                e.message);
}

static void test_check(void)
{
    for (size_t i = 0; i < sizeof check_cases / sizeof check_cases[0]; i++)
        check_one(&check_cases[i]);
}

static void test_check_result(void)
{
    static const char body[] =
        "{\"stream\":true,\"model\":\"hf.co/a/b:Q4\",\"stream_options\":{"
        "\"include_usage\":true},\"tools\":[{\"type\":\"custom\"}],"
        "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
        "\"image_url\":\"data:,\"}]}]}";
    dgon_openai_request r;
    dgon_error e = {0};
    CU_ASSERT_EQUAL(dgon_openai_check(&r, DGON_OP_CHAT, body, sizeof body - 1, &e), DGON_OK);
    CU_ASSERT_STRING_EQUAL(r.model, "hf.co/a/b:Q4");
    CU_ASSERT(r.stream && r.include_usage && r.has_image && r.has_tools);
    CU_ASSERT_EQUAL(dgon_openai_check(&r, DGON_OP_CHAT, "{\"a\":\0}", 7, &e), DGON_EJSON);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "NUL"));
    CU_ASSERT_NOT_EQUAL(dgon_openai_check(&r, DGON_OP_CHAT, BODY(",\"a\":\"\\ud800\""),
                                          sizeof BODY(",\"a\":\"\\ud800\"") - 1, &e),
                        DGON_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "surrogate"));
}

static void test_check_depth(void)
{
    static char deep[100001];
    dgon_openai_request r;
    dgon_error e = {0};
    memset(deep, '[', sizeof deep - 1);
    CU_ASSERT_EQUAL(dgon_openai_check(&r, DGON_OP_CHAT, deep, sizeof deep - 1, &e), DGON_EDEPTH);
    CU_ASSERT_EQUAL(e.http, 400);
    CU_ASSERT_EQUAL(dgon_openai_check(&r, DGON_OP_CHAT, deep, DGON_JSON_DEPTH_MAX, &e), DGON_EJSON);
}

#define QUICK_BODY(content, more)                                                                 \
    "{\"messages\":[{\"role\":\"user\",\"content\":\"" content "\"}],\"model\":\"org/m:7b\"" more \
    "}"

static bool is_quick(const char *body, dgon_openai_request *r)
{
    size_t n = strlen(body);
    char *copy = malloc(n);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    memcpy(copy, body, n);
    bool quick = dgon_openai_check_quick(r, copy, n);
    free(copy);
    return quick;
}

static void test_check_quick(void)
{
    static const char *const not [] = {
        QUICK_BODY("a\\u0000b", ""),
        QUICK_BODY("a\\ud800b", ""),
        QUICK_BODY("a\x7f", ""),
        QUICK_BODY("\xff", ""),
        QUICK_BODY("a", ",\"model\":\"org/m:7b\""),
        QUICK_BODY("a", ",\"tools\":[]"),
        QUICK_BODY("a", ",\"stop\":\"x\""),
        QUICK_BODY("a", ",\"temperature\":2.5"),
        QUICK_BODY("a", ",\"temperature\":-1"),
        QUICK_BODY("a", ",\"seed\":1.5"),
        QUICK_BODY("a", ",\"seed\":\"1\""),
        QUICK_BODY("a", ",\"x\":{\"y\":1,\"y\":1}"),
        QUICK_BODY("a", ",\"x\":[[[[[]]]]]"),
        QUICK_BODY("a", ",\"x\":1e9"),
        QUICK_BODY("a", ",\"stream_options\":{}"),
        QUICK_BODY("a", ",\"stream\":1"),
        QUICK_BODY("a", "") "x",
        "{\"messages\":[],\"model\":\"m\"}",
        "{\"messages\":[{\"role\":\"tool\",\"content\":\"a\"}],\"model\":\"m\"}",
        "{\"messages\":[{\"role\":\"user\",\"content\":[]}],\"model\":\"m\"}",
        "{\"messages\":[{\"role\":\"user\"}],\"model\":\"m\"}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"model\":\"a b\"}"};
    dgon_openai_request r;
    CU_ASSERT(is_quick(
        QUICK_BODY("Say \\\"hi\\\" \\u00e4 \u00e4\\n",
                   ",\"stream\":true,\"stream_options\":{"
                   "\"include_usage\":true},\"temperature\":0.7,\"top_p\":1,\"max_tokens\":100,"
                   "\"user\":\"me\",\"x\":{\"y\":[1,null,{\"z\":true}]}"),
        &r));
    CU_ASSERT(r.stream && r.include_usage && !r.has_image && !r.has_tools);
    CU_ASSERT_STRING_EQUAL(r.model, "org/m:7b");
    for (size_t i = 0; i < sizeof not / sizeof not [0]; i++)
        CU_ASSERT_FALSE(is_quick(not [i], &r));
}

UNIT_MAIN("openai_check", {"check", test_check}, {"result", test_check_result},
          {"depth", test_check_depth}, {"quick", test_check_quick})

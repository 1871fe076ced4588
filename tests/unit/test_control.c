#include "dgon/control.h"

#include "unit.h"

#define HELLO                                                                                     \
    "{\"type\":\"hello\",\"protocol\":[1,2],\"agent\":\"gpu-7\",\"instance\":"                    \
    "\"0123456789abcdef\","                                                                       \
    "\"version\":\"0.1.0\",\"os\":\"linux\",\"slots\":4,\"labels\":{\"room\":\"b\"},\"models\":[" \
    "{\"name\":\"tiny-chat\",\"backend\":\"ollama\",\"context\":8192,\"loaded\":true,"            \
    "\"capabilities\":[\"tools\",\"vision\",\"flying\"],\"lacks\":[\"embedding\"]},{\"name\":"    \
    "\"org/"                                                                                      \
    "b:7b\"},"                                                                                    \
    "{\"name\":\"tiny-chat\",\"context\":1}],\"later\":{\"x\":[1]}}"
#define JOB                                                                                     \
    "{\"type\":\"job\",\"job\":17,\"attempt\":1,\"op\":\"chat\",\"model\":\"tiny\",\"public\":" \
    "\"org/tiny\",\"id\":\"chatcmpl-1\",\"created\":1700000000,\"stream\":true,\"body\":1234,"  \
    "\"deadline\":120000,\"traceparent\":"                                                      \
    "\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}"
#define LOAD                                                                                     \
    "{\"type\":\"job\",\"job\":1,\"attempt\":1,\"op\":\"load\",\"id\":\"load-1\",\"created\":1," \
    "\"stream\":true,\"body\":13}"
#define WELCOME                                                                                    \
    "{\"type\":\"welcome\",\"protocol\":1,\"link\":3,\"child\":1,\"children\":2,\"window\":12288," \
    "\"ping\":20,\"hangup\":35,\"gateway\":\"ab12\"}"
#define WELCOME_REGISTRY(id)                                                                       \
    "{\"type\":\"welcome\",\"protocol\":1,\"link\":3,\"child\":1,\"children\":2,\"window\":12288," \
    "\"ping\":20,\"hangup\":35,\"registry\":" id "}"

static dgon_status parse_n(dgon_ctl *c, const char *p, size_t n)
{
    char why[128];
    char *copy = malloc(n > 0 ? n : 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    if (n > 0)
        memcpy(copy, p, n);
    dgon_status s = dgon_ctl_parse(c, copy, n, why, sizeof why);
    CU_ASSERT_EQUAL(why[0] == '\0', s == DGON_OK);
    CU_ASSERT(s == DGON_OK || (c->type == DGON_CTL_UNKNOWN && c->models == NULL));
    free(copy);
    return s;
}

static dgon_status parse(dgon_ctl *c, const char *s)
{
    return parse_n(c, s, strlen(s));
}

/* The quick way for `job` and the tree (any member that nobody knows leads there) say the same. */
static void check_both_ways(const char *job)
{
    char slow[2048];
    dgon_ctl a, b;
    dgon_ctl_init(&a);
    dgon_ctl_init(&b);
    (void)snprintf(slow, sizeof slow, "{\"unknown\":[],%s", job + 1);
    CU_ASSERT_EQUAL(parse(&a, job), parse(&b, slow));
    CU_ASSERT_EQUAL(memcmp(&a, &b, sizeof a), 0);
}

static void test_job_both_ways(void)
{
    static const char *const from_to[][2] = {{"17", "4294967295"},
                                             {"17", "4294967296"},
                                             {"17", "-1"},
                                             {"17", "1.5"},
                                             {"17", "\"17\""},
                                             {":1,", ":255,"},
                                             {":1,", ":256,"},
                                             {"1234", "0"},
                                             {"1234", "999999999999999999"},
                                             {"1234", "1e3"},
                                             {"\"chat\"", "\"\""},
                                             {"\"chat\"", "\"ch\\u0061t\""},
                                             {"\"chat\"", "null"},
                                             {"true", "false"},
                                             {"true", "1"},
                                             {"true", "null"},
                                             {"org/tiny", "ä"},
                                             {"org/tiny", "a b"},
                                             {"org/tiny", ""},
                                             {"\"stream\"", "\"s\""},
                                             {"\"job\":17", "\"job\":17,\"job\":18"},
                                             {"b7ad", "B7AD"},
                                             {"\"type\":\"job\",", "\"type\":\"job\" ,  "},
                                             {",\"body\":1234", ""},
                                             {"1700000000", "01"},
                                             {"-01\"}", "-01\"} "},
                                             {"-01\"}", "-01\"}x"},
                                             {"-01\"}", "-01\",}"}};
    check_both_ways(JOB);
    for (size_t i = 0; i < sizeof from_to / sizeof from_to[0]; i++) {
        char text[1024];
        const char *at = strstr(JOB, from_to[i][0]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - JOB), JOB, from_to[i][1],
                       at + strlen(from_to[i][0]));
        check_both_ways(text);
    }
}

static void test_hello(void)
{
    dgon_ctl c;
    dgon_ctl_init(&c);
    CU_ASSERT_EQUAL(parse(&c, HELLO), DGON_OK);
    CU_ASSERT_EQUAL(c.type, DGON_CTL_HELLO);
    CU_ASSERT(c.protocol_min == 1 && c.protocol_max == 2 && c.slots == 4);
    CU_ASSERT_STRING_EQUAL(c.agent, "gpu-7");
    CU_ASSERT_EQUAL(c.instance, UINT64_C(0x0123456789abcdef));
    CU_ASSERT_STRING_EQUAL(c.version, "0.1.0");
    CU_ASSERT_STRING_EQUAL(c.os, "linux");
    CU_ASSERT_EQUAL_FATAL(c.model_count, 2);
    CU_ASSERT_STRING_EQUAL(c.models[0].name, "tiny-chat");
    CU_ASSERT_STRING_EQUAL(c.models[0].backend, "ollama");
    CU_ASSERT(c.models[0].context == 8192 && c.models[0].loaded);
    CU_ASSERT_EQUAL(c.models[0].caps,
                    DGON_CAP_TOOLS | DGON_CAP_VISION | DGON_CAP_EMBED << DGON_CAP_LACKS);
    CU_ASSERT_STRING_EQUAL(c.models[1].name, "org/b:7b");
    CU_ASSERT(c.models[1].context == 0 && !c.models[1].loaded && c.models[1].caps == 0);
    /* the same struct takes the next message */
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"models\",\"models\":[]}"), DGON_OK);
    CU_ASSERT(c.type == DGON_CTL_MODELS && c.model_count == 0 && c.agent[0] == '\0');
    dgon_ctl_fini(&c);
}

static void test_others(void)
{
    dgon_ctl c;
    dgon_ctl_init(&c);
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"capacity\",\"slots\":0}"), DGON_OK);
    CU_ASSERT(c.type == DGON_CTL_CAPACITY && c.slots == 0);
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"draining\"}"), DGON_OK);
    CU_ASSERT_EQUAL(c.type, DGON_CTL_DRAINING);
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"goaway\",\"reason\":\"restart\",\"drain\":30}"),
                    DGON_OK);
    CU_ASSERT(c.type == DGON_CTL_GOAWAY && c.drain_s == 30 && c.waiting == 0);
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"goaway\",\"waiting\":16384}"), DGON_OK);
    CU_ASSERT_EQUAL(c.waiting, 16384);
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"goaway\",\"waiting\":16385}"), DGON_EPROTO);
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"goaway\",\"waiting\":true}"), DGON_EPROTO);
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"goaway\",\"reason\":\"restart\",\"drain\":30}"),
                    DGON_OK);
    CU_ASSERT_EQUAL(c.waiting, 0);
    CU_ASSERT_STRING_EQUAL(c.reason, "restart");
    CU_ASSERT_EQUAL(parse(&c, WELCOME), DGON_OK);
    CU_ASSERT(c.type == DGON_CTL_WELCOME && c.protocol == 1 && c.link == 3 && c.child == 1);
    CU_ASSERT(c.children == 2 && c.window == 12288 && c.ping_s == 20 && c.hangup_s == 35);
    CU_ASSERT_STRING_EQUAL(c.gateway, "ab12");
    CU_ASSERT_EQUAL(c.registry, 0);
    CU_ASSERT_EQUAL(parse(&c, WELCOME_REGISTRY("\"00ff00ff00ff00fe\"")), DGON_OK);
    CU_ASSERT_EQUAL(c.registry, UINT64_C(0x00ff00ff00ff00fe));
    CU_ASSERT_EQUAL(parse(&c, WELCOME_REGISTRY("\"00ff\"")), DGON_EPROTO);
    CU_ASSERT_EQUAL(parse(&c, WELCOME_REGISTRY("7")), DGON_EPROTO);
    CU_ASSERT_EQUAL(parse(&c, JOB), DGON_OK);
    CU_ASSERT(c.type == DGON_CTL_JOB && c.job == 17 && c.attempt == 1 && c.stream);
    CU_ASSERT(c.created == 1700000000 && c.body == 1234 && c.deadline_ms == 120000);
    CU_ASSERT_STRING_EQUAL(c.model, "tiny");
    CU_ASSERT_STRING_EQUAL(c.public_model, "org/tiny");
    CU_ASSERT_STRING_EQUAL(c.id, "chatcmpl-1");
    CU_ASSERT_STRING_EQUAL(c.op, "chat");
    CU_ASSERT_EQUAL(strlen(c.traceparent), 55);
    dgon_ctl_fini(&c);
}

/* Who says nothing of "pull" is not asked to load; such a job names its model in its body. */
static void test_load(void)
{
    static const struct {
        const char *more;
        bool loads, pulls;
    } cases[] = {
        {"", false, false}, {",\"pull\":false", true, false}, {",\"pull\":true", true, true}};
    dgon_ctl c;
    char text[100];
    dgon_ctl_init(&c);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)snprintf(text, sizeof text, "{\"type\":\"models\",\"models\":[]%s}", cases[i].more);
        CU_ASSERT_EQUAL(parse(&c, text), DGON_OK);
        CU_ASSERT(c.loads == cases[i].loads && c.pulls == cases[i].pulls);
    }
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"models\",\"models\":[],\"pull\":1}"), DGON_EPROTO);
    CU_ASSERT_EQUAL(parse(&c, LOAD), DGON_OK);
    CU_ASSERT(c.type == DGON_CTL_JOB && c.model[0] == '\0' && c.body == 13);
    CU_ASSERT_STRING_EQUAL(c.op, "load");
    check_both_ways(LOAD);
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"job\",\"job\":1,\"attempt\":1,\"op\":\"chat\",\"id\":"
                              "\"x-1\",\"created\":1,\"body\":13}"),
                    DGON_EPROTO);
    dgon_ctl_fini(&c);
}

#define KEY  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SIGN KEY KEY
#define SIGNED                                                                 \
    "{\"type\":\"hello\",\"protocol\":[1,1],\"agent\":\"gpu-7\",\"instance\":" \
    "\"0123456789abcdef\",\"slots\":4,\"models\":[]"

static void test_keys(void)
{
    static const char *const wrong[] = {"{\"type\":\"challenge\"}",
                                        "{\"type\":\"challenge\",\"nonce\":\"" KEY "0\"}",
                                        "{\"type\":\"challenge\",\"nonce\":\"0123\"}",
                                        "{\"type\":\"challenge\",\"nonce\":7}",
                                        "{\"type\":\"key\",\"key\":\"" KEY "\"}",
                                        "{\"type\":\"key\",\"key\":\"" KEY "\",\"signature\":\"" KEY
                                        "\"}",
                                        "{\"type\":\"key\",\"signature\":\"" SIGN "\"}",
                                        SIGNED ",\"key\":\"" KEY "\"}",
                                        SIGNED ",\"key\":\"" KEY "\",\"signature\":\"" KEY "G\"}",
                                        SIGNED ",\"key\":null,\"signature\":\"" SIGN "\"}"};
    dgon_ctl c;
    dgon_ctl_init(&c);
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"challenge\",\"nonce\":\"" KEY "\"}"), DGON_OK);
    CU_ASSERT(c.type == DGON_CTL_CHALLENGE && strcmp(c.nonce, KEY) == 0);
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"rotate\"}"), DGON_OK);
    CU_ASSERT_EQUAL(c.type, DGON_CTL_ROTATE);
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"key\",\"key\":\"" KEY "\",\"signature\":\"" SIGN "\"}"),
                    DGON_OK);
    CU_ASSERT(c.type == DGON_CTL_KEY && strcmp(c.signature, SIGN) == 0);
    CU_ASSERT_EQUAL(parse(&c, SIGNED ",\"key\":\"" KEY "\",\"signature\":\"" SIGN "\"}"), DGON_OK);
    CU_ASSERT(strcmp(c.key, KEY) == 0 && strcmp(c.signature, SIGN) == 0);
    CU_ASSERT_EQUAL(parse(&c, SIGNED "}"), DGON_OK);
    CU_ASSERT(c.key[0] == '\0' && c.signature[0] == '\0');
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_EQUAL(parse(&c, wrong[i]), DGON_EPROTO);
    dgon_ctl_fini(&c);
}

static void test_unknown_is_ignored(void)
{
    dgon_ctl c;
    dgon_ctl_init(&c);
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"alive\"}"), DGON_OK);
    CU_ASSERT_EQUAL(c.type, DGON_CTL_UNKNOWN);
    CU_ASSERT_EQUAL(parse(&c, "{\"type\":\"\",\"slots\":\"x\"}"), DGON_OK);
    CU_ASSERT_EQUAL(c.type, DGON_CTL_UNKNOWN);
    dgon_ctl_fini(&c);
}

static void test_cut_anywhere(void)
{
    static const char *const texts[] = {HELLO, WELCOME, JOB};
    dgon_ctl c;
    dgon_ctl_init(&c);
    for (size_t i = 0; i < 3; i++) {
        for (size_t cut = 0; cut < strlen(texts[i]); cut++)
            CU_ASSERT_EQUAL(parse_n(&c, texts[i], cut), DGON_EJSON);
    }
    dgon_ctl_fini(&c);
}

/* A good message in which one member's value is replaced by another. */
static dgon_status with(const char *text, const char *member, const char *value)
{
    char key[40], msg[2000];
    dgon_ctl c;
    (void)snprintf(key, sizeof key, "\"%s\":", member);
    const char *at = strstr(text, key);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    const char *end = at + strlen(key);
    int depth = 0;
    for (bool in = false; in || depth > 0 || (*end != ',' && *end != '}'); end++) {
        in = in != (*end == '"');
        depth += (*end == '[' || *end == '{') && !in;
        depth -= (*end == ']' || *end == '}') && !in;
    }
    (void)snprintf(msg, sizeof msg, "%.*s%s%s%s", (int)(at - text), text,
                   value == NULL ? "\"no\":0" : key, value == NULL ? "" : value, end);
    dgon_ctl_init(&c);
    dgon_status s = parse(&c, msg);
    dgon_ctl_fini(&c);
    return s;
}

#define LONG_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_hello_that_lies(void)
{
    static const char *const rows[][2] = {
        {"protocol", "1"},
        {"protocol", "[1]"},
        {"protocol", "[2,1]"},
        {"protocol", "[0,1]"},
        {"protocol", "[1,1.5]"},
        {"protocol", "[1,65536]"},
        {"protocol", NULL},
        {"agent", NULL},
        {"agent", "\"\""},
        {"agent", "5"},
        {"agent", "\"a b\""},
        {"agent", "\"a\\nb\""},
        {"agent", "\"a/b\""},
        {"agent", "\"" LONG_64 "a\""},
        {"instance", NULL},
        {"instance", "\"0123456789abcde\""},
        {"instance", "1"},
        {"instance", "\"0123456789abcdef0\""},
        {"instance", "\"0123456789ABCDEF\""},
        {"instance", "\"\""},
        {"version", "7"},
        {"version", "\"\\u0001\""},
        {"version", "\"" LONG_64 "\""},
        {"os", "[]"},
        {"os", "\"" LONG_64 "\""},
        {"slots", NULL},
        {"slots", "-1"},
        {"slots", "16385"},
        {"slots", "\"4\""},
        {"slots", "4.0"},
        {"slots", "9223372036854775807"},
        {"labels", "[]"},
        {"labels", "{\"a\":1}"},
        {"labels", "null"},
        {"models", NULL},
        {"models", "{}"},
        {"models", "[1]"},
        {"models", "[{}]"},
        {"models", "[{\"name\":\"\"}]"},
        {"models", "[{\"name\":\"a b\"}]"},
        {"models", "[{\"name\":\"a\\r\\n\"}]"},
        {"models", "[{\"name\":\"a\",\"context\":-1}]"},
        {"models", "[{\"name\":\"a\",\"context\":4294967296}]"},
        {"models", "[{\"name\":\"a\",\"loaded\":1}]"},
        {"models", "[{\"name\":\"a\",\"backend\":\"\"}]"},
        {"models", "[{\"name\":\"a\",\"backend\":\"" LONG_64 "\"}]"},
        {"models", "[{\"name\":\"a\",\"capabilities\":1}]"},
        {"models", "[{\"name\":\"a\",\"lacks\":1}]"},
        {"models", "[{\"name\":\"a\",\"capabilities\":[1]}]"},
        {"models", "[{\"name\":\"" LONG_64 LONG_64 "a\"}]"},
        {"type", "5"},
        {"type", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CU_ASSERT_EQUAL(with(HELLO, rows[i][0], rows[i][1]), DGON_EPROTO);
    CU_ASSERT_EQUAL(with(HELLO, "agent", "\"" LONG_64 "\""), DGON_OK);
    CU_ASSERT_EQUAL(with(HELLO, "models", "[{\"name\":\"" LONG_64 LONG_64 "\"}]"), DGON_OK);
    CU_ASSERT_EQUAL(with(HELLO, "labels", "{\"a\":\"" LONG_64 "\"}"), DGON_OK);
    CU_ASSERT_EQUAL(with(HELLO, "labels", "{\"" LONG_64 "a\":\"\"}"), DGON_ETOOBIG);
    CU_ASSERT_EQUAL(with(HELLO, "labels", NULL), DGON_OK);
    CU_ASSERT_EQUAL(with(HELLO, "slots", "16384"), DGON_OK);
}

static void test_bad_job_and_welcome(void)
{
    static const char *const job[][2] = {
        {"job", NULL},
        {"job", "-1"},
        {"job", "4294967296"},
        {"attempt", "256"},
        {"attempt", NULL},
        {"op", "\"\""},
        {"op", "\"" LONG_64 "\""},
        {"model", NULL},
        {"model", "\"a b\""},
        {"public", "\"\""},
        {"id", "\"a b\""},
        {"id", "\"" LONG_64 "a\""},
        {"created", "-1"},
        {"created", "1.5"},
        {"stream", "1"},
        {"body", "-1"},
        {"body", NULL},
        {"deadline", "4294967296"},
        {"traceparent", "\"x\""},
        {"traceparent", "\"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\""}};
    static const char *const welcome[][2] = {
        {"protocol", "0"},   {"protocol", NULL},       {"link", "-1"},
        {"children", "0"},   {"children", "65536"},    {"child", "-1"},
        {"window", "0"},     {"window", "4294967295"}, {"ping", "0"},
        {"hangup", "86401"}, {"gateway", "\"a b\""},   {"gateway", "\"" LONG_64 "\""}};
    for (size_t i = 0; i < sizeof job / sizeof job[0]; i++)
        CU_ASSERT_EQUAL(with(JOB, job[i][0], job[i][1]), DGON_EPROTO);
    for (size_t i = 0; i < sizeof welcome / sizeof welcome[0]; i++)
        CU_ASSERT_EQUAL(with(WELCOME, welcome[i][0], welcome[i][1]), DGON_EPROTO);
    CU_ASSERT_EQUAL(with(JOB, "traceparent", NULL), DGON_OK);
    CU_ASSERT_EQUAL(with(JOB, "deadline", NULL), DGON_OK);
}

static void test_not_json(void)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "1",
                                        "hello",
                                        "{\"type\":\"hello\"}{}",
                                        "\xff",
                                        "{\"type\":\"a\\u0000\"}",
                                        "{\"type\":[[[[[[[[[[]]]]]]]]]]}"};
    dgon_ctl c;
    dgon_ctl_init(&c);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        CU_ASSERT_EQUAL(parse(&c, texts[i]), DGON_EJSON);
    CU_ASSERT_EQUAL(parse_n(&c, "{\"type\":\"\0\"}", 12), DGON_EJSON);
    CU_ASSERT_EQUAL(dgon_ctl_parse(&c, "{", 1, NULL, 0), DGON_EJSON);
    dgon_ctl_fini(&c);
}

static void test_limits(void)
{
    dgon_buf b;
    dgon_ctl c;
    dgon_ctl_init(&c);
    for (unsigned n = 255; n < 258; n++) {
        dgon_buf_init(&b, 1u << 20);
        CU_ASSERT_EQUAL(dgon_buf_adds(&b, "{\"type\":\"models\",\"models\":["), DGON_OK);
        for (unsigned i = 0; i < n; i++)
            CU_ASSERT_EQUAL(dgon_buf_addf(&b, "%s{\"name\":\"m%u\"}", i ? "," : "", i), DGON_OK);
        CU_ASSERT_EQUAL(dgon_buf_adds(&b, "]}"), DGON_OK);
        CU_ASSERT_EQUAL(parse_n(&c, b.data, b.len),
                        n <= DGON_WIRE_MODELS_MAX ? DGON_OK : DGON_ETOOBIG);
        CU_ASSERT_EQUAL(c.model_count, n <= DGON_WIRE_MODELS_MAX ? n : 0);
        dgon_buf_fini(&b);
    }
    dgon_buf_init(&b, 1u << 20);
    CU_ASSERT_EQUAL(
        dgon_buf_addf(&b, "{\"type\":\"draining\",\"x\":\"%0*d\"}", (int)DGON_WIRE_CONTROL_MAX, 0),
        DGON_OK);
    CU_ASSERT_EQUAL(parse_n(&c, b.data, b.len), DGON_ETOOBIG);
    dgon_buf_reset(&b);
    CU_ASSERT_EQUAL(
        dgon_buf_adds(&b, "{\"type\":\"hello\",\"protocol\":[1,1],\"agent\":\"a\",\"instance\":"
                          "\"0123456789abcdef\",\"slots\":1,\"models\":[],\"labels\":{"),
        DGON_OK);
    for (unsigned i = 0; i < 33; i++)
        CU_ASSERT_EQUAL(dgon_buf_addf(&b, "%s\"l%u\":\"\"", i ? "," : "", i), DGON_OK);
    CU_ASSERT_EQUAL(dgon_buf_adds(&b, "}}"), DGON_OK);
    CU_ASSERT_EQUAL(parse_n(&c, b.data, b.len), DGON_ETOOBIG);
    dgon_buf_fini(&b);
    dgon_ctl_fini(&c);
}

/* What was read is written and read again: the text must not change any more. */
static dgon_status round_trip(const char *text)
{
    dgon_ctl a, b;
    dgon_buf one, two;
    dgon_ctl_init(&a);
    dgon_ctl_init(&b);
    dgon_buf_init(&one, DGON_WIRE_CONTROL_MAX);
    dgon_buf_init(&two, DGON_WIRE_CONTROL_MAX);
    dgon_status s = dgon_ctl_parse(&a, text, strlen(text), NULL, 0);
    if (s == DGON_OK)
        s = dgon_ctl_write(&one, &a);
    CU_ASSERT(s == DGON_OK || one.len == 0);
    if (s == DGON_OK)
        s = dgon_ctl_parse(&b, one.data, one.len, NULL, 0);
    if (s == DGON_OK)
        s = dgon_ctl_write(&two, &b);
    if (s == DGON_OK) {
        CU_ASSERT_EQUAL(a.type, b.type);
        CU_ASSERT_EQUAL(a.model_count, b.model_count);
        CU_ASSERT(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    }
    dgon_buf_fini(&one);
    dgon_buf_fini(&two);
    dgon_ctl_fini(&a);
    dgon_ctl_fini(&b);
    return s;
}

static const char *const good[] = {
    HELLO,
    JOB,
    LOAD,
    WELCOME,
    WELCOME_REGISTRY("\"00ff00ff00ff00fe\""),
    "{\"type\":\"draining\"}",
    "{\"type\":\"capacity\",\"slots\":7}",
    "{\"type\":\"models\",\"models\":[{\"name\":\"a\"}],\"pull\":true}",
    "{\"type\":\"goaway\",\"reason\":\"restart\",\"drain\":30}",
    "{\"type\":\"goaway\",\"drain\":30,\"waiting\":5}"};

static void test_round_trip(void)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CU_ASSERT_EQUAL(round_trip(good[i]), DGON_OK);
}

static void test_write(void)
{
    dgon_ctl c;
    dgon_buf b;
    dgon_ctl_init(&c);
    dgon_buf_init(&b, 1000);
    CU_ASSERT_EQUAL(dgon_ctl_write(&b, &c), DGON_EINVAL);
    c.type = (dgon_ctl_type)99;
    CU_ASSERT_EQUAL(dgon_ctl_write(&b, &c), DGON_EINVAL);
    c.type = DGON_CTL_GOAWAY;
    c.drain_s = 5;
    CU_ASSERT_EQUAL(dgon_ctl_write(&b, &c), DGON_OK);
    CU_ASSERT_EQUAL(b.len, strlen("{\"type\":\"goaway\",\"drain\":5}"));
    CU_ASSERT_NSTRING_EQUAL(b.data, "{\"type\":\"goaway\",\"drain\":5}", b.len);
    dgon_buf_fini(&b);
    dgon_buf_init(&b, 20);
    CU_ASSERT_EQUAL(dgon_ctl_write(&b, &c), DGON_ETOOBIG);
    CU_ASSERT_EQUAL(b.len, 0);
    dgon_buf_fini(&b);
}

static void test_largest_models_fit_a_message(void)
{
    dgon_ctl c;
    dgon_buf b;
    dgon_ctl_init(&c);
    c.type = DGON_CTL_MODELS;
    c.models = dgon_calloc(DGON_WIRE_MODELS_MAX, sizeof *c.models);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c.models);
    c.model_count = DGON_WIRE_MODELS_MAX;
    for (unsigned i = 0; i < c.model_count; i++) {
        (void)snprintf(c.models[i].name, sizeof c.models[i].name, "%0128u", i);
        (void)snprintf(c.models[i].backend, sizeof c.models[i].backend, "%016u", i);
        c.models[i].context = UINT32_MAX;
        c.models[i].caps = UINT32_MAX;
    }
    dgon_buf_init(&b, DGON_WIRE_CONTROL_MAX);
    CU_ASSERT_EQUAL(dgon_ctl_write(&b, &c), DGON_OK);
    dgon_ctl_fini(&c);
    CU_ASSERT_EQUAL(parse_n(&c, b.data, b.len), DGON_OK);
    CU_ASSERT_EQUAL(c.model_count, DGON_WIRE_MODELS_MAX);
    dgon_buf_fini(&b);
    dgon_ctl_fini(&c);
}

static bool round_trip_ok(void *user)
{
    dgon_status s = round_trip(user);
    CU_ASSERT(s == DGON_OK || s == DGON_ENOMEM);
    return s == DGON_OK;
}

static void test_no_memory(void)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char text[1000];
        (void)snprintf(text, sizeof text, "%s", good[i]);
        unit_each_alloc(round_trip_ok, text);
    }
}

UNIT_MAIN("control", {"job both ways", test_job_both_ways}, {"hello", test_hello},
          {"other messages", test_others}, {"load", test_load}, {"keys", test_keys},
          {"unknown is ignored", test_unknown_is_ignored}, {"cut anywhere", test_cut_anywhere},
          {"hello that lies", test_hello_that_lies},
          {"bad job and welcome", test_bad_job_and_welcome}, {"not JSON", test_not_json},
          {"limits", test_limits}, {"round trip", test_round_trip}, {"write", test_write},
          {"largest models fit a message", test_largest_models_fit_a_message},
          {"no memory", test_no_memory})

#include "dgon/json.h"

#include "unit.h"

#include <jansson.h>

/* Members as "key=value;" in `out`; the result is the scan's last status. The text is scanned in a
 * block of its own size. */
static dgon_status scan(const char *text, size_t n, char *out, size_t size)
{
    char *p = malloc(n > 0 ? n : 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    if (n > 0)
        memcpy(p, text, n);
    dgon_json_scan s;
    dgon_json_member m;
    dgon_status st;
    size_t len = 0;
    out[0] = '\0';
    dgon_json_scan_init(&s, p, n);
    while ((st = dgon_json_scan_next(&s, &m)) == DGON_OK) {
        int w = snprintf(out + len, size - len, "%.*s=%.*s;", (int)m.key_len, p + m.key,
                         (int)m.value_len, p + m.value);
        CU_ASSERT_FATAL(w > 0 && (size_t)w < size - len);
        len += (size_t)w;
    }
    CU_ASSERT_EQUAL(dgon_json_scan_next(&s, &m), st); /* stays so */
    free(p);
    return st;
}

static void check_scan(const char *text, const char *expected)
{
    char out[1000];
    size_t n = strlen(text);
    CU_ASSERT_EQUAL(scan(text, n, out, sizeof out), DGON_DONE);
    CU_ASSERT_STRING_EQUAL(out, expected);
    for (size_t cut = 0; cut < n; cut++)
        CU_ASSERT_EQUAL(scan(text, cut, out, sizeof out), DGON_EJSON);
}

static void test_scan(void)
{
    check_scan("{}", "");
    check_scan(" \t\r\n{ \n}", "");
    check_scan("{\"a\":1}", "a=1;");
    check_scan("{\"a\":1,\"b\":\"x\",\"c\":null,\"d\":true,\"e\":false}",
               "a=1;b=\"x\";c=null;d=true;e=false;");
    check_scan("{ \"a\" : [ 1 , { \"b\" : [ ] } ] , \"c\" : { } }",
               "a=[ 1 , { \"b\" : [ ] } ];c={ };");
    check_scan("{\"a\":\"}],{[\\\"\\\\\",\"b\":-0.5e+10}", "a=\"}],{[\\\"\\\\\";b=-0.5e+10;");
    check_scan("{\"\":\"\",\"\\u0069d\":\"\\ud83d\\ude00\"}", "=\"\";\\u0069d=\"\\ud83d\\ude00\";");
    check_scan("{\"a\":0,\"a\":1}", "a=0;a=1;");
    check_scan("{\"a\":[[],[[]],{\"x\":{\"y\":[{}]}}]}", "a=[[],[[]],{\"x\":{\"y\":[{}]}}];");
    check_scan("{\"id\":100000000000000000000000000000000000001}",
               "id=100000000000000000000000000000000000001;");
}

/* What jansson refuses for its grammar the scanner refuses too, and what it takes is taken. */
static void test_grammar(void)
{
    static const char *const values[] = {"1",
                                         "-1",
                                         "0",
                                         "01",
                                         "-",
                                         "1.",
                                         ".1",
                                         "1.0",
                                         "1e5",
                                         "1e",
                                         "1e+",
                                         "1E-2",
                                         "+1",
                                         "0x1",
                                         "nul",
                                         "null",
                                         "nulll",
                                         "tru",
                                         "true",
                                         "false",
                                         "fals",
                                         "NaN",
                                         "[]",
                                         "[1,]",
                                         "[,1]",
                                         "[1 2]",
                                         "[1",
                                         "]",
                                         "[}",
                                         "{]",
                                         "{}",
                                         "{,}",
                                         "{1:2}",
                                         "{\"a\"}",
                                         "{\"a\":}",
                                         "{\"a\":1,}",
                                         "[{]}",
                                         "\"a",
                                         "\"\\x\"",
                                         "\"\\u12\"",
                                         "\"\\u00e4\"",
                                         "\"\t\"",
                                         "\"\\t\"",
                                         "'a'",
                                         "",
                                         "{\"a\":1}",
                                         "[[1],[2,{\"b\":[]}]]",
                                         "{\"a\" 1}",
                                         "[1]]",
                                         "1 2",
                                         "\"a\"\"b\"",
                                         "--1",
                                         "-01",
                                         "1.5.5",
                                         "[true,false,null]",
                                         "/* */1",
                                         "{\"a\":1 \"b\":2}",
                                         "\"\\uzzzz\"",
                                         "-0",
                                         "1e-0"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[200], out[400];
        json_error_t err;
        int n = snprintf(text, sizeof text, "{\"k\":%s}", values[i]);
        json_t *o = json_loads(text, 0, &err);
        CU_ASSERT_EQUAL(scan(text, (size_t)n, out, sizeof out), o != NULL ? DGON_DONE : DGON_EJSON);
        json_decref(o);
    }
}

static void test_scan_refuses(void)
{
    static const char *const texts[] = {"",      "  ",         "[]",         "1",
                                        "\"a\"", "x",          "{\"a\"",     "{\"a\":1",
                                        "{a:1}", "{\"a\":1,}", "{,}",        "{\"a\" \"b\"}",
                                        "}",     "{\"a\":1;",  "{\"a\":1 2}"};
    char out[100];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        CU_ASSERT_EQUAL(scan(texts[i], strlen(texts[i]), out, sizeof out), DGON_EJSON);
    CU_ASSERT_EQUAL(scan("{\"a\":\"\0\"}", 9, out, sizeof out), DGON_EJSON);
}

static size_t nest(char *p, unsigned depth, char open, char close)
{
    for (unsigned i = 0; i < depth;
         i++) { /* not memset: gcc 12 with ASan sees a bound there that is none */
        p[i] = open;
        p[depth + i] = close;
    }
    return 2 * (size_t)depth;
}

static void test_scan_depth(void)
{
    char text[300], out[400];
    for (unsigned depth = 60; depth < 70; depth++) {
        memcpy(text, "{\"a\":", 5);
        size_t n = 5 + nest(text + 5, depth - 1, '[', ']');
        text[n++] = '}';
        CU_ASSERT_EQUAL(scan(text, n, out, sizeof out),
                        depth <= DGON_JSON_DEPTH_MAX ? DGON_DONE : DGON_EJSON);
    }
}

static void check_pre(const char *p, size_t n, dgon_status expected, size_t where)
{
    size_t offset = 12345;
    char *copy = malloc(n > 0 ? n : 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    if (n > 0)
        memcpy(copy, p, n);
    CU_ASSERT_EQUAL(dgon_json_precheck(copy, n, DGON_JSON_DEPTH_MAX, &offset), expected);
    CU_ASSERT_EQUAL(offset, where);
    free(copy);
}

static void test_precheck(void)
{
    check_pre("", 0, DGON_OK, 0);
    check_pre("{\"a\":\"\xc3\xa4\"}", 10, DGON_OK, 10);
    check_pre("{\"a\":\"\xc3\"}", 9, DGON_EUTF8, 7);
    check_pre("{\"a\":\"\xc3", 7, DGON_EUTF8, 7);
    check_pre("{\"a\":\"\0\"}", 9, DGON_EJSON, 6);
    check_pre("\0\xff", 2, DGON_EJSON, 0);
    check_pre("\xff\0", 2, DGON_EUTF8, 0);
    check_pre("]]]]}}}}", 8, DGON_OK, 8);
    check_pre("\"[[[[\\\"[[[[\\\\\"[", 15, DGON_OK, 15);
}

static void test_precheck_depth(void)
{
    size_t n = 200000;
    char *p = malloc(n);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    check_pre(p, nest(p, DGON_JSON_DEPTH_MAX, '[', ']'), DGON_OK, 2 * DGON_JSON_DEPTH_MAX);
    check_pre(p, nest(p, DGON_JSON_DEPTH_MAX + 1, '[', ']'), DGON_EDEPTH, DGON_JSON_DEPTH_MAX);
    check_pre(p, nest(p, 2049, '{', '}'), DGON_EDEPTH, DGON_JSON_DEPTH_MAX);
    check_pre(p, nest(p, 100000, '[', ']'), DGON_EDEPTH, DGON_JSON_DEPTH_MAX);
    /* brackets in a string count for nothing, wherever a block of the check ends */
    for (size_t quote = 4080; quote < 4110; quote++) {
        memset(p, ' ', n);
        p[quote] = '"';
        memset(p + quote + 1, '[', 100);
        memcpy(p + quote + 101, "\\\"[[\\\\\"[]", 9);
        check_pre(p, quote + 110, DGON_OK, quote + 110);
        p[quote + 30] = '\xff';
        check_pre(p, quote + 110, DGON_EUTF8, quote + 30);
    }
    for (size_t at = 4090; at < 4100; at++) {
        memset(p, ' ', n);
        memcpy(p + at, "\xf0\x9f\x98\x80", 4);
        check_pre(p, 8000, DGON_OK, 8000);
    }
    free(p);
}

static const dgon_json_identity ident = {"\"chatcmpl-1\"", 12, "\"pub\"", 5, "1700000000", 10};

static dgon_status reidentify(dgon_buf *out, const char *text)
{
    size_t n = strlen(text);
    char *p = malloc(n > 0 ? n : 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memcpy(p, text, n);
    dgon_status s = dgon_json_reidentify(out, p, n, &ident);
    free(p);
    return s;
}

static void check_ident(const char *text, const char *expected)
{
    dgon_buf b;
    dgon_buf_init(&b, 10000);
    CU_ASSERT_EQUAL(dgon_buf_adds(&b, "<"), DGON_OK);
    CU_ASSERT_EQUAL(reidentify(&b, text), DGON_OK);
    CU_ASSERT_EQUAL(b.len, strlen(expected) + 1);
    CU_ASSERT_EQUAL(memcmp(b.data + 1, expected, b.len - 1), 0);
    dgon_buf_fini(&b);
}

static void test_reidentify(void)
{
    check_ident("{\"id\":\"x\",\"created\":5,\"model\":\"m\",\"z\":0.1}",
                "{\"id\":\"chatcmpl-1\",\"created\":1700000000,\"model\":\"pub\",\"z\":0.1}");
    check_ident("{\"z\":0.10,\"model\":null,\"id\":[1],\"created\":\"?\"}",
                "{\"z\":0.10,\"model\":\"pub\",\"id\":\"chatcmpl-1\",\"created\":1700000000}");
    check_ident("{}", "{\"id\":\"chatcmpl-1\",\"created\":1700000000,\"model\":\"pub\"}");
    check_ident(" { } ", "{\"id\":\"chatcmpl-1\",\"created\":1700000000,\"model\":\"pub\" }");
    check_ident("{\"a\":{\"id\":1,\"model\":2}}",
                "{\"id\":\"chatcmpl-1\",\"created\":1700000000,\"model\":\"pub\",\"a\":{\"id\":1,"
                "\"model\":2}}");
    check_ident("{\"id\":1,\"id\":2,\"a\":3}", "{\"created\":1700000000,\"model\":\"pub\",\"id\":"
                                               "\"chatcmpl-1\",\"id\":\"chatcmpl-1\",\"a\":3}");
    check_ident("{ \"id\" : \"x\" , \"model\":1 }\n",
                "{\"created\":1700000000, \"id\" : \"chatcmpl-1\" , \"model\":\"pub\" }");
}

static void test_reidentify_refuses(void)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "[DONE]",
                                        "{\"a\":1",
                                        "{\"a\":1}x",
                                        "{\"a\":1}{}",
                                        "{\"a\":tru}",
                                        "{\"\\u0069d\":1}",
                                        "{\"choices\":[{\"delta\":{\"content\":\"hel"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        dgon_buf b;
        dgon_buf_init(&b, 1000);
        CU_ASSERT_EQUAL(dgon_buf_adds(&b, "before"), DGON_OK);
        CU_ASSERT_EQUAL(reidentify(&b, texts[i]), DGON_EJSON);
        CU_ASSERT_EQUAL(b.len, 6);
        dgon_buf_fini(&b);
    }
    dgon_buf b;
    dgon_buf_init(&b, 40);
    CU_ASSERT_EQUAL(reidentify(&b, "{}"), DGON_ETOOBIG);
    CU_ASSERT_EQUAL(b.len, 0);
    dgon_buf_fini(&b);
    /* more doubled keys than are worth a plan */
    dgon_buf_init(&b, 1000);
    CU_ASSERT_EQUAL(
        reidentify(&b, "{\"id\":1,\"id\":1,\"id\":1,\"id\":1,\"id\":1,\"id\":1,\"id\":1,\"id\":1,"
                       "\"id\":1}"),
        DGON_EJSON);
    dgon_buf_fini(&b);
}

static bool reidentify_once(void *user)
{
    (void)user;
    dgon_buf b;
    dgon_buf_init(&b, 1000);
    dgon_status s = reidentify(&b, "{\"a\":1}");
    CU_ASSERT(s == DGON_OK || (s == DGON_ENOMEM && b.len == 0));
    dgon_buf_fini(&b);
    return s == DGON_OK;
}

static void test_no_memory(void)
{
    unit_each_alloc(reidentify_once, NULL);
}

UNIT_MAIN("json", {"scan, cut anywhere", test_scan}, {"grammar as jansson's", test_grammar},
          {"scan refuses", test_scan_refuses}, {"scan depth", test_scan_depth},
          {"precheck", test_precheck}, {"precheck depth", test_precheck_depth},
          {"reidentify", test_reidentify}, {"reidentify refuses", test_reidentify_refuses},
          {"no memory", test_no_memory})

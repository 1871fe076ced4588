#include "dgon/ndjson.h"

#include "unit.h"

typedef struct trace {
    char text[4096];
    size_t len;
    unsigned stop_at, count;
    const char *last;
} trace;

static dgon_status on_line(void *user, const char *line, size_t n)
{
    trace *t = user;
    CU_ASSERT(n > 0);
    CU_ASSERT_FATAL(n < sizeof t->text - t->len);
    memcpy(t->text + t->len, line, n);
    t->text[t->len + n] = ';';
    t->len += n + 1;
    t->last = line;
    return ++t->count == t->stop_at ? DGON_DONE : DGON_OK;
}

static dgon_status run(trace *t, const char *p, size_t n, size_t first, size_t step, size_t max)
{
    dgon_ndjson r;
    dgon_status st = DGON_OK;
    *t = (trace){.len = 0};
    dgon_ndjson_init(&r, max, on_line, t);
    for (size_t at = 0, len; at < n && st == DGON_OK; at += len) {
        len = at == 0 ? first : step;
        if (len > n - at)
            len = n - at;
        char *piece = malloc(len);
        CU_ASSERT_PTR_NOT_NULL_FATAL(piece);
        memcpy(piece, p + at, len);
        st = dgon_ndjson_feed(&r, piece, len);
        free(piece);
    }
    if (st == DGON_OK)
        st = dgon_ndjson_end(&r);
    dgon_ndjson_fini(&r);
    return st;
}

static void check(const char *p, const char *expected)
{
    trace t;
    size_t n = strlen(p);
    for (size_t first = 1; first <= n; first++) {
        CU_ASSERT_EQUAL(run(&t, p, n, first, n, 100), DGON_OK);
        CU_ASSERT_EQUAL(t.len, strlen(expected));
        CU_ASSERT_NSTRING_EQUAL(t.text, expected, t.len);
    }
    CU_ASSERT_EQUAL(run(&t, p, n, 1, 1, 100), DGON_OK);
    CU_ASSERT_EQUAL(t.len, strlen(expected));
    CU_ASSERT_NSTRING_EQUAL(t.text, expected, t.len);
}

static void test_lines(void)
{
    check("{\"a\":1}\n{\"b\":2}\n", "{\"a\":1};{\"b\":2};");
    check("{\"a\":1}\r\n{\"b\":2}\r\n", "{\"a\":1};{\"b\":2};");
    check("a\n\n\r\n\nb\n", "a;b;");
    check("a\nb", "a;b;");
    check("a\nb\r", "a;b;");
    check("\n", "");
    check("\r", "");
    check("a\rb\n", "a\rb;");
    check("a\r\r\n", "a\r;");
    check("\xc3\xa4\n\xf0\x9f\x98\x80\n", "\xc3\xa4;\xf0\x9f\x98\x80;");
}

static void test_nul_is_kept(void)
{
    trace t;
    CU_ASSERT_EQUAL(run(&t, "a\0b\nc\n", 6, 1, 1, 100), DGON_OK);
    CU_ASSERT_EQUAL(t.len, 6);
    CU_ASSERT_EQUAL(memcmp(t.text, "a\0b;c;", 6), 0);
}

static void test_cap(void)
{
    trace t;
    for (size_t first = 1; first <= 12; first++) {
        CU_ASSERT_EQUAL(run(&t, "0123456789\r\n", 12, first, 12, 10), DGON_OK);
        CU_ASSERT_EQUAL(t.count, 1);
        CU_ASSERT_EQUAL(run(&t, "0123456789\r\n", 12, first, 12, 9), DGON_ETOOBIG);
        CU_ASSERT_EQUAL(t.count, 0);
    }
    CU_ASSERT_EQUAL(run(&t, "a\n0123456789", 12, 1, 1, 9), DGON_ETOOBIG);
    CU_ASSERT_EQUAL(t.count, 1);
    CU_ASSERT_EQUAL(run(&t, "0123456789012345678901234567890", 31, 31, 1, 9), DGON_ETOOBIG);
}

static void test_callback_stops(void)
{
    dgon_ndjson r;
    trace t = {.stop_at = 2};
    dgon_ndjson_init(&r, 100, on_line, &t);
    CU_ASSERT_EQUAL(dgon_ndjson_feed(&r, "a\nb\nc\n", 6), DGON_DONE);
    CU_ASSERT_EQUAL(t.count, 2);
    dgon_ndjson_fini(&r);
}

static void test_whole_line_is_not_copied(void)
{
    static const char in[] = "{\"a\":1}\n";
    dgon_ndjson r;
    trace t = {.len = 0};
    unit_fail_at(1);
    dgon_ndjson_init(&r, 100, on_line, &t);
    CU_ASSERT_EQUAL(dgon_ndjson_feed(&r, in, 8), DGON_OK);
    CU_ASSERT_PTR_EQUAL(t.last, in);
    CU_ASSERT_EQUAL(dgon_ndjson_feed(&r, "", 0), DGON_OK);
    unit_fail_at(0);
    dgon_ndjson_fini(&r);
}

static bool read_split(void *user)
{
    static const char in[] = "{\"a\":1}\r\n{\"b\":2}\n\n{\"c\":3}";
    trace t;
    return run(&t, in, sizeof in - 1, *(const size_t *)user, 5, 100) == DGON_OK && t.count == 3;
}

static void test_no_memory(void)
{
    for (size_t first = 1; first < 20; first++)
        unit_each_alloc(read_split, &first);
}

UNIT_MAIN("ndjson", {"lines", test_lines}, {"NUL is kept", test_nul_is_kept}, {"cap", test_cap},
          {"callback stops", test_callback_stops},
          {"whole line is not copied", test_whole_line_is_not_copied},
          {"no memory", test_no_memory})

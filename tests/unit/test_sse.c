#include "dgon/sse.h"

#include "dgon/utf8.h"
#include "unit.h"

/* Everything the reader said, as text: "event|data;" or, for an error field, "event!data;". */
typedef struct trace {
    char text[4096];
    size_t len;
    unsigned stop_at, count;
} trace;

static void put(trace *t, const char *p, size_t n)
{
    CU_ASSERT_FATAL(n <= sizeof t->text - t->len);
    if (n > 0)
        memcpy(t->text + t->len, p, n);
    t->len += n;
}

static dgon_status on_event(void *user, const dgon_sse_event *ev)
{
    trace *t = user;
    put(t, ev->event, ev->event_len);
    put(t, ev->error_field ? "!" : "|", 1);
    put(t, ev->data, ev->data_len);
    put(t, ";", 1);
    return ++t->count == t->stop_at ? DGON_EBACKEND : DGON_OK;
}

/* Feeds p in pieces of `step` bytes after a first one of `first`; each piece in a block of its own
 * size. */
static dgon_status run(trace *t, const char *p, size_t n, size_t first, size_t step, size_t max)
{
    dgon_sse s;
    dgon_status st = DGON_OK;
    *t = (trace){.len = 0};
    dgon_sse_init(&s, max, on_event, t);
    for (size_t at = 0, len; at < n && st == DGON_OK; at += len) {
        len = at == 0 ? first : step;
        if (len > n - at)
            len = n - at;
        char *piece = malloc(len > 0 ? len : 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(piece);
        memcpy(piece, p + at, len);
        st = dgon_sse_feed(&s, piece, len);
        free(piece);
    }
    if (st == DGON_OK)
        st = dgon_sse_end(&s);
    dgon_sse_fini(&s);
    return st;
}

/* Whole, byte by byte and at every split point, with the same events each time. */
static void check_n(const char *p, size_t n, const char *expected)
{
    trace t;
    for (size_t first = 1; first <= n; first++) {
        CU_ASSERT_EQUAL(run(&t, p, n, first, n, 1000), DGON_OK);
        CU_ASSERT_EQUAL(t.len, strlen(expected));
        CU_ASSERT_NSTRING_EQUAL(t.text, expected, t.len);
    }
    CU_ASSERT_EQUAL(run(&t, p, n, 1, 1, 1000), DGON_OK);
    CU_ASSERT_EQUAL(t.len, strlen(expected));
    CU_ASSERT_NSTRING_EQUAL(t.text, expected, t.len);
}

static void check(const char *p, const char *expected)
{
    check_n(p, strlen(p), expected);
}

static void test_line_ends(void)
{
    check("data: a\n\ndata: b\n\n", "|a;|b;");
    check("data: a\r\n\r\ndata: b\r\n\r\n", "|a;|b;");
    check("data: a\r\rdata: b\r\r", "|a;|b;");
    check("data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", "|a;|b;|c;");
    check("\n\n\ndata: a\n\n\n\n", "|a;");
    check("\r\r\n\r\n\r", "");
}

static void test_fields(void)
{
    check("data:a\n\n", "|a;");
    check("data:  a \n\n", "| a ;");
    check("data\n\n", "|;");
    check("data:\n\n", "|;");
    check("data\ndata\n\n", "|\n;");
    check("data: a\ndata:\ndata: c\n\n", "|a\n\nc;");
    check(": ping\n\n:\n\n: x\ndata: a\n: y\n\n", "|a;");
    check("id: 1\nretry: 5\nfoo: bar\ndatax: 1\ndat: 2\n data: 3\nDATA: 4\ndata: a\n\n", "|a;");
    check("event: error\ndata: a\n\ndata: b\n\n", "error|a;|b;");
    check("event: x\n\ndata: b\n\n", "|b;");
    check("event: x\nevent: y\ndata: b\n\n", "y|b;");
    check("error: {}\n\ndata: b\n\n", "!{};|b;");
    check("data: a:b: c\n\n", "|a:b: c;");
}

static void test_end_without_blank_line(void)
{
    check("data: a\n\ndata: [DONE]", "|a;|[DONE];");
    check("data: a\n\ndata: [DONE]\n", "|a;|[DONE];");
    check("data: a\n\ndata: [DONE]\r", "|a;|[DONE];");
    check("", "");
    check("event: x", "");
    check(": comm", "");
}

static void test_bom(void)
{
    check("\xef\xbb\xbf"
          "data: a\n\n",
          "|a;");
    check("\xef\xbb\xbf\ndata: a\n\n\xef\xbb\xbf"
          "data: b\n\n",
          "|a;");
    check("\xef\xbb"
          "data: a\n\ndata: b\n\n",
          "|b;");
}

static void test_binary(void)
{
    trace t;
    static const char in[] = "data: a\0b\n\ndata: \xff\xe2\x82\n\n";
    CU_ASSERT_EQUAL(run(&t, in, sizeof in - 1, 3, 1, 100), DGON_OK);
    CU_ASSERT_EQUAL(t.len, 10);
    CU_ASSERT_EQUAL(memcmp(t.text, "|a\0b;|\xff\xe2\x82;", 10), 0);
    check("data: \xe2\x80\xa8 \xc3\xa4 \xf0\x9f\x98\x80\n\n",
          "|\xe2\x80\xa8 \xc3\xa4 \xf0\x9f\x98\x80;");
}

static void test_long_event_name_is_cut(void)
{
    char in[300], expected[200];
    (void)snprintf(in, sizeof in, "event: %0100d\ndata: a\n\n", 0);
    (void)snprintf(expected, sizeof expected, "%064d|a;", 0);
    check(in, expected);
}

static void test_caps(void)
{
    trace t;
    static const char ok[] = "data: 4567890123\n\n"; /* a line of 16 */
    static const char joined[] = "data: 12345678\ndata: 1234567\n\n";
    for (size_t first = 1; first < sizeof ok; first++) {
        CU_ASSERT_EQUAL(run(&t, ok, sizeof ok - 1, first, 1, 16), DGON_OK);
        CU_ASSERT_EQUAL(t.count, 1);
        CU_ASSERT_EQUAL(run(&t, ok, sizeof ok - 1, first, 100, 15), DGON_ETOOBIG);
        CU_ASSERT_EQUAL(t.count, 0);
    }
    for (size_t first = 1; first < sizeof joined; first++) {
        CU_ASSERT_EQUAL(run(&t, joined, sizeof joined - 1, first, 100, 16), DGON_OK);
        CU_ASSERT_EQUAL(t.count, 1);
        CU_ASSERT_EQUAL(run(&t, joined, sizeof joined - 1, first, 100, 15), DGON_ETOOBIG);
    }
    CU_ASSERT_EQUAL(run(&t, ": a comment that never ends", 27, 5, 5, 16), DGON_ETOOBIG);
    CU_ASSERT_EQUAL(run(&t, "data\ndata\ndata\ndata\ndata\ndata\n\n", 31, 31, 1, 4), DGON_ETOOBIG);
}

static void test_callback_stops(void)
{
    static const char in[] = "data: a\n\ndata: b\n\ndata: c\n\n";
    dgon_sse s;
    trace t = {.stop_at = 2};
    dgon_sse_init(&s, 100, on_event, &t);
    CU_ASSERT_EQUAL(dgon_sse_feed(&s, in, sizeof in - 1), DGON_EBACKEND);
    CU_ASSERT_EQUAL(t.count, 2);
    dgon_sse_fini(&s);
}

static dgon_status on_borrowed(void *user, const dgon_sse_event *ev)
{
    *(const char **)user = ev->data;
    return DGON_OK;
}

static void test_whole_event_is_not_copied(void)
{
    static const char in[] = "data: {\"a\":1}\n\n";
    const char *seen = NULL;
    dgon_sse s;
    unit_fail_at(1);
    dgon_sse_init(&s, 100, on_borrowed, &seen);
    CU_ASSERT_EQUAL(dgon_sse_feed(&s, in, sizeof in - 1), DGON_OK);
    CU_ASSERT_PTR_EQUAL(seen, in + 6);
    unit_fail_at(0);
    dgon_sse_fini(&s);
}

/* A piece of nothing but line ends once cost a search of the whole rest for each of them. */
static void test_many_line_ends_are_cheap(void)
{
    size_t n = 4u * 1024 * 1024;
    char *p = malloc(n);
    trace t = {.len = 0};
    dgon_sse s;
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(p, '\r', n);
    dgon_sse_init(&s, 100, on_event, &t);
    CU_ASSERT_EQUAL(dgon_sse_feed(&s, p, n), DGON_OK);
    memset(p, '\n', n);
    CU_ASSERT_EQUAL(dgon_sse_feed(&s, p, n), DGON_OK);
    CU_ASSERT_EQUAL(t.count, 0);
    dgon_sse_fini(&s);
    free(p);
}

static bool read_split(void *user)
{
    static const char in[] = "event: a\ndata: one\ndata: two\n\nerror: three\n\ndata: four";
    trace t;
    size_t first = *(const size_t *)user;
    return run(&t, in, sizeof in - 1, first, 7, 100) == DGON_OK && t.count == 3;
}

static void test_no_memory(void)
{
    for (size_t first = 1; first < 50; first++)
        unit_each_alloc(read_split, &first);
}

static void test_writer(void)
{
    dgon_buf b;
    trace t;
    dgon_buf_init(&b, 40);
    CU_ASSERT_EQUAL(dgon_sse_write_data(&b, "{\"a\":1}", 7), DGON_OK);
    CU_ASSERT_EQUAL(dgon_sse_write_comment(&b, "ping"), DGON_OK);
    CU_ASSERT_EQUAL(dgon_sse_write_data(&b, "[DONE]", 6), DGON_OK);
    CU_ASSERT_EQUAL(dgon_sse_write_data(&b, "too much", 8), DGON_ETOOBIG);
    CU_ASSERT_EQUAL(dgon_sse_write_data(&b, "too much", SIZE_MAX), DGON_ETOOBIG);
    static const char expected[] = "data: {\"a\":1}\n\n: ping\n\ndata: [DONE]\n\n";
    CU_ASSERT_EQUAL(b.len, sizeof expected - 1);
    CU_ASSERT_EQUAL(memcmp(b.data, expected, b.len), 0);
    CU_ASSERT_EQUAL(run(&t, b.data, b.len, 1, 1, 100), DGON_OK);
    CU_ASSERT_NSTRING_EQUAL(t.text, "|{\"a\":1};|[DONE];", t.len);
    dgon_buf_fini(&b);
}

/* Whatever a text holds, as a JSON string in a data line it is one event and one line. */
static void test_no_text_can_inject(void)
{
    static const char *const texts[] = {"\r",   "\n",  "\r\n", "\n\ndata: x\n\n", "\xe2\x80\xa8",
                                        "\x7f", "\"}", "\\",   "\xff\n",          "\xc2\x85"};
    for (size_t i = 0; i <= sizeof texts / sizeof texts[0]; i++) {
        bool nul = i == sizeof texts / sizeof texts[0];
        dgon_buf json, out;
        dgon_utf8 u = {0};
        trace t;
        dgon_buf_init(&json, 200);
        dgon_buf_init(&out, 200);
        CU_ASSERT_EQUAL(
            dgon_buf_add_json_string(&json, nul ? "\0\n" : texts[i], nul ? 2 : strlen(texts[i])),
            DGON_OK);
        CU_ASSERT_EQUAL(dgon_utf8_feed(&u, json.data, json.len, true), DGON_OK);
        CU_ASSERT_EQUAL(dgon_sse_write_data(&out, json.data, json.len), DGON_OK);
        CU_ASSERT_EQUAL(run(&t, out.data, out.len, out.len, 1, 200), DGON_OK);
        CU_ASSERT_EQUAL(t.count, 1);
        CU_ASSERT_EQUAL(t.len, json.len + 2);
        dgon_buf_fini(&json);
        dgon_buf_fini(&out);
    }
}

UNIT_MAIN("sse", {"line ends", test_line_ends}, {"fields", test_fields},
          {"end without blank line", test_end_without_blank_line}, {"BOM", test_bom},
          {"binary", test_binary}, {"long event name is cut", test_long_event_name_is_cut},
          {"caps", test_caps}, {"callback stops", test_callback_stops},
          {"whole event is not copied", test_whole_event_is_not_copied},
          {"many line ends are cheap", test_many_line_ends_are_cheap},
          {"no memory", test_no_memory}, {"writer", test_writer},
          {"no text can inject", test_no_text_can_inject})

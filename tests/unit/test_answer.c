#include "dgon/answer.h"

#include "unit.h"

#include <stdio.h>

/* All that was told, as text: "B200 H[a=b] . data | E", data joined. */
typedef struct trace {
    char text[2048];
    size_t len;
    bool in_body;
} trace;

static void put(trace *t, const char *p, size_t n)
{
    CU_ASSERT_FATAL(n < sizeof t->text - t->len);
    memcpy(t->text + t->len, p, n);
    t->len += n;
    t->text[t->len] = '\0';
}

static void puts_to(trace *t, const char *s)
{
    put(t, s, strlen(s));
}

static bool note(trace *t, const dgon_answer *a, dgon_answer_event e)
{
    char begin[16];
    switch (e) {
    case DGON_ANSWER_BEGIN:
        (void)snprintf(begin, sizeof begin, "B%d ", a->status);
        puts_to(t, begin);
        return true;
    case DGON_ANSWER_HEADER:
        put(t, a->name, a->name_len);
        puts_to(t, "=");
        put(t, a->value, a->value_len);
        puts_to(t, " ");
        return true;
    case DGON_ANSWER_HEAD:
        puts_to(t, ". ");
        return true;
    case DGON_ANSWER_BODY:
        CU_ASSERT(a->data_len > 0);
        put(t, a->data, a->data_len);
        return true;
    case DGON_ANSWER_END:
        puts_to(t, a->keep ? " END keep" : " END");
        return false;
    case DGON_ANSWER_BAD:
        CU_ASSERT_PTR_NOT_NULL(a->why);
        puts_to(t, " BAD");
        return false;
    case DGON_ANSWER_MORE:
        break;
    }
    return false;
}

/* In pieces of `piece` bytes, each in memory of its own length. Whether it had an end by itself. */
static bool read_all(trace *t, const char *text, size_t n, size_t piece, bool bodied, size_t *rest)
{
    dgon_answer a;
    bool over = false;
    size_t at = 0;
    memset(t, 0, sizeof *t);
    dgon_answer_init(&a, bodied);
    while (at < n && !over) {
        size_t len = piece < n - at ? piece : n - at, from = 0;
        char *copy = malloc(len);
        CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
        memcpy(copy, text + at, len);
        for (bool told = true; told;) {
            size_t used = 0;
            dgon_answer_event e = dgon_answer_next(&a, copy + from, len - from, &used);
            CU_ASSERT_FATAL(used <= len - from);
            from += used;
            told = note(t, &a, e);
            over = e == DGON_ANSWER_END || e == DGON_ANSWER_BAD;
            CU_ASSERT(e != DGON_ANSWER_MORE || from == len);
        }
        free(copy);
        at += from;
    }
    if (!over)
        puts_to(t, dgon_answer_eof(&a) ? " EOF" : " CUT");
    *rest = n - at;
    dgon_answer_fini(&a);
    return over;
}

static void check_as(const char *text, size_t n, bool bodied, const char *expected, size_t rest)
{
    trace t;
    size_t left;
    for (size_t piece = 1; piece <= n; piece++) {
        (void)read_all(&t, text, n, piece, bodied, &left);
        CU_ASSERT_STRING_EQUAL(t.text, expected);
        if (strcmp(t.text, expected) != 0)
            printf("\n%s\nbut %s (in pieces of %zu)\n", expected, t.text, piece);
        CU_ASSERT(piece == 1 ? left <= rest : true);
    }
    CU_ASSERT_EQUAL(left, rest); /* all at once */
}

static void check(const char *text, const char *expected)
{
    check_as(text, strlen(text), true, expected, 0);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void test_lengths(void)
{
    check(OK "Content-Length: 5\r\n\r\nhello", "B200 Content-Length=5 . hello END keep");
    check(OK "content-length:0\r\n\r\n", "B200 content-length=0 .  END keep");
    check(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
          "B200 Content-Length=5 Content-Length=5 . hello END keep");
    check(OK "Content-Length: 5\r\n\r\nhell", "B200 Content-Length=5 . hell CUT");
    check(OK "\r\nas long as it lasts", "B200 . as long as it lasts EOF");
    check("HTTP/1.1 200\nA: b\n\nx", "B200 A=b . x EOF");
    check_as(OK "Content-Length: 1\r\n\r\nxHTTP", 43, true, "B200 Content-Length=1 . x END keep",
             4);
}

static void test_chunks(void)
{
    check(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00B;x=y\r\n, my world\n\r\n0\r\n\r\n",
          "B200 Transfer-Encoding=chunked . hello, my world\n END keep");
    check(OK "Transfer-Encoding: Chunked\r\n\r\n1 \r\nx\r\n0\r\nTrailer: y\r\nAnd: z\r\n\r\n",
          "B200 Transfer-Encoding=Chunked . x END keep");
    check(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
          "B200 Transfer-Encoding=chunked . hello CUT");
    check(OK "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
          "B200 Transfer-Encoding=chunked . x BAD");
    check(OK "Transfer-Encoding: chunked\r\n\r\n\r\n", "B200 Transfer-Encoding=chunked .  BAD");
    check(OK "Transfer-Encoding: chunked\r\n\r\n-1\r\n", "B200 Transfer-Encoding=chunked .  BAD");
    check(OK "Transfer-Encoding: chunked\r\n\r\n1000000000000000\r\n",
          "B200 Transfer-Encoding=chunked .  BAD");
    /* who says both is not trusted with another request */
    check(OK "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
          "B200 Content-Length=9 Transfer-Encoding=chunked . x END");
}

static void test_without_a_body(void)
{
    check("HTTP/1.1 204 No Content\r\n\r\n", "B204 .  END keep");
    check("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
          "B304 Content-Length=7 .  END keep");
    static const char head[] = OK "Content-Length: 7\r\n\r\n";
    check_as(head, sizeof head - 1, false, "B200 Content-Length=7 .  END keep", 0);
}

static void test_interim(void)
{
    check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
          "HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\ny",
          "B100 B103 Link=x B201 Content-Length=1 . y END keep");
    check("HTTP/1.1 101 Switching Protocols\r\n\r\n", "B101  BAD");
}

static void test_connection(void)
{
    check(OK "Connection: close\r\nContent-Length: 0\r\n\r\n",
          "B200 Connection=close Content-Length=0 .  END");
    check(OK "Connection: x, CLOSE \r\nContent-Length: 0\r\n\r\n",
          "B200 Connection=x, CLOSE Content-Length=0 .  END");
    check("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "B200 Content-Length=0 .  END");
    check("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n",
          "B200 Connection=Keep-Alive Content-Length=0 .  END keep");
}

static void test_no_answers(void)
{
    static const char *const no[] = {"HTTP/2 200\r\n",          "HTTP/1.1 099 x\r\n",
                                     "HTTP/1.1  200\r\n",       "HTTP/1.1 20\r\n",
                                     "ICY 200 OK\r\n",          "\r\n",
                                     "HTTP/1.1 2000 OK\r\n",    "<html>\n",
                                     "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.x 200 OK\r\n"};
    static const char *const heads[] = {"no colon\r\n",
                                        ": no name\r\n",
                                        " folded: x\r\n",
                                        "space : x\r\n",
                                        "a: b\rc\r\n",
                                        "Transfer-Encoding: gzip, chunked\r\n",
                                        "Content-Length: 5, 5\r\n",
                                        "Content-Length: -5\r\n",
                                        "Content-Length: \r\n",
                                        "Content-Length: 1234567890123456789\r\n"};
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        check(no[i], " BAD");
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, OK "%s", heads[i]);
        check(text, "B200  BAD");
    }
    check_as(OK "a: \0\r\n", 23, true, "B200  BAD", 0);
    check(OK "Content-Length: 1\r\nContent-Length: 2\r\n", "B200 Content-Length=1  BAD");
}

/* Heads, interim ones too, and trailers share one limit; the line of a chunk's size has its own. */
static void test_limits(void)
{
    static char text[2 * DGON_ANSWER_HEAD_MAX];
    static const struct {
        const char *begin, *again;
    } endless[] = {{"", "HTTP/1.1 100 x\r\n\r\n"},
                   {OK "Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n"},
                   {OK "Transfer-Encoding: chunked\r\n\r\n1;", "xxxxxxxxxxxxxxxx"},
                   {OK "A: ", "xxxxxxxxxxxxxxxx"}};
    for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
        dgon_answer a;
        size_t n = (size_t)snprintf(text, sizeof text, "%s", endless[i].begin), at = 0;
        size_t k = strlen(endless[i].again);
        for (; n + k < sizeof text; n += k)
            memcpy(text + n, endless[i].again, k);
        dgon_answer_init(&a, true);
        dgon_answer_event e = DGON_ANSWER_BEGIN;
        while (at < n && e != DGON_ANSWER_BAD) {
            size_t used = 0, piece = n - at < 100 ? n - at : 100;
            e = dgon_answer_next(&a, text + at, piece, &used);
            at += used;
        }
        CU_ASSERT_EQUAL(e, DGON_ANSWER_BAD);
        CU_ASSERT(at <= DGON_ANSWER_HEAD_MAX + 200);
        dgon_answer_fini(&a);
    }
}

UNIT_MAIN("answer", {"lengths", test_lengths}, {"chunks", test_chunks},
          {"without a body", test_without_a_body}, {"interim", test_interim},
          {"connection", test_connection}, {"no answers", test_no_answers}, {"limits", test_limits})

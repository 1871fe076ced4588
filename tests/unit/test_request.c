#include "dgon/request.h"

#include "unit.h"

static size_t whole(const char *text, size_t n, size_t *line)
{
    char *copy = malloc(n > 0 ? n : 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    memcpy(copy, text, n);
    size_t len = dgon_request_whole(copy, n, line);
    free(copy);
    return len;
}

static size_t length(const char *text)
{
    size_t line;
    return whole(text, strlen(text), &line);
}

static void test_whole_to_the_last_byte(void)
{
    static const char text[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n"
                               "Content-Length: 4\r\nAccept: */*\r\n\r\n{\"\"}";
    size_t line;
    for (size_t n = 0; n < sizeof text - 1; n++)
        CU_ASSERT_EQUAL(whole(text, n, &line), 0);
    CU_ASSERT_EQUAL(whole(text, sizeof text - 1, &line), sizeof text - 1);
    CU_ASSERT_EQUAL(line, strlen("POST /v1/chat/completions HTTP/1.1"));
    CU_ASSERT_EQUAL(length("POST / HTTP/1.1\r\ncontent-length:\t0 \r\n\r\n"), 39);
    /* what follows is another one's */
    CU_ASSERT_EQUAL(length("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nxPOST / HTTP/1.1\r\n"), 39);
}

static void test_unusual_is_not(void)
{
    static const char *const not [] = {
        "GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0\r\nupgrade: h2c\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0, 0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0\r\n folded\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0\r\nno colon\r\n\r\n",
        "POST / HTTP/1.1\nContent-Length: 0\n\n",
        "POST / HTTP/1.1\r\nA: b\rContent-Length: 1\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nA: b\nContent-Length: 0\r\n\r\n",
        "\r\nPOST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    };
    static const char nul[] = "POST / HTTP/1.1\r\nA: \0\r\nContent-Length: 0\r\n\r\n";
    size_t line;
    for (size_t i = 0; i < sizeof not / sizeof not [0]; i++) {
        CU_ASSERT_EQUAL(length(not [i]), 0);
    }
    CU_ASSERT_EQUAL(whole(nul, sizeof nul - 1, &line), 0);
}

static void test_line_hash(void)
{
    static const char a[] = "POST /v1/chat/completions HTTP/1.1", b[] = "POST /v1/models HTTP/1.1";
    CU_ASSERT_EQUAL(dgon_request_line_hash(a, strlen(a)), dgon_request_line_hash(a, strlen(a)));
    CU_ASSERT_NOT_EQUAL(dgon_request_line_hash(a, strlen(a)), dgon_request_line_hash(b, strlen(b)));
    CU_ASSERT_NOT_EQUAL(dgon_request_line_hash(a, 0), 0);
}

UNIT_MAIN("request", {"whole to the last byte", test_whole_to_the_last_byte},
          {"unusual is not", test_unusual_is_not}, {"line hash", test_line_hash})

#include "agent_http_head.h"

#include <string.h>
#include <strings.h>

#define HEAD_ROOM 320u /* more than the lines take that are always the same, and traceparent */

static const char *authority(const char *url)
{
    return strncmp(url, "http://", 7) == 0    ? url + 7
           : strncmp(url, "https://", 8) == 0 ? url + 8
                                              : NULL;
}

bool agent_http_head_origin(char origin[AGENT_HTTP_ORIGIN_MAX], const char *url)
{
    const char *at = authority(url);
    size_t host = at != NULL ? strcspn(at, "/?") : 0;
    if (host == 0 || memchr(at, '@', host) != NULL) {
        return false;
    }
    size_t n = (size_t)(at - url) + host;
    if (n >= AGENT_HTTP_ORIGIN_MAX) {
        return false;
    }
    for (const unsigned char *p = (const unsigned char *)url; *p != '\0'; p++) {
        if (*p <= ' ' || *p == 0x7f || *p == '#') {
            return false;
        }
    }
    memcpy(origin, url, n);
    origin[n] = '\0';
    return true;
}

#define PUT(call) (s = s == DGON_OK ? (call) : s)

static bool is_line(const char *line, const char *name)
{
    size_t n = strlen(name);
    return strncasecmp(line, name, n) == 0 && line[n] == ':';
}

/* Another client's, without anything that would begin another line. */
static dgon_status own_headers(dgon_buf *out, const agent_http_spec *spec, bool *accept)
{
    dgon_status s = DGON_OK;
    for (const char *const *line = spec->headers; *line != NULL; line++) {
        if (strpbrk(*line, "\r\n") == NULL) {
            *accept = *accept || is_line(*line, "Accept");
            PUT(dgon_buf_adds(out, *line));
            PUT(dgon_buf_adds(out, "\r\n"));
        }
    }
    return s;
}

static dgon_status length(dgon_buf *out, const agent_http_spec *spec)
{
    dgon_status s = DGON_OK;
    if (spec->upload && spec->upload_length < 0) {
        return dgon_buf_adds(out, "Transfer-Encoding: chunked\r\n");
    }
    if (spec->upload || spec->body != NULL) {
        PUT(dgon_buf_adds(out, "Content-Length: "));
        PUT(dgon_buf_addu(out, spec->upload ? (uint64_t)spec->upload_length : spec->body->len));
        PUT(dgon_buf_adds(out, "\r\n"));
    }
    return s;
}

static bool is_trace(const char *text)
{
    return text != NULL && *text != '\0' && strspn(text, "0123456789abcdef-") == strlen(text);
}

dgon_status agent_http_head_write(dgon_buf *out, const agent_http_spec *spec)
{
    const char *host = authority(spec->url), *path = host + strcspn(host, "/?");
    bool accept = false;
    dgon_status s = dgon_buf_reserve(out, HEAD_ROOM + strlen(spec->url));
    PUT(dgon_buf_adds(out, spec->method != NULL ? spec->method
                           : spec->body != NULL ? "POST"
                                                : "GET"));
    PUT(dgon_buf_adds(out, *path == '/' ? " " : " /"));
    PUT(dgon_buf_adds(out, path));
    PUT(dgon_buf_adds(out, " HTTP/1.1\r\nHost: "));
    PUT(dgon_buf_add(out, host, (size_t)(path - host)));
    PUT(dgon_buf_adds(out, "\r\nUser-Agent: dgon-agent\r\n"));
    if (spec->method != NULL && spec->headers != NULL) {
        PUT(own_headers(out, spec, &accept));
    } else if (spec->method == NULL && spec->body != NULL) {
        PUT(dgon_buf_adds(out, "Content-Type: application/json\r\n"));
    }
    if (!accept) {
        PUT(dgon_buf_adds(out, "Accept: */*\r\n"));
    }
    if (spec->secret != NULL && spec->secret[0] != '\0') {
        /* nothing behind it moves it: no copy stays in memory that was freed */
        PUT(dgon_buf_reserve(out, HEAD_ROOM + strlen(spec->secret)));
        PUT(dgon_buf_adds(out, "Authorization: Bearer "));
        PUT(dgon_buf_adds(out, spec->secret));
        PUT(dgon_buf_adds(out, "\r\n"));
    }
    if (is_trace(spec->traceparent)) {
        PUT(dgon_buf_adds(out, "traceparent: "));
        PUT(dgon_buf_adds(out, spec->traceparent));
        PUT(dgon_buf_adds(out, "\r\n"));
    }
    PUT(length(out, spec));
    PUT(dgon_buf_adds(out, "\r\n"));
    return s;
}

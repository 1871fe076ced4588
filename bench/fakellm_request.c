#include "fakellm_request.h"

#include "fakellm_route.h"
#include "http_field.h"

/* p may be NULL where n is 0. */
static const char *find(const char *p, size_t n, const char *what, size_t k)
{
    return p ? memmem(p, n, what, k) : NULL;
}

/* Joins the chunks at p in place. 1: whole, *used and *len are set; 0: more must come; -1: bad. */
static int unchunk(char *p, size_t n, size_t *used, size_t *len)
{
    struct bytes joined = {0};
    size_t at = 0;

    for (;;) {
        const char *eol = find(p + at, n - at, "\r\n", 2);
        unsigned long size;
        char *end;

        if (!eol) {
            break;
        }
        size = strtoul(p + at, &end, 16);
        if (end == p + at || size > BODY_MAX) {
            bytes_free(&joined);
            return -1;
        }
        at = (size_t)(eol - p) + 2;
        if (n - at < size + 2) {
            break;
        }
        bytes_add(&joined, p + at, size);
        at += size + 2;
        if (!size) {
            *used = at;
            *len = joined.len;
            if (joined.len) {
                memcpy(p, joined.p, joined.len);
            }
            bytes_free(&joined);
            return 1;
        }
    }
    bytes_free(&joined);
    return 0;
}

/* Takes one request off c->in. 1: done, 0: more bytes are needed, -1: not HTTP. */
static int take_request(struct conn *c)
{
    char *p = bytes_begin(&c->in);
    size_t n = bytes_used(&c->in), head, len = 0, used = 0;
    const char *end = find(p, n, "\r\n\r\n", 4), *v;

    if (!end) {
        return n > HEAD_MAX ? -1 : 0;
    }
    end += 2; /* the last field's CRLF stays */
    head = (size_t)(end - p) + 2;
    v = http_field(p, end, "Transfer-Encoding");
    if (v && strncasecmp(v, "chunked", 7) == 0) {
        int k = unchunk(p + head, n - head, &used, &len);

        if (k < 1) {
            return n > BODY_MAX ? -1 : k;
        }
    } else {
        v = http_field(p, end, "Content-Length");
        len = used = v ? strtoul(v, NULL, 10) : 0;
        if (len > BODY_MAX) {
            return -1;
        }
    }
    if (n - head < used) {
        v = http_field(p, end, "Expect");
        if (v && n == head && strncasecmp(v, "100-", 4) == 0) {
            bytes_add(&c->out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        }
        return 0;
    }
    v = http_field(p, end, "Connection");
    c->close_after = v && strncasecmp(v, "close", 5) == 0;
    c->in.at += head + used;
    route(c, (struct text){p, end}, (struct text){p + head, p + head + len});
    return 1;
}

void request_serve(struct conn *c)
{
    while (!c->dead && c->state == READING && bytes_used(&c->in)) {
        int k = take_request(c);

        if (k < 0) {
            conn_close(c);
            return;
        }
        if (!conn_flush(c) || k == 0) {
            return;
        }
    }
}

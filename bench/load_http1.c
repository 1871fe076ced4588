#include "load_http1.h"

#include "http_field.h"
#include "load_options.h"
#include "load_report.h"
#include "load_stream.h"

#define HEAD_MAX  (16 * 1024)
#define CHUNK_MAX (64 * 1024 * 1024)
#define READ_MAX  16384

/* --- an answer ------------------------------------------------------------------------------- */

/* 1: the head is there and good; 0: more must come; -1: the stream has gone on to something else.
 */
static int take_head(struct stream *s, uint64_t now)
{
    struct http1 *h = &s->http1;
    const char *p = bytes_begin(&h->in), *v;
    size_t n = bytes_used(&h->in);
    const char *end = memmem(p, n, "\r\n\r\n", 4);
    unsigned long status;

    if (!end && n < HEAD_MAX) {
        return 0;
    }
    if (!end || n < 12 || memcmp(p, "HTTP/1.", 7) != 0) {
        stream_fail(s, &count.broken, now);
        return -1;
    }
    end += 2; /* the last field's CRLF stays */
    status = strtoul(p + 9, NULL, 10);
    if (status != 200) {
        count.last_status = status;
        note_error(end + 2, n - (size_t)(end - p) - 2);
        stream_fail(s, &count.http_errors, now);
        return -1;
    }
    v = http_field(p, end, "Connection");
    h->close_after = v && strncasecmp(v, "close", 5) == 0;
    h->chunk = NOT_CHUNKED;
    h->until_close = false;
    h->left = 0;
    if ((v = http_field(p, end, "Transfer-Encoding")) && strncasecmp(v, "chunked", 7) == 0) {
        h->chunk = CHUNK_SIZE;
    } else if ((v = http_field(p, end, "Content-Length"))) {
        h->left = strtoull(v, NULL, 10);
    } else {
        h->until_close = true;
    }
    h->in.at += (size_t)(end - p) + 2;
    h->part = HTTP1_BODY;
    return 1;
}

/* A line of the chunked coding. 1: taken, 0: more must come, -1: broken, 2: the body is over. */
static int take_chunk_line(struct http1 *h)
{
    const char *p = bytes_begin(&h->in);
    const char *eol = memmem(p, bytes_used(&h->in), "\r\n", 2);
    char *end;

    if (!eol) {
        return bytes_used(&h->in) > 1024 ? -1 : 0;
    }
    h->in.at += (size_t)(eol - p) + 2;
    if (h->chunk == CHUNK_TRAILER) {
        return eol == p ? 2 : 1;
    }
    if (h->chunk == CHUNK_DATA_END) {
        h->chunk = CHUNK_SIZE;
        return eol == p ? 1 : -1;
    }
    h->left = strtoull(p, &end, 16);
    if (end == p || h->left > CHUNK_MAX) {
        return -1;
    }
    h->chunk = h->left ? CHUNK_DATA : CHUNK_TRAILER;
    return 1;
}

static void answered(struct stream *s, uint64_t now)
{
    stream_answered(s, !s->http1.close_after && !s->http1.until_close, now);
}

/* The stream may be at its next request, or over, when this returns. */
static void take_bytes(struct stream *s, uint64_t now)
{
    struct http1 *h = &s->http1;

    if (h->part == HTTP1_HEAD && take_head(s, now) < 1) {
        return;
    }
    for (;;) {
        size_t n = bytes_used(&h->in);
        bool counted = !h->until_close && (h->chunk == NOT_CHUNKED || h->chunk == CHUNK_DATA);

        if (counted && n > h->left) {
            n = (size_t)h->left;
        }
        if (counted || h->until_close) {
            answer_take(&s->answer, bytes_begin(&h->in), n, now);
            h->in.at += n;
            h->left -= counted ? n : 0;
            if (h->until_close || h->left) {
                break;
            }
            if (h->chunk == NOT_CHUNKED) {
                answered(s, now);
                return;
            }
            h->chunk = CHUNK_DATA_END;
        } else {
            int k = take_chunk_line(h);

            if (k == 2) {
                answered(s, now);
                return;
            }
            if (k < 0) {
                stream_fail(s, &count.broken, now);
                return;
            }
            if (k == 0) {
                break;
            }
        }
    }
}

/* --- the connection -------------------------------------------------------------------------- */

static void send_request(struct stream *s)
{
    char body[1024], plan[256] = "", request[2048];
    size_t n = stream_body(s, body, sizeof(body));
    if (opt.header) {
        (void)stream_plan(s, plan, sizeof(plan));
    }
    int k = snprintf(request, sizeof(request),
                     "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                     "Accept: */*\r\nContent-Length: %zu\r\n%s%s%s%s\r\n%s",
                     opt.path, opt.name, n, opt.header ? "X-Bench: " : "", plan,
                     opt.header ? "\r\n" : "", opt.fresh ? "Connection: close\r\n" : "", body);

    if (k < 0 || (size_t)k >= sizeof(request)) {
        fputs("load: names are too long\n", stderr);
        exit(2);
    }
    s->http1.part = HTTP1_HEAD;
    s->http1.got_byte = false;
    s->answer.sent_at = now_ns();
    transport_write(&s->http1.transport, request, (size_t)k);
}

static void request(struct stream *s, uint64_t now)
{
    struct http1 *h = &s->http1;

    h->reused = h->transport.state == TRANSPORT_OPEN;
    if (h->reused) {
        send_request(s);
    } else if (!transport_open(&h->transport, s, s->answer.slow)) {
        stream_fail(s, &count.connect_failures, now);
    }
}

static void drop(struct stream *s)
{
    transport_close(&s->http1.transport);
    bytes_free(&s->http1.in);
}

static void on_closed(struct stream *s, uint64_t now)
{
    struct http1 *h = &s->http1;

    if (h->reused && !h->got_byte) {
        stream_retry(s, now); /* an idle connection that the server had just given up */
    } else if (h->part == HTTP1_BODY && h->until_close) {
        answered(s, now);
    } else {
        stream_fail(s, &count.broken, now);
    }
}

static void read_some(struct stream *s, size_t max)
{
    struct http1 *h = &s->http1;
    ssize_t n;
    uint64_t now;

    if (h->transport.state != TRANSPORT_OPEN) {
        return;
    }
    n = transport_read(&h->transport, bytes_room(&h->in, max), max);
    now = now_ns();
    if (n < 0) {
        return;
    }
    if (n == 0) {
        on_closed(s, now);
        return;
    }
    h->got_byte = true;
    h->in.len += (size_t)n;
    take_bytes(s, now);
    if (!bytes_used(&h->in)) {
        bytes_free(&h->in); /* ten thousand idle buffers would show */
    }
}

static void on_event(void *user, uint32_t events)
{
    struct stream *s = user;
    struct http1 *h = &s->http1;

    if (transport_opening(&h->transport)) {
        int k = transport_step(&h->transport);

        if (k < 0) {
            stream_fail(s, &count.connect_failures, now_ns());
        } else if (k > 0) {
            send_request(s);
        }
        return;
    }
    if (events & EPOLLOUT) {
        transport_flush(&h->transport);
    }
    if (events & ~(uint32_t)EPOLLOUT) {
        do {
            read_some(s, READ_MAX);
        } while (transport_more(&h->transport));
    }
}

const struct carrier carrier_http1 = {
    .request = request, .drop = drop, .read_slow = read_some, .event = on_event};

#include "load_http2.h"

#include "load_options.h"
#include "load_report.h"
#include "load_stream.h"

#include <nghttp2/nghttp2.h>

#define READ_MAX 65536
#define WINDOW_MAX                                                                \
    0x7fffffff /* nobody waits for a window of ours, except slow streams' senders \
                */
#define SLOW_WINDOW 4096

struct http2 {
    struct transport transport;
    nghttp2_session *session;
    uint64_t now;     /* when the bytes that are looked at came */
    uint64_t streams; /* with a request on it */
    size_t lane;
    bool busy;    /* nghttp2 is at work, and calls back: it must not be asked for bytes now */
    bool leaving; /* the server wants no more requests on it */
    bool dead;
    struct http2 *next_dead;
};

static struct http2 **lanes; /* opt.http2 of them; NULL: the next request opens it */
static struct http2 *dead;

/* --- connections ----------------------------------------------------------------------------- */

static void flush(struct http2 *c)
{
    const uint8_t *p;
    ssize_t n;

    if (c->busy || c->transport.state != TRANSPORT_OPEN) {
        return;
    }
    c->busy = true;
    c->now = now_ns();
    while ((n = nghttp2_session_mem_send(c->session, &p)) > 0) {
        bytes_add(&c->transport.out, (const char *)p, (size_t)n);
    }
    c->busy = false;
    transport_flush(&c->transport);
}

static void leave_lane(struct http2 *c)
{
    if (lanes[c->lane] == c) {
        lanes[c->lane] = NULL;
    }
}

/* What was asked on it fails with the counter. */
static void lose(struct http2 *c, uint64_t *counter, uint64_t now)
{
    if (c->dead) {
        return;
    }
    leave_lane(c);
    transport_close(&c->transport);
    c->dead = true;
    c->next_dead = dead;
    dead = c;
    for (uint64_t i = 0; c->streams && i < opt.streams; i++) {
        if (streams[i].http2.connection == c) {
            streams[i].http2.connection = NULL;
            c->streams--;
            stream_fail(&streams[i], counter, now);
        }
    }
}

void http2_bury(void)
{
    while (dead) {
        struct http2 *c = dead;

        dead = c->next_dead;
        nghttp2_session_del(c->session);
        free(c);
    }
}

void http2_fini(void)
{
    for (size_t i = 0; lanes && i < opt.http2; i++) {
        if (lanes[i]) {
            lose(lanes[i], &count.broken, 0);
        }
    }
    http2_bury();
    free(lanes);
}

/* --- requests -------------------------------------------------------------------------------- */

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t n,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct stream *s = source->ptr;
    char body[1024];
    size_t whole = stream_body(s, body, sizeof(body)), left = whole - s->http2.body_at;

    (void)session;
    (void)id;
    (void)user;
    if (left <= n) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        n = left;
    }
    memcpy(buf, body + s->http2.body_at, n);
    s->http2.body_at += n;
    return (ssize_t)n;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static void submit(struct stream *s, uint64_t now)
{
    char body[1024], length[24];
    int n = snprintf(length, sizeof(length), "%zu", stream_body(s, body, sizeof(body)));
    nghttp2_data_provider data = {.source.ptr = s, .read_callback = read_body};
    nghttp2_nv headers[] = {header(":method", "POST"),
                            header(":scheme", opt.tls ? "https" : "http"),
                            header(":authority", opt.name),
                            header(":path", opt.path),
                            header("content-type", "application/json"),
                            header("accept", "*/*"),
                            header("content-length", n > 0 ? length : "0")};

    s->answer.sent_at = now;
    s->http2.id = nghttp2_submit_request(s->http2.connection->session, NULL, headers,
                                         sizeof(headers) / sizeof(headers[0]), &data, s);
    if (s->http2.id < 0) {
        die("nghttp2_submit_request");
    }
}

static void start_session(struct http2 *c);

static struct http2 *connection_of(size_t lane)
{
    struct http2 *c = lanes[lane];

    if (!c) {
        c = calloc(1, sizeof(*c));
        if (!c) {
            die("memory");
        }
        c->lane = lane;
        lanes[lane] = c;
        start_session(c);
        if (!transport_open(&c->transport, c, false)) {
            lose(c, &count.connect_failures, now_ns());
            return NULL;
        }
    }
    return c;
}

static void request(struct stream *s, uint64_t now)
{
    struct http2 *c;

    if (!lanes) {
        lanes = calloc(opt.http2, sizeof(struct http2 *));
        if (!lanes) {
            die("memory");
        }
    }
    c = connection_of((size_t)(s - streams) % opt.http2);
    if (!c) {
        stream_fail(s, &count.connect_failures, now);
        return;
    }
    s->http2 = (struct http2_stream){.connection = c};
    c->streams++;
    if (c->transport.state == TRANSPORT_OPEN) {
        submit(s, now_ns());
        flush(c);
    }
}

static void drop(struct stream *s)
{
    struct http2 *c = s->http2.connection;

    if (!c) {
        return;
    }
    s->http2.connection = NULL;
    c->streams--;
    if (s->http2.id > 0) {
        nghttp2_session_set_stream_user_data(c->session, s->http2.id, NULL);
        nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->http2.id, NGHTTP2_CANCEL);
        flush(c);
    }
}

static void read_slow(struct stream *s, size_t n)
{
    struct http2 *c = s->http2.connection;

    if (c && s->http2.unread) {
        n = n < s->http2.unread ? n : s->http2.unread;
        s->http2.unread -= n;
        nghttp2_session_consume_stream(c->session, s->http2.id, n);
        flush(c);
    }
}

/* --- what nghttp2 tells ---------------------------------------------------------------------- */

/* NULL: the stream is no longer wanted. */
static struct stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    struct stream *s = stream_of(session, frame->hd.stream_id);

    (void)value_len;
    (void)flags;
    (void)user;
    if (s && name_len == 7 && memcmp(name, ":status", 7) == 0) {
        s->http2.status = (unsigned)strtoul((const char *)value, NULL, 10);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *user)
{
    struct http2 *c = user;
    struct stream *s = stream_of(session, id);

    (void)flags;
    if (opt.slow) {
        nghttp2_session_consume_connection(session, n);
        if (s && s->answer.slow) {
            s->http2.unread += n;
        } else {
            nghttp2_session_consume_stream(session, id, n);
        }
    }
    if (s && s->http2.status == 200) {
        answer_take(&s->answer, (const char *)p, n, c->now);
    } else if (s) {
        note_error((const char *)p, n);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct http2 *c = user;
    struct stream *s = stream_of(session, id);
    unsigned status;

    if (!s) {
        return 0;
    }
    status = s->http2.status;
    s->http2.connection = NULL;
    c->streams--;
    if (error == NGHTTP2_REFUSED_STREAM) {
        stream_retry(s, c->now); /* the server has not looked at it */
    } else if (status && status != 200) {
        count.last_status = status;
        stream_fail(s, &count.http_errors, c->now);
    } else if (error != NGHTTP2_NO_ERROR || !status) {
        stream_fail(s, &count.broken, c->now);
    } else {
        stream_answered(s, true, c->now);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *c = user;

    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        c->leaving = true;
        leave_lane(c);
    }
    return 0;
}

/* Only a slow stream's window is small: the others' are made large as soon as they are asked. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    const struct stream *s;

    (void)user;
    if (opt.slow && frame->hd.type == NGHTTP2_HEADERS) {
        s = stream_of(session, frame->hd.stream_id);
        if (s && !s->answer.slow) {
            nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                                  WINDOW_MAX);
        }
    }
    return 0;
}

static void start_session(struct http2 *c)
{
    nghttp2_session_callbacks *on;
    nghttp2_option *option;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, opt.slow ? SLOW_WINDOW : WINDOW_MAX}};

    if (nghttp2_session_callbacks_new(&on) || nghttp2_option_new(&option)) {
        die("memory");
    }
    nghttp2_session_callbacks_set_on_header_callback(on, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(on, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(on, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(on, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(on, on_sent);
    nghttp2_option_set_no_auto_window_update(option, opt.slow != 0);
    if (nghttp2_session_client_new2(&c->session, on, c, option) ||
        nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, 2) ||
        nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, WINDOW_MAX)) {
        die("nghttp2");
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(on);
}

/* --- events ---------------------------------------------------------------------------------- */

static void on_open(struct http2 *c, uint64_t now)
{
    for (uint64_t i = 0; i < opt.streams; i++) {
        if (streams[i].http2.connection == c) {
            submit(&streams[i], now);
        }
    }
    flush(c);
}

static void read_some(struct http2 *c)
{
    static char buf[READ_MAX];

    do {
        ssize_t n = transport_read(&c->transport, buf, sizeof(buf));

        c->now = now_ns();
        if (n < 0) {
            break;
        }
        if (n > 0) {
            c->busy = true;
            n = nghttp2_session_mem_recv(c->session, (const uint8_t *)buf, (size_t)n);
            c->busy = false;
        }
        if (n <= 0) {
            lose(c, &count.broken, c->now);
            return;
        }
    } while (transport_more(&c->transport));
    flush(c);
    if ((c->leaving && !c->streams) ||
        (!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session))) {
        lose(c, &count.broken, c->now);
    }
}

static void on_event(void *user, uint32_t events)
{
    struct http2 *c = user;

    if (c->dead) {
        return;
    }
    if (transport_opening(&c->transport)) {
        int k = transport_step(&c->transport);

        if (k < 0) {
            lose(c, &count.connect_failures, now_ns());
        } else if (k > 0) {
            on_open(c, now_ns());
        }
        return;
    }
    if (events & EPOLLOUT) {
        transport_flush(&c->transport);
    }
    if (events & ~(uint32_t)EPOLLOUT) {
        read_some(c);
    }
}

const struct carrier carrier_http2 = {
    .request = request, .drop = drop, .read_slow = read_slow, .event = on_event};

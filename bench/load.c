/*
 * A load client that believes nothing: many streams at once, every token checked for its number and
 * its way's time by the stamp that fakellm wrote into it. One thread, one epoll.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

#define HEAD_MAX  (16 * 1024)
#define LINE_MAX_ (64 * 1024 * 1024)
#define SLOW_TICK (50 * MS)

/* --- histograms ------------------------------------------------------------------------------ */

/* 256 steps an octave: a value is kept to better than 0.5 %. */
#define STEPS 256
struct histogram {
    uint64_t count, max, sum, bucket[64 * STEPS];
};

static unsigned bucket_of(uint64_t v)
{
    unsigned shift = 0;

    while (v >> shift >= 2 * STEPS) {
        shift++;
    }
    return v < STEPS ? (unsigned)v : shift * STEPS + (unsigned)(v >> shift);
}

static void histogram_add(struct histogram *h, uint64_t v)
{
    h->bucket[bucket_of(v)]++;
    h->count++;
    h->sum += v;
    h->max = v > h->max ? v : h->max;
}

static uint64_t quantile(const struct histogram *h, double q)
{
    uint64_t rank = (uint64_t)(q * (double)h->count), seen = 0;

    for (unsigned i = 0; i < 64 * STEPS; i++) {
        seen += h->bucket[i];
        if (seen > rank) {
            unsigned shift = i < 2 * STEPS ? 0 : i / STEPS - 1;
            uint64_t middle = ((uint64_t)(i - shift * STEPS) << shift) + ((1ULL << shift) >> 1);

            return middle < h->max ? middle : h->max;
        }
    }
    return h->max;
}

/* --- state ----------------------------------------------------------------------------------- */

enum state { IDLE, CONNECTING, HEAD, BODY, SLOT_DONE };
enum chunk { SIZE, DATA, DATA_END, TRAILER, NOT_CHUNKED };

struct slot {
    struct bytes in, line;
    uint8_t *seen; /* a bit for each token */
    uint64_t sent_at, id, unique, highest, left;
    enum state state;
    enum chunk chunk;
    int fd;
    bool reused, got_byte, first, done, error, until_close, close_after, slow;
};

struct closing {
    uint64_t id, ns, tokens;
};

static struct {
    const char *host, *port, *path, *model, *name;
    uint64_t streams, ramp, tokens, first_ms, slow, slow_rate, cancel_after, cancel_gap, requests;
    uint64_t duration, timeout, id, phase, skip;
    double rate;
    bool plain, silent, fresh, json, cancel;
} opt = {.model = "bench",
         .streams = 1,
         .tokens = 64,
         .slow_rate = 10240,
         .timeout = 120000,
         .id = 1,
         .phase = 1};

static struct {
    uint64_t tokens, requests, complete, lost, doubled, reordered, foreign, no_done, broken,
        cancelled;
    uint64_t connect_failures, http_errors, error_events, comments, reconnects, timed_out;
    uint64_t last_status, connected, connected_high, slow_tokens, bytes;
} count;

static struct histogram token_time, first_time, whole_time;
static struct closing *closings;
static struct slot *slots;
static struct addrinfo *address;
static int epoll;
static uint64_t begin, issued, busy, finish_ns;
static char error_text[400];

/* --- one answer ------------------------------------------------------------------------------ */

static void note_error(const char *p, size_t n)
{
    if (!*error_text) {
        snprintf(error_text, sizeof(error_text), "%.*s", (int)(n < 300 ? n : 300), p);
    }
}

static void slot_request(struct slot *s, uint64_t now);

static void slot_close(struct slot *s)
{
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
        count.connected--;
    }
    bytes_free(&s->in);
    bytes_free(&s->line);
}

/* The books of one answer. All of the tokens are due only where the answer came to its end. */
static void settle(struct slot *s, bool whole)
{
    uint64_t due = whole ? opt.tokens : s->unique ? s->highest + 1 : 0;

    count.lost += due - s->unique;
    free(s->seen);
    s->seen = NULL;
}

static bool more_to_do(uint64_t now)
{
    return issued < opt.requests && (!opt.duration || now < begin + opt.duration * MS);
}

static void slot_end(struct slot *s, uint64_t now)
{
    finish_ns = now;
    slot_close(s);
    s->state = SLOT_DONE;
    busy--;
}

/* The slot's answer is over, well or not. It takes the next request, or is done. */
static void slot_next(struct slot *s, bool keep, uint64_t now)
{
    if (!more_to_do(now)) {
        slot_end(s, now);
        return;
    }
    if (!keep || opt.fresh) {
        slot_close(s);
    }
    slot_request(s, now);
}

static void slot_fail(struct slot *s, uint64_t *counter, uint64_t now)
{
    (*counter)++;
    settle(s, false);
    if (counter == &count.connect_failures) {
        slot_end(s, now); /* the next one would fail as well, and at once */
        return;
    }
    slot_next(s, false, now);
}

static void take_token(struct slot *s, uint64_t seq, uint64_t stamp, uint64_t now)
{
    if (seq >= opt.tokens || stamp > now) {
        count.foreign++;
        return;
    }
    if (!s->first) {
        s->first = true;
        if (!s->slow) {
            uint64_t took = now - s->sent_at, known = opt.first_ms * MS;

            histogram_add(&first_time, took > known ? took - known : 0);
        }
    }
    if (s->seen[seq / 8] & (1U << seq % 8)) {
        count.doubled++;
        return;
    }
    s->seen[seq / 8] = (uint8_t)(s->seen[seq / 8] | (1U << seq % 8));
    if (s->unique && seq < s->highest) {
        count.reordered++;
    } else {
        s->highest = seq;
    }
    s->unique++;
    count.tokens++;
    if (s->slow) {
        count.slow_tokens++;
    } else if (seq >= opt.skip && !opt.plain) {
        histogram_add(&token_time, now - stamp);
    }
}

static bool take_number(const char **p, const char *end, uint64_t *v)
{
    const char *start = *p;

    for (*v = 0; *p < end && **p >= '0' && **p <= '9' && *p - start < 19; ++*p) {
        *v = *v * 10 + (uint64_t)(**p - '0');
    }
    return *p > start;
}

/* All of the stamps in the strings called content, whatever JSON is around them. */
static void take_content(struct slot *s, const char *p, const char *end, uint64_t now)
{
    static const char key[] = "\"content\":";

    while (p < end && (p = memmem(p, (size_t)(end - p), key, sizeof(key) - 1))) {
        uint64_t seq, stamp, id;

        for (p += sizeof(key) - 1; p < end && *p == ' '; p++) {
        }
        if (p == end || *p != '"') {
            continue;
        }
        for (p++; p < end && take_number(&p, end, &seq) && p < end && *p == ':'; p++) {
            p++;
            if (!take_number(&p, end, &stamp)) {
                break;
            }
            if (p < end && *p == ':') {
                p++;
                if (!take_number(&p, end, &id) || id != s->id) {
                    count.foreign++;
                }
            }
            take_token(s, seq, stamp, now);
            if (p == end || *p != ' ') {
                break;
            }
        }
    }
}

static void take_line(struct slot *s, const char *p, size_t n, uint64_t now)
{
    static const char error[] = "data: {\"error\"", done[] = "data: [DONE]";

    if (n && p[n - 1] == '\r') {
        n--;
    }
    if (!n) {
        return;
    }
    if (*p == ':') {
        count.comments++;
    } else if (n >= sizeof(done) - 1 && memcmp(p, done, sizeof(done) - 1) == 0) {
        s->done = true;
    } else if ((n >= sizeof(error) - 1 && memcmp(p, error, sizeof(error) - 1) == 0) ||
               (n > 8 && memcmp(p, "{\"error\"", 8) == 0)) {
        s->error = true;
        note_error(p, n);
    } else {
        take_content(s, p, p + n, now);
        if (*p == '{' && (opt.plain || memmem(p, n, "\"done\":true", 11))) {
            s->done = true;
        }
    }
}

/* Cuts body bytes into lines; the body of a non-stream answer is one line. */
static void take_body(struct slot *s, const char *p, size_t n, uint64_t now)
{
    while (n) {
        const char *eol = opt.plain ? NULL : memchr(p, '\n', n);
        size_t k = eol ? (size_t)(eol - p) + 1 : n;

        if (!eol || bytes_used(&s->line)) {
            bytes_add(&s->line, p, k);
        }
        if (eol && bytes_used(&s->line)) {
            take_line(s, bytes_begin(&s->line), bytes_used(&s->line) - 1, now);
            bytes_free(&s->line);
        } else if (eol) {
            take_line(s, p, k - 1, now);
        }
        p += k;
        n -= k;
    }
}

static void answer_end(struct slot *s, uint64_t now)
{
    if (bytes_used(&s->line)) {
        take_line(s, bytes_begin(&s->line), bytes_used(&s->line), now);
        bytes_free(&s->line);
    }
    histogram_add(&whole_time, now - s->sent_at);
    if (s->error) {
        slot_fail(s, &count.error_events, now);
        return;
    }
    if (!s->done) {
        slot_fail(s, &count.no_done, now);
        return;
    }
    count.complete++;
    settle(s, true);
    slot_next(s, !s->close_after && !s->until_close, now);
}

/* --- HTTP ------------------------------------------------------------------------------------ */

static const char *field(const char *p, const char *end, const char *name)
{
    size_t n = strlen(name);

    while (p < end) {
        const char *eol = memmem(p, (size_t)(end - p), "\r\n", 2);

        if (!eol) {
            break;
        }
        if ((size_t)(eol - p) > n && p[n] == ':' && strncasecmp(p, name, n) == 0) {
            for (p += n + 1; *p == ' '; p++) {
            }
            return p;
        }
        p = eol + 2;
    }
    return NULL;
}

/* 1: the head is there and good; 0: more must come; -1: the slot has gone on to something else. */
static int take_head(struct slot *s, uint64_t now)
{
    const char *p = bytes_begin(&s->in), *v;
    size_t n = bytes_used(&s->in);
    const char *end = memmem(p, n, "\r\n\r\n", 4);
    unsigned long status;

    if (!end && n < HEAD_MAX) {
        return 0;
    }
    if (!end || n < 12 || memcmp(p, "HTTP/1.", 7) != 0) {
        slot_fail(s, &count.broken, now);
        return -1;
    }
    end += 2;
    status = strtoul(p + 9, NULL, 10);
    if (status != 200) {
        count.last_status = status;
        note_error(end + 2, n - (size_t)(end - p) - 2);
        slot_fail(s, &count.http_errors, now);
        return -1;
    }
    v = field(p, end, "Connection");
    s->close_after = v && strncasecmp(v, "close", 5) == 0;
    s->chunk = NOT_CHUNKED;
    s->until_close = false;
    s->left = 0;
    if ((v = field(p, end, "Transfer-Encoding")) && strncasecmp(v, "chunked", 7) == 0) {
        s->chunk = SIZE;
    } else if ((v = field(p, end, "Content-Length"))) {
        s->left = strtoull(v, NULL, 10);
    } else {
        s->until_close = true;
    }
    s->in.at += (size_t)(end - p) + 2;
    s->state = BODY;
    return 1;
}

/* A line of the chunked coding. 1: taken, 0: more must come, -1: broken, 2: the body is over. */
static int take_chunk_line(struct slot *s)
{
    const char *p = bytes_begin(&s->in);
    const char *eol = memmem(p, bytes_used(&s->in), "\r\n", 2);
    char *end;

    if (!eol) {
        return bytes_used(&s->in) > 1024 ? -1 : 0;
    }
    s->in.at += (size_t)(eol - p) + 2;
    if (s->chunk == TRAILER) {
        return eol == p ? 2 : 1;
    }
    if (s->chunk == DATA_END) {
        s->chunk = SIZE;
        return eol == p ? 1 : -1;
    }
    s->left = strtoull(p, &end, 16);
    if (end == p || s->left > LINE_MAX_) {
        return -1;
    }
    s->chunk = s->left ? DATA : TRAILER;
    return 1;
}

/* Reads what is in s->in. */
static void take_bytes(struct slot *s, uint64_t now)
{
    if (s->state == HEAD && take_head(s, now) < 1) {
        return;
    }
    for (;;) {
        size_t n = bytes_used(&s->in);
        bool counted = !s->until_close && (s->chunk == NOT_CHUNKED || s->chunk == DATA);

        if (counted && n > s->left) {
            n = (size_t)s->left;
        }
        if (counted || s->until_close) {
            take_body(s, bytes_begin(&s->in), n, now);
            s->in.at += n;
            s->left -= counted ? n : 0;
            if (s->until_close || s->left) {
                break;
            }
            if (s->chunk == NOT_CHUNKED) {
                answer_end(s, now);
                return;
            }
            s->chunk = DATA_END;
        } else {
            int k = take_chunk_line(s);

            if (k == 2) {
                answer_end(s, now);
                return;
            }
            if (k < 0) {
                slot_fail(s, &count.broken, now);
                return;
            }
            if (k == 0) {
                break;
            }
        }
    }
}

/* --- connections ----------------------------------------------------------------------------- */

static void send_request(struct slot *s)
{
    char body[1024], request[2048];
    int n, k;

    n = snprintf(
        body, sizeof(body),
        "{\"model\":\"%s\",\"stream\":%s,\"messages\":[{\"role\":\"user\",\"content\":"
        "\"bench\"}],\"bench\":{\"tokens\":%llu,\"rate\":%g,\"phase\":%u,\"first_ms\":%llu,"
        "\"id\":%llu%s}}",
        opt.model, opt.plain ? "false" : "true", (unsigned long long)opt.tokens, opt.rate,
        (unsigned)opt.phase, (unsigned long long)opt.first_ms, (unsigned long long)s->id,
        opt.silent ? ",\"silent\":true" : "");
    k = snprintf(request, sizeof(request),
                 "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                 "Accept: */*\r\nContent-Length: %d\r\n%s\r\n%s",
                 opt.path, opt.name, n, opt.fresh ? "Connection: close\r\n" : "", body);
    if (n >= (int)sizeof(body) || k >= (int)sizeof(request)) {
        fputs("load: names are too long\n", stderr);
        exit(2);
    }
    s->sent_at = now_ns();
    s->state = HEAD;
    /* A short send ends as a broken answer; a fresh socket takes 2 KB. A dead one shows in recv. */
    (void)!send(s->fd, request, (size_t)k, MSG_NOSIGNAL);
}

static void slot_connect(struct slot *s, uint64_t now)
{
    int one = 1, small = 4096;
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = s};

    s->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) {
        die("socket");
    }
    count.connected++;
    count.connected_high =
        count.connected > count.connected_high ? count.connected : count.connected_high;
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (s->slow) {
        setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    }
    s->state = CONNECTING;
    s->reused = false;
    if (connect(s->fd, address->ai_addr, address->ai_addrlen) && errno != EINPROGRESS) {
        slot_fail(s, &count.connect_failures, now);
        return;
    }
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &e)) {
        die("epoll_ctl");
    }
}

static void slot_begin(struct slot *s)
{
    s->unique = s->highest = 0;
    s->got_byte = s->first = s->done = s->error = false;
    s->seen = calloc(1, (size_t)opt.tokens / 8 + 1);
    if (!s->seen) {
        die("memory");
    }
}

/* The next request of a slot, on its connection if it still has one. */
static void slot_request(struct slot *s, uint64_t now)
{
    s->id = opt.id + issued++;
    count.requests++;
    slot_begin(s);
    if (s->fd >= 0) {
        s->reused = true;
        send_request(s);
    } else {
        slot_connect(s, now);
    }
}

static void on_connected(struct slot *s, uint64_t now)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
    int error = 0;
    socklen_t n = sizeof(error);

    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (error) {
        note_error(strerror(error), strlen(strerror(error)));
        slot_fail(s, &count.connect_failures, now);
        return;
    }
    epoll_ctl(epoll, s->slow ? EPOLL_CTL_DEL : EPOLL_CTL_MOD, s->fd, &e);
    send_request(s);
}

static void on_closed(struct slot *s, uint64_t now)
{
    if (s->reused && !s->got_byte && s->state == HEAD) {
        /* An idle connection that the server had just given up: every client tries again. */
        count.reconnects++;
        slot_close(s);
        slot_connect(s, now);
        return;
    }
    if (s->state == BODY && s->until_close) {
        answer_end(s, now);
        return;
    }
    slot_fail(s, &count.broken, now);
}

static void slot_read(struct slot *s, size_t max)
{
    char *p = bytes_room(&s->in, max);
    ssize_t n = recv(s->fd, p, max, 0);
    uint64_t now = now_ns();

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        on_closed(s, now);
        return;
    }
    s->got_byte = true;
    count.bytes += (uint64_t)n;
    s->in.len += (size_t)n;
    take_bytes(s, now);
    if (s->fd >= 0 && !bytes_used(&s->in)) {
        bytes_free(&s->in);
    }
}

/* --- what happens by the clock --------------------------------------------------------------- */

static uint64_t next_start, next_cancel, next_tick;

static uint64_t start_time(uint64_t i)
{
    return begin + i * opt.ramp * MS / opt.streams;
}

static uint64_t cancel_time(uint64_t i)
{
    return begin + (opt.cancel_after + i * opt.cancel_gap) * MS;
}

static void cancel_slot(struct slot *s, uint64_t now)
{
    if (s->state == SLOT_DONE || s->state == IDLE) {
        return;
    }
    closings[count.cancelled++] = (struct closing){s->id, now_ns(), s->unique};
    settle(s, false);
    slot_end(s, now);
}

static void run_clock(uint64_t now)
{
    while (next_start < opt.streams && start_time(next_start) <= now) {
        struct slot *s = &slots[next_start++];

        if (more_to_do(now)) {
            slot_request(s, now);
        } else {
            s->state = SLOT_DONE;
            busy--;
        }
    }
    while (opt.cancel && next_cancel < next_start && cancel_time(next_cancel) <= now) {
        cancel_slot(&slots[next_cancel++], now);
    }
    if (opt.slow && next_tick <= now) {
        next_tick = now + SLOW_TICK;
        for (uint64_t i = 0; i < opt.slow && i < opt.streams; i++) {
            if (slots[i].state == HEAD || slots[i].state == BODY) {
                slot_read(&slots[i], (size_t)(opt.slow_rate * SLOW_TICK / SECOND) + 1);
            }
        }
    }
}

static int wait_ms(uint64_t now, uint64_t deadline)
{
    uint64_t t = deadline;

    if (next_start < opt.streams && start_time(next_start) < t) {
        t = start_time(next_start);
    }
    if (opt.cancel && next_cancel < opt.streams && cancel_time(next_cancel) < t) {
        t = cancel_time(next_cancel);
    }
    if (opt.slow && next_tick < t) {
        t = next_tick;
    }
    return t <= now ? 0 : (int)((t - now + MS - 1) / MS);
}

static void run(void)
{
    struct epoll_event events[256];
    uint64_t now = now_ns(), deadline = now + opt.timeout * MS;

    begin = finish_ns = now;
    for (busy = opt.streams; busy && now < deadline; now = now_ns()) {
        int n;

        run_clock(now);
        if (!busy) {
            break;
        }
        n = epoll_wait(epoll, events, 256, wait_ms(now, deadline));
        for (int i = 0; i < n; i++) {
            struct slot *s = events[i].data.ptr;

            if (s->state == CONNECTING) {
                on_connected(s, now_ns());
            } else if (s->fd >= 0) {
                slot_read(s, 16384);
            }
        }
    }
    for (uint64_t i = 0; i < opt.streams; i++) {
        if (slots[i].state != SLOT_DONE) {
            count.timed_out += slots[i].state != IDLE;
            slot_close(&slots[i]);
            free(slots[i].seen);
        }
    }
}

/* --- report ---------------------------------------------------------------------------------- */

static bool bad(void)
{
    return count.lost || count.doubled || count.reordered || count.foreign || count.no_done ||
           count.broken || count.connect_failures || count.http_errors || count.error_events ||
           count.timed_out;
}

static void print_histogram_json(const char *name, const struct histogram *h)
{
    printf(",\"%s\":{\"count\":%llu,\"mean_us\":%.1f,\"p50_us\":%.1f,\"p90_us\":%.1f,"
           "\"p99_us\":%.1f,\"max_us\":%.1f}",
           name, (unsigned long long)h->count,
           h->count ? (double)h->sum / (double)h->count / 1e3 : 0, (double)quantile(h, 0.5) / 1e3,
           (double)quantile(h, 0.9) / 1e3, (double)quantile(h, 0.99) / 1e3, (double)h->max / 1e3);
}

static void print_histogram(const char *name, const struct histogram *h)
{
    if (h->count) {
        printf("%-12s p50 %10.1f  p90 %10.1f  p99 %10.1f  max %10.1f us  (%llu)\n", name,
               (double)quantile(h, 0.5) / 1e3, (double)quantile(h, 0.9) / 1e3,
               (double)quantile(h, 0.99) / 1e3, (double)h->max / 1e3, (unsigned long long)h->count);
    }
}

static void print_text_json(const char *p)
{
    putchar('"');
    for (; *p; p++) {
        if (*p == '"' || *p == '\\') {
            putchar('\\');
        }
        putchar((unsigned char)*p < ' ' ? ' ' : *p);
    }
    putchar('"');
}

static const struct {
    const char *name;
    const uint64_t *value;
} numbers[] = {
    {"requests", &count.requests},
    {"complete", &count.complete},
    {"tokens", &count.tokens},
    {"lost", &count.lost},
    {"doubled", &count.doubled},
    {"reordered", &count.reordered},
    {"foreign", &count.foreign},
    {"no_done", &count.no_done},
    {"broken", &count.broken},
    {"error_events", &count.error_events},
    {"http_errors", &count.http_errors},
    {"last_status", &count.last_status},
    {"connect_failures", &count.connect_failures},
    {"timed_out", &count.timed_out},
    {"cancelled", &count.cancelled},
    {"comments", &count.comments},
    {"reconnects", &count.reconnects},
    {"slow_tokens", &count.slow_tokens},
    {"connected_high", &count.connected_high},
    {"bytes", &count.bytes},
};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static void report_json(double seconds)
{
    printf("{\"ok\":%s,\"seconds\":%.3f,\"rps\":%.1f", bad() ? "false" : "true", seconds,
           (double)count.complete / seconds);
    for (size_t i = 0; i < NUMBERS; i++) {
        printf(",\"%s\":%llu", numbers[i].name, (unsigned long long)*numbers[i].value);
    }
    print_histogram_json("token", &token_time);
    print_histogram_json("first", &first_time);
    print_histogram_json("whole", &whole_time);
    printf(",\"error\":");
    print_text_json(error_text);
    printf(",\"closes\":[");
    for (uint64_t i = 0; i < count.cancelled; i++) {
        printf("%s[%llu,%llu,%llu]", i ? "," : "", (unsigned long long)closings[i].id,
               (unsigned long long)closings[i].ns, (unsigned long long)closings[i].tokens);
    }
    printf("]}\n");
}

static void report(double seconds)
{
    printf("%.3f s, %.1f answers a second\n", seconds, (double)count.complete / seconds);
    for (size_t i = 0; i < NUMBERS; i++) {
        if (*numbers[i].value) {
            printf("%s %llu  ", numbers[i].name, (unsigned long long)*numbers[i].value);
        }
    }
    putchar('\n');
    print_histogram("token", &token_time);
    print_histogram("first token", &first_time);
    print_histogram("whole answer", &whole_time);
    for (uint64_t i = 0; i < count.cancelled; i++) {
        printf("closed %llu at %llu ns\n", (unsigned long long)closings[i].id,
               (unsigned long long)closings[i].ns);
    }
    if (*error_text) {
        printf("first error: %s\n", error_text);
    }
    puts(bad() ? "BAD" : "good");
}

/* --- main ------------------------------------------------------------------------------------ */

_Noreturn static void usage(void)
{
    fputs("usage: load [options] HOST:PORT/PATH\n"
          "  --streams N       streams at once (1)\n"
          "  --requests N      requests in all; a stream that ends makes room for the next "
          "(streams)\n"
          "  --duration MS     no new request after this time\n"
          "  --ramp MS         time over which the streams start (0)\n"
          "  --host NAME       Host header (HOST:PORT)\n"
          "  --model NAME      (bench)\n"
          "  --plain           answers that are not streamed\n"
          "  --fresh           a connection for each request (default: kept alive)\n"
          "  --tokens N        tokens of an answer (64)\n"
          "  --rate R          tokens a second, 0: flat out (0)\n"
          "  --phase 0|1       0: all streams' tokens at once, 1: spread evenly (1)\n"
          "  --first-ms N      the backend's delay before the first token, not in the times of it "
          "(0)\n"
          "  --silent          after its tokens the backend neither speaks nor ends\n"
          "  --skip N          first tokens of each stream that are checked but not timed (0)\n"
          "  --slow K          K of the streams read slowly (0), and are not timed\n"
          "  --slow-rate N     bytes a second that a slow one reads (10240)\n"
          "  --cancel-after MS close stream i at MS + i * gap after the start\n"
          "  --cancel-gap MS   (0)\n"
          "  --id N            id of the first request (1)\n"
          "  --timeout MS      what runs then is an error (120000)\n"
          "  --json            one line of JSON\n"
          "exit code: 0 good, 1 something lost, doubled, reordered, broken or refused, 2 usage\n",
          stderr);
    exit(2);
}

static bool number_option(const char *name, const char *value)
{
    static const struct {
        const char *name;
        uint64_t *value, max;
    } table[] = {
        {"--streams", &opt.streams, 100000},
        {"--requests", &opt.requests, 1000000000},
        {"--duration", &opt.duration, 86400000},
        {"--ramp", &opt.ramp, 86400000},
        {"--tokens", &opt.tokens, 100000000},
        {"--phase", &opt.phase, 1},
        {"--first-ms", &opt.first_ms, 86400000},
        {"--skip", &opt.skip, 100000000},
        {"--slow", &opt.slow, 100000},
        {"--slow-rate", &opt.slow_rate, 1000000000},
        {"--cancel-after", &opt.cancel_after, 86400000},
        {"--cancel-gap", &opt.cancel_gap, 86400000},
        {"--id", &opt.id, 1ULL << 40},
        {"--timeout", &opt.timeout, 86400000},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(name, table[i].name) == 0) {
            *table[i].value = option_number(name, value, table[i].max);
            opt.cancel |= strcmp(name, "--cancel-after") == 0;
            return true;
        }
    }
    return false;
}

static bool flag_option(const char *name)
{
    static const struct {
        const char *name;
        bool *value;
    } table[] = {
        {"--plain", &opt.plain},
        {"--silent", &opt.silent},
        {"--fresh", &opt.fresh},
        {"--json", &opt.json},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(name, table[i].name) == 0) {
            *table[i].value = true;
            return true;
        }
    }
    return false;
}

static void take_target(const char *target)
{
    static char buf[512];
    char *slash, *colon;

    if (strncmp(target, "http://", 7) == 0) {
        target += 7;
    }
    snprintf(buf, sizeof(buf), "%s", target);
    slash = strchr(buf, '/');
    opt.path = slash ? strdup(slash) : "/v1/chat/completions";
    if (slash) {
        *slash = 0;
    }
    if (!opt.name) {
        opt.name = strdup(buf);
    }
    colon = strrchr(buf, ':');
    opt.port = colon ? colon + 1 : "80";
    if (colon) {
        *colon = 0;
    }
    opt.host = buf;
}

static void options(int argc, char **argv)
{
    const char *target = NULL;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (flag_option(argv[i])) {
            continue;
        }
        if (strncmp(argv[i], "--", 2) != 0) {
            target = argv[i];
            continue;
        }
        if (!value) {
            usage();
        }
        if (strcmp(argv[i], "--host") == 0) {
            opt.name = value;
        } else if (strcmp(argv[i], "--model") == 0) {
            opt.model = value;
        } else if (strcmp(argv[i], "--rate") == 0) {
            opt.rate = strtod(value, NULL);
        } else if (!number_option(argv[i], value)) {
            usage();
        }
        i++;
    }
    if (!target || !opt.streams) {
        usage();
    }
    take_target(target);
    if (!opt.requests) {
        opt.requests = opt.streams;
    }
}

int main(int argc, char **argv)
{
    struct addrinfo hint = {.ai_socktype = SOCK_STREAM};

    options(argc, argv);
    raise_file_limit();
    if (getaddrinfo(opt.host, opt.port, &hint, &address)) {
        fprintf(stderr, "load: no address for %s:%s\n", opt.host, opt.port);
        return 2;
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    slots = calloc(opt.streams, sizeof(*slots));
    closings = calloc(opt.streams, sizeof(*closings));
    if (epoll < 0 || !slots || !closings) {
        die("start");
    }
    for (uint64_t i = 0; i < opt.streams; i++) {
        slots[i].fd = -1;
        slots[i].slow = i < opt.slow;
    }
    run();

    double seconds = (double)(finish_ns - begin) / 1e9;
    if (seconds <= 0) {
        seconds = 1e-9;
    }
    if (opt.json) {
        report_json(seconds);
    } else {
        report(seconds);
    }
    freeaddrinfo(address);
    free(slots);
    free(closings);
    return bad() ? 1 : 0;
}

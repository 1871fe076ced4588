/*
 * A model server without a model: it writes tokens at a given rate, each with its number and the
 * time at which it was written, and it remembers when clients went away. One thread, one epoll.
 * README.md tells what a request may say in its field "bench".
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <signal.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common.h"

#define HEAD_MAX  (64 * 1024)
#define BODY_MAX  (64 * 1024 * 1024)
#define OUT_MAX   (64 * 1024) /* unsent bytes at which a stream waits for its reader */
#define BURST     64          /* tokens that one stream may write before the next one's turn */
#define REMEMBER  1000
#define MODEL_MAX 16
#define TOKEN_MAX 100000000ULL

/* What the field "bench" of a request says; the command line gives the defaults. */
struct plan {
    uint64_t tokens, first_ms, id;
    double rate; /* tokens a second; 0: as fast as the reader takes them */
    bool spread; /* the streams' tokens fall evenly between each other, not all together */
    bool silent; /* after its tokens, or at once without any, the stream neither speaks nor ends */
};

enum state { READING, STREAMING, ANSWERING, SILENT };

struct conn {
    struct bytes in, out;
    struct plan plan;
    enum state state;
    size_t heap; /* place in the heap + 1; 0: not in it */
    uint64_t due, first_due, next, arrived;
    char model[128];
    int fd;
    bool ollama, usage, head_sent, close_after, dead;
    struct conn *next_dead;
};

struct event_time {
    uint64_t id, ns;
};

struct times {
    struct event_time last[REMEMBER];
    uint64_t count;
};

static struct {
    struct plan defaults;
    const char *models[MODEL_MAX];
    size_t n_models;
    bool ollama;
    struct conn **heap;
    size_t n_heap, cap_heap;
    struct conn *dead;
    int epoll, timer;
    uint64_t requests, finished, tokens, open, open_high;
    struct times starts, aborts;
} g;

static volatile sig_atomic_t stop;

static void remember(struct times *t, uint64_t id, uint64_t ns)
{
    t->last[t->count++ % REMEMBER] = (struct event_time){id, ns};
}

/* --- the heap of streams by the time of their next token ------------------------------------ */

static void heap_put(size_t i, struct conn *c)
{
    g.heap[i] = c;
    c->heap = i + 1;
}

static void heap_up(size_t i, struct conn *c)
{
    while (i && g.heap[(i - 1) / 2]->due > c->due) {
        heap_put(i, g.heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_put(i, c);
}

static void heap_down(size_t i, struct conn *c)
{
    for (size_t k; (k = 2 * i + 1) < g.n_heap; i = k) {
        if (k + 1 < g.n_heap && g.heap[k + 1]->due < g.heap[k]->due) {
            k++;
        }
        if (g.heap[k]->due >= c->due) {
            break;
        }
        heap_put(i, g.heap[k]);
    }
    heap_put(i, c);
}

static void heap_remove(struct conn *c)
{
    size_t i = c->heap - 1;
    struct conn *last;

    if (!c->heap) {
        return;
    }
    c->heap = 0;
    last = g.heap[--g.n_heap];
    if (last != c) {
        heap_up(i, last);
        heap_down(last->heap - 1, last);
    }
}

static void schedule(struct conn *c, uint64_t due)
{
    heap_remove(c);
    if (g.n_heap == g.cap_heap) {
        g.cap_heap = g.cap_heap ? g.cap_heap * 2 : 256;
        g.heap = realloc(g.heap, g.cap_heap * sizeof(struct conn *));
        if (!g.heap) {
            die("memory");
        }
    }
    c->due = due;
    heap_up(g.n_heap++, c);
}

/* --- connections ---------------------------------------------------------------------------- */

static void conn_close(struct conn *c)
{
    if (c->dead) {
        return;
    }
    if (c->state != READING) {
        remember(&g.aborts, c->plan.id, now_ns());
    }
    heap_remove(c);
    close(c->fd);
    g.open--;
    c->dead = true; /* events of this turn may still name it */
    c->next_dead = g.dead;
    g.dead = c;
}

static void bury(void)
{
    while (g.dead) {
        struct conn *c = g.dead;

        g.dead = c->next_dead;
        bytes_free(&c->in);
        bytes_free(&c->out);
        free(c);
    }
}

/* False: the connection is closed. Unsent bytes stay for the next EPOLLOUT. */
static bool flush(struct conn *c)
{
    while (bytes_used(&c->out)) {
        ssize_t n = send(c->fd, bytes_begin(&c->out), bytes_used(&c->out), MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return true;
        }
        if (n < 0) {
            conn_close(c);
            return false;
        }
        c->out.at += (size_t)n;
    }
    c->out.at = c->out.len = 0;
    if (c->close_after && c->state == READING) {
        conn_close(c);
        return false;
    }
    return true;
}

static void answer(struct conn *c, const char *status, const char *type, const char *body, size_t n)
{
    bytes_printf(&c->out,
                 "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n",
                 status, type, n, c->close_after ? "close" : "keep-alive");
    bytes_add(&c->out, body, n);
}

static void answer_json(struct conn *c, const char *status, const struct bytes *body)
{
    answer(c, status, "application/json", bytes_begin(body), bytes_used(body));
}

/* --- tokens --------------------------------------------------------------------------------- */

#define PIECE_MAX 1024

/* One chunk of the answer: an SSE event, or a line for Ollama's clients. */
__attribute__((format(printf, 2, 3))) static void put_chunk(struct conn *c, const char *format, ...)
{
    char text[PIECE_MAX];
    char frame[PIECE_MAX + 64];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(text)) {
        die("a chunk is too long");
    }
    n = c->ollama ? snprintf(frame, sizeof(frame), "%x\r\n%s\n\r\n", (unsigned)n + 1, text)
                  : snprintf(frame, sizeof(frame), "%x\r\ndata: %s\n\n\r\n", (unsigned)n + 8, text);
    bytes_add(&c->out, frame, (size_t)n);
}

static void put_delta(struct conn *c, const char *delta, const char *finish)
{
    put_chunk(c,
              "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":"
              "1700000000,\"model\":\"%s\",\"choices\":[{\"index\":0,\"delta\":{%s},"
              "\"finish_reason\":%s}]}",
              c->model, delta, finish);
}

static void put_head(struct conn *c)
{
    c->head_sent = true;
    bytes_printf(&c->out,
                 "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nCache-Control: no-cache\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n",
                 c->ollama ? "application/x-ndjson" : "text/event-stream");
    if (!c->ollama) {
        put_delta(c, "\"role\":\"assistant\",\"content\":\"\"", "null");
    }
}

/* "SEQUENCE:NANOSECONDS ", and with an id "SEQUENCE:NANOSECONDS:ID ". */
static const char *token_text(const struct conn *c, uint64_t seq, uint64_t ns, char *buf, size_t n)
{
    int k = snprintf(buf, n, "%llu:%llu", (unsigned long long)seq, (unsigned long long)ns);

    if (c->plan.id) {
        k += snprintf(buf + k, n - (size_t)k, ":%llu", (unsigned long long)c->plan.id);
    }
    snprintf(buf + k, n - (size_t)k, " ");
    return buf;
}

static void put_token(struct conn *c, uint64_t seq)
{
    char text[96], delta[128];

    token_text(c, seq, now_ns(), text, sizeof(text));
    if (c->ollama) {
        put_chunk(c,
                  "{\"model\":\"%s\",\"created_at\":\"2024-01-01T00:00:00Z\",\"message\":{"
                  "\"role\":\"assistant\",\"content\":\"%s\"},\"done\":false}",
                  c->model, text);
    } else {
        snprintf(delta, sizeof(delta), "\"content\":\"%s\"", text);
        put_delta(c, delta, "null");
    }
    g.tokens++;
}

#define OLLAMA_END                                                                              \
    "\"done_reason\":\"stop\",\"done\":true,\"total_duration\":%llu,\"load_duration\":0,"       \
    "\"prompt_eval_count\":1,\"prompt_eval_duration\":1,\"eval_count\":%llu,\"eval_duration\":" \
    "%llu}"
#define USAGE "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":%llu,\"total_tokens\":%llu}"

static void put_end(struct conn *c)
{
    unsigned long long n = c->plan.tokens, took = now_ns() - c->arrived;

    if (c->ollama) {
        put_chunk(c,
                  "{\"model\":\"%s\",\"created_at\":\"2024-01-01T00:00:00Z\",\"message\":{"
                  "\"role\":\"assistant\",\"content\":\"\"}," OLLAMA_END,
                  c->model, took, n, took);
    } else {
        put_delta(c, "", "\"stop\"");
        if (c->usage) {
            put_chunk(c,
                      "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":"
                      "1700000000,\"model\":\"%s\",\"choices\":[]," USAGE "}",
                      c->model, n, n + 1);
        }
        put_chunk(c, "[DONE]");
    }
    bytes_add(&c->out, "0\r\n\r\n", 5);
}

static void put_whole(struct conn *c)
{
    struct bytes body = {0};
    unsigned long long n = c->plan.tokens, took = now_ns() - c->arrived;
    char text[96];

    bytes_printf(&body,
                 c->ollama ? "{\"model\":\"%s\",\"created_at\":\"2024-01-01T00:00:00Z\","
                             "\"message\":{\"role\":\"assistant\",\"content\":\""
                           : "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\""
                             ":1700000000,\"model\":\"%s\",\"choices\":[{\"index\":0,\"message\":{"
                             "\"role\":\"assistant\",\"content\":\"",
                 c->model);
    for (uint64_t i = 0; i < c->plan.tokens; i++) {
        token_text(c, i, now_ns(), text, sizeof(text));
        bytes_add(&body, text, strlen(text));
    }
    g.tokens += c->plan.tokens;
    if (c->ollama) {
        bytes_printf(&body, "\"}," OLLAMA_END, took, n, took);
    } else {
        bytes_printf(&body, "\"},\"finish_reason\":\"stop\"}]," USAGE "}", n, n + 1);
    }
    answer_json(c, "200 OK", &body);
    bytes_free(&body);
}

static void serve(struct conn *c);

static void finish(struct conn *c)
{
    g.finished++;
    c->state = READING;
    if (flush(c) && bytes_used(&c->in)) {
        serve(c);
    }
}

static uint64_t due_of(const struct conn *c, uint64_t seq)
{
    return c->first_due + (c->plan.rate > 0 ? (uint64_t)((double)seq * 1e9 / c->plan.rate) : 0);
}

static void speak(struct conn *c, uint64_t now)
{
    unsigned burst = 0;

    if (c->state == ANSWERING) {
        put_whole(c);
        finish(c);
        return;
    }
    if (!c->head_sent) {
        put_head(c);
    }
    while (c->next < c->plan.tokens && burst++ < BURST && due_of(c, c->next) <= now &&
           bytes_used(&c->out) < OUT_MAX) {
        put_token(c, c->next++);
    }
    if (c->next == c->plan.tokens && c->plan.silent) {
        c->state = SILENT;
    } else if (c->next == c->plan.tokens) {
        put_end(c);
        finish(c);
        return;
    }
    if (!flush(c) || c->state == SILENT) {
        return;
    }
    if (bytes_used(&c->out) < OUT_MAX) { /* else EPOLLOUT brings it back */
        uint64_t due = due_of(c, c->next);

        schedule(c, due > now ? due : now + 1);
    }
}

static uint64_t first_due(const struct plan *p, uint64_t now)
{
    static const double golden = 0.6180339887498949; /* any number of streams falls evenly */
    static uint64_t count;
    double gap = p->rate > 0 ? 1e9 / p->rate : 0, place;
    uint64_t earliest = now + p->first_ms * MS;

    if (gap < 1) {
        return earliest;
    }
    place = p->spread ? (double)(++count % 1000003) * golden : 0;
    place = (place - (double)(uint64_t)place) * gap;
    /* The next time on this stream's grid, so that streams which start apart still keep step. */
    return (uint64_t)(((double)(uint64_t)((double)earliest / gap) + 1) * gap + place);
}

static void start(struct conn *c, bool stream)
{
    uint64_t now = now_ns();
    const struct plan *p = &c->plan;

    c->arrived = now;
    c->next = 0;
    c->head_sent = false;
    remember(&g.starts, p->id, now);
    if (p->silent && (!p->tokens || !stream)) {
        c->state = SILENT;
        return;
    }
    c->state = stream ? STREAMING : ANSWERING;
    c->first_due = first_due(p, now);
    schedule(c, stream ? c->first_due : due_of(c, p->tokens));
}

/* --- the request's JSON: just enough to find members ----------------------------------------- */

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) {
        p++;
    }
    return p;
}

static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++) {
        if (*p == '\\') {
            p++;
        }
    }
    return p < end ? p + 1 : end;
}

static const char *skip_value(const char *p, const char *end)
{
    unsigned depth = 0;

    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
            if (!depth) {
                return p;
            }
            continue;
        }
        if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            if (depth <= 1) {
                return depth ? p + 1 : p;
            }
            depth--;
        } else if (*p == ',' && !depth) {
            return p;
        }
        p++;
    }
    return end;
}

struct text {
    const char *p, *end; /* p == NULL: not there */
};

/* The value of a member of the object t. */
static struct text member(struct text t, const char *name)
{
    size_t n = strlen(name);
    const char *p = t.p ? skip_space(t.p, t.end) : t.end;

    if (p >= t.end || *p != '{') {
        return (struct text){NULL, NULL};
    }
    p = skip_space(p + 1, t.end);
    while (p < t.end && *p == '"') {
        const char *key = p + 1, *value;
        bool match;

        p = skip_string(p, t.end);
        match = (size_t)(p - key) == n + 1 && memcmp(key, name, n) == 0;
        p = skip_space(p, t.end);
        if (p >= t.end || *p != ':') {
            break;
        }
        value = skip_space(p + 1, t.end);
        p = skip_value(value, t.end);
        if (match) {
            return (struct text){value, p};
        }
        p = skip_space(p, t.end);
        if (p < t.end && *p == ',') {
            p = skip_space(p + 1, t.end);
        }
    }
    return (struct text){NULL, NULL};
}

static double number(struct text t, double otherwise)
{
    char buf[40];
    size_t n = t.p ? (size_t)(t.end - t.p) : 0;

    if (!n || n >= sizeof(buf) || !strchr("0123456789", *t.p)) {
        return otherwise;
    }
    memcpy(buf, t.p, n);
    buf[n] = 0;
    return strtod(buf, NULL);
}

static uint64_t whole(struct text t, uint64_t otherwise, uint64_t max)
{
    double v = number(t, -1);

    return v < 0 ? otherwise : v > (double)max ? max : (uint64_t)v;
}

static bool truth(struct text t, bool otherwise)
{
    return !t.p ? otherwise : *t.p == 't' || (*t.p >= '1' && *t.p <= '9');
}

static void read_plan(struct conn *c, struct text root)
{
    struct text b = member(root, "bench");
    struct plan *p = &c->plan;

    *p = g.defaults;
    if (!b.p) {
        b = member(member(root, "options"), "bench");
    }
    p->tokens = whole(member(b, "tokens"), p->tokens, TOKEN_MAX);
    p->first_ms = whole(member(b, "first_ms"), p->first_ms, 86400000);
    p->id = whole(member(b, "id"), p->id, 1ULL << 52);
    p->rate = number(member(b, "rate"), p->rate);
    p->spread = truth(member(b, "phase"), p->spread);
    p->silent = truth(member(b, "silent"), p->silent);
}

static void chat(struct conn *c, struct text root, bool ollama)
{
    struct text model = member(root, "model");
    size_t n = model.p && *model.p == '"' ? (size_t)(model.end - model.p) - 2 : 0;

    c->ollama = ollama;
    /* An escaped or long name is not one of ours. */
    if (!n || n >= sizeof(c->model) || memchr(model.p, '\\', n)) {
        n = 0;
    } else {
        memcpy(c->model, model.p + 1, n);
    }
    c->model[n] = 0;
    for (size_t i = 0; i < g.n_models; i++) {
        if (strcmp(g.models[i], c->model) == 0) {
            c->usage = truth(member(member(root, "stream_options"), "include_usage"), false);
            read_plan(c, root);
            start(c, truth(member(root, "stream"), ollama));
            return;
        }
    }
    static const char absent[] = "{\"error\":{\"message\":\"no such model\",\"type\":"
                                 "\"invalid_request_error\",\"code\":\"model_not_found\"}}";
    answer(c, "404 Not Found", "application/json", absent, sizeof(absent) - 1);
}

/* --- the other paths ------------------------------------------------------------------------ */

static void put_times(struct bytes *b, const struct times *t)
{
    uint64_t i = t->count > REMEMBER ? t->count - REMEMBER : 0;

    for (const char *comma = ""; i < t->count; i++, comma = ",") {
        const struct event_time *e = &t->last[i % REMEMBER];

        bytes_printf(b, "%s[%llu,%llu]", comma, (unsigned long long)e->id,
                     (unsigned long long)e->ns);
    }
}

static void answer_stats(struct conn *c, bool lists)
{
    struct bytes b = {0};

    bytes_printf(&b,
                 "{\"started\":%llu,\"finished\":%llu,\"aborted\":%llu,\"tokens\":%llu,"
                 "\"requests\":%llu,\"open\":%llu,\"open_high\":%llu,\"starts\":[",
                 (unsigned long long)g.starts.count, (unsigned long long)g.finished,
                 (unsigned long long)g.aborts.count, (unsigned long long)g.tokens,
                 (unsigned long long)g.requests, (unsigned long long)g.open,
                 (unsigned long long)g.open_high);
    if (lists) {
        put_times(&b, &g.starts);
    }
    bytes_add(&b, "],\"aborts\":[", 12);
    if (lists) {
        put_times(&b, &g.aborts);
    }
    bytes_add(&b, "]}\n", 3);
    answer_json(c, "200 OK", &b);
    bytes_free(&b);
}

static void answer_models(struct conn *c)
{
    struct bytes b = {0};

    bytes_printf(&b, g.ollama ? "{\"models\":[" : "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < g.n_models; i++) {
        bytes_printf(&b,
                     g.ollama
                         ? "%s{\"name\":\"%s\",\"model\":\"%s\",\"modified_at\":"
                           "\"2024-01-01T00:00:00Z\",\"size\":1000,\"digest\":\"0123456789ab\","
                           "\"details\":{\"format\":\"gguf\",\"family\":\"bench\"}}"
                         : "%s{\"id\":\"%s\",\"object\":\"model\",\"created\":1700000000,"
                           "\"owned_by\":\"%s\"}",
                     i ? "," : "", g.models[i], g.models[i]);
    }
    bytes_add(&b, "]}", 2);
    answer_json(c, "200 OK", &b);
    bytes_free(&b);
}

static void answer_text(struct conn *c, const char *status, const char *text)
{
    answer(c, status, "application/json", text, strlen(text));
}

static void route(struct conn *c, const char *line, struct text body)
{
    static const struct {
        const char *line;
        bool ollama;
        const char *text;
    } fixed[] = {
        {"GET /api/version ", true, "{\"version\":\"0.9.0\"}"},
        {"POST /api/show ", true,
         "{\"capabilities\":[\"completion\"],\"details\":{\"family\":\"bench\"},\"model_info\":"
         "{\"general.architecture\":\"bench\",\"bench.context_length\":8192}}"},
        {"GET /api/ps ", true, "{\"models\":[]}"},
        {"GET /health ", false, "{\"status\":\"ok\"}"},
    };

    g.requests++;
    if (!g.ollama && strncmp(line, "POST /v1/chat/completions ", 26) == 0) {
        chat(c, body, false);
        return;
    }
    if (g.ollama && strncmp(line, "POST /api/chat ", 15) == 0) {
        chat(c, body, true);
        return;
    }
    if (strncmp(line, "GET /stats", 10) == 0 && (line[10] == ' ' || line[10] == '?')) {
        answer_stats(c, strncmp(line + 10, "?brief", 6) != 0);
        return;
    }
    if (strncmp(line, g.ollama ? "GET /api/tags " : "GET /v1/models ", g.ollama ? 14 : 15) == 0) {
        answer_models(c);
        return;
    }
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        if (fixed[i].ollama == g.ollama &&
            strncmp(line, fixed[i].line, strlen(fixed[i].line)) == 0) {
            answer_text(c, "200 OK", fixed[i].text);
            return;
        }
    }
    answer_text(c, "404 Not Found", "{\"error\":{\"message\":\"no such path\"}}");
}

/* --- HTTP ----------------------------------------------------------------------------------- */

static const char *find(const char *p, size_t n, const char *what, size_t k)
{
    return memmem(p, n, what, k);
}

/* The value of a header field in [p, end), whose lines end in CRLF. */
static const char *field(const char *p, const char *end, const char *name)
{
    size_t n = strlen(name);

    while (p < end) {
        const char *eol = find(p, (size_t)(end - p), "\r\n", 2);

        if (!eol) {
            break;
        }
        if ((size_t)(eol - p) > n && p[n] == ':' && strncasecmp(p, name, n) == 0) {
            for (p += n + 1; *p == ' ' || *p == '\t'; p++) {
            }
            return p;
        }
        p = eol + 2;
    }
    return NULL;
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
    v = field(p, end, "Transfer-Encoding");
    if (v && strncasecmp(v, "chunked", 7) == 0) {
        int k = unchunk(p + head, n - head, &used, &len);

        if (k < 1) {
            return n > BODY_MAX ? -1 : k;
        }
    } else {
        v = field(p, end, "Content-Length");
        len = used = v ? strtoul(v, NULL, 10) : 0;
        if (len > BODY_MAX) {
            return -1;
        }
    }
    if (n - head < used) {
        v = field(p, end, "Expect");
        if (v && n == head && strncasecmp(v, "100-", 4) == 0) {
            bytes_add(&c->out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        }
        return 0;
    }
    v = field(p, end, "Connection");
    c->close_after = v && strncasecmp(v, "close", 5) == 0;
    c->in.at += head + used;
    route(c, p, (struct text){p + head, p + head + len});
    return 1;
}

static void serve(struct conn *c)
{
    while (!c->dead && c->state == READING && bytes_used(&c->in)) {
        int k = take_request(c);

        if (k < 0) {
            conn_close(c);
            return;
        }
        if (!flush(c) || k == 0) {
            return;
        }
    }
}

static void on_readable(struct conn *c)
{
    for (;;) {
        ssize_t n = recv(c->fd, bytes_room(&c->in, 16384), 16384, 0);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        if (n <= 0 || bytes_used(&c->in) > BODY_MAX + HEAD_MAX) {
            conn_close(c);
            return;
        }
        c->in.len += (size_t)n;
    }
    serve(c);
    if (!c->dead && !bytes_used(&c->in)) {
        bytes_free(&c->in); /* ten thousand idle buffers would show */
    }
}

static void on_event(struct conn *c, uint32_t events)
{
    if (!c->dead && events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
        conn_close(c);
    }
    if (!c->dead && events & EPOLLOUT && flush(c) && c->state == STREAMING && !c->heap &&
        bytes_used(&c->out) < OUT_MAX) {
        schedule(c, due_of(c, c->next));
    }
    if (!c->dead && events & EPOLLIN) {
        on_readable(c);
    }
}

static void on_listener(int listener)
{
    int fd, one = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *c = calloc(1, sizeof(*c));
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};

        if (!c) {
            die("memory");
        }
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (epoll_ctl(g.epoll, EPOLL_CTL_ADD, fd, &e)) {
            die("epoll_ctl");
        }
        g.open++;
        g.open_high = g.open > g.open_high ? g.open : g.open_high;
    }
    if (errno == EMFILE || errno == ENFILE) {
        die("accept");
    }
}

/* --- main ----------------------------------------------------------------------------------- */

static void run_due(void)
{
    uint64_t now = now_ns();

    while (g.n_heap && g.heap[0]->due <= now) {
        struct conn *c = g.heap[0];

        heap_remove(c);
        speak(c, now);
    }
}

static void arm_timer(void)
{
    struct itimerspec t = {0};

    if (g.n_heap) {
        t.it_value.tv_sec = (time_t)(g.heap[0]->due / SECOND);
        t.it_value.tv_nsec = (long)(g.heap[0]->due % SECOND);
    }
    timerfd_settime(g.timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t n = sizeof(a);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        bind(fd, (struct sockaddr *)&a, n) || listen(fd, 4096) ||
        getsockname(fd, (struct sockaddr *)&a, &n)) {
        die("listen");
    }
    printf("listening on http://127.0.0.1:%u\n", (unsigned)ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

static void on_signal(int signo)
{
    (void)signo;
    stop = 1;
}

_Noreturn static void usage(void)
{
    fputs("usage: fakellm [--port N] [--model NAME]... [--ollama] [--tokens N] [--rate R]\n"
          "               [--phase 0|1] [--first-ms N] [--silent]\n"
          "A model server on 127.0.0.1 that writes stamped tokens; port 0: the kernel chooses.\n"
          "rate 0: as fast as possible; phase 1: the streams' tokens are spread evenly.\n",
          stderr);
    exit(2);
}

static uint16_t options(int argc, char **argv)
{
    uint16_t port = 0;
    struct plan *p = &g.defaults;

    *p = (struct plan){.tokens = 64, .spread = true};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(name, "--ollama") == 0) {
            g.ollama = true;
        } else if (strcmp(name, "--silent") == 0) {
            p->silent = true;
        } else if (!value) {
            usage();
        } else if (i++, strcmp(name, "--port") == 0) {
            port = (uint16_t)option_number(name, value, 65535);
        } else if (strcmp(name, "--model") == 0 && g.n_models < MODEL_MAX &&
                   strlen(value) < sizeof(((struct conn *)0)->model) && !strpbrk(value, "\"\\")) {
            g.models[g.n_models++] = value;
        } else if (strcmp(name, "--tokens") == 0) {
            p->tokens = option_number(name, value, TOKEN_MAX);
        } else if (strcmp(name, "--rate") == 0) {
            p->rate = strtod(value, NULL);
        } else if (strcmp(name, "--phase") == 0) {
            p->spread = option_number(name, value, 1) == 1;
        } else if (strcmp(name, "--first-ms") == 0) {
            p->first_ms = option_number(name, value, 86400000);
        } else {
            usage();
        }
    }
    if (!g.n_models) {
        g.models[g.n_models++] = "bench";
    }
    return port;
}

int main(int argc, char **argv)
{
    static char listener_tag, timer_tag;
    struct epoll_event events[256];
    struct sigaction action = {.sa_handler = on_signal};
    int listener = listen_on(options(argc, argv));
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &listener_tag};

    raise_file_limit();
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    g.epoll = epoll_create1(EPOLL_CLOEXEC);
    g.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (g.epoll < 0 || g.timer < 0 || epoll_ctl(g.epoll, EPOLL_CTL_ADD, listener, &e)) {
        die("epoll");
    }
    e.data.ptr = &timer_tag;
    e.events = EPOLLIN | EPOLLET; /* the count in it is of no use, so nobody reads it */
    if (epoll_ctl(g.epoll, EPOLL_CTL_ADD, g.timer, &e)) {
        die("epoll");
    }
    while (!stop) {
        bool due = g.n_heap && g.heap[0]->due <= now_ns();
        int n;

        if (!due) {
            arm_timer();
        }
        n = epoll_wait(g.epoll, events, 256, due ? 0 : -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &listener_tag) {
                on_listener(listener);
            } else if (events[i].data.ptr != &timer_tag) {
                on_event(events[i].data.ptr, events[i].events);
            }
        }
        run_due();
        bury();
    }
    return 0;
}

#include "fakellm_write.h"

#include "fakellm_stats.h"

#define CREATED_AT "\"created_at\":\"2024-01-01T00:00:00Z\""
#define OLLAMA_END                                                                              \
    "\"done_reason\":\"stop\",\"done\":true,\"total_duration\":%llu,\"load_duration\":0,"       \
    "\"prompt_eval_count\":1,\"prompt_eval_duration\":1,\"eval_count\":%llu,\"eval_duration\":" \
    "%llu}"
#define OPENAI_CHUNK                                                                          \
    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000," \
    "\"model\":\"%s\",\"choices\":["
#define USAGE "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":%llu,\"total_tokens\":%llu}"

static const char openai_tail[] = "\"},\"finish_reason\":null}]}\n\n";
static const char ollama_tail[] = "\"},\"done\":false}\n";

void write_model(struct model *m, const char *name)
{
    snprintf(m->name, sizeof(m->name), "%s", name);
    snprintf(m->openai, sizeof(m->openai),
             "data: " OPENAI_CHUNK "{\"index\":0,\"delta\":{\"content\":\"", name);
    snprintf(m->ollama, sizeof(m->ollama),
             "{\"model\":\"%s\"," CREATED_AT ",\"message\":{\"role\":\"assistant\",\"content\":\"",
             name);
}

/* --- chunks ---------------------------------------------------------------------------------- */

#define PIECE_MAX 1024

/* One chunk of the answer: an SSE event, or a line for Ollama's clients. */
__attribute__((format(printf, 2, 3))) static void put_chunk(struct conn *c, const char *format, ...)
{
    char text[PIECE_MAX];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(text)) {
        die("a chunk is too long");
    }
    if (c->ollama) {
        bytes_printf(&c->out, "%x\r\n%s\n\r\n", (unsigned)n + 1, text);
    } else {
        bytes_printf(&c->out, "%x\r\ndata: %s\n\n\r\n", (unsigned)n + 8, text);
    }
}

static void put_delta(struct conn *c, const char *delta, const char *finish)
{
    put_chunk(c, OPENAI_CHUNK "{\"index\":0,\"delta\":{%s},\"finish_reason\":%s}]}", c->model->name,
              delta, finish);
}

void write_head(struct conn *c)
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

/* --- tokens: a hundred thousand a second, so printf is too slow here -------------------------- */

#define TEXT_MAX 64 /* three numbers of 20 digits and what is between them */

static char *put_number(char *p, uint64_t v)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + v % 10);
    } while (v /= 10);
    while (n) {
        *p++ = digits[--n];
    }
    return p;
}

static char *put_text(char *p, const char *text, size_t n)
{
    memcpy(p, text, n);
    return p + n;
}

/* "SEQUENCE:NANOSECONDS ", and with an id "SEQUENCE:NANOSECONDS:ID ". */
static char *put_stamp(char *p, uint64_t seq, uint64_t id)
{
    p = put_number(p, seq);
    *p++ = ':';
    p = put_number(p, now_ns());
    if (id) {
        *p++ = ':';
        p = put_number(p, id);
    }
    *p++ = ' ';
    return p;
}

void write_token(struct conn *c, uint64_t seq)
{
    static const char hex[] = "0123456789abcdef";
    const char *front = c->ollama ? c->model->ollama : c->model->openai;
    char *chunk, *p = bytes_room(&c->out, sizeof(c->model->openai) + TEXT_MAX + 64);
    size_t n;

    chunk = p + 5; /* the chunk's length has three digits: a chunk of 256 to 4095 bytes, or zeros */
    p = put_text(chunk, front, strlen(front));
    p = put_stamp(p, seq, c->plan.id);
    p = c->ollama ? put_text(p, ollama_tail, sizeof(ollama_tail) - 1)
                  : put_text(p, openai_tail, sizeof(openai_tail) - 1);
    n = (size_t)(p - chunk);
    chunk[-5] = hex[n >> 8 & 15];
    chunk[-4] = hex[n >> 4 & 15];
    chunk[-3] = hex[n & 15];
    chunk[-2] = '\r';
    chunk[-1] = '\n';
    p = put_text(p, "\r\n", 2);
    c->out.len += (size_t)(p - chunk) + 5;
    stats.tokens++;
}

/* --- the end --------------------------------------------------------------------------------- */

void write_end(struct conn *c)
{
    unsigned long long n = c->plan.tokens, took = now_ns() - c->arrived;

    if (c->ollama) {
        put_chunk(c,
                  "{\"model\":\"%s\"," CREATED_AT ",\"message\":{\"role\":\"assistant\","
                  "\"content\":\"\"}," OLLAMA_END,
                  c->model->name, took, n, took);
    } else {
        put_delta(c, "", "\"stop\"");
        if (c->usage) {
            put_chunk(c, OPENAI_CHUNK "]," USAGE "}", c->model->name, n, n + 1);
        }
        put_chunk(c, "[DONE]");
    }
    bytes_add(&c->out, "0\r\n\r\n", 5);
}

void write_whole(struct conn *c)
{
    struct bytes body = {0};
    unsigned long long n = c->plan.tokens, took = now_ns() - c->arrived;

    bytes_printf(&body,
                 c->ollama ? "{\"model\":\"%s\"," CREATED_AT ",\"message\":{\"role\":\"assistant\","
                             "\"content\":\""
                           : "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\""
                             ":1700000000,\"model\":\"%s\",\"choices\":[{\"index\":0,\"message\":{"
                             "\"role\":\"assistant\",\"content\":\"",
                 c->model->name);
    for (uint64_t i = 0; i < c->plan.tokens; i++) {
        char *p = bytes_room(&body, TEXT_MAX);

        body.len += (size_t)(put_stamp(p, i, c->plan.id) - p);
    }
    stats.tokens += c->plan.tokens;
    if (c->ollama) {
        bytes_printf(&body, "\"}," OLLAMA_END, took, n, took);
    } else {
        bytes_printf(&body, "\"},\"finish_reason\":\"stop\"}]," USAGE "}", n, n + 1);
    }
    conn_answer_json(c, "200 OK", &body);
    bytes_free(&body);
}

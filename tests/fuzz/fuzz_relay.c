/* Answers that are passed on. The first byte says which part: r a stream of responses, m of
 * messages, l Ollama's lines, a a whole answer, o the request out, u a payload unfolded; the rest
 * is its input. */
#include "dgon/relay.h"

#include "fuzz_chat.h"

typedef struct relay {
    dgon_chat chat;
    dgon_buf out;
    dgon_op op;
} relay;

/* What an agent emits the gateway can write. */
static dgon_status on_emit(void *user, const char *p, size_t n)
{
    dgon_utf8 u = {0};
    dgon_buf b;
    (void)user;
    FUZZ_ASSERT(dgon_utf8_feed(&u, p, n, true) == DGON_OK && dgon_utf8_complete(&u));
    dgon_buf_init(&b, 1u << 24);
    FUZZ_ASSERT(dgon_buf_add(&b, p, n) == DGON_OK);
    FUZZ_ASSERT(dgon_relay_unfold(&b, 0) == DGON_OK);
    const char *data = memchr(b.data, '\n', b.len);
    FUZZ_ASSERT(data != NULL && memcmp(data, "\ndata: ", 7) == 0);
    FUZZ_ASSERT(memchr(data + 1, '\n', b.len - (size_t)(data + 1 - b.data)) == NULL);
    dgon_buf_fini(&b);
    return DGON_OK;
}

static dgon_status on_event(void *user, const dgon_sse_event *ev)
{
    relay *r = user;
    return dgon_relay_event(&r->chat, r->op, &r->out, ev, on_emit, r);
}

static void init(relay *r, dgon_op op)
{
    r->op = op;
    FUZZ_ASSERT(dgon_chat_init(&r->chat, "resp-1", "pub", 1, true, false) == DGON_OK);
    dgon_buf_init(&r->out, 1u << 24);
}

static void end(relay *r)
{
    dgon_buf b;
    dgon_buf_init(&b, DGON_WIRE_FINAL_MAX);
    if (dgon_chat_end(&r->chat, &b) != DGON_OK)
        fuzz_error_sound(&r->chat.error);
    dgon_buf_fini(&b);
    dgon_buf_fini(&r->out);
}

static void stream(dgon_op op, const char *p, size_t n)
{
    static relay r;
    dgon_sse sse;
    init(&r, op);
    dgon_sse_init(&sse, DGON_SSE_LINE_MAX, on_event, &r);
    if (dgon_sse_feed(&sse, p, n) == DGON_OK)
        (void)!dgon_sse_end(&sse);
    dgon_sse_fini(&sse);
    end(&r);
}

static dgon_status on_line(void *user, const char *p, size_t n)
{
    dgon_utf8 u = {0};
    (void)user;
    FUZZ_ASSERT(dgon_utf8_feed(&u, p, n, true) == DGON_OK && dgon_utf8_complete(&u));
    return DGON_OK;
}

static dgon_status line(void *user, const char *p, size_t n)
{
    relay *r = user;
    return dgon_relay_line(&r->chat, &r->out, p, n, on_line, r);
}

static void lines(const char *p, size_t n)
{
    static relay r;
    init(&r, DGON_OP_OLLAMA_CHAT);
    (void)!fuzz_lines(p, n, line, &r);
    end(&r);
}

static void answer(const char *p, size_t n)
{
    static relay r;
    init(&r, DGON_OP_RERANK);
    dgon_status s = dgon_relay_answer(&r.chat, r.op, &r.out, p, n);
    FUZZ_ASSERT(s == DGON_OK ? r.out.len == n : r.out.len == 0);
    end(&r);
}

static void request_out(const char *p, size_t n)
{
    dgon_buf b;
    dgon_buf_init(&b, 1u << 24);
    dgon_status s = dgon_relay_request_out(&b, p, n, "real");
    json_t *in = json_loadb(p, n, 0, NULL);
    FUZZ_ASSERT(s == DGON_OK || b.len == 0);
    if (s == DGON_OK && in != NULL) {
        json_t *out = json_loadb(b.data, b.len, 0, NULL);
        const char *model = json_string_value(json_object_get(out, "model"));
        FUZZ_ASSERT(model != NULL && strcmp(model, "real") == 0);
        json_decref(out);
    }
    json_decref(in);
    dgon_buf_fini(&b);
}

static void unfold(const char *p, size_t n)
{
    dgon_buf b;
    dgon_buf_init(&b, 1u << 24);
    FUZZ_ASSERT(dgon_buf_adds(&b, "event: ") == DGON_OK && dgon_buf_add(&b, p, n) == DGON_OK);
    dgon_status s = dgon_relay_unfold(&b, 7);
    FUZZ_ASSERT(b.len == (s == DGON_OK ? n + 7 + 6 : n + 7));
    dgon_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t n = size - 1;
    char *p = fuzz_copy(data + 1, n);
    switch (data[0]) {
    case 'r':
        stream(DGON_OP_RESPONSES, p, n);
        break;
    case 'm':
        stream(DGON_OP_MESSAGES, p, n);
        break;
    case 'l':
        lines(p, n);
        break;
    case 'a':
        answer(p, n);
        break;
    case 'o':
        request_out(p, n);
        break;
    default:
        unfold(p, n);
    }
    free(p);
    return 0;
}

#include "dgon/relay.h"

#include "unit.h"

typedef struct relay {
    dgon_chat chat;
    dgon_buf out, events;
    dgon_op op;
    dgon_sse sse;
} relay;

static dgon_status on_emit(void *user, const char *p, size_t n)
{
    relay *r = user;
    CU_ASSERT(memchr(p, '\n', n) == NULL);
    dgon_status s = dgon_buf_add(&r->events, p, n);
    return s == DGON_OK ? dgon_buf_adds(&r->events, "|") : s;
}

static dgon_status on_event(void *user, const dgon_sse_event *ev)
{
    relay *r = user;
    return dgon_relay_event(&r->chat, r->op, &r->out, ev, on_emit, r);
}

static void init(relay *r, dgon_op op)
{
    memset(r, 0, sizeof *r);
    r->op = op;
    CU_ASSERT(dgon_chat_init(&r->chat, "resp-1", "pub", 1, true, false) == DGON_OK ||
              unit_heap_state.failed);
    dgon_buf_init(&r->out, 1u << 20);
    dgon_buf_init(&r->events, 1u << 20);
    dgon_sse_init(&r->sse, DGON_SSE_LINE_MAX, on_event, r);
}

static void fini(relay *r)
{
    dgon_sse_fini(&r->sse);
    dgon_buf_fini(&r->out);
    dgon_buf_fini(&r->events);
}

static const struct {
    const char *name;
    dgon_op op;
    const char *in, *out;
    dgon_status last, end;
    int http;
    bool retryable;
} cases[] = {
    {"a response", DGON_OP_RESPONSES,
     "event: response.created\ndata: {\"type\":\"response.created\",\"x\":1.50}\n\n"
     "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":"
     "{\"input_tokens\":3,\"output_tokens\":4,\"input_tokens_details\":{\"cached_tokens\":2}}}}"
     "\n\n",
     "response.created {\"type\":\"response.created\",\"x\":1.50}|"
     "response.completed {\"type\":\"response.completed\",\"response\":{\"usage\":"
     "{\"input_tokens\":3,\"output_tokens\":4,\"input_tokens_details\":{\"cached_tokens\":2}}}}|",
     DGON_DONE, DGON_OK, 0, false},
    {"names only in the data, and [DONE]", DGON_OP_RESPONSES,
     "data: {\"type\":\"response.created\"}\n\ndata: [DONE]\n\n"
     "data: {\"type\":\"response.incomplete\"}\n\ndata: [DONE]\n\n",
     "response.created {\"type\":\"response.created\"}|"
     "response.incomplete {\"type\":\"response.incomplete\"}|",
     DGON_DONE, DGON_OK, 0, false},
    {"Anthropic's", DGON_OP_MESSAGES,
     "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{"
     "\"input_tokens\":1,\"cache_read_input_tokens\":2,\"output_tokens\":0}}}\n\n"
     "event: ping\ndata: {\"type\":\"ping\"}\n\n"
     "event: message_delta\ndata: {\"usage\":{\"output_tokens\":4}}\n\n"
     "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
     "message_start {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1,"
     "\"cache_read_input_tokens\":2,\"output_tokens\":0}}}|ping {\"type\":\"ping\"}|"
     "message_delta {\"usage\":{\"output_tokens\":4}}|message_stop {\"type\":\"message_stop\"}|",
     DGON_DONE, DGON_OK, 0, false},
    {"over several lines, and half an emoji", DGON_OP_MESSAGES,
     "event: a\ndata: {\"type\":\ndata: \"a\",\"t\":\"\xf0\x9f\"}\n\n",
     "a {\"type\":\"a\",\"t\":\"\xef\xbf\xbd\"}|", DGON_OK, DGON_EBACKEND, 502, false},
    {"half an emoji as an escape, and a whole one", DGON_OP_MESSAGES,
     "event: a\ndata: {\"t\":\"\\ud83d\"}\n\nevent: b\ndata: {\"t\": "
     "\"\\ud83d\\ude00\\\\ud83d\"}\n\n",
     "a {\"t\":\"\xef\xbf\xbd\"}|b {\"t\": \"\\ud83d\\ude00\\\\ud83d\"}|", DGON_OK, DGON_EBACKEND,
     502, false},
    {"nothing", DGON_OP_MESSAGES, "", "", DGON_OK, DGON_EBACKEND, 502, true},
    {"a clean end in the middle", DGON_OP_RESPONSES, "data: {\"type\":\"response.created\"}\n\n",
     "response.created {\"type\":\"response.created\"}|", DGON_OK, DGON_EBACKEND, 502, false},
    {"an error at once", DGON_OP_MESSAGES,
     "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
     "\"message\":\"busy\"}}\n\n",
     "", DGON_EBACKEND, DGON_EBACKEND, 502, true},
    {"an error later", DGON_OP_RESPONSES,
     "data: {\"type\":\"response.created\"}\n\nevent: error\ndata: {\"type\":\"error\",\"code\":"
     "\"server_error\",\"message\":\"broken\"}\n\n",
     "response.created {\"type\":\"response.created\"}|", DGON_EBACKEND, DGON_EBACKEND, 502, false},
    {"an error under another name", DGON_OP_RESPONSES,
     "event: response.created\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":"
     "\"broken\"}\n\n",
     "", DGON_EBACKEND, DGON_EBACKEND, 502, true},
    {"llama-server's error", DGON_OP_RESPONSES,
     "error: {\"code\":400,\"message\":\"no\",\"type\":\"invalid_request_error\"}\n\n", "",
     DGON_EBACKEND, DGON_EBACKEND, 400, false},
    {"no JSON, three times", DGON_OP_RESPONSES,
     "event: a\ndata: x\n\nevent: a\ndata: 5\n\nevent: a\ndata: {}x\n\n", "", DGON_EBACKEND,
     DGON_EBACKEND, 502, true},
    {"no name that could be one", DGON_OP_RESPONSES,
     "event: a b\ndata: {}\n\ndata: {}\n\ndata: {\"type\":\"\"}\n\n", "", DGON_EBACKEND,
     DGON_EBACKEND, 502, true},
};

static void test_streams(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        relay r;
        dgon_buf end;
        dgon_buf_init(&end, 4000);
        init(&r, cases[i].op);
        dgon_status last = dgon_sse_feed(&r.sse, cases[i].in, strlen(cases[i].in));
        bool ok = last == cases[i].last && dgon_chat_end(&r.chat, &end) == cases[i].end &&
                  r.events.len == strlen(cases[i].out) &&
                  (r.events.len == 0 || memcmp(r.events.data, cases[i].out, r.events.len) == 0) &&
                  r.chat.error.http == cases[i].http &&
                  r.chat.error.retryable == cases[i].retryable;
        CU_ASSERT(ok);
        if (!ok)
            fprintf(stderr, "%s: %d, %d %d %s\n%.*s\n", cases[i].name, last, r.chat.error.http,
                    r.chat.error.retryable, r.chat.error.message, (int)r.events.len,
                    r.events.len > 0 ? r.events.data : "");
        if (i == 0)
            CU_ASSERT(r.chat.usage.prompt == 3 && r.chat.usage.completion == 4 &&
                      r.chat.usage.cached == 2);
        if (i == 2)
            CU_ASSERT(r.chat.usage.prompt == 3 && r.chat.usage.completion == 4 &&
                      r.chat.usage.cached == 2);
        dgon_buf_fini(&end);
        fini(&r);
    }
}

/* The backend calls the model real, the client knows it as pub. */
static void test_renamed(void)
{
    static const char in[] =
        "data: {\"type\":\"response.created\",\"response\":{\"model\":\"real\",\"x\":1}}\n\n"
        "event: a\ndata: {\"message\":{\"model\":\"real\"}}\n\nevent: a\ndata: {\"x\": 1.50}\n\n";
    static const char out[] =
        "response.created {\"type\":\"response.created\",\"response\":{\"model\":\"pub\",\"x\":1}}|"
        "a {\"message\":{\"model\":\"pub\"}}|a {\"x\": 1.50}|";
    static const char *const lines[][2] = {
        {"{\"model\":\"real\",\"x\":1.50,\"done\":false}",
         "{\"model\":\"pub\",\"x\":1.50,\"done\":false}|"},
        {"{\"done\":false,\"x\":\"model\"}", "{\"done\":false,\"x\":\"model\"}|"},
        {"{\"model\":\"a\",\"model\":\"b\",\"done\":false}", "{\"model\":\"pub\",\"done\":false}|"},
        {"{\"model\":\"real\",\"done\":true}", "{\"model\":\"pub\",\"done\":true}|"},
    };
    relay r;
    init(&r, DGON_OP_RESPONSES);
    r.chat.rename = true;
    CU_ASSERT_EQUAL(dgon_sse_feed(&r.sse, in, sizeof in - 1), DGON_OK);
    CU_ASSERT(r.events.len == sizeof out - 1 && memcmp(r.events.data, out, r.events.len) == 0);
    fini(&r);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        init(&r, DGON_OP_OLLAMA_CHAT);
        r.chat.rename = true;
        (void)!dgon_relay_line(&r.chat, &r.out, lines[i][0], strlen(lines[i][0]), on_emit, &r);
        CU_ASSERT(r.events.len == strlen(lines[i][1]) &&
                  memcmp(r.events.data, lines[i][1], r.events.len) == 0);
        fini(&r);
    }
    static const char whole[] = "{\"model\":\"real\",\"x\":2}";
    init(&r, DGON_OP_RERANK);
    r.chat.rename = true;
    CU_ASSERT_EQUAL(dgon_relay_answer(&r.chat, r.op, &r.out, whole, sizeof whole - 1), DGON_OK);
    CU_ASSERT(r.out.len == 21 && memcmp(r.out.data, "{\"model\":\"pub\",\"x\":2}", 21) == 0);
    fini(&r);
}

static void test_requests(void)
{
    static const char *const pairs[][2] = {
        {"{\"model\":\"m\",\"stream\":true,\"x\":1.50}",
         "{\"model\":\"real\",\"stream\":true,\"x\":1.50}"},
        {"{\"mod\\u0065l\":\"m\"}", "{\"model\":\"real\"}"},
        {"{}", "{\"model\":\"real\"}"},
        {"[]", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        dgon_buf b;
        dgon_buf_init(&b, 1000);
        dgon_status s = dgon_relay_request_out(&b, pairs[i][0], strlen(pairs[i][0]), "real");
        CU_ASSERT_EQUAL(s == DGON_OK, pairs[i][1] != NULL);
        CU_ASSERT(s != DGON_OK ||
                  (b.len == strlen(pairs[i][1]) && memcmp(b.data, pairs[i][1], b.len) == 0));
        dgon_buf_fini(&b);
    }
}

static void test_answers(void)
{
    static const char good[] = "{ \"id\":\"x\", \"n\":1.50,\"usage\":{\"input_tokens\":3}}\n";
    relay r;
    init(&r, DGON_OP_RESPONSES);
    CU_ASSERT_EQUAL(dgon_relay_answer(&r.chat, r.op, &r.out, good, sizeof good - 1), DGON_OK);
    CU_ASSERT(r.out.len == sizeof good - 1 && memcmp(r.out.data, good, r.out.len) == 0);
    CU_ASSERT_EQUAL(r.chat.usage.prompt, 3);
    fini(&r);
    static const char *const bad[] = {"", "[]", "5", "{", "{\"error\":{\"message\":\"x\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        init(&r, DGON_OP_RESPONSES);
        CU_ASSERT_EQUAL(dgon_relay_answer(&r.chat, r.op, &r.out, bad[i], strlen(bad[i])),
                        DGON_EBACKEND);
        CU_ASSERT(r.out.len == 0 && r.chat.error.http == 502);
        fini(&r);
    }
}

static void test_unfold(void)
{
    dgon_buf b;
    dgon_buf_init(&b, 1000);
    CU_ASSERT_EQUAL(dgon_buf_adds(&b, "xevent: message_stop {\"a\": 1}"), DGON_OK);
    CU_ASSERT_EQUAL(dgon_relay_unfold(&b, 8), DGON_OK);
    CU_ASSERT(b.len == 35 && memcmp(b.data, "xevent: message_stop\ndata: {\"a\": 1}", 35) == 0);
    static const char *const bad[] = {"{}", " {}", "a\"b {}", "", "a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        dgon_buf_reset(&b);
        CU_ASSERT_EQUAL(dgon_buf_adds(&b, bad[i]), DGON_OK);
        CU_ASSERT_EQUAL(dgon_relay_unfold(&b, 0), DGON_EJSON);
    }
    dgon_buf_fini(&b);
}

static bool one(void *user)
{
    relay r;
    (void)user;
    init(&r, DGON_OP_RESPONSES);
    bool ok =
        r.chat.head_len > 0 && dgon_sse_feed(&r.sse, cases[0].in, strlen(cases[0].in)) == DGON_DONE;
    fini(&r);
    return ok;
}

static void test_memory(void)
{
    unit_each_alloc(one, NULL);
}

UNIT_MAIN("relay", {"streams", test_streams}, {"renamed", test_renamed},
          {"requests", test_requests}, {"answers", test_answers}, {"unfold", test_unfold},
          {"memory", test_memory})

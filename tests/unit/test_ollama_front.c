/* Ollama's own API in front of an OpenAI-compatible backend: requests, lines, whole answers. */
#include "dgon/ollama_front.h"

#include "unit.h"

/* ---- requests ---- */

static const struct {
    dgon_op op;
    const char *in, *out,
        *param; /* out NULL: refused because of param, or a load if that is NULL */
} request_cases[] = {
    {DGON_OP_OLLAMA_CHAT,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\","
     "\"content\":\"u\",\"images\":[\"iVBOR\",\"/9j/4\"]}],\"options\":{\"temperature\":0.7,"
     "\"num_predict\":5,\"num_ctx\":9,\"stop\":[\"x\"]},\"format\":\"json\",\"think\":false,"
     "\"keep_alive\":\"5m\"}",
     "{\"model\":\"real\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\","
     "\"content\":[{\"type\":\"text\",\"text\":\"u\"},{\"type\":\"image_url\",\"image_url\":{"
     "\"url\":\"data:image/png;base64,iVBOR\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":"
     "\"data:image/jpeg;base64,/9j/4\"}}]}],\"stream\":true,\"stream_options\":{"
     "\"include_usage\":true},\"temperature\":0.7,\"stop\":[\"x\"],\"max_tokens\":5,"
     "\"chat_template_kwargs\":{\"enable_thinking\":false},\"response_format\":{\"type\":"
     "\"json_object\"}}",
     ""},
    {DGON_OP_OLLAMA_CHAT,
     "{\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"h\",\"tool_calls\":[{"
     "\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}},{\"function\":{\"name\":\"g\"}}]},"
     "{\"role\":\"tool\",\"tool_name\":\"g\",\"content\":\"1\"},{\"role\":\"tool\",\"content\":"
     "\"2\"}],\"tools\":[{\"type\":\"function\"}],\"think\":\"high\"}",
     "{\"model\":\"real\",\"messages\":[{\"role\":\"assistant\",\"content\":\"\","
     "\"reasoning_content\":\"h\",\"tool_calls\":[{\"id\":\"call_0\",\"type\":\"function\","
     "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"call_1\",\"type\":"
     "\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\","
     "\"content\":\"1\",\"tool_call_id\":\"call_1\"},{\"role\":\"tool\",\"content\":\"2\","
     "\"tool_call_id\":\"call_0\"}],\"stream\":true,\"stream_options\":{\"include_usage\":true},"
     "\"reasoning_effort\":\"high\",\"tools\":[{\"type\":\"function\"}]}",
     ""},
    {DGON_OP_OLLAMA_GENERATE,
     "{\"prompt\":\"p\",\"system\":\"s\",\"format\":{\"type\":\"object\"}}",
     "{\"model\":\"real\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\","
     "\"content\":\"p\"}],\"stream\":true,\"stream_options\":{\"include_usage\":true},"
     "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\","
     "\"schema\":{\"type\":\"object\"},\"strict\":true}}}",
     ""},
    {DGON_OP_OLLAMA_EMBED, "{\"input\":[\"a\",\"b\"],\"truncate\":true}",
     "{\"model\":\"real\",\"input\":[\"a\",\"b\"],\"encoding_format\":\"float\"}", ""},
    {DGON_OP_OLLAMA_EMBEDDINGS, "{\"prompt\":\"a\"}",
     "{\"model\":\"real\",\"input\":\"a\",\"encoding_format\":\"float\"}", ""},
    {DGON_OP_OLLAMA_CHAT, "{\"messages\":[]}", NULL, NULL},
    {DGON_OP_OLLAMA_GENERATE, "{\"prompt\":\"\",\"keep_alive\":0}", NULL, NULL},
    {DGON_OP_OLLAMA_GENERATE, "{\"prompt\":\"p\",\"raw\":true}", NULL, "raw"},
    {DGON_OP_OLLAMA_GENERATE, "{\"prompt\":\"p\",\"suffix\":\"s\"}", NULL, "suffix"},
    {DGON_OP_OLLAMA_GENERATE, "{\"prompt\":\"p\",\"context\":[1]}", NULL, "context"},
    {DGON_OP_OLLAMA_GENERATE, "{\"prompt\":\"p\",\"format\":\"xml\"}", NULL, "format"},
    {DGON_OP_OLLAMA_CHAT, "{\"messages\":[{\"content\":\"x\"}]}", NULL, "messages[0].role"},
    {DGON_OP_OLLAMA_CHAT, "{\"messages\":[5]}", NULL, "messages[0].role"},
    {DGON_OP_OLLAMA_CHAT, "{\"messages\":[{\"role\":\"user\"}],\"logprobs\":true}", NULL,
     "logprobs"},
    {DGON_OP_OLLAMA_EMBED, "{\"input\":[]}", NULL, "input"},
    {DGON_OP_OLLAMA_EMBED, "{}", NULL, "input"},
    {DGON_OP_OLLAMA_CHAT, "[]", NULL, ""},
};

static bool text_is(const dgon_buf *b, const char *text)
{
    bool same = b->len == strlen(text) && (b->len == 0 || memcmp(b->data, text, b->len) == 0);
    if (!same)
        fprintf(stderr, "got:\n%.*s\nwant:\n%s\n", (int)b->len, b->len > 0 ? b->data : "", text);
    return same;
}

static void test_requests(void)
{
    for (size_t i = 0; i < sizeof request_cases / sizeof request_cases[0]; i++) {
        const char *in = request_cases[i].in, *want = request_cases[i].out;
        dgon_error e = {0};
        dgon_buf b;
        dgon_buf_init(&b, 10000);
        dgon_status s =
            dgon_ollama_front_request(&b, request_cases[i].op, in, strlen(in), "real", true, &e);
        CU_ASSERT_EQUAL(s, want != NULL                     ? DGON_OK
                           : request_cases[i].param != NULL ? DGON_EINVAL
                                                            : DGON_DONE);
        CU_ASSERT(text_is(&b, want != NULL ? want : ""));
        CU_ASSERT_STRING_EQUAL(e.param,
                               request_cases[i].param != NULL ? request_cases[i].param : "");
        dgon_buf_fini(&b);
    }
}

/* ---- streams ---- */

typedef struct stream {
    dgon_chat chat;
    dgon_ollama_front lines;
    dgon_buf out, events;
} stream;

static void init(stream *s, dgon_op op, bool streamed)
{
    memset(s, 0, sizeof *s);
    CU_ASSERT(dgon_chat_init(&s->chat, "oll-1", "pub", 1, streamed, false) == DGON_OK ||
              unit_heap_state.failed);
    dgon_ollama_front_init(&s->lines, &s->chat, op, streamed);
    dgon_buf_init(&s->out, 1u << 20);
    dgon_buf_init(&s->events, 1u << 20);
}

static void fini(stream *s)
{
    dgon_ollama_front_fini(&s->lines);
    dgon_buf_fini(&s->out);
    dgon_buf_fini(&s->events);
}

/* The line without its times: what stands between the date and `"total_duration"`. */
static dgon_status add_line(dgon_buf *to, const char *p, size_t n)
{
    static const char head[] = "{\"model\":\"pub\",\"created_at\":\"";
    const size_t date = 27 + 2; /* 2026-01-01T00:00:00.000000Z", */
    CU_ASSERT_FATAL(n > sizeof head + date && memcmp(p, head, sizeof head - 1) == 0);
    const char *from = p + sizeof head - 1 + date, *end = p + n;
    for (const char *at = from; at + 17 < end; at++) {
        if (memcmp(at, ",\"total_duration\"", 17) == 0)
            end = at;
    }
    dgon_status s = dgon_buf_add(to, from, (size_t)(end - from));
    return s == DGON_OK ? dgon_buf_adds(to, "|") : s;
}

static dgon_status on_line(void *user, const char *p, size_t n)
{
    stream *s = user;
    return add_line(&s->events, p, n);
}

#define CHUNK(delta, finish) \
    "{\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":" finish "}]}"
#define SAID(t) "\"message\":{\"role\":\"assistant\",\"content\":\"" t "\"},\"done\":false}|"
#define LAST(why)                                                                                \
    "\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"" why \
    "\"|"
#define LINES (const char *const[])

static const struct {
    const char *name;
    dgon_op op;
    const char *const *in;
    const char *out;
    dgon_status last, end;
} stream_cases[] = {
    {"text, thoughts and usage", DGON_OP_OLLAMA_CHAT,
     LINES{CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null"),
           CHUNK("{\"reasoning_content\":\"h\"}", "null"), CHUNK("{\"content\":\"a\\n\"}", "null"),
           CHUNK("{}", "\"length\""),
           "{\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3}}", "[DONE]",
           NULL},
     "\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"h\"},\"done\":false}"
     "|" SAID("a\\n") LAST("length"),
     DGON_DONE, DGON_OK},
    {"a tool in pieces", DGON_OP_OLLAMA_CHAT,
     LINES{CHUNK("{\"tool_calls\":[{\"index\":0,\"id\":\"x\",\"function\":{\"name\":\"f\","
                 "\"arguments\":\"{\\\"a\\\"\"}}]}",
                 "null"),
           CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}},{\"index\":1,"
                 "\"function\":{\"name\":\"g\",\"arguments\":\"broken\"}}]}",
                 "null"),
           CHUNK("{}", "\"tool_calls\""), "[DONE]", NULL},
     "\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":"
     "\"f\",\"arguments\":{\"a\":1}}},{\"function\":{\"name\":\"g\",\"arguments\":{}}}]},"
     "\"done\":false}|" LAST("stop"),
     DGON_DONE, DGON_OK},
    {"generate", DGON_OP_OLLAMA_GENERATE,
     LINES{CHUNK("{\"content\":\"a\"}", "null"), CHUNK("{\"content\":\"b\"}", "\"stop\""), "[DONE]",
           NULL},
     "\"response\":\"a\",\"done\":false}|\"response\":\"b\",\"done\":false}|\"response\":\"\","
     "\"done\":true,\"done_reason\":\"stop\"|",
     DGON_DONE, DGON_OK},
    {"cut", DGON_OP_OLLAMA_CHAT, LINES{CHUNK("{\"content\":\"a\"}", "null"), NULL}, SAID("a"),
     DGON_OK, DGON_EBACKEND},
    {"[DONE] without a finish", DGON_OP_OLLAMA_CHAT,
     LINES{CHUNK("{\"content\":\"a\"}", "null"), "[DONE]", NULL}, SAID("a"), DGON_DONE,
     DGON_EBACKEND},
    {"no [DONE]", DGON_OP_OLLAMA_CHAT, LINES{CHUNK("{\"content\":\"a\"}", "\"stop\""), NULL},
     SAID("a") LAST("stop"), DGON_OK, DGON_OK},
    {"an error", DGON_OP_OLLAMA_CHAT,
     LINES{CHUNK("{\"content\":\"a\"}", "null"), "{\"error\":{\"message\":\"x\"}}", NULL},
     SAID("a"), DGON_EBACKEND, DGON_EBACKEND},
    {"rubbish", DGON_OP_OLLAMA_CHAT, LINES{"x", "5", "{}", NULL}, "", DGON_EBACKEND, DGON_EBACKEND},
};

static dgon_status feed(stream *s, const char *const *in)
{
    dgon_status last = DGON_OK;
    for (; *in != NULL && last == DGON_OK; in++)
        last = dgon_ollama_front_chunk(&s->lines, &s->out, *in, strlen(*in), on_line, s);
    if (last == DGON_OK) {
        dgon_status end = dgon_ollama_front_end(&s->lines, &s->out, on_line, s);
        last = end == DGON_OK ? last : end;
    }
    return last;
}

static void test_streams(void)
{
    for (size_t i = 0; i < sizeof stream_cases / sizeof stream_cases[0]; i++) {
        stream s;
        dgon_buf end;
        dgon_buf_init(&end, 4000);
        init(&s, stream_cases[i].op, true);
        dgon_status last = feed(&s, stream_cases[i].in);
        bool ok = last == stream_cases[i].last &&
                  dgon_chat_end(&s.chat, &end) == stream_cases[i].end &&
                  text_is(&s.events, stream_cases[i].out);
        CU_ASSERT(ok);
        if (!ok)
            fprintf(stderr, "%s: last %d\n", stream_cases[i].name, last);
        if (i == 0)
            CU_ASSERT(s.chat.usage.prompt == 2 && s.chat.usage.completion == 3);
        CU_ASSERT(!(s.chat.error.retryable && s.events.len > 0));
        dgon_buf_fini(&end);
        fini(&s);
    }
}

static void test_answers(void)
{
    static const struct {
        dgon_op op;
        const char *in, *out; /* NULL: refused */
    } cases[] = {
        {DGON_OP_OLLAMA_CHAT,
         "{\"choices\":[{\"message\":{\"content\":\"a\",\"reasoning\":\"h\",\"tool_calls\":[{"
         "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"stop\"}]}",
         "\"message\":{\"role\":\"assistant\",\"content\":\"a\",\"thinking\":\"h\",\"tool_calls\":["
         "{"
         "\"function\":{\"name\":\"f\",\"arguments\":{}}}]},\"done\":true,\"done_reason\":"
         "\"stop\"|"},
        {DGON_OP_OLLAMA_GENERATE,
         "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"length\"}]}",
         "\"response\":\"a\",\"done\":true,\"done_reason\":\"length\"|"},
        {DGON_OP_OLLAMA_CHAT,
         "{\"choices\":[{\"message\":{\"content\":\"a\",\"tool_calls\":[{\"x\":5}]}}]}",
         "\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":true,\"done_reason\":"
         "\"stop\"|"},
        {DGON_OP_OLLAMA_CHAT, "{\"choices\":[]}", NULL},
        {DGON_OP_OLLAMA_CHAT, "{\"error\":{\"message\":\"x\"}}", NULL},
        {DGON_OP_OLLAMA_CHAT, "x", NULL},
        {DGON_OP_OLLAMA_EMBED, "{\"data\":5}", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stream s;
        init(&s, cases[i].op, false);
        dgon_status st =
            dgon_ollama_front_answer(&s.lines, &s.out, cases[i].in, strlen(cases[i].in));
        CU_ASSERT_EQUAL(st, cases[i].out != NULL ? DGON_OK : DGON_EBACKEND);
        if (st == DGON_OK) {
            CU_ASSERT(add_line(&s.events, s.out.data, s.out.len) == DGON_OK &&
                      text_is(&s.events, cases[i].out));
        } else {
            CU_ASSERT_EQUAL(s.out.len, 0);
        }
        fini(&s);
    }
}

static void test_embed(void)
{
    static const char in[] = "{\"data\":[{\"index\":0,\"embedding\":[1.50, -2]}],\"usage\":{"
                             "\"prompt_tokens\":3}}";
    stream s;
    init(&s, DGON_OP_OLLAMA_EMBED, false);
    CU_ASSERT_EQUAL(dgon_ollama_front_answer(&s.lines, &s.out, in, sizeof in - 1), DGON_OK);
    CU_ASSERT_EQUAL(dgon_buf_add(&s.out, "", 1), DGON_OK);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(s.out.data, "\"prompt_eval_count\":3,\"embeddings\":[[1.50, -2]]}"));
    fini(&s);
    init(&s, DGON_OP_OLLAMA_EMBEDDINGS, false);
    CU_ASSERT_EQUAL(dgon_ollama_front_answer(&s.lines, &s.out, in, sizeof in - 1), DGON_OK);
    CU_ASSERT(text_is(&s.out, "{\"embedding\":[1.50, -2]}"));
    fini(&s);
    init(&s, DGON_OP_OLLAMA_CHAT, false);
    CU_ASSERT_EQUAL(dgon_ollama_front_loaded(&s.lines, &s.out), DGON_OK);
    CU_ASSERT(add_line(&s.events, s.out.data, s.out.len) == DGON_OK &&
              text_is(&s.events,
                      "\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,"
                      "\"done_reason\":\"load\"}|"));
    fini(&s);
}

static bool all_of_it(void *user)
{
    stream s;
    bool ok = true;
    (void)user;
    for (size_t i = 0; ok && i < 5; i++) {
        const char *in = request_cases[i].in;
        dgon_error e = {0};
        dgon_buf b;
        dgon_buf_init(&b, 10000);
        ok = dgon_ollama_front_request(&b, request_cases[i].op, in, strlen(in), "real", true, &e) ==
             DGON_OK;
        dgon_buf_fini(&b);
    }
    init(&s, DGON_OP_OLLAMA_CHAT, true);
    ok = ok && s.chat.head_len > 0 && feed(&s, stream_cases[1].in) == DGON_DONE;
    fini(&s);
    return ok;
}

static void test_memory(void)
{
    unit_each_alloc(all_of_it, NULL);
}

UNIT_MAIN("ollama_front", {"requests", test_requests}, {"streams", test_streams},
          {"answers", test_answers}, {"embeddings", test_embed}, {"memory", test_memory})

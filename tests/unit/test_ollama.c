#include "dgon/ollama.h"

#include "dgon/control.h"

#include "chat_stream.h"

/* ---- the request ---- */

#define START      "{\"model\":\"real\",\"stream\":true,\"truncate\":false"
#define USER       "{\"role\":\"user\",\"content\":\"x\"}"
#define IN(more)   "{\"model\":\"pub\",\"messages\":[" USER "]" more "}"
#define OUT(more)  START more ",\"messages\":[" USER "]}"
#define MESSAGE(m) "{\"model\":\"pub\",\"messages\":[" m "]}"
#define ANSWERS(m) START ",\"messages\":[" m "]}"
#define TOOL \
    "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}}"

static const struct {
    const char *in, *out; /* out NULL: refused, with this param */
    const char *param;
} request_cases[] = {
    {IN(""), OUT(""), NULL},
    {IN(",\"max_tokens\":5,\"temperature\":0.7,\"top_p\":1,\"seed\":7.0,\"presence_penalty\":-1e-"
        "7"),
     OUT(",\"options\":{\"temperature\":0.7,\"top_p\":1,\"presence_penalty\":-1e-7,\"seed\":7,"
         "\"num_predict\":5}"),
     NULL},
    {IN(",\"max_tokens\":5,\"max_completion_tokens\":9,\"stop\":\"a\",\"top_k\":4,\"min_p\":0.1,"
        "\"num_ctx\":"
        "99,\"repeat_penalty\":1.1,\"keep_alive\":\"5m\",\"frequency_penalty\":null"),
     OUT(",\"keep_alive\":\"5m\",\"options\":{\"min_p\":0.1,\"repeat_penalty\":1.1,\"top_k\":4,"
         "\"num_ctx\":99,\"num_predict\":9,\"stop\":[\"a\"]}"),
     NULL},
    {IN(",\"stop\":[\"a\",\"b\"],\"logprobs\":true,\"top_logprobs\":3,\"user\":\"me\",\"n\":1,"
        "\"modalities\":[\"text\"],\"logit_bias\":{}"),
     OUT(",\"logprobs\":true,\"top_logprobs\":3,\"options\":{\"stop\":[\"a\",\"b\"]}"), NULL},
    {IN(",\"response_format\":{\"type\":\"json_object\"}"),
     START ",\"messages\":[" USER "],\"format\":\"json\"}", NULL},
    {IN(",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"b\":1,\"a\":"
        "2}}}"),
     START ",\"messages\":[" USER "],\"format\":{\"b\":1,\"a\":2}}", NULL},
    {IN(",\"response_format\":{\"type\":\"text\"}"), OUT(""), NULL},
    {IN(",\"response_format\":{\"type\":\"grammar\"}"), NULL, "response_format.type"},
    {IN(",\"tools\":[" TOOL "]"), START ",\"messages\":[" USER "],\"tools\":[" TOOL "]}", NULL},
    {IN(",\"tools\":[" TOOL "],\"tool_choice\":\"auto\""),
     START ",\"messages\":[" USER "],\"tools\":[" TOOL "]}", NULL},
    {IN(",\"tools\":[" TOOL "],\"tool_choice\":\"none\""), OUT(""), NULL},
    {IN(",\"tools\":[" TOOL "],\"tool_choice\":\"required\""), NULL, "tool_choice"},
    {IN(",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"), NULL,
     "tool_choice"},
    {IN(",\"tools\":[{\"type\":\"custom\"}]"), NULL, "tools"},
    {IN(",\"n\":2"), NULL, "n"},
    {IN(",\"logit_bias\":{\"5\":1}"), NULL, "logit_bias"},
    {IN(",\"audio\":{\"voice\":\"x\"}"), NULL, "audio"},
    {IN(",\"modalities\":[\"text\",\"audio\"]"), NULL, "modalities"},
    {IN(",\"functions\":[{}]"), NULL, "functions"},
    {IN(",\"reasoning_effort\":\"none\""), OUT(",\"think\":false"), NULL},
    {IN(",\"reasoning_effort\":\"minimal\""), OUT(",\"think\":\"low\""), NULL},
    {IN(",\"reasoning_effort\":\"xhigh\""), OUT(",\"think\":\"max\""), NULL},
    {MESSAGE("{\"role\":\"developer\",\"content\":\"d\"},{\"role\":\"system\",\"content\":[{"
             "\"type\":\"text\","
             "\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}"),
     ANSWERS("{\"role\":\"system\",\"content\":\"d\"},{\"role\":\"system\",\"content\":\"a\\nb\"}"),
     NULL},
    {MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
             "\"data:image/png;base64,QUJD\"}},{\"type\":\"text\",\"text\":\"see\"},{\"type\":"
             "\"image_url\",\"image_url\":\"DATA:;base64,Rg==\"}]}"),
     ANSWERS("{\"role\":\"user\",\"images\":[\"QUJD\",\"Rg==\"],\"content\":\"see\"}"), NULL},
    {MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
             "\"http://x\"}}]}"),
     NULL, "messages[0].content[0]"},
    {MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":\"data:image/"
             "png,x\"}]}"),
     NULL, "messages[0].content[0]"},
    {MESSAGE(USER
             ",{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{}}]}"),
     NULL, "messages[1].content[0]"},
    {MESSAGE(
         "{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"hm\",\"tool_calls\":[{"
         "\"id\":"
         "\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"b\\\":1,"
         "\\\"a\\\":[0.1]}\"}},{\"id\":\"c2\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]},"
         "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"two\"},{\"role\":\"tool\","
         "\"tool_call_id\":\"c9\",\"content\":\"?\"},{\"role\":\"function\",\"name\":\"h\","
         "\"content\":\"old\"}"),
     ANSWERS(
         "{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\",\"tool_calls\":[{\"id\":"
         "\"c1\","
         "\"function\":{\"name\":\"f\",\"arguments\":{\"b\":1,\"a\":[0.1]}}},{\"id\":\"c2\","
         "\"function\":{\"name\":\"g\",\"arguments\":{}}}]},{\"role\":\"tool\",\"content\":\"two\","
         "\"tool_name\":\"g\",\"tool_call_id\":\"c2\"},{\"role\":\"tool\",\"content\":\"?\","
         "\"tool_call_id\":\"c9\"},{\"role\":\"tool\",\"content\":\"old\",\"tool_name\":\"h\"}"),
     NULL},
    {MESSAGE("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\","
             "\"arguments\":\"[1]\"}}]}"),
     NULL, "messages[0].tool_calls[0].function"},
    {MESSAGE("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"arguments\":\"{"
             "}\"}}]}"),
     NULL, "messages[0].tool_calls[0].function"},
    {IN(",\"reasoning_effort\":\"some\""), NULL, "reasoning_effort"},
    {IN(",\"verbosity\":\"low\""), NULL, "verbosity"},
    {IN(",\"service_tier\":\"flex\""), NULL, "service_tier"},
    {IN(",\"store\":true"), NULL, "store"},
    {IN(",\"web_search_options\":{}"), NULL, "web_search_options"},
    {IN(",\"function_call\":{\"name\":\"f\"}"), NULL, "function_call"},
    {IN(",\"parallel_tool_calls\":false,\"tools\":[{\"type\":\"function\"}]"), NULL,
     "parallel_tool_calls"},
    {MESSAGE("{\"role\":\"assistant\",\"content\":\"x\",\"function_call\":{\"name\":\"f\"}}"), NULL,
     "messages[0].function_call"},
    {MESSAGE("{\"role\":\"boss\",\"content\":\"x\"}"), NULL, "messages"},
    {MESSAGE("5"), NULL, "messages"},
    {MESSAGE("{\"role\":\"user\",\"content\":5}"), NULL, "messages"},
    {MESSAGE("{\"role\":\"user\",\"content\":[5]}"), NULL, "messages[0].content[0]"},
    {MESSAGE(""), NULL, "messages"},
    {"{}", NULL, "messages"},
    {"[]", NULL, ""},
    {"nonsense", NULL, ""},
    {"{\"a\":\"\xff\"}", NULL, ""},
};

static void test_request_out(void)
{
    static const dgon_ollama_options opt = {.thinking = true};
    for (size_t i = 0; i < sizeof request_cases / sizeof request_cases[0]; i++) {
        const char *want = request_cases[i].out;
        bool usage;
        dgon_error e = {0};
        dgon_buf b;
        dgon_buf_init(&b, 4000);
        dgon_status s =
            dgon_ollama_request_out(&b, DGON_OP_CHAT, request_cases[i].in,
                                    strlen(request_cases[i].in), "real", true, &opt, &usage, &e);
        CU_ASSERT_EQUAL(s, want != NULL ? DGON_OK : DGON_EINVAL);
        CU_ASSERT(chat_stream_text_is(&b, want != NULL ? want : ""));
        CU_ASSERT_EQUAL(e.http, want != NULL ? 0 : 400);
        CU_ASSERT_STRING_EQUAL(e.param, want != NULL ? "" : request_cases[i].param);
        dgon_buf_fini(&b);
    }
}

static void test_request_options(void)
{
    static const char in[] =
        IN(",\"reasoning_effort\":\"none\",\"stream\":true,\"stream_options\":{"
           "\"include_usage\":true}");
    static const char effort[] = IN(",\"reasoning_effort\":\"high\"");
    const dgon_ollama_options opt = {.truncate = true};
    bool usage = false;
    dgon_error e = {0};
    dgon_buf b;
    dgon_buf_init(&b, 4000);
    CU_ASSERT_EQUAL(dgon_ollama_request_out(&b, DGON_OP_CHAT, in, sizeof in - 1, "real", true, &opt,
                                            &usage, &e),
                    DGON_OK);
    CU_ASSERT_TRUE(usage);
    CU_ASSERT(chat_stream_text_is(
        &b, "{\"model\":\"real\",\"stream\":true,\"truncate\":true,\"messages\":[" USER "]}"));
    dgon_buf_reset(&b);
    CU_ASSERT_EQUAL(dgon_ollama_request_out(&b, DGON_OP_CHAT, in, sizeof in - 1, "real", false,
                                            &opt, &usage, &e),
                    DGON_OK);
    CU_ASSERT_FALSE(usage);
    b.max = 10;
    CU_ASSERT_EQUAL(dgon_ollama_request_out(&b, DGON_OP_CHAT, in, sizeof in - 1, "real", false,
                                            &opt, &usage, &e),
                    DGON_ETOOBIG);
    CU_ASSERT_EQUAL(e.http, 413);
    b.max = 4000;
    CU_ASSERT_EQUAL(dgon_ollama_request_out(&b, DGON_OP_CHAT, effort, sizeof effort - 1, "real",
                                            false, &opt, &usage, &e),
                    DGON_EINVAL);
    CU_ASSERT_STRING_EQUAL(e.param, "reasoning_effort");
    dgon_buf_fini(&b);
}

/* ---- streams ---- */

#define LINE(m, more)                                                                 \
    "{\"model\":\"t\",\"created_at\":\"2026-11-21T10:00:00Z\",\"message\":{\"role\":" \
    "\"assistant\"," m "}" more "}"
#define SAY(t) LINE("\"content\":\"" t "\"", ",\"done\":false")
#define END(r)                                                                                  \
    LINE("\"content\":\"\"",                                                                    \
         ",\"done\":true,\"done_reason\":\"" r "\",\"total_duration\":99,\"load_duration\":11," \
         "\"prompt_eval_count\":12,\"prompt_eval_duration\":22,\"eval_count\":3,\"eval_"        \
         "duration\":33")
#define CALL(f) LINE("\"content\":\"\",\"tool_calls\":[" f "]", ",\"done\":false")
#define LINES   (const char *const[])

typedef struct stream_case {
    const char *name;
    bool usage;
    const char *const *in;
    const char *out;
    dgon_status last, end;
    int http;
} stream_case;

static const stream_case stream_cases[] = {
    {"text", true, LINES{SAY("Hello"), SAY("\\u003cb\\u003e \\\"\xc3\xa9"), END("stop"), NULL},
     ROLE TEXT("Hello") TEXT("\\u003cb\\u003e \\\"\xc3\xa9") FINISH("stop") USAGE(12, 3, 15),
     DGON_DONE, DGON_OK, 0},
    {"no usage wanted, length", false, LINES{SAY("a"), END("length"), SAY("late"), NULL},
     ROLE TEXT("a") FINISH("length"), DGON_DONE, DGON_OK, 0},
    {"thinking", false,
     LINES{LINE("\"content\":\"\",\"thinking\":\"hm\"", ",\"done\":false"), SAY("so"), END("stop"),
           NULL},
     ROLE THOUGHT("hm") TEXT("so") FINISH("stop"), DGON_DONE, DGON_OK, 0},
    {"two tool calls", false,
     LINES{CALL("{\"function\":{\"name\":\"f\",\"arguments\":{\"b\":1,\"a\":\"\\u0000\"}}}"),
           CALL("{\"id\":\"theirs\",\"function\":{\"index\":1,\"name\":\"g\",\"arguments\":{}}}"),
           END("stop"), NULL},
     ROLE DELTA_OF(0, "\"tool_calls\":[{\"index\":0,\"id\":\"call_1_0\",\"type\":\"function\","
                      "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"b\\\":1,\\\"a\\\":"
                      "\\\"\\\\u0000\\\"}\"}}]")
         DELTA_OF(0, "\"tool_calls\":[{\"index\":1,\"id\":\"call_1_1\",\"type\":\"function\","
                     "\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]") FINISH("tool_calls"),
     DGON_DONE, DGON_OK, 0},
    {"text in the last line, no done_reason, no counts", true,
     LINES{LINE("\"content\":\"all\"", ",\"done\":true"), NULL},
     ROLE TEXT("all") FINISH("stop") USAGE(0, 0, 0), DGON_DONE, DGON_OK, 0},
    {"logprobs", false,
     LINES{LINE("\"content\":\"a\"",
                ",\"done\":false,\"logprobs\":[{\"token\":\"a\",\"logprob\":-0.5}]"),
           END("stop"), NULL},
     ROLE
     "{\"index\":0,\"delta\":{\"content\":\"a\"},\"logprobs\":{\"content\":[{\"token\":\"a\","
     "\"logprob\":-0.5,\"bytes\":null,\"top_logprobs\":[]}],\"refusal\":null},\"finish_reason\":"
     "null}]}\n" FINISH("stop"),
     DGON_DONE, DGON_OK, 0},
    {"bad bytes, NUL, DEL, half a pair", false,
     LINES{SAY("a\xff"), SAY("\\u0000"), SAY("\x7f"), SAY("\\udc00"), SAY("\\ud83d\\ude00"),
           END("stop"), NULL},
     ROLE TEXT("a\xef\xbf\xbd") TEXT("\\u0000") TEXT("\\u007f") TEXT("\xef\xbf\xbd")
         TEXT("\xf0\x9f\x98\x80") FINISH("stop"),
     DGON_DONE, DGON_OK, 0},
    {"error at once", false,
     LINES{"{\"error\":\"model runner has unexpectedly stopped\"}", SAY("x"), NULL}, "",
     DGON_EBACKEND, DGON_EBACKEND, 502},
    {"error later", false, LINES{SAY("a"), "{\"error\":\"boom\"}", NULL}, ROLE TEXT("a"),
     DGON_EBACKEND, DGON_EBACKEND, 502},
    {"error: context", false,
     LINES{"{\"error\":\"the input length exceeds the context length\"}", NULL}, "", DGON_EBACKEND,
     DGON_EBACKEND, 400},
    {"cut", false, LINES{SAY("a"), SAY("b"), NULL}, ROLE TEXT("a") TEXT("b"), DGON_OK,
     DGON_EBACKEND, 502},
    {"bad lines", false, LINES{"x", "{\"done\":false}", SAY("a"), "x", "[", END("stop"), NULL},
     ROLE TEXT("a") FINISH("stop"), DGON_DONE, DGON_OK, 0},
    {"three bad lines", false, LINES{SAY("a"), "x", "{}", "\"\"", NULL}, ROLE TEXT("a"),
     DGON_EBACKEND, DGON_EBACKEND, 502},
};

static dgon_status feed(chat_stream *s, const char *const *in)
{
    dgon_status st = DGON_OK;
    for (; *in != NULL; in++)
        st = dgon_ollama_line(&s->chat, &s->out, *in, strlen(*in), chat_stream_event, s);
    return st;
}

static void test_streams(void)
{
    for (size_t i = 0; i < sizeof stream_cases / sizeof stream_cases[0]; i++) {
        const stream_case *c = &stream_cases[i];
        chat_stream s;
        chat_stream_init(&s, c->usage);
        dgon_status last = feed(&s, c->in), end = dgon_chat_end(&s.chat, &s.end);
        bool ok = last == c->last && end == c->end && s.chat.error.http == c->http;
        ok = chat_stream_text_is(&s.events, c->out) && ok;
        CU_ASSERT(ok);
        if (!ok)
            fprintf(stderr, "%s: last %d end %d, %d %s\n", c->name, last, end, s.chat.error.http,
                    s.chat.error.message);
        if (c->http == 502)
            CU_ASSERT_EQUAL(s.chat.error.retryable, s.events.len == 0);
        chat_stream_fini(&s);
    }
}

static void test_figures(void)
{
    chat_stream s;
    chat_stream_init(&s, false);
    CU_ASSERT_EQUAL(feed(&s, stream_cases[0].in), DGON_DONE);
    CU_ASSERT_EQUAL(dgon_chat_end(&s.chat, &s.end), DGON_OK);
    CU_ASSERT(chat_stream_text_is(
        &s.end,
        "{\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3,\"total_tokens\":15},"
        "\"finish\":\"stop\",\"timings\":{\"load_ns\":11,\"prompt_ns\":22,\"eval_ns\":33}}"));
    chat_stream_fini(&s);
}

/* ---- whole answers ---- */

#define ANSWER                                                                                \
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":" \
    "\"pub\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
#define FIGURES "],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":2,\"total_tokens\":2}}"

static const struct {
    const char *in, *out; /* out NULL: an error */
} answer_cases[] = {
    {LINE("\"content\":\"Hi\"", ",\"done\":true,\"done_reason\":\"length\",\"eval_count\":2"),
     ANSWER "\"content\":\"Hi\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":"
            "\"length\"}" FIGURES},
    {LINE("\"content\":\"\",\"thinking\":\"hm\",\"tool_calls\":[{\"function\":{\"name\":\"f\","
          "\"arguments\":"
          "{\"z\":1,\"a\":2}}},5]",
          ",\"done\":true,\"done_reason\":\"stop\",\"eval_count\":2"),
     ANSWER
     "\"content\":null,\"refusal\":null,\"reasoning_content\":\"hm\",\"tool_calls\":[{\"id\":"
     "\"call_1_0\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"z\\\":1,"
     "\\\"a\\\":2}\"}}]},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}" FIGURES},
    {LINE("\"content\":\"Hi\"", ",\"done\":false"), NULL},
    {"{\"error\":\"no\"}", NULL},
    {"{\"done\":true}", NULL},
    {"", NULL},
};

static void test_answers(void)
{
    for (size_t i = 0; i < sizeof answer_cases / sizeof answer_cases[0]; i++) {
        const char *want = answer_cases[i].out;
        chat_stream s;
        chat_stream_init(&s, false);
        s.chat.stream = false;
        dgon_status st =
            dgon_ollama_answer(&s.chat, &s.out, answer_cases[i].in, strlen(answer_cases[i].in));
        CU_ASSERT_EQUAL(st, want != NULL ? DGON_OK : DGON_EBACKEND);
        CU_ASSERT(chat_stream_text_is(&s.out, want != NULL ? want : ""));
        CU_ASSERT_EQUAL(dgon_chat_end(&s.chat, &s.end), want != NULL ? DGON_OK : DGON_EBACKEND);
        chat_stream_fini(&s);
    }
}

/* ---- errors and lists ---- */

static const struct {
    int http;
    const char *body;
    int to;
    const char *code;
    bool retryable;
} error_cases[] = {
    {404, "{\"error\":\"model \\\"x\\\" not found, try pulling it first\"}", 404, "model_not_found",
     true},
    {404, "404 page not found", 502, "upstream_error", true},
    {503, "{\"error\":\"server busy, please try again. maximum pending requests exceeded\"}", 503,
     "server_is_overloaded", true},
    {400, "{\"error\":\"the prompt is longer than the context\"}", 400, "context_length_exceeded",
     false},
    {400, "{\"error\":\"input length exceeds maximum context length\"}", 400,
     "context_length_exceeded", false},
    {400, "{\"error\":\"\\\"t\\\" does not support thinking\"}", 400, "", false},
    {500, "{\"error\":\"llama runner process has terminated\"}", 502, "upstream_error", true},
    {499, "", 502, "upstream_error", true},
};

static void test_errors(void)
{
    for (size_t i = 0; i < sizeof error_cases / sizeof error_cases[0]; i++) {
        dgon_error e = {0};
        dgon_ollama_backend_error(&e, error_cases[i].http, error_cases[i].body,
                                  strlen(error_cases[i].body));
        CU_ASSERT_EQUAL(e.http, error_cases[i].to);
        CU_ASSERT_STRING_EQUAL(e.code, error_cases[i].code);
        CU_ASSERT_EQUAL(e.retryable, error_cases[i].retryable);
    }
}

static void list_model(void *user, const char *name, uint32_t context, uint32_t caps, bool loaded)
{
    CU_ASSERT_EQUAL(
        dgon_buf_addf(user, "%s %u %u %d\n", name, (unsigned)context, (unsigned)caps, loaded),
        DGON_OK);
}

static void test_lists(void)
{
    static const char tags[] =
        "{\"models\":[{\"name\":\"tiny:latest\",\"details\":{\"context_length\":2048},"
        "\"capabilities\":[\"tools\",\"completion\",\"new\",5]},{\"name\":\"old\"},"
        "{\"name\":\"no good\"},5]}";
    static const char ps[] = "{\"models\":[{\"name\":\"tiny:latest\",\"context_length\":1024}]}";
    dgon_buf b;
    dgon_buf_init(&b, 1000);
    CU_ASSERT_EQUAL(dgon_ollama_tags_in(tags, sizeof tags - 1, list_model, &b), DGON_OK);
    CU_ASSERT_EQUAL(dgon_ollama_ps_in(ps, sizeof ps - 1, list_model, &b), DGON_OK);
    CU_ASSERT(
        chat_stream_text_is(&b, "tiny:latest 2048 273 0\nold 0 16 0\ntiny:latest 1024 0 1\n"));
    CU_ASSERT_EQUAL(dgon_ollama_tags_in("{}", 2, list_model, &b), DGON_EJSON);
    CU_ASSERT_EQUAL(dgon_ollama_ps_in("x", 1, list_model, &b), DGON_EJSON);
    dgon_buf_fini(&b);
}

/* ---- memory ---- */

static bool all_of_it(void *user)
{
    static const size_t requests[] = {2, 23, 27};
    static const dgon_ollama_options opt = {.thinking = true};
    chat_stream s;
    bool usage, ok = true;
    (void)user;
    chat_stream_init(&s, true);
    s.strict = false;
    ok = s.chat.head_len > 0;
    for (size_t i = 0; ok && i < sizeof requests / sizeof requests[0]; i++) {
        const char *in = request_cases[requests[i]].in;
        dgon_error e = {0};
        ok = dgon_ollama_request_out(&s.out, DGON_OP_CHAT, in, strlen(in), "real", true, &opt,
                                     &usage, &e) == DGON_OK;
        CU_ASSERT(ok || (unit_heap_state.failed && e.http == 500));
    }
    ok = ok && feed(&s, stream_cases[3].in) == DGON_DONE;
    dgon_buf_reset(&s.out);
    ok = ok && dgon_ollama_answer(&s.chat, &s.out, answer_cases[1].in,
                                  strlen(answer_cases[1].in)) == DGON_OK;
    chat_stream_fini(&s);
    return ok;
}

static bool logprobs_too(void *user)
{
    chat_stream s;
    (void)user;
    chat_stream_init(&s, true);
    s.strict = false;
    bool ok = s.chat.head_len > 0 && feed(&s, stream_cases[5].in) == DGON_DONE;
    chat_stream_fini(&s);
    return ok;
}

static void test_memory(void)
{
    unit_each_alloc(all_of_it, NULL);
    unit_each_alloc(logprobs_too, NULL);
}

UNIT_MAIN("ollama", {"request out", test_request_out}, {"request options", test_request_options},
          {"streams", test_streams}, {"figures", test_figures}, {"answers", test_answers},
          {"errors", test_errors}, {"lists", test_lists}, {"memory", test_memory})

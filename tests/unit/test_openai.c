#include "dgon/openai.h"

#include "dgon/control.h"

#include "chat_stream.h"

#define BODY(more) "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]" more "}"

/* ---- the request to the backend ---- */

static const struct {
    const char *in, *out; /* out NULL: refused */
    bool stream, want;
} out_cases[] = {
    {"{ \"model\" : \"m\", \"temperature\":0.7,\"x\":1e-7,\"y\":123456789012345678901234567890,"
     "\"z\":1.0,\"s\":\"\\u00e9\\/\",\"max_completion_tokens\":5}\n",
     "{ \"model\" : \"real\", \"temperature\":0.7,\"x\":1e-7,\"y\":123456789012345678901234567890,"
     "\"z\":1.0,\"s\":\"\\u00e9\\/\",\"max_completion_tokens\":5}\n",
     false, false},
    {"{\"stream\":true,\"model\":\"m\"}",
     "{\"stream_options\":{\"include_usage\":true},\"stream\":true,\"model\":\"real\"}", true,
     false},
    {"{\"model\":\"m\",\"stream\":true,\"stream_options\":{ \"include_usage\" : true,\"a\":1}}",
     "{\"model\":\"real\",\"stream\":true,\"stream_options\":{ \"include_usage\" : true,\"a\":1}}",
     true, true},
    {"{\"stream_options\":{\"include_usage\":false},\"model\":\"m\",\"stream\":true}",
     "{\"stream_options\":{\"include_usage\":true},\"model\":\"real\",\"stream\":true}", true,
     false},
    {"{\"stream_options\":{},\"model\":\"m\",\"stream\":true}",
     "{\"stream_options\":{\"include_usage\":true},\"model\":\"real\",\"stream\":true}", true,
     false},
    {"{\"stream_options\":{\"a\":[1,{}]},\"model\":\"m\",\"stream\":true}",
     "{\"stream_options\":{\"include_usage\":true,\"a\":[1,{}]},\"model\":\"real\",\"stream\":"
     "true}",
     true, false},
    {"{\"stream_options\":null,\"model\":\"m\",\"stream\":true}",
     "{\"stream_options\":{\"include_usage\":true},\"model\":\"real\",\"stream\":true}", true,
     false},
    /* what bytes do not tell goes through a tree */
    {"{\"mod\\u0065l\":\"m\",\"t\":0.7}", "{\"model\":\"real\",\"t\":0.7,\"stream\":false}", false,
     false},
    {"{\"model\":\"a\",\"model\":\"b\",\"i\":9007199254740993}",
     "{\"model\":\"real\",\"i\":9007199254740993,\"stream\":false}", false, false},
    {"{\"model\":\"m\",\"stream\":true}", "{\"model\":\"real\",\"stream\":false}", false, false},
    {"{\"stream_options\":{\"include_usage\":false,\"include_usage\":true},\"model\":\"m\","
     "\"stream\":"
     "true}",
     "{\"stream_options\":{\"include_usage\":true},\"model\":\"real\",\"stream\":true}", true,
     true},
    {"{\"model\":\"m\"} x", NULL, false, false},
    {"[]", NULL, false, false},
    {"", NULL, false, false},
};

static void test_request_out(void)
{
    for (size_t i = 0; i < sizeof out_cases / sizeof out_cases[0]; i++) {
        bool want = true;
        dgon_buf b;
        dgon_buf_init(&b, 1000);
        dgon_status s = dgon_openai_request_out(&b, out_cases[i].in, strlen(out_cases[i].in),
                                                "real", out_cases[i].stream, &want);
        CU_ASSERT_EQUAL(s == DGON_OK, out_cases[i].out != NULL);
        CU_ASSERT(chat_stream_text_is(&b, out_cases[i].out != NULL ? out_cases[i].out : ""));
        CU_ASSERT_EQUAL(want, out_cases[i].want);
        dgon_buf_fini(&b);
    }
}

/* ---- streams ---- */

typedef struct stream_case {
    const char *name;
    bool usage;
    const char *const *in;
    const char *out;
    dgon_status last; /* of the last chunk */
    dgon_status end;
    int http;
    const char *code;
} stream_case;

#define LINES (const char *const[])
#define LLAMA(c)                                                                   \
    "{\"choices\":[" c                                                             \
    "],\"created\":1795259026,\"id\":\"chatcmpl-e5oV6t\",\"model\":\"tiny-chat\"," \
    "\"system_fingerprint\":\"b11669\",\"object\":\"chat.completion.chunk\""
#define LLAMA_DELTA(d) LLAMA("{\"finish_reason\":null,\"index\":0,\"delta\":" d "}") "}"
#define VLLM(c)                                                                                 \
    "{\"id\": \"chatcmpl-7\", \"object\": \"chat.completion.chunk\", \"created\": 1795259026, " \
    "\"model\": \"org/Model\", \"choices\": [" c "]"
#define VLLM_DELTA(d)                   \
    VLLM("{\"index\": 0, \"delta\": " d \
         ", \"logprobs\": null, \"finish_reason\": null, \"token_ids\": null}")
#define STUDIO(d, f)                                                                        \
    "{\"id\":\"chatcmpl-x\",\"object\":\"chat.completion.chunk\",\"created\":1795259026,"   \
    "\"model\":\"lm\",\"system_fingerprint\":\"lm\",\"choices\":[{\"index\":0,\"delta\":" d \
    ",\"logprobs\":null,\"finish_reason\":" f "}]}"
#define PLAIN(d, f) "{\"choices\":[{\"index\":0,\"delta\":" d ",\"finish_reason\":" f "}]}"

static const stream_case stream_cases[] = {
    {"llama-server", true,
     LINES{
         LLAMA_DELTA("{\"role\":\"assistant\",\"content\":null}"),
         LLAMA_DELTA("{\"reasoning_content\":\"hm\"}"), LLAMA_DELTA("{\"content\":\"Hello\"}"),
         LLAMA_DELTA("{\"content\":\" \\\"\\u00e9\\n\"}"),
         LLAMA("{\"finish_reason\":\"length\",\"index\":0,\"delta\":{}}") "}",
         LLAMA("") ",\"usage\":{\"completion_tokens\":3,\"prompt_tokens\":12,\"total_tokens\":15},"
                   "\"timings\":{\"prompt_ms\":8.5,\"predicted_ms\":2.5}}",
         "[DONE]", NULL},
     ROLE THOUGHT("hm") TEXT("Hello") TEXT(" \\\"\\u00e9\\n") FINISH("length") USAGE(12, 3, 15),
     DGON_DONE, DGON_OK, 0, ""},
    {"alike but for the text, and nearly alike", false,
     LINES{LLAMA_DELTA("{\"role\":\"assistant\",\"content\":null}"),
           LLAMA_DELTA("{\"reasoning_content\":\"hm\"}"),
           LLAMA_DELTA("{\"reasoning_content\":\"so\"}"), LLAMA_DELTA("{\"content\":\"a\"}"),
           LLAMA_DELTA("{\"content\":\"b\"}"), LLAMA_DELTA("{\"content\":\"\"}"),
           LLAMA_DELTA("{\"content\":null}"), LLAMA_DELTA("{\"content\":\"c\",\"refusal\":null}"),
           LLAMA_DELTA("{\"content\":\"\\\"},\\u00e9\"}"),
           LLAMA_DELTA("{\"content\":\"d\",\"reasoning_content\":\"e\"}"),
           LLAMA_DELTA("{\"content\":\"\xc3\xa9\"}"), LLAMA_DELTA("{\"content\":\"x\xff\"}"),
           LLAMA("{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}") "}", "[DONE]", NULL},
     ROLE THOUGHT("hm") THOUGHT("so") TEXT("a") TEXT("b") TEXT("c") TEXT("\\\"},\\u00e9")
         THOUGHT("e") TEXT("d") TEXT("\xc3\xa9") TEXT("x\xef\xbf\xbd") FINISH("stop"),
     DGON_DONE, DGON_OK, 0, ""},
    {"llama-server, a tool", false,
     LINES{LLAMA_DELTA("{\"role\":\"assistant\",\"content\":null}"),
           LLAMA_DELTA("{\"tool_calls\":[{\"index\":0,\"id\":\"uHI\",\"type\":\"function\","
                       "\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}"),
           LLAMA_DELTA("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"}\"}}]}"),
           LLAMA("{\"finish_reason\":\"tool_calls\",\"index\":0,\"delta\":{}}") "}", "[DONE]",
           NULL},
     ROLE DELTA_OF(0, "\"tool_calls\":[{\"index\":0,\"id\":\"uHI\",\"type\":\"function\","
                      "\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]")
         DELTA_OF(0, "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"}\"}}]")
             FINISH("tool_calls"),
     DGON_DONE, DGON_OK, 0, ""},
    {"vLLM, usage in every chunk, reasoning", true,
     LINES{
         VLLM_DELTA("{\"role\": \"assistant\", \"content\": \"\"}") ", \"prompt_token_ids\": null}",
         VLLM_DELTA("{\"reasoning\": \"why\"}") ", \"usage\": {\"prompt_tokens\": 5, "
                                                "\"completion_tokens\": 1}}",
         VLLM_DELTA(
             "{\"content\": \"so\", \"tool_calls\": []}") ", \"usage\": {\"prompt_tokens\": 5, "
                                                          "\"completion_tokens\": 2}}",
         VLLM("{\"index\": 0, \"delta\": {\"content\": \".\"}, \"logprobs\": null, "
              "\"finish_reason\": \"stop\", \"stop_reason\": null}") ", \"usage\": "
                                                                     "{\"prompt_tokens\": 5, "
                                                                     "\"completion_tokens\": 3}}",
         VLLM("") ", \"usage\": {\"prompt_tokens\": 5, \"total_tokens\": 8, \"completion_tokens\": "
                  "3}}",
         "[DONE]", NULL},
     ROLE THOUGHT("why") TEXT("so") TEXT(".") FINISH("stop") USAGE(5, 3, 8), DGON_DONE, DGON_OK, 0,
     ""},
    {"vLLM, two choices", false,
     LINES{"{\"choices\":[{\"index\":1,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}",
           "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}",
           "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}},{\"index\":1,\"delta\":{"
           "\"content\":\"b\"},\"finish_reason\":\"stop\"}]}",
           PLAIN("{}", "\"length\""), "[DONE]", NULL},
     ROLE_OF(0) TEXT("a") ROLE_OF(1) DELTA_OF(1, "\"content\":\"b\"") FINISH_OF(1, "stop")
         FINISH("length"),
     DGON_DONE, DGON_OK, 0, ""},
    {"LM Studio, a role in every chunk", true,
     LINES{STUDIO("{\"role\":\"assistant\",\"content\":\"Hi\"}", "null"),
           STUDIO("{\"role\":\"assistant\",\"content\":\" you\"}", "null"),
           STUDIO("{\"role\":\"assistant\",\"content\":\"\\ud83d\"}", "null"),
           STUDIO("{}", "\"stop\""), "[DONE]", NULL},
     ROLE TEXT("Hi") TEXT(" you") TEXT("\xef\xbf\xbd") FINISH("stop"), DGON_DONE, DGON_OK, 0, ""},
    {"LM Studio, error", false,
     LINES{STUDIO("{\"role\":\"assistant\",\"content\":\"Hi\"}", "null"),
           "{\"error\":{\"message\":\"Model unloaded.\"},\"message\":\"Model unloaded.\"}", NULL},
     ROLE TEXT("Hi"), DGON_EBACKEND, DGON_EBACKEND, 502, "upstream_error"},
    {"vLLM, error with a number for a code", false,
     LINES{"{\"error\": {\"message\": \"EngineCore died\", \"type\": \"InternalServerError\", "
           "\"param\": null, \"code\": 500}}",
           NULL},
     "", DGON_EBACKEND, DGON_EBACKEND, 502, "upstream_error"},
    {"error null, obfuscation, unknown members", false,
     LINES{
         "{\"error\":null,\"obfuscation\":\"abc\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
         "\"a\"}}]}",
         "{\"x\":{\"y\":1},\"usage\":null,\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
         "\"stop\"}]}",
         "[DONE]", NULL},
     ROLE TEXT("a") FINISH("stop"), DGON_DONE, DGON_OK, 0, ""},
    {"no role, empty finish_reason, then all in one", false,
     LINES{PLAIN("{\"content\":\"a\"}", "\"\""),
           PLAIN("{\"thinking\":\"t\",\"content\":\"b\"}", "\"eos\""),
           PLAIN("{\"content\":\"late\"}", "null"), PLAIN("{}", "\"stop\""), "[DONE] ", "[DONE]",
           NULL},
     ROLE TEXT("a") DELTA_OF(0, "\"content\":\"b\",\"reasoning_content\":\"t\"") FINISH("stop"),
     DGON_DONE, DGON_OK, 0, ""},
    {"tool call without id, type, with an object", false,
     LINES{
         PLAIN(
             "{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"b\":1,\"a\":0.1}}}]}",
             "\"tool_calls\""),
         "[DONE]", NULL},
     ROLE DELTA_OF(0, "\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"b\\\":1,"
                      "\\\"a\\\":0.1}\"},\"index\":0,\"id\":\"call_1_0\",\"type\":\"function\"}]")
         FINISH("tool_calls"),
     DGON_DONE, DGON_OK, 0, ""},
    {"logprobs stay with their text", false,
     LINES{"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"logprobs\":{\"content\":[{"
           "\"logprob\":-0.125}]},\"finish_reason\":\"stop\"}]}",
           "[DONE]", NULL},
     ROLE
     "{\"index\":0,\"delta\":{\"content\":\"a\"},\"logprobs\":{\"content\":[{\"logprob\":-0.125}]},"
     "\"finish_reason\":null}]}\n" FINISH("stop"),
     DGON_DONE, DGON_OK, 0, ""},
    {"bad bytes, NUL, DEL", false,
     LINES{PLAIN("{\"content\":\"a\xff\"}", "null"), PLAIN("{\"content\":\"\\u0000\"}", "null"),
           PLAIN("{\"content\":\"\x7f\"}", "null"), PLAIN("{}", "\"stop\""), "[DONE]", NULL},
     ROLE TEXT("a\xef\xbf\xbd") TEXT("\\u0000") TEXT("\\u007f") FINISH("stop"), DGON_DONE, DGON_OK,
     0, ""},
    {"two bad lines are skipped", false,
     LINES{"nonsense", "{}", PLAIN("{\"content\":\"a\"}", "null"), "{\"choices\":[5]}",
           PLAIN("{}", "\"stop\""), "[DONE]", NULL},
     ROLE TEXT("a") FINISH("stop"), DGON_DONE, DGON_OK, 0, ""},
    {"each of these lines is bad alone", false,
     LINES{PLAIN("5", "null"), PLAIN("{\"tool_calls\":5}", "null"),
           PLAIN("{\"content\":\"a\"}", "null"), PLAIN("{\"tool_calls\":[5]}", "null"),
           PLAIN("{\"tool_calls\":[{\"index\":256}]}", "null"),
           PLAIN("{\"content\":\"b\"}", "null"), PLAIN("{\"content\":\"c\"}", "7"),
           "{\"choices\":[{\"index\":128,\"delta\":{\"content\":\"d\"}}]}",
           "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}", "[DONE]", NULL},
     ROLE TEXT("a") TEXT("b") FINISH("stop"), DGON_DONE, DGON_OK, 0, ""},
    {"half a pair among whole ones, nulls beside a call", false,
     LINES{PLAIN("{\"content\":\"\\n\\u00e9\\ud83d\\ude00\\ud83dx\\q\"}", "null"),
           PLAIN("{\"content\":\"\\\\n\\u00e9\\ud83d\\ude00\\ud83dx\"}", "null"),
           PLAIN("{\"content\":null,\"refusal\":null,\"tool_calls\":[{\"index\":0,\"id\":\"c\","
                 "\"type\":null,\"function\":{"
                 "\"name\":\"f\",\"arguments\":null}}]}",
                 "\"tool_calls\""),
           "[DONE]", NULL},
     ROLE TEXT("\\\\n\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx")
         DELTA_OF(0, "\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\","
                     "\"arguments\":\"\"},"
                     "\"type\":\"function\"}]") FINISH("tool_calls"),
     DGON_DONE, DGON_OK, 0, ""},
    {"three are not", false, LINES{"nonsense", "{}", "{\"choices\":", NULL}, "", DGON_EBACKEND,
     DGON_EBACKEND, 502, "upstream_error"},
    {"[DONE] without a finish", false, LINES{PLAIN("{\"content\":\"a\"}", "null"), "[DONE]", NULL},
     ROLE TEXT("a"), DGON_DONE, DGON_EBACKEND, 502, "upstream_error"},
    {"given up", false, LINES{PLAIN("{\"content\":\"a\"}", "\"abort\""), NULL}, ROLE TEXT("a"),
     DGON_EBACKEND, DGON_EBACKEND, 502, "upstream_error"},
    {"one choice of two unfinished", false,
     LINES{"{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}]}", PLAIN("{}", "\"stop\""),
           "[DONE]", NULL},
     ROLE_OF(1) DELTA_OF(1, "\"content\":\"b\"") ROLE FINISH("stop"), DGON_DONE, DGON_EBACKEND, 502,
     "upstream_error"},
};

static dgon_status feed(chat_stream *s, const char *const *in)
{
    dgon_status st = DGON_OK;
    for (; *in != NULL; in++)
        st = dgon_openai_chunk(&s->chat, &s->out, *in, strlen(*in), chat_stream_event, s);
    return st;
}

static void test_streams(void)
{
    for (size_t i = 0; i < sizeof stream_cases / sizeof stream_cases[0]; i++) {
        const stream_case *c = &stream_cases[i];
        chat_stream s;
        chat_stream_init(&s, c->usage);
        dgon_status last = feed(&s, c->in);
        dgon_status end = dgon_chat_end(&s.chat, &s.end);
        bool ok = last == c->last && end == c->end && s.chat.error.http == c->http &&
                  strcmp(s.chat.error.code, c->code) == 0;
        ok = chat_stream_text_is(&s.events, c->out) && ok;
        CU_ASSERT(ok);
        if (!ok)
            fprintf(stderr, "%s: last %d end %d, %d %s\n", c->name, last, end, s.chat.error.http,
                    s.chat.error.message);
        chat_stream_fini(&s);
    }
}

static void test_stream_figures(void)
{
    chat_stream s;
    chat_stream_init(&s, true);
    CU_ASSERT_EQUAL(feed(&s, stream_cases[0].in), DGON_DONE);
    CU_ASSERT_EQUAL(dgon_chat_end(&s.chat, &s.end), DGON_OK);
    CU_ASSERT(chat_stream_text_is(
        &s.end,
        "{\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3,\"total_tokens\":15},"
        "\"finish\":\"length\",\"timings\":{\"load_ns\":0,\"prompt_ns\":8500000,\"eval_ns\":"
        "2500000}}"));
    chat_stream_fini(&s);
}

/* ---- whole answers ---- */

#define ANSWER                                                                                \
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":" \
    "\"pub\",\"choices\":["

static const struct {
    const char *in, *out; /* out NULL: an error */
} answer_cases[] = {
    {"{\"choices\":[{\"finish_reason\":\"length\",\"index\":0,\"message\":{\"role\":\"assistant\","
     "\"content\":\"Hello! How\"}}],\"created\":1,\"model\":\"tiny\",\"system_fingerprint\":\"b\","
     "\"usage\":{\"completion_tokens\":3,\"prompt_tokens\":12,\"prompt_tokens_details\":{"
     "\"cached_tokens\":11}},\"id\":\"x\",\"timings\":{\"prompt_ms\":1}}",
     ANSWER "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello! "
            "How\",\"refusal\":null},"
            "\"logprobs\":null,\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":12,"
            "\"completion_tokens\":3,\"total_tokens\":15,\"prompt_tokens_details\":{\"cached_"
            "tokens\":11}}}"},
    {"{\"choices\":[{\"message\":{\"content\":null,\"reasoning\":\"r\",\"tool_calls\":[{"
     "\"function\":{"
     "\"name\":\"f\",\"arguments\":{\"a\":1}}}]},\"finish_reason\":\"tool_calls\"}],\"usage\":"
     "null}",
     ANSWER
     "{\"index\":0,\"message\":{\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\","
     "\"arguments\":\"{\\\"a\\\":1}\"},\"id\":\"call_1_0\",\"type\":\"function\"}],"
     "\"reasoning_content\":\"r\",\"role\":\"assistant\",\"refusal\":null},\"logprobs\":null,"
     "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,"
     "\"total_tokens\":0}}"},
    {"{\"error\":{\"message\":\"no\",\"code\":500}}", NULL},
    {"{\"choices\":[]}", NULL},
    {"{\"choices\":[{}]}", NULL},
    {"<html>", NULL},
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
            dgon_openai_answer(&s.chat, &s.out, answer_cases[i].in, strlen(answer_cases[i].in));
        CU_ASSERT_EQUAL(st, want != NULL ? DGON_OK : DGON_EBACKEND);
        CU_ASSERT(chat_stream_text_is(&s.out, want != NULL ? want : ""));
        CU_ASSERT_EQUAL(dgon_chat_end(&s.chat, &s.end), want != NULL ? DGON_OK : DGON_EBACKEND);
        CU_ASSERT_EQUAL(s.chat.error.http, want != NULL ? 0 : 502);
        CU_ASSERT_EQUAL(s.chat.error.retryable, want == NULL);
        chat_stream_fini(&s);
    }
}

/* ---- errors ---- */

static const struct {
    int http;
    const char *body;
    int to;
    const char *code;
    bool retryable;
    const char *text; /* part of the message */
} error_cases[] = {
    {400,
     "{\"error\":{\"code\":400,\"message\":\"request (27010 tokens) exceeds the available context "
     "size (4096 tokens)\",\"type\":\"exceed_context_size_error\"}}",
     400, "context_length_exceeded", false, "27010"},
    {400, "{\"error\":{\"message\":\"maximum context length is 4096\",\"code\":400}}", 400,
     "context_length_exceeded", false, "4096"},
    {500, "{\"error\":\"cannot allocate the context size\"}", 502, "upstream_error", true,
     "allocate"},
    {400, "{\"error\":{\"message\":\"bad tool\",\"code\":400,\"param\":\"tools\"}}", 400, "400",
     false, "bad tool"},
    {422, "{\"detail\":\"wrong field\"}", 422, "", false, "wrong field"},
    {400, "{\"object\":\"error\",\"message\":\"old form\",\"code\":40303}", 400, "40303", false,
     "old form"},
    {401, "{\"error\":{\"message\":\"key sk-123 is wrong\"}}", 502, "upstream_error", true, "401"},
    {403, "", 502, "upstream_error", true, "403"},
    {404, "<html>Not Found</html>", 502, "upstream_error", true, "endpoint"},
    {404, "{\"error\":{\"message\":\"The model `x` does not exist.\"}}", 404, "model_not_found",
     true, "does not exist"},
    {429, "{}", 503, "server_is_overloaded", true, "busy"},
    {503, "{\"error\":{\"message\":\"Loading model\"}}", 503, "server_is_overloaded", true,
     "Loading model"},
    {500, "Internal Server Error", 502, "upstream_error", true, "Internal Server Error"},
    {301, "<a>", 502, "upstream_error", true, "301"},
    {400, "caf\xe9 \xff", 400, "", false, "caf\xef\xbf\xbd"},
};

static void test_errors(void)
{
    dgon_error e;
    for (size_t i = 0; i < sizeof error_cases / sizeof error_cases[0]; i++) {
        memset(&e, 0, sizeof e);
        dgon_openai_backend_error(&e, error_cases[i].http, error_cases[i].body,
                                  strlen(error_cases[i].body));
        bool ok = e.http == error_cases[i].to && strcmp(e.code, error_cases[i].code) == 0 &&
                  e.retryable == error_cases[i].retryable &&
                  strstr(e.message, error_cases[i].text) != NULL;
        CU_ASSERT(ok);
        CU_ASSERT_PTR_NULL(strstr(e.message, "sk-123"));
        if (!ok)
            fprintf(stderr, "%d %s -> %d [%s] %d %s\n", error_cases[i].http, error_cases[i].body,
                    e.http, e.code, e.retryable, e.message);
    }
    dgon_openai_backend_error(&e, 500, NULL, 0);
    CU_ASSERT_EQUAL(e.http, 502);
}

/* ---- models ---- */

static void test_model_write(void)
{
    dgon_buf b;
    dgon_buf_init(&b, 1000);
    const dgon_openai_model m = {"a/b:c", 17, 4096, DGON_CAP_COMPLETION | DGON_CAP_VISION, 2, true};
    const dgon_openai_model bare = {"m", 0, 0, 0, 0, false};
    CU_ASSERT_EQUAL(dgon_openai_model_write(&b, &m), DGON_OK);
    CU_ASSERT(chat_stream_text_is(
        &b, "{\"id\":\"a/b:c\",\"object\":\"model\",\"created\":17,\"owned_by\":\"dgon\","
            "\"context_length\":4096,\"capabilities\":[\"completion\",\"vision\"],\"dgon\":{"
            "\"agents\":2,\"loaded\":true}}"));
    dgon_buf_reset(&b);
    CU_ASSERT_EQUAL(dgon_openai_model_write(&b, &bare), DGON_OK);
    CU_ASSERT(chat_stream_text_is(&b,
                                  "{\"id\":\"m\",\"object\":\"model\",\"created\":0,\"owned_by\":"
                                  "\"dgon\",\"capabilities\":[],\"dgon\":{\"agents\":0,\"loaded\":"
                                  "false}}"));
    b.max = b.len + 10;
    size_t before = b.len;
    CU_ASSERT_EQUAL(dgon_openai_model_write(&b, &m), DGON_ETOOBIG);
    CU_ASSERT_EQUAL(b.len, before);
    dgon_buf_fini(&b);
}

static void list_model(void *user, const char *name, uint32_t context, uint32_t caps, bool loaded)
{
    CU_ASSERT_EQUAL(
        dgon_buf_addf(user, "%s %u %u %d\n", name, (unsigned)context, (unsigned)caps, loaded),
        DGON_OK);
}

static void test_models_in(void)
{
    static const char in[] =
        "{\"models\":[{\"name\":\"t\"}],\"data\":[{\"id\":\"tiny\",\"meta\":{\"n_ctx\":4096,"
        "\"n_ctx_train\":8192},\"architecture\":{\"input_modalities\":[\"text\",\"image\"]}},"
        "{\"id\":\"org/V\",\"max_model_len\":100000000000},{\"id\":\"bad name\"},{\"id\":5},7,"
        "{\"id\":\"e\",\"type\":\"embeddings\",\"state\":\"not-loaded\",\"context_length\":512}]}";
    dgon_buf b;
    dgon_buf_init(&b, 1000);
    CU_ASSERT_EQUAL(dgon_openai_models_in(in, sizeof in - 1, list_model, &b), DGON_OK);
    CU_ASSERT(chat_stream_text_is(&b, "tiny 4096 18 1\norg/V 4294967295 16 1\ne 512 8 0\n"));
    CU_ASSERT_EQUAL(dgon_openai_models_in("{}", 2, list_model, &b), DGON_EJSON);
    CU_ASSERT_EQUAL(dgon_openai_models_in("[", 1, list_model, &b), DGON_EJSON);
    dgon_buf_fini(&b);
}

/* ---- memory ---- */

static bool all_of_it(void *user)
{
    static const char body[] = BODY(",\"stream\":true,\"mod\\u0065l2\":\"m\",\"tools\":[{\"type\":"
                                    "\"function\",\"function\":{\"name\":\"f\"}}]");
    dgon_openai_request r;
    dgon_error e = {0};
    chat_stream s;
    bool want;
    (void)user;
    chat_stream_init(&s, true);
    s.strict = false;
    bool ok = s.chat.head_len > 0 &&
              dgon_openai_check(&r, DGON_OP_CHAT, body, sizeof body - 1, &e) == DGON_OK;
    CU_ASSERT(ok || unit_heap_state.failed);
    ok = ok && dgon_openai_request_out(&s.out, body, sizeof body - 1, "m", true, &want) == DGON_OK;
    for (size_t k = 0; ok && k < 3; k++)
        ok = feed(&s, stream_cases[k == 2 ? 9 : 1].in) == DGON_DONE;
    dgon_buf_reset(&s.out);
    ok = ok && dgon_openai_answer(&s.chat, &s.out, answer_cases[1].in,
                                  strlen(answer_cases[1].in)) == DGON_OK;
    dgon_openai_backend_error(&e, 400, error_cases[0].body, strlen(error_cases[0].body));
    ok = ok && e.http == 400;
    chat_stream_fini(&s);
    return ok;
}

static void test_memory(void)
{
    unit_each_alloc(all_of_it, NULL);
}

UNIT_MAIN("openai", {"request out", test_request_out}, {"streams", test_streams},
          {"stream figures", test_stream_figures}, {"answers", test_answers},
          {"errors", test_errors}, {"model write", test_model_write}, {"models in", test_models_in},
          {"memory", test_memory})

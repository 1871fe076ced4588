/* Text completions: the check of the request, the way to both kinds of backends, and back. */
#include "dgon/ollama.h"
#include "dgon/openai.h"

#include "unit.h"

#define HEAD                                                                                      \
    "{\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1700000000,\"model\":\"pub\"," \
    "\"choices\":["
#define TEXT_OF(i, t) \
    "{\"index\":" #i ",\"text\":\"" t "\",\"logprobs\":null,\"finish_reason\":null}]}\n"
#define TEXT(t) TEXT_OF(0, t)
#define FINISH_OF(i, f) \
    "{\"index\":" #i ",\"text\":\"\",\"logprobs\":null,\"finish_reason\":\"" f "\"}]}\n"
#define FINISH(f) FINISH_OF(0, f)

/* ---- the request ---- */

static const struct {
    const char *body;
    dgon_op op;
    int http;
    const char *code, *param;
} check_cases[] = {
    {"{\"model\":\"m\",\"prompt\":\"x\"}", DGON_OP_COMPLETION, 0, "", ""},
    {"{\"model\":\"m\",\"prompt\":\"\"}", DGON_OP_COMPLETION, 0, "", ""},
    {"{\"model\":\"m\",\"prompt\":[\"a\",\"b\"],\"suffix\":\"s\",\"echo\":true,\"stop\":[\"x\"]}",
     DGON_OP_COMPLETION, 0, "", ""},
    {"{\"model\":\"m\",\"prompt\":[1,2,3]}", DGON_OP_COMPLETION, 0, "", ""},
    {"{\"model\":\"m\",\"prompt\":[[1,2],[3]],\"logprobs\":5}", DGON_OP_COMPLETION, 0, "", ""},
    {"{\"model\":\"m\"}", DGON_OP_COMPLETION, 400, "missing_required_parameter", "prompt"},
    {"{\"prompt\":\"x\"}", DGON_OP_COMPLETION, 400, "missing_required_parameter", "model"},
    {"{\"model\":\"m\",\"prompt\":5}", DGON_OP_COMPLETION, 400, "invalid_type", "prompt"},
    {"{\"model\":\"m\",\"prompt\":null}", DGON_OP_COMPLETION, 400, "invalid_type", "prompt"},
    {"{\"model\":\"m\",\"prompt\":[]}", DGON_OP_COMPLETION, 400, "empty_array", "prompt"},
    {"{\"model\":\"m\",\"prompt\":[\"a\",1]}", DGON_OP_COMPLETION, 400, "invalid_type",
     "prompt[1]"},
    {"{\"model\":\"m\",\"prompt\":[[1,\"a\"]]}", DGON_OP_COMPLETION, 400, "invalid_type",
     "prompt[0]"},
    {"{\"model\":\"m\",\"prompt\":[[]]}", DGON_OP_COMPLETION, 400, "invalid_type", "prompt[0]"},
    {"{\"model\":\"m\",\"prompt\":[-1]}", DGON_OP_COMPLETION, 400, "invalid_type", "prompt[0]"},
    {"{\"model\":\"m\",\"prompt\":\"x\",\"stream\":\"y\"}", DGON_OP_COMPLETION, 400, "invalid_type",
     "stream"},
    {"{\"model\":\"m\",\"prompt\":\"x\",\"echo\":1}", DGON_OP_COMPLETION, 400, "invalid_type",
     "echo"},
    {"{\"model\":\"m\",\"prompt\":\"x\",\"temperature\":3}", DGON_OP_COMPLETION, 400,
     "decimal_above_max_value", "temperature"},
    {"{\"model\":\"m\",\"prompt\":\"x\",\"stop\":5}", DGON_OP_COMPLETION, 400, "invalid_type",
     "stop"},
    {"{\"model\":\"m\",\"input\":\"x\"}", DGON_OP_EMBED, 0, "", ""},
    {"{\"model\":\"m\",\"input\":[\"x\",\"y\"],\"encoding_format\":\"base64\",\"dimensions\":8}",
     DGON_OP_EMBED, 0, "", ""},
    {"{\"model\":\"m\",\"input\":[[1],[2,3]]}", DGON_OP_EMBED, 0, "", ""},
    {"{\"model\":\"m\"}", DGON_OP_EMBED, 400, "missing_required_parameter", "input"},
    {"{\"model\":\"m\",\"input\":\"\"}", DGON_OP_EMBED, 400, "invalid_value", "input"},
    {"{\"model\":\"m\",\"input\":{}}", DGON_OP_EMBED, 400, "invalid_type", "input"},
    {"{\"model\":\"m\",\"input\":[]}", DGON_OP_EMBED, 400, "empty_array", "input"},
    {"{\"model\":\"m\",\"input\":\"x\",\"encoding_format\":\"hex\"}", DGON_OP_EMBED, 400,
     "invalid_value", "encoding_format"},
    {"{\"model\":\"m\",\"input\":\"x\",\"dimensions\":0}", DGON_OP_EMBED, 400,
     "integer_below_min_value", "dimensions"},
};

static void test_check(void)
{
    for (size_t i = 0; i < sizeof check_cases / sizeof check_cases[0]; i++) {
        dgon_openai_request r;
        dgon_error e = {0};
        dgon_status s = dgon_openai_check(&r, check_cases[i].op, check_cases[i].body,
                                          strlen(check_cases[i].body), &e);
        bool ok = check_cases[i].http == 0 ? s == DGON_OK
                                           : s != DGON_OK && e.http == check_cases[i].http &&
                                                 strcmp(e.code, check_cases[i].code) == 0 &&
                                                 strcmp(e.param, check_cases[i].param) == 0;
        CU_ASSERT(ok);
        if (!ok)
            fprintf(stderr, "%s\n-> %d %d [%s] [%s] %s\n", check_cases[i].body, s, e.http, e.code,
                    e.param, e.message);
    }
}

static const struct {
    const char *in, *out, *param; /* out NULL: refused because of param */
    dgon_op op;
} ollama_cases[] = {
    {"{\"model\":\"m\",\"prompt\":\"x\",\"suffix\":\"y\",\"max_tokens\":5,\"stop\":\"z\"}",
     "{\"model\":\"real\",\"stream\":true,\"truncate\":false,"
     "\"options\":{\"num_predict\":5,\"stop\":[\"z\"]},\"prompt\":\"x\",\"suffix\":\"y\"}",
     "", DGON_OP_COMPLETION},
    {"{\"model\":\"m\",\"prompt\":[\"x\"],\"echo\":false,\"n\":1,\"best_of\":1,\"keep_alive\":"
     "\"5m\"}",
     "{\"model\":\"real\",\"stream\":true,\"truncate\":false,\"keep_alive\":\"5m\",\"prompt\":"
     "\"x\"}",
     "", DGON_OP_COMPLETION},
    {"{\"model\":\"m\",\"prompt\":[\"x\",\"y\"]}", NULL, "prompt", DGON_OP_COMPLETION},
    {"{\"model\":\"m\",\"prompt\":[1]}", NULL, "prompt", DGON_OP_COMPLETION},
    {"{\"model\":\"m\",\"prompt\":\"x\",\"echo\":true}", NULL, "echo", DGON_OP_COMPLETION},
    {"{\"model\":\"m\",\"prompt\":\"x\",\"logprobs\":1}", NULL, "logprobs", DGON_OP_COMPLETION},
    {"{\"model\":\"m\",\"prompt\":\"x\",\"best_of\":2}", NULL, "best_of", DGON_OP_COMPLETION},
    {"{\"model\":\"m\",\"prompt\":\"x\",\"n\":2}", NULL, "n", DGON_OP_COMPLETION},
    {"{\"model\":\"m\",\"input\":[\"x\",\"y\"],\"dimensions\":8.0}",
     "{\"model\":\"real\",\"truncate\":false,\"input\":[\"x\",\"y\"],\"dimensions\":8}", "",
     DGON_OP_EMBED},
    {"{\"model\":\"m\",\"input\":\"x\"}", "{\"model\":\"real\",\"truncate\":false,\"input\":\"x\"}",
     "", DGON_OP_EMBED},
    {"{\"model\":\"m\",\"input\":[1,2]}", NULL, "input", DGON_OP_EMBED},
    {"{\"model\":\"m\"}", NULL, "input", DGON_OP_EMBED},
    {"{\"model\":\"m\"}", NULL, "prompt", DGON_OP_COMPLETION},
};

static bool text_is(const dgon_buf *b, const char *text)
{
    bool same = b->len == strlen(text) && (b->len == 0 || memcmp(b->data, text, b->len) == 0);
    if (!same)
        fprintf(stderr, "got:\n%.*s\nwant:\n%s\n", (int)b->len, b->len > 0 ? b->data : "", text);
    return same;
}

static void test_ollama_request(void)
{
    static const dgon_ollama_options opt = {0};
    for (size_t i = 0; i < sizeof ollama_cases / sizeof ollama_cases[0]; i++) {
        const char *in = ollama_cases[i].in, *want = ollama_cases[i].out;
        dgon_error e = {0};
        dgon_buf b;
        bool usage;
        dgon_buf_init(&b, 4000);
        dgon_status s = dgon_ollama_request_out(&b, ollama_cases[i].op, in, strlen(in), "real",
                                                true, &opt, &usage, &e);
        CU_ASSERT_EQUAL(s, want != NULL ? DGON_OK : DGON_EINVAL);
        CU_ASSERT(text_is(&b, want != NULL ? want : ""));
        CU_ASSERT_STRING_EQUAL(e.param, ollama_cases[i].param);
        dgon_buf_fini(&b);
    }
}

/* ---- the answer ---- */

typedef struct stream {
    dgon_chat chat;
    dgon_buf out, events;
} stream;

static void stream_init(stream *s, bool want_usage)
{
    memset(s, 0, sizeof *s);
    CU_ASSERT(dgon_chat_init_text(&s->chat, "cmpl-1", "pub", 1700000000, true, want_usage) ==
                  DGON_OK ||
              unit_heap_state.failed);
    dgon_buf_init(&s->out, 1u << 20);
    dgon_buf_init(&s->events, 1u << 20);
}

static void stream_fini(stream *s)
{
    dgon_buf_fini(&s->out);
    dgon_buf_fini(&s->events);
}

static dgon_status on_event(void *user, const char *json, size_t n)
{
    stream *s = user;
    size_t head = sizeof HEAD - 1;
    CU_ASSERT_FATAL(n > head && memcmp(json, HEAD, head) == 0);
    dgon_status st = dgon_buf_add(&s->events, json + head, n - head);
    return st == DGON_OK ? dgon_buf_adds(&s->events, "\n") : st;
}

#define LLAMA(t, f)                                                                        \
    "{\"choices\":[{\"text\":\"" t "\",\"index\":0,\"logprobs\":null,\"finish_reason\":" f \
    "}],\"created\":1,\"model\":\"x\",\"system_fingerprint\":\"b1\",\"object\":\"text_"    \
    "completion\","                                                                        \
    "\"id\":\"chatcmpl-q\"}"
#define LINES (const char *const[])

static const struct {
    const char *name;
    bool ollama, usage;
    const char *const *in;
    const char *out;
    dgon_status last, end;
} stream_cases[] = {
    {"llama-server", false, true,
     LINES{LLAMA("a", "null"), LLAMA("b\\n", "null"), LLAMA("", "\"length\""),
           "{\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3,"
           "\"total_tokens\":5},\"created\":1,\"id\":\"x\",\"model\":\"x\",\"object\":\"text_"
           "completion\"}",
           "[DONE]", NULL},
     TEXT("a") TEXT("b\\n") FINISH("length") "],\"usage\":{\"prompt_tokens\":2,\"completion_"
                                             "tokens\":3,\"total_tokens\":5}}\n",
     DGON_DONE, DGON_OK},
    {"several, with logprobs", false, false,
     LINES{"{\"choices\":[{\"index\":1,\"text\":\"a\",\"logprobs\":{\"tokens\":[\"a\"]}},"
           "{\"index\":0,\"text\":\"b\",\"finish_reason\":\"stop\"}]}",
           "{\"choices\":[{\"index\":1,\"finish_reason\":\"stop\"}]}", "[DONE]", NULL},
     "{\"index\":1,\"text\":\"a\",\"logprobs\":{\"tokens\":[\"a\"]},\"finish_reason\":null}]}"
     "\n" TEXT("b") FINISH("stop") FINISH_OF(1, "stop"),
     DGON_DONE, DGON_OK},
    {"nothing but an end", false, false, LINES{LLAMA("", "\"stop\""), "[DONE]", NULL},
     FINISH("stop"), DGON_DONE, DGON_OK},
    {"cut", false, false, LINES{LLAMA("a", "null"), NULL}, TEXT("a"), DGON_OK, DGON_EBACKEND},
    {"cut before its first text", false, false, LINES{LLAMA("", "null"), NULL}, "", DGON_OK,
     DGON_EBACKEND},
    {"a chat's chunks", false, false,
     LINES{"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}", "[DONE]", NULL}, "",
     DGON_DONE, DGON_EBACKEND},
    {"Ollama", true, true,
     LINES{"{\"model\":\"x\",\"created_at\":\"t\",\"response\":\"a\",\"done\":false}",
           "{\"model\":\"x\",\"created_at\":\"t\",\"response\":\"\",\"thinking\":\"hm\",\"done\":"
           "false}",
           "{\"model\":\"x\",\"created_at\":\"t\",\"response\":\"b\",\"done\":true,"
           "\"done_reason\":\"stop\",\"context\":[1,2],\"prompt_eval_count\":2,\"eval_count\":3}",
           NULL},
     TEXT("a") TEXT("b") FINISH(
         "stop") "],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3,\"total_tokens\":5}}\n",
     DGON_DONE, DGON_OK},
    {"Ollama, cut", true, false, LINES{"{\"response\":\"a\",\"done\":false}", NULL}, TEXT("a"),
     DGON_OK, DGON_EBACKEND},
};

static dgon_status feed(stream *s, bool ollama, const char *const *in)
{
    dgon_status last = DGON_OK;
    for (; *in != NULL && last == DGON_OK; in++)
        last = (ollama ? dgon_ollama_line : dgon_openai_chunk)(&s->chat, &s->out, *in, strlen(*in),
                                                               on_event, s);
    return last;
}

static void test_streams(void)
{
    for (size_t i = 0; i < sizeof stream_cases / sizeof stream_cases[0]; i++) {
        stream s;
        dgon_buf end;
        dgon_buf_init(&end, 4000);
        stream_init(&s, stream_cases[i].usage);
        dgon_status last = feed(&s, stream_cases[i].ollama, stream_cases[i].in);
        bool ok = last == stream_cases[i].last &&
                  dgon_chat_end(&s.chat, &end) == stream_cases[i].end &&
                  text_is(&s.events, stream_cases[i].out);
        CU_ASSERT(ok);
        if (!ok)
            fprintf(stderr, "%s: last %d, %s\n", stream_cases[i].name, last, s.chat.error.message);
        CU_ASSERT(s.events.len == 0 || !s.chat.error.retryable);
        dgon_buf_fini(&end);
        stream_fini(&s);
    }
}

static void test_answers(void)
{
    static const char llama[] = "{\"choices\":[{\"text\":\"ab\",\"index\":0,\"logprobs\":null,"
                                "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":2,"
                                "\"completion_tokens\":3,\"total_tokens\":5},\"id\":\"x\"}";
    static const char ollama[] =
        "{\"model\":\"x\",\"response\":\"ab\",\"done\":true,"
        "\"done_reason\":\"length\",\"prompt_eval_count\":2,\"eval_count\":3}";
    static const char want[] =
        HEAD "{\"index\":0,\"text\":\"ab\",\"logprobs\":null,\"finish_reason\":\"length\"}],"
             "\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3,\"total_tokens\":5}}";
    static const char chat[] = "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"a\"}}]}";
    stream s;
    stream_init(&s, false);
    CU_ASSERT_EQUAL(dgon_openai_answer(&s.chat, &s.out, llama, sizeof llama - 1), DGON_OK);
    CU_ASSERT(text_is(&s.out, want));
    stream_fini(&s);
    stream_init(&s, false);
    CU_ASSERT_EQUAL(dgon_ollama_answer(&s.chat, &s.out, ollama, sizeof ollama - 1), DGON_OK);
    CU_ASSERT(text_is(&s.out, want));
    stream_fini(&s);
    stream_init(&s, false);
    CU_ASSERT_EQUAL(dgon_openai_answer(&s.chat, &s.out, chat, sizeof chat - 1), DGON_EBACKEND);
    stream_fini(&s);
}

/* ---- memory ---- */

static bool all_of_it(void *user)
{
    static const dgon_ollama_options opt = {0};
    stream s;
    bool usage, ok = true;
    (void)user;
    stream_init(&s, true);
    for (size_t i = 0; ok && i < sizeof ollama_cases / sizeof ollama_cases[0]; i += 8) {
        const char *in = ollama_cases[i].in;
        dgon_error e = {0};
        dgon_buf_reset(&s.out);
        ok = dgon_ollama_request_out(&s.out, ollama_cases[i].op, in, strlen(in), "real", true, &opt,
                                     &usage, &e) == DGON_OK;
    }
    ok = ok && s.chat.head_len > 0 && feed(&s, false, stream_cases[1].in) == DGON_DONE;
    stream_fini(&s);
    return ok;
}

static void test_memory(void)
{
    unit_each_alloc(all_of_it, NULL);
}

UNIT_MAIN("completion", {"check", test_check}, {"ollama request", test_ollama_request},
          {"streams", test_streams}, {"answers", test_answers}, {"memory", test_memory})

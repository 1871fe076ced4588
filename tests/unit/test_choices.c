/* Several choices, one after another: which ones a body asks for, the body for one of them, and one
 * answer out of several exchanges. */
#include "dgon/choices.h"

#include "dgon/ollama.h"
#include "dgon/openai.h"

#include "chat_stream.h"

/* ---- what a body asks for ---- */

static const struct {
    dgon_op op;
    const char *body;
    unsigned prompts, each; /* prompts 0: refused */
    const char *param;
} read_cases[] = {
    {DGON_OP_CHAT, "{\"messages\":[]}", 1, 1, ""},
    {DGON_OP_CHAT, "{\"n\":3}", 1, 3, ""},
    {DGON_OP_CHAT, "{\"\\u006e\":3}", 1, 3, ""},
    {DGON_OP_CHAT, "{ \"n\" : 3.0 }", 1, 3, ""},
    {DGON_OP_CHAT, "{\"n\":null}", 1, 1, ""},
    {DGON_OP_CHAT, "{\"n\":1}", 1, 1, ""},
    {DGON_OP_CHAT, "{\"n\":0}", 1, 1, ""},
    {DGON_OP_CHAT, "{\"n\":-5}", 1, 1, ""},
    {DGON_OP_CHAT, "{\"n\":\"3\"}", 1, 1, ""},
    {DGON_OP_CHAT, "{\"n\":1.5}", 1, 1, ""},
    {DGON_OP_CHAT, "{\"x\":{\"n\":3}}", 1, 1, ""},
    {DGON_OP_CHAT, "{\"n\":3", 1, 1, ""},
    {DGON_OP_CHAT, "[\"n\"]", 1, 1, ""},
    {DGON_OP_CHAT, "\"n", 1, 1, ""},
    {DGON_OP_CHAT, "", 1, 1, ""},
    {DGON_OP_CHAT, "{\"n\":128}", 1, 128, ""},
    {DGON_OP_CHAT, "{\"n\":129}", 0, 0, "n"},
    {DGON_OP_CHAT, "{\"n\":9223372036854775807}", 0, 0, "n"},
    {DGON_OP_CHAT, "{\"n\":1e18}", 0, 0, "n"},
    {DGON_OP_CHAT, "{\"prompt\":[\"a\",\"b\"],\"n\":2}", 1, 2, ""},
    {DGON_OP_EMBED, "{\"n\":3}", 1, 1, ""},
    {DGON_OP_RESPONSES, "{\"n\":3}", 1, 1, ""},
    {DGON_OP_COMPLETION, "{\"prompt\":\"a\"}", 1, 1, ""},
    {DGON_OP_COMPLETION, "{\"prompt\":\"[a\"}", 1, 1, ""},
    {DGON_OP_COMPLETION, "{\"prompt\":\"a\",\"n\":2}", 1, 2, ""},
    {DGON_OP_COMPLETION, "{\"prompt\":[\"a\"]}", 1, 1, ""},
    {DGON_OP_COMPLETION, "{\"prompt\":[1,2,3]}", 1, 1, ""},
    {DGON_OP_COMPLETION, "{\"prompt\":[[1,2],[3]]}", 2, 1, ""},
    {DGON_OP_COMPLETION, "{\"prompt\":[\"a\",\"b\"],\"n\":3}", 2, 3, ""},
    {DGON_OP_COMPLETION, "{\"prompt\":[\"a\",\"b\"],\"n\":65}", 0, 0, "n"},
};

static void test_read(void)
{
    for (size_t i = 0; i < sizeof read_cases / sizeof read_cases[0]; i++) {
        dgon_choices c;
        dgon_error e = {0};
        const char *body = read_cases[i].body;
        dgon_status s = dgon_choices_read(&c, read_cases[i].op, body, strlen(body), &e);
        bool refused = read_cases[i].prompts == 0;
        bool ok = s == (refused ? DGON_EINVAL : DGON_OK);
        if (ok && refused)
            ok = e.http == 400 && strcmp(e.param, read_cases[i].param) == 0;
        else if (ok)
            ok = c.prompts == read_cases[i].prompts && c.each == read_cases[i].each;
        CU_ASSERT(ok);
        if (!ok)
            fprintf(stderr, "%s: %d %u %u %s\n", body, s, c.prompts, c.each, e.param);
    }
}

static void test_many_prompts(void)
{
    dgon_buf b;
    dgon_choices c;
    dgon_error e = {0};
    dgon_buf_init(&b, 4096);
    CU_ASSERT(dgon_buf_adds(&b, "{\"prompt\":[") == DGON_OK);
    for (unsigned i = 0; i < DGON_CHAT_CHOICES_MAX; i++)
        CU_ASSERT(dgon_buf_adds(&b, i > 0 ? ",\"x\"" : "\"x\"") == DGON_OK);
    CU_ASSERT(dgon_buf_adds(&b, "]}") == DGON_OK);
    CU_ASSERT(dgon_choices_read(&c, DGON_OP_COMPLETION, b.data, b.len, &e) == DGON_OK &&
              dgon_choices_total(&c) == DGON_CHAT_CHOICES_MAX);
    b.len -= 2;
    CU_ASSERT(dgon_buf_adds(&b, ",\"x\"]}") == DGON_OK);
    CU_ASSERT(dgon_choices_read(&c, DGON_OP_COMPLETION, b.data, b.len, &e) == DGON_EINVAL &&
              e.http == 400 && strcmp(e.param, "prompt") == 0);
    dgon_buf_fini(&b);
}

/* ---- the body for one ---- */

static const struct {
    dgon_choices c;
    unsigned index;
    const char *body, *want;
} body_cases[] = {
    {{1, 3}, 0, "{\"a\":1,\"n\":3,\"seed\":7}", "{\"a\":1,\"seed\":7}"},
    {{1, 3}, 2, "{\"a\":1,\"n\":3,\"seed\":7}", "{\"a\":1,\"seed\":9}"},
    {{1, 3}, 2, "{\"n\":3,\"seed\":-1}", "{\"seed\":-1}"},
    {{1, 3}, 2, "{\"n\":3,\"seed\":null}", "{\"seed\":null}"},
    {{1, 3}, 2, "{\"n\":3,\"seed\":7.0}", "{\"seed\":9}"},
    {{1, 3}, 2, "{\"n\":3,\"seed\":9223372036854775807}", "{\"seed\":9223372036854775805}"},
    {{1, 3}, 1, "{\"n\":3,\"temperature\":0.7}", "{\"temperature\":0.7}"},
    {{1, 3}, 1, "{\"n\":3,\"best_of\":3}", "{}"},
    {{1, 3}, 1, "{\"n\":3,\"best_of\":5}", "{\"best_of\":5}"},
    {{2, 1}, 1, "{\"prompt\":[\"x\",\"y\"],\"seed\":4}", "{\"prompt\":\"y\",\"seed\":4}"},
    {{2, 2}, 1, "{\"prompt\":[\"x\",\"y\"],\"seed\":4}", "{\"prompt\":\"x\",\"seed\":5}"},
    {{2, 2}, 2, "{\"prompt\":[\"x\",\"y\"],\"seed\":4}", "{\"prompt\":\"y\",\"seed\":4}"},
    {{2, 1}, 1, "{\"prompt\":[[1,2],[3]]}", "{\"prompt\":[3]}"},
};

static void test_body(void)
{
    for (size_t i = 0; i < sizeof body_cases / sizeof body_cases[0]; i++) {
        const char *body = body_cases[i].body;
        dgon_buf out;
        dgon_buf_init(&out, 4096);
        CU_ASSERT(dgon_choices_body(&out, &body_cases[i].c, body_cases[i].index, body,
                                    strlen(body)) == DGON_OK);
        CU_ASSERT(chat_stream_text_is(&out, body_cases[i].want));
        dgon_buf_fini(&out);
    }
}

static bool one_body(void *user)
{
    const char *body = body_cases[1].body;
    dgon_buf out;
    dgon_choices c;
    dgon_error e;
    (void)user;
    dgon_buf_init(&out, 4096);
    bool ok = dgon_choices_read(&c, DGON_OP_CHAT, body, strlen(body), &e) == DGON_OK &&
              dgon_choices_body(&out, &c, 2, body, strlen(body)) == DGON_OK;
    dgon_buf_fini(&out);
    return ok;
}

static void test_memory(void)
{
    unit_each_alloc(one_body, NULL);
}

/* ---- one answer out of several exchanges ---- */

/* strstr() needs an end, which the buffer does not have. */
static bool has_text(dgon_buf *b, const char *text)
{
    CU_ASSERT_FATAL(dgon_buf_add(b, "", 1) == DGON_OK);
    b->len--;
    return strstr(b->data, text) != NULL;
}

#define LINE(text) "{\"message\":{\"content\":\"" text "\"},\"done\":false}"
#define LAST(in, out)                                                                       \
    "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_" \
    "count\":" #in ",\"eval_count\":" #out "}"
#define CALL                                                                                      \
    "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":" \
    "{}}}]},\"done\":false}"

static dgon_status feed(chat_stream *s, const char *line)
{
    return dgon_ollama_line(&s->chat, &s->out, line, strlen(line), chat_stream_event, s);
}

static dgon_status feed_openai(chat_stream *s, const char *chunk)
{
    return dgon_openai_chunk(&s->chat, &s->out, chunk, strlen(chunk), chat_stream_event, s);
}

static void test_ollama_stream(void)
{
    chat_stream s;
    chat_stream_init(&s, true);
    s.chat.wanted = 3;
    CU_ASSERT(feed(&s, LINE("a")) == DGON_OK && feed(&s, LAST(10, 2)) == DGON_DONE);
    CU_ASSERT(dgon_chat_missing(&s.chat) == 1);
    dgon_chat_next(&s.chat, 1, true);
    CU_ASSERT(feed(&s, CALL) == DGON_OK && feed(&s, LAST(10, 3)) == DGON_DONE);
    CU_ASSERT(dgon_chat_missing(&s.chat) == 2);
    CU_ASSERT(dgon_chat_end(&s.chat, &s.end) == DGON_EBACKEND); /* one is missing */
    s.chat.error.http = 0;
    dgon_chat_next(&s.chat, 2, true);
    CU_ASSERT(feed(&s, LINE("c")) == DGON_OK && feed(&s, LAST(10, 4)) == DGON_DONE);
    CU_ASSERT(dgon_chat_missing(&s.chat) == 3);
    CU_ASSERT(chat_stream_text_is(
        &s.events,
        ROLE TEXT("a") FINISH("stop") ROLE_OF(1) DELTA_OF(
            1, "\"tool_calls\":[{\"index\":0,\"id\":\"call_1_256\",\"type\":\"function\","
               "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]") FINISH_OF(1, "tool_calls")
            ROLE_OF(2) DELTA_OF(2, "\"content\":\"c\"") FINISH_OF(2, "stop") USAGE(10, 9, 19)));
    CU_ASSERT(dgon_chat_end(&s.chat, &s.end) == DGON_OK);
    CU_ASSERT(has_text(&s.end, "\"completion_tokens\":9,"));
    chat_stream_fini(&s);
}

/* The backend heeds no n: of two choices one came, the other is asked for alone. */
static void test_openai_stream(void)
{
    chat_stream s;
    chat_stream_init(&s, true);
    s.chat.wanted = 2;
    for (unsigned round = 0; round < 2; round++) {
        if (round > 0)
            dgon_chat_next(&s.chat, 1, true);
        CU_ASSERT(feed_openai(&s, "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}") ==
                  DGON_OK);
        CU_ASSERT(feed_openai(&s, "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
                                  "\"stop\"}]}") == DGON_OK);
        CU_ASSERT(feed_openai(&s, "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,"
                                  "\"completion_tokens\":2,\"prompt_tokens_details\":"
                                  "{\"cached_tokens\":1}}}") == DGON_OK);
        CU_ASSERT(feed_openai(&s, "[DONE]") == DGON_DONE);
        CU_ASSERT(dgon_chat_missing(&s.chat) == round + 1);
    }
    CU_ASSERT(chat_stream_text_is(
        &s.events, ROLE TEXT("a") FINISH("stop") ROLE_OF(1) DELTA_OF(1, "\"content\":\"a\"")
                       FINISH_OF(1, "stop") "],\"usage\":{\"prompt_tokens\":5,"
                                            "\"completion_tokens\":4,\"total_tokens\":9,"
                                            "\"prompt_tokens_details\":{\"cached_tokens\":1}}}\n"));
    CU_ASSERT(dgon_chat_end(&s.chat, &s.end) == DGON_OK);
    chat_stream_fini(&s);
}

/* What is more than asked for does not reach the client. */
static void test_too_much(void)
{
    chat_stream s;
    chat_stream_init(&s, false);
    s.chat.wanted = 2;
    dgon_chat_next(&s.chat, 1, true);
    CU_ASSERT(feed_openai(&s, "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}") ==
              DGON_OK);
    CU_ASSERT(feed_openai(&s, "{\"choices\":[{\"index\":127,\"delta\":{\"tool_calls\":[]},"
                              "\"finish_reason\":\"stop\"}]}") == DGON_OK);
    CU_ASSERT(s.count == 0);
    chat_stream_fini(&s);
}

#define WHOLE(text, out)                                                                        \
    "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"" text "\"},"                        \
    "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":" #out \
    "}}"
#define CHOICE(i, text)                                                               \
    "{\"index\":" #i ",\"message\":{\"content\":\"" text "\",\"role\":\"assistant\"," \
    "\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"length\"}"

static void test_answers(void)
{
    static dgon_chat c;
    dgon_buf out, end;
    const char *first = WHOLE("a", 2), *second = WHOLE("b", 3);
    dgon_buf_init(&out, 4096);
    dgon_buf_init(&end, 4096);
    CU_ASSERT(dgon_chat_init(&c, "chatcmpl-1", "pub", 1, false, false) == DGON_OK);
    c.wanted = 2;
    CU_ASSERT(dgon_openai_answer(&c, &out, first, strlen(first)) == DGON_OK);
    CU_ASSERT(dgon_chat_missing(&c) == 1);
    dgon_chat_next(&c, 1, true);
    CU_ASSERT(dgon_openai_answer(&c, &out, second, strlen(second)) == DGON_OK);
    CU_ASSERT(dgon_chat_missing(&c) == 2);
    CU_ASSERT(chat_stream_text_is(
        &out, "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1,"
              "\"model\":\"pub\",\"choices\":[" CHOICE(0, "a") "," CHOICE(
                  1, "b") "],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":5,"
                          "\"total_tokens\":10}}"));
    CU_ASSERT(dgon_chat_end(&c, &end) == DGON_OK);
    dgon_buf_fini(&out);
    dgon_buf_fini(&end);
}

/* An answer without the choice that was asked for is no progress. */
static void test_nothing_new(void)
{
    static dgon_chat c;
    dgon_buf out, end;
    const char *first = WHOLE("a", 2);
    dgon_buf_init(&out, 4096);
    dgon_buf_init(&end, 4096);
    CU_ASSERT(dgon_chat_init(&c, "chatcmpl-1", "pub", 1, false, false) == DGON_OK);
    c.wanted = 2;
    CU_ASSERT(dgon_openai_answer(&c, &out, first, strlen(first)) == DGON_OK);
    CU_ASSERT(dgon_openai_answer(&c, &out, first, strlen(first)) == DGON_OK);
    CU_ASSERT(dgon_chat_missing(&c) == 1);
    CU_ASSERT(dgon_chat_end(&c, &end) == DGON_EBACKEND && c.error.http == 502);
    dgon_buf_fini(&out);
    dgon_buf_fini(&end);
}

/* Figures of an exchange that told none make no sum. */
static void test_usage(void)
{
    chat_stream s;
    chat_stream_init(&s, true);
    s.chat.wanted = 2;
    CU_ASSERT(feed_openai(&s, "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
                              "\"stop\"}]}") == DGON_OK);
    CU_ASSERT(feed_openai(&s, "[DONE]") == DGON_DONE);
    dgon_chat_next(&s.chat, 1, true);
    CU_ASSERT(feed_openai(&s, "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
                              "\"stop\"}],\"usage\":{\"prompt_tokens\":9223372036854775807,"
                              "\"completion_tokens\":9223372036854775807}}") == DGON_OK);
    CU_ASSERT(feed_openai(&s, "[DONE]") == DGON_DONE);
    CU_ASSERT(!has_text(&s.events, "usage"));
    dgon_chat_next(&s.chat, 1, false);
    s.chat.before.known = s.chat.usage.known = true;
    CU_ASSERT(s.chat.before.completion == INT64_MAX);
    CU_ASSERT(dgon_chat_end(&s.chat, &s.end) == DGON_OK); /* no sum overflows */
    chat_stream_fini(&s);
}

UNIT_MAIN("choices", {"read", test_read}, {"many prompts", test_many_prompts}, {"body", test_body},
          {"memory", test_memory}, {"ollama stream", test_ollama_stream},
          {"openai stream", test_openai_stream}, {"too much", test_too_much},
          {"answers", test_answers}, {"nothing new", test_nothing_new}, {"usage", test_usage})

#include "dgon/chat.h"
#include "dgon/wire.h"

#include "chat_stream.h"

static dgon_status text(chat_stream *s, const char *t, size_t n, bool reasoning)
{
    return dgon_chat_emit_text(&s->chat, &s->out, t, n, reasoning, chat_stream_event, s);
}

static dgon_status finish(chat_stream *s, const char *word)
{
    return dgon_chat_emit_finish(&s->chat, &s->out, word, chat_stream_event, s);
}

static void test_order(void)
{
    chat_stream s;
    chat_stream_init(&s, true);
    s.chat.usage = (dgon_chat_usage){true, 3, 2, -1, -1};
    s.chat.load_ns = 7;
    CU_ASSERT_EQUAL(text(&s, "hm", 2, true), DGON_OK); /* the role comes by itself */
    CU_ASSERT_EQUAL(dgon_chat_emit_role(&s.chat, &s.out, chat_stream_event, &s), DGON_OK);
    CU_ASSERT_EQUAL(text(&s, "", 0, false), DGON_OK);
    CU_ASSERT_EQUAL(text(&s, "a\"\n\x7f\0\xff", 6, false), DGON_OK);
    CU_ASSERT_EQUAL(finish(&s, "stop"), DGON_OK);
    CU_ASSERT_EQUAL(text(&s, "late", 4, false), DGON_OK); /* nothing follows the finish */
    CU_ASSERT_EQUAL(finish(&s, "length"), DGON_OK);
    CU_ASSERT(chat_stream_text_is(&s.events,
                                  ROLE THOUGHT("hm") TEXT("a\\\"\\n\\u007f\\u0000\xef\xbf\xbd")
                                      FINISH("stop") USAGE(3, 2, 5)));
    CU_ASSERT_EQUAL(dgon_chat_end(&s.chat, &s.end), DGON_OK);
    CU_ASSERT(chat_stream_text_is(
        &s.end,
        "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5},\"finish\":"
        "\"stop\",\"timings\":{\"load_ns\":7,\"prompt_ns\":0,\"eval_ns\":0}}"));
    chat_stream_fini(&s);
}

static void test_no_usage(void)
{
    chat_stream s;
    chat_stream_init(&s, false);
    s.chat.usage = (dgon_chat_usage){true, 3, 2, 1, 1};
    s.chat.tool_seen = true;
    CU_ASSERT_EQUAL(finish(&s, "stop"), DGON_OK);
    CU_ASSERT(chat_stream_text_is(&s.events, ROLE FINISH("tool_calls")));
    CU_ASSERT_EQUAL(dgon_chat_end(&s.chat, &s.end), DGON_OK);
    CU_ASSERT(chat_stream_text_is(
        &s.end, "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5,"
                "\"prompt_tokens_details\":{\"cached_tokens\":1},\"completion_tokens_details\":{"
                "\"reasoning_tokens\":1}},\"finish\":\"tool_calls\",\"timings\":{\"load_ns\":0,"
                "\"prompt_ns\":0,\"eval_ns\":0}}"));
    chat_stream_fini(&s);
}

static void test_cut(void)
{
    chat_stream s;
    chat_stream_init(&s, false);
    CU_ASSERT_EQUAL(dgon_chat_end(&s.chat, &s.end), DGON_EBACKEND);
    CU_ASSERT_EQUAL(s.chat.error.http, 502);
    CU_ASSERT_STRING_EQUAL(s.chat.error.code, "upstream_error");
    CU_ASSERT_TRUE(s.chat.error.retryable);
    chat_stream_fini(&s);

    chat_stream_init(&s, false);
    CU_ASSERT_EQUAL(text(&s, "x", 1, false), DGON_OK);
    CU_ASSERT_EQUAL(dgon_chat_end(&s.chat, &s.end), DGON_EBACKEND);
    CU_ASSERT_FALSE(s.chat.error.retryable); /* the client has a part of it */
    CU_ASSERT_EQUAL(s.end.len, 0);
    chat_stream_fini(&s);
}

static void test_names(void)
{
    dgon_chat c;
    char long_name[140];
    memset(long_name, 'm', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    long_name[DGON_WIRE_NAME_MAX] = '\0';
    CU_ASSERT_EQUAL(dgon_chat_init(&c, "chatcmpl-x", long_name, INT64_MAX, true, false), DGON_OK);
    CU_ASSERT(c.head_len < sizeof c.head && c.head[c.head_len - 1] == '[');
    CU_ASSERT_EQUAL(dgon_chat_init(&c, long_name, "m", 0, true, false), DGON_ETOOBIG);
}

static dgon_status refuse(void *user, const char *json, size_t n)
{
    (void)user;
    (void)json;
    (void)n;
    return DGON_EFULL;
}

static void test_emit_stops(void)
{
    chat_stream s;
    chat_stream_init(&s, false);
    CU_ASSERT_EQUAL(dgon_chat_emit_text(&s.chat, &s.out, "x", 1, false, refuse, NULL), DGON_EFULL);
    chat_stream_fini(&s);
}

static bool one_stream(void *user)
{
    chat_stream s;
    (void)user;
    chat_stream_init(&s, true);
    s.strict = false;
    s.chat.usage.known = true;
    bool ok = s.chat.head_len > 0 && text(&s, "a\x7f", 2, false) == DGON_OK &&
              finish(&s, "stop") == DGON_OK && dgon_chat_end(&s.chat, &s.end) == DGON_OK;
    chat_stream_fini(&s);
    return ok;
}

static void test_memory(void)
{
    unit_each_alloc(one_stream, NULL);
}

static void test_tokens(void)
{
    static const struct {
        const char *end;
        bool told;
        int64_t in, out;
    } cases[] = {
        {"{\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12},\"finish\":"
         "\"stop\"}",
         true, 7, 5},
        {"{\"finish\":\"stop\",\"usage\":{\"completion_tokens\":0,\"prompt_tokens\":123456789012}}",
         true, 123456789012, 0},
        {"{\"usage\":null,\"finish\":\"stop\"}", false, 0, 0},
        {"{\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":5}}", false, 0, 0},
        {"{\"usage\":{\"prompt_tokens\":1.5,\"completion_tokens\":5}}", false, 0, 0},
        {"{\"usage\":{\"prompt_tokens\":9999999999999999999,\"completion_tokens\":5}}", false, 0,
         0},
        {"{\"usage\":{\"prompt_tokens\":\"7\",\"completion_tokens\":5}}", false, 0, 0},
        {"{\"usage\":{\"prompt_tokens\":7", false, 0, 0},
        {"[]", false, 0, 0},
        {"", false, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t in, out;
        bool told = dgon_chat_end_tokens(cases[i].end, strlen(cases[i].end), &in, &out);
        CU_ASSERT(told == cases[i].told && (!told || (in == cases[i].in && out == cases[i].out)));
    }
}

UNIT_MAIN("chat", {"tokens", test_tokens}, {"order", test_order}, {"no usage", test_no_usage},
          {"cut", test_cut}, {"names", test_names}, {"emit stops", test_emit_stops},
          {"memory", test_memory})

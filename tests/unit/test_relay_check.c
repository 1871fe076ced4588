/* The members of requests that are passed on; tests/e2e/test_refusals.py has them all, here are the
 * forms in which they are good, and memory. */
#include "dgon/openai.h"

#include "unit.h"

#define MESSAGE(parts)                                                                             \
    "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[" parts "]}]" \
    "}"

static const struct {
    dgon_op op;
    const char *body, *param; /* param NULL: good */
    bool image;
} cases[] = {
    {DGON_OP_RESPONSES, "{\"model\":\"m\",\"input\":\"x\",\"unknown\":{\"a\":[1]}}", NULL, false},
    {DGON_OP_RESPONSES, "{\"model\":\"m\",\"previous_response_id\":\"r\",\"tools\":null}", NULL,
     false},
    {DGON_OP_RESPONSES,
     "{\"model\":\"m\",\"input\":[{\"type\":\"function_call\",\"arguments\":\"{}\"},{\"role\":"
     "\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"DATA:image/png;base64,A\"}]}"
     "],\"tool_choice\":{\"type\":\"function\"},\"tools\":[{\"type\":\"web_search\"}]}",
     NULL, true},
    {DGON_OP_RESPONSES,
     "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"image_url\":\"x:data:\"}]}]}",
     "input[0].content[0].image_url", false},
    {DGON_OP_MESSAGES,
     MESSAGE(
         "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"get\",\"input\":{\"url\":\"http://x\"}}"
         ",{\"type\":\"tool_result\",\"content\":\"http://x\"},{\"type\":\"text\",\"text\":"
         "\"http://x\"},{\"type\":\"new\"}"),
     NULL, false},
    {DGON_OP_MESSAGES,
     MESSAGE("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","
             "\"data\":\"A\"}}"),
     NULL, true},
    {DGON_OP_MESSAGES,
     MESSAGE("{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"http://x\"}}"),
     "messages[0].content[0].source", false},
    {DGON_OP_COUNT_TOKENS, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
     NULL, false},
    {DGON_OP_RERANK, "{\"model\":\"m\",\"query\":\"x\",\"texts\":[\"a\"],\"top_n\":2.0}", NULL,
     false},
    {DGON_OP_OLLAMA_CHAT, "{\"model\":\"m\"}", NULL, false},
    {DGON_OP_OLLAMA_CHAT,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]},{\"role\":"
     "\"user\","
     "\"content\":\"x\",\"images\":[\"A\"]}],\"format\":{},\"think\":\"high\",\"keep_alive\":-1,"
     "\"options\":{\"num_ctx\":5,\"temperature\":0,\"stop\":[\"a\"],\"new\":[]}}",
     NULL, true},
    {DGON_OP_OLLAMA_EMBED, "{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"keep_alive\":\"5m\"}", NULL,
     false},
    {DGON_OP_OLLAMA_EMBED, "{\"model\":\"m\",\"input\":[[1]]}", "input[0]", false},
};

static void test_members(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dgon_openai_request r;
        dgon_error e = {0};
        dgon_status s =
            dgon_openai_check(&r, cases[i].op, cases[i].body, strlen(cases[i].body), &e);
        bool good = cases[i].param == NULL;
        bool ok = good ? s == DGON_OK && r.has_image == cases[i].image
                       : s == DGON_EINVAL && e.http == 400 && strcmp(e.param, cases[i].param) == 0;
        CU_ASSERT(ok);
        if (!ok)
            fprintf(stderr, "%s: %d %s\n", cases[i].body, s, e.message);
    }
}

/* A place deeper than the name has room for is cut, not overrun. */
static void test_deep(void)
{
    static const char in[] = MESSAGE(
        "{\"type\":\"tool_result\",\"content\":[{\"type\":\"tool_result\",\"content\":[{\"type\":"
        "\"tool_result\",\"content\":[{\"type\":\"tool_result\",\"content\":[{\"type\":\"tool_"
        "result\",\"content\":[{\"type\":\"tool_result\",\"content\":[{\"type\":\"text\"}]}]}]}]}]"
        "}]}");
    dgon_openai_request r;
    dgon_error e = {0};
    CU_ASSERT(dgon_openai_check(&r, DGON_OP_MESSAGES, in, sizeof in - 1, &e) != DGON_OK);
    CU_ASSERT(e.http == 400 && strncmp(e.param, "messages[0].content[0]", 22) == 0);
}

UNIT_MAIN("relay_check", {"members", test_members}, {"deep", test_deep})

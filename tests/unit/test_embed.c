#include "dgon/embed.h"

#include "unit.h"

#define LIST(data, tokens)                 \
    "{\"object\":\"list\",\"data\":[" data \
    "],\"model\":\"pub\",\"usage\":{\"prompt_tokens\":" #tokens ",\"total_tokens\":" #tokens "}}"
#define DATUM(i, v) "{\"object\":\"embedding\",\"index\":" #i ",\"embedding\":" v "}"

static const struct {
    const char *in;
    bool base64;
    const char *out; /* NULL: no list of embeddings */
} cases[] = {
    /* numbers as they stand, whatever their form */
    {"{\"data\":[{\"embedding\":[0.10000000149011612, -1e-07,3],\"index\":0}],"
     "\"usage\":{\"prompt_tokens\":4,\"total_tokens\":4}}",
     false, LIST(DATUM(0, "[0.10000000149011612, -1e-07,3]"), 4)},
    /* in the order of the inputs */
    {"{\"data\":[{\"index\":1,\"embedding\":[2]},{\"embedding\":[1],\"index\":0,\"object\":\"x\"}]"
     "}",
     false, LIST(DATUM(0, "[1]") "," DATUM(1, "[2]"), 0)},
    {"{\"data\":[{\"embedding\":[1]},{\"embedding\":[2]}]}", false,
     LIST(DATUM(0, "[1]") "," DATUM(1, "[2]"), 0)},
    /* 1, -2.5, 0.1 as little-endian float32 */
    {"{\"data\":[{\"embedding\":[1,-2.5,0.1]}]}", true, LIST(DATUM(0, "\"AACAPwAAIMDNzMw9\""), 0)},
    {"{\"data\":[{\"embedding\":[1]}]}", true, LIST(DATUM(0, "\"AACAPw==\""), 0)},
    {"{\"data\":[{\"embedding\":[1,1]}]}", true, LIST(DATUM(0, "\"AACAPwAAgD8=\""), 0)},
    {"{\"data\":[{\"embedding\":\"AACAPw==\"}]}", true, LIST(DATUM(0, "\"AACAPw==\""), 0)},
    {"{\"data\":[{\"embedding\":\"AACAPwAAIMDNzMw9\"}]}", false,
     LIST(DATUM(0, "[1,-2.5,0.100000001]"), 0)},
    /* Ollama */
    {"{\"model\":\"x\",\"embeddings\":[[1,2],[3,4]],\"total_duration\":5,\"prompt_eval_count\":7}",
     false, LIST(DATUM(0, "[1,2]") "," DATUM(1, "[3,4]"), 7)},
    {"{\"data\":[]}", false, NULL},
    {"{\"data\":5}", false, NULL},
    {"{\"data\":[5]}", false, NULL},
    {"{\"data\":[{\"index\":0}]}", false, NULL},
    {"{\"data\":[{\"embedding\":[1],\"index\":1}]}", false, NULL},
    {"{\"data\":[{\"embedding\":[1],\"index\":-1}]}", false, NULL},
    {"{\"data\":[{\"embedding\":[1],\"index\":0},{\"embedding\":[1],\"index\":0}]}", false, NULL},
    {"{\"data\":[{\"embedding\":[\"a\"]}]}", false, NULL},
    {"{\"data\":[{\"embedding\":[[1]]}]}", true, NULL},
    {"{\"data\":[{\"embedding\":\"AACA\"}]}", false, NULL},
    {"{\"data\":[{\"embedding\":\"AAC!Pw==\"}]}", false, NULL},
    {"{\"data\":[{\"embedding\":\"AADAfw==\"}]}", false, NULL}, /* a NaN */
    {"{\"data\":[{\"embedding\":5}]}", false, NULL},
    {"{\"data\":[{\"embedding\":[1]}]", false, NULL},
    {"[]", false, NULL},
    {"", false, NULL},
};

static void init(dgon_chat *c, dgon_buf *out)
{
    CU_ASSERT(dgon_chat_init(c, "embd-1", "pub", 1, false, false) == DGON_OK ||
              unit_heap_state.failed);
    dgon_buf_init(out, 1u << 20);
}

static void test_answers(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dgon_chat c;
        dgon_buf out, end;
        init(&c, &out);
        dgon_buf_init(&end, 4000);
        size_t n = strlen(cases[i].in);
        char *exact = malloc(n + 1); /* what is read behind the text shows under valgrind */
        CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
        memcpy(exact, cases[i].in, n);
        dgon_status s = dgon_embed_answer(&c, cases[i].base64, &out, exact, n);
        bool ok = cases[i].out == NULL ? s == DGON_EBACKEND && c.error.http == 502 && out.len == 0
                                       : s == DGON_OK && out.len == strlen(cases[i].out) &&
                                             memcmp(out.data, cases[i].out, out.len) == 0 &&
                                             dgon_chat_end(&c, &end) == DGON_OK;
        CU_ASSERT(ok);
        if (!ok)
            fprintf(stderr, "%s\n-> %d %.*s\n", cases[i].in, s, (int)out.len,
                    out.len > 0 ? out.data : "");
        free(exact);
        dgon_buf_fini(&out);
        dgon_buf_fini(&end);
    }
}

/* Each bit of a float survives the way text -> base64 -> text. */
static void test_bits(void)
{
    uint32_t bits = 1;
    for (unsigned k = 0; k < 20000; k++) {
        float f, back = 0;
        char text[200];
        dgon_chat c;
        dgon_buf out;
        bits = bits * 1664525u + 1013904223u;
        if ((bits >> 23 & 255) == 255)
            continue;
        memcpy(&f, &bits, sizeof f);
        init(&c, &out);
        int n = snprintf(text, sizeof text, "{\"data\":[{\"embedding\":[%.9g]}]}", (double)f);
        CU_ASSERT_EQUAL(dgon_embed_answer(&c, true, &out, text, (size_t)n), DGON_OK);
        const char *from = strstr(out.data, "\"embedding\":\"");
        CU_ASSERT_PTR_NOT_NULL_FATAL(from);
        n = snprintf(text, sizeof text, "{\"data\":[{\"embedding\":\"%.8s\"}]}", from + 13);
        dgon_buf_reset(&out);
        CU_ASSERT_EQUAL(dgon_embed_answer(&c, false, &out, text, (size_t)n), DGON_OK);
        CU_ASSERT_EQUAL(dgon_buf_add(&out, "", 1), DGON_OK);
        from = strstr(out.data, "\"embedding\":[");
        CU_ASSERT_PTR_NOT_NULL_FATAL(from);
        back = strtof(from + 13, NULL);
        CU_ASSERT(memcmp(&f, &back, sizeof f) == 0);
        dgon_buf_fini(&out);
    }
}

static void test_wants(void)
{
    static const char yes[] = "{\"input\":\"x\",\"encoding_format\": \"base64\"}";
    static const char no[] = "{\"encoding_format\":\"float\",\"x\":\"base64\"}";
    CU_ASSERT(dgon_embed_wants_base64(yes, sizeof yes - 1));
    CU_ASSERT(!dgon_embed_wants_base64(no, sizeof no - 1));
    CU_ASSERT(!dgon_embed_wants_base64("", 0));
}

static bool one(void *user)
{
    dgon_chat c;
    dgon_buf out;
    (void)user;
    init(&c, &out);
    bool ok = c.head_len > 0 &&
              dgon_embed_answer(&c, true, &out, cases[0].in, strlen(cases[0].in)) == DGON_OK;
    dgon_buf_fini(&out);
    return ok;
}

static void test_memory(void)
{
    unit_each_alloc(one, NULL);
}

UNIT_MAIN("embed", {"answers", test_answers}, {"bits", test_bits}, {"wants base64", test_wants},
          {"memory", test_memory})

/* Embeddings in parts: the split of a body and the joining of answers, which come from agents and
 * may be anything. */
#include "dgon/batch.h"

#include "unit.h"

#include <jansson.h>

/* ---- splitting ---- */

static const struct {
    const char *body;
    size_t count; /* 0: nothing to split */
} find_cases[] = {
    {"{\"model\":\"m\",\"input\":[\"a\",\"b\",\"c\"]}", 3},
    {"{\"input\":[[1,2],[3]],\"model\":\"m\"}", 2},
    {" { \"input\" : [ \"a,b\" , \"c]\\\"\" ] } ", 2},
    {"{\"input\":[\"\\u0061\",\"\xc3\xa4\"]}", 2},
    {"{\"input\":\"a\"}", 0},
    {"{\"input\":[\"a\"]}", 0},
    {"{\"input\":[]}", 0},
    {"{\"input\":[1,2,3]}", 0},
    {"{\"input\":[\"a\",1]}", 0},
    {"{\"input\":[\"a\",\"b\"],\"input\":[\"c\",\"d\"]}", 0},
    {"{\"inp\\u0075t\":[\"x\",\"y\"],\"input\":[\"a\",\"b\"]}", 0},
    {"{\"x\":{\"input\":[\"a\",\"b\"]}}", 0},
    {"{\"input\":[\"a\",\"b\"]", 0},
    {"{\"input\":[\"a\",\"b\",]}", 0},
    {"[\"a\",\"b\"]", 0},
    {"", 0},
};

static void test_find(void)
{
    for (size_t i = 0; i < sizeof find_cases / sizeof find_cases[0]; i++) {
        dgon_batch b;
        const char *body = find_cases[i].body;
        dgon_status s = dgon_batch_find(&b, body, strlen(body));
        bool ok = find_cases[i].count > 0 ? s == DGON_OK && b.count == find_cases[i].count
                                          : s == DGON_ENOTFOUND;
        CU_ASSERT(ok);
        if (!ok)
            fprintf(stderr, "%s: %d, %zu\n", body, s, b.count);
    }
}

static bool text_is(const dgon_buf *b, const char *text)
{
    bool same = b->len == strlen(text) && (b->len == 0 || memcmp(b->data, text, b->len) == 0);
    if (!same)
        fprintf(stderr, "got:\n%.*s\nwant:\n%s\n", (int)b->len, b->len > 0 ? b->data : "", text);
    return same;
}

static void check_parts(const char *body, size_t parts, const char *const *want)
{
    dgon_batch b;
    dgon_batch_part part[DGON_BATCH_PARTS_MAX];
    CU_ASSERT_FATAL(dgon_batch_find(&b, body, strlen(body)) == DGON_OK);
    CU_ASSERT_FATAL(dgon_batch_split(&b, body, part, parts) == DGON_OK);
    for (size_t k = 0; k < parts; k++) {
        dgon_buf out;
        dgon_buf_init(&out, 4096);
        CU_ASSERT(dgon_batch_body(&out, &b, &part[k], body, strlen(body)) == DGON_OK);
        CU_ASSERT(text_is(&out, want[k]));
        dgon_buf_fini(&out);
    }
}

static void test_split(void)
{
    static const char body[] = "{\"n\":0.70, \"input\": [ \"a\" ,\"b\",\"c,\",\n\"d\", \"e\" ],"
                               " \"model\" :\"m\"}";
    static const char *const one[] = {
        "{\"n\":0.70, \"input\": [\"a\" ,\"b\",\"c,\",\n\"d\", \"e\"], \"model\" :\"m\"}"};
    static const char *const two[] = {
        "{\"n\":0.70, \"input\": [\"a\" ,\"b\",\"c,\"], \"model\" :\"m\"}",
        "{\"n\":0.70, \"input\": [\"d\", \"e\"], \"model\" :\"m\"}"};
    static const char *const five[] = {"{\"n\":0.70, \"input\": [\"a\"], \"model\" :\"m\"}",
                                       "{\"n\":0.70, \"input\": [\"b\"], \"model\" :\"m\"}",
                                       "{\"n\":0.70, \"input\": [\"c,\"], \"model\" :\"m\"}",
                                       "{\"n\":0.70, \"input\": [\"d\"], \"model\" :\"m\"}",
                                       "{\"n\":0.70, \"input\": [\"e\"], \"model\" :\"m\"}"};
    check_parts(body, 1, one);
    check_parts(body, 2, two);
    check_parts(body, 5, five);
}

static void test_split_another_body(void)
{
    static const char body[] = "{\"input\":[\"a\",\"b\",\"c\"]}";
    dgon_batch b;
    dgon_batch_part part[3];
    CU_ASSERT(dgon_batch_find(&b, body, sizeof body - 1) == DGON_OK);
    CU_ASSERT(dgon_batch_split(&b, "{\"input\":[\"a\",\"bbbbbb\"]}", part, 3) == DGON_EJSON);
}

/* ---- joining ---- */

#define DATUM(i, v) "{\"object\":\"embedding\",\"index\":" #i ",\"embedding\":" v "}"
#define LIST(data, p)                                                     \
    "{\"object\":\"list\",\"data\":[" data "],\"model\":\"m\",\"usage\":" \
    "{\"prompt_tokens\":" #p ",\"total_tokens\":" #p "}}"
#define LINES(v, n, t)                                               \
    "{\"model\":\"m\",\"embeddings\":[" v "],\"total_duration\":" #t \
    ",\"load_duration\":1,\"prompt_eval_count\":" #n "}"

static const struct {
    const char *name;
    dgon_op op;
    const char *a, *b;
    size_t na, nb;
    const char *want; /* NULL: refused */
} join_cases[] = {
    {"numbers", DGON_OP_EMBED, LIST(DATUM(0, "[0.10,-2e-3]") "," DATUM(1, "[3]"), 5),
     LIST(DATUM(0, "[4]"), 7), 2, 1,
     LIST(DATUM(0, "[0.10,-2e-3]") "," DATUM(1, "[3]") "," DATUM(2, "[4]"), 12)},
    {"another order", DGON_OP_EMBED, LIST(DATUM(1, "[1]") "," DATUM(0, "[0]"), 5),
     LIST(DATUM(1, "[3]") "," DATUM(0, "[2]"), 7), 2, 2,
     LIST(DATUM(0, "[0]") "," DATUM(1, "[1]") "," DATUM(2, "[2]") "," DATUM(3, "[3]"), 12)},
    {"base64", DGON_OP_EMBED, LIST(DATUM(0, "\"AACAPw==\""), 1), LIST(DATUM(0, "\"AAAAQA==\""), 2),
     1, 1, LIST(DATUM(0, "\"AACAPw==\"") "," DATUM(1, "\"AAAAQA==\""), 3)},
    {"blanks, a newline behind", DGON_OP_EMBED, " { \"data\" : [ " DATUM(0, "[1]") " ] } \n",
     LIST(DATUM(0, "[2]"), 2), 1, 1, "{\"data\":[" DATUM(0, "[1]") "," DATUM(1, "[2]") "]}"},
    {"no usage in the second", DGON_OP_EMBED, LIST(DATUM(0, "[1]"), 4),
     "{\"data\":[" DATUM(0, "[2]") "]}", 1, 1, LIST(DATUM(0, "[1]") "," DATUM(1, "[2]"), 4)},
    {"ollama", DGON_OP_OLLAMA_EMBED, LINES("[1,2],[3,4]", 5, 900), LINES("[5,6]", 7, 1000), 2, 1,
     "{\"model\":\"m\",\"embeddings\":[[1,2],[3,4],[5,6]],\"total_duration\":1000,"
     "\"load_duration\":1,\"prompt_eval_count\":12}"},
    {"one vector too few", DGON_OP_EMBED, LIST(DATUM(0, "[1]"), 1), LIST(DATUM(0, "[1]"), 1), 2, 1,
     NULL},
    {"one too many", DGON_OP_EMBED, LIST(DATUM(0, "[1]"), 1),
     LIST(DATUM(0, "[1]") "," DATUM(1, "[1]"), 1), 1, 1, NULL},
    {"an index twice", DGON_OP_EMBED, LIST(DATUM(0, "[1]") "," DATUM(0, "[1]"), 1),
     LIST(DATUM(0, "[1]"), 1), 2, 1, NULL},
    {"an index out of range", DGON_OP_EMBED, LIST(DATUM(1, "[1]"), 1), LIST(DATUM(0, "[1]"), 1), 1,
     1, NULL},
    {"a negative index", DGON_OP_EMBED, LIST(DATUM(-1, "[1]"), 1), LIST(DATUM(0, "[1]"), 1), 1, 1,
     NULL},
    {"no list", DGON_OP_EMBED, "{\"data\":7}", LIST(DATUM(0, "[1]"), 1), 1, 1, NULL},
    {"an empty list", DGON_OP_EMBED, "{\"data\":[]}", LIST(DATUM(0, "[1]"), 1), 1, 1, NULL},
    {"numbers, then base64", DGON_OP_EMBED, LIST(DATUM(0, "[1]"), 1), LIST(DATUM(0, "\"AA\""), 1),
     1, 1, NULL},
    {"a vector that is none", DGON_OP_EMBED, LIST(DATUM(0, "{}"), 1), LIST(DATUM(0, "{}"), 1), 1, 1,
     NULL},
    {"no vector in it", DGON_OP_EMBED, LIST("{\"index\":0}", 1), LIST(DATUM(0, "[1]"), 1), 1, 1,
     NULL},
    {"data twice", DGON_OP_EMBED, "{\"data\":[" DATUM(0, "[1]") "],\"data\":[" DATUM(0, "[1]") "]}",
     LIST(DATUM(0, "[1]"), 1), 1, 1, NULL},
    {"data by an escape", DGON_OP_EMBED,
     "{\"data\":[" DATUM(0, "[1]") "],\"dat\\u0061\":[" DATUM(0, "[9]") "]}",
     LIST(DATUM(0, "[1]"), 1), 1, 1, NULL},
    {"an error", DGON_OP_EMBED, LIST(DATUM(0, "[1]"), 1), "{\"error\":{\"message\":\"x\"}}", 1, 1,
     NULL},
    {"a negative figure", DGON_OP_EMBED, LIST(DATUM(0, "[1]"), -1), LIST(DATUM(0, "[1]"), 1), 1, 1,
     NULL},
    {"a figure with a point", DGON_OP_EMBED, LIST(DATUM(0, "[1]"), 1.5), LIST(DATUM(0, "[1]"), 1),
     1, 1, NULL},
    {"a figure too long", DGON_OP_EMBED, LIST(DATUM(0, "[1]"), 9999999999999999999),
     LIST(DATUM(0, "[1]"), 1), 1, 1, NULL},
    {"the longest figures", DGON_OP_EMBED, LIST(DATUM(0, "[1]"), 999999999999999999),
     LIST(DATUM(0, "[1]"), 999999999999999999), 1, 1,
     LIST(DATUM(0, "[1]") "," DATUM(1, "[1]"), 1999999999999999998)},
    {"usage is a list", DGON_OP_EMBED, "{\"data\":[" DATUM(0, "[1]") "],\"usage\":[]}",
     LIST(DATUM(0, "[1]"), 1), 1, 1, NULL},
    {"something behind it", DGON_OP_EMBED, LIST(DATUM(0, "[1]"), 1) "{}", LIST(DATUM(0, "[1]"), 1),
     1, 1, NULL},
    {"cut", DGON_OP_EMBED, "{\"data\":[" DATUM(0, "[1]") "]", LIST(DATUM(0, "[1]"), 1), 1, 1, NULL},
    {"nothing", DGON_OP_EMBED, "", LIST(DATUM(0, "[1]"), 1), 1, 1, NULL},
    {"not UTF-8", DGON_OP_EMBED, "{\"data\":[" DATUM(0, "[1]") "],\"model\":\"\xff\"}",
     LIST(DATUM(0, "[1]"), 1), 1, 1, NULL},
    {"ollama: text for a duration", DGON_OP_OLLAMA_EMBED, LINES("[1]", 1, "x"), LINES("[1]", 1, 1),
     1, 1, NULL},
    {"ollama: OpenAI's answer", DGON_OP_OLLAMA_EMBED, LIST(DATUM(0, "[1]"), 1), LINES("[1]", 1, 1),
     1, 1, NULL},
};

static void test_join(void)
{
    for (size_t i = 0; i < sizeof join_cases / sizeof join_cases[0]; i++) {
        dgon_batch_answer a[] = {
            {join_cases[i].a, strlen(join_cases[i].a), join_cases[i].na},
            {join_cases[i].b, strlen(join_cases[i].b), join_cases[i].nb},
        };
        dgon_buf out;
        dgon_buf_init(&out, 4096);
        dgon_status s = dgon_batch_join(&out, join_cases[i].op, a, 2);
        bool ok = join_cases[i].want != NULL ? s == DGON_OK && text_is(&out, join_cases[i].want)
                                             : s != DGON_OK && out.len == 0;
        CU_ASSERT(ok);
        if (!ok)
            fprintf(stderr, "%s: %s\n", join_cases[i].name, dgon_status_str(s));
        dgon_buf_fini(&out);
    }
}

static void test_join_limits(void)
{
    static const char one[] = LIST(DATUM(0, "[1]"), 1);
    dgon_batch_answer a[DGON_BATCH_PARTS_MAX + 1];
    dgon_buf out;
    for (size_t i = 0; i <= DGON_BATCH_PARTS_MAX; i++)
        a[i] = (dgon_batch_answer){one, sizeof one - 1, 1};
    dgon_buf_init(&out, 4096);
    CU_ASSERT(dgon_batch_join(&out, DGON_OP_EMBED, a, 0) == DGON_EINVAL);
    CU_ASSERT(dgon_batch_join(&out, DGON_OP_EMBED, a, DGON_BATCH_PARTS_MAX + 1) == DGON_EINVAL);
    CU_ASSERT(dgon_batch_join(&out, DGON_OP_EMBED, a, DGON_BATCH_PARTS_MAX) == DGON_OK);
    json_t *t = json_loadb(out.data, out.len, 0, NULL);
    CU_ASSERT(json_array_size(json_object_get(t, "data")) == DGON_BATCH_PARTS_MAX);
    json_decref(t);
    dgon_buf_fini(&out);
    dgon_buf_init(&out, 64);
    CU_ASSERT(dgon_batch_join(&out, DGON_OP_EMBED, a, 2) == DGON_ETOOBIG && out.len == 0);
    dgon_buf_fini(&out);
}

static bool one_join(void *user)
{
    static const char one[] = LIST(DATUM(0, "[1]"), 1);
    dgon_batch_answer a[] = {{one, sizeof one - 1, 1}, {one, sizeof one - 1, 1}};
    dgon_buf out;
    (void)user;
    dgon_buf_init(&out, 4096);
    bool ok = dgon_batch_join(&out, DGON_OP_EMBED, a, 2) == DGON_OK;
    dgon_buf_fini(&out);
    return ok;
}

static void test_memory(void)
{
    unit_each_alloc(one_join, NULL);
}

UNIT_MAIN("batch", {"find", test_find}, {"split", test_split},
          {"split another body", test_split_another_body}, {"join", test_join},
          {"join limits", test_join_limits}, {"memory", test_memory})

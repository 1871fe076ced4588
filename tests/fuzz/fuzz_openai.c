/* The OpenAI mapping. The first byte says which part: c check, k check of a text completion, i of
 * embeddings, R M K O G E of requests that are passed on, o request out, s stream (S: with usage),
 * t stream of a text completion (T), a answer, x answer of a text completion, e error, m models;
 * the rest is its input. */
#include "dgon/openai.h"

#include "fuzz_chat.h"

/* A line end behind the brace leads the same request to the tree. */
static void check_by_tree(const char *p, size_t n, dgon_status quick, const dgon_openai_request *r)
{
    dgon_openai_request other;
    dgon_error e;
    char *text = malloc(n + 1);
    FUZZ_ASSERT(text != NULL);
    text[0] = '{';
    text[1] = '\n';
    memcpy(text + 2, p + 1, n - 1);
    memset(&e, 0, sizeof e);
    FUZZ_ASSERT(dgon_openai_check(&other, DGON_OP_CHAT, text, n + 1, &e) == quick);
    FUZZ_ASSERT(quick != DGON_OK || memcmp(&other, r, sizeof other) == 0);
    free(text);
}

static void check(const char *p, size_t n)
{
    dgon_openai_request r;
    dgon_error e;
    memset(&e, 0, sizeof e);
    dgon_status s = dgon_openai_check(&r, DGON_OP_CHAT, p, n, &e);
    if (n > 0 && p[0] == '{')
        check_by_tree(p, n, s, &r);
    if (s != DGON_OK) {
        fuzz_error_sound(&e);
        return;
    }
    FUZZ_ASSERT(dgon_wire_is_model_name(r.model, strlen(r.model)));
    FUZZ_ASSERT(r.stream || !r.include_usage);
}

static void check_op(dgon_op op, const char *p, size_t n)
{
    dgon_openai_request r;
    dgon_error e;
    memset(&e, 0, sizeof e);
    if (dgon_openai_check(&r, op, p, n, &e) != DGON_OK)
        fuzz_error_sound(&e);
    else
        FUZZ_ASSERT(dgon_wire_is_model_name(r.model, strlen(r.model)));
}

/* Whatever stands in the body, the backend gets its own name of the model, and tells the usage. */
static void request_out(const char *p, size_t n, bool stream)
{
    dgon_buf b;
    bool want;
    dgon_buf_init(&b, DGON_CHAT_ANSWER_MAX);
    dgon_status s = dgon_openai_request_out(&b, p, n, "real", stream, &want);
    FUZZ_ASSERT(s == DGON_OK || (s == DGON_EJSON && b.len == 0));
    FUZZ_ASSERT(stream || !want);
    json_t *in = json_loadb(p, n, 0, NULL), *out = NULL;
    if (s == DGON_OK && in != NULL) {
        out = json_loadb(b.data, b.len, 0, NULL);
        const char *model = json_string_value(json_object_get(out, "model"));
        const json_t *options = json_object_get(out, "stream_options");
        FUZZ_ASSERT(model != NULL && strcmp(model, "real") == 0);
        FUZZ_ASSERT(json_is_true(json_object_get(out, "stream")) == stream);
        FUZZ_ASSERT(!stream || json_is_true(json_object_get(options, "include_usage")));
    }
    json_decref(in);
    json_decref(out);
    dgon_buf_fini(&b);
}

static void backend_error(const char *p, size_t n)
{
    static const int codes[] = {0, 301, 400, 401, 404, 422, 429, 500, 503};
    for (size_t k = 0; k < sizeof codes / sizeof codes[0]; k++) {
        dgon_error e;
        memset(&e, 0, sizeof e);
        dgon_openai_backend_error(&e, codes[k], p, n);
        fuzz_error_sound(&e);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t n = size - 1, count = 0;
    char *p = fuzz_copy(data + 1, n);
    fuzz_text = strchr("tTx", data[0]) != NULL && data[0] != 0;
    switch (data[0]) {
    case 'c':
        check(p, n);
        break;
    case 'k':
        check_op(DGON_OP_COMPLETION, p, n);
        break;
    case 'i':
        check_op(DGON_OP_EMBED, p, n);
        break;
    case 'R':
        check_op(DGON_OP_RESPONSES, p, n);
        break;
    case 'M':
        check_op(DGON_OP_MESSAGES, p, n);
        break;
    case 'K':
        check_op(DGON_OP_RERANK, p, n);
        break;
    case 'O':
        check_op(DGON_OP_OLLAMA_CHAT, p, n);
        break;
    case 'G':
        check_op(DGON_OP_OLLAMA_GENERATE, p, n);
        break;
    case 'E':
        check_op(DGON_OP_OLLAMA_EMBED, p, n);
        break;
    case 'o':
        request_out(p, n, false);
        request_out(p, n, true);
        break;
    case 'a':
    case 'x':
        fuzz_answer(dgon_openai_answer, p, n);
        break;
    case 'e':
        backend_error(p, n);
        break;
    case 'm':
        if (dgon_openai_models_in(p, n, fuzz_model, &count) == DGON_ENOMEM)
            abort();
        break;
    default:
        fuzz_stream(dgon_openai_chunk, p, n, data[0] == 'S' || data[0] == 'T');
    }
    free(p);
    return 0;
}

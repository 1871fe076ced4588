/* The Ollama mapping. The first byte says which part: o request out (g: of a text completion, i: of
 * embeddings), s stream (S: with usage), x stream of a text completion (X), a answer, y answer of a
 * text completion, e error, t tags, p ps; the rest is its input. */
#include "dgon/ollama.h"

#include "fuzz_chat.h"

static void request_out(dgon_op op, const char *p, size_t n, bool stream)
{
    const dgon_ollama_options opt = {.truncate = stream, .thinking = stream};
    dgon_error e;
    dgon_buf b;
    bool want;
    memset(&e, 0, sizeof e);
    dgon_buf_init(&b, DGON_CHAT_ANSWER_MAX);
    dgon_status s = dgon_ollama_request_out(&b, op, p, n, "real", stream, &opt, &want, &e);
    FUZZ_ASSERT(s == DGON_OK || s == DGON_EINVAL);
    if (s == DGON_OK) {
        json_t *out = fuzz_line(b.data, b.len);
        const char *model = json_string_value(json_object_get(out, "model"));
        FUZZ_ASSERT(model != NULL && strcmp(model, "real") == 0);
        FUZZ_ASSERT(op == DGON_OP_EMBED || json_is_boolean(json_object_get(out, "stream")));
        json_decref(out);
    } else {
        fuzz_error_sound(&e);
        FUZZ_ASSERT(b.len == 0 && e.http == 400);
    }
    dgon_buf_fini(&b);
}

static void backend_error(const char *p, size_t n)
{
    static const int codes[] = {0, 400, 404, 499, 500, 503};
    for (size_t k = 0; k < sizeof codes / sizeof codes[0]; k++) {
        dgon_error e;
        memset(&e, 0, sizeof e);
        dgon_ollama_backend_error(&e, codes[k], p, n);
        fuzz_error_sound(&e);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t n = size - 1, count = 0;
    char *p = fuzz_copy(data + 1, n);
    fuzz_text = strchr("xXy", data[0]) != NULL && data[0] != 0;
    switch (data[0]) {
    case 'o':
        request_out(DGON_OP_CHAT, p, n, false);
        request_out(DGON_OP_CHAT, p, n, true);
        break;
    case 'g':
        request_out(DGON_OP_COMPLETION, p, n, true);
        break;
    case 'i':
        request_out(DGON_OP_EMBED, p, n, false);
        break;
    case 'a':
    case 'y':
        fuzz_answer(dgon_ollama_answer, p, n);
        break;
    case 'e':
        backend_error(p, n);
        break;
    case 't':
        if (dgon_ollama_tags_in(p, n, fuzz_model, &count) == DGON_ENOMEM)
            abort();
        break;
    case 'p':
        if (dgon_ollama_ps_in(p, n, fuzz_model, &count) == DGON_ENOMEM)
            abort();
        break;
    default:
        fuzz_stream(dgon_ollama_line, p, n, data[0] == 'S' || data[0] == 'X');
    }
    free(p);
    return 0;
}

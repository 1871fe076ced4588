/* Ollama's own API in front of an OpenAI-compatible backend. The first byte says which part: c g e
 * l the request of a chat, generate, embed or the older embeddings; s S a stream of chunks
 * (generate: S), a A a whole answer (embed: A); the rest is its input. */
#include "dgon/ollama_front.h"

#include "fuzz_chat.h"

static void request(dgon_op op, const char *p, size_t n)
{
    dgon_error e;
    dgon_buf b;
    memset(&e, 0, sizeof e);
    dgon_buf_init(&b, 1u << 24);
    dgon_status s = dgon_ollama_front_request(&b, op, p, n, "real", true, &e);
    FUZZ_ASSERT(s == DGON_OK || s == DGON_EINVAL || s == DGON_DONE);
    if (s == DGON_OK) {
        json_t *out = fuzz_line(b.data, b.len);
        const char *model = json_string_value(json_object_get(out, "model"));
        FUZZ_ASSERT(model != NULL && strcmp(model, "real") == 0);
        json_decref(out);
    } else {
        FUZZ_ASSERT(b.len == 0);
    }
    if (s == DGON_EINVAL)
        fuzz_error_sound(&e);
    dgon_buf_fini(&b);
}

typedef struct lines {
    dgon_ollama_front front;
    dgon_buf out;
    unsigned ends;
} lines;

static dgon_status on_line(void *user, const char *p, size_t n)
{
    lines *l = user;
    json_t *t = fuzz_line(p, n);
    FUZZ_ASSERT(l->ends == 0); /* nothing behind the last line */
    l->ends += json_is_true(json_object_get(t, "done"));
    json_decref(t);
    return DGON_OK;
}

static dgon_status chunk(void *user, const char *p, size_t n)
{
    lines *l = user;
    return dgon_ollama_front_chunk(&l->front, &l->out, p, n, on_line, l);
}

static void stream(dgon_op op, const char *p, size_t n)
{
    static dgon_chat c;
    lines l = {.ends = 0};
    dgon_buf end;
    FUZZ_ASSERT(dgon_chat_init(&c, "oll-1", "pub", 1, true, false) == DGON_OK);
    dgon_ollama_front_init(&l.front, &c, op, true);
    dgon_buf_init(&l.out, 1u << 24);
    dgon_buf_init(&end, DGON_WIRE_FINAL_MAX);
    dgon_status s = fuzz_lines(p, n, chunk, &l);
    if (s == DGON_OK)
        s = dgon_ollama_front_end(&l.front, &l.out, on_line, &l);
    bool whole = dgon_chat_end(&c, &end) == DGON_OK;
    FUZZ_ASSERT(whole == (l.ends == 1));
    if (!whole)
        fuzz_error_sound(&c.error);
    dgon_ollama_front_fini(&l.front);
    dgon_buf_fini(&l.out);
    dgon_buf_fini(&end);
}

static void answer(dgon_op op, const char *p, size_t n)
{
    static dgon_chat c;
    dgon_ollama_front f;
    dgon_buf out;
    FUZZ_ASSERT(dgon_chat_init(&c, "oll-1", "pub", 1, false, false) == DGON_OK);
    dgon_ollama_front_init(&f, &c, op, false);
    dgon_buf_init(&out, 1u << 24);
    dgon_status s = dgon_ollama_front_answer(&f, &out, p, n);
    FUZZ_ASSERT(s == DGON_OK || (out.len == 0 && c.error.http != 0) || s == DGON_ETOOBIG);
    dgon_ollama_front_fini(&f);
    dgon_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t n = size - 1;
    char *p = fuzz_copy(data + 1, n);
    switch (data[0]) {
    case 'c':
        request(DGON_OP_OLLAMA_CHAT, p, n);
        break;
    case 'g':
        request(DGON_OP_OLLAMA_GENERATE, p, n);
        break;
    case 'e':
        request(DGON_OP_OLLAMA_EMBED, p, n);
        break;
    case 'l':
        request(DGON_OP_OLLAMA_EMBEDDINGS, p, n);
        break;
    case 'a':
        answer(DGON_OP_OLLAMA_CHAT, p, n);
        break;
    case 'A':
        answer(DGON_OP_OLLAMA_EMBED, p, n);
        break;
    case 'S':
        stream(DGON_OP_OLLAMA_GENERATE, p, n);
        break;
    default:
        stream(DGON_OP_OLLAMA_CHAT, p, n);
    }
    free(p);
    return 0;
}

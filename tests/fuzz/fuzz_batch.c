/* Embeddings in parts, and several choices. The first byte: the number of parts, and in its highest
 * bit the API; then the client's body, a line end, and an answer that every part gives. */
#include "dgon/batch.h"
#include "dgon/choices.h"

#include "fuzz_object.h"

#include <jansson.h>

/* Every part is a body with as many inputs as it says, and together they have all of them. */
static void split(const char *body, size_t n, size_t parts)
{
    dgon_batch b, again;
    dgon_batch_part part[DGON_BATCH_PARTS_MAX];
    size_t all = 0;
    if (dgon_batch_find(&b, body, n) != DGON_OK || b.count < parts)
        return;
    FUZZ_ASSERT(dgon_batch_split(&b, body, part, parts) == DGON_OK);
    for (size_t k = 0; k < parts; k++) {
        dgon_buf out;
        dgon_buf_init(&out, n);
        FUZZ_ASSERT(dgon_batch_body(&out, &b, &part[k], body, n) == DGON_OK);
        fuzz_object(&out);
        FUZZ_ASSERT(part[k].count < 2 || (dgon_batch_find(&again, out.data, out.len) == DGON_OK &&
                                          again.count == part[k].count));
        all += part[k].count;
        dgon_buf_fini(&out);
    }
    FUZZ_ASSERT(all == b.count);
}

static void join(const char *answer, size_t n, size_t parts, dgon_op op)
{
    dgon_batch_answer a[DGON_BATCH_PARTS_MAX];
    dgon_buf out;
    json_t *t = json_loadb(answer, n, 0, NULL);
    size_t count = json_array_size(json_object_get(t, op == DGON_OP_EMBED ? "data" : "embeddings"));
    json_decref(t);
    for (size_t k = 0; k < parts; k++)
        a[k] = (dgon_batch_answer){answer, n, count};
    dgon_buf_init(&out, 1u << 24);
    if (dgon_batch_join(&out, op, a, parts) == DGON_OK)
        fuzz_object(&out);
    else
        FUZZ_ASSERT(out.len == 0);
    dgon_buf_fini(&out);
}

static void choices(const char *body, size_t n, dgon_op op)
{
    dgon_choices c;
    dgon_error e = {0};
    dgon_buf out;
    if (dgon_choices_read(&c, op, body, n, &e) != DGON_OK) {
        FUZZ_ASSERT(e.http == 400);
        return;
    }
    unsigned total = dgon_choices_total(&c);
    FUZZ_ASSERT(total >= 1 && total <= DGON_CHAT_CHOICES_MAX);
    if (total == 1)
        return;
    dgon_buf_init(&out, 1u << 24);
    FUZZ_ASSERT(dgon_choices_body(&out, &c, total - 1, body, n) == DGON_OK);
    FUZZ_ASSERT(dgon_choices_read(&c, op, out.data, out.len, &e) == DGON_OK &&
                dgon_choices_total(&c) == 1);
    dgon_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t parts = 1 + (data[0] & 15u) % DGON_BATCH_PARTS_MAX;
    const uint8_t *end = memchr(data + 1, '\n', size - 1);
    size_t n = end != NULL ? (size_t)(end - data) - 1 : size - 1;
    char *body = fuzz_copy(data + 1, n);
    split(body, n, parts);
    choices(body, n, DGON_OP_CHAT);
    choices(body, n, DGON_OP_COMPLETION);
    free(body);
    if (end != NULL) {
        char *answer = fuzz_copy(end + 1, size - n - 2);
        join(answer, size - n - 2, parts,
             (data[0] & 128u) != 0 ? DGON_OP_OLLAMA_EMBED : DGON_OP_EMBED);
        free(answer);
    }
    return 0;
}

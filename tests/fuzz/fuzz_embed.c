/* Embeddings. The first byte says what the client wants: b base64, else numbers; the rest is a
 * backend's answer. */
#include "dgon/embed.h"

#include "fuzz_chat.h"
#include "fuzz_object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static dgon_chat c;
    dgon_buf out;
    if (size == 0)
        return 0;
    size_t n = size - 1;
    char *p = fuzz_copy(data + 1, n);
    FUZZ_ASSERT(dgon_chat_init(&c, "embd-1", "pub", 1, false, false) == DGON_OK);
    dgon_buf_init(&out, 1u << 24);
    (void)dgon_embed_wants_base64(p, n);
    dgon_status s = dgon_embed_answer(&c, data[0] == 'b', &out, p, n);
    FUZZ_ASSERT(s == DGON_OK || s == DGON_EBACKEND || s == DGON_ETOOBIG);
    if (s == DGON_OK)
        fuzz_object(&out);
    else
        FUZZ_ASSERT(out.len == 0);
    dgon_buf_fini(&out);
    free(p);
    return 0;
}

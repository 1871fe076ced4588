/* A form read whole and in pieces: the first line is its content type, the rest the body. */
#include "dgon/multipart.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static dgon_multipart whole, pieces;
    const uint8_t *line = memchr(data, '\n', size);
    char type[256];
    size_t n = line != NULL ? (size_t)(line - data) : 0;
    if (line == NULL || n >= sizeof type)
        return 0;
    memcpy(type, data, n);
    type[n] = '\0';
    if (!dgon_multipart_init(&whole, type))
        return 0;
    FUZZ_ASSERT(dgon_multipart_init(&pieces, type));
    size_t len = size - n - 1;
    char *body = fuzz_copy(line + 1, len);
    uint32_t seed = (uint32_t)size;
    dgon_status a = dgon_multipart_feed(&whole, body, len), b = DGON_OK;
    for (size_t at = 0, some; at < len && b == DGON_OK; at += some) {
        some = fuzz_piece(&seed, len - at);
        b = dgon_multipart_feed(&pieces, body + at, some);
    }
    FUZZ_ASSERT(a == b && whole.found == pieces.found && whole.twice == pieces.twice &&
                strcmp(whole.model, pieces.model) == 0);
    if (whole.found)
        FUZZ_ASSERT(whole.model_at == pieces.model_at && whole.model_len == pieces.model_len &&
                    whole.model_at + whole.model_len <= len &&
                    memcmp(whole.model, body + whole.model_at, strlen(whole.model)) == 0);
    free(body);
    return 0;
}

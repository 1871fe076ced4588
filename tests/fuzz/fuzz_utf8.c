/* The checker agrees with a plain decoder, whole and in pieces; what was repaired is valid, and
 * valid text is not changed by the repair. */
#include "dgon/utf8.h"

#include "fuzz.h"

/* Decodes by arithmetic and refuses overlong forms, surrogates and what is over U+10FFFF. */
static bool decodes(const uint8_t *p, size_t n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    for (size_t i = 0, len; i < n; i += len) {
        len = p[i] < 0x80 ? 1 : p[i] >> 5 == 6 ? 2 : p[i] >> 4 == 14 ? 3 : p[i] >> 3 == 30 ? 4 : 0;
        if (len == 0 || len > n - i)
            return false;
        uint32_t v = len == 1 ? p[i] : p[i] & (0x7fu >> len);
        for (size_t k = 1; k < len; k++) {
            if (p[i + k] >> 6 != 2)
                return false;
            v = v << 6 | (p[i + k] & 0x3f);
        }
        if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
            return false;
    }
    return true;
}

static bool feeds(const uint8_t *p, size_t n, uint32_t *seed, bool line)
{
    dgon_utf8 u = {0};
    for (size_t at = 0, len; at < n; at += len) {
        len = seed != NULL ? fuzz_piece(seed, n - at) : n;
        if (dgon_utf8_feed(&u, p + at, len, line) != DGON_OK)
            return false;
    }
    return dgon_utf8_complete(&u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t seed = size > 0 ? data[size - 1] : 0;
    bool valid = decodes(data, size), line = valid;
    for (size_t i = 0; i < size; i++)
        line = line && data[i] >= 0x20;
    FUZZ_ASSERT(feeds(data, size, NULL, false) == valid);
    FUZZ_ASSERT(feeds(data, size, &seed, false) == valid);
    FUZZ_ASSERT(feeds(data, size, NULL, true) == line);
    FUZZ_ASSERT(feeds(data, size, &seed, true) == line);
    char *repaired = malloc(3 * size + 1);
    FUZZ_ASSERT(repaired != NULL);
    size_t n = dgon_utf8_repair(repaired, (const char *)data, size);
    FUZZ_ASSERT(n <= 3 * size && decodes((const uint8_t *)repaired, n));
    FUZZ_ASSERT(!valid || (n == size && memcmp(repaired, data, n) == 0));
    free(repaired);
    return 0;
}

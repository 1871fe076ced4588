/* First byte: cap and pieces. The rest is a stream: whole and in pieces it gives the same lines and
 * end. */
#include "dgon/ndjson.h"

#include "fuzz.h"

static dgon_status note(void *user, const char *line, size_t n)
{
    fuzz_trace *t = user;
    FUZZ_ASSERT(n > 0 && memchr(line, '\n', n) == NULL);
    fuzz_note(t, line, n);
    t->events++;
    return DGON_OK;
}

static dgon_status run(const uint8_t *p, size_t n, uint32_t *seed, size_t max, fuzz_trace *t)
{
    dgon_ndjson r;
    dgon_status st = DGON_OK;
    *t = (fuzz_trace){.hash = 1};
    dgon_ndjson_init(&r, max, note, t);
    for (size_t at = 0, len; at < n && st == DGON_OK; at += len) {
        len = seed != NULL ? fuzz_piece(seed, n - at) : n;
        char *piece = fuzz_copy(p + at, len);
        st = dgon_ndjson_feed(&r, piece, len);
        free(piece);
    }
    if (st == DGON_OK)
        st = dgon_ndjson_end(&r);
    dgon_ndjson_fini(&r);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_trace whole, split;
    if (size == 0)
        return 0;
    uint32_t seed = data[0];
    size_t max = (data[0] & 1) != 0 ? 32 : DGON_NDJSON_LINE_MAX;
    dgon_status a = run(data + 1, size - 1, NULL, max, &whole);
    dgon_status b = run(data + 1, size - 1, &seed, max, &split);
    FUZZ_ASSERT(a == b && whole.events == split.events && whole.hash == split.hash);
    FUZZ_ASSERT(a == DGON_OK || a == DGON_ETOOBIG);
    return 0;
}

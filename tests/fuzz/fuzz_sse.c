/* First byte: cap and pieces. The rest is a stream: whole and in pieces it gives the same events
 * and the same end, and what is one line comes back whole through the writer. */
#include "dgon/sse.h"
#include "dgon/utf8.h"

#include "fuzz.h"

static dgon_status note(void *user, const dgon_sse_event *ev)
{
    fuzz_trace *t = user;
    fuzz_note(t, ev->event, ev->event_len);
    fuzz_note(t, ev->data, ev->data_len);
    fuzz_note(t, ev->error_field ? "e" : "d", 1);
    t->events++;
    return DGON_OK;
}

static dgon_status count_same(void *user, const dgon_sse_event *ev)
{
    const dgon_buf *expected = user;
    FUZZ_ASSERT(ev->data_len == expected->len && ev->event_len == 0 && !ev->error_field);
    FUZZ_ASSERT(memcmp(ev->data, expected->data, ev->data_len) == 0);
    return DGON_DONE;
}

static dgon_status write_again(void *user, const dgon_sse_event *ev)
{
    dgon_utf8 u = {0};
    (void)user;
    if (ev->data_len == 0 || dgon_utf8_feed(&u, ev->data, ev->data_len, true) != DGON_OK)
        return DGON_OK;
    dgon_buf out, expected = {.data = fuzz_copy(ev->data, ev->data_len), .len = ev->data_len};
    dgon_sse s;
    dgon_buf_init(&out, ev->data_len + 8);
    dgon_sse_init(&s, ev->data_len + 8, count_same, &expected);
    FUZZ_ASSERT(dgon_sse_write_data(&out, ev->data, ev->data_len) == DGON_OK);
    FUZZ_ASSERT(dgon_sse_feed(&s, out.data, out.len) == DGON_DONE);
    dgon_sse_fini(&s);
    dgon_buf_fini(&out);
    free(expected.data);
    return DGON_OK;
}

static dgon_status run(const uint8_t *p, size_t n, uint32_t *seed, size_t max, dgon_sse_fn fn,
                       fuzz_trace *t)
{
    dgon_sse s;
    dgon_status st = DGON_OK;
    *t = (fuzz_trace){.hash = 1};
    dgon_sse_init(&s, max, fn, t);
    for (size_t at = 0, len; at < n && st == DGON_OK; at += len) {
        len = seed != NULL ? fuzz_piece(seed, n - at) : n;
        char *piece = fuzz_copy(p + at, len);
        st = dgon_sse_feed(&s, piece, len);
        free(piece);
    }
    if (st == DGON_OK)
        st = dgon_sse_end(&s);
    dgon_sse_fini(&s);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_trace whole, split;
    if (size == 0)
        return 0;
    uint32_t seed = data[0];
    size_t max = (data[0] & 1) != 0 ? 32 : DGON_SSE_LINE_MAX;
    dgon_status a = run(data + 1, size - 1, NULL, max, note, &whole);
    dgon_status b = run(data + 1, size - 1, &seed, max, note, &split);
    FUZZ_ASSERT(a == b && whole.events == split.events && whole.hash == split.hash);
    FUZZ_ASSERT(a == DGON_OK || a == DGON_ETOOBIG);
    (void)run(data + 1, size - 1, NULL, max, write_again, &whole);
    return 0;
}

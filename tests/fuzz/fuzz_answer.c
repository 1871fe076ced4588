/* First byte: with a body or not, and pieces. The rest is what a connection brings: whole and in
 * pieces it gives the same events and the same end, and nothing behind the end is used. */
#include "dgon/answer.h"

#include "fuzz.h"

typedef struct seen {
    fuzz_trace t;
    dgon_answer_event last;
    uint64_t body;
    size_t used;
    bool eof;
} seen;

static void note(seen *s, const dgon_answer *a, dgon_answer_event e)
{
    if (e == DGON_ANSWER_HEADER) {
        FUZZ_ASSERT(a->name_len > 0);
        fuzz_note(&s->t, a->name, a->name_len);
        fuzz_note(&s->t, a->value, a->value_len);
    } else if (e == DGON_ANSWER_BEGIN) {
        FUZZ_ASSERT(a->status >= 100 && a->status <= 999);
        fuzz_note(&s->t, (const char *)&a->status, sizeof a->status);
    } else if (e == DGON_ANSWER_BODY) {
        FUZZ_ASSERT(a->data_len > 0 && a->bodied && a->status != 204 && a->status != 304);
        for (size_t i = 0; i < a->data_len; i++)
            s->body = s->body * 31 + (unsigned char)a->data[i] + 1;
    } else if (e == DGON_ANSWER_BAD) {
        FUZZ_ASSERT(a->why != NULL);
    }
}

static void run(seen *s, const uint8_t *p, size_t n, bool bodied, uint32_t *seed)
{
    dgon_answer a;
    memset(s, 0, sizeof *s);
    s->t.hash = 1;
    dgon_answer_init(&a, bodied);
    bool over = false;
    for (size_t len; s->used < n && !over; s->used += len) {
        size_t from = 0, used = 0;
        len = seed != NULL ? fuzz_piece(seed, n - s->used) : n - s->used;
        char *piece = fuzz_copy(p + s->used, len);
        do {
            s->last = dgon_answer_next(&a, piece + from, len - from, &used);
            FUZZ_ASSERT(used <= len - from);
            from += used;
            note(s, &a, s->last);
            over = s->last == DGON_ANSWER_END || s->last == DGON_ANSWER_BAD;
        } while (!over && s->last != DGON_ANSWER_MORE);
        FUZZ_ASSERT(over || from == len);
        FUZZ_ASSERT(!over || dgon_answer_next(&a, "x", 1, &used) == s->last);
        free(piece);
        len = over ? from : len;
    }
    s->eof = dgon_answer_eof(&a);
    dgon_answer_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    seen whole, split;
    if (size == 0)
        return 0;
    uint32_t seed = data[0];
    bool bodied = (data[0] & 1) == 0;
    run(&whole, data + 1, size - 1, bodied, NULL);
    run(&split, data + 1, size - 1, bodied, &seed);
    FUZZ_ASSERT(whole.last == split.last && whole.t.hash == split.t.hash &&
                whole.body == split.body);
    FUZZ_ASSERT(whole.eof == split.eof);
    /* how much of what is bad was looked at is nobody's business */
    FUZZ_ASSERT(whole.last != DGON_ANSWER_END || whole.used == split.used);
    return 0;
}

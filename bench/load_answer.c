#include "load_answer.h"

#include "load_options.h"
#include "load_report.h"

void answer_begin(struct answer *a, uint64_t id)
{
    a->id = id;
    a->unique = a->highest = 0;
    a->done = a->error = false;
    a->seen = calloc(1, (size_t)opt.tokens / 8 + 1);
    if (!a->seen) {
        die("memory");
    }
}

/* Closes the books of one answer. All of the tokens are due only where it came to its end. */
static void settle(struct answer *a, bool whole)
{
    uint64_t due = whole ? opt.tokens : a->unique ? a->highest + 1 : 0;

    count.lost += due - a->unique;
    free(a->seen);
    a->seen = NULL;
    bytes_free(&a->line);
}

static void take_time(struct answer *a, uint64_t seq, uint64_t stamp, uint64_t now)
{
    if (a->slow) {
        count.slow_tokens++;
        return;
    }
    if (!a->unique) {
        uint64_t took = now - a->sent_at, known = opt.first_ms * MS;

        histogram_add(&first_time, took > known ? took - known : 0);
    }
    if (seq >= opt.skip && !opt.plain) {
        note_token(now, now - stamp);
        if (a->unique) {
            histogram_add(&gap_time, now - a->last_at);
        }
    }
}

static void take_token(struct answer *a, uint64_t seq, uint64_t stamp, uint64_t now)
{
    if (seq >= opt.tokens || stamp > now) {
        count.foreign++;
        return;
    }
    if (a->seen[seq / 8] & (1U << seq % 8)) {
        count.doubled++;
        return;
    }
    a->seen[seq / 8] = (uint8_t)(a->seen[seq / 8] | (1U << seq % 8));
    take_time(a, seq, stamp, now);
    if (a->unique && seq < a->highest) {
        count.reordered++;
    } else {
        a->highest = seq;
    }
    a->unique++;
    a->last_at = now;
    count.tokens++;
}

static bool take_number(const char **p, const char *end, uint64_t *v)
{
    const char *start = *p;

    for (*v = 0; *p < end && **p >= '0' && **p <= '9' && *p - start < 19; ++*p) {
        *v = *v * 10 + (uint64_t)(**p - '0');
    }
    return *p > start;
}

/* All of the stamps in the strings called content, whatever JSON is around them. */
static void take_content(struct answer *a, const char *p, const char *end, uint64_t now)
{
    static const char key[] = "\"content\":";

    while (p < end && (p = memmem(p, (size_t)(end - p), key, sizeof(key) - 1))) {
        uint64_t seq, stamp, id;

        for (p += sizeof(key) - 1; p < end && *p == ' '; p++) {
        }
        if (p == end || *p != '"') {
            continue;
        }
        for (p++; p < end && take_number(&p, end, &seq) && p < end && *p == ':'; p++) {
            p++;
            if (!take_number(&p, end, &stamp)) {
                break;
            }
            if (p < end && *p == ':') {
                p++;
                if (!take_number(&p, end, &id) || id != a->id) {
                    count.foreign++;
                }
            }
            take_token(a, seq, stamp, now);
            if (p == end || *p != ' ') {
                break;
            }
        }
    }
}

static bool starts_with(const char *p, size_t n, const char *what)
{
    size_t k = strlen(what);

    return n >= k && memcmp(p, what, k) == 0;
}

static void take_line(struct answer *a, const char *p, size_t n, uint64_t now)
{
    if (n && p[n - 1] == '\r') {
        n--;
    }
    if (!n) {
        return;
    }
    if (*p == ':') {
        count.comments++;
    } else if (starts_with(p, n, "data: [DONE]")) {
        a->done = true;
    } else if (starts_with(p, n, "data: {\"error\"") || starts_with(p, n, "{\"error\"")) {
        a->error = true;
        note_error(p, n);
    } else {
        take_content(a, p, p + n, now);
        if (*p == '{' && (opt.plain || memmem(p, n, "\"done\":true", 11))) {
            a->done = true;
        }
    }
}

/* Cuts the bytes into lines; the body of an answer that is not streamed is one line. */
void answer_take(struct answer *a, const char *p, size_t n, uint64_t now)
{
    while (n) {
        const char *eol = opt.plain ? NULL : memchr(p, '\n', n);
        size_t k = eol ? (size_t)(eol - p) + 1 : n;

        if (!eol || bytes_used(&a->line)) {
            bytes_add(&a->line, p, k);
        }
        if (eol && bytes_used(&a->line)) {
            take_line(a, bytes_begin(&a->line), bytes_used(&a->line) - 1, now);
            bytes_free(&a->line);
        } else if (eol) {
            take_line(a, p, k - 1, now);
        }
        p += k;
        n -= k;
    }
}

uint64_t *answer_end(struct answer *a, uint64_t now)
{
    if (bytes_used(&a->line)) {
        take_line(a, bytes_begin(&a->line), bytes_used(&a->line), now);
    }
    if (!a->slow) {
        histogram_add(&whole_time, now - a->sent_at);
    }
    if (a->error || !a->done) {
        settle(a, false);
        return a->error ? &count.error_events : &count.no_done;
    }
    count.complete++;
    settle(a, true);
    return NULL;
}

void answer_drop(struct answer *a)
{
    settle(a, false);
}

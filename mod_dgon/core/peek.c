#include "peek_int.h"

#include "dgon/utf8.h"

#include <string.h>

void dgon_peek_blanks(dgon_peek *c)
{
    while (c->p < c->end && *c->p == ' ')
        c->p++;
}

bool dgon_peek_char(dgon_peek *c, char ch)
{
    if (c->p >= c->end || *c->p != ch)
        return false;
    c->p++;
    return true;
}

bool dgon_peek_word(dgon_peek *c, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
        return false;
    c->p += n;
    return true;
}

/* Behind a backslash. \u is taken for values outside the surrogates only. */
static bool peek_escape(dgon_peek *c)
{
    static const char hex[] = "0123456789abcdefABCDEF";
    if (c->p >= c->end)
        return false;
    char e = *c->p++;
    if (e != 'u')
        return e != '\0' && strchr("\"\\/bfnrt", e) != NULL;
    if (c->end - c->p < 4)
        return false;
    for (int k = 0; k < 4; k++) {
        if (c->p[k] == '\0' || strchr(hex, c->p[k]) == NULL)
            return false;
    }
    bool surrogate = (c->p[0] | 0x20) == 'd' && c->p[1] >= '8';
    c->p += 4;
    return !surrogate;
}

/* How many of the first 8 bytes at p are ASCII that stands for itself; or fewer. */
static unsigned ordinary(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t v;
    memcpy(&v, p, sizeof v);
    uint64_t quote = v ^ ones * '"', slash = v ^ ones * '\\', del = v ^ ones * 0x7f;
    /* The top bit of each byte that is below 0x20, one of the three, or above 0x7f. Borrows go
     * upwards only, so the lowest one is right. */
    uint64_t other =
        ((v - ones * 0x20) | (quote - ones) | (slash - ones) | (del - ones) | v) & tops;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return other == 0 ? 8 : (unsigned)__builtin_ctzll(other) / 8;
#else
    return other == 0 ? 8 : 0;
#endif
}

/* *escaped: some of it stands for something else. */
static bool peek_string(dgon_peek *c, dgon_span *s, bool *escaped)
{
    const char *start = c->p, *p = start + 1, *end = c->end;
    bool ascii = true;
    *escaped = false;
    if (!dgon_peek_char(c, '"'))
        return false;
    while (p < end) {
        if (end - p >= 8) {
            unsigned n = ordinary(p);
            p += n;
            if (n == 8)
                continue;
        }
        unsigned char ch = (unsigned char)*p++;
        if (ch == '"') {
            dgon_utf8 u = {0};
            c->p = p;
            *s = (dgon_span){start, (size_t)(p - start)};
            return ascii ||
                   (dgon_utf8_feed(&u, s->p, s->n, true) == DGON_OK && dgon_utf8_complete(&u));
        }
        if (ch < 0x20 || ch == 0x7f)
            return false;
        if (ch == '\\') {
            *escaped = true;
            c->p = p;
            if (!peek_escape(c))
                return false;
            p = c->p;
        }
        ascii = ascii && ch < 0x80;
    }
    return false;
}

bool dgon_peek_string(dgon_peek *c, dgon_span *s)
{
    bool escaped;
    return peek_string(c, s, &escaped);
}

bool dgon_peek_string_or_null(dgon_peek *c, dgon_span *s)
{
    if (c->p < c->end && *c->p == 'n')
        return dgon_peek_word(c, "null");
    return dgon_peek_string(c, s);
}

bool dgon_peek_digits(dgon_peek *c, uint64_t *v)
{
    const char *start = c->p;
    uint64_t value = 0;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && c->p - start < 18)
        value = value * 10 + (uint64_t)(*c->p++ - '0');
    *v = value;
    return c->p > start && (*start != '0' || c->p - start == 1);
}

bool dgon_peek_bool(dgon_peek *c, bool *v)
{
    *v = c->p < c->end && *c->p == 't';
    return dgon_peek_word(c, *v ? "true" : "false");
}

int dgon_peek_member(dgon_peek *c, bool *open, dgon_span *key)
{
    dgon_peek_blanks(c);
    if (!*open) {
        if (!dgon_peek_char(c, '{'))
            return -1;
        *open = true;
        dgon_peek_blanks(c);
        if (dgon_peek_char(c, '}'))
            return 0;
    } else if (dgon_peek_char(c, '}')) {
        return 0;
    } else if (!dgon_peek_char(c, ',')) {
        return -1;
    }
    dgon_peek_blanks(c);
    bool escaped;
    if (!peek_string(c, key, &escaped) || escaped)
        return -1;
    dgon_peek_blanks(c);
    if (!dgon_peek_char(c, ':'))
        return -1;
    dgon_peek_blanks(c);
    return 1;
}

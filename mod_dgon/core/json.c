#include "dgon/json.h"

#include "json_int.h"
#include "utf8_int.h"

#include <string.h>

#define BAD   SIZE_MAX
#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* ---- lexical pieces: each takes an index and returns the index behind, or BAD ---- */

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* High bit set in each byte of w that ends a run of plain string bytes: quote, backslash, below
 * 0x20. Exact for the lowest marked byte; above it a borrow may mark one wrongly. */
static inline uint64_t string_marks(uint64_t w)
{
    uint64_t quote = w ^ ONES * '"';
    uint64_t slash = w ^ ONES * '\\';
    return (((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) | ((w - ONES * 0x20) & ~w)) &
           HIGHS;
}

static inline bool is_string_plain(char c)
{
    return c != '"' && c != '\\' && (unsigned char)c >= 0x20;
}

/* Index of the first byte from i on that is not plain text of a string, or n. */
static inline size_t skip_plain(const char *p, size_t i, size_t n)
{
    for (; n - i >= 8; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, 8);
        uint64_t marks = string_marks(w);
        if (marks != 0) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            return i + ((size_t)__builtin_ctzll(marks) >> 3);
#else
            break;
#endif
        }
    }
    while (i < n && is_string_plain(p[i]))
        i++;
    return i;
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* i is at a backslash. */
static size_t skip_escape(const char *p, size_t i, size_t n)
{
    if (n - i < 2)
        return BAD;
    switch (p[i + 1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return i + 2;
    case 'u':
        if (n - i < 6)
            return BAD;
        for (size_t k = i + 2; k < i + 6; k++) {
            if (!is_hex(p[k]))
                return BAD;
        }
        return i + 6;
    default:
        return BAD;
    }
}

/* i is behind the opening quote; the result is behind the closing one. */
static inline size_t skip_string(const char *p, size_t i, size_t n)
{
    for (;;) {
        i = skip_plain(p, i, n);
        if (i >= n)
            return BAD;
        if (p[i] == '"')
            return i + 1;
        if (p[i] != '\\')
            return BAD;
        i = skip_escape(p, i, n);
        if (i == BAD)
            return BAD;
    }
}

static size_t skip_digits(const char *p, size_t i, size_t n)
{
    size_t start = i;
    while (i < n && is_digit(p[i]))
        i++;
    return i > start ? i : BAD;
}

static size_t skip_number(const char *p, size_t i, size_t n)
{
    if (p[i] == '-')
        i++;
    if (i < n && p[i] == '0')
        i++;
    else
        i = skip_digits(p, i, n);
    if (i != BAD && i < n && p[i] == '.')
        i = skip_digits(p, i + 1, n);
    if (i == BAD || i >= n || (p[i] != 'e' && p[i] != 'E'))
        return i;
    i++;
    if (i < n && (p[i] == '+' || p[i] == '-'))
        i++;
    return skip_digits(p, i, n);
}

static inline size_t skip_word(const char *p, size_t i, size_t n, const char *word, size_t len)
{
    return n - i >= len && memcmp(p + i, word, len) == 0 ? i + len : BAD;
}

static size_t skip_scalar(const char *p, size_t i, size_t n)
{
    switch (p[i]) {
    case '"':
        return skip_string(p, i + 1, n);
    case 't':
        return skip_word(p, i, n, "true", 4);
    case 'f':
        return skip_word(p, i, n, "false", 5);
    case 'n':
        return skip_word(p, i, n, "null", 4);
    default:
        return skip_number(p, i, n);
    }
}

/* From the first byte of a key to the first byte of its value. */
static inline size_t skip_key(const char *p, size_t i, size_t n)
{
    if (i >= n || p[i] != '"')
        return BAD;
    i = skip_string(p, i + 1, n);
    if (i == BAD)
        return BAD;
    i = dgon_json_skip_space(p, i, n);
    return i < n && p[i] == ':' ? dgon_json_skip_space(p, i + 1, n) : BAD;
}

/* One whole value. The stack is a word: bit set = object, clear = array. */
static size_t skip_value(const char *p, size_t i, size_t n)
{
    uint64_t stack = 0;
    unsigned depth = 0;
    for (;;) {
        if (i >= n)
            return BAD;
        if (p[i] == '{' || p[i] == '[') {
            bool object = p[i] == '{';
            if (++depth >= DGON_JSON_DEPTH_MAX)
                return BAD;
            stack = stack << 1 | (object ? 1 : 0);
            i = dgon_json_skip_space(p, i + 1, n);
            if (i >= n || p[i] != (object ? '}' : ']')) {
                i = object ? skip_key(p, i, n) : i;
                continue;
            }
        } else {
            i = skip_scalar(p, i, n);
            if (i == BAD)
                return BAD;
            if (depth == 0)
                return i;
            i = dgon_json_skip_space(p, i, n);
        }
        /* behind a value or at a closing bracket */
        while (i < n && p[i] == ((stack & 1) != 0 ? '}' : ']')) {
            stack >>= 1;
            if (--depth == 0)
                return i + 1;
            i = dgon_json_skip_space(p, i + 1, n);
        }
        if (i >= n || p[i] != ',')
            return BAD;
        i = dgon_json_skip_space(p, i + 1, n);
        if ((stack & 1) != 0)
            i = skip_key(p, i, n);
    }
}

/* ---- the members of one object ---- */

enum { SCAN_START, SCAN_MEMBER, SCAN_DONE, SCAN_BAD };

void dgon_json_scan_init(dgon_json_scan *s, const char *p, size_t n)
{
    *s = (dgon_json_scan){.p = p, .n = n, .state = SCAN_START};
}

static dgon_status scan_bad(dgon_json_scan *s)
{
    s->state = SCAN_BAD;
    return DGON_EJSON;
}

static dgon_status scan_done(dgon_json_scan *s, size_t at)
{
    s->at = at;
    s->state = SCAN_DONE;
    return DGON_DONE;
}

/* i is at the opening quote of the key. */
static inline dgon_status scan_member(dgon_json_scan *s, size_t i, dgon_json_member *m)
{
    if (i >= s->n || s->p[i] != '"')
        return scan_bad(s);
    size_t end = skip_string(s->p, i + 1, s->n);
    if (end == BAD)
        return scan_bad(s);
    size_t colon = dgon_json_skip_space(s->p, end, s->n);
    if (colon >= s->n || s->p[colon] != ':')
        return scan_bad(s);
    size_t value = dgon_json_skip_space(s->p, colon + 1, s->n);
    size_t behind = skip_value(s->p, value, s->n);
    if (behind == BAD)
        return scan_bad(s);
    *m = (dgon_json_member){i + 1, end - i - 2, value, behind - value};
    s->at = behind;
    s->state = SCAN_MEMBER;
    return DGON_OK;
}

dgon_status dgon_json_scan_next(dgon_json_scan *s, dgon_json_member *m)
{
    if (s->state == SCAN_BAD)
        return DGON_EJSON;
    if (s->state == SCAN_DONE)
        return DGON_DONE;
    size_t i = dgon_json_skip_space(s->p, s->at, s->n);
    if (i >= s->n)
        return scan_bad(s);
    if (s->state == SCAN_START) {
        if (s->p[i] != '{')
            return scan_bad(s);
        i = dgon_json_skip_space(s->p, i + 1, s->n);
        if (i < s->n && s->p[i] == '}')
            return scan_done(s, i + 1);
        return scan_member(s, i, m);
    }
    if (s->p[i] == '}')
        return scan_done(s, i + 1);
    if (s->p[i] != ',')
        return scan_bad(s);
    return scan_member(s, dgon_json_skip_space(s->p, i + 1, s->n), m);
}

dgon_status dgon_json_item(const char *p, size_t n, size_t *at, size_t *item, size_t *len)
{
    bool first = *at == 0;
    size_t i = dgon_json_skip_space(p, *at, n);
    if (i >= n || (first && p[i] != '['))
        return DGON_EJSON;
    if (first)
        i = dgon_json_skip_space(p, i + 1, n);
    if (i < n && p[i] == ']') {
        *at = i + 1;
        return DGON_DONE;
    }
    if (!first) {
        if (i >= n || p[i] != ',')
            return DGON_EJSON;
        i = dgon_json_skip_space(p, i + 1, n);
    }
    size_t behind = skip_value(p, i, n);
    if (behind == BAD)
        return DGON_EJSON;
    *item = i;
    *len = behind - i;
    *at = behind;
    return DGON_OK;
}

/* ---- check before a tree is built ---- */

#define CHECK_BLOCK 4096u /* bytes that stay in the first cache between the three looks at them */

typedef struct walk {
    unsigned depth;
    bool in_string, escaped;
} walk;

static size_t walk_string(walk *w, const char *p, size_t i, size_t n)
{
    while (i < n) {
        if (w->escaped) {
            w->escaped = false;
            i++;
            continue;
        }
        i = skip_plain(p, i, n);
        if (i == n)
            break;
        char c = p[i++];
        w->escaped = c == '\\';
        if (c == '"') {
            w->in_string = false;
            break;
        }
    }
    return i;
}

/* Index of the bracket that goes deeper than max, or n. */
static size_t walk_block(walk *w, const char *p, size_t n, unsigned max)
{
    size_t i = 0;
    while (i < n) {
        if (w->in_string) {
            i = walk_string(w, p, i, n);
            continue;
        }
        char c = p[i];
        if (c == '"') {
            w->in_string = true;
        } else if (c == '{' || c == '[') {
            if (w->depth >= max)
                return i;
            w->depth++;
        } else if ((c == '}' || c == ']') && w->depth > 0) {
            w->depth--;
        }
        i++;
    }
    return n;
}

dgon_status dgon_json_precheck(const char *p, size_t n, unsigned depth, size_t *offset)
{
    walk w = {0};
    dgon_utf8 u = {0};
    size_t unused;
    if (offset == NULL)
        offset = &unused;
    for (size_t at = 0, len; at < n; at += len) {
        len = n - at < CHECK_BLOCK ? n - at : CHECK_BLOCK;
        size_t good = dgon_utf8_span(&u, (const unsigned char *)p + at, len, false);
        const char *nul = good > 0 ? memchr(p + at, '\0', good) : NULL;
        size_t limit = nul != NULL ? (size_t)(nul - p) - at : good;
        size_t walked = walk_block(&w, p + at, limit, depth);
        *offset = at + walked;
        if (walked < limit)
            return DGON_EDEPTH;
        if (nul != NULL)
            return DGON_EJSON;
        if (good < len)
            return DGON_EUTF8;
    }
    *offset = n;
    return dgon_utf8_complete(&u) ? DGON_OK : DGON_EUTF8;
}

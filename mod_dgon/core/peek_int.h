/* A strict reader for small JSON texts whose shape is known, such as one token of an answer: no
 * tree, no allocation. It says "not mine" to anything unusual, and the caller then builds a tree.
 */
#ifndef DGON_PEEK_INT_H
#define DGON_PEEK_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct dgon_peek {
    const char *p, *end;
} dgon_peek;

/* A JSON string with its quotes, ready to copy: one line, valid UTF-8, valid escapes, no 0x7f. p
 * NULL: none. */
typedef struct dgon_span {
    const char *p;
    size_t n;
} dgon_span;

void dgon_peek_blanks(dgon_peek *c);
/* Each reads one thing; false: it is not there (the position is then of no use). */
bool dgon_peek_char(dgon_peek *c, char ch);
bool dgon_peek_word(dgon_peek *c, const char *word);
bool dgon_peek_string(dgon_peek *c, dgon_span *s);
bool dgon_peek_string_or_null(dgon_peek *c, dgon_span *s); /* null leaves *s as it is */
bool dgon_peek_digits(dgon_peek *c, uint64_t *v);          /* at most 18 digits */
bool dgon_peek_bool(dgon_peek *c, bool *v);

/* 1: *key is the next member's key, the position is at its value; 0: the object has ended; -1:
 * neither. *open must be false before the first call. */
int dgon_peek_member(dgon_peek *c, bool *open, dgon_span *key);

/* text without quotes. Here, so that its length is known when this is compiled. */
static inline bool dgon_span_is(const dgon_span *s, const char *text)
{
    size_t n = strlen(text);
    return s->n == n + 2 && memcmp(s->p + 1, text, n) == 0;
}

static inline bool dgon_span_has_text(const dgon_span *s)
{
    return s->n > 2;
}

#endif

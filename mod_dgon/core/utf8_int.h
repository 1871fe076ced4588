/* What json.c and buf.c share with utf8.c beside the public calls. */
#ifndef DGON_UTF8_INT_H
#define DGON_UTF8_INT_H

#include "dgon/utf8.h"

/* As dgon_utf8_feed, but returns how many bytes were good: n, or the index of the first bad one
 * (the state is then back at a border). */
size_t dgon_utf8_span(dgon_utf8 *u, const unsigned char *p, size_t n, bool line);

/* Length (1..4) of the sequence that starts at p[0], n > 0. If it is not valid, *valid is false and
 * the length is that of its maximal subpart, to be replaced by one U+FFFD. */
size_t dgon_utf8_sequence(const unsigned char *p, size_t n, bool *valid);

/* The longest prefix of the valid text s[0..n) that has at most max bytes and cuts no character. */
size_t dgon_utf8_cut(const char *s, size_t n, size_t max);

#endif

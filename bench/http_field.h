/* The one thing that reading requests and reading answers have in common. */
#ifndef BENCH_HTTP_FIELD_H
#define BENCH_HTTP_FIELD_H

#include <string.h>
#include <strings.h>

/* The value of a header field in [p, end), whose lines all end in CRLF; NULL: it is not there. */
static inline const char *http_field(const char *p, const char *end, const char *name)
{
    size_t n = strlen(name);

    while (p < end) {
        const char *eol = memmem(p, (size_t)(end - p), "\r\n", 2);

        if (!eol) {
            break;
        }
        if ((size_t)(eol - p) > n && p[n] == ':' && strncasecmp(p, name, n) == 0) {
            for (p += n + 1; *p == ' ' || *p == '\t'; p++) {
            }
            return p;
        }
        p = eol + 2;
    }
    return NULL;
}

#endif

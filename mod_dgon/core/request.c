#include "dgon/request.h"

#include <string.h>
#include <strings.h>

#define LENGTH_DIGITS 9 /* longer bodies are not in any buffer */

/* The CR of the line that begins at p; NULL if there is none, or another control character. */
static const char *line_end(const char *p, const char *end)
{
    const char *lf = end > p ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    if (lf == NULL || lf == p || lf[-1] != '\r')
        return NULL;
    const char *cr = memchr(p, '\r', (size_t)(lf - p));
    return cr == lf - 1 && memchr(p, '\0', (size_t)(cr - p)) == NULL ? cr : NULL;
}

static bool is_named(const char *field, size_t n, const char *name)
{
    return n == strlen(name) && strncasecmp(field, name, n) == 0;
}

static bool read_length(const char *p, const char *end, size_t *length)
{
    size_t value = 0, digits = 0;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    for (; p < end && *p >= '0' && *p <= '9' && digits < LENGTH_DIGITS; p++, digits++)
        value = value * 10 + (size_t)(*p - '0');
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    *length = value;
    return digits > 0 && p == end;
}

size_t dgon_request_whole(const char *p, size_t n, size_t *line_len)
{
    static const char post[] = "POST ";
    const char *end = p + n, *at = p, *cr = line_end(p, end);
    size_t body = 0;
    bool stated = false;
    if (cr == NULL || (size_t)(cr - p) < sizeof(post) - 1 || memcmp(p, post, sizeof(post) - 1) != 0)
        return 0;
    *line_len = (size_t)(cr - p);
    for (at = cr + 2; (cr = line_end(at, end)) != at; at = cr + 2) {
        const char *colon = cr != NULL ? memchr(at, ':', (size_t)(cr - at)) : NULL;
        if (colon == NULL || *at == ' ' || *at == '\t')
            return 0;
        size_t len = (size_t)(colon - at);
        if (is_named(at, len, "Transfer-Encoding") || is_named(at, len, "Expect") ||
            is_named(at, len, "Upgrade"))
            return 0;
        if (is_named(at, len, "Content-Length")) {
            if (stated || !read_length(colon + 1, cr, &body))
                return 0;
            stated = true;
        }
    }
    size_t head = (size_t)(cr + 2 - p);
    return stated && body <= n - head ? head + body : 0;
}

uint64_t dgon_request_line_hash(const char *line, size_t n)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)line[i]) * UINT64_C(0x100000001b3);
    return hash != 0 ? hash : 1;
}

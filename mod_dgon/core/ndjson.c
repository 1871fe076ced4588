#include "dgon/ndjson.h"

#include <stdint.h>
#include <string.h>

void dgon_ndjson_init(dgon_ndjson *r, size_t max, dgon_ndjson_fn fn, void *user)
{
    /* one byte more: the CR of a CRLF is not part of the line */
    dgon_buf_init(&r->line, max < SIZE_MAX ? max + 1 : max);
    r->fn = fn;
    r->user = user;
}

void dgon_ndjson_fini(dgon_ndjson *r)
{
    dgon_buf_fini(&r->line);
}

static dgon_status hand_on(dgon_ndjson *r, const char *line, size_t n)
{
    if (n > 0 && line[n - 1] == '\r')
        n--;
    if (n == 0)
        return DGON_OK;
    return n < r->line.max ? r->fn(r->user, line, n) : DGON_ETOOBIG;
}

/* Hands on the line that r->line holds together with the piece p[0..n). */
static dgon_status hand_on_joined(dgon_ndjson *r, const char *p, size_t n)
{
    dgon_status s = dgon_buf_add(&r->line, p, n);
    if (s != DGON_OK)
        return s;
    n = r->line.len;
    dgon_buf_reset(&r->line);
    return hand_on(r, r->line.data, n);
}

dgon_status dgon_ndjson_feed(dgon_ndjson *r, const char *p, size_t n)
{
    const char *end = n > 0 ? p + n : p;
    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        if (lf == NULL)
            return dgon_buf_add(&r->line, p, (size_t)(end - p));
        size_t len = (size_t)(lf - p);
        dgon_status s = r->line.len > 0 ? hand_on_joined(r, p, len) : hand_on(r, p, len);
        if (s != DGON_OK)
            return s;
        p = lf + 1;
    }
    return DGON_OK;
}

dgon_status dgon_ndjson_end(dgon_ndjson *r)
{
    return r->line.len > 0 ? hand_on_joined(r, NULL, 0) : DGON_OK;
}

/* Newline-delimited JSON: a line splitter that can be cut anywhere. Ollama's native streams. */
#ifndef DGON_NDJSON_H
#define DGON_NDJSON_H

#include "dgon/buf.h"

#define DGON_NDJSON_LINE_MAX (8u * 1024u * 1024u)

/* One line without its end (LF or CRLF); never empty. Valid during the call. Anything but DGON_OK
 * stops and is returned by feed/end. */
typedef dgon_status (*dgon_ndjson_fn)(void *user, const char *line, size_t n);

typedef struct dgon_ndjson {
    dgon_buf line;
    dgon_ndjson_fn fn;
    void *user;
} dgon_ndjson;

void dgon_ndjson_init(dgon_ndjson *r, size_t max, dgon_ndjson_fn fn, void *user);
void dgon_ndjson_fini(dgon_ndjson *r);
/* A line whole inside p is handed on without a copy. DGON_ETOOBIG for a line over max. */
DGON_MUST_USE dgon_status dgon_ndjson_feed(dgon_ndjson *r, const char *p, size_t n);
/* A last line without LF is handed on. */
DGON_MUST_USE dgon_status dgon_ndjson_end(dgon_ndjson *r);

#endif

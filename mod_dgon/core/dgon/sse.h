/* Server-sent events (WHATWG HTML 9.2): reader for the agent's backends, writer for the module. */
#ifndef DGON_SSE_H
#define DGON_SSE_H

#include "dgon/buf.h"

#include <stdbool.h>

/* Longest line and longest event taken from a backend. The last event of a response has the whole
 * answer in it, images too. */
#define DGON_SSE_LINE_MAX (8u * 1024u * 1024u)

/* One dispatched event. Pointers are into the reader and valid only during the callback. `event` is
 * "" for the default type; `data` has several data lines joined by LF. */
typedef struct dgon_sse_event {
    const char *event;
    size_t event_len;
    const char *data;
    size_t data_len;
    bool error_field; /* the payload came in an `error:` field (llama.cpp of 2023/24), not in
                         `data:` */
} dgon_sse_event;

/* Return anything but DGON_OK to stop; dgon_sse_feed returns it. */
typedef dgon_status (*dgon_sse_fn)(void *user, const dgon_sse_event *ev);

typedef struct dgon_sse {
    dgon_buf line;
    dgon_buf data;
    char event[64];
    size_t event_len;
    bool have_data, error_field, skip_lf, bom_checked;
    dgon_sse_fn fn;
    void *user;
} dgon_sse;

/* Caller's storage. `max` caps one line and one event (DGON_SSE_LINE_MAX). */
void dgon_sse_init(dgon_sse *s, size_t max, dgon_sse_fn fn, void *user);
void dgon_sse_fini(dgon_sse *s);
/* Takes the next n bytes, cut anywhere: LF, CR and CRLF line ends, comments, BOM, unknown fields
 * ignored. Calls fn for each event. A whole event inside p costs no copy where that is possible
 * (hot path of the agent). DGON_ETOOBIG for a line or event over max. */
DGON_MUST_USE dgon_status dgon_sse_feed(dgon_sse *s, const char *p, size_t n);
/* At the end of the body: an event whose blank line is missing is dispatched as well (llama.cpp and
 * vLLM may leave it out). */
DGON_MUST_USE dgon_status dgon_sse_end(dgon_sse *s);

/* Writer. Each appends whole, well-formed blocks. `json` must be one line (the caller checked it
 * with dgon_utf8_feed(line)). */
DGON_MUST_USE dgon_status dgon_sse_write_data(dgon_buf *out, const char *json, size_t n);
/* ": text\n\n"; text is a constant of ours. Comments only: no id:, retry: or empty data (API.md
 * table: SDKs die on them). */
DGON_MUST_USE dgon_status dgon_sse_write_comment(dgon_buf *out, const char *text);

#endif

/* Blocking requests of `dgon-agent join`, before there is any loop. Knows libcurl. */
#ifndef AGENT_JOIN_HTTP_H
#define AGENT_JOIN_HTTP_H

#include "dgon/buf.h"

#define AGENT_JOIN_ANSWER_MAX (64u * 1024u)

/* POST of JSON, or GET where body is NULL. TLS is verified, with ca_file (or NULL) instead of the
 * system's authorities; no redirects; proxy (or NULL) as in the configuration. *status is the
 * answer's, its body is appended. DGON_ESYS: there is no answer, `why` says it. */
DGON_MUST_USE dgon_status agent_join_http(const char *url, const dgon_buf *body,
                                          const char *ca_file, const char *proxy, long timeout_s,
                                          long *status, dgon_buf *answer, char *why,
                                          size_t why_size);

#endif

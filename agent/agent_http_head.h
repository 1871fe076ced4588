/* The text of a request: what is sent before its body, and where to. */
#ifndef AGENT_HTTP_HEAD_H
#define AGENT_HTTP_HEAD_H

#include "agent_http.h"

#define AGENT_HTTP_ORIGIN_MAX 512u
#define AGENT_HTTP_HEAD_MAX   65536u

/* scheme://host:port of a URL. False: it is none that could be asked. */
bool agent_http_head_origin(char origin[AGENT_HTTP_ORIGIN_MAX], const char *url);
/* The request line and the headers (RFC 9112 3, 5). DGON_ETOOBIG, DGON_ENOMEM. */
DGON_MUST_USE dgon_status agent_http_head_write(dgon_buf *out, const agent_http_spec *spec);

#endif

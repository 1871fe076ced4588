/* libcurl's handle for requests to one address with one set of headers and limits: made once, used
 * by one request after another. Making one costs more than a request on a kept connection. */
#ifndef AGENT_HTTP_HANDLE_H
#define AGENT_HTTP_HANDLE_H

#include "agent_http.h"

#include <curl/curl.h>

#define AGENT_HTTP_IDLE_MAX 64u /* handles kept for later, about 8 KiB each */

typedef struct agent_http_handle {
    struct agent_http_handle *next;
    CURL *easy;
    CURLU *address;
    struct curl_slist *headers;
    char *made_for; /* URL, secret and CA file, each with its NUL; NULL: for one request only */
    size_t made_for_len;
    uint32_t connect_timeout_s, total_timeout_s;
    bool post;
} agent_http_handle;

/* Outlives the connections that its handles have made. */
typedef struct agent_http_handles {
    agent_http_handle *idle;
    unsigned count;
    bool cancels;                     /* what curl closes meanwhile is reset */
    struct agent_http_multis *multis; /* whose connections they are */
} agent_http_handles;

/* One with all that the spec says but its body. The caller's until it is given back; NULL when
 * memory is short or the URL is refused. */
agent_http_handle *agent_http_handle_take(agent_http_handles *pool, const agent_http_spec *spec);
/* No multi handle may know it any more. */
void agent_http_handle_give(agent_http_handles *pool, agent_http_handle *handle);
void agent_http_handles_fini(agent_http_handles *pool);

#endif

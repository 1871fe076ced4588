/* HTTP/2: all streams over a few connections, by libnghttp2. */
#ifndef BENCH_LOAD_HTTP2_H
#define BENCH_LOAD_HTTP2_H

#include <stddef.h>
#include <stdint.h>

struct http2; /* a connection */

/* Zeroed memory is a stream without a request. */
struct http2_stream {
    struct http2 *connection; /* NULL: none */
    int32_t id;               /* 0: the request waits for the connection */
    unsigned status;
    size_t body_at; /* bytes of the request's body that were sent */
    size_t unread;  /* bytes that came and that a slow stream has not acknowledged yet */
};

extern const struct carrier carrier_http2;

/* After each turn of the loop: frees the connections that closed in it. */
void http2_bury(void);
/* Closes all connections. */
void http2_fini(void);

#endif

/* HTTP/1.1: each stream has a connection of its own. */
#ifndef BENCH_LOAD_HTTP1_H
#define BENCH_LOAD_HTTP1_H

#include "load_transport.h"

enum http1_part { HTTP1_HEAD, HTTP1_BODY };
enum http1_chunk { CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, NOT_CHUNKED };

struct http1 {
    struct transport transport;
    struct bytes in;
    uint64_t left; /* of the chunk, or of the body */
    enum http1_part part;
    enum http1_chunk chunk;
    bool reused, got_byte, until_close, close_after;
};

extern const struct carrier carrier_http1;

#endif

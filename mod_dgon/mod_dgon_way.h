/* The way of a body's pieces once its headers are out. Engine thread. */
#ifndef MOD_DGON_WAY_H
#define MOD_DGON_WAY_H

#include "mod_dgon_conn.h"

/* Through httpd's filters, or past them (with TLS, past those of the request). All that a piece
 * needs stands here and so in the stream: with a thousand streams the memory of their connections
 * is in no cache. */
typedef struct mod_dgon_way {
    uint64_t body, sent; /* bytes of the body, and all bytes, that went past and httpd has not been
                            told of */
    int fd;
    enum { WAY_UNKNOWN = 0, WAY_FILTERS, WAY_PLAIN, WAY_CHUNKED } kind;
    bool socket; /* no filter of the connection has anything to do either */
    bool clear;  /* the client was there a moment ago, and nothing waits for its socket */
} mod_dgon_way;

/* Finds r's way from its second piece on. It holds until the end, which goes through the filters:
 * nobody else has the request. */
void mod_dgon_way_find(mod_dgon_way *way, const mod_dgon_conn *mc, const request_rec *r);
/* Sends a piece past the filters (PLAIN or CHUNKED); never blocks. What the socket does not take is
 * core's to keep. bb: empty, and so again afterwards. False: the connection is dead. */
bool mod_dgon_way_send(mod_dgon_way *way, mod_dgon_conn *mc, const char *data, size_t len,
                       apr_bucket_brigade *bb);
/* Before anything else is written, and before r is logged: httpd hears what went past it. */
void mod_dgon_way_tell(mod_dgon_way *way, request_rec *r);

#endif

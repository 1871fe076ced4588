/* HTTP/1.1 requests, with a length or in chunks, also several in a row. */
#ifndef BENCH_FAKELLM_REQUEST_H
#define BENCH_FAKELLM_REQUEST_H

#include "fakellm_conn.h"

/* Hands each whole request in c->in to route, until one is being answered or bytes are missing.
 * The connection may be closed when it returns. */
void request_serve(struct conn *c);

#endif

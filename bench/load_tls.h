/* TLS over a connection that never blocks. Nothing is verified: this is a client that makes load.
 */
#ifndef BENCH_LOAD_TLS_H
#define BENCH_LOAD_TLS_H

#include "common.h"

#include <openssl/ssl.h>
#include <sys/types.h>

/* alpn: the only protocol that is offered, "h2" or "http/1.1". */
void tls_init(const char *alpn);
void tls_fini(void);
/* Of a connected socket; the caller frees it with SSL_free before it closes the socket. */
SSL *tls_new(int fd, const char *server);
/* The handshake. 1: done, and the server took the protocol; 0: not yet, *write tells whether it
 * waits to write; -1: failed, which has been noted. */
int tls_step(SSL *tls, bool *write);
/* As recv and send: 0 closed or broken, -1 not now. */
ssize_t tls_read(SSL *tls, char *p, size_t max);
ssize_t tls_write(SSL *tls, const char *p, size_t n);

#endif

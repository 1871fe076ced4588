#include "load_tls.h"

#include "load_report.h"

#include <openssl/err.h>

static SSL_CTX *context;
static const char *protocol;

_Noreturn static void die_tls(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, ERR_reason_error_string(ERR_get_error()));
    exit(2);
}

void tls_init(const char *alpn)
{
    unsigned char list[16];
    unsigned n = (unsigned)strlen(alpn);

    protocol = alpn;
    list[0] = (unsigned char)n;
    memcpy(list + 1, alpn, n);
    context = SSL_CTX_new(TLS_client_method());
    if (!context || SSL_CTX_set_alpn_protos(context, list, n + 1)) {
        die_tls("TLS");
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1); /* a record is one recv, not two */
}

void tls_fini(void)
{
    SSL_CTX_free(context);
}

SSL *tls_new(int fd, const char *server)
{
    SSL *tls = SSL_new(context);

    if (!tls || SSL_set_fd(tls, fd) != 1) {
        die_tls("TLS");
    }
    (void)SSL_set_tlsext_host_name(tls, server);
    SSL_set_connect_state(tls);
    return tls;
}

int tls_step(SSL *tls, bool *write)
{
    const unsigned char *p;
    unsigned n;
    int k, error;

    ERR_clear_error();
    k = SSL_do_handshake(tls);
    error = SSL_get_error(tls, k);
    if (k != 1 && (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)) {
        *write = error == SSL_ERROR_WANT_WRITE;
        return 0;
    }
    if (k != 1) {
        unsigned long e = ERR_get_error();
        const char *why = e ? ERR_reason_error_string(e) : "the server closed in the handshake";

        note_error(why ? why : "TLS", strlen(why ? why : "TLS"));
        return -1;
    }
    SSL_get0_alpn_selected(tls, &p, &n);
    /* A server without ALPN speaks HTTP/1.1. */
    if (n ? n != strlen(protocol) || memcmp(p, protocol, n) != 0 : strcmp(protocol, "h2") == 0) {
        static const char text[] = "the server did not take the protocol that ALPN offered";

        note_error(text, sizeof(text) - 1);
        return -1;
    }
    return 1;
}

static ssize_t result(SSL *tls, int k)
{
    int error;

    if (k > 0) {
        return k;
    }
    error = SSL_get_error(tls, k);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

ssize_t tls_read(SSL *tls, char *p, size_t max)
{
    ERR_clear_error();
    return result(tls, SSL_read(tls, p, (int)max));
}

ssize_t tls_write(SSL *tls, const char *p, size_t n)
{
    ERR_clear_error();
    return result(tls, SSL_write(tls, p, (int)n));
}

/* Writing: the filter just above core, and the way to it. Engine thread. */
#include "mod_dgon_conn_int.h"

#include <http_core.h>
#include <http_protocol.h>
#include <apr_optional.h>

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define WRITE_VECTORS 16

static APR_OPTIONAL_FN_TYPE(ap_logio_add_bytes_out) * logio_add_bytes_out;
static APR_OPTIONAL_FN_TYPE(ap_logio_add_bytes_in) * logio_add_bytes_in;

void mod_dgon_conn_count_out(conn_rec *c, size_t bytes)
{
    if (logio_add_bytes_out != NULL)
        logio_add_bytes_out(c, (apr_off_t)bytes);
}

void mod_dgon_conn_looked_at(conn_rec *c, apr_off_t bytes)
{
    if (logio_add_bytes_in != NULL)
        logio_add_bytes_in(c, -bytes);
}

bool mod_dgon_conn_blocked(const mod_dgon_conn *mc)
{
    return mc->c->data_in_output_filters != 0;
}

static bool is_memory(const apr_bucket *b)
{
    return APR_BUCKET_IS_HEAP(b) || APR_BUCKET_IS_POOL(b) || APR_BUCKET_IS_TRANSIENT(b) ||
           APR_BUCKET_IS_IMMORTAL(b);
}

ssize_t mod_dgon_conn_sendv(mod_dgon_conn *mc, int fd, struct iovec *vec, size_t count)
{
    struct msghdr msg = {.msg_iov = vec, .msg_iovlen = count};
    ssize_t n;
    do {
        n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        mc->c->aborted = 1;
    return n;
}

/* Sends what is in memory at the front of bb. True if all went out that was tried. */
static bool send_front(mod_dgon_conn *mc, apr_bucket_brigade *bb)
{
    struct iovec vec[WRITE_VECTORS];
    size_t count = 0, want = 0;
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb);
         b != APR_BRIGADE_SENTINEL(bb) && count < WRITE_VECTORS; b = APR_BUCKET_NEXT(b)) {
        if (APR_BUCKET_IS_METADATA(b)) {
            /* an EOR frees the data before it: it must not pass what is unsent */
            break;
        }
        if (!is_memory(b))
            break;
        const char *data;
        apr_size_t len;
        if (apr_bucket_read(b, &data, &len, APR_NONBLOCK_READ) != APR_SUCCESS)
            break;
        vec[count].iov_base = (void *)(uintptr_t)data;
        vec[count++].iov_len = len;
        want += len;
    }
    if (want == 0)
        return false;
    ssize_t n = mod_dgon_conn_sendv(mc, mc->fd, vec, count);
    if (n < 0)
        return false;
    size_t sent = (size_t)n;
    mod_dgon_conn_count_out(mc->c, sent);
    while (sent > 0) {
        apr_bucket *b = APR_BRIGADE_FIRST(bb);
        if (b->length > sent) {
            apr_bucket_split(b, sent);
            sent = 0;
        } else {
            sent -= b->length;
        }
        apr_bucket_delete(b);
    }
    return (size_t)n == want;
}

/* While the engine owns the connection core must never see a FLUSH: it would block on it. What can
 * be sent is sent from here, without core's setting it aside first; the rest is core's to keep.
 * httpd passes the headers down by themselves: they wait for what follows in the same write. */
apr_status_t mod_dgon_conn_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    mod_dgon_conn *mc = f->ctx;
    if (!mc->nonblocking)
        return ap_pass_brigade(f->next, bb);
    if (mc->c->aborted) {
        apr_brigade_cleanup(bb);
        return APR_ECONNABORTED;
    }
    bool flush = false;
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb), *next; b != APR_BRIGADE_SENTINEL(bb); b = next) {
        next = APR_BUCKET_NEXT(b);
        if (APR_BUCKET_IS_FLUSH(b)) {
            apr_bucket_delete(b);
            flush = true;
        }
    }
    if (mc->writing && !flush) {
        /* mod_ssl's buckets are good during this call only */
        return ap_save_brigade(f, &mc->held, &bb, mc->c->pool);
    }
    APR_BRIGADE_PREPEND(bb, mc->held);
    while (!mod_dgon_conn_blocked(mc) && !APR_BRIGADE_EMPTY(bb)) {
        apr_bucket *first = APR_BRIGADE_FIRST(bb);
        if (APR_BUCKET_IS_METADATA(first)) {
            /* in its turn: an EOR ends and logs its request here */
            apr_bucket_delete(first);
            continue;
        }
        if (!send_front(mc, bb)) {
            if (mc->c->aborted) {
                apr_brigade_cleanup(bb);
                return APR_ECONNABORTED;
            }
            break;
        }
    }
    return APR_BRIGADE_EMPTY(bb) ? APR_SUCCESS : ap_pass_brigade(f->next, bb);
}

bool mod_dgon_conn_send_pending(mod_dgon_conn *mc)
{
    if (mod_dgon_conn_blocked(mc))
        (void)mc->core->frec->filter_func.out_func(mc->core, NULL);
    return !mc->c->aborted;
}

bool mod_dgon_conn_write(mod_dgon_conn *mc, ap_filter_t *filters, apr_bucket_brigade *bb)
{
    if (mc->c->aborted) {
        apr_brigade_cleanup(bb);
        return false;
    }
    mc->writing = true;
    apr_status_t rv = ap_pass_brigade(filters, bb);
    apr_brigade_cleanup(bb);
    if (rv == APR_SUCCESS && !APR_BRIGADE_EMPTY(mc->held)) {
        /* a filter like mod_deflate's ends at the EOS and swallows the FLUSH behind it, and httpd
         * drops it with the body of an answer that has none */
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(bb->bucket_alloc));
        rv = ap_pass_brigade(mc->c->output_filters, bb);
        apr_brigade_cleanup(bb);
    }
    mc->writing = false;
    apr_brigade_cleanup(mc->held); /* empty, unless a filter failed */
    if (rv != APR_SUCCESS)
        mc->c->aborted = 1;
    /* core kept some: it has not tried the socket with it, and EPOLLET tells only changes */
    if (!mc->c->aborted && mod_dgon_conn_blocked(mc)) {
        (void)mod_dgon_conn_send_pending(mc);
        mod_dgon_conn_watch(mc);
    }
    return !mc->c->aborted;
}

void mod_dgon_conn_optional_fns(void)
{
    logio_add_bytes_out = APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_out);
    logio_add_bytes_in = APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_in);
}

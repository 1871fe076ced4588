/* Writing: the filter just above core, and the way to it. Engine thread. */
#include "mod_dgon_conn_int.h"

#include <http_core.h>
#include <http_protocol.h>
#include <apr_optional.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define WRITE_VECTORS 16

static APR_OPTIONAL_FN_TYPE(ap_logio_add_bytes_out) * logio_add_bytes_out;

bool mod_dgon_conn_blocked(const mod_dgon_conn *mc)
{
    return mc->c->data_in_output_filters != 0;
}

static bool is_memory(const apr_bucket *b)
{
    return APR_BUCKET_IS_HEAP(b) || APR_BUCKET_IS_POOL(b) || APR_BUCKET_IS_TRANSIENT(b) ||
           APR_BUCKET_IS_IMMORTAL(b);
}

static ssize_t send_vectors(int fd, struct iovec *vec, size_t count)
{
    struct msghdr msg = {.msg_iov = vec, .msg_iovlen = count};
    ssize_t n;
    do {
        n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n;
}

static bool is_full(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
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
    ssize_t n = send_vectors(mc->fd, vec, count);
    if (n < 0) {
        if (!is_full())
            mc->c->aborted = 1;
        return false;
    }
    if (logio_add_bytes_out != NULL)
        logio_add_bytes_out(mc->c, n);
    size_t sent = (size_t)n;
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

static bool is_named(const ap_filter_t *f, const char *name)
{
    return strcmp(f->frec->name, name) == 0;
}

/* Between two pieces of a body these filters of httpd do nothing but count its bytes (the first)
 * and put a chunk's length before them (the last). Any other may want to see the piece. */
void mod_dgon_way_find(mod_dgon_way *way, const mod_dgon_conn *mc, const request_rec *r)
{
    const ap_filter_t *f = r->output_filters;
    way->fd = mc->fd;
    way->kind = WAY_PLAIN;
    for (; f != NULL && f != mc->c->output_filters; f = f->next) {
        if (is_named(f, "chunk"))
            way->kind = WAY_CHUNKED;
        else if (!is_named(f, "content_length") && !is_named(f, "http_outerror"))
            way->kind = WAY_FILTERS;
        if (way->kind == WAY_FILTERS)
            return;
    }
    /* mod_reqtimeout's looks for the request's end; below ours there is core's only */
    while (f != NULL && is_named(f, "reqtimeout"))
        f = f->next;
    way->socket =
        f != NULL && f->frec->filter_func.out_func == mod_dgon_conn_filter && f->next == mc->core;
}

/* What is left of it behind `sent` bytes goes through the connection's filters: mod_ssl's have work
 * to do, and core keeps what the socket does not take. */
static bool send_rest(mod_dgon_conn *mc, const struct iovec *vec, size_t count, size_t sent,
                      apr_bucket_brigade *bb)
{
    for (; count > 0; vec++, count--) {
        size_t skip = sent < vec->iov_len ? sent : vec->iov_len;
        sent -= skip;
        if (skip < vec->iov_len)
            APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_transient_create((char *)vec->iov_base + skip,
                                                                    vec->iov_len - skip,
                                                                    bb->bucket_alloc));
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(bb->bucket_alloc));
    return mod_dgon_conn_write(mc, mc->c->output_filters, bb);
}

bool mod_dgon_way_send(mod_dgon_way *way, mod_dgon_conn *mc, const char *data, size_t len,
                       apr_bucket_brigade *bb)
{
    char line[2 * sizeof(len) + sizeof("\r\n")];
    struct iovec vec[3];
    size_t count = 0, want = len;
    ssize_t n = 0;
    if (way->kind == WAY_CHUNKED) {
        char *at = line + sizeof(line);
        *--at = '\n';
        *--at = '\r';
        for (size_t left = len; left > 0; left >>= 4)
            *--at = "0123456789abcdef"[left & 15];
        vec[count++] = (struct iovec){at, (size_t)(line + sizeof(line) - at)};
        want += vec[0].iov_len + 2;
    }
    vec[count++] = (struct iovec){(void *)(uintptr_t)data, len};
    if (way->kind == WAY_CHUNKED)
        vec[count++] = (struct iovec){(void *)(uintptr_t) "\r\n", 2};
    if (way->clear || (way->socket && !mc->c->aborted && !mod_dgon_conn_blocked(mc))) {
        n = send_vectors(way->fd, vec, count);
        if (n < 0 && !is_full())
            mc->c->aborted = 1;
    }
    way->sent += n > 0 ? (uint64_t)n : 0;
    way->body += len;
    way->clear = n == (ssize_t)want;
    if (way->clear)
        return true;
    return !mc->c->aborted && send_rest(mc, vec, count, n > 0 ? (size_t)n : 0, bb);
}

void mod_dgon_way_tell(mod_dgon_way *way, request_rec *r)
{
    way->clear = false;
    if (way->body == 0)
        return;
    r->bytes_sent += (apr_off_t)way->body; /* as the filter content_length does */
    if (logio_add_bytes_out != NULL)
        logio_add_bytes_out(r->connection, (apr_off_t)way->sent);
    way->body = way->sent = 0;
}

void mod_dgon_conn_optional_fns(void)
{
    logio_add_bytes_out = APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_out);
}

/* The way past httpd's filters. Engine thread. */
#include "mod_dgon_way.h"

#include "mod_dgon_conn_int.h"

#include <string.h>
#include <sys/uio.h>

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
        n = mod_dgon_conn_sendv(mc, way->fd, vec, count);
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
    mod_dgon_conn_count_out(r->connection, way->sent);
    way->body = way->sent = 0;
}

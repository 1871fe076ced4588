/* RFC 9113 8.1 lets a server end a stream before it has the whole request, and mod_http2 does: then
 * curl 7.88 says "error in the framing layer" instead of what was answered, and httpx, which sends
 * the end of a body by itself, LocalProtocolError. So the end of an answer waits for the end of its
 * request; what still comes is thrown away. HTTP/1 needs none of it: there httpd does the same. */
#include "mod_dgon_linger.h"

#include "mod_dgon_error.h"
#include "mod_dgon_private.h"

#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>

#include <stdbool.h>
#include <string.h>

#define NAP_MIN apr_time_from_msec(1)
#define NAP_MAX apr_time_from_msec(8)

static ap_filter_rec_t *filter_rec;

/* APR_EOF: the request has come to its end. APR_EAGAIN: nothing there. Below httpd's filter of the
 * body, which sees an end where Content-Length says so. */
static apr_status_t read_some(conn_rec *c, apr_bucket_brigade *bb)
{
    apr_status_t rv =
        ap_get_brigade(c->input_filters, bb, AP_MODE_READBYTES, APR_NONBLOCK_READ, HUGE_STRING_LEN);
    if (rv == APR_SUCCESS)
        rv = APR_BRIGADE_EMPTY(bb)                     ? APR_EAGAIN
             : APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb)) ? APR_EOF
                                                       : APR_SUCCESS;
    apr_brigade_cleanup(bb);
    return rv;
}

static void linger(conn_rec *c, apr_bucket_brigade *bb)
{
    apr_time_t now = apr_time_now(), nap = NAP_MIN;
    apr_time_t end = now + apr_time_from_msec(MOD_DGON_LINGER_MS), silent_since = now;
    while (now < end && now - silent_since < apr_time_from_msec(MOD_DGON_LINGER_SILENT_MS)) {
        apr_status_t rv = read_some(c, bb);
        now = apr_time_now();
        if (rv == APR_SUCCESS) {
            silent_since = now;
            nap = NAP_MIN;
        } else if (APR_STATUS_IS_EAGAIN(rv)) {
            apr_sleep(nap); /* an HTTP/2 stream has no socket that poll() could watch */
            nap = nap < NAP_MAX ? nap * 2 : nap;
        } else {
            return;
        }
    }
}

/* The end of the answer; NULL: not in here, or what is broken off, which waits for nothing. */
static apr_bucket *end_of(apr_bucket_brigade *bb)
{
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        if (AP_BUCKET_IS_ERROR(b))
            return NULL;
        if (APR_BUCKET_IS_EOS(b))
            return b;
    }
    return NULL;
}

static apr_status_t linger_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    conn_rec *c = f->c;
    apr_bucket *eos = end_of(bb);
    if (eos == NULL || c->aborted)
        return ap_pass_brigade(f->next, bb);
    ap_remove_output_filter(f);
    apr_bucket_brigade *in = apr_brigade_create(f->r->pool, c->bucket_alloc);
    apr_status_t rv = read_some(c, in);
    if (rv == APR_SUCCESS || APR_STATUS_IS_EAGAIN(rv)) {
        apr_bucket_brigade *rest = apr_brigade_split_ex(bb, eos, NULL);
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(c->bucket_alloc));
        rv = ap_pass_brigade(f->next, bb);
        if (rv == APR_SUCCESS)
            linger(c, in);
        apr_brigade_cleanup(bb);
        APR_BRIGADE_CONCAT(bb, rest);
    }
    apr_brigade_destroy(in);
    return ap_pass_brigade(f->next, bb);
}

static void add(request_rec *r)
{
    ap_add_output_filter_handle(filter_rec, NULL, r, r->connection);
}

static void insert(request_rec *r)
{
    if (r->connection->master != NULL && r->main == NULL && r->handler != NULL &&
        strncmp(r->handler, "dgon-", 5) == 0)
        add(r);
}

/* httpd has thrown the request's filters away before. */
static void insert_error(request_rec *r)
{
    if (r->connection->master != NULL && r->main == NULL && mod_dgon_error_is_ours(r))
        add(r);
}

void mod_dgon_linger_register(void)
{
    filter_rec =
        ap_register_output_filter("DGON_LINGER", linger_filter, NULL, AP_FTYPE_CONTENT_SET);
    ap_hook_insert_filter(insert, NULL, NULL, APR_HOOK_LAST);
    ap_hook_insert_error_filter(insert_error, NULL, NULL, APR_HOOK_LAST);
}

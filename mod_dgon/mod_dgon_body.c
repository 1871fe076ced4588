#include "mod_dgon_body.h"

#include "mod_dgon_config.h"

#include <http_protocol.h>
#include <util_filter.h>
#include <apr_strings.h>

static bool too_large(request_rec *r, dgon_error *e, apr_off_t max)
{
    bool set = max == mod_dgon_config_get(r->server)->max_body;
    dgon_error_set(e, HTTP_REQUEST_ENTITY_TOO_LARGE, "request_too_large", NULL,
                   "The request body is larger than %" APR_INT64_T_FMT " bytes%s.",
                   (apr_int64_t)max, set ? " (DgonMaxRequestBody)" : "");
    return false;
}

/* Appends what the buckets hold. */
static bool take(request_rec *r, apr_bucket_brigade *bb, dgon_buf *body, bool *eos, dgon_error *e)
{
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t n;
        if (APR_BUCKET_IS_EOS(b)) {
            *eos = true;
            return true;
        }
        if (APR_BUCKET_IS_METADATA(b))
            continue;
        if (apr_bucket_read(b, &data, &n, APR_BLOCK_READ) != APR_SUCCESS) {
            dgon_error_set(e, HTTP_BAD_REQUEST, NULL, NULL, "The request body could not be read.");
            return false;
        }
        dgon_status st = dgon_buf_add(body, data, n);
        if (st == DGON_ETOOBIG)
            return too_large(r, e, (apr_off_t)body->max);
        if (st != DGON_OK) {
            dgon_error_set(e, HTTP_SERVICE_UNAVAILABLE, "no_capacity", NULL,
                           "The gateway is short of memory.");
            return false;
        }
    }
    return true;
}

bool mod_dgon_body_some(request_rec *r, apr_bucket_brigade *bb, apr_read_type_e block,
                        apr_off_t want, dgon_buf *body, bool *eos, dgon_error *e)
{
    apr_status_t rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, block, want);
    bool ok = true;
    if (rv == APR_SUCCESS) {
        ok = take(r, bb, body, eos, e);
    } else if (block != APR_NONBLOCK_READ || !APR_STATUS_IS_EAGAIN(rv)) {
        int status = ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        ok = false;
        if (status == HTTP_REQUEST_ENTITY_TOO_LARGE)
            (void)too_large(r, e, (apr_off_t)body->max);
        else
            dgon_error_set(e, status >= 400 ? status : HTTP_BAD_REQUEST, NULL, NULL,
                           "The request body could not be read to its end.");
    }
    apr_brigade_cleanup(bb);
    if (!ok)
        r->connection->keepalive = AP_CONN_CLOSE;
    return ok;
}

bool mod_dgon_body_length(request_rec *r, apr_off_t *n)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    char *end = NULL;
    *n = -1;
    return length != NULL && apr_strtoff(n, length, &end, 10) == APR_SUCCESS;
}

bool mod_dgon_body_is_sound(request_rec *r, dgon_error *e)
{
    const char *coding = apr_table_get(r->headers_in, "Transfer-Encoding");
    if (coding == NULL || ap_cstr_casecmp(coding, "chunked") == 0)
        return true;
    /* httpd looks at the last coding only and would take gzip for JSON; what stands before it may
     * mean another end of the body to a proxy in front of us */
    r->connection->keepalive = AP_CONN_CLOSE;
    dgon_error_set(e, HTTP_BAD_REQUEST, "unsupported_value", NULL,
                   "The only Transfer-Encoding that is taken is 'chunked'.");
    return false;
}

bool mod_dgon_body_read(request_rec *r, apr_off_t max, dgon_buf *body, dgon_error *e)
{
    apr_off_t length;
    if (!mod_dgon_body_is_sound(r, e))
        return false;
    if (mod_dgon_body_length(r, &length) && length > max) {
        r->connection->keepalive = AP_CONN_CLOSE;
        return too_large(r, e, max);
    }
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    bool eos = false, ok = true;
    while (ok && !eos)
        ok = mod_dgon_body_some(r, bb, APR_BLOCK_READ, HUGE_STRING_LEN, body, &eos, e);
    apr_brigade_destroy(bb);
    return ok;
}

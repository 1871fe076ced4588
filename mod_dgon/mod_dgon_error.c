#include "mod_dgon_error.h"

#include "mod_dgon_cors.h"
#include "mod_dgon_random.h"
#include "mod_dgon_tally.h"

#include "dgon/hash.h"

#include <ap_expr.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>
#include <apr_strings.h>

#include <stdbool.h>
#include <string.h>

#define ERROR_BODY_MAX 4096u
#define BECAUSE_NOTE   "dgon-because"

static ap_filter_rec_t *filter_rec;

void mod_dgon_error_request_id(request_rec *r)
{
    if (apr_table_get(r->err_headers_out, "x-request-id") != NULL)
        return;
    unsigned char random[MOD_DGON_RANDOM_LEN];
    char text[37] = "req_";
    if (!mod_dgon_random(random))
        memset(random, 0, sizeof(random));
    dgon_hash_hex(text + 4, random, sizeof(random));
    apr_table_set(r->err_headers_out, "x-request-id", text);
}

/* Was r refused before httpd looked for its address? */
static bool is_early(const request_rec *r)
{
    return r->per_dir_config == r->server->lookup_defaults;
}

/* The configuration of the request's address. A request with a malformed header is refused before
 * httpd looks for it: then it is looked for here, and for nothing but this. */
static const core_dir_config *config_of(request_rec *r)
{
    ap_conf_vector_t *before = r->per_dir_config;
    if (is_early(r) && r->uri != NULL && r->uri[0] == '/')
        (void)ap_location_walk(r);
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    r->per_dir_config = before;
    return core;
}

/* 401 and 403 come before SetHandler was looked at, so the configuration is asked. */
static const char *handler_of(request_rec *r)
{
    const char *wrong = NULL;
    if (r->handler != NULL && strncmp(r->handler, "dgon-", 5) == 0)
        return r->handler;
    const core_dir_config *core = config_of(r);
    if (core == NULL)
        return NULL;
    if (core->expr_handler != NULL)
        return ap_expr_str_exec(r, core->expr_handler, &wrong);
    return core->handler;
}

bool mod_dgon_error_is_api(const char *handler)
{
    return strcmp(handler, "dgon-api") == 0 || strcmp(handler, "dgon-ollama") == 0 ||
           strcmp(handler, "dgon-pass") == 0;
}

bool mod_dgon_error_for_api(request_rec *r)
{
    const char *handler = handler_of(r);
    return handler != NULL && mod_dgon_error_is_api(handler);
}

bool mod_dgon_error_is_ours(request_rec *r)
{
    const char *handler = handler_of(r), *accept = apr_table_get(r->headers_in, "Accept");
    if (handler == NULL || strncmp(handler, "dgon-", 5) != 0)
        return false;
    return mod_dgon_error_is_api(handler) || accept == NULL || strstr(accept, "text/html") == NULL;
}

dgon_op mod_dgon_error_op(request_rec *r)
{
    const char *handler = handler_of(r);
    if (handler != NULL && strcmp(handler, "dgon-ollama") == 0)
        return DGON_OP_OLLAMA_CHAT;
    return strstr(r->uri, "/v1/messages") != NULL ? DGON_OP_MESSAGES : DGON_OP_NONE;
}

dgon_status mod_dgon_error_prepare(request_rec *r, const dgon_error *e, dgon_buf *out)
{
    dgon_buf_reset(out);
    mod_dgon_tally_error(r, e);
    dgon_status st = dgon_error_write_for(out, e, mod_dgon_error_op(r));
    if (st != DGON_OK)
        return st;
    st = dgon_buf_adds(out, "\n");
    if (st != DGON_OK)
        return st;
    r->status = e->http;
    r->status_line = ap_get_status_line(e->http);
    ap_set_content_type(r, "application/json");
    ap_set_content_length(r, (apr_off_t)out->len);
    mod_dgon_error_request_id(r);
    if (e->retry_after > 0)
        apr_table_setn(r->err_headers_out, "Retry-After", apr_itoa(r->pool, e->retry_after));
    if (e->lasting && e->http >= 500) /* OpenAI's and Anthropic's SDKs would try again */
        apr_table_setn(r->err_headers_out, "x-should-retry", "false");
    return DGON_OK;
}

static apr_status_t free_buf(void *b)
{
    dgon_buf_fini(b);
    return APR_SUCCESS;
}

int mod_dgon_error_send(request_rec *r, const dgon_error *e)
{
    dgon_buf *out = apr_palloc(r->pool, sizeof(*out));
    dgon_buf_init(out, ERROR_BODY_MAX);
    apr_pool_cleanup_register(r->pool, out, free_buf, apr_pool_cleanup_null);
    if (mod_dgon_error_prepare(r, e, out) != DGON_OK)
        return HTTP_INTERNAL_SERVER_ERROR;
    ap_rwrite(out->data, (int)out->len, r);
    return OK;
}

void mod_dgon_error_because(request_rec *r, const char *text)
{
    apr_table_setn(r->notes, BECAUSE_NOTE, text);
}

/* ---- httpd's own errors (401, 403, 404 …) in a location of ours ---- */

static void from_status(dgon_error *e, int status, const char *because)
{
    switch (status) {
    case HTTP_UNAUTHORIZED:
        dgon_error_set(
            e, status, "invalid_api_key", NULL, "%s",
            because != NULL
                ? because
                : "Authentication is required for this address, or what was sent is not valid.");
        break;
    case HTTP_FORBIDDEN:
        dgon_error_set(e, status, NULL, NULL, "You are not allowed to use this address.");
        break;
    case HTTP_NOT_FOUND:
        dgon_error_set(e, status, "unknown_url", NULL, "There is nothing at this address.");
        break;
    case HTTP_METHOD_NOT_ALLOWED:
        dgon_error_set(e, status, "method_not_supported", NULL,
                       "This method is not allowed here; see the Allow header.");
        break;
    case HTTP_REQUEST_ENTITY_TOO_LARGE:
        dgon_error_set(e, status, "request_too_large", NULL, "The request body is too large.");
        break;
    default:
        dgon_error_set(e, status, NULL, NULL, "%s", ap_get_status_line(status));
        break;
    }
}

/* Replaces the HTML page, whatever it is, by one JSON object. */
static apr_status_t error_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    dgon_error e;
    dgon_buf out;
    ap_remove_output_filter(f);
    apr_brigade_cleanup(bb);
    from_status(&e, r->status, apr_table_get(r->notes, BECAUSE_NOTE));
    mod_dgon_cors_headers(r);
    if (is_early(r)) /* httpd closes behind it, and does not say so with a 417 */
        r->connection->keepalive = AP_CONN_CLOSE;
    dgon_buf_init(&out, ERROR_BODY_MAX);
    if (mod_dgon_error_prepare(r, &e, &out) == DGON_OK && !r->header_only)
        APR_BRIGADE_INSERT_TAIL(
            bb, apr_bucket_heap_create(out.data, out.len, NULL, f->c->bucket_alloc));
    dgon_buf_fini(&out);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(f->c->bucket_alloc));
    r->eos_sent = 1;
    return ap_pass_brigade(f->next, bb);
}

static void insert_error_hook(request_rec *r)
{
    if (r->status < HTTP_BAD_REQUEST || r->prev != NULL)
        return;
    if (mod_dgon_error_is_ours(r))
        ap_add_output_filter_handle(filter_rec, NULL, r, r->connection);
}

void mod_dgon_error_register(void)
{
    filter_rec = ap_register_output_filter("DGON_ERROR", error_filter, NULL, AP_FTYPE_RESOURCE);
    ap_hook_insert_error_filter(insert_error_hook, NULL, NULL, APR_HOOK_LAST);
}

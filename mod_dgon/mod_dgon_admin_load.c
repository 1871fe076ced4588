/* A model that is loaded on a question at the administrators' socket. What loads is written for
 * requests, so the question becomes one: httpd's own structures, as far as that looks at them, and
 * a filter that writes to the socket. No hook of any module is told of it. */
#include "mod_dgon_admin.h"

#include "mod_dgon_load.h"

#include <http_config.h>
#include <http_protocol.h>
#include <util_filter.h>
#include <apr_strings.h>

typedef struct asker {
    mod_dgon_engine *engine;
    int fd;
} asker;

static apr_status_t to_socket(ap_filter_t *f, apr_bucket_brigade *bb)
{
    const asker *to = f->ctx;
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        const char *p;
        apr_size_t n;
        if (APR_BUCKET_IS_METADATA(b))
            continue;
        if (apr_bucket_read(b, &p, &n, APR_BLOCK_READ) != APR_SUCCESS ||
            !mod_dgon_admin_write(to->engine, to->fd, p, n)) {
            f->c->aborted = 1;
            return APR_ECONNABORTED;
        }
    }
    apr_brigade_cleanup(bb);
    return APR_SUCCESS;
}

static ap_filter_rec_t filter_rec = {
    .name = "dgon_admin", .filter_func.out_func = to_socket, .ftype = AP_FTYPE_NETWORK};

static conn_rec *make_connection(apr_pool_t *p, server_rec *s)
{
    conn_rec *c = apr_pcalloc(p, sizeof(*c));
    c->pool = p;
    c->base_server = s;
    c->client_addr = c->local_addr =
        apr_pcalloc(p, sizeof(apr_sockaddr_t)); /* for ErrorLogFormat */
    c->client_ip = c->local_ip = apr_pstrdup(p, "socket");
    c->conn_config = ap_create_conn_config(p);
    c->notes = apr_table_make(p, 1);
    c->bucket_alloc = apr_bucket_alloc_create(p);
    return c;
}

static request_rec *make_request(apr_pool_t *p, asker *from, const char *who)
{
    server_rec *s = from->engine->server;
    request_rec *r = apr_pcalloc(p, sizeof(*r));
    ap_filter_t *f = apr_pcalloc(p, sizeof(*f));
    r->pool = p;
    r->connection = make_connection(p, s);
    r->server = s;
    r->request_time = apr_time_now();
    r->status = HTTP_OK;
    r->method = r->uri = r->the_request = apr_pstrdup(p, "");
    r->user = apr_pstrdup(p, who);
    r->useragent_addr = r->connection->client_addr;
    r->useragent_ip = r->connection->client_ip;
    r->headers_in = apr_table_make(p, 1);
    r->headers_out = apr_table_make(p, 4);
    r->err_headers_out = apr_table_make(p, 1);
    r->subprocess_env = apr_table_make(p, 2);
    r->notes = apr_table_make(p, 1);
    r->request_config = ap_create_request_config(p);
    r->per_dir_config = s->lookup_defaults;
    *f = (ap_filter_t){.frec = &filter_rec, .ctx = from, .r = r, .c = r->connection};
    r->output_filters = r->proto_output_filters = f;
    return r;
}

static void refuse(asker *to, const dgon_error *e)
{
    dgon_buf out;
    dgon_buf_init(&out, MOD_DGON_ADMIN_BODY);
    if (dgon_error_write(&out, e) == DGON_OK && dgon_buf_adds(&out, "\n") == DGON_OK)
        (void)mod_dgon_admin_write(to->engine, to->fd, out.data, out.len);
    dgon_buf_fini(&out);
}

void mod_dgon_admin_load(mod_dgon_engine *e, int fd, const char *question, size_t n,
                         const char *who)
{
    asker from = {e, fd};
    dgon_error wrong;
    apr_pool_t *p;
    if (apr_pool_create(&p, NULL) != APR_SUCCESS)
        return;
    const mod_dgon_load_ask a = {.r = make_request(p, &from, who),
                                 .engine = e,
                                 .text = question,
                                 .n = n,
                                 .lines = true,
                                 .fd = fd};
    if (!mod_dgon_load_run(&a, &wrong))
        refuse(&from, &wrong);
    apr_pool_destroy(p);
}

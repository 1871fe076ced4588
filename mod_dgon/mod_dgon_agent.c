#include "mod_dgon_agent.h"

#include "mod_dgon_conn.h"
#include "mod_dgon_error.h"
#include "mod_dgon_link.h"
#include "mod_dgon_shm.h"

#include "dgon/wire.h"

#include <http_protocol.h>
#include <http_ssl.h>
#include <util_filter.h>
#include <apr_base64.h>
#include <apr_lib.h>
#include <apr_sha1.h>
#include <apr_strings.h>

#include <string.h>

#define WEBSOCKET_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */
#define HANDSHAKE_RETRY_S 2

static int refuse(request_rec *r, int http, const char *code, const char *text)
{
    dgon_error e;
    dgon_error_set(&e, http, code, NULL, "%s", text);
    /* nothing that may have been sent ahead is ever read as a request */
    r->connection->keepalive = AP_CONN_CLOSE;
    apr_table_setn(r->err_headers_out, "Connection", "close");
    return mod_dgon_error_send(r, &e);
}

static bool has_token(request_rec *r, const char *header, const char *token)
{
    const char *value = apr_table_get(r->headers_in, header);
    return value != NULL && ap_find_token(r->pool, value, token);
}

/* Every configured token is compared, in constant time, so that the time says nothing. */
static bool token_known(request_rec *r)
{
    const mod_dgon_conf *conf = mod_dgon_config_get(r->server);
    const char *auth = apr_table_get(r->headers_in, "Authorization");
    bool known = false;
    if (auth == NULL || strncasecmp(auth, "Bearer ", 7) != 0)
        return false;
    const char *token = auth + 7;
    while (*token == ' ')
        token++;
    size_t n = strlen(token);
    for (int i = 0; i < conf->tokens->nelts; i++) {
        const char *want = APR_ARRAY_IDX(conf->tokens, i, const char *);
        if (strlen(want) == n && ap_memeq_timingsafe(want, token, n))
            known = true;
    }
    return known;
}

/* Bytes behind the request, before our 101, are no WebSocket frames of an honest client. */
static bool sent_ahead(request_rec *r)
{
    conn_rec *c = r->connection;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, c->bucket_alloc);
    apr_status_t rv =
        ap_get_brigade(c->input_filters, bb, AP_MODE_SPECULATIVE, APR_NONBLOCK_READ, 1);
    apr_off_t n = 0;
    bool any = rv == APR_SUCCESS && apr_brigade_length(bb, 0, &n) == APR_SUCCESS && n > 0;
    apr_brigade_destroy(bb);
    return any;
}

static int switch_protocols(request_rec *r, const char *key)
{
    conn_rec *c = r->connection;
    unsigned char digest[APR_SHA1_DIGESTSIZE];
    apr_sha1_ctx_t sha;
    apr_sha1_init(&sha);
    apr_sha1_update(&sha, key, (unsigned)strlen(key));
    apr_sha1_update(&sha, WEBSOCKET_GUID, sizeof(WEBSOCKET_GUID) - 1);
    apr_sha1_final(digest, &sha);
    char accept[64];
    apr_base64_encode_binary(accept, digest, sizeof(digest));

    apr_bucket_brigade *bb = apr_brigade_create(r->pool, c->bucket_alloc);
    apr_brigade_printf(
        bb, NULL, NULL,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: " DGON_WIRE_PROTOCOL "\r\n\r\n",
        accept);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(c->bucket_alloc));
    if (ap_pass_brigade(c->output_filters, bb) != APR_SUCCESS)
        return HTTP_INTERNAL_SERVER_ERROR;

    /* from here on there is no HTTP on this connection, and no time limit for a request */
    r->status = HTTP_SWITCHING_PROTOCOLS;
    r->sent_bodyct = 1;
    r->eos_sent = 1;
    r->output_filters = r->proto_output_filters = c->output_filters;
    r->input_filters = r->proto_input_filters = c->input_filters;
    c->keepalive = AP_CONN_CLOSE;
    ap_remove_input_filter_byhandle(c->input_filters, "reqtimeout");
    return OK;
}

/* The name in a client certificate that httpd has verified: what SSLUserName made the user, else the
 * subject's common name. NULL: there is none. */
static const char *certificate_name(request_rec *r)
{
    conn_rec *c = r->connection;
    const char *verified = ap_ssl_var_lookup(r->pool, r->server, c, r, "SSL_CLIENT_VERIFY");
    if (verified == NULL || strcmp(verified, "SUCCESS") != 0)
        return NULL;
    const char *name = r->user != NULL
                           ? r->user
                           : ap_ssl_var_lookup(r->pool, r->server, c, r, "SSL_CLIENT_S_DN_CN");
    return name != NULL && dgon_wire_is_agent_id(name, strlen(name)) ? name : NULL;
}

static int refuse_token(request_rec *r, const char *what)
{
    apr_table_setn(r->err_headers_out, "WWW-Authenticate", "Bearer realm=\"dgon agents\"");
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, "DGON0060: agent at %s refused: %s",
                  r->useragent_ip, what);
    return refuse(r, HTTP_UNAUTHORIZED, "invalid_agent_token",
                  "The agent's token is missing or unknown.");
}

/* It may open a link, as *who or as somebody who still has to show it; false: *rc is for the handler
 * to return. */
static bool find_out(request_rec *r, mod_dgon_who *who, int *rc)
{
    const mod_dgon_conf *conf = mod_dgon_config_get(r->server);
    const char *name;
    if (apr_table_get(r->headers_in, "Authorization") != NULL) {
        who->kind = MOD_DGON_WHO_TOKEN;
        if ((conf->trust & MOD_DGON_TRUST_TOKEN) && token_known(r))
            return true;
        *rc = refuse_token(r, "token missing or unknown");
        return false;
    }
    if ((conf->trust & MOD_DGON_TRUST_SSL) && (name = certificate_name(r)) != NULL) {
        who->kind = MOD_DGON_WHO_CERTIFICATE;
        apr_cpystrn(who->id, name, sizeof(who->id));
        return true;
    }
    if ((conf->trust & MOD_DGON_TRUST_KEY) && conf->agent_file != NULL) {
        who->kind = MOD_DGON_WHO_KEY;
        return true;
    }
    *rc = refuse_token(r, conf->trust & MOD_DGON_TRUST_SSL
                              ? "no token, and no certificate with a name that can be an id"
                              : "token missing or unknown");
    return false;
}

/* A link that nobody knows yet needs a place. False: *rc is for the handler to return. */
static bool take_place(request_rec *r, mod_dgon_engine *e, mod_dgon_who *who, int *rc)
{
    if (who->kind != MOD_DGON_WHO_KEY)
        return true;
    dgon_error err;
    dgon_status st = dgon_gate_enter(mod_dgon_shm_gate(), e->child, r->useragent_ip,
                                     (uint32_t)e->conf->handshakes,
                                     (uint32_t)e->conf->handshakes_address, mod_dgon_shm_alive,
                                     NULL, &who->place);
    if (st == DGON_OK)
        return true;
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                  "DGON0260: agent at %s refused: too many links that have not shown who they are; "
                  "if these are agents of yours, raise %s",
                  r->useragent_ip,
                  st == DGON_EEXIST ? "DgonAgentHandshakesPerAddress" : "DgonAgentHandshakes");
    dgon_error_set(&err, st == DGON_EEXIST ? HTTP_TOO_MANY_REQUESTS : HTTP_SERVICE_UNAVAILABLE,
                   "too_many_handshakes", NULL,
                   "Too many agents are connecting at this moment%s.",
                   st == DGON_EEXIST ? " from this address" : "");
    err.retry_after = HANDSHAKE_RETRY_S;
    r->connection->keepalive = AP_CONN_CLOSE;
    apr_table_setn(r->err_headers_out, "Connection", "close");
    *rc = mod_dgon_error_send(r, &err);
    return false;
}

int mod_dgon_agent_handler(request_rec *r)
{
    if (r->handler == NULL || strcmp(r->handler, "dgon-agent") != 0)
        return DECLINED;
    mod_dgon_engine *e = mod_dgon_engine_get();
    mod_dgon_error_request_id(r);

    if (apr_table_get(r->headers_in, "Origin") != NULL)
        return refuse(r, HTTP_FORBIDDEN, "origin_not_allowed",
                      "Agents send no Origin: this address is not for browsers.");
    if (r->method_number != M_GET || r->header_only) {
        apr_table_setn(r->err_headers_out, "Allow", "GET");
        return refuse(r, HTTP_METHOD_NOT_ALLOWED, "method_not_supported",
                      "Use GET with Upgrade: websocket.");
    }
    if (r->connection->master != NULL || r->proto_num < HTTP_VERSION(1, 1))
        return refuse(r, HTTP_BAD_REQUEST, "http_version", "Agents connect with HTTP/1.1.");
    if (!has_token(r, "Upgrade", "websocket") || !has_token(r, "Connection", "upgrade")) {
        apr_table_setn(r->err_headers_out, "Upgrade", "websocket");
        return refuse(r, HTTP_UPGRADE_REQUIRED, "upgrade_required",
                      "This address is for agents: Upgrade: websocket is needed.");
    }
    const char *version = apr_table_get(r->headers_in, "Sec-WebSocket-Version");
    if (version == NULL || strcmp(version, "13") != 0) {
        apr_table_setn(r->err_headers_out, "Sec-WebSocket-Version", "13");
        return refuse(r, HTTP_UPGRADE_REQUIRED, "websocket_version",
                      "Sec-WebSocket-Version 13 is needed.");
    }
    const char *key = apr_table_get(r->headers_in, "Sec-WebSocket-Key");
    if (key == NULL || strlen(key) != 24 || apr_base64_decode_len(key) < 16)
        return refuse(r, HTTP_BAD_REQUEST, "websocket_key",
                      "Sec-WebSocket-Key must be 16 bytes in base64.");
    if (!has_token(r, "Sec-WebSocket-Protocol", DGON_WIRE_PROTOCOL))
        return refuse(r, HTTP_BAD_REQUEST, "websocket_protocol",
                      "Sec-WebSocket-Protocol " DGON_WIRE_PROTOCOL " is needed.");
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    if ((length != NULL && strcmp(length, "0") != 0) ||
        apr_table_get(r->headers_in, "Transfer-Encoding") != NULL)
        return refuse(r, HTTP_BAD_REQUEST, "unexpected_body", "An upgrade has no body.");
    mod_dgon_who who = {.place = 0};
    int rc = OK;
    if (!find_out(r, &who, &rc))
        return rc;
    if (sent_ahead(r))
        return refuse(r, HTTP_BAD_REQUEST, "unexpected_data",
                      "Data was sent before the upgrade was answered.");
    if (e == NULL || mod_dgon_conn_get(r->connection) == NULL || atomic_load(&e->stopping))
        return refuse(r, HTTP_SERVICE_UNAVAILABLE, "no_capacity",
                      "This server process takes no links at the moment.");
    if (!take_place(r, e, &who, &rc))
        return rc;
    rc = switch_protocols(r, key);
    if (rc == OK)
        return mod_dgon_link_adopt(r, e, &who);
    dgon_gate_leave(mod_dgon_shm_gate(), who.place);
    return rc;
}

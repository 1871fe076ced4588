#include "agent_link_int.h"

#include "agent_log.h"

#include "dgon/alloc.h"

#include <stdio.h>
#include <string.h>

#define RX_PIECE 65536u
#define TX_MAX   (64u * 1024u * 1024u) /* packed, not taken: last records of all jobs fit */

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len);

static const struct lws_protocols link_protocols[] = {{.name = DGON_WIRE_PROTOCOL,
                                                       .callback = on_lws,
                                                       .rx_buffer_size = RX_PIECE,
                                                       .tx_packet_size = 1024u * 1024u},
                                                      {0}};

/* --- dialer --- */

static bool set_proxy(agent_dialer *d, const agent_config *c)
{
    char text[600], address[AGENT_OS_ADDRS_MAX][AGENT_OS_ADDR_MAX];
    if (c->proxy_host[0] == '\0') {
        return true;
    }
    unsigned n = agent_os_resolve(c->proxy_host, c->proxy_port, address);
    (void)snprintf(text, sizeof text, "%s%s%s:%u", c->proxy_auth,
                   c->proxy_auth[0] != '\0' ? "@" : "", n != 0 ? address[0] : c->proxy_host,
                   c->proxy_port);
    int bad = lws_set_proxy(d->vhost, text);
    agent_os_wipe(text, sizeof text);
    return bad == 0;
}

agent_dialer *agent_dialer_create(agent_loop *loop, const agent_config *c,
                                  const agent_link_ops *ops, void *user)
{
    agent_dialer *d = dgon_calloc(1, sizeof *d);
    if (d == NULL) {
        return NULL;
    }
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof info);
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.vhost_name = "gateway";
    info.protocols = link_protocols;
    if (c->tls) {
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.client_ssl_ca_filepath = c->ca_file[0] != '\0' ? c->ca_file : NULL;
        info.options |= c->ca_file[0] != '\0' ? LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS : 0;
        info.client_ssl_cert_filepath = c->cert_file[0] != '\0' ? c->cert_file : NULL;
        info.client_ssl_private_key_filepath = c->key_file[0] != '\0' ? c->key_file : NULL;
    }
    d->loop = loop;
    d->ops = ops;
    d->user = user;
    d->tls = c->tls;
    d->insecure = !c->tls && c->insecure;
    d->port = c->port;
    (void)snprintf(d->host, sizeof d->host, "%s", c->host);
    bool v6 = strchr(c->host, ':') != NULL, usual = c->port == (c->tls ? 443 : 80);
    (void)snprintf(d->host_port, sizeof d->host_port, v6 ? "[%s]" : "%s", c->host);
    if (!usual) {
        size_t n = strlen(d->host_port);
        (void)snprintf(d->host_port + n, sizeof d->host_port - n, ":%u", c->port);
    }
    (void)snprintf(d->path, sizeof d->path, "%s", c->path);
    d->vhost = lws_create_vhost(agent_loop_lws(loop), &info);
    if (d->vhost == NULL || !set_proxy(d, c)) {
        agent_log(AGENT_LOG_ERROR, "gateway: the TLS files or the proxy cannot be used");
        agent_dialer_destroy(d);
        return NULL;
    }
    return d;
}

void agent_dialer_destroy(agent_dialer *d)
{
    dgon_free(d); /* the vhost goes with the loop */
}

/* --- life of a link --- */

const char *agent_link_state_str(agent_link_state s)
{
    static const char *const names[] = {"dialing", "open", "ready", "leaving", "closing", "down"};
    return (unsigned)s < sizeof names / sizeof names[0] ? names[s] : "?";
}

void agent_link_set_state(agent_link *l, agent_link_state s, const char *why)
{
    if (l->state == s || l->state == AGENT_LINK_DOWN) {
        return; /* down absorbs */
    }
    agent_log(AGENT_LOG_DEBUG, "link [%s] -- %s --> [%s]", agent_link_state_str(l->state), why,
              agent_link_state_str(s));
    l->state = s;
}

static void link_down(agent_link *l, const char *why)
{
    if (l->end.reason[0] == '\0') {
        (void)snprintf(l->end.reason, sizeof l->end.reason, "%s", why);
    }
    agent_link_set_state(l, AGENT_LINK_DOWN, why);
}

agent_link *agent_link_dial(agent_dialer *d, const char *address, const char *token)
{
    agent_link *l = dgon_calloc(1, sizeof *l);
    if (l == NULL) {
        return NULL;
    }
    l->dialer = d;
    l->since_ms = agent_os_now_ms();
    l->idle.secs_since_valid_ping = 20;
    l->idle.secs_since_valid_hangup = 35;
    l->texts_end = &l->texts;
    dgon_buf_init(&l->rx, DGON_WIRE_MESSAGE_MAX);
    dgon_buf_init(&l->tx, TX_MAX);
    (void)snprintf(l->token, sizeof l->token, "%s", token);
    if (d->insecure) {
        agent_log(AGENT_LOG_WARN, "gateway: ws:// without TLS (insecure = yes): tokens and prompts "
                                  "are readable on the way");
    }
    struct lws_client_connect_info info;
    memset(&info, 0, sizeof info);
    info.context = agent_loop_lws(d->loop);
    info.vhost = d->vhost;
    info.address = address;
    info.port = d->port;
    info.path = d->path;
    info.host = d->tls ? d->host : d->host_port;
    info.protocol = DGON_WIRE_PROTOCOL;
    info.local_protocol_name = DGON_WIRE_PROTOCOL;
    info.ietf_version_or_minus_one = -1;
    info.ssl_connection = d->tls ? LCCSCF_USE_SSL : 0;
    info.alpn = d->tls ? "http/1.1" : NULL; /* an Apache with HTTP/2 would take that otherwise */
    info.userdata = l;
    info.pwsi = &l->wsi;
    info.retry_and_idle_policy = &l->idle;
    if (lws_client_connect_via_info(&info) == NULL) {
        l->wsi = NULL;
        link_down(l, "cannot connect");
    }
    return l;
}

bool agent_link_is_free(const agent_link *l)
{
    return l->state == AGENT_LINK_DOWN && l->wsi == NULL;
}

void agent_link_destroy(agent_link *l)
{
    agent_os_wipe(l->token, sizeof l->token);
    agent_link_read_fini(l);
    dgon_buf_fini(&l->rx);
    dgon_buf_fini(&l->tx);
    agent_link_drop_texts(l);
    dgon_free(l);
}

agent_link_state agent_link_get_state(const agent_link *l)
{
    return l->state;
}

const agent_link_end *agent_link_get_end(const agent_link *l)
{
    return &l->end;
}

uint64_t agent_link_age_ms(const agent_link *l)
{
    return agent_os_now_ms() - l->since_ms;
}

void *agent_link_get_data(const agent_link *l)
{
    return l->data;
}

void agent_link_set_data(agent_link *l, void *data)
{
    l->data = data;
}

void agent_link_set_liveness(agent_link *l, unsigned ping_s, unsigned hangup_s)
{
    l->idle.secs_since_valid_ping = (uint16_t)ping_s;
    l->idle.secs_since_valid_hangup = (uint16_t)hangup_s;
    if (l->wsi != NULL) {
        lws_validity_confirmed(l->wsi);
        agent_os_tune_link(lws_get_socket_fd(l->wsi), hangup_s);
    }
}

/* --- closing --- */

void agent_link_close(agent_link *l, unsigned code, const char *reason)
{
    if (l->state == AGENT_LINK_DOWN || l->close_code != 0) {
        return;
    }
    if (l->wsi == NULL || l->state == AGENT_LINK_DIALING) {
        agent_link_kill(l, reason);
        return;
    }
    (void)snprintf(l->end.reason, sizeof l->end.reason, "%s", reason);
    agent_link_begin_close(l, code, reason);
}

void agent_link_begin_close(agent_link *l, unsigned code, const char *reason)
{
    l->close_code = code;
    (void)snprintf(l->close_reason, sizeof l->close_reason, "%s", reason);
    agent_link_set_state(l, AGENT_LINK_CLOSING, reason);
    l->since_ms = agent_os_now_ms();
    (void)lws_callback_on_writable(l->wsi);
}

void agent_link_kill(agent_link *l, const char *why)
{
    if (l->wsi != NULL) {
        lws_set_timeout(l->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    }
    link_down(l, why);
}

/* --- the library's callback --- */

static int on_writeable(agent_link *l)
{
    if (l->broken) {
        return -1;
    }
    agent_link_flush(l);
    if (l->broken || l->wsi == NULL) {
        return -1;
    }
    bool empty = l->texts == NULL && l->at >= l->tx.len && !agent_link_is_partial(l);
    if (l->close_code != 0 && !l->close_sent && empty) {
        agent_link_send_close(l);
        empty = !agent_link_is_partial(l);
    }
    if (l->broken || (l->close_sent && l->peer_closed && empty)) {
        return -1;
    }
    if (l->choked && !agent_link_is_partial(l)) {
        l->choked = false;
        l->dialer->ops->on_writable(l->dialer->user, l);
    }
    return 0;
}

void agent_link_deliver(agent_link *l, bool text, const void *p, size_t n)
{
    if (text) {
        l->dialer->ops->on_text(l->dialer->user, l, p, n);
    } else {
        l->dialer->ops->on_binary(l->dialer->user, l, p, n);
    }
}

static int on_receive(agent_link *l, const void *p, size_t n)
{
    bool first = lws_is_first_fragment(l->wsi) != 0;
    bool last = lws_is_final_fragment(l->wsi) != 0 && lws_remaining_packet_payload(l->wsi) == 0;
    if (l->state == AGENT_LINK_CLOSING) {
        return 0; /* of no interest any more, but read */
    }
    if (first) {
        dgon_buf_reset(&l->rx);
        l->rx_text = lws_frame_is_binary(l->wsi) == 0;
    }
    if (first && last && n <= DGON_WIRE_MESSAGE_MAX) {
        agent_link_deliver(l, l->rx_text, p, n);
        return 0;
    }
    dgon_status s = dgon_buf_add(&l->rx, p, n);
    if (s != DGON_OK) {
        dgon_buf_fini(&l->rx);
        agent_link_close(l, s == DGON_ETOOBIG ? (unsigned)DGON_CLOSE_TOO_BIG : 1011u,
                         s == DGON_ETOOBIG ? "message too big" : "out of memory");
        return 0;
    }
    if (last) {
        agent_link_deliver(l, l->rx_text, l->rx.data != NULL ? l->rx.data : "", l->rx.len);
        dgon_buf_reset(&l->rx);
    }
    return 0;
}

static int add_token(agent_link *l, struct lws *wsi, unsigned char **p, unsigned char *end)
{
    char line[AGENT_CONFIG_SECRET_MAX + 8];
    if (l->token[0] == '\0') {
        return 0; /* a key or a certificate it is, or a second handshake of the library's */
    }
    int n = snprintf(line, sizeof line, "Bearer %s", l->token);
    int bad = lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION,
                                           (const unsigned char *)line, n, p, end);
    agent_os_wipe(line, sizeof line);
    agent_os_wipe(l->token, sizeof l->token);
    return bad;
}

void agent_link_note_peer_close(agent_link *l, const unsigned char *p, size_t n)
{
    l->peer_closed = true;
    if (n >= 2) {
        l->end.close = dgon_get_u16(p);
        (void)snprintf(l->end.reason, sizeof l->end.reason, "gateway closed with %u %.*s",
                       l->end.close, (int)(n - 2 < 100 ? n - 2 : 100), (const char *)p + 2);
    }
}

static void note_refusal(agent_link *l, struct lws *wsi, const char *text, size_t n)
{
    l->end.http = lws_http_client_http_response(wsi);
    if (l->end.http >= 300 && l->end.http <= 599) {
        (void)snprintf(l->end.reason, sizeof l->end.reason, "refused with HTTP status %u",
                       l->end.http);
    } else {
        l->end.http = 0;
        (void)snprintf(l->end.reason, sizeof l->end.reason, "%.*s", (int)(n < 120 ? n : 120),
                       text != NULL && n != 0 ? text : "cannot connect");
    }
    link_down(l, "refused");
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
    agent_link *l = user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return l != NULL ? add_token(l, wsi, in, *(unsigned char **)in + len) : -1;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        if (l != NULL) {
            note_refusal(l, wsi, in, len);
        }
        break;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        l->wsi = wsi;
        if (l->state != AGENT_LINK_DIALING) {
            return -1;
        }
        agent_link_set_state(l, AGENT_LINK_OPEN, "established");
        agent_os_tune_link(lws_get_socket_fd(wsi), l->idle.secs_since_valid_hangup);
        agent_loop_watch_link(l->dialer->loop, lws_get_socket_fd(wsi));
        l->dialer->ops->on_open(l->dialer->user, l);
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return l->state == AGENT_LINK_DOWN ? -1 : on_receive(l, in, len);
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return l->state == AGENT_LINK_DOWN ? -1 : on_writeable(l);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        agent_link_note_peer_close(l, in, len);
        break;
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP: /* the only sign of a handshake that hangs */
        if (l != NULL) {
            link_down(l, "connection lost");
        }
        break;
    case LWS_CALLBACK_WSI_DESTROY:
        if (l != NULL) {
            link_down(l, "connection lost");
            l->wsi = NULL;
        }
        break;
    default:
        break;
    }
    return 0;
}

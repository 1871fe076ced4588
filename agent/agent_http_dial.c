#include "agent_http_dial.h"

#include "dgon/alloc.h"

#include <curl/curl.h>

#include <string.h>

struct agent_http_dials {
    agent_http_conns *all;
    agent_loop *loop;
    void (*on_dialed)(void *user, const char *why, int fd);
    CURLSH *share;
};

struct agent_http_dial {
    agent_http_dials *dials;
    /* its own: one that is shared would look after connections that curl thinks idle */
    CURLM *multi;
    CURL *easy;
    agent_timer *timer;
    void *user;
    int given; /* the descriptor that is the caller's; -1: none */
    bool tls, over, reset;
};

agent_http_dials *agent_http_dials_create(agent_http_conns *all, agent_loop *loop,
                                          void (*on_dialed)(void *user, const char *why, int fd))
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return NULL;
    }
    agent_http_dials *dials = dgon_calloc(1, sizeof *dials);
    CURLSH *share = curl_share_init();
    if (dials == NULL || share == NULL ||
        curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) != CURLSHE_OK ||
        curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK) {
        (void)curl_share_cleanup(share);
        dgon_free(dials);
        curl_global_cleanup();
        return NULL;
    }
    *dials = (agent_http_dials){all, loop, on_dialed, share};
    return dials;
}

void agent_http_dials_destroy(agent_http_dials *dials)
{
    if (dials != NULL) {
        (void)curl_share_cleanup(dials->share);
        dgon_free(dials);
        curl_global_cleanup();
    }
}

/* --- callbacks of curl --- */

static int set_socket(void *user, curl_socket_t fd, curlsocktype purpose)
{
    (void)user;
    (void)purpose;
    agent_os_tune_backend((intptr_t)fd);
    return CURL_SOCKOPT_OK;
}

static int close_socket(void *user, curl_socket_t fd)
{
    const agent_http_dial *d = user;
    if (fd != d->given) {
        agent_os_close_backend((intptr_t)fd, d->reset);
    }
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    agent_http_dial *d = user;
    (void)easy;
    unsigned events = 0;
    if (what != CURL_POLL_REMOVE) {
        events = ((what & CURL_POLL_IN) != 0 ? (unsigned)AGENT_LOOP_IN : 0u) |
                 ((what & CURL_POLL_OUT) != 0 ? (unsigned)AGENT_LOOP_OUT : 0u);
    }
    if (d->over) {
        return 0; /* the loop's word for it is agent_http_conn.c's */
    }
    if (!agent_http_conns_watch_dial(d->dials->all, d, fd, events, known != NULL)) {
        return -1; /* curl gives it up */
    }
    (void)curl_multi_assign(d->multi, fd, d);
    return 0;
}

static int on_timeout(CURLM *multi, long ms, void *user)
{
    agent_http_dial *d = user;
    (void)multi;
    if (ms < 0 || d->over) {
        agent_timer_stop(d->timer);
    } else {
        agent_timer_set(d->timer, (uint64_t)ms);
    }
    return 0;
}

/* --- going on --- */

/* May destroy d. */
static void look(agent_http_dial *d)
{
    int left = 0;
    curl_socket_t fd = CURL_SOCKET_BAD;
    CURLMsg *m = d->over ? NULL : curl_multi_info_read(d->multi, &left);
    if (m == NULL || m->msg != CURLMSG_DONE) {
        return;
    }
    CURLcode code = m->data.result;
    if (code == CURLE_OK && (curl_easy_getinfo(d->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
                             fd == CURL_SOCKET_BAD)) {
        code = CURLE_COULDNT_CONNECT;
    }
    agent_timer_stop(d->timer);
    if (code == CURLE_OK) {
        (void)agent_http_conns_watch_dial(d->dials->all, d, fd, 0, true);
        d->given = d->tls ? -1 : fd;
    }
    d->over = true;
    d->dials->on_dialed(d->user, code == CURLE_OK ? NULL : curl_easy_strerror(code), fd);
}

void agent_http_dial_on_fd(agent_http_dial *d, int fd, unsigned events)
{
    int running = 0, bits = ((events & AGENT_LOOP_IN) != 0 ? CURL_CSELECT_IN : 0) |
                            ((events & AGENT_LOOP_OUT) != 0 ? CURL_CSELECT_OUT : 0) |
                            ((events & AGENT_LOOP_ERR) != 0 ? CURL_CSELECT_ERR : 0);
    (void)curl_multi_socket_action(d->multi, fd, bits, &running);
    look(d);
}

static void on_timer(void *user)
{
    agent_http_dial *d = user;
    int running = 0;
    (void)curl_multi_socket_action(d->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    look(d);
}

/* --- life --- */

#define SET(option, value) (ok = ok && curl_easy_setopt(d->easy, option, value) == CURLE_OK)

static bool set_options(agent_http_dial *d, const char *origin, const char *ca_file,
                        uint32_t timeout_s)
{
    bool ok = true;
    SET(CURLOPT_URL, origin);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_CONNECT_ONLY, 1L);
    SET(CURLOPT_SHARE, d->dials->share);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "*"); /* else it asks the environment */
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_SOCKOPTFUNCTION, set_socket);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, d);
    SET(CURLOPT_CONNECTTIMEOUT, (long)timeout_s);
    if (ca_file[0] != '\0') {
        SET(CURLOPT_CAINFO, ca_file);
    }
    return ok;
}

agent_http_dial *agent_http_dial_create(agent_http_dials *dials, const char *origin,
                                        const char *ca_file, uint32_t timeout_s, void *user)
{
    agent_http_dial *d = dgon_calloc(1, sizeof *d);
    if (d == NULL) {
        return NULL;
    }
    d->dials = dials;
    d->user = user;
    d->given = -1;
    d->tls = strncmp(origin, "https:", 6) == 0;
    d->timer = agent_timer_create(dials->loop, on_timer, d);
    d->multi = curl_multi_init();
    d->easy = curl_easy_init();
    if (d->timer == NULL || d->multi == NULL || d->easy == NULL ||
        !set_options(d, origin, ca_file, timeout_s) ||
        curl_multi_setopt(d->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
        curl_multi_setopt(d->multi, CURLMOPT_SOCKETDATA, d) != CURLM_OK ||
        curl_multi_setopt(d->multi, CURLMOPT_TIMERFUNCTION, on_timeout) != CURLM_OK ||
        curl_multi_setopt(d->multi, CURLMOPT_TIMERDATA, d) != CURLM_OK ||
        curl_multi_add_handle(d->multi, d->easy) != CURLM_OK) {
        agent_http_dial_destroy(d, false);
        return NULL;
    }
    agent_timer_stop(d->timer); /* it begins now */
    int running = 0;
    (void)curl_multi_socket_action(d->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    if (running == 0) {
        agent_timer_set(d->timer, 0);
    }
    return d;
}

void agent_http_dial_destroy(agent_http_dial *d, bool reset)
{
    d->reset = reset;
    if (d->multi != NULL && d->easy != NULL) {
        (void)curl_multi_remove_handle(d->multi, d->easy);
    }
    curl_easy_cleanup(d->easy);
    if (d->multi != NULL) {
        (void)curl_multi_cleanup(d->multi);
    }
    agent_timer_destroy(d->timer);
    dgon_free(d);
}

bool agent_http_dial_is_tls(const agent_http_dial *d)
{
    return d->tls;
}

/* --- bytes behind TLS --- */

ssize_t agent_http_dial_read(agent_http_dial *d, char *p, size_t n)
{
    size_t got = 0;
    CURLcode code = curl_easy_recv(d->easy, p, n, &got);
    return code == CURLE_OK      ? (ssize_t)got
           : code == CURLE_AGAIN ? AGENT_HTTP_AGAIN
                                 : AGENT_HTTP_LOST;
}

ssize_t agent_http_dial_write(agent_http_dial *d, const char *p, size_t n)
{
    size_t sent = 0;
    CURLcode code = curl_easy_send(d->easy, p, n, &sent);
    return code == CURLE_OK      ? (ssize_t)sent
           : code == CURLE_AGAIN ? AGENT_HTTP_AGAIN
                                 : AGENT_HTTP_LOST;
}

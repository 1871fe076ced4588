#include "agent_http_handle.h"

#include "agent_config.h"
#include "agent_http_multi.h"
#include "agent_os.h"

#include "dgon/alloc.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- making one --- */

static bool add_header(agent_http_handle *h, const char *line)
{
    struct curl_slist *more = curl_slist_append(h->headers, line);
    if (more == NULL) {
        return false;
    }
    h->headers = more;
    return true;
}

/* A request of another client: its headers, and none that curl would add by itself. */
static bool set_own_headers(agent_http_handle *h, const agent_http_spec *spec)
{
    bool typed = false, ok = true;
    for (const char *const *line = spec->headers; ok && *line != NULL; line++) {
        typed = typed || strncasecmp(*line, "Content-Type:", 13) == 0;
        ok = add_header(h, *line);
    }
    return ok && (typed || add_header(h, "Content-Type:")) && add_header(h, "Expect:");
}

/* Each letter of these costs curl 100 instructions, with each request. */
static bool set_headers(agent_http_handle *h, const agent_http_spec *spec)
{
    char line[640];
    bool ok = add_header(h, "User-Agent: dgon-agent");
    if (spec->method != NULL) {
        ok = ok && set_own_headers(h, spec);
    } else if (spec->body != NULL) {
        ok = ok && add_header(h, "Content-Type: application/json") && add_header(h, "Expect:");
    }
    if (spec->secret != NULL && spec->secret[0] != '\0') {
        int n = snprintf(line, sizeof line, "Authorization: Bearer %s", spec->secret);
        ok = ok && n > 0 && (size_t)n < sizeof line && add_header(h, line);
        agent_os_wipe(line, sizeof line);
    }
    if (spec->traceparent != NULL && spec->traceparent[0] != '\0' &&
        strspn(spec->traceparent, "0123456789abcdef-") == strlen(spec->traceparent)) {
        (void)snprintf(line, sizeof line, "traceparent: %.55s", spec->traceparent);
        ok = ok && add_header(h, line);
    }
    return ok && curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers) == CURLE_OK;
}

static int set_socket(void *user, curl_socket_t fd, curlsocktype purpose)
{
    const agent_http_handles *pool = user;
    (void)purpose;
    agent_os_tune_backend((intptr_t)fd);
    agent_http_multi_made(pool->multis, fd);
    return CURL_SOCKOPT_OK;
}

/* Whoever cancels wants no more of it: a reset is one packet, where a FIN is the first of four. */
static int close_socket(void *user, curl_socket_t fd)
{
    const agent_http_handles *pool = user;
    agent_http_multi_closed(pool->multis, fd);
    agent_os_close_backend((intptr_t)fd, pool->cancels);
    return 0;
}

/* Read once: curl takes a text apart, and puts it together again, for each request. */
static bool set_address(agent_http_handle *h, const agent_http_spec *spec)
{
    unsigned flags = spec->method != NULL ? CURLU_PATH_AS_IS : 0;
    h->address = curl_url();
    return h->address != NULL &&
           curl_url_set(h->address, CURLUPART_URL, spec->url, flags) == CURLUE_OK &&
           curl_easy_setopt(h->easy, CURLOPT_CURLU, h->address) == CURLE_OK;
}

/* Has it one address? Then nobody divides the time for connecting among several. */
static bool has_one_address(const agent_http_handle *h)
{
    char *host = NULL;
    if (curl_url_get(h->address, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        return false;
    }
    bool one = host[0] == '[' || host[strspn(host, "0123456789.")] == '\0' ||
               strcmp(host, "localhost") == 0;
    curl_free(host);
    return one;
}

#define SET(option, value) (ok = ok && curl_easy_setopt(h->easy, option, value) == CURLE_OK)

static bool set_options(agent_http_handles *pool, agent_http_handle *h, const agent_http_spec *spec)
{
    bool ok = set_address(h, spec);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "*"); /* else it asks the environment, each time */
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_SOCKOPTFUNCTION, set_socket);
    SET(CURLOPT_SOCKOPTDATA, pool);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, pool);
    SET(CURLOPT_MAXAGE_CONN, 3L); /* llama-server drops idle connections after 5 s */
    if (!has_one_address(h)) { /* else agent_http_tick() alone looks, which costs a token nothing */
        SET(CURLOPT_CONNECTTIMEOUT, (long)spec->connect_timeout_s);
    }
    SET(CURLOPT_TIMEOUT, (long)spec->total_timeout_s);
    if (spec->ca_file != NULL && spec->ca_file[0] != '\0') {
        SET(CURLOPT_CAINFO, spec->ca_file);
    }
    if (spec->body != NULL) {
        SET(CURLOPT_POST, 1L);
    }
    if (spec->upload) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)spec->upload_length);
        SET(CURLOPT_FRESH_CONNECT,
            1L); /* what was sent to a dead connection cannot be sent again */
    }
    if (spec->method != NULL) {
        SET(CURLOPT_PATH_AS_IS, 1L);
        SET(CURLOPT_NOBODY, strcmp(spec->method, "HEAD") == 0 ? 1L : 0L);
        SET(CURLOPT_CUSTOMREQUEST, spec->method);
    }
    return ok && set_headers(h, spec);
}

static void destroy(agent_http_handle *h)
{
    curl_easy_cleanup(h->easy);
    curl_url_cleanup(h->address);
    curl_slist_free_all(h->headers);
    if (h->made_for != NULL) {
        agent_os_wipe(h->made_for, h->made_for_len);
        dgon_free(h->made_for);
    }
    dgon_free(h);
}

/* --- keeping them --- */

static const char *text(const char *s)
{
    return s != NULL ? s : "";
}

/* Other requests differ in more than their bodies. */
static bool is_common(const agent_http_spec *spec)
{
    return spec->method == NULL && text(spec->traceparent)[0] == '\0';
}

static bool is_for(const agent_http_handle *h, const agent_http_spec *spec)
{
    const char *mine = h->made_for;
    const char *const theirs[] = {text(spec->url), text(spec->secret), text(spec->ca_file)};
    if (h->connect_timeout_s != spec->connect_timeout_s ||
        h->total_timeout_s != spec->total_timeout_s || h->post != (spec->body != NULL)) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(mine, theirs[i]) != 0) {
            return false;
        }
        mine += strlen(mine) + 1;
    }
    return true;
}

/* What is_for() compares; without memory for it the handle serves one request. */
static void remember(agent_http_handle *h, const agent_http_spec *spec)
{
    size_t url = strlen(spec->url) + 1, secret = strlen(text(spec->secret)) + 1;
    size_t ca_file = strlen(text(spec->ca_file)) + 1;
    h->made_for = dgon_malloc(url + secret + ca_file);
    if (h->made_for == NULL) {
        return;
    }
    h->made_for_len = url + secret + ca_file;
    memcpy(h->made_for, spec->url, url);
    memcpy(h->made_for + url, text(spec->secret), secret);
    memcpy(h->made_for + url + secret, text(spec->ca_file), ca_file);
    h->connect_timeout_s = spec->connect_timeout_s;
    h->total_timeout_s = spec->total_timeout_s;
    h->post = spec->body != NULL;
}

static agent_http_handle *create(agent_http_handles *pool, const agent_http_spec *spec)
{
    agent_http_handle *h = dgon_calloc(1, sizeof *h);
    if (h == NULL) {
        return NULL;
    }
    h->easy = curl_easy_init();
    if (h->easy == NULL || !set_options(pool, h, spec)) {
        destroy(h);
        return NULL;
    }
    if (is_common(spec)) {
        remember(h, spec);
    }
    return h;
}

agent_http_handle *agent_http_handle_take(agent_http_handles *pool, const agent_http_spec *spec)
{
    if (is_common(spec)) {
        for (agent_http_handle **at = &pool->idle; *at != NULL; at = &(*at)->next) {
            agent_http_handle *h = *at;
            if (is_for(h, spec)) {
                *at = h->next;
                pool->count--;
                return h;
            }
        }
    }
    return create(pool, spec);
}

void agent_http_handle_give(agent_http_handles *pool, agent_http_handle *h)
{
    if (h->made_for == NULL) {
        destroy(h);
        return;
    }
    h->next = pool->idle;
    pool->idle = h;
    if (++pool->count > AGENT_HTTP_IDLE_MAX) { /* those longest unused are another backend's */
        agent_http_handle **last = &pool->idle;
        while ((*last)->next != NULL) {
            last = &(*last)->next;
        }
        destroy(*last);
        *last = NULL;
        pool->count--;
    }
}

void agent_http_handles_fini(agent_http_handles *pool)
{
    while (pool->idle != NULL) {
        agent_http_handle *h = pool->idle;
        pool->idle = h->next;
        destroy(h);
    }
    pool->count = 0;
}

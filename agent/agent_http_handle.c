#include "agent_http_handle.h"

#include "agent_config.h"
#include "agent_os.h"

#include "dgon/alloc.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define KEY_MAX (2u * AGENT_CONFIG_PATH_MAX + AGENT_CONFIG_SECRET_MAX + 64u)

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

static bool set_headers(agent_http_handle *h, const agent_http_spec *spec)
{
    char line[640];
    bool ok = add_header(h, "User-Agent: dgon-agent");
    if (spec->method != NULL) {
        ok = ok && set_own_headers(h, spec);
    } else {
        ok = ok && add_header(h, "Accept: application/json, text/event-stream");
    }
    if (spec->method == NULL && spec->body != NULL) {
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
    (void)user;
    (void)purpose;
    agent_os_tune_backend((intptr_t)fd);
    return CURL_SOCKOPT_OK;
}

#define SET(option, value) (ok = ok && curl_easy_setopt(h->easy, option, value) == CURLE_OK)

static bool set_options(agent_http_handle *h, const agent_http_spec *spec)
{
    bool ok = true;
    SET(CURLOPT_URL, spec->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_SOCKOPTFUNCTION, set_socket);
    SET(CURLOPT_MAXAGE_CONN, 3L); /* llama-server drops idle connections after 5 s */
    SET(CURLOPT_CONNECTTIMEOUT, (long)spec->connect_timeout_s);
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
    curl_slist_free_all(h->headers);
    if (h->key != NULL) {
        agent_os_wipe(h->key, strlen(h->key));
        dgon_free(h->key);
    }
    dgon_free(h);
}

static agent_http_handle *create(const agent_http_spec *spec, const char *key)
{
    agent_http_handle *h = dgon_calloc(1, sizeof *h);
    if (h == NULL) {
        return NULL;
    }
    h->easy = curl_easy_init();
    if (h->easy == NULL || !set_options(h, spec)) {
        destroy(h);
        return NULL;
    }
    size_t n = strlen(key) + 1;
    h->key = n > 1 ? dgon_malloc(n) : NULL;
    if (h->key != NULL) {
        memcpy(h->key, key, n);
    }
    return h;
}

/* --- keeping them --- */

static const char *text(const char *s)
{
    return s != NULL ? s : "";
}

/* All that makes two specs the same handle's; "" when this one is unlike any other. */
static void key_of(char key[KEY_MAX], const agent_http_spec *spec)
{
    int n = snprintf(key, KEY_MAX, "%s\n%s\n%s\n%u\n%u\n%d", text(spec->url), text(spec->secret),
                     text(spec->ca_file), (unsigned)spec->connect_timeout_s,
                     (unsigned)spec->total_timeout_s, spec->body != NULL);
    if (n < 0 || (size_t)n >= KEY_MAX || text(spec->traceparent)[0] != '\0' ||
        spec->method != NULL) {
        agent_os_wipe(key, KEY_MAX);
        key[0] = '\0';
    }
}

agent_http_handle *agent_http_handle_take(agent_http_handles *pool, const agent_http_spec *spec)
{
    char key[KEY_MAX];
    key_of(key, spec);
    agent_http_handle *h = NULL;
    for (agent_http_handle **at = &pool->idle; *at != NULL && h == NULL;) {
        if (strcmp((*at)->key, key) == 0) {
            h = *at;
            *at = h->next;
            pool->count--;
        } else {
            at = &(*at)->next;
        }
    }
    if (h == NULL) {
        h = create(spec, key);
    }
    agent_os_wipe(key, strlen(key));
    return h;
}

void agent_http_handle_give(agent_http_handles *pool, agent_http_handle *h)
{
    if (h->key == NULL) {
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

#include "agent_http_handle.h"
#include "agent_http_multi.h"

#include "agent_os.h"

#include "dgon/alloc.h"

#include <string.h>

#define RELEASED_MS 1000u
/* What curl reads at once, kept for each request: fewer calls, or with many streams less memory. */
#define BUFFER_FEW  4096L
#define BUFFER_MANY 1024L
#define MANY        512u /* requests */

struct agent_http {
    agent_http_multis multis;
    agent_http_handles handles;
    agent_request *list;
    unsigned requests;
};

struct agent_request {
    agent_request *prev, *next;
    agent_http *http;
    CURL *easy; /* the handle's */
    agent_http_handle *handle;
    agent_http_multi *multi;   /* NULL: in none */
    const agent_http_ops *ops; /* NULL once released */
    void *user;
    dgon_buf body;
    uint64_t begun_ms, released_ms;
    uint32_t connect_timeout_s;
    int status;
    bool post, upload, connected, got, fresh, headed;
};

void agent_http_on_fd(agent_http *h, int fd, unsigned events)
{
    agent_http_multi_on_fd(&h->multis, fd, events);
}

agent_http *agent_http_create(agent_loop *loop)
{
    agent_http *h = dgon_calloc(1, sizeof *h);
    if (h == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        dgon_free(h);
        return NULL;
    }
    h->multis.loop = loop;
    h->handles.multis = &h->multis;
    return h;
}

static void request_free(agent_request *r)
{
    if (r->multi != NULL) {
        agent_http_multi_remove(r->multi, r->easy);
    }
    if (r->fresh) {
        (void)curl_easy_setopt(r->easy, CURLOPT_FRESH_CONNECT, 0L);
    }
    agent_http_handle_give(&r->http->handles, r->handle);
    dgon_buf_fini(&r->body);
    r->http->requests--;
    if (r->prev != NULL) {
        r->prev->next = r->next;
    } else {
        r->http->list = r->next;
    }
    if (r->next != NULL) {
        r->next->prev = r->prev;
    }
    dgon_free(r);
}

void agent_http_destroy(agent_http *h)
{
    if (h == NULL) {
        return;
    }
    h->multis.draining = true;
    while (h->list != NULL) {
        request_free(h->list);
    }
    agent_http_handles_fini(&h->handles);
    agent_http_multi_fini(&h->multis);
    curl_global_cleanup();
    dgon_free(h);
}

/* An answer has begun, so nothing will be sent a second time: a request is not kept beside it. */
static void drop_body(agent_request *r)
{
    curl_off_t sent = -1;
    if (r->body.len > 0 && curl_easy_getinfo(r->easy, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK &&
        sent == (curl_off_t)r->body.len) {
        dgon_buf_fini(&r->body);
    }
}

static size_t on_write(char *p, size_t size, size_t n, void *user)
{
    agent_request *r = user;
    n *= size;
    if (!r->got) {
        long code = 0;
        (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &code);
        r->status = (int)code;
        r->got = r->connected = true;
        drop_body(r);
    }
    if (r->ops == NULL) {
        return n;
    }
    switch (r->ops->on_body(r->user, r->status, p, n)) {
    case AGENT_HTTP_TAKEN:
        return n;
    case AGENT_HTTP_PAUSE:
        return CURL_WRITEFUNC_PAUSE;
    case AGENT_HTTP_STOP:
        break;
    }
    return n == 0 ? 1 : 0; /* anything but n ends the transfer */
}

/* One line of the answer's head, its first and its last (empty) one included. */
static size_t on_header(char *p, size_t size, size_t n, void *user)
{
    agent_request *r = user;
    n *= size;
    long status = 0;
    const char *end = p + n;
    while (end > p && (end[-1] == '\r' || end[-1] == '\n')) {
        end--;
    }
    if (r->ops == NULL || r->headed) {
        return n; /* trailers */
    }
    const char *colon = memchr(p, ':', (size_t)(end - p));
    if (end == p) {
        (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
        if (status >= 200) {
            r->headed = true;
            r->ops->on_head(r->user, (int)status);
        }
    } else if (strncmp(p, "HTTP/", 5) == 0) {
        r->ops->on_header(r->user, NULL, 0, NULL, 0);
    } else if (colon != NULL) {
        const char *value = colon + 1;
        while (value < end && (*value == ' ' || *value == '\t')) {
            value++;
        }
        while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
            end--;
        }
        r->ops->on_header(r->user, p, (size_t)(colon - p), value, (size_t)(end - value));
    }
    return n;
}

static size_t on_read(char *p, size_t size, size_t n, void *user)
{
    agent_request *r = user;
    size_t got = r->ops != NULL ? r->ops->on_upload(r->user, p, size * n) : 0;
    return got == AGENT_HTTP_UPLOAD_WAIT ? CURL_READFUNC_PAUSE : got;
}

#define SET(option, value) (ok = ok && curl_easy_setopt(r->easy, option, value) == CURLE_OK)

static bool begin(agent_request *r)
{
    bool ok = true;
    SET(CURLOPT_BUFFERSIZE, r->http->requests > MANY ? BUFFER_MANY : BUFFER_FEW);
    SET(CURLOPT_WRITEFUNCTION, on_write);
    SET(CURLOPT_WRITEDATA, r);
    SET(CURLOPT_PRIVATE, r);
    if (r->post) {
        SET(CURLOPT_POSTFIELDS, r->body.data != NULL ? r->body.data : "");
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
    }
    if (r->ops->on_head != NULL) {
        SET(CURLOPT_HEADERFUNCTION, on_header);
        SET(CURLOPT_HEADERDATA, r);
    }
    if (r->upload) {
        SET(CURLOPT_READFUNCTION, on_read);
        SET(CURLOPT_READDATA, r);
    }
    r->multi = ok ? agent_http_multi_add(&r->http->multis, r->easy) : NULL;
    return r->multi != NULL;
}

agent_request *agent_http_start(agent_http *h, const agent_http_spec *spec,
                                const agent_http_ops *ops, void *user)
{
    agent_request *r = dgon_calloc(1, sizeof *r);
    agent_http_handle *handle = r != NULL ? agent_http_handle_take(&h->handles, spec) : NULL;
    if (handle == NULL) {
        if (spec->body != NULL) {
            dgon_buf_fini(spec->body);
        }
        dgon_free(r);
        return NULL;
    }
    r->http = h;
    r->handle = handle;
    r->easy = handle->easy;
    r->ops = ops;
    r->user = user;
    r->upload = spec->upload;
    r->begun_ms = agent_os_now_ms();
    r->connect_timeout_s = spec->connect_timeout_s;
    if (spec->body != NULL) {
        r->body = *spec->body;
        dgon_buf_init(spec->body, spec->body->max);
        r->post = true;
    }
    r->next = h->list;
    if (r->next != NULL) {
        r->next->prev = r;
    }
    h->list = r;
    h->requests++;
    if (!begin(r)) {
        request_free(r);
        return NULL;
    }
    return r;
}

void agent_http_cancel(agent_request *r)
{
    agent_http_handles *pool = &r->http->handles;
    pool->cancels = true;
    request_free(r);
    pool->cancels = false;
}

void agent_http_release(agent_request *r)
{
    r->ops = NULL;
    r->user = NULL;
    r->released_ms = agent_os_now_ms();
}

void agent_http_resume(agent_request *r)
{
    (void)curl_easy_pause(r->easy, CURLPAUSE_CONT);
}

/* curl tries a reused connection again by itself, but may draw one dead connection after another;
 * the last try goes on a connection nobody had before. */
static bool try_fresh(agent_request *r, CURLcode code)
{
    long made = 1;
    bool lost = code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
    if (!lost || r->got || r->headed || r->upload || r->fresh || r->ops == NULL ||
        curl_easy_getinfo(r->easy, CURLINFO_NUM_CONNECTS, &made) != CURLE_OK || made != 0) {
        return false;
    }
    r->fresh = true;
    r->connected = false;
    r->begun_ms = agent_os_now_ms();
    return curl_easy_setopt(r->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
           agent_http_multi_again(r->multi, r->easy);
}

/* And, where that is to be had by TLS only, by TLS. */
static bool is_connected(agent_request *r)
{
    curl_off_t us = 0;
    r->connected =
        r->connected ||
        (curl_easy_getinfo(r->easy, CURLINFO_PRETRANSFER_TIME_T, &us) == CURLE_OK && us > 0);
    return r->connected;
}

static void report(agent_request *r, CURLcode code)
{
    const agent_http_ops *ops = r->ops;
    void *user = r->user;
    long status = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    agent_http_result result = {.complete = code == CURLE_OK && status >= 200,
                                .connected = code != CURLE_COULDNT_CONNECT &&
                                             code != CURLE_COULDNT_RESOLVE_HOST && is_connected(r),
                                .got = r->got,
                                .status = (int)status,
                                .reason = curl_easy_strerror(code)};
    request_free(r);
    if (ops != NULL) {
        ops->on_done(user, &result);
    }
}

void agent_http_settle(agent_http *h)
{
    CURLcode code = CURLE_OK;
    for (CURL *easy; (easy = agent_http_multi_finished(&h->multis, &code)) != NULL;) {
        void *private = NULL;
        if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private) == CURLE_OK && private != NULL) {
            agent_request *r = private;
            if (!try_fresh(r, code)) {
                report(r, code);
            }
        }
    }
}

static bool is_late(agent_request *r, uint64_t now)
{
    return !r->connected && now - r->begun_ms > (uint64_t)r->connect_timeout_s * 1000u &&
           !is_connected(r);
}

static void report_late(agent_http *h, uint64_t now)
{
    agent_request *r = h->list;
    while (r != NULL) {
        if (is_late(r, now)) {
            report(r, CURLE_OPERATION_TIMEDOUT);
            r = h->list; /* whoever hears of it may have ended others */
        } else {
            r = r->next;
        }
    }
}

/* A time limit of curl's own would stay in its tree of timers when the connection stands, and with
 * each token curl takes its request out of that tree and puts it back. */
void agent_http_tick(agent_http *h)
{
    uint64_t now = agent_os_now_ms();
    bool late = false;
    for (agent_request *r = h->list, *next; r != NULL; r = next) {
        next = r->next;
        if (r->ops == NULL && now - r->released_ms > RELEASED_MS) {
            request_free(r);
        } else if (is_late(r, now)) {
            late = true;
        }
    }
    if (late) {
        report_late(h, now);
    }
    agent_http_multi_tick(&h->multis);
}

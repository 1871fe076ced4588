/* The way to the gateway: its UNIX socket, or its admin address over HTTP. */
#include "ctl.h"

#include "dgon/buf.h"
#include "dgon/ndjson.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX (64u * 1024u * 1024u)
#define WAIT_S     15
#define LINE_BYTES 65536u
#define SILENT_S   60 /* of an answer in lines */

static int no_memory(void)
{
    return ctl_fail(CTL_FAILED, "no memory");
}

/* ---- the socket ---- */

static int unreached(const ctl *c)
{
    const char *hint = errno == EACCES   ? " (it is root's: use sudo)"
                       : errno == ENOENT ? " (is DgonAdminSocket set, and to this path?)"
                                         : "";
    return ctl_fail(CTL_UNREACHED, "no gateway answers at %s: %s%s", c->socket, strerror(errno),
                    hint);
}

static bool send_line(int fd, const char *text)
{
    size_t n = strlen(text);
    while (n > 0) {
        ssize_t k = send(fd, text, n, MSG_NOSIGNAL);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        text += k;
        n -= (size_t)k;
    }
    return send(fd, "\n", 1, MSG_NOSIGNAL) == 1;
}

/* Up to the end of the answer; fn takes it piece by piece, as curl's callbacks do. */
static int receive(const ctl *c, int fd, curl_write_callback fn, void *user)
{
    char piece[65536];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            return CTL_OK;
        if (n < 0 || fn(piece, 1, (size_t)n, user) != (size_t)n)
            return ctl_fail(CTL_UNREACHED, "the answer broke off: %s: %s", c->socket,
                            n < 0 ? strerror(errno) : "too much, or nothing of ours");
    }
}

/* silent_s: how long nothing may come. */
static int ask_socket(const ctl *c, const char *question, int silent_s, curl_write_callback fn,
                      void *user)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const struct timeval wait = {.tv_sec = silent_s};
    if (strlen(c->socket) >= sizeof at.sun_path)
        return ctl_fail(CTL_USAGE, "--socket: the path is too long");
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", c->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return unreached(c);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    int code = connect(fd, (const struct sockaddr *)&at, sizeof at) != 0 || !send_line(fd, question)
                   ? unreached(c)
                   : receive(c, fd, fn, user);
    (void)close(fd);
    return code;
}

/* ---- HTTP ---- */

static size_t take(char *p, size_t size, size_t n, void *user)
{
    return dgon_buf_add(user, p, size * n) == DGON_OK ? size * n : 0;
}

/* One request; `lines`: it may last, as long as something comes. */
static int post(const ctl *c, const char *question, bool lines, curl_write_callback fn, void *user)
{
    char why[CURL_ERROR_SIZE] = "";
    long status = 0;
    const char *netrc = getenv("NETRC");
    CURL *h = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json"), *more;
    CURLcode rc = CURLE_OUT_OF_MEMORY;
    more = lines && headers != NULL ? curl_slist_append(headers, "Accept: application/x-ndjson")
                                    : headers;
    if (h != NULL && more != NULL) {
        (void)curl_easy_setopt(h, CURLOPT_URL, c->url);
        (void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "https,http");
        (void)curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
        if (netrc != NULL)
            (void)curl_easy_setopt(h, CURLOPT_NETRC_FILE, netrc);
        (void)curl_easy_setopt(h, CURLOPT_HTTPAUTH, (long)CURLAUTH_ANY);
        (void)curl_easy_setopt(h, CURLOPT_USERAGENT, "dgonctl/" CTL_VERSION);
        (void)curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(h, CURLOPT_POSTFIELDS, question);
        (void)curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, (long)WAIT_S);
        (void)curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
        (void)curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)SILENT_S);
        if (!lines)
            (void)curl_easy_setopt(h, CURLOPT_TIMEOUT, (long)WAIT_S);
        (void)curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
        (void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, fn);
        (void)curl_easy_setopt(h, CURLOPT_WRITEDATA, user);
        rc = curl_easy_perform(h);
        (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(h);
    if (rc != CURLE_OK)
        return ctl_fail(CTL_UNREACHED, "%s %s: %s",
                        status == 0 ? "no gateway answers at" : "the answer broke off:", c->url,
                        why[0] != '\0' ? why : curl_easy_strerror(rc));
    if (status == 401)
        return ctl_fail(CTL_FAILED, "%s wants a login: write name and password into ~/.netrc",
                        c->url);
    return CTL_OK;
}

/* ---- both ---- */

static int code_of(const json_t *error)
{
    const char *code = ctl_text(error, "code");
    size_t n = strlen(code);
    return n > 10 && strcmp(code + n - 10, "_not_found") == 0 ? CTL_NOT_FOUND : CTL_FAILED;
}

int ctl_ask(const ctl *c, json_t *question, json_t **answer)
{
    dgon_buf in;
    char *text = question != NULL ? json_dumps(question, JSON_COMPACT) : NULL;
    json_decref(question);
    *answer = NULL;
    if (text == NULL)
        return no_memory();
    dgon_buf_init(&in, ANSWER_MAX);
    int code =
        c->url != NULL ? post(c, text, false, take, &in) : ask_socket(c, text, WAIT_S, take, &in);
    free(text);
    if (code == CTL_OK) {
        *answer = json_loadb(in.data != NULL ? in.data : "", in.len, 0, NULL);
        const json_t *error = json_object_get(*answer, "error");
        if (!json_is_object(*answer))
            code = ctl_fail(CTL_UNREACHED, "what answers at %s is no gateway of ours",
                            c->url != NULL ? c->url : c->socket);
        else if (error != NULL)
            code = ctl_fail(code_of(error), "%s", ctl_text(error, "message"));
    }
    dgon_buf_fini(&in);
    if (code != CTL_OK) {
        json_decref(*answer);
        *answer = NULL;
    }
    return code;
}

/* An answer in lines, while it comes. */
typedef struct reading {
    dgon_ndjson split;
    void (*fn)(void *user, json_t *line);
    void *user;
    int code; /* of an error that was told */
} reading;

static dgon_status on_line(void *user, const char *p, size_t n)
{
    reading *r = user;
    json_t *line = json_loadb(p, n, 0, NULL);
    const json_t *error = json_object_get(line, "error");
    if (json_is_object(error))
        r->code = ctl_fail(code_of(error), "%s", ctl_text(error, "message"));
    else if (json_is_object(line))
        r->fn(r->user, line);
    bool good = json_is_object(line);
    json_decref(line);
    return good ? DGON_OK : DGON_EJSON;
}

static size_t take_lines(char *p, size_t size, size_t n, void *user)
{
    reading *r = user;
    return dgon_ndjson_feed(&r->split, p, size * n) == DGON_OK ? size * n : 0;
}

int ctl_ask_lines(const ctl *c, json_t *question, void (*fn)(void *user, json_t *line), void *user)
{
    reading r = {.fn = fn, .user = user, .code = CTL_OK};
    char *text = question != NULL ? json_dumps(question, JSON_COMPACT) : NULL;
    json_decref(question);
    if (text == NULL)
        return no_memory();
    dgon_ndjson_init(&r.split, LINE_BYTES, on_line, &r);
    int code = c->url != NULL ? post(c, text, true, take_lines, &r)
                              : ask_socket(c, text, SILENT_S, take_lines, &r);
    if (code == CTL_OK && dgon_ndjson_end(&r.split) != DGON_OK)
        code = ctl_fail(CTL_UNREACHED, "what answers at %s is no gateway of ours",
                        c->url != NULL ? c->url : c->socket);
    dgon_ndjson_fini(&r.split);
    free(text);
    return r.code != CTL_OK ? r.code : code;
}

int ctl_ask_for(const ctl *c, const char *what, json_t **answer)
{
    int code = ctl_ask(c, json_pack("{s:s}", "do", what), answer);
    if (code == CTL_OK && c->json) {
        (void)json_dumpf(*answer, stdout, JSON_COMPACT);
        (void)printf("\n");
        json_decref(*answer);
        *answer = NULL;
    }
    return code;
}

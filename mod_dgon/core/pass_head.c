/* The heads of requests and answers that are passed on: JSON on the link. */
#include "dgon/pass.h"

#include "dgon/json.h"
#include "json_int.h"
#include "tree_int.h"

#include <string.h>

#define DEPTH_MAX 4u

/* ---- headers ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_word(const char *name, size_t n, const char *word)
{
    size_t i = 0;
    while (i < n && word[i] != '\0' && lower(name[i]) == word[i])
        i++;
    return word[i] == '*' || (i == n && word[i] == '\0');
}

static bool is_one_of(const char *name, size_t n, const char *const *words)
{
    for (; *words != NULL; words++)
        if (is_word(name, n, *words))
            return true;
    return false;
}

bool dgon_pass_request_header(const char *name, size_t n)
{
    static const char *const words[] = {"accept",
                                        "accept-encoding",
                                        "accept-language",
                                        "content-type",
                                        "content-encoding",
                                        "content-language",
                                        "range",
                                        "if-range",
                                        "if-match",
                                        "if-none-match",
                                        "if-modified-since",
                                        "if-unmodified-since",
                                        "idempotency-key",
                                        "openai-*",
                                        "anthropic-*",
                                        NULL};
    return is_one_of(name, n, words);
}

bool dgon_pass_answer_header(const char *name, size_t n)
{
    static const char *const words[] = {"content-type",
                                        "content-encoding",
                                        "content-language",
                                        "content-disposition",
                                        "content-range",
                                        "accept-ranges",
                                        "cache-control",
                                        "etag",
                                        "last-modified",
                                        "expires",
                                        "vary",
                                        "retry-after",
                                        "openai-*",
                                        "anthropic-*",
                                        NULL};
    return is_one_of(name, n, words);
}

static bool is_name(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = lower(p[i]);
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-')
            return false;
    }
    return n > 0;
}

static bool is_value(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < ' ' || p[i] > '~')
            return false;
    return true;
}

static const char *keep(dgon_pass_head *h, const char *p, size_t n)
{
    char *at = h->text + h->used;
    memcpy(at, p, n);
    at[n] = '\0';
    h->used += n + 1;
    return at;
}

void dgon_pass_head_init(dgon_pass_head *h)
{
    h->method[0] = h->path[0] = '\0';
    h->status = 0;
    h->length = h->model_at = -1;
    h->model_len = 0;
    h->headers = 0;
    h->used = 0;
}

bool dgon_pass_head_add(dgon_pass_head *h, const char *name, size_t name_len, const char *value,
                        size_t value_len)
{
    if (!is_name(name, name_len) || !is_value(value, value_len) ||
        h->headers == DGON_PASS_HEADERS_MAX || name_len + value_len + 2 > sizeof h->text - h->used)
        return false;
    h->header[h->headers].name = keep(h, name, name_len);
    h->header[h->headers++].value = keep(h, value, value_len);
    return true;
}

/* ---- writing ---- */

static dgon_status add_string(dgon_buf *out, const char *before, const char *value)
{
    dgon_status s = dgon_buf_adds(out, before);
    return s == DGON_OK ? dgon_buf_add_json_string(out, value, strlen(value)) : s;
}

static dgon_status write_headers(dgon_buf *out, const dgon_pass_head *h)
{
    dgon_status s = dgon_buf_adds(out, ",\"headers\":[");
    for (unsigned i = 0; i < h->headers && s == DGON_OK; i++) {
        s = add_string(out, i == 0 ? "[" : ",[", h->header[i].name);
        if (s == DGON_OK)
            s = add_string(out, ",", h->header[i].value);
        if (s == DGON_OK)
            s = dgon_buf_adds(out, "]");
    }
    return s == DGON_OK ? dgon_buf_adds(out, "]}") : s;
}

dgon_status dgon_pass_head_write(dgon_buf *out, const dgon_pass_head *h)
{
    size_t before = out->len;
    dgon_status s;
    if (h->status != 0) {
        s = dgon_buf_addf(out, "{\"status\":%d", h->status);
    } else {
        s = add_string(out, "{\"method\":", h->method);
        if (s == DGON_OK)
            s = add_string(out, ",\"path\":", h->path);
    }
    if (s == DGON_OK && h->length >= 0)
        s = dgon_buf_addf(out, ",\"length\":%lld", (long long)h->length);
    if (s == DGON_OK && h->model_at >= 0)
        s = dgon_buf_addf(out, ",\"model_at\":%lld,\"model_len\":%u", (long long)h->model_at,
                          h->model_len);
    if (s == DGON_OK)
        s = write_headers(out, h);
    if (s == DGON_OK && out->len - before > DGON_PASS_HEAD_MAX)
        s = DGON_ETOOBIG;
    if (s != DGON_OK)
        out->len = before;
    return s;
}

/* ---- reading ---- */

static dgon_status load(json_t **root, const char *p, size_t n)
{
    json_error_t why;
    size_t at;
    *root = NULL;
    if (n > DGON_PASS_HEAD_MAX || dgon_json_precheck(p, n, DEPTH_MAX, &at) != DGON_OK)
        return DGON_EPROTO;
    return dgon_json_load(root, p, n, JSON_REJECT_DUPLICATES, &why);
}

static bool read_headers(dgon_pass_head *h, const json_t *root,
                         bool (*passes)(const char *name, size_t n))
{
    const json_t *pair;
    size_t i;
    json_array_foreach(json_object_get(root, "headers"), i, pair)
    {
        const json_t *name = json_array_get(pair, 0), *value = json_array_get(pair, 1);
        if (!json_is_string(name) || !json_is_string(value))
            return false;
        size_t n = json_string_length(name);
        if (passes(json_string_value(name), n) &&
            !dgon_pass_head_add(h, json_string_value(name), n, json_string_value(value),
                                json_string_length(value)))
            return false;
    }
    return true;
}

static bool read_size(const json_t *root, const char *key, int64_t *out)
{
    const json_t *v = json_object_get(root, key);
    if (v == NULL)
        return true;
    *out = json_integer_value(v);
    return json_is_integer(v) && *out >= 0;
}

static bool copy(char *out, size_t size, const json_t *v)
{
    size_t n = json_string_length(v);
    if (!json_is_string(v) || n == 0 || n >= size)
        return false;
    memcpy(out, json_string_value(v), n + 1);
    return strlen(out) == n;
}

bool dgon_pass_is_target(const char *path)
{
    size_t n = strcspn(path, "?");
    for (const char *p = path; *p != '\0'; p++)
        if (*p <= ' ' || *p > '~' || *p == '#')
            return false;
    for (const char *p = path; (p = strstr(p, "/..")) != NULL && p < path + n; p++)
        if (p[3] == '\0' || p[3] == '/' || p[3] == '?')
            return false;
    return path[0] == '/';
}

static bool is_method(const char *p)
{
    for (; *p != '\0'; p++)
        if (*p < 'A' || *p > 'Z')
            return false;
    return true;
}

static bool read_request(dgon_pass_head *h, const json_t *root)
{
    int64_t len = 0;
    bool ok = copy(h->method, sizeof h->method, json_object_get(root, "method")) &&
              is_method(h->method) &&
              copy(h->path, sizeof h->path, json_object_get(root, "path")) &&
              dgon_pass_is_target(h->path) && read_size(root, "length", &h->length) &&
              read_size(root, "model_at", &h->model_at) && read_size(root, "model_len", &len) &&
              len <= UINT32_MAX;
    h->model_len = (uint32_t)len;
    if (!ok || (h->model_at >= 0 && h->length >= 0 && h->model_at + len > h->length))
        return false;
    return h->model_at <= INT64_MAX / 2 && read_headers(h, root, dgon_pass_request_header);
}

static bool read_answer(dgon_pass_head *h, const json_t *root)
{
    int64_t status = 0;
    if (!read_size(root, "status", &status) || status < 200 || status > 599)
        return false;
    h->status = (int)status;
    return read_size(root, "length", &h->length) && read_headers(h, root, dgon_pass_answer_header);
}

static dgon_status read_head(dgon_pass_head *h, const char *p, size_t n,
                             bool (*fn)(dgon_pass_head *h, const json_t *root))
{
    json_t *root;
    dgon_pass_head_init(h);
    dgon_status s = load(&root, p, n);
    if (s == DGON_OK && (!json_is_object(root) || !fn(h, root)))
        s = DGON_EPROTO;
    json_decref(root);
    return s;
}

dgon_status dgon_pass_request_read(dgon_pass_head *h, const char *p, size_t n)
{
    return read_head(h, p, n, read_request);
}

dgon_status dgon_pass_answer_read(dgon_pass_head *h, const char *p, size_t n)
{
    return read_head(h, p, n, read_answer);
}

#include "dgon/pass.h"

#include "dgon/json.h"
#include "json_int.h"

#include <string.h>

/* ---- lists of openings ---- */

typedef struct opening {
    const char *methods, *path;
    size_t methods_len, path_len; /* of the path without its star */
    bool any_rest;
} opening;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The opening at p; where the next one begins, NULL: it was the last. */
static const char *next(const char *p, opening *o)
{
    const char *comma = p + strcspn(p, ","), *end = comma;
    while (is_blank(*p))
        p++;
    while (end > p && is_blank(end[-1]))
        end--;
    size_t n = 0;
    while (p + n < end && !is_blank(p[n]))
        n++;
    *o = (opening){.methods = p, .methods_len = n};
    p += n;
    while (p < end && is_blank(*p))
        p++;
    o->any_rest = end > p && end[-1] == '*';
    o->path = p;
    o->path_len = (size_t)(end - p) - o->any_rest;
    return *comma == ',' ? comma + 1 : NULL;
}

static bool is_upper(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < 'A' || p[i] > 'Z')
            return false;
    return n > 0 && n <= DGON_PASS_METHOD_MAX;
}

/* The length of the method at p, up to the bar. */
static size_t method_len(const char *p, const char *end)
{
    const char *bar = memchr(p, '|', (size_t)(end - p));
    return (size_t)((bar != NULL ? bar : end) - p);
}

static bool are_methods(const char *p, size_t n)
{
    const char *end = p + n;
    if (n == 1 && *p == '*')
        return true;
    for (; p < end; p++) {
        size_t len = method_len(p, end);
        if (!is_upper(p, len))
            return false;
        p += len;
        if (p + 1 == end)
            return false; /* a bar at the end */
    }
    return n > 0;
}

static bool is_path(const opening *o)
{
    for (size_t i = 0; i < o->path_len; i++)
        if (o->path[i] <= ' ' || o->path[i] > '~' || strchr("*?#", o->path[i]) != NULL)
            return false;
    return o->path_len > 0 && o->path[0] == '/';
}

const char *dgon_pass_check(const char *list)
{
    if (strlen(list) >= DGON_PASS_LIST_MAX)
        return "the list is too long";
    for (const char *p = list; p != NULL;) {
        opening o;
        p = next(p, &o);
        if (!are_methods(o.methods, o.methods_len))
            return "the methods are * or names in capitals with | between, as in GET|POST /path";
        if (!is_path(&o))
            return "the path begins with a slash, has no blank, ? or #, and a * only at its end";
    }
    return NULL;
}

static bool has_method(const opening *o, const char *method, size_t n)
{
    const char *p = o->methods, *end = p + o->methods_len;
    if (o->methods_len == 1 && *p == '*')
        return true;
    while (p < end) {
        size_t len = method_len(p, end);
        if (len == n && memcmp(p, method, n) == 0)
            return true;
        p += len + 1;
    }
    return false;
}

static bool covers(const opening *o, const char *path)
{
    return strncmp(path, o->path, o->path_len) == 0 && (o->any_rest || path[o->path_len] == '\0');
}

bool dgon_pass_has_path(const char *list, const char *path)
{
    for (const char *p = list; p != NULL;) {
        opening o;
        p = next(p, &o);
        if (covers(&o, path))
            return true;
    }
    return false;
}

bool dgon_pass_allows(const char *list, const char *method, const char *path)
{
    for (const char *p = list; p != NULL;) {
        opening o;
        p = next(p, &o);
        if (covers(&o, path) && has_method(&o, method, strlen(method)))
            return true;
    }
    return false;
}

static bool common_method(const opening *a, const opening *b)
{
    const char *p = a->methods, *end = p + a->methods_len;
    if (a->methods_len == 1 && *p == '*')
        return true;
    while (p < end) {
        size_t len = method_len(p, end);
        if (has_method(b, p, len))
            return true;
        p += len + 1;
    }
    return false;
}

/* One path is longer or both are equal: the shorter one must be its beginning and have a star. */
static bool common_path(const opening *a, const opening *b)
{
    const opening *brief = a->path_len <= b->path_len ? a : b, *other = brief == a ? b : a;
    if (memcmp(brief->path, other->path, brief->path_len) != 0)
        return false;
    return brief->any_rest || brief->path_len == other->path_len;
}

bool dgon_pass_overlap(const char *a, const char *b)
{
    for (const char *p = a; p != NULL;) {
        opening x, y;
        p = next(p, &x);
        for (const char *q = b; q != NULL;) {
            q = next(q, &y);
            if (common_path(&x, &y) && common_method(&x, &y))
                return true;
        }
    }
    return false;
}

bool dgon_pass_is_builtin(const char *path)
{
    static const char *const paths[] = {"/v1/audio/transcriptions", "/v1/audio/translations",
                                        "/v1/audio/speech",         "/v1/images/generations",
                                        "/v1/images/edits",         "/v1/images/variations",
                                        "/v1/moderations"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (strcmp(path, paths[i]) == 0)
            return true;
    return false;
}

/* ---- the model ---- */

/* The text of a JSON string, with its quotes: false if it does not fit. */
static bool text_of(const char *p, size_t n, char *out, size_t size)
{
    json_error_t why;
    json_t *v;
    bool ok = dgon_json_load(&v, p, n, JSON_DECODE_ANY, &why) == DGON_OK && json_is_string(v) &&
              json_string_length(v) < size;
    if (ok)
        memcpy(out, json_string_value(v), json_string_length(v) + 1);
    json_decref(v);
    return ok;
}

/* A name may be written with escapes, which the backend reads as well. */
static bool is_model_key(const char *p, const dgon_json_member *m)
{
    char key[sizeof "model"];
    return text_of(p + m->key - 1, m->key_len + 2, key, sizeof key) && strcmp(key, "model") == 0;
}

dgon_status dgon_pass_json_model(const char *p, size_t n, char name[DGON_WIRE_NAME_MAX + 1],
                                 size_t *at, size_t *len)
{
    dgon_json_scan scan;
    dgon_json_member m;
    dgon_status s, found = DGON_ENOTFOUND;
    dgon_json_scan_init(&scan, p, n);
    while ((s = dgon_json_scan_next(&scan, &m)) == DGON_OK) {
        if (!is_model_key(p, &m))
            continue;
        if (found == DGON_OK || p[m.value] != '"')
            return DGON_EINVAL;
        if (!text_of(p + m.value, m.value_len, name, DGON_WIRE_NAME_MAX + 1))
            name[0] = '\0'; /* nobody's name */
        *at = m.value + 1;
        *len = m.value_len - 2;
        found = DGON_OK;
    }
    return s == DGON_DONE ? found : DGON_ENOTFOUND;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_like_model_key(const char *p, const dgon_json_member *m)
{
    char key[sizeof "model"];
    if ((m->key_len != 5 && memchr(p + m->key, '\\', m->key_len) == NULL) ||
        !text_of(p + m->key - 1, m->key_len + 2, key, sizeof key))
        return false;
    for (char *c = key; *c != '\0'; c++)
        *c = lower(*c);
    return strcmp(key, "model") == 0;
}

int dgon_pass_json_models(const char *p, size_t n)
{
    dgon_json_scan scan;
    dgon_json_member m;
    dgon_status s;
    int found = 0;
    dgon_json_scan_init(&scan, p, n);
    while ((s = dgon_json_scan_next(&scan, &m)) == DGON_OK)
        found += is_like_model_key(p, &m);
    if (s != DGON_DONE)
        return -1;
    for (size_t i = scan.at; i < n; i++)
        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r' && p[i] != '\n')
            return -1;
    return found;
}

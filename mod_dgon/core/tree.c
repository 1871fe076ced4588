#include "tree_int.h"

#include "dgon/alloc.h"
#include "dgon/utf8.h"
#include "json_int.h"

#include <string.h>

#define DUMP_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))
#define TEXT_MAX   (16u * 1024u * 1024u)

dgon_status dgon_tree_load(json_t **root, const char *p, size_t n, size_t flags, json_error_t *err)
{
    dgon_status s = dgon_json_load(root, p, n, flags, err);
    if (s == DGON_EJSON && json_error_code(err) == json_error_numeric_overflow)
        s = dgon_json_load(root, p, n, flags | JSON_DECODE_INT_AS_REAL, err);
    return s;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Value of the escape \uXXXX at p, or -1. */
static long unicode_escape(const char *p, size_t n)
{
    long v = 0;
    if (n < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (size_t k = 2; k < 6; k++) {
        int d = hex_digit(p[k]);
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

size_t dgon_tree_half_surrogate(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *at = memchr(p + i, '\\', n - i);
        if (at == NULL)
            return n;
        i = (size_t)(at - p);
        long v = unicode_escape(p + i, n - i);
        if (v < 0xd800 || v > 0xdfff) {
            i += 1;
            continue;
        }
        long next = n - i > 6 ? unicode_escape(p + i + 6, n - i - 6) : -1;
        if (v > 0xdbff || next < 0xdc00 || next > 0xdfff)
            return i;
        i += 11;
    }
    return n;
}

static void repair_surrogates(char *p, size_t n)
{
    size_t i;
    while ((i = dgon_tree_half_surrogate(p, n)) < n) {
        memcpy(p + i + 2, "fffd", 4);
        p += i + 6;
        n -= i + 6;
    }
}

dgon_status dgon_tree_load_backend(json_t **root, const char *p, size_t n)
{
    json_error_t err;
    dgon_status s = dgon_tree_load(root, p, n, JSON_ALLOW_NUL, &err);
    if (s != DGON_EJSON || n > SIZE_MAX / 3)
        return s;
    char *copy = dgon_malloc(3 * n);
    if (copy == NULL)
        return DGON_ENOMEM;
    n = dgon_utf8_repair(copy, p, n);
    repair_surrogates(copy, n);
    s = dgon_tree_load(root, copy, n, JSON_ALLOW_NUL, &err);
    dgon_free(copy);
    return s;
}

typedef struct dump_target {
    dgon_buf *out;
    dgon_status status;
} dump_target;

static int dump_some(const char *p, size_t n, void *user)
{
    dump_target *t = user;
    t->status = dgon_buf_add(t->out, p, n);
    return t->status == DGON_OK ? 0 : -1;
}

dgon_status dgon_tree_dump(dgon_buf *out, const json_t *t)
{
    dump_target target = {out, DGON_OK};
    size_t before = out->len;
    if (t != NULL && json_dump_callback(t, dump_some, &target, DUMP_FLAGS) == 0)
        return DGON_OK;
    out->len = before;
    return target.status != DGON_OK ? target.status : DGON_ENOMEM;
}

json_t *dgon_tree_text(const json_t *t)
{
    json_t *text = NULL;
    dgon_buf b;
    dgon_buf_init(&b, TEXT_MAX);
    if (dgon_tree_dump(&b, t) == DGON_OK)
        text = json_stringn(b.data, b.len);
    dgon_buf_fini(&b);
    return text;
}

const char *dgon_tree_str(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

bool dgon_tree_whole(const json_t *v, int64_t *out)
{
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return true;
    }
    double d = json_is_real(v) ? json_real_value(v) : 0.5;
    if (d >= 9223372036854775808.0 || d < -9223372036854775808.0)
        return false;
    *out = (int64_t)d;
    return (double)*out == d;
}

int64_t dgon_tree_int(const json_t *o, const char *key, int64_t otherwise)
{
    int64_t v;
    if (!dgon_tree_whole(json_object_get(o, key), &v))
        return otherwise;
    return v < 0 ? 0 : v;
}

void dgon_tree_drop_empty(json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) ||
        (json_is_array(v) && json_array_size(v) == 0))
        (void)json_object_del(o, key);
}

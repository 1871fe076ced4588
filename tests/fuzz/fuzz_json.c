/* The scanner against jansson, and the rewriting of the identity against both. */
#include "dgon/json.h"
#include "dgon/utf8.h"

#include "fuzz.h"

#include <jansson.h>

static const dgon_json_identity ident = {"\"chatcmpl-1\"", 12, "\"pub\"", 5, "1700000000", 10};

static bool scans(const char *p, size_t n)
{
    dgon_json_scan s;
    dgon_json_member m;
    dgon_status st;
    size_t at = 0;
    dgon_json_scan_init(&s, p, n);
    while ((st = dgon_json_scan_next(&s, &m)) == DGON_OK) {
        FUZZ_ASSERT(m.key > at && m.key + m.key_len < m.value && m.value_len > 0);
        FUZZ_ASSERT(m.value + m.value_len <= n && s.at == m.value + m.value_len);
        at = s.at;
    }
    FUZZ_ASSERT(st == DGON_DONE || st == DGON_EJSON);
    FUZZ_ASSERT(s.at <= n);
    if (st == DGON_EJSON)
        return false;
    while (s.at < n && strchr(" \t\r\n", p[s.at]) != NULL && p[s.at] != '\0')
        s.at++;
    return s.at == n;
}

static bool has_escape(const char *p, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        if (p[i] == '\\' && p[i + 1] == 'u')
            return true;
    }
    return false;
}

static void check_identity(const char *p, size_t n, bool scanned, const json_t *tree)
{
    dgon_buf out;
    json_error_t err;
    dgon_buf_init(&out, n + 200);
    dgon_status st = dgon_json_reidentify(&out, p, n, &ident);
    FUZZ_ASSERT(st == DGON_OK || (st == DGON_EJSON && out.len == 0));
    FUZZ_ASSERT(st != DGON_OK || scanned);
    if (st == DGON_OK && tree != NULL) {
        json_t *o = json_loadb(out.data, out.len, JSON_ALLOW_NUL, &err);
        FUZZ_ASSERT(o != NULL);
        const char *id = json_string_value(json_object_get(o, "id"));
        const char *model = json_string_value(json_object_get(o, "model"));
        FUZZ_ASSERT(id != NULL && strcmp(id, "chatcmpl-1") == 0);
        FUZZ_ASSERT(model != NULL && strcmp(model, "pub") == 0);
        FUZZ_ASSERT(json_integer_value(json_object_get(o, "created")) == 1700000000);
        const char *key;
        json_t *v;
        json_object_foreach(o, key, v)
        {
            if (strcmp(key, "id") != 0 && strcmp(key, "model") != 0 && strcmp(key, "created") != 0)
                FUZZ_ASSERT(json_equal(v, json_object_get(tree, key)));
        }
        json_decref(o);
    }
    dgon_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *p = fuzz_copy(data, size);
    dgon_utf8 u = {0};
    json_error_t err;
    size_t offset = SIZE_MAX;
    dgon_status pre = dgon_json_precheck(p, size, DGON_JSON_DEPTH_MAX, &offset);
    bool utf8 = dgon_utf8_feed(&u, p, size, false) == DGON_OK && dgon_utf8_complete(&u);
    bool clean = utf8 && (size == 0 || memchr(p, 0, size) == NULL);
    FUZZ_ASSERT(offset <= size);
    FUZZ_ASSERT(pre == DGON_EDEPTH || (pre == DGON_OK) == clean);

    json_t *tree = pre == DGON_OK ? json_loadb(p, size, JSON_ALLOW_NUL, &err) : NULL;
    bool object = json_is_object(tree);
    bool scanned = scans(p, size);
    if (pre == DGON_OK && object)
        FUZZ_ASSERT(scanned);
    /* jansson alone looks at the range of numbers and at the pairs of surrogates */
    if (pre == DGON_OK && scanned && tree == NULL)
        FUZZ_ASSERT(json_error_code(&err) == json_error_numeric_overflow ||
                    json_error_code(&err) == json_error_null_byte_in_key || has_escape(p, size));
    check_identity(p, size, scanned, object ? tree : NULL);
    json_decref(tree);
    free(p);
    return 0;
}

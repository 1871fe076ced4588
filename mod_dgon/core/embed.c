#include "dgon/embed.h"

#include "dgon/alloc.h"
#include "dgon/json.h"

#include "chat_int.h"
#include "embed_int.h"
#include "tree_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool key_is(const char *p, const dgon_json_member *m, const char *key)
{
    return m->key_len == strlen(key) && memcmp(p + m->key, key, m->key_len) == 0;
}

bool dgon_embed_wants_base64(const char *body, size_t n)
{
    dgon_json_scan scan;
    dgon_json_member m;
    bool wanted = false;
    dgon_json_scan_init(&scan, body, n);
    while (dgon_json_scan_next(&scan, &m) == DGON_OK) {
        if (key_is(body, &m, "encoding_format"))
            wanted = m.value_len == 8 && memcmp(body + m.value, "\"base64\"", 8) == 0;
    }
    return wanted;
}

/* ---- base64 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 3 bytes, or the 1 or 2 that are left. */
static dgon_status put_group(dgon_buf *out, const unsigned char *b, size_t n)
{
    char group[4];
    uint32_t v = (uint32_t)b[0] << 16 | (n > 1 ? (uint32_t)b[1] << 8 : 0) | (n > 2 ? b[2] : 0);
    group[0] = alphabet[v >> 18 & 63];
    group[1] = alphabet[v >> 12 & 63];
    group[2] = n > 1 ? alphabet[v >> 6 & 63] : '=';
    group[3] = n > 2 ? alphabet[v & 63] : '=';
    return dgon_buf_add(out, group, sizeof group);
}

static int digit_of(char c)
{
    const char *at = c != '\0' ? strchr(alphabet, c) : NULL;
    return at != NULL ? (int)(at - alphabet) : -1;
}

/* ---- one vector ---- */

/* The next number of an array of them. strtof stops at the comma or bracket behind it. */
static dgon_status next_float(const char *p, size_t n, size_t *at, float *f)
{
    size_t item, len;
    dgon_status s = dgon_json_item(p, n, at, &item, &len);
    if (s != DGON_OK)
        return s;
    if (p[item] != '-' && (p[item] < '0' || p[item] > '9'))
        return DGON_EJSON;
    *f = strtof(p + item, NULL);
    return DGON_OK;
}

static void put_le(unsigned char b[4], float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    for (unsigned i = 0; i < 4; i++)
        b[i] = (unsigned char)(bits >> (8 * i));
}

/* 12 bytes at a time are 16 characters without padding. */
static dgon_status floats_to_base64(dgon_buf *out, const char *p, size_t n)
{
    unsigned char b[12];
    size_t at = 0, fill = 0;
    float f;
    dgon_status s = dgon_buf_adds(out, "\""), next = DGON_OK;
    while (s == DGON_OK && (next = next_float(p, n, &at, &f)) == DGON_OK) {
        put_le(b + fill, f);
        fill += 4;
        for (size_t i = 0; fill == sizeof b && i < sizeof b && s == DGON_OK; i += 3)
            s = put_group(out, b + i, 3);
        fill %= sizeof b;
    }
    if (s == DGON_OK && next != DGON_DONE)
        return next;
    for (size_t i = 0; i < fill && s == DGON_OK; i += 3)
        s = put_group(out, b + i, fill - i < 3 ? fill - i : 3);
    return s == DGON_OK ? dgon_buf_adds(out, "\"") : s;
}

static dgon_status put_float(dgon_buf *out, const unsigned char b[4], bool first)
{
    uint32_t bits =
        (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    float f;
    if ((bits >> 23 & 255) == 255)
        return DGON_EJSON; /* no number in JSON */
    memcpy(&f, &bits, sizeof f);
    return dgon_buf_addf(out, "%s%.9g", first ? "" : ",", (double)f);
}

/* p[0..n) with its quotes. */
static dgon_status base64_to_floats(dgon_buf *out, const char *p, size_t n)
{
    unsigned char b[4];
    uint32_t v = 0;
    unsigned bits = 0, fill = 0;
    bool first = true;
    dgon_status s = dgon_buf_adds(out, "[");
    for (size_t i = 1; i + 1 < n && p[i] != '=' && s == DGON_OK; i++) {
        int d = digit_of(p[i]);
        if (d < 0)
            return DGON_EJSON;
        v = v << 6 | (uint32_t)d;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        b[fill++] = (unsigned char)(v >> bits);
        if (fill == sizeof b) {
            s = put_float(out, b, first);
            first = false;
            fill = 0;
        }
    }
    if (s == DGON_OK && fill != 0)
        return DGON_EJSON;
    return s == DGON_OK ? dgon_buf_adds(out, "]") : s;
}

/* Only numbers, as they stand. */
static dgon_status copy_floats(dgon_buf *out, const char *p, size_t n)
{
    size_t at = 0, item, len;
    dgon_status s;
    while ((s = dgon_json_item(p, n, &at, &item, &len)) == DGON_OK) {
        if (p[item] != '-' && (p[item] < '0' || p[item] > '9'))
            return DGON_EJSON;
    }
    return s == DGON_DONE ? dgon_buf_add(out, p, n) : s;
}

static dgon_status put_vector(dgon_buf *out, const char *p, size_t n, bool base64)
{
    if (p[0] == '[')
        return base64 ? floats_to_base64(out, p, n) : copy_floats(out, p, n);
    if (p[0] != '"' || memchr(p, '\\', n) != NULL)
        return DGON_EJSON;
    return base64 ? dgon_buf_add(out, p, n) : base64_to_floats(out, p, n);
}

/* ---- the whole answer ---- */

/* n 0: none. */
typedef struct found {
    dgon_span data, vectors, usage, count; /* OpenAI's data and usage; Ollama's */
} found;

static dgon_status find(found *f, const char *p, size_t n)
{
    dgon_json_scan scan;
    dgon_json_member m;
    dgon_status s;
    dgon_json_scan_init(&scan, p, n);
    while ((s = dgon_json_scan_next(&scan, &m)) == DGON_OK) {
        const dgon_span value = {p + m.value, m.value_len};
        if (key_is(p, &m, "data"))
            f->data = value;
        else if (key_is(p, &m, "embeddings"))
            f->vectors = value;
        else if (key_is(p, &m, "usage"))
            f->usage = value;
        else if (key_is(p, &m, "prompt_eval_count"))
            f->count = value;
    }
    return s == DGON_DONE ? DGON_OK : s;
}

/* One of OpenAI's data: its vector and its place, which defaults to `place`. */
static dgon_status read_datum(const char *p, size_t n, dgon_span *vector, size_t *place)
{
    dgon_json_scan scan;
    dgon_json_member m;
    dgon_status s;
    dgon_json_scan_init(&scan, p, n);
    *vector = (dgon_span){NULL, 0};
    while ((s = dgon_json_scan_next(&scan, &m)) == DGON_OK) {
        if (key_is(p, &m, "embedding")) {
            *vector = (dgon_span){p + m.value, m.value_len};
        } else if (key_is(p, &m, "index")) {
            char *end;
            unsigned long v = strtoul(p + m.value, &end, 10);
            if (end != p + m.value + m.value_len || p[m.value] == '-')
                return DGON_EJSON;
            *place = v;
        }
    }
    return s == DGON_DONE && vector->n > 0 ? DGON_OK : DGON_EJSON;
}

static dgon_status count_items(const dgon_span *list, size_t *count)
{
    size_t at = 0, item, len;
    dgon_status s;
    *count = 0;
    while ((s = dgon_json_item(list->p, list->n, &at, &item, &len)) == DGON_OK)
        (*count)++;
    if (s != DGON_DONE || *count == 0)
        return DGON_EJSON;
    return *count <= DGON_EMBED_INPUTS_MAX ? DGON_OK : DGON_ETOOBIG;
}

dgon_status dgon_embed_list_read(dgon_embed_list *to, const dgon_span *list, bool data)
{
    size_t at = 0, item, len, i = 0;
    dgon_status s = count_items(list, &to->count);
    if (s != DGON_OK)
        return s;
    to->v = dgon_calloc(to->count, sizeof *to->v);
    if (to->v == NULL)
        return DGON_ENOMEM;
    for (; s == DGON_OK && dgon_json_item(list->p, list->n, &at, &item, &len) == DGON_OK; i++) {
        dgon_span vector = {list->p + item, len};
        size_t place = i;
        if (data)
            s = read_datum(list->p + item, len, &vector, &place);
        if (s == DGON_OK && (place >= to->count || to->v[place].p != NULL))
            s = DGON_EJSON;
        if (s == DGON_OK)
            to->v[place] = vector;
    }
    return s;
}

static dgon_status take_usage(dgon_chat *c, const found *f)
{
    if (f->usage.n > 0 && *f->usage.p == '{') {
        json_t *usage;
        dgon_status s = dgon_tree_load_backend(&usage, f->usage.p, f->usage.n);
        if (s != DGON_OK)
            return s;
        c->usage.prompt = dgon_tree_int(usage, "prompt_tokens", 0);
        c->usage.known = true;
        json_decref(usage);
    } else if (f->count.n > 0) {
        long long v = strtoll(f->count.p, NULL, 10);
        c->usage.prompt = v > 0 ? v : 0;
        c->usage.known = true;
    }
    return DGON_OK;
}

static dgon_status write_list(dgon_chat *c, const dgon_embed_list *from, bool base64, dgon_buf *out)
{
    dgon_status s = dgon_buf_adds(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < from->count && s == DGON_OK; i++) {
        s = dgon_buf_addf(
            out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i > 0 ? "," : "", i);
        if (s == DGON_OK)
            s = put_vector(out, from->v[i].p, from->v[i].n, base64);
        if (s == DGON_OK)
            s = dgon_buf_adds(out, "}");
    }
    if (s != DGON_OK)
        return s;
    return dgon_buf_addf(out,
                         "],\"model\":%s,\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}",
                         c->model_json, (long long)c->usage.prompt, (long long)c->usage.prompt);
}

static dgon_status write_vectors(dgon_chat *c, const dgon_embed_list *from, bool base64,
                                 dgon_buf *out)
{
    (void)c;
    dgon_status s = dgon_buf_adds(out, "[");
    for (size_t i = 0; i < from->count && s == DGON_OK; i++) {
        if (i > 0)
            s = dgon_buf_adds(out, ",");
        if (s == DGON_OK)
            s = put_vector(out, from->v[i].p, from->v[i].n, base64);
    }
    return s == DGON_OK ? dgon_buf_adds(out, "]") : s;
}

typedef dgon_status (*write_fn)(dgon_chat *c, const dgon_embed_list *from, bool base64,
                                dgon_buf *out);

static dgon_status answer(dgon_chat *c, write_fn write, bool base64, dgon_buf *out, const char *p,
                          size_t n)
{
    size_t before = out->len;
    dgon_embed_list list = {0};
    found f = {0};
    dgon_status s = find(&f, p, n);
    if (s == DGON_OK)
        s = f.data.n > 0      ? dgon_embed_list_read(&list, &f.data, true)
            : f.vectors.n > 0 ? dgon_embed_list_read(&list, &f.vectors, false)
                              : DGON_EJSON;
    if (s == DGON_OK)
        s = take_usage(c, &f);
    if (s == DGON_OK)
        s = write(c, &list, base64, out);
    dgon_free(list.v);
    if (s == DGON_OK) {
        dgon_chat_note_finish(c, 0, "stop");
        return s;
    }
    out->len = before;
    return s == DGON_EJSON ? dgon_chat_fail(c, "The backend's answer is not a list of embeddings.")
                           : s;
}

dgon_status dgon_embed_answer(dgon_chat *c, bool base64, dgon_buf *out, const char *p, size_t n)
{
    return answer(c, write_list, base64, out, p, n);
}

dgon_status dgon_embed_vectors(dgon_chat *c, dgon_buf *out, const char *p, size_t n)
{
    return answer(c, write_vectors, false, out, p, n);
}

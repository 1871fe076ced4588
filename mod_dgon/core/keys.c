#include "dgon/keys.h"

#include "dgon/alloc.h"
#include "dgon/glob.h"
#include "dgon/utc.h"
#include "dgon/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_BYTES 32u
#define FIELDS       5 /* before the comment */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool dgon_key_is_id(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(p[i] >= 'a' && p[i] <= 'z') && !(p[i] >= '0' && p[i] <= '9') && p[i] != '_' &&
            p[i] != '-')
            return false;
    return n >= DGON_KEY_ID_MIN && n <= DGON_KEY_ID_MAX;
}

bool dgon_key_is_comment(const char *p, size_t n)
{
    dgon_utf8 u = {0};
    return n <= DGON_KEY_COMMENT_MAX && memchr(p, 0x7f, n) == NULL &&
           dgon_utf8_feed(&u, p, n, true) == DGON_OK && dgon_utf8_complete(&u);
}

dgon_status dgon_key_hash(unsigned char out[DGON_HASH_SIZE], const char *secret, size_t n)
{
    return dgon_hash(out, secret, n);
}

dgon_status dgon_key_make(char secret[DGON_KEY_SECRET_SIZE], unsigned char hash[DGON_HASH_SIZE])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char random[SECRET_BYTES];
    unsigned bits = 0, have = 0;
    size_t n = 0;
    dgon_status s = dgon_hash_random(random, sizeof random);
    if (s != DGON_OK)
        return s;
    for (size_t i = 0; i < sizeof random; i++) {
        bits = bits << 8 | random[i];
        for (have += 8; have >= 6; have -= 6)
            secret[n++] = digits[bits >> (have - 6) & 63];
    }
    secret[n++] = digits[bits << (6 - have) & 63];
    secret[n] = '\0';
    return dgon_key_hash(hash, secret, n);
}

/* ---- one line ---- */

typedef struct field {
    char *p;
    size_t n;
} field;

static bool is_none(field f)
{
    return f.n == 1 && f.p[0] == '-';
}

static char *skip(char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    return p;
}

/* Cuts the line into its fields; the last one is the comment. Returns how many there are. */
static int split(char *p, char *end, field f[FIELDS + 1])
{
    int n = 0;
    for (p = skip(p, end); p < end && n < FIELDS; n++) {
        f[n].p = p;
        while (p < end && !is_blank(*p))
            p++;
        f[n].n = (size_t)(p - f[n].p);
        p = skip(p, end);
    }
    while (end > p && is_blank(end[-1]))
        end--;
    f[FIELDS] = (field){p, (size_t)(end - p)};
    return n;
}

static bool read_time(field f, int64_t *seconds)
{
    *seconds = 0;
    return is_none(f) || dgon_utc_read(f.p, f.n, seconds);
}

/* NULL, or what is wrong. The texts get their NULs, which fall on blanks or on the line's end. */
static const char *read_line(char *p, char *end, dgon_key *key)
{
    field f[FIELDS + 1];
    if (memchr(p, '\0', (size_t)(end - p)) != NULL)
        return "there is a NUL";
    if (split(p, end, f) < FIELDS)
        return "fields are missing: id, hash, expires, models, created";
    if (!dgon_key_is_id(f[0].p, f[0].n))
        return "the id is not 3 to 32 of a-z, 0-9, _ and -";
    if (!dgon_hash_unhex(key->hash, DGON_HASH_SIZE, f[1].p, f[1].n))
        return "the hash is not 64 hex digits";
    if (!read_time(f[2], &key->expires))
        return "expires is neither - nor a time such as 2026-12-31T23:59:59Z";
    if (!is_none(f[3]) && !dgon_glob_is_list(f[3].p, f[3].n))
        return "models is neither - nor names with commas between them";
    if (!read_time(f[4], &key->created))
        return "created is neither - nor a time such as 2026-12-31T23:59:59Z";
    if (!dgon_key_is_comment(f[5].p, f[5].n))
        return "the comment is no line of at most 128 bytes of UTF-8";
    f[0].p[f[0].n] = f[3].p[f[3].n] = f[5].p[f[5].n] = '\0';
    key->id = f[0].p;
    key->models = is_none(f[3]) ? "" : f[3].p;
    key->comment = is_none(f[5]) ? "" : f[5].p;
    return NULL;
}

/* ---- the file ---- */

static dgon_status wrong(char *why, dgon_status s, size_t line, const char *text)
{
    if (line > 0)
        (void)snprintf(why, DGON_KEYS_WHY, "line %zu: %s", line, text);
    else
        (void)snprintf(why, DGON_KEYS_WHY, "%s", text);
    return s;
}

static bool says_something(const char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    return p < end && *p != '#';
}

static size_t count_lines(const char *p, size_t n)
{
    size_t lines = 0;
    for (const char *end = p + n; p < end; p++)
        lines += *p == '\n';
    return lines;
}

static dgon_status read_lines(dgon_keys *keys, size_t n, char *why)
{
    char *p = keys->text, *end = p + n;
    for (size_t line = 1; p < end; line++) {
        char *eol = memchr(p, '\n', (size_t)(end - p));
        if (eol == NULL)
            return wrong(why, DGON_EINVAL, line, "its end is missing: written by half?");
        if (says_something(p, eol)) {
            dgon_key *key = &keys->list[keys->count];
            const char *what =
                keys->count == DGON_KEYS_MAX ? "more than 100000 keys" : read_line(p, eol, key);
            if (what != NULL)
                return wrong(why, DGON_EINVAL, line, what);
            key->line = line;
            keys->count++;
        }
        p = eol + 1;
    }
    return DGON_OK;
}

static int by_id(const void *a, const void *b)
{
    const dgon_key *x = a, *y = b;
    return strcmp(x->id, y->id);
}

static dgon_status sort(dgon_keys *keys, char *why)
{
    if (keys->count > 1)
        qsort(keys->list, keys->count, sizeof keys->list[0], by_id);
    for (size_t i = 1; i < keys->count; i++) {
        size_t a = keys->list[i - 1].line, b = keys->list[i].line;
        if (strcmp(keys->list[i - 1].id, keys->list[i].id) == 0)
            return wrong(why, DGON_EINVAL, a > b ? a : b, "this id stands above already");
    }
    return DGON_OK;
}

dgon_status dgon_keys_parse(dgon_keys *keys, const char *p, size_t n, char why[DGON_KEYS_WHY])
{
    *keys = (dgon_keys){.list = NULL};
    if (n > DGON_KEYS_FILE_MAX)
        return wrong(why, DGON_ETOOBIG, 0, "more than 16 MiB");
    size_t lines = count_lines(p, n);
    keys->text = dgon_malloc(n + 1);
    keys->list = dgon_calloc((lines < DGON_KEYS_MAX ? lines : DGON_KEYS_MAX) + 1, sizeof(dgon_key));
    dgon_status s = DGON_OK;
    if (keys->text == NULL || keys->list == NULL) {
        s = wrong(why, DGON_ENOMEM, 0, "no memory");
    } else {
        memcpy(keys->text, n > 0 ? p : "", n);
        keys->text[n] = '\0';
        s = read_lines(keys, n, why);
    }
    if (s == DGON_OK)
        s = sort(keys, why);
    if (s != DGON_OK)
        dgon_keys_fini(keys);
    return s;
}

void dgon_keys_fini(dgon_keys *keys)
{
    dgon_free(keys->text);
    dgon_free(keys->list);
    *keys = (dgon_keys){.list = NULL};
}

const dgon_key *dgon_keys_find(const dgon_keys *keys, const char *id, size_t n)
{
    char name[DGON_KEY_ID_MAX + 1];
    if (!dgon_key_is_id(id, n) || keys->count == 0)
        return NULL;
    memcpy(name, id, n);
    name[n] = '\0';
    const dgon_key key = {.id = name};
    return bsearch(&key, keys->list, keys->count, sizeof keys->list[0], by_id);
}

dgon_status dgon_key_write(dgon_buf *out, const dgon_key *key)
{
    char hash[DGON_HASH_HEX_SIZE], expires[DGON_UTC_SIZE] = "-", created[DGON_UTC_SIZE] = "-";
    dgon_hash_hex(hash, key->hash, DGON_HASH_SIZE);
    if (key->expires != 0)
        dgon_utc_write(expires, key->expires);
    if (key->created != 0)
        dgon_utc_write(created, key->created);
    return dgon_buf_addf(out, "%s %s %s %s %s%s%s\n", key->id, hash, expires,
                         key->models[0] != '\0' ? key->models : "-", created,
                         key->comment[0] != '\0' ? " " : "", key->comment);
}

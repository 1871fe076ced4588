#include "dgon/buf.h"

#include "dgon/alloc.h"
#include "utf8_int.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FIRST_SIZE 128u

void dgon_buf_init(dgon_buf *b, size_t max)
{
    *b = (dgon_buf){.max = max};
}

void dgon_buf_fini(dgon_buf *b)
{
    dgon_free(b->data);
    *b = (dgon_buf){.max = b->max};
}

void dgon_buf_reset(dgon_buf *b)
{
    b->len = 0;
}

void dgon_buf_consume(dgon_buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    if (n > 0)
        memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

/* The memory is always one byte longer than the content may become: room for a NUL, which
 * dgon_buf_addf and dgon_buf_take write. */
static dgon_status grow(dgon_buf *b, size_t need)
{
    if (need == SIZE_MAX)
        return DGON_ENOMEM;
    size_t size = b->size > FIRST_SIZE ? b->size : FIRST_SIZE;
    while (size <= need)
        size = size > SIZE_MAX / 2 ? SIZE_MAX : size * 2;
    if (size - 1 > b->max)
        size = b->max + 1;
    char *data = dgon_realloc(b->data, size);
    if (data == NULL)
        return DGON_ENOMEM;
    b->data = data;
    b->size = size;
    return DGON_OK;
}

dgon_status dgon_buf_reserve(dgon_buf *b, size_t n)
{
    if (b->len > b->max || n > b->max - b->len)
        return DGON_ETOOBIG;
    size_t need = b->len + n;
    return need < b->size ? DGON_OK : grow(b, need);
}

dgon_status dgon_buf_add(dgon_buf *b, const void *p, size_t n)
{
    dgon_status s = dgon_buf_reserve(b, n);
    if (s != DGON_OK)
        return s;
    if (n > 0)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    return DGON_OK;
}

dgon_status dgon_buf_adds(dgon_buf *b, const char *s)
{
    return dgon_buf_add(b, s, strlen(s));
}

dgon_status dgon_buf_addf(dgon_buf *b, const char *fmt, ...)
{
    va_list ap;
    size_t room = b->size - b->len; /* mostly it fits at once */
    va_start(ap, fmt);
    int n = vsnprintf(room > 0 ? b->data + b->len : NULL, room, fmt, ap);
    va_end(ap);
    if (n < 0)
        return DGON_EINVAL;
    dgon_status s = dgon_buf_reserve(b, (size_t)n);
    if (s != DGON_OK)
        return s;
    if ((size_t)n >= room) {
        va_start(ap, fmt);
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    b->len += (size_t)n;
    return DGON_OK;
}

dgon_status dgon_buf_addu(dgon_buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    return dgon_buf_add(b, digits + at, sizeof digits - at);
}

/* Text of the bytes that may not stand in a JSON string as they are; returns its length. */
static size_t escape(char out[6], unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *known = c != 0 ? strchr(from, c) : NULL;
    out[0] = '\\';
    if (known != NULL) {
        out[1] = to[known - from];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static dgon_status add_json_bytes(dgon_buf *b, const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    for (size_t i = 0, end; i < n; i = end) {
        char esc[6];
        dgon_status st;
        for (end = i; end < n && is_plain(p[end]);)
            end++;
        if (end > i) {
            st = dgon_buf_add(b, s + i, end - i);
        } else if (p[i] < 0x80) {
            st = dgon_buf_add(b, esc, escape(esc, p[i]));
            end = i + 1;
        } else {
            bool valid;
            end = i + dgon_utf8_sequence(p + i, n - i, &valid);
            st = valid ? dgon_buf_add(b, s + i, end - i) : dgon_buf_add(b, "\xef\xbf\xbd", 3);
        }
        if (st != DGON_OK)
            return st;
    }
    return DGON_OK;
}

dgon_status dgon_buf_add_json_string(dgon_buf *b, const char *s, size_t n)
{
    size_t before = b->len;
    dgon_status st = dgon_buf_add(b, "\"", 1);
    if (st == DGON_OK)
        st = add_json_bytes(b, s, n);
    if (st == DGON_OK)
        st = dgon_buf_add(b, "\"", 1);
    if (st != DGON_OK)
        b->len = before;
    return st;
}

char *dgon_buf_take(dgon_buf *b, size_t *len)
{
    if (b->data == NULL && grow(b, 0) != DGON_OK)
        return NULL;
    char *data = b->data;
    data[b->len] = '\0';
    if (len != NULL)
        *len = b->len;
    *b = (dgon_buf){.max = b->max};
    return data;
}

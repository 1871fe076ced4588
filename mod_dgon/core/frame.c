#include "dgon/frame.h"

#include <stdint.h>
#include <string.h>

#define FINAL_TEXT   0x81u
#define FINAL_BINARY 0x82u
#define MASKED       0x80u

/* Eight bytes at a time: byte by byte it was the largest part of a token's cost in a full link. */
static void mask(unsigned char *p, size_t n, const unsigned char key[4])
{
    unsigned char twice[8];
    uint64_t k, v;
    size_t i = 0;
    memcpy(twice, key, 4);
    memcpy(twice + 4, key, 4);
    memcpy(&k, twice, sizeof k);
    for (; n - i >= sizeof v; i += sizeof v) {
        memcpy(&v, p + i, sizeof v);
        v ^= k;
        memcpy(p + i, &v, sizeof v);
    }
    for (; i < n; i++)
        p[i] = (unsigned char)(p[i] ^ key[i % 4]);
}

size_t dgon_frame_binary(unsigned char *payload, size_t n, const unsigned char key[4])
{
    unsigned char head[DGON_FRAME_HEAD_MAX] = {FINAL_BINARY};
    size_t len_bytes = n < 126 ? 0 : n <= 0xffff ? 2 : 8;
    head[1] = (unsigned char)(MASKED | (len_bytes == 0 ? n : len_bytes == 2 ? 126 : 127));
    for (size_t i = 0; i < len_bytes; i++)
        head[2 + i] = (unsigned char)((uint64_t)n >> 8 * (len_bytes - 1 - i));
    memcpy(head + 2 + len_bytes, key, 4);
    size_t size = 2 + len_bytes + 4;
    mask(payload, n, key);
    memcpy(payload - size, head, size);
    return size;
}

/* Length of the head; 0: it is not all there. */
static size_t read_head(const unsigned char *p, size_t n, uint64_t *len)
{
    size_t len_bytes = n < 2 ? 0 : (p[1] & 127) == 126 ? 2 : (p[1] & 127) == 127 ? 8 : 0;
    size_t size = n < 2 ? 2 : 2 + len_bytes + ((p[1] & MASKED) != 0 ? 4 : 0);
    if (n < size)
        return 0;
    *len = len_bytes == 0 ? p[1] & 127 : 0;
    for (size_t i = 0; i < len_bytes; i++)
        *len = *len << 8 | p[2 + i];
    return size;
}

/* 5.2: the shortest form that holds the length. */
static bool is_shortest(size_t head, size_t key, uint64_t len)
{
    return head - key == (len < 126 ? 2u : len <= 0xffff ? 4u : 10u);
}

static bool is_whole(const unsigned char *p, size_t n, size_t max, size_t key, dgon_frame *f)
{
    uint64_t len;
    size_t head = read_head(p, n, &len);
    if (head == 0 || ((p[1] & MASKED) != 0) != (key > 0) || len > max || len > n - head ||
        !is_shortest(head, key, len))
        return false;
    f->len = (size_t)len;
    f->size = head + f->len;
    f->text = p[0] == FINAL_TEXT;
    return true;
}

bool dgon_frame_message(unsigned char *p, size_t n, size_t max, dgon_frame *f)
{
    if (n == 0 || p[0] != FINAL_BINARY || !is_whole(p, n, max, 4, f))
        return false;
    f->payload = p + f->size - f->len;
    mask(f->payload, f->len, f->payload - 4);
    return true;
}

bool dgon_frame_from_gateway(unsigned char *p, size_t n, size_t max, dgon_frame *f)
{
    if (n == 0 || (p[0] != FINAL_BINARY && p[0] != FINAL_TEXT) || !is_whole(p, n, max, 0, f))
        return false;
    f->payload = p + f->size - f->len;
    return true;
}

uint64_t dgon_frame_size(const unsigned char *p, size_t n)
{
    uint64_t len;
    size_t head = read_head(p, n, &len);
    return head == 0 ? 0 : len > UINT64_MAX - head ? UINT64_MAX : head + len;
}

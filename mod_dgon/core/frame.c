#include "dgon/frame.h"

#include <stdint.h>
#include <string.h>

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

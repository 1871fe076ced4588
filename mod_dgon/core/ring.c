#include "dgon/ring.h"

#include <stdbool.h>
#include <string.h>

typedef struct header {
    uint32_t len;
    uint8_t type;
    uint8_t zero;
    uint16_t n;
} header;

_Static_assert(sizeof(header) == DGON_RING_HEADER, "header of a record");
_Static_assert(sizeof(dgon_ring_ctl) == 128, "writer and reader on lines of their own");

/* What is to be taken off a counter for its position. Reader: after it has seen a tail beyond its
 * head, as then no newer base can come before it has read on. */
static uint64_t base_of(const dgon_ring *r)
{
    return atomic_load_explicit(&r->ctl->base, memory_order_relaxed) - r->start;
}

static void copy_in(const dgon_ring *r, uint64_t pos, const void *src, uint32_t n)
{
    uint32_t at = (uint32_t)pos & (r->size - 1), first = r->size - at;
    if (first > n)
        first = n;
    if (first)
        memcpy(r->data + at, src, first);
    if (n > first)
        memcpy(r->data, (const unsigned char *)src + first, n - first);
}

static void copy_out(const dgon_ring *r, uint64_t pos, void *dst, uint32_t n)
{
    uint32_t at = (uint32_t)pos & (r->size - 1), first = r->size - at;
    if (first > n)
        first = n;
    if (first)
        memcpy(dst, r->data + at, first);
    if (n > first)
        memcpy((unsigned char *)dst + first, r->data, n - first);
}

void dgon_ring_reset(dgon_ring *r)
{
    atomic_store_explicit(&r->ctl->head, 0, memory_order_relaxed);
    atomic_store_explicit(&r->ctl->base, 0, memory_order_relaxed);
    atomic_store_explicit(&r->ctl->tail, 0, memory_order_release);
}

/* Bytes free; 0 as well when the words are impossible. */
static uint32_t room(const dgon_ring *r, uint64_t tail)
{
    uint64_t used = tail - atomic_load_explicit(&r->ctl->head, memory_order_acquire);
    return used > r->size ? 0 : r->size - (uint32_t)used;
}

uint32_t dgon_ring_space_spsc(const dgon_ring *r)
{
    uint32_t n = room(r, atomic_load_explicit(&r->ctl->tail, memory_order_relaxed));
    return n > DGON_RING_HEADER ? n - DGON_RING_HEADER : 0;
}

dgon_status dgon_ring_put_spsc(dgon_ring *r, uint8_t type, uint16_t n, const void *p, uint32_t len)
{
    uint64_t tail = atomic_load_explicit(&r->ctl->tail, memory_order_relaxed);
    uint32_t have = room(r, tail);
    if (have < DGON_RING_HEADER || have - DGON_RING_HEADER < len)
        return DGON_EFULL;
    if (have == r->size)
        atomic_store_explicit(&r->ctl->base, tail, memory_order_relaxed);
    uint64_t at = tail - base_of(r);
    header h = {.len = len, .type = type, .n = n};
    copy_in(r, at, &h, DGON_RING_HEADER);
    if (len)
        copy_in(r, at + DGON_RING_HEADER, p, len);
    atomic_store_explicit(&r->ctl->tail, tail + DGON_RING_HEADER + len, memory_order_release);
    return DGON_OK;
}

dgon_status dgon_ring_peek_spsc(const dgon_ring *r, dgon_ring_record *rec)
{
    uint64_t head = atomic_load_explicit(&r->ctl->head, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&r->ctl->tail, memory_order_acquire) - head;
    if (used == 0)
        return DGON_AGAIN;
    if (used > r->size || used < DGON_RING_HEADER)
        return DGON_EPROTO;
    header h;
    copy_out(r, head - base_of(r), &h, DGON_RING_HEADER);
    if (h.len > used - DGON_RING_HEADER)
        return DGON_EPROTO;
    *rec = (dgon_ring_record){.len = h.len, .type = h.type, .n = h.n};
    return DGON_OK;
}

void dgon_ring_take_spsc(dgon_ring *r, const dgon_ring_record *rec, void *dst)
{
    uint64_t head = atomic_load_explicit(&r->ctl->head, memory_order_relaxed);
    if (dst && rec->len && rec->len <= r->size)
        copy_out(r, head - base_of(r) + DGON_RING_HEADER, dst, rec->len);
    atomic_store_explicit(&r->ctl->head, head + DGON_RING_HEADER + rec->len, memory_order_release);
}

/* A byte ring in shared memory: one writer, one reader, possibly in different processes, either of
 * which may be killed at any instruction. No lock; the tail is published last, so a record is there
 * whole or not at all.
 *
 *   ctl:  tail (bytes ever written), base (writer's line) | head (bytes ever read, reader's line)
 *   data: size bytes, a power of two; position = (start + counter - base) & (size - 1); a record
 *         may wrap
 *   base: moved by the writer to the tail whenever it finds the ring empty, and published with the
 *         tail. Then nobody reads, and the next record begins at `start`: the ring of a reader that
 *         keeps up is one page, whatever its size.
 *   record: {u32 len, u8 type, u8 zero, u16 n} in host order + len bytes
 */
#ifndef DGON_RING_H
#define DGON_RING_H

#include "dgon/status.h"

#include <stdatomic.h>
#include <stdint.h>

#define DGON_RING_HEADER 8u
#define DGON_RING_MIN    16384u
#define DGON_RING_MAX    (4u * 1024u * 1024u)
#define DGON_RING_RESERVE \
    4096u /* kept for STATUS and the final record: the credit window is size - reserve */

typedef struct dgon_ring_ctl {
    _Alignas(64) _Atomic uint64_t tail;
    _Atomic uint64_t base;
    _Alignas(64) _Atomic uint64_t head;
} dgon_ring_ctl;

/* A process's view, made anew when needed; owns nothing. */
typedef struct dgon_ring {
    dgon_ring_ctl *ctl;
    unsigned char *data;
    uint32_t size;
    uint32_t start; /* position of the first byte, the same in all views */
} dgon_ring;

typedef struct dgon_ring_record {
    uint32_t len;
    uint8_t type; /* dgon_rec */
    uint16_t n;
} dgon_ring_record;

/* Empties it; only while no other process may use it (the claimer of the job slot). */
void dgon_ring_reset(dgon_ring *r);
/* Writer: payload bytes that a put may have now (0 if not even a header fits). */
uint32_t dgon_ring_space_spsc(const dgon_ring *r);
/* Writer: DGON_OK or DGON_EFULL (nothing written). */
DGON_MUST_USE dgon_status dgon_ring_put_spsc(dgon_ring *r, uint8_t type, uint16_t n, const void *p,
                                             uint32_t len);
/* Reader: looks at the next record. DGON_AGAIN: none. DGON_EPROTO: the ring's words are impossible
 * (somebody wrote rubbish): give the job up. */
DGON_MUST_USE dgon_status dgon_ring_peek_spsc(const dgon_ring *r, dgon_ring_record *rec);
/* Reader: copies the payload of the record that peek gave (rec->len bytes, checked there) to dst
 * (NULL: throw away) and frees its room. */
void dgon_ring_take_spsc(dgon_ring *r, const dgon_ring_record *rec, void *dst);

#endif

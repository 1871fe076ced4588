/* Who stands before the gateway's door: links that have not shown who they are, and joins that
 * failed. Two small tables in shared memory, seen by all children, without a lock: an entry is one
 * word, so that a kill leaves nothing half done. Addresses are kept as hashes; of IPv6 the first 64
 * bits count, which is what one site has. Any thread of any child. */
#ifndef DGON_GATE_H
#define DGON_GATE_H

#include "dgon/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DGON_GATE_PLACES   1024u /* most links that may wait for their hello */
#define DGON_GATE_FAILURES 1024u /* addresses whose failures are remembered */
#define DGON_GATE_WINDOW_S 60u   /* failures count so long */

typedef struct dgon_gate dgon_gate;

/* Zeroed memory of that size is an empty gate. */
size_t dgon_gate_size(void);

/* Takes a place for a link from `address` (text of an IP). Never more than `total`, never more than
 * `each` of one address; two who come at once for the last place may both be refused. Places of
 * dead children are found when it is full, by `alive` (not asked about `child` itself). *place.
 * DGON_EFULL: no place at all; DGON_EEXIST: none for this address. */
DGON_MUST_USE dgon_status dgon_gate_enter(dgon_gate *g, uint32_t child, const char *address,
                                          uint32_t total, uint32_t each,
                                          bool (*alive)(void *user, uint32_t child), void *user,
                                          uint64_t *place);
/* Gives it back; 0 and what is no longer ours are ignored. */
void dgon_gate_leave(dgon_gate *g, uint64_t place);
/* A process begins as `child`: what one before it has left goes. */
void dgon_gate_clear(dgon_gate *g, uint32_t child);
uint32_t dgon_gate_count(dgon_gate *g);

/* Seconds until `address` may try again; 0: now. `now_s`: of a monotonic clock. */
uint32_t dgon_gate_wait(dgon_gate *g, const char *address, uint32_t each, uint32_t total,
                        uint64_t now_s);
/* It has failed. */
void dgon_gate_failed(dgon_gate *g, const char *address, uint64_t now_s);

#endif

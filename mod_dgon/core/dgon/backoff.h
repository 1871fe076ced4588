/* Reconnect delays: exponential, clamped, full jitter. Time and randomness are arguments. */
#ifndef DGON_BACKOFF_H
#define DGON_BACKOFF_H

#include <stdint.h>

#define DGON_BACKOFF_FLOOR_MS 50u /* never dial in a tighter loop than this */

typedef struct dgon_backoff {
    uint32_t base_ms; /* ceiling of the first delay */
    uint32_t max_ms;  /* ceiling of any delay */
    uint32_t tries;   /* failures since the last reset; the exponent is clamped, never overflows */
} dgon_backoff;

void dgon_backoff_init(dgon_backoff *b, uint32_t base_ms, uint32_t max_ms);
/* Next delay in ms: uniform in [DGON_BACKOFF_FLOOR_MS, min(max, base * 2^tries)], by `random` (32
 * random bits). */
uint32_t dgon_backoff_next(dgon_backoff *b, uint32_t random);
/* After a connection that proved healthy. */
void dgon_backoff_reset(dgon_backoff *b);

#endif

#include "dgon/backoff.h"

#define EXPONENT_MAX 31u

void dgon_backoff_init(dgon_backoff *b, uint32_t base_ms, uint32_t max_ms)
{
    b->base_ms = base_ms > DGON_BACKOFF_FLOOR_MS ? base_ms : DGON_BACKOFF_FLOOR_MS;
    b->max_ms = max_ms > b->base_ms ? max_ms : b->base_ms;
    b->tries = 0;
}

uint32_t dgon_backoff_next(dgon_backoff *b, uint32_t random)
{
    uint64_t ceiling = (uint64_t)b->base_ms << (b->tries < EXPONENT_MAX ? b->tries : EXPONENT_MAX);
    if (ceiling > b->max_ms)
        ceiling = b->max_ms;
    if (b->tries < UINT32_MAX)
        b->tries++;
    if (ceiling <= DGON_BACKOFF_FLOOR_MS)
        return DGON_BACKOFF_FLOOR_MS;
    uint64_t span = ceiling - DGON_BACKOFF_FLOOR_MS + 1; /* at most 2^32: the product fits */
    return DGON_BACKOFF_FLOOR_MS + (uint32_t)((span * random) >> 32);
}

void dgon_backoff_reset(dgon_backoff *b)
{
    b->tries = 0;
}

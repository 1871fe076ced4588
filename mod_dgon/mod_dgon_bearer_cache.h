/* What httpd's providers have said of keys: yes, for a while. A child's own, of fixed size. */
#ifndef MOD_DGON_BEARER_CACHE_H
#define MOD_DGON_BEARER_CACHE_H

#include "dgon/hash.h"

#include <stdint.h>

#define MOD_DGON_BEARER_CACHE_MAX 1024u /* keys; more push out those that end first */

/* Any thread. `what` is the hash of the credential and of all that the answer hangs on: the secret
 * itself is not kept. Times of CLOCK_MONOTONIC in ms. */
bool mod_dgon_bearer_cache_has(const unsigned char what[DGON_HASH_SIZE], uint64_t now);
void mod_dgon_bearer_cache_put(const unsigned char what[DGON_HASH_SIZE], uint64_t now,
                               uint64_t until);

#endif

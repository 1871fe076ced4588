#include "mod_dgon_bearer_cache.h"

#include <pthread.h>
#include <string.h>

#define WAYS 8u
#define SETS (MOD_DGON_BEARER_CACHE_MAX / WAYS)

typedef struct entry {
    unsigned char what[DGON_HASH_SIZE];
    uint64_t until; /* 0: free */
} entry;

static entry table[SETS][WAYS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static entry *set_of(const unsigned char what[DGON_HASH_SIZE])
{
    uint32_t n;
    memcpy(&n, what, sizeof n);
    return table[n % SETS];
}

bool mod_dgon_bearer_cache_has(const unsigned char what[DGON_HASH_SIZE], uint64_t now)
{
    bool found = false;
    (void)pthread_mutex_lock(&lock);
    const entry *set = set_of(what);
    for (unsigned i = 0; i < WAYS && !found; i++)
        found = set[i].until > now && dgon_hash_same(set[i].what, what, DGON_HASH_SIZE);
    (void)pthread_mutex_unlock(&lock);
    return found;
}

void mod_dgon_bearer_cache_put(const unsigned char what[DGON_HASH_SIZE], uint64_t now,
                               uint64_t until)
{
    if (until <= now)
        return;
    (void)pthread_mutex_lock(&lock);
    entry *set = set_of(what), *into = &set[0];
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].until != 0 && dgon_hash_same(set[i].what, what, DGON_HASH_SIZE)) {
            into = &set[i];
            break;
        }
        if (set[i].until < into->until)
            into = &set[i];
    }
    memcpy(into->what, what, DGON_HASH_SIZE);
    into->until = until;
    (void)pthread_mutex_unlock(&lock);
}

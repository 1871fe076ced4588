#include "mod_dgon_random.h"

#include <apr_general.h>

#include <string.h>

#define STORE (32u * MOD_DGON_RANDOM_LEN)

bool mod_dgon_random(unsigned char out[MOD_DGON_RANDOM_LEN])
{
    /* Many at a time, as each is a system call, of which a request would make two. */
    static _Thread_local unsigned char store[STORE];
    static _Thread_local size_t left;
    if (left == 0) {
        if (apr_generate_random_bytes(store, sizeof(store)) != APR_SUCCESS)
            return false;
        left = sizeof(store);
    }
    left -= MOD_DGON_RANDOM_LEN;
    memcpy(out, store + left, MOD_DGON_RANDOM_LEN);
    memset(store + left, 0, MOD_DGON_RANDOM_LEN);
    return true;
}

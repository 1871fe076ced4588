/* What nobody can guess: names of requests and jobs. */
#ifndef MOD_DGON_RANDOM_H
#define MOD_DGON_RANDOM_H

#include <stdbool.h>

#define MOD_DGON_RANDOM_LEN 16u

/* Fills out. False: the system has none. Any thread of a child, not the parent: what a thread has
 * in store must not be there twice. */
bool mod_dgon_random(unsigned char out[MOD_DGON_RANDOM_LEN]);

#endif

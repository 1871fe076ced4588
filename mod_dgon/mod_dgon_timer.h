/* Timers of the engine: a wheel with lazy re-arming, so that a token, which moves a deadline, costs
 * one store. Engine thread only. */
#ifndef MOD_DGON_TIMER_H
#define MOD_DGON_TIMER_H

#include <stdint.h>

#define MOD_DGON_WHEEL_SLOTS 1024u
#define MOD_DGON_WHEEL_MS    8u /* one slot; a timer fires at most this much late */

typedef struct mod_dgon_timer mod_dgon_timer;
typedef void (*mod_dgon_timer_fn)(mod_dgon_timer *t, uint64_t now);

/* Embedded in its owner; zeroed memory is an idle timer. */
struct mod_dgon_timer {
    mod_dgon_timer *next, *prev; /* NULL while idle */
    uint64_t due;                /* ms; may be later than the slot it hangs in says */
    uint64_t hangs;              /* the tick it hangs in */
    mod_dgon_timer_fn fn;
};

typedef struct mod_dgon_wheel {
    mod_dgon_timer slots[MOD_DGON_WHEEL_SLOTS]; /* list heads */
    uint64_t used[MOD_DGON_WHEEL_SLOTS / 64];   /* bit = the slot's list may be non-empty */
    uint64_t tick;                              /* slots up to here have fired */
} mod_dgon_wheel;

void mod_dgon_wheel_init(mod_dgon_wheel *w, uint64_t now);
/* (Re)arms t to fire at `due` (ms). A later due than before costs one store. */
void mod_dgon_timer_set(mod_dgon_wheel *w, mod_dgon_timer *t, uint64_t due, mod_dgon_timer_fn fn);
void mod_dgon_timer_stop(mod_dgon_timer *t);
/* Fires what is due; functions may set and stop any timer. */
void mod_dgon_wheel_run(mod_dgon_wheel *w, uint64_t now);
/* ms until the next slot that may fire, at most `max`. */
int mod_dgon_wheel_wait(const mod_dgon_wheel *w, uint64_t now, int max);

#endif

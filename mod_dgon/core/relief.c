#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "dgon/relief.h"

#include <errno.h>
#include <time.h>

#define QUIET_MS   50   /* without a request; then it sleeps */
#define WARY_LOOKS 1000 /* that are close, after a leader was late: the next one may be too */

bool dgon_relief_init(dgon_relief *r)
{
    return sem_init(&r->wake, 0, 0) == 0;
}

bool dgon_relief_ready(const dgon_relief *r)
{
    return atomic_load(&r->ready);
}

void dgon_relief_wake(dgon_relief *r)
{
    (void)sem_post(&r->wake);
}

void dgon_relief_let_go(dgon_relief *r)
{
    atomic_fetch_add(&r->turn, 1);
    if (!atomic_exchange(&r->looking, true))
        dgon_relief_wake(r);
}

bool dgon_relief_regain(dgon_relief *r)
{
    /* the number is the own one as long as it is odd: only one thread runs a request without lead
     */
    unsigned mine = atomic_load(&r->turn);
    return (mine & 1) != 0 && atomic_compare_exchange_strong(&r->turn, &mine, mine + 1);
}

static void sleep_until_woken(dgon_relief *r)
{
    while (sem_wait(&r->wake) != 0 && errno == EINTR)
        ;
}

/* Each look takes a processor from somebody, so most are far apart. Only who stands by writes
 * `wary` while it stands. */
static unsigned next_look(dgon_relief *r, bool late)
{
    unsigned wary = atomic_load(&r->wary);
    if (wary > 0)
        atomic_store(&r->wary, wary - 1);
    return late || wary > 0 ? DGON_RELIEF_LOOK_MS : DGON_RELIEF_FAR_MS;
}

bool dgon_relief_stand_by(dgon_relief *r, const atomic_bool *stopping)
{
    unsigned seen = atomic_load(&r->turn), quiet_ms = 0, look_ms = 0;
    atomic_store(&r->looking, true);
    atomic_store(&r->ready, true);
    for (;;) {
        unsigned turn = atomic_load(&r->turn);
        bool late = (turn & 1) != 0;
        if (!late && atomic_load(stopping)) {
            atomic_store(&r->ready, false);
            return false;
        }
        quiet_ms = turn == seen ? quiet_ms + look_ms : 0;
        if (late && quiet_ms > 0) {
            atomic_store(&r->ready, false);
            if (atomic_compare_exchange_strong(&r->turn, &turn, turn + 1)) {
                atomic_store(&r->wary, WARY_LOOKS);
                return true;
            }
            atomic_store(&r->ready, true);
        }
        seen = turn;
        if (quiet_ms >= QUIET_MS) {
            /* who lets go changes the turn first and looks at `looking` then: one of us sees it */
            atomic_store(&r->looking, false);
            if (atomic_load(&r->turn) == seen && !atomic_load(stopping))
                sleep_until_woken(r);
            atomic_store(&r->looking, true);
            quiet_ms = look_ms = 0;
        } else {
            look_ms = next_look(r, late);
            nanosleep(&(struct timespec){.tv_nsec = look_ms * 1000000L}, NULL);
        }
    }
}

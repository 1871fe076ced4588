#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "dgon/relief.h"

#include <errno.h>
#include <time.h>

#define QUIET_LOOKS 50 /* without a request; then it sleeps */

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

bool dgon_relief_stand_by(dgon_relief *r, const atomic_bool *stopping)
{
    static const struct timespec look = {.tv_nsec = DGON_RELIEF_LOOK_MS * 1000000L};
    unsigned seen = atomic_load(&r->turn), quiet = 0;
    atomic_store(&r->looking, true);
    atomic_store(&r->ready, true);
    for (;;) {
        unsigned turn = atomic_load(&r->turn);
        bool late = (turn & 1) != 0;
        if (!late && atomic_load(stopping)) {
            atomic_store(&r->ready, false);
            return false;
        }
        quiet = turn == seen ? quiet + 1 : 0;
        if (late && quiet > 0) {
            atomic_store(&r->ready, false);
            if (atomic_compare_exchange_strong(&r->turn, &turn, turn + 1))
                return true;
            atomic_store(&r->ready, true);
        }
        seen = turn;
        if (quiet >= QUIET_LOOKS) {
            /* who lets go changes the turn first and looks at `looking` then: one of us sees it */
            atomic_store(&r->looking, false);
            if (atomic_load(&r->turn) == seen && !atomic_load(stopping))
                sleep_until_woken(r);
            atomic_store(&r->looking, true);
            quiet = 0;
        } else {
            nanosleep(&look, NULL);
        }
    }
}

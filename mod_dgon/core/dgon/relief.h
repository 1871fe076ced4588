/* Two threads share the work of the engine: one leads (runs its loop), the other stands by. While
 * the leader runs a request of a client, which some module may block, it lets go of the lead; if
 * that lasts, the one that stands by takes it, and the late one stands by in its turn. So a request
 * costs no change of threads, and no request can hold up other streams for longer than a far and a
 * close look, or two close ones if one did so of late. */
#ifndef DGON_RELIEF_H
#define DGON_RELIEF_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#define DGON_RELIEF_FAR_MS  8 /* between two looks at a leader that runs quick requests */
#define DGON_RELIEF_LOOK_MS 1 /* once it was found in one that may last, and for a while after */

typedef struct dgon_relief {
    atomic_uint turn;    /* even: the leader leads; odd: it runs a request, anybody may take over */
    atomic_bool ready;   /* somebody stands by */
    atomic_bool looking; /* and looks; else it sleeps until the next request */
    atomic_uint wary;    /* so many close looks more */
    sem_t wake;
} dgon_relief;

/* False: no semaphore to be had, errno. */
bool dgon_relief_init(dgon_relief *r);
/* Leader: may it run a request? */
bool dgon_relief_ready(const dgon_relief *r);
/* Leader: from here on what it leads may be another's. */
void dgon_relief_let_go(dgon_relief *r);
/* Whoever let go. True: it still leads. False: it must not touch anything of the leader's, and go
 * to stand by. */
bool dgon_relief_regain(dgon_relief *r);
/* Waits for a leader that is late. True: the caller leads now. False: *stopping, and nobody is
 * late. */
bool dgon_relief_stand_by(dgon_relief *r, const atomic_bool *stopping);
/* After *stopping was set: whoever stands by shall see it. Any thread. */
void dgon_relief_wake(dgon_relief *r);

#endif

/* One-shot timers on the monotonic clock, all of them behind one descriptor. libwebsockets has
 * timers too, but rounds its waits down to whole milliseconds and polls through the rest: with a
 * thousand timers due in a second that was a processor. */
#ifndef AGENT_TIMER_H
#define AGENT_TIMER_H

#include <stdint.h>

typedef struct agent_loop agent_loop;
typedef struct agent_timer agent_timer;
typedef struct agent_timers agent_timers;

/* NULL when memory is short. fn may destroy its own timer, or any other. */
agent_timer *agent_timer_create(agent_loop *l, void (*fn)(void *user), void *user);
/* NULL is allowed. */
void agent_timer_destroy(agent_timer *t);
/* From now on; 0: in the next turn of the loop. A timer that runs is set anew. */
void agent_timer_set(agent_timer *t, uint64_t ms);
void agent_timer_stop(agent_timer *t);

/* --- for the loop --- */

/* NULL: the system refused. All its timers must be destroyed before it is. */
agent_timers *agent_timers_create(void);
void agent_timers_destroy(agent_timers *ts);
/* Readable when one is due. */
int agent_timers_fd(const agent_timers *ts);
/* Calls those that are due. */
void agent_timers_run(agent_timers *ts);
/* Before each wait: the descriptor tells when the first one is due. Not when a timer is set, as
 * that stands between a job and its request, and most are stopped or set again before anybody
 * waits. */
void agent_timers_arm(agent_timers *ts);

#endif

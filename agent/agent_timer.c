#include "agent_timer.h"

#include "agent_loop.h"

#include "dgon/alloc.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct agent_timer {
    agent_timer *next, *prev; /* by due; next NULL: it does not run */
    agent_timers *all;
    uint64_t due; /* ns */
    void (*fn)(void *user);
    void *user;
};

struct agent_timers {
    agent_timer list; /* head of the ring */
    uint64_t armed;   /* ns, when the descriptor tells; 0: never */
    int fd;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Only to an earlier moment: a timer that was stopped meanwhile costs a wake-up at most. */
void agent_timers_arm(agent_timers *ts)
{
    const agent_timer *first = ts->list.next;
    if (first == &ts->list || (ts->armed != 0 && ts->armed <= first->due)) {
        return;
    }
    ts->armed = first->due;
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(ts->armed / 1000000000u),
                                         .tv_nsec = (long)(ts->armed % 1000000000u)}};
    (void)timerfd_settime(ts->fd, TFD_TIMER_ABSTIME, &at, NULL);
}

void agent_timer_stop(agent_timer *t)
{
    if (t->next != NULL) {
        t->next->prev = t->prev;
        t->prev->next = t->next;
        t->next = NULL;
    }
}

void agent_timer_set(agent_timer *t, uint64_t ms)
{
    agent_timers *ts = t->all;
    agent_timer_stop(t);
    t->due = now_ns() + (ms < UINT32_MAX ? ms : UINT32_MAX) * 1000000u;
    agent_timer *at = ts->list.prev; /* most are due after all others */
    while (at != &ts->list && at->due > t->due) {
        at = at->prev;
    }
    t->prev = at;
    t->next = at->next;
    at->next->prev = t;
    at->next = t;
}

agent_timer *agent_timer_create(agent_loop *l, void (*fn)(void *user), void *user)
{
    agent_timer *t = dgon_calloc(1, sizeof *t);
    if (t != NULL) {
        t->all = agent_loop_timers(l);
        t->fn = fn;
        t->user = user;
    }
    return t;
}

void agent_timer_destroy(agent_timer *t)
{
    if (t != NULL) {
        agent_timer_stop(t);
        dgon_free(t);
    }
}

agent_timers *agent_timers_create(void)
{
    agent_timers *ts = dgon_calloc(1, sizeof *ts);
    if (ts == NULL) {
        return NULL;
    }
    ts->list.next = ts->list.prev = &ts->list;
    ts->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (ts->fd < 0) {
        dgon_free(ts);
        return NULL;
    }
    return ts;
}

void agent_timers_destroy(agent_timers *ts)
{
    if (ts != NULL) {
        (void)close(ts->fd);
        dgon_free(ts);
    }
}

int agent_timers_fd(const agent_timers *ts)
{
    return ts->fd;
}

void agent_timers_run(agent_timers *ts)
{
    uint64_t times, now = now_ns();
    (void)!read(ts->fd, &times, sizeof times);
    ts->armed = 0;
    /* one that is set anew by what it does is due after `now` */
    while (ts->list.next != &ts->list && ts->list.next->due <= now) {
        agent_timer *t = ts->list.next;
        agent_timer_stop(t);
        t->fn(t->user);
    }
}

/* The one event loop: libwebsockets' service loop outside, one epoll descriptor of ours inside it
 * (the backends' sockets, the timers, the signals). Whoever needs a thread here has a bug. */
#ifndef AGENT_LOOP_H
#define AGENT_LOOP_H

#include "agent_os.h"
#include "agent_timer.h"

#include <stdbool.h>
#include <stdint.h>

struct lws_context;

enum { AGENT_LOOP_IN = 1, AGENT_LOOP_OUT = 2, AGENT_LOOP_ERR = 4 };

typedef struct agent_loop_handlers {
    /* A watched descriptor is ready. Stale events of a batch may come; they must do no harm. */
    void (*on_fd)(void *user, int fd, unsigned events);
    /* An open link's socket has something. False: libwebsockets is to read it. */
    bool (*on_link)(void *user, int fd);
    void (*on_signal)(void *user, agent_os_signal signal);
    /* Once at the end of each wake-up: here finished work is reaped and what piled up is sent. */
    void (*on_settle)(void *user);
    /* libwebsockets waits for nothing but what open links bring. */
    bool (*is_settled)(void *user);
} agent_loop_handlers;

/* NULL when the system refused. The caller destroys. `user` must be valid until then. */
agent_loop *agent_loop_create(const agent_loop_handlers *handlers, void *user);
void agent_loop_destroy(agent_loop *l);
/* Until agent_loop_stop(). */
void agent_loop_run(agent_loop *l);
void agent_loop_stop(agent_loop *l);
/* Only agent_link*.c may look into it. */
struct lws_context *agent_loop_lws(agent_loop *l);

/* Only agent_timer.c. */
agent_timers *agent_loop_timers(const agent_loop *l);

/* Watches fd for `events`; 0 forgets it. Level triggered. `known`: it is watched already. */
void agent_loop_watch(agent_loop *l, int fd, unsigned events, bool known);
/* An open link's socket, until libwebsockets closes it. */
void agent_loop_watch_link(agent_loop *l, int fd);

#endif

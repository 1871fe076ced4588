/* The agent's links to the gateway as a whole: one that takes jobs, any number that are ending.
 * Dials, says hello, reads control messages, reconnects with backoff, drains. */
#ifndef AGENT_LINKS_H
#define AGENT_LINKS_H

#include "agent_jobs.h"

typedef struct agent_links agent_links;

typedef struct agent_links_spec {
    agent_loop *loop;
    const agent_config
        *config; /* its gateway and agent sections; valid for the life of the links */
    agent_models *models;
    agent_jobs *jobs;
    void (*on_ready)(void *user);                          /* each welcome */
    void (*on_end)(void *user, const agent_link_end *end); /* each link that ended by itself */
    void *user;
} agent_links_spec;

/* NULL when memory is short or the TLS files cannot be used. */
agent_links *agent_links_create(const agent_links_spec *spec);
/* In two steps, since the library calls into the links until the loop is gone: shut, loop's end,
 * destroy. NULL is allowed. */
void agent_links_shut(agent_links *s);
void agent_links_destroy(agent_links *s);
/* Dials for the first time; until then nothing happens. */
void agent_links_start(agent_links *s);
/* The socket of a link that the agent reads itself has something: true, it was read. */
bool agent_links_on_fd(agent_links *s, int fd);
/* End of a wake-up: reports dead links, dials, sends. */
void agent_links_settle(agent_links *s);
/* About once a second: deadlines, and the check whether the machine slept. */
void agent_links_tick(agent_links *s);
/* Models or slots may have changed: tells the gateway if they did. */
void agent_links_models(agent_links *s);
/* Takes no more jobs on any link; each is closed once its jobs ended. Nothing is dialled any more.
 */
void agent_links_drain(agent_links *s);
/* Closes what is left. */
void agent_links_close(agent_links *s);
unsigned agent_links_count(const agent_links *s);
/* The links as a person sees them. */
typedef struct agent_links_view {
    unsigned ready, dialing, leaving;
    uint64_t ready_ms; /* since the oldest ready link's welcome */
    const char
        *reason; /* why there is no link, "" if there is one; of the links, until they change */
} agent_links_view;
void agent_links_look(const agent_links *s, agent_links_view *v);
bool agent_links_is_ready(const agent_links *s);
/* libwebsockets has nothing to do for any link until something comes from the gateway. */
bool agent_links_are_settled(const agent_links *s);

#endif

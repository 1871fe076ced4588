/* libcurl's multi handles. Each searches all of its connections for every new request, so the
 * requests are spread over as many of them as keeps that search short. */
#ifndef AGENT_HTTP_MULTI_H
#define AGENT_HTTP_MULTI_H

#include "agent_loop.h"

#include <curl/curl.h>

#include <stdint.h>

#define AGENT_HTTP_MULTIS     64u
#define AGENT_HTTP_MULTI_FULL 256u /* requests at once in one, before the next one gets any */

typedef struct agent_http_multi {
    CURLM *curl;
    struct agent_http_multis *all;
    agent_timer *timer;
    unsigned requests; /* in it now */
    bool added;        /* some of them curl has not begun yet */
    bool touched;      /* curl worked since the last settle */
} agent_http_multi;

/* What is known of a descriptor that curl has told of. */
typedef struct agent_http_fd {
    uint8_t multi; /* index of the one that it belongs to */
    bool made; /* a connection's, from its making to its closing; else some other one of curl's */
    bool kept; /* curl has no use for it now, the loop watches it still */
} agent_http_fd;

typedef struct agent_http_multis {
    agent_loop *loop;
    agent_http_multi *of[AGENT_HTTP_MULTIS];
    unsigned count;
    agent_http_fd *of_fd;
    size_t fds;
    bool draining; /* callbacks into the loop are over */
} agent_http_multis;

/* Puts the request into the first one with room; NULL when memory is short. */
agent_http_multi *agent_http_multi_add(agent_http_multis *all, CURL *easy);
void agent_http_multi_remove(agent_http_multi *m, CURL *easy);
/* Takes it out and puts it in again. */
bool agent_http_multi_again(agent_http_multi *m, CURL *easy);
/* A connection's descriptor is new, or about to be closed. */
void agent_http_multi_made(agent_http_multis *all, int fd);
void agent_http_multi_closed(agent_http_multis *all, int fd);
/* A descriptor is ready. */
void agent_http_multi_on_fd(agent_http_multis *all, int fd, unsigned events);
/* The next request that is finished, with its outcome; NULL: none. At the end of each wake-up. */
CURL *agent_http_multi_finished(agent_http_multis *all, CURLcode *code);
/* About once a second: those without a request go, with the connections that they kept. The first
 * one stays. */
void agent_http_multi_tick(agent_http_multis *all);
/* All requests are out. */
void agent_http_multi_fini(agent_http_multis *all);

#endif

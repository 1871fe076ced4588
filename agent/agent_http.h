/* HTTP/1.1 to the backends: many requests at once on the agent's loop, connections kept alive
 * between them, no redirects, no proxy, http and https only. libcurl makes the connections. */
#ifndef AGENT_HTTP_H
#define AGENT_HTTP_H

#include "agent_loop.h"

#include "dgon/buf.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct agent_http agent_http;
typedef struct agent_request agent_request;

typedef enum agent_http_take {
    AGENT_HTTP_TAKEN = 0,
    AGENT_HTTP_PAUSE, /* nothing was taken; the same bytes come again after agent_http_resume() */
    AGENT_HTTP_STOP   /* end the request now */
} agent_http_take;

typedef struct agent_http_result {
    bool complete;      /* a whole HTTP answer came (which says nothing about its content) */
    bool connected;     /* false: nobody listens there */
    bool got;           /* at least one byte of a body came */
    int status;         /* 0 = no answer */
    const char *reason; /* for the log; static */
} agent_http_result;

#define AGENT_HTTP_UPLOAD_WAIT SIZE_MAX /* nothing to send yet: agent_http_resume() says when */

/* None may call agent_http_cancel() for its own request; on_body may call agent_http_release(). */
typedef struct agent_http_ops {
    agent_http_take (*on_body)(void *user, int status, const char *p, size_t n);
    void (*on_done)(void *user,
                    const agent_http_result *result); /* last call; the request is gone */
    /* The rest may be NULL. A header of the answer; no name: they begin (again). */
    void (*on_header)(void *user, const char *name, size_t name_len, const char *value,
                      size_t value_len);
    void (*on_head)(void *user, int status); /* they are all there */
    /* The next piece of the body of an upload: up to `size` bytes into p, and how many. 0: its end.
     */
    size_t (*on_upload)(void *user, char *p, size_t size);
} agent_http_ops;

typedef struct agent_http_spec {
    const char *url;
    const char *secret;         /* bearer token, NULL or "" = none */
    const char *ca_file;        /* NULL or "" = the system's */
    const char *traceparent;    /* NULL or "" = none */
    uint32_t connect_timeout_s; /* looked at about once a second */
    uint32_t total_timeout_s;   /* 0 = none: the caller watches */
    dgon_buf *body;             /* to POST; its memory is taken. NULL = GET */
    const char *method;         /* any other; NULL = POST or GET with JSON, as `body` says */
    const char *const *headers; /* with a method: lines, NULL behind the last */
    bool upload;                /* the body comes from on_upload; not with `body` */
    int64_t upload_length;      /* -1: in chunks */
} agent_http_spec;

/* NULL when memory is short. */
agent_http *agent_http_create(agent_loop *loop);
void agent_http_destroy(agent_http *h);
/* From the loop's handlers. */
void agent_http_on_fd(agent_http *h, int fd, unsigned events);
/* Reports finished requests: at the end of each wake-up. */
void agent_http_settle(agent_http *h);
/* About once a second: ends released requests that do not end by themselves, and those that have
 * not been connected in time. */
void agent_http_tick(agent_http *h);

/* NULL when memory is short or the URL is refused; `body` is taken in every case. */
agent_request *agent_http_start(agent_http *h, const agent_http_spec *spec,
                                const agent_http_ops *ops, void *user);
/* Closes the connection at once, no further call. Not from on_body or on_done. */
void agent_http_cancel(agent_request *r);
/* The rest of the answer is of no interest: no further call, the connection is kept if the answer
 * ends within a second. */
void agent_http_release(agent_request *r);
/* After AGENT_HTTP_PAUSE; on_body may be called from inside. Not from on_body, of whatever request.
 */
void agent_http_resume(agent_request *r);

#endif

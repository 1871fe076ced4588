/* One WebSocket to the gateway, the only part that knows libwebsockets' client: dial (ws, wss,
 * CONNECT proxy, own CA, client certificate), join messages, pack records, liveness, close. What
 * the messages mean is agent_links' and agent_jobs'. */
#ifndef AGENT_LINK_H
#define AGENT_LINK_H

#include "agent_config.h"
#include "agent_loop.h"

#include "dgon/wire.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct agent_link agent_link;
typedef struct agent_dialer agent_dialer;

typedef enum agent_link_state {
    AGENT_LINK_DIALING = 0,
    AGENT_LINK_OPEN,    /* the WebSocket stands, no welcome yet */
    AGENT_LINK_READY,   /* welcome came: jobs may come */
    AGENT_LINK_LEAVING, /* goaway or drain: running jobs end, no new ones */
    AGENT_LINK_CLOSING, /* our close is on its way */
    AGENT_LINK_DOWN     /* over; agent_link_free() when it says so */
} agent_link_state;

/* They may send, close and change state, but never free a link. */
typedef struct agent_link_ops {
    void (*on_open)(void *user, agent_link *l);
    void (*on_text)(void *user, agent_link *l, const char *p, size_t n);
    void (*on_binary)(void *user, agent_link *l, const unsigned char *p, size_t n);
    void (*on_writable)(void *user, agent_link *l); /* what was choked has left */
} agent_link_ops;

/* How a link ended, for the supervisor. */
typedef struct agent_link_end {
    unsigned http;    /* status that refused the upgrade, 0 = none */
    unsigned close;   /* close code of the gateway, 0 = none */
    char reason[128]; /* for the log */
} agent_link_end;

/* TLS files and proxy of a configuration, loaded once. NULL: they cannot be used (the log says
 * why). */
agent_dialer *agent_dialer_create(agent_loop *loop, const agent_config *c,
                                  const agent_link_ops *ops, void *user);
/* After the loop and all its links. */
void agent_dialer_destroy(agent_dialer *d);

/* Starts to dial `address` (text of an IP) and returns; failure shows as AGENT_LINK_DOWN. The token
 * is copied; "": none is sent. NULL: no memory. */
agent_link *agent_link_dial(agent_dialer *d, const char *address, const char *token);
/* True when the library has let go of it. */
bool agent_link_is_free(const agent_link *l);
void agent_link_destroy(agent_link *l);

agent_link_state agent_link_get_state(const agent_link *l);
const char *agent_link_state_str(agent_link_state s);
void agent_link_set_state(agent_link *l, agent_link_state s, const char *why);
const agent_link_end *agent_link_get_end(const agent_link *l);
uint64_t agent_link_age_ms(const agent_link *l);
/* The liveness timer: ping after `ping_s`, give up after `hangup_s` without an answer. */
void agent_link_set_liveness(agent_link *l, unsigned ping_s, unsigned hangup_s);

/* Queues a control message. Too much queued closes the link. */
void agent_link_text(agent_link *l, const char *p, size_t n);
/* Packs one record; it leaves at the end of the wake-up or once 64 KB are packed. */
void agent_link_record(agent_link *l, const dgon_record *r);
/* True while the gateway does not take what was sent: make no more. */
bool agent_link_is_choked(agent_link *l);
/* Open, whole, and all that was to be sent has left. */
bool agent_link_is_settled(const agent_link *l);
/* Sends what is packed, if the socket is free. */
void agent_link_flush(agent_link *l);
/* Sends what is packed, then a close frame. */
void agent_link_close(agent_link *l, unsigned code, const char *reason);
/* Drops the connection without a word: it is dead or nobody listens. */
void agent_link_kill(agent_link *l, const char *why);

/* From now on the link is read here, not by libwebsockets. To be called before hello, while the
 * gateway has nothing to say: what libwebsockets has read of a frame would be lost. Calling it
 * again does nothing. */
void agent_link_read_here(agent_link *l);
/* Is it this link's socket, and read here? */
bool agent_link_reads(const agent_link *l, int fd);
/* Its socket has something: reads it. */
void agent_link_read(agent_link *l);

/* For the owner. */
void *agent_link_get_data(const agent_link *l);
void agent_link_set_data(agent_link *l, void *data);

#endif

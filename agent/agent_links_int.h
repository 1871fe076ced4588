/* The links from the inside: shared by agent_links.c (all of them), agent_links_dial.c (the first),
 * agent_links_spread.c (the others), agent_links_share.c (several registries) and
 * agent_links_control.c (messages out). Everybody else sees
 * agent_links.h. */
#ifndef AGENT_LINKS_INT_H
#define AGENT_LINKS_INT_H

#include "agent_links.h"

#include "dgon/backoff.h"
#include "dgon/control.h"
#include "dgon/sign.h"

#define AGENT_LINKS_MAX             64u /* links of many generations, after restart upon restart */
#define AGENT_LINKS_BACKOFF_BASE_MS 250u
#define AGENT_LINKS_BACKOFF_MAX_MS  10000u
#define AGENT_LINKS_WINDOW_MIN      1024u
#define AGENT_LINKS_CLOSE_MS        3000u /* from our close to the gateway's */

/* A link and what the agent remembers about it. */
typedef struct agent_held {
    agent_link *link;
    agent_session session;
    uint64_t welcome_ms, leave_ms, leave_limit_ms;
    uint64_t registry; /* of the gateway's processes that share one queue; 0: not told */
    uint32_t child;    /* process of the gateway */
    uint32_t waiting;  /* jobs that wait in the registry, as goaway told */
    uint32_t told;     /* slots, as the gateway was told on this link */
    bool extra;        /* dialled beside another one, to reach one more process */
    bool standby;      /* asked to leave, and takes jobs until it is relieved */
    char nonce[DGON_SIGN_NONCE_HEX + 1]; /* of the gateway's challenge; "" = none */
    unsigned char key[DGON_SIGN_KEY];    /* the secret to log in with, wiped once it was used */
    bool with_next;                      /* it is the next one */
    bool quiet;                          /* `draining` was sent, and is given time to be read */
} agent_held;

struct agent_links {
    agent_links_spec spec;
    agent_dialer *dialer;
    agent_timer *dial_timer, *spread_timer;
    agent_held *links[AGENT_LINKS_MAX];
    unsigned count;
    agent_link *current;
    bool next_refused; /* the gateway does not know the next key yet: the old one it is */
    bool started, draining, dial_due, dial_wait, spread_due;
    uint32_t children;     /* processes of the gateway, as its last welcome said */
    unsigned spread_tries; /* since one of them found a process without a link */
    uint64_t instance;
    dgon_backoff backoff;
    uint64_t lost_ms; /* when the last healthy link ended, 0 = never */
    uint64_t slept_ms;
    char address[AGENT_OS_ADDRS_MAX][AGENT_OS_ADDR_MAX];
    unsigned addresses, address_at;
    char last_reason[700];
    /* what the gateway knows of us */
    dgon_ctl_model *models;
    uint32_t model_count, slots;
    char allow[DGON_PASS_LIST_MAX]; /* "" = nothing opened */
    bool pull;                      /* models may be pulled here */
};

/* --- agent_links_control.c --- */

void agent_links_hello(agent_links *s, agent_link *l);
void agent_links_send(agent_links *s, agent_link *l, const dgon_ctl *c);
/* The models, where hello could not tell them. */
void agent_links_send_models(agent_links *s, agent_link *l);
/* Tells the gateway to send no more jobs on this link and lets its jobs end. */
void agent_links_leave(agent_links *s, agent_held *h, const char *why);
void agent_links_tell_slots(agent_links *s, agent_held *h);

/* --- agent_links_key.c --- */

/* The agent logs in with a key: it says hello once it was challenged. */
bool agent_links_has_key(const agent_links *s);
/* Reads the key for a new link. */
dgon_status agent_links_take_key(agent_links *s, agent_held *h, char *why, size_t why_size);
bool agent_links_sign_hello(agent_held *h, dgon_ctl *hello);
void agent_links_take_challenge(agent_links *s, agent_held *h, const dgon_ctl *c);
/* The gateway wants a new key. */
void agent_links_rotate(agent_links *s, agent_held *h);
/* Welcome: the key that was used is good. */
void agent_links_key_good(agent_links *s, agent_held *h);
/* A link ended because its key was the next one, which the gateway does not know: the old one is
 * worth a dial at once. */
bool agent_links_key_refused(agent_links *s, const agent_held *h);

/* --- agent_links_share.c --- */

/* Another link takes jobs, or none can: leaves those on standby for which nobody waits, or for
 * which another one to the same registry stands in. */
void agent_links_relieve(agent_links *s);
/* End of a wake-up: tells each registry how many slots are its, if that changed. */
void agent_links_share(agent_links *s);

/* --- agent_links_dial.c --- */

/* Dials the first link if there is none. */
void agent_links_dial(agent_links *s);
void agent_links_dial_in(agent_links *s, uint32_t ms);
/* The first link ended by itself, and no other one took its place. */
void agent_links_after_end(agent_links *s, const agent_held *h);
/* The gateway asked to leave it, and no other one took its place. */
void agent_links_after_goaway(agent_links *s, const agent_held *h);
/* Reads the token and dials the gateway's address; an extra link is not the first one. `why` says
 * what was missing. */
dgon_status agent_links_add(agent_links *s, bool extra, char *why, size_t why_size);

/* --- agent_links_spread.c --- */

/* Dials one more link if one is wanted. */
void agent_links_dial_extra(agent_links *s);
/* A link is up: is it one more process, or one that we have? */
void agent_links_spread_welcome(agent_links *s, agent_held *h);
/* A link to one of the processes is going: look for another one soon. */
void agent_links_spread_soon(agent_links *s);
/* An extra link ended that was not left. */
void agent_links_spread_lost(agent_links *s);
/* The first link is gone or asked to leave: another one that is up takes its place. */
bool agent_links_promote(agent_links *s);

#endif

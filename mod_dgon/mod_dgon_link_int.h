/* What the three files of a link share: its record, its jobs, its control messages. */
#ifndef MOD_DGON_LINK_INT_H
#define MOD_DGON_LINK_INT_H

#include "mod_dgon_link.h"
#include "mod_dgon_ws.h"

#include "dgon/hash.h"
#include "dgon/agents.h"
#include "dgon/control.h"
#include "dgon/utf8.h"
#include "dgon/wire.h"

#define MOD_DGON_HELLO_MS 5000 /* a link says hello within */
/* and answers a ping within, when another instance wants its name */
#define MOD_DGON_PROBE_MS  2000
#define MOD_DGON_CANCEL_MS 30000 /* an agent confirms a cancel within */
#define MOD_DGON_STRAYS_MAX \
    3 /* records of jobs that are not the agent's, before the link is closed */
#define MOD_DGON_BODY_AHEAD \
    (64u * 1024u) /* body bytes queued on one link; the rest waits in the rings */

struct mod_dgon_link {
    mod_dgon_link *next, *prev;
    mod_dgon_engine *engine;
    mod_dgon_conn *mc;
    request_rec *r;
    mod_dgon_ws *ws;
    uint32_t index; /* in the registry; DGON_NONE before hello */
    uint32_t jobs, cancels;
    uint32_t sequence;
    unsigned strays;
    uint64_t opened, heard, pinged, probe_until, goaway_at;
    bool draining, dirty;
    bool feeding;        /* body waits in a ring because too much is queued already */
    uint16_t close_code; /* 0: the link lives */
    char agent[DGON_WIRE_ID_MAX + 1];
    mod_dgon_who who;
    char nonce[DGON_SIGN_NONCE_HEX + 1]; /* of its challenge */
    bool enrolled;                       /* by key; then these count */
    bool wants_key, asked, has_next;     /* rotation: to be asked for a key, was, has sent it */
    bool left;                           /* must be over once the drain timeout is */
    uint32_t waiting;                    /* as the agent was told with goaway */
    unsigned char serial[DGON_AGENTS_SERIAL], next_key[DGON_HASH_SIZE];
    char (*targets)[DGON_WIRE_NAME_MAX + 1]; /* of each alias, this agent's; NULL: no aliases */
};

struct mod_dgon_link_job {
    mod_dgon_link *link; /* NULL: the slot is no job of ours */
    dgon_job_ref ref;
    uint32_t number;
    uint8_t attempt;
    bool stream;
    bool cancelled;
    uint64_t body_left;
    bool open_body;       /* of a job that is passed on: it ends with an empty record */
    uint32_t body_credit; /* what the agent still takes of it */
    int64_t credit;       /* what the agent may still send */
    dgon_utf8 utf8;
    uint64_t since, cancelled_at;
};

/* Closes the link with the code at the end of this turn; its jobs are lost. The first call counts.
 */
void mod_dgon_link_end(mod_dgon_link *l, uint16_t code, const char *why);
/* The link has something to send. */
void mod_dgon_link_dirty(mod_dgon_link *l);

/* mod_dgon_link_jobs.c */
bool mod_dgon_link_records(mod_dgon_link *l, const unsigned char *p, size_t n);
void mod_dgon_link_jobs_feed(mod_dgon_link *l);
void mod_dgon_link_jobs_overdue(mod_dgon_link *l);
void mod_dgon_link_jobs_forget(mod_dgon_link *l);

/* mod_dgon_link_control.c */
bool mod_dgon_link_send_control(mod_dgon_link *l, const dgon_ctl *c);
/* The agent dials anew, and the jobs on this link end. */
void mod_dgon_link_leave(mod_dgon_link *l, const char *reason);
bool mod_dgon_link_control(mod_dgon_link *l, const char *p, size_t n);
void mod_dgon_link_goaway(mod_dgon_link *l);
/* goaway again, if another number of jobs waits for this agent than it was told. */
void mod_dgon_link_tell_waiting(mod_dgon_link *l);
void mod_dgon_link_drain(mod_dgon_link *l);
/* http: head of a request that is passed on, JSON, else NULL. */
bool mod_dgon_link_send_job(mod_dgon_link *l, const mod_dgon_link_job *job,
                            const dgon_job_spec *spec, const char *http, size_t http_len);

/* mod_dgon_link_who.c */
/* A new link: asks who it is, if that is not known. */
bool mod_dgon_link_challenge(mod_dgon_link *l);
/* NULL: hello comes from whom it says, l->agent is set; else what is wrong. */
const char *mod_dgon_link_admit(mod_dgon_link *l, const dgon_ctl *c);
/* It no longer counts as one that nobody knows; also at its end. */
void mod_dgon_link_is_known(mod_dgon_link *l);
/* After the welcome. */
void mod_dgon_link_admitted(mod_dgon_link *l);
/* `key` came. False: it must not, or is not signed. */
bool mod_dgon_link_new_key(mod_dgon_link *l, const dgon_ctl *c);
/* The file of agents is another one. */
void mod_dgon_link_agents_changed(mod_dgon_link *l);

#endif

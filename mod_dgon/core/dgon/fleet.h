/* What is going on in the fleet, read from the registry by anybody, and what an administrator does
 * to it. Readers get copies; a reader never holds anything up. */
#ifndef DGON_FLEET_H
#define DGON_FLEET_H

#include "dgon/buf.h"
#include "dgon/error.h"
#include "dgon/registry.h"

#define DGON_FLEET_TEXT_MAX 40u /* version, system and address of an agent, cut behind it */

#define DGON_FLEET_AWAY_S 86400

typedef enum dgon_fleet_state {
    DGON_FLEET_UP = 0,
    DGON_FLEET_DRAINING, /* it ends, or its only links' children do */
    DGON_FLEET_HELD,     /* by an administrator */
    DGON_FLEET_AWAY,     /* not connected; forgotten after DGON_FLEET_AWAY_S if it is not held */
    DGON_FLEET_STATES
} dgon_fleet_state;
/* Static. */
const char *dgon_fleet_state_str(dgon_fleet_state s);

typedef struct dgon_fleet_agent {
    uint32_t agent, link; /* indices; link DGON_NONE: no link is open */
    char id[DGON_WIRE_ID_MAX + 1];
    char version[DGON_FLEET_TEXT_MAX + 1], os[DGON_FLEET_TEXT_MAX + 1];
    char address[DGON_FLEET_TEXT_MAX + 1];
    dgon_fleet_state state;
    uint32_t links, slots, busy;
    int64_t since; /* unix seconds: its oldest link was opened, the last one closed */
    uint64_t opened, good, failed;
    int64_t error_at; /* unix seconds; 0: none */
    int error_status;
    const char *error_code; /* static */
} dgon_fleet_agent;

typedef struct dgon_fleet_offer {
    char
        name[DGON_WIRE_NAME_MAX + 1]; /* as clients know it, aliases' later steps with their mark */
    uint32_t context, caps;
    uint32_t rate; /* tokens in 1000 s, of one answer; 0: not known */
    bool loaded;
} dgon_fleet_offer;

typedef struct dgon_fleet_job {
    dgon_job_ref ref;
    unsigned char id[16];
    dgon_op op;
    dgon_job_phase phase;
    char model[DGON_WIRE_NAME_MAX + 1];
    char agent[DGON_WIRE_ID_MAX + 1]; /* "": none */
    int64_t created;
    uint8_t attempt;
    bool stream, gone;
} dgon_fleet_job;

/* All: any thread of any child. */

/* Calls fn for each agent that is there, held, or was there of late; false ends it. DGON_ENOMEM. */
DGON_MUST_USE dgon_status dgon_fleet_agents(dgon_registry *r,
                                            bool (*fn)(void *user, const dgon_fleet_agent *a),
                                            void *user);
/* What the agent offers: true as long as there is an i-th. */
bool dgon_fleet_offer_get(dgon_registry *r, const dgon_fleet_agent *a, uint32_t i,
                          dgon_fleet_offer *o);
/* Calls fn for each job; false ends it. */
void dgon_fleet_jobs(dgon_registry *r, bool (*fn)(void *user, const dgon_fleet_job *j), void *user);
/* Jobs that wait, by model: `queued` has the registry's number of models. */
void dgon_fleet_queued(dgon_registry *r, uint32_t *queued);

/* Link child, after link_open: what the agent says of itself. */
void dgon_fleet_link_about(dgon_registry *r, uint32_t link, const char *version, const char *os,
                           const char *address);
/* Client: how an attempt on that agent ended; e NULL: well. rate as above, 0: not known. */
void dgon_fleet_tell(dgon_registry *r, uint32_t agent, uint32_t model, const dgon_error *e,
                     uint32_t rate);

/* No new jobs for the agent, whatever links it opens, until it is let go; the running ones end.
 * DGON_ENOTFOUND: no agent of that name is known. `me`: the child that does it. */
DGON_MUST_USE dgon_status dgon_fleet_hold(dgon_registry *r, uint32_t me, const char *id, bool hold);
/* Its client is told that an administrator ended it. DGON_ENOTFOUND: it is not there, any more. */
DGON_MUST_USE dgon_status dgon_fleet_cancel(dgon_registry *r, const unsigned char id[16]);

/* Appends the fleet as one JSON object without line ends: what GET /cluster/status answers. */
DGON_MUST_USE dgon_status dgon_fleet_write(dgon_registry *r, const char *version, dgon_buf *out);
/* Likewise {"jobs":[…]}. */
DGON_MUST_USE dgon_status dgon_fleet_write_jobs(dgon_registry *r, dgon_buf *out);

#endif

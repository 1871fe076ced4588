/* So many agents load a model: POST /scheduler/init of the handler dgon-status, and what dgonctl
 * asks. */
#ifndef MOD_DGON_LOAD_H
#define MOD_DGON_LOAD_H

#include "mod_dgon_engine.h"

#include "dgon/buf.h"
#include "dgon/error.h"
#include "dgon/wire.h"

/* What every agent offers that loads models on request, among its models; no model's name, so no
 * list shows it. Its capability DGON_CAP_PULL: it gets models too. */
#define MOD_DGON_LOAD_ANY "!"

/* At once in a child: each holds a thread, a worker's or one of the administrators' socket. */
#define MOD_DGON_LOADS_MAX 4u

/* What an agent could do about a model, in the order in which they are asked. */
typedef enum mod_dgon_load_rank {
    MOD_DGON_LOAD_READY = 0, /* it is loaded there */
    MOD_DGON_LOAD_COLD,
    MOD_DGON_LOAD_COLD_BUSY, /* all its slots are taken */
    MOD_DGON_LOAD_PULL,
    MOD_DGON_LOAD_PULL_BUSY,
    MOD_DGON_LOAD_MAY_NOT, /* it would have to be pulled, and may not be */
    MOD_DGON_LOAD_OLD      /* knows nothing of loading */
} mod_dgon_load_rank;

typedef struct mod_dgon_load_candidate {
    char id[DGON_WIRE_ID_MAX + 1];
    uint32_t agent;
    mod_dgon_load_rank rank;
} mod_dgon_load_candidate;

/* All agents that are up, best first, of mod_dgon_load_candidate, in p; NULL: memory is short. Any
 * thread. */
const apr_array_header_t *mod_dgon_load_candidates(mod_dgon_engine *e, apr_pool_t *p,
                                                   const char *model);

/* Worker: it waits here until all is done, and passes progress on if the client takes lines.
 * Refuses whom httpd has not authenticated. Returns what the handler must return. */
int mod_dgon_load(request_rec *r, mod_dgon_engine *e);
/* The same for who has authenticated the user and read the body. */
int mod_dgon_load_asked(request_rec *r, mod_dgon_engine *e, const dgon_buf *body);

typedef struct mod_dgon_load_ask {
    request_rec *r; /* whose output filters take the answer */
    mod_dgon_engine *engine;
    const char *text; /* {"model_name", "init_nodes_num"} */
    size_t n;
    bool lines; /* one for each step; else one answer at the end */
    int fd;     /* a UNIX socket whose end is the client's; negative: r's connection */
} mod_dgon_load_ask;

/* A worker, or a thread of the administrators' socket: it waits here, and the end of its client
 * ends it. False: nothing has begun or was written, e says why. */
bool mod_dgon_load_run(const mod_dgon_load_ask *a, dgon_error *e);

#endif

/* What one request leaves behind: numbers in the metrics, notes and environment for httpd's logs.
 * Kept in the request from the handler on; whoever owns the request at the moment writes. Added up
 * once, when httpd logs the request, in whatever thread that is. */
#ifndef MOD_DGON_TALLY_H
#define MOD_DGON_TALLY_H

#include "mod_dgon_engine.h"

#include "dgon/chat.h"
#include "dgon/error.h"

typedef struct mod_dgon_tally {
    mod_dgon_engine *engine;
    dgon_op op;
    bool stream, good, gone;
    unsigned retries;
    int error_status;  /* 0: none */
    const char *error; /* static */
    const char *model; /* public, known here; NULL */
    char agent[DGON_WIRE_ID_MAX + 1];
    char finish[DGON_CHAT_FINISH_MAX + 1];
    /* CLOCK_MONOTONIC; 0: it did not come to that */
    uint64_t started_us, admitted_us, bound_us, first_us;
    int64_t tokens_in, tokens_out; /* negative: nobody told */
} mod_dgon_tally;

/* Handler: r is a request of ours from here on. */
void mod_dgon_tally_begin(request_rec *r, mod_dgon_engine *e);
/* NULL: it is not. */
mod_dgon_tally *mod_dgon_tally_of(request_rec *r);
/* The error that the client gets. */
void mod_dgon_tally_error(request_rec *r, const dgon_error *e);
uint64_t mod_dgon_tally_now(void);

void mod_dgon_tally_register(void);

#endif

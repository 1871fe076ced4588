/* Which model a request that is passed on is for. Included by mod_dgon_pass*.c only; all of it in
 * the request's worker. */
#ifndef MOD_DGON_PASS_INT_H
#define MOD_DGON_PASS_INT_H

#include "mod_dgon_pass.h"

#include "dgon/error.h"

/* What is known of a request before it is a job. */
typedef struct mod_dgon_asked {
    mod_dgon_stream *s;
    const mod_dgon_pass *rule; /* NULL: a path of the table */
    dgon_pass_head *head;
    bool eos;
    bool named, in_query, in_body; /* a model; where the backend reads it */
    dgon_error e;                  /* of whatever gives false */
} mod_dgon_asked;

bool mod_dgon_pass_wrong(mod_dgon_asked *a, int http, const char *code, const char *param,
                         const char *text);
/* The body so far, up to this length or its end. */
bool mod_dgon_pass_read_until(mod_dgon_asked *a, size_t length);

/* In header, query or body; where somebody may not use every model it is the same in all of them.
 */
bool mod_dgon_pass_find_name(mod_dgon_asked *a);
/* Is it there, has an agent opened the path, may the user? */
bool mod_dgon_pass_find_model(mod_dgon_asked *a);
/* Once the head is written: may the user, whatever else the request could mean by it? */
bool mod_dgon_pass_names_no_other(mod_dgon_asked *a);

#endif

/* Handler dgon-api: OpenAI's and Anthropic's paths; and what other APIs' handlers share with it. */
#ifndef MOD_DGON_API_H
#define MOD_DGON_API_H

#include "mod_dgon_engine.h"

#include "dgon/error.h"

int mod_dgon_api_handler(request_rec *r);

/* All: worker; those that return int return what the handler must return. */

/* The engine, for a handler of this name, and an x-request-id; NULL: *status is what to return, as
 * the request is another handler's or was answered. */
mod_dgon_engine *mod_dgon_api_engine(request_rec *r, const char *handler, int *status);
/* POST: checks the request, makes it a job and answers it. */
int mod_dgon_api_ask(request_rec *r, mod_dgon_engine *engine, dgon_op op);
/* Is its body said to be JSON? No page of another site can send that without being asked. */
bool mod_dgon_api_is_json(request_rec *r);
int mod_dgon_api_refuse(request_rec *r, const dgon_error *e);
/* 404 at an address that is none; the text says what there is. */
int mod_dgon_api_unknown(request_rec *r, const char *text);
int mod_dgon_api_not_allowed(request_rec *r, const char *allow);

#endif

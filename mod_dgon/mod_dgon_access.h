/* Who may use which model: Require dgon-model, and the models of an API key. httpd decides before
 * the body is read, so Require dgon-model holds there as far as it may, and the whole tree of
 * Require lines is asked again once the model is known. */
#ifndef MOD_DGON_ACCESS_H
#define MOD_DGON_ACCESS_H

#include "mod_dgon_private.h"

#include "dgon/error.h"

#include <stdbool.h>

/* All: the request's thread. */

/* The user of this request may use no other models than these (glob.h); "": all. */
void mod_dgon_access_restrict(request_rec *r, const char *models);
/* Does anything depend on the model? Where not, nothing below costs more than this. */
bool mod_dgon_access_is_limited(request_rec *r);
/* Does this JSON body name a model in one way only? A backend may read another member than we do.
 * False: e says so. True where nothing depends on it. */
bool mod_dgon_access_names_one(request_rec *r, const char *body, size_t n, dgon_error *e);
/* Asks for a model under its public name; false: e says why not. What names no model is
 * MOD_DGON_PASS_ANY, and needs the right to all. */
bool mod_dgon_access_may(request_rec *r, const char *model, dgon_error *e);
/* The same for lists, without a word in the log. */
bool mod_dgon_access_sees(request_rec *r, const char *model);

void mod_dgon_access_register(apr_pool_t *p);

#endif

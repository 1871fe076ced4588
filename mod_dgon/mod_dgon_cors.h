/* Requests of pages of other origins (WHATWG Fetch, CORS protocol): off unless DgonCorsOrigin names
 * them. */
#ifndef MOD_DGON_CORS_H
#define MOD_DGON_CORS_H

#include "mod_dgon_private.h"

#include <apr_tables.h>

#include <stdbool.h>

/* At start: NULL if it is an origin (scheme, host and perhaps port), else what is wrong with it. */
const char *mod_dgon_cors_check(apr_pool_t *p, const char *origin);
/* Worker, any answer: the headers by which a named origin may read it. */
void mod_dgon_cors_headers(request_rec *r);
/* Worker: answers OPTIONS when a named origin asks before it sends. DECLINED: it is nothing of the
 * kind. */
int mod_dgon_cors_preflight(request_rec *r);
/* Worker, before the body is read: does a browser send this for a page of another origin that is
 * not named, and would it change or cost something? It would carry the user's cookies or password
 * along, and a form needs no leave. Programs send neither Origin nor Sec-Fetch-Site. */
bool mod_dgon_cors_is_foreign(request_rec *r);
/* Hooks: such a question carries no credentials, and needs none. */
void mod_dgon_cors_register(void);

#endif

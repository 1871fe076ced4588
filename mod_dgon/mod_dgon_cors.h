/* Requests of pages of other origins (WHATWG Fetch, CORS protocol): off unless DgonCorsOrigin names
 * them. */
#ifndef MOD_DGON_CORS_H
#define MOD_DGON_CORS_H

#include "mod_dgon_private.h"

#include <apr_tables.h>

/* At start: NULL if it is an origin (scheme, host and perhaps port), else what is wrong with it. */
const char *mod_dgon_cors_check(apr_pool_t *p, const char *origin);
/* Worker, any answer: the headers by which a named origin may read it. */
void mod_dgon_cors_headers(request_rec *r);
/* Worker: answers OPTIONS when a named origin asks before it sends. DECLINED: it is nothing of the
 * kind. */
int mod_dgon_cors_preflight(request_rec *r);
/* Hooks: such a question carries no credentials, and needs none. */
void mod_dgon_cors_register(void);

#endif

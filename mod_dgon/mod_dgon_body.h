/* The body of a request: whole in memory, or a piece. */
#ifndef MOD_DGON_BODY_H
#define MOD_DGON_BODY_H

#include "mod_dgon_private.h"

#include "dgon/error.h"

#include <stdbool.h>

/* Worker, blocking: reads through httpd's own readers only, at most `max` bytes. False: e is
 * filled, and the connection will not be kept. */
bool mod_dgon_body_read(request_rec *r, apr_off_t max, dgon_buf *body, dgon_error *e);

/* Is it said in one way only where the body ends? False: e is filled. */
bool mod_dgon_body_is_sound(request_rec *r, dgon_error *e);
/* A piece of at most `want` bytes, appended; none at all if block allows that. *eos: the body ends
 * here. False: e is filled, and the connection will not be kept. */
bool mod_dgon_body_some(request_rec *r, apr_bucket_brigade *bb, apr_read_type_e block,
                        apr_off_t want, dgon_buf *body, bool *eos, dgon_error *e);
/* Its stated length; false: none is, *n is -1. */
bool mod_dgon_body_length(request_rec *r, apr_off_t *n);

#endif

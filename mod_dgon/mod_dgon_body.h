/* The body of a request, whole in memory. */
#ifndef MOD_DGON_BODY_H
#define MOD_DGON_BODY_H

#include "mod_dgon_private.h"

#include "dgon/error.h"

#include <stdbool.h>

/* Worker, blocking: reads through httpd's own readers only, at most `max` bytes. False: e is
 * filled, and the connection will not be kept. */
bool mod_dgon_body_read(request_rec *r, apr_off_t max, dgon_buf *body, dgon_error *e);

#endif

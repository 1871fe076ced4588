/* Errors as answers, in the form of OpenAI's API, of Anthropic's or of Ollama's. */
#ifndef MOD_DGON_ERROR_H
#define MOD_DGON_ERROR_H

#include "mod_dgon_private.h"

#include "dgon/error.h"

#include <stdbool.h>

/* An operation of the API whose errors the path of r wants. */
dgon_op mod_dgon_error_op(request_rec *r);
/* Does a handler of this name answer for models; does r's? */
bool mod_dgon_error_is_api(const char *handler);
bool mod_dgon_error_for_api(request_rec *r);
/* Is r in a location of one of our APIs, or of another handler of ours and no browser's? Also
 * before the handler is known. */
bool mod_dgon_error_is_ours(request_rec *r);
/* Worker: answers r with the error; returns what the handler must return (OK: the answer is
 * written). */
int mod_dgon_error_send(request_rec *r, const dgon_error *e);
/* Sets status and headers for it, and the body into `out`; for who writes himself. */
dgon_status mod_dgon_error_prepare(request_rec *r, const dgon_error *e, dgon_buf *out);
/* What a 401 or 403 of httpd's that is about to come says to people; kept as it is, no secrets. */
void mod_dgon_error_because(request_rec *r, const char *text);
/* Any answer: x-request-id. */
void mod_dgon_error_request_id(request_rec *r);
/* Makes httpd's own error pages under a location of our APIs JSON. */
void mod_dgon_error_register(void);

#endif

/* What an administrator asks of a running gateway: one JSON object in, one out. By a UNIX socket
 * (DgonAdminSocket), which root alone may open, or by the handler dgon-admin behind httpd's own
 * authentication. */
#ifndef MOD_DGON_ADMIN_H
#define MOD_DGON_ADMIN_H

#include "mod_dgon_engine.h"

#define MOD_DGON_ADMIN_BODY 4096u                 /* a question */
#define MOD_DGON_ADMIN_MAX  (64u * 1024u * 1024u) /* an answer */

/* {"do":"status"}, jobs, {"do":"drain","agent":ID}, undrain, {"do":"cancel","job":ID}; the handler
 * knows {"do":"load"} besides, with what mod_dgon_load.h asks for. Appends the
 * answer, an error object if it is none; returns its HTTP status. `who` goes into the log. Any
 * thread of a child. */
int mod_dgon_admin_do(mod_dgon_engine *e, const char *question, size_t n, const char *who,
                      dgon_buf *out);

/* Worker: handler dgon-admin. */
int mod_dgon_admin_handler(request_rec *r);

/* post_config, parent: makes the socket if one is configured. OK, or an error after a log line. */
int mod_dgon_admin_listen(apr_pool_t *p, server_rec *s);
/* child_init: a thread that answers on it. It ends with the child's pool. */
void mod_dgon_admin_start(apr_pool_t *pchild, mod_dgon_engine *e);

#endif

/* What an administrator asks of a running gateway: one JSON object in, one out. By a UNIX socket
 * (DgonAdminSocket), which root alone may open, or by the handler dgon-admin behind httpd's own
 * authentication. */
#ifndef MOD_DGON_ADMIN_H
#define MOD_DGON_ADMIN_H

#include "mod_dgon_engine.h"

#define MOD_DGON_ADMIN_BODY    4096u                 /* a question */
#define MOD_DGON_ADMIN_MAX     (64u * 1024u * 1024u) /* an answer */
#define MOD_DGON_ADMIN_TAKE_MS 10000                 /* for each piece of it */

/* {"do":"status"}, jobs, check, {"do":"drain","agent":ID}, undrain, {"do":"cancel","job":ID}.
 * Appends the answer, an error object if it is none; returns its HTTP status. `who` goes into the
 * log. Any thread of a child. */
int mod_dgon_admin_do(mod_dgon_engine *e, const char *question, size_t n, const char *who,
                      dgon_buf *out);

/* {"do":"load"}, with what mod_dgon_load.h asks for: answered in lines, which take minutes. */
bool mod_dgon_admin_is_load(const char *question, size_t n);

/* Worker: handler dgon-admin. */
int mod_dgon_admin_handler(request_rec *r);

/* post_config, parent: makes the socket if one is configured. OK, or an error after a log line. */
int mod_dgon_admin_listen(apr_pool_t *p, server_rec *s);
/* child_init: the threads that answer on it. They end with the child's pool, and the engine waits
 * for what they have begun. e may be NULL. */
void mod_dgon_admin_start(apr_pool_t *pchild, mod_dgon_engine *e);

/* Thread of the socket. */

/* Writes to an asker; false: it takes nothing for MOD_DGON_ADMIN_TAKE_MS, or is gone, or the child
 * has to end. */
bool mod_dgon_admin_write(mod_dgon_engine *e, int fd, const char *p, size_t n);
/* Answers a question that mod_dgon_admin_is_load. */
void mod_dgon_admin_load(mod_dgon_engine *e, int fd, const char *question, size_t n,
                         const char *who);

#endif

/* Where libcurl has found backends: for a while the next connections to there are made without it,
 * which takes a tenth of the time. A name may move: it is asked again now and then, and when such a
 * connection fails. For agent_http_conn.c alone; not for backends behind TLS. */
#ifndef AGENT_HTTP_KNOWN_H
#define AGENT_HTTP_KNOWN_H

#include <stdbool.h>

#define AGENT_HTTP_KNOWN_MAX 64u    /* backends whose address is known; the oldest goes */
#define AGENT_HTTP_KNOWN_MS  60000u /* and for how long, as libcurl keeps names */

typedef struct agent_http_known agent_http_known;

/* NULL when memory is short. */
agent_http_known *agent_http_known_create(void);
void agent_http_known_destroy(agent_http_known *k);
/* fd is connected to `origin`, http://host:port. */
void agent_http_known_learn(agent_http_known *k, const char *origin, int fd);
void agent_http_known_forget(agent_http_known *k, const char *origin);
/* A socket that is the caller's, connected if *made, else on its way: ready for output when that is
 * decided. -1: libcurl must make it. */
int agent_http_known_connect(agent_http_known *k, const char *origin, bool *made);

#endif

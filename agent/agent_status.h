/* What the running agent says about itself: a line for the service manager, and a JSON object for
 * whoever connects to its status socket (dgon-agent --status, a monitoring script). */
#ifndef AGENT_STATUS_H
#define AGENT_STATUS_H

#include "agent.h"
#include "agent_jobs.h"
#include "agent_links.h"
#include "agent_models.h"

#define AGENT_STATUS_MAX        (64u * 1024u) /* bytes of the JSON object */
#define AGENT_STATUS_MODELS_MAX 100u          /* names in it; models_total counts them all */
#define AGENT_STATUS_LINE_MAX   400u

typedef struct agent_status agent_status;

typedef struct agent_status_spec {
    agent_loop *loop;
    const agent_config *config;
    const agent_links *links;
    const agent_models *models;
    const agent_jobs *jobs;
    bool listen; /* not with --once: the socket is the service's */
} agent_status_spec;

/* Listens at status_socket, else in the service manager's runtime directory, else not at all. A
 * socket that cannot be made is a line in the log, not a reason to stop. NULL when memory is short.
 * What the spec names must outlive it. */
agent_status *agent_status_create(const agent_status_spec *spec);
/* NULL is allowed. */
void agent_status_destroy(agent_status *s);
/* A watched descriptor is ready: true if it was this socket. Who connects gets the object and the
 * end of the connection; nothing is read. */
bool agent_status_on_fd(agent_status *s, int fd);
/* Tells the service manager what changed since the last call; `more` (or "") goes before it. */
void agent_status_tell(agent_status *s, bool stopping, const char *more);

/* The other side, in a process of its own: asks the agent whose socket that is (NULL: the packaged
 * service's) and prints what it says, as text or as the JSON object. The exit code says how it is.
 */
agent_exit agent_status_ask(const char *path, bool json);

#endif

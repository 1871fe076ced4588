/* The agent as a whole: makes the parts, connects them, runs them until it is told to stop. */
#ifndef AGENT_H
#define AGENT_H

#include "agent_config.h"

/* Exit codes, after sysexits.h. */
typedef enum agent_exit {
    AGENT_EXIT_OK = 0,
    AGENT_EXIT_STOPPED = 3, /* --status: no agent runs there (as init scripts have it) */
    AGENT_EXIT_USAGE = 64,
    AGENT_EXIT_UNAVAILABLE = 69, /* --once, --status: no link to the gateway */
    AGENT_EXIT_SOFTWARE = 70,    /* the system refused something basic; --status: no answer */
    AGENT_EXIT_TEMPFAIL = 75,    /* another agent holds the pid file */
    AGENT_EXIT_NOPERM = 77,      /* --once: the gateway refuses the token */
    AGENT_EXIT_CONFIG = 78
} agent_exit;

/* Runs until SIGTERM. Takes the configuration; `path` is read again at SIGHUP. With `once` it ends
 * after the first welcome or refusal. */
agent_exit agent_run(agent_config *config, const char *path, bool once);

#endif

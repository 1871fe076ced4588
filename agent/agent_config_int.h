/* What the parts of the configuration share: agent_config_parse.c, _check.c and _load.c report
 * their mistakes to one place. */
#ifndef AGENT_CONFIG_INT_H
#define AGENT_CONFIG_INT_H

#include "agent_config.h"

typedef struct agent_config_report {
    agent_config *c;
    dgon_buf *errors; /* a line for each mistake */
    unsigned file;    /* which of c->files the mistakes are in */
    unsigned mistakes;
} agent_config_report;

/* Counts a mistake and appends "file:line: text" to the errors; line 0: it is the whole file's.
 * Control characters become "?". */
void agent_config_mistake(agent_config_report *r, unsigned line, const char *fmt, ...)
    DGON_PRINTF(3, 4);

#endif

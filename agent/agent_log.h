/* The agent's log: lines for people, one per change of state, never a prompt, an answer or a
 * secret. */
#ifndef AGENT_LOG_H
#define AGENT_LOG_H

#include "dgon/status.h"

typedef enum agent_log_level { /* values of syslog */
                               AGENT_LOG_ERROR = 3,
                               AGENT_LOG_WARN = 4,
                               AGENT_LOG_NOTICE = 5,
                               AGENT_LOG_INFO = 6,
                               AGENT_LOG_DEBUG = 7
} agent_log_level;

/* Lines above this level are dropped. */
void agent_log_set_level(agent_log_level level);
int agent_log_enabled(agent_log_level level);
/* One line; control characters from outside are shown as '?', long lines are cut. */
void agent_log(agent_log_level level, const char *fmt, ...) DGON_PRINTF(2, 3);

#endif

#include "agent_log.h"

#include "agent_os.h"

#include <stdarg.h>
#include <stdio.h>

static agent_log_level max_level = AGENT_LOG_INFO;

void agent_log_set_level(agent_log_level level)
{
    max_level = level;
}

int agent_log_enabled(agent_log_level level)
{
    return level <= max_level;
}

void agent_log(agent_log_level level, const char *fmt, ...)
{
    if (!agent_log_enabled(level)) {
        return;
    }
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0) {
        return;
    }
    size_t len = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < 0x20 || c == 0x7f) {
            line[i] = '?'; /* a name from outside cannot forge a line or colour a terminal */
        }
    }
    agent_os_log_write((int)level, line, len);
}

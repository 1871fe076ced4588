#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "dgon/agents_file.h"

#include <stdio.h>

#define FORBIDDEN 0027u /* no change by the group, nothing for others */
#define MODE      0640u

dgon_status dgon_agents_load(dgon_agents *a, const char *path, dgon_file_stamp *stamp,
                             char why[DGON_FILE_WHY])
{
    char wrong[DGON_AGENTS_WHY];
    unsigned line;
    dgon_buf b;
    dgon_agents_fini(a);
    dgon_buf_init(&b, DGON_AGENTS_FILE_MAX);
    dgon_status s = dgon_file_read(path, FORBIDDEN, &b, stamp, why);
    if (s == DGON_OK) {
        s = dgon_agents_parse(a, b.data != NULL ? b.data : "", b.len, &line, wrong);
        if (s != DGON_OK)
            (void)snprintf(why, DGON_FILE_WHY, "%.110s line %u: %s", path, line, wrong);
    }
    dgon_buf_fini(&b);
    return s;
}

static dgon_status save(const dgon_agents *a, const char *path, char why[DGON_FILE_WHY])
{
    dgon_buf b;
    dgon_buf_init(&b, DGON_AGENTS_FILE_MAX);
    dgon_status s = dgon_agents_write(a, &b);
    if (s == DGON_OK)
        s = dgon_file_replace(path, b.data, b.len, MODE, why);
    else
        (void)snprintf(why, DGON_FILE_WHY, "%.200s: %s", path, dgon_status_str(s));
    dgon_buf_fini(&b);
    return s;
}

dgon_status dgon_agents_change(const char *path, dgon_status (*fn)(dgon_agents *a, void *user),
                               void *user, char why[DGON_FILE_WHY])
{
    dgon_agents a;
    int lock = dgon_file_lock(path, why);
    if (lock < 0)
        return DGON_ESYS;
    dgon_agents_init(&a);
    dgon_status s = dgon_agents_load(&a, path, NULL, why);
    if (s == DGON_OK || s == DGON_ENOTFOUND) {
        why[0] = '\0';
        s = fn(&a, user);
        if (s == DGON_OK)
            s = save(&a, path, why);
    }
    dgon_agents_fini(&a);
    dgon_file_unlock(lock);
    return s;
}

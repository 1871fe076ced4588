/* Jobs of which the gateway has not heard yet. An answer that begins soon says by itself that the
 * job was accepted; only where it takes longer a record of its own is spent on that. */
#include "agent_job.h"

#include <stddef.h>

#define QUIET_MS      25u
#define STATUS_ACCEPT 102u

static void due(void *user)
{
    agent_jobs *t = user;
    uint64_t now = agent_os_now_ms();
    while (t->quiet != NULL && now - t->quiet->quiet_since >= QUIET_MS) {
        agent_job *j = t->quiet;
        unsigned char status[2];
        dgon_put_u16(status, STATUS_ACCEPT);
        agent_job_quiet_end(j);
        agent_job_send(j, DGON_REC_STATUS, status, sizeof status);
    }
    if (t->quiet != NULL) {
        agent_timer_set(t->quiet_timer, QUIET_MS - (now - t->quiet->quiet_since));
    }
}

bool agent_job_quiet_init(agent_jobs *t)
{
    t->quiet_end = &t->quiet;
    t->quiet_timer = agent_timer_create(t->loop, due, t);
    return t->quiet_timer != NULL;
}

void agent_job_quiet_begin(agent_job *j)
{
    agent_jobs *t = j->table;
    if (t->quiet == NULL) {
        agent_timer_set(t->quiet_timer, QUIET_MS);
    }
    j->quiet_since = agent_os_now_ms();
    j->next_quiet = NULL;
    j->quiet_at = t->quiet_end;
    *t->quiet_end = j;
    t->quiet_end = &j->next_quiet;
}

void agent_job_quiet_end(agent_job *j)
{
    if (j->quiet_at == NULL) {
        return;
    }
    *j->quiet_at = j->next_quiet;
    if (j->next_quiet != NULL) {
        j->next_quiet->quiet_at = j->quiet_at;
    } else {
        j->table->quiet_end = j->quiet_at;
    }
    j->quiet_at = NULL;
}

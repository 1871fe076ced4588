/* Jobs of which the gateway has not heard yet. An answer that begins soon says by itself that the
 * job was accepted; only where it takes longer a record of its own is spent on that. */
#include "agent_job.h"

#include <stddef.h>

#define UNHEARD_MS    25u
#define STATUS_ACCEPT 102u

static void due(void *user)
{
    agent_jobs *t = user;
    uint64_t now = agent_os_now_ms();
    while (t->unheard != NULL && now - t->unheard->unheard_since >= UNHEARD_MS) {
        agent_job *j = t->unheard;
        unsigned char status[2];
        dgon_put_u16(status, STATUS_ACCEPT);
        agent_job_unheard_end(j);
        agent_job_send(j, DGON_REC_STATUS, status, sizeof status);
    }
    if (t->unheard != NULL) {
        agent_timer_set(t->unheard_timer, UNHEARD_MS - (now - t->unheard->unheard_since));
    }
}

bool agent_job_unheard_init(agent_jobs *t)
{
    t->unheard_end = &t->unheard;
    t->unheard_timer = agent_timer_create(t->loop, due, t);
    return t->unheard_timer != NULL;
}

void agent_job_unheard_begin(agent_job *j)
{
    agent_jobs *t = j->table;
    if (t->unheard == NULL) {
        agent_timer_set(t->unheard_timer, UNHEARD_MS);
    }
    j->unheard_since = agent_os_now_ms();
    j->next_unheard = NULL;
    j->unheard_at = t->unheard_end;
    *t->unheard_end = j;
    t->unheard_end = &j->next_unheard;
}

void agent_job_unheard_end(agent_job *j)
{
    if (j->unheard_at == NULL) {
        return;
    }
    *j->unheard_at = j->next_unheard;
    if (j->next_unheard != NULL) {
        j->next_unheard->unheard_at = j->unheard_at;
    } else {
        j->table->unheard_end = j->unheard_at;
    }
    j->unheard_at = NULL;
}

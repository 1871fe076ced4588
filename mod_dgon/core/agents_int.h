/* What agents.c (the table) and agents_text.c (its text) share. */
#ifndef DGON_AGENTS_INT_H
#define DGON_AGENTS_INT_H

#include "dgon/agents.h"

/* A new one at the end, zeroed; NULL: no memory, or full. Sort before anything is looked up. */
dgon_agents_entry *dgon_agents_add_entry(dgon_agents *a);
dgon_agents_invite *dgon_agents_add_invite(dgon_agents *a);
/* DGON_EEXIST: an id or a key stands twice. DGON_ENOMEM: nothing was sorted. */
DGON_MUST_USE dgon_status dgon_agents_sort(dgon_agents *a);

#endif

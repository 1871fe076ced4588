/* What the table of backends and the questions to one of them share. Loop thread. */
#ifndef AGENT_MODELS_INT_H
#define AGENT_MODELS_INT_H

#include "agent_models.h"

struct agent_models {
    agent_loop *loop;
    agent_http *http;
    agent_models_changed_fn changed;
    void *user;
    uint32_t interval_ms;
    agent_backend *backends[AGENT_CONFIG_BACKENDS_MAX];
    unsigned count;
};

/* A backend of the table, which is asked from now on; takes the models of `c` over. NULL: no
 * memory. */
agent_backend *agent_models_backend_create(agent_models *m, agent_config_backend *c);
/* It leaves the table: it is asked no more, and is freed when its last job lets go of it. */
void agent_models_backend_drop(agent_backend *b);

/* The entry of that name in a list of so many; NULL: none. */
agent_model *agent_models_named(agent_model *list, uint32_t count, const char *name);

#endif

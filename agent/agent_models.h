/* The backends and their models: asks each backend every few seconds what it serves, tells when the
 * answer changed. A backend that does not answer serves nothing until it does. */
#ifndef AGENT_MODELS_H
#define AGENT_MODELS_H

#include "agent_backend.h"
#include "agent_http.h"

#include "dgon/control.h"

typedef struct agent_models agent_models;

/* Counted: the table holds one reference while it is configured, each job another. */
typedef struct agent_backend {
    agent_config_backend config;  /* owned copy */
    const agent_backend_ops *ops; /* NULL until kind auto is settled */
    agent_models *owner;          /* NULL once it left the configuration */
    bool up, asked;               /* asked: the first answer or failure is known */
    agent_model *models;
    uint32_t model_count;
    uint32_t slots; /* as the backend told, 0 = it did not */
    uint32_t running;
    unsigned refs;
    struct agent_probe *probe;
} agent_backend;

typedef void (*agent_models_changed_fn)(void *user);

/* NULL when memory is short. */
agent_models *agent_models_create(agent_loop *loop, agent_http *http,
                                  agent_models_changed_fn changed, void *user);
void agent_models_destroy(agent_models *m);
/* Takes the backends of a configuration; those that stay the same keep their state. Allow lists are
 * moved out of `c`. */
DGON_MUST_USE dgon_status agent_models_configure(agent_models *m, agent_config *c);

/* True when every backend has answered or failed once. */
bool agent_models_settled(const agent_models *m);
/* Least busy backend that serves the model, and its entry; NULL if none. The caller takes a
 * reference to keep it. */
agent_backend *agent_models_find(agent_models *m, const char *name, const agent_model **model);
/* Least busy backend whose `allow` opens that; NULL if none. */
agent_backend *agent_models_opened(agent_models *m, const char *method, const char *path);
/* All openings of backends that are up, in one list; false: there are none. */
bool agent_models_allow(const agent_models *m, char out[DGON_PASS_LIST_MAX]);
/* The i-th backend; NULL behind the last one. */
agent_backend *agent_models_at(const agent_models *m, unsigned i);
/* Does some backend get models that it does not have? */
bool agent_models_pull(const agent_models *m);
/* May clients be offered this model of it (its key models)? */
bool agent_backend_may_offer(const agent_backend *b, const char *name);
/* A job met a backend that is not there, or changed what it has: ask it at once. */
void agent_models_suspect(agent_backend *b);
void agent_backend_ref(agent_backend *b);
void agent_backend_unref(agent_backend *b);

/* Slots as the backends say. */
uint32_t agent_models_slots(const agent_models *m);
/* The merged list for hello and models; *out is the caller's (dgon_free). */
DGON_MUST_USE dgon_status agent_models_list(const agent_models *m, dgon_ctl_model **out,
                                            uint32_t *count);

#endif

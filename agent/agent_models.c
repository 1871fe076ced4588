#include "agent_models_int.h"

#include "dgon/alloc.h"

#include <stdio.h>
#include <string.h>

#define SLOTS_DEFAULT 4u

/* --- jobs keep backends --- */

void agent_backend_ref(agent_backend *b)
{
    b->refs++;
}

void agent_backend_unref(agent_backend *b)
{
    if (--b->refs != 0) {
        return;
    }
    dgon_free(b->models);
    dgon_free(b->config.models);
    agent_os_wipe(&b->config, sizeof b->config);
    dgon_free(b);
}

/* --- the table --- */

agent_models *agent_models_create(agent_loop *loop, agent_http *http,
                                  agent_models_changed_fn changed, void *user)
{
    agent_models *m = dgon_calloc(1, sizeof *m);
    if (m != NULL) {
        m->loop = loop;
        m->http = http;
        m->changed = changed;
        m->user = user;
    }
    return m;
}

void agent_models_destroy(agent_models *m)
{
    if (m == NULL) {
        return;
    }
    for (unsigned i = 0; i < m->count; i++) {
        agent_models_backend_drop(m->backends[i]);
    }
    dgon_free(m);
}

static agent_backend *take_same(agent_models *m, const agent_config_backend *c)
{
    for (unsigned i = 0; i < m->count; i++) {
        if (m->backends[i] != NULL && agent_config_same_backend(&m->backends[i]->config, c)) {
            agent_backend *b = m->backends[i];
            m->backends[i] = NULL;
            return b;
        }
    }
    return NULL;
}

dgon_status agent_models_configure(agent_models *m, agent_config *c)
{
    agent_backend *next[AGENT_CONFIG_BACKENDS_MAX] = {NULL};
    dgon_status s = DGON_OK;
    unsigned n = 0;
    m->interval_ms = c->models_interval * 1000u;
    for (unsigned i = 0; i < c->backend_count; i++) {
        agent_backend *b = take_same(m, &c->backends[i]);
        b = b != NULL ? b : agent_models_backend_create(m, &c->backends[i]);
        if (b == NULL) {
            s = DGON_ENOMEM;
        } else {
            next[n++] = b;
        }
    }
    for (unsigned i = 0; i < m->count; i++) {
        if (m->backends[i] != NULL) {
            agent_models_backend_drop(m->backends[i]);
        }
    }
    memcpy(m->backends, next, sizeof next);
    m->count = n;
    m->changed(m->user);
    return s;
}

bool agent_models_settled(const agent_models *m)
{
    for (unsigned i = 0; i < m->count; i++) {
        if (!m->backends[i]->asked) {
            return false;
        }
    }
    return true;
}

agent_model *agent_models_named(agent_model *list, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

agent_backend *agent_models_find(agent_models *m, const char *name, const agent_model **model)
{
    agent_backend *best = NULL;
    for (unsigned i = 0; i < m->count; i++) {
        agent_backend *b = m->backends[i];
        const agent_model *found =
            b->up ? agent_models_named(b->models, b->model_count, name) : NULL;
        if (found != NULL && (best == NULL || b->running < best->running)) {
            best = b;
            *model = found;
        }
    }
    return best;
}

agent_backend *agent_models_opened(agent_models *m, const char *method, const char *path)
{
    agent_backend *best = NULL;
    for (unsigned i = 0; i < m->count; i++) {
        agent_backend *b = m->backends[i];
        if (b->up && b->config.allow[0] != '\0' &&
            dgon_pass_allows(b->config.allow, method, path) &&
            (best == NULL || b->running < best->running)) {
            best = b;
        }
    }
    return best;
}

bool agent_models_allow(const agent_models *m, char out[DGON_PASS_LIST_MAX])
{
    size_t n = 0;
    for (unsigned i = 0; i < m->count; i++) {
        const char *allow = m->backends[i]->config.allow;
        if (m->backends[i]->up && allow[0] != '\0' && n + strlen(allow) + 2 <= DGON_PASS_LIST_MAX) {
            n +=
                (size_t)snprintf(out + n, DGON_PASS_LIST_MAX - n, "%s%s", n != 0 ? "," : "", allow);
        }
    }
    return n != 0;
}

agent_backend *agent_models_at(const agent_models *m, unsigned i)
{
    return i < m->count ? m->backends[i] : NULL;
}

bool agent_models_pull(const agent_models *m)
{
    bool pull = false;
    for (unsigned i = 0; i < m->count; i++) {
        const agent_backend *b = m->backends[i];
        pull |= b->up && b->config.pull && b->ops->kind == AGENT_KIND_OLLAMA;
    }
    return pull;
}

bool agent_backend_may_offer(const agent_backend *b, const char *name)
{
    const agent_config_backend *c = &b->config;
    for (uint32_t i = 0; i < c->model_count; i++) {
        if (strcmp(c->models[i], name) == 0) {
            return true;
        }
    }
    return c->model_count == 0;
}

uint32_t agent_models_slots(const agent_models *m)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < m->count; i++) {
        sum += m->backends[i]->slots != 0 ? m->backends[i]->slots : SLOTS_DEFAULT;
    }
    return sum == 0                    ? SLOTS_DEFAULT
           : sum > DGON_WIRE_SLOTS_MAX ? DGON_WIRE_SLOTS_MAX
                                       : (uint32_t)sum;
}

static bool listed(const dgon_ctl_model *list, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

dgon_status agent_models_list(const agent_models *m, dgon_ctl_model **out, uint32_t *count)
{
    dgon_ctl_model *list = dgon_calloc(DGON_WIRE_MODELS_MAX, sizeof *list);
    uint32_t n = 0;
    if (list == NULL) {
        return DGON_ENOMEM;
    }
    for (unsigned i = 0; i < m->count; i++) {
        const agent_backend *b = m->backends[i];
        for (uint32_t k = 0; b->up && k < b->model_count && n < DGON_WIRE_MODELS_MAX; k++) {
            if (!listed(list, n, b->models[k].name)) {
                dgon_ctl_model *to = &list[n++];
                (void)snprintf(to->name, sizeof to->name, "%s", b->models[k].name);
                (void)snprintf(to->backend, sizeof to->backend, "%s", agent_kind_str(b->ops->kind));
                to->context = b->models[k].context;
                to->caps = b->models[k].caps;
                to->loaded = b->models[k].loaded;
            }
        }
    }
    *out = list;
    *count = n;
    return DGON_OK;
}

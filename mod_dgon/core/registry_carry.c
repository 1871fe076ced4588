#include "registry_int.h"

#include "dgon/wire.h"

#include <string.h>

/* Two pieces of a segment, in which names, their texts and what is known of each lie one behind the
 * other. */
typedef struct pieces {
    size_t models, agents, models_size, agents_size;
} pieces;

static pieces pieces_of(const dgon_layout *l, const dgon_registry_conf *conf)
{
    uint64_t models = l->model + (uint64_t)conf->models * sizeof(dgon_layout_model);
    uint64_t agents = l->agent + (uint64_t)conf->links * sizeof(dgon_layout_agent);
    return (pieces){.models = (size_t)l->model_word,
                    .agents = (size_t)l->agent_word,
                    .models_size = (size_t)(models - l->model_word),
                    .agents_size = (size_t)(agents - l->agent_word)};
}

/* The second piece is aligned as the first one is. */
static size_t agents_at(const pieces *p)
{
    size_t end = sizeof(dgon_layout_head) + p->models_size;
    return (end + DGON_LAYOUT_LINE - 1) / DGON_LAYOUT_LINE * DGON_LAYOUT_LINE;
}

size_t dgon_registry_carry_size(const dgon_registry_conf *conf)
{
    dgon_layout l;
    if (!dgon_layout_plan(&l, conf))
        return 0;
    pieces p = pieces_of(&l, conf);
    return agents_at(&p) + p.agents_size;
}

bool dgon_registry_carry_copy(void *to, const void *base, size_t size,
                              const dgon_registry_conf *conf)
{
    dgon_layout l;
    if (!dgon_layout_plan(&l, conf) || l.size > size)
        return false;
    pieces p = pieces_of(&l, conf);
    const char *from = base;
    char *at = to;
    memcpy(at, from, sizeof(dgon_layout_head));
    memcpy(at + sizeof(dgon_layout_head), from + p.models, p.models_size);
    memcpy(at + agents_at(&p), from + p.agents, p.agents_size);
    return true;
}

static bool is_text(const char *s)
{
    for (; *s != '\0'; s++)
        if (*s <= ' ' || *s > '~')
            return false;
    return true;
}

static void take_name(dgon_registry *r, const char *name, const dgon_layout_model *was)
{
    uint64_t word;
    bool added;
    if (name[0] == '\0' || !is_text(name))
        return;
    uint32_t i = dgon_names_put(&r->model_names, name, strlen(name), &word, &added);
    if (i == DGON_NONE || !added)
        return;
    dgon_layout_model *m = dgon_model_at(r, i);
    atomic_store(&m->created, atomic_load(&was->created));
    atomic_store(&m->job_ms, atomic_load(&was->job_ms));
    atomic_fetch_or(&m->lacks, atomic_load(&was->lacks));
}

static void take_models(dgon_registry *r, unsigned char *at, const dgon_layout *l,
                        const dgon_registry_conf *conf)
{
    const dgon_layout_model *models = (void *)(at + (l->model - l->model_word));
    const dgon_names was = {(_Atomic uint64_t *)(void *)at,
                            (_Atomic uint64_t *)(void *)(at + (l->model_text - l->model_word)),
                            conf->models, DGON_LAYOUT_NAME_WORDS};
    uint32_t mark = dgon_names_mark(&was), most = r->conf.models - (r->conf.models + 7) / 8;
    for (uint32_t i = 0; i < mark && dgon_names_mark(&r->model_names) < most; i++) {
        char name[4 * DGON_LAYOUT_NAME_WORDS + 1];
        if (!dgon_names_live(&was, i))
            continue;
        dgon_names_text(&was, i, name);
        take_name(r, name, &models[i]);
    }
}

/* One that is known here already may have been let go since. */
static void take_hold(dgon_registry *r, const char *id)
{
    uint64_t word;
    bool added;
    if (!dgon_wire_is_agent_id(id, strlen(id)))
        return;
    uint32_t i = dgon_names_put(&r->agent_names, id, strlen(id), &word, &added);
    if (i == DGON_NONE || !added)
        return;
    dgon_agent_begin(r, i);
    atomic_store(&dgon_agent_at(r, i)->held, 1);
}

static void take_held(dgon_registry *r, unsigned char *at, const dgon_layout *l,
                      const dgon_registry_conf *conf)
{
    const dgon_layout_agent *agents = (void *)(at + (l->agent - l->agent_word));
    const dgon_names was = {(_Atomic uint64_t *)(void *)at,
                            (_Atomic uint64_t *)(void *)(at + (l->agent_text - l->agent_word)),
                            conf->links, DGON_LAYOUT_ID_WORDS};
    uint32_t mark = dgon_names_mark(&was), most = r->conf.links - (r->conf.links + 7) / 8;
    for (uint32_t i = 0; i < mark && dgon_names_mark(&r->agent_names) < most; i++) {
        char id[4 * DGON_LAYOUT_ID_WORDS + 1];
        if (!dgon_names_live(&was, i) || atomic_load(&agents[i].held) == 0)
            continue;
        dgon_names_text(&was, i, id);
        take_hold(r, id);
    }
}

void dgon_registry_carry_take(dgon_registry *r, void *copy, const dgon_registry_conf *conf)
{
    const dgon_layout_head *h = copy;
    dgon_layout l;
    if (!dgon_layout_plan(&l, conf) || h->magic != DGON_REGISTRY_MAGIC ||
        h->version != DGON_REGISTRY_VERSION || h->size != l.size)
        return;
    pieces p = pieces_of(&l, conf);
    take_models(r, (unsigned char *)copy + sizeof(dgon_layout_head), &l, conf);
    take_held(r, (unsigned char *)copy + agents_at(&p), &l, conf);
}

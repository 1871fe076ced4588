#include "mod_dgon_alias.h"

#include <apr_strings.h>

#include <string.h>

static const mod_dgon_alias *at(const apr_array_header_t *aliases, int i)
{
    return &APR_ARRAY_IDX(aliases, i, mod_dgon_alias);
}

/* ---- configuration ---- */

const char *mod_dgon_alias_add(cmd_parms *cmd, apr_array_header_t **aliases, const char *name,
                               const char *targets)
{
    char step_name[DGON_WIRE_NAME_MAX + 1];
    unsigned step = 0;
    if (!dgon_wire_is_model_name(name, strlen(name)))
        return apr_psprintf(cmd->pool,
                            "DgonAlias \"%s\": a name has 1 to %u of A-Z a-z 0-9 . _ : / @ + -",
                            name, DGON_WIRE_NAME_MAX);
    const char *wrong = dgon_alias_check(targets);
    if (wrong != NULL)
        return apr_psprintf(cmd->pool, "DgonAlias %s \"%s\": %s", name, targets, wrong);
    if (*aliases == NULL)
        *aliases = apr_array_make(cmd->pool, 8, sizeof(mod_dgon_alias));
    for (int i = 0; i < (*aliases)->nelts; i++) {
        if (strcmp(at(*aliases, i)->public_name, name) != 0)
            continue;
        if (at(*aliases, i)->line != cmd->directive)
            return apr_psprintf(cmd->pool,
                                "DgonAlias %s stands here twice: write all its targets in one line",
                                name);
        step++;
    }
    if (step >= DGON_ALIAS_STEPS_MAX || dgon_alias_step_name(step_name, name, step) != DGON_OK)
        return apr_psprintf(cmd->pool,
                            "DgonAlias %s: at most %u steps, and a shorter name for many", name,
                            DGON_ALIAS_STEPS_MAX);
    mod_dgon_alias *a = apr_array_push(*aliases);
    *a = (mod_dgon_alias){.public_name = apr_pstrdup(cmd->pool, name),
                          .name = apr_pstrdup(cmd->pool, step_name),
                          .targets = apr_pstrdup(cmd->pool, targets),
                          .line = cmd->directive};
    return NULL;
}

/* ---- link child ---- */

uint32_t mod_dgon_alias_offers(const apr_array_header_t *aliases, const char *agent,
                               const dgon_ctl *c, dgon_ctl_model *list,
                               char (*targets)[DGON_WIRE_NAME_MAX + 1])
{
    uint32_t count = 0;
    for (int i = 0; aliases != NULL && i < aliases->nelts; i++) {
        const dgon_ctl_model *m =
            dgon_alias_pick(at(aliases, i)->targets, agent, c->models, c->model_count);
        targets[i][0] = '\0';
        if (m == NULL)
            continue;
        memcpy(targets[i], m->name, sizeof(targets[i]));
        list[count] = *m;
        apr_cpystrn(list[count++].name, at(aliases, i)->name, sizeof(m->name));
    }
    for (uint32_t i = 0; i < c->model_count; i++)
        if (mod_dgon_alias_find(aliases, c->models[i].name, strlen(c->models[i].name)) < 0)
            list[count++] = c->models[i];
    return count;
}

int mod_dgon_alias_of_step(const apr_array_header_t *aliases, const char *name)
{
    for (int i = 0; aliases != NULL && i < aliases->nelts; i++)
        if (strcmp(at(aliases, i)->name, name) == 0)
            return i;
    return MOD_DGON_ALIAS_NONE;
}

/* ---- client child ---- */

int mod_dgon_alias_find(const apr_array_header_t *aliases, const char *name, size_t n)
{
    for (int i = 0; aliases != NULL && i < aliases->nelts; i++)
        if (strlen(at(aliases, i)->public_name) == n &&
            memcmp(at(aliases, i)->public_name, name, n) == 0)
            return i;
    return MOD_DGON_ALIAS_NONE;
}

static int next_step(const apr_array_header_t *aliases, int step)
{
    int next = step + 1;
    bool same = next < aliases->nelts && at(aliases, next)->line == at(aliases, step)->line;
    return same ? next : MOD_DGON_ALIAS_NONE;
}

static uint32_t model_of(dgon_registry *reg, const apr_array_header_t *aliases, int step)
{
    const char *name = at(aliases, step)->name;
    return dgon_registry_model(reg, name, strlen(name));
}

uint32_t mod_dgon_alias_model(dgon_registry *reg, const apr_array_header_t *aliases, int *step)
{
    uint32_t known = DGON_NONE;
    int known_step = *step;
    for (int i = *step; i >= 0; i = next_step(aliases, i)) {
        uint32_t model = model_of(reg, aliases, i);
        if (model == DGON_NONE)
            continue;
        if (dgon_registry_model_offered(reg, model)) {
            *step = i;
            return model;
        }
        if (known == DGON_NONE) {
            known = model;
            known_step = i;
        }
    }
    *step = known_step;
    return known;
}

bool mod_dgon_alias_advance(mod_dgon_stream *s)
{
    dgon_registry *reg = s->engine->registry;
    const uint32_t rule = s->spec.need & ~DGON_NEED_CAPS;
    if (s->alias < 0)
        return false;
    for (int i = next_step(s->conf->aliases, s->alias); i >= 0;
         i = next_step(s->conf->aliases, i)) {
        uint32_t model = model_of(reg, s->conf->aliases, i);
        if (model == DGON_NONE || !dgon_registry_model_offered(reg, model))
            continue;
        uint32_t need = dgon_registry_model_needs(reg, model, s->caps);
        if (!dgon_registry_model_can(reg, model, rule | need, s->spec.context))
            continue;
        s->alias = i;
        s->spec.model = model;
        s->spec.need = rule | need;
        for (unsigned k = 0; k < DGON_REGISTRY_EXCLUDE_MAX; k++)
            s->spec.exclude[k] = DGON_NONE;
        return true;
    }
    return false;
}

bool mod_dgon_alias_is_one_model(const mod_dgon_stream *s)
{
    const apr_array_header_t *aliases = s->conf->aliases;
    return s->alias < 0 || (strchr(at(aliases, s->alias)->targets, ',') == NULL &&
                            next_step(aliases, s->alias) < 0);
}

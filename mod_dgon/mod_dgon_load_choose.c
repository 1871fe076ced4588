/* Which agents are to load a model. */
#include "mod_dgon_load.h"

#include "dgon/fleet.h"
#include "dgon/load.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

typedef struct walk {
    mod_dgon_engine *engine;
    const char *model;
    apr_array_header_t *list;
} walk;

static mod_dgon_load_rank rank_of(const walk *w, const dgon_fleet_agent *a)
{
    dgon_fleet_offer o;
    bool loads = false, pulls = false, has = false;
    bool full = a->busy >= a->slots;
    for (uint32_t i = 0; dgon_fleet_offer_get(w->engine->registry, a, i, &o); i++) {
        if (strcmp(o.name, MOD_DGON_LOAD_ANY) == 0) {
            loads = true;
            pulls = (o.caps & DGON_CAP_PULL) != 0;
        } else if (dgon_load_is_name(o.name, w->model)) {
            if (o.loaded)
                return MOD_DGON_LOAD_READY;
            has = true;
        }
    }
    if (!loads)
        return MOD_DGON_LOAD_OLD;
    if (has)
        return full ? MOD_DGON_LOAD_COLD_BUSY : MOD_DGON_LOAD_COLD;
    return !pulls ? MOD_DGON_LOAD_MAY_NOT : full ? MOD_DGON_LOAD_PULL_BUSY : MOD_DGON_LOAD_PULL;
}

static bool add(void *user, const dgon_fleet_agent *a)
{
    walk *w = user;
    if (a->state != DGON_FLEET_UP)
        return true;
    mod_dgon_load_candidate *c = apr_array_push(w->list);
    apr_cpystrn(c->id, a->id, sizeof(c->id));
    c->agent = a->agent;
    c->rank = rank_of(w, a);
    return true;
}

static int by_rank(const void *x, const void *y)
{
    const mod_dgon_load_candidate *a = x, *b = y;
    return a->rank != b->rank ? (int)a->rank - (int)b->rank : strcmp(a->id, b->id);
}

const apr_array_header_t *mod_dgon_load_candidates(mod_dgon_engine *e, apr_pool_t *p,
                                                   const char *model)
{
    walk w = {e, model, apr_array_make(p, 16, sizeof(mod_dgon_load_candidate))};
    if (dgon_fleet_agents(e->registry, add, &w) != DGON_OK)
        return NULL;
    qsort(w.list->elts, (size_t)w.list->nelts, sizeof(mod_dgon_load_candidate), by_rank);
    return w.list;
}

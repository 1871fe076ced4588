#include "registry_int.h"

#include <string.h>
#include <time.h>

#define TRIES 100u

static uint64_t offer_pack(uint32_t model, const dgon_ctl_model *m)
{
    return (uint64_t)m->context << 32 | (uint64_t)(m->caps & 0x7fff) << 17 |
           (uint64_t)m->loaded << 16 | model;
}
static uint32_t offer_model(uint64_t o)
{
    return (uint32_t)o & 0xffff;
}

dgon_offer dgon_offer_of(uint64_t o)
{
    return (dgon_offer){.model = offer_model(o),
                        .context = (uint32_t)(o >> 32),
                        .caps = (uint32_t)(o >> 17) & 0x7fff,
                        .loaded = (o >> 16) & 1};
}

uint32_t dgon_registry_model(dgon_registry *r, const char *name, size_t n)
{
    return n && n <= DGON_WIRE_NAME_MAX ? dgon_names_find(&r->model_names, name, n, NULL)
                                        : DGON_NONE;
}

uint32_t dgon_registry_model_count(dgon_registry *r)
{
    return dgon_names_mark(&r->model_names);
}

dgon_status dgon_registry_model_name(dgon_registry *r, uint32_t model,
                                     char name[DGON_WIRE_NAME_MAX + 1])
{
    if (!dgon_names_live(&r->model_names, model))
        return DGON_ENOTFOUND;
    dgon_names_text(&r->model_names, model, name);
    return DGON_OK;
}

/* The name's index with the link's bit set; DGON_NONE: table full. */
static uint32_t offer(dgon_registry *r, uint32_t link, const dgon_ctl_model *m, uint32_t at)
{
    for (uint32_t tries = 0; tries < TRIES; tries++) {
        uint64_t word;
        bool added;
        uint32_t i = dgon_names_put(&r->model_names, m->name, strlen(m->name), &word, &added);
        if (i == DGON_NONE)
            return DGON_NONE;
        if (added) {
            atomic_store(&dgon_model_at(r, i)->created, (int64_t)time(NULL));
            atomic_store(&dgon_model_at(r, i)->job_ms, 0);
            atomic_store(&dgon_model_at(r, i)->lacks, 0);
        }
        atomic_fetch_or(&dgon_model_at(r, i)->lacks, m->caps >> DGON_CAP_LACKS & 0x7f);
        dgon_set(&dgon_link_at(r, link)->offer[at], offer_pack(i, m));
        dgon_bit_set(dgon_offers_at(r, i), link);
        if (dgon_names_confirm(&r->model_names, i, word))
            return i;
        dgon_bit_clear(dgon_offers_at(r, i), link);
    }
    return DGON_NONE;
}

dgon_status dgon_registry_link_models(dgon_registry *r, uint32_t link, const dgon_ctl_model *m,
                                      uint32_t n)
{
    if (link >= r->conf.links || !dgon_linkw_up(dgon_get(&r->link_word[link])))
        return DGON_ESTALE;
    dgon_status st = n <= DGON_WIRE_MODELS_MAX ? DGON_OK : DGON_EFULL;
    uint64_t keep[DGON_REGISTRY_MODELS_MAX / 64] = {0};
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n && kept < DGON_WIRE_MODELS_MAX; i++) {
        uint32_t model = offer(r, link, &m[i], kept);
        if (model == DGON_NONE) {
            st = DGON_EFULL;
            continue;
        }
        kept += !(keep[model / 64] & 1ull << (model % 64));
        keep[model / 64] |= 1ull << (model % 64);
    }
    dgon_set32(&dgon_link_at(r, link)->offers, kept);
    uint32_t mark = dgon_names_mark(&r->model_names);
    for (uint32_t i = 0; i < mark; i++)
        if (!(keep[i / 64] & 1ull << (i % 64)))
            dgon_bit_clear(dgon_offers_at(r, i), link);
    uint32_t agent = dgon_link_agent(r, link);
    if (agent != DGON_NONE)
        dgon_dispatch_agent(r, dgon_linkw_child(dgon_get(&r->link_word[link])), agent);
    return st;
}

/* What a link says about the model. False: nothing; *o is then 0. */
static bool find_offer(const dgon_registry *r, uint32_t link, uint32_t model, uint64_t *o)
{
    const dgon_layout_link *l = dgon_link_at(r, link);
    uint32_t n = dgon_capped(atomic_load(&l->offers), DGON_WIRE_MODELS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        *o = dgon_get(&l->offer[i]);
        if (offer_model(*o) == model)
            return true;
    }
    *o = 0;
    return false;
}

static uint64_t offer_of(const dgon_registry *r, uint32_t link, uint32_t model)
{
    uint64_t o;
    (void)find_offer(r, link, model, &o);
    return o;
}

static uint32_t offer_context(uint64_t o)
{
    return (uint32_t)(o >> 32);
}

static uint32_t offer_caps(uint64_t o)
{
    return (uint32_t)(o >> 17) & 0x7fff;
}

bool dgon_link_can(const dgon_registry *r, uint32_t link, uint32_t model, uint32_t need,
                   uint32_t context)
{
    uint32_t rule = need >> 16;
    if (rule != 0 && (atomic_load(&dgon_link_at(r, link)->opens) >> ((rule - 1) & 31) & 1) == 0)
        return false;
    need &= DGON_NEED_CAPS;
    if ((need | context) == 0)
        return true;
    uint64_t o = offer_of(r, link, model);
    return (offer_caps(o) >> DGON_CAP_LACKS & need) == 0 &&
           (offer_context(o) == 0 || context <= offer_context(o));
}

bool dgon_registry_is_cold(dgon_registry *r, dgon_job_ref ref)
{
    if (!dgon_ref_ok(r, ref))
        return false;
    dgon_jobw j = dgon_jobw_of(dgon_get(&r->job_word[ref.slot]));
    uint32_t model = dgon_job_model(r, ref.slot);
    if (j.gen != ref.gen || !dgon_jobw_on_link(j) || j.link >= r->conf.links || model == DGON_NONE)
        return false;
    uint64_t o;
    return find_offer(r, j.link, model, &o) && !dgon_offer_of(o).loaded;
}

uint32_t dgon_registry_model_needs(dgon_registry *r, uint32_t model, uint32_t caps)
{
    return model < r->conf.models ? caps & atomic_load(&dgon_model_at(r, model)->lacks) : 0;
}

/* Does a link offer it that has all of that? *any: one offers it at all. */
static bool offered(dgon_registry *r, uint32_t model, uint32_t need, uint32_t context, bool *any)
{
    *any = false;
    _Atomic uint64_t *offers = dgon_offers_at(r, model);
    for (uint32_t i = 0; i < r->at.offer_words; i++)
        for (uint64_t w = dgon_get(&offers[i]); w; w &= w - 1) {
            uint32_t link = i * 64 + (uint32_t)__builtin_ctzll(w);
            if (link >= r->conf.links || !dgon_linkw_up(dgon_get(&r->link_word[link])))
                continue;
            if (dgon_link_can(r, link, model, need, context))
                return true;
            *any = true;
        }
    return false;
}

bool dgon_registry_model_can(dgon_registry *r, uint32_t model, uint32_t need, uint32_t context)
{
    bool any;
    return model >= r->conf.models || (need | context) == 0 ||
           offered(r, model, need, context, &any) || !any;
}

bool dgon_registry_model_offered(dgon_registry *r, uint32_t model)
{
    bool any;
    return model < r->conf.models && offered(r, model, 0, 0, &any);
}

static void add_offer(const dgon_registry *r, uint32_t link, uint32_t model,
                      dgon_registry_model_info *info)
{
    uint64_t o = offer_of(r, link, model);
    info->context = offer_context(o) > info->context ? offer_context(o) : info->context;
    info->caps |= offer_caps(o);
    info->loaded |= (o >> 16) & 1;
}

static void add_links(dgon_registry *r, uint32_t model, dgon_registry_model_info *info)
{
    uint64_t seen[(DGON_REGISTRY_LINKS_MAX + 63) / 64] = {0};
    _Atomic uint64_t *offers = dgon_offers_at(r, model);
    for (uint32_t i = 0; i < r->at.offer_words; i++)
        for (uint64_t w = dgon_get(&offers[i]); w; w &= w - 1) {
            uint32_t link = i * 64 + (uint32_t)__builtin_ctzll(w);
            if (link >= r->conf.links)
                break;
            uint32_t agent = dgon_link_agent(r, link);
            if (!dgon_linkw_up(dgon_get(&r->link_word[link])) || agent == DGON_NONE)
                continue;
            add_offer(r, link, model, info);
            if (seen[agent / 64] & 1ull << (agent % 64))
                continue;
            seen[agent / 64] |= 1ull << (agent % 64);
            info->agents++;
            info->slots += dgon_slots(r, agent);
            info->busy += dgon_tokens_count(r, agent, NULL);
        }
}

dgon_status dgon_registry_model_get(dgon_registry *r, uint32_t model,
                                    dgon_registry_model_info *info)
{
    memset(info, 0, sizeof *info);
    dgon_status st = dgon_registry_model_name(r, model, info->name);
    if (st != DGON_OK)
        return st;
    info->created = atomic_load(&dgon_model_at(r, model)->created);
    info->job_ms = atomic_load(&dgon_model_at(r, model)->job_ms);
    add_links(r, model, info);
    uint32_t high = dgon_job_high(r);
    for (uint32_t i = 0; i < high; i++)
        info->queued += dgon_jobw_of(dgon_get(&r->job_word[i])).phase == DGON_JOB_QUEUED &&
                        dgon_job_model(r, i) == model;
    return DGON_OK;
}

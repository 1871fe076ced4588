/* The fleet as administrators see it; what they do to it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "dgon/fleet.h"

#include "dgon/alloc.h"
#include "registry_int.h"

#include <string.h>
#include <time.h>

#define RATE_SHIFT 2 /* an answer counts for a quarter */

const char *dgon_fleet_state_str(dgon_fleet_state s)
{
    static const char *const words[DGON_FLEET_STATES] = {"up", "draining", "held", "away"};
    return (unsigned)s < DGON_FLEET_STATES ? words[s] : "";
}

void dgon_agent_begin(dgon_registry *r, uint32_t agent)
{
    dgon_layout_agent *a = dgon_agent_at(r, agent);
    atomic_store(&a->held, 0);
    atomic_store(&a->seen, 0);
    atomic_store(&a->opened, 0);
    atomic_store(&a->good, 0);
    atomic_store(&a->failed, 0);
    atomic_store(&a->error, 0);
    for (uint32_t i = 0; i < DGON_LAYOUT_RATES; i++)
        atomic_store(&a->rate[i], 0);
}

/* ---- what an agent says of itself ---- */

/* Letters, digits and what stands in versions and addresses: it goes into pages and tables. */
static char plain(char c)
{
    static const char others[] = " .:-_+()[]/%";
    bool ok = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (c != '\0' && strchr(others, c) != NULL);
    return ok ? c : '?';
}

static size_t add_text(char *to, size_t at, const char *s)
{
    for (size_t i = 0; i < DGON_FLEET_TEXT_MAX && s[i] != '\0'; i++)
        to[at++] = plain(s[i]);
    return at + 1;
}

void dgon_fleet_link_about(dgon_registry *r, uint32_t link, const char *version, const char *os,
                           const char *address)
{
    char text[DGON_LAYOUT_ABOUT_WORDS * 8] = {0};
    uint64_t word;
    _Static_assert(sizeof text >= 3 * (DGON_FLEET_TEXT_MAX + 1), "three texts fit");
    if (link >= r->conf.links)
        return;
    (void)add_text(text, add_text(text, add_text(text, 0, version), os), address);
    for (uint32_t i = 0; i < DGON_LAYOUT_ABOUT_WORDS; i++) {
        memcpy(&word, text + i * 8, 8);
        atomic_store(&dgon_link_at(r, link)->about[i], word);
    }
    atomic_store(&dgon_link_at(r, link)->since, (int64_t)time(NULL));
}

static const char *take_text(char *to, const char *from, const char *end)
{
    size_t n = 0;
    while (from < end && *from != '\0' && n < DGON_FLEET_TEXT_MAX)
        to[n++] = plain(*from++);
    to[n] = '\0';
    return from < end ? from + 1 : end;
}

static void read_about(const dgon_registry *r, dgon_fleet_agent *a)
{
    char text[DGON_LAYOUT_ABOUT_WORDS * 8];
    for (uint32_t i = 0; i < DGON_LAYOUT_ABOUT_WORDS; i++) {
        uint64_t word = atomic_load(&dgon_link_at(r, a->link)->about[i]);
        memcpy(text + i * 8, &word, 8);
    }
    const char *end = text + sizeof text, *at = take_text(a->version, text, end);
    at = take_text(a->os, at, end);
    (void)take_text(a->address, at, end);
}

/* ---- agents ---- */

/* What one look at all links tells of an agent. */
typedef struct seen {
    uint32_t link, links, open;
    int64_t since;
} seen;

static void look_at_links(const dgon_registry *r, seen *s)
{
    uint32_t high = dgon_link_high(r);
    for (uint32_t i = 0; i < high; i++) {
        uint64_t w = dgon_get(&r->link_word[i]);
        uint32_t agent = dgon_link_agent(r, i);
        if (!dgon_linkw_up(w) || agent == DGON_NONE)
            continue;
        int64_t since = atomic_load(&dgon_link_at(r, i)->since);
        seen *to = &s[agent];
        bool open = dgon_linkw_state(w) == DGON_LINK_OPEN;
        if (to->links == 0 || since < to->since)
            to->since = since;
        if (to->links == 0 || (open && to->open == 0))
            to->link = i;
        to->links++;
        to->open += open;
    }
}

static void fill(dgon_registry *r, uint32_t agent, const seen *s, dgon_fleet_agent *a)
{
    const dgon_layout_agent *l = dgon_agent_at(r, agent);
    memset(a, 0, sizeof *a);
    a->agent = agent;
    a->link = s->links > 0 ? s->link : DGON_NONE;
    a->links = s->links;
    a->since = s->links > 0 ? s->since : (int64_t)atomic_load(&l->seen);
    dgon_names_text(&r->agent_names, agent, a->id);
    if (s->links == 0)
        a->state = DGON_FLEET_AWAY;
    else if (dgon_agent_held(r, agent))
        a->state = DGON_FLEET_HELD;
    else
        a->state = s->open > 0 ? DGON_FLEET_UP : DGON_FLEET_DRAINING;
    a->slots = s->links > 0 ? dgon_slots(r, agent) : 0;
    a->busy = dgon_tokens_count(r, agent, NULL);
    a->opened = atomic_load(&l->opened);
    a->good = atomic_load(&l->good);
    a->failed = atomic_load(&l->failed);
    uint64_t error = atomic_load(&l->error);
    a->error_at = (int64_t)(error >> 32);
    a->error_status = (int)(error >> 16 & 0xffff);
    a->error_code = dgon_error_code_name((unsigned)error & 0xffff);
    if (a->link != DGON_NONE)
        read_about(r, a);
}

/* Is it worth a word? One that has gone is, for a while. */
static bool is_shown(const dgon_registry *r, uint32_t agent, const seen *s, int64_t now)
{
    int64_t last = (int64_t)atomic_load(&dgon_agent_at(r, agent)->seen);
    return dgon_names_live(&r->agent_names, agent) &&
           (s->links > 0 || dgon_agent_held(r, agent) ||
            (last != 0 && now - last < DGON_FLEET_AWAY_S));
}

dgon_status dgon_fleet_agents(dgon_registry *r, bool (*fn)(void *user, const dgon_fleet_agent *a),
                              void *user)
{
    uint32_t mark = dgon_names_mark(&r->agent_names);
    dgon_fleet_agent a;
    int64_t now = (int64_t)time(NULL);
    seen *s = dgon_calloc(r->conf.links, sizeof *s);
    if (s == NULL)
        return DGON_ENOMEM;
    look_at_links(r, s);
    for (uint32_t i = 0; i < mark; i++) {
        if (!is_shown(r, i, &s[i], now))
            continue;
        fill(r, i, &s[i], &a);
        if (dgon_wire_is_agent_id(a.id, strlen(a.id)) && !fn(user, &a))
            break;
    }
    dgon_free(s);
    return DGON_OK;
}

static uint32_t rate_of(const dgon_registry *r, uint32_t agent, uint32_t model)
{
    for (uint32_t i = 0; i < DGON_LAYOUT_RATES; i++) {
        uint64_t w = atomic_load(&dgon_agent_at(r, agent)->rate[i]);
        if (w >> 32 == (uint64_t)model + 1)
            return (uint32_t)w;
    }
    return 0;
}

bool dgon_fleet_offer_get(dgon_registry *r, const dgon_fleet_agent *a, uint32_t i,
                          dgon_fleet_offer *o)
{
    if (a->link >= r->conf.links || a->agent >= r->conf.links)
        return false;
    const dgon_layout_link *l = dgon_link_at(r, a->link);
    if (i >= dgon_capped(atomic_load(&l->offers), DGON_WIRE_MODELS_MAX))
        return false;
    dgon_offer offer = dgon_offer_of(dgon_get(&l->offer[i]));
    *o = (dgon_fleet_offer){.context = offer.context, .caps = offer.caps, .loaded = offer.loaded};
    if (dgon_registry_model_name(r, offer.model, o->name) != DGON_OK)
        o->name[0] = '\0';
    o->rate = rate_of(r, a->agent, offer.model);
    return true;
}

/* Its models' own places first, then a free one; when all are taken, the first. */
static void add_rate(dgon_layout_agent *a, uint32_t model, uint32_t rate)
{
    uint32_t at = DGON_LAYOUT_RATES, free = 0;
    uint64_t w = 0;
    for (uint32_t i = 0; i < DGON_LAYOUT_RATES; i++) {
        uint64_t v = atomic_load(&a->rate[i]);
        if (v >> 32 == (uint64_t)model + 1) {
            at = i;
            w = v;
            break;
        }
        if (v == 0 && free == 0)
            free = i;
    }
    int64_t old = (int64_t)(w & UINT32_MAX);
    int64_t now = at < DGON_LAYOUT_RATES ? old + (((int64_t)rate - old) >> RATE_SHIFT) : rate;
    if (at == DGON_LAYOUT_RATES) {
        at = free;
        w = atomic_load(&a->rate[at]);
    }
    /* who comes at the same moment counts, one of the two */
    (void)dgon_cas(&a->rate[at], w, ((uint64_t)model + 1) << 32 | (uint64_t)(now > 0 ? now : 1));
}

void dgon_fleet_tell(dgon_registry *r, uint32_t agent, uint32_t model, const dgon_error *e,
                     uint32_t rate)
{
    if (agent >= r->conf.links || model >= r->conf.models)
        return;
    dgon_layout_agent *a = dgon_agent_at(r, agent);
    if (e == NULL) {
        atomic_fetch_add(&a->good, 1);
        if (rate > 0)
            add_rate(a, model, rate);
        return;
    }
    atomic_fetch_add(&a->failed, 1);
    atomic_store(&a->error, (uint64_t)(uint32_t)time(NULL) << 32 |
                                (uint64_t)((unsigned)e->http & 0xffff) << 16 |
                                dgon_error_code_number(e));
}

dgon_status dgon_fleet_hold(dgon_registry *r, uint32_t me, const char *id, bool hold)
{
    uint32_t agent = dgon_names_find(&r->agent_names, id, strlen(id), NULL);
    if (agent == DGON_NONE)
        return DGON_ENOTFOUND;
    dgon_set32(&dgon_agent_at(r, agent)->held, hold ? 1 : 0);
    if (!hold)
        dgon_dispatch_agent(r, me, agent);
    return DGON_OK;
}

/* ---- jobs ---- */

void dgon_fleet_queued(dgon_registry *r, uint32_t *queued)
{
    uint32_t high = dgon_job_high(r);
    memset(queued, 0, r->conf.models * sizeof *queued);
    for (uint32_t i = 0; i < high; i++) {
        uint32_t m = dgon_job_model(r, i);
        if (m != DGON_NONE && dgon_jobw_of(dgon_get(&r->job_word[i])).phase == DGON_JOB_QUEUED)
            queued[m]++;
    }
}

/* False: nobody's, or it changed while it was copied. */
static bool copy_job(dgon_registry *r, uint32_t slot, dgon_fleet_job *j)
{
    uint64_t w = dgon_get(&r->job_word[slot]);
    dgon_jobw word = dgon_jobw_of(w);
    const dgon_layout_job *l = dgon_job_at(r, slot);
    if (word.phase == DGON_JOB_FREE || word.phase == DGON_JOB_CLAIMED)
        return false;
    memset(j, 0, sizeof *j);
    j->ref = (dgon_job_ref){slot, word.gen};
    memcpy(j->id, l->id, sizeof j->id);
    j->op = l->op < DGON_OP_MAX ? (dgon_op)l->op : DGON_OP_NONE;
    j->phase = (dgon_job_phase)word.phase;
    j->created = l->created;
    j->attempt = l->attempt;
    j->stream = l->stream != 0;
    j->gone = word.gone;
    uint32_t model = dgon_job_model(r, slot);
    if (model != DGON_NONE && dgon_registry_model_name(r, model, j->model) != DGON_OK)
        j->model[0] = '\0';
    uint32_t agent = dgon_jobw_on_link(word) && dgon_link_holds(r, word)
                         ? dgon_link_agent(r, word.link)
                         : DGON_NONE;
    if (agent != DGON_NONE && dgon_names_live(&r->agent_names, agent))
        dgon_names_text(&r->agent_names, agent, j->agent);
    return dgon_get(&r->job_word[slot]) == w;
}

void dgon_fleet_jobs(dgon_registry *r, bool (*fn)(void *user, const dgon_fleet_job *j), void *user)
{
    dgon_fleet_job j;
    uint32_t high = dgon_job_high(r);
    for (uint32_t i = 0; i < high; i++)
        if (copy_job(r, i, &j) && !fn(user, &j))
            return;
}

dgon_status dgon_fleet_cancel(dgon_registry *r, const unsigned char id[16])
{
    dgon_fleet_job j;
    dgon_status st = DGON_ENOTFOUND;
    uint32_t high = dgon_job_high(r);
    for (uint32_t i = 0; i < high; i++) {
        if (!copy_job(r, i, &j) || j.gone || memcmp(j.id, id, sizeof j.id) != 0)
            continue;
        atomic_store(&dgon_job_at(r, i)->cancel, j.ref.gen);
        dgon_jobw w = dgon_jobw_of(dgon_get(&r->job_word[i]));
        if (w.gen == j.ref.gen) {
            dgon_registry_notify(r, w.child, i);
            st = DGON_OK;
        }
    }
    return st;
}

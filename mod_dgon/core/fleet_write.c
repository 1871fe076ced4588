/* The fleet as JSON. */
#include "dgon/fleet.h"

#include "dgon/alias.h"
#include "dgon/alloc.h"
#include "dgon/hash.h"
#include "caps_int.h"
#include "registry_int.h"

#include <inttypes.h>
#include <string.h>

/* Of a model, over its agents. */
typedef struct model_sum {
    uint32_t agents, slots, busy, context, caps;
    bool loaded;
} model_sum;

typedef struct writer {
    dgon_registry *r;
    dgon_buf *out;
    dgon_status st;
    bool first;
    uint32_t slots, busy, agents;
    model_sum *models;
} writer;

static void text(writer *w, const char *s)
{
    if (w->st == DGON_OK)
        w->st = dgon_buf_adds(w->out, s);
}

static void quoted(writer *w, const char *s)
{
    if (w->st == DGON_OK)
        w->st = dgon_buf_add_json_string(w->out, s, strlen(s));
}

/* ,"key":n — the key with comma, quotes and colon. */
static void number(writer *w, const char *key, uint64_t n)
{
    text(w, key);
    if (w->st == DGON_OK)
        w->st = dgon_buf_addu(w->out, n);
}

static void string(writer *w, const char *key, const char *s)
{
    text(w, key);
    quoted(w, s);
}

static void next(writer *w)
{
    text(w, w->first ? "" : ",");
    w->first = false;
}

/* Tokens in 1000 s as tokens in a second. */
static void rate(writer *w, uint32_t n)
{
    if (n == 0)
        text(w, ",\"tokens_per_second\":null");
    else if (w->st == DGON_OK)
        w->st = dgon_buf_addf(w->out, ",\"tokens_per_second\":%" PRIu32 ".%03" PRIu32, n / 1000,
                              n % 1000);
}

static bool is_model(const char *name)
{
    return dgon_wire_is_model_name(name, strlen(name)) && name[dgon_alias_public_len(name)] == '\0';
}

static void caps(writer *w, uint32_t context, uint32_t bits, bool loaded)
{
    text(w, loaded ? ",\"loaded\":true" : ",\"loaded\":false");
    if (context > 0)
        number(w, ",\"context_length\":", context);
    text(w, ",");
    if (w->st == DGON_OK)
        w->st = dgon_caps_write(w->out, "capabilities", bits);
}

static void sum_up(writer *w, const dgon_fleet_agent *a, const dgon_fleet_offer *o)
{
    uint32_t m = dgon_registry_model(w->r, o->name, strlen(o->name));
    if (m == DGON_NONE || m >= w->r->conf.models)
        return;
    model_sum *s = &w->models[m];
    s->agents++;
    s->slots += a->slots;
    s->busy += a->busy;
    s->context = o->context > s->context ? o->context : s->context;
    s->caps |= o->caps;
    s->loaded |= o->loaded;
}

static void offers(writer *w, const dgon_fleet_agent *a)
{
    dgon_fleet_offer o;
    bool first = true;
    text(w, ",\"models\":[");
    for (uint32_t i = 0; w->st == DGON_OK && dgon_fleet_offer_get(w->r, a, i, &o); i++) {
        if (!is_model(o.name))
            continue;
        sum_up(w, a, &o);
        string(w, first ? "{\"id\":" : ",{\"id\":", o.name);
        first = false;
        caps(w, o.context, o.caps, o.loaded);
        rate(w, o.rate);
        text(w, "}");
    }
    text(w, "]");
}

static bool agent(void *user, const dgon_fleet_agent *a)
{
    writer *w = user;
    w->agents += a->links > 0;
    w->slots += a->slots;
    w->busy += a->busy;
    next(w);
    string(w, "{\"id\":", a->id);
    string(w, ",\"state\":", dgon_fleet_state_str(a->state));
    number(w, ",\"links\":", a->links);
    number(w, ",\"slots\":", a->slots);
    number(w, ",\"busy\":", a->busy);
    string(w, ",\"version\":", a->version);
    string(w, ",\"os\":", a->os);
    string(w, ",\"address\":", a->address);
    number(w, ",\"since\":", (uint64_t)(a->since > 0 ? a->since : 0));
    number(w, ",\"connects\":", a->opened);
    number(w, ",\"done\":", a->good);
    number(w, ",\"failed\":", a->failed);
    if (a->error_at > 0) {
        number(w, ",\"last_error\":{\"at\":", (uint64_t)a->error_at);
        number(w, ",\"status\":", (uint64_t)a->error_status);
        string(w, ",\"code\":", a->error_code);
        text(w, "}");
    } else {
        text(w, ",\"last_error\":null");
    }
    offers(w, a);
    text(w, "}");
    return w->st == DGON_OK;
}

static void models(writer *w, const uint32_t *queued)
{
    char name[DGON_WIRE_NAME_MAX + 1];
    uint32_t n = dgon_registry_model_count(w->r);
    w->first = true;
    text(w, "],\"models\":[");
    for (uint32_t m = 0; m < n && m < w->r->conf.models && w->st == DGON_OK; m++) {
        const model_sum *s = &w->models[m];
        if ((s->agents == 0 && queued[m] == 0) ||
            dgon_registry_model_name(w->r, m, name) != DGON_OK || !is_model(name))
            continue;
        next(w);
        string(w, "{\"id\":", name);
        number(w, ",\"agents\":", s->agents);
        number(w, ",\"slots\":", s->slots);
        number(w, ",\"busy\":", s->busy);
        number(w, ",\"queued\":", queued[m]);
        caps(w, s->context, s->caps, s->loaded);
        text(w, "}");
    }
}

static uint32_t sum(const uint32_t *queued, uint32_t n)
{
    uint32_t all = 0;
    for (uint32_t i = 0; i < n; i++)
        all += queued[i];
    return all;
}

static void totals(writer *w, uint32_t queued)
{
    static const struct {
        const char *key;
        dgon_count what;
    } counts[] = {{",\"admitted\":", DGON_COUNT_JOBS},   {",\"ok\":", DGON_COUNT_OK},
                  {",\"failed\":", DGON_COUNT_FAILED},   {",\"cancelled\":", DGON_COUNT_CANCELLED},
                  {",\"refused\":", DGON_COUNT_REFUSED}, {",\"retries\":", DGON_COUNT_RETRIES}};
    number(w, "],\"slots\":{\"total\":", w->slots);
    number(w, ",\"busy\":", w->busy);
    number(w, "},\"jobs\":{\"queued\":", queued);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        number(w, counts[i].key, dgon_registry_total(w->r, counts[i].what));
    text(w, "}}");
}

dgon_status dgon_fleet_write(dgon_registry *r, const char *version, dgon_buf *out)
{
    writer w = {.r = r, .out = out, .st = DGON_ENOMEM, .first = true};
    uint32_t *queued = dgon_calloc(r->conf.models, sizeof *queued);
    w.models = dgon_calloc(r->conf.models, sizeof *w.models);
    if (queued != NULL && w.models != NULL) {
        dgon_fleet_queued(r, queued);
        w.st = DGON_OK;
        string(&w, "{\"gateway\":{\"version\":", version);
        number(&w, ",\"children\":", dgon_registry_children_alive(r));
        text(&w, "},\"agents\":[");
        dgon_status st = dgon_fleet_agents(r, agent, &w);
        w.st = w.st == DGON_OK ? st : w.st;
        models(&w, queued);
        totals(&w, sum(queued, r->conf.models));
    }
    dgon_free(queued);
    dgon_free(w.models);
    return w.st;
}

static bool job(void *user, const dgon_fleet_job *j)
{
    static const char *const phases[DGON_JOB_PHASE_MAX] = {[DGON_JOB_QUEUED] = "queued",
                                                           [DGON_JOB_BOUND] = "bound",
                                                           [DGON_JOB_RUNNING] = "running",
                                                           [DGON_JOB_DONE] = "done"};
    writer *w = user;
    char hex[sizeof j->id * 2 + 1];
    dgon_hash_hex(hex, j->id, sizeof j->id);
    next(w);
    text(w, "{\"id\":\"");
    text(w, dgon_op_id_prefix(j->op));
    text(w, hex);
    string(w, "\",\"operation\":", dgon_op_str(j->op));
    string(w, ",\"model\":", j->model);
    string(w, ",\"agent\":", j->agent);
    string(w, ",\"state\":",
           j->gone                                                               ? "cancelling"
           : (unsigned)j->phase < DGON_JOB_PHASE_MAX && phases[j->phase] != NULL ? phases[j->phase]
                                                                                 : "");
    number(w, ",\"created\":", (uint64_t)(j->created > 0 ? j->created : 0));
    number(w, ",\"attempt\":", j->attempt);
    text(w, j->stream ? ",\"stream\":true}" : ",\"stream\":false}");
    return w->st == DGON_OK;
}

dgon_status dgon_fleet_write_jobs(dgon_registry *r, dgon_buf *out)
{
    writer w = {.r = r, .out = out, .first = true};
    text(&w, "{\"jobs\":[");
    dgon_fleet_jobs(r, job, &w);
    text(&w, "]}");
    return w.st;
}

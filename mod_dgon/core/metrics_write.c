/* The counters as Prometheus' text format 0.0.4 and as OpenMetrics 1.0. Families one after another,
 * each with HELP and TYPE once; a series is left out as long as nothing was counted in it. */
#include "metrics_int.h"

#include "dgon/alias.h"
#include "dgon/alloc.h"
#include "dgon/fleet.h"
#include "registry_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LABELS_MAX  (2u * DGON_WIRE_NAME_MAX + 128u)
#define PROVIDER    "gen_ai_provider_name=\"dgon\""
#define SERIES_LIVE (DGON_METRICS_MODELS * DGON_METRICS_OPS)

typedef struct writer {
    dgon_registry *r;
    dgon_buf *out;
    dgon_status st;
    bool openmetrics;
    uint16_t live[SERIES_LIVE]; /* series in which something was counted */
    uint32_t count;
    uint32_t *queued;
    uint32_t states[DGON_FLEET_STATES];
} writer;

static void text(writer *w, const char *s)
{
    if (w->st == DGON_OK)
        w->st = dgon_buf_adds(w->out, s);
}

static void number(writer *w, uint64_t n)
{
    if (w->st == DGON_OK)
        w->st = dgon_buf_addu(w->out, n);
    text(w, "\n");
}

/* In OpenMetrics the family of a counter has no _total, the sample has. */
static void family(writer *w, const char *name, const char *type, const char *help)
{
    const char *total = strcmp(type, "counter") == 0 && !w->openmetrics ? "_total" : "";
    if (w->st == DGON_OK)
        w->st = dgon_buf_addf(w->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, total, help, name,
                              total, type);
}

/* A label's value: backslash, quote and line end are escaped. */
static size_t escape(char *to, size_t room, const char *s)
{
    size_t n = 0;
    for (; *s != '\0' && n + 3 < room; s++) {
        if (*s == '\\' || *s == '"' || *s == '\n')
            to[n++] = '\\';
        to[n++] = *s == '\n' ? 'n' : *s;
    }
    to[n] = '\0';
    return n;
}

static void sample(writer *w, const char *name, const char *labels, uint64_t n)
{
    text(w, name);
    if (labels[0] != '\0') {
        text(w, "{");
        text(w, labels);
        text(w, "}");
    }
    text(w, " ");
    number(w, n);
}

/* ---- series ---- */

static uint64_t of(const _Atomic uint64_t *p)
{
    return atomic_load_explicit(p, memory_order_relaxed);
}

static const dgon_layout_series *series(const writer *w, uint32_t k)
{
    return dgon_series_at(w->r, w->live[k] / DGON_METRICS_OPS,
                          (dgon_metrics_op)(w->live[k] % DGON_METRICS_OPS));
}

static void find_live(writer *w)
{
    for (uint32_t m = 0; m < DGON_METRICS_MODELS; m++) {
        if (m != DGON_METRICS_OTHER && !dgon_names_live(&w->r->metric_names, m))
            continue;
        for (uint32_t op = 0; op < DGON_METRICS_OPS; op++) {
            const dgon_layout_series *s = dgon_series_at(w->r, m, (dgon_metrics_op)op);
            uint64_t any = 0;
            for (uint32_t c = 0; c < DGON_METRICS_CODES && any == 0; c++)
                any = of(&s->codes[c]);
            if (any != 0)
                w->live[w->count++] = (uint16_t)(m * DGON_METRICS_OPS + op);
        }
    }
}

static void model_of(const writer *w, uint32_t k, char name[2 * DGON_WIRE_NAME_MAX + 4])
{
    char raw[DGON_WIRE_NAME_MAX + 1];
    uint32_t m = w->live[k] / DGON_METRICS_OPS;
    if (m == DGON_METRICS_OTHER) {
        memcpy(name, "_other", sizeof "_other");
        return;
    }
    dgon_names_text(&w->r->metric_names, m, raw);
    (void)escape(name, 2 * DGON_WIRE_NAME_MAX + 4, raw);
}

static void labels_of(const writer *w, uint32_t k, const char *more, char labels[LABELS_MAX])
{
    char name[2 * DGON_WIRE_NAME_MAX + 4];
    model_of(w, k, name);
    (void)snprintf(labels, LABELS_MAX,
                   "%sgen_ai_operation_name=\"%s\"," PROVIDER ",gen_ai_request_model=\"%s\"", more,
                   dgon_metrics_ops[w->live[k] % DGON_METRICS_OPS], name);
}

/* Microseconds as seconds, exact. */
static dgon_status add_seconds(dgon_buf *out, uint64_t us)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%06" PRIu64, us % 1000000);
    while (n > 0 && digits[n - 1] == '0')
        digits[--n] = '\0';
    dgon_status st = dgon_buf_addu(out, us / 1000000);
    return st == DGON_OK && n > 0 ? dgon_buf_addf(out, ".%s", digits) : st;
}

static void value(writer *w, dgon_histogram h, uint64_t v)
{
    bool tokens = h == DGON_HISTOGRAM_IN || h == DGON_HISTOGRAM_OUT;
    if (w->st == DGON_OK)
        w->st = tokens ? dgon_buf_addu(w->out, v) : add_seconds(w->out, v);
}

/* Nothing of it was ever observed: left out. */
static void histogram(writer *w, uint32_t k, const char *name, dgon_histogram h, const char *more)
{
    const dgon_layout_series *s = series(w, k);
    const dgon_metrics_bounds *b = &dgon_metrics_bounds_of[h];
    uint64_t bucket[DGON_METRICS_BUCKETS], all = 0;
    char labels[LABELS_MAX];
    uint64_t sum = of(&s->sum[h]);
    for (unsigned i = 0; i <= b->n; i++)
        all += bucket[i] = of(&s->bucket[h][i]);
    if (all == 0)
        return;
    labels_of(w, k, more, labels);
    uint64_t below = 0;
    for (unsigned i = 0; i <= b->n; i++) {
        below += bucket[i];
        text(w, name);
        text(w, "_bucket{");
        text(w, labels);
        text(w, ",le=\"");
        if (i < b->n)
            value(w, h, b->le[i]);
        else
            text(w, "+Inf");
        text(w, "\"} ");
        number(w, below);
    }
    text(w, name);
    text(w, "_sum{");
    text(w, labels);
    text(w, "} ");
    value(w, h, sum);
    text(w, "\n");
    text(w, name);
    text(w, "_count{");
    text(w, labels);
    text(w, "} ");
    number(w, all);
}

static void histograms(writer *w)
{
    static const struct {
        const char *name, *help;
        dgon_histogram h;
    } all[] = {
        {"gen_ai_server_time_to_first_token_seconds",
         "From the request to the first token of its stream.", DGON_HISTOGRAM_FIRST},
        {"gen_ai_server_time_per_output_token_seconds",
         "From one token to the next, mean over a good stream.", DGON_HISTOGRAM_TOKEN},
        {"gen_ai_server_request_duration_seconds", "From the request to the end of its answer.",
         DGON_HISTOGRAM_TOTAL},
        {"dgon_queue_wait_seconds", "From the request until an agent had a slot for it.",
         DGON_HISTOGRAM_QUEUE},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        family(w, all[i].name, "histogram", all[i].help);
        for (uint32_t k = 0; k < w->count; k++)
            histogram(w, k, all[i].name, all[i].h, "");
    }
    family(w, "gen_ai_client_token_usage", "histogram",
           "Tokens of a request, as the model server counted them.");
    for (uint32_t k = 0; k < w->count; k++) {
        histogram(w, k, "gen_ai_client_token_usage", DGON_HISTOGRAM_IN,
                  "gen_ai_token_type=\"input\",");
        histogram(w, k, "gen_ai_client_token_usage", DGON_HISTOGRAM_OUT,
                  "gen_ai_token_type=\"output\",");
    }
}

static void requests(writer *w)
{
    char name[2 * DGON_WIRE_NAME_MAX + 4], labels[LABELS_MAX];
    family(w, "dgon_requests", "counter", "Requests that have ended; 499: the client had gone.");
    for (uint32_t k = 0; k < w->count; k++)
        for (uint32_t c = 0; c < DGON_METRICS_CODES; c++) {
            uint64_t n = of(&series(w, k)->codes[c]);
            if (n == 0)
                continue;
            char code[12] = "other";
            if (dgon_metrics_codes[c] != 0)
                (void)snprintf(code, sizeof code, "%d", dgon_metrics_codes[c]);
            model_of(w, k, name);
            (void)snprintf(labels, sizeof labels, "operation=\"%s\",model=\"%s\",code=\"%s\"",
                           dgon_metrics_ops[w->live[k] % DGON_METRICS_OPS], name, code);
            sample(w, "dgon_requests_total", labels, n);
        }
}

/* Over all operations of a model: they stand one behind the other. */
static void tokens(writer *w)
{
    static const struct {
        const char *type;
        dgon_histogram h;
    } types[] = {{"input", DGON_HISTOGRAM_IN}, {"output", DGON_HISTOGRAM_OUT}};
    char name[2 * DGON_WIRE_NAME_MAX + 4], labels[LABELS_MAX];
    family(w, "dgon_tokens", "counter", "Tokens, as the model servers counted them.");
    for (uint32_t k = 0; k < w->count;) {
        uint32_t m = w->live[k] / DGON_METRICS_OPS, first = k;
        uint64_t n[2] = {0, 0};
        for (; k < w->count && w->live[k] / DGON_METRICS_OPS == m; k++)
            for (unsigned t = 0; t < 2; t++)
                n[t] += of(&series(w, k)->sum[types[t].h]);
        model_of(w, first, name);
        for (unsigned t = 0; t < 2; t++) {
            (void)snprintf(labels, sizeof labels, "model=\"%s\",type=\"%s\"", name, types[t].type);
            sample(w, "dgon_tokens_total", labels, n[t]);
        }
    }
}

/* ---- counts of the whole gateway ---- */

static void counts(writer *w)
{
    static const struct {
        const char *family, *labels, *help;
        dgon_count what;
    } all[] = {
        {"dgon_jobs_admitted", "", "Requests that became jobs.", DGON_COUNT_JOBS},
        {"dgon_jobs_ended", "outcome=\"ok\"", "Jobs by how they ended.", DGON_COUNT_OK},
        {"dgon_jobs_ended", "outcome=\"failed\"", NULL, DGON_COUNT_FAILED},
        {"dgon_jobs_ended", "outcome=\"cancelled\"", NULL, DGON_COUNT_CANCELLED},
        {"dgon_jobs_refused", "", "Jobs for which there was no room.", DGON_COUNT_REFUSED},
        {"dgon_retries", "", "Attempts after the first.", DGON_COUNT_RETRIES},
        {"dgon_events", "", "Content events to clients.", DGON_COUNT_EVENTS},
        {"dgon_stream_aborts", "reason=\"client\"", "Answers that did not come to their end.",
         DGON_COUNT_CANCELLED},
        {"dgon_stream_aborts", "reason=\"node\"", NULL, DGON_COUNT_ABORT_NODE},
        {"dgon_stream_aborts", "reason=\"deadline\"", NULL, DGON_COUNT_ABORT_DEADLINE},
        {"dgon_records_dropped", "", "Records of agents for jobs that were not theirs, or late.",
         DGON_COUNT_DROPPED},
        {"dgon_links_opened", "", "Links of agents, ever.", DGON_COUNT_LINKS},
        {"dgon_children_swept", "", "Dead processes of httpd whose work was finished by others.",
         DGON_COUNT_SWEPT},
        {"dgon_ws_bytes", "direction=\"in\"", "Bytes on the links of agents.", DGON_COUNT_WS_IN},
        {"dgon_ws_bytes", "direction=\"out\"", NULL, DGON_COUNT_WS_OUT},
    };
    char name[64];
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i].help != NULL)
            family(w, all[i].family, "counter", all[i].help);
        (void)snprintf(name, sizeof name, "%s_total", all[i].family);
        sample(w, name, all[i].labels, dgon_registry_total(w->r, all[i].what));
    }
}

/* ---- gauges ---- */

static void jobs(writer *w)
{
    dgon_registry_gauges g;
    dgon_registry_gauges_get(w->r, &g);
    family(w, "dgon_jobs", "gauge", "Jobs by phase.");
    sample(w, "dgon_jobs", "phase=\"queued\"", g.jobs_queued);
    sample(w, "dgon_jobs", "phase=\"bound\"", g.jobs_bound);
    sample(w, "dgon_jobs", "phase=\"running\"", g.jobs_running);
    sample(w, "dgon_jobs", "phase=\"done\"", g.jobs_done);
    family(w, "dgon_jobs_max", "gauge", "Room for jobs (DgonMaxJobs).");
    sample(w, "dgon_jobs_max", "", w->r->conf.jobs);
    family(w, "dgon_links", "gauge", "Open links of agents.");
    sample(w, "dgon_links", "", g.links);
    family(w, "dgon_links_max", "gauge", "Room for links (DgonMaxAgents, for each child).");
    sample(w, "dgon_links_max", "", w->r->conf.links);
    family(w, "dgon_children", "gauge", "Processes of httpd, of all generations.");
    sample(w, "dgon_children", "", g.children);
    family(w, "dgon_shm_bytes", "gauge", "The shared segment, most of it untouched.");
    sample(w, "dgon_shm_bytes", "", w->r->at.size);
}

static void queue(writer *w)
{
    char raw[DGON_WIRE_NAME_MAX + 1], name[2 * DGON_WIRE_NAME_MAX + 4], labels[LABELS_MAX];
    uint32_t n = dgon_registry_model_count(w->r);
    family(w, "dgon_queue_depth", "gauge", "Jobs that wait for a slot of an agent.");
    for (uint32_t m = 0; m < n; m++) {
        if (dgon_registry_model_name(w->r, m, raw) != DGON_OK ||
            !dgon_wire_is_model_name(raw, strlen(raw)) || raw[dgon_alias_public_len(raw)] != '\0' ||
            (w->queued[m] == 0 && !dgon_registry_model_offered(w->r, m)))
            continue;
        (void)escape(name, sizeof name, raw);
        (void)snprintf(labels, sizeof labels, "model=\"%s\"", name);
        sample(w, "dgon_queue_depth", labels, w->queued[m]);
    }
}

static void of_node(writer *w, const char *family_name, const dgon_fleet_agent *a, const char *more,
                    uint64_t n)
{
    char labels[LABELS_MAX];
    (void)snprintf(labels, sizeof labels, "node=\"%s\"%s", a->id, more);
    sample(w, family_name, labels, n);
}

static bool count_state(void *user, const dgon_fleet_agent *a)
{
    writer *w = user;
    w->states[a->state]++;
    return true;
}

static bool node_up(void *user, const dgon_fleet_agent *a)
{
    of_node(user, "dgon_node_up", a, "", a->state == DGON_FLEET_UP);
    return true;
}

static bool node_slots(void *user, const dgon_fleet_agent *a)
{
    of_node(user, "dgon_node_slots", a, ",state=\"busy\"", a->busy);
    of_node(user, "dgon_node_slots", a, ",state=\"total\"", a->slots);
    return true;
}

static bool node_attempts(void *user, const dgon_fleet_agent *a)
{
    of_node(user, "dgon_node_attempts_total", a, ",outcome=\"ok\"", a->good);
    of_node(user, "dgon_node_attempts_total", a, ",outcome=\"failed\"", a->failed);
    return true;
}

static bool node_reconnects(void *user, const dgon_fleet_agent *a)
{
    of_node(user, "dgon_node_reconnects_total", a, "", a->opened > 0 ? a->opened - 1 : 0);
    return true;
}

static bool node_rate(void *user, const dgon_fleet_agent *a)
{
    writer *w = user;
    dgon_fleet_offer o;
    char name[2 * DGON_WIRE_NAME_MAX + 4], labels[LABELS_MAX];
    for (uint32_t i = 0; w->st == DGON_OK && dgon_fleet_offer_get(w->r, a, i, &o); i++) {
        if (o.rate == 0)
            continue;
        (void)escape(name, sizeof name, o.name);
        (void)snprintf(labels, sizeof labels, "node=\"%s\",model=\"%s\"", a->id, name);
        if (w->st == DGON_OK)
            w->st = dgon_buf_addf(w->out,
                                  "dgon_agent_tokens_per_second{%s} %" PRIu32 ".%03" PRIu32 "\n",
                                  labels, o.rate / 1000, o.rate % 1000);
    }
    return true;
}

static void walk(writer *w, bool (*fn)(void *user, const dgon_fleet_agent *a))
{
    if (w->st == DGON_OK)
        w->st = dgon_fleet_agents(w->r, fn, w);
}

static void nodes(writer *w)
{
    char labels[32];
    walk(w, count_state);
    family(w, "dgon_nodes", "gauge", "Agents by state.");
    for (unsigned s = 0; s < DGON_FLEET_STATES; s++) {
        (void)snprintf(labels, sizeof labels, "state=\"%s\"",
                       dgon_fleet_state_str((dgon_fleet_state)s));
        sample(w, "dgon_nodes", labels, w->states[s]);
    }
    family(w, "dgon_node_up", "gauge", "1: the agent takes jobs.");
    walk(w, node_up);
    family(w, "dgon_node_slots", "gauge", "Jobs that the agent runs at once, and runs now.");
    walk(w, node_slots);
    family(w, "dgon_node_attempts", "counter", "Attempts on the agent, by how they ended.");
    walk(w, node_attempts);
    family(w, "dgon_node_reconnects", "counter", "Links that the agent opened after its first.");
    walk(w, node_reconnects);
    family(w, "dgon_agent_tokens_per_second", "gauge", "Speed of one answer, of late.");
    walk(w, node_rate);
}

dgon_status dgon_metrics_write(dgon_registry *r, const dgon_metrics_about *about, dgon_buf *out)
{
    char labels[96];
    writer *w = dgon_calloc(1, sizeof *w);
    uint32_t *queued = dgon_calloc(r->conf.models, sizeof *queued);
    dgon_status st = DGON_ENOMEM;
    if (w != NULL && queued != NULL) {
        *w = (writer){.r = r, .out = out, .openmetrics = about->openmetrics, .queued = queued};
        dgon_fleet_queued(r, queued);
        find_live(w);
        family(w, "dgon_build_info", "gauge", "1; the version is in the label.");
        (void)snprintf(labels, sizeof labels, "version=\"%s\"", about->version);
        sample(w, "dgon_build_info", labels, 1);
        requests(w);
        tokens(w);
        histograms(w);
        counts(w);
        jobs(w);
        queue(w);
        nodes(w);
        if (w->openmetrics)
            text(w, "# EOF\n");
        st = w->st;
    }
    dgon_free(w);
    dgon_free(queued);
    return st;
}

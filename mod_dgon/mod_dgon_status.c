#include "mod_dgon_status.h"

#include "mod_dgon_api.h"
#include "mod_dgon_error.h"
#include "mod_dgon_load.h"
#include "mod_dgon_models.h"

#include "dgon/fleet.h"
#include "dgon/metrics.h"

#include <http_protocol.h>
#include <mod_status.h>
#include <apr_strings.h>

#include <string.h>

#define STATUS_MAX  (64u * 1024u * 1024u)
#define METRICS_MAX (128u * 1024u * 1024u)

/* ---- answers ---- */

static int deliver(request_rec *r, dgon_buf *out, dgon_status st, const char *type)
{
    dgon_error e;
    if (st == DGON_OK) {
        ap_set_content_type(r, type);
        ap_set_content_length(r, (apr_off_t)out->len);
        apr_table_setn(r->headers_out, "Cache-Control", "no-store");
        if (!r->header_only)
            ap_rwrite(out->data, (int)out->len, r);
        dgon_buf_fini(out);
        return OK;
    }
    dgon_buf_fini(out);
    dgon_error_set(&e, HTTP_SERVICE_UNAVAILABLE, "no_capacity", NULL,
                   "The gateway is short of memory for this answer.");
    return mod_dgon_api_refuse(r, &e);
}

dgon_status mod_dgon_status_write(mod_dgon_engine *e, dgon_buf *out)
{
    dgon_status st = dgon_buf_adds(out, "{\"type\":\"cluster_status\",\"data\":");
    if (st == DGON_OK)
        st = dgon_fleet_write(e->registry, MOD_DGON_VERSION, out);
    return st == DGON_OK ? dgon_buf_adds(out, "}") : st;
}

/* The names alone, in the envelope that Parallax' programs know. */
static dgon_status write_names(request_rec *r, mod_dgon_engine *e, dgon_buf *out)
{
    dgon_registry_model_info info;
    uint32_t n = dgon_registry_model_count(e->registry);
    bool first = true;
    dgon_status st = dgon_buf_adds(out, "{\"type\":\"model_list\",\"data\":[");
    for (uint32_t i = 0; i < n && st == DGON_OK; i++) {
        if (!mod_dgon_models_shown(r, e, i, &info))
            continue;
        st = dgon_buf_adds(out, first ? "{\"name\":" : ",{\"name\":");
        first = false;
        if (st == DGON_OK)
            st = dgon_buf_add_json_string(out, info.name, strlen(info.name));
        if (st == DGON_OK)
            st = dgon_buf_addf(out, ",\"vram_gb\":null,\"agents\":%u,\"loaded\":%s}", info.agents,
                               info.loaded ? "true" : "false");
    }
    return st == DGON_OK ? dgon_buf_adds(out, "]}\n") : st;
}

/* ---- dgon-status ---- */

static bool ends_in(const char *uri, const char *with)
{
    size_t n = strlen(uri), m = strlen(with);
    return n >= m && strcmp(uri + n - m, with) == 0;
}

static bool accepts(request_rec *r, const char *type)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");
    return accept != NULL && strstr(accept, type) != NULL;
}

static bool wants_stream(const char *args)
{
    for (const char *at = args; at != NULL; at = strchr(at, '&')) {
        at += *at == '&';
        if (strncmp(at, "stream=1", 8) == 0 && (at[8] == '\0' || at[8] == '&'))
            return true;
    }
    return false;
}

static int cluster(request_rec *r, mod_dgon_engine *e)
{
    dgon_buf out;
    if (!r->header_only && accepts(r, "application/x-ndjson"))
        return mod_dgon_status_live(r, e, false);
    if (!r->header_only && wants_stream(r->args))
        return mod_dgon_status_live(r, e, true);
    dgon_buf_init(&out, STATUS_MAX);
    dgon_status st = mod_dgon_status_write(e, &out);
    if (st == DGON_OK)
        st = dgon_buf_adds(&out, "\n");
    return deliver(r, &out, st, "application/json");
}

int mod_dgon_status_handler(request_rec *r)
{
    int status = OK;
    dgon_buf out;
    mod_dgon_engine *e = mod_dgon_api_engine(r, "dgon-status", &status);
    if (e == NULL)
        return status;
    if (ends_in(r->uri, "/scheduler/init"))
        return mod_dgon_load(r, e);
    if (r->method_number != M_GET)
        return mod_dgon_api_not_allowed(r, "GET, HEAD");
    if (ends_in(r->uri, "/model/list")) {
        dgon_buf_init(&out, STATUS_MAX);
        return deliver(r, &out, write_names(r, e, &out), "application/json");
    }
    if (ends_in(r->uri, "/cluster/status") || ends_in(r->uri, "/cluster/status_json") ||
        accepts(r, "application/json"))
        return cluster(r, e);
    return mod_dgon_status_page(r, e);
}

/* ---- dgon-metrics ---- */

static int metrics(request_rec *r, mod_dgon_engine *e)
{
    dgon_buf out;
    const dgon_metrics_about about = {.version = MOD_DGON_VERSION,
                                      .openmetrics = accepts(r, "application/openmetrics-text")};
    dgon_buf_init(&out, METRICS_MAX);
    dgon_status st = dgon_metrics_write(e->registry, &about, &out);
    return deliver(r, &out, st,
                   about.openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                     : "text/plain; version=0.0.4; charset=utf-8");
}

static bool find_one(void *user, const dgon_fleet_agent *a)
{
    bool *found = user;
    *found = a->state == DGON_FLEET_UP;
    return !*found;
}

static int health(request_rec *r, mod_dgon_engine *e, bool ready)
{
    dgon_buf out;
    bool good = true;
    if (ready) {
        good = false;
        (void)!dgon_fleet_agents(e->registry, find_one, &good);
    }
    if (!good) {
        r->status = HTTP_SERVICE_UNAVAILABLE;
        apr_table_setn(r->err_headers_out, "Retry-After", "5");
    }
    dgon_buf_init(&out, 64);
    return deliver(r, &out, dgon_buf_adds(&out, good ? "ok\n" : "no agent is connected\n"),
                   "text/plain; charset=utf-8");
}

int mod_dgon_metrics_handler(request_rec *r)
{
    int status = OK;
    mod_dgon_engine *e = mod_dgon_api_engine(r, "dgon-metrics", &status);
    if (e == NULL)
        return status;
    if (r->method_number != M_GET)
        return mod_dgon_api_not_allowed(r, "GET, HEAD");
    if (ends_in(r->uri, "/healthz"))
        return health(r, e, false);
    if (ends_in(r->uri, "/readyz"))
        return health(r, e, true);
    return metrics(r, e);
}

/* ---- in mod_status' page ---- */

static int status_hook(request_rec *r, int flags)
{
    static const struct {
        const char *key, *text;
        dgon_count what;
    } counts[] = {{"Jobs", "requests that became jobs", DGON_COUNT_JOBS},
                  {"JobsOk", "ended well", DGON_COUNT_OK},
                  {"JobsFailed", "failed", DGON_COUNT_FAILED},
                  {"JobsCancelled", "clients that went", DGON_COUNT_CANCELLED},
                  {"JobsRefused", "refused for want of room", DGON_COUNT_REFUSED},
                  {"Retries", "further attempts", DGON_COUNT_RETRIES}};
    mod_dgon_engine *e = mod_dgon_engine_get();
    dgon_registry_gauges g;
    if (e == NULL)
        return DECLINED;
    dgon_registry_gauges_get(e->registry, &g);
    if (flags & AP_STATUS_SHORT) {
        ap_rprintf(r,
                   "DgonAgents: %u\nDgonLinks: %u\nDgonSlots: %u\nDgonSlotsBusy: %u\n"
                   "DgonJobsQueued: %u\nDgonJobsRunning: %u\n",
                   g.agents, g.links, g.slots, g.tokens_valid, g.jobs_queued,
                   g.jobs_bound + g.jobs_running);
    } else {
        ap_rprintf(r,
                   "<hr />\n<h2>mod_dgon " MOD_DGON_VERSION "</h2>\n<dl><dt>%u agents with %u "
                   "slots, %u of them busy; %u jobs run, %u wait</dt>\n",
                   g.agents, g.slots, g.tokens_valid, g.jobs_bound + g.jobs_running, g.jobs_queued);
    }
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        apr_uint64_t n = dgon_registry_total(e->registry, counts[i].what);
        if (flags & AP_STATUS_SHORT)
            ap_rprintf(r, "Dgon%s: %" APR_UINT64_T_FMT "\n", counts[i].key, n);
        else
            ap_rprintf(r, "<dt>%" APR_UINT64_T_FMT " %s</dt>\n", n, counts[i].text);
    }
    if (!(flags & AP_STATUS_SHORT))
        ap_rputs("</dl>\n", r);
    return OK;
}

void mod_dgon_status_register(void)
{
    APR_OPTIONAL_HOOK(ap, status_hook, status_hook, NULL, NULL, APR_HOOK_MIDDLE);
}

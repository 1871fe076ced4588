/* The fleet as a page: no script, no style sheet from anywhere, reloads by itself with ?refresh=N.
 */
#include "mod_dgon_status.h"

#include "dgon/alias.h"
#include "dgon/fleet.h"

#include <http_protocol.h>
#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

#define REFRESH_MIN 1
#define REFRESH_MAX 3600

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>Agents and models</title>\n";
static const char style[] =
    "<style>\nbody{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1b1f24;background:#fff}\n"
    "table{border-collapse:collapse;margin:0 0 2rem}\n"
    "th,td{text-align:left;padding:.35rem .9rem;border-bottom:1px solid #d8dee4;"
    "vertical-align:top}\n"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\n"
    "small{color:#59636e}\n.up{color:#116329}.held,.away,.draining{color:#9a4600}\n"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}"
    "th,td{border-color:#30363d}small{color:#9198a1}.up{color:#3fb950}"
    ".held,.away,.draining{color:#d29922}}\n</style>\n</head><body>\n";

typedef struct page {
    request_rec *r;
    dgon_registry *registry;
    apr_time_t now;
    unsigned agents;
} page;

static const char *age(page *p, int64_t since)
{
    int64_t s = apr_time_sec(p->now) - since;
    if (since <= 0 || s < 0)
        return "";
    if (s < 120)
        return apr_psprintf(p->r->pool, "%d s", (int)s);
    if (s < 7200)
        return apr_psprintf(p->r->pool, "%d min", (int)(s / 60));
    return s < 172800 ? apr_psprintf(p->r->pool, "%d h", (int)(s / 3600))
                      : apr_psprintf(p->r->pool, "%d days", (int)(s / 86400));
}

static const char *html(page *p, const char *s)
{
    return ap_escape_html(p->r->pool, s);
}

static void offers(page *p, const dgon_fleet_agent *a)
{
    dgon_fleet_offer o;
    ap_rputs("<td>", p->r);
    for (uint32_t i = 0; dgon_fleet_offer_get(p->registry, a, i, &o); i++) {
        if (!dgon_wire_is_model_name(o.name, strlen(o.name)) ||
            o.name[dgon_alias_public_len(o.name)] != '\0')
            continue;
        ap_rprintf(p->r, "%s", html(p, o.name));
        if (o.rate > 0)
            ap_rprintf(p->r, " <small>%u.%u tokens/s</small>", o.rate / 1000, o.rate / 100 % 10);
        ap_rputs(o.loaded ? "<br>" : " <small>cold</small><br>", p->r);
    }
    ap_rputs("</td>", p->r);
}

static bool agent(void *user, const dgon_fleet_agent *a)
{
    page *p = user;
    const char *state = dgon_fleet_state_str(a->state);
    p->agents++;
    ap_rprintf(p->r,
               "<tr><td><b>%s</b><br><small>%s %s</small></td><td class=\"%s\">%s<br>"
               "<small>%s</small></td><td class=\"n\">%u of %u</td>",
               html(p, a->id), html(p, a->address), html(p, a->os), state, state, age(p, a->since),
               a->busy, a->slots);
    offers(p, a);
    ap_rprintf(p->r,
               "<td class=\"n\">%" APR_UINT64_T_FMT "</td><td class=\"n\">%" APR_UINT64_T_FMT
               "</td><td>",
               (apr_uint64_t)a->good, (apr_uint64_t)a->failed);
    if (a->error_at > 0)
        ap_rprintf(p->r, "%d %s <small>%s ago</small>", a->error_status, html(p, a->error_code),
                   age(p, a->error_at));
    ap_rprintf(p->r, "</td><td><small>%s</small></td></tr>\n", html(p, a->version));
    return true;
}

static void jobs(page *p)
{
    dgon_registry_gauges g;
    dgon_registry_gauges_get(p->registry, &g);
    ap_rprintf(p->r,
               "<p>%u jobs run on %u slots, %u wait. Since the server started: %" APR_UINT64_T_FMT
               " ended well, %" APR_UINT64_T_FMT " failed, %" APR_UINT64_T_FMT
               " clients went, %" APR_UINT64_T_FMT " were refused.</p>\n",
               g.jobs_bound + g.jobs_running, g.slots, g.jobs_queued,
               (apr_uint64_t)dgon_registry_total(p->registry, DGON_COUNT_OK),
               (apr_uint64_t)dgon_registry_total(p->registry, DGON_COUNT_FAILED),
               (apr_uint64_t)dgon_registry_total(p->registry, DGON_COUNT_CANCELLED),
               (apr_uint64_t)dgon_registry_total(p->registry, DGON_COUNT_REFUSED));
}

/* ?refresh=5, as mod_status has it. */
static void refresh(request_rec *r)
{
    const char *at = r->args != NULL ? strstr(r->args, "refresh=") : NULL;
    long n = at != NULL ? strtol(at + strlen("refresh="), NULL, 10) : 0;
    if (n >= REFRESH_MIN && n <= REFRESH_MAX)
        ap_rprintf(r, "<meta http-equiv=\"refresh\" content=\"%ld\">\n", n);
}

int mod_dgon_status_page(request_rec *r, mod_dgon_engine *e)
{
    page p = {.r = r, .registry = e->registry, .now = apr_time_now()};
    ap_set_content_type(r, "text/html; charset=utf-8");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "Content-Security-Policy",
                   "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    if (r->header_only)
        return OK;
    ap_rputs(head, r);
    refresh(r);
    ap_rputs(style, r);
    ap_rprintf(r, "<h1>Agents and models of %s</h1>\n", html(&p, r->server->server_hostname != NULL ? r->server->server_hostname : "this server"));
    jobs(&p);
    ap_rputs("<table>\n<thead><tr><th>Agent</th><th>State</th><th class=\"n\">Slots busy</th>"
             "<th>Models</th><th class=\"n\">Done</th><th class=\"n\">Failed</th>"
             "<th>Last error</th><th>Version</th></tr></thead>\n<tbody>\n",
             r);
    dgon_status st = dgon_fleet_agents(e->registry, agent, &p);
    ap_rputs("</tbody></table>\n", r);
    if (st != DGON_OK)
        ap_rputs("<p>The gateway is short of memory for this list.</p>\n", r);
    else if (p.agents == 0)
        ap_rputs("<p>No agent is connected.</p>\n", r);
    ap_rprintf(r, "<p><small>mod_dgon " MOD_DGON_VERSION ", %s</small></p>\n</body></html>\n",
               ap_ht_time(r->pool, p.now, "%Y-%m-%d %H:%M:%S UTC", 1));
    return OK;
}

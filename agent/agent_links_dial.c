/* The first link: when it is dialled, where to, and what its end means for the next dial. */
#include "agent_links_int.h"

#include "agent_log.h"

#include "dgon/alloc.h"

#include <stdio.h>
#include <string.h>

#define BACKOFF_SOON_MS 1000u /* ceiling while a gateway that was there may just be restarting */
#define SOON_MS         15000u
#define SLOW_MS         60000u /* refused for a reason that a person must change */
#define SHORT_LIFE_MS   1000u  /* a link that lived less does not reset the backoff */
#define GOAWAY_LIFE_MS  250u   /* one that is asked to leave sooner is not dialled again at once */

void agent_links_dial_in(agent_links *s, uint32_t ms)
{
    s->dial_wait = true;
    agent_timer_set(s->dial_timer, ms);
}

static uint32_t next_delay(agent_links *s)
{
    bool soon = s->lost_ms != 0 && agent_os_now_ms() - s->lost_ms < SOON_MS;
    s->backoff.max_ms = soon ? BACKOFF_SOON_MS : AGENT_LINKS_BACKOFF_MAX_MS;
    return dgon_backoff_next(&s->backoff, agent_os_random());
}

static void log_reason(agent_links *s, agent_log_level level, const char *reason)
{
    if (strcmp(s->last_reason, reason) != 0) {
        (void)snprintf(s->last_reason, sizeof s->last_reason, "%s", reason);
        agent_log(level, "no link to %s: %s", s->spec.config->url, reason);
    }
}

/* A look-up may block, so while jobs run the address of the last success must do. */
static const char *pick_address(agent_links *s)
{
    const agent_config *c = s->spec.config;
    if (c->proxy_host[0] != '\0') {
        return c->host; /* the proxy's to resolve */
    }
    if (s->addresses == 0 ||
        (s->address_at % s->addresses == 0 && agent_jobs_count(s->spec.jobs) == 0)) {
        unsigned n = agent_os_resolve(c->host, c->port, s->address);
        if (n != s->addresses) {
            s->address_at = 0;
        }
        s->addresses = n;
    }
    return s->addresses != 0 ? s->address[s->address_at % s->addresses] : NULL;
}

static void drop_held(agent_held *h)
{
    agent_os_wipe(h, sizeof *h);
    dgon_free(h);
}

static dgon_status add_link(agent_links *s, const char *address, const char *token, bool extra,
                            char *why, size_t why_size)
{
    agent_held *h = s->count < AGENT_LINKS_MAX ? dgon_calloc(1, sizeof *h) : NULL;
    if (h == NULL) {
        return DGON_ENOMEM;
    }
    if (agent_links_has_key(s) && agent_links_take_key(s, h, why, why_size) != DGON_OK) {
        drop_held(h);
        return DGON_EINVAL;
    }
    h->link = agent_link_dial(s->dialer, address, token);
    if (h->link == NULL) {
        drop_held(h);
        return DGON_ENOMEM;
    }
    h->session.window = AGENT_LINKS_WINDOW_MIN;
    agent_link_set_data(h->link, &h->session);
    s->links[s->count++] = h;
    h->extra = extra;
    if (!extra) {
        s->current = h->link;
    }
    return DGON_OK;
}

dgon_status agent_links_add(agent_links *s, bool extra, char *why, size_t why_size)
{
    char token[AGENT_CONFIG_SECRET_MAX];
    dgon_status st = agent_config_token(s->spec.config, token, why, why_size);
    if (st != DGON_OK) {
        return DGON_EINVAL;
    }
    const char *address = pick_address(s);
    if (address == NULL) {
        (void)snprintf(why, why_size, "the gateway's name cannot be resolved");
        st = DGON_ENOTFOUND;
    } else {
        st = add_link(s, address, token, extra, why, why_size);
    }
    agent_os_wipe(token, sizeof token);
    return st;
}

void agent_links_dial(agent_links *s)
{
    char why[700];
    s->dial_due = false;
    if (s->draining || s->current != NULL) {
        return;
    }
    dgon_status st = agent_links_add(s, false, why, sizeof why);
    if (st == DGON_EINVAL) {
        log_reason(s, AGENT_LOG_ERROR, why);
    } else if (st == DGON_ENOTFOUND) {
        log_reason(s, AGENT_LOG_WARN, why);
    }
    if (st != DGON_OK) {
        agent_links_dial_in(s, st == DGON_ENOTFOUND ? next_delay(s) : AGENT_LINKS_BACKOFF_MAX_MS);
    }
}

static bool is_slow(const agent_link_end *e)
{
    return e->http == 401 || e->http == 403 || e->close == DGON_CLOSE_UNKNOWN ||
           e->close == DGON_CLOSE_REVOKED || e->close == DGON_CLOSE_DUPLICATE ||
           e->close == DGON_CLOSE_VERSION || e->close == DGON_CLOSE_FULL;
}

static void note_healthy(agent_links *s, const agent_held *h)
{
    uint64_t now = agent_os_now_ms();
    if (h->welcome_ms != 0 && now - h->welcome_ms >= SHORT_LIFE_MS) {
        dgon_backoff_reset(&s->backoff);
        s->lost_ms = now;
    } else if (h->welcome_ms != 0 && s->lost_ms == 0) {
        s->lost_ms = now;
    }
}

void agent_links_after_end(agent_links *s, const agent_held *h)
{
    const agent_link_end *e = agent_link_get_end(h->link);
    if (h->welcome_ms != 0) {
        s->last_reason[0] = '\0';
        note_healthy(s, h);
    } else {
        s->address_at++;
        if (e->http == 0) {
            agent_links_relieve(s); /* nobody listens any more: a stop, not a restart */
        }
    }
    if (e->http == 401 || e->http == 403) {
        log_reason(s, AGENT_LOG_ERROR,
                   s->spec.config->cert_file[0] != '\0'
                       ? "the gateway refuses the certificate or the token; trying again every 60 s"
                   : agent_links_has_key(s)
                       ? "the gateway takes no keys (DgonAgentFile, DgonAgentTrust); trying again "
                         "every 60 s"
                       : "the gateway refuses the token; trying again every 60 s");
    } else if (e->close == DGON_CLOSE_REVOKED) {
        log_reason(
            s, AGENT_LOG_ERROR,
            "the gateway's administrator has revoked this agent: to come back, ask for a new "
            "code, move credential_file away and run dgon-agent join; trying again every "
            "60 s");
    } else if (e->close == DGON_CLOSE_UNKNOWN) {
        char text[400];
        (void)snprintf(
            text, sizeof text,
            "%s. If it was revoked or the gateway is a new one: ask for a new code, move "
            "credential_file away and run dgon-agent join; trying again every 60 s",
            e->reason);
        log_reason(s, AGENT_LOG_ERROR, text);
    } else {
        log_reason(s, AGENT_LOG_WARN, e->reason);
    }
    if (is_slow(e)) {
        agent_links_dial_in(s, SLOW_MS - SLOW_MS / 10u + agent_os_random() % (SLOW_MS / 5u));
    } else {
        agent_links_dial_in(s, next_delay(s));
    }
    s->spec.on_end(s->spec.user, e);
}

void agent_links_after_goaway(agent_links *s, const agent_held *h)
{
    /* A generation with a registry of its own that ends before anybody has dialled it serves none
     * of its requests. */
    bool healthy = agent_os_now_ms() - h->welcome_ms >= GOAWAY_LIFE_MS;
    note_healthy(s, h);
    s->lost_ms = agent_os_now_ms(); /* it is there and restarts: dial often for a while */
    agent_links_dial_in(s, healthy ? 0 : next_delay(s));
}

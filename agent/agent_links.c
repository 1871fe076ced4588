#include "agent_links.h"

#include "agent_log.h"

#include "dgon/alloc.h"
#include "dgon/backoff.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#ifndef AGENT_VERSION
#define AGENT_VERSION "0.1.0"
#endif

#define LINKS_MAX       16u
#define BACKOFF_BASE_MS 250u
#define BACKOFF_MAX_MS  10000u
#define BACKOFF_SOON_MS 1000u /* ceiling while a gateway that was there may just be restarting */
#define SOON_MS         15000u
#define SLOW_MS         60000u /* refused for a reason that a person must change */
#define WELCOME_MS      10000u /* from dialing to welcome */
#define SHORT_LIFE_MS   1000u  /* a link that lived less does not reset the backoff */
#define CLOSE_MS        3000u
#define DRAIN_QUIET_MS \
    200u /* the gateway reads `draining` before the close overtakes its last job */
#define WINDOW_MIN 1024u
#define SLEPT_MS   5000u
/* A dial cannot choose its process of the gateway, but dialling again does: a handful of tries
 * finds a few of them. */
#define SPREAD_FIRST_MS 100u
#define SPREAD_NEXT_MS  250u
#define SPREAD_IDLE_MS  30000u /* after too many tries that found none */
#define SPREAD_TRIES    8u

typedef struct held {
    agent_link *link;
    agent_session session;
    uint64_t welcome_ms, leave_ms, leave_limit_ms;
    uint32_t child; /* process of the gateway */
    bool extra;     /* dialled beside another one, to reach one more process */
    bool quiet; /* it is left without having been asked to: `draining` is given time to be read */
} held;

struct agent_links {
    agent_links_spec spec;
    agent_dialer *dialer;
    agent_timer *dial_timer, *spread_timer;
    held *links[LINKS_MAX];
    unsigned count;
    agent_link *current;
    bool started, draining, dial_due, dial_wait, spread_due;
    uint32_t children;     /* processes of the gateway, as its last welcome said */
    unsigned spread_tries; /* extra links dialled for nothing in a row */
    uint64_t instance;
    dgon_backoff backoff;
    uint64_t lost_ms; /* when the last healthy link ended, 0 = never */
    uint64_t slept_ms;
    char address[AGENT_OS_ADDRS_MAX][AGENT_OS_ADDR_MAX];
    unsigned addresses, address_at;
    char last_reason[700];
    /* what the gateway knows of us */
    dgon_ctl_model *models;
    uint32_t model_count, slots;
};

/* --- small parts --- */

static held *held_of(agent_links *s, const agent_link *l)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->links[i]->link == l) {
            return s->links[i];
        }
    }
    return NULL;
}

static uint32_t slots_now(const agent_links *s)
{
    return s->spec.config->slots != 0 ? s->spec.config->slots : agent_models_slots(s->spec.models);
}

static bool is_talking(const agent_link *l)
{
    agent_link_state st = agent_link_get_state(l);
    return st == AGENT_LINK_READY || st == AGENT_LINK_OPEN || st == AGENT_LINK_LEAVING;
}

/* --- control messages out --- */

/* The codec knows no labels, which are the gateway's to show and nobody's to act on. */
static dgon_status add_labels(dgon_buf *out, const agent_config *c)
{
    dgon_status st = DGON_OK;
    if (c->label_count == 0) {
        return DGON_OK;
    }
    out->len--; /* the closing brace */
    st = dgon_buf_adds(out, ",\"labels\":{");
    for (unsigned i = 0; st == DGON_OK && i < c->label_count; i++) {
        st = dgon_buf_addf(out, "%s\"%s\":\"%s\"", i != 0 ? "," : "", c->labels[i].name,
                           c->labels[i].value);
    }
    return st == DGON_OK ? dgon_buf_adds(out, "}}") : st;
}

static void send_control(agent_links *s, agent_link *l, const dgon_ctl *c)
{
    dgon_buf b;
    dgon_buf_init(&b, DGON_WIRE_CONTROL_MAX);
    dgon_status st = dgon_ctl_write(&b, c);
    if (st == DGON_OK && c->type == DGON_CTL_HELLO) {
        st = add_labels(&b, s->spec.config);
    }
    if (st == DGON_OK) {
        agent_link_text(l, b.data, b.len);
    } else {
        agent_link_kill(l, "a control message cannot be made");
    }
    dgon_buf_fini(&b);
}

static void send_hello(agent_links *s, agent_link *l)
{
    dgon_ctl c;
    dgon_ctl_init(&c);
    c.type = DGON_CTL_HELLO;
    c.protocol_min = c.protocol_max = DGON_WIRE_VERSION;
    (void)snprintf(c.agent, sizeof c.agent, "%s", s->spec.config->id);
    c.instance = s->instance;
    (void)snprintf(c.version, sizeof c.version, "%s", AGENT_VERSION);
    (void)snprintf(c.os, sizeof c.os, "%s", agent_os_name());
    c.slots = s->slots;
    c.models = s->models;
    c.model_count = s->model_count;
    send_control(s, l, &c);
}

static void send_state(agent_links *s, dgon_ctl_type type)
{
    dgon_ctl c;
    dgon_ctl_init(&c);
    c.type = type;
    c.slots = s->slots;
    c.models = s->models;
    c.model_count = s->model_count;
    for (unsigned i = 0; i < s->count; i++) {
        if (is_talking(s->links[i]->link)) {
            send_control(s, s->links[i]->link, &c);
        }
    }
}

void agent_links_models(agent_links *s)
{
    dgon_ctl_model *list = NULL;
    uint32_t n = 0, slots = slots_now(s);
    if (agent_models_list(s->spec.models, &list, &n) != DGON_OK) {
        return;
    }
    bool same = n == s->model_count && (n == 0 || memcmp(list, s->models, n * sizeof *list) == 0);
    dgon_free(s->models);
    s->models = list;
    s->model_count = n;
    if (!same) {
        send_state(s, DGON_CTL_MODELS);
    }
    if (slots != s->slots) {
        s->slots = slots;
        agent_jobs_set_slots(s->spec.jobs, slots);
        send_state(s, DGON_CTL_CAPACITY);
        if (s->started) {
            agent_log(AGENT_LOG_INFO, "slots: %u", slots);
        }
    }
}

/* --- dialing --- */

static void dial_in(agent_links *s, uint32_t ms)
{
    s->dial_wait = true;
    agent_timer_set(s->dial_timer, ms);
}

static void on_dial_timer(void *user)
{
    agent_links *s = user;
    s->dial_wait = false;
    s->dial_due = true;
}

static uint32_t next_delay(agent_links *s)
{
    bool soon = s->lost_ms != 0 && agent_os_now_ms() - s->lost_ms < SOON_MS;
    s->backoff.max_ms = soon ? BACKOFF_SOON_MS : BACKOFF_MAX_MS;
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

static bool add_link(agent_links *s, const char *address, const char *token, bool extra)
{
    held *h = s->count < LINKS_MAX ? dgon_calloc(1, sizeof *h) : NULL;
    if (h == NULL) {
        return false;
    }
    h->link = agent_link_dial(s->dialer, address, token);
    if (h->link == NULL) {
        dgon_free(h);
        return false;
    }
    h->session.window = WINDOW_MIN;
    agent_link_set_data(h->link, &h->session);
    s->links[s->count++] = h;
    h->extra = extra;
    if (!extra) {
        s->current = h->link;
    }
    return true;
}

/* --- more links: one to each process of the gateway, up to the configured number --- */

static void spread_in(agent_links *s, uint32_t ms)
{
    if (!s->draining && s->spec.config->links > 1) {
        agent_timer_set(s->spread_timer, ms);
    }
}

static void on_spread_timer(void *user)
{
    agent_links *s = user;
    s->spread_due = true;
}

/* Links that take jobs; and is one of them to that process, other than `but`? */
static unsigned count_ready(const agent_links *s, uint32_t child, const held *but, bool *has_child)
{
    unsigned n = 0;
    *has_child = false;
    for (unsigned i = 0; i < s->count; i++) {
        const held *h = s->links[i];
        if (h != but && agent_link_get_state(h->link) == AGENT_LINK_READY) {
            n++;
            *has_child = *has_child || h->child == child;
        }
    }
    return n;
}

static bool is_dialing_extra(const agent_links *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->links[i]->extra && agent_link_get_state(s->links[i]->link) < AGENT_LINK_READY) {
            return true;
        }
    }
    return false;
}

static bool wants_more(const agent_links *s)
{
    bool unused;
    uint32_t most = s->children < s->spec.config->links ? s->children : s->spec.config->links;
    return s->current != NULL && agent_link_get_state(s->current) == AGENT_LINK_READY &&
           count_ready(s, 0, NULL, &unused) < most;
}

static void leave(agent_links *s, held *h, const char *why)
{
    dgon_ctl c;
    dgon_ctl_init(&c);
    c.type = DGON_CTL_DRAINING;
    send_control(s, h->link, &c);
    agent_link_set_state(h->link, AGENT_LINK_LEAVING, why);
    h->leave_ms = agent_os_now_ms();
    h->quiet = true;
}

/* A link is up: is it one more process, or one that we have? */
static void spread_welcome(agent_links *s, held *h)
{
    bool has;
    (void)count_ready(s, h->child, h, &has);
    if (h->extra && has) {
        s->spread_tries++;
        leave(s, h, "second link to one process");
    } else if (h->extra) {
        s->spread_tries = 0;
    }
    if (wants_more(s)) {
        spread_in(s, s->spread_tries >= SPREAD_TRIES ? SPREAD_IDLE_MS
                     : h->extra                      ? SPREAD_NEXT_MS
                                                     : SPREAD_FIRST_MS);
    }
}

/* The link that takes jobs is gone or asked to leave: another one that is up takes its place. */
static bool promote(agent_links *s)
{
    s->current = NULL;
    for (unsigned i = 0; i < s->count; i++) {
        if (agent_link_get_state(s->links[i]->link) == AGENT_LINK_READY) {
            s->current = s->links[i]->link;
            s->links[i]->extra = false;
            s->spread_tries = 0;
            spread_in(s, SPREAD_NEXT_MS);
            return true;
        }
    }
    return false;
}

static void dial_extra(agent_links *s)
{
    char token[AGENT_CONFIG_SECRET_MAX], why[700];
    s->spread_due = false;
    if (s->draining || !wants_more(s) || is_dialing_extra(s)) {
        return;
    }
    const char *address = pick_address(s);
    if (address != NULL && agent_config_token(s->spec.config, token, why, sizeof why) == DGON_OK) {
        (void)add_link(s, address, token, true);
    }
    agent_os_wipe(token, sizeof token);
}

static void dial(agent_links *s)
{
    char token[AGENT_CONFIG_SECRET_MAX], why[700];
    s->dial_due = false;
    if (s->draining || s->current != NULL) {
        return;
    }
    if (agent_config_token(s->spec.config, token, why, sizeof why) != DGON_OK) {
        log_reason(s, AGENT_LOG_ERROR, why);
        dial_in(s, BACKOFF_MAX_MS);
        return;
    }
    const char *address = pick_address(s);
    if (address == NULL) {
        log_reason(s, AGENT_LOG_WARN, "the gateway's name cannot be resolved");
        dial_in(s, next_delay(s));
    } else if (!add_link(s, address, token, false)) {
        dial_in(s, BACKOFF_MAX_MS);
    }
    agent_os_wipe(token, sizeof token);
}

/* --- the end of a link --- */

static bool is_slow(const agent_link_end *e)
{
    return e->http == 401 || e->http == 403 || e->close == DGON_CLOSE_DUPLICATE ||
           e->close == DGON_CLOSE_VERSION || e->close == DGON_CLOSE_FULL;
}

static void note_healthy(agent_links *s, const held *h)
{
    uint64_t now = agent_os_now_ms();
    if (h->welcome_ms != 0 && now - h->welcome_ms >= SHORT_LIFE_MS) {
        dgon_backoff_reset(&s->backoff);
        s->lost_ms = now;
    } else if (h->welcome_ms != 0 && s->lost_ms == 0) {
        s->lost_ms = now;
    }
}

static void after_end(agent_links *s, const held *h)
{
    const agent_link_end *e = agent_link_get_end(h->link);
    if (h->welcome_ms != 0) {
        s->last_reason[0] = '\0';
        note_healthy(s, h);
    } else {
        s->address_at++;
    }
    if (e->http == 401 || e->http == 403) {
        log_reason(s, AGENT_LOG_ERROR, "the gateway refuses the token; trying again every 60 s");
    } else {
        log_reason(s, AGENT_LOG_WARN, e->reason);
    }
    if (is_slow(e)) {
        dial_in(s, SLOW_MS - SLOW_MS / 10u + agent_os_random() % (SLOW_MS / 5u));
    } else {
        dial_in(s, next_delay(s));
    }
    s->spec.on_end(s->spec.user, e);
}

static void drop_link(agent_links *s, unsigned i)
{
    held *h = s->links[i];
    bool was_current = s->current == h->link;
    agent_jobs_link_lost(s->spec.jobs, h->link);
    if (was_current) {
        s->current = NULL;
    }
    if (was_current && !s->draining) {
        if (!promote(s)) {
            after_end(s, h);
        }
    } else if (h->extra && !h->quiet) {
        s->spread_tries++;
        spread_in(s, s->spread_tries >= SPREAD_TRIES ? SPREAD_IDLE_MS : SPREAD_NEXT_MS);
    }
    if (agent_link_is_free(h->link)) {
        agent_link_destroy(h->link);
        dgon_free(h);
        s->links[i] = s->links[--s->count];
    }
}

/* --- messages in --- */

static void on_open(void *user, agent_link *l)
{
    send_hello(user, l);
}

static void take_welcome(agent_links *s, agent_link *l, const dgon_ctl *c)
{
    held *h = held_of(s, l);
    if (agent_link_get_state(l) != AGENT_LINK_OPEN || c->protocol != DGON_WIRE_VERSION ||
        c->window < WINDOW_MIN) {
        agent_link_close(l, DGON_CLOSE_PROTOCOL, "unexpected welcome");
        return;
    }
    h->session.window = c->window;
    h->child = c->child;
    s->children = c->children;
    h->welcome_ms = agent_os_now_ms();
    agent_link_set_liveness(l, c->ping_s, c->hangup_s);
    agent_link_set_state(l, AGENT_LINK_READY, "welcome");
    s->last_reason[0] = '\0';
    agent_log(AGENT_LOG_INFO, "link %u up: %s, child %u of %u, %u slots, %u models", c->link,
              s->spec.config->url, c->child, c->children, s->slots, s->model_count);
    s->spec.on_ready(s->spec.user);
    spread_welcome(s, h);
}

static void take_goaway(agent_links *s, agent_link *l, const dgon_ctl *c)
{
    held *h = held_of(s, l);
    if (agent_link_get_state(l) != AGENT_LINK_READY) {
        return;
    }
    agent_log(AGENT_LOG_INFO, "gateway asks to leave a link (%s), %u jobs end on it", c->reason,
              h->session.jobs);
    agent_link_set_state(l, AGENT_LINK_LEAVING, "goaway");
    h->leave_ms = agent_os_now_ms();
    h->leave_limit_ms = c->drain_s * 1000u + CLOSE_MS;
    if (s->current == l && !promote(s)) {
        bool healthy = agent_os_now_ms() - h->welcome_ms >= SHORT_LIFE_MS;
        note_healthy(s, h);
        s->current = NULL;
        s->lost_ms = agent_os_now_ms(); /* it is there and restarts: dial often for a while */
        dial_in(s, healthy ? 0 : next_delay(s));
    } else if (s->current != NULL) {
        spread_in(s, SPREAD_NEXT_MS);
    }
}

static void on_text(void *user, agent_link *l, const char *p, size_t n)
{
    agent_links *s = user;
    dgon_ctl c;
    char why[128] = "";
    dgon_ctl_init(&c);
    dgon_status st = dgon_ctl_parse(&c, p, n, why, sizeof why);
    if (st != DGON_OK) {
        agent_link_close(l, st == DGON_ETOOBIG ? DGON_CLOSE_TOO_BIG : DGON_CLOSE_PROTOCOL,
                         "bad control message");
        agent_log(AGENT_LOG_WARN, "bad control message from the gateway: %s", why);
    } else if (c.type == DGON_CTL_WELCOME) {
        take_welcome(s, l, &c);
    } else if (c.type == DGON_CTL_GOAWAY) {
        take_goaway(s, l, &c);
    } else if (c.type == DGON_CTL_JOB) {
        agent_link_state state = agent_link_get_state(l);
        bool ready = state == AGENT_LINK_READY || state == AGENT_LINK_LEAVING;
        if (!ready || agent_jobs_start(s->spec.jobs, l, &c) != DGON_OK) {
            agent_link_close(l, DGON_CLOSE_PROTOCOL, "unexpected job");
        }
    }
    dgon_ctl_fini(&c);
}

static void on_binary(void *user, agent_link *l, const unsigned char *p, size_t n)
{
    agent_links *s = user;
    dgon_record r;
    size_t at = 0;
    dgon_status st;
    while ((st = dgon_wire_next(p, n, &at, &r)) == DGON_OK) {
        st = agent_jobs_record(s->spec.jobs, l, &r);
        if (st != DGON_OK) {
            break;
        }
    }
    if (st != DGON_DONE) {
        agent_link_close(l, st == DGON_ETOOBIG ? DGON_CLOSE_TOO_BIG : DGON_CLOSE_PROTOCOL,
                         "bad record");
        agent_log(AGENT_LOG_WARN, "bad record from the gateway: %s", dgon_status_str(st));
    }
}

static void on_writable(void *user, agent_link *l)
{
    agent_links *s = user;
    agent_jobs_link_writable(s->spec.jobs, l);
}

/* --- wake-ups and ticks --- */

static void end_leaving(held *h, bool draining)
{
    uint64_t gone = agent_os_now_ms() - h->leave_ms;
    if (agent_link_get_state(h->link) != AGENT_LINK_LEAVING) {
        return;
    }
    if (h->session.jobs == 0 && (!(draining || h->quiet) || gone >= DRAIN_QUIET_MS)) {
        agent_link_close(h->link, 1000, "done");
    } else if (h->leave_limit_ms != 0 && gone > h->leave_limit_ms) {
        agent_link_close(h->link, 1000, "the time to leave is over");
    }
}

void agent_links_settle(agent_links *s)
{
    for (unsigned i = s->count; i-- > 0;) {
        end_leaving(s->links[i], s->draining);
        if (agent_link_get_state(s->links[i]->link) == AGENT_LINK_CLOSING &&
            s->links[i]->session.jobs != 0) {
            agent_jobs_link_lost(s->spec.jobs, s->links[i]->link); /* nobody hears their answers */
        }
        if (agent_link_get_state(s->links[i]->link) == AGENT_LINK_DOWN) {
            drop_link(s, i);
        }
    }
    if (s->dial_due) {
        dial(s);
    }
    if (s->spread_due) {
        dial_extra(s);
    }
    for (unsigned i = 0; i < s->count; i++) {
        agent_link_flush(s->links[i]->link);
    }
}

static void check_deadline(held *h)
{
    agent_link_state st = agent_link_get_state(h->link);
    if ((st == AGENT_LINK_DIALING || st == AGENT_LINK_OPEN) &&
        agent_link_age_ms(h->link) > WELCOME_MS) {
        agent_link_kill(h->link, st == AGENT_LINK_OPEN ? "the gateway does not answer the hello"
                                                       : "the gateway does not answer");
    } else if (st == AGENT_LINK_CLOSING && agent_link_age_ms(h->link) > CLOSE_MS) {
        agent_link_kill(h->link, "the gateway does not answer the close");
    }
}

void agent_links_tick(agent_links *s)
{
    uint64_t slept = agent_os_slept_ms();
    bool woke = slept > s->slept_ms + SLEPT_MS;
    if (woke) {
        agent_log(AGENT_LOG_INFO, "the machine slept for %" PRIu64 " s: links are dialled again",
                  (slept - s->slept_ms) / 1000u);
        dgon_backoff_reset(&s->backoff);
    }
    s->slept_ms = slept;
    for (unsigned i = 0; i < s->count; i++) {
        if (woke) {
            agent_link_kill(s->links[i]->link, "the machine slept");
        } else {
            check_deadline(s->links[i]);
        }
    }
    if (s->started && !s->draining && s->current == NULL && !s->dial_wait && !s->dial_due) {
        dial_in(s, BACKOFF_BASE_MS);
    }
}

/* --- drain --- */

void agent_links_drain(agent_links *s)
{
    dgon_ctl c;
    dgon_ctl_init(&c);
    c.type = DGON_CTL_DRAINING;
    s->draining = true;
    s->dial_due = s->spread_due = false;
    agent_timer_stop(s->dial_timer);
    agent_timer_stop(s->spread_timer);
    for (unsigned i = 0; i < s->count; i++) {
        held *h = s->links[i];
        if (agent_link_get_state(h->link) == AGENT_LINK_READY) {
            send_control(s, h->link, &c);
            agent_link_set_state(h->link, AGENT_LINK_LEAVING, "drain");
            h->leave_ms = agent_os_now_ms();
        } else if (agent_link_get_state(h->link) < AGENT_LINK_READY) {
            agent_link_close(h->link, 1000, "shutting down");
        }
    }
}

void agent_links_close(agent_links *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        agent_link_close(s->links[i]->link, 1001, "shutting down");
    }
}

unsigned agent_links_count(const agent_links *s)
{
    return s->count;
}

bool agent_links_is_ready(const agent_links *s)
{
    return s->current != NULL && agent_link_get_state(s->current) == AGENT_LINK_READY;
}

/* --- life --- */

agent_links *agent_links_create(const agent_links_spec *spec)
{
    static const agent_link_ops ops = {on_open, on_text, on_binary, on_writable};
    agent_links *s = dgon_calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->spec = *spec;
    s->instance = (uint64_t)agent_os_random() << 32 | agent_os_random();
    s->slept_ms = agent_os_slept_ms();
    dgon_backoff_init(&s->backoff, BACKOFF_BASE_MS, BACKOFF_MAX_MS);
    s->dial_timer = agent_timer_create(spec->loop, on_dial_timer, s);
    s->spread_timer = agent_timer_create(spec->loop, on_spread_timer, s);
    s->dialer = agent_dialer_create(spec->loop, spec->config, &ops, s);
    if (s->dial_timer == NULL || s->spread_timer == NULL || s->dialer == NULL) {
        agent_links_shut(s);
        agent_links_destroy(s);
        return NULL;
    }
    return s;
}

void agent_links_shut(agent_links *s)
{
    if (s != NULL) {
        agent_timer_destroy(s->dial_timer);
        agent_timer_destroy(s->spread_timer);
        s->dial_timer = s->spread_timer = NULL;
    }
}

void agent_links_destroy(agent_links *s)
{
    if (s == NULL) {
        return;
    }
    for (unsigned i = 0; i < s->count; i++) {
        agent_link_destroy(s->links[i]->link);
        dgon_free(s->links[i]);
    }
    agent_dialer_destroy(s->dialer);
    dgon_free(s->models);
    dgon_free(s);
}

void agent_links_start(agent_links *s)
{
    if (!s->started) {
        s->started = true;
        s->dial_due = true;
    }
}

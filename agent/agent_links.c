/* All links together: their life, what comes in on them, deadlines, drain. */
#include "agent_links_int.h"

#include "agent_log.h"

#include "dgon/alloc.h"

#include <inttypes.h>
#include <string.h>

#define WELCOME_MS 10000u /* from dialing to welcome */
#define DRAIN_QUIET_MS \
    200u /* the gateway reads `draining` before the close overtakes its last job */
#define SLEPT_MS 5000u

static agent_held *held_of(agent_links *s, const agent_link *l)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->links[i]->link == l) {
            return s->links[i];
        }
    }
    return NULL;
}

/* --- messages in --- */

static void on_open(void *user, agent_link *l)
{
    if (!agent_links_has_key(user)) {
        agent_links_hello(user, l);
    }
}

static void take_welcome(agent_links *s, agent_link *l, const dgon_ctl *c)
{
    agent_held *h = held_of(s, l);
    if (agent_link_get_state(l) != AGENT_LINK_OPEN || c->protocol != DGON_WIRE_VERSION ||
        c->window < AGENT_LINKS_WINDOW_MIN) {
        agent_link_close(l, DGON_CLOSE_PROTOCOL, "unexpected welcome");
        return;
    }
    h->session.window = c->window;
    h->child = c->child;
    h->registry = c->registry;
    s->children = c->children;
    h->welcome_ms = agent_os_now_ms();
    agent_link_set_liveness(l, c->ping_s, c->hangup_s);
    agent_link_set_state(l, AGENT_LINK_READY, "welcome");
    if (h->nonce[0] != '\0') {
        agent_links_key_good(s, h);
        agent_links_send_models(s, l);
    }
    s->last_reason[0] = '\0';
    agent_log(AGENT_LOG_INFO, "link %u up: %s as %s, child %u of %u, %u slots, %u models", c->link,
              s->spec.config->url, c->agent[0] != '\0' ? c->agent : s->spec.config->id, c->child,
              c->children, s->slots, s->model_count);
    s->spec.on_ready(s->spec.user);
    agent_links_relieve(s);
    agent_links_spread_welcome(s, h);
}

static void relieve_if_ready(agent_links *s)
{
    if (agent_links_is_ready(s)) {
        agent_links_relieve(s);
    }
}

static void take_goaway(agent_links *s, agent_link *l, const dgon_ctl *c)
{
    agent_held *h = held_of(s, l);
    if (h->standby) {
        h->waiting = c->waiting;
        relieve_if_ready(s);
    }
    if (agent_link_get_state(l) != AGENT_LINK_READY) {
        return;
    }
    s->next_refused = s->next_refused && strcmp(c->reason, "rotate") != 0;
    agent_log(AGENT_LOG_INFO, "gateway asks to leave a link (%s), %u jobs end on it, %u wait",
              c->reason, h->session.jobs, c->waiting);
    agent_link_set_state(l, AGENT_LINK_LEAVING, "goaway");
    h->leave_ms = agent_os_now_ms();
    h->leave_limit_ms = c->drain_s * 1000u + AGENT_LINKS_CLOSE_MS;
    h->standby = true;
    h->waiting = c->waiting;
    if (s->current == l && !agent_links_promote(s)) {
        agent_links_after_goaway(s, h);
    } else if (s->current != NULL) {
        agent_links_spread_soon(s);
    }
    relieve_if_ready(s);
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
    } else if (c.type == DGON_CTL_CHALLENGE) {
        agent_links_take_challenge(s, held_of(s, l), &c);
    } else if (c.type == DGON_CTL_ROTATE) {
        agent_links_rotate(s, held_of(s, l));
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

static void drop_link(agent_links *s, unsigned i)
{
    agent_held *h = s->links[i];
    bool was_current = s->current == h->link;
    bool old_key = agent_links_key_refused(s, h);
    agent_jobs_link_lost(s->spec.jobs, h->link);
    if (was_current) {
        s->current = NULL;
    }
    if (was_current && !s->draining) {
        if (!agent_links_promote(s)) {
            if (old_key) {
                agent_links_dial_in(s, 0);
            } else {
                agent_links_after_end(s, h);
            }
        }
    } else if (h->extra && h->leave_ms == 0) {
        agent_links_spread_lost(s);
    }
    if (agent_link_is_free(h->link)) {
        agent_link_destroy(h->link);
        agent_os_wipe(h->key, sizeof h->key);
        dgon_free(h);
        s->links[i] = s->links[--s->count];
    }
}

static void end_leaving(agent_held *h, bool draining)
{
    uint64_t gone = agent_os_now_ms() - h->leave_ms;
    if (agent_link_get_state(h->link) != AGENT_LINK_LEAVING) {
        return;
    }
    if (!h->standby && h->session.jobs == 0 &&
        (!(draining || h->quiet) || gone >= DRAIN_QUIET_MS)) {
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
        agent_links_dial(s);
    }
    if (s->spread_due) {
        agent_links_dial_extra(s);
    }
    agent_links_share(s);
    for (unsigned i = 0; i < s->count; i++) {
        agent_link_flush(s->links[i]->link);
    }
}

static void check_deadline(agent_held *h)
{
    agent_link_state st = agent_link_get_state(h->link);
    if ((st == AGENT_LINK_DIALING || st == AGENT_LINK_OPEN) &&
        agent_link_age_ms(h->link) > WELCOME_MS) {
        agent_link_kill(h->link, st == AGENT_LINK_OPEN ? "the gateway does not answer the hello"
                                                       : "the gateway does not answer");
    } else if (st == AGENT_LINK_CLOSING && agent_link_age_ms(h->link) > AGENT_LINKS_CLOSE_MS) {
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
    relieve_if_ready(s); /* of a job that was refused lately nobody speaks any more */
    if (s->started && !s->draining && s->current == NULL && !s->dial_wait && !s->dial_due) {
        agent_links_dial_in(s, AGENT_LINKS_BACKOFF_BASE_MS);
    }
}

/* --- drain --- */

void agent_links_drain(agent_links *s)
{
    s->draining = true;
    s->dial_due = s->spread_due = false;
    agent_timer_stop(s->dial_timer);
    agent_timer_stop(s->spread_timer);
    for (unsigned i = 0; i < s->count; i++) {
        agent_held *h = s->links[i];
        if (agent_link_get_state(h->link) == AGENT_LINK_READY) {
            agent_links_leave(s, h, "drain");
        } else if (agent_link_get_state(h->link) < AGENT_LINK_READY) {
            agent_link_close(h->link, 1000, "shutting down");
        }
    }
    agent_links_relieve(s);
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

void agent_links_look(const agent_links *s, agent_links_view *v)
{
    uint64_t now = agent_os_now_ms();
    *v = (agent_links_view){.reason = s->last_reason};
    for (unsigned i = 0; i < s->count; i++) {
        agent_link_state st = agent_link_get_state(s->links[i]->link);
        if (st == AGENT_LINK_READY) {
            uint64_t age = now - s->links[i]->welcome_ms;
            v->ready++;
            v->ready_ms = age > v->ready_ms ? age : v->ready_ms;
        } else if (st < AGENT_LINK_READY) {
            v->dialing++;
        } else {
            v->leaving++;
        }
    }
}

bool agent_links_is_ready(const agent_links *s)
{
    return s->current != NULL && agent_link_get_state(s->current) == AGENT_LINK_READY;
}

bool agent_links_on_fd(agent_links *s, int fd)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (agent_link_reads(s->links[i]->link, fd)) {
            agent_link_read(s->links[i]->link);
            return true;
        }
    }
    return false;
}

bool agent_links_are_settled(const agent_links *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (!agent_link_is_settled(s->links[i]->link)) {
            return false;
        }
    }
    return true;
}

/* --- life --- */

static void on_dial_timer(void *user)
{
    agent_links *s = user;
    s->dial_wait = false;
    s->dial_due = true;
}

static void on_spread_timer(void *user)
{
    agent_links *s = user;
    s->spread_due = true;
}

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
    dgon_backoff_init(&s->backoff, AGENT_LINKS_BACKOFF_BASE_MS, AGENT_LINKS_BACKOFF_MAX_MS);
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
        agent_os_wipe(s->links[i]->key, sizeof s->links[i]->key);
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

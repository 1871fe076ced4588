/* What the agent tells the gateway about itself: hello, models, slots, draining. */
#include "agent_links_int.h"

#include "agent_log.h"

#include "dgon/alloc.h"

#include <stdio.h>
#include <string.h>

#ifndef AGENT_VERSION
#define AGENT_VERSION "0.1.0"
#endif

static uint32_t slots_now(const agent_links *s)
{
    return s->spec.config->slots != 0 ? s->spec.config->slots : agent_models_slots(s->spec.models);
}

static bool is_talking(const agent_link *l)
{
    agent_link_state st = agent_link_get_state(l);
    return st == AGENT_LINK_READY || st == AGENT_LINK_OPEN || st == AGENT_LINK_LEAVING;
}

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

void agent_links_send(agent_links *s, agent_link *l, const dgon_ctl *c)
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

static agent_held *held_of(agent_links *s, const agent_link *l)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->links[i]->link == l) {
            return s->links[i];
        }
    }
    return NULL;
}

/* What the agent offers and lets be done. It stays ours. */
static void put_offers(agent_links *s, dgon_ctl *c)
{
    c->models = s->models;
    c->model_count = s->model_count;
    c->allow = s->allow[0] != '\0' ? s->allow : NULL;
    c->loads = true;
    c->pulls = s->pull;
}

void agent_links_hello(agent_links *s, agent_link *l)
{
    agent_held *h = held_of(s, l);
    dgon_ctl c;
    agent_link_read_here(l);
    dgon_ctl_init(&c);
    c.type = DGON_CTL_HELLO;
    c.protocol_min = c.protocol_max = DGON_WIRE_VERSION;
    (void)snprintf(c.agent, sizeof c.agent, "%s", s->spec.config->id);
    c.instance = s->instance;
    (void)snprintf(c.version, sizeof c.version, "%s", AGENT_VERSION);
    (void)snprintf(c.os, sizeof c.os, "%s", agent_os_name());
    c.slots = s->slots;
    if (h != NULL) {
        h->told = s->slots;
    }
    if (h != NULL && h->nonce[0] != '\0') {
        if (!agent_links_sign_hello(h, &c)) {
            agent_link_kill(l, "the hello cannot be signed");
            return;
        }
    } else {
        put_offers(s, &c);
    }
    agent_links_send(s, l, &c);
}

void agent_links_send_models(agent_links *s, agent_link *l)
{
    dgon_ctl c;
    dgon_ctl_init(&c);
    c.type = DGON_CTL_MODELS;
    put_offers(s, &c);
    agent_links_send(s, l, &c);
}

void agent_links_tell_slots(agent_links *s, agent_held *h)
{
    dgon_ctl c;
    dgon_ctl_init(&c);
    c.type = DGON_CTL_CAPACITY;
    c.slots = h->told;
    agent_links_send(s, h->link, &c);
}

void agent_links_models(agent_links *s)
{
    dgon_ctl_model *list = NULL;
    uint32_t n = 0, slots = slots_now(s);
    if (agent_models_list(s->spec.models, &list, &n) != DGON_OK) {
        return;
    }
    char allow[DGON_PASS_LIST_MAX] = "";
    (void)agent_models_allow(s->spec.models, allow);
    bool pull = agent_models_pull(s->spec.models);
    bool same = pull == s->pull && n == s->model_count &&
                (n == 0 || memcmp(list, s->models, n * sizeof *list) == 0) &&
                strcmp(allow, s->allow) == 0;
    memcpy(s->allow, allow, sizeof s->allow);
    s->pull = pull;
    dgon_free(s->models);
    s->models = list;
    s->model_count = n;
    for (unsigned i = 0; !same && i < s->count; i++) {
        if (is_talking(s->links[i]->link)) {
            agent_links_send_models(s, s->links[i]->link);
        }
    }
    if (slots != s->slots) {
        s->slots = slots;
        agent_jobs_set_slots(s->spec.jobs, slots); /* agent_links_share() tells it */
        if (s->started) {
            agent_log(AGENT_LOG_INFO, "slots: %u", slots);
        }
    }
}

void agent_links_leave(agent_links *s, agent_held *h, const char *why)
{
    dgon_ctl c;
    dgon_ctl_init(&c);
    c.type = DGON_CTL_DRAINING;
    agent_links_send(s, h->link, &c);
    agent_link_set_state(h->link, AGENT_LINK_LEAVING, why);
    h->leave_ms = agent_os_now_ms();
    h->quiet = true;
    h->standby = false;
}

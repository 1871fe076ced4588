#include "mod_dgon_alias.h"
#include "mod_dgon_link_int.h"
#include "mod_dgon_load.h"
#include "mod_dgon_pass.h"

#include "dgon/control.h"
#include "dgon/fleet.h"
#include "dgon/hash.h"
#include "dgon/op.h"

#include <apr_strings.h>

#include <stdlib.h>
#include <string.h>

bool mod_dgon_link_send_control(mod_dgon_link *l, const dgon_ctl *c)
{
    dgon_buf *out = &l->engine->out;
    dgon_buf_reset(out);
    bool ok = dgon_ctl_write(out, c) == DGON_OK && mod_dgon_ws_text(l->ws, out->data, out->len);
    dgon_buf_reset(out);
    mod_dgon_link_dirty(l);
    return ok;
}

static bool welcome(mod_dgon_link *l)
{
    mod_dgon_engine *e = l->engine;
    dgon_ctl c;
    dgon_ctl_init(&c);
    c.type = DGON_CTL_WELCOME;
    c.protocol = DGON_WIRE_VERSION;
    c.link = l->index;
    c.child = e->child;
    c.children = dgon_registry_children_staying(e->registry);
    if (c.children == 0)
        c.children = 1; /* this one, until its successor is there */
    c.window = e->window;
    c.ping_s = (uint32_t)(e->conf->link_ping / 1000);
    c.hangup_s = (uint32_t)(e->conf->link_hangup / 1000);
    memcpy(c.agent, l->agent, sizeof(c.agent));
    apr_cpystrn(c.gateway, MOD_DGON_VERSION, sizeof(c.gateway));
    c.registry = dgon_registry_id(e->registry);
    bool ok = mod_dgon_link_send_control(l, &c);
    dgon_ctl_fini(&c);
    return ok;
}

static bool refuse(mod_dgon_link *l, uint16_t code, const char *why)
{
    mod_dgon_link_end(l, code, why);
    return false;
}

/* What the link offers, with what no list may lose before its models: if it loads models on
 * request, MOD_DGON_LOAD_ANY; if it has opened anything, MOD_DGON_PASS_ANY; its steps of aliases.
 */
static bool take_models(mod_dgon_link *l, const dgon_ctl *c)
{
    mod_dgon_engine *e = l->engine;
    size_t aliases = e->conf->aliases != NULL ? (size_t)e->conf->aliases->nelts : 0;
    dgon_ctl_model *list = calloc(c->model_count + aliases + 2, sizeof(*list));
    uint32_t n = 0;
    if (aliases > 0 && l->targets == NULL)
        l->targets = calloc(aliases, sizeof(*l->targets));
    if (list == NULL || (aliases > 0 && l->targets == NULL)) {
        free(list);
        return false;
    }
    if (c->loads) {
        list[n].caps = c->pulls ? DGON_CAP_PULL : 0;
        apr_cpystrn(list[n++].name, MOD_DGON_LOAD_ANY, sizeof(list->name));
    }
    uint32_t opens = mod_dgon_pass_opens(e->conf->passes, c->allow);
    if (opens != 0)
        apr_cpystrn(list[n++].name, MOD_DGON_PASS_ANY, sizeof(list->name));
    n += mod_dgon_alias_offers(e->conf->aliases, l->agent, c, list + n, l->targets);
    dgon_registry_link_opens(e->registry, l->index, opens);
    dgon_status st = dgon_registry_link_models(e->registry, l->index, list, n);
    free(list);
    if (n > DGON_WIRE_MODELS_MAX)
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, l->r,
                      "DGON0350: agent %s: %u names, with aliases and what else it can, are more "
                      "than %u: its last models are left out; name those it is to offer in its "
                      "file (models)",
                      l->agent, n, DGON_WIRE_MODELS_MAX);
    else if (st == DGON_EFULL)
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, l->r,
                      "DGON0052: agent %s: not all its models fit: raise DgonMaxModels", l->agent);
    return st == DGON_OK || st == DGON_EFULL;
}

static bool hello(mod_dgon_link *l, const dgon_ctl *c)
{
    mod_dgon_engine *e = l->engine;
    if (l->index != DGON_NONE)
        return refuse(l, DGON_CLOSE_PROTOCOL, "second hello");
    const char *wrong = mod_dgon_link_admit(l, c);
    if (wrong != NULL)
        return refuse(l, DGON_CLOSE_UNKNOWN, wrong);
    if (c->protocol_min > DGON_WIRE_VERSION || c->protocol_max < DGON_WIRE_VERSION)
        return refuse(l, DGON_CLOSE_VERSION, "no common protocol version");
    uint32_t index = DGON_NONE;
    dgon_status st =
        dgon_registry_link_open(e->registry, e->child, l->agent, c->instance, c->slots, &index);
    if (st == DGON_EEXIST)
        return refuse(l, DGON_CLOSE_DUPLICATE, "another agent with this id is connected");
    if (st != DGON_OK || index >= (uint32_t)e->conf->max_agents)
        return refuse(l, DGON_CLOSE_FULL, "no room for another agent (DgonMaxAgents)");
    l->index = index;
    e->link_at[index] = l;
    dgon_registry_count(e->registry, e->child, DGON_COUNT_LINKS, 1);
    dgon_fleet_link_about(e->registry, index, c->version, c->os, l->r->useragent_ip);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, l->r,
                  "DGON0053: agent %s connected: %u slots, %u models", l->agent, c->slots,
                  c->model_count);
    if (!welcome(l))
        return refuse(l, 1011, "out of memory");
    if (!take_models(l, c))
        return refuse(l, DGON_CLOSE_FULL, "the models could not be taken");
    mod_dgon_link_admitted(l);
    if (atomic_load(&e->draining))
        mod_dgon_link_goaway(l);
    return true;
}

bool mod_dgon_link_control(mod_dgon_link *l, const char *p, size_t n)
{
    dgon_registry *reg = l->engine->registry;
    dgon_ctl c;
    char why[128] = "malformed control message";
    bool go_on = true;

    dgon_ctl_init(&c);
    if (dgon_ctl_parse(&c, p, n, why, sizeof(why)) != DGON_OK) {
        go_on = refuse(l, DGON_CLOSE_PROTOCOL, why);
    } else if (c.type == DGON_CTL_HELLO) {
        go_on = hello(l, &c);
    } else if (l->index == DGON_NONE && c.type != DGON_CTL_UNKNOWN) {
        go_on = refuse(l, DGON_CLOSE_PROTOCOL, "hello must come first");
    } else if (c.type == DGON_CTL_MODELS && !l->draining) {
        go_on = take_models(l, &c);
    } else if (c.type == DGON_CTL_CAPACITY) {
        dgon_registry_link_slots(reg, l->index, c.slots);
    } else if (c.type == DGON_CTL_DRAINING) {
        mod_dgon_link_drain(l);
    } else if (c.type == DGON_CTL_KEY) {
        go_on = mod_dgon_link_new_key(l, &c) ||
                refuse(l, DGON_CLOSE_PROTOCOL, "a new key that is not signed, or not asked for");
    }
    dgon_ctl_fini(&c);
    return go_on;
}

void mod_dgon_link_drain(mod_dgon_link *l)
{
    l->draining = true;
    dgon_registry_link_drain(l->engine->registry, l->index);
}

static void send_goaway(mod_dgon_link *l, const char *reason)
{
    dgon_ctl c;
    dgon_ctl_init(&c);
    c.type = DGON_CTL_GOAWAY;
    apr_cpystrn(c.reason, reason, sizeof(c.reason));
    c.drain_s = (uint32_t)(l->engine->conf->drain_timeout / 1000);
    c.waiting = l->waiting;
    (void)mod_dgon_link_send_control(l, &c);
    dgon_ctl_fini(&c);
}

static uint32_t waiting(const mod_dgon_link *l)
{
    return l->engine->retiring && !l->left
               ? dgon_registry_link_waiting(l->engine->registry, l->index)
               : 0;
}

static void goaway(mod_dgon_link *l, const char *reason)
{
    if (l->goaway_at != 0 || l->index == DGON_NONE)
        return;
    l->goaway_at = l->engine->now;
    l->waiting = waiting(l);
    send_goaway(l, reason);
}

void mod_dgon_link_tell_waiting(mod_dgon_link *l)
{
    uint32_t n = waiting(l);
    if (n == l->waiting)
        return;
    l->waiting = n;
    send_goaway(l, "restart");
}

void mod_dgon_link_goaway(mod_dgon_link *l)
{
    goaway(l, "restart");
}

void mod_dgon_link_leave(mod_dgon_link *l, const char *reason)
{
    l->left = true;
    goaway(l, reason);
}

bool mod_dgon_link_send_job(mod_dgon_link *l, const mod_dgon_link_job *job,
                            const dgon_job_spec *spec, const char *http, size_t http_len)
{
    dgon_ctl c;
    dgon_ctl_init(&c);
    c.type = DGON_CTL_JOB;
    c.job = job->number;
    c.attempt = spec->attempt;
    apr_cpystrn(c.op, dgon_op_str((dgon_op)spec->op), sizeof(c.op));
    if (dgon_registry_model_name(l->engine->registry, spec->model, c.model) != DGON_OK)
        return false;
    int alias = l->targets != NULL ? mod_dgon_alias_of_step(l->engine->conf->aliases, c.model)
                                   : MOD_DGON_ALIAS_NONE;
    c.model[dgon_alias_public_len(c.model)] = '\0';
    memcpy(c.public_model, c.model, sizeof(c.public_model));
    if (strcmp(c.model, MOD_DGON_PASS_ANY) == 0 || strcmp(c.model, MOD_DGON_LOAD_ANY) == 0)
        c.model[0] = c.public_model[0] = '\0';
    if (alias >= 0 && l->targets[alias][0] != '\0') /* else the agent says that it has it no more */
        memcpy(c.model, l->targets[alias], sizeof(c.model));
    char *id = apr_cpystrn(c.id, dgon_op_id_prefix((dgon_op)spec->op), sizeof(c.id));
    dgon_hash_hex(id, spec->id, sizeof(spec->id));
    c.created = spec->created;
    c.stream = spec->stream;
    c.body = spec->body_len;
    c.http_json = http;
    c.http_json_len = http_len;
    c.deadline_ms = spec->first_token_ms;
    memcpy(c.traceparent, spec->traceparent, sizeof(c.traceparent));
    bool ok = mod_dgon_link_send_control(l, &c);
    dgon_ctl_fini(&c);
    return ok;
}

#include "caps_int.h"
#include "control_int.h"

#include <inttypes.h>
#include <string.h>

/* Appends `,"key":"value"`; nothing for an empty value. */
static dgon_status add_text(dgon_buf *out, const char *key, const char *value)
{
    if (value[0] == '\0')
        return DGON_OK;
    dgon_status s = dgon_buf_adds(out, ",\"");
    if (s == DGON_OK)
        s = dgon_buf_adds(out, key);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, "\":");
    return s == DGON_OK ? dgon_buf_add_json_string(out, value, strlen(value)) : s;
}

static dgon_status write_model(dgon_buf *out, const dgon_ctl_model *m)
{
    dgon_status s = dgon_buf_adds(out, "{\"name\":");
    if (s == DGON_OK)
        s = dgon_buf_add_json_string(out, m->name, strlen(m->name));
    if (s == DGON_OK)
        s = add_text(out, "backend", m->backend);
    if (s == DGON_OK)
        s = dgon_buf_addf(out, ",\"context\":%" PRIu32 ",\"loaded\":%s,", m->context,
                          m->loaded ? "true" : "false");
    if (s == DGON_OK)
        s = dgon_caps_write(out, "capabilities", m->caps);
    if (s == DGON_OK && m->caps >> DGON_CAP_LACKS != 0) {
        s = dgon_buf_adds(out, ",");
        if (s == DGON_OK)
            s = dgon_caps_write(out, "lacks", m->caps >> DGON_CAP_LACKS);
    }
    return s == DGON_OK ? dgon_buf_adds(out, "}") : s;
}

static dgon_status write_models(dgon_buf *out, const dgon_ctl *c)
{
    dgon_status s = dgon_buf_adds(out, ",\"models\":[");
    for (uint32_t i = 0; s == DGON_OK && i < c->model_count; i++) {
        if (i > 0)
            s = dgon_buf_adds(out, ",");
        if (s == DGON_OK)
            s = write_model(out, &c->models[i]);
    }
    if (s == DGON_OK)
        s = dgon_buf_adds(out, "]");
    if (s == DGON_OK && c->loads)
        s = dgon_buf_adds(out, c->pulls ? ",\"pull\":true" : ",\"pull\":false");
    return s == DGON_OK && c->allow != NULL ? add_text(out, "allow", c->allow) : s;
}

static dgon_status write_signed(dgon_buf *out, const dgon_ctl *c)
{
    dgon_status s = add_text(out, "key", c->key);
    return s == DGON_OK ? add_text(out, "signature", c->signature) : s;
}

static dgon_status write_hello(dgon_buf *out, const dgon_ctl *c)
{
    dgon_status s = dgon_buf_addf(out,
                                  ",\"protocol\":[%" PRIu32 ",%" PRIu32
                                  "],\"instance\":\"%016" PRIx64 "\",\"slots\":%" PRIu32,
                                  c->protocol_min, c->protocol_max, c->instance, c->slots);
    if (s == DGON_OK)
        s = add_text(out, "agent", c->agent);
    if (s == DGON_OK)
        s = add_text(out, "version", c->version);
    if (s == DGON_OK)
        s = add_text(out, "os", c->os);
    if (s == DGON_OK)
        s = write_signed(out, c);
    return s == DGON_OK ? write_models(out, c) : s;
}

static dgon_status write_welcome(dgon_buf *out, const dgon_ctl *c)
{
    dgon_status s = dgon_buf_addf(
        out,
        ",\"protocol\":%" PRIu32 ",\"link\":%" PRIu32 ",\"child\":%" PRIu32 ",\"children\":%" PRIu32
        ",\"window\":%" PRIu32 ",\"ping\":%" PRIu32 ",\"hangup\":%" PRIu32,
        c->protocol, c->link, c->child, c->children, c->window, c->ping_s, c->hangup_s);
    if (s == DGON_OK && c->registry != 0)
        s = dgon_buf_addf(out, ",\"registry\":\"%016" PRIx64 "\"", c->registry);
    if (s == DGON_OK)
        s = add_text(out, "agent", c->agent);
    return s == DGON_OK ? add_text(out, "gateway", c->gateway) : s;
}

static dgon_status add_number(dgon_buf *out, const char *key, uint64_t value)
{
    dgon_status s = dgon_buf_adds(out, key);
    return s == DGON_OK ? dgon_buf_addu(out, value) : s;
}

/* One for each request: without printf, which costs more than all the rest. */
static dgon_status write_job(dgon_buf *out, const dgon_ctl *c)
{
    dgon_status s = add_number(out, ",\"job\":", c->job);
    if (s == DGON_OK)
        s = add_number(out, ",\"attempt\":", c->attempt);
    if (s == DGON_OK)
        s = add_number(out, ",\"created\":", c->created > 0 ? (uint64_t)c->created : 0);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, c->stream ? ",\"stream\":true" : ",\"stream\":false");
    if (s == DGON_OK && c->http_json == NULL)
        s = add_number(out, ",\"body\":", c->body);
    if (s == DGON_OK)
        s = add_number(out, ",\"deadline\":", c->deadline_ms);
    if (s == DGON_OK)
        s = add_text(out, "op", c->op);
    if (s == DGON_OK)
        s = add_text(out, "model", c->model);
    if (s == DGON_OK)
        s = add_text(out, "public", c->public_model);
    if (s == DGON_OK)
        s = add_text(out, "id", c->id);
    if (s == DGON_OK)
        s = add_text(out, "traceparent", c->traceparent);
    if (s != DGON_OK || c->http_json == NULL)
        return s;
    s = dgon_buf_adds(out, ",\"http\":");
    return s == DGON_OK ? dgon_buf_add(out, c->http_json, c->http_json_len) : s;
}

static dgon_status write_goaway(dgon_buf *out, const dgon_ctl *c)
{
    dgon_status s = add_text(out, "reason", c->reason);
    if (s == DGON_OK)
        s = dgon_buf_addf(out, ",\"drain\":%" PRIu32, c->drain_s);
    return s == DGON_OK && c->waiting != 0 ? dgon_buf_addf(out, ",\"waiting\":%" PRIu32, c->waiting)
                                           : s;
}

static dgon_status write_members(dgon_buf *out, const dgon_ctl *c)
{
    switch (c->type) {
    case DGON_CTL_HELLO:
        return write_hello(out, c);
    case DGON_CTL_MODELS:
        return write_models(out, c);
    case DGON_CTL_CAPACITY:
        return dgon_buf_addf(out, ",\"slots\":%" PRIu32, c->slots);
    case DGON_CTL_WELCOME:
        return write_welcome(out, c);
    case DGON_CTL_JOB:
        return write_job(out, c);
    case DGON_CTL_GOAWAY:
        return write_goaway(out, c);
    case DGON_CTL_CHALLENGE:
        return add_text(out, "nonce", c->nonce);
    case DGON_CTL_KEY:
        return write_signed(out, c);
    case DGON_CTL_DRAINING:
    case DGON_CTL_ROTATE:
        return DGON_OK;
    case DGON_CTL_UNKNOWN:
        break;
    }
    return DGON_EINVAL;
}

dgon_status dgon_ctl_write(dgon_buf *out, const dgon_ctl *c)
{
    size_t before = out->len;
    if (c->type <= DGON_CTL_UNKNOWN || (size_t)c->type >= DGON_CTL_TYPES)
        return DGON_EINVAL;
    dgon_status s = dgon_buf_adds(out, "{\"type\":\"");
    if (s == DGON_OK)
        s = dgon_buf_adds(out, dgon_ctl_type_names[c->type]);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, "\"");
    if (s == DGON_OK)
        s = write_members(out, c);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, "}");
    if (s != DGON_OK)
        out->len = before;
    return s;
}

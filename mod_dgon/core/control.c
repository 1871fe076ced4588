#include "dgon/control.h"

#include "dgon/alloc.h"
#include "dgon/json.h"
#include "dgon/op.h"
#include "caps_int.h"
#include "control_int.h"
#include "json_int.h"
#include "tree_int.h"

#include <jansson.h>
#include <string.h>

#define DEPTH_MAX       8u
#define LABELS_MAX      32u
#define LABEL_KEY_MAX   64u
#define LABEL_VALUE_MAX 256u
#define SECONDS_MAX     86400u

const char *const dgon_ctl_type_names[DGON_CTL_TYPES] = {
    NULL,  "hello",  "models",    "capacity", "draining", "welcome",
    "job", "goaway", "challenge", "rotate",   "key"};

void dgon_ctl_init(dgon_ctl *c)
{
    *c = (dgon_ctl){.type = DGON_CTL_UNKNOWN};
}

void dgon_ctl_fini(dgon_ctl *c)
{
    dgon_free(c->models);
    dgon_free(c->allow);
    dgon_free(c->http);
    dgon_ctl_init(c);
}

/* ---- models and labels ---- */

/* Adds the bits of the words in the list `key`, so much higher. */
static dgon_status read_caps(const dgon_ctl_reader *rd, const json_t *o, const char *key,
                             uint32_t shift, uint32_t *caps)
{
    const json_t *list = json_object_get(o, key);
    if (list == NULL)
        return DGON_OK;
    if (!json_is_array(list))
        return dgon_ctl_complain(rd, DGON_EPROTO, "\"%s\" is not a list", key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (s == NULL)
            return dgon_ctl_complain(rd, DGON_EPROTO, "\"%s\" holds something not a string", key);
        *caps |= dgon_caps_bit(s) << shift;
    }
    return DGON_OK;
}

static dgon_status read_model(const dgon_ctl_reader *rd, const json_t *o, dgon_ctl_model *m)
{
    *m = (dgon_ctl_model){.context = 0};
    if (!json_is_object(o))
        return dgon_ctl_complain(rd, DGON_EPROTO, "a model is not an object");
    dgon_status s = dgon_ctl_read_name(rd, o, "name", DGON_CTL_REQUIRED, dgon_wire_is_model_name,
                                       m->name, sizeof m->name);
    if (s == DGON_OK)
        s = dgon_ctl_read_name(rd, o, "backend", DGON_CTL_OPTIONAL, dgon_wire_is_agent_id,
                               m->backend, sizeof m->backend);
    if (s == DGON_OK)
        s = dgon_ctl_read_u32(rd, o, "context", DGON_CTL_OPTIONAL, 0, UINT32_MAX, &m->context);
    if (s == DGON_OK)
        s = dgon_ctl_read_bool(rd, o, "loaded", &m->loaded);
    if (s == DGON_OK)
        s = read_caps(rd, o, "capabilities", 0, &m->caps);
    return s == DGON_OK ? read_caps(rd, o, "lacks", DGON_CAP_LACKS, &m->caps) : s;
}

static bool has_model(const dgon_ctl *c, const char *name)
{
    for (uint32_t i = 0; i < c->model_count; i++) {
        if (strcmp(c->models[i].name, name) == 0)
            return true;
    }
    return false;
}

static dgon_status read_models(const dgon_ctl_reader *rd, const json_t *o)
{
    const json_t *list = json_object_get(o, "models");
    size_t n = json_array_size(list);
    dgon_ctl *c = rd->c;
    if (list == NULL)
        return dgon_ctl_missing(rd, "models", DGON_CTL_REQUIRED);
    if (!json_is_array(list))
        return dgon_ctl_complain(rd, DGON_EPROTO, "\"models\" is not a list");
    if (n > DGON_WIRE_MODELS_MAX)
        return dgon_ctl_complain(rd, DGON_ETOOBIG, "more than %u models", DGON_WIRE_MODELS_MAX);
    if (n == 0)
        return DGON_OK;
    c->models = dgon_calloc(n, sizeof *c->models);
    if (c->models == NULL)
        return dgon_ctl_complain(rd, DGON_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        dgon_ctl_model *m = &c->models[c->model_count];
        dgon_status s = read_model(rd, json_array_get(list, i), m);
        if (s != DGON_OK)
            return s;
        c->model_count += !has_model(c, m->name);
    }
    return DGON_OK;
}

static dgon_status read_allow(const dgon_ctl_reader *rd, const json_t *o)
{
    const json_t *v = json_object_get(o, "allow");
    size_t n = json_string_length(v);
    if (v == NULL || json_is_null(v))
        return DGON_OK;
    if (!json_is_string(v) || strlen(json_string_value(v)) != n ||
        dgon_pass_check(json_string_value(v)) != NULL)
        return dgon_ctl_complain(rd, DGON_EPROTO, "\"allow\" is not a list of METHOD /path");
    rd->c->allow = dgon_malloc(n + 1);
    if (rd->c->allow == NULL)
        return dgon_ctl_complain(rd, DGON_ENOMEM, "out of memory");
    memcpy(rd->c->allow, json_string_value(v), n + 1);
    return DGON_OK;
}

static dgon_status read_models_message(const dgon_ctl_reader *rd, const json_t *o)
{
    dgon_status s = read_models(rd, o);
    rd->c->loads = json_object_get(o, "pull") != NULL;
    if (s == DGON_OK)
        s = dgon_ctl_read_bool(rd, o, "pull", &rd->c->pulls);
    return s == DGON_OK ? read_allow(rd, o) : s;
}

static dgon_status read_labels(const dgon_ctl_reader *rd, json_t *o)
{
    json_t *labels = json_object_get(o, "labels");
    const char *key;
    json_t *v;
    if (labels == NULL)
        return DGON_OK;
    if (!json_is_object(labels))
        return dgon_ctl_complain(rd, DGON_EPROTO, "\"labels\" is not an object");
    if (json_object_size(labels) > LABELS_MAX)
        return dgon_ctl_complain(rd, DGON_ETOOBIG, "more than %u labels", LABELS_MAX);
    json_object_foreach(labels, key, v)
    {
        if (!json_is_string(v))
            return dgon_ctl_complain(rd, DGON_EPROTO, "a label is not a string");
        if (strlen(key) > LABEL_KEY_MAX || json_string_length(v) > LABEL_VALUE_MAX)
            return dgon_ctl_complain(rd, DGON_ETOOBIG,
                                     "a label is longer than %u or its value than %u",
                                     LABEL_KEY_MAX, LABEL_VALUE_MAX);
    }
    return DGON_OK;
}

/* ---- the messages ---- */

static dgon_status read_protocol_range(const dgon_ctl_reader *rd, const json_t *o)
{
    const json_t *range = json_object_get(o, "protocol");
    const json_t *lo = json_array_get(range, 0);
    const json_t *hi = json_array_get(range, 1);
    json_int_t min = json_integer_value(lo);
    json_int_t max = json_integer_value(hi);
    if (json_array_size(range) != 2 || !json_is_integer(lo) || !json_is_integer(hi) || min < 1 ||
        min > max || max > UINT16_MAX)
        return dgon_ctl_complain(rd, DGON_EPROTO, "\"protocol\" is not a range [first, last]");
    rd->c->protocol_min = (uint32_t)min;
    rd->c->protocol_max = (uint32_t)max;
    return DGON_OK;
}

static int is_version(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] < 0x20 || s[i] > 0x7e)
            return 0;
    }
    return 1;
}

static int is_hex(const char *s, size_t n)
{
    return strspn(s, "0123456789abcdef") == n;
}

/* Exactly as many small hex digits as `out` holds. */
static dgon_status read_hex(const dgon_ctl_reader *rd, const json_t *o, const char *key, char *out,
                            size_t size)
{
    dgon_status s = dgon_ctl_read_name(rd, o, key, DGON_CTL_REQUIRED, is_hex, out, size);
    return s != DGON_OK || strlen(out) == size - 1
               ? s
               : dgon_ctl_complain(rd, DGON_EPROTO, "\"%s\" is not %zu hex digits", key, size - 1);
}

static dgon_status read_signed(const dgon_ctl_reader *rd, const json_t *o)
{
    dgon_ctl *c = rd->c;
    dgon_status s = read_hex(rd, o, "key", c->key, sizeof c->key);
    return s == DGON_OK ? read_hex(rd, o, "signature", c->signature, sizeof c->signature) : s;
}

static dgon_status read_slots(const dgon_ctl_reader *rd, const json_t *o)
{
    return dgon_ctl_read_u32(rd, o, "slots", DGON_CTL_REQUIRED, 0, DGON_WIRE_SLOTS_MAX,
                             &rd->c->slots);
}

static dgon_status read_hello(const dgon_ctl_reader *rd, json_t *o)
{
    dgon_ctl *c = rd->c;
    dgon_status s = read_protocol_range(rd, o);
    if (s == DGON_OK)
        s = dgon_ctl_read_name(rd, o, "agent", DGON_CTL_REQUIRED, dgon_wire_is_agent_id, c->agent,
                               sizeof c->agent);
    if (s == DGON_OK)
        s = dgon_ctl_read_hex64(rd, o, "instance", &c->instance);
    if (s == DGON_OK)
        s = dgon_ctl_read_name(rd, o, "version", DGON_CTL_OPTIONAL, is_version, c->version,
                               sizeof c->version);
    if (s == DGON_OK)
        s = dgon_ctl_read_name(rd, o, "os", DGON_CTL_OPTIONAL, is_version, c->os, sizeof c->os);
    if (s == DGON_OK)
        s = read_slots(rd, o);
    if (s == DGON_OK && json_object_get(o, "key") != NULL)
        s = read_signed(rd, o);
    if (s == DGON_OK)
        s = read_labels(rd, o);
    return s == DGON_OK ? read_models_message(rd, o) : s;
}

static dgon_status read_welcome(const dgon_ctl_reader *rd, const json_t *o)
{
    dgon_ctl *c = rd->c;
    dgon_status s =
        dgon_ctl_read_u32(rd, o, "protocol", DGON_CTL_REQUIRED, 1, UINT16_MAX, &c->protocol);
    if (s == DGON_OK)
        s = dgon_ctl_read_u32(rd, o, "link", DGON_CTL_REQUIRED, 0, UINT32_MAX, &c->link);
    if (s == DGON_OK)
        s = dgon_ctl_read_u32(rd, o, "children", DGON_CTL_REQUIRED, 1, UINT16_MAX, &c->children);
    if (s == DGON_OK)
        s = dgon_ctl_read_u32(rd, o, "child", DGON_CTL_REQUIRED, 0, UINT16_MAX, &c->child);
    if (s == DGON_OK)
        s = dgon_ctl_read_u32(rd, o, "window", DGON_CTL_REQUIRED, 1, INT32_MAX, &c->window);
    if (s == DGON_OK)
        s = dgon_ctl_read_u32(rd, o, "ping", DGON_CTL_REQUIRED, 1, SECONDS_MAX, &c->ping_s);
    if (s == DGON_OK)
        s = dgon_ctl_read_u32(rd, o, "hangup", DGON_CTL_REQUIRED, 1, SECONDS_MAX, &c->hangup_s);
    if (s == DGON_OK && json_object_get(o, "registry") != NULL)
        s = dgon_ctl_read_hex64(rd, o, "registry", &c->registry);
    if (s == DGON_OK)
        s = dgon_ctl_read_name(rd, o, "agent", DGON_CTL_OPTIONAL, dgon_wire_is_agent_id, c->agent,
                               sizeof c->agent);
    return s == DGON_OK ? dgon_ctl_read_name(rd, o, "gateway", DGON_CTL_OPTIONAL,
                                             dgon_wire_is_agent_id, c->gateway, sizeof c->gateway)
                        : s;
}

static dgon_status read_job_numbers(const dgon_ctl_reader *rd, const json_t *o)
{
    dgon_ctl *c = rd->c;
    uint64_t created = 0;
    dgon_status s = dgon_ctl_read_u32(rd, o, "job", DGON_CTL_REQUIRED, 0, UINT32_MAX, &c->job);
    if (s == DGON_OK)
        s = dgon_ctl_read_u32(rd, o, "attempt", DGON_CTL_REQUIRED, 0, UINT8_MAX, &c->attempt);
    if (s == DGON_OK)
        s = dgon_ctl_read_u64(rd, o, "created", DGON_CTL_REQUIRED, 0, INT64_MAX, &created);
    c->created = (int64_t)created;
    if (s == DGON_OK)
        s = dgon_ctl_read_u64(rd, o, "body", DGON_CTL_OPTIONAL, 0, INT64_MAX, &c->body);
    return s == DGON_OK ? dgon_ctl_read_u32(rd, o, "deadline", DGON_CTL_OPTIONAL, 0, UINT32_MAX,
                                            &c->deadline_ms)
                        : s;
}

/* The head of a request that is passed on; its body is open. */
static dgon_status read_http(const dgon_ctl_reader *rd, const json_t *o)
{
    dgon_ctl *c = rd->c;
    dgon_buf text;
    dgon_buf_init(&text, DGON_PASS_HEAD_MAX);
    c->http = dgon_malloc(sizeof *c->http);
    dgon_status s =
        c->http != NULL ? dgon_tree_dump(&text, json_object_get(o, "http")) : DGON_ENOMEM;
    if (s == DGON_OK)
        s = dgon_pass_request_read(c->http, text.data, text.len);
    dgon_buf_fini(&text);
    c->body = DGON_WIRE_BODY_OPEN;
    return s == DGON_OK || s == DGON_ENOMEM
               ? s
               : dgon_ctl_complain(rd, DGON_EPROTO, "\"http\" is no head of a request");
}

static dgon_status read_job(const dgon_ctl_reader *rd, const json_t *o)
{
    dgon_ctl *c = rd->c;
    bool pass = json_object_get(o, "http") != NULL;
    int required = pass ? DGON_CTL_OPTIONAL : DGON_CTL_REQUIRED;
    dgon_status s = read_job_numbers(rd, o);
    if (s == DGON_OK && pass)
        s = read_http(rd, o);
    else if (s == DGON_OK && json_object_get(o, "body") == NULL)
        s = dgon_ctl_missing(rd, "body", DGON_CTL_REQUIRED);
    if (s == DGON_OK)
        s = dgon_ctl_read_name(rd, o, "op", DGON_CTL_REQUIRED, dgon_wire_is_agent_id, c->op,
                               sizeof c->op);
    if (strcmp(c->op, dgon_op_str(DGON_OP_LOAD)) == 0)
        required = DGON_CTL_OPTIONAL; /* its body says which one */
    if (s == DGON_OK)
        s = dgon_ctl_read_name(rd, o, "model", required, dgon_wire_is_model_name, c->model,
                               sizeof c->model);
    if (s == DGON_OK)
        s = dgon_ctl_read_name(rd, o, "public", required, dgon_wire_is_model_name, c->public_model,
                               sizeof c->public_model);
    if (s == DGON_OK)
        s = dgon_ctl_read_name(rd, o, "id", DGON_CTL_REQUIRED, dgon_wire_is_agent_id, c->id,
                               sizeof c->id);
    if (s == DGON_OK)
        s = dgon_ctl_read_bool(rd, o, "stream", &c->stream);
    return s == DGON_OK
               ? dgon_ctl_read_name(rd, o, "traceparent", DGON_CTL_OPTIONAL,
                                    dgon_ctl_is_traceparent, c->traceparent, sizeof c->traceparent)
               : s;
}

static dgon_status read_goaway(const dgon_ctl_reader *rd, const json_t *o)
{
    dgon_status s = dgon_ctl_read_name(rd, o, "reason", DGON_CTL_OPTIONAL, is_version,
                                       rd->c->reason, sizeof rd->c->reason);
    if (s == DGON_OK)
        s = dgon_ctl_read_u32(rd, o, "drain", DGON_CTL_OPTIONAL, 0, SECONDS_MAX, &rd->c->drain_s);
    return s == DGON_OK ? dgon_ctl_read_u32(rd, o, "waiting", DGON_CTL_OPTIONAL, 0,
                                            DGON_WIRE_SLOTS_MAX, &rd->c->waiting)
                        : s;
}

static dgon_ctl_type type_of(const char *name)
{
    for (size_t i = 1; i < DGON_CTL_TYPES; i++) {
        if (strcmp(name, dgon_ctl_type_names[i]) == 0)
            return (dgon_ctl_type)i;
    }
    return DGON_CTL_UNKNOWN;
}

static dgon_status read_message(const dgon_ctl_reader *rd, json_t *o)
{
    const char *type = json_string_value(json_object_get(o, "type"));
    if (!json_is_object(o))
        return dgon_ctl_complain(rd, DGON_EJSON, "not an object");
    if (type == NULL)
        return dgon_ctl_complain(rd, DGON_EPROTO, "\"type\" is missing or not a string");
    rd->c->type = type_of(type);
    switch (rd->c->type) {
    case DGON_CTL_HELLO:
        return read_hello(rd, o);
    case DGON_CTL_MODELS:
        return read_models_message(rd, o);
    case DGON_CTL_CAPACITY:
        return read_slots(rd, o);
    case DGON_CTL_WELCOME:
        return read_welcome(rd, o);
    case DGON_CTL_JOB:
        return read_job(rd, o);
    case DGON_CTL_GOAWAY:
        return read_goaway(rd, o);
    case DGON_CTL_CHALLENGE:
        return read_hex(rd, o, "nonce", rd->c->nonce, sizeof rd->c->nonce);
    case DGON_CTL_KEY:
        return read_signed(rd, o);
    case DGON_CTL_DRAINING:
    case DGON_CTL_ROTATE:
    case DGON_CTL_UNKNOWN:
        break;
    }
    return DGON_OK;
}

static dgon_status load(const dgon_ctl_reader *rd, const char *p, size_t n, json_t **o)
{
    json_error_t err;
    size_t offset;
    if (n > DGON_WIRE_CONTROL_MAX)
        return dgon_ctl_complain(rd, DGON_ETOOBIG, "longer than %u bytes", DGON_WIRE_CONTROL_MAX);
    switch (dgon_json_precheck(p, n, DEPTH_MAX, &offset)) {
    case DGON_OK:
        break;
    case DGON_EDEPTH:
        return dgon_ctl_complain(rd, DGON_EJSON, "nested deeper than %u", DEPTH_MAX);
    default:
        return dgon_ctl_complain(rd, DGON_EJSON, "NUL or invalid UTF-8 at byte %zu", offset);
    }
    dgon_status s = dgon_json_load(o, p, n, 0, &err);
    if (s == DGON_EJSON)
        return dgon_ctl_complain(rd, s, "not JSON at byte %d", err.position);
    return s == DGON_OK ? s : dgon_ctl_complain(rd, s, "out of memory");
}

dgon_status dgon_ctl_parse(dgon_ctl *c, const char *p, size_t n, char *why, size_t why_size)
{
    const dgon_ctl_reader rd = {c, why, why_size};
    json_t *o = NULL;
    dgon_ctl_fini(c);
    if (why != NULL && why_size > 0)
        why[0] = '\0';
    if (dgon_ctl_peek_job(c, p, n))
        return DGON_OK;
    dgon_status s = load(&rd, p, n, &o);
    if (s == DGON_OK)
        s = read_message(&rd, o);
    json_decref(o);
    if (s != DGON_OK)
        dgon_ctl_fini(c);
    return s;
}

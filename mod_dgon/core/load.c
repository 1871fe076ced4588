#include "dgon/load.h"

#include "dgon/json.h"
#include "check_int.h"
#include "tree_int.h"
#include "utf8_int.h"

#include <inttypes.h>
#include <string.h>

#define DEPTH_MAX 8u
#define BYTES_MAX (UINT64_C(1) << 53) /* the last that a JSON reader is sure to take */

static const char *const states[DGON_LOAD_STATES] = {"waiting", "pulling", "loading",
                                                     "loaded",  "failed",  "cannot"};

const char *dgon_load_state_str(dgon_load_state s)
{
    return (unsigned)s < DGON_LOAD_STATES ? states[s] : "";
}

bool dgon_load_is_last(dgon_load_state s)
{
    return s >= DGON_LOAD_LOADED;
}

void dgon_load_set(dgon_load_progress *to, dgon_load_state state, const char *reason)
{
    memset(to, 0, sizeof *to);
    to->state = state;
    if (reason != NULL) {
        size_t n = strlen(reason);
        memcpy(to->reason, reason, dgon_utf8_cut(reason, n, DGON_LOAD_REASON_MAX));
    }
}

bool dgon_load_same(const dgon_load_progress *a, const dgon_load_progress *b)
{
    return a->state == b->state && a->completed == b->completed && a->total == b->total &&
           strcmp(a->reason, b->reason) == 0;
}

bool dgon_load_is_name(const char *name, const char *asked)
{
    size_t n = strlen(asked);
    return strncmp(name, asked, n) == 0 &&
           (name[n] == '\0' || (strcmp(name + n, ":latest") == 0 && strchr(asked, ':') == NULL));
}

/* ---- questions ---- */

/* An object whose nesting and bytes are sound. */
static dgon_status load_object(json_t **root, const char *p, size_t n, size_t max)
{
    json_error_t why;
    *root = NULL;
    if (n > max || dgon_json_precheck(p, n, DEPTH_MAX, NULL) != DGON_OK)
        return DGON_EJSON;
    dgon_status s = dgon_tree_load(root, p, n, JSON_REJECT_DUPLICATES, &why);
    if (s == DGON_OK && !json_is_object(*root)) {
        json_decref(*root);
        *root = NULL;
        s = DGON_EJSON;
    }
    return s;
}

static bool take_name(const json_t *v, char model[DGON_WIRE_NAME_MAX + 1])
{
    size_t n = json_string_length(v);
    if (!json_is_string(v) || !dgon_wire_is_model_name(json_string_value(v), n))
        return false;
    memcpy(model, json_string_value(v), n + 1);
    return true;
}

static dgon_status read_ask(const json_t *root, char model[DGON_WIRE_NAME_MAX + 1],
                            uint32_t *agents, dgon_error *e)
{
    const json_t *name = json_object_get(root, "model_name");
    const json_t *number = json_object_get(root, "init_nodes_num");
    int64_t n = 1;
    if (name == NULL)
        return dgon_check_refuse(e, "missing_required_parameter", "model_name",
                                 "'model_name' is missing: the model to load.");
    if (!take_name(name, model))
        return dgon_check_refuse(e, "invalid_value", "model_name",
                                 "'model_name' is no name of a model.");
    if (number != NULL && (!dgon_tree_whole(number, &n) || n < 1 || n > DGON_LOAD_AGENTS_MAX))
        return dgon_check_refuse(e, "invalid_value", "init_nodes_num",
                                 "'init_nodes_num' must be a number from 1 to %u.",
                                 DGON_LOAD_AGENTS_MAX);
    *agents = (uint32_t)n;
    return DGON_OK;
}

dgon_status dgon_load_ask_in(const char *p, size_t n, char model[DGON_WIRE_NAME_MAX + 1],
                             uint32_t *agents, dgon_error *e)
{
    json_t *root;
    dgon_status s = load_object(&root, p, n, DGON_LOAD_BODY_MAX);
    if (s == DGON_OK) {
        s = read_ask(root, model, agents, e);
        json_decref(root);
    } else if (s == DGON_ENOMEM) {
        dgon_error_set(e, 500, NULL, NULL, "The gateway is short of memory.");
    } else {
        s = dgon_check_refuse(e, NULL, NULL,
                              "The body must be one JSON object: {\"model_name\": …, "
                              "\"init_nodes_num\": …}.");
    }
    return s;
}

dgon_status dgon_load_body_write(dgon_buf *out, const char *model)
{
    dgon_status s = dgon_buf_adds(out, "{\"model\":");
    if (s == DGON_OK)
        s = dgon_buf_add_json_string(out, model, strlen(model));
    return s == DGON_OK ? dgon_buf_adds(out, "}") : s;
}

dgon_status dgon_load_body_in(const char *p, size_t n, char model[DGON_WIRE_NAME_MAX + 1])
{
    json_t *root;
    dgon_status s = load_object(&root, p, n, DGON_LOAD_BODY_MAX);
    if (s == DGON_OK && !take_name(json_object_get(root, "model"), model))
        s = DGON_EJSON;
    json_decref(root);
    return s;
}

/* ---- progress ---- */

dgon_status dgon_load_progress_write(dgon_buf *out, const char *agent, const dgon_load_progress *p)
{
    size_t before = out->len;
    dgon_status s = dgon_buf_adds(out, agent != NULL ? "{\"agent\":" : "{");
    if (s == DGON_OK && agent != NULL)
        s = dgon_buf_add_json_string(out, agent, strlen(agent));
    if (s == DGON_OK)
        s = dgon_buf_addf(out, "%s\"state\":\"%s\"", agent != NULL ? "," : "",
                          dgon_load_state_str(p->state));
    if (s == DGON_OK && p->total > 0)
        s = dgon_buf_addf(out, ",\"completed\":%" PRIu64 ",\"total\":%" PRIu64, p->completed,
                          p->total);
    if (s == DGON_OK && p->reason[0] != '\0') {
        s = dgon_buf_adds(out, ",\"reason\":");
        if (s == DGON_OK)
            s = dgon_buf_add_json_string(out, p->reason, strlen(p->reason));
    }
    if (s == DGON_OK)
        s = dgon_buf_adds(out, "}");
    if (s != DGON_OK)
        out->len = before;
    return s;
}

static uint64_t bytes_of(const json_t *o, const char *key)
{
    uint64_t n = (uint64_t)dgon_tree_int(o, key, 0);
    return n < BYTES_MAX ? n : BYTES_MAX;
}

static void take_bytes(dgon_load_progress *to, uint64_t completed, uint64_t total)
{
    to->total = total < BYTES_MAX ? total : BYTES_MAX;
    to->completed = completed < to->total ? completed : to->total;
}

static dgon_load_state state_of(const char *word)
{
    unsigned k = 0;
    while (word != NULL && k < DGON_LOAD_STATES && strcmp(word, states[k]) != 0)
        k++;
    return word != NULL ? (dgon_load_state)k : DGON_LOAD_STATES;
}

dgon_status dgon_load_progress_in(dgon_load_progress *to, const char *p, size_t n)
{
    json_t *root;
    dgon_status s = load_object(&root, p, n, DGON_LOAD_EVENT_MAX);
    if (s != DGON_OK)
        return s;
    dgon_load_state state = state_of(dgon_tree_str(root, "state"));
    if (state < DGON_LOAD_STATES) {
        dgon_load_set(to, state, dgon_tree_str(root, "reason"));
        take_bytes(to, bytes_of(root, "completed"), bytes_of(root, "total"));
    } else {
        s = DGON_EJSON;
    }
    json_decref(root);
    return s;
}

/* ---- model servers ---- */

static void next_layer(dgon_load_pull *t, const char *digest)
{
    size_t n = strlen(digest);
    if (n > DGON_LOAD_DIGEST_MAX || strcmp(t->digest, digest) == 0)
        return;
    t->before += t->layer < BYTES_MAX - t->before ? t->layer : BYTES_MAX - t->before;
    t->layer = 0;
    memcpy(t->digest, digest, n + 1);
}

static void take_layer(dgon_load_pull *t, dgon_load_progress *to, const json_t *line)
{
    const char *digest = dgon_tree_str(line, "digest");
    uint64_t completed = bytes_of(line, "completed");
    if (digest != NULL)
        next_layer(t, digest);
    if (digest == NULL || bytes_of(line, "total") == 0)
        completed = t->layer; /* it checks, or writes down what it has */
    else
        t->layer = bytes_of(line, "total");
    take_bytes(to, t->before + (completed < t->layer ? completed : t->layer), t->before + t->layer);
}

dgon_status dgon_load_pull_in(dgon_load_pull *t, dgon_load_progress *to, const char *p, size_t n)
{
    json_t *line;
    dgon_status s = dgon_tree_load_backend(&line, p, n);
    if (s != DGON_OK)
        return s;
    const char *error = dgon_tree_str(line, "error"), *status = dgon_tree_str(line, "status");
    if (error != NULL) {
        dgon_load_set(to, DGON_LOAD_FAILED, error);
        s = DGON_EBACKEND;
    } else if (!json_is_object(line)) {
        s = DGON_EJSON;
    } else {
        dgon_load_set(to, DGON_LOAD_PULLING, NULL);
        take_layer(t, to, line);
        s = status != NULL && strcmp(status, "success") == 0 ? DGON_DONE : DGON_OK;
    }
    json_decref(line);
    return s;
}

dgon_status dgon_load_router_in(dgon_load_progress *to, const char *model, const char *p, size_t n)
{
    json_t *root;
    dgon_status s = dgon_tree_load_backend(&root, p, n);
    if (s != DGON_OK)
        return s;
    const json_t *data = json_object_get(root, "data"), *m;
    size_t i;
    s = json_is_array(data) ? DGON_ENOTFOUND : DGON_EJSON;
    json_array_foreach(data, i, m)
    {
        const char *id = dgon_tree_str(m, "id");
        if (id == NULL || strcmp(id, model) != 0)
            continue;
        const json_t *status = json_object_get(m, "status");
        const char *value = dgon_tree_str(status, "value");
        if (value != NULL && strcmp(value, "loaded") == 0)
            dgon_load_set(to, DGON_LOAD_LOADED, NULL);
        else if (json_is_true(json_object_get(status, "failed")))
            dgon_load_set(to, DGON_LOAD_FAILED,
                          "The model server could not start the model; its log says why.");
        else
            dgon_load_set(to, DGON_LOAD_LOADING, NULL);
        s = DGON_OK;
        break;
    }
    json_decref(root);
    return s;
}

/* Ollama's lists of models: all (/api/tags) and loaded (/api/ps), read in the agent and written in
 * the module. */
#include "dgon/ollama.h"

#include "dgon/control.h"
#include "caps_int.h"
#include "check_int.h"
#include "tree_int.h"

#include <inttypes.h>
#include <string.h>

static uint32_t caps_of(const json_t *m)
{
    const json_t *v;
    size_t i;
    const json_t *told = json_object_get(m, "capabilities");
    uint32_t caps = json_is_array(told) ? 0 : DGON_CAP_COMPLETION; /* older servers do not tell */
    json_array_foreach(told, i, v)
    {
        caps |= dgon_caps_bit(json_string_value(v));
    }
    /* Not tools, which a template may have that Ollama does not understand, nor embedding: some
     * versions embed with every model. */
    if (json_array_size(told) > 0)
        caps |= (~caps & (DGON_CAP_COMPLETION | DGON_CAP_VISION)) << DGON_CAP_LACKS;
    return caps;
}

static uint32_t context_of(const json_t *o)
{
    int64_t n = dgon_tree_int(o, "context_length", 0);
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static dgon_status read_models(const char *p, size_t n, bool loaded, dgon_model_fn fn, void *user)
{
    json_t *root;
    dgon_status s = dgon_tree_load_backend(&root, p, n);
    if (s != DGON_OK)
        return s;
    const json_t *models = json_object_get(root, "models"), *m;
    size_t i, count = 0;
    json_array_foreach(models, i, m)
    {
        const json_t *name = json_object_get(m, "name");
        if (!json_is_string(name) || count >= DGON_WIRE_MODELS_MAX ||
            !dgon_wire_is_model_name(json_string_value(name), json_string_length(name)))
            continue;
        count++;
        if (loaded)
            fn(user, json_string_value(name), context_of(m), 0, true);
        else
            fn(user, json_string_value(name), context_of(json_object_get(m, "details")), caps_of(m),
               false);
    }
    s = json_is_array(models) ? DGON_OK : DGON_EJSON;
    json_decref(root);
    return s;
}

dgon_status dgon_ollama_tags_in(const char *p, size_t n, dgon_model_fn fn, void *user)
{
    return read_models(p, n, false, fn, user);
}

dgon_status dgon_ollama_ps_in(const char *p, size_t n, dgon_model_fn fn, void *user)
{
    return read_models(p, n, true, fn, user);
}

/* ---- for Ollama's own programs ---- */

#define FOREVER "2318-01-01T00:00:00Z" /* until when a model stays loaded: we do not know */

static dgon_status add_string(dgon_buf *out, const char *key, const char *value)
{
    dgon_status s = dgon_buf_addf(out, "\"%s\":", key);
    return s == DGON_OK ? dgon_buf_add_json_string(out, value, strlen(value)) : s;
}

/* Programs cut twelve digits from it: of the name, so that equal names have equal ones. */
static dgon_status add_digest(dgon_buf *out, const char *name)
{
    dgon_status s = dgon_buf_adds(out, "\"digest\":\"");
    for (unsigned part = 0; part < 4 && s == DGON_OK; part++) {
        uint64_t h = UINT64_C(14695981039346656037) + part; /* FNV-1a */
        for (const char *p = name; *p != '\0'; p++)
            h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
        s = dgon_buf_addf(out, "%016" PRIx64, h);
    }
    return s == DGON_OK ? dgon_buf_adds(out, "\"") : s;
}

static dgon_status add_details(dgon_buf *out, const dgon_ollama_model *m)
{
    dgon_status s = dgon_buf_addf(
        out,
        "\"details\":{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":\"\",\"families\":[],"
        "\"parameter_size\":\"\",\"quantization_level\":\"\",\"context_length\":%" PRIu32 "},",
        m->context);
    return s == DGON_OK ? dgon_caps_write(out, "capabilities", m->caps) : s;
}

dgon_status dgon_ollama_model_write(dgon_buf *out, const dgon_ollama_model *m, bool loaded)
{
    size_t before = out->len;
    dgon_status s = dgon_buf_adds(out, "{");
    if (s == DGON_OK)
        s = add_string(out, "name", m->name);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, ",");
    if (s == DGON_OK)
        s = add_string(out, "model", m->name);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, ",");
    if (s == DGON_OK)
        s = loaded ? dgon_buf_addf(out,
                                   "\"expires_at\":\"" FOREVER "\",\"size_vram\":0,"
                                   "\"context_length\":%" PRIu32,
                                   m->context)
                   : add_string(out, "modified_at", m->modified);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, ",\"size\":0,");
    if (s == DGON_OK)
        s = add_digest(out, m->name);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, ",");
    if (s == DGON_OK)
        s = add_details(out, m);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, "}");
    if (s != DGON_OK)
        out->len = before;
    return s;
}

dgon_status dgon_ollama_show_write(dgon_buf *out, const dgon_ollama_model *m)
{
    size_t before = out->len;
    dgon_status s =
        dgon_buf_adds(out, "{\"modelfile\":\"\",\"parameters\":\"\",\"template\":\"\",");
    if (s == DGON_OK)
        s = add_string(out, "modified_at", m->modified);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, ",");
    if (s == DGON_OK)
        s = add_details(out, m);
    if (s == DGON_OK)
        s = dgon_buf_addf(out,
                          ",\"model_info\":{\"general.architecture\":\"dgon\","
                          "\"dgon.context_length\":%" PRIu32 "}}",
                          m->context);
    if (s != DGON_OK)
        out->len = before;
    return s;
}

dgon_status dgon_ollama_show_in(const char *body, size_t n, char name[DGON_WIRE_NAME_MAX + 1],
                                dgon_error *e)
{
    json_error_t err;
    json_t *root = NULL;
    dgon_status s = dgon_json_precheck(body, n, DGON_JSON_DEPTH_MAX, NULL);
    if (s == DGON_OK)
        s = dgon_tree_load(&root, body, n, JSON_REJECT_DUPLICATES, &err);
    const char *v = dgon_tree_str(root, "model");
    if (v == NULL || *v == '\0')
        v = dgon_tree_str(root, "name");
    if (s != DGON_OK)
        s = dgon_check_refuse(e, NULL, NULL, "The body is not good JSON.");
    else if (v == NULL || !dgon_wire_is_model_name(v, strlen(v)))
        s = dgon_check_refuse(e, "missing_required_parameter", "model", "model is required");
    else
        memcpy(name, v, strlen(v) + 1);
    json_decref(root);
    return s;
}

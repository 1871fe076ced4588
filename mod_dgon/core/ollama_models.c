/* Ollama's lists of models: all (/api/tags) and loaded (/api/ps). */
#include "dgon/ollama.h"

#include "dgon/control.h"
#include "tree_int.h"

#include <string.h>

static uint32_t cap_of(const char *name)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } names[] = {{"completion", DGON_CAP_COMPLETION},
                 {"tools", DGON_CAP_TOOLS},
                 {"vision", DGON_CAP_VISION},
                 {"thinking", DGON_CAP_THINKING},
                 {"embedding", DGON_CAP_EMBED}};
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        if (name != NULL && strcmp(name, names[k].name) == 0)
            return names[k].bit;
    }
    return 0;
}

static uint32_t caps_of(const json_t *m)
{
    const json_t *v;
    size_t i;
    const json_t *told = json_object_get(m, "capabilities");
    uint32_t caps = json_is_array(told) ? 0 : DGON_CAP_COMPLETION; /* older servers do not tell */
    json_array_foreach(told, i, v)
    {
        caps |= cap_of(json_string_value(v));
    }
    /* not embedding: some versions embed with every model and do not tell */
    if (json_array_size(told) > 0)
        caps |= (~caps & (DGON_CAP_COMPLETION | DGON_CAP_TOOLS | DGON_CAP_VISION))
                << DGON_CAP_LACKS;
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

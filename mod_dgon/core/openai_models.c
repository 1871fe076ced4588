/* Model lists: the gateway's own entries, and what an OpenAI-compatible backend tells. */
#include "dgon/openai.h"

#include "dgon/control.h"
#include "caps_int.h"
#include "openai_int.h"
#include "tree_int.h"

#include <inttypes.h>
#include <string.h>

dgon_status dgon_openai_model_write(dgon_buf *out, const dgon_openai_model *m)
{
    size_t before = out->len;
    dgon_status s = dgon_buf_adds(out, "{\"id\":");
    if (s == DGON_OK)
        s = dgon_buf_add_json_string(out, m->name, strlen(m->name));
    if (s == DGON_OK)
        s = dgon_buf_addf(out,
                          ",\"object\":\"model\",\"created\":%" PRId64 ",\"owned_by\":\"dgon\",",
                          m->created);
    if (s == DGON_OK && m->context > 0)
        s = dgon_buf_addf(out, "\"context_length\":%" PRIu32 ",", m->context);
    if (s == DGON_OK)
        s = dgon_caps_write(out, "capabilities", m->caps);
    if (s == DGON_OK)
        s = dgon_buf_addf(out, ",\"dgon\":{\"agents\":%" PRIu32 ",\"loaded\":%s}}", m->agents,
                          m->loaded ? "true" : "false");
    if (s != DGON_OK)
        out->len = before;
    return s;
}

static bool has_word(const json_t *list, const char *word)
{
    const json_t *v;
    size_t i;
    json_array_foreach(list, i, v)
    {
        if (json_is_string(v) && strcmp(json_string_value(v), word) == 0)
            return true;
    }
    return false;
}

static uint32_t context_of(const json_t *m)
{
    const json_t *meta = json_object_get(m, "meta");
    int64_t n = dgon_tree_int(meta, "n_ctx", 0); /* of a slot: what a request may fill */
    if (n == 0)
        n = dgon_tree_int(meta, "n_ctx_train", 0);
    if (n == 0)
        n = dgon_tree_int(m, "max_model_len", 0);
    if (n == 0)
        n = dgon_tree_int(m, "context_length", 0);
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* Nobody tells all of it: what a server tells of its kinds of input, and chat for every model that
 * does not say that it embeds. */
static uint32_t caps_of(const json_t *m)
{
    const json_t *inputs = json_object_get(json_object_get(m, "architecture"), "input_modalities");
    const json_t *told = json_object_get(m, "capabilities");
    const char *type = dgon_tree_str(m, "type");
    uint32_t caps = DGON_CAP_COMPLETION;
    if (has_word(told, "embedding") || (type != NULL && strncmp(type, "embedding", 9) == 0))
        caps = DGON_CAP_EMBED;
    if (has_word(inputs, "image") || has_word(told, "multimodal") || has_word(told, "vision"))
        caps |= DGON_CAP_VISION;
    else if (json_is_array(inputs) || has_word(told, "completion")) /* llama.cpp */
        caps |= DGON_CAP_VISION << DGON_CAP_LACKS;
    if (has_word(told, "tools") || has_word(told, "tool_use"))
        caps |= DGON_CAP_TOOLS;
    if (has_word(told, "thinking") || has_word(told, "reasoning"))
        caps |= DGON_CAP_THINKING;
    return caps;
}

/* Served means loaded, except where the server tells a state (llama.cpp's router, LM Studio). */
static bool is_loaded(const json_t *m)
{
    const char *state = dgon_tree_str(json_object_get(m, "status"), "value");
    if (state == NULL)
        state = dgon_tree_str(m, "state");
    return state == NULL || strcmp(state, "loaded") == 0;
}

dgon_status dgon_openai_models_in(const char *p, size_t n, dgon_model_fn fn, void *user)
{
    json_t *root;
    dgon_status s = dgon_tree_load_backend(&root, p, n);
    if (s != DGON_OK)
        return s;
    const json_t *data = json_object_get(root, "data"), *m;
    size_t i, count = 0;
    json_array_foreach(data, i, m)
    {
        const json_t *id = json_object_get(m, "id");
        if (!json_is_string(id) || count >= DGON_WIRE_MODELS_MAX ||
            !dgon_wire_is_model_name(json_string_value(id), json_string_length(id)))
            continue;
        count++;
        fn(user, json_string_value(id), context_of(m), caps_of(m), is_loaded(m));
    }
    s = json_is_array(data) ? DGON_OK : DGON_EJSON;
    json_decref(root);
    return s;
}

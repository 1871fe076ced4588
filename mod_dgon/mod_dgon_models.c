#include "mod_dgon_models.h"

#include "mod_dgon_access.h"
#include "mod_dgon_alias.h"
#include "mod_dgon_error.h"

#include "dgon/openai.h"

#include <http_protocol.h>

#include <string.h>

#define LIST_MAX (4u * 1024u * 1024u)

static uint32_t find(mod_dgon_engine *e, const char *name, size_t n, int *alias)
{
    *alias = mod_dgon_alias_find(e->conf->aliases, name, n);
    return *alias >= 0 ? mod_dgon_alias_model(e->registry, e->conf->aliases, alias)
                       : dgon_registry_model(e->registry, name, n);
}

uint32_t mod_dgon_models_find(mod_dgon_engine *e, const char *name, bool tags, int *alias)
{
    static const char latest[] = ":latest";
    size_t n = strlen(name), tag = sizeof(latest) - 1;
    *alias = MOD_DGON_ALIAS_NONE;
    if (!dgon_wire_is_model_name(name, n))
        return DGON_NONE;
    uint32_t model = find(e, name, n, alias);
    if (model != DGON_NONE || !tags)
        return model;
    if (n > tag && strcmp(name + n - tag, latest) == 0)
        return find(e, name, n - tag, alias);
    char with[DGON_WIRE_NAME_MAX + sizeof(latest)];
    if (strchr(name, ':') != NULL || n > DGON_WIRE_NAME_MAX - tag)
        return DGON_NONE;
    memcpy(with, name, n);
    memcpy(with + n, latest, sizeof(latest));
    return find(e, with, n + tag, alias);
}

bool mod_dgon_models_may(request_rec *r, mod_dgon_engine *e, uint32_t model, dgon_error *why)
{
    char name[DGON_WIRE_NAME_MAX + 1];
    if (!mod_dgon_access_is_limited(r))
        return true;
    if (dgon_registry_model_name(e->registry, model, name) != DGON_OK)
        name[0] = '\0'; /* nobody may use what has no name */
    name[dgon_alias_public_len(name)] = '\0';
    return mod_dgon_access_may(r, name, why);
}

static bool is_shown(mod_dgon_engine *e, uint32_t model, dgon_registry_model_info *info)
{
    if (dgon_registry_model_get(e->registry, model, info) != DGON_OK || info->agents == 0)
        return false;
    size_t n = dgon_alias_public_len(info->name);
    if (info->name[n] == '\0')
        return dgon_wire_is_model_name(info->name, n);
    /* a later step of an alias: shown while no earlier one is offered */
    int alias = mod_dgon_alias_find(e->conf->aliases, info->name, n);
    bool first = alias >= 0 && mod_dgon_alias_model(e->registry, e->conf->aliases, &alias) == model;
    info->name[n] = '\0';
    return first;
}

bool mod_dgon_models_shown(request_rec *r, mod_dgon_engine *e, uint32_t model,
                           dgon_registry_model_info *info)
{
    return is_shown(e, model, info) && mod_dgon_access_sees(r, info->name);
}

static dgon_status write_model(dgon_buf *out, const dgon_registry_model_info *info)
{
    dgon_openai_model m = {
        .name = info->name,
        .created = info->created,
        .context = info->context,
        .caps = info->caps,
        .agents = info->agents,
        .loaded = info->loaded,
    };
    return dgon_openai_model_write(out, &m);
}

static int answer(request_rec *r, dgon_buf *out, dgon_status st)
{
    if (st != DGON_OK) {
        dgon_error e;
        dgon_error_set(&e, HTTP_INTERNAL_SERVER_ERROR, NULL, NULL,
                       "The list of models could not be made: %s.", dgon_status_str(st));
        dgon_buf_fini(out);
        return mod_dgon_error_send(r, &e);
    }
    mod_dgon_error_request_id(r);
    ap_set_content_type(r, "application/json");
    ap_set_content_length(r, (apr_off_t)out->len);
    apr_table_setn(r->headers_out, "Cache-Control", "no-cache");
    if (!r->header_only)
        ap_rwrite(out->data, (int)out->len, r);
    dgon_buf_fini(out);
    return OK;
}

static dgon_status write_list(request_rec *r, dgon_buf *out, mod_dgon_engine *e)
{
    uint32_t count = dgon_registry_model_count(e->registry);
    bool first = true;
    dgon_status st = dgon_buf_adds(out, "{\"object\":\"list\",\"data\":[");
    for (uint32_t i = 0; i < count && st == DGON_OK; i++) {
        dgon_registry_model_info info;
        if (!mod_dgon_models_shown(r, e, i, &info))
            continue;
        if (!first)
            st = dgon_buf_adds(out, ",");
        first = false;
        if (st == DGON_OK)
            st = write_model(out, &info);
    }
    return st == DGON_OK ? dgon_buf_adds(out, "]}\n") : st;
}

int mod_dgon_models_list(request_rec *r, mod_dgon_engine *e)
{
    dgon_buf out;
    dgon_buf_init(&out, LIST_MAX);
    return answer(r, &out, write_list(r, &out, e));
}

int mod_dgon_models_one(request_rec *r, mod_dgon_engine *e, const char *id)
{
    dgon_registry_model_info info;
    int alias;
    uint32_t model = mod_dgon_models_find(e, id, false, &alias);
    if (model == DGON_NONE || !mod_dgon_models_shown(r, e, model, &info)) {
        dgon_error err;
        dgon_error_set(&err, HTTP_NOT_FOUND, "model_not_found", "model",
                       "The model '%.128s' does not exist.",
                       dgon_wire_is_model_name(id, strlen(id)) ? id : "(invalid name)");
        return mod_dgon_error_send(r, &err);
    }
    dgon_buf out;
    dgon_buf_init(&out, LIST_MAX);
    dgon_status st = write_model(&out, &info);
    if (st == DGON_OK)
        st = dgon_buf_adds(&out, "\n");
    return answer(r, &out, st);
}

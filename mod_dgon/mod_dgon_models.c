#include "mod_dgon_models.h"

#include "mod_dgon_error.h"

#include "dgon/openai.h"

#include <http_protocol.h>

#include <string.h>

#define LIST_MAX (4u * 1024u * 1024u)

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

static dgon_status write_list(dgon_buf *out, dgon_registry *reg)
{
    uint32_t count = dgon_registry_model_count(reg);
    bool first = true;
    dgon_status st = dgon_buf_adds(out, "{\"object\":\"list\",\"data\":[");
    for (uint32_t i = 0; i < count && st == DGON_OK; i++) {
        dgon_registry_model_info info;
        if (dgon_registry_model_get(reg, i, &info) != DGON_OK || info.agents == 0)
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
    return answer(r, &out, write_list(&out, e->registry));
}

int mod_dgon_models_one(request_rec *r, mod_dgon_engine *e, const char *id)
{
    dgon_registry_model_info info;
    uint32_t model = dgon_registry_model(e->registry, id, strlen(id));
    if (model == DGON_NONE || dgon_registry_model_get(e->registry, model, &info) != DGON_OK ||
        info.agents == 0) {
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

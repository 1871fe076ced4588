#include "mod_dgon_ollama.h"

#include "mod_dgon_api.h"
#include "mod_dgon_body.h"
#include "mod_dgon_error.h"
#include "mod_dgon_models.h"

#include "dgon/ollama.h"

#include <http_protocol.h>
#include <http_request.h>
#include <apr_time.h>

#include <string.h>

#define VERSION  "0.33.0" /* of the API that is spoken; programs look at it */
#define LIST_MAX (4u * 1024u * 1024u)
#define SHOW_MAX 65536u /* body of /api/show */

static int answer(request_rec *r, dgon_buf *out, dgon_status st)
{
    dgon_error e;
    if (st == DGON_OK) {
        ap_set_content_type(r, "application/json; charset=utf-8");
        ap_set_content_length(r, (apr_off_t)out->len);
        if (!r->header_only)
            ap_rwrite(out->data, (int)out->len, r);
        dgon_buf_fini(out);
        return OK;
    }
    dgon_error_set(&e, HTTP_INTERNAL_SERVER_ERROR, NULL, NULL, "The answer could not be made: %s.",
                   dgon_status_str(st));
    dgon_buf_fini(out);
    return mod_dgon_api_refuse(r, &e);
}

static dgon_ollama_model model_of(const dgon_registry_model_info *info, char modified[32])
{
    apr_time_exp_t t;
    apr_size_t n = 0;
    memset(&t, 0, sizeof(t));
    (void)apr_time_exp_gmt(&t, apr_time_from_sec(info->created));
    (void)apr_strftime(modified, &n, 32, "%Y-%m-%dT%H:%M:%SZ", &t);
    return (dgon_ollama_model){
        .name = info->name, .modified = modified, .context = info->context, .caps = info->caps};
}

static int list(request_rec *r, mod_dgon_engine *engine, bool loaded)
{
    uint32_t count = dgon_registry_model_count(engine->registry);
    bool first = true;
    dgon_buf out;
    dgon_buf_init(&out, LIST_MAX);
    dgon_status st = dgon_buf_adds(&out, "{\"models\":[");
    for (uint32_t i = 0; i < count && st == DGON_OK; i++) {
        dgon_registry_model_info info;
        if (!mod_dgon_models_shown(r, engine, i, &info) || (loaded && !info.loaded))
            continue;
        char modified[32];
        const dgon_ollama_model m = model_of(&info, modified);
        st = dgon_buf_adds(&out, first ? "" : ",");
        if (st == DGON_OK)
            st = dgon_ollama_model_write(&out, &m, loaded);
        first = false;
    }
    if (st == DGON_OK)
        st = dgon_buf_adds(&out, "]}");
    return answer(r, &out, st);
}

static int tags(request_rec *r, mod_dgon_engine *engine)
{
    return list(r, engine, false);
}

static int ps(request_rec *r, mod_dgon_engine *engine)
{
    return list(r, engine, true);
}

static int version(request_rec *r, mod_dgon_engine *engine)
{
    dgon_buf out;
    (void)engine;
    dgon_buf_init(&out, LIST_MAX);
    return answer(r, &out, dgon_buf_adds(&out, "{\"version\":\"" VERSION "\"}"));
}

static int show(request_rec *r, mod_dgon_engine *engine)
{
    char name[DGON_WIRE_NAME_MAX + 1];
    dgon_registry_model_info info;
    dgon_error e;
    dgon_buf body, out;
    dgon_buf_init(&body, SHOW_MAX);
    bool read = mod_dgon_body_read(r, SHOW_MAX, &body, &e) &&
                dgon_ollama_show_in(body.data, body.len, name, &e) == DGON_OK;
    dgon_buf_fini(&body);
    if (!read)
        return mod_dgon_api_refuse(r, &e);
    int alias;
    uint32_t model = mod_dgon_models_find(engine, name, true, &alias);
    if (model == DGON_NONE || !mod_dgon_models_shown(r, engine, model, &info)) {
        dgon_error_set(&e, HTTP_NOT_FOUND, "model_not_found", "model", "model '%s' not found",
                       name);
        return mod_dgon_api_refuse(r, &e);
    }
    char modified[32];
    const dgon_ollama_model m = model_of(&info, modified);
    dgon_buf_init(&out, LIST_MAX);
    return answer(r, &out, dgon_ollama_show_write(&out, &m));
}

static int forbidden(request_rec *r, mod_dgon_engine *engine)
{
    dgon_error e;
    (void)engine;
    dgon_error_set(&e, HTTP_FORBIDDEN, NULL, NULL,
                   "The gateway does not manage models: pull, create, copy and delete them on the "
                   "machine of the model server.");
    return mod_dgon_api_refuse(r, &e);
}

typedef struct route {
    const char *path;
    int method; /* M_INVALID: any */
    dgon_op op;
    int (*run)(request_rec *r, mod_dgon_engine *e);
} route;

static const route routes[] = {
    {"/chat", M_POST, DGON_OP_OLLAMA_CHAT, NULL},
    {"/generate", M_POST, DGON_OP_OLLAMA_GENERATE, NULL},
    {"/embed", M_POST, DGON_OP_OLLAMA_EMBED, NULL},
    {"/embeddings", M_POST, DGON_OP_OLLAMA_EMBEDDINGS, NULL},
    {"/tags", M_GET, DGON_OP_NONE, tags},
    {"/ps", M_GET, DGON_OP_NONE, ps},
    {"/show", M_POST, DGON_OP_NONE, show},
    {"/version", M_GET, DGON_OP_NONE, version},
    {"/pull", M_INVALID, DGON_OP_NONE, forbidden},
    {"/push", M_INVALID, DGON_OP_NONE, forbidden},
    {"/create", M_INVALID, DGON_OP_NONE, forbidden},
    {"/copy", M_INVALID, DGON_OP_NONE, forbidden},
    {"/delete", M_INVALID, DGON_OP_NONE, forbidden},
    {"/blobs", M_INVALID, DGON_OP_NONE, forbidden},
};

static bool is_path(const char *path, const route *to)
{
    size_t n = strlen(to->path);
    if (strncmp(path, to->path, n) != 0)
        return false;
    /* /api/blobs/sha256:… */
    return path[n] == '\0' || strcmp(path + n, "/") == 0 ||
           (to->run == forbidden && path[n] == '/');
}

int mod_dgon_ollama_handler(request_rec *r)
{
    int status = OK;
    mod_dgon_engine *engine = mod_dgon_api_engine(r, "dgon-ollama", &status);
    if (engine == NULL)
        return status;
    const char *api = strstr(r->uri, "/api");
    const char *path = api != NULL ? api + 4 : r->uri;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (!is_path(path, &routes[i]))
            continue;
        if (routes[i].method != M_INVALID && r->method_number != routes[i].method)
            return mod_dgon_api_not_allowed(r, routes[i].method == M_GET ? "GET, HEAD" : "POST");
        return routes[i].run != NULL ? routes[i].run(r, engine)
                                     : mod_dgon_api_ask(r, engine, routes[i].op);
    }
    return mod_dgon_api_unknown(r, "There is nothing at this address of Ollama's API.");
}

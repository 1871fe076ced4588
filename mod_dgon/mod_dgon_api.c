#include "mod_dgon_api.h"

#include "mod_dgon_access.h"
#include "mod_dgon_alias.h"
#include "mod_dgon_batch.h"
#include "mod_dgon_body.h"
#include "mod_dgon_client.h"
#include "mod_dgon_cors.h"
#include "mod_dgon_error.h"
#include "mod_dgon_models.h"
#include "mod_dgon_tally.h"
#include "mod_dgon_pass.h"

#include "dgon/openai.h"

#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include <string.h>

int mod_dgon_api_refuse(request_rec *r, const dgon_error *e)
{
    mod_dgon_engine *engine = mod_dgon_engine_get();
    if (engine != NULL)
        dgon_registry_count(engine->registry, engine->child, DGON_COUNT_REFUSED, 1);
    return mod_dgon_error_send(r, e);
}

int mod_dgon_api_not_allowed(request_rec *r, const char *allow)
{
    dgon_error e;
    apr_table_setn(r->err_headers_out, "Allow", allow);
    dgon_error_set(&e, HTTP_METHOD_NOT_ALLOWED, "method_not_supported", NULL,
                   "Method %s is not allowed here: use %s.",
                   r->method_number == M_INVALID ? "(unknown)" : r->method, allow);
    return mod_dgon_api_refuse(r, &e);
}

int mod_dgon_api_unknown(request_rec *r, const char *text)
{
    dgon_error e;
    dgon_error_set(&e, HTTP_NOT_FOUND, "unknown_url", NULL, "%s", text);
    return mod_dgon_api_refuse(r, &e);
}

/* A browser sends a cross-site form as another type without asking; only JSON asks first. */
bool mod_dgon_api_is_json(request_rec *r)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    if (type == NULL)
        return false;
    size_t n = strcspn(type, "; \t");
    return n == strlen("application/json") && strncasecmp(type, "application/json", n) == 0;
}

static bool find_model(mod_dgon_stream *s, const dgon_openai_request *req, dgon_op op,
                       dgon_error *e)
{
    s->model = apr_pstrdup(s->r->pool, req->model);
    s->spec.model =
        mod_dgon_models_find(s->engine, s->model, dgon_op_form(op) == DGON_FORM_LINES, &s->alias);
    if (s->spec.model != DGON_NONE) {
        s->tally->model = s->model;
        return mod_dgon_access_names_one(s->r, s->body.data, s->body.len, e) &&
               mod_dgon_models_may(s->r, s->engine, s->spec.model, e);
    }
    dgon_error_set(e, HTTP_NOT_FOUND, "model_not_found", "model",
                   "The model '%s' does not exist here; GET /v1/models lists those that do.",
                   dgon_wire_is_model_name(s->model, strlen(s->model)) ? s->model
                                                                       : "(invalid name)");
    return false;
}

static uint32_t cap_of(dgon_op op)
{
    switch (op) {
    case DGON_OP_EMBED:
    case DGON_OP_OLLAMA_EMBED:
    case DGON_OP_OLLAMA_EMBEDDINGS:
        return DGON_CAP_EMBED;
    case DGON_OP_RERANK:
        return 0;
    default:
        return DGON_CAP_COMPLETION;
    }
}

/* What the request needs must be there on some agent; else it would fail there, later. */
static bool find_need(mod_dgon_stream *s, const dgon_openai_request *req, dgon_op op, dgon_error *e)
{
    static const struct {
        uint32_t cap;
        const char *param, *text;
    } kinds[] = {{DGON_CAP_VISION, "messages", "does not take images"},
                 {DGON_CAP_TOOLS, "tools", "does not call tools"},
                 {DGON_CAP_EMBED, "model", "does not make embeddings"},
                 {DGON_CAP_COMPLETION, "model", "makes embeddings only"}};
    dgon_registry *reg = s->engine->registry;
    s->caps =
        cap_of(op) | (req->has_image ? DGON_CAP_VISION : 0) | (req->has_tools ? DGON_CAP_TOOLS : 0);
    s->spec.need = dgon_registry_model_needs(reg, s->spec.model, s->caps);
    s->spec.context = req->context;
    if (dgon_registry_model_can(reg, s->spec.model, s->spec.need, s->spec.context) ||
        mod_dgon_alias_advance(s))
        return true;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if ((s->spec.need & kinds[i].cap) == 0 ||
            dgon_registry_model_can(reg, s->spec.model, kinds[i].cap, 0))
            continue;
        dgon_error_set(e, HTTP_BAD_REQUEST, "unsupported_value", kinds[i].param,
                       "The model '%s' %s.", s->model, kinds[i].text);
        return false;
    }
    dgon_error_set(e, HTTP_BAD_REQUEST, "unsupported_value",
                   s->spec.context > 0 ? "num_ctx" : "model",
                   "No agent's model '%s' has all that this request asks for%s.", s->model,
                   s->spec.context > 0 ? ", a context of that length included" : "");
    return false;
}

int mod_dgon_api_ask(request_rec *r, mod_dgon_engine *engine, dgon_op op)
{
    const mod_dgon_conf *conf = mod_dgon_config_get(r->server);
    dgon_openai_request req;
    dgon_error e;

    if (r->method_number != M_POST)
        return mod_dgon_api_not_allowed(r, "POST");
    /* Ollama's own clients name no type; a browser that was not asked cannot send one either */
    bool typed = mod_dgon_api_is_json(r) || (dgon_op_form(op) == DGON_FORM_LINES &&
                                             apr_table_get(r->headers_in, "Content-Type") == NULL &&
                                             apr_table_get(r->headers_in, "Origin") == NULL);
    if (!typed || apr_table_get(r->headers_in, "Content-Encoding") != NULL) {
        dgon_error_set(
            &e, HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", NULL,
            "Send the body as Content-Type: application/json, without Content-Encoding.");
        return mod_dgon_api_refuse(r, &e);
    }
    mod_dgon_stream *s = mod_dgon_client_create(r, engine, conf);
    s->tally->op = op;
    if (!mod_dgon_body_read(r, conf->max_body, &s->body, &e))
        return mod_dgon_api_refuse(r, &e);
    if (dgon_openai_check(&req, op, s->body.data, s->body.len, &e) != DGON_OK)
        return mod_dgon_api_refuse(r, &e);
    s->tally->stream = req.stream;
    if (!find_model(s, &req, op, &e) || !find_need(s, &req, op, &e))
        return mod_dgon_api_refuse(r, &e);
    s->streaming = req.stream;
    s->spec.op = (uint8_t)op;
    int status = OK;
    return mod_dgon_batch_run(s, &status) ? status : mod_dgon_client_run(s);
}

static int models(request_rec *r, mod_dgon_engine *engine, const char *rest)
{
    if (r->method_number != M_GET)
        return mod_dgon_api_not_allowed(r, "GET, HEAD");
    if (*rest == '\0')
        return mod_dgon_models_list(r, engine);
    /* with AllowEncodedSlashes NoDecode the SDKs' %2F arrives as it was sent */
    char *id = apr_pstrdup(r->pool, rest + 1);
    for (char *at = id; (at = strchr(at, '%')) != NULL; at++)
        if (at[1] == '2' && (at[2] == 'F' || at[2] == 'f')) {
            *at = '/';
            memmove(at + 1, at + 3, strlen(at + 3) + 1);
        }
    return mod_dgon_models_one(r, engine, id);
}

static const struct {
    const char *path;
    dgon_op op;
} routes[] = {
    {"/chat/completions", DGON_OP_CHAT}, {"/completions", DGON_OP_COMPLETION},
    {"/embeddings", DGON_OP_EMBED},      {"/responses", DGON_OP_RESPONSES},
    {"/messages", DGON_OP_MESSAGES},     {"/messages/count_tokens", DGON_OP_COUNT_TOKENS},
    {"/rerank", DGON_OP_RERANK},
};

/* What is behind `at` in the path: "" also for a slash at the end. NULL: it is another path. */
static const char *behind(const char *path, const char *at)
{
    size_t n = strlen(at);
    if (strncmp(path, at, n) != 0 || (path[n] != '\0' && path[n] != '/'))
        return NULL;
    return strcmp(path + n, "/") == 0 ? "" : path + n;
}

mod_dgon_engine *mod_dgon_api_engine(request_rec *r, const char *handler, int *status)
{
    dgon_error e;
    if (r->handler == NULL || strcmp(r->handler, handler) != 0) {
        *status = DECLINED;
        return NULL;
    }
    mod_dgon_error_request_id(r);
    mod_dgon_cors_headers(r);
    if (mod_dgon_cors_preflight(r) == OK) {
        *status = OK;
        return NULL;
    }
    if (mod_dgon_cors_is_foreign(r)) {
        r->connection->keepalive = AP_CONN_CLOSE; /* its body is not waited for */
        dgon_error_set(&e, HTTP_FORBIDDEN, "cross_site_request", NULL,
                       "A page of another site sent this. If it may, name its origin in "
                       "DgonCorsOrigin.");
        *status = mod_dgon_api_refuse(r, &e);
        return NULL;
    }
    mod_dgon_engine *engine = mod_dgon_engine_get();
    if (engine != NULL && mod_dgon_error_is_api(handler))
        mod_dgon_tally_begin(r, engine);
    if (engine != NULL && !atomic_load(&engine->stopping))
        return engine;
    dgon_error_set(&e, HTTP_SERVICE_UNAVAILABLE, "no_capacity", NULL, "%s",
                   engine != NULL ? "The gateway restarts. Send the request again."
                                  : "This gateway process could not join the job registry; "
                                    "see the server's error log.");
    e.retry_after = 5;
    *status = mod_dgon_api_refuse(r, &e);
    return NULL;
}

int mod_dgon_api_handler(request_rec *r)
{
    int status = OK;
    mod_dgon_engine *engine = mod_dgon_api_engine(r, "dgon-api", &status);
    if (engine == NULL)
        return status;
    const char *v1 = strstr(r->uri, "/v1");
    const char *path = v1 != NULL ? v1 + 3 : r->uri;
    const char *rest = behind(path, "/models");
    if (rest != NULL)
        return models(r, engine, rest);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        rest = behind(path, routes[i].path);
        if (rest != NULL && *rest == '\0')
            return mod_dgon_api_ask(r, engine, routes[i].op);
    }
    status = mod_dgon_pass_try(r, engine, v1 != NULL ? v1 : r->uri);
    if (status != DECLINED)
        return status;
    return mod_dgon_api_unknown(
        r, "There is nothing at this address. Use POST /v1/chat/completions, /v1/completions, "
           "/v1/embeddings, /v1/responses, /v1/messages or /v1/rerank, or GET /v1/models.");
}

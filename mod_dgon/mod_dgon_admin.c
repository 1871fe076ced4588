#include "mod_dgon_admin.h"

#include "mod_dgon_api.h"
#include "mod_dgon_body.h"
#include "mod_dgon_check.h"
#include "mod_dgon_error.h"
#include "mod_dgon_load.h"

#include "dgon/fleet.h"
#include "dgon/hash.h"

#include <http_protocol.h>
#include <apr_strings.h>

#include <jansson.h>
#include <string.h>

static int refuse(dgon_buf *out, int http, const char *code, const char *text)
{
    dgon_error e;
    dgon_error_set(&e, http, code, NULL, "%s", text);
    dgon_buf_reset(out);
    return dgon_error_write(out, &e) == DGON_OK ? http : HTTP_INTERNAL_SERVER_ERROR;
}

static int answer(dgon_buf *out, dgon_status st)
{
    return st == DGON_OK ? HTTP_OK
                         : refuse(out, HTTP_INTERNAL_SERVER_ERROR, NULL,
                                  "The gateway is short of memory for the answer.");
}

static int hold(mod_dgon_engine *e, const json_t *q, const char *who, bool on, dgon_buf *out)
{
    const char *id = json_string_value(json_object_get(q, "agent"));
    if (id == NULL || !dgon_wire_is_agent_id(id, strlen(id)))
        return refuse(out, HTTP_BAD_REQUEST, "missing_required_parameter",
                      "'agent' must be the id of an agent.");
    if (dgon_fleet_hold(e->registry, e->child, id, on) != DGON_OK)
        return refuse(out, HTTP_NOT_FOUND, "agent_not_found", "There is no agent of this name.");
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, e->server, "DGON0070: agent %s is %s by %s", id,
                 on ? "held: it gets no new jobs" : "let go", who);
    return answer(out,
                  dgon_buf_addf(out, "{\"agent\":\"%s\",\"held\":%s}", id, on ? "true" : "false"));
}

/* The 32 digits at the end of chatcmpl-… and its like. */
static bool job_id(const char *text, unsigned char id[16])
{
    const char *dash = text != NULL ? strrchr(text, '-') : NULL;
    const char *hex = dash != NULL ? dash + 1 : text;
    return hex != NULL && dgon_hash_unhex(id, 16, hex, strlen(hex));
}

static int cancel(mod_dgon_engine *e, const json_t *q, const char *who, dgon_buf *out)
{
    unsigned char id[16];
    char hex[33];
    if (!job_id(json_string_value(json_object_get(q, "job")), id))
        return refuse(out, HTTP_BAD_REQUEST, "missing_required_parameter",
                      "'job' must be the id of a job, as the list of jobs has it.");
    if (dgon_fleet_cancel(e->registry, id) != DGON_OK)
        return refuse(out, HTTP_NOT_FOUND, "job_not_found",
                      "There is no such job: it has ended, or never was.");
    dgon_hash_hex(hex, id, sizeof(id));
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, e->server, "DGON0071: job %s is cancelled by %s", hex,
                 who);
    return answer(out, dgon_buf_addf(out, "{\"job\":\"%s\",\"cancelled\":true}", hex));
}

static int check(mod_dgon_engine *e, dgon_buf *out)
{
    apr_pool_t *p;
    if (apr_pool_create(&p, NULL) != APR_SUCCESS)
        return answer(out, DGON_ENOMEM);
    dgon_status st = mod_dgon_check_write(e->server, p, out);
    apr_pool_destroy(p);
    return answer(out, st);
}

static int run(mod_dgon_engine *e, const json_t *q, const char *who, dgon_buf *out)
{
    const char *what = json_string_value(json_object_get(q, "do"));
    if (what == NULL)
        return refuse(out, HTTP_BAD_REQUEST, "missing_required_parameter",
                      "'do' is missing: status, jobs, check, drain, undrain, cancel or load.");
    if (strcmp(what, "status") == 0)
        return answer(out, dgon_fleet_write(e->registry, MOD_DGON_VERSION, out));
    if (strcmp(what, "jobs") == 0)
        return answer(out, dgon_fleet_write_jobs(e->registry, out));
    if (strcmp(what, "check") == 0)
        return check(e, out);
    if (strcmp(what, "drain") == 0 || strcmp(what, "undrain") == 0)
        return hold(e, q, who, what[0] == 'd', out);
    if (strcmp(what, "cancel") == 0)
        return cancel(e, q, who, out);
    return refuse(out, HTTP_BAD_REQUEST, "invalid_value",
                  "'do' is none of status, jobs, check, drain, undrain, cancel and load.");
}

int mod_dgon_admin_do(mod_dgon_engine *e, const char *question, size_t n, const char *who,
                      dgon_buf *out)
{
    json_t *q = json_loadb(question, n, 0, NULL);
    int status = json_is_object(q)
                     ? run(e, q, who, out)
                     : refuse(out, HTTP_BAD_REQUEST, NULL, "The question must be one JSON object.");
    json_decref(q);
    return status;
}

bool mod_dgon_admin_is_load(const char *question, size_t n)
{
    json_t *q = json_loadb(question, n, 0, NULL);
    const char *what = json_string_value(json_object_get(q, "do"));
    bool load = what != NULL && strcmp(what, "load") == 0;
    json_decref(q);
    return load;
}

int mod_dgon_admin_handler(request_rec *r)
{
    int status = OK;
    dgon_error e;
    dgon_buf body;
    mod_dgon_engine *engine = mod_dgon_api_engine(r, "dgon-admin", &status);
    if (engine == NULL)
        return status;
    if (r->user == NULL) {
        dgon_error_set(&e, HTTP_FORBIDDEN, NULL, NULL,
                       "Nobody is logged in: put AuthType and Require into this location.");
        return mod_dgon_api_refuse(r, &e);
    }
    if (r->method_number != M_POST)
        return mod_dgon_api_not_allowed(r, "POST");
    if (!mod_dgon_api_is_json(r)) { /* which no page of another site can send without being asked */
        dgon_error_set(&e, HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", NULL,
                       "Send the question as Content-Type: application/json.");
        return mod_dgon_api_refuse(r, &e);
    }
    dgon_buf_init(&body, MOD_DGON_ADMIN_BODY);
    if (!mod_dgon_body_read(r, MOD_DGON_ADMIN_BODY, &body, &e)) {
        dgon_buf_fini(&body);
        return mod_dgon_api_refuse(r, &e);
    }
    const char *question = body.data != NULL ? body.data : "";
    if (mod_dgon_admin_is_load(question, body.len)) {
        status = mod_dgon_load_asked(r, engine, &body);
        dgon_buf_fini(&body);
        return status;
    }
    dgon_buf out;
    dgon_buf_init(&out, MOD_DGON_ADMIN_MAX);
    r->status = mod_dgon_admin_do(engine, question, body.len, r->user, &out);
    dgon_buf_fini(&body);
    ap_set_content_type(r, "application/json");
    ap_set_content_length(r, (apr_off_t)out.len);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    ap_rwrite(out.data, (int)out.len, r);
    dgon_buf_fini(&out);
    return OK;
}

#include "mod_dgon_join.h"

#include "mod_dgon_api.h"
#include "mod_dgon_body.h"
#include "mod_dgon_config.h"
#include "mod_dgon_engine.h"
#include "mod_dgon_error.h"
#include "mod_dgon_shm.h"

#include "dgon/agents_file.h"
#include "dgon/join.h"

#include <http_core.h>
#include <http_protocol.h>
#include <apr_strings.h>

#include <string.h>
#include <time.h>

#define LINK_PATH  "/dgon/agent"
#define ANSWER_MAX 2048u

static apr_status_t free_buf(void *b)
{
    dgon_buf_fini(b);
    return APR_SUCCESS;
}

static int refuse(request_rec *r, int http, const char *code, const char *param, const char *text)
{
    dgon_error e;
    dgon_error_set(&e, http, code, param, "%s", text);
    return mod_dgon_error_send(r, &e);
}

static int answer(request_rec *r, const dgon_buf *out, const char *type)
{
    mod_dgon_error_request_id(r);
    ap_set_content_type(r, type);
    ap_set_content_length(r, (apr_off_t)out->len);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    if (!r->header_only)
        ap_rwrite(out->data, (int)out->len, r);
    return OK;
}

/* False: *rc is for the handler to return. */
static bool read_body(request_rec *r, dgon_buf **body, int *rc)
{
    dgon_error e;
    *body = apr_palloc(r->pool, sizeof(**body));
    dgon_buf_init(*body, DGON_JOIN_BODY_MAX);
    apr_pool_cleanup_register(r->pool, *body, free_buf, apr_pool_cleanup_null);
    if (mod_dgon_body_read(r, DGON_JOIN_BODY_MAX, *body, &e))
        return true;
    *rc = mod_dgon_error_send(r, &e);
    return false;
}

static dgon_buf *make_buf(request_rec *r)
{
    dgon_buf *out = apr_palloc(r->pool, sizeof(*out));
    dgon_buf_init(out, ANSWER_MAX);
    apr_pool_cleanup_register(r->pool, out, free_buf, apr_pool_cleanup_null);
    return out;
}

static int out_of_order(request_rec *r, const char *why)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "DGON0270: DgonAgentFile cannot be changed: %s",
                  why);
    return refuse(r, HTTP_SERVICE_UNAVAILABLE, "no_capacity", NULL,
                  "The gateway cannot note it at this moment; its log says why.");
}

const char *mod_dgon_join_link(request_rec *r)
{
    const mod_dgon_conf *conf = mod_dgon_config_get(r->server);
    if (conf->agent_url != NULL)
        return conf->agent_url;
    bool tls = strcmp(ap_http_scheme(r), "https") == 0;
    const char *host = apr_table_get(r->headers_in, "Host");
    /* it ends up in a shell's command line */
    if (host == NULL || strlen(host) > 300 ||
        strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]") !=
            strlen(host))
        host = r->server->server_hostname;
    return apr_pstrcat(r->pool, tls ? "wss://" : "ws://", host, LINK_PATH, NULL);
}

/* ---- an agent joins ---- */

typedef struct joining {
    const dgon_join *j;
    unsigned char key[DGON_HASH_SIZE];
    char id[DGON_WIRE_ID_MAX + 1], by[DGON_AGENTS_WHO_MAX + 1];
    bool again;
} joining;

/* DGON_EINVAL: the code is none of ours. */
static dgon_status take_in(dgon_agents *a, void *user)
{
    joining *in = user;
    int64_t now = (int64_t)time(NULL);
    dgon_agents_entry *e = dgon_agents_by_key(a, in->key);
    if (e != NULL) { /* the answer was lost on its way: nothing changes */
        apr_cpystrn(in->id, e->id, sizeof(in->id));
        in->again = true;
        return DGON_DONE;
    }
    dgon_agents_invite *i = in->j->has_code ? dgon_agents_invite_find(a, in->j->code, now) : NULL;
    if (i == NULL)
        return DGON_EINVAL;
    apr_cpystrn(in->by, i->by, sizeof(in->by));
    dgon_status st = dgon_agents_join(a, i, in->key, in->j->name[0] != '\0' ? in->j->name : "agent",
                                      in->j->os, in->j->version, now, &e);
    if (st == DGON_OK)
        apr_cpystrn(in->id, e->id, sizeof(in->id));
    return st;
}

static int wrong_code(request_rec *r)
{
    dgon_gate_failed(mod_dgon_shm_gate(), r->useragent_ip, mod_dgon_now_ms() / 1000);
    ap_log_rerror(
        APLOG_MARK, APLOG_WARNING, 0, r,
        "DGON0271: somebody at %s tried to join with a code that is wrong, used or expired",
        r->useragent_ip);
    return refuse(r, HTTP_FORBIDDEN, "invalid_join_code", "code",
                  "The code is wrong, used or expired: ask the gateway's administrator for a new "
                  "one (dgonctl agent invite).");
}

static int joined(request_rec *r, const joining *in)
{
    dgon_join_answer a;
    dgon_buf *out = make_buf(r);
    apr_cpystrn(a.id, in->id, sizeof(a.id));
    apr_cpystrn(a.link, mod_dgon_join_link(r), sizeof(a.link));
    if (dgon_join_answer_write(out, &a) != DGON_OK)
        return HTTP_INTERNAL_SERVER_ERROR;
    if (in->again) /* a known key: none of its replays shall be free */
        dgon_gate_failed(mod_dgon_shm_gate(), r->useragent_ip, mod_dgon_now_ms() / 1000);
    else
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r,
                      "DGON0272: agent %s has joined from %s, invited by %s", in->id,
                      r->useragent_ip, in->by);
    return answer(r, out, "application/json");
}

static int join(request_rec *r, const dgon_join *j)
{
    const mod_dgon_conf *conf = mod_dgon_config_get(r->server);
    char why[DGON_FILE_WHY] = "";
    joining in = {.j = j};
    dgon_agents now;
    if (dgon_hash(in.key, j->key, sizeof(j->key)) != DGON_OK)
        return HTTP_INTERNAL_SERVER_ERROR;
    /* a first look without the lock, so that guessing holds up nobody */
    dgon_agents_init(&now);
    dgon_status st = dgon_agents_load(&now, conf->agent_file, NULL, why);
    if (st == DGON_OK)
        st = take_in(&now, &in);
    dgon_agents_fini(&now);
    if (st == DGON_OK)
        st = dgon_agents_change(conf->agent_file, take_in, &in, why);
    switch (st) {
    case DGON_OK:
    case DGON_DONE:
        return joined(r, &in);
    case DGON_EINVAL:
        return why[0] == '\0' ? wrong_code(r) : out_of_order(r, why);
    case DGON_ENOTFOUND: /* nobody was ever invited */
        return wrong_code(r);
    case DGON_EEXIST:
        return refuse(r, HTTP_CONFLICT, "agent_exists", "name",
                      "An agent has joined under the name of this invitation already: revoke or "
                      "rename it first (dgonctl agent).");
    default:
        return out_of_order(r, why[0] != '\0' ? why : dgon_status_str(st));
    }
}

static int too_many_failures(request_rec *r, uint32_t seconds)
{
    dgon_error e;
    dgon_error_set(&e, HTTP_TOO_MANY_REQUESTS, "too_many_failures", NULL,
                   "Too many tries with wrong codes: wait %u s.", seconds);
    e.retry_after = (int)seconds;
    r->connection->keepalive = AP_CONN_CLOSE;
    return mod_dgon_error_send(r, &e);
}

/* 404 and 503 that both handlers share. False: *rc. */
static bool is_ready(request_rec *r, int *rc)
{
    if (mod_dgon_config_get(r->server)->agent_file == NULL)
        *rc = refuse(r, HTTP_NOT_FOUND, "not_opened", NULL,
                     "Agents cannot join here: the gateway has no DgonAgentFile.");
    else if (mod_dgon_engine_get() == NULL)
        *rc = refuse(r, HTTP_SERVICE_UNAVAILABLE, "no_capacity", NULL,
                     "This server process is not ready.");
    else
        return true;
    return false;
}

int mod_dgon_join_handler(request_rec *r)
{
    if (r->handler == NULL || strcmp(r->handler, "dgon-join") != 0)
        return DECLINED;
    int rc = OK;
    dgon_buf *body;
    if (!is_ready(r, &rc))
        return rc;
    if (apr_table_get(r->headers_in, "Origin") != NULL)
        return refuse(r, HTTP_FORBIDDEN, "origin_not_allowed", NULL,
                      "This address is for agents, not for browsers.");
    if (r->method_number != M_POST) {
        apr_table_setn(r->err_headers_out, "Allow", "POST");
        return refuse(r, HTTP_METHOD_NOT_ALLOWED, "method_not_supported", NULL,
                      "Agents join with POST: dgon-agent join URL CODE.");
    }
    if (!mod_dgon_api_is_json(r))
        return refuse(r, HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", NULL,
                      "Content-Type must be application/json.");
    const mod_dgon_conf *conf = mod_dgon_config_get(r->server);
    uint32_t wait =
        dgon_gate_wait(mod_dgon_shm_gate(), r->useragent_ip, (uint32_t)conf->join_failures_address,
                       (uint32_t)conf->join_failures, mod_dgon_now_ms() / 1000);
    if (wait > 0)
        return too_many_failures(r, wait);
    if (!read_body(r, &body, &rc))
        return rc;
    dgon_join j;
    const char *member;
    dgon_status st = dgon_join_read(&j, body->data != NULL ? body->data : "", body->len, &member);
    if (st == DGON_OK)
        return join(r, &j);
    return refuse(r, HTTP_BAD_REQUEST, st == DGON_EPROTO ? "invalid_value" : "invalid_json", member,
                  st == DGON_EPROTO ? "A member is missing or not what it has to be."
                                    : "The body is not a JSON object.");
}

/* ---- an administrator invites ---- */

static dgon_status add_invite(dgon_agents *a, void *user)
{
    return dgon_agents_invite_add(a, user, (int64_t)time(NULL));
}

/* https://host of the link's address: where the agent's program sends its join. */
static const char *gateway_of(request_rec *r, const char *link)
{
    const char *rest = strstr(link, "://") + 3, *path = strchr(rest, '/');
    return apr_pstrcat(
        r->pool, strncmp(link, "wss", 3) == 0 ? "https://" : "http://",
        apr_pstrndup(r->pool, rest, path != NULL ? (apr_size_t)(path - rest) : strlen(rest)), NULL);
}

static dgon_status write_text(dgon_buf *out, const char *bash, const char *power,
                              const dgon_agents_invite *i, const char *expires)
{
    return dgon_buf_addf(out,
                         "On the machine with the model server (code good until %s, for %u "
                         "agent%s):\n\n  %s\n\nPowerShell:\n\n  %s\n",
                         expires, i->uses, i->uses == 1 ? "" : "s", bash, power);
}

static dgon_status write_json(dgon_buf *out, const char *bash, const char *power, const char *code,
                              const char *gateway, const dgon_agents_invite *i, const char *expires)
{
    return dgon_buf_addf(out,
                         "{\"command\":\"%s\",\"powershell\":\"%s\",\"code\":\"%s\","
                         "\"gateway\":\"%s\",\"expires\":\"%s\",\"uses\":%u}\n",
                         bash, power, code, gateway, expires, i->uses);
}

static const char *command(request_rec *r, const char *gateway, const char *code, bool powershell)
{
    dgon_buf *b = make_buf(r);
    return dgon_join_command(b, gateway, code, powershell) == DGON_OK
               ? apr_pstrndup(r->pool, b->data, b->len)
               : NULL;
}

static int show(request_rec *r, const char *code, const dgon_agents_invite *i)
{
    char expires[DGON_AGENTS_TIME];
    const char *gateway = gateway_of(r, mod_dgon_join_link(r));
    const char *bash = command(r, gateway, code, false), *power = command(r, gateway, code, true);
    const char *accept = apr_table_get(r->headers_in, "Accept");
    bool json = accept != NULL && strstr(accept, "application/json") != NULL;
    dgon_buf *out = make_buf(r);
    dgon_agents_time(expires, i->expires);
    if (bash == NULL || power == NULL ||
        (json ? write_json(out, bash, power, code, gateway, i, expires)
              : write_text(out, bash, power, i, expires)) != DGON_OK)
        return HTTP_INTERNAL_SERVER_ERROR;
    ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r, "DGON0273: %s invites %u agent%s%s%s, until %s",
                  i->by, i->uses, i->uses == 1 ? "" : "s", i->id[0] != '\0' ? " as " : "", i->id,
                  expires);
    apr_table_setn(r->headers_out, "Vary", "Accept");
    return answer(r, out, json ? "application/json" : "text/plain; charset=utf-8");
}

static int invite(request_rec *r, const dgon_join_invite *want)
{
    char code[DGON_JOIN_CODE + 1], why[DGON_FILE_WHY] = "";
    dgon_agents_invite i = {.created = (int64_t)time(NULL), .uses = want->uses};
    i.expires = i.created + want->expires;
    apr_cpystrn(i.id, want->name, sizeof(i.id));
    dgon_agents_who(i.by, r->user);
    if (dgon_join_code(code) != DGON_OK || !dgon_join_code_hash(i.code, code, strlen(code)))
        return HTTP_INTERNAL_SERVER_ERROR;
    dgon_status st =
        dgon_agents_change(mod_dgon_config_get(r->server)->agent_file, add_invite, &i, why);
    if (st == DGON_OK)
        return show(r, code, &i);
    if (st == DGON_EEXIST)
        return refuse(r, HTTP_CONFLICT, "agent_exists", "name",
                      "An agent of this name has joined already: revoke or rename it first.");
    if (st == DGON_EFULL)
        return refuse(r, HTTP_TOO_MANY_REQUESTS, "too_many_invitations", NULL,
                      "Too many invitations are open: let some expire.");
    return out_of_order(r, why[0] != '\0' ? why : dgon_status_str(st));
}

/* A page of another site must not make codes with the visitor's login. Browsers say where a request
 * comes from; programs say nothing. */
static bool is_from_elsewhere(request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *origin = apr_table_get(r->headers_in, "Origin");
    if (site != NULL)
        return strcmp(site, "same-origin") != 0;
    const char *host = apr_table_get(r->headers_in, "Host");
    return origin != NULL && (host == NULL || strcmp(origin, apr_pstrcat(r->pool, ap_http_scheme(r),
                                                                         "://", host, NULL)) != 0);
}

int mod_dgon_invite_handler(request_rec *r)
{
    if (r->handler == NULL || strcmp(r->handler, "dgon-invite") != 0)
        return DECLINED;
    int rc = OK;
    dgon_buf *body;
    dgon_join_invite want;
    const char *member;
    if (!is_ready(r, &rc))
        return rc;
    if (r->user == NULL) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "DGON0274: nobody has to log in for %s, so no invitation is made there: put "
                      "AuthType and Require into its <Location>",
                      r->uri);
        return refuse(r, HTTP_FORBIDDEN, "not_opened", NULL,
                      "Invitations are made only for somebody who has logged in; the gateway's "
                      "administrator has to put authentication in front of this address.");
    }
    if (is_from_elsewhere(r))
        return refuse(r, HTTP_FORBIDDEN, "origin_not_allowed", NULL,
                      "Pages of other sites may not invite agents.");
    if ((r->method_number != M_GET && r->method_number != M_POST) || r->header_only) {
        apr_table_setn(r->err_headers_out, "Allow", "GET, POST");
        return refuse(r, HTTP_METHOD_NOT_ALLOWED, "method_not_supported", NULL, "Use GET or POST.");
    }
    if (!read_body(r, &body, &rc))
        return rc;
    if (body->len > 0 && !mod_dgon_api_is_json(r))
        return refuse(r, HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", NULL,
                      "Content-Type must be application/json.");
    dgon_status st = dgon_join_invite_read(&want, body->data, body->len, &member);
    if (st == DGON_OK)
        return invite(r, &want);
    return refuse(r, HTTP_BAD_REQUEST, st == DGON_EPROTO ? "invalid_value" : "invalid_json", member,
                  "The body is a JSON object: name, expires (1h, 7d), uses (1 to 1000).");
}

/* What goes out to the client, and how its stream ends. */
#include "mod_dgon_client_int.h"

#include "mod_dgon_error.h"
#include "mod_dgon_pass.h"
#include "mod_dgon_tally.h"

#include "dgon/fleet.h"
#include "dgon/sse.h"

#include <http_protocol.h>

#include <string.h>

/* Tokens: most of what is ever written. */
static bool goes_past_filters(mod_dgon_stream *s, bool last)
{
    if (last || !s->headers_sent || s->mc == NULL)
        return false;
    if (s->way.kind == WAY_UNKNOWN)
        mod_dgon_way_find(&s->way, s->mc, s->r);
    return s->way.kind != WAY_FILTERS;
}

bool mod_dgon_client_write(mod_dgon_stream *s, dgon_buf *out, bool last)
{
    if (out->len > 0 && goes_past_filters(s, last)) {
        bool sent = mod_dgon_way_send(&s->way, s->mc, out->data, out->len, s->bb);
        dgon_buf_reset(out);
        s->last_write = s->now;
        return sent;
    }
    request_rec *r = s->r;
    apr_bucket_brigade *bb = s->bb;
    bool ok = false;
    mod_dgon_way_tell(&s->way, r);
    if (s->upload != NULL && !s->headers_sent)
        mod_dgon_pass_headers(s);
    if (!s->c->aborted) {
        if (out->len > 0)
            APR_BRIGADE_INSERT_TAIL(
                bb, apr_bucket_transient_create(out->data, out->len, bb->bucket_alloc));
        if (last) {
            APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(bb->bucket_alloc));
            r->eos_sent = 1;
        }
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(bb->bucket_alloc));
        if (s->mc != NULL) {
            ok = mod_dgon_conn_write(s->mc, r->output_filters, bb);
        } else {
            ok = ap_pass_brigade(r->output_filters, bb) == APR_SUCCESS && !s->c->aborted;
            apr_brigade_cleanup(bb);
        }
    }
    dgon_buf_reset(out);
    s->headers_sent = true;
    s->last_write = s->now;
    return ok;
}

bool mod_dgon_client_comments(const mod_dgon_stream *s)
{
    return s->streaming && dgon_op_form((dgon_op)s->spec.op) != DGON_FORM_LINES;
}

static void stream_headers(mod_dgon_stream *s)
{
    request_rec *r = s->r;
    ap_set_content_type(r, mod_dgon_client_comments(s) ? "text/event-stream; charset=utf-8"
                                                       : "application/x-ndjson");
    apr_table_setn(r->headers_out, "Cache-Control", "no-cache");
    apr_table_setn(r->headers_out, "X-Accel-Buffering", "no");
    apr_table_setn(r->subprocess_env, "no-gzip", "1");
}

/* Before the first byte of a stream or answer. */
void mod_dgon_client_begin(mod_dgon_stream *s)
{
    if (s->headers_sent)
        return;
    if (s->streaming)
        stream_headers(s);
    else if (s->upload == NULL) /* else they came with the answer's head */
        ap_set_content_type(s->r, "application/json");
}

/* Tokens in 1000 s, from the first token on; 0: not to be said. */
static uint32_t rate(const mod_dgon_stream *s)
{
    const mod_dgon_tally *t = s->tally;
    uint64_t now = mod_dgon_tally_now();
    if (!s->streaming || t->tokens_out < 2 || t->first_us == 0 || now <= t->first_us)
        return 0;
    double r = (double)(t->tokens_out - 1) * 1e9 / (double)(now - t->first_us);
    return r < UINT32_MAX ? (uint32_t)r : UINT32_MAX;
}

/* How it went there, for the fleet's page; e NULL: well. Not what is no agent's fault. */
void mod_dgon_client_agent_told(mod_dgon_stream *s, const dgon_error *e)
{
    uint32_t agent = DGON_NONE;
    if (!s->has_job || (e != NULL && (e->http < 500 || strcmp(e->code, "server_restarting") == 0 ||
                                      strcmp(e->code, "cancelled") == 0)))
        return;
    (void)dgon_registry_phase(s->engine->registry, s->ref, NULL, &agent);
    if (agent != DGON_NONE)
        dgon_fleet_tell(s->engine->registry, agent, s->spec.model, e, e == NULL ? rate(s) : 0);
}

mod_dgon_pump mod_dgon_client_end(mod_dgon_stream *s, dgon_buf *out)
{
    s->over = true;
    s->tally->good = true;
    mod_dgon_client_agent_told(s, NULL);
    mod_dgon_client_let_go(s);
    return mod_dgon_client_write(s, out, true) ? PUMP_ENDED : PUMP_BROKEN;
}

/* Half of an answer is lost. */
static void count_abort(mod_dgon_stream *s)
{
    if (s->content_sent && !s->collect)
        mod_dgon_client_count(s,
                              mod_dgon_client_error(s)->http == HTTP_GATEWAY_TIME_OUT
                                  ? DGON_COUNT_ABORT_DEADLINE
                                  : DGON_COUNT_ABORT_NODE,
                              1);
}

mod_dgon_pump mod_dgon_client_fail(mod_dgon_stream *s, dgon_buf *out)
{
    const dgon_error *e = mod_dgon_client_error(s);
    s->over = true;
    mod_dgon_client_agent_told(s, e);
    mod_dgon_client_let_go(s);
    count_abort(s);
    mod_dgon_client_count(s, DGON_COUNT_FAILED, 1);
    /* not the message: a backend may quote the prompt in it, in its code too */
    const char *id = apr_table_get(s->r->err_headers_out, "x-request-id");
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, s->r, "DGON0040: %s: job for model %s failed: %d %s",
                  id != NULL ? id : "-", s->model, e->http, dgon_error_code_for_log(e));
    if (s->collect)
        return PUMP_BROKEN;
    if (s->upload != NULL)
        s->upload->answer = NULL; /* its headers are not the error's */
    if (!s->headers_sent) {
        if (mod_dgon_error_prepare(s->r, e, out) != DGON_OK)
            return PUMP_BROKEN;
        return mod_dgon_client_write(s, out, true) ? PUMP_ENDED : PUMP_BROKEN;
    }
    /* half an event or half an answer went out: nothing can be added to it */
    mod_dgon_tally_error(s->r, e);
    if (!s->streaming || s->in_event)
        return PUMP_BROKEN;
    if (dgon_error_write_event(out, e, (dgon_op)s->spec.op) != DGON_OK)
        return PUMP_BROKEN;
    return mod_dgon_client_write(s, out, true) ? PUMP_ENDED : PUMP_BROKEN;
}

void mod_dgon_client_gone(mod_dgon_stream *s)
{
    if (s->over)
        return;
    s->over = true;
    mod_dgon_client_let_go(s);
    s->tally->gone = !s->collect || s->c->aborted;
    mod_dgon_client_count(s, DGON_COUNT_CANCELLED, 1);
}

bool mod_dgon_client_probe(mod_dgon_stream *s, dgon_buf *out)
{
    if (mod_dgon_client_blocked(s))
        return true;
    mod_dgon_client_begin(s);
    if (dgon_sse_write_comment(out, "ping") != DGON_OK)
        return true;
    return mod_dgon_client_write(s, out, false);
}

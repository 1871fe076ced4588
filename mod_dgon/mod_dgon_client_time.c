/* Deadlines of a stream: queue, first token, gap, comments, a client that takes nothing. */
#include "mod_dgon_client_int.h"

#include "dgon/sse.h"

#include <http_protocol.h>
#include <apr_strings.h>

#define QUEUE_LOOK_MS 1000 /* place in the queue, agents there at all */

static mod_dgon_pump timed_out(mod_dgon_stream *s, dgon_buf *out, const char *text)
{
    dgon_error_set(mod_dgon_client_error(s), HTTP_GATEWAY_TIME_OUT, "timeout", NULL, "%s", text);
    return mod_dgon_client_fail(s, out);
}

static bool any_agent(mod_dgon_stream *s)
{
    dgon_registry_model_info info;
    return dgon_registry_model_get(s->engine->registry, s->spec.model, &info) == DGON_OK &&
           info.agents > 0;
}

static mod_dgon_pump tick_queued(mod_dgon_stream *s, dgon_buf *out)
{
    uint64_t waited = s->now - s->started;
    if (waited >= (uint64_t)s->conf->queue_timeout)
        return timed_out(s, out,
                         "No agent had a free slot for this request in time (DgonQueueTimeout).");
    if (waited >= (uint64_t)s->conf->agent_wait && !any_agent(s)) {
        dgon_error_set(mod_dgon_client_error(s), HTTP_SERVICE_UNAVAILABLE, "no_capacity", "model",
                       "No agent offers the model '%s' at the moment.", s->model);
        mod_dgon_client_error(s)->retry_after = 5;
        return mod_dgon_client_fail(s, out);
    }
    return PUMP_WAIT;
}

static bool has_begun(const mod_dgon_stream *s)
{
    return s->last_content > s->bound_at || s->content_sent;
}

static mod_dgon_pump tick_bound(mod_dgon_stream *s, dgon_buf *out)
{
    if (!s->was_bound) {
        s->was_bound = true;
        s->bound_at = s->now;
    }
    if (has_begun(s)) {
        uint64_t since = s->last_content > s->blocked_since ? s->last_content : s->blocked_since;
        if (!(s->mc != NULL && mod_dgon_conn_blocked(s->mc)) &&
            s->now - since >= (uint64_t)s->conf->gap_timeout)
            return timed_out(
                s, out,
                "The model server fell silent in the middle of its answer (DgonTokenGapTimeout).");
        return PUMP_WAIT;
    }
    if (s->now - s->bound_at >= (uint64_t)s->conf->first_token_timeout) {
        dgon_error_set(mod_dgon_client_error(s), HTTP_GATEWAY_TIME_OUT, "timeout", NULL,
                       "The model server gave no first token in time (DgonFirstTokenTimeout).");
        return mod_dgon_client_retry(s) ? PUMP_WAIT : mod_dgon_client_fail(s, out);
    }
    if (!s->accepted && s->now - s->bound_at >= (uint64_t)s->conf->accept_timeout)
        (void)mod_dgon_client_retry(s);
    return PUMP_WAIT;
}

/* Comments keep proxies and people patient while nothing else comes. */
static dgon_status comments(mod_dgon_stream *s, dgon_buf *out, bool queued)
{
    if (!mod_dgon_client_comments(s) || s->in_event ||
        (!s->headers_sent && s->now - s->started < (uint64_t)s->conf->header_hold))
        return DGON_OK;
    if (queued && s->now - s->queued_told_at >= QUEUE_LOOK_MS) {
        uint32_t place = dgon_registry_position(s->engine->registry, s->ref);
        s->queued_told_at = s->now;
        if (place > 0 && place != s->queued_told) {
            char text[32];
            s->queued_told = place;
            apr_snprintf(text, sizeof(text), "queued %u", place);
            mod_dgon_client_begin(s);
            return dgon_sse_write_comment(out, text);
        }
    }
    if (s->was_bound && !s->cold_asked && !has_begun(s)) {
        s->cold_asked = true;
        if (dgon_registry_is_cold(s->engine->registry, s->ref)) {
            mod_dgon_client_begin(s);
            return dgon_sse_write_comment(out, "loading");
        }
    }
    if (!s->headers_sent || s->now - s->last_write >= (uint64_t)s->conf->ping_interval) {
        mod_dgon_client_begin(s);
        return dgon_sse_write_comment(out, "ping");
    }
    return DGON_OK;
}

static void sooner(uint64_t *due, uint64_t at)
{
    if (at < *due)
        *due = at;
}

static uint64_t next_due(mod_dgon_stream *s, bool queued)
{
    uint64_t due = s->now + 60000;
    if (s->requeue)
        sooner(&due, s->requeue_at);
    if (s->probing)
        sooner(&due, s->probe_at);
    if (s->mc != NULL && !s->trimmed)
        sooner(&due, s->started + MOD_DGON_CLIENT_TRIM_MS);
    if (queued || s->requeue) {
        sooner(&due, s->now + QUEUE_LOOK_MS);
        sooner(&due, s->started + (uint64_t)s->conf->queue_timeout);
    } else if (s->content_sent) {
        sooner(&due, s->last_content + (uint64_t)s->conf->gap_timeout);
    } else if (s->was_bound) {
        sooner(&due, s->bound_at + (uint64_t)s->conf->first_token_timeout);
        if (!s->accepted)
            sooner(&due, s->bound_at + (uint64_t)s->conf->accept_timeout);
    }
    if (mod_dgon_client_comments(s))
        sooner(&due, s->headers_sent ? s->last_write + (uint64_t)s->conf->ping_interval
                                     : s->started + (uint64_t)s->conf->header_hold);
    if (s->blocked_since != 0 && mod_dgon_client_blocked(s))
        sooner(&due, s->blocked_since + (uint64_t)s->conf->write_timeout);
    return due > s->now ? due : s->now + 20;
}

/* A client that takes nothing: its socket stays full. */
static bool too_slow(mod_dgon_stream *s)
{
    if (s->mc == NULL)
        return false;
    if (!mod_dgon_client_blocked(s)) {
        s->blocked_since = 0;
        return false;
    }
    if (s->blocked_since == 0)
        s->blocked_since = s->now;
    return s->now - s->blocked_since >= (uint64_t)s->conf->write_timeout;
}

mod_dgon_pump mod_dgon_client_tick(mod_dgon_stream *s, dgon_buf *out, uint64_t *due)
{
    mod_dgon_pump how = PUMP_WAIT;
    if (too_slow(s)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, s->r,
                      "DGON0041: client took nothing for DgonWriteTimeout: dropped");
        mod_dgon_client_gone(s);
        s->c->aborted = 1;
        return PUMP_BROKEN;
    }
    if (mod_dgon_client_cancelled(s))
        return mod_dgon_client_fail(s, out);
    if (s->requeue && s->now >= s->requeue_at && mod_dgon_client_submit(s) != DGON_OK)
        return mod_dgon_client_fail(s, out);
    dgon_job_phase phase =
        s->has_job ? dgon_registry_phase(s->engine->registry, s->ref, NULL, NULL) : DGON_JOB_QUEUED;
    bool queued = phase == DGON_JOB_QUEUED;
    if (queued)
        how = tick_queued(s, out);
    else if (phase != DGON_JOB_DONE)
        how = tick_bound(s, out);
    if (how != PUMP_WAIT)
        return how;
    if (!mod_dgon_client_blocked(s)) {
        if (comments(s, out, queued) != DGON_OK ||
            (out->len > 0 && !mod_dgon_client_write(s, out, false))) {
            mod_dgon_client_gone(s);
            return PUMP_BROKEN;
        }
    }
    *due = next_due(s, queued);
    return PUMP_WAIT;
}

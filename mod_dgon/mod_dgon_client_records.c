/* Records from the agent: each becomes a piece of the answer, or an end. */
#include "mod_dgon_client_int.h"

#include "mod_dgon_pass.h"
#include "mod_dgon_tally.h"

#include "dgon/chat.h"
#include "dgon/relay.h"

#include <http_protocol.h>

#define FILL_MAX    (32u * 1024u)  /* content of one write; more waits for the next turn */
#define ANSWER_HOLD (256u * 1024u) /* a longer whole answer is sent as it comes */
#define ROUNDS_MAX  8              /* writes of one turn; then the other streams have theirs */
#define REQUEUE_MS  50

static mod_dgon_pump attempt_failed(mod_dgon_stream *s, dgon_buf *out)
{
    if (mod_dgon_client_error(s)->requeue && !s->content_sent) {
        /* the agent had no slot after all: the same job with its old place, a moment later */
        mod_dgon_client_let_go(s);
        s->requeue = s->spec.again = true;
        s->requeues++;
        s->requeue_at = s->now + REQUEUE_MS;
        return PUMP_WAIT;
    }
    if (mod_dgon_client_error(s)->retryable && mod_dgon_client_retry(s))
        return PUMP_WAIT;
    return mod_dgon_client_fail(s, out);
}

static mod_dgon_pump attempt_lost(mod_dgon_stream *s, dgon_buf *out)
{
    dgon_error_set(mod_dgon_client_error(s),
                   s->content_sent ? HTTP_BAD_GATEWAY : HTTP_SERVICE_UNAVAILABLE,
                   s->content_sent ? "upstream_error" : "no_capacity", NULL,
                   "The connection to the agent that worked on this request was lost.");
    mod_dgon_client_error(s)->retry_after = s->content_sent ? 0 : 1;
    if (mod_dgon_client_retry(s))
        return PUMP_WAIT;
    return mod_dgon_client_fail(s, out);
}

/* Appends the payload of the record that was peeked. */
static bool take_into(dgon_buf *b, dgon_ring *down, const dgon_ring_record *rec)
{
    if (dgon_buf_reserve(b, rec->len) != DGON_OK)
        return false;
    dgon_ring_take_spsc(down, rec, b->data + b->len);
    b->len += rec->len;
    return true;
}

static void content_begins(mod_dgon_stream *s)
{
    s->last_content = s->now;
    if (s->content_sent)
        return;
    s->content_sent = true;
    s->tally->first_us = mod_dgon_tally_now();
    if (s->upload != NULL)
        return;              /* its body may still be on its way */
    dgon_buf_fini(&s->body); /* no retry from here on */
    s->body_at = 0;
}

static bool on_event(mod_dgon_stream *s, dgon_buf *out, dgon_ring *down,
                     const dgon_ring_record *rec)
{
    dgon_form form = s->form;
    bool first = !s->in_event;
    if (s->collect)
        out = &s->answer; /* its lines, for who waits for them */
    else
        mod_dgon_client_begin(s);
    content_begins(s);
    if (first && form != DGON_FORM_LINES &&
        dgon_buf_adds(out, form == DGON_FORM_EVENTS ? "event: " : "data: ") != DGON_OK)
        return false;
    size_t at = out->len;
    s->in_event = rec->type == DGON_REC_EVENT_PART;
    if (!take_into(out, down, rec))
        return false;
    if (first && form == DGON_FORM_EVENTS && dgon_relay_unfold(out, at) != DGON_OK)
        return false;
    s->events += rec->n;
    return s->in_event || dgon_buf_adds(out, form == DGON_FORM_LINES ? "\n" : "\n\n") == DGON_OK;
}

/* An answer without a head, or of another length than it said: an agent's fault. */
static mod_dgon_pump no_head(mod_dgon_stream *s, dgon_buf *out)
{
    dgon_error_set(mod_dgon_client_error(s), HTTP_BAD_GATEWAY, "upstream_error", NULL,
                   "The agent's answer was not valid.");
    return mod_dgon_client_fail(s, out);
}

static void note_end(mod_dgon_stream *s, dgon_ring *down, const dgon_ring_record *rec)
{
    char text[DGON_WIRE_FINAL_MAX];
    int64_t in, out;
    bool fits = rec->len <= sizeof(text);
    dgon_ring_take_spsc(down, rec, fits ? text : NULL);
    if (!fits)
        return;
    (void)dgon_chat_end_finish(text, rec->len, s->tally->finish);
    if (!dgon_chat_end_tokens(text, rec->len, &in, &out))
        return;
    /* of another part of this request there may be some already */
    s->tally->tokens_in = in + (s->tally->tokens_in > 0 ? s->tally->tokens_in : 0);
    s->tally->tokens_out = out + (s->tally->tokens_out > 0 ? s->tally->tokens_out : 0);
}

static mod_dgon_pump on_end(mod_dgon_stream *s, dgon_buf *out)
{
    mod_dgon_client_count(s, DGON_COUNT_OK, 1);
    mod_dgon_client_count(s, DGON_COUNT_EVENTS, s->events);
    if (s->upload != NULL)
        return mod_dgon_pass_is_whole(s) ? mod_dgon_client_end(s, out) : no_head(s, out);
    if (s->collect) {
        s->over = true;
        mod_dgon_client_agent_told(s, NULL);
        mod_dgon_client_let_go(s);
        return PUMP_ENDED;
    }
    mod_dgon_client_begin(s);
    if (s->streaming) {
        bool done = s->form == DGON_FORM_DATA;
        if (s->in_event || (done && dgon_buf_adds(out, "data: [DONE]\n\n") != DGON_OK))
            return PUMP_BROKEN;
        return mod_dgon_client_end(s, out);
    }
    if (!s->headers_sent)
        ap_set_content_length(s->r, (apr_off_t)s->answer.len);
    return mod_dgon_client_end(s, &s->answer);
}

static mod_dgon_pump on_fail(mod_dgon_stream *s, dgon_buf *out, dgon_ring *down,
                             const dgon_ring_record *rec)
{
    char text[DGON_WIRE_FINAL_MAX];
    if (rec->len > sizeof(text)) {
        dgon_ring_take_spsc(down, rec, NULL);
        dgon_error_set(mod_dgon_client_error(s), HTTP_BAD_GATEWAY, "upstream_error", NULL,
                       "The agent reported an error.");
    } else {
        dgon_ring_take_spsc(down, rec, text);
        if (dgon_error_unpack(mod_dgon_client_error(s), text, rec->len) != DGON_OK)
            dgon_error_set(mod_dgon_client_error(s), HTTP_BAD_GATEWAY, "upstream_error", NULL,
                           "The agent reported an error.");
    }
    return attempt_failed(s, out);
}

/* Tells the link child that there is room again, every quarter window: it then gives the agent
 * credit. What is left untold (less than a quarter) must never be what a record of the longest kind
 * waits for: three quarters cover one. */
static void consumed(mod_dgon_stream *s, uint32_t len)
{
    s->consumed += len + DGON_WIRE_CREDIT_OVERHEAD;
    if (s->consumed >= s->engine->window / 4) {
        s->consumed = 0;
        dgon_registry_notify_link(s->engine->registry, s->ref);
    }
}

_Static_assert((DGON_RING_MIN - DGON_RING_RESERVE) / 4 * 3 >=
                   DGON_WIRE_RECORD_MAX + DGON_WIRE_CREDIT_OVERHEAD,
               "three quarters of the smallest window cover the longest record");

typedef enum { STEP_NONE, STEP_MORE, STEP_FINAL } mod_dgon_step;

/* One record from the ring into `out` (or the answer). STEP_FINAL: *how says how the stream goes
 * on. */
static mod_dgon_step step(mod_dgon_stream *s, dgon_buf *out, mod_dgon_pump *how)
{
    dgon_ring down = dgon_registry_down(s->engine->registry, s->ref.slot);
    dgon_ring_record rec;
    /* read before the ring is looked at: what stands in the ring was put there before DONE */
    bool done = dgon_registry_phase(s->engine->registry, s->ref, NULL, NULL) == DGON_JOB_DONE;
    dgon_status st = dgon_ring_peek_spsc(&down, &rec);
    if (st == DGON_AGAIN) {
        if (!done)
            return STEP_NONE;
        *how = attempt_lost(s, out);
        return STEP_FINAL;
    }
    if (st != DGON_OK) {
        dgon_error_set(mod_dgon_client_error(s), HTTP_INTERNAL_SERVER_ERROR, NULL, NULL,
                       "The gateway lost track of this job.");
        *how = mod_dgon_client_fail(s, out);
        return STEP_FINAL;
    }
    switch (rec.type) {
    case DGON_REC_EVENT:
    case DGON_REC_EVENT_PART:
        if (!s->streaming || !on_event(s, out, &down, &rec)) {
            *how = PUMP_BROKEN;
            return STEP_FINAL;
        }
        break;
    case DGON_REC_HEAD:
        if (s->upload == NULL || !mod_dgon_pass_answer(s, &down, &rec)) {
            *how = no_head(s, out);
            return STEP_FINAL;
        }
        content_begins(s);
        break;
    case DGON_REC_RAW:
        if (s->upload != NULL) {
            if (!mod_dgon_pass_takes(s, rec.len) || !take_into(out, &down, &rec)) {
                *how = no_head(s, out);
                return STEP_FINAL;
            }
            s->last_content = s->now;
            break;
        }
        if (s->streaming || !take_into(&s->answer, &down, &rec)) {
            dgon_error_set(mod_dgon_client_error(s), HTTP_BAD_GATEWAY, "upstream_error", NULL,
                           "The answer of the model server is too large.");
            *how = mod_dgon_client_fail(s, out);
            return STEP_FINAL;
        }
        s->last_content = s->now;
        break;
    case DGON_REC_END:
        note_end(s, &down, &rec);
        *how = on_end(s, out);
        return STEP_FINAL;
    case DGON_REC_FAIL:
        *how = on_fail(s, out, &down, &rec);
        return STEP_FINAL;
    case DGON_REC_STATUS:
        s->accepted = true;
        dgon_ring_take_spsc(&down, &rec, NULL);
        return STEP_MORE;
    default:
        dgon_ring_take_spsc(&down, &rec, NULL);
        return STEP_MORE;
    }
    consumed(s, rec.len);
    return STEP_MORE;
}

bool mod_dgon_client_cancelled(mod_dgon_stream *s)
{
    if (!s->has_job || !dgon_registry_cancel_asked(s->engine->registry, s->ref))
        return false;
    dgon_error_set(mod_dgon_client_error(s), HTTP_SERVICE_UNAVAILABLE, "cancelled", NULL,
                   "An administrator has ended this request.");
    mod_dgon_client_error(s)->lasting = true;
    return true;
}

mod_dgon_pump mod_dgon_client_pump(mod_dgon_stream *s, dgon_buf *out)
{
    mod_dgon_pump how = PUMP_WAIT;
    if (!s->way.clear && s->c->aborted) {
        mod_dgon_client_gone(s);
        return PUMP_BROKEN;
    }
    for (unsigned rounds = 0; s->has_job && !s->over; rounds++) {
        if (rounds == ROUNDS_MAX) {
            dgon_registry_notify(s->engine->registry, s->engine->child, s->ref.slot);
            break;
        }
        if (s->upload != NULL && s->upload->more && !mod_dgon_pass_read(s))
            return mod_dgon_client_fail(s, out);
        if (mod_dgon_client_has_body(s))
            mod_dgon_client_feed(s);
        if (mod_dgon_client_blocked(s))
            break; /* the ring holds the rest; the agent's credit runs out and its backend waits */
        mod_dgon_step last = STEP_MORE;
        unsigned steps = 0;
        for (; last == STEP_MORE && out->len < FILL_MAX; steps++)
            last = step(s, out, &how);
        if (last == STEP_NONE && steps == 1 && mod_dgon_client_cancelled(s))
            return mod_dgon_client_fail(s, out); /* news of no record: perhaps this one */
        if (last == STEP_FINAL)
            return how;
        if (s->answer.len > ANSWER_HOLD && !s->streaming && !s->collect) {
            mod_dgon_client_begin(s);
            content_begins(s);
            if (!mod_dgon_client_write(s, &s->answer, false))
                how = PUMP_BROKEN;
        }
        if (out->len > 0 && !mod_dgon_client_write(s, out, false))
            how = PUMP_BROKEN;
        if (how == PUMP_BROKEN) {
            mod_dgon_client_gone(s);
            return how;
        }
        if (last == STEP_NONE)
            break;
    }
    return PUMP_WAIT;
}

/* The jobs of a link: body up, records down, credit, cancel. The path of a token in the link child
 * is mod_dgon_link_records(). */
#include "mod_dgon_client.h"
#include "mod_dgon_link_int.h"

#include "dgon/error.h"
#include "dgon/op.h"
#include "dgon/pass.h"

#include <stdlib.h>
#include <string.h>

mod_dgon_link_job *mod_dgon_link_jobs_create(uint32_t jobs)
{
    return calloc(jobs, sizeof(mod_dgon_link_job));
}

static bool send_record(mod_dgon_link *l, const mod_dgon_link_job *job, uint8_t type, const void *p,
                        uint32_t n)
{
    unsigned char message[DGON_WIRE_HEADER + DGON_WIRE_RECORD_MAX];
    dgon_record rec = {.job = job->number, .type = type, .attempt = job->attempt, .len = n};
    dgon_wire_put_header(message, &rec);
    if (n > 0)
        memcpy(message + DGON_WIRE_HEADER, p, n);
    mod_dgon_link_dirty(l);
    return mod_dgon_ws_binary(l->ws, message, DGON_WIRE_HEADER + n);
}

static void over(mod_dgon_link_job *job, uint32_t ms)
{
    mod_dgon_link *l = job->link;
    l->jobs--;
    if (job->cancelled)
        l->cancels--;
    job->link = NULL;
    dgon_registry_finish(l->engine->registry, job->ref, ms);
}

static void cancel(mod_dgon_link_job *job)
{
    if (job->cancelled)
        return;
    job->cancelled = true;
    job->cancelled_at = job->link->engine->now;
    job->body_left = 0;
    job->link->cancels++;
    (void)send_record(job->link, job, DGON_REC_CANCEL, NULL, 0);
}

/* The client sees `text`. */
static void tell(mod_dgon_link_job *job, const char *text)
{
    mod_dgon_engine *e = job->link->engine;
    dgon_ring down = dgon_registry_down(e->registry, job->ref.slot);
    dgon_error err;
    dgon_buf payload;
    dgon_error_set(&err, 502, "upstream_error", NULL, "%s", text);
    dgon_buf_init(&payload, DGON_WIRE_FINAL_MAX);
    if (dgon_error_pack(&payload, &err) == DGON_OK)
        (void)!dgon_ring_put_spsc(&down, DGON_REC_FAIL, 0, payload.data, (uint32_t)payload.len);
    dgon_buf_fini(&payload);
    dgon_registry_notify_client(e->registry, job->ref);
}

/* The same; the agent is told to stop; the slot stays busy until it says so. */
static void fail(mod_dgon_link_job *job, const char *text)
{
    tell(job, text);
    cancel(job);
}

static void feed(mod_dgon_link_job *job)
{
    mod_dgon_link *l = job->link;
    dgon_ring up = dgon_registry_up(l->engine->registry, job->ref.slot);
    unsigned char piece[DGON_WIRE_RECORD_MAX];
    bool fed = false;
    while (job->body_left > 0 && mod_dgon_ws_queued(l->ws) < MOD_DGON_BODY_AHEAD) {
        dgon_ring_record rec;
        dgon_status st = dgon_ring_peek_spsc(&up, &rec);
        if (st == DGON_AGAIN)
            break;
        if (st != DGON_OK || rec.type != DGON_REC_BODY || rec.len > sizeof(piece) ||
            rec.len > job->body_left) {
            fail(job, "The gateway lost track of this request.");
            return;
        }
        if (job->open_body && rec.len > job->body_credit)
            break;
        dgon_ring_take_spsc(&up, &rec, piece);
        if (!send_record(l, job, DGON_REC_BODY, piece, rec.len)) {
            fail(job, "The gateway is short of memory.");
            return;
        }
        job->body_left -= job->open_body && rec.len == 0 ? job->body_left : rec.len;
        job->body_credit -= job->open_body ? rec.len : 0;
        fed = true;
    }
    if (mod_dgon_ws_queued(l->ws) >= MOD_DGON_BODY_AHEAD)
        l->feeding = true;
    if (fed && job->body_left > 0)
        dgon_registry_notify_client(l->engine->registry, job->ref);
}

/* What the client has read is given back to the agent, in steps of a quarter window at least. */
static void give_credit(mod_dgon_link_job *job)
{
    mod_dgon_engine *e = job->link->engine;
    dgon_ring down = dgon_registry_down(e->registry, job->ref.slot);
    uint32_t space = dgon_ring_space_spsc(&down);
    uint32_t used = down.size - DGON_RING_HEADER > space ? down.size - DGON_RING_HEADER - space : 0;
    int64_t grant = (int64_t)e->window - (int64_t)used - job->credit;
    if (grant < (int64_t)e->window / 4)
        return;
    unsigned char payload[4];
    dgon_put_u32(payload, (uint32_t)grant);
    if (send_record(job->link, job, DGON_REC_CREDIT, payload, sizeof(payload)))
        job->credit += grant;
}

/* The head of a request that is passed on: it went into the ring before the job was submitted. */
static bool take_head(mod_dgon_link_job *job, char *head, uint32_t *n)
{
    dgon_ring up = dgon_registry_up(job->link->engine->registry, job->ref.slot);
    dgon_ring_record rec;
    if (dgon_ring_peek_spsc(&up, &rec) != DGON_OK || rec.type != DGON_REC_HEAD ||
        rec.len > DGON_PASS_HEAD_MAX)
        return false;
    dgon_ring_take_spsc(&up, &rec, head);
    *n = rec.len;
    return true;
}

static void start(mod_dgon_engine *e, uint32_t slot, dgon_job_ref ref, uint32_t link)
{
    mod_dgon_link *l = link < (uint32_t)e->conf->max_agents ? e->link_at[link] : NULL;
    mod_dgon_link_job *job = &e->link_jobs[slot];
    dgon_job_spec spec;
    if (l == NULL || l->close_code != 0 || dgon_registry_spec(e->registry, ref, &spec) != DGON_OK ||
        dgon_registry_take(e->registry, ref) != DGON_OK) {
        dgon_registry_finish(e->registry, ref,
                             0); /* its client is gone, or the link is about to be */
        return;
    }
    memset(job, 0, sizeof(*job));
    job->link = l;
    job->ref = ref;
    job->number = (l->sequence++ % (UINT32_MAX / e->jobs)) * e->jobs + slot;
    job->attempt = spec.attempt;
    job->stream = spec.stream;
    job->body_left = spec.body_len;
    job->credit = e->window;
    job->since = e->now;
    l->jobs++;
    char head[DGON_PASS_HEAD_MAX];
    uint32_t head_len = 0;
    if (spec.op == DGON_OP_PASS) {
        job->open_body = true;
        job->body_left = DGON_WIRE_BODY_OPEN;
        job->body_credit = DGON_WIRE_BODY_WINDOW;
        if (!take_head(job, head, &head_len)) {
            tell(job, "The gateway lost track of this request.");
            over(job, 0);
            return;
        }
    }
    if (!mod_dgon_link_send_job(l, job, &spec, head_len > 0 ? head : NULL, head_len))
        mod_dgon_link_end(l, 1011, "out of memory");
    else
        feed(job);
}

void mod_dgon_link_news(mod_dgon_engine *e, uint32_t slot)
{
    mod_dgon_link_job *job = &e->link_jobs[slot];
    dgon_job_ref ref;
    uint32_t link;
    dgon_job_phase phase;
    bool gone;
    if (job->link == NULL) {
        if (dgon_registry_job_here(e->registry, e->child, slot, &ref, &link, &phase, &gone) !=
            DGON_OK)
            return;
        if (phase == DGON_JOB_BOUND)
            start(e, slot, ref, link);
        else
            dgon_registry_finish(e->registry, ref, 0); /* nobody here works on it */
        return;
    }
    (void)dgon_registry_phase(e->registry, job->ref, &gone, NULL);
    if (gone) {
        cancel(job);
        return;
    }
    if (job->cancelled)
        return;
    if (job->body_left > 0)
        feed(job);
    give_credit(job);
}

void mod_dgon_link_jobs_feed(mod_dgon_link *l)
{
    mod_dgon_engine *e = l->engine;
    if (!l->feeding)
        return;
    l->feeding = false;
    for (uint32_t i = 0; i < e->jobs; i++)
        if (e->link_jobs[i].link == l && e->link_jobs[i].body_left > 0)
            feed(&e->link_jobs[i]);
}

void mod_dgon_link_jobs_overdue(mod_dgon_link *l)
{
    mod_dgon_engine *e = l->engine;
    for (uint32_t i = 0; i < e->jobs; i++) {
        const mod_dgon_link_job *job = &e->link_jobs[i];
        if (job->link == l && job->cancelled && e->now - job->cancelled_at >= MOD_DGON_CANCEL_MS) {
            mod_dgon_link_end(l, DGON_CLOSE_TIMEOUT, "a cancel was never confirmed");
            return;
        }
    }
}

void mod_dgon_link_jobs_forget(mod_dgon_link *l)
{
    mod_dgon_engine *e = l->engine;
    for (uint32_t i = 0; l->jobs > 0 && i < e->jobs; i++)
        if (e->link_jobs[i].link == l) {
            e->link_jobs[i].link = NULL;
            l->jobs--;
        }
}

/* ---- records from the agent ---- */

/* DGON_OK, or the job's failure (DGON_EUTF8), or the link's (DGON_EPROTO). */
static dgon_status content(mod_dgon_link_job *job, const dgon_record *rec)
{
    mod_dgon_engine *e = job->link->engine;
    job->credit -= (int64_t)rec->len + DGON_WIRE_CREDIT_OVERHEAD;
    if (job->credit < 0)
        return DGON_EPROTO;
    bool bytes = rec->type == DGON_REC_RAW || rec->type == DGON_REC_HEAD;
    if (job->stream == bytes || (rec->type == DGON_REC_HEAD && !job->open_body))
        return DGON_EUTF8;
    if (job->stream) {
        if (dgon_utf8_feed(&job->utf8, rec->payload, rec->len, true) != DGON_OK)
            return DGON_EUTF8;
        if (rec->type == DGON_REC_EVENT && !dgon_utf8_complete(&job->utf8))
            return DGON_EUTF8;
    }
    dgon_ring down = dgon_registry_down(e->registry, job->ref.slot);
    if (dgon_ring_put_spsc(&down, rec->type, rec->n, rec->payload, rec->len) != DGON_OK)
        return DGON_EPROTO;
    dgon_registry_notify_client(e->registry, job->ref);
    return DGON_OK;
}

static void final(mod_dgon_link_job *job, const dgon_record *rec)
{
    mod_dgon_engine *e = job->link->engine;
    uint32_t ms = 0;
    if (!job->cancelled && rec->type != DGON_REC_CANCELLED) {
        dgon_ring down = dgon_registry_down(e->registry, job->ref.slot);
        (void)!dgon_ring_put_spsc(&down, rec->type, 0, rec->payload, rec->len);
        if (rec->type == DGON_REC_END)
            ms = (uint32_t)(e->now - job->since) + 1;
    }
    over(job, ms);
}

/* The agent takes more of the request's body. */
static bool body_credit(mod_dgon_link_job *job, const dgon_record *rec)
{
    uint32_t more = dgon_get_u32(rec->payload);
    if (more > DGON_WIRE_BODY_WINDOW - job->body_credit) {
        mod_dgon_link_end(job->link, DGON_CLOSE_PROTOCOL, "more credit than was used");
        return false;
    }
    job->body_credit += more;
    if (!job->cancelled && job->body_left > 0)
        feed(job);
    return true;
}

static bool stray(mod_dgon_link *l)
{
    dgon_registry_count(l->engine->registry, l->engine->child, DGON_COUNT_DROPPED, 1);
    if (++l->strays < MOD_DGON_STRAYS_MAX)
        return true;
    mod_dgon_link_end(l, 1008, "records of jobs that are not this agent's");
    return false;
}

/* Its reader, most often this very thread, comes to the stream when the ring is written: fetched
 * meanwhile. */
static void expect_reader(const mod_dgon_engine *e, uint32_t slot)
{
    uintptr_t client = atomic_load_explicit(&e->clients[slot], memory_order_relaxed);
    if (client != 0 && (client & 1) == 0)
        for (size_t at = 0; at < MOD_DGON_STREAM_HOT; at += MOD_DGON_LINE)
            __builtin_prefetch((const char *)client + at, 1);
}

static bool record(mod_dgon_link *l, const dgon_record *rec)
{
    mod_dgon_engine *e = l->engine;
    mod_dgon_link_job *job = &e->link_jobs[rec->job % e->jobs];
    if (job->link != l || job->number != rec->job || job->attempt != rec->attempt)
        return stray(l);
    switch (rec->type) {
    case DGON_REC_EVENT:
    case DGON_REC_EVENT_PART:
    case DGON_REC_RAW:
    case DGON_REC_HEAD:
        if (job->cancelled)
            return true;
        expect_reader(e, job->ref.slot);
        switch (content(job, rec)) {
        case DGON_OK:
            return true;
        case DGON_EUTF8:
            fail(job, "The model server's answer was not valid.");
            return true;
        default:
            mod_dgon_link_end(l, DGON_CLOSE_PROTOCOL, "more data than the credit allows");
            return false;
        }
    case DGON_REC_STATUS:
        if (!job->cancelled) {
            dgon_ring down = dgon_registry_down(e->registry, job->ref.slot);
            if (dgon_ring_put_spsc(&down, DGON_REC_STATUS, 0, NULL, 0) == DGON_OK)
                dgon_registry_notify_client(e->registry, job->ref);
        }
        return true;
    case DGON_REC_CREDIT:
        if (job->open_body)
            return body_credit(job, rec);
        break;
    case DGON_REC_END:
    case DGON_REC_FAIL:
    case DGON_REC_CANCELLED:
        final(job, rec);
        return true;
    default:
        break;
    }
    mod_dgon_link_end(l, DGON_CLOSE_PROTOCOL, "a record type that agents do not send");
    return false;
}

bool mod_dgon_link_records(mod_dgon_link *l, const unsigned char *p, size_t n)
{
    size_t at = 0;
    dgon_record rec;
    dgon_status st;
    if (l->index == DGON_NONE) {
        mod_dgon_link_end(l, DGON_CLOSE_PROTOCOL, "hello must come first");
        return false;
    }
    while ((st = dgon_wire_next(p, n, &at, &rec)) == DGON_OK)
        if (!record(l, &rec))
            return false;
    if (st == DGON_DONE)
        return true;
    mod_dgon_link_end(l, st == DGON_ETOOBIG ? DGON_CLOSE_TOO_BIG : DGON_CLOSE_PROTOCOL,
                      "malformed record");
    return false;
}

/* What a job says to the gateway: records within its credit, its end, its errors. */
#include "agent_job.h"

#include <stdio.h>
#include <string.h>

static void send_record(agent_link *l, uint32_t number, uint8_t attempt, uint8_t type,
                        const void *p, size_t n)
{
    dgon_record r = {
        .job = number, .type = type, .attempt = attempt, .len = (uint32_t)n, .payload = p};
    agent_link_record(l, &r);
}

void agent_job_send(const agent_job *j, uint8_t type, const void *p, size_t n)
{
    send_record(j->link, j->number, j->attempt, type, p, n);
}

void agent_job_refuse(agent_link *l, uint32_t number, uint8_t attempt, const dgon_error *e)
{
    dgon_buf b;
    dgon_buf_init(&b, 8192);
    dgon_status s = dgon_error_pack(&b, e);
    if (s == DGON_OK && b.len > DGON_WIRE_FINAL_MAX) {
        dgon_error cut = *e; /* a text full of characters that need escapes */
        (void)snprintf(cut.message, sizeof cut.message,
                       "The backend's error is too long to be passed on.");
        dgon_buf_reset(&b);
        s = dgon_error_pack(&b, &cut);
    }
    if (s == DGON_OK) {
        send_record(l, number, attempt, DGON_REC_FAIL, b.data, b.len);
    } else {
        static const char plain[] =
            "{\"status\":500,\"code\":null,\"param\":null,\"message\":\"The agent is out of "
            "memory.\",\"retryable\":true,\"requeue\":false}";
        send_record(l, number, attempt, DGON_REC_FAIL, plain, sizeof plain - 1);
    }
    dgon_buf_fini(&b);
}

static bool may_send(agent_job *j, size_t n)
{
    return j->credit >= (int64_t)(n + DGON_WIRE_CREDIT_OVERHEAD) && !agent_link_is_choked(j->link);
}

/* One record with credit accounting: now, or behind what waits already. */
static dgon_status put(agent_job *j, uint8_t type, uint16_t events, const char *p, size_t n)
{
    dgon_record r = {.job = j->number,
                     .type = type,
                     .attempt = j->attempt,
                     .n = events,
                     .len = (uint32_t)n,
                     .payload = (const unsigned char *)p};
    if (j->pending.len == 0 && may_send(j, n)) {
        j->credit -= (int64_t)(n + DGON_WIRE_CREDIT_OVERHEAD);
        agent_job_unheard_end(j);
        agent_link_record(j->link, &r);
        return DGON_OK;
    }
    unsigned char header[DGON_WIRE_HEADER];
    dgon_wire_put_header(header, &r);
    dgon_status s = dgon_buf_reserve(&j->pending, sizeof header + n);
    s = s == DGON_OK ? dgon_buf_add(&j->pending, header, sizeof header) : s;
    return s == DGON_OK ? dgon_buf_add(&j->pending, p, n) : s;
}

dgon_status agent_job_on_event(void *user, const char *p, size_t n)
{
    agent_job *j = user;
    dgon_status s = DGON_OK;
    j->state = AGENT_JOB_RUNNING;
    while (s == DGON_OK && n > j->piece) {
        s = put(j, DGON_REC_EVENT_PART, 0, p, j->piece);
        p += j->piece;
        n -= j->piece;
    }
    if (s == DGON_OK) {
        /* role, finish and usage chunks carry no token */
        uint16_t tokens = j->x.chat.tokens > j->events ? 1 : 0;
        j->events += tokens;
        s = put(j, DGON_REC_EVENT, tokens, p, n);
    }
    return s;
}

dgon_status agent_job_put_raw(agent_job *j, const char *p, size_t n)
{
    dgon_status s = DGON_OK;
    while (s == DGON_OK && n != 0) {
        size_t piece = n < j->piece ? n : j->piece;
        s = put(j, DGON_REC_RAW, 0, p, piece);
        p += piece;
        n -= piece;
    }
    return s;
}

dgon_status agent_job_put_head(agent_job *j, const char *p, size_t n)
{
    j->state = AGENT_JOB_RUNNING;
    return n <= j->piece ? put(j, DGON_REC_HEAD, 0, p, n) : DGON_ETOOBIG;
}

bool agent_job_send_pending(agent_job *j)
{
    const unsigned char *p = (const unsigned char *)j->pending.data;
    size_t at = j->pending_at;
    dgon_record r;
    while (at < j->pending.len && dgon_wire_next(p, j->pending.len, &at, &r) == DGON_OK &&
           may_send(j, r.len)) {
        j->credit -= (int64_t)r.len + DGON_WIRE_CREDIT_OVERHEAD;
        agent_job_unheard_end(j);
        agent_link_record(j->link, &r);
        j->pending_at = at;
    }
    if (j->pending_at < j->pending.len) {
        return false;
    }
    if (j->pending.size > 65536u) {
        dgon_buf_fini(&j->pending);
    }
    dgon_buf_reset(&j->pending);
    j->pending_at = 0;
    return true;
}

#include "fakellm_stream.h"

#include "fakellm_request.h"
#include "fakellm_stats.h"
#include "fakellm_timetable.h"
#include "fakellm_write.h"

#define TURN 64 /* tokens that one stream may write before the next one's turn */

static void finish(struct conn *c)
{
    stats.finished++;
    timetable_remove(c);
    c->state = READING;
    if (conn_flush(c) && bytes_used(&c->in)) {
        request_serve(c);
    }
}

static uint64_t due_of(const struct conn *c, uint64_t seq)
{
    return c->first_due + (c->plan.rate > 0 ? (uint64_t)((double)seq * 1e9 / c->plan.rate) : 0);
}

/* A model that is slower than its reader goes on while the reader takes nothing; one that writes
 * flat out has no token before there is room for it, so that no token is older than its writing. */
static bool has_room(const struct conn *c)
{
    return bytes_used(&c->out) < (c->plan.rate > 0 ? OUT_MAX : 1);
}

/* False: the connection is gone. */
static bool write_due(struct conn *c, uint64_t now)
{
    for (unsigned n = 0; n < TURN && has_room(c);) {
        unsigned burst = 0;

        while (c->next < c->plan.tokens && burst < c->plan.burst && due_of(c, c->next) <= now) {
            write_token(c, c->next++);
            burst++;
        }
        if (burst == 0) {
            return true;
        }
        n += burst;
        if (!conn_flush(c)) {
            return false;
        }
    }
    return true;
}

void stream_speak(struct conn *c, uint64_t now)
{

    if (c->state == ANSWERING) {
        write_whole(c);
        finish(c);
        return;
    }
    if (!c->head_sent) {
        write_head(c);
    }
    if (!write_due(c, now)) {
        return;
    }
    if (c->next == c->plan.tokens && c->plan.silent) {
        c->state = SILENT;
    } else if (c->next == c->plan.tokens) {
        write_end(c);
        finish(c);
        return;
    }
    if (!conn_flush(c)) {
        return;
    }
    if (c->state == SILENT || !has_room(c)) {
        timetable_remove(c); /* for ever, or until stream_room */
    } else {
        uint64_t due = due_of(c, c->next);

        timetable_put(c, due > now ? due : now + 1);
    }
}

void stream_room(struct conn *c)
{
    if (c->state == STREAMING && !c->place && has_room(c)) {
        timetable_put(c, due_of(c, c->next));
    }
}

static uint64_t first_due(const struct plan *p, uint64_t now)
{
    static const double golden = 0.6180339887498949; /* any number of streams falls evenly */
    static uint64_t streams;
    double gap = p->rate > 0 ? 1e9 / p->rate : 0, place;
    uint64_t earliest = now + p->first_ms * MS;

    if (gap < 1) {
        return earliest;
    }
    place = p->spread ? (double)(++streams % 1000003) * golden : 0;
    place = (place - (double)(uint64_t)place) * gap;
    /* The next time on this stream's grid, so that streams which start apart still keep step. */
    return (uint64_t)(((double)(uint64_t)((double)earliest / gap) + 1) * gap + place);
}

void stream_start(struct conn *c, bool streamed)
{
    uint64_t now = now_ns();
    const struct plan *p = &c->plan;

    c->arrived = now;
    c->next = 0;
    c->head_sent = false;
    stats_started(p->id, now);
    if (p->silent && (!p->tokens || !streamed)) {
        c->state = SILENT;
        return;
    }
    c->state = streamed ? STREAMING : ANSWERING;
    c->first_due = first_due(p, now);
    timetable_put(c, streamed ? c->first_due : due_of(c, p->tokens));
}

/* One worker waits for all parts of its request, in the blocking way, whatever the MPM: such
 * requests are rare and last long. The whole request is a stream without a job, which has the
 * client, its answer and its error; each part is a stream whose answer is collected. */
#include "mod_dgon_batch.h"

#include "mod_dgon_alias.h"
#include "mod_dgon_client_int.h"
#include "mod_dgon_error.h"
#include "mod_dgon_tally.h"

#include "dgon/batch.h"
#include "dgon/embed.h"

#include <http_protocol.h>

#include <poll.h>
#include <string.h>

#define INPUT_MIN    3u                    /* bytes of the shortest input, with its comma */
#define ANSWERS_MAX  DGON_EMBED_ANSWER_MAX /* of all parts together */
#define ANSWER_EXTRA (1024u * 1024u)       /* the indices of the whole are longer */

typedef struct batch {
    mod_dgon_stream *s; /* the whole request */
    mod_dgon_stream *part[DGON_BATCH_PARTS_MAX];
    dgon_batch_part plan[DGON_BATCH_PARTS_MAX];
    size_t parts, admitted, ended;
} batch;

_Static_assert(DGON_BATCH_PARTS_MAX <= DGON_REGISTRY_ROOM_MAX, "idle agents are counted so far");

/* ---- beginning ---- */

/* Vectors of different models do not fit together, however alike they look. */
static bool is_candidate(const mod_dgon_stream *s)
{
    size_t least = (size_t)s->conf->embed_part;
    return mod_dgon_alias_is_one_model(s) &&
           (s->spec.op == DGON_OP_EMBED || s->spec.op == DGON_OP_OLLAMA_EMBED) && least > 0 &&
           s->body.len >= 2 * least * INPUT_MIN;
}

/* As many as there are idle agents, as long as each has something to do. */
static size_t count_parts(const mod_dgon_stream *s, size_t inputs)
{
    size_t most = inputs / (size_t)s->conf->embed_part;
    if (most > DGON_BATCH_PARTS_MAX)
        most = DGON_BATCH_PARTS_MAX;
    if (most < 2)
        return 1;
    return dgon_registry_model_room(s->engine->registry, s->spec.model, s->spec.need,
                                    s->spec.context, (uint32_t)most);
}

static mod_dgon_stream *create_part(const mod_dgon_stream *s)
{
    mod_dgon_stream *p = mod_dgon_client_create(s->r, s->engine, s->conf);
    dgon_buf_init(&p->answer, ANSWERS_MAX);
    p->model = s->model;
    p->spec = s->spec;
    p->wakefd = s->wakefd;
    p->collect = true;
    return p;
}

/* The first part lets the request in, as a whole one would be; the others wait for their slots if
 * somebody else was quicker. If they could be refused, two lists that came at once would each have
 * one of the last two slots and refuse each other. False: a part was refused; whether the whole is
 * as well shall the way without parts say. */
static bool admit(batch *b, const dgon_batch *inputs)
{
    const dgon_buf *body = &b->s->body;
    while (b->admitted < b->parts) {
        mod_dgon_stream *p = create_part(b->s);
        const dgon_batch_part *plan = &b->plan[b->admitted];
        p->has_place = b->admitted > 0;
        if (dgon_batch_body(&p->body, inputs, plan, body->data, body->len) != DGON_OK ||
            mod_dgon_client_admit(p) != DGON_OK)
            return false;
        b->part[b->admitted++] = p;
    }
    return true;
}

static void cancel(batch *b)
{
    for (size_t k = 0; k < b->admitted; k++) {
        mod_dgon_client_gone(b->part[k]); /* no-op where it is over */
        dgon_buf_fini(&b->part[k]->body);
        dgon_buf_fini(&b->part[k]->answer);
    }
}

/* ---- waiting ---- */

static bool fail(mod_dgon_stream *s, const char *text)
{
    dgon_error_set(mod_dgon_client_error(s), HTTP_BAD_GATEWAY, "upstream_error", NULL, "%s", text);
    return false;
}

static mod_dgon_pump look_at(mod_dgon_stream *p, dgon_buf *out, uint64_t *due)
{
    uint64_t at = *due;
    mod_dgon_pump how = mod_dgon_client_pump(p, out);
    if (how == PUMP_WAIT)
        how = mod_dgon_client_tick(p, out, &at);
    if (at < *due)
        *due = at;
    return how;
}

/* A look at every part that is not over. False: the whole has failed, its error says why, or its
 * client is gone. */
static bool turn(batch *b, dgon_buf *out, uint64_t *due)
{
    mod_dgon_stream *s = b->s;
    size_t held = 0;
    *due = s->now + MOD_DGON_TICK_MS;
    for (size_t k = 0; k < b->parts; k++) {
        mod_dgon_stream *p = b->part[k];
        if (!p->over) {
            p->now = s->now;
            mod_dgon_pump how = look_at(p, out, due);
            if (how == PUMP_BROKEN) {
                *mod_dgon_client_error(s) = *mod_dgon_client_error(p);
                return false;
            }
            b->ended += how == PUMP_ENDED ? 1 : 0;
        }
        held += p->answer.len;
    }
    return held <= ANSWERS_MAX || fail(s, "The answers of the model servers are too large.");
}

/* True: every part has ended well. */
static bool wait_for_all(batch *b)
{
    mod_dgon_stream *s = b->s;
    int client = mod_dgon_block_socket(s);
    short events = POLLRDHUP;
    uint64_t until = 0, due = 0;
    bool good = true;
    dgon_buf out;
    dgon_buf_init(&out, MOD_DGON_OUT_MAX);
    for (;;) {
        s->now = mod_dgon_now_ms();
        good = turn(b, &out, &due);
        if (!good || b->ended == b->parts)
            break;
        good = !mod_dgon_block_is_over(s, &until);
        if (!good)
            break;
        mod_dgon_block_wait(s, client, &events, due);
    }
    dgon_buf_fini(&out);
    return good;
}

/* ---- the end ---- */

static bool join(batch *b)
{
    mod_dgon_stream *s = b->s;
    dgon_batch_answer a[DGON_BATCH_PARTS_MAX];
    for (size_t k = 0; k < b->parts; k++) {
        const dgon_buf *answer = &b->part[k]->answer;
        a[k] = (dgon_batch_answer){answer->data != NULL ? answer->data : "", answer->len,
                                   b->plan[k].count};
    }
    dgon_buf_init(&s->answer, ANSWERS_MAX + ANSWER_EXTRA);
    dgon_status st = dgon_batch_join(&s->answer, (dgon_op)s->spec.op, a, b->parts);
    if (st == DGON_OK)
        return true;
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, s->r,
                  "DGON0042: the answers of %d agents for model %s do not fit together: %s",
                  (int)b->parts, s->model, dgon_status_str(st));
    return fail(s, "The answers of the model servers do not fit together.");
}

static int answer(mod_dgon_stream *s)
{
    mod_dgon_client_begin(s);
    ap_set_content_length(s->r, (apr_off_t)s->answer.len);
    bool sent = mod_dgon_client_write(s, &s->answer, true);
    s->tally->good = sent;
    mod_dgon_block_end(s, sent ? PUMP_ENDED : PUMP_BROKEN);
    return OK;
}

static int run(batch *b)
{
    mod_dgon_stream *s = b->s;
    atomic_fetch_add(&s->engine->workers_waiting, 1);
    bool good = wait_for_all(b) && join(b);
    cancel(b);
    int status = good            ? answer(s)
                 : s->c->aborted ? OK
                                 : mod_dgon_error_send(s->r, mod_dgon_client_error(s));
    atomic_fetch_sub(&s->engine->workers_waiting, 1);
    return status;
}

bool mod_dgon_batch_run(mod_dgon_stream *s, int *status)
{
    batch b = {.s = s};
    dgon_batch inputs;
    if (!is_candidate(s) || dgon_batch_find(&inputs, s->body.data, s->body.len) != DGON_OK)
        return false;
    b.parts = count_parts(s, inputs.count);
    if (b.parts < 2 || dgon_batch_split(&inputs, s->body.data, b.plan, b.parts) != DGON_OK)
        return false;
    if (mod_dgon_engine_is_here()) {
        s->not_quick = true; /* the next one is a worker's, which may wait */
        return false;
    }
    s->wakefd = mod_dgon_block_fd();
    if (s->wakefd < 0 || !admit(&b, &inputs)) {
        cancel(&b);
        s->wakefd = -1;
        return false;
    }
    dgon_buf_fini(&s->body);
    *status = run(&b);
    return true;
}

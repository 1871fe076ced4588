#include "control_int.h"
#include "peek_int.h"

#include <string.h>

#define TRACEPARENT_LEN 55u

int dgon_ctl_is_traceparent(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool dash = i == 2 || i == 35 || i == 52;
        if (dash ? s[i] != '-' : strchr("0123456789abcdef", s[i]) == NULL)
            return 0;
    }
    return n == TRACEPARENT_LEN;
}

typedef int (*name_fn)(const char *s, size_t n);

static bool number(dgon_peek *c, uint64_t max, uint64_t *v)
{
    return dgon_peek_digits(c, v) && *v <= max;
}

static bool number32(dgon_peek *c, uint32_t max, uint32_t *v)
{
    uint64_t n;
    bool ok = number(c, max, &n);
    *v = (uint32_t)n;
    return ok;
}

static bool name(dgon_peek *c, name_fn is_valid, char *out, size_t size)
{
    dgon_span s;
    if (!dgon_peek_string(c, &s) || memchr(s.p, '\\', s.n) != NULL)
        return false;
    size_t n = s.n - 2;
    if (n >= size || !is_valid(s.p + 1, n))
        return false;
    memcpy(out, s.p + 1, n);
    out[n] = '\0';
    return true;
}

static bool created(dgon_peek *c, int64_t *v)
{
    uint64_t n;
    bool ok = number(c, INT64_MAX, &n);
    *v = (int64_t)n;
    return ok;
}

/* As a gateway writes them. */
enum { TYPE, JOB, ATTEMPT, CREATED, STREAM, BODY, DEADLINE, OP, MODEL, PUBLIC, ID, TRACE, KEYS };

#define REQUIRED (((1u << KEYS) - 1) & ~(1u << STREAM | 1u << DEADLINE | 1u << TRACE))

static const char *const keys[KEYS] = {"type",   "job",    "attempt",  "created",
                                       "stream", "body",   "deadline", "op",
                                       "model",  "public", "id",       "traceparent"};

/* Looked for from `likely` on; KEYS: none of them. */
static unsigned find(const dgon_span *word, unsigned likely)
{
    for (unsigned i = 0; i < KEYS; i++) {
        unsigned key = (likely + i) % KEYS;
        if (dgon_span_is(word, keys[key]))
            return key;
    }
    return KEYS;
}

static bool member(dgon_ctl *c, dgon_peek *at, unsigned key)
{
    switch (key) {
    case JOB:
        return number32(at, UINT32_MAX, &c->job);
    case ATTEMPT:
        return number32(at, UINT8_MAX, &c->attempt);
    case CREATED:
        return created(at, &c->created);
    case BODY:
        return number(at, INT64_MAX, &c->body);
    case OP:
        return name(at, dgon_wire_is_agent_id, c->op, sizeof c->op);
    case MODEL:
        return name(at, dgon_wire_is_model_name, c->model, sizeof c->model);
    case PUBLIC:
        return name(at, dgon_wire_is_model_name, c->public_model, sizeof c->public_model);
    case ID:
        return name(at, dgon_wire_is_agent_id, c->id, sizeof c->id);
    case TYPE:
        return dgon_peek_word(at, "\"job\"");
    case STREAM:
        return dgon_peek_bool(at, &c->stream);
    case DEADLINE:
        return number32(at, UINT32_MAX, &c->deadline_ms);
    default:
        return name(at, dgon_ctl_is_traceparent, c->traceparent, sizeof c->traceparent);
    }
}

static bool members(dgon_ctl *c, dgon_peek *at)
{
    unsigned seen = 0, key = KEYS - 1; /* the first is likely to follow */
    dgon_span word;
    bool open = false;
    int more;
    while ((more = dgon_peek_member(at, &open, &word)) == 1) {
        key = find(&word, key + 1);
        if (key == KEYS || (seen >> key & 1) != 0 || !member(c, at, key))
            return false;
        seen |= 1u << key;
    }
    return more == 0 && at->p == at->end && (seen & REQUIRED) == REQUIRED;
}

bool dgon_ctl_peek_job(dgon_ctl *c, const char *p, size_t n)
{
    static const char begin[] = "{\"type\":\"job\"";
    dgon_peek at = {p, p + n};
    if (n > DGON_WIRE_CONTROL_MAX || n < sizeof begin || memcmp(p, begin, sizeof begin - 1) != 0)
        return false;
    if (members(c, &at)) {
        c->type = DGON_CTL_JOB;
        return true;
    }
    dgon_ctl_init(c);
    return false;
}

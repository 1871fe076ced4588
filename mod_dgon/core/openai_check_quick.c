/* The usual request: texts, numbers, switches. A long conversation costs a tenth of what its tree
 * would. */
#include "openai_int.h"

#include <string.h>

#define KEYS_MAX  32u /* members of an object; with more the tree looks for doubles */
#define DEPTH_MAX 4u  /* of members that are let through */

/* The names of an object so far: none may come twice. */
typedef struct names {
    dgon_span key[KEYS_MAX];
    unsigned count;
} names;

static bool is_new(names *seen, const dgon_span *key)
{
    for (unsigned i = 0; i < seen->count; i++) {
        if (seen->key[i].n == key->n && memcmp(seen->key[i].p, key->p, key->n) == 0)
            return false;
    }
    if (seen->count == KEYS_MAX)
        return false;
    seen->key[seen->count++] = *key;
    return true;
}

/* 1: *key is a new member's; 0: the object has ended; -1: neither. */
static int new_member(dgon_peek *c, bool *open, names *seen, dgon_span *key)
{
    int more = dgon_peek_member(c, open, key);
    return more == 1 && !is_new(seen, key) ? -1 : more;
}

/* A string without NUL. */
static bool text(dgon_peek *c, dgon_span *s)
{
    static const char nul[] = "\\u0000";
    if (!dgon_peek_string(c, s))
        return false;
    for (const char *at = s->p; (at = memchr(at, '\\', s->n - (size_t)(at - s->p))) != NULL;
         at += 2) {
        size_t left = s->n - (size_t)(at - s->p);
        if (left >= sizeof nul - 1 && memcmp(at, nul, sizeof nul - 1) == 0)
            return false;
    }
    return true;
}

static bool is_next(const dgon_peek *c, char ch)
{
    return c->p < c->end && *c->p == ch;
}

/* Digits, and behind a point some more; nothing negative, nothing with an exponent. */
static bool decimal(dgon_peek *c, bool whole, double *v)
{
    uint64_t n;
    if (!dgon_peek_digits(c, &n))
        return false;
    *v = (double)n;
    if (is_next(c, '.') && !whole) {
        double unit = 1;
        const char *start = ++c->p;
        for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++) {
            unit /= 10;
            *v += unit * (*c->p - '0');
        }
        if (c->p == start)
            return false;
    }
    return c->p < c->end && strchr(", }]", *c->p) != NULL;
}

static bool skip(dgon_peek *c, unsigned depth);

static bool skip_object(dgon_peek *c, unsigned depth)
{
    names seen;
    dgon_span key;
    bool open = false;
    int more;
    seen.count = 0;
    while ((more = new_member(c, &open, &seen, &key)) == 1) {
        if (!skip(c, depth))
            return false;
    }
    return more == 0;
}

static bool skip_list(dgon_peek *c, unsigned depth)
{
    if (!dgon_peek_char(c, '['))
        return false;
    dgon_peek_blanks(c);
    if (dgon_peek_char(c, ']'))
        return true;
    do {
        dgon_peek_blanks(c);
        if (!skip(c, depth))
            return false;
        dgon_peek_blanks(c);
    } while (dgon_peek_char(c, ','));
    return dgon_peek_char(c, ']');
}

/* A value that the gateway does not look at. */
static bool skip(dgon_peek *c, unsigned depth)
{
    dgon_span s;
    double number;
    bool v;
    switch (c->p < c->end ? *c->p : '\0') {
    case '{':
        return depth < DEPTH_MAX && skip_object(c, depth + 1);
    case '[':
        return depth < DEPTH_MAX && skip_list(c, depth + 1);
    case '"':
        return text(c, &s);
    case 'n':
        return dgon_peek_word(c, "null");
    case 't':
    case 'f':
        return dgon_peek_bool(c, &v);
    default:
        return decimal(c, false, &number);
    }
}

static bool role(dgon_peek *c)
{
    dgon_span s;
    return dgon_peek_string(c, &s) && (dgon_span_is(&s, "user") || dgon_span_is(&s, "assistant") ||
                                       dgon_span_is(&s, "system") || dgon_span_is(&s, "developer"));
}

static bool message(dgon_peek *c)
{
    names seen;
    dgon_span key, s;
    bool open = false, has_role = false, has_content = false;
    int more;
    seen.count = 0;
    while ((more = new_member(c, &open, &seen, &key)) == 1) {
        bool ok = false;
        if (dgon_span_is(&key, "role"))
            ok = has_role = role(c);
        else if (dgon_span_is(&key, "content"))
            ok = has_content = text(c, &s);
        if (!ok)
            return false;
    }
    return more == 0 && has_role && has_content;
}

static bool messages(dgon_peek *c)
{
    if (!dgon_peek_char(c, '['))
        return false;
    do {
        dgon_peek_blanks(c);
        if (!message(c))
            return false;
        dgon_peek_blanks(c);
    } while (dgon_peek_char(c, ','));
    return dgon_peek_char(c, ']');
}

static bool model(dgon_peek *c, dgon_openai_request *r)
{
    dgon_span s;
    if (!dgon_peek_string(c, &s) || memchr(s.p, '\\', s.n) != NULL ||
        !dgon_wire_is_model_name(s.p + 1, s.n - 2))
        return false;
    memcpy(r->model, s.p + 1, s.n - 2);
    r->model[s.n - 2] = '\0';
    return true;
}

static bool options(dgon_peek *c, dgon_openai_request *r)
{
    names seen;
    dgon_span key;
    bool open = false;
    int more;
    seen.count = 0;
    while ((more = new_member(c, &open, &seen, &key)) == 1) {
        if (!dgon_span_is(&key, "include_usage") || !dgon_peek_bool(c, &r->include_usage))
            return false;
    }
    return more == 0;
}

static bool field(dgon_peek *c, const dgon_openai_field *f)
{
    dgon_span s;
    double number;
    bool v;
    switch (f->what) {
    case DGON_IS_STRING:
        return text(c, &s);
    case DGON_IS_BOOL:
        return dgon_peek_bool(c, &v);
    case DGON_IS_NUMBER:
    case DGON_IS_INTEGER:
        return decimal(c, f->what == DGON_IS_INTEGER, &number) &&
               (f->min >= f->max || (number >= f->min && number <= f->max));
    default:
        return false;
    }
}

/* Members that need more than a look at their type. */
static bool is_deep(const dgon_span *key)
{
    return dgon_span_is(key, "tools") || dgon_span_is(key, "tool_choice") ||
           dgon_span_is(key, "stop") || dgon_span_is(key, "response_format") ||
           dgon_span_is(key, "num_ctx") || dgon_span_is(key, "options");
}

static bool other(dgon_peek *c, const dgon_span *key)
{
    for (unsigned i = 0; i < DGON_OPENAI_FIELDS; i++) {
        if (dgon_span_is(key, dgon_openai_fields[i].name))
            return field(c, &dgon_openai_fields[i]);
    }
    return !is_deep(key) && skip(c, 0);
}

bool dgon_openai_check_quick(dgon_openai_request *r, const char *body, size_t n)
{
    dgon_peek c = {body, body + n};
    names seen;
    dgon_span key;
    bool open = false, has_model = false, has_messages = false, has_options = false;
    int more;
    seen.count = 0;
    memset(r, 0, sizeof *r);
    while ((more = new_member(&c, &open, &seen, &key)) == 1) {
        bool ok;
        if (dgon_span_is(&key, "model"))
            ok = has_model = model(&c, r);
        else if (dgon_span_is(&key, "messages"))
            ok = has_messages = messages(&c);
        else if (dgon_span_is(&key, "stream"))
            ok = dgon_peek_bool(&c, &r->stream);
        else if (dgon_span_is(&key, "stream_options"))
            ok = has_options = options(&c, r);
        else
            ok = other(&c, &key);
        if (!ok)
            return false;
    }
    dgon_peek_blanks(&c);
    return more == 0 && c.p == c.end && has_model && has_messages && (!has_options || r->stream);
}

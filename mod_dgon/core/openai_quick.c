/* The usual chunks of a stream, read and written anew without a tree. */
#include "openai_int.h"

#include <string.h>

static bool quick_delta(dgon_peek *c, dgon_openai_quick *q)
{
    dgon_span key, role = {0};
    bool open = false;
    int more;
    q->has_delta = true;
    while ((more = dgon_peek_member(c, &open, &key)) == 1) {
        bool ok;
        if (dgon_span_is(&key, "content"))
            ok = q->content.p == NULL && dgon_peek_string_or_null(c, &q->content);
        else if (dgon_span_is(&key, "reasoning_content") || dgon_span_is(&key, "reasoning"))
            ok = q->reasoning.p == NULL && dgon_peek_string_or_null(c, &q->reasoning);
        else if (dgon_span_is(&key, "role"))
            ok = dgon_peek_string_or_null(c, &role);
        else
            ok = dgon_peek_word(c, "null");
        if (!ok)
            return false;
    }
    return more == 0;
}

static bool quick_text(dgon_peek *c, dgon_openai_quick *q)
{
    q->has_delta = true;
    return dgon_peek_string_or_null(c, &q->content);
}

/* An answer that was given up is the tree's. */
static bool quick_finish(dgon_peek *c, dgon_openai_quick *q)
{
    char word[24];
    dgon_span s = {0};
    if (!dgon_peek_string_or_null(c, &s))
        return false;
    if (!dgon_span_has_text(&s))
        return true;
    if (s.n - 2 >= sizeof word || memchr(s.p, '\\', s.n) != NULL)
        return false;
    memcpy(word, s.p + 1, s.n - 2);
    word[s.n - 2] = '\0';
    q->finish = dgon_chat_finish_word(word);
    return q->finish != NULL;
}

static bool quick_choice(dgon_peek *c, dgon_openai_quick *q)
{
    dgon_span key;
    bool open = false;
    int more;
    while ((more = dgon_peek_member(c, &open, &key)) == 1) {
        bool ok;
        if (dgon_span_is(&key, q->is_text ? "text" : "delta"))
            ok = !q->has_delta && (q->is_text ? quick_text(c, q) : quick_delta(c, q));
        else if (dgon_span_is(&key, "index"))
            ok = dgon_peek_digits(c, &q->index);
        else if (dgon_span_is(&key, "finish_reason"))
            ok = q->finish == NULL && quick_finish(c, q);
        else
            ok = dgon_peek_word(c, "null");
        if (!ok)
            return false;
    }
    q->has_choice = more == 0;
    return more == 0 && q->index < DGON_CHAT_CHOICES_MAX;
}

static bool quick_choices(dgon_peek *c, dgon_openai_quick *q)
{
    if (q->has_choice || q->empty || !dgon_peek_char(c, '['))
        return false;
    dgon_peek_blanks(c);
    q->empty = dgon_peek_char(c, ']');
    if (q->empty)
        return true;
    if (!quick_choice(c, q))
        return false;
    dgon_peek_blanks(c);
    return dgon_peek_char(c, ']');
}

/* Numbers, or nothing. `name`: the one that counts. */
static bool quick_details(dgon_peek *c, const char *name, int64_t *v)
{
    dgon_span key;
    uint64_t number;
    bool open = false;
    int more;
    if (c->p < c->end && *c->p == 'n')
        return dgon_peek_word(c, "null");
    while ((more = dgon_peek_member(c, &open, &key)) == 1) {
        if (!dgon_peek_digits(c, &number))
            return false;
        if (dgon_span_is(&key, name))
            *v = (int64_t)number;
    }
    return more == 0;
}

static bool quick_usage(dgon_peek *c, dgon_openai_quick *q)
{
    dgon_span key;
    uint64_t number = 0;
    bool open = false;
    int more;
    if (c->p < c->end && *c->p == 'n')
        return dgon_peek_word(c, "null");
    q->usage = (dgon_chat_usage){.known = true, .cached = -1, .reasoning = -1};
    while ((more = dgon_peek_member(c, &open, &key)) == 1) {
        bool ok;
        if (dgon_span_is(&key, "prompt_tokens_details"))
            ok = quick_details(c, "cached_tokens", &q->usage.cached);
        else if (dgon_span_is(&key, "completion_tokens_details"))
            ok = quick_details(c, "reasoning_tokens", &q->usage.reasoning);
        else
            ok = dgon_peek_digits(c, &number);
        if (!ok)
            return false;
        if (dgon_span_is(&key, "prompt_tokens"))
            q->usage.prompt = (int64_t)number;
        else if (dgon_span_is(&key, "completion_tokens"))
            q->usage.completion = (int64_t)number;
    }
    return more == 0;
}

bool dgon_openai_quick_read(dgon_openai_quick *q, const char *p, size_t n)
{
    dgon_peek c = {p, p + n};
    dgon_span key, text;
    uint64_t number;
    bool open = false;
    int more;
    while ((more = dgon_peek_member(&c, &open, &key)) == 1) {
        bool ok;
        if (dgon_span_is(&key, "choices"))
            ok = quick_choices(&c, q);
        else if (dgon_span_is(&key, "created"))
            ok = dgon_peek_digits(&c, &number);
        else if (dgon_span_is(&key, "usage"))
            ok = !q->usage.known && quick_usage(&c, q);
        else if (dgon_span_is(&key, "id") || dgon_span_is(&key, "object") ||
                 dgon_span_is(&key, "model") || dgon_span_is(&key, "system_fingerprint") ||
                 dgon_span_is(&key, "service_tier"))
            ok = dgon_peek_string_or_null(&c, &text);
        else
            ok = dgon_peek_word(&c, "null");
        if (!ok)
            return false;
    }
    dgon_peek_blanks(&c);
    return more == 0 && c.p == c.end && (q->has_choice || (q->empty && q->usage.known));
}

dgon_status dgon_openai_quick_emit(dgon_chat *c, const dgon_openai_quick *q,
                                   const dgon_chat_sink *to)
{
    unsigned index = (unsigned)q->index + c->first;
    dgon_status s = DGON_OK;
    if (q->usage.known)
        c->usage = q->usage;
    if (!q->has_choice)
        return dgon_chat_usage_chunk(c, to);
    if (dgon_span_has_text(&q->reasoning))
        s = dgon_chat_raw(c, index, "reasoning_content", &q->reasoning, to);
    if (s == DGON_OK && dgon_span_has_text(&q->content))
        s = dgon_chat_raw(c, index, "content", &q->content, to);
    if (s == DGON_OK && q->finish != NULL)
        s = dgon_chat_finish(c, index, q->finish, to);
    return s;
}

void dgon_openai_quick_keep(dgon_chat *c, const dgon_openai_quick *q, const char *p, size_t n)
{
    bool content = dgon_span_has_text(&q->content), reasoning = dgon_span_has_text(&q->reasoning);
    if (content != reasoning && q->finish == NULL && !q->usage.known)
        dgon_openai_like_keep(&c->like, p, n, content ? &q->content : &q->reasoning,
                              (unsigned)q->index, reasoning);
}

#include "dgon/batch.h"

#include "dgon/alloc.h"
#include "dgon/json.h"

#include "embed_int.h"

#include <stdint.h>
#include <string.h>

static bool key_is(const char *p, const dgon_json_member *m, const char *key)
{
    return m->key_len == strlen(key) && memcmp(p + m->key, key, m->key_len) == 0;
}

/* ---- splitting ---- */

/* A text or a list of tokens; a token by itself is a part of the only input. */
static bool is_input(char first)
{
    return first == '"' || first == '[';
}

static dgon_status count_inputs(dgon_batch *b, const char *list)
{
    size_t at = 0, item, len;
    dgon_status s;
    while ((s = dgon_json_item(list, b->len, &at, &item, &len)) == DGON_OK) {
        if (!is_input(list[item]))
            return DGON_ENOTFOUND;
        b->count++;
    }
    return s == DGON_DONE && b->count > 1 ? DGON_OK : DGON_ENOTFOUND;
}

dgon_status dgon_batch_find(dgon_batch *b, const char *body, size_t n)
{
    dgon_json_scan scan;
    dgon_json_member m;
    dgon_status s;
    *b = (dgon_batch){0};
    dgon_json_scan_init(&scan, body, n);
    while ((s = dgon_json_scan_next(&scan, &m)) == DGON_OK) {
        if (memchr(body + m.key, '\\', m.key_len) != NULL)
            return DGON_ENOTFOUND;
        if (!key_is(body, &m, "input"))
            continue;
        if (b->len != 0 || body[m.value] != '[')
            return DGON_ENOTFOUND;
        b->list = m.value;
        b->len = m.value_len;
    }
    return s == DGON_DONE && b->len > 0 ? count_inputs(b, body + b->list) : DGON_ENOTFOUND;
}

dgon_status dgon_batch_split(const dgon_batch *b, const char *body, dgon_batch_part *part,
                             size_t parts)
{
    const char *list = body + b->list;
    size_t at = 0, item, len;
    for (size_t k = 0; k < parts; k++) {
        part[k] = (dgon_batch_part){.count = b->count / parts + (k < b->count % parts ? 1 : 0)};
        for (size_t i = 0; i < part[k].count; i++) {
            if (dgon_json_item(list, b->len, &at, &item, &len) != DGON_OK)
                return DGON_EJSON;
            if (i == 0)
                part[k].at = b->list + item;
            part[k].len = b->list + item + len - part[k].at;
        }
    }
    return DGON_OK;
}

dgon_status dgon_batch_body(dgon_buf *out, const dgon_batch *b, const dgon_batch_part *part,
                            const char *body, size_t n)
{
    size_t before = out->len, end = b->list + b->len - 1;
    dgon_status s = dgon_buf_add(out, body, b->list + 1);
    if (s == DGON_OK)
        s = dgon_buf_add(out, body + part->at, part->len);
    if (s == DGON_OK)
        s = dgon_buf_add(out, body + end, n - end);
    if (s != DGON_OK)
        out->len = before;
    return s;
}

/* ---- joining ---- */

#define RULES_MAX 4u

/* How the values of a member become one. */
typedef enum how { VECTORS, USAGE, SUM, LONGEST } how;

typedef struct member_rule {
    const char *key; /* NULL: the list ends */
    how what;
} member_rule;

/* The vectors come first: an answer without them is none. */
static const member_rule openai[RULES_MAX + 1] = {{"data", VECTORS}, {"usage", USAGE}};
static const member_rule ollama[RULES_MAX + 1] = {{"embeddings", VECTORS},
                                           {"prompt_eval_count", SUM},
                                           {"total_duration", LONGEST},
                                           {"load_duration", LONGEST}};

/* All answers, and where in each of them the value of each rule's member stands; n 0: nowhere. */
typedef struct joining {
    const dgon_batch_answer *a;
    size_t answers;
    const member_rule *rules;
    dgon_span value[DGON_BATCH_PARTS_MAX][RULES_MAX];
} joining;

/* Index of the rule for a member; RULES_MAX: there is none. */
static size_t rule_of(const member_rule *rules, const char *p, const dgon_json_member *m)
{
    for (size_t i = 0; rules[i].key != NULL; i++)
        if (key_is(p, m, rules[i].key))
            return i;
    return RULES_MAX;
}

/* One object of good text with the vectors in it and nothing behind it. A name with an escape, or
 * one given twice, would be another member to other programs: no agent makes that. */
static dgon_status look(joining *j, size_t k)
{
    const dgon_batch_answer *a = &j->a[k];
    dgon_json_scan scan;
    dgon_json_member m;
    dgon_status s = dgon_json_precheck(a->p, a->n, DGON_JSON_DEPTH_MAX, NULL);
    if (s != DGON_OK)
        return s;
    dgon_json_scan_init(&scan, a->p, a->n);
    while ((s = dgon_json_scan_next(&scan, &m)) == DGON_OK) {
        size_t i = rule_of(j->rules, a->p, &m);
        if (memchr(a->p + m.key, '\\', m.key_len) != NULL ||
            (i < RULES_MAX && j->value[k][i].n != 0))
            return DGON_EJSON;
        if (i < RULES_MAX)
            j->value[k][i] = (dgon_span){a->p + m.value, m.value_len};
    }
    while (scan.at < a->n && strchr(" \t\r\n", a->p[scan.at]) != NULL)
        scan.at++;
    return s == DGON_DONE && scan.at == a->n && j->value[k][0].n != 0 ? DGON_OK : DGON_EJSON;
}

static dgon_status read_number(const dgon_span *value, uint64_t *v)
{
    dgon_peek c = {value->p, value->p + value->n};
    return dgon_peek_digits(&c, v) && c.p == c.end ? DGON_OK : DGON_EJSON;
}

/* 64 bits hold the sum of more numbers of 18 digits than there are parts. */
static dgon_status put_number(dgon_buf *out, const joining *j, size_t rule)
{
    uint64_t all = 0, v = 0;
    for (size_t k = 0; k < j->answers; k++) {
        if (j->value[k][rule].n == 0)
            continue;
        dgon_status s = read_number(&j->value[k][rule], &v);
        if (s != DGON_OK)
            return s;
        if (j->rules[rule].what == SUM)
            all += v;
        else
            all = v > all ? v : all;
    }
    return dgon_buf_addu(out, all);
}

/* Adds what a usage object tells; what it does not tell is 0. */
static dgon_status add_usage(const dgon_span *usage, uint64_t *prompt, uint64_t *total)
{
    dgon_json_scan scan;
    dgon_json_member m;
    dgon_status s;
    dgon_json_scan_init(&scan, usage->p, usage->n);
    while ((s = dgon_json_scan_next(&scan, &m)) == DGON_OK) {
        const dgon_span value = {usage->p + m.value, m.value_len};
        bool is_prompt = key_is(usage->p, &m, "prompt_tokens");
        uint64_t v = 0;
        if (!is_prompt && !key_is(usage->p, &m, "total_tokens"))
            continue;
        s = read_number(&value, &v);
        if (s != DGON_OK)
            return s;
        *(is_prompt ? prompt : total) += v;
    }
    return s == DGON_DONE ? DGON_OK : DGON_EJSON;
}

static dgon_status put_usage(dgon_buf *out, const joining *j, size_t rule)
{
    uint64_t prompt = 0, total = 0;
    dgon_status s = DGON_OK;
    for (size_t k = 0; k < j->answers && s == DGON_OK; k++)
        if (j->value[k][rule].n != 0)
            s = add_usage(&j->value[k][rule], &prompt, &total);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, "{\"prompt_tokens\":");
    if (s == DGON_OK)
        s = dgon_buf_addu(out, prompt);
    if (s == DGON_OK)
        s = dgon_buf_adds(out, ",\"total_tokens\":");
    if (s == DGON_OK)
        s = dgon_buf_addu(out, total);
    return s == DGON_OK ? dgon_buf_adds(out, "}") : s;
}

static dgon_status put_vector(dgon_buf *out, const dgon_span *v, bool data, size_t index)
{
    dgon_status s = index > 0 ? dgon_buf_adds(out, ",") : DGON_OK;
    if (s == DGON_OK && data)
        s = dgon_buf_adds(out, "{\"object\":\"embedding\",\"index\":");
    if (s == DGON_OK && data)
        s = dgon_buf_addu(out, index);
    if (s == DGON_OK && data)
        s = dgon_buf_adds(out, ",\"embedding\":");
    if (s == DGON_OK)
        s = dgon_buf_add(out, v->p, v->n);
    return s == DGON_OK && data ? dgon_buf_adds(out, "}") : s;
}

/* The vectors of answer k, the first of which is number *index. *form: the first character of every
 * vector so far; 0: there was none. */
static dgon_status put_list(dgon_buf *out, const joining *j, size_t k, size_t *index, char *form)
{
    bool data = j->rules == openai;
    dgon_embed_list list = {0};
    dgon_status s = dgon_embed_list_read(&list, &j->value[k][0], data);
    if (s == DGON_OK && list.count != j->a[k].count)
        s = DGON_EJSON;
    for (size_t i = 0; i < list.count && s == DGON_OK; i++) {
        char first = list.v[i].p[0];
        if (*form == '\0' && (first == '[' || first == '"'))
            *form = first;
        s = first == *form ? put_vector(out, &list.v[i], data, (*index)++) : DGON_EJSON;
    }
    dgon_free(list.v);
    return s;
}

static dgon_status put_vectors(dgon_buf *out, const joining *j)
{
    size_t index = 0;
    char form = '\0';
    dgon_status s = dgon_buf_adds(out, "[");
    for (size_t k = 0; k < j->answers && s == DGON_OK; k++)
        s = put_list(out, j, k, &index, &form);
    return s == DGON_OK ? dgon_buf_adds(out, "]") : s;
}

static dgon_status put_value(dgon_buf *out, const joining *j, size_t rule, const char *p,
                             const dgon_json_member *m)
{
    if (rule == RULES_MAX)
        return dgon_buf_add(out, p + m->value, m->value_len);
    switch (j->rules[rule].what) {
    case VECTORS:
        return put_vectors(out, j);
    case USAGE:
        return put_usage(out, j, rule);
    default:
        return put_number(out, j, rule);
    }
}

/* The members of the first answer in their order. */
static dgon_status put_answer(dgon_buf *out, const joining *j)
{
    const char *p = j->a[0].p;
    dgon_json_scan scan;
    dgon_json_member m;
    bool some = false;
    dgon_status s = dgon_buf_adds(out, "{");
    dgon_json_scan_init(&scan, p, j->a[0].n);
    while (s == DGON_OK && dgon_json_scan_next(&scan, &m) == DGON_OK) {
        s = dgon_buf_adds(out, some ? ",\"" : "\"");
        if (s == DGON_OK)
            s = dgon_buf_add(out, p + m.key, m.key_len);
        if (s == DGON_OK)
            s = dgon_buf_adds(out, "\":");
        if (s == DGON_OK)
            s = put_value(out, j, rule_of(j->rules, p, &m), p, &m);
        some = true;
    }
    return s == DGON_OK ? dgon_buf_adds(out, "}") : s;
}

dgon_status dgon_batch_join(dgon_buf *out, dgon_op op, const dgon_batch_answer *a, size_t answers)
{
    size_t before = out->len;
    joining j = {.a = a, .answers = answers, .rules = op == DGON_OP_OLLAMA_EMBED ? ollama : openai};
    dgon_status s = answers > 0 && answers <= DGON_BATCH_PARTS_MAX ? DGON_OK : DGON_EINVAL;
    for (size_t k = 0; k < answers && s == DGON_OK; k++)
        s = look(&j, k);
    if (s == DGON_OK)
        s = put_answer(out, &j);
    if (s != DGON_OK)
        out->len = before;
    return s;
}

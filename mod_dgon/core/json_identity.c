/* The identity of a chunk replaced, byte by byte: id, created and model. */
#include "dgon/json.h"

#include "json_int.h"

#include <string.h>

#define FIELDS       3u
#define REPLACED_MAX 8u /* doubled keys included; more is left to jansson */

typedef struct piece {
    const char *p;
    size_t n;
} piece;

typedef struct plan {
    struct {
        size_t value, value_len;
        unsigned field;
    } replaced[REPLACED_MAX];
    unsigned count;
    bool seen[FIELDS];
    bool empty;
    size_t begin, end; /* of the object, brackets included */
} plan;

static const piece field_keys[FIELDS] = {{"\"id\":", 5}, {"\"created\":", 10}, {"\"model\":", 8}};

static unsigned field_of(const char *key, size_t n)
{
    for (unsigned f = 0; f < FIELDS; f++) {
        if (n == field_keys[f].n - 3 && memcmp(key, field_keys[f].p + 1, n) == 0)
            return f;
    }
    return FIELDS;
}

static dgon_status make_plan(plan *pl, const char *p, size_t n)
{
    dgon_json_scan scan;
    dgon_json_member m;
    dgon_status s;
    dgon_json_scan_init(&scan, p, n);
    while ((s = dgon_json_scan_next(&scan, &m)) == DGON_OK) {
        pl->empty = false;
        unsigned f = field_of(p + m.key, m.key_len);
        if (f == FIELDS) {
            /* "\u0069d" is an id as well; to find that out is jansson's job */
            if (memchr(p + m.key, '\\', m.key_len) != NULL)
                return DGON_EJSON;
            continue;
        }
        if (pl->count == REPLACED_MAX)
            return DGON_EJSON;
        pl->seen[f] = true;
        pl->replaced[pl->count].value = m.value;
        pl->replaced[pl->count].value_len = m.value_len;
        pl->replaced[pl->count++].field = f;
    }
    if (s != DGON_DONE)
        return s;
    pl->begin = dgon_json_skip_space(p, 0, n);
    pl->end = scan.at;
    return dgon_json_skip_space(p, scan.at, n) == n ? DGON_OK : DGON_EJSON;
}

static size_t planned_size(const plan *pl, const piece values[FIELDS])
{
    size_t size = pl->end - pl->begin;
    for (unsigned k = 0; k < pl->count; k++)
        size = size - pl->replaced[k].value_len + values[pl->replaced[k].field].n;
    for (unsigned f = 0; f < FIELDS; f++)
        size += pl->seen[f] ? 0 : field_keys[f].n + values[f].n + 1;
    return size;
}

static char *put(char *to, const char *p, size_t n)
{
    memcpy(to, p, n);
    return to + n;
}

static char *write_plan(char *to, const char *p, const plan *pl, const piece values[FIELDS])
{
    bool comma = false;
    size_t at = pl->begin + 1;
    *to++ = '{';
    for (unsigned f = 0; f < FIELDS; f++) {
        if (pl->seen[f])
            continue;
        if (comma)
            *to++ = ',';
        to = put(to, field_keys[f].p, field_keys[f].n);
        to = put(to, values[f].p, values[f].n);
        comma = true;
    }
    if (comma && !pl->empty)
        *to++ = ',';
    for (unsigned k = 0; k < pl->count; k++) {
        to = put(to, p + at, pl->replaced[k].value - at);
        to = put(to, values[pl->replaced[k].field].p, values[pl->replaced[k].field].n);
        at = pl->replaced[k].value + pl->replaced[k].value_len;
    }
    return put(to, p + at, pl->end - at);
}

dgon_status dgon_json_reidentify(dgon_buf *out, const char *p, size_t n,
                                 const dgon_json_identity *ident)
{
    const piece values[FIELDS] = {{ident->id_json, ident->id_len},
                                  {ident->created, ident->created_len},
                                  {ident->model_json, ident->model_len}};
    plan pl;
    pl.count = 0;
    pl.empty = true;
    memset(pl.seen, 0, sizeof pl.seen);
    dgon_status s = make_plan(&pl, p, n);
    if (s == DGON_OK)
        s = dgon_buf_reserve(out, planned_size(&pl, values));
    if (s != DGON_OK)
        return s;
    char *end = write_plan(out->data + out->len, p, &pl, values);
    out->len = (size_t)(end - out->data);
    return DGON_OK;
}

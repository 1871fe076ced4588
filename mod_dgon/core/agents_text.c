#include "agents_int.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_MAX 9u /* digits */

/* ---- times ---- */

#define DAY         86400
#define YEAR_MAX    9999
#define TIME_MAX    INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define MARCH_EPOCH 719468                /* days from 0000-03-01 to 1970-01-01 */

/* Years that begin in March: the leap day is the last one. */
static void date_of(int64_t days, int *year, int *month, int *day)
{
    int64_t d = days + MARCH_EPOCH, era = d / 146097, doe = d % 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), m = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year, yoe = y % 400;
    int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return y / 400 * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - MARCH_EPOCH;
}

void dgon_agents_time(char out[DGON_AGENTS_TIME], int64_t t)
{
    int y, m, d;
    t = t < 0 ? 0 : t > TIME_MAX ? TIME_MAX : t;
    int s = (int)(t % DAY);
    date_of(t / DAY, &y, &m, &d);
    (void)snprintf(out, DGON_AGENTS_TIME, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)y % 10000u,
                   (unsigned)m % 100u, (unsigned)d % 100u, (unsigned)s / 3600u % 100u,
                   (unsigned)s / 60u % 60u, (unsigned)s % 60u);
}

static bool read_time(const char *p, size_t n, int64_t *t)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    int v[6] = {0}, k = 0;
    char again[DGON_AGENTS_TIME];
    if (n != sizeof form - 1)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (form[i] != '0') {
            if (p[i] != form[i])
                return false;
            k++;
        } else if (p[i] < '0' || p[i] > '9') {
            return false;
        } else {
            v[k] = v[k] * 10 + (p[i] - '0');
        }
    }
    if (v[0] < 1970 || v[1] < 1 || v[1] > 12 || v[2] < 1)
        return false;
    *t = days_of(v[0], v[1], v[2]) * DAY + v[3] * 3600 + v[4] * 60 + v[5];
    dgon_agents_time(again, *t); /* what is no date becomes another one */
    return memcmp(again, p, n) == 0;
}

/* ---- words ---- */

static bool is_who(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("._@+-", c) != NULL);
}

void dgon_agents_who(char out[DGON_AGENTS_WHO_MAX + 1], const char *name)
{
    size_t n = 0;
    for (; n < DGON_AGENTS_WHO_MAX && name[n] != '\0'; n++)
        out[n] = is_who(name[n]) ? name[n] : '-';
    if (n == 0)
        out[n++] = '-';
    out[n] = '\0';
}

static bool read_word(const char *p, size_t n, char *out, size_t size)
{
    if (n >= size)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_who(p[i]))
            return false;
        out[i] = p[i];
    }
    out[n] = '\0';
    return n > 0;
}

static bool read_id(const char *p, size_t n, char *out)
{
    if (!dgon_wire_is_agent_id(p, n))
        return false;
    memcpy(out, p, n);
    out[n] = '\0';
    return true;
}

static bool read_number(const char *p, size_t n, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (n > NUMBER_MAX || p[i] < '0' || p[i] > '9')
            return false;
        *out = *out * 10 + (uint32_t)(p[i] - '0');
    }
    return n > 0;
}

/* ---- lines ---- */

typedef struct reader {
    dgon_agents *a;
    const char *p; /* what is left of the line */
    size_t n;
    char *why;
} reader;

static DGON_PRINTF(2, 3) dgon_status complain(const reader *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(r->why, DGON_AGENTS_WHY, fmt, ap);
    va_end(ap);
    return DGON_EPROTO;
}

/* The next word of the line; its length, 0 at the end. */
static size_t next_word(reader *r, const char **word)
{
    while (r->n > 0 && (*r->p == ' ' || *r->p == '\t' || *r->p == '\r')) {
        r->p++;
        r->n--;
    }
    size_t n = 0;
    while (n < r->n && r->p[n] != ' ' && r->p[n] != '\t' && r->p[n] != '\r')
        n++;
    *word = r->p;
    r->p += n;
    r->n -= n;
    return n;
}

/* Is the word `name`=value? */
static bool is_key(const char *word, size_t n, const char *name, const char **value, size_t *len)
{
    size_t k = strlen(name);
    if (n <= k || memcmp(word, name, k) != 0 || word[k] != '=')
        return false;
    *value = word + k + 1;
    *len = n - k - 1;
    return true;
}

enum { HAS_KEY = 1, HAS_SERIAL = 2, HAS_CREATED = 4, HAS_EXPIRES = 8, HAS_USES = 16 };

static bool read_agent_word(dgon_agents_entry *e, const char *w, size_t n, unsigned *has)
{
    const char *v;
    size_t k;
    if (is_key(w, n, "key", &v, &k)) {
        *has |= HAS_KEY;
        return dgon_hash_unhex(e->key, sizeof e->key, v, k);
    }
    if (is_key(w, n, "next", &v, &k)) {
        e->has_next = true;
        return dgon_hash_unhex(e->next, sizeof e->next, v, k);
    }
    if (is_key(w, n, "serial", &v, &k)) {
        *has |= HAS_SERIAL;
        return dgon_hash_unhex(e->serial, sizeof e->serial, v, k);
    }
    if (is_key(w, n, "created", &v, &k)) {
        *has |= HAS_CREATED;
        return read_time(v, k, &e->created);
    }
    if (is_key(w, n, "rotate", &v, &k)) {
        e->rotate = k == 3 && memcmp(v, "yes", 3) == 0;
        return e->rotate;
    }
    if (is_key(w, n, "by", &v, &k))
        return read_word(v, k, e->by, sizeof e->by);
    if (is_key(w, n, "os", &v, &k))
        return read_word(v, k, e->os, sizeof e->os);
    return is_key(w, n, "version", &v, &k) && read_word(v, k, e->version, sizeof e->version);
}

static dgon_status read_agent(reader *r)
{
    const char *w;
    unsigned has = 0;
    dgon_agents_entry *e = dgon_agents_add_entry(r->a);
    if (e == NULL)
        return r->a->count < DGON_AGENTS_MAX ? DGON_ENOMEM
                                             : complain(r, "more than %u agents", DGON_AGENTS_MAX);
    size_t n = next_word(r, &w);
    if (!read_id(w, n, e->id))
        return complain(r, "an agent's id is 1 to %u of [A-Za-z0-9._-]", DGON_WIRE_ID_MAX);
    while ((n = next_word(r, &w)) > 0)
        if (!read_agent_word(e, w, n, &has))
            return complain(r, "agent %s: \"%.*s\" is not understood", e->id,
                            (int)(n < 16 ? n : 16), w);
    if (has != (HAS_KEY | HAS_SERIAL | HAS_CREATED))
        return complain(r, "agent %s: key, serial or created is missing", e->id);
    return DGON_OK;
}

static bool read_invite_word(dgon_agents_invite *i, const char *w, size_t n, unsigned *has)
{
    const char *v;
    size_t k;
    if (is_key(w, n, "expires", &v, &k)) {
        *has |= HAS_EXPIRES;
        return read_time(v, k, &i->expires);
    }
    if (is_key(w, n, "created", &v, &k)) {
        *has |= HAS_CREATED;
        return read_time(v, k, &i->created);
    }
    if (is_key(w, n, "uses", &v, &k)) {
        *has |= HAS_USES;
        return read_number(v, k, &i->uses) && i->uses >= 1 && i->uses <= DGON_AGENTS_USES_MAX;
    }
    if (is_key(w, n, "by", &v, &k))
        return read_word(v, k, i->by, sizeof i->by);
    return is_key(w, n, "id", &v, &k) && read_id(v, k, i->id);
}

static dgon_status read_invite(reader *r)
{
    const char *w;
    unsigned has = 0;
    dgon_agents_invite *i = dgon_agents_add_invite(r->a);
    if (i == NULL)
        return r->a->invite_count < DGON_AGENTS_INVITES_MAX
                   ? DGON_ENOMEM
                   : complain(r, "more than %u invitations", DGON_AGENTS_INVITES_MAX);
    size_t n = next_word(r, &w);
    if (!dgon_hash_unhex(i->code, sizeof i->code, w, n))
        return complain(r, "an invitation begins with %u hex digits", 2 * DGON_HASH_SIZE);
    while ((n = next_word(r, &w)) > 0)
        if (!read_invite_word(i, w, n, &has))
            return complain(r, "invite: \"%.*s\" is not understood", (int)(n < 16 ? n : 16), w);
    if (has != (HAS_EXPIRES | HAS_CREATED | HAS_USES))
        return complain(r, "invite: expires, created or uses is missing");
    return DGON_OK;
}

/* DGON_DONE: `end`. */
static dgon_status read_line(reader *r)
{
    const char *w;
    if (r->n > DGON_AGENTS_LINE_MAX)
        return complain(r, "longer than %u bytes", DGON_AGENTS_LINE_MAX);
    for (size_t i = 0; i < r->n; i++)
        if ((unsigned char)r->p[i] < 0x20 && r->p[i] != '\t' && r->p[i] != '\r')
            return complain(r, "a control character");
    size_t n = next_word(r, &w);
    if (n == 0 || w[0] == '#')
        return DGON_OK;
    if (n == 5 && memcmp(w, "agent", 5) == 0)
        return read_agent(r);
    if (n == 6 && memcmp(w, "invite", 6) == 0)
        return read_invite(r);
    if (n == 3 && memcmp(w, "end", 3) == 0 && next_word(r, &w) == 0)
        return DGON_DONE;
    return complain(r, "neither agent, invite nor end");
}

static dgon_status read_lines(dgon_agents *a, const char *p, size_t n, unsigned *line, char *why)
{
    reader r = {.a = a, .why = why};
    const char *w;
    bool ended = false;
    for (size_t at = 0; at < n;) {
        const char *end = memchr(p + at, '\n', n - at);
        r.p = p + at;
        r.n = end != NULL ? (size_t)(end - r.p) : n - at;
        at += r.n + 1;
        ++*line;
        if (ended && next_word(&r, &w) > 0)
            return complain(&r, "something stands behind \"end\"");
        dgon_status s = read_line(&r);
        if (s != DGON_OK && s != DGON_DONE)
            return s;
        ended = ended || s == DGON_DONE;
    }
    return ended ? DGON_OK : complain(&r, "the last line, \"end\", is missing: the file is cut");
}

dgon_status dgon_agents_parse(dgon_agents *a, const char *p, size_t n, unsigned *line,
                              char why[DGON_AGENTS_WHY])
{
    dgon_agents_fini(a);
    *line = 0;
    why[0] = '\0';
    dgon_status s = n > DGON_AGENTS_FILE_MAX ? DGON_ETOOBIG : read_lines(a, p, n, line, why);
    if (s == DGON_OK) {
        s = dgon_agents_sort(a);
        if (s == DGON_EEXIST) {
            (void)snprintf(why, DGON_AGENTS_WHY, "an id or a key stands twice");
            s = DGON_EPROTO;
        }
    }
    if (s != DGON_OK) {
        dgon_agents_fini(a);
        if (why[0] == '\0')
            (void)snprintf(why, DGON_AGENTS_WHY, "%s", dgon_status_str(s));
    }
    return s;
}

/* ---- writing ---- */

static dgon_status add_word(dgon_buf *out, const char *key, const char *value)
{
    return value[0] != '\0' ? dgon_buf_addf(out, " %s=%s", key, value) : DGON_OK;
}

static dgon_status write_agent(const dgon_agents_entry *e, dgon_buf *out)
{
    char key[DGON_HASH_HEX_SIZE], next[DGON_HASH_HEX_SIZE] = "", created[DGON_AGENTS_TIME];
    char serial[2 * DGON_AGENTS_SERIAL + 1];
    dgon_hash_hex(key, e->key, sizeof e->key);
    dgon_hash_hex(serial, e->serial, sizeof e->serial);
    if (e->has_next)
        dgon_hash_hex(next, e->next, sizeof e->next);
    dgon_agents_time(created, e->created);
    dgon_status s =
        dgon_buf_addf(out, "agent %s key=%s serial=%s created=%s", e->id, key, serial, created);
    if (s == DGON_OK)
        s = add_word(out, "by", e->by);
    if (s == DGON_OK)
        s = add_word(out, "os", e->os);
    if (s == DGON_OK)
        s = add_word(out, "version", e->version);
    if (s == DGON_OK)
        s = add_word(out, "next", next);
    if (s == DGON_OK)
        s = add_word(out, "rotate", e->rotate ? "yes" : "");
    return s == DGON_OK ? dgon_buf_adds(out, "\n") : s;
}

static dgon_status write_invite(const dgon_agents_invite *i, dgon_buf *out)
{
    char code[DGON_HASH_HEX_SIZE], created[DGON_AGENTS_TIME], expires[DGON_AGENTS_TIME];
    dgon_hash_hex(code, i->code, sizeof i->code);
    dgon_agents_time(created, i->created);
    dgon_agents_time(expires, i->expires);
    dgon_status s = dgon_buf_addf(out, "invite %s expires=%s uses=%" PRIu32 " created=%s", code,
                                  expires, i->uses, created);
    if (s == DGON_OK)
        s = add_word(out, "by", i->by);
    if (s == DGON_OK)
        s = add_word(out, "id", i->id);
    return s == DGON_OK ? dgon_buf_adds(out, "\n") : s;
}

dgon_status dgon_agents_write(const dgon_agents *a, dgon_buf *out)
{
    dgon_status s = dgon_buf_adds(
        out,
        "# Agents of this gateway and open invitations: dgonctl agent. No secrets, but whoever\n"
        "# writes here decides who comes in.\n");
    for (uint32_t i = 0; s == DGON_OK && i < a->count; i++)
        s = write_agent(&a->entries[i], out);
    for (uint32_t i = 0; s == DGON_OK && i < a->invite_count; i++)
        s = write_invite(&a->invites[i], out);
    return s == DGON_OK ? dgon_buf_adds(out, "end\n") : s;
}

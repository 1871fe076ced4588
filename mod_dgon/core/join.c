#include "dgon/join.h"

#include "dgon/agents.h"
#include "dgon/json.h"
#include "json_int.h"

#include <jansson.h>
#include <string.h>

#define LETTERS   20u
#define GROUP     5u
#define DEPTH_MAX 4u

static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

dgon_status dgon_join_code(char out[DGON_JOIN_CODE + 1])
{
    unsigned char random[LETTERS];
    size_t n = 0;
    dgon_status s = dgon_hash_random(random, sizeof random);
    for (size_t i = 0; s == DGON_OK && i < LETTERS; i++) {
        if (i > 0 && i % GROUP == 0)
            out[n++] = '-';
        out[n++] = letters[random[i] & 31];
    }
    out[n] = '\0';
    return s;
}

bool dgon_join_code_hash(unsigned char hash[DGON_HASH_SIZE], const char *code, size_t n)
{
    char plain[LETTERS];
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        char c = code[i];
        if (c == '-' || c == ' ')
            continue;
        c = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        c = c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
        if (len == LETTERS || c == '\0' || strchr(letters, c) == NULL)
            return false;
        plain[len++] = c;
    }
    return len == LETTERS && dgon_hash(hash, plain, len) == DGON_OK;
}

/* ---- reading ---- */

static dgon_status load(json_t **o, const char *p, size_t n)
{
    json_error_t err;
    size_t at;
    *o = NULL;
    if (n > DGON_JOIN_BODY_MAX || dgon_json_precheck(p, n, DEPTH_MAX, &at) != DGON_OK)
        return DGON_EJSON;
    dgon_status s = dgon_json_load(o, p, n, 0, &err);
    if (s == DGON_OK && !json_is_object(*o)) {
        json_decref(*o);
        *o = NULL;
        s = DGON_EJSON;
    }
    return s;
}

/* A string that fits; a missing one is "" where that is allowed. */
static bool text(const json_t *o, const char *key, bool optional, char *out, size_t size)
{
    const json_t *v = json_object_get(o, key);
    size_t n = json_string_length(v);
    out[0] = '\0';
    if (v == NULL)
        return optional;
    if (!json_is_string(v) || n >= size)
        return false;
    memcpy(out, json_string_value(v), n + 1);
    return true;
}

static bool name(const json_t *o, const char *key, char *out)
{
    return text(o, key, true, out, DGON_WIRE_ID_MAX + 1) &&
           (out[0] == '\0' || dgon_wire_is_agent_id(out, strlen(out)));
}

dgon_status dgon_join_read(dgon_join *j, const char *p, size_t n, const char **member)
{
    char code[65], key[DGON_SIGN_KEY_HEX + 1];
    json_t *o;
    *j = (dgon_join){.has_code = false};
    *member = NULL;
    dgon_status s = load(&o, p, n);
    if (s != DGON_OK)
        return s;
    if (!text(o, "code", false, code, sizeof code))
        *member = "code";
    else if (!text(o, "key", false, key, sizeof key) ||
             !dgon_hash_unhex(j->key, sizeof j->key, key, strlen(key)))
        *member = "key";
    else if (!name(o, "name", j->name))
        *member = "name";
    else if (!text(o, "os", true, j->os, sizeof j->os))
        *member = "os";
    else if (!text(o, "version", true, j->version, sizeof j->version))
        *member = "version";
    else
        j->has_code = dgon_join_code_hash(j->code, code, strlen(code));
    json_decref(o);
    return *member == NULL ? DGON_OK : DGON_EPROTO;
}

dgon_status dgon_join_answer_read(dgon_join_answer *a, const char *p, size_t n)
{
    json_t *o;
    dgon_status s = load(&o, p, n);
    if (s != DGON_OK)
        return s;
    if (!name(o, "id", a->id) || a->id[0] == '\0' ||
        !text(o, "link", false, a->link, sizeof a->link))
        s = DGON_EPROTO;
    json_decref(o);
    return s;
}

int64_t dgon_join_period(const char *t)
{
    int64_t v = 0, unit;
    size_t n = strspn(t, "0123456789");
    if (n == 0 || n > 9 || strlen(t) != n + 1)
        return -1;
    for (size_t i = 0; i < n; i++)
        v = v * 10 + (t[i] - '0');
    switch (t[n]) {
    case 's':
        unit = 1;
        break;
    case 'm':
        unit = 60;
        break;
    case 'h':
        unit = 3600;
        break;
    case 'd':
        unit = 86400;
        break;
    default:
        return -1;
    }
    return v >= 1 && v * unit <= DGON_AGENTS_EXPIRES_MAX ? v * unit : -1;
}

dgon_status dgon_join_invite_read(dgon_join_invite *i, const char *p, size_t n, const char **member)
{
    char expires[16];
    json_t *o;
    *i = (dgon_join_invite){.expires = DGON_JOIN_EXPIRES, .uses = 1};
    *member = NULL;
    if (n == 0)
        return DGON_OK;
    dgon_status s = load(&o, p, n);
    if (s != DGON_OK)
        return s;
    const json_t *uses = json_object_get(o, "uses");
    json_int_t u = uses != NULL ? json_integer_value(uses) : 1;
    if (!name(o, "name", i->name))
        *member = "name";
    else if (!text(o, "expires", true, expires, sizeof expires) ||
             (expires[0] != '\0' && (i->expires = dgon_join_period(expires)) < 0))
        *member = "expires";
    else if (u < 1 || u > DGON_AGENTS_USES_MAX || (i->name[0] != '\0' && u > 1))
        *member = "uses";
    else
        i->uses = (uint32_t)u;
    json_decref(o);
    return *member == NULL ? DGON_OK : DGON_EPROTO;
}

/* ---- writing ---- */

static dgon_status add(dgon_buf *out, const char *key, const char *value)
{
    dgon_status s = dgon_buf_adds(out, key);
    return s == DGON_OK ? dgon_buf_add_json_string(out, value, strlen(value)) : s;
}

dgon_status dgon_join_write(dgon_buf *out, const char *code, const unsigned char key[DGON_SIGN_KEY],
                            const char *wish, const char *os, const char *version)
{
    char hex[DGON_SIGN_KEY_HEX + 1];
    dgon_hash_hex(hex, key, DGON_SIGN_KEY);
    dgon_status s = add(out, "{\"code\":", code);
    if (s == DGON_OK)
        s = add(out, ",\"key\":", hex);
    if (s == DGON_OK)
        s = add(out, ",\"name\":", wish);
    if (s == DGON_OK)
        s = add(out, ",\"os\":", os);
    if (s == DGON_OK)
        s = add(out, ",\"version\":", version);
    return s == DGON_OK ? dgon_buf_adds(out, "}") : s;
}

dgon_status dgon_join_answer_write(dgon_buf *out, const dgon_join_answer *a)
{
    dgon_status s = add(out, "{\"id\":", a->id);
    if (s == DGON_OK)
        s = add(out, ",\"link\":", a->link);
    return s == DGON_OK ? dgon_buf_adds(out, "}\n") : s;
}

dgon_status dgon_join_command(dgon_buf *out, const char *gateway, const char *code, bool powershell)
{
    return dgon_buf_addf(out, "%sdgon-agent%s join %s %s", powershell ? "" : "sudo ",
                         powershell ? ".exe" : "", gateway, code);
}

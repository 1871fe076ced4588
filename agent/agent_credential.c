#include "agent_credential.h"

#include "agent_os.h"

#include "dgon/hash.h"

#include <stdio.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts blanks off both ends. */
static const char *trim(const char *p, size_t *n)
{
    while (*n > 0 && is_blank(*p)) {
        p++;
        --*n;
    }
    while (*n > 0 && is_blank(p[*n - 1])) {
        --*n;
    }
    return p;
}

static bool is_name(const char *p, size_t n, const char *name)
{
    return strlen(name) == n && memcmp(p, name, n) == 0;
}

static bool read_line(agent_credential *c, const char *p, size_t n, bool *has_key)
{
    p = trim(p, &n);
    if (n == 0 || *p == '#') {
        return true;
    }
    const char *eq = memchr(p, '=', n);
    if (eq == NULL) {
        return false;
    }
    size_t left = (size_t)(eq - p), right = n - left - 1;
    const char *value = trim(eq + 1, &right), *name = trim(p, &left);
    if (is_name(name, left, "id") && dgon_wire_is_agent_id(value, right)) {
        memcpy(c->id, value, right);
        c->id[right] = '\0';
        return true;
    }
    if (is_name(name, left, "key")) {
        *has_key = true;
        return dgon_hash_unhex(c->key, sizeof c->key, value, right);
    }
    c->has_next = is_name(name, left, "next");
    return c->has_next && dgon_hash_unhex(c->next, sizeof c->next, value, right);
}

dgon_status agent_credential_parse(agent_credential *c, const char *p, size_t n)
{
    bool has_key = false, ok = true;
    memset(c, 0, sizeof *c);
    for (size_t at = 0; ok && at < n;) {
        const char *end = memchr(p + at, '\n', n - at);
        size_t len = end != NULL ? (size_t)(end - (p + at)) : n - at;
        ok = read_line(c, p + at, len, &has_key);
        at += len + 1;
    }
    if (ok && has_key) {
        return DGON_OK;
    }
    agent_os_wipe(c, sizeof *c);
    return DGON_EPROTO;
}

dgon_status agent_credential_load(agent_credential *c, const char *path, char *why, size_t why_size)
{
    char reason[200];
    dgon_buf b;
    dgon_buf_init(&b, AGENT_CREDENTIAL_MAX);
    memset(c, 0, sizeof *c);
    dgon_status s = agent_os_read_file(path, true, &b, reason, sizeof reason);
    if (s != DGON_OK) {
        (void)snprintf(why, why_size, "credential_file %s: %s", path, reason);
    } else {
        s = agent_credential_parse(c, b.data != NULL ? b.data : "", b.len);
        if (s != DGON_OK) {
            (void)snprintf(why, why_size,
                           "credential_file %s is damaged: restore it, or ask for a new code and "
                           "join again (dgon-agent join)",
                           path);
        }
    }
    agent_os_wipe(b.data, b.size);
    dgon_buf_fini(&b);
    return s;
}

static dgon_status add_key(dgon_buf *out, const char *name, const unsigned char key[DGON_SIGN_KEY])
{
    char hex[DGON_SIGN_KEY_HEX + 1];
    dgon_hash_hex(hex, key, DGON_SIGN_KEY);
    dgon_status s = dgon_buf_addf(out, "%s = %s\n", name, hex);
    agent_os_wipe(hex, sizeof hex);
    return s;
}

dgon_status agent_credential_save(const agent_credential *c, const char *path, char *why,
                                  size_t why_size)
{
    char reason[200];
    dgon_buf b;
    dgon_buf_init(&b, AGENT_CREDENTIAL_MAX);
    /* room at once: a buffer that grows leaves its old content behind */
    dgon_status s = dgon_buf_reserve(&b, AGENT_CREDENTIAL_MAX);
    if (s == DGON_OK) {
        s = dgon_buf_adds(&b, "# The secret of this agent. It is this machine's: never copy it.\n");
    }
    if (s == DGON_OK && c->id[0] != '\0') {
        s = dgon_buf_addf(&b, "id = %s\n", c->id);
    }
    if (s == DGON_OK) {
        s = add_key(&b, "key", c->key);
    }
    if (s == DGON_OK && c->has_next) {
        s = add_key(&b, "next", c->next);
    }
    if (s == DGON_OK) {
        s = agent_os_write_file(path, true, b.data, b.len, reason, sizeof reason);
    } else {
        (void)snprintf(reason, sizeof reason, "%s", dgon_status_str(s));
    }
    if (s != DGON_OK) {
        (void)snprintf(why, why_size, "credential_file %s: %s", path, reason);
    }
    agent_os_wipe(b.data, b.size);
    dgon_buf_fini(&b);
    return s;
}

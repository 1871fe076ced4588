/* One text of INI: sections, keys, and the form of each value. */
#include "agent_config_int.h"

#include "dgon/alloc.h"
#include "dgon/utf8.h"

#include <ini.h>

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    agent_config_report report;
    const char *text;
    size_t n, at;
    unsigned line;
    agent_config_backend *backend; /* of the section being read */
    char backend_section[64];
} reader;

typedef enum key_type { KEY_STRING, KEY_UINT, KEY_BOOL, KEY_CALL } key_type;

typedef struct key {
    const char *section, *name;
    key_type type;
    size_t offset, size; /* size: of a string */
    uint32_t min, max;
    bool (*call)(reader *r, const char *value);
} key;

/* --- values with a form of their own --- */

static bool set_kind(reader *r, const char *value)
{
    for (unsigned k = AGENT_KIND_AUTO; k <= AGENT_KIND_ECHO; k++) {
        if (strcmp(value, agent_kind_str((agent_kind)k)) == 0) {
            r->backend->kind = (agent_kind)k;
            return true;
        }
    }
    agent_config_mistake(&r->report, r->line, "kind is auto, ollama, openai or echo, not \"%.40s\"",
                         value);
    return false;
}

static bool set_level(reader *r, const char *value)
{
    static const struct {
        const char *name;
        uint32_t level;
    } levels[] = {{"error", 3}, {"warn", 4}, {"notice", 5}, {"info", 6}, {"debug", 7}};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(value, levels[i].name) == 0) {
            r->report.c->log_level = levels[i].level;
            return true;
        }
    }
    agent_config_mistake(&r->report, r->line,
                         "level is error, warn, notice, info or debug, not \"%.40s\"", value);
    return false;
}

/* The next word of a comma or blank separated list; its length, 0 at the end. */
static size_t next_word(const char **at)
{
    *at += strspn(*at, ", \t\n");
    return strcspn(*at, ", \t\n");
}

static bool set_labels(reader *r, const char *value)
{
    agent_config *c = r->report.c;
    c->label_count = 0;
    for (size_t n; (n = next_word(&value)) != 0; value += n) {
        agent_config_label l;
        const char *eq = memchr(value, '=', n);
        size_t left = eq != NULL ? (size_t)(eq - value) : 0, right = eq != NULL ? n - left - 1 : 0;
        if (left == 0 || left >= sizeof l.name || right >= sizeof l.value ||
            !dgon_wire_is_agent_id(value, left) ||
            (right != 0 && !dgon_wire_is_model_name(eq + 1, right))) {
            agent_config_mistake(&r->report, r->line,
                                 "labels are name=value pairs of [A-Za-z0-9._-], not \"%.*s\"",
                                 (int)(n < 60 ? n : 60), value);
            return false;
        }
        if (c->label_count == AGENT_CONFIG_LABELS_MAX) {
            agent_config_mistake(&r->report, r->line, "more than %u labels",
                                 AGENT_CONFIG_LABELS_MAX);
            return false;
        }
        memset(&l, 0, sizeof l);
        memcpy(l.name, value, left);
        memcpy(l.value, eq + 1, right);
        c->labels[c->label_count++] = l;
    }
    return true;
}

static bool set_models(reader *r, const char *value)
{
    agent_config_backend *b = r->backend;
    for (size_t n; (n = next_word(&value)) != 0; value += n) {
        if (!dgon_wire_is_model_name(value, n)) {
            agent_config_mistake(&r->report, r->line, "\"%.*s\" cannot be a model name",
                                 (int)(n < 60 ? n : 60), value);
            return false;
        }
        if (b->model_count == DGON_WIRE_MODELS_MAX) {
            agent_config_mistake(&r->report, r->line, "more than %u models", DGON_WIRE_MODELS_MAX);
            return false;
        }
        void *more = dgon_realloc(b->models, (b->model_count + 1u) * sizeof b->models[0]);
        if (more == NULL) {
            agent_config_mistake(&r->report, r->line, "out of memory");
            return false;
        }
        b->models = more;
        memset(b->models[b->model_count], 0, sizeof b->models[0]);
        memcpy(b->models[b->model_count++], value, n);
    }
    return true;
}

/* A list may go on in further lines. */
static bool set_allow(reader *r, const char *value)
{
    agent_config_backend *b = r->backend;
    size_t n = strlen(b->allow), blanks = strspn(value, ", \t");
    char whole[AGENT_CONFIG_ALLOW_MAX];
    int len = snprintf(whole, sizeof whole, "%s%s%s", b->allow, n != 0 ? "," : "", value + blanks);
    while (len > 0 && (size_t)len < sizeof whole && strchr(", \t", whole[len - 1]) != NULL) {
        whole[--len] = '\0';
    }
    const char *wrong =
        len < 0 || (size_t)len >= sizeof whole ? "the list is too long" : dgon_pass_check(whole);
    if (wrong != NULL) {
        agent_config_mistake(&r->report, r->line, "allow: %s", wrong);
        return false;
    }
    (void)snprintf(b->allow, sizeof b->allow, "%s", whole);
    return true;
}

static bool set_id(reader *r, const char *value)
{
    if (!dgon_wire_is_agent_id(value, strlen(value))) {
        agent_config_mistake(&r->report, r->line, "id is 1 to %u of [A-Za-z0-9._-]",
                             DGON_WIRE_ID_MAX);
        return false;
    }
    (void)snprintf(r->report.c->id, sizeof r->report.c->id, "%s", value);
    return true;
}

#define G(n, t, min, max)                                                                      \
    {                                                                                          \
        "gateway", #n, t, offsetof(agent_config, n), sizeof(((agent_config *)0)->n), min, max, \
            NULL                                                                               \
    }
#define A(s, n, t, min, max)                                                                \
    {                                                                                       \
        s, #n, t, offsetof(agent_config, n), sizeof(((agent_config *)0)->n), min, max, NULL \
    }
#define B(n, t, min, max)                                          \
    {                                                              \
        "backend", #n, t, offsetof(agent_config_backend, n),       \
            sizeof(((agent_config_backend *)0)->n), min, max, NULL \
    }
#define CALL(s, n, fn)                 \
    {                                  \
        s, n, KEY_CALL, 0, 0, 0, 0, fn \
    }

static const key keys[] = {
    G(url, KEY_STRING, 0, 0),
    G(token_file, KEY_STRING, 0, 0),
    G(credential_file, KEY_STRING, 0, 0),
    G(ca_file, KEY_STRING, 0, 0),
    G(cert_file, KEY_STRING, 0, 0),
    G(key_file, KEY_STRING, 0, 0),
    G(proxy, KEY_STRING, 0, 0),
    G(insecure, KEY_BOOL, 0, 0),
    CALL("agent", "id", set_id),
    A("agent", slots, KEY_UINT, 0, DGON_WIRE_SLOTS_MAX),
    CALL("agent", "labels", set_labels),
    A("agent", drain, KEY_UINT, 0, 3600),
    A("agent", links, KEY_UINT, 1, 8),
    A("agent", models_interval, KEY_UINT, 1, 3600),
    A("agent", body_max, KEY_UINT, 1024, 1024u * 1024u * 1024u),
    A("agent", pid_file, KEY_STRING, 0, 0),
    A("agent", status_socket, KEY_STRING, 0, 0),
    CALL("backend", "kind", set_kind),
    B(url, KEY_STRING, 0, 0),
    B(key_file, KEY_STRING, 0, 0),
    B(ca_file, KEY_STRING, 0, 0),
    CALL("backend", "models", set_models),
    CALL("backend", "allow", set_allow),
    B(truncate, KEY_BOOL, 0, 0),
    B(pull, KEY_BOOL, 0, 0),
    B(keep_alive, KEY_STRING, 0, 0),
    B(connect_timeout, KEY_UINT, 1, 600),
    B(stall_timeout, KEY_UINT, 1, 86400),
    B(delay_ms, KEY_UINT, 0, 60000),
    B(tokens, KEY_UINT, 0, 1000000),
    CALL("log", "level", set_level),
    A("log", log_file, KEY_STRING, 0, 0),
};

/* --- the reader --- */

static bool set_uint(reader *r, const key *k, const char *value, uint32_t *out)
{
    char *end = NULL;
    unsigned long long v = isdigit((unsigned char)value[0]) ? strtoull(value, &end, 10) : 0;
    if (end == NULL || *end != '\0' || v < k->min || v > k->max) {
        agent_config_mistake(&r->report, r->line, "%s is a number from %u to %u, not \"%.40s\"",
                             k->name, k->min, k->max, value);
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

static bool set_bool(reader *r, const key *k, const char *value, bool *out)
{
    bool yes = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 || strcmp(value, "on") == 0;
    if (!yes && strcmp(value, "no") != 0 && strcmp(value, "false") != 0 &&
        strcmp(value, "off") != 0) {
        agent_config_mistake(&r->report, r->line, "%s is yes or no, not \"%.40s\"", k->name, value);
        return false;
    }
    *out = yes;
    return true;
}

static void set_key(reader *r, const key *k, const char *value)
{
    char *base = strcmp(k->section, "backend") == 0 ? (char *)r->backend : (char *)r->report.c;
    switch (k->type) {
    case KEY_STRING:
        if (strlen(value) >= k->size) {
            agent_config_mistake(&r->report, r->line, "%s is longer than %zu bytes", k->name,
                                 k->size - 1);
        } else {
            (void)snprintf(base + k->offset, k->size, "%s", value);
        }
        break;
    case KEY_UINT:
        (void)set_uint(r, k, value, (uint32_t *)(void *)(base + k->offset));
        break;
    case KEY_BOOL:
        (void)set_bool(r, k, value, (bool *)(void *)(base + k->offset));
        break;
    case KEY_CALL:
        (void)k->call(r, value);
        break;
    }
}

/* [backend "name"]: finds it or makes it; NULL after a mistake. */
static agent_config_backend *backend_section(reader *r, const char *section)
{
    agent_config *c = r->report.c;
    const char *p = section + strlen("backend");
    p += strspn(p, " \t");
    size_t n = strlen(p);
    if (n < 3 || p[0] != '"' || p[n - 1] != '"' || n - 2 > 32 ||
        !dgon_wire_is_agent_id(p + 1, n - 2)) {
        agent_config_mistake(
            &r->report, r->line,
            "a backend's section is [backend \"name\"], the name 1 to 32 of [A-Za-z0-9._-]");
        return NULL;
    }
    for (unsigned i = 0; i < c->backend_count; i++) {
        if (strlen(c->backends[i].name) == n - 2 &&
            memcmp(c->backends[i].name, p + 1, n - 2) == 0) {
            return &c->backends[i];
        }
    }
    if (c->backend_count == AGENT_CONFIG_BACKENDS_MAX) {
        agent_config_mistake(&r->report, r->line, "more than %u backends",
                             AGENT_CONFIG_BACKENDS_MAX);
        return NULL;
    }
    agent_config_backend *b = &c->backends[c->backend_count++];
    memset(b, 0, sizeof *b);
    memcpy(b->name, p + 1, n - 2);
    b->connect_timeout = 5;
    b->stall_timeout = 300;
    b->line = r->line;
    b->file = r->report.file;
    return b;
}

static const char *section_base(reader *r, const char *section)
{
    if (strncmp(section, "backend", 7) != 0 ||
        (section[7] != '\0' && section[7] != ' ' && section[7] != '\t' && section[7] != '"')) {
        return section;
    }
    if (strcmp(section, r->backend_section) != 0) {
        (void)snprintf(r->backend_section, sizeof r->backend_section, "%s", section);
        r->backend = backend_section(r, section);
    }
    return r->backend != NULL ? "backend" : NULL;
}

static int on_key(void *user, const char *section, const char *name, const char *value)
{
    reader *r = user;
    dgon_utf8 u = {0};
    if (dgon_utf8_feed(&u, value, strlen(value), true) != DGON_OK || !dgon_utf8_complete(&u)) {
        agent_config_mistake(&r->report, r->line, "not text in UTF-8");
        return 1;
    }
    const char *base = section_base(r, section);
    if (base == NULL) {
        return 1; /* said once, at the section */
    }
    bool known = false;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(keys[i].section, base) == 0) {
            known = true;
            if (strcmp(keys[i].name, name) == 0) {
                set_key(r, &keys[i], value);
                return 1;
            }
        }
    }
    if (known) {
        agent_config_mistake(&r->report, r->line, "unknown key \"%.40s\" in [%.40s]", name,
                             section);
    } else if (section[0] == '\0') {
        agent_config_mistake(&r->report, r->line, "key \"%.40s\" stands before any [section]",
                             name);
    } else {
        agent_config_mistake(&r->report, r->line, "unknown section [%.40s]", section);
    }
    return 1;
}

/* Gives the INI reader one line; a line it would cut is reported and replaced by an empty one. */
static char *next_line(char *out, int size, void *user)
{
    reader *r = user;
    if (r->at >= r->n) {
        return NULL;
    }
    const char *p = r->text + r->at, *end = memchr(p, '\n', r->n - r->at);
    size_t n = end != NULL ? (size_t)(end - p) : r->n - r->at;
    r->at += n + (end != NULL ? 1 : 0);
    r->line++;
    if (n > AGENT_CONFIG_LINE_MAX || n + 2 > (size_t)size || memchr(p, '\0', n) != NULL) {
        agent_config_mistake(&r->report, r->line, "the line is longer than %d bytes or holds a NUL",
                             AGENT_CONFIG_LINE_MAX);
        n = 0;
    }
    memcpy(out, p, n);
    out[n] = '\n';
    out[n + 1] = '\0';
    return out;
}

dgon_status agent_config_parse(agent_config *c, const char *file, const char *text, size_t n,
                               dgon_buf *errors)
{
    reader r = {.report = {.c = c, .errors = errors}, .text = text, .n = n};
    if (c->file_count == sizeof c->files / sizeof c->files[0]) {
        r.report.file = c->file_count - 1;
        agent_config_mistake(&r.report, 0, "too many drop-in files");
        return DGON_EINVAL;
    }
    r.report.file = c->file_count++;
    (void)snprintf(c->files[r.report.file], sizeof c->files[r.report.file], "%s", file);
    int line = ini_parse_stream(next_line, &r, on_key, &r);
    if (line > 0) {
        agent_config_mistake(&r.report, (unsigned)line, "neither a [section] nor \"key = value\"");
    } else if (line < 0) {
        agent_config_mistake(&r.report, 0, "cannot be read");
    }
    return r.report.mistakes != 0 ? DGON_EINVAL : DGON_OK;
}

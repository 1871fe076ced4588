#include "agent_config.h"

#include "agent_os.h"

#include "dgon/alloc.h"
#include "dgon/utf8.h"

#include <ini.h>

#include <ctype.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS_MAX 50

typedef struct reader {
    agent_config *c;
    dgon_buf *errors;
    const char *text;
    size_t n, at;
    unsigned line, file, mistakes;
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

static void mistake(reader *r, unsigned line, const char *fmt, ...) DGON_PRINTF(3, 4);

static void mistake(reader *r, unsigned line, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
    const char *file = r->file < r->c->file_count ? r->c->files[r->file] : "configuration";
    if (r->mistakes++ < ERRORS_MAX) {
        dgon_status s = line != 0 ? dgon_buf_addf(r->errors, "%s:%u: %s\n", file, line, text)
                                  : dgon_buf_addf(r->errors, "%s: %s\n", file, text);
        (void)s; /* a full buffer has enough mistakes already */
    }
}

const char *agent_kind_str(agent_kind k)
{
    static const char *const names[] = {"auto", "openai", "ollama", "echo"};
    return (unsigned)k < sizeof names / sizeof names[0] ? names[k] : "?";
}

/* --- values with a form of their own --- */

static bool set_kind(reader *r, const char *value)
{
    for (unsigned k = AGENT_KIND_AUTO; k <= AGENT_KIND_ECHO; k++) {
        if (strcmp(value, agent_kind_str((agent_kind)k)) == 0) {
            r->backend->kind = (agent_kind)k;
            return true;
        }
    }
    mistake(r, r->line, "kind is auto, ollama, openai or echo, not \"%.40s\"", value);
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
            r->c->log_level = levels[i].level;
            return true;
        }
    }
    mistake(r, r->line, "level is error, warn, notice, info or debug, not \"%.40s\"", value);
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
    agent_config *c = r->c;
    c->label_count = 0;
    for (size_t n; (n = next_word(&value)) != 0; value += n) {
        agent_config_label l;
        const char *eq = memchr(value, '=', n);
        size_t left = eq != NULL ? (size_t)(eq - value) : 0, right = eq != NULL ? n - left - 1 : 0;
        if (left == 0 || left >= sizeof l.name || right >= sizeof l.value ||
            !dgon_wire_is_agent_id(value, left) ||
            (right != 0 && !dgon_wire_is_model_name(eq + 1, right))) {
            mistake(r, r->line, "labels are name=value pairs of [A-Za-z0-9._-], not \"%.*s\"",
                    (int)(n < 60 ? n : 60), value);
            return false;
        }
        if (c->label_count == AGENT_CONFIG_LABELS_MAX) {
            mistake(r, r->line, "more than %u labels", AGENT_CONFIG_LABELS_MAX);
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
            mistake(r, r->line, "\"%.*s\" cannot be a model name", (int)(n < 60 ? n : 60), value);
            return false;
        }
        if (b->model_count == DGON_WIRE_MODELS_MAX) {
            mistake(r, r->line, "more than %u models", DGON_WIRE_MODELS_MAX);
            return false;
        }
        void *more = dgon_realloc(b->models, (b->model_count + 1u) * sizeof b->models[0]);
        if (more == NULL) {
            mistake(r, r->line, "out of memory");
            return false;
        }
        b->models = more;
        memset(b->models[b->model_count], 0, sizeof b->models[0]);
        memcpy(b->models[b->model_count++], value, n);
    }
    return true;
}

static bool set_id(reader *r, const char *value)
{
    if (!dgon_wire_is_agent_id(value, strlen(value))) {
        mistake(r, r->line, "id is 1 to %u of [A-Za-z0-9._-]", DGON_WIRE_ID_MAX);
        return false;
    }
    (void)snprintf(r->c->id, sizeof r->c->id, "%s", value);
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
    CALL("backend", "kind", set_kind),
    B(url, KEY_STRING, 0, 0),
    B(key_file, KEY_STRING, 0, 0),
    B(ca_file, KEY_STRING, 0, 0),
    CALL("backend", "models", set_models),
    B(truncate, KEY_BOOL, 0, 0),
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
        mistake(r, r->line, "%s is a number from %u to %u, not \"%.40s\"", k->name, k->min, k->max,
                value);
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
        mistake(r, r->line, "%s is yes or no, not \"%.40s\"", k->name, value);
        return false;
    }
    *out = yes;
    return true;
}

static void set_key(reader *r, const key *k, const char *value)
{
    char *base = strcmp(k->section, "backend") == 0 ? (char *)r->backend : (char *)r->c;
    switch (k->type) {
    case KEY_STRING:
        if (strlen(value) >= k->size) {
            mistake(r, r->line, "%s is longer than %zu bytes", k->name, k->size - 1);
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
    agent_config *c = r->c;
    const char *p = section + strlen("backend");
    p += strspn(p, " \t");
    size_t n = strlen(p);
    if (n < 3 || p[0] != '"' || p[n - 1] != '"' || n - 2 > 32 ||
        !dgon_wire_is_agent_id(p + 1, n - 2)) {
        mistake(r, r->line,
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
        mistake(r, r->line, "more than %u backends", AGENT_CONFIG_BACKENDS_MAX);
        return NULL;
    }
    agent_config_backend *b = &c->backends[c->backend_count++];
    memset(b, 0, sizeof *b);
    memcpy(b->name, p + 1, n - 2);
    b->connect_timeout = 5;
    b->stall_timeout = 300;
    b->line = r->line;
    b->file = r->file;
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
        mistake(r, r->line, "not text in UTF-8");
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
        mistake(r, r->line, "unknown key \"%.40s\" in [%.40s]", name, section);
    } else if (section[0] == '\0') {
        mistake(r, r->line, "key \"%.40s\" stands before any [section]", name);
    } else {
        mistake(r, r->line, "unknown section [%.40s]", section);
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
        mistake(r, r->line, "the line is longer than %d bytes or holds a NUL",
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
    reader r = {.c = c, .errors = errors, .text = text, .n = n};
    if (c->file_count == sizeof c->files / sizeof c->files[0]) {
        r.file = c->file_count - 1;
        mistake(&r, 0, "too many drop-in files");
        return DGON_EINVAL;
    }
    r.file = c->file_count++;
    (void)snprintf(c->files[r.file], sizeof c->files[r.file], "%s", file);
    int line = ini_parse_stream(next_line, &r, on_key, &r);
    if (line > 0) {
        mistake(&r, (unsigned)line, "neither a [section] nor \"key = value\"");
    } else if (line < 0) {
        mistake(&r, 0, "cannot be read");
    }
    return r.mistakes != 0 ? DGON_EINVAL : DGON_OK;
}

/* --- the check of the whole --- */

/* Takes "host[:port]" or "[v6]:port" apart; what follows is at *rest. */
static bool split_host(const char *p, char *host, size_t size, uint16_t *port, const char **rest)
{
    size_t n;
    if (*p == '[') {
        n = strcspn(++p, "]");
        if (p[n] != ']') {
            return false;
        }
    } else {
        n = strcspn(p, ":/?#");
    }
    if (n == 0 || n >= size || strcspn(p, " \t@\"<>\\") < n) {
        return false;
    }
    memcpy(host, p, n);
    host[n] = '\0';
    p += n + (p[n] == ']' ? 1 : 0);
    if (*p == ':') {
        char *end = NULL;
        unsigned long v = isdigit((unsigned char)p[1]) ? strtoul(p + 1, &end, 10) : 0;
        if (v == 0 || v > 65535) {
            return false;
        }
        *port = (uint16_t)v;
        p = end;
    }
    *rest = p;
    return *p == '\0' || *p == '/';
}

static bool is_loopback(const char *host)
{
    bool v4 = strncmp(host, "127.", 4) == 0 &&
              strspn(host, "0123456789.") == strlen(host); /* not 127.example */
    return v4 || strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}

static void check_gateway(reader *r)
{
    agent_config *c = r->c;
    const char *rest = "";
    c->tls = strncmp(c->url, "wss://", 6) == 0;
    c->port = c->tls ? 443 : 80;
    if (c->url[0] == '\0') {
        mistake(r, 0, "[gateway] url is missing, e.g. url = wss://gateway.example/dgon/agent");
        return;
    }
    if ((!c->tls && strncmp(c->url, "ws://", 5) != 0) ||
        !split_host(c->url + (c->tls ? 6 : 5), c->host, sizeof c->host, &c->port, &rest) ||
        strpbrk(rest, " \t#") != NULL) {
        mistake(r, 0, "[gateway] url is wss://host[:port]/path or ws://host[:port]/path");
        return;
    }
    (void)snprintf(c->path, sizeof c->path, "%s", *rest != '\0' ? rest : "/");
    if (!c->tls && !is_loopback(c->host) && !c->insecure) {
        mistake(r, 0,
                "[gateway] url: ws:// sends the token in the clear; use wss://, or insecure = yes "
                "if the network is trusted");
    }
    if ((c->cert_file[0] == '\0') != (c->key_file[0] == '\0')) {
        mistake(r, 0, "[gateway] cert_file and key_file go together");
    }
}

static void check_proxy(reader *r)
{
    agent_config *c = r->c;
    const char *p = c->proxy, *rest = "";
    c->proxy_auth[0] = c->proxy_host[0] = '\0';
    c->proxy_port = 3128;
    if (*p == '\0') {
        return;
    }
    p += strncmp(p, "http://", 7) == 0 ? 7 : 0;
    const char *at = strrchr(p, '@');
    if (at != NULL) {
        size_t n = (size_t)(at - p);
        if (n >= sizeof c->proxy_auth) {
            mistake(r, 0, "[gateway] proxy: user and password are too long");
            return;
        }
        memcpy(c->proxy_auth, p, n);
        c->proxy_auth[n] = '\0';
        p = at + 1;
    }
    if (!split_host(p, c->proxy_host, sizeof c->proxy_host, &c->proxy_port, &rest) ||
        (*rest != '\0' && strcmp(rest, "/") != 0)) {
        mistake(r, 0, "[gateway] proxy is [user:password@]host[:port]");
    }
}

static void cut_suffix(char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    if (n >= m && strcmp(s + n - m, suffix) == 0) {
        s[n - m] = '\0';
    }
}

static void check_backend(reader *r, agent_config_backend *b)
{
    char host[256];
    const char *rest = "";
    uint16_t port = 0;
    r->file = b->file;
    if (b->kind == AGENT_KIND_ECHO) {
        if (b->url[0] != '\0') {
            mistake(r, b->line, "backend \"%s\": kind echo has no url", b->name);
        }
        return;
    }
    if (b->url[0] == '\0') {
        mistake(r, b->line, "backend \"%s\" has no url", b->name);
        return;
    }
    bool tls = strncmp(b->url, "https://", 8) == 0;
    if ((!tls && strncmp(b->url, "http://", 7) != 0) ||
        !split_host(b->url + (tls ? 8 : 7), host, sizeof host, &port, &rest) ||
        strpbrk(rest, "?# \t") != NULL) {
        mistake(r, b->line, "backend \"%s\": url is http://host[:port][/path] or https://...",
                b->name);
        return;
    }
    cut_suffix(b->url, "/");
    cut_suffix(b->url, "/v1");
    if (b->key_file[0] != '\0' && !tls && !is_loopback(host)) {
        mistake(r, b->line, "backend \"%s\": a key goes only over https or to loopback", b->name);
    }
}

dgon_status agent_config_check(agent_config *c, dgon_buf *errors)
{
    reader r = {.c = c, .errors = errors};
    check_gateway(&r);
    check_proxy(&r);
    if (c->backend_count == 0) {
        mistake(&r, 0, "no [backend \"name\"] section");
    }
    for (unsigned i = 0; i < c->backend_count; i++) {
        check_backend(&r, &c->backends[i]);
    }
    return r.mistakes != 0 ? DGON_EINVAL : DGON_OK;
}

/* --- files --- */

/* First line of a secret's file, without blanks around it. */
static dgon_status read_secret(const char *path, char out[AGENT_CONFIG_SECRET_MAX], char *why,
                               size_t why_size)
{
    dgon_buf b;
    dgon_buf_init(&b, AGENT_CONFIG_SECRET_MAX * 2);
    dgon_status s = agent_os_read_file(path, true, &b, why, why_size);
    if (s == DGON_OK) {
        size_t n = 0;
        while (n < b.len && b.data[n] > 0x20 && b.data[n] < 0x7f) {
            n++;
        }
        size_t end = n;
        while (end < b.len && (b.data[end] == '\n' || b.data[end] == '\r' || b.data[end] == ' ')) {
            end++;
        }
        if (n == 0 || n >= AGENT_CONFIG_SECRET_MAX || end != b.len) {
            (void)snprintf(why, why_size, "is not one line of 1 to %u printable characters",
                           AGENT_CONFIG_SECRET_MAX - 1);
            s = DGON_EINVAL;
        } else {
            memcpy(out, b.data, n);
            out[n] = '\0';
        }
    }
    agent_os_wipe(b.data, b.size);
    dgon_buf_fini(&b);
    return s;
}

dgon_status agent_config_token(const agent_config *c, char out[AGENT_CONFIG_SECRET_MAX], char *why,
                               size_t why_size)
{
    const char *env = agent_os_getenv("DGON_AGENT_TOKEN"), *dir = agent_os_credentials();
    char reason[200], path[AGENT_CONFIG_PATH_MAX + 16];
    dgon_status s;
    if (env != NULL && env[0] != '\0') {
        size_t n = strlen(env);
        for (size_t i = 0; i < n; i++) {
            if (n >= AGENT_CONFIG_SECRET_MAX || env[i] <= 0x20 || env[i] >= 0x7f) {
                (void)snprintf(why, why_size,
                               "DGON_AGENT_TOKEN is not 1 to %u printable characters",
                               AGENT_CONFIG_SECRET_MAX - 1);
                return DGON_EINVAL;
            }
        }
        memcpy(out, env, n + 1);
        return DGON_OK;
    }
    if (c->token_file[0] != '\0') {
        (void)snprintf(path, sizeof path, "%s", c->token_file);
    } else if (dir != NULL) {
        (void)snprintf(path, sizeof path, "%.500s/token", dir);
    } else {
        (void)snprintf(why, why_size, "no token: set token_file in [gateway]");
        return DGON_ENOTFOUND;
    }
    s = read_secret(path, out, reason, sizeof reason);
    if (s != DGON_OK) {
        (void)snprintf(why, why_size, "token file %s: %s", path, reason);
    }
    return s;
}

static bool read_text(reader *r, const char *path)
{
    dgon_buf b;
    char why[200];
    dgon_buf_init(&b, AGENT_CONFIG_FILE_MAX);
    dgon_status s = agent_os_read_file(path, false, &b, why, sizeof why);
    if (s != DGON_OK) {
        dgon_status t = dgon_buf_addf(r->errors, "%s: %s\n", path, why);
        (void)t;
        r->mistakes++;
    } else if (agent_config_parse(r->c, path, b.data != NULL ? b.data : "", b.len, r->errors) !=
               DGON_OK) {
        r->mistakes++;
    }
    agent_os_wipe(b.data, b.size); /* a proxy's password may have been in it */
    dgon_buf_fini(&b);
    return s == DGON_OK;
}

static void on_drop_in(void *user, const char *path)
{
    (void)read_text(user, path);
}

static void read_backend_key(reader *r, agent_config_backend *b)
{
    char why[200];
    if (b->key_file[0] != '\0' && read_secret(b->key_file, b->secret, why, sizeof why) != DGON_OK) {
        r->file = b->file;
        mistake(r, b->line, "backend \"%s\": key_file %s: %s", b->name, b->key_file, why);
    }
}

static void check_file(reader *r, const char *key_name, const char *path, bool secret)
{
    dgon_buf b;
    char why[200];
    if (path[0] == '\0') {
        return;
    }
    dgon_buf_init(&b, 1024u * 1024u);
    if (agent_os_read_file(path, secret, &b, why, sizeof why) != DGON_OK) {
        mistake(r, 0, "%s %s: %s", key_name, path, why);
    }
    agent_os_wipe(b.data, b.size);
    dgon_buf_fini(&b);
}

dgon_status agent_config_load(agent_config *c, const char *path, dgon_buf *errors)
{
    reader r = {.c = c, .errors = errors};
    char dir[AGENT_CONFIG_PATH_MAX + 4], why[800];
    if (!read_text(&r, path)) {
        return DGON_EINVAL;
    }
    (void)snprintf(dir, sizeof dir, "%s.d", path);
    if (agent_os_list(dir, ".conf", on_drop_in, &r) != DGON_OK) {
        mistake(&r, 0, "%s: the directory cannot be read", dir);
    }
    if (r.mistakes != 0 || agent_config_check(c, errors) != DGON_OK) {
        return DGON_EINVAL;
    }
    for (unsigned i = 0; i < c->backend_count; i++) {
        read_backend_key(&r, &c->backends[i]);
        r.file = c->backends[i].file;
        check_file(&r, "ca_file", c->backends[i].ca_file, false);
    }
    r.file = 0;
    check_file(&r, "[gateway] ca_file", c->ca_file, false);
    check_file(&r, "[gateway] cert_file", c->cert_file, false);
    check_file(&r, "[gateway] key_file", c->key_file, true);
    char token[AGENT_CONFIG_SECRET_MAX];
    if (agent_config_token(c, token, why, sizeof why) != DGON_OK) {
        mistake(&r, 0, "%.300s", why);
    }
    agent_os_wipe(token, sizeof token);
    return r.mistakes != 0 ? DGON_EINVAL : DGON_OK;
}

/* --- life --- */

static void default_id(agent_config *c)
{
    char name[256];
    agent_os_hostname(name, sizeof name);
    name[DGON_WIRE_ID_MAX] = '\0';
    for (char *p = name; *p != '\0'; p++) {
        if (!dgon_wire_is_agent_id(p, 1)) {
            *p = '-';
        }
    }
    (void)snprintf(c->id, sizeof c->id, "%.*s", (int)DGON_WIRE_ID_MAX,
                   name[0] != '\0' ? name : "agent");
}

agent_config *agent_config_create(void)
{
    agent_config *c = dgon_calloc(1, sizeof *c);
    if (c != NULL) {
        default_id(c);
        c->drain = 30;
        c->links = 4;
        c->models_interval = 5;
        c->body_max = 64u * 1024u * 1024u;
        c->log_level = 6;
    }
    return c;
}

void agent_config_destroy(agent_config *c)
{
    if (c == NULL) {
        return;
    }
    for (unsigned i = 0; i < AGENT_CONFIG_BACKENDS_MAX; i++) {
        dgon_free(c->backends[i].models);
    }
    agent_os_wipe(c, sizeof *c);
    dgon_free(c);
}

bool agent_config_same_backend(const agent_config_backend *a, const agent_config_backend *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->url, b->url) == 0 &&
           strcmp(a->ca_file, b->ca_file) == 0 && strcmp(a->secret, b->secret) == 0 &&
           a->kind == b->kind && a->truncate == b->truncate &&
           a->connect_timeout == b->connect_timeout && a->stall_timeout == b->stall_timeout &&
           a->delay_ms == b->delay_ms && a->tokens == b->tokens &&
           a->model_count == b->model_count &&
           (a->model_count == 0 ||
            memcmp(a->models, b->models, a->model_count * sizeof a->models[0]) == 0);
}

bool agent_config_same_gateway(const agent_config *a, const agent_config *b)
{
    return strcmp(a->url, b->url) == 0 && strcmp(a->token_file, b->token_file) == 0 &&
           strcmp(a->ca_file, b->ca_file) == 0 && strcmp(a->cert_file, b->cert_file) == 0 &&
           strcmp(a->key_file, b->key_file) == 0 && strcmp(a->proxy, b->proxy) == 0 &&
           a->insecure == b->insecure && strcmp(a->id, b->id) == 0;
}

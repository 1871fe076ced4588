/* A configuration's life, its comparison with the next one, and the report of its mistakes. */
#include "agent_config_int.h"

#include "agent_os.h"

#include "dgon/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERRORS_MAX 50

const char *agent_kind_str(agent_kind k)
{
    static const char *const names[] = {"auto", "openai", "ollama", "echo"};
    return (unsigned)k < sizeof names / sizeof names[0] ? names[k] : "?";
}

void agent_config_mistake(agent_config_report *r, unsigned line, const char *fmt, ...)
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
           strcmp(a->allow, b->allow) == 0 && a->kind == b->kind && a->truncate == b->truncate &&
           a->pull == b->pull && strcmp(a->keep_alive, b->keep_alive) == 0 &&
           a->connect_timeout == b->connect_timeout && a->stall_timeout == b->stall_timeout &&
           a->delay_ms == b->delay_ms && a->tokens == b->tokens &&
           a->model_count == b->model_count &&
           (a->model_count == 0 ||
            memcmp(a->models, b->models, a->model_count * sizeof a->models[0]) == 0);
}

bool agent_config_same_gateway(const agent_config *a, const agent_config *b)
{
    return strcmp(a->url, b->url) == 0 && strcmp(a->token_file, b->token_file) == 0 &&
           strcmp(a->credential_file, b->credential_file) == 0 &&
           strcmp(a->ca_file, b->ca_file) == 0 && strcmp(a->cert_file, b->cert_file) == 0 &&
           strcmp(a->key_file, b->key_file) == 0 && strcmp(a->proxy, b->proxy) == 0 &&
           a->insecure == b->insecure && strcmp(a->id, b->id) == 0;
}

/* The check of the whole: what no single key can tell. Takes URLs and the proxy apart. */
#include "agent_config_int.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void check_gateway(agent_config_report *r)
{
    agent_config *c = r->c;
    const char *rest = "";
    c->tls = strncmp(c->url, "wss://", 6) == 0;
    c->port = c->tls ? 443 : 80;
    if (c->url[0] == '\0') {
        agent_config_mistake(
            r, 0, "[gateway] url is missing, e.g. url = wss://gateway.example/dgon/agent");
        return;
    }
    if ((!c->tls && strncmp(c->url, "ws://", 5) != 0) ||
        !split_host(c->url + (c->tls ? 6 : 5), c->host, sizeof c->host, &c->port, &rest) ||
        strpbrk(rest, " \t#") != NULL) {
        agent_config_mistake(r, 0,
                             "[gateway] url is wss://host[:port]/path or ws://host[:port]/path");
        return;
    }
    (void)snprintf(c->path, sizeof c->path, "%s", *rest != '\0' ? rest : "/");
    if (!c->tls && !is_loopback(c->host) && !c->insecure) {
        agent_config_mistake(
            r, 0,
            "[gateway] url: ws:// sends the token in the clear; use wss://, or insecure = yes "
            "if the network is trusted");
    }
    if (c->credential_file[0] != '\0' && c->token_file[0] != '\0') {
        agent_config_mistake(r, 0, "[gateway] credential_file and token_file: only one of them");
    }
    if ((c->cert_file[0] == '\0') != (c->key_file[0] == '\0')) {
        agent_config_mistake(r, 0, "[gateway] cert_file and key_file go together");
    }
}

static void check_proxy(agent_config_report *r)
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
            agent_config_mistake(r, 0, "[gateway] proxy: user and password are too long");
            return;
        }
        memcpy(c->proxy_auth, p, n);
        c->proxy_auth[n] = '\0';
        p = at + 1;
    }
    if (!split_host(p, c->proxy_host, sizeof c->proxy_host, &c->proxy_port, &rest) ||
        (*rest != '\0' && strcmp(rest, "/") != 0)) {
        agent_config_mistake(r, 0, "[gateway] proxy is [user:password@]host[:port]");
    }
}

static void cut_suffix(char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    if (n >= m && strcmp(s + n - m, suffix) == 0) {
        s[n - m] = '\0';
    }
}

/* 30m, -1, 3600: as Ollama has it. */
static bool is_keep_alive(const char *s)
{
    s += *s == '-';
    size_t n = strspn(s, "0123456789");
    s += n;
    return n > 0 && n < 10 && (*s == '\0' || (strchr("smh", *s) != NULL && s[1] == '\0'));
}

static void check_load(agent_config_report *r, const agent_config_backend *b)
{
    if (b->pull && b->kind != AGENT_KIND_OLLAMA && b->kind != AGENT_KIND_AUTO) {
        agent_config_mistake(r, b->line, "backend \"%s\": pull is for Ollama", b->name);
    }
    if (b->keep_alive[0] != '\0' && !is_keep_alive(b->keep_alive)) {
        agent_config_mistake(
            r, b->line, "backend \"%s\": keep_alive is 30m, 2h, seconds, or -1 for ever", b->name);
    }
}

static void check_backend(agent_config_report *r, agent_config_backend *b)
{
    char host[256];
    const char *rest = "";
    uint16_t port = 0;
    r->file = b->file;
    check_load(r, b);
    if (b->kind == AGENT_KIND_ECHO) {
        if (b->url[0] != '\0') {
            agent_config_mistake(r, b->line, "backend \"%s\": kind echo has no url", b->name);
        }
        return;
    }
    if (b->url[0] == '\0') {
        agent_config_mistake(r, b->line, "backend \"%s\" has no url", b->name);
        return;
    }
    bool tls = strncmp(b->url, "https://", 8) == 0;
    if ((!tls && strncmp(b->url, "http://", 7) != 0) ||
        !split_host(b->url + (tls ? 8 : 7), host, sizeof host, &port, &rest) ||
        strpbrk(rest, "?# \t") != NULL) {
        agent_config_mistake(
            r, b->line, "backend \"%s\": url is http://host[:port][/path] or https://...", b->name);
        return;
    }
    cut_suffix(b->url, "/");
    cut_suffix(b->url, "/v1");
    if (b->key_file[0] != '\0' && !tls && !is_loopback(host)) {
        agent_config_mistake(r, b->line,
                             "backend \"%s\": a key goes only over https or to loopback", b->name);
    }
}

dgon_status agent_config_check(agent_config *c, dgon_buf *errors)
{
    agent_config_report r = {.c = c, .errors = errors};
    check_gateway(&r);
    check_proxy(&r);
    if (c->backend_count == 0) {
        agent_config_mistake(&r, 0, "no [backend \"name\"] section");
    }
    size_t allow = 0;
    for (unsigned i = 0; i < c->backend_count; i++) {
        check_backend(&r, &c->backends[i]);
        allow += strlen(c->backends[i].allow) + 1;
    }
    if (allow >= DGON_PASS_LIST_MAX) {
        agent_config_mistake(&r, 0, "the keys allow are longer than %u bytes together",
                             DGON_PASS_LIST_MAX);
    }
    return r.mistakes != 0 ? DGON_EINVAL : DGON_OK;
}

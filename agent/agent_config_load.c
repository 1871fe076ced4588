/* The configuration's files: the text and its drop-ins, keys, certificates and the gateway's token.
 */
#include "agent_config_int.h"

#include "agent_os.h"

#include <stdio.h>
#include <string.h>

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
    out[0] = '\0';
    if (c->credential_file[0] != '\0') {
        return DGON_OK;
    }
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
    } else if (c->cert_file[0] != '\0') {
        return DGON_OK;
    } else {
        (void)snprintf(
            why, why_size,
            "no credential_file and no token_file in [gateway]: dgon-agent join URL CODE");
        return DGON_ENOTFOUND;
    }
    s = read_secret(path, out, reason, sizeof reason);
    if (s != DGON_OK) {
        (void)snprintf(why, why_size, "token file %s: %s", path, reason);
    }
    return s;
}

static bool read_text(agent_config_report *r, const char *path)
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

static void read_backend_key(agent_config_report *r, agent_config_backend *b)
{
    char why[200];
    if (b->key_file[0] != '\0' && read_secret(b->key_file, b->secret, why, sizeof why) != DGON_OK) {
        r->file = b->file;
        agent_config_mistake(r, b->line, "backend \"%s\": key_file %s: %s", b->name, b->key_file,
                             why);
    }
}

static void check_file(agent_config_report *r, const char *key_name, const char *path, bool secret)
{
    dgon_buf b;
    char why[200];
    if (path[0] == '\0') {
        return;
    }
    dgon_buf_init(&b, 1024u * 1024u);
    if (agent_os_read_file(path, secret, &b, why, sizeof why) != DGON_OK) {
        agent_config_mistake(r, 0, "%s %s: %s", key_name, path, why);
    }
    agent_os_wipe(b.data, b.size);
    dgon_buf_fini(&b);
}

dgon_status agent_config_load(agent_config *c, const char *path, dgon_buf *errors)
{
    agent_config_report r = {.c = c, .errors = errors};
    char dir[AGENT_CONFIG_PATH_MAX + 4], why[800];
    if (!read_text(&r, path)) {
        if (!agent_os_exists(path)) {
            dgon_status s = dgon_buf_adds(errors, "this machine has not joined a gateway: "
                                                  "dgon-agent join URL CODE\n");
            (void)s; /* short of memory: the line above says enough */
        }
        return DGON_EINVAL;
    }
    (void)snprintf(dir, sizeof dir, "%s.d", path);
    if (agent_os_list(dir, ".conf", on_drop_in, &r) != DGON_OK) {
        agent_config_mistake(&r, 0, "%s: the directory cannot be read", dir);
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
    check_file(&r, "[gateway] credential_file", c->credential_file, true);
    char token[AGENT_CONFIG_SECRET_MAX];
    if (agent_config_token(c, token, why, sizeof why) != DGON_OK) {
        agent_config_mistake(&r, 0, "%.300s", why);
    }
    agent_os_wipe(token, sizeof token);
    return r.mistakes != 0 ? DGON_EINVAL : DGON_OK;
}

/* The agent's configuration: one INI file, drop-ins from "<file>.d/" (*.conf, by name), checked
 * once and as a whole; every mistake is reported as "file:line: what is wrong". conf/agent.conf
 * holds every key with its default. */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include "dgon/buf.h"
#include "dgon/pass.h"
#include "dgon/wire.h"

#include <stdbool.h>
#include <stdint.h>

#define AGENT_CONFIG_PATH_MAX 512
#define AGENT_CONFIG_LINE_MAX \
    198 /* what the INI reader takes; a longer line is an error, not a surprise */
#define AGENT_CONFIG_FILE_MAX     (256u * 1024u)
#define AGENT_CONFIG_BACKENDS_MAX 16u
#define AGENT_CONFIG_ALLOW_MAX    1024u /* all of them together: DGON_PASS_LIST_MAX */
#define AGENT_CONFIG_LABELS_MAX   16u
#define AGENT_CONFIG_SECRET_MAX   512u

typedef enum agent_kind {
    AGENT_KIND_AUTO = 0, /* asked: /api/version answers -> ollama, else openai */
    AGENT_KIND_OPENAI,
    AGENT_KIND_OLLAMA,
    AGENT_KIND_ECHO
} agent_kind;

typedef struct agent_config_backend {
    char name[33];
    char url[AGENT_CONFIG_PATH_MAX]; /* without a trailing "/" or "/v1" */
    char key_file[AGENT_CONFIG_PATH_MAX];
    char ca_file[AGENT_CONFIG_PATH_MAX];
    agent_kind kind;
    bool truncate, pull;
    char keep_alive[17]; /* of a model that is loaded on request; "" = as the server has it */
    uint32_t connect_timeout, stall_timeout; /* seconds */
    uint32_t delay_ms, tokens;               /* echo */
    char (*models)[DGON_WIRE_NAME_MAX + 1];  /* allow list, owned; none = all */
    uint32_t model_count;
    char allow[AGENT_CONFIG_ALLOW_MAX]; /* openings as in pass.h; "" = none */
    char secret[AGENT_CONFIG_SECRET_MAX]; /* content of key_file */
    unsigned line;                        /* where its section starts, for messages */
    unsigned file;
} agent_config_backend;

typedef struct agent_config_label {
    char name[33], value[65];
} agent_config_label;

typedef struct agent_config {
    /* [gateway] */
    char url[AGENT_CONFIG_PATH_MAX];
    char token_file[AGENT_CONFIG_PATH_MAX];
    char credential_file[AGENT_CONFIG_PATH_MAX]; /* agent_credential.h; then no token is sent */
    char ca_file[AGENT_CONFIG_PATH_MAX];
    char cert_file[AGENT_CONFIG_PATH_MAX];
    char key_file[AGENT_CONFIG_PATH_MAX];
    char proxy[AGENT_CONFIG_PATH_MAX];
    bool insecure;
    /* [agent] */
    char id[DGON_WIRE_ID_MAX + 1];
    char pid_file[AGENT_CONFIG_PATH_MAX];
    char status_socket[AGENT_CONFIG_PATH_MAX];
    uint32_t slots; /* 0 = as the backends say */
    uint32_t drain, links, models_interval;
    uint32_t body_max; /* bytes */
    agent_config_label labels[AGENT_CONFIG_LABELS_MAX];
    unsigned label_count;
    /* [log] */
    uint32_t log_level;
    char log_file[AGENT_CONFIG_PATH_MAX];
    /* [backend "name"] */
    agent_config_backend backends[AGENT_CONFIG_BACKENDS_MAX];
    unsigned backend_count;
    /* from url */
    bool tls;
    char host[256];
    char path[AGENT_CONFIG_PATH_MAX];
    uint16_t port;
    /* proxy, taken apart */
    char proxy_auth[256]; /* user:password, or "" */
    char proxy_host[256];
    uint16_t proxy_port;
    /* reader's own */
    char files[32][AGENT_CONFIG_PATH_MAX];
    unsigned file_count;
} agent_config;

/* Heap, since it is large; defaults filled in. NULL when memory is short. */
agent_config *agent_config_create(void);
/* Wipes the secrets. NULL is allowed. */
void agent_config_destroy(agent_config *c);

/* Everything: file, drop-ins, key files, check. One line per mistake is appended to `errors`;
 * DGON_EINVAL if there was one. */
DGON_MUST_USE dgon_status agent_config_load(agent_config *c, const char *path, dgon_buf *errors);

/* The parts, for tests: one text (`file` only names it), then the check of the whole without
 * touching other files. */
DGON_MUST_USE dgon_status agent_config_parse(agent_config *c, const char *file, const char *text,
                                             size_t n, dgon_buf *errors);
DGON_MUST_USE dgon_status agent_config_check(agent_config *c, dgon_buf *errors);

/* The token of the gateway, read afresh at each call so that a changed file counts at the next
 * dial: DGON_AGENT_TOKEN, token_file, or the service manager's credential "token". `why` says what
 * is missing. The caller wipes `out`, which is "" where the agent has a
 * credential, or a certificate and no token. */
DGON_MUST_USE dgon_status agent_config_token(const agent_config *c,
                                             char out[AGENT_CONFIG_SECRET_MAX], char *why,
                                             size_t why_size);

const char *agent_kind_str(agent_kind k);
/* True if a reload may keep the backend of `a` running for `b`. */
bool agent_config_same_backend(const agent_config_backend *a, const agent_config_backend *b);
/* True if both dial the same gateway in the same way. */
bool agent_config_same_gateway(const agent_config *a, const agent_config *b);

#endif

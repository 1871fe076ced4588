/* The JSON control messages of dgon.v1 (see wire.h), both directions, as plain structs. Rare, so
 * jansson does it. */
#ifndef DGON_CONTROL_H
#define DGON_CONTROL_H

#include "dgon/buf.h"
#include "dgon/error.h"
#include "dgon/pass.h"
#include "dgon/sign.h"
#include "dgon/wire.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum dgon_ctl_type {
    DGON_CTL_UNKNOWN = 0, /* ignored by both sides */
    DGON_CTL_HELLO,
    DGON_CTL_MODELS,
    DGON_CTL_CAPACITY,
    DGON_CTL_DRAINING,
    DGON_CTL_WELCOME,
    DGON_CTL_JOB,
    DGON_CTL_GOAWAY,
    DGON_CTL_CHALLENGE,
    DGON_CTL_ROTATE,
    DGON_CTL_KEY
} dgon_ctl_type;

enum {
    DGON_CAP_TOOLS = 1,
    DGON_CAP_VISION = 2,
    DGON_CAP_THINKING = 4,
    DGON_CAP_EMBED = 8,
    DGON_CAP_COMPLETION = 16,
    DGON_CAP_PULL = 32 /* no model's: of the entry by which an agent is asked to load one */
};
/* What a model is known not to have stands in the same word, this much higher; of the rest nobody
 * has told. */
#define DGON_CAP_LACKS 7u

typedef struct dgon_ctl_model {
    char name[DGON_WIRE_NAME_MAX + 1];
    char backend[17]; /* kind: ollama, openai, echo */
    uint32_t context; /* tokens, 0 = unknown */
    uint32_t caps;    /* DGON_CAP_…, and what it lacks */
    bool loaded;
} dgon_ctl_model;

typedef struct dgon_ctl {
    dgon_ctl_type type;
    /* hello, models */
    uint32_t protocol_min, protocol_max;
    char agent[DGON_WIRE_ID_MAX + 1]; /* also welcome */
    uint64_t instance;
    char version[33];
    char os[17];
    uint32_t slots;         /* also capacity */
    dgon_ctl_model *models; /* owned; dgon_ctl_fini frees */
    uint32_t model_count;
    char *allow;       /* owned likewise; NULL: nothing */
    bool loads, pulls; /* takes jobs of op load; and gets models that it does not have */
    /* welcome */
    uint32_t protocol, link, child, children, window, ping_s, hangup_s;
    char gateway[33];
    uint64_t registry; /* 0: not told */
    /* job */
    uint32_t job, attempt;
    char op[17];
    char model[DGON_WIRE_NAME_MAX + 1];
    char public_model[DGON_WIRE_NAME_MAX + 1];
    char id[65];
    int64_t created;
    bool stream;
    uint64_t body;
    uint32_t deadline_ms;
    char traceparent[56];
    dgon_pass_head *http;  /* owned; of a job that is passed on, else NULL */
    const char *http_json; /* the same to be written, the caller's; NULL: none */
    size_t http_json_len;
    /* goaway */
    char reason[33];
    uint32_t drain_s, waiting;
    /* challenge */
    char nonce[DGON_SIGN_NONCE_HEX + 1];
    /* hello, key: hex, both or none */
    char key[DGON_SIGN_KEY_HEX + 1], signature[DGON_SIGN_HEX + 1];
} dgon_ctl;

/* Caller's storage. */
void dgon_ctl_init(dgon_ctl *c);
void dgon_ctl_fini(dgon_ctl *c);
/* Reads a text message. Hostile input: every length, range and name is checked, a duplicate model
 * is dropped, `labels` is checked to be an object of strings and ignored for now. DGON_EJSON,
 * DGON_EPROTO, DGON_ETOOBIG, DGON_ENOMEM; `why` (may be NULL, at least 128 bytes) says what was
 * wrong, for the close reason and the log, without content. */
DGON_MUST_USE dgon_status dgon_ctl_parse(dgon_ctl *c, const char *p, size_t n, char *why,
                                         size_t why_size);
/* Appends the message for c->type. */
DGON_MUST_USE dgon_status dgon_ctl_write(dgon_buf *out, const dgon_ctl *c);

#endif

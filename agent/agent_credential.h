/* What the agent is known by at the gateway: a file, mode 600, with its secret key (sign.h) and,
 * while it changes keys, the next one. Written by `dgon-agent join` and at a change of keys, read
 * at each dial. One thread. */
#ifndef AGENT_CREDENTIAL_H
#define AGENT_CREDENTIAL_H

#include "dgon/buf.h"
#include "dgon/sign.h"
#include "dgon/wire.h"

#include <stdbool.h>

#define AGENT_CREDENTIAL_MAX 4096u

typedef struct agent_credential {
    char id[DGON_WIRE_ID_MAX + 1]; /* "" until it has joined */
    unsigned char key[DGON_SIGN_KEY], next[DGON_SIGN_KEY];
    bool has_next;
} agent_credential;

/* The text of such a file. DGON_EPROTO. */
DGON_MUST_USE dgon_status agent_credential_parse(agent_credential *c, const char *p, size_t n);
/* The file; `why` says what is wrong with it. The caller wipes *c. */
DGON_MUST_USE dgon_status agent_credential_load(agent_credential *c, const char *path, char *why,
                                                size_t why_size);
/* Replaces it: the old one or the new one is there, whatever happens, and is on disk. */
DGON_MUST_USE dgon_status agent_credential_save(const agent_credential *c, const char *path,
                                                char *why, size_t why_size);

#endif

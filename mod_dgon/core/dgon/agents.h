/* The gateway's file of enrolled agents and open invitations, as a table. Plain text, one line
 * each, `end` as the last one so that a cut file is no file:
 *
 *   agent gpu-7 key=<64 hex> serial=<16 hex> created=2026-01-31T12:00:00Z by=root os=linux
 * version=0.1.0 invite <64 hex> expires=2026-01-31T13:00:00Z uses=1 created=2026-01-31T12:00:00Z
 * by=root id=gpu-8 end
 *
 * key: SHA-256 of the agent's public key; next: of the one that follows it, until the first login
 * with that; rotate=yes: it shall get one. The serial stays when name and key change. invite:
 * SHA-256 of the code. Nothing in it impersonates anybody. No I/O here; the caller reads and writes
 * the file (file.h). One thread a table. */
#ifndef DGON_AGENTS_H
#define DGON_AGENTS_H

#include "dgon/buf.h"
#include "dgon/hash.h"
#include "dgon/wire.h"

#include <stdbool.h>
#include <stdint.h>

#define DGON_AGENTS_MAX         16000u
#define DGON_AGENTS_INVITES_MAX 256u /* open at once */
#define DGON_AGENTS_FILE_MAX    (8u * 1024u * 1024u)
#define DGON_AGENTS_LINE_MAX    640u
#define DGON_AGENTS_USES_MAX    1000u
#define DGON_AGENTS_EXPIRES_MAX (30 * 86400) /* seconds an invitation may be open */
#define DGON_AGENTS_WHO_MAX     64u
#define DGON_AGENTS_WHY         128u
#define DGON_AGENTS_SERIAL      8u

typedef struct dgon_agents_entry {
    char id[DGON_WIRE_ID_MAX + 1];
    unsigned char serial[DGON_AGENTS_SERIAL];
    unsigned char key[DGON_HASH_SIZE], next[DGON_HASH_SIZE];
    bool has_next, rotate;
    int64_t created; /* unix seconds */
    char by[DGON_AGENTS_WHO_MAX + 1];
    char os[17], version[33]; /* when it joined; may be "" */
} dgon_agents_entry;

typedef struct dgon_agents_invite {
    unsigned char code[DGON_HASH_SIZE];
    char id[DGON_WIRE_ID_MAX + 1]; /* "": the agent chooses */
    char by[DGON_AGENTS_WHO_MAX + 1];
    int64_t created, expires;
    uint32_t uses; /* left */
} dgon_agents_invite;

typedef struct dgon_agents_key { /* sorted by hash */
    unsigned char hash[DGON_HASH_SIZE];
    uint32_t entry;
} dgon_agents_key;

typedef struct dgon_agents {
    dgon_agents_entry *entries; /* sorted by id */
    dgon_agents_invite *invites;
    dgon_agents_key *keys;
    uint32_t count, entries_size, invite_count, invites_size, key_count;
} dgon_agents;

void dgon_agents_init(dgon_agents *a);
void dgon_agents_fini(dgon_agents *a);
/* Replaces the table by what the text says. Hostile input: DGON_EPROTO (*line and `why` say where
 * and what), DGON_ETOOBIG, DGON_ENOMEM; then the table is empty. */
DGON_MUST_USE dgon_status dgon_agents_parse(dgon_agents *a, const char *p, size_t n, unsigned *line,
                                            char why[DGON_AGENTS_WHY]);
/* Appends the file's text. */
DGON_MUST_USE dgon_status dgon_agents_write(const dgon_agents *a, dgon_buf *out);

/* NULL: none. Valid until the table changes. */
dgon_agents_entry *dgon_agents_by_id(const dgon_agents *a, const char *id);
dgon_agents_entry *dgon_agents_by_serial(const dgon_agents *a,
                                         const unsigned char serial[DGON_AGENTS_SERIAL]);
/* By the hash of its key, or of its next one. */
dgon_agents_entry *dgon_agents_by_key(const dgon_agents *a,
                                      const unsigned char hash[DGON_HASH_SIZE]);
/* The open invitation with that code; all are compared, in constant time. NULL: none. */
dgon_agents_invite *dgon_agents_invite_find(const dgon_agents *a,
                                            const unsigned char code[DGON_HASH_SIZE], int64_t now);

/* Changes. A table on which one failed is only good for dgon_agents_fini, but for DGON_ENOTFOUND,
 * DGON_EEXIST, DGON_EINVAL and DGON_EFULL, which leave it as it was. */

/* Drops what has expired, then adds. DGON_EFULL, DGON_EEXIST (an agent has that id), DGON_ENOMEM.
 */
DGON_MUST_USE dgon_status dgon_agents_invite_add(dgon_agents *a, const dgon_agents_invite *i,
                                                 int64_t now);
/* Uses the invitation once. The id is the invitation's, else the wish, with -2, -3 … behind it
 * where that is taken. *e is the new entry. DGON_EFULL, DGON_EEXIST (the invitation's id is taken,
 * or the key is known), DGON_ENOMEM, DGON_ESYS. */
DGON_MUST_USE dgon_status dgon_agents_join(dgon_agents *a, dgon_agents_invite *i,
                                           const unsigned char key[DGON_HASH_SIZE],
                                           const char *wish, const char *os, const char *version,
                                           int64_t now, dgon_agents_entry **e);
/* DGON_ENOTFOUND, DGON_EEXIST (`to` is taken), DGON_EINVAL (`to` is no id). */
DGON_MUST_USE dgon_status dgon_agents_rename(dgon_agents *a, const char *id, const char *to);
DGON_MUST_USE dgon_status dgon_agents_remove(dgon_agents *a, const char *id);
/* The agent's next key; DGON_EEXIST: somebody has it; DGON_ENOTFOUND. */
DGON_MUST_USE dgon_status dgon_agents_next(dgon_agents *a,
                                           const unsigned char serial[DGON_AGENTS_SERIAL],
                                           const unsigned char next[DGON_HASH_SIZE]);
/* First login with the next key: it is the key. DGON_ENOTFOUND: it is not the next one. */
DGON_MUST_USE dgon_status dgon_agents_promote(dgon_agents *a,
                                              const unsigned char serial[DGON_AGENTS_SERIAL],
                                              const unsigned char next[DGON_HASH_SIZE]);

/* Who invited, from any name: what a line cannot hold becomes "-". */
void dgon_agents_who(char out[DGON_AGENTS_WHO_MAX + 1], const char *name);
/* "2026-01-31T12:00:00Z"; years 1970 to 9999. */
#define DGON_AGENTS_TIME 21u
void dgon_agents_time(char out[DGON_AGENTS_TIME], int64_t t);

#endif

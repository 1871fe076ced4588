/* The file of API keys: one key a line, for people to read. A key is <id>.<secret>; the file holds
 * the secret's SHA-256 only.
 *
 *     id  sha256-of-the-secret-in-hex  expires|-  models|-  created|-  comment
 *
 * Fields stand between blanks; the comment is the rest of the line. Times as in utc.h, models as in
 * glob.h. Lines that begin with # and empty ones say nothing. The last line ends too: one that does
 * not was written by half. */
#ifndef DGON_KEYS_H
#define DGON_KEYS_H

#include "dgon/buf.h"
#include "dgon/hash.h"

#include <stdbool.h>
#include <stdint.h>

#define DGON_KEY_ID_MIN      3u
#define DGON_KEY_ID_MAX      32u
#define DGON_KEY_COMMENT_MAX 128u
#define DGON_KEY_SECRET_SIZE 44u         /* 256 random bits as base64url, and a NUL */
#define DGON_KEYS_MAX        100000u     /* of one file */
#define DGON_KEYS_FILE_MAX   (16u << 20) /* bytes of it */
#define DGON_KEYS_WHY        128u

typedef struct dgon_key {
    const char *id;
    unsigned char hash[DGON_HASH_SIZE];
    int64_t expires;     /* seconds since 1970; 0: never */
    int64_t created;     /* likewise; 0: not known */
    const char *models;  /* "": all */
    const char *comment; /* "": none */
    size_t line;         /* where it stands, from 1 */
} dgon_key;

typedef struct dgon_keys {
    dgon_key *list; /* by id */
    size_t count;
    char *text; /* of which ids, models and comments are parts */
} dgon_keys;

/* Any thread. DGON_OK: the caller owns what is in *keys, by dgon_keys_fini. Else *keys is empty and
 * `why` says what is wrong, with the line: DGON_EINVAL, DGON_ETOOBIG, DGON_ENOMEM. */
DGON_MUST_USE dgon_status dgon_keys_parse(dgon_keys *keys, const char *p, size_t n,
                                          char why[DGON_KEYS_WHY]);
void dgon_keys_fini(dgon_keys *keys);
/* The key with this id, or NULL; it lives as long as the keys. */
const dgon_key *dgon_keys_find(const dgon_keys *keys, const char *id, size_t n);

/* 3 to 32 of a-z, 0-9, _ and -. */
bool dgon_key_is_id(const char *p, size_t n);
/* One line of UTF-8 without control characters. */
bool dgon_key_is_comment(const char *p, size_t n);
/* The hash of a secret as the file has it. DGON_ESYS. */
DGON_MUST_USE dgon_status dgon_key_hash(unsigned char out[DGON_HASH_SIZE], const char *secret,
                                        size_t n);
/* A new secret and its hash. DGON_ESYS. */
DGON_MUST_USE dgon_status dgon_key_make(char secret[DGON_KEY_SECRET_SIZE],
                                        unsigned char hash[DGON_HASH_SIZE]);
/* Appends the key's line. Its texts are such that dgon_keys_parse takes them. */
DGON_MUST_USE dgon_status dgon_key_write(dgon_buf *out, const dgon_key *key);

#endif

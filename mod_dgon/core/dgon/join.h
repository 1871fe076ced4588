/* Joining: the code that an administrator hands out, and the one request with which an agent trades
 * it for its entry in the gateway's file. Used by gateway, agent and dgonctl. Any thread. */
#ifndef DGON_JOIN_H
#define DGON_JOIN_H

#include "dgon/buf.h"
#include "dgon/hash.h"
#include "dgon/sign.h"
#include "dgon/wire.h"

#include <stdbool.h>

#define DGON_JOIN_BODY_MAX 4096u
#define DGON_JOIN_URL_MAX  512u
/* 100 random bits, 20 letters and digits (Crockford's 32) in groups of five. */
#define DGON_JOIN_CODE 23u
#define DGON_JOIN_PATH "/node/join"

DGON_MUST_USE dgon_status dgon_join_code(char out[DGON_JOIN_CODE + 1]);
/* The hash of a code as a person may have typed it: case, dashes and blanks do not count, O is 0, I
 * and L are 1. False: it cannot be a code. */
bool dgon_join_code_hash(unsigned char hash[DGON_HASH_SIZE], const char *code, size_t n);

typedef struct dgon_join {
    unsigned char code[DGON_HASH_SIZE]; /* hash; false in has_code: it cannot be one */
    bool has_code;
    unsigned char key[DGON_SIGN_KEY];
    char name[DGON_WIRE_ID_MAX + 1]; /* wish */
    char os[17], version[33];
} dgon_join;

/* {"code":"…","key":"<64 hex>","name":"gpu-7","os":"linux","version":"0.1.0"}; unknown members are
 * ignored. Hostile input: DGON_EJSON, DGON_EPROTO (*member names the wrong one, static),
 * DGON_ENOMEM.
 */
DGON_MUST_USE dgon_status dgon_join_read(dgon_join *j, const char *p, size_t n,
                                         const char **member);
DGON_MUST_USE dgon_status dgon_join_write(dgon_buf *out, const char *code,
                                          const unsigned char key[DGON_SIGN_KEY], const char *name,
                                          const char *os, const char *version);

/* The answer: {"id":"gpu-7","link":"wss://gateway.example.org/dgon/agent"}. */
typedef struct dgon_join_answer {
    char id[DGON_WIRE_ID_MAX + 1];
    char link[DGON_JOIN_URL_MAX];
} dgon_join_answer;
DGON_MUST_USE dgon_status dgon_join_answer_read(dgon_join_answer *a, const char *p, size_t n);
DGON_MUST_USE dgon_status dgon_join_answer_write(dgon_buf *out, const dgon_join_answer *a);

/* What an invitation asks for: {"name":"gpu-7","expires":"1h","uses":1}, all of them optional (an
 * empty text is one, too). `expires` as in dgon_join_period. */
typedef struct dgon_join_invite {
    char name[DGON_WIRE_ID_MAX + 1];
    int64_t expires; /* seconds */
    uint32_t uses;
} dgon_join_invite;
#define DGON_JOIN_EXPIRES 3600
DGON_MUST_USE dgon_status dgon_join_invite_read(dgon_join_invite *i, const char *p, size_t n,
                                                const char **member);
/* "90s", "30m", "12h", "7d": seconds; -1: it is none, or longer than an invitation may be. */
int64_t dgon_join_period(const char *text);

/* The command that a person copies: the agent's program, the gateway, the code. */
DGON_MUST_USE dgon_status dgon_join_command(dgon_buf *out, const char *gateway, const char *code,
                                            bool powershell);

#endif

/* An agent's credential: an Ed25519 key pair (libcrypto) whose secret half never leaves the node,
 * and the texts that are signed with it. What is signed begins with words of its own, so that a
 * signature for one purpose is of no use for another. Any thread. */
#ifndef DGON_SIGN_H
#define DGON_SIGN_H

#include "dgon/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DGON_SIGN_KEY       32u /* bytes of the secret, and of the public key */
#define DGON_SIGN_KEY_HEX   (2u * DGON_SIGN_KEY)
#define DGON_SIGN_SIZE      64u
#define DGON_SIGN_HEX       (2u * DGON_SIGN_SIZE)
#define DGON_SIGN_NONCE     32u
#define DGON_SIGN_NONCE_HEX (2u * DGON_SIGN_NONCE)
#define DGON_SIGN_TEXT_MAX  192u

/* A new secret; the caller wipes it. DGON_ESYS: libcrypto refuses. */
DGON_MUST_USE dgon_status dgon_sign_new(unsigned char secret[DGON_SIGN_KEY]);
DGON_MUST_USE dgon_status dgon_sign_public(unsigned char key[DGON_SIGN_KEY],
                                           const unsigned char secret[DGON_SIGN_KEY]);
DGON_MUST_USE dgon_status dgon_sign(unsigned char out[DGON_SIGN_SIZE],
                                    const unsigned char secret[DGON_SIGN_KEY], const void *p,
                                    size_t n);
/* About 70 µs (dgon_sign 55): fit for the engine, one for each new link. */
bool dgon_sign_is_good(const unsigned char key[DGON_SIGN_KEY],
                       const unsigned char signature[DGON_SIGN_SIZE], const void *p, size_t n);

/* What `hello` signs: the link's nonce (hex), the agent's instance and version. Its length. */
size_t dgon_sign_login_text(char out[DGON_SIGN_TEXT_MAX], const char *nonce, uint64_t instance,
                            const char *version);
/* What `key` signs, with the new key: the link's nonce and the new public key (both hex). */
size_t dgon_sign_new_key_text(char out[DGON_SIGN_TEXT_MAX], const char *nonce, const char *key);

#endif

#include "dgon/sign.h"

#include "dgon/hash.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

dgon_status dgon_sign_new(unsigned char secret[DGON_SIGN_KEY])
{
    return dgon_hash_random(secret, DGON_SIGN_KEY); /* RFC 8032 5.1.5: any 32 random bytes */
}

static EVP_PKEY *secret_key(const unsigned char secret[DGON_SIGN_KEY])
{
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, DGON_SIGN_KEY);
}

dgon_status dgon_sign_public(unsigned char key[DGON_SIGN_KEY],
                             const unsigned char secret[DGON_SIGN_KEY])
{
    size_t n = DGON_SIGN_KEY;
    EVP_PKEY *k = secret_key(secret);
    bool ok = k != NULL && EVP_PKEY_get_raw_public_key(k, key, &n) == 1 && n == DGON_SIGN_KEY;
    EVP_PKEY_free(k);
    return ok ? DGON_OK : DGON_ESYS;
}

dgon_status dgon_sign(unsigned char out[DGON_SIGN_SIZE], const unsigned char secret[DGON_SIGN_KEY],
                      const void *p, size_t n)
{
    size_t len = DGON_SIGN_SIZE;
    EVP_PKEY *k = secret_key(secret);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = k != NULL && ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k) == 1 &&
              EVP_DigestSign(ctx, out, &len, p, n) == 1 && len == DGON_SIGN_SIZE;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(k);
    return ok ? DGON_OK : DGON_ESYS;
}

bool dgon_sign_is_good(const unsigned char key[DGON_SIGN_KEY],
                       const unsigned char signature[DGON_SIGN_SIZE], const void *p, size_t n)
{
    EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, DGON_SIGN_KEY);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = k != NULL && ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k) == 1 &&
              EVP_DigestVerify(ctx, signature, DGON_SIGN_SIZE, p, n) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(k);
    return ok;
}

static size_t length(int n)
{
    return n > 0 && (size_t)n < DGON_SIGN_TEXT_MAX ? (size_t)n : 0;
}

size_t dgon_sign_login_text(char out[DGON_SIGN_TEXT_MAX], const char *nonce, uint64_t instance,
                            const char *version)
{
    return length(snprintf(out, DGON_SIGN_TEXT_MAX, "dgon.v1 login\n%.64s\n%016" PRIx64 "\n%.32s\n",
                           nonce, instance, version));
}

size_t dgon_sign_new_key_text(char out[DGON_SIGN_TEXT_MAX], const char *nonce, const char *key)
{
    return length(snprintf(out, DGON_SIGN_TEXT_MAX, "dgon.v1 new key\n%.64s\n%.64s\n", nonce, key));
}

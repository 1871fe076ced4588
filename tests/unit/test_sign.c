#include "dgon/sign.h"

#include "dgon/hash.h"
#include "unit.h"

#include <string.h>

/* RFC 8032 7.1, test 2 */
static const char secret_hex[] = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
static const char public_hex[] = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
static const char signature_hex[] =
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

static void unhex(unsigned char *out, size_t n, const char *hex)
{
    CU_ASSERT_FATAL(dgon_hash_unhex(out, n, hex, strlen(hex)));
}

static void test_known(void)
{
    unsigned char secret[DGON_SIGN_KEY], key[DGON_SIGN_KEY], sig[DGON_SIGN_SIZE];
    char hex[DGON_SIGN_HEX + 1];
    unhex(secret, sizeof secret, secret_hex);
    CU_ASSERT_EQUAL(dgon_sign_public(key, secret), DGON_OK);
    dgon_hash_hex(hex, key, sizeof key);
    CU_ASSERT_STRING_EQUAL(hex, public_hex);
    CU_ASSERT_EQUAL(dgon_sign(sig, secret, "r", 1), DGON_OK);
    dgon_hash_hex(hex, sig, sizeof sig);
    CU_ASSERT_STRING_EQUAL(hex, signature_hex);
    CU_ASSERT(dgon_sign_is_good(key, sig, "r", 1));
}

static void test_any_change_is_seen(void)
{
    unsigned char secret[DGON_SIGN_KEY], key[DGON_SIGN_KEY], sig[DGON_SIGN_SIZE];
    char text[] = "some text";
    CU_ASSERT_EQUAL(dgon_sign_new(secret), DGON_OK);
    CU_ASSERT_EQUAL(dgon_sign_public(key, secret), DGON_OK);
    CU_ASSERT_EQUAL(dgon_sign(sig, secret, text, sizeof text), DGON_OK);
    CU_ASSERT(dgon_sign_is_good(key, sig, text, sizeof text));
    for (size_t i = 0; i < sizeof sig; i++) {
        sig[i] ^= 1;
        CU_ASSERT_FALSE(dgon_sign_is_good(key, sig, text, sizeof text));
        sig[i] ^= 1;
    }
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] ^= 1;
        CU_ASSERT_FALSE(dgon_sign_is_good(key, sig, text, sizeof text));
        text[i] ^= 1;
    }
    CU_ASSERT_FALSE(dgon_sign_is_good(key, sig, text, sizeof text - 1));
    key[3] ^= 1;
    CU_ASSERT_FALSE(dgon_sign_is_good(key, sig, text, sizeof text));
}

static void test_texts(void)
{
    char text[DGON_SIGN_TEXT_MAX], nonce[DGON_SIGN_NONCE_HEX + 1], version[64];
    memset(nonce, 'a', sizeof nonce);
    nonce[DGON_SIGN_NONCE_HEX] = '\0';
    size_t n = dgon_sign_login_text(text, nonce, 0x1234, "0.1.0");
    CU_ASSERT_EQUAL(n, strlen(text));
    CU_ASSERT_STRING_EQUAL(
        text, "dgon.v1 login\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
              "0000000000001234\n0.1.0\n");
    memset(version, 'v', sizeof version);
    version[63] = '\0';
    CU_ASSERT(dgon_sign_login_text(text, nonce, UINT64_MAX, version) > 0);
    n = dgon_sign_new_key_text(text, nonce, nonce);
    CU_ASSERT(n == strlen(text) && strncmp(text, "dgon.v1 new key\naaaa", 20) == 0);
}

UNIT_MAIN("sign", {"known", test_known}, {"any change is seen", test_any_change_is_seen},
          {"texts", test_texts})

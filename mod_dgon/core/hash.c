#include "dgon/hash.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

dgon_status dgon_hash(unsigned char out[DGON_HASH_SIZE], const void *p, size_t n)
{
    return EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL) == 1 ? DGON_OK : DGON_ESYS;
}

dgon_status dgon_hash_random(void *p, size_t n)
{
    return n <= INT_MAX && RAND_bytes(p, (int)n) == 1 ? DGON_OK : DGON_ESYS;
}

bool dgon_hash_same(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void dgon_hash_hex(char *out, const unsigned char *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool dgon_hash_unhex(unsigned char *out, size_t n, const char *hex, size_t len)
{
    if (len != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

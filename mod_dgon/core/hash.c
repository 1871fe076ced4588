#include "dgon/hash.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdatomic.h>

/* Looked up once: with EVP_sha256() OpenSSL 3 looks for its implementation at each hash, which
 * takes longer than a short hash. NULL: there is none now, the next call asks again. */
static const EVP_MD *sha256(void)
{
    static _Atomic(EVP_MD *) kept;
    EVP_MD *md = atomic_load(&kept), *none = NULL;
    if (md != NULL)
        return md;
    md = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (md == NULL || atomic_compare_exchange_strong(&kept, &none, md))
        return md;
    EVP_MD_free(md); /* another thread was quicker */
    return none;
}

dgon_status dgon_hash(unsigned char out[DGON_HASH_SIZE], const void *p, size_t n)
{
    const EVP_MD *md = sha256();
    return md != NULL && EVP_Digest(p, n, out, NULL, md, NULL) == 1 ? DGON_OK : DGON_ESYS;
}

dgon_status dgon_hash_parts(unsigned char out[DGON_HASH_SIZE], const dgon_hash_part *parts,
                            unsigned count)
{
    const EVP_MD *md = sha256();
    EVP_MD_CTX *ctx = md != NULL ? EVP_MD_CTX_new() : NULL;
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1;
    for (unsigned i = 0; ok && i < count; i++)
        ok = EVP_DigestUpdate(ctx, &parts[i].n, sizeof parts[i].n) == 1 &&
             EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) == 1;
    ok = ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok ? DGON_OK : DGON_ESYS;
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

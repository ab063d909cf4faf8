/* SPDX-License-Identifier: Apache-2.0 */
/* sealed_key.c - nonce (12 bytes), the key's PKCS#8 encrypted, tag (16 bytes). Nonces are random: a secret seals some
 * dozens of keys in its life, and 2^32 would be too many. */
#include "jose/sealed_key.h"

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/x509.h>

#include "base/key_memory.h"
#include "base/random.h"
#include "base/secret.h"
#include "jose/key_internal.h"

#define NONCE_SIZE 12
#define TAG_SIZE   16
#define SEALED_MAX (8 * 1024) /* an RSA-8192 key in PKCS#8 has 4.7 KB */
#define PURPOSE    "smartbulk: sealing of private keys, 1"

/* The secret is as good as random, so one PRF makes a key of it that is good for nothing else. */
static bool derive(sb_str secret, unsigned char key[32])
{
    unsigned size = 0;
    return secret.len >= SB_SEALING_SECRET_MIN && secret.len <= INT_MAX &&
           HMAC(EVP_sha256(), secret.ptr, (int)secret.len, (const unsigned char *)PURPOSE, sizeof(PURPOSE) - 1, key,
                &size) != NULL &&
           size == 32;
}

static bool encrypt(const unsigned char key[32], const unsigned char *plain, int len, sb_str about, unsigned char *out)
{
    int n = 0, last = 0;
    sb_random_bytes(out, NONCE_SIZE);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, out) == 1 &&
              EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *)about.ptr, (int)about.len) == 1 &&
              EVP_EncryptUpdate(ctx, out + NONCE_SIZE, &n, plain, len) == 1 && n == len &&
              EVP_EncryptFinal_ex(ctx, out + NONCE_SIZE + n, &last) == 1 && last == 0 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, out + NONCE_SIZE + n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

static bool decrypt(const unsigned char key[32], const unsigned char *sealed, int len, sb_str about,
                    unsigned char *plain)
{
    unsigned char tag[TAG_SIZE];
    int n = 0, last = 0;
    memcpy(tag, sealed + NONCE_SIZE + len, TAG_SIZE);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, sealed) == 1 &&
              EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *)about.ptr, (int)about.len) == 1 &&
              EVP_DecryptUpdate(ctx, plain, &n, sealed + NONCE_SIZE, len) == 1 && n == len &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) == 1 &&
              EVP_DecryptFinal_ex(ctx, plain + n, &last) == 1 && last == 0;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

static int to_pkcs8(EVP_PKEY *pkey, unsigned char **der)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
    int len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, der) : -1;
    PKCS8_PRIV_KEY_INFO_free(info); /* wipes what it holds */
    return len;
}

sb_status sb_key_seal(const sb_key *key, sb_str secret, sb_str about, sb_buf *out, sb_error *err)
{
    unsigned char with[32], *der = NULL;
    SB_KEY_WORK(true);
    int len = key->is_private && about.len <= INT_MAX ? to_pkcs8(key->pkey, &der) : -1;
    bool ok = len > 0 && derive(secret, with) && sb_buf_reserve(out, (size_t)len + NONCE_SIZE + TAG_SIZE) &&
              encrypt(with, der, len, about, (unsigned char *)out->ptr + out->len);
    if (ok)
        out->len += (size_t)len + NONCE_SIZE + TAG_SIZE;
    if (len > 0)
        OPENSSL_clear_free(der, (size_t)len);
    sb_wipe(with, sizeof(with));
    ERR_clear_error();
    if (ok)
        return SB_OK;
    return sb_error_set(err, SB_E_INTERNAL, "a private key could not be sealed",
                        "OpenSSL refused, or the secret has less than %d characters",
                        "look at the secret, and at OpenSSL's configuration (openssl.cnf)", SB_SEALING_SECRET_MIN);
}

static sb_status from_pkcs8(const unsigned char *der, size_t len, const sb_alg *alg, sb_key **out, sb_error *err)
{
    const unsigned char *p = der;
    EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &p, (long)len);
    ERR_clear_error();
    if (!pkey || p != der + len) {
        EVP_PKEY_free(pkey);
        return sb_error_set(err, SB_E_INVALID, "a sealed key cannot be used", "it holds no private key",
                            "use the smartbulk that wrote it");
    }
    return sb_key_wrap(pkey, alg, NULL, true, out, err);
}

sb_status sb_key_unseal(sb_str sealed, sb_str secret, sb_str about, const char *alg_name, sb_key **out, sb_error *err)
{
    unsigned char with[32], plain[SEALED_MAX];
    SB_KEY_WORK(true);
    const sb_alg *alg = sb_alg_find(alg_name);
    size_t len = sealed.len > NONCE_SIZE + TAG_SIZE ? sealed.len - NONCE_SIZE - TAG_SIZE : 0;
    bool ok = alg && len > 0 && len <= sizeof(plain) && about.len <= INT_MAX && derive(secret, with) &&
              decrypt(with, (const unsigned char *)sealed.ptr, (int)len, about, plain);
    ERR_clear_error();
    sb_status status =
        ok ? from_pkcs8(plain, len, alg, out, err)
           : sb_error_set(err, SB_E_INVALID, "a sealed key cannot be opened",
                          "another secret sealed it, or it was changed since", "use the secret it was sealed by");
    sb_wipe(plain, sizeof(plain));
    sb_wipe(with, sizeof(with));
    return status;
}

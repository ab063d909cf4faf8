/* SPDX-License-Identifier: Apache-2.0 */
/* key.c - an sb_key: made, checked, named. Owns the EVP_PKEY; reads no file and no JSON. */
#include "jose/key_internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/key_memory.h"
#include "jose/base64url.h"

#define KIND_FIX "make one with `smartbulk key new`"

static bool put_number(const EVP_PKEY *pkey, const char *name, size_t width, unsigned char *out, size_t max,
                       size_t *len)
{
    BIGNUM *number = NULL;
    bool ok = EVP_PKEY_get_bn_param(pkey, name, &number) == 1 && (size_t)BN_num_bytes(number) <= max;
    if (ok) {
        *len = width ? width : (size_t)BN_num_bytes(number);
        ok = BN_bn2binpad(number, out, (int)*len) == (int)*len;
    }
    BN_free(number);
    return ok;
}

bool sb_key_public_numbers(const EVP_PKEY *pkey, const sb_alg *alg, sb_public_numbers *out)
{
    out->second_len = 0;
    switch (alg->kty) {
    case SB_KTY_RSA:
        return put_number(pkey, OSSL_PKEY_PARAM_RSA_N, 0, out->first, sizeof(out->first), &out->first_len) &&
               put_number(pkey, OSSL_PKEY_PARAM_RSA_E, 0, out->second, sizeof(out->second), &out->second_len);
    case SB_KTY_EC: /* KEY-03: full width */
        return put_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, alg->width, out->first, alg->width, &out->first_len) &&
               put_number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, alg->width, out->second, alg->width, &out->second_len);
    case SB_KTY_OKP:
        out->first_len = alg->width;
        return EVP_PKEY_get_raw_public_key(pkey, out->first, &out->first_len) == 1 && out->first_len == alg->width;
    }
    return false;
}

/* Which of ours is it? NULL: none. */
static const sb_alg *kind_of(const EVP_PKEY *pkey)
{
    char group[64] = "";
    if (EVP_PKEY_is_a(pkey, "RSA"))
        return sb_alg_default(SB_KTY_RSA, NULL);
    if (EVP_PKEY_is_a(pkey, "ED25519"))
        return sb_alg_default(SB_KTY_OKP, "Ed25519");
    if (!EVP_PKEY_is_a(pkey, "EC") || EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) != 1)
        return NULL;
    return strcmp(group, "secp384r1") == 0    ? sb_alg_default(SB_KTY_EC, "P-384")
           : strcmp(group, "prime256v1") == 0 ? sb_alg_default(SB_KTY_EC, "P-256")
                                              : NULL;
}

/* RFC 7638: SHA-256 over the required members in lexical order, without spaces.                              KEY-04 */
static sb_status put_thumbprint(sb_key *key, sb_error *err)
{
    sb_public_numbers numbers;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    unsigned char digest[32];
    if (!sb_key_public_numbers(key->pkey, key->alg, &numbers))
        return sb_error_set(err, SB_E_INVALID, "a key could not be read", "its public half is incomplete", KIND_FIX);
    bool ok;
    if (key->alg->kty == SB_KTY_RSA)
        ok = sb_buf_add_cstr(&text, "{\"e\":\"") && sb_base64url_encode(numbers.second, numbers.second_len, &text) &&
             sb_buf_add_cstr(&text, "\",\"kty\":\"RSA\",\"n\":\"") &&
             sb_base64url_encode(numbers.first, numbers.first_len, &text);
    else
        ok = sb_buf_printf(&text, "{\"crv\":\"%s\",\"kty\":\"%s\",\"x\":\"", key->alg->crv,
                           key->alg->kty == SB_KTY_EC ? "EC" : "OKP") &&
             sb_base64url_encode(numbers.first, numbers.first_len, &text);
    if (ok && key->alg->kty == SB_KTY_EC)
        ok = sb_buf_add_cstr(&text, "\",\"y\":\"") && sb_base64url_encode(numbers.second, numbers.second_len, &text);
    ok = ok && sb_buf_add_cstr(&text, "\"}") && EVP_Digest(text.ptr, text.len, digest, NULL, EVP_sha256(), NULL) == 1;
    if (!ok)
        return sb_error_nomem(err);
    sb_base64url_encode_to(digest, sizeof(digest), key->thumbprint);
    key->thumbprint[sizeof(key->thumbprint) - 1] = '\0';
    return SB_OK;
}

sb_status sb_key_check_kid(const char *kid, sb_error *err)
{
    size_t len = strnlen(kid, SB_KEY_KID_MAX + 1);
    bool ok = len > 0 && len <= SB_KEY_KID_MAX;
    for (size_t i = 0; ok && i < len; i++)
        ok = kid[i] > ' ' && kid[i] < 0x7F;
    if (ok)
        return SB_OK;
    return sb_error_set(err, SB_E_INVALID, "a key's kid is unusable",
                        "a kid is 1 to %d printable ASCII characters without spaces",
                        "leave it out: the key's thumbprint is then its kid", SB_KEY_KID_MAX);
}

static sb_status check(sb_key *key, const char *kid, sb_error *err)
{
    const sb_alg *kind = kind_of(key->pkey);
    if (!kind)
        return sb_error_set(err, SB_E_INVALID, "a key is of a kind that is not supported",
                            "RSA, EC on P-256 or P-384, and Ed25519 are", KIND_FIX);
    if (!key->alg)
        key->alg = kind;
    else
        key->alg_was_given = true;
    if (!sb_alg_same_kind(key->alg, kind))
        return sb_error_set(err, SB_E_INVALID, "a key does not fit its algorithm",
                            "%s needs another kind of key than %s",
                            "leave the algorithm out, or use a key that was made for it", key->alg->name,
                            kind->crv ? kind->crv : "RSA");
    SB_TRY(sb_key_check_public(key, err));
    (void)snprintf(key->kind, sizeof(key->kind), "%s",
                   kind->kty == SB_KTY_RSA  ? "RSA"
                   : kind->kty == SB_KTY_EC ? "EC "
                                            : "OKP ");
    size_t len = strlen(key->kind);
    if (kind->kty == SB_KTY_RSA)
        (void)snprintf(key->kind + len, sizeof(key->kind) - len, " %d", EVP_PKEY_get_bits(key->pkey));
    else
        (void)snprintf(key->kind + len, sizeof(key->kind) - len, "%s", kind->crv);
    SB_TRY(put_thumbprint(key, err));
    if (kid)
        SB_TRY(sb_key_check_kid(kid, err));
    key->kid_was_given = kid != NULL;
    key->kid = sb_str_dup(sb_str_from(kid ? kid : key->thumbprint));
    if (!key->kid)
        return sb_error_nomem(err);
    if (key->is_private)
        return sb_key_check_private(key, err);
    key->verifier = sb_verifier_new(key->pkey, key->alg);
    return key->verifier ? SB_OK : sb_error_nomem(err);
}

sb_status sb_key_wrap(EVP_PKEY *pkey, const sb_alg *alg, const char *kid, bool is_private, sb_key **out, sb_error *err)
{
    SB_AUTOPTR(sb_key) key = calloc(1, sizeof(*key));
    if (!key) {
        EVP_PKEY_free(pkey);
        return sb_error_nomem(err);
    }
    SB_KEY_WORK(is_private);
    key->pkey = pkey;
    key->alg = alg;
    key->is_private = is_private;
    sb_status status = check(key, kid, err);
    ERR_clear_error(); /* what OpenSSL left behind has been told in our words */
    if (status != SB_OK)
        return status;
    *out = key;
    key = NULL;
    return SB_OK;
}

void sb_key_free(sb_key *key)
{
    if (!key)
        return;
    EVP_MD_CTX_free(key->verifier);
    EVP_PKEY_free(key->pkey); /* OpenSSL wipes private numbers */
    free(key->kid);
    free(key);
}

/* A wrong argument is the caller's; what is said of a file or a partner's key is not. */
static sb_status as_usage(sb_status status, sb_error *err)
{
    if (status != SB_E_INVALID)
        return status;
    if (err)
        err->code = SB_E_USAGE;
    return SB_E_USAGE;
}

sb_status sb_key_generate(const char *alg_name, unsigned rsa_bits, const char *kid, sb_key **out, sb_error *err)
{
    const sb_alg *alg = sb_alg_find(alg_name);
    EVP_PKEY *pkey = NULL;
    if (!alg)
        return sb_error_set(err, SB_E_USAGE, "this algorithm is not supported", "'%.40s' is none of %s",
                            "ES384 and RS384 are the two that every payer has to accept; names are case-sensitive",
                            alg_name, sb_algs_text);
    if (alg->kty != SB_KTY_RSA && rsa_bits != 0)
        return sb_error_set(err, SB_E_USAGE, "this key has no size to choose", "%s keys are of one size",
                            "leave the number of bits out", alg->name);
    unsigned bits = rsa_bits ? rsa_bits : SB_KEY_RSA_BITS_DEFAULT;
    if (bits < SB_KEY_RSA_BITS_MIN || bits > SB_KEY_RSA_BITS_MAX || bits % 8 != 0)
        return sb_error_set(
            err, SB_E_USAGE, "an RSA key cannot have this size", "%u bits; %d to %d are allowed, in steps of 8",
            "leave the number of bits out: 3072 is good for years", bits, SB_KEY_RSA_BITS_MIN, SB_KEY_RSA_BITS_MAX);
    if (kid)
        SB_TRY(as_usage(sb_key_check_kid(kid, err), err));
    SB_KEY_WORK(true);
    if (alg->kty == SB_KTY_RSA)
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
    else if (alg->kty == SB_KTY_EC)
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", alg->group);
    else
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (!pkey)
        return sb_error_set(err, SB_E_INTERNAL, "a key could not be made", "OpenSSL refused",
                            "check its configuration (openssl.cnf)");
    return sb_key_wrap(pkey, alg, kid, true, out, err);
}

const char *sb_key_kid(const sb_key *key)
{
    return key->kid;
}
const char *sb_key_alg(const sb_key *key)
{
    return key->alg->name;
}
const char *sb_key_thumbprint(const sb_key *key)
{
    return key->thumbprint;
}
const char *sb_key_kind(const sb_key *key)
{
    return key->kind;
}
bool sb_key_is_private(const sb_key *key)
{
    return key->is_private;
}
EVP_PKEY *sb_key_evp(const sb_key *key)
{
    return key->pkey;
}
bool sb_key_fits_alg(const sb_key *key, const char *name)
{
    const sb_alg *alg = sb_alg_find(name);
    return alg && sb_alg_same_kind(alg, key->alg) && (!key->alg_was_given || alg == key->alg);
}

bool sb_key_same(const sb_key *a, const sb_key *b)
{
    return strcmp(a->thumbprint, b->thumbprint) == 0; /* a SHA-256 of the public numbers */
}

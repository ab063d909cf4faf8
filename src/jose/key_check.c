/* SPDX-License-Identifier: Apache-2.0 */
/* key_check.c - may this key be used? Sizes, exponents, curves, and halves that belong together. Owns no state. KEY-01 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/secret.h"
#include "jose/jws.h"
#include "jose/key_internal.h"

#define NEW_KEY_FIX "make one with `smartbulk key new`"

static sb_status check_rsa(const sb_key *key, sb_error *err)
{
    sb_public_numbers numbers;
    int bits = EVP_PKEY_get_bits(key->pkey);
    if (bits < SB_KEY_RSA_BITS_MIN)
        return sb_error_set(err, SB_E_INVALID, "an RSA key is too weak", "it has %d bits, and %d are the least allowed",
                            "make a new one: `smartbulk key new --alg RS384`, and register it", bits,
                            SB_KEY_RSA_BITS_MIN);
    if (bits > SB_KEY_RSA_BITS_MAX)
        return sb_error_set(err, SB_E_INVALID, "an RSA key is too large", "it has %d bits, and %d are the most allowed",
                            "use one of 3072 or 4096 bits", bits, SB_KEY_RSA_BITS_MAX);
    bool ok = sb_key_public_numbers(key->pkey, key->alg, &numbers) && numbers.second_len > 0 &&
              numbers.second_len <= SB_RSA_E_MAX && (numbers.first[numbers.first_len - 1] & 1) &&
              (numbers.second[numbers.second_len - 1] & 1) && (numbers.second_len > 1 || numbers.second[0] >= 3);
    if (!ok)
        return sb_error_set(err, SB_E_INVALID, "an RSA key is unusable",
                            "its modulus is even, or its public exponent even, below 3 or above 2^64", NEW_KEY_FIX);
    return SB_OK;
}

static bool is_ec_point(const sb_key *key)
{
    int is_explicit = 0;
    /* A curve spelled out by its numbers may be another than the one it resembles: CVE-2020-0601. */
    if (EVP_PKEY_get_int_param(key->pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit) == 1 &&
        is_explicit)
        return false;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    bool ok = ctx && EVP_PKEY_public_check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static bool is_okp_point(const sb_key *key)
{
    sb_public_numbers numbers;
    return sb_key_public_numbers(key->pkey, key->alg, &numbers) && sb_ed25519_is_point(numbers.first);
}

sb_status sb_key_check_public(const sb_key *key, sb_error *err)
{
    if (key->alg->kty == SB_KTY_RSA)
        return check_rsa(key, err);
    if (key->alg->kty == SB_KTY_EC ? is_ec_point(key) : is_okp_point(key))
        return SB_OK;
    return sb_error_set(err, SB_E_INVALID, "a key is unusable", "its numbers are no point of the curve %s",
                        "get it again from where it came, or " NEW_KEY_FIX, key->alg->crv);
}

/* 1 … n - 1, and the public point is the one that it makes. */
static bool ec_numbers_fit(const sb_key *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    bool ok = ctx && EVP_PKEY_private_check(ctx) == 1 && EVP_PKEY_pairwise_check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

/* (a · b) mod (of - less) == 1 */
static bool are_inverse(const BIGNUM *a, const BIGNUM *b, const BIGNUM *of, unsigned less, BN_CTX *ctx)
{
    BIGNUM *m = BN_dup(of), *product = BN_secure_new();
    bool ok = m && product && BN_sub_word(m, less) == 1 && BN_cmp(m, BN_value_one()) > 0 &&
              BN_mod_mul(product, a, b, m, ctx) == 1 && BN_is_one(product);
    BN_clear_free(product);
    BN_clear_free(m);
    return ok;
}

static bool product_is(const BIGNUM *p, const BIGNUM *q, const BIGNUM *n, BN_CTX *ctx)
{
    BIGNUM *product = BN_secure_new();
    bool ok = product && BN_mul(product, p, q, ctx) == 1 && BN_cmp(product, n) == 0;
    BN_clear_free(product);
    return ok;
}

/* n = pq, and each exponent undoes e. OpenSSL signs right with a wrong dp, dq or qi, since it checks itself and starts
 * over without them; a file that is damaged there must not pass for a good one all the same. Whether p and q are primes
 * is not asked: that takes seconds, and where they are not, what is signed does not verify. */
static bool rsa_numbers_fit(const EVP_PKEY *pkey)
{
    static const char *const names[] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };
    enum { N, E, D, P, Q, DP, DQ, QI, NUMBERS };
    BIGNUM *v[NUMBERS] = {NULL};
    size_t have = 0;
    for (size_t i = 0; i < NUMBERS; i++)
        have += EVP_PKEY_get_bn_param(pkey, names[i], &v[i]) == 1;
    BN_CTX *ctx = BN_CTX_secure_new();
    bool ok = have == P && v[D]; /* RFC 7518 §6.3.2: d alone has nothing to be compared with */
    if (have == NUMBERS)
        ok = ctx && product_is(v[P], v[Q], v[N], ctx) && are_inverse(v[E], v[D], v[P], 1, ctx) &&
             are_inverse(v[E], v[D], v[Q], 1, ctx) && are_inverse(v[E], v[DP], v[P], 1, ctx) &&
             are_inverse(v[E], v[DQ], v[Q], 1, ctx) && are_inverse(v[Q], v[QI], v[P], 0, ctx);
    BN_CTX_free(ctx);
    for (size_t i = 0; i < NUMBERS; i++)
        BN_clear_free(v[i]);
    ERR_clear_error();
    return ok;
}

/* What the private half signs, the public half must verify. */
static bool halves_fit(const sb_key *key)
{
    sb_secret *text = NULL;
    SB_AUTO(sb_jws) jws = SB_JWS_INIT;
    sb_status status = sb_jws_sign(key, NULL, SB_STR_LIT("{}"), &text, NULL);
    if (status == SB_OK)
        status = sb_jws_parse(sb_secret_str(text), &jws, NULL);
    if (status == SB_OK)
        status = sb_jws_verify(&jws, key, key->alg->name, NULL);
    sb_secret_free(text);
    return status == SB_OK;
}

sb_status sb_key_check_private(const sb_key *key, sb_error *err)
{
    bool fit = key->alg->kty == SB_KTY_RSA  ? rsa_numbers_fit(key->pkey)
               : key->alg->kty == SB_KTY_EC ? ec_numbers_fit(key)
                                            : true; /* OKP: jwk.c has compared the halves, PEM has one alone */
    if (fit && halves_fit(key))
        return SB_OK;
    return sb_error_set(err, SB_E_INVALID, "a private key is unusable",
                        "its numbers or its public half do not belong to its private half: it is damaged, or put "
                        "together from two keys",
                        "restore it from a backup, or " NEW_KEY_FIX);
}

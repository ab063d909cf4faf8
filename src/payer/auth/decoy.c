/* SPDX-License-Identifier: Apache-2.0 */
/* decoy.c - one key of each curve, and RSA moduli of the usual sizes. A modulus of random bits has no known factors and
 * no private key, but raising to a power modulo it takes as long. */
#include "payer/auth/decoy.h"

#include "base/json.h"
#include "base/random.h"
#include "jose/base64url.h"
#include "jose/jwk.h"

static const unsigned rsa_bits[] = {2048, 3072, 4096, SB_KEY_RSA_BITS_MAX}; /* ascending */
static const char *const curve_algs[] = {"ES384", "ES256", "EdDSA"};

struct sb_decoy {
    sb_key *curves[SB_ARRAY_LEN(curve_algs)];
    sb_key *rsa[SB_ARRAY_LEN(rsa_bits)]; /* without an alg of their own: for any of RSA's */
};

static sb_status draw_rsa(unsigned bits, sb_key **out, sb_error *err)
{
    unsigned char modulus[SB_KEY_RSA_BITS_MAX / 8];
    size_t len = bits / 8;
    SB_AUTO(sb_buf) n = SB_BUF_INIT;
    sb_random_bytes(modulus, len);
    modulus[0] |= 0x80;
    modulus[len - 1] |= 1;
    if (!sb_base64url_encode(modulus, len, &n))
        return sb_error_nomem(err);
    SB_AUTOJSON jwk = json_pack("{s:s, s:s, s:s}", "kty", "RSA", "n", sb_buf_cstr(&n), "e", "AQAB");
    return jwk ? sb_key_from_public_jwk(jwk, out, err) : sb_error_nomem(err);
}

sb_status sb_decoy_new(sb_decoy **out, sb_error *err)
{
    sb_decoy *decoy = calloc(1, sizeof(*decoy));
    if (!decoy)
        return sb_error_nomem(err);
    sb_status status = SB_OK;
    for (size_t i = 0; status == SB_OK && i < SB_ARRAY_LEN(curve_algs); i++)
        status = sb_key_generate(curve_algs[i], 0, NULL, &decoy->curves[i], err);
    for (size_t i = 0; status == SB_OK && i < SB_ARRAY_LEN(rsa_bits); i++)
        status = draw_rsa(rsa_bits[i], &decoy->rsa[i], err);
    if (status != SB_OK) {
        sb_decoy_free(decoy);
        return status;
    }
    *out = decoy;
    return SB_OK;
}

void sb_decoy_free(sb_decoy *decoy)
{
    if (!decoy)
        return;
    for (size_t i = 0; i < SB_ARRAY_LEN(curve_algs); i++)
        sb_key_free(decoy->curves[i]);
    for (size_t i = 0; i < SB_ARRAY_LEN(rsa_bits); i++)
        sb_key_free(decoy->rsa[i]);
    free(decoy);
}

/* By the least of the moduli that are as long as the signature, with zeros before it where it is shorter. */
static void verify_rsa(const sb_decoy *decoy, const sb_jws *jws)
{
    static const char zeros[SB_KEY_RSA_BITS_MAX / 8];
    SB_AUTO(sb_buf) padded = SB_BUF_INIT;
    sb_jws like = *jws; /* borrows all */
    size_t i = 0;
    while (i < SB_ARRAY_LEN(rsa_bits) && rsa_bits[i] / 8 < jws->signature.len)
        i++;
    if (i == SB_ARRAY_LEN(rsa_bits) || !sb_buf_add(&padded, zeros, rsa_bits[i] / 8 - jws->signature.len) ||
        !sb_buf_add_str(&padded, sb_buf_str(&jws->signature)))
        return;
    like.signature = padded;
    (void)sb_jws_verify(&like, decoy->rsa[i], jws->alg, NULL);
}

void sb_decoy_verify(const sb_decoy *decoy, const sb_jws *jws)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(curve_algs); i++) {
        if (strcmp(jws->alg, curve_algs[i]) == 0) {
            (void)sb_jws_verify(jws, decoy->curves[i], jws->alg, NULL);
            return;
        }
    }
    verify_rsa(decoy, jws);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* jws.c - signing and verifying (RFC 7515, RFC 7518 §3, RFC 8037 §3), on OpenSSL EVP. Owns nothing between calls. */
#include "jose/jws.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "base/json.h"
#include "base/key_memory.h"
#include "jose/base64url.h"
#include "jose/key_internal.h"

#define DER_MAX (2 * (SB_EC_WIDTH_MAX + 3) + 4) /* SEQUENCE of two INTEGERs, each with a sign byte */

void sb_jws_cleanup(sb_jws *jws)
{
    json_decref(jws->header);
    sb_buf_cleanup(&jws->payload);
    sb_buf_cleanup(&jws->signature);
    *jws = (sb_jws)SB_JWS_INIT;
}

static bool set_padding(EVP_PKEY_CTX *ctx, const sb_alg *alg)
{
    return !alg->pss || (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                         EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

/* KEY-03: r and s side by side, each of full width. */
static bool ecdsa_raw(const unsigned char *der, size_t len, unsigned width, unsigned char *out)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
    bool ok = pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, (int)width) == (int)width &&
              BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + width, (int)width) == (int)width;
    ECDSA_SIG_free(pair);
    return ok;
}

static size_t signature_size(const sb_key *key)
{
    switch (key->alg->kty) {
    case SB_KTY_RSA:
        return (size_t)EVP_PKEY_get_size(key->pkey);
    case SB_KTY_EC:
        return 2 * (size_t)key->alg->width;
    case SB_KTY_OKP:
        return 64; /* RFC 8032 §5.1.6 */
    }
    return 0;
}

/* signature_size() bytes to `out`. */
static bool sign_bytes(const sb_key *key, sb_str text, unsigned char *out)
{
    unsigned char der[DER_MAX];
    bool is_ec = key->alg->kty == SB_KTY_EC;
    size_t len = is_ec ? sizeof(der) : signature_size(key);
    EVP_PKEY_CTX *ctx = NULL; /* belongs to md */
    /* of the others OpenSSL takes care by itself, and servers are in a hurry */
    SB_KEY_WORK(key->alg->kty == SB_KTY_RSA);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestSignInit_ex(md, &ctx, key->alg->digest, NULL, NULL, key->pkey, NULL) == 1 &&
              set_padding(ctx, key->alg) &&
              EVP_DigestSign(md, is_ec ? der : out, &len, (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(md);
    if (ok && is_ec)
        return ecdsa_raw(der, len, key->alg->width, out);
    return ok && len == signature_size(key);
}

/* {"alg":…,"kid":…} and what the caller wants in it; its own alg or kid is overruled. */
static char *header_text(const sb_key *key, const json_t *given)
{
    SB_AUTOJSON header = json_pack("{s:s, s:s}", "alg", key->alg->name, "kid", key->kid);
    SB_AUTOJSON more = given ? json_deep_copy(given) : json_object();
    if (!header || !more || json_object_update_missing(header, more) != 0)
        return NULL;
    return sb_json_dump(header);
}

sb_status sb_jws_sign(const sb_key *key, const json_t *header, sb_str payload, sb_secret **out, sb_error *err)
{
    unsigned char signature[SB_RSA_BYTES_MAX];
    sb_secret *text = NULL;
    if (!key->is_private)
        return sb_error_set(err, SB_E_USAGE, "this key cannot sign", "kid %.255s is a public key",
                            "use the private key's file", key->kid);
    SB_AUTOFREE head = header_text(key, header);
    if (!head)
        return sb_error_nomem(err);
    size_t head_len = sb_base64url_encoded_len(strlen(head)), payload_len = sb_base64url_encoded_len(payload.len);
    size_t signed_len = head_len + 1 + payload_len, size = signature_size(key);
    SB_TRY(sb_secret_alloc(signed_len + 1 + sb_base64url_encoded_len(size), &text, err));
    char *p = sb_secret_data(text);
    sb_base64url_encode_to(head, strlen(head), p);
    p[head_len] = '.';
    sb_base64url_encode_to(payload.ptr, payload.len, p + head_len + 1);
    if (!sign_bytes(key, (sb_str){p, signed_len}, signature)) {
        sb_secret_free(text);
        ERR_clear_error();
        return sb_error_set(err, SB_E_INTERNAL, "signing failed", "OpenSSL could not sign with the key of kid %.255s",
                            "look at the key with `smartbulk key show`", key->kid);
    }
    p[signed_len] = '.';
    sb_base64url_encode_to(signature, size, p + signed_len + 1);
    *out = text;
    return SB_OK;
}

static sb_status not_a_jws(const char *why, sb_error *err)
{
    return sb_error_set(err, SB_E_INVALID, "a signed token could not be understood", "%s",
                        "send a JWS in compact form: header.payload.signature", why);
}

static bool decode_part(sb_str text, sb_buf *out)
{
    size_t len = sb_base64url_decoded_len(text.len);
    if (!sb_buf_reserve(out, len + 1) || !sb_base64url_decode(text, (unsigned char *)out->ptr))
        return false;
    out->len = len;
    out->ptr[len] = '\0';
    return true;
}

static sb_status read_header(sb_str text, sb_jws *out, sb_error *err)
{
    SB_AUTO(sb_buf) json = SB_BUF_INIT;
    if (!decode_part(text, &json))
        return not_a_jws("its header is not base64url", err);
    if (sb_json_parse_object(sb_buf_str(&json), "the header", &out->header, NULL) != SB_OK)
        return not_a_jws("its header is not a JSON object, or has a member twice", err);
    out->alg = sb_json_str(out->header, "alg");
    out->kid = sb_json_str(out->header, "kid");
    if (!out->alg)
        return not_a_jws("its header has no 'alg'", err);
    if (!out->kid && json_object_get(out->header, "kid"))
        return not_a_jws("its 'kid' is not a string", err);
    if (json_object_get(out->header, "crit") || json_object_get(out->header, "b64"))
        return not_a_jws("its header asks for an extension ('crit', 'b64'), and none is understood", err);
    return SB_OK;
}

sb_status sb_jws_parse(sb_str text, sb_jws *out, sb_error *err)
{
    if (text.len > SB_JWS_MAX_BYTES)
        return not_a_jws("it is too long", err);
    const char *first = text.len ? memchr(text.ptr, '.', text.len) : NULL;
    const char *last = text.len ? memrchr(text.ptr, '.', text.len) : NULL;
    if (!first || first == last || memchr(first + 1, '.', (size_t)(last - first - 1)))
        return not_a_jws("it has not three parts", err);
    sb_str signature = {last + 1, text.len - (size_t)(last + 1 - text.ptr)};
    SB_TRY(read_header((sb_str){text.ptr, (size_t)(first - text.ptr)}, out, err));
    if (!decode_part((sb_str){first + 1, (size_t)(last - first - 1)}, &out->payload))
        return not_a_jws("its payload is not base64url", err);
    if (signature.len == 0 || !decode_part(signature, &out->signature))
        return not_a_jws("its signature is missing or not base64url", err);
    out->signed_part = (sb_str){text.ptr, (size_t)(last - text.ptr)};
    return SB_OK;
}

/* 1 … n−1, by public numbers alone, before anything is made of it.                                          AUTH-06 */
static bool in_range(const unsigned char *number, const sb_alg *alg)
{
    static const unsigned char zero[SB_EC_WIDTH_MAX];
    return memcmp(number, zero, alg->width) != 0 && memcmp(number, alg->n_less, alg->width) <= 0;
}

/* ASN.1 DER of r and s; 0: they are none. */
static size_t ecdsa_der(sb_str raw, const sb_alg *alg, unsigned char der[DER_MAX])
{
    const unsigned char *r = (const unsigned char *)raw.ptr, *s = r + alg->width;
    if (!in_range(r, alg) || !in_range(s, alg))
        return 0;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *bn_r = BN_bin2bn(r, (int)alg->width, NULL), *bn_s = BN_bin2bn(s, (int)alg->width, NULL);
    int len = -1;
    if (pair && bn_r && bn_s && ECDSA_SIG_set0(pair, bn_r, bn_s) == 1) {
        bn_r = bn_s = NULL; /* the pair's now */
        len = i2d_ECDSA_SIG(pair, &der);
    }
    BN_free(bn_r);
    BN_free(bn_s);
    ECDSA_SIG_free(pair);
    return len > 0 ? (size_t)len : 0;
}

EVP_MD_CTX *sb_verifier_new(EVP_PKEY *pkey, const sb_alg *alg)
{
    EVP_PKEY_CTX *ctx = NULL; /* belongs to md */
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (md && EVP_DigestVerifyInit_ex(md, &ctx, alg->digest, NULL, NULL, pkey, NULL) == 1 && set_padding(ctx, alg))
        return md;
    EVP_MD_CTX_free(md);
    return NULL;
}

/* Looking algorithms up by their names takes locks of OpenSSL's, and as long as a tenth of what an RSA key verifies in:
 * a copy of what was looked up does not. */
static EVP_MD_CTX *verifier_of(const sb_key *key, const sb_alg *alg)
{
    if (!key->verifier || alg != key->alg)
        return sb_verifier_new(key->pkey, alg);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (md && EVP_MD_CTX_copy_ex(md, key->verifier) == 1)
        return md;
    EVP_MD_CTX_free(md);
    return NULL;
}

static bool verify_bytes(const sb_key *key, const sb_alg *alg, sb_str text, sb_str signature)
{
    unsigned char der[DER_MAX];
    if (signature.len != signature_size(key))
        return false;
    if (alg->kty == SB_KTY_EC) {
        signature = (sb_str){(char *)der, ecdsa_der(signature, alg, der)};
        if (signature.len == 0)
            return false;
    }
    EVP_MD_CTX *md = verifier_of(key, alg);
    bool ok = md && EVP_DigestVerify(md, (const unsigned char *)signature.ptr, signature.len,
                                     (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return ok;
}

bool sb_jws_length_fits(const sb_jws *jws, const sb_key *key)
{
    return jws->signature.len == signature_size(key);
}

sb_status sb_jws_verify(const sb_jws *jws, const sb_key *key, const char *alg_name, sb_error *err)
{
    const sb_alg *alg = sb_alg_find(alg_name);
    const char *why = NULL;
    if (!alg || strcmp(jws->alg, alg_name) != 0)
        why = "its algorithm is not the one that is allowed";
    else if (!sb_key_fits_alg(key, alg_name))
        why = "its algorithm does not fit the key";
    else if (!verify_bytes(key, alg, jws->signed_part, sb_buf_str(&jws->signature)))
        why = "it was not made by this key over this text";
    if (!why)
        return SB_OK;
    return sb_error_set(err, SB_E_INVALID, "a signature is not good", "%s",
                        "sign with the private half of the registered key", why);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* forge.h - client assertions as honest clients make them and as nobody should: header and claims as JSON, patched,
 * signed with any key or not at all. Does by hand what src/jose would refuse to do. */
#ifndef SB_TEST_FORGE_H
#define SB_TEST_FORGE_H

#include <openssl/evp.h>
#include <string.h>

#include "base/json.h"
#include "base/random.h"
#include "jose/base64url.h"
#include "jose/jwk.h"

static inline void forge_part(sb_buf *out, const void *bytes, size_t len)
{
    assert_true(sb_base64url_encode(bytes, len, out));
}

/* Members of `patch` replace those of `base`; null removes. "@N" becomes now_s + N, a number. */
static inline json_t *forge_patched(json_t *base, const char *patch_text, int64_t now_s)
{
    json_t *patch = json_loads(patch_text ? patch_text : "{}", JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL), *value;
    const char *name;
    assert_non_null(patch);
    json_object_foreach (patch, name, value) {
        const char *text = json_string_value(value);
        if (json_is_null(value))
            (void)json_object_del(base, name);
        else if (text && text[0] == '@')
            assert_int_equal(json_object_set_new(base, name, json_integer(now_s + strtoll(text + 1, NULL, 10))), 0);
        else
            assert_int_equal(json_object_set(base, name, value), 0);
    }
    json_decref(patch);
    return base;
}

/* SHA-384 with an RSA key, whatever the header says; `key` NULL: no signature. */
static inline void forge_sign_rsa(const sb_key *key, sb_buf *jws)
{
    unsigned char signature[1024];
    size_t len = sizeof(signature);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, sb_key_evp(key)), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature, &len, (const unsigned char *)jws->ptr, jws->len), 1);
    EVP_MD_CTX_free(ctx);
    assert_true(sb_buf_add_char(jws, '.'));
    forge_part(jws, signature, len);
}

/* header '.' payload, both of any text. */
static inline void forge_signed_part(sb_str header, sb_str payload, sb_buf *out)
{
    forge_part(out, header.ptr, header.len);
    assert_true(sb_buf_add_char(out, '.'));
    forge_part(out, payload.ptr, payload.len);
}

typedef struct forge {
    const sb_key *key; /* RSA */
    const char *kid, *client_id, *token_url;
    int64_t now_s;
} forge;

/* A good assertion but for the patches; *out is text. */
static inline char *forge_assertion(const forge *f, const char *header_patch, const char *claims_patch)
{
    char jti[SB_UUID_SIZE];
    sb_random_uuid(jti);
    SB_AUTO(sb_buf) jws = SB_BUF_INIT;
    SB_AUTOJSON header = json_pack("{s:s, s:s, s:s}", "alg", "RS384", "kid", f->kid, "typ", "JWT");
    SB_AUTOJSON claims =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:s}", "iss", f->client_id, "sub", f->client_id, "aud", f->token_url,
                  "iat", (json_int_t)f->now_s, "exp", (json_int_t)(f->now_s + 120), "jti", jti);
    SB_AUTOFREE head = sb_json_dump(forge_patched(header, header_patch, f->now_s));
    SB_AUTOFREE body = sb_json_dump(forge_patched(claims, claims_patch, f->now_s));
    forge_signed_part(sb_str_from(head), sb_str_from(body), &jws);
    forge_sign_rsa(f->key, &jws);
    return sb_buf_steal(&jws);
}

#endif

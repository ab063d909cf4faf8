/* SPDX-License-Identifier: Apache-2.0 */
/* vector_assertion.c - signs as told, by any key in any manner, and spoils the result as told. Does by hand what
 * src/jose would refuse to do. */
#include "vector_assertion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/json.h"
#include "base/random.h"
#include "jose/base64url.h"

#define KEYS_MAX      16
#define SIGNATURE_MAX 1024
#define STRANGER      "stranger "

void vector_members_are(const json_t *object, const char *const *names)
{
    const char *name;
    json_t *value;
    assert_true(json_is_object(object));
    json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
        size_t i = 0;
        while (names[i] && strcmp(names[i], name) != 0)
            i++;
        if (!names[i])
            fail_msg("nothing reads '%s'", name);
    }
}

/* Keys */

static struct {
    char *name;
    sb_key *key;
} keys[KEYS_MAX];

static size_t key_count;

const sb_key *vector_key(const char *name)
{
    char kid[64];
    const char *alg = strncmp(name, STRANGER, strlen(STRANGER)) == 0 ? name + strlen(STRANGER) : name;
    for (size_t i = 0; i < key_count; i++) {
        if (strcmp(keys[i].name, name) == 0)
            return keys[i].key;
    }
    assert_true(key_count < KEYS_MAX);
    (void)snprintf(kid, sizeof(kid), "%s", name);
    for (char *c = kid; *c; c++)
        *c = *c == ' ' ? '-' : *c;
    unsigned bits = strncmp(alg, "RS", 2) == 0 || strncmp(alg, "PS", 2) == 0 ? 2048 : 0;
    if (sb_key_generate(alg, bits, kid, &keys[key_count].key, NULL) != SB_OK)
        fail_msg("'%s' is no key", name);
    keys[key_count].name = sb_str_dup(sb_str_from(name));
    return keys[key_count++].key;
}

void vector_keys_free(void)
{
    for (size_t i = 0; i < key_count; i++) {
        free(keys[i].name);
        sb_key_free(keys[i].key);
    }
    key_count = 0;
}

/* Signatures */

typedef struct signature {
    unsigned char bytes[SIGNATURE_MAX];
    size_t len;
} signature;

static bool is_ecdsa(const char *alg)
{
    return strncmp(alg, "ES", 2) == 0;
}

static size_t coordinate_width(const sb_key *key)
{
    return ((size_t)EVP_PKEY_get_bits(sb_key_evp(key)) + 7) / 8;
}

/* DER as OpenSSL makes it into r and s of full width. */
static void make_raw(const sb_key *key, signature *s)
{
    const unsigned char *der = s->bytes;
    int width = (int)coordinate_width(key);
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)s->len);
    assert_non_null(pair);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), s->bytes, width), width);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), s->bytes + width, width), width);
    s->len = 2 * (size_t)width;
    ECDSA_SIG_free(pair);
}

static const char *digest_name(const char *alg)
{
    if (strcmp(alg, "EdDSA") == 0)
        return NULL;
    return strstr(alg, "256") ? "SHA256" : strstr(alg, "384") ? "SHA384" : "SHA512";
}

static void sign_asymmetric(const sb_key *key, const char *alg, sb_str text, signature *out)
{
    EVP_PKEY_CTX *ctx = NULL; /* belongs to md */
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    out->len = sizeof(out->bytes);
    assert_int_equal(EVP_DigestSignInit_ex(md, &ctx, digest_name(alg), NULL, NULL, sb_key_evp(key), NULL), 1);
    if (strncmp(alg, "PS", 2) == 0) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    assert_int_equal(EVP_DigestSign(md, out->bytes, &out->len, (const unsigned char *)text.ptr, text.len), 1);
    EVP_MD_CTX_free(md);
}

/* The old trick: what everybody may know taken for a secret. */
static void sign_by_public_key(const sb_key *key, const char *alg, sb_str text, signature *out)
{
    BIO *pem = BIO_new(BIO_s_mem());
    char *secret = NULL;
    unsigned len = 0;
    assert_int_equal(PEM_write_bio_PUBKEY(pem, sb_key_evp(key)), 1);
    long secret_len = BIO_get_mem_data(pem, &secret);
    assert_non_null(HMAC(EVP_get_digestbyname(digest_name(alg)), secret, (int)secret_len,
                         (const unsigned char *)text.ptr, text.len, out->bytes, &len));
    out->len = len;
    BIO_free(pem);
}

/* `how`: a JWA name; "ES384 in DER"; "HS256" by the public key; "none". */
static void sign(const sb_key *key, const char *how, sb_str text, signature *out)
{
    out->len = 0;
    if (strcmp(how, "none") == 0)
        return;
    if (strncmp(how, "HS", 2) == 0) {
        sign_by_public_key(key, how, text, out);
        return;
    }
    sign_asymmetric(key, how, text, out);
    if (is_ecdsa(how) && !strstr(how, " in DER"))
        make_raw(key, out);
}

/* The order of the key's curve, or that less `less`. */
static void put_order(const sb_key *key, const unsigned char *less, unsigned char *out)
{
    int width = (int)coordinate_width(key);
    EC_GROUP *group = EC_GROUP_new_by_curve_name(width == 48 ? NID_secp384r1 : NID_X9_62_prime256v1);
    BIGNUM *n = BN_dup(EC_GROUP_get0_order(group)), *minus = less ? BN_bin2bn(less, width, NULL) : BN_new();
    assert_int_equal(BN_sub(n, n, minus), 1);
    assert_int_equal(BN_bn2binpad(n, out, width), width);
    BN_free(n);
    BN_free(minus);
    EC_GROUP_free(group);
}

static void spoil_signature(const char *how, const sb_key *key, signature *s)
{
    size_t width = s->len / 2;
    assert_true(s->len > 1 && s->len + 1 < sizeof(s->bytes));
    if (strcmp(how, "empty") == 0) {
        s->len = 0;
    } else if (strcmp(how, "zeros") == 0) {
        memset(s->bytes, 0, s->len);
    } else if (strcmp(how, "ones") == 0) {
        memset(s->bytes, 0xFF, s->len);
    } else if (strcmp(how, "flipped") == 0) {
        s->bytes[s->len - 1] ^= 1;
    } else if (strcmp(how, "shorter") == 0) {
        s->len--;
    } else if (strcmp(how, "longer") == 0) {
        s->bytes[s->len++] = 0;
    } else if (strcmp(how, "leading zero") == 0) {
        for (size_t i = s->len++; i > 0; i--) /* valgrind takes a fortified memmove for a memcpy */
            s->bytes[i] = s->bytes[i - 1];
        s->bytes[0] = 0;
    } else if (strcmp(how, "half") == 0) {
        s->len = width;
    } else if (strcmp(how, "zero r") == 0) {
        memset(s->bytes, 0, width);
    } else if (strcmp(how, "zero s") == 0) {
        memset(s->bytes + width, 0, width);
    } else if (strcmp(how, "r is n") == 0) {
        put_order(key, NULL, s->bytes);
    } else if (strcmp(how, "s is n") == 0) {
        put_order(key, NULL, s->bytes + width);
    } else if (strcmp(how, "other s") == 0) { /* n - s is as good */
        put_order(key, s->bytes + width, s->bytes + width);
    } else {
        fail_msg("nothing is known to be done to a signature by '%s'", how);
    }
}

/* Texts */

/* "@N" is now and N seconds; "jwk of KEY" its public half. */
static json_t *meant(json_t *value, int64_t now_s)
{
    const char *text = json_string_value(value);
    if (text && text[0] == '@')
        return strchr(text, '.') ? json_real((double)now_s + strtod(text + 1, NULL))
                                 : json_integer(now_s + strtoll(text + 1, NULL, 10));
    if (text && strncmp(text, "jwk of ", 7) == 0)
        return sb_key_to_public_jwk(vector_key(text + 7));
    return json_incref(value);
}

/* Members of `patch` replace those of `base`; null removes. */
static char *patched(json_t *base, json_t *patch, int64_t now_s)
{
    const char *name;
    json_t *value;
    json_object_foreach (patch, name, value) {
        if (json_is_null(value))
            (void)json_object_del(base, name);
        else
            assert_int_equal(json_object_set_new(base, name, meant(value, now_s)), 0);
    }
    char *text = sb_json_dump(base);
    assert_non_null(text);
    return text;
}

static char *header_text(const json_t *d, const sb_key *key, const char *alg, const vector_client *client)
{
    const char *text = json_string_value(json_object_get(d, "header_text"));
    if (text)
        return sb_str_dup(sb_str_from(text));
    SB_AUTOJSON header = json_pack("{s:s, s:s, s:s}", "alg", alg, "kid", sb_key_kid(key), "typ", client->typ);
    return patched(header, json_object_get(d, "header"), client->now_s);
}

static char *claims_text(const json_t *d, const vector_client *client)
{
    char jti[SB_UUID_SIZE];
    const char *text = json_string_value(json_object_get(d, "claims_text"));
    if (text)
        return sb_str_dup(sb_str_from(text));
    sb_random_uuid(jti);
    SB_AUTOJSON claims =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:s}", "iss", client->id, "sub", client->id, "aud", client->aud, "iat",
                  (json_int_t)client->now_s, "exp", (json_int_t)(client->now_s + 120), "jti", jti);
    return patched(claims, json_object_get(d, "claims"), client->now_s);
}

#define PARTS 3

static sb_buf *part(sb_buf parts[PARTS], const json_t *index)
{
    assert_true(json_is_integer(index) && json_integer_value(index) < PARTS);
    return &parts[json_integer_value(index)];
}

/* The bits of the last character that stand for nothing, set. */
static void loosen(sb_buf *text)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_true(text->len % 4 > 1);
    text->ptr[text->len - 1] = alphabet[(strchr(alphabet, text->ptr[text->len - 1]) - alphabet) | 1];
}

static void insert(sb_buf *text, const char *what)
{
    size_t middle = text->len / 2;
    SB_AUTO(sb_buf) whole = SB_BUF_INIT;
    assert_true(sb_buf_add(&whole, text->ptr, middle) && sb_buf_add_cstr(&whole, what) &&
                sb_buf_add(&whole, text->ptr + middle, text->len - middle));
    sb_buf_cleanup(text);
    *text = whole;
    whole = (sb_buf)SB_BUF_INIT;
}

/* One part of the text. */
static void spoil_part(const char *how, const json_t *with, sb_buf parts[PARTS])
{
    if (strcmp(how, "drop") == 0) {
        part(parts, with)->len = 0;
    } else if (strcmp(how, "pad") == 0) {
        sb_buf *it = part(parts, with);
        assert_true(it->len % 4 > 1);
        assert_true(sb_buf_add_cstr(it, it->len % 4 == 2 ? "==" : "="));
    } else if (strcmp(how, "loosen") == 0) {
        loosen(part(parts, with));
    } else if (strcmp(how, "insert") == 0) {
        insert(part(parts, json_array_get(with, 0)), json_string_value(json_array_get(with, 1)));
    } else if (strcmp(how, "replace") == 0) {
        sb_buf *it = part(parts, json_array_get(with, 0));
        it->len = 0;
        assert_true(sb_buf_add_cstr(it, json_string_value(json_array_get(with, 1))));
    } else {
        fail_msg("nothing is known to be done to a text by '%s'", how);
    }
}

static void add_parts(const sb_buf parts[PARTS], sb_buf *out)
{
    for (size_t i = 0; i < PARTS; i++)
        assert_true((i == 0 || sb_buf_add_char(out, '.')) && sb_buf_add_str(out, sb_buf_str(&parts[i])));
}

/* In their order: first what is done to the parts, then what is done to the whole. */
static char *spoil_text(json_t *how, sb_buf parts[PARTS])
{
    SB_AUTO(sb_buf) out = SB_BUF_INIT;
    const char *name;
    json_t *with;
    json_object_foreach (how, name, with) {
        if (strcmp(name, "prepend") == 0)
            assert_true(sb_buf_add_cstr(&out, json_string_value(with)));
        else if (strcmp(name, "append") != 0 && strcmp(name, "grow") != 0)
            spoil_part(name, with, parts);
    }
    add_parts(parts, &out);
    const char *append = json_string_value(json_object_get(how, "append"));
    assert_true(!append || sb_buf_add_cstr(&out, append));
    size_t grow = (size_t)json_integer_value(json_object_get(how, "grow"));
    while (out.len < grow)
        assert_true(sb_buf_add_char(&out, 'A'));
    return sb_buf_steal(&out);
}

char *vector_assertion(const json_t *d, const vector_client *client)
{
    vector_members(d, "key", "sign", "header", "header_text", "claims", "claims_text", "signature", "text", "is");
    const char *is = json_string_value(json_object_get(d, "is"));
    if (is)
        return sb_str_dup(sb_str_from(is));
    const char *named = sb_json_str(d, "key"), *how = sb_json_str(d, "sign");
    const char *spoilt = sb_json_str(d, "signature");
    const sb_key *key = vector_key(named ? named : VECTOR_KEY);
    SB_AUTOFREE head = header_text(d, key, sb_key_alg(key), client);
    SB_AUTOFREE claims = claims_text(d, client);
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_buf parts[PARTS] = {SB_BUF_INIT, SB_BUF_INIT, SB_BUF_INIT};
    signature made;
    assert_true(sb_base64url_encode(head, strlen(head), &parts[0]));
    assert_true(sb_base64url_encode(claims, strlen(claims), &parts[1]));
    assert_true(sb_buf_add_str(&text, sb_buf_str(&parts[0])) && sb_buf_add_char(&text, '.') &&
                sb_buf_add_str(&text, sb_buf_str(&parts[1])));
    sign(key, how ? how : sb_key_alg(key), sb_buf_str(&text), &made);
    if (spoilt)
        spoil_signature(spoilt, key, &made);
    assert_true(sb_base64url_encode(made.bytes, made.len, &parts[2]));
    char *out = spoil_text(json_object_get(d, "text"), parts);
    for (size_t i = 0; i < PARTS; i++)
        sb_buf_cleanup(&parts[i]);
    return out;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* jwk.c - keys from JSON and to JSON (RFC 7517, RFC 7518 §6, RFC 8037 §2). Checks the form; key.c checks the key.
 *
 * Private numbers pass through buffers that are wiped here. */
#include "jose/key_internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "base/json.h"
#include "base/key_memory.h"
#include "base/secret.h"
#include "jose/base64url.h"

#define NAME_SHOWN_MAX 40 /* names of kinds, curves and algorithms have half of it */

static const char *const private_members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"};

static sb_status malformed(const char *what_is_wrong, sb_error *err)
{
    return sb_error_set(err, SB_E_INVALID, "a JWK could not be understood", "%s",
                        "export the key again, or make one with `smartbulk key new`", what_is_wrong);
}

/* A name that somebody else chose, if it looks like a name: else it might steer a terminal. */
static const char *shown(const char *value)
{
    size_t len = strlen(value);
    for (size_t i = 0; i < len; i++)
        if (len > NAME_SHOWN_MAX || value[i] < ' ' || value[i] > '~')
            return "no name that can be shown";
    return value;
}

static sb_status not_ours(const char *member, const char *value, sb_error *err)
{
    return sb_error_set(err, SB_E_NOT_FOUND, "a JWK is of a kind that is not supported", "its %s is '%s'",
                        "RSA, EC on P-256 or P-384, and Ed25519 keys that sign are supported", member, shown(value));
}

/* One number in base64url: 1 to `max` bytes, or exactly `width` when that is not 0. */
static sb_status get_number(const json_t *jwk, const char *member, size_t width, size_t max, unsigned char *out,
                            size_t *len, sb_error *err)
{
    const char *text = sb_json_str(jwk, member);
    sb_str s = sb_str_from(text);
    *len = text ? sb_base64url_decoded_len(s.len) : 0;
    bool ok = text && *len > 0 && *len <= max && (width == 0 || *len == width) && sb_base64url_decode(s, out);
    if (ok)
        return SB_OK;
    sb_error_set(err, SB_E_INVALID, "a JWK could not be understood", "its '%s' is %s", "export the key again", member,
                 !text                         ? "missing or not a string"
                 : width != 0 && *len != width ? "not of the curve's full width (RFC 7518 6.2: zeros at the left stay)"
                                               : "not base64url without padding, or too long");
    return SB_E_INVALID;
}

/* The same as a number for OpenSSL, added under `name`. *into keeps it until the parameters are made. */
static sb_status push_number(OSSL_PARAM_BLD *build, const char *name, const json_t *jwk, const char *member,
                             size_t width, BIGNUM **into, sb_error *err)
{
    unsigned char bytes[SB_RSA_BYTES_MAX];
    size_t len = 0;
    sb_status status = get_number(jwk, member, width, sizeof(bytes), bytes, &len, err);
    if (status == SB_OK) {
        *into = BN_secure_new(); /* so that OpenSSL wipes its own copies too */
        bool ok = *into && BN_bin2bn(bytes, (int)len, *into) && OSSL_PARAM_BLD_push_BN(build, name, *into) == 1;
        status = ok ? SB_OK : sb_error_nomem(err);
    }
    sb_wipe(bytes, sizeof(bytes));
    return status;
}

static sb_status make_pkey(const char *type, OSSL_PARAM_BLD *build, bool is_private, EVP_PKEY **out, sb_error *err)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    bool ok = params && ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
              EVP_PKEY_fromdata(ctx, out, is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) == 1;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return ok ? SB_OK : malformed("its numbers make no key (a point off its curve, or out of range)", err);
}

static sb_status rsa_pkey(const json_t *jwk, bool is_private, EVP_PKEY **out, sb_error *err)
{
    static const struct {
        const char *member, *name;
    } parts[] = {{"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
                 {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
                 {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
                 {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};
    BIGNUM *numbers[SB_ARRAY_LEN(parts)] = {NULL};
    size_t n = !is_private ? 2 : json_object_get(jwk, "p") ? 8 : 3; /* RFC 7518 §6.3.2: all of them or d alone */
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    sb_status status = build ? SB_OK : sb_error_nomem(err);
    if (json_object_get(jwk, "oth"))
        status = malformed("it has more than two primes", err);
    for (size_t i = 0; i < n && status == SB_OK; i++)
        status = push_number(build, parts[i].name, jwk, parts[i].member, 0, &numbers[i], err);
    if (status == SB_OK)
        status = make_pkey("RSA", build, is_private, out, err);
    for (size_t i = 0; i < n; i++)
        BN_clear_free(numbers[i]);
    OSSL_PARAM_BLD_free(build);
    return status;
}

static sb_status ec_pkey(const json_t *jwk, const sb_alg *alg, bool is_private, EVP_PKEY **out, sb_error *err)
{
    unsigned char point[1 + 2 * SB_EC_WIDTH_MAX] = {4}; /* uncompressed, SEC 1 §2.3.3 */
    size_t len;
    BIGNUM *d = NULL;
    SB_TRY(get_number(jwk, "x", alg->width, alg->width, point + 1, &len, err)); /* KEY-03 */
    SB_TRY(get_number(jwk, "y", alg->width, alg->width, point + 1 + alg->width, &len, err));
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    bool ok = build && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, alg->group, 0) == 1 &&
              OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * (size_t)alg->width) == 1;
    sb_status status = ok ? SB_OK : sb_error_nomem(err);
    if (status == SB_OK && is_private)
        status = push_number(build, OSSL_PKEY_PARAM_PRIV_KEY, jwk, "d", alg->width, &d, err);
    if (status == SB_OK)
        status = make_pkey("EC", build, is_private, out, err);
    BN_clear_free(d);
    OSSL_PARAM_BLD_free(build);
    return status;
}

/* OpenSSL copies a raw key to its heap; but what it reads as DER, to the memory that is locked. */
static EVP_PKEY *private_ed25519(const unsigned char d[32])
{
    static const unsigned char head[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                         0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20}; /* RFC 8410 §7 */
    unsigned char der[sizeof(head) + 32];
    const unsigned char *at = der;
    memcpy(der, head, sizeof(head));
    memcpy(der + sizeof(head), d, 32);
    EVP_PKEY *pkey = d2i_PrivateKey(EVP_PKEY_ED25519, NULL, &at, sizeof(der));
    sb_wipe(der, sizeof(der));
    return pkey;
}

static sb_status okp_pkey(const json_t *jwk, const sb_alg *alg, bool is_private, EVP_PKEY **out, sb_error *err)
{
    unsigned char x[32], d[32], derived[32];
    size_t len, derived_len = sizeof(derived);
    SB_TRY(get_number(jwk, "x", alg->width, sizeof(x), x, &len, err));
    if (!is_private) {
        *out = EVP_PKEY_new_raw_public_key_ex(NULL, alg->group, NULL, x, sizeof(x));
        return *out ? SB_OK : malformed("its 'x' is no Ed25519 key", err);
    }
    sb_status status = get_number(jwk, "d", alg->width, sizeof(d), d, &len, err);
    if (status == SB_OK)
        *out = private_ed25519(d);
    sb_wipe(d, sizeof(d));
    if (status != SB_OK)
        return status;
    if (!*out || EVP_PKEY_get_raw_public_key(*out, derived, &derived_len) != 1 || memcmp(derived, x, sizeof(x)) != 0)
        return malformed("its public half ('x') is not that of its private half ('d')", err);
    return SB_OK;
}

/* The kind, from kty and crv; *out NULL for one that is not ours. */
static sb_status read_kind(const json_t *jwk, const sb_alg **out, sb_error *err)
{
    const char *kty = sb_json_str(jwk, "kty"), *crv = sb_json_str(jwk, "crv");
    *out = NULL;
    if (!kty)
        return malformed("it has no 'kty'", err);
    if (strcmp(kty, "RSA") == 0) {
        *out = sb_alg_default(SB_KTY_RSA, NULL);
    } else if (strcmp(kty, "EC") == 0 || strcmp(kty, "OKP") == 0) {
        if (!crv)
            return malformed("it has no 'crv'", err);
        *out = sb_alg_default(kty[0] == 'E' ? SB_KTY_EC : SB_KTY_OKP, crv);
        if (!*out)
            return not_ours("crv", crv, err);
    }
    return *out ? SB_OK : not_ours("kty", kty, err);
}

/* `use`, `key_ops`: is it there to sign? */
static sb_status check_use(const json_t *jwk, sb_error *err)
{
    const json_t *use = json_object_get(jwk, "use"), *ops = json_object_get(jwk, "key_ops"), *op;
    size_t i;
    if (use && (!json_is_string(use) || strcmp(json_string_value(use), "sig") != 0))
        return not_ours("use", json_is_string(use) ? json_string_value(use) : "not a string", err);
    if (!ops)
        return SB_OK;
    json_array_foreach (ops, i, op) {
        if (json_is_string(op) &&
            (strcmp(json_string_value(op), "verify") == 0 || strcmp(json_string_value(op), "sign") == 0))
            return SB_OK;
    }
    return not_ours("key_ops", "without sign and verify", err);
}

bool sb_jwk_is_private(const json_t *jwk)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(private_members); i++)
        if (json_object_get(jwk, private_members[i]))
            return true;
    return false;
}

/* `alg` as given; NULL: not given. One that is not ours makes the key not ours. */
static sb_status read_alg(const json_t *jwk, const sb_alg *kind, const sb_alg **alg, sb_error *err)
{
    const json_t *given = json_object_get(jwk, "alg");
    *alg = NULL;
    if (!given)
        return SB_OK;
    if (!json_is_string(given))
        return malformed("its 'alg' is not a string", err);
    *alg = sb_alg_find(json_string_value(given));
    if (!*alg)
        return not_ours("alg", json_string_value(given), err);
    return sb_alg_same_kind(*alg, kind) ? SB_OK : malformed("its 'alg' does not fit its 'kty' and 'crv'", err);
}

sb_status sb_key_from_jwk(const json_t *jwk, bool private_too, sb_key **out, sb_error *err)
{
    const sb_alg *kind, *alg;
    EVP_PKEY *pkey = NULL;
    *out = NULL;
    if (!json_is_object(jwk))
        return malformed("it is not a JSON object", err);
    bool has_private = sb_jwk_is_private(jwk);
    if (has_private && !private_too) /* whatever kind it is: it has been given away */
        return malformed("it holds a private member: who sends a private key has leaked it, and needs a new one", err);
    SB_TRY(read_kind(jwk, &kind, err));
    SB_TRY(check_use(jwk, err));
    SB_TRY(read_alg(jwk, kind, &alg, err));
    const json_t *kid = json_object_get(jwk, "kid");
    if (kid && !sb_json_str(jwk, "kid"))
        return malformed("its 'kid' is not a string", err);
    SB_KEY_WORK(has_private);
    sb_status status = kind->kty == SB_KTY_RSA  ? rsa_pkey(jwk, has_private, &pkey, err)
                       : kind->kty == SB_KTY_EC ? ec_pkey(jwk, kind, has_private, &pkey, err)
                                                : okp_pkey(jwk, kind, has_private, &pkey, err);
    if (status != SB_OK) {
        EVP_PKEY_free(pkey);
        return status;
    }
    return sb_key_wrap(pkey, alg, kid ? json_string_value(kid) : NULL, has_private, out, err);
}

sb_status sb_key_from_public_jwk(const json_t *jwk, sb_key **out, sb_error *err)
{
    sb_status status = sb_key_from_jwk(jwk, false, out, err);
    if (status == SB_E_NOT_FOUND && err)
        err->code = SB_E_INVALID;
    return status == SB_E_NOT_FOUND ? SB_E_INVALID : status;
}

sb_status sb_key_from_set_entry(const json_t *jwk, sb_key **out, sb_error *err)
{
    return sb_key_from_jwk(jwk, false, out, err);
}

sb_status sb_key_public_copy(const sb_key *key, sb_key **out, sb_error *err)
{
    SB_AUTOJSON jwk = sb_key_to_public_jwk(key);
    if (!jwk)
        return sb_error_nomem(err);
    return sb_key_from_public_jwk(jwk, out, err);
}

static bool set_number(json_t *jwk, const char *member, const unsigned char *bytes, size_t len)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    return sb_base64url_encode(bytes, len, &text) &&
           json_object_set_new(jwk, member, json_stringn(text.ptr, text.len)) == 0;
}

static json_t *public_members(const sb_key *key, const char *operation)
{
    sb_public_numbers numbers;
    static const char *const ktys[] = {"RSA", "EC", "OKP"};
    static const char *const names[][2] = {{"n", "e"}, {"x", "y"}, {"x", NULL}};
    const sb_alg *alg = key->alg;
    if (!sb_key_public_numbers(key->pkey, alg, &numbers))
        return NULL;
    json_t *jwk = json_pack("{s:s, s:s, s:s, s:s, s:[s]}", "kty", ktys[alg->kty], "kid", key->kid, "use", "sig", "alg",
                            alg->name, "key_ops", operation);
    bool ok = jwk && (!alg->crv || json_object_set_new(jwk, "crv", json_string(alg->crv)) == 0) &&
              set_number(jwk, names[alg->kty][0], numbers.first, numbers.first_len) &&
              (numbers.second_len == 0 || set_number(jwk, names[alg->kty][1], numbers.second, numbers.second_len));
    if (ok)
        return jwk;
    json_decref(jwk);
    return NULL;
}

json_t *sb_key_to_public_jwk(const sb_key *key)
{
    return public_members(key, "verify");
}

/* ,"member":"number" */
static bool add_private_number(const sb_key *key, const char *name, const char *member, size_t width, sb_buf *out)
{
    unsigned char bytes[SB_RSA_BYTES_MAX];
    BIGNUM *number = NULL;
    SB_KEY_WORK(true);
    bool ok = EVP_PKEY_get_bn_param(key->pkey, name, &number) == 1 && (size_t)BN_num_bytes(number) <= sizeof(bytes);
    size_t len = !ok ? 0 : width ? width : (size_t)BN_num_bytes(number);
    ok = ok && BN_bn2binpad(number, bytes, (int)len) == (int)len && sb_buf_printf(out, ",\"%s\":\"", member) &&
         sb_base64url_encode(bytes, len, out) && sb_buf_add_char(out, '"');
    BN_clear_free(number);
    sb_wipe(bytes, sizeof(bytes));
    return ok;
}

static bool add_private_members(const sb_key *key, sb_buf *out)
{
    unsigned char raw[32];
    size_t len = sizeof(raw);
    switch (key->alg->kty) {
    case SB_KTY_RSA:
        return add_private_number(key, OSSL_PKEY_PARAM_RSA_D, "d", 0, out) &&
               add_private_number(key, OSSL_PKEY_PARAM_RSA_FACTOR1, "p", 0, out) &&
               add_private_number(key, OSSL_PKEY_PARAM_RSA_FACTOR2, "q", 0, out) &&
               add_private_number(key, OSSL_PKEY_PARAM_RSA_EXPONENT1, "dp", 0, out) &&
               add_private_number(key, OSSL_PKEY_PARAM_RSA_EXPONENT2, "dq", 0, out) &&
               add_private_number(key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, "qi", 0, out);
    case SB_KTY_EC:
        return add_private_number(key, OSSL_PKEY_PARAM_PRIV_KEY, "d", key->alg->width, out);
    case SB_KTY_OKP: {
        bool ok = EVP_PKEY_get_raw_private_key(key->pkey, raw, &len) == 1 && sb_buf_add_cstr(out, ",\"d\":\"") &&
                  sb_base64url_encode(raw, len, out) && sb_buf_add_char(out, '"');
        sb_wipe(raw, sizeof(raw));
        return ok;
    }
    }
    return false;
}

sb_status sb_key_private_text(const sb_key *key, sb_buf *out, sb_error *err)
{
    SB_AUTOJSON jwk = public_members(key, "sign");
    SB_AUTOFREE head = jwk ? sb_json_dump(jwk) : NULL;
    /* room for all of it at once: growing would leave copies behind */
    bool ok = head && sb_buf_reserve(out, strlen(head) + 6 * (size_t)(SB_RSA_BYTES_MAX / 3 * 4 + 16)) &&
              sb_buf_add(out, head, strlen(head) - 1) && add_private_members(key, out) && sb_buf_add_cstr(out, "}\n");
    return ok ? SB_OK : sb_error_nomem(err);
}

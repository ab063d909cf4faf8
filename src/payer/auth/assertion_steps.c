/* SPDX-License-Identifier: Apache-2.0 */
/* assertion_steps.c - the checks, in the order of AUTH-06: what is cheap first (AUTH-11), nothing believed before the
 * signature. */
#include "payer/auth/assertion_steps.h"

#include "base/json.h"
#include "jose/base64url.h"

#define NUMERIC_DATE_MAX 253402300799.0 /* the year 9999: beyond, no clock */
#define TYP_SMART        "JWT"
#define TYP_RFC7523BIS   "client-authentication+jwt"

void sb_trial_begin(sb_trial *t, const sb_assertion_checker *checker, sb_str assertion, sb_str client_id)
{
    *t = (sb_trial){.checker = checker, .assertion = assertion, .client_id = client_id};
    t->now = checker->clock->wall_s(checker->clock->impl);
}

void sb_trial_cleanup(sb_trial *t)
{
    sb_jws_cleanup(&t->jws);
    json_decref(t->claims);
    sb_client_free(t->client);
    sb_keyset_free(t->keyset);
    *t = (sb_trial)SB_TRIAL_INIT;
}

sb_str sb_trial_text(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) ? (sb_str){json_string_value(value), json_string_length(value)} : (sb_str){"", 0};
}

/* The head */

static sb_refusal check_size(sb_trial *t)
{
    return t->assertion.len > SB_JWS_MAX_BYTES ? SB_REFUSAL_TOO_LONG : SB_REFUSAL_NONE;
}

/* sb_jws_parse() refuses a critical extension as it refuses garbage; a log should tell them apart. */
static bool names_extensions(sb_str assertion)
{
    sb_str head = SB_STR_NULL;
    SB_AUTOFREE bytes = NULL;
    SB_AUTOJSON header = NULL;
    (void)sb_str_split(&assertion, '.', &head);
    bytes = malloc(sb_base64url_decoded_len(head.len) + 1);
    if (!bytes || !sb_base64url_decode(head, (unsigned char *)bytes))
        return false;
    (void)sb_json_parse_object((sb_str){bytes, sb_base64url_decoded_len(head.len)}, "a header", &header, NULL);
    return json_object_get(header, "crit") || json_object_get(header, "b64");
}

static sb_refusal check_form(sb_trial *t)
{
    if (sb_jws_parse(t->assertion, &t->jws, NULL) == SB_OK)
        return SB_REFUSAL_NONE;
    t->crit = names_extensions(t->assertion);
    return t->crit ? SB_REFUSAL_NONE : SB_REFUSAL_MALFORMED;
}

static sb_refusal check_crit(sb_trial *t)
{
    return t->crit ? SB_REFUSAL_CRIT : SB_REFUSAL_NONE;
}

static bool typ_is(const sb_trial *t, const char *want)
{
    return sb_str_eq_nocase(sb_trial_text(t->jws.header, "typ"), sb_str_from(want));
}

/* One that some profile has; which of them the client must use is seen when the client is known. */
static sb_refusal check_typ(sb_trial *t)
{
    bool fine = !json_object_get(t->jws.header, "typ") || typ_is(t, TYP_SMART) || typ_is(t, TYP_RFC7523BIS);
    return fine ? SB_REFUSAL_NONE : SB_REFUSAL_TYP;
}

static sb_refusal check_alg(sb_trial *t)
{
    for (char *const *allowed = t->checker->algs; *allowed; allowed++) {
        if (strcmp(*allowed, t->jws.alg) == 0)
            t->alg = *allowed;
    }
    return t->alg ? SB_REFUSAL_NONE : SB_REFUSAL_ALG;
}

static sb_refusal check_kid(sb_trial *t)
{
    return t->jws.kid && t->jws.kid[0] ? SB_REFUSAL_NONE : SB_REFUSAL_KID_MISSING;
}

/* The client */

static sb_refusal check_claims(sb_trial *t)
{
    bool fine = sb_json_parse_object(sb_buf_str(&t->jws.payload), "the claims", &t->claims, NULL) == SB_OK;
    return fine ? SB_REFUSAL_NONE : SB_REFUSAL_CLAIMS_MALFORMED;
}

static sb_refusal check_iss(sb_trial *t)
{
    t->iss = sb_trial_text(t->claims, "iss");
    bool fine = t->iss.len > 0 && t->iss.len <= SB_CLIENT_ID_MAX && !memchr(t->iss.ptr, '\0', t->iss.len);
    return fine ? SB_REFUSAL_NONE : SB_REFUSAL_ISS_MISSING;
}

static sb_refusal check_client_id(sb_trial *t)
{
    bool fine = t->client_id.len == 0 || sb_str_eq(t->client_id, t->iss);
    return fine ? SB_REFUSAL_NONE : SB_REFUSAL_CLIENT_ID_DIFFERS;
}

static sb_refusal check_client(sb_trial *t)
{
    if (t->of_client && !sb_str_eq(sb_str_from(t->of_client), t->iss))
        return SB_REFUSAL_CLIENT_UNKNOWN;
    if (sb_clients_find(t->checker->clients, t->iss, &t->client, NULL) != SB_OK)
        return SB_REFUSAL_INTERNAL;
    return t->client ? SB_REFUSAL_NONE : SB_REFUSAL_CLIENT_UNKNOWN;
}

/* Before its keys are looked for: nobody who was not let in makes this server fetch anything.                  KEY-07 */
static sb_refusal check_state(sb_trial *t)
{
    switch (t->client->state) {
    case SB_CLIENT_ACTIVE:
        return SB_REFUSAL_NONE;
    case SB_CLIENT_PENDING:
        return SB_REFUSAL_CLIENT_PENDING;
    case SB_CLIENT_SUSPENDED:
        break;
    }
    return SB_REFUSAL_CLIENT_SUSPENDED;
}

static sb_refusal check_profile(sb_trial *t)
{
    bool fine = t->client->profile == SB_PROFILE_RFC7523BIS ? typ_is(t, TYP_RFC7523BIS) : !typ_is(t, TYP_RFC7523BIS);
    return fine ? SB_REFUSAL_NONE : SB_REFUSAL_TYP; /* AUTH-04 */
}

static sb_refusal check_jku(sb_trial *t)
{
    const char *url = t->client->jwks_url;
    bool fine = !json_object_get(t->jws.header, "jku") ||
                (url && sb_str_eq(sb_trial_text(t->jws.header, "jku"), sb_str_from(url)));
    return fine ? SB_REFUSAL_NONE : SB_REFUSAL_JKU; /* AUTH-07 */
}

/* Key and signature */

static sb_refusal fetch_keys(sb_trial *t, sb_str kid)
{
    if (!t->checker->keys) {
        (void)sb_error_set(&t->key_err, SB_E_USAGE, "the key set cannot be fetched", "this server fetches no key sets",
                           "register the JWK Set itself");
        return SB_REFUSAL_KEYS_UNAVAILABLE;
    }
    sb_status status = sb_jwks_cache_find(t->checker->keys, t->client->jwks_url, kid, &t->keyset, &t->key_err);
    if (status == SB_OK)
        return SB_REFUSAL_NONE;
    if (status == SB_E_BUSY)
        return SB_REFUSAL_KEYS_BUSY;
    return status == SB_E_NOMEM ? SB_REFUSAL_INTERNAL : SB_REFUSAL_KEYS_UNAVAILABLE;
}

static sb_refusal check_key(sb_trial *t)
{
    sb_str kid = sb_str_from(t->jws.kid);
    sb_refusal refusal = t->client->jwks ? SB_REFUSAL_NONE : fetch_keys(t, kid);
    if (refusal != SB_REFUSAL_NONE)
        return refusal;
    t->key = sb_jwks_find(t->client->jwks ? t->client->jwks : t->keyset->jwks, kid);
    return t->key ? SB_REFUSAL_NONE : SB_REFUSAL_KEY_UNKNOWN;
}

static sb_refusal check_key_alg(sb_trial *t)
{
    return sb_key_fits_alg(t->key, t->alg) ? SB_REFUSAL_NONE : SB_REFUSAL_KEY_ALG;
}

static sb_refusal check_signature(sb_trial *t)
{
    return sb_jws_verify(&t->jws, t->key, t->alg, NULL) == SB_OK ? SB_REFUSAL_NONE : SB_REFUSAL_SIGNATURE;
}

/* Claims */

static sb_refusal check_sub(sb_trial *t)
{
    return sb_str_eq(sb_trial_text(t->claims, "sub"), t->iss) ? SB_REFUSAL_NONE : SB_REFUSAL_SUB;
}

static bool is_ours(const sb_trial *t, const json_t *aud)
{
    sb_str text = {json_string_value(aud), json_string_length(aud)};
    if (!json_is_string(aud))
        return false;
    return sb_str_eq(text, sb_str_from(t->checker->issuer)) ||
           (t->client->profile == SB_PROFILE_SMART && sb_str_eq(text, sb_str_from(t->checker->token_url)));
}

/* SMART: held among others. RFC 7523bis: the issuer alone, so that no other server was meant.                AUTH-04 */
static sb_refusal check_aud(sb_trial *t)
{
    const json_t *aud = json_object_get(t->claims, "aud"), *item;
    bool held = is_ours(t, aud);
    size_t i;
    if (!held && (t->client->profile == SB_PROFILE_SMART || json_array_size(aud) == 1)) {
        json_array_foreach ((json_t *)(uintptr_t)aud, i, item)
            held = held || is_ours(t, item);
    }
    return held ? SB_REFUSAL_NONE : SB_REFUSAL_AUD;
}

/* A NumericDate, cut to whole seconds. False: not a number, or no date that could be meant. */
static bool date_member(const json_t *claims, const char *name, int64_t *out)
{
    const json_t *value = json_object_get(claims, name);
    double number = json_is_number(value) ? json_number_value(value) : -1;
    if (!(number >= 0 && number <= NUMERIC_DATE_MAX))
        return false;
    *out = (int64_t)number;
    return true;
}

static sb_refusal check_exp(sb_trial *t)
{
    if (!date_member(t->claims, "exp", &t->exp))
        return SB_REFUSAL_EXP_MISSING;
    if (t->exp + SB_ASSERTION_SKEW_S <= t->now)
        return SB_REFUSAL_EXPIRED;
    return t->exp > t->now + SB_ASSERTION_AGE_MAX_S + SB_ASSERTION_SKEW_S ? SB_REFUSAL_EXP_TOO_FAR : SB_REFUSAL_NONE;
}

/* Is a claim that may be missing either that, or a time that has come? */
static bool has_come(const sb_trial *t, const char *name)
{
    int64_t at;
    return !json_object_get(t->claims, name) ||
           (date_member(t->claims, name, &at) && at <= t->now + SB_ASSERTION_SKEW_S);
}

static sb_refusal check_iat(sb_trial *t)
{
    return has_come(t, "iat") ? SB_REFUSAL_NONE : SB_REFUSAL_IAT;
}

static sb_refusal check_nbf(sb_trial *t)
{
    return has_come(t, "nbf") ? SB_REFUSAL_NONE : SB_REFUSAL_NBF;
}

static sb_refusal check_jti(sb_trial *t)
{
    t->jti = sb_trial_text(t->claims, "jti");
    if (t->jti.len == 0 || memchr(t->jti.ptr, '\0', t->jti.len))
        return SB_REFUSAL_JTI_MISSING;
    return t->jti.len > SB_ASSERTION_JTI_MAX ? SB_REFUSAL_JTI_TOO_LONG : SB_REFUSAL_NONE;
}

#define BIT(check) SB_CHECK_BIT(SB_CHECK_##check)

const sb_check_rule sb_check_rules[SB_CHECK_COUNT] = {
    [SB_CHECK_SIZE] = {"size", "It is not too long", 0, check_size},
    [SB_CHECK_FORM] = {"form", "It is a signed JWT in compact form", BIT(SIZE), check_form},
    [SB_CHECK_CRIT] = {"crit", "It asks for no extension", BIT(FORM), check_crit},
    [SB_CHECK_TYP] = {"typ", "The header's typ is one for client assertions", BIT(CRIT), check_typ},
    [SB_CHECK_ALG] = {"alg", "The algorithm is allowed here", BIT(CRIT), check_alg},
    [SB_CHECK_KID] = {"kid", "The header names a key", BIT(CRIT), check_kid},
    [SB_CHECK_CLAIMS] = {"claims", "The claims are a JSON object", BIT(CRIT), check_claims},
    [SB_CHECK_ISS] = {"iss", "The claims name an issuer", BIT(CLAIMS), check_iss},
    [SB_CHECK_CLIENT_ID] = {"client_id", "client_id, if it is sent, is the issuer", BIT(ISS), check_client_id},
    [SB_CHECK_CLIENT] = {"client", "The issuer is a registered client", BIT(ISS), check_client},
    [SB_CHECK_STATE] = {"state", "The client is active", BIT(CLIENT), check_state},
    [SB_CHECK_PROFILE] = {"profile", "typ is the one of the client's profile", BIT(TYP) | BIT(CLIENT), check_profile},
    [SB_CHECK_JKU] = {"jku", "jku, if it is there, is the registered URL", BIT(CLIENT), check_jku},
    [SB_CHECK_KEY] = {"key", "The key is in the registered set", BIT(KID) | BIT(CLIENT) | BIT(JKU), check_key},
    [SB_CHECK_KEY_ALG] = {"key_alg", "The key is one for this algorithm", BIT(ALG) | BIT(KEY), check_key_alg},
    [SB_CHECK_SIGNATURE] = {"signature", "The signature is good", BIT(KEY_ALG), check_signature},
    [SB_CHECK_SUB] = {"sub", "The subject is the issuer", BIT(ISS), check_sub},
    [SB_CHECK_AUD] = {"aud", "It is meant for this server", BIT(CLIENT), check_aud},
    [SB_CHECK_EXP] = {"exp", "It ends soon, and not yet", BIT(CLAIMS), check_exp},
    [SB_CHECK_IAT] = {"iat", "It was not made in the future", BIT(CLAIMS), check_iat},
    [SB_CHECK_NBF] = {"nbf", "Its time has come", BIT(CLAIMS), check_nbf},
    [SB_CHECK_JTI] = {"jti", "It has an id", BIT(CLAIMS), check_jti},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* assertion_check.c - the checks, in the order of AUTH-06: what is cheap first (AUTH-11), nothing believed before the
 * signature. */
#include "payer/auth/assertion_check.h"

#include "base/json.h"
#include "jose/base64url.h"
#include "jose/jws.h"
#include "payer/auth/decoy.h"

#define NUMERIC_DATE_MAX 253402300799.0 /* the year 9999: beyond, no clock */

struct sb_assertion_checker {
    char *token_url;
    const char *const *algs;
    sb_clients *clients;
    const sb_clock *clock;
    sb_decoy *decoy;
};

/* One check's material. */
typedef struct trial {
    const sb_assertion_checker *checker;
    sb_jws jws;
    const char *alg; /* of the allow-list */
    json_t *claims;
    sb_client *client;
} trial;

static void trial_cleanup(trial *t)
{
    sb_jws_cleanup(&t->jws);
    json_decref(t->claims);
    sb_client_free(t->client);
}

sb_status sb_assertion_checker_new(const sb_assertion_policy *policy, sb_assertion_checker **out, sb_error *err)
{
    SB_AUTOPTR(sb_assertion_checker) checker = calloc(1, sizeof(*checker));
    if (!checker)
        return sb_error_nomem(err);
    checker->algs = policy->algs;
    checker->clients = policy->clients;
    checker->clock = policy->clock;
    checker->token_url = sb_str_dup(sb_str_from(policy->token_url));
    if (!checker->token_url)
        return sb_error_nomem(err);
    SB_TRY(sb_decoy_new(&checker->decoy, err));
    *out = checker;
    checker = NULL;
    return SB_OK;
}

void sb_assertion_checker_free(sb_assertion_checker *checker)
{
    if (!checker)
        return;
    free(checker->token_url);
    sb_decoy_free(checker->decoy);
    free(checker);
}

void sb_assertion_good_cleanup(sb_assertion_good *good)
{
    sb_client_free(good->client);
    free(good->jti);
    *good = (sb_assertion_good)SB_ASSERTION_GOOD_INIT;
}

/* A string member as bytes; empty when it is missing or no string. */
static sb_str member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) ? (sb_str){json_string_value(value), json_string_length(value)} : (sb_str){"", 0};
}

/* The head */

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

static const char *allowed_alg(const char *const *algs, const char *alg)
{
    for (; *algs; algs++) {
        if (strcmp(*algs, alg) == 0)
            return *algs;
    }
    return NULL;
}

static sb_refusal check_head(trial *t, sb_str assertion)
{
    if (assertion.len > SB_JWS_MAX_BYTES)
        return SB_REFUSAL_TOO_LONG;
    if (sb_jws_parse(assertion, &t->jws, NULL) != SB_OK)
        return names_extensions(assertion) ? SB_REFUSAL_CRIT : SB_REFUSAL_MALFORMED;
    if (json_object_get(t->jws.header, "typ") &&
        !sb_str_eq_nocase(member(t->jws.header, "typ"), SB_STR_LIT("JWT"))) /* AUTH-04: the SMART 2.2 profile */
        return SB_REFUSAL_TYP;
    t->alg = allowed_alg(t->checker->algs, t->jws.alg);
    if (!t->alg)
        return SB_REFUSAL_ALG;
    if (!t->jws.kid || !t->jws.kid[0])
        return SB_REFUSAL_KID_MISSING;
    return SB_REFUSAL_NONE;
}

/* Client, key, signature */

static sb_refusal find_client(trial *t, sb_str client_id, char *claimed)
{
    if (sb_json_parse_object(sb_buf_str(&t->jws.payload), "the claims", &t->claims, NULL) != SB_OK)
        return SB_REFUSAL_CLAIMS_MALFORMED;
    sb_str iss = member(t->claims, "iss");
    if (iss.len == 0 || iss.len > SB_CLIENT_ID_MAX || memchr(iss.ptr, '\0', iss.len))
        return SB_REFUSAL_ISS_MISSING;
    if (claimed && sb_str_is_text(iss))
        memcpy(claimed, iss.ptr, iss.len + 1); /* jansson ends its texts with a NUL */
    if (client_id.len > 0 && !sb_str_eq(client_id, iss))
        return SB_REFUSAL_CLIENT_ID_DIFFERS;
    if (sb_clients_find(t->checker->clients, iss, &t->client, NULL) != SB_OK)
        return SB_REFUSAL_INTERNAL;
    return t->client ? SB_REFUSAL_NONE : SB_REFUSAL_CLIENT_UNKNOWN;
}

static sb_refusal check_jku(const trial *t)
{
    const json_t *jku = json_object_get(t->jws.header, "jku");
    if (!jku)
        return SB_REFUSAL_NONE;
    const char *url = t->client->jwks_url;
    return url && sb_str_eq(member(t->jws.header, "jku"), sb_str_from(url)) ? SB_REFUSAL_NONE
                                                                            : SB_REFUSAL_JKU; /* AUTH-07 */
}

static sb_refusal check_signature(const trial *t)
{
    sb_refusal refusal = check_jku(t);
    if (refusal != SB_REFUSAL_NONE)
        return refusal;
    const sb_key *key = sb_jwks_find(t->client->jwks, sb_str_from(t->jws.kid));
    if (!key)
        return SB_REFUSAL_KEY_UNKNOWN;
    if (strcmp(sb_key_alg(key), t->alg) != 0)
        return SB_REFUSAL_KEY_ALG;
    return sb_jws_verify(&t->jws, key, t->alg, NULL) == SB_OK ? SB_REFUSAL_NONE : SB_REFUSAL_SIGNATURE;
}

/* Who it is and whether it is so. Where there is no key to try, one is tried all the same: the time to the answer tells
 * nobody which client ids there are. */
static sb_refusal check_who(trial *t, sb_str client_id, char *claimed)
{
    sb_refusal refusal = find_client(t, client_id, claimed);
    if (refusal == SB_REFUSAL_NONE)
        refusal = check_signature(t);
    if (refusal != SB_REFUSAL_NONE && refusal != SB_REFUSAL_SIGNATURE)
        sb_decoy_verify(t->checker->decoy, &t->jws);
    return refusal;
}

/* Claims */

static bool holds_audience(const trial *t)
{
    const json_t *aud = json_object_get(t->claims, "aud"), *item;
    sb_str ours = sb_str_from(t->checker->token_url);
    size_t i;
    if (json_is_string(aud))
        return sb_str_eq(member(t->claims, "aud"), ours);
    json_array_foreach ((json_t *)(uintptr_t)aud, i, item) {
        if (json_is_string(item) && sb_str_eq((sb_str){json_string_value(item), json_string_length(item)}, ours))
            return true;
    }
    return false;
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

/* Is a claim that may be missing either that, or a time that has come? */
static bool has_come(const json_t *claims, const char *name, int64_t now)
{
    int64_t at;
    return !json_object_get(claims, name) || (date_member(claims, name, &at) && at <= now + SB_ASSERTION_SKEW_S);
}

static sb_refusal check_times(const trial *t, int64_t now, int64_t *exp)
{
    if (!date_member(t->claims, "exp", exp))
        return SB_REFUSAL_EXP_MISSING;
    if (*exp + SB_ASSERTION_SKEW_S <= now)
        return SB_REFUSAL_EXPIRED;
    if (*exp > now + SB_ASSERTION_AGE_MAX_S + SB_ASSERTION_SKEW_S)
        return SB_REFUSAL_EXP_TOO_FAR;
    if (!has_come(t->claims, "iat", now))
        return SB_REFUSAL_IAT;
    return has_come(t->claims, "nbf", now) ? SB_REFUSAL_NONE : SB_REFUSAL_NBF;
}

static sb_refusal check_claims(const trial *t, sb_assertion_good *out)
{
    const sb_clock *clock = t->checker->clock;
    int64_t exp = 0;
    if (!sb_str_eq(member(t->claims, "sub"), sb_str_from(t->client->id)))
        return SB_REFUSAL_SUB;
    if (!holds_audience(t))
        return SB_REFUSAL_AUD;
    sb_refusal refusal = check_times(t, clock->wall_s(clock->impl), &exp);
    if (refusal != SB_REFUSAL_NONE)
        return refusal;
    sb_str jti = member(t->claims, "jti");
    if (jti.len == 0 || memchr(jti.ptr, '\0', jti.len))
        return SB_REFUSAL_JTI_MISSING;
    if (jti.len > SB_ASSERTION_JTI_MAX)
        return SB_REFUSAL_JTI_TOO_LONG;
    out->jti = sb_str_dup(jti);
    out->dead_s = exp + SB_ASSERTION_SKEW_S;
    return out->jti ? SB_REFUSAL_NONE : SB_REFUSAL_INTERNAL;
}

sb_refusal sb_assertion_check(const sb_assertion_checker *checker, sb_str assertion, sb_str client_id,
                              char claimed[SB_CLIENT_ID_MAX + 1], sb_assertion_good *out)
{
    SB_AUTO(trial) t = {.checker = checker};
    if (claimed)
        claimed[0] = '\0';
    sb_refusal refusal = check_head(&t, assertion);
    if (refusal == SB_REFUSAL_NONE)
        refusal = check_who(&t, client_id, claimed);
    if (refusal == SB_REFUSAL_NONE)
        refusal = check_claims(&t, out);
    if (refusal == SB_REFUSAL_NONE)
        out->client = sb_client_ref(t.client);
    return refusal;
}

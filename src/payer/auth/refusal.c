/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.c - the names: part of what log readers rely on, so they never change. And what each means, for people. */
#include "payer/auth/refusal.h"

const char *sb_refusal_name(sb_refusal refusal)
{
    static const char *const names[SB_REFUSAL_COUNT] = {
        [SB_REFUSAL_NONE] = "granted",
        [SB_REFUSAL_TOO_OFTEN] = "too_many_failures",
        [SB_REFUSAL_TOO_LONG] = "assertion_too_long",
        [SB_REFUSAL_MALFORMED] = "assertion_malformed",
        [SB_REFUSAL_CRIT] = "crit_not_understood",
        [SB_REFUSAL_TYP] = "typ_wrong",
        [SB_REFUSAL_ALG] = "alg_not_allowed",
        [SB_REFUSAL_KID_MISSING] = "kid_missing",
        [SB_REFUSAL_CLAIMS_MALFORMED] = "claims_malformed",
        [SB_REFUSAL_ISS_MISSING] = "iss_missing",
        [SB_REFUSAL_CLIENT_ID_DIFFERS] = "client_id_differs",
        [SB_REFUSAL_CLIENT_UNKNOWN] = "client_unknown",
        [SB_REFUSAL_CLIENT_PENDING] = "client_pending",
        [SB_REFUSAL_CLIENT_SUSPENDED] = "client_suspended",
        [SB_REFUSAL_JKU] = "jku_not_registered",
        [SB_REFUSAL_KEYS_BUSY] = "jwks_busy",
        [SB_REFUSAL_KEYS_UNAVAILABLE] = "jwks_unavailable",
        [SB_REFUSAL_KEY_UNKNOWN] = "key_unknown",
        [SB_REFUSAL_KEY_ALG] = "key_not_for_alg",
        [SB_REFUSAL_SIGNATURE] = "signature_invalid",
        [SB_REFUSAL_SUB] = "sub_not_iss",
        [SB_REFUSAL_AUD] = "aud_wrong",
        [SB_REFUSAL_EXP_MISSING] = "exp_missing",
        [SB_REFUSAL_EXPIRED] = "expired",
        [SB_REFUSAL_EXP_TOO_FAR] = "exp_too_far",
        [SB_REFUSAL_IAT] = "iat_in_future",
        [SB_REFUSAL_NBF] = "nbf_in_future",
        [SB_REFUSAL_JTI_MISSING] = "jti_missing",
        [SB_REFUSAL_JTI_TOO_LONG] = "jti_too_long",
        [SB_REFUSAL_RATE] = "rate_exceeded",
        [SB_REFUSAL_SCOPE] = "scope_not_allowed",
        [SB_REFUSAL_REPLAYED] = "jti_replayed",
        [SB_REFUSAL_REPLAY_FULL] = "replay_store_full",
        [SB_REFUSAL_TOKENS_FULL] = "token_store_full",
        [SB_REFUSAL_INTERNAL] = "internal_error",
    };
    return refusal < SB_REFUSAL_COUNT && names[refusal] ? names[refusal] : "unknown";
}

const char *sb_refusal_text(sb_refusal refusal)
{
    static const char *const texts[SB_REFUSAL_COUNT] = {
        [SB_REFUSAL_NONE] = "the assertion is good",
        [SB_REFUSAL_TOO_OFTEN] = "too many attempts of this address failed; wait a little",
        [SB_REFUSAL_TOO_LONG] = "the assertion is longer than 16 KB; leave certificates out of its header",
        [SB_REFUSAL_MALFORMED] =
            "the assertion is no signed JWT: three parts of base64url, the first a JSON object with alg",
        [SB_REFUSAL_CRIT] = "the header asks for an extension (crit, b64), and none is understood here; leave it out",
        [SB_REFUSAL_TYP] = "typ is not the one of the client's profile: JWT, or client-authentication+jwt in the "
                           "profile of RFC 7523bis",
        [SB_REFUSAL_ALG] = "alg is none that this server allows; sign with ES384 or RS384",
        [SB_REFUSAL_KID_MISSING] = "the header has no kid; name the key by the kid it is registered under",
        [SB_REFUSAL_CLAIMS_MALFORMED] = "the claims are not a JSON object, or have a member twice",
        [SB_REFUSAL_ISS_MISSING] = "iss is missing; it is the client id",
        [SB_REFUSAL_CLIENT_ID_DIFFERS] = "client_id was sent and is not iss; leave it out",
        [SB_REFUSAL_CLIENT_UNKNOWN] = "no client of this id is registered here",
        [SB_REFUSAL_CLIENT_PENDING] = "the client waits for the operator's approval",
        [SB_REFUSAL_CLIENT_SUSPENDED] = "the client is suspended; ask the operator",
        [SB_REFUSAL_JKU] = "jku is not the registered JWKS URL; leave it out, or register that URL",
        [SB_REFUSAL_KEYS_BUSY] = "too many key sets are being fetched; come back later",
        [SB_REFUSAL_KEYS_UNAVAILABLE] = "the registered JWKS URL could not be fetched, or has no usable key set",
        [SB_REFUSAL_KEY_UNKNOWN] = "no registered key has this kid",
        [SB_REFUSAL_KEY_ALG] = "the key of this kid is not one for this alg",
        [SB_REFUSAL_SIGNATURE] = "the signature was not made by the registered key of this kid over this text",
        [SB_REFUSAL_SUB] = "sub is not iss; both are the client id",
        [SB_REFUSAL_AUD] = "aud is not this server; it is the token URL, or the issuer in the profile of RFC 7523bis",
        [SB_REFUSAL_EXP_MISSING] = "exp is missing or no time in seconds since 1970",
        [SB_REFUSAL_EXPIRED] = "exp has passed; compare the clocks, and make a new assertion for each request",
        [SB_REFUSAL_EXP_TOO_FAR] = "exp is more than 300 s ahead; compare the clocks",
        [SB_REFUSAL_IAT] = "iat is in the future or no time; compare the clocks",
        [SB_REFUSAL_NBF] = "nbf is in the future or no time; compare the clocks",
        [SB_REFUSAL_JTI_MISSING] = "jti is missing; give each assertion a new one",
        [SB_REFUSAL_JTI_TOO_LONG] = "jti is longer than 256 bytes; a UUID is enough",
        [SB_REFUSAL_RATE] = "the client asks for more tokens than it may",
        [SB_REFUSAL_SCOPE] = "the scope is missing or malformed, or nothing of it is granted to this client",
        [SB_REFUSAL_REPLAYED] = "the assertion was used before; make a new one for each request",
        [SB_REFUSAL_REPLAY_FULL] = "the server is full; come back later",
        [SB_REFUSAL_TOKENS_FULL] = "the server is full; come back later",
        [SB_REFUSAL_INTERNAL] = "the server failed; come back later",
    };
    return refusal < SB_REFUSAL_COUNT && texts[refusal] ? texts[refusal] : "unknown";
}

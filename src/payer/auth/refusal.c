/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.c - the names: part of what log readers rely on, so they never change. */
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
        [SB_REFUSAL_CLIENT_UNKNOWN] = "client_unknown",
        [SB_REFUSAL_CLIENT_ID_DIFFERS] = "client_id_differs",
        [SB_REFUSAL_JKU] = "jku_not_registered",
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
        [SB_REFUSAL_SCOPE] = "scope_not_allowed",
        [SB_REFUSAL_REPLAYED] = "jti_replayed",
        [SB_REFUSAL_REPLAY_FULL] = "replay_store_full",
        [SB_REFUSAL_TOKENS_FULL] = "token_store_full",
        [SB_REFUSAL_INTERNAL] = "internal_error",
    };
    return refusal < SB_REFUSAL_COUNT && names[refusal] ? names[refusal] : "unknown";
}

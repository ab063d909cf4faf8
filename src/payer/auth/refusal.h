/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.h - why a token was refused, for machines that read logs. On the wire there is one text for all.   AUTH-06 */
#ifndef SB_PAYER_REFUSAL_H
#define SB_PAYER_REFUSAL_H

#include "base/defs.h"

/* In the order of the checks. */
typedef enum sb_refusal {
    SB_REFUSAL_NONE,
    SB_REFUSAL_CONTENT_TYPE, /* of the request, before anybody is authenticated, to SB_REFUSAL_NO_ASSERTION */
    SB_REFUSAL_FORM_MALFORMED,
    SB_REFUSAL_GRANT_TYPE_UNKNOWN,
    SB_REFUSAL_REPEATED,
    SB_REFUSAL_IN_URL,
    SB_REFUSAL_GRANT_TYPE_MISSING,
    SB_REFUSAL_TOKEN_MISSING, /* to revoke */
    SB_REFUSAL_METHODS_MIXED,
    SB_REFUSAL_METHOD,
    SB_REFUSAL_ASSERTION_TYPE,
    SB_REFUSAL_NO_ASSERTION,
    SB_REFUSAL_TOO_OFTEN, /* not looked at: too many failures of this address */
    SB_REFUSAL_TOO_LONG,
    SB_REFUSAL_MALFORMED,
    SB_REFUSAL_CRIT,
    SB_REFUSAL_TYP,
    SB_REFUSAL_ALG,
    SB_REFUSAL_KID_MISSING,
    SB_REFUSAL_CLAIMS_MALFORMED,
    SB_REFUSAL_ISS_MISSING,
    SB_REFUSAL_CLIENT_ID_DIFFERS,
    SB_REFUSAL_CLIENT_UNKNOWN,
    SB_REFUSAL_CLIENT_PENDING,
    SB_REFUSAL_CLIENT_SUSPENDED,
    SB_REFUSAL_JKU,
    SB_REFUSAL_KEYS_BUSY,        /* too many requests wait for key sets to be fetched */
    SB_REFUSAL_KEYS_UNAVAILABLE, /* its JWKS URL could not be fetched, or has no usable set */
    SB_REFUSAL_KEY_UNKNOWN,
    SB_REFUSAL_KEY_ALG,
    SB_REFUSAL_SIGNATURE,
    SB_REFUSAL_SUB,
    SB_REFUSAL_AUD,
    SB_REFUSAL_EXP_MISSING,
    SB_REFUSAL_EXPIRED,
    SB_REFUSAL_EXP_TOO_FAR,
    SB_REFUSAL_IAT,
    SB_REFUSAL_NBF,
    SB_REFUSAL_JTI_MISSING,
    SB_REFUSAL_JTI_TOO_LONG,
    SB_REFUSAL_RATE, /* the client asks for more tokens than it may */
    SB_REFUSAL_SCOPE,
    SB_REFUSAL_REPLAYED,
    SB_REFUSAL_REPLAY_FULL,
    SB_REFUSAL_TOKENS_FULL,
    SB_REFUSAL_INTERNAL,
    SB_REFUSAL_COUNT
} sb_refusal;

/* "signature_invalid"; "granted" for SB_REFUSAL_NONE. Constants. */
const char *sb_refusal_name(sb_refusal refusal);
/* A sentence for the client's engineer, who is told it in the portal, or on the wire while the client is under
 * onboarding: what is wrong and what to do. ASCII without quotes and backslashes (RFC 6749 §5.2). Constants. */
const char *sb_refusal_text(sb_refusal refusal);

#endif

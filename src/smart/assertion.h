/* SPDX-License-Identifier: Apache-2.0 */
/* assertion.h - the client assertion: who we are, signed, good for one token request (RFC 7523, SMART 2.2).
 *
 * Makes one; sends nothing. The caller makes a new one for every request, retries included (AUTH-05). */
#ifndef SB_SMART_ASSERTION_H
#define SB_SMART_ASSERTION_H

#include <smartbulk/key.h>

#include "base/secret.h"
#include "smart/agreement.h"

#define SB_ASSERTION_LIFETIME_S     120 /* far from both edges: some go not below 60 s, all refuse 300 s */
#define SB_ASSERTION_LIFETIME_MIN_S 60  /* AUTH-05 */
#define SB_ASSERTION_LIFETIME_MAX_S 240
#define SB_CLOCK_SKEW_MAX_S         86400 /* a clock a day off is a broken clock, not a skewed one */

/* All borrowed for the call. */
typedef struct sb_assertion_claims {
    const char *client_id;
    const char *audience; /* one URI, or several separated by spaces (an array then; not with rfc7523bis)     AUTH-04 */
    const char *jku; /* the registered JWKS URL; NULL: none is sent                                       AUTH-01 */
    sb_auth_profile profile;
    int64_t now_s; /* wall clock, skew added */
    unsigned lifetime_s;
} sb_assertion_claims;

/* A new assertion with a `jti` of its own, as compact JWS.                                             AUTH-01 …
 * AUTH-05
 */
sb_status sb_assertion_make(const sb_key *key, const sb_assertion_claims *claims, sb_secret **out, sb_error *err);

#endif

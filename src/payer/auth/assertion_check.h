/* SPDX-License-Identifier: Apache-2.0 */
/* assertion_check.h - is this client assertion good? Everything AUTH-06 asks but scope and replay, which come after and
 * are the token endpoint's: so a request that is bad for any reason never uses a good one's jti up.
 *
 * Keys come from the register alone (AUTH-07), or from the URL that is registered there (AUTH-08). A client that is
 * unknown costs as much work as one whose signature is wrong. Any thread; may wait for a JWKS URL, within its bounds. */
#ifndef SB_PAYER_ASSERTION_CHECK_H
#define SB_PAYER_ASSERTION_CHECK_H

#include <smartbulk/clock.h>

#include "payer/auth/client.h"
#include "payer/auth/jwks_cache.h"
#include "payer/auth/refusal.h"

#define SB_ASSERTION_AGE_MAX_S 300 /* AUTH-06: how far ahead `exp` may be */
#define SB_ASSERTION_SKEW_S    15  /* AUTH-06: what two honest clocks differ by */
#define SB_ASSERTION_JTI_MAX   256 /* AUTH-06: bytes */

typedef struct sb_assertion_checker sb_assertion_checker;

typedef struct sb_assertion_policy {
    const char *token_url;   /* our own: what `aud` must be or hold ...                                      AUTH-04 */
    const char *issuer;      /* ... or this: alone, in the profile of RFC 7523bis */
    const char *const *algs; /* allow-list, NULL-terminated; copied, as the two above */
    sb_clients *clients;     /* borrowed */
    sb_jwks_cache *keys;     /* borrowed; of clients registered by URL. NULL: they get no tokens */
    const sb_clock *clock;   /* borrowed */
} sb_assertion_policy;

sb_status sb_assertion_checker_new(const sb_assertion_policy *policy, sb_assertion_checker **out, sb_error *err);
void sb_assertion_checker_free(sb_assertion_checker *checker); /* NULL is fine */
SB_DEFINE_FREEP(sb_assertion_checker)

/* An assertion that is good, if it was not used before. */
typedef struct sb_assertion_good {
    sb_client *client; /* a reference */
    char *jti;
    int64_t dead_s; /* the wall clock's reading from which on nobody accepts it */
    /* Also when it was refused: it names a client who is to be told why. That may be a stranger's word.             */
    bool show_reason;
} sb_assertion_good;

#define SB_ASSERTION_GOOD_INIT                                                                                         \
    {                                                                                                                  \
        .client = NULL                                                                                                 \
    }
void sb_assertion_good_cleanup(sb_assertion_good *good);

/* `client_id`: the form's, empty when not sent. `claimed` (may be NULL) gets the client id the assertion names, proved
 * or not, for the log: "" when there is none. */
sb_refusal sb_assertion_check(const sb_assertion_checker *checker, sb_str assertion, sb_str client_id,
                              char claimed[SB_CLIENT_ID_MAX + 1], sb_assertion_good *out);

#endif

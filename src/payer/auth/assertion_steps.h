/* SPDX-License-Identifier: Apache-2.0 */
/* assertion_steps.h - the checks one by one, for assertion_check.c and assertion_explain.c alone: one list of steps, so
 * that what is explained is what is checked. */
#ifndef SB_PAYER_ASSERTION_STEPS_H
#define SB_PAYER_ASSERTION_STEPS_H

#include "jose/jws.h"
#include "payer/auth/assertion_explain.h"
#include "payer/auth/decoy.h"
#include "payer/auth/jwks_cache.h"

struct sb_assertion_checker {
    char *token_url, *issuer;
    char **algs;
    sb_clients *clients;
    sb_jwks_cache *keys; /* NULL: no key set is fetched */
    const sb_clock *clock;
    sb_decoy *decoy;
};

/* One check's material: each step leaves what later ones need. */
typedef struct sb_trial {
    const sb_assertion_checker *checker;
    sb_str assertion, client_id;
    const char *of_client; /* any other is as good as unknown; NULL: all are known */
    bool crit;
    sb_jws jws;
    const char *alg; /* of the allow-list */
    json_t *claims;
    sb_str iss; /* of the claims; valid as long as they are */
    sb_client *client;
    sb_keyset *keyset; /* holds the key, where the client registered a URL */
    const sb_key *key;
    sb_error key_err; /* why there is no keyset */
    int64_t now, exp;
    sb_str jti;
} sb_trial;

#define SB_TRIAL_INIT                                                                                                  \
    {                                                                                                                  \
        .checker = NULL                                                                                                \
    }
void sb_trial_begin(sb_trial *t, const sb_assertion_checker *checker, sb_str assertion, sb_str client_id);
void sb_trial_cleanup(sb_trial *t);

typedef struct sb_check_rule {
    const char *name, *title;
    uint32_t needs; /* bits of the checks without which it cannot be made */
    sb_refusal (*run)(sb_trial *t);
} sb_check_rule;

#define SB_CHECK_BIT(check) (UINT32_C(1) << (check))

extern const sb_check_rule sb_check_rules[SB_CHECK_COUNT]; /* in their order */

/* A string member as bytes; empty when it is missing or no string. */
sb_str sb_trial_text(const json_t *object, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* assertion_explain.h - each check of AUTH-06 on one assertion, passed or failed, with its reason in words: for the
 * engineer who asks why no token comes. The very checks of the token endpoint, in its order.
 *
 * Uses nothing up: the same assertion may still get a token. Tells what the token endpoint keeps to itself, so whoever
 * shows it names the client that the person asking owns. Any thread; may wait for a JWKS URL. */
#ifndef SB_PAYER_ASSERTION_EXPLAIN_H
#define SB_PAYER_ASSERTION_EXPLAIN_H

#include "payer/auth/assertion_check.h"

/* In the order of the checks. */
typedef enum sb_check {
    SB_CHECK_SIZE,
    SB_CHECK_FORM, /* three parts of base64url, a header that is a JSON object */
    SB_CHECK_CRIT,
    SB_CHECK_TYP,
    SB_CHECK_ALG,
    SB_CHECK_KID,
    SB_CHECK_CLAIMS, /* a JSON object */
    SB_CHECK_ISS,
    SB_CHECK_CLIENT_ID, /* the form's, if there is one */
    SB_CHECK_CLIENT,    /* is registered */
    SB_CHECK_STATE,     /* and neither pending nor suspended */
    SB_CHECK_PROFILE,   /* typ is the one of its profile */
    SB_CHECK_JKU,
    SB_CHECK_KEY,
    SB_CHECK_KEY_ALG,
    SB_CHECK_SIGNATURE,
    SB_CHECK_SUB,
    SB_CHECK_AUD,
    SB_CHECK_EXP,
    SB_CHECK_IAT,
    SB_CHECK_NBF,
    SB_CHECK_JTI,
    SB_CHECK_COUNT
} sb_check;

typedef enum sb_check_result {
    SB_CHECK_NOT_REACHED, /* what it needs has failed */
    SB_CHECK_PASSED,
    SB_CHECK_FAILED,
} sb_check_result;

#define SB_CHECK_DETAIL_SIZE 400 /* two lines of words, and a name of 255 bytes */

typedef struct sb_check_step {
    const char *name;  /* a constant word: "signature" */
    const char *title; /* a constant line for people: "The signature is good" */
    sb_check_result result;
    sb_refusal refusal;                /* of a failed one; else SB_REFUSAL_NONE */
    char detail[SB_CHECK_DETAIL_SIZE]; /* what was found, and what to do; text without control characters, but not
                                          escaped; "" when there is nothing to add */
} sb_check_step;

typedef struct sb_explanation {
    sb_check_step steps[SB_CHECK_COUNT];
    sb_refusal refusal; /* what the token endpoint would say and log; SB_REFUSAL_NONE: a token, if it was not used yet
                           and the scope is right */
} sb_explanation;

/* `client_id` is the form's, empty when not sent. `of_client`: whose assertions may be explained beyond what they say
 * of themselves; any other client is reported as unknown. NULL: everybody's (an administrator asks). */
void sb_assertion_explain(const sb_assertion_checker *checker, sb_str assertion, sb_str client_id,
                          const char *of_client, sb_explanation *out);

#endif

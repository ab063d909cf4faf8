/* SPDX-License-Identifier: Apache-2.0 */
/* keyset_review.h - a JWK Set looked at key by key: every problem named, not only the first, with what to do.
 *                                                                                                      KEY-01, KEY-02
 * Whether a set can be registered is sb_jwks_parse()'s to say, and that it is what says so; one of whose keys none may
 * sign here is of no use either. Any thread. */
#ifndef SB_PAYER_KEYSET_REVIEW_H
#define SB_PAYER_KEYSET_REVIEW_H

#include "jose/jwk.h"

typedef enum sb_review_mark { SB_REVIEW_GOOD, SB_REVIEW_WARN, SB_REVIEW_BAD } sb_review_mark;

#define SB_REVIEW_TITLE_SIZE 160
#define SB_REVIEW_TEXT_SIZE  640 /* four lines of words and a name */

typedef struct sb_review_line {
    sb_review_mark mark;
    char title[SB_REVIEW_TITLE_SIZE]; /* "Key 2: EC P-384 …"; may hold text of strangers, which is not escaped */
    char text[SB_REVIEW_TEXT_SIZE];   /* what is wrong, and what to do; "" */
} sb_review_line;

typedef struct sb_keyset_review {
    sb_review_line *lines;
    size_t count;
    bool usable; /* the set can be registered */
    bool leaked; /* it holds a private or a secret key: whatever becomes of it, do not show it again */
} sb_keyset_review;

#define SB_KEYSET_REVIEW_INIT                                                                                          \
    {                                                                                                                  \
        .lines = NULL                                                                                                  \
    }
void sb_keyset_review_cleanup(sb_keyset_review *review); /* safe to repeat */

/* Of what somebody pasted: a set, or one bare key, which counts as a set of one. `algs`: what the token endpoint
 * accepts, NULL-terminated. *jwks is the set when it is usable; else NULL. `out` is SB_KEYSET_REVIEW_INIT. SB_E_NOMEM
 * alone. */
sb_status sb_keyset_review_text(sb_str text, const char *const *algs, sb_keyset_review *out, sb_jwks **jwks,
                                sb_error *err);
/* Of a set that was read already; `passed_over` keys of it are none of ours. */
sb_status sb_keyset_review_set(const sb_jwks *set, size_t passed_over, const char *const *algs, sb_keyset_review *out,
                               sb_error *err);
/* One bad line, of an error that is fit to be shown: no set could be had. */
sb_status sb_keyset_review_error(const sb_error *why, sb_keyset_review *out, sb_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* oauth_error.h - a token endpoint's refusal, turned into what a person can do about it.
 *
 * Knows RFC 6749's error codes, what we sent, and what the payer advertises; makes no request. */
#ifndef SB_SMART_OAUTH_ERROR_H
#define SB_SMART_OAUTH_ERROR_H

#include "http/client.h"
#include "smart/discovery.h"

/* What was sent; all borrowed, all but token_url may be NULL. */
typedef struct sb_oauth_request {
    const char *token_url, *client_id;
    const char *audience, *scope;
    const char *kid, *alg, *jwks_url; /* of the assertion; kid NULL: none was sent (client_secret_basic) */
    unsigned lifetime_s;              /* of the assertion */
    int clock_skew_s;                 /* configured */
    const sb_discovery *discovery;
} sb_oauth_request;

/* Fill `err` for an answer that is not a token. SB_E_AUTH: we were refused (err->oauth_code, err->http_status);
 * SB_E_SERVER: the payer failed, or what answered is no token endpoint.                              TOK-04, AUTH-09 */
sb_status sb_oauth_error_explain(const sb_oauth_request *sent, const sb_http_response *answer, sb_error *err);

/* How many seconds our clock, as the assertion shows it, is ahead of the payer's (negative: behind). False when the
 * answer had no Date. */
bool sb_oauth_clock_ahead(const sb_oauth_request *sent, const sb_http_response *answer, int64_t *seconds);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* token_client.h - asks a payer for tokens: agreement, assertion, POST, answer, and the retries that are worth it.
 *
 * A provider (token.h). Knows nothing of who waits, of caches, or of what the token is for. */
#ifndef SB_SMART_TOKEN_CLIENT_H
#define SB_SMART_TOKEN_CLIENT_H

#include <smartbulk/clock.h>
#include <smartbulk/key.h>
#include <smartbulk/token.h>

#include "smart/agreement.h"

typedef enum sb_auth_method { SB_AUTH_PRIVATE_KEY_JWT, SB_AUTH_CLIENT_SECRET_BASIC, SB_AUTH_NONE } sb_auth_method;

/* Borrowed for the client's life, all of it. */
typedef struct sb_token_client_options {
    sb_transport transport;
    const sb_clock *clock;
    const atomic_bool *cancel;  /* NULL: none */
    const atomic_bool *closing; /* as cancel, for its owner's end; NULL: none */
    sb_auth_method method;
    const sb_key *key;              /* for private_key_jwt */
    const struct sb_secret *secret; /* for client_secret_basic */
    sb_agreement_wish wish;
    const char *jwks_url; /* registered; sent as jku; NULL: none */
    unsigned assertion_lifetime_s;
    int clock_skew_s;
} sb_token_client_options;

typedef struct sb_token_client sb_token_client;

sb_status sb_token_client_new(const sb_token_client_options *options, sb_token_client **out, sb_error *err);
void sb_token_client_free(sb_token_client *client);

/* The types that the default scope is to cover; borrowed for the client's life. Before the first fetch.       REAL-09
 */
void sb_token_client_want_types(sb_token_client *client, const char *const *types, size_t n);

/* The provider over `client`, which stays the caller's (its `free` is NULL). One fetch at a time. */
sb_token_provider sb_token_client_provider(sb_token_client *client);

/* What was agreed; NULL before the first discovery. Stays valid for the client's life. Any thread. */
const sb_agreement *sb_token_client_agreement(sb_token_client *client);

#endif

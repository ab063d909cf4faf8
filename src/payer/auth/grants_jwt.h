/* SPDX-License-Identifier: Apache-2.0 */
/* grants_jwt.h - access tokens that anybody can check who has the published keys: signed JWTs (RFC 9068), kept nowhere.
 *
 * Used assertions are kept as before, by the grants beneath, whose tokens go on being good: a change of format ends
 * nobody's. A token that is revoked is kept as revoked until it ends: all processes refuse it within SB_GRANT_STALE_S, this
 * one at once. Who checks signatures alone learns nothing of that: such a token ends with its exp. */
#ifndef SB_PAYER_GRANTS_JWT_H
#define SB_PAYER_GRANTS_JWT_H

#include "payer/auth/grant_cache.h"
#include "payer/auth/server_keys.h"

/* With "Authorization: Bearer " before it, what nginx takes as one line of a header. */
#define SB_SIGNED_TOKEN_MAX (8 * 1024 - 64)

typedef struct sb_grants_jwt_options {
    sb_grants *beneath;   /* of sb_grants_db(); taken over, also on failure */
    sb_server_keys *keys; /* borrowed, as is the rest; texts are copied */
    sb_pool *pool;
    sb_clients *clients;
    const sb_clock *clock;
    const char *issuer, *audience;
    unsigned lifetime_s; /* at most SB_SERVER_KEYS_TOKEN_S */
} sb_grants_jwt_options;

sb_status sb_grants_jwt(const sb_grants_jwt_options *options, sb_grants **out, sb_error *err);

#endif

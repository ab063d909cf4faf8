/* SPDX-License-Identifier: Apache-2.0 */
/* grants.h - access tokens as their issuer sees them: drawn, kept by digest, looked up, ended.      TOK-02, USE-06
 *
 * A token is 256 random bits and means nothing by itself; whoever reads this server's memory or disk finds digests. It
 * lives on the monotonic clock. Any thread. */
#ifndef SB_PAYER_GRANTS_H
#define SB_PAYER_GRANTS_H

#include <smartbulk/clock.h>

#include "payer/auth/client.h"

#define SB_ACCESS_TOKEN_SIZE 44 /* 256 bits in base64url, and a NUL */

/* What a token stands for. Constant and counted. */
typedef struct sb_grant {
    sb_client *client;
    sb_scopes scopes;
    int64_t expires_ns; /* on the monotonic clock */
    atomic_uint refs;
} sb_grant;

sb_grant *sb_grant_ref(sb_grant *grant);
void sb_grant_free(sb_grant *grant); /* lets go of one reference; NULL is fine */
SB_DEFINE_FREEP(sb_grant)

typedef struct sb_grants sb_grants;

/* At most `max` live tokens; `clock` is borrowed. */
sb_status sb_grants_new(const sb_clock *clock, unsigned lifetime_s, size_t max, sb_grants **out, sb_error *err);
void sb_grants_free(sb_grants *grants); /* NULL is fine */
SB_DEFINE_FREEP(sb_grants)

unsigned sb_grants_lifetime_s(const sb_grants *grants);

/* A new token for this client; takes `scopes` over when it succeeds. The caller wipes `token`. SB_E_BUSY: there are as
 * many live tokens as there may be. */
sb_status sb_grants_issue(sb_grants *grants, sb_client *client, sb_scopes *scopes, char token[SB_ACCESS_TOKEN_SIZE],
                          sb_error *err);
/* What a live token stands for, as a reference; NULL: unknown, expired or revoked, all the same. */
sb_grant *sb_grants_find(sb_grants *grants, sb_str token);
size_t sb_grants_revoke_all(sb_grants *grants);

#endif

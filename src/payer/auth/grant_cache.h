/* SPDX-License-Identifier: Apache-2.0 */
/* grant_cache.h - what tokens stand for that were looked up lately, so that a token which is used often costs the database
 * little. What is in it is believed for SB_GRANT_STALE_S: so long may a revocation at another process take to be seen
 * here; one at this process is seen at once. Bounded: when it is full it forgets. Any thread. */
#ifndef SB_PAYER_GRANT_CACHE_H
#define SB_PAYER_GRANT_CACHE_H

#include "payer/auth/grants.h"

#define SB_GRANT_STALE_S 2

typedef struct sb_grant_cache sb_grant_cache;

sb_status sb_grant_cache_new(const sb_clock *clock, sb_grant_cache **out, sb_error *err); /* `clock` is borrowed */
void sb_grant_cache_free(sb_grant_cache *cache);                                          /* NULL is fine */

/* A reference, or NULL. Who then looks the token up gives `drops` back to sb_grant_cache_put(). */
sb_grant *sb_grant_cache_get(sb_grant_cache *cache, const sb_digest *token, uint64_t *drops);
/* Takes a reference of its own. Does nothing when something was dropped since: what was read may be dead. */
void sb_grant_cache_put(sb_grant_cache *cache, const sb_digest *token, sb_grant *grant, uint64_t drops);
void sb_grant_cache_drop(sb_grant_cache *cache, const sb_digest *token); /* NULL: all */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* token_internal.h - what a token source may know of a token beyond token.h: its lifetime, and how to spread references
 * to it over many counters, so that cores that all use one token do not fight for one cache line. */
#ifndef SB_SMART_TOKEN_INTERNAL_H
#define SB_SMART_TOKEN_INTERNAL_H

#include <smartbulk/token.h>

#include "base/defs.h"

#define SB_CACHE_LINE   64 /* bytes; x86-64 and most arm64. A larger line costs speed, not correctness */
#define SB_TOKEN_SHARDS 32 /* counters a token: twice the 16 threads that a large export uses; 2 KB a token */

/* No provider takes longer for one token, all its tries together: a run that waits for another's waits so long. */
#define SB_TOKEN_FETCH_MAX_S 600

static inline void sb_token_freep(sb_token **token)
{
    sb_token_release(*token);
    *token = NULL;
}

/* A new reference to the same token, counted by counter `shard` (below SB_TOKEN_SHARDS). The caller holds a reference.
 */
sb_token *sb_token_ref_shard(sb_token *token, unsigned shard);

int64_t sb_token_lifetime_ns(const sb_token *token);

/* Are these the same text? Takes as long for any difference. */
bool sb_token_same(const sb_token *a, const sb_token *b);

#endif

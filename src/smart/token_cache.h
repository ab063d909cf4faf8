/* SPDX-License-Identifier: Apache-2.0 */
/* token_cache.h - separate runs share a token: a provider around a provider, with a file between processes.
 *
 * The file is 0600, in $XDG_RUNTIME_DIR/smartbulk or the state folder, one for each payer, client, key and scope; what
 * is open to others is not believed. A lock is held during a fetch, so that runs that start together make one request.
 * A cache that cannot be used is no failure: the token is fetched. Knows nothing of HTTP. */
#ifndef SB_SMART_TOKEN_CACHE_H
#define SB_SMART_TOKEN_CACHE_H

#include <stdatomic.h>

#include <smartbulk/clock.h>
#include <smartbulk/token.h>

#include "base/buf.h"

typedef struct sb_token_cache sb_token_cache;

typedef struct sb_token_cache_options {
    const char *dir;            /* made 0700 when missing; copied */
    const char *const *key;     /* NULL-terminated: what must be equal for a token to be shared; read in new() */
    const sb_clock *clock;      /* borrowed */
    const atomic_bool *cancel;  /* borrowed; NULL: none */
    const atomic_bool *closing; /* the same */
} sb_token_cache_options;

/* `inner` is asked when the file has no fresh token; its `free` is called with the cache's. */
sb_status sb_token_cache_new(const sb_token_cache_options *options, sb_token_provider inner, sb_token_cache **out,
                             sb_error *err);
void sb_token_cache_free(sb_token_cache *cache);
/* Its `free` is NULL: the cache stays the caller's. */
sb_token_provider sb_token_cache_provider(sb_token_cache *cache);

/* The payer refused this token: take it out of the file, if it is there. Any thread.                          USE-04 */
void sb_token_cache_reject(sb_token_cache *cache, const sb_token *refused);

#endif

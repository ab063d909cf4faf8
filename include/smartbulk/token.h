/* SPDX-License-Identifier: Apache-2.0 */
/* token.h - access tokens, and the source that always has a fresh one.
 *
 * The source hands out the current token without a system call; it asks its provider for a new one before the old
 * expires. Safe from any number of threads: however many wait, one request is made. It knows nothing of HTTP, FHIR or
 * exports: providers and clocks are injected. */
#ifndef SMARTBULK_TOKEN_H
#define SMARTBULK_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include <smartbulk/clock.h>
#include <smartbulk/error.h>

/* An access token: immutable, reference-counted, wiped when the last reference goes. Any thread. */
typedef struct sb_token sb_token;

/* A token that was granted at `requested_ns` (monotonic, the moment the request was sent) for `lifetime_s` seconds.
 * `scope` is what was granted, NULL when the answer did not say (RFC 6749 §5.1: as asked). Copies its arguments.
 * SB_E_INVALID for an empty text or one with characters outside RFC 6750 §2.1's b64token.                     TOK-03 */
SB_PUBLIC sb_status sb_token_new(const char *text, size_t len, int64_t requested_ns, unsigned lifetime_s,
                                 const char *scope, sb_token **out, sb_error *err);
SB_PUBLIC sb_token *sb_token_ref(sb_token *token);
SB_PUBLIC void sb_token_release(sb_token *token); /* NULL is fine */

/* Borrowed, NUL-terminated; valid as long as the reference is held. Never log it. */
SB_PUBLIC const char *sb_token_text(const sb_token *token);
SB_PUBLIC const char *sb_token_scope(const sb_token *token); /* NULL: as asked */
SB_PUBLIC int64_t sb_token_requested_ns(const sb_token *token);
SB_PUBLIC int64_t sb_token_expires_ns(const sb_token *token); /* on the same monotonic clock */

/* Where tokens come from. `fetch` blocks until it has an answer; it is called by one thread at a time per source and
 * `renewal` tells that this source has had tokens before (REAL-10). `free` may be NULL. */
typedef struct sb_token_provider {
    void *impl;
    sb_status (*fetch)(void *impl, bool renewal, sb_token **out, sb_error *err);
    void (*free)(void *impl);
} sb_token_provider;

typedef struct sb_token_source sb_token_source;

/* Takes the provider over (frees it with the source, and at once on failure). `clock` is borrowed for the source's
 * life. Starts no thread and makes no request before the first sb_token_source_get(). */
SB_PUBLIC sb_status sb_token_source_new(sb_token_provider provider, const sb_clock *clock, sb_token_source **out,
                                        sb_error *err);
/* Waits for a renewal under way. No other thread may be using the source. NULL is fine. */
SB_PUBLIC void sb_token_source_free(sb_token_source *source);

/* Get a token that is valid for at least `min_left_s` seconds.
 *
 * Blocks only when there is none: at the start, or when the payer could not be reached for longer than the last token
 * lived. Renewal happens in the background from 75 % of the lifetime, with jitter. `*out` is a reference: give it back
 * with sb_token_release(). A lifetime shorter than `min_left_s` is no error: the freshest token is handed out.
 * Returns SB_OK; SB_E_AUTH if the payer refuses us (err->http_status and err->oauth_code are set; asking again will not
 * help); SB_E_NETWORK or SB_E_SERVER if it could not be had.                                          TOK-01, USE-04 */
SB_PUBLIC sb_status sb_token_source_get(sb_token_source *source, unsigned min_left_s, sb_token **out, sb_error *err);

/* The payer answered 401 to this very token: never hand it out again. Newer tokens are untouched.            USE-04 */
SB_PUBLIC void sb_token_source_reject(sb_token_source *source, const sb_token *refused);

/* How often the provider was asked successfully, the first time included: what the display calls renewals is one less.
 */
SB_PUBLIC uint64_t sb_token_source_fetches(const sb_token_source *source);

#endif

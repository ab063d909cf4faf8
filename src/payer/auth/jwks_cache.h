/* SPDX-License-Identifier: Apache-2.0 */
/* jwks_cache.h - key sets that clients registered by URL: fetched when they are needed, kept as long as their server says
 * and we allow, fetched again before that ends and once more for a kid that is not known yet.                AUTH-08
 *
 * No fetch is made under a lock. Of many who need one URL at once, one fetches; the others have the set that was there
 * before, if it has their key, or are told to come back. How many may fetch at all is bounded, for they hold up threads of
 * the server. A stranger who makes us fetch a client's set again and
 * again (which he may do once in SB_JWKS_AGAIN_S) keeps it fresh, and locks nobody out. Any thread. */
#ifndef SB_PAYER_JWKS_CACHE_H
#define SB_PAYER_JWKS_CACHE_H

#include <stdatomic.h>

#include <smartbulk/clock.h>

#include "jose/jwk.h"

#define SB_JWKS_FRESH_MIN_S     60   /* however short its server says: one fetch a minute is enough for anybody */
#define SB_JWKS_FRESH_DEFAULT_S 300  /* when it says nothing */
#define SB_JWKS_FRESH_MAX_S     3600 /* however long: a key that was withdrawn is good for an hour at most */
#define SB_JWKS_STALE_S         3600 /* so much longer when its server cannot be reached */
#define SB_JWKS_AGAIN_S         30   /* between two fetches of one URL, for an unknown kid or after a failure */
#define SB_JWKS_CACHE_MAX       1000 /* sets of at most 100 keys; beyond, the one that was not used for longest goes */

/* A set as it was fetched. Constant and counted. */
typedef struct sb_keyset {
    sb_jwks *jwks;
    size_t passed_over; /* keys in it that are none of ours */
    atomic_uint refs;
} sb_keyset;

void sb_keyset_free(sb_keyset *set); /* lets go of one reference; NULL is fine */
SB_DEFINE_FREEP(sb_keyset)

/* What a fetch brought. */
typedef struct sb_jwks_answer {
    sb_buf body;
    bool has_max_age;
    unsigned max_age_s; /* what is left of it */
} sb_jwks_answer;

/* How to fetch: borrowed. Bounded in time by itself. */
typedef struct sb_jwks_fetcher {
    void *impl;
    sb_status (*fetch)(void *impl, const char *url, sb_jwks_answer *out, sb_error *err);
} sb_jwks_fetcher;

typedef struct sb_jwks_cache sb_jwks_cache;

/* `clock` is borrowed. At most `waiting_max` callers fetch at once, each another URL. Has a thread of its own. */
sb_status sb_jwks_cache_new(const sb_jwks_fetcher *fetcher, const sb_clock *clock, unsigned waiting_max,
                            sb_jwks_cache **out, sb_error *err);
void sb_jwks_cache_free(sb_jwks_cache *cache); /* NULL is fine */
SB_DEFINE_FREEP(sb_jwks_cache)

/* The set of this URL, fetched again (within the limit) when it is too old or has no key `kid`; that it has one then is
 * for the caller to see. SB_E_BUSY: it is being fetched, or too many are. Else the error of the fetch, or SB_E_INVALID: what is there is no
 * usable set; `err` says what is wrong with it, for the client's engineer. */
sb_status sb_jwks_cache_find(sb_jwks_cache *cache, const char *url, sb_str kid, sb_keyset **out, sb_error *err);
/* Fetch it now, unless that was just done: who registers learns on the spot what is wrong. As above. */
sb_status sb_jwks_cache_check(sb_jwks_cache *cache, const char *url, sb_keyset **out, sb_error *err);

#endif

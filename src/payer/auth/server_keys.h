/* SPDX-License-Identifier: Apache-2.0 */
/* server_keys.h - the keys that sign this server's access tokens: made, published, used and put away by themselves.
 *
 *   published ──(a day; an hour at least)──► signs ──(sign_days)──► signs no more ──(the last token ends)──► gone
 *
 * The first key signs at once: nobody knows an older set. Kept in the payer's database, private halves sealed by a secret
 * that is not in it; a row that somebody changed or put there is not believed. Processes of one database share the keys:
 * one makes the next, the others take it. A row that is deleted takes its tokens' lives within SB_SERVER_KEYS_STALE_S:
 * for a key that leaked. Any thread.                                                              RFC 9068, RFC 7517 */
#ifndef SB_PAYER_SERVER_KEYS_H
#define SB_PAYER_SERVER_KEYS_H

#include <smartbulk/clock.h>

#include "jose/jwk.h"
#include "store/pool.h"

#define SB_SERVER_KEYS_ALG       "ES256"
#define SB_SERVER_KEYS_STALE_S   60   /* so old may be what is held in memory */
#define SB_SERVER_KEYS_MAX_AGE_S 900  /* so long may others keep the published set: less than it is there before use */
#define SB_SERVER_KEYS_TOKEN_S   3600 /* no token that is signed lives longer */

typedef struct sb_server_keys sb_server_keys;

typedef struct sb_server_keys_options {
    sb_pool *pool; /* of sb_payer_pool(); borrowed, as is the next */
    const sb_clock *clock;
    sb_str secret; /* that seals: at least SB_SEALING_SECRET_MIN random characters, at all processes the same; copied */
    unsigned sign_days; /* how long a key signs; at least 1 */
} sb_server_keys_options;

/* Reads the keys, and makes the first when there is none. SB_E_USAGE: those that are there were sealed by another secret;
 * else as sb_lease_take(). */
sb_status sb_server_keys_new(const sb_server_keys_options *options, sb_server_keys **out, sb_error *err);
void sb_server_keys_free(sb_server_keys *keys); /* NULL is fine */
SB_DEFINE_FREEP(sb_server_keys)

/* The keys of one moment. Constant and counted. */
typedef struct sb_server_keyset sb_server_keyset;

/* As they are now, as a reference; never NULL. Reads them again, and makes the next, when that is due. When the database
 * cannot be asked, what was read last holds. */
sb_server_keyset *sb_server_keys_take(sb_server_keys *keys);
void sb_server_keyset_free(sb_server_keyset *set); /* lets go of one reference; NULL is fine */
SB_DEFINE_FREEP(sb_server_keyset)

/* Borrowed of the set. NULL: none signs now. */
const sb_key *sb_server_keyset_signer(const sb_server_keyset *set, int64_t now_s);
/* As JSON: public halves, all that are published now. */
const char *sb_server_keyset_json(const sb_server_keyset *set);

/* The published key of that name, with the set that holds it as a reference; both NULL: there is none. SB_E_BUSY: that
 * cannot be known now. A name that is not known has the keys read again, once a second at most. */
sb_status sb_server_keys_find(sb_server_keys *keys, sb_str kid, sb_server_keyset **set, const sb_key **key,
                              sb_error *err);

#endif

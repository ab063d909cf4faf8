/* SPDX-License-Identifier: Apache-2.0 */
/* portal_store.h - what the portal keeps in the payer's database: one-time links, the sessions they open, and whose the
 * clients are that people registered.
 *
 * A link and a session are known by 256 random bits, of which the digest alone is kept: who reads the database can use
 * neither. Nothing else is remembered of a person. Any thread, any process of the database. */
#ifndef SB_PAYER_PORTAL_STORE_H
#define SB_PAYER_PORTAL_STORE_H

#include <smartbulk/clock.h>

#include "payer/auth/client.h"
#include "store/pool.h"

#define SB_PORTAL_SECRET_SIZE 44  /* 256 bits in base64url, and a NUL */
#define SB_PORTAL_WHO_MAX     254 /* bytes: an e-mail address has no more */
#define SB_PORTAL_SESSION_S   (8 * 3600)
#define SB_PORTAL_LINK_MAX_S  (7 * 24 * 3600)

typedef enum sb_portal_role { SB_PORTAL_PARTNER, SB_PORTAL_ADMINISTRATOR } sb_portal_role;

/* Somebody who is let in. */
typedef struct sb_portal_person {
    sb_portal_role role;
    char who[SB_PORTAL_WHO_MAX + 1];
} sb_portal_person;

/* "administrator", "partner". */
const char *sb_portal_role_name(sb_portal_role role);
/* SB_E_USAGE: `who` is empty, too long or has control characters. */
sb_status sb_portal_person_set(sb_portal_person *person, sb_portal_role role, sb_str who, sb_error *err);

typedef struct sb_portal_store sb_portal_store;

/* Both are borrowed. */
sb_status sb_portal_store_new(sb_pool *pool, const sb_clock *clock, sb_portal_store **out, sb_error *err);
void sb_portal_store_free(sb_portal_store *store); /* NULL is fine */
SB_DEFINE_FREEP(sb_portal_store)

/* A link that is good once, for so many seconds. */
sb_status sb_portal_link_new(sb_portal_store *store, const sb_portal_person *person, int64_t seconds,
                             char secret[SB_PORTAL_SECRET_SIZE], sb_error *err);
/* Is it good? Uses nothing up. SB_E_NOT_FOUND: unknown, used or ended, which are all the same. */
sb_status sb_portal_link_look(sb_portal_store *store, sb_str secret, sb_portal_person *out, sb_error *err);
/* Of two who use it at once, one gets in. SB_E_NOT_FOUND as above. */
sb_status sb_portal_link_use(sb_portal_store *store, sb_str secret, sb_portal_person *out, sb_error *err);

/* The oldest session of a person ends when there are too many. */
sb_status sb_portal_session_new(sb_portal_store *store, const sb_portal_person *person,
                                char secret[SB_PORTAL_SECRET_SIZE], sb_error *err);
sb_status sb_portal_session_find(sb_portal_store *store, sb_str secret, sb_portal_person *out, sb_error *err);
sb_status sb_portal_session_end(sb_portal_store *store, sb_str secret, sb_error *err); /* none is fine */

/* Every link and session of a person ends. */
sb_status sb_portal_revoke(sb_portal_store *store, const char *who, size_t *ended, sb_error *err);

/* This very client (another one of that id, made later, is not meant) belongs to them. */
sb_status sb_portal_own(sb_portal_store *store, const char *who, const sb_client *client, sb_error *err);
sb_status sb_portal_owns(sb_portal_store *store, const char *who, const sb_client *client, bool *out, sb_error *err);

/* Whose it is; "": nobody's of the portal. */
sb_status sb_portal_owner_of(sb_portal_store *store, const sb_client *client, char who[SB_PORTAL_WHO_MAX + 1],
                             sb_error *err);

/* What belongs to somebody, in the order of the ids. A client may have been removed since, or be another one by now:
 * created_s tells. */
typedef struct sb_portal_owned {
    struct {
        char *client_id;
        int64_t created_s;
    } * items;
    size_t count;
} sb_portal_owned;

#define SB_PORTAL_OWNED_MAX 500 /* one person's clients: more is a mistake, and does not fit a page */
#define SB_PORTAL_OWNED_INIT                                                                                           \
    {                                                                                                                  \
        NULL, 0                                                                                                        \
    }
void sb_portal_owned_cleanup(sb_portal_owned *owned); /* safe to repeat */
/* `out` is SB_PORTAL_OWNED_INIT. */
sb_status sb_portal_owned_of(sb_portal_store *store, const char *who, sb_portal_owned *out, sb_error *err);

#endif

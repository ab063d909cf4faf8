/* SPDX-License-Identifier: Apache-2.0 */
/* portal_store.c - tables portal_links, portal_sessions, portal_clients. What has ended is taken out when something new
 * comes in, so that the tables are as large as what lives. */
#include "payer/portal/portal_store.h"

#include <stdio.h>

#include "base/random.h"
#include "base/secret.h"
#include "jose/base64url.h"

#define SECRET_BYTES    32 /* SB_PORTAL_SECRET_SIZE - 1 characters */
#define SESSIONS_OF_ONE 20 /* of one person: browsers on some machines, each forgotten for a day */

struct sb_portal_store {
    sb_pool *pool;
    const sb_clock *clock;
};

const char *sb_portal_role_name(sb_portal_role role)
{
    return role == SB_PORTAL_ADMINISTRATOR ? "administrator" : "partner";
}

sb_status sb_portal_person_set(sb_portal_person *person, sb_portal_role role, sb_str who, sb_error *err)
{
    if (who.len == 0 || who.len > SB_PORTAL_WHO_MAX || !sb_str_is_text(who) || memchr(who.ptr, '\0', who.len))
        return sb_error_set(err, SB_E_USAGE, "this is nobody's name",
                            "name a person by an e-mail address or a user name of at most 254 bytes",
                            "it is empty, too long, or has control characters");
    person->role = role;
    memcpy(person->who, who.ptr, who.len);
    person->who[who.len] = '\0';
    return SB_OK;
}

sb_status sb_portal_store_new(sb_pool *pool, const sb_clock *clock, sb_portal_store **out, sb_error *err)
{
    sb_portal_store *store = calloc(1, sizeof(*store));
    if (!store)
        return sb_error_nomem(err);
    *store = (sb_portal_store){pool, clock};
    *out = store;
    return SB_OK;
}

void sb_portal_store_free(sb_portal_store *store)
{
    free(store);
}

static int64_t now_of(const sb_portal_store *store)
{
    return store->clock->wall_s(store->clock->impl);
}

static void draw(char secret[SB_PORTAL_SECRET_SIZE])
{
    unsigned char bytes[SECRET_BYTES];
    sb_random_bytes(bytes, sizeof(bytes));
    sb_base64url_encode_to(bytes, sizeof(bytes), secret);
    secret[SB_PORTAL_SECRET_SIZE - 1] = '\0';
    sb_wipe(bytes, sizeof(bytes));
}

static void bind_digest(sb_stmt *stmt, int index, const sb_digest *digest)
{
    sb_stmt_bind_blob(stmt, index, (sb_str){(const char *)digest->bytes, sizeof(digest->bytes)});
}

/* Both tables are alike: what has ended goes, the new one comes. */
static sb_status insert(sb_db *db, const char *sweep, const char *add, const sb_portal_person *person, sb_str secret,
                        int64_t now, int64_t seconds, sb_error *err)
{
    sb_stmt *stmt;
    sb_digest digest = sb_digest_of(secret);
    SB_TRY(sb_db_cached(db, sweep, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, now);
    SB_TRY(sb_stmt_run(stmt, err));
    SB_TRY(sb_db_cached(db, add, &stmt, err));
    bind_digest(stmt, 1, &digest);
    sb_stmt_bind_cstr(stmt, 2, sb_portal_role_name(person->role));
    sb_stmt_bind_cstr(stmt, 3, person->who);
    sb_stmt_bind_i64(stmt, 4, now + seconds);
    return sb_stmt_run(stmt, err);
}

/* `sql` selects role and who by digest and time. */
static sb_status find(sb_portal_store *store, const char *sql, sb_str secret, sb_portal_person *out, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt;
    bool row = false;
    sb_digest digest = sb_digest_of(secret);
    SB_TRY(sb_lease_take(&lease, store->pool, err));
    SB_TRY(sb_db_cached(lease.db, sql, &stmt, err));
    bind_digest(stmt, 1, &digest);
    sb_stmt_bind_i64(stmt, 2, now_of(store));
    SB_TRY(sb_stmt_step(stmt, &row, err));
    if (!row)
        return sb_error_set(err, SB_E_NOT_FOUND, "this lets nobody in", "ask for a new link",
                            "it is unknown, was used, or has ended");
    bool administrator = sb_str_eq(sb_stmt_str(stmt, 0), SB_STR_LIT("administrator"));
    sb_status status = sb_portal_person_set(out, administrator ? SB_PORTAL_ADMINISTRATOR : SB_PORTAL_PARTNER,
                                            sb_stmt_str(stmt, 1), err);
    if (status != SB_OK) {
        sb_stmt_reset(stmt);
        return status;
    }
    return sb_stmt_run(stmt, err); /* to its end: a deletion is done then */
}

/* Links */

sb_status sb_portal_link_new(sb_portal_store *store, const sb_portal_person *person, int64_t seconds,
                             char secret[SB_PORTAL_SECRET_SIZE], sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    SB_TRY(sb_lease_take(&lease, store->pool, err));
    SB_TRY(sb_tx_begin(&tx, lease.db, err));
    draw(secret);
    SB_TRY(insert(lease.db, "DELETE FROM portal_links WHERE expires_s <= ?1",
                  "INSERT INTO portal_links (digest, role, who, expires_s) VALUES (?1, ?2, ?3, ?4)", person,
                  sb_str_from(secret), now_of(store), SB_MIN(seconds, SB_PORTAL_LINK_MAX_S), err));
    return sb_tx_commit(&tx, err);
}

sb_status sb_portal_link_look(sb_portal_store *store, sb_str secret, sb_portal_person *out, sb_error *err)
{
    return find(store, "SELECT role, who FROM portal_links WHERE digest = ?1 AND expires_s > ?2", secret, out, err);
}

sb_status sb_portal_link_use(sb_portal_store *store, sb_str secret, sb_portal_person *out, sb_error *err)
{
    return find(store, "DELETE FROM portal_links WHERE digest = ?1 AND expires_s > ?2 RETURNING role, who", secret, out,
                err);
}

/* Sessions */

static sb_status end_oldest(sb_db *db, const char *who, sb_error *err)
{
    sb_stmt *stmt;
    SB_TRY(sb_db_cached(db,
                        "DELETE FROM portal_sessions WHERE who = ?1 AND digest NOT IN (SELECT digest FROM"
                        " portal_sessions WHERE who = ?2 ORDER BY expires_s DESC, digest LIMIT ?3)",
                        &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, who);
    sb_stmt_bind_cstr(stmt, 2, who);
    sb_stmt_bind_i64(stmt, 3, SESSIONS_OF_ONE - 1);
    return sb_stmt_run(stmt, err);
}

sb_status sb_portal_session_new(sb_portal_store *store, const sb_portal_person *person,
                                char secret[SB_PORTAL_SECRET_SIZE], sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    SB_TRY(sb_lease_take(&lease, store->pool, err));
    SB_TRY(sb_tx_begin(&tx, lease.db, err));
    SB_TRY(end_oldest(lease.db, person->who, err));
    draw(secret);
    SB_TRY(insert(lease.db, "DELETE FROM portal_sessions WHERE expires_s <= ?1",
                  "INSERT INTO portal_sessions (digest, role, who, expires_s) VALUES (?1, ?2, ?3, ?4)", person,
                  sb_str_from(secret), now_of(store), SB_PORTAL_SESSION_S, err));
    return sb_tx_commit(&tx, err);
}

sb_status sb_portal_session_find(sb_portal_store *store, sb_str secret, sb_portal_person *out, sb_error *err)
{
    return find(store, "SELECT role, who FROM portal_sessions WHERE digest = ?1 AND expires_s > ?2", secret, out, err);
}

sb_status sb_portal_session_end(sb_portal_store *store, sb_str secret, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt;
    sb_digest digest = sb_digest_of(secret);
    SB_TRY(sb_lease_take(&lease, store->pool, err));
    SB_TRY(sb_db_cached(lease.db, "DELETE FROM portal_sessions WHERE digest = ?1", &stmt, err));
    bind_digest(stmt, 1, &digest);
    return sb_stmt_run(stmt, err);
}

sb_status sb_portal_revoke(sb_portal_store *store, const char *who, size_t *ended, sb_error *err)
{
    static const char *const tables[] = {"DELETE FROM portal_links WHERE who = ?1",
                                         "DELETE FROM portal_sessions WHERE who = ?1"};
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    *ended = 0;
    SB_TRY(sb_lease_take(&lease, store->pool, err));
    for (size_t i = 0; i < SB_ARRAY_LEN(tables); i++) {
        sb_stmt *stmt;
        SB_TRY(sb_db_cached(lease.db, tables[i], &stmt, err));
        sb_stmt_bind_cstr(stmt, 1, who);
        SB_TRY(sb_stmt_run(stmt, err));
        *ended += (size_t)sb_db_changes(lease.db);
    }
    return SB_OK;
}

/* Whose clients are */

sb_status sb_portal_own(sb_portal_store *store, const char *who, const sb_client *client, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt;
    SB_TRY(sb_lease_take(&lease, store->pool, err));
    SB_TRY(sb_db_cached(lease.db,
                        "INSERT INTO portal_clients (client_id, who, created_s) VALUES (?1, ?2, ?3)"
                        " ON CONFLICT (client_id) DO UPDATE SET who = excluded.who, created_s = excluded.created_s",
                        &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, client->id);
    sb_stmt_bind_cstr(stmt, 2, who);
    sb_stmt_bind_i64(stmt, 3, client->created_s);
    return sb_stmt_run(stmt, err);
}

sb_status sb_portal_owns(sb_portal_store *store, const char *who, const sb_client *client, bool *out, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt;
    *out = false;
    SB_TRY(sb_lease_take(&lease, store->pool, err));
    SB_TRY(sb_db_cached(lease.db, "SELECT 1 FROM portal_clients WHERE client_id = ?1 AND who = ?2 AND created_s = ?3",
                        &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, client->id);
    sb_stmt_bind_cstr(stmt, 2, who);
    sb_stmt_bind_i64(stmt, 3, client->created_s);
    SB_TRY(sb_stmt_step(stmt, out, err));
    sb_stmt_reset(stmt);
    return SB_OK;
}

sb_status sb_portal_owner_of(sb_portal_store *store, const sb_client *client, char who[SB_PORTAL_WHO_MAX + 1],
                             sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt;
    bool found = false;
    SB_TRY(sb_lease_take(&lease, store->pool, err));
    SB_TRY(
        sb_db_cached(lease.db, "SELECT who FROM portal_clients WHERE client_id = ?1 AND created_s = ?2", &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, client->id);
    sb_stmt_bind_i64(stmt, 2, client->created_s);
    SB_TRY(sb_stmt_step(stmt, &found, err));
    (void)snprintf(who, SB_PORTAL_WHO_MAX + 1, "%s", found ? sb_stmt_str(stmt, 0).ptr : "");
    sb_stmt_reset(stmt);
    return SB_OK;
}

void sb_portal_owned_cleanup(sb_portal_owned *owned)
{
    for (size_t i = 0; i < owned->count; i++)
        free(owned->items[i].client_id);
    free(owned->items);
    *owned = (sb_portal_owned)SB_PORTAL_OWNED_INIT;
}

static sb_status take_owned(sb_stmt *stmt, sb_portal_owned *out, sb_error *err)
{
    bool row = false;
    SB_TRY(sb_stmt_step(stmt, &row, err));
    while (row) {
        char *id = sb_str_dup(sb_stmt_str(stmt, 0));
        if (!id)
            return sb_error_nomem(err);
        out->items[out->count].client_id = id;
        out->items[out->count++].created_s = sb_stmt_i64(stmt, 1);
        SB_TRY(sb_stmt_step(stmt, &row, err));
    }
    return SB_OK;
}

sb_status sb_portal_owned_of(sb_portal_store *store, const char *who, sb_portal_owned *out, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt;
    out->items = calloc(SB_PORTAL_OWNED_MAX, sizeof(*out->items));
    if (!out->items)
        return sb_error_nomem(err);
    SB_TRY(sb_lease_take(&lease, store->pool, err));
    SB_TRY(sb_db_cached(lease.db,
                        "SELECT client_id, created_s FROM portal_clients WHERE who = ?1 ORDER BY client_id LIMIT ?2",
                        &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, who);
    sb_stmt_bind_i64(stmt, 2, SB_PORTAL_OWNED_MAX);
    sb_status status = take_owned(stmt, out, err);
    sb_stmt_reset(stmt);
    return status;
}

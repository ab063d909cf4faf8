/* SPDX-License-Identifier: Apache-2.0 */
/* server_keys_table.c - rows as keys, and the next one. Whether it is time for it is a matter of the rows and the clock
 * alone, so that every process comes to the same answer; of several that write it at once, one gets the serial, and the
 * others read it. */
#include "base/log.h"
#include "jose/sealed_key.h"
#include "payer/auth/server_keys_internal.h"

#define AHEAD_S        SB_SERVER_KEYS_DAY_S /* a key is published so long before it signs, if somebody is there to do it */
#define AHEAD_MIN_S    3600                 /* and if not, at least so long: four times what a verifier may cache */
#define OVERLAP_S      SB_SERVER_KEYS_DAY_S /* its predecessor may sign in its place, until it may */
#define CLOCKS_S       60                   /* so far may clocks be apart: processes' and verifiers' */
#define ATTEMPTS       3 /* at the next key: a second process may have been first, a third is a fault */
#define ABOUT_SIZE_MAX 512

_Static_assert(SB_SERVER_KEYS_MAX_AGE_S < AHEAD_MIN_S, "who caches the set has the key when it signs");

static int64_t now_s(const sb_server_keys_table *t)
{
    return t->clock->wall_s(t->clock->impl);
}

/* What a sealed key is bound to: its row. A row that somebody changed opens no more. */
static bool describe(const sb_server_key *row, const char *kid, const char *alg, char out[ABOUT_SIZE_MAX])
{
    int len = snprintf(out, ABOUT_SIZE_MAX, "%lld %s %s %lld %lld %lld %lld", (long long)row->serial, kid, alg,
                       (long long)row->published_s, (long long)row->signs_from_s, (long long)row->signs_until_s,
                       (long long)row->ends_s);
    return len > 0 && len < ABOUT_SIZE_MAX;
}

/* Reading */

static sb_status not_ours(sb_str kid, sb_error *err)
{
    return sb_error_set(err, SB_E_USAGE, "the keys that sign access tokens cannot be used",
                        "key %.*s of the database was sealed by another secret, or changed",
                        "give all processes the same auth.token_key_file; when that secret is lost, stop them all and "
                        "empty the table server_keys: tokens that are out end with it",
                        (int)SB_MIN(kid.len, (size_t)64), kid.ptr ? kid.ptr : "");
}

static sb_status read_row(const sb_server_keys_table *t, sb_stmt *stmt, sb_server_key *out, sb_error *err)
{
    sb_server_key row = {.serial = sb_stmt_i64(stmt, 0),
                         .published_s = sb_stmt_i64(stmt, 4),
                         .signs_from_s = sb_stmt_i64(stmt, 5),
                         .signs_until_s = sb_stmt_i64(stmt, 6),
                         .ends_s = sb_stmt_i64(stmt, 7)};
    sb_str kid = sb_stmt_str(stmt, 1), alg = sb_stmt_str(stmt, 2);
    char about[ABOUT_SIZE_MAX];
    if (!kid.ptr || !alg.ptr || strcmp(alg.ptr, SB_SERVER_KEYS_ALG) != 0 || !describe(&row, kid.ptr, alg.ptr, about) ||
        sb_key_unseal(sb_stmt_str(stmt, 3), t->secret, sb_str_from(about), alg.ptr, &row.key, NULL) != SB_OK)
        return not_ours(kid, err);
    *out = row;
    return SB_OK;
}

static sb_status read_rows(const sb_server_keys_table *t, sb_db *db, sb_server_keyset *set, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool row;
    SB_TRY(sb_db_cached(db,
                        "SELECT serial, kid, alg, sealed, published_s, signs_from_s, signs_until_s, ends_s"
                        " FROM server_keys WHERE ends_s > ?1 ORDER BY serial",
                        &stmt, err));
    sb_stmt_bind_i64(stmt, 1, now_s(t));
    SB_TRY(sb_stmt_step(stmt, &row, err));
    while (row) {
        sb_status status =
            set->count < SB_SERVER_KEYS_MAX
                ? read_row(t, stmt, &set->keys[set->count], err)
                : sb_error_set(err, SB_E_INVALID, "the keys that sign access tokens cannot be used",
                               "there are more than %d", "look at the table server_keys", SB_SERVER_KEYS_MAX);
        if (status != SB_OK) {
            sb_stmt_reset(stmt);
            return status;
        }
        set->count++;
        SB_TRY(sb_stmt_step(stmt, &row, err));
    }
    return SB_OK;
}

static sb_status make_json(sb_server_keyset *set, sb_error *err)
{
    SB_AUTOPTR(sb_jwks) jwks = NULL;
    SB_TRY(sb_jwks_new(&jwks, err));
    for (size_t i = 0; i < set->count; i++)
        SB_TRY(sb_jwks_add(jwks, set->keys[i].key, err));
    set->json = sb_jwks_json(jwks, false);
    return set->json ? SB_OK : sb_error_nomem(err);
}

/* Before the rows: a key that another process makes in between is among them, and this serial is taken. */
static sb_status read_next_serial(sb_db *db, int64_t *out, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool row;
    SB_TRY(sb_db_cached(db, "SELECT coalesce(max(serial), 0) + 1 FROM server_keys", &stmt, err));
    SB_TRY(sb_stmt_step(stmt, &row, err));
    *out = row ? sb_stmt_i64(stmt, 0) : 1;
    sb_stmt_reset(stmt);
    return SB_OK;
}

static sb_status read_set(const sb_server_keys_table *t, sb_db *db, sb_server_keyset **out, int64_t *next_serial,
                          sb_error *err)
{
    SB_AUTOPTR(sb_server_keyset) set = calloc(1, sizeof(*set));
    if (!set)
        return sb_error_nomem(err);
    atomic_init(&set->refs, 1);
    SB_TRY(read_next_serial(db, next_serial, err));
    SB_TRY(read_rows(t, db, set, err));
    SB_TRY(make_json(set, err));
    *out = set;
    set = NULL;
    return SB_OK;
}

/* The next key */

/* When the next one is to sign; -1: it is not time to make it. */
static int64_t next_signs_from(const sb_server_keys_table *t, const sb_server_keyset *set)
{
    int64_t now = now_s(t);
    const sb_server_key *newest = NULL;
    for (size_t i = 0; i < set->count; i++) {
        if (!newest || set->keys[i].signs_from_s >= newest->signs_from_s)
            newest = &set->keys[i];
    }
    if (!newest || !sb_server_keyset_signer(set, now))
        return now; /* the first; or nobody was there when it was time for it */
    if (now < newest->signs_from_s + t->sign_s - AHEAD_S)
        return -1;
    int64_t from = SB_MAX(newest->signs_from_s + t->sign_s, now + AHEAD_MIN_S);
    return SB_MIN(from, newest->signs_until_s); /* rather early than a gap */
}

static sb_status insert(sb_db *db, const sb_server_key *row, sb_str sealed, bool *ours, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db,
                        "INSERT INTO server_keys VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                        " ON CONFLICT (serial) DO NOTHING",
                        &stmt, err));
    sb_stmt_bind_i64(stmt, 1, row->serial);
    sb_stmt_bind_cstr(stmt, 2, sb_key_kid(row->key));
    sb_stmt_bind_cstr(stmt, 3, SB_SERVER_KEYS_ALG);
    sb_stmt_bind_blob(stmt, 4, sealed);
    sb_stmt_bind_i64(stmt, 5, row->published_s);
    sb_stmt_bind_i64(stmt, 6, row->signs_from_s);
    sb_stmt_bind_i64(stmt, 7, row->signs_until_s);
    sb_stmt_bind_i64(stmt, 8, row->ends_s);
    SB_TRY(sb_stmt_run(stmt, err));
    *ours = sb_db_changes(db) > 0;
    return SB_OK;
}

/* What this clock takes for ended may live by another's. */
static sb_status forget_ended(const sb_server_keys_table *t, sb_db *db, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db, "DELETE FROM server_keys WHERE ends_s <= ?1", &stmt, err));
    sb_stmt_bind_i64(stmt, 1, now_s(t) - CLOCKS_S);
    return sb_stmt_run(stmt, err);
}

static sb_status make_next(const sb_server_keys_table *t, sb_db *db, int64_t serial, int64_t from, sb_error *err)
{
    SB_AUTOPTR(sb_key) key = NULL;
    SB_AUTO(sb_buf) sealed = SB_BUF_INIT;
    char about[ABOUT_SIZE_MAX];
    bool ours = false;
    SB_TRY(sb_key_generate(SB_SERVER_KEYS_ALG, 0, NULL, &key, err));
    int64_t until = from + t->sign_s + OVERLAP_S;
    sb_server_key row = {.key = key,
                         .serial = serial,
                         .published_s = now_s(t),
                         .signs_from_s = from,
                         .signs_until_s = until,
                         .ends_s = until + SB_SERVER_KEYS_TOKEN_S + 2 * CLOCKS_S};
    if (!describe(&row, sb_key_kid(key), SB_SERVER_KEYS_ALG, about))
        return sb_error_nomem(err);
    SB_TRY(sb_key_seal(key, t->secret, sb_str_from(about), &sealed, err));
    SB_TRY(forget_ended(t, db, err));
    SB_TRY(insert(db, &row, sb_buf_str(&sealed), &ours, err));
    if (ours)
        sb_log(SB_LOG_INFO, "the key %s was made; it signs access tokens from %lld on", sb_key_kid(key),
               (long long)from);
    return SB_OK;
}

sb_status sb_server_keys_table_read(const sb_server_keys_table *t, sb_server_keyset **out, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTOPTR(sb_server_keyset) set = NULL;
    SB_TRY(sb_lease_take(&lease, t->pool, err));
    int64_t serial;
    SB_TRY(read_set(t, lease.db, &set, &serial, err));
    for (int i = 0; i < ATTEMPTS; i++) {
        int64_t from = next_signs_from(t, set);
        if (from < 0)
            break;
        SB_TRY(make_next(t, lease.db, serial, from, err));
        sb_server_keyset_free(set);
        set = NULL;
        SB_TRY(read_set(t, lease.db, &set, &serial, err));
    }
    *out = set;
    set = NULL;
    return SB_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* grants_db.c - one round of a grouped commit: forget what has ended, then for each caller use the assertion up and keep
 * the token. Items are taken in the order of their digests, so that two processes that meet in a round wait for each
 * other in one direction only.
 *
 * How many rows there are is counted now and then, and added to in between: several processes can go beyond a bound by
 * what they write in COUNT_EVERY_S, which a bound that keeps a disk from filling can bear. */
#include "payer/auth/grants_db.h"

#include "base/log.h"
#include "payer/auth/grant_cache.h"
#include "store/group_commit.h"

#define COUNT_EVERY_S   10
#define HORIZON_EVERY_S 10
#define FORGET_LATE_S   60 /* what is dead by this clock may live by another process's, which is behind */
#define FORGET_MIN      64 /* rows a round forgets at most, so that no round is long; twice what it adds, if more */

typedef struct item {
    sb_group_item group;
    const sb_issue *issue;
    const sb_digest *token;
    const char *scope;
    int64_t issued_s, expires_s;
    sb_issue_answer answer;
} item;

typedef struct store {
    sb_grants_db_options o;
    sb_group *group;
    sb_grant_cache *cache;
    /* the rest belongs to who writes a round */
    int64_t latest_s;  /* the clock's latest reading: what had ended then may have been forgotten */
    int64_t horizon_s; /* what is dead by then may be forgotten: the database has it; 0: not yet */
    int64_t counted_s; /* when the rows were counted; INT64_MIN: never */
    int64_t forgot_s;  /* when nothing was left that had ended; likewise */
    int64_t used, tokens;
} store;

static int64_t wall_s(const store *s)
{
    return s->o.clock->wall_s(s->o.clock->impl);
}

static sb_str bytes_of(const sb_digest *digest)
{
    return (sb_str){(const char *)digest->bytes, sizeof(digest->bytes)};
}

/* Issuing */

static sb_status count(sb_db *db, const char *sql, int64_t *out, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool row;
    SB_TRY(sb_db_cached(db, sql, &stmt, err));
    SB_TRY(sb_stmt_step(stmt, &row, err));
    *out = row ? sb_stmt_i64(stmt, 0) : 0;
    sb_stmt_reset(stmt);
    return SB_OK;
}

static sb_status count_rows(store *s, sb_db *db, sb_error *err)
{
    if (s->counted_s != INT64_MIN && s->latest_s - s->counted_s < COUNT_EVERY_S)
        return SB_OK;
    SB_TRY(count(db, "SELECT count(*) FROM used_assertions", &s->used, err));
    SB_TRY(count(db, "SELECT count(*) FROM tokens", &s->tokens, err));
    s->counted_s = s->latest_s;
    return SB_OK;
}

/* At most `max` rows; less: there are no more. On PostgreSQL, rows that another process is forgetting just now are left to
 * it. */
static sb_status forget(sb_db *db, const char *sqlite, const char *postgres, int64_t dead_s, int64_t max, int64_t *rows,
                        bool *more, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db, sb_db_kind_of(db) == SB_DB_SQLITE ? sqlite : postgres, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, dead_s);
    sb_stmt_bind_i64(stmt, 2, max);
    SB_TRY(sb_stmt_run(stmt, err));
    *rows = SB_MAX(*rows - sb_db_changes(db), (int64_t)0);
    *more = *more || sb_db_changes(db) >= max;
    return SB_OK;
}

#define FORGET(table, lock)                                                                                            \
    "DELETE FROM " table " WHERE digest IN (SELECT digest FROM " table                                                 \
    " WHERE expires_s <= ?1 ORDER BY expires_s LIMIT ?2" lock ")"

/* Told to the database before anything is forgotten: with a clock that is set back, after a restart, it would be good
 * again. */
static sb_status move_horizon(store *s, sb_db *db, sb_error *err)
{
    static const char sql[] = "INSERT INTO versions (name, version) VALUES ('forgotten', ?1) ON CONFLICT (name) DO"
                              " UPDATE SET version = excluded.version WHERE versions.version < excluded.version";
    sb_stmt *stmt = NULL;
    int64_t dead_s = s->latest_s - FORGET_LATE_S;
    if (dead_s - s->horizon_s < HORIZON_EVERY_S)
        return SB_OK;
    SB_TRY(sb_db_cached(db, sql, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, dead_s);
    SB_TRY(sb_stmt_run(stmt, err));
    s->horizon_s = dead_s;
    return SB_OK;
}

/* Once a second, and as long as there is more: times are whole seconds. */
static sb_status forget_ended(store *s, sb_db *db, size_t adding, sb_error *err)
{
    static const char used_sqlite[] = FORGET("used_assertions", "");
    static const char used_postgres[] = FORGET("used_assertions", " FOR UPDATE SKIP LOCKED");
    static const char tokens_sqlite[] = FORGET("tokens", "");
    static const char tokens_postgres[] = FORGET("tokens", " FOR UPDATE SKIP LOCKED");
    int64_t max = SB_MAX((int64_t)FORGET_MIN, 2 * (int64_t)adding);
    bool more = false;
    if (s->forgot_s == s->latest_s)
        return SB_OK;
    SB_TRY(move_horizon(s, db, err));
    SB_TRY(forget(db, used_sqlite, used_postgres, s->horizon_s, max, &s->used, &more, err));
    SB_TRY(forget(db, tokens_sqlite, tokens_postgres, s->horizon_s, max, &s->tokens, &more, err));
    if (!more)
        s->forgot_s = s->latest_s;
    return SB_OK;
}

static sb_status use_assertion(sb_db *db, const item *it, bool *fresh, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(
        db, "INSERT INTO used_assertions (digest, expires_s) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING", &stmt,
        err));
    sb_stmt_bind_blob(stmt, 1, bytes_of(&it->issue->used));
    sb_stmt_bind_i64(stmt, 2, it->issue->dead_s);
    SB_TRY(sb_stmt_run(stmt, err));
    *fresh = sb_db_changes(db) > 0;
    return SB_OK;
}

/* By name: the table may have columns that a later version added, while that is being put in process by process. */
#define INSERT_TOKEN "INSERT INTO tokens (digest, client_id, scope, issued_s, expires_s, revoked, epoch) "

static void bind_token(sb_stmt *stmt, int from, const item *it)
{
    sb_stmt_bind_blob(stmt, from, bytes_of(it->token));
    sb_stmt_bind_cstr(stmt, from + 1, it->issue->client->id);
    sb_stmt_bind_cstr(stmt, from + 2, it->scope);
    sb_stmt_bind_i64(stmt, from + 3, it->issued_s);
    sb_stmt_bind_i64(stmt, from + 4, it->expires_s);
    sb_stmt_bind_i64(stmt, from + 5, it->issue->client->epoch);
}

static sb_status keep_token(sb_db *db, const item *it, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db, INSERT_TOKEN "VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)", &stmt, err));
    bind_token(stmt, 1, it);
    return sb_stmt_run(stmt, err);
}

/* Both in one statement: one way to the server and back. */
static sb_status use_and_keep(sb_db *db, const item *it, bool *fresh, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db,
                        "WITH used AS (INSERT INTO used_assertions (digest, expires_s) VALUES (?1, ?2)"
                        " ON CONFLICT (digest) DO NOTHING RETURNING 1) " INSERT_TOKEN
                        "SELECT ?3, ?4, ?5, ?6, ?7, 0, ?8 FROM used",
                        &stmt, err));
    sb_stmt_bind_blob(stmt, 1, bytes_of(&it->issue->used));
    sb_stmt_bind_i64(stmt, 2, it->issue->dead_s);
    bind_token(stmt, 3, it);
    SB_TRY(sb_stmt_run(stmt, err));
    *fresh = sb_db_changes(db) > 0;
    return SB_OK;
}

static sb_status issue_one(store *s, sb_db *db, item *it, sb_error *err)
{
    bool fresh = false;
    it->answer = SB_ISSUE_REPLAYED;
    if (it->issue->dead_s <= s->latest_s)
        return SB_OK; /* a clock that is set back makes nothing good again that was forgotten */
    it->answer = SB_ISSUE_REPLAY_FULL;
    if (s->used >= (int64_t)s->o.used_max)
        return SB_OK;
    it->answer = SB_ISSUE_TOKENS_FULL;
    if (it->token && s->tokens >= (int64_t)s->o.tokens_max)
        return SB_OK;
    if (it->token && sb_db_kind_of(db) == SB_DB_POSTGRESQL) {
        SB_TRY(use_and_keep(db, it, &fresh, err));
    } else {
        SB_TRY(use_assertion(db, it, &fresh, err));
        if (fresh && it->token)
            SB_TRY(keep_token(db, it, err));
    }
    it->answer = fresh ? SB_ISSUE_DONE : SB_ISSUE_REPLAYED;
    s->used += fresh;
    s->tokens += fresh && it->token;
    return SB_OK;
}

static sb_status write_items(store *s, item **items, size_t n, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    SB_TRY(sb_lease_take(&lease, s->o.pool, err));
    SB_TRY(sb_tx_begin(&tx, lease.db, err));
    SB_TRY(forget_ended(s, lease.db, n, err));
    SB_TRY(count_rows(s, lease.db, err));
    for (size_t i = 0; i < n; i++)
        SB_TRY(issue_one(s, lease.db, items[i], err));
    return sb_tx_commit(&tx, err);
}

static int compare_items(const void *a, const void *b)
{
    const item *const *left = a, *const *right = b;
    return memcmp(&(*left)->issue->used, &(*right)->issue->used, sizeof(sb_digest));
}

/* What was not committed is not told as done, whatever a step said before. */
static void write_round(void *impl, sb_group_item **items, size_t n)
{
    store *s = impl;
    sb_error err = SB_ERROR_INIT;
    item *sorted[SB_GROUP_MAX];
    for (size_t i = 0; i < n; i++)
        sorted[i] = (item *)items[i]; /* its head */
    qsort(sorted, n, sizeof(sorted[0]), compare_items);
    s->latest_s = SB_MAX(s->latest_s, wall_s(s));
    if (write_items(s, sorted, n, &err) == SB_OK)
        return;
    sb_log(SB_LOG_ERROR, "no tokens could be issued: %s: %s", err.what, err.why);
    s->counted_s = s->forgot_s = INT64_MIN;
    s->horizon_s = 0;
    for (size_t i = 0; i < n; i++)
        sorted[i]->answer = SB_ISSUE_FAILED;
}

static sb_issue_answer db_issue(void *impl, const sb_issue *issue, unsigned lifetime_s, sb_buf *token)
{
    store *s = impl;
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    sb_digest digest;
    if (token && (!sb_scopes_format(issue->scopes, &scope) || !sb_grants_draw(token, &digest)))
        return SB_ISSUE_FAILED;
    item it = {.issue = issue,
               .token = token ? &digest : NULL,
               .scope = sb_buf_cstr(&scope),
               .issued_s = wall_s(s),
               .expires_s = wall_s(s) + lifetime_s + 1, /* the second is half over, and it lives no less than it says */
               .answer = SB_ISSUE_FAILED};
    sb_group_write(s->group, &it.group);
    return it.answer;
}

/* Looking up */

/* A row of the table, copied. */
typedef struct token_row {
    char *client_id, *scope;
    int64_t issued_s, expires_s, epoch;
} token_row;

static void token_row_cleanup(token_row *row)
{
    free(row->client_id);
    free(row->scope);
}

/* `client_id` stays NULL when there is no such token. */
static sb_status read_row(store *s, const sb_digest *token, token_row *out, sb_error *err)
{
    static const char sql[] = "SELECT client_id, scope, issued_s, expires_s, epoch FROM tokens WHERE digest = ?1 AND"
                              " expires_s > ?2 AND revoked = 0";
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt = NULL;
    bool row;
    SB_TRY(sb_lease_take(&lease, s->o.pool, err));
    SB_TRY(sb_db_cached(lease.db, sql, &stmt, err));
    sb_stmt_bind_blob(stmt, 1, bytes_of(token));
    sb_stmt_bind_i64(stmt, 2, wall_s(s));
    SB_TRY(sb_stmt_step(stmt, &row, err));
    if (!row)
        return SB_OK;
    *out = (token_row){sb_str_dup(sb_stmt_str(stmt, 0)), sb_str_dup(sb_stmt_str(stmt, 1)), sb_stmt_i64(stmt, 2),
                       sb_stmt_i64(stmt, 3), sb_stmt_i64(stmt, 4)};
    sb_stmt_reset(stmt);
    return out->client_id && out->scope ? SB_OK : sb_error_nomem(err);
}

/* *out stays NULL when there is no such token. The connection was given back before the register is asked: who has its
 * lock may be waiting for one. */
static sb_status look_up(store *s, const sb_digest *token, sb_grant **out, sb_error *err)
{
    SB_AUTO(token_row) row = {NULL, NULL, 0, 0, 0};
    SB_AUTOPTR(sb_client) client = NULL;
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    SB_TRY(read_row(s, token, &row, err));
    if (!row.client_id)
        return SB_OK;
    SB_TRY(sb_clients_find(s->o.clients, sb_str_from(row.client_id), &client, err));
    if (!client)
        return SB_OK;
    SB_TRY(sb_scopes_parse(row.scope, &scopes, err));
    SB_TRY(sb_grant_new(client, &scopes, row.issued_s, row.expires_s, out, err));
    /* 0: by a process that is not of this version yet */
    (*out)->epoch = row.epoch ? row.epoch : sb_client_first_epoch(client->created_s);
    return SB_OK;
}

static sb_status find(store *s, const sb_digest *token, sb_grant **out, sb_error *err)
{
    uint64_t revocations;
    bool active = false;
    SB_AUTOPTR(sb_grant) grant = sb_grant_cache_get(s->cache, token, &revocations);
    if (!grant) {
        SB_TRY(look_up(s, token, &grant, err));
        if (!grant)
            return SB_OK;
        sb_grant_cache_put(s->cache, token, grant, revocations);
    }
    if (grant->expires_s <= wall_s(s))
        return SB_OK;
    SB_TRY(sb_grant_client_is_active(s->o.clients, grant, &active, err));
    if (active)
        *out = sb_grant_ref(grant);
    return SB_OK;
}

static sb_status db_find(void *impl, sb_str token, sb_grant **out, sb_error *err)
{
    sb_error reason = SB_ERROR_INIT;
    sb_digest digest = sb_digest_of(token);
    sb_status status = find(impl, &digest, out, &reason);
    if (status == SB_OK)
        return SB_OK;
    sb_log(SB_LOG_ERROR, "a token could not be looked up: %s: %s", reason.what, reason.why);
    if (err)
        *err = reason;
    return status;
}

/* Ending */

static sb_status write_revocation(store *s, const sb_digest *token, sb_str client_id, sb_error *err)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt = NULL;
    SB_TRY(sb_lease_take(&lease, s->o.pool, err));
    SB_TRY(sb_db_cached(lease.db, "DELETE FROM tokens WHERE digest = ?1 AND (?2 = '' OR client_id = ?2)", &stmt, err));
    sb_stmt_bind_blob(stmt, 1, bytes_of(token));
    sb_stmt_bind_text(stmt, 2, client_id.len ? client_id : (sb_str){"", 0});
    return sb_stmt_run(stmt, err);
}

static bool db_revoke(void *impl, sb_str token, sb_str client_id)
{
    store *s = impl;
    sb_error err = SB_ERROR_INIT;
    sb_digest digest = sb_digest_of(token);
    sb_status status = write_revocation(s, &digest, client_id, &err);
    if (status != SB_OK)
        sb_log(SB_LOG_ERROR, "a token could not be revoked: %s: %s", err.what, err.why);
    sb_grant_cache_drop(s->cache, &digest); /* it is looked up again, if it is another's */
    return status == SB_OK;
}

static size_t db_revoke_all(void *impl)
{
    store *s = impl;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_stmt *stmt = NULL;
    sb_error err = SB_ERROR_INIT;
    size_t changes = 0;
    if (sb_lease_take(&lease, s->o.pool, &err) == SB_OK &&
        sb_db_cached(lease.db, "DELETE FROM tokens WHERE revoked = 0", &stmt, &err) == SB_OK &&
        sb_stmt_run(stmt, &err) == SB_OK)
        changes = (size_t)sb_db_changes(lease.db);
    else
        sb_log(SB_LOG_ERROR, "tokens could not be revoked: %s: %s", err.what, err.why);
    sb_grant_cache_drop(s->cache, NULL);
    return changes;
}

/* Beginning and end */

static void db_free(void *impl)
{
    store *s = impl;
    sb_group_free(s->group);
    sb_grant_cache_free(s->cache);
    free(s);
}

/* What the clock read when the last token was issued that was kept, and what was forgotten, here or elsewhere: it cannot
 * be earlier now. */
static sb_status read_latest(store *s, sb_error *err)
{
    static const char sql[] = "SELECT coalesce(max(at_s), 0) FROM (SELECT max(issued_s) AS at_s FROM tokens UNION ALL"
                              " SELECT version FROM versions WHERE name = 'forgotten') AS times";
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_TRY(sb_lease_take(&lease, s->o.pool, err));
    return count(lease.db, sql, &s->latest_s, err);
}

sb_status sb_grants_db(const sb_grants_db_options *options, sb_grants **out, sb_error *err)
{
    static const sb_grants_ops ops = {
        .issue = db_issue, .find = db_find, .revoke = db_revoke, .revoke_all = db_revoke_all, .free = db_free};
    store *s = calloc(1, sizeof(*s));
    if (!s)
        return sb_error_nomem(err);
    s->o = *options;
    s->counted_s = s->forgot_s = INT64_MIN;
    sb_status status = sb_group_new(write_round, s, &s->group, err);
    if (status == SB_OK)
        status = sb_grant_cache_new(options->clock, &s->cache, err);
    if (status == SB_OK)
        status = read_latest(s, err);
    if (status != SB_OK) {
        db_free(s);
        return status;
    }
    return sb_grants_new(&ops, s, options->lifetime_s, out, err);
}

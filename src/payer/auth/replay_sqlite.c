/* SPDX-License-Identifier: Apache-2.0 */
/* replay_sqlite.c - used assertions as rows. One transaction forgets what has ended, counts, and inserts: the primary
 * key decides who was first. */
#include "payer/auth/replay_sqlite.h"

#include <pthread.h>

#include "base/log.h"
#include "store/db.h"

#define APPLICATION_ID 0x53425250u /* "SBRP" */

/* `state` has one row: how many entries there are (a count(*) would look at each), and the clock's latest reading. */
static const char *const migrations[] = {
    "CREATE TABLE used (key BLOB PRIMARY KEY, expires_s INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX used_expires ON used (expires_s);"
    "CREATE TABLE state (entries INTEGER NOT NULL, latest_s INTEGER NOT NULL);"
    "INSERT INTO state VALUES (0, -9223372036854775807);",
    NULL,
};

typedef struct sqlite_guard {
    pthread_mutex_t lock;
    sb_db *db;
    sb_stmt *read_state, *write_state, *forget, *insert;
    size_t max;
} sqlite_guard;

static sb_status prepare(sqlite_guard *g, sb_error *err)
{
    SB_TRY(sb_db_prepare(g->db, "SELECT entries, latest_s FROM state", &g->read_state, err));
    SB_TRY(sb_db_prepare(g->db, "UPDATE state SET entries = ?1, latest_s = ?2", &g->write_state, err));
    SB_TRY(sb_db_prepare(g->db, "DELETE FROM used WHERE expires_s <= ?1", &g->forget, err));
    return sb_db_prepare(g->db, "INSERT INTO used VALUES (?1, ?2) ON CONFLICT DO NOTHING", &g->insert, err);
}

static sb_status read_state(sqlite_guard *g, int64_t *entries, int64_t *latest_s, sb_error *err)
{
    bool row;
    SB_TRY(sb_stmt_step(g->read_state, &row, err));
    *entries = row ? sb_stmt_i64(g->read_state, 0) : 0;
    *latest_s = row ? sb_stmt_i64(g->read_state, 1) : INT64_MIN;
    sb_stmt_reset(g->read_state);
    return SB_OK;
}

/* Time only goes on here: a clock that is set back makes nothing good again that was forgotten. */
static sb_status use_within(sqlite_guard *g, const sb_digest *key, int64_t expires_s, int64_t now_s,
                            sb_replay_answer *answer, sb_error *err)
{
    int64_t entries, latest_s;
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    SB_TRY(sb_tx_begin(&tx, g->db, err));
    SB_TRY(read_state(g, &entries, &latest_s, err));
    latest_s = SB_MAX(latest_s, now_s);
    *answer = SB_REPLAY_SEEN;
    if (expires_s <= latest_s)
        return SB_OK;
    sb_stmt_bind_i64(g->forget, 1, latest_s);
    SB_TRY(sb_stmt_run(g->forget, err));
    entries -= sb_db_changes(g->db);
    sb_stmt_bind_blob(g->insert, 1, (sb_str){(const char *)key->bytes, sizeof(key->bytes)});
    sb_stmt_bind_i64(g->insert, 2, expires_s);
    SB_TRY(sb_stmt_run(g->insert, err));
    if (sb_db_changes(g->db) == 0)
        return SB_OK;
    *answer = SB_REPLAY_FULL;
    if (++entries > (int64_t)g->max)
        return SB_OK; /* rolled back: nothing was inserted */
    sb_stmt_bind_i64(g->write_state, 1, entries);
    sb_stmt_bind_i64(g->write_state, 2, latest_s);
    SB_TRY(sb_stmt_run(g->write_state, err));
    SB_TRY(sb_tx_commit(&tx, err));
    *answer = SB_REPLAY_FRESH;
    return SB_OK;
}

static sb_replay_answer guard_use(void *impl, const sb_digest *key, int64_t expires_s, int64_t now_s, sb_error *err)
{
    sqlite_guard *g = impl;
    sb_replay_answer answer = SB_REPLAY_FAILED;
    (void)pthread_mutex_lock(&g->lock);
    sb_status status = use_within(g, key, expires_s, now_s, &answer, err);
    (void)pthread_mutex_unlock(&g->lock);
    if (status == SB_OK)
        return answer;
    if (err)
        sb_log(SB_LOG_ERROR, "used assertions could not be remembered: %s: %s", err->what, err->why);
    return SB_REPLAY_FAILED;
}

static void guard_free(void *impl)
{
    sqlite_guard *g = impl;
    sb_stmt_free(g->read_state);
    sb_stmt_free(g->write_state);
    sb_stmt_free(g->forget);
    sb_stmt_free(g->insert);
    sb_db_free(g->db);
    (void)pthread_mutex_destroy(&g->lock);
    free(g);
}

sb_status sb_replay_sqlite(const char *path, size_t max, sb_replay **out, sb_error *err)
{
    static const sb_replay_ops ops = {guard_use, guard_free};
    sb_db_options options = {.path = path,
                             .what = "the record of used assertions",
                             .migrations = migrations,
                             .application_id = APPLICATION_ID};
    sqlite_guard *g = calloc(1, sizeof(*g));
    if (!g || pthread_mutex_init(&g->lock, NULL) != 0) {
        free(g);
        return sb_error_nomem(err);
    }
    g->max = max;
    sb_status status = sb_db_open(&options, &g->db, err);
    if (status == SB_OK)
        status = prepare(g, err);
    if (status != SB_OK) {
        guard_free(g);
        return status;
    }
    return sb_replay_new(&ops, g, out, err);
}

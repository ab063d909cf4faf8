/* SPDX-License-Identifier: Apache-2.0 */
/* job_table.c - the SQL of exports. Each function is one transaction. */
#include "payer/export/job_table.h"

#include <stdio.h>

#include "payer/data/instant.h"

#define COLUMNS                                                                                                        \
    "id, client_id, state, request, created_us, transaction_us, owner, done, total, error, finished_s, expires_s"
enum {
    COL_ID,
    COL_CLIENT,
    COL_STATE,
    COL_REQUEST,
    COL_CREATED,
    COL_TRANSACTION,
    COL_OWNER,
    COL_DONE,
    COL_TOTAL,
    COL_ERROR,
    COL_FINISHED,
    COL_EXPIRES,
    COL_OUTPUTS
};

#define EXPIRE_AT_ONCE 100        /* rows of one transaction */
#define ADMISSION_LOCK "20250901" /* any number: the same in all processes, and nobody else's in this database */

static const char *const states[] = {"queued", "running", "done", "failed"};

const char *sb_job_state_name(sb_job_state state)
{
    return states[state];
}

void sb_job_row_cleanup(sb_job_row *row)
{
    free(row->client);
    free(row->request);
    free(row->outputs);
    *row = (sb_job_row)SB_JOB_ROW_INIT;
}

sb_status(sb_job_not_found)(sb_error *err)
{
    sb_error_set(err, SB_E_NOT_FOUND, "there is no such export", "it is unknown, deleted, expired or another client's",
                 "start a new export");
    if (err)
        err->http_status = 404;
    return SB_E_NOT_FOUND;
}

/* Rows */

static sb_job_state read_state(sb_str text)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(states); i++) {
        if (sb_str_eq(text, sb_str_from(states[i])))
            return (sb_job_state)i;
    }
    return SB_JOB_FAILED; /* nothing that anybody may fetch */
}

/* "code\nwhat\nwhy\nfix" */
static void read_error(sb_str text, sb_error *out)
{
    sb_str code = SB_STR_NULL, what = SB_STR_NULL, why = SB_STR_NULL;
    uint64_t number;
    if (text.len == 0)
        return;
    (void)sb_str_split(&text, '\n', &code);
    (void)sb_str_split(&text, '\n', &what);
    (void)sb_str_split(&text, '\n', &why);
    out->code = sb_str_to_u64(code, INT32_MAX, &number) ? (sb_status)number : SB_E_INTERNAL;
    (void)snprintf(out->what, sizeof(out->what), "%.*s", (int)what.len, what.ptr ? what.ptr : "");
    (void)snprintf(out->why, sizeof(out->why), "%.*s", (int)why.len, why.ptr ? why.ptr : "");
    (void)snprintf(out->fix, sizeof(out->fix), "%.*s", (int)text.len, text.ptr ? text.ptr : "");
}

static void copy_id(sb_str text, char *out, size_t size)
{
    (void)snprintf(out, size, "%.*s", (int)SB_MIN(text.len, size - 1), text.ptr ? text.ptr : "");
}

static sb_status read_row(const sb_stmt *stmt, bool outputs, sb_job_row *out, sb_error *err)
{
    sb_job_row_cleanup(out);
    copy_id(sb_stmt_str(stmt, COL_ID), out->id, sizeof(out->id));
    copy_id(sb_stmt_str(stmt, COL_OWNER), out->owner, sizeof(out->owner));
    out->client = sb_str_dup(sb_stmt_str(stmt, COL_CLIENT));
    out->request = sb_str_dup(sb_stmt_str(stmt, COL_REQUEST));
    out->outputs = outputs ? sb_str_dup(sb_stmt_str(stmt, COL_OUTPUTS)) : NULL;
    if (!out->client || !out->request || (outputs && !out->outputs))
        return sb_error_nomem(err);
    out->state = read_state(sb_stmt_str(stmt, COL_STATE));
    out->created_us = sb_stmt_i64(stmt, COL_CREATED);
    out->transaction_us = sb_stmt_i64(stmt, COL_TRANSACTION);
    out->done = (uint64_t)SB_MAX(sb_stmt_i64(stmt, COL_DONE), (int64_t)0);
    out->total = (uint64_t)SB_MAX(sb_stmt_i64(stmt, COL_TOTAL), (int64_t)0);
    out->finished_s = sb_stmt_i64(stmt, COL_FINISHED);
    out->expires_s = sb_stmt_i64(stmt, COL_EXPIRES);
    read_error(sb_stmt_str(stmt, COL_ERROR), &out->error);
    return SB_OK;
}

/* Asking for one */

static sb_status refuse(sb_error *err, int http_status, const char *limit, unsigned number, const char *fix)
{
    sb_error_set(err, SB_E_BUSY, "no further export can be started now", "%s is %u", fix, limit, number);
    if (err)
        err->http_status = http_status;
    return SB_E_BUSY;
}

static sb_status count_rows(sb_db *db, const char *sql, const char *client, int64_t when, int64_t *out, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool row = false;
    SB_TRY(sb_db_cached(db, sql, &stmt, err));
    if (client)
        sb_stmt_bind_cstr(stmt, 1, client);
    if (when)
        sb_stmt_bind_i64(stmt, 2, when);
    SB_TRY(sb_stmt_step(stmt, &row, err));
    *out = row ? sb_stmt_i64(stmt, 0) : 0;
    sb_stmt_reset(stmt);
    return SB_OK;
}

/* May this client have one more?                                                                   EXP-04, STAT-08 */
static sb_status admit(sb_db *db, const char *client, const sb_job_limits *limits, int64_t now_s, sb_error *err)
{
    int64_t under_way, kept, all;
    SB_TRY(count_rows(db,
                      "SELECT count(*) FROM jobs WHERE client_id = ?1"
                      " AND (state IN ('queued', 'running') OR (state = 'done' AND created_us >= ?2))",
                      client, (now_s - limits->min_seconds + 1) * SB_US_PER_S, &under_way, err));
    SB_TRY(count_rows(db, "SELECT count(*) FROM jobs WHERE client_id = ?1", client, 0, &kept, err));
    SB_TRY(count_rows(db, "SELECT count(*) FROM jobs", NULL, 0, &all, err));
    if (limits->per_client > 0 && under_way >= limits->per_client)
        return refuse(err, 429, "the number of exports that one client may have under way", limits->per_client,
                      "wait for one to end, or cancel it (DELETE its status URL)");
    if (kept >= limits->per_client_kept)
        return refuse(err, 429, "the number of exports that are kept for one client", limits->per_client_kept,
                      "delete finished exports (DELETE their status URLs)"); /* REAL-04 */
    if (all >= limits->max_jobs)
        return refuse(err, 503, "the number of exports that this server keeps", limits->max_jobs, "come back later");
    return SB_OK;
}

sb_status sb_job_table_add(sb_pool *pool, const sb_job_row *row, const sb_job_limits *limits, int64_t now_s,
                           sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    SB_TRY(sb_lease_take(&lease, pool, err));
    SB_TRY(sb_tx_begin(&tx, lease.db, err));
    if (sb_db_kind_of(lease.db) == SB_DB_POSTGRESQL) /* two who count at once would both have room */
        SB_TRY(sb_db_exec(lease.db, "SELECT pg_advisory_xact_lock(" ADMISSION_LOCK ")", err));
    SB_TRY(admit(lease.db, row->client, limits, now_s, err));
    SB_TRY(sb_db_cached(lease.db,
                        "INSERT INTO jobs (id, client_id, state, request, created_us, transaction_us, owner, lease_us,"
                        " done, total, finished_s, expires_s) VALUES (?1, ?2, 'queued', ?3, ?4, ?5, '', 0, 0, 0, 0, 0)",
                        &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, row->id);
    sb_stmt_bind_cstr(stmt, 2, row->client);
    sb_stmt_bind_cstr(stmt, 3, row->request);
    sb_stmt_bind_i64(stmt, 4, row->created_us);
    sb_stmt_bind_i64(stmt, 5, row->transaction_us);
    SB_TRY(sb_stmt_run(stmt, err));
    return sb_tx_commit(&tx, err);
}

/* Working */

#define FREE_ROWS                                                                                                      \
    "FROM jobs WHERE state = 'queued' OR (state = 'running' AND lease_us < ?1) ORDER BY created_us LIMIT 1"

/* The first that is free, if any. On PostgreSQL who comes second passes over what another is just taking. */
static sb_status find_free(sb_db *db, int64_t now_us, sb_job_row *out, bool *got, sb_error *err)
{
    sb_stmt *stmt = NULL;
    const char *sql = sb_db_kind_of(db) == SB_DB_POSTGRESQL ? "SELECT " COLUMNS " " FREE_ROWS " FOR UPDATE SKIP LOCKED"
                                                            : "SELECT " COLUMNS " " FREE_ROWS;
    SB_TRY(sb_db_cached(db, sql, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, now_us);
    SB_TRY(sb_stmt_step(stmt, got, err));
    if (!*got)
        return SB_OK;
    sb_status status = read_row(stmt, false, out, err);
    sb_stmt_reset(stmt);
    return status;
}

static sb_status any_free(sb_db *db, int64_t now_us, bool *any, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_TRY(sb_db_cached(db, "SELECT 1 " FREE_ROWS, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, now_us);
    SB_TRY(sb_stmt_step(stmt, any, err));
    if (*any)
        sb_stmt_reset(stmt);
    return SB_OK;
}

unsigned sb_job_attempts(const sb_job_row *row)
{
    uint64_t number;
    sb_str rest = sb_str_from(row->owner), attempts = SB_STR_NULL;
    (void)sb_str_split(&rest, '.', &attempts);
    return sb_str_to_u64(attempts, UINT32_MAX, &number) ? (unsigned)number : 0;
}

static sb_status own(sb_db *db, sb_job_row *row, const char *token, int64_t now_s, sb_error *err)
{
    sb_stmt *stmt = NULL;
    unsigned attempts = sb_job_attempts(row) + 1;
    (void)snprintf(row->owner, sizeof(row->owner), "%u.%s", attempts, token);
    SB_TRY(sb_db_cached(db,
                        "UPDATE jobs SET state = 'running', owner = ?2, lease_us = ?3, done = 0, total = 0"
                        " WHERE id = ?1",
                        &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, row->id);
    sb_stmt_bind_cstr(stmt, 2, row->owner);
    sb_stmt_bind_i64(stmt, 3, (now_s + SB_LEASE_SECONDS) * SB_US_PER_S);
    return sb_stmt_run(stmt, err);
}

sb_status sb_job_table_take(sb_pool *pool, const char *token, int64_t now_s, sb_job_row *out, bool *got, sb_error *err)
{
    int64_t now_us = now_s * SB_US_PER_S;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    *got = false;
    SB_TRY(sb_lease_take(&lease, pool, err));
    SB_TRY(any_free(lease.db, now_us, got, err));
    if (!*got)
        return SB_OK;
    SB_TRY(sb_tx_begin(&tx, lease.db, err));
    SB_TRY(find_free(lease.db, now_us, out, got, err));
    if (!*got)
        return SB_OK;
    SB_TRY(own(lease.db, out, token, now_s, err));
    return sb_tx_commit(&tx, err);
}

static sb_status run_on(sb_db *db, sb_stmt *stmt, bool *ours, sb_error *err)
{
    SB_TRY(sb_stmt_run(stmt, err));
    *ours = sb_db_changes(db) > 0;
    return SB_OK;
}

#define OURS " WHERE id = ?1 AND state = 'running' AND owner = ?2"

sb_status sb_job_table_beat(sb_pool *pool, const char *id, const char *owner, int64_t now_s, uint64_t done,
                            uint64_t total, bool *ours, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_TRY(sb_lease_take(&lease, pool, err));
    SB_TRY(sb_db_cached(lease.db, "UPDATE jobs SET lease_us = ?3, done = ?4, total = ?5" OURS, &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, id);
    sb_stmt_bind_cstr(stmt, 2, owner);
    sb_stmt_bind_i64(stmt, 3, (now_s + SB_LEASE_SECONDS) * SB_US_PER_S);
    sb_stmt_bind_i64(stmt, 4, (int64_t)done);
    sb_stmt_bind_i64(stmt, 5, (int64_t)total);
    return run_on(lease.db, stmt, ours, err);
}

sb_status sb_job_table_finish(sb_pool *pool, const sb_job_row *row, bool *ours, sb_error *err)
{
    sb_stmt *stmt = NULL;
    const sb_error *e = &row->error;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTOFREE error = sb_printf("%d\n%s\n%s\n%s", (int)e->code, e->what, e->why, e->fix);
    if (!error)
        return sb_error_nomem(err);
    SB_TRY(sb_lease_take(&lease, pool, err));
    SB_TRY(sb_db_cached(lease.db,
                        "UPDATE jobs SET state = ?3, request = ?4, outputs = ?5, error = ?6, finished_s = ?7,"
                        " expires_s = ?8" OURS,
                        &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, row->id);
    sb_stmt_bind_cstr(stmt, 2, row->owner);
    sb_stmt_bind_cstr(stmt, 3, states[row->state]);
    sb_stmt_bind_cstr(stmt, 4, row->request);
    sb_stmt_bind_cstr(stmt, 5, row->outputs);
    sb_stmt_bind_cstr(stmt, 6, e->code == SB_OK ? NULL : error);
    sb_stmt_bind_i64(stmt, 7, row->finished_s);
    sb_stmt_bind_i64(stmt, 8, row->expires_s);
    return run_on(lease.db, stmt, ours, err);
}

sb_status sb_job_table_give_back(sb_pool *pool, const char *id, const char *owner, sb_error *err)
{
    sb_stmt *stmt = NULL;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_TRY(sb_lease_take(&lease, pool, err));
    SB_TRY(sb_db_cached(lease.db, "UPDATE jobs SET state = 'queued', owner = '', lease_us = 0" OURS, &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, id);
    sb_stmt_bind_cstr(stmt, 2, owner);
    return sb_stmt_run(stmt, err);
}

/* Looking */

#define VISIBLE " WHERE id = ?1 AND (?2 = '' OR client_id = ?2) AND (expires_s = 0 OR expires_s > ?3)"

static void bind_visible(sb_stmt *stmt, sb_str id, const char *client, int64_t now_s)
{
    sb_stmt_bind_text(stmt, 1, id);
    sb_stmt_bind_cstr(stmt, 2, client ? client : "");
    sb_stmt_bind_i64(stmt, 3, now_s);
}

/* What no id can be is not asked for: PostgreSQL takes no text that is not UTF-8. */
static bool is_id(sb_str id)
{
    for (size_t i = 0; i < id.len; i++) {
        if (!((id.ptr[i] >= '0' && id.ptr[i] <= '9') || (id.ptr[i] >= 'a' && id.ptr[i] <= 'f')))
            return false;
    }
    return id.len == SB_JOB_ID_SIZE - 1;
}

sb_status sb_job_table_find(sb_pool *pool, sb_str id, const char *client, int64_t now_s, bool outputs, sb_job_row *out,
                            sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool got = false;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    if (!is_id(id))
        return sb_job_not_found(err);
    SB_TRY(sb_lease_take(&lease, pool, err));
    SB_TRY(sb_db_cached(
        lease.db, outputs ? "SELECT " COLUMNS ", outputs FROM jobs" VISIBLE : "SELECT " COLUMNS " FROM jobs" VISIBLE,
        &stmt, err));
    bind_visible(stmt, id, client, now_s);
    SB_TRY(sb_stmt_step(stmt, &got, err));
    if (!got)
        return sb_job_not_found(err);
    sb_status status = read_row(stmt, outputs, out, err);
    sb_stmt_reset(stmt);
    return status;
}

sb_status sb_job_table_delete(sb_pool *pool, sb_str id, const char *client, int64_t now_s, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool found = false;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    if (!is_id(id))
        return sb_job_not_found(err);
    SB_TRY(sb_lease_take(&lease, pool, err));
    SB_TRY(sb_db_cached(lease.db, "DELETE FROM jobs" VISIBLE, &stmt, err));
    bind_visible(stmt, id, client, now_s);
    SB_TRY(run_on(lease.db, stmt, &found, err));
    return found ? SB_OK : sb_job_not_found(err);
}

sb_status sb_job_table_each(sb_pool *pool, const char *client, sb_job_table_visit *visit, void *context, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool got = true;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_TRY(sb_lease_take(&lease, pool, err));
    SB_TRY(sb_db_cached(
        lease.db, "SELECT " COLUMNS " FROM jobs WHERE ?1 = '' OR client_id = ?1 ORDER BY created_us, id", &stmt, err));
    sb_stmt_bind_cstr(stmt, 1, client ? client : "");
    for (;;) {
        SB_AUTO(sb_job_row) row = SB_JOB_ROW_INIT;
        SB_TRY(sb_stmt_step(stmt, &got, err));
        if (!got)
            return SB_OK;
        sb_status status = read_row(stmt, false, &row, err);
        if (status == SB_OK)
            status = visit(context, &row, err);
        if (status != SB_OK) {
            sb_stmt_reset(stmt);
            return status;
        }
    }
}

/* Going away */

sb_status sb_job_table_expire(sb_pool *pool, int64_t now_s, void (*gone)(void *context, const char *id), void *context,
                              sb_error *err)
{
    char ids[EXPIRE_AT_ONCE][SB_JOB_ID_SIZE];
    sb_stmt *stmt = NULL;
    bool got = true;
    size_t count = 0;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_TRY(sb_lease_take(&lease, pool, err));
    SB_TRY(sb_db_cached(lease.db, "SELECT id FROM jobs WHERE expires_s > 0 AND expires_s <= ?1 LIMIT 100", &stmt, err));
    sb_stmt_bind_i64(stmt, 1, now_s);
    for (;;) {
        SB_TRY(sb_stmt_step(stmt, &got, err));
        if (!got)
            break;
        if (count < EXPIRE_AT_ONCE)
            copy_id(sb_stmt_str(stmt, 0), ids[count++], SB_JOB_ID_SIZE);
    }
    for (size_t i = 0; i < count; i++) {
        SB_TRY(sb_db_cached(lease.db, "DELETE FROM jobs WHERE id = ?1", &stmt, err));
        sb_stmt_bind_cstr(stmt, 1, ids[i]);
        SB_TRY(sb_stmt_run(stmt, err));
    }
    sb_lease_cleanup(&lease);
    for (size_t i = 0; i < count; i++)
        gone(context, ids[i]);
    return SB_OK;
}

sb_status sb_job_table_ids(sb_pool *pool, sb_idset *out, sb_error *err)
{
    sb_stmt *stmt = NULL;
    bool got = true;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_TRY(sb_lease_take(&lease, pool, err));
    SB_TRY(sb_db_cached(lease.db, "SELECT id FROM jobs", &stmt, err));
    for (;;) {
        SB_TRY(sb_stmt_step(stmt, &got, err));
        if (!got)
            break;
        if (!sb_idset_add(out, sb_stmt_str(stmt, 0))) {
            sb_stmt_reset(stmt);
            return sb_error_nomem(err);
        }
    }
    sb_idset_seal(out);
    return SB_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c - a row of its own is written, in a table that every process has. */
#include "payer/state/probe.h"

#include "payer/state/schema.h"

static sb_status write_row(sb_db *db, int64_t now_s, sb_error *err)
{
    sb_stmt *stmt;
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    SB_TRY(sb_db_cached(db,
                        "INSERT INTO versions (name, version) VALUES ('probe', ?1)"
                        " ON CONFLICT (name) DO UPDATE SET version = excluded.version",
                        &stmt, err));
    SB_TRY(sb_tx_begin(&tx, db, err));
    sb_stmt_bind_i64(stmt, 1, now_s);
    SB_TRY(sb_stmt_run(stmt, err));
    return sb_tx_commit(&tx, err);
}

static sb_status read_clock(sb_db *db, int64_t *out, sb_error *err)
{
    sb_stmt *stmt;
    bool row = false;
    SB_TRY(sb_db_cached(db, "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS BIGINT)", &stmt, err));
    SB_TRY(sb_stmt_step(stmt, &row, err));
    if (row)
        *out = sb_stmt_i64(stmt, 0);
    sb_stmt_reset(stmt);
    return SB_OK;
}

sb_status sb_state_probe(sb_db *db, int64_t now_s, int64_t *clock_s, sb_error *err)
{
    *clock_s = now_s;
    SB_TRY(write_row(db, now_s, err));
    return sb_db_kind_of(db) == SB_DB_POSTGRESQL ? read_clock(db, clock_s, err) : SB_OK;
}

/* Counting */

static sb_status count(sb_db *db, const char *sql, const char *const *states, int64_t *const *numbers,
                       int64_t *oldest_us, sb_error *err)
{
    sb_stmt *stmt;
    bool row = false;
    SB_TRY(sb_db_cached(db, sql, &stmt, err));
    SB_TRY(sb_stmt_step(stmt, &row, err));
    while (row) {
        for (size_t i = 0; states[i]; i++) {
            if (sb_str_eq(sb_stmt_str(stmt, 0), sb_str_from(states[i])))
                *numbers[i] = sb_stmt_i64(stmt, 1);
        }
        if (oldest_us && sb_str_eq(sb_stmt_str(stmt, 0), sb_str_from(states[0])))
            *oldest_us = sb_stmt_i64(stmt, 2);
        SB_TRY(sb_stmt_step(stmt, &row, err));
    }
    return SB_OK;
}

sb_status sb_state_count(sb_db *db, sb_state_counts *out, sb_error *err)
{
    static const char *const of_clients[] = {"pending", "active", "suspended", NULL};
    static const char *const of_jobs[] = {"queued", "running", "done", "failed", NULL};
    int64_t *const clients[] = {&out->clients_pending, &out->clients_active, &out->clients_suspended};
    int64_t *const jobs[] = {&out->jobs_queued, &out->jobs_running, &out->jobs_done, &out->jobs_failed};
    int64_t oldest_us = 0;
    *out = (sb_state_counts){.clients_pending = 0};
    SB_TRY(count(db, "SELECT state, COUNT(*) FROM clients GROUP BY state", of_clients, clients, NULL, err));
    SB_TRY(
        count(db, "SELECT state, COUNT(*), MIN(created_us) FROM jobs GROUP BY state", of_jobs, jobs, &oldest_us, err));
    out->oldest_queued_s = oldest_us / 1000000;
    return SB_OK;
}

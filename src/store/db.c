/* SPDX-License-Identifier: Apache-2.0 */
/* db.c - what is the same for every kind of database: which kind it is, statements that are kept, migrations,
 * transactions. Knows nothing of either library. */
#include "store/db_internal.h"

#include "base/log.h"
#include "store/postgres_uri.h"

#define VERSIONS_MAX 1000

sb_status sb_db_fail(const sb_db *db, sb_status status, const char *verb, const char *why, const char *fix,
                     sb_error *err)
{
    sb_error_set(err, status, NULL, "%s: %s", fix, db->where ? db->where : "", why);
    sb_error_what(err, "%s could not be %s", db->what, verb);
    return status;
}

/* Opening */

static sb_status migrate_one(sb_db *db, const sb_db_options *options, int64_t count, bool *done, sb_error *err)
{
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    int64_t version = 0;
    SB_TRY(sb_tx_begin(&tx, db, err));
    SB_TRY(db->ops->lock_version(db, options->application_id, &version, err)); /* another process may be migrating */
    *done = version == count;
    if (*done)
        return SB_OK;
    if (version < 0 || version > count)
        return sb_db_fail(db, SB_E_USAGE, "used", "a newer smartbulk made it",
                          "install the version that made it, or a later one", err);
    SB_TRY(sb_db_exec(db, options->migrations[version], err));
    SB_TRY(db->ops->set_version(db, options->application_id, version + 1, err));
    return sb_tx_commit(&tx, err);
}

static sb_status migrate(sb_db *db, const sb_db_options *options, sb_error *err)
{
    int64_t count = 0, version = 0;
    while (options->migrations && options->migrations[count] && count < VERSIONS_MAX)
        count++;
    SB_TRY(db->ops->read_version(db, options->application_id, &version, err));
    if (version == 0 && options->must_exist && db->ops->kind == SB_DB_POSTGRESQL)
        return sb_db_fail(db, SB_E_NOT_FOUND, "found", "it has no tables of smartbulk", "look at the database's name",
                          err);
    for (bool done = version == count; !done;)
        SB_TRY(migrate_one(db, options, count, &done, err));
    return SB_OK;
}

sb_status sb_db_open(const sb_db_options *options, sb_db **out, sb_error *err)
{
    SB_AUTOPTR(sb_db) db = NULL;
    SB_TRY(sb_postgres_is_uri(options->path) ? sb_postgres_open(options, &db, err) : sb_sqlite_open(options, &db, err));
    SB_TRY(migrate(db, options, err));
    *out = db;
    db = NULL;
    return SB_OK;
}

void sb_db_free(sb_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < db->kept_count; i++)
        sb_stmt_free(db->kept[i].stmt);
    free(db->kept);
    free(db->where);
    db->ops->close(db);
}

sb_db_kind sb_db_kind_of(const sb_db *db)
{
    return db->ops->kind;
}

bool sb_db_usable(const sb_db *db)
{
    return db->ops->usable(db);
}

static sb_status counted(sb_db *db, sb_status status)
{
    db->errors += status != SB_OK;
    return status;
}

unsigned sb_db_take_errors(sb_db *db)
{
    unsigned errors = db->errors;
    db->errors = 0;
    return errors;
}

sb_status sb_db_exec(sb_db *db, const char *sql, sb_error *err)
{
    return counted(db, db->ops->exec(db, sql, err));
}

int64_t sb_db_changes(const sb_db *db)
{
    return db->ops->changes(db);
}

int64_t sb_db_last_id(const sb_db *db)
{
    return db->ops->last_id(db);
}

/* Statements */

sb_status sb_db_prepare(sb_db *db, const char *sql, sb_stmt **out, sb_error *err)
{
    return counted(db, db->ops->prepare(db, sql, out, err));
}

sb_status sb_db_cached(sb_db *db, const char *sql, sb_stmt **out, sb_error *err)
{
    for (size_t i = 0; i < db->kept_count; i++) {
        if (db->kept[i].sql == sql) {
            *out = db->kept[i].stmt;
            return SB_OK;
        }
    }
    if (db->kept_count == db->kept_cap) {
        size_t cap = db->kept_cap ? db->kept_cap * 2 : 16;
        sb_db_kept *kept = reallocarray(db->kept, cap, sizeof(*kept));
        if (!kept)
            return sb_error_nomem(err);
        db->kept = kept;
        db->kept_cap = cap;
    }
    SB_TRY(sb_db_prepare(db, sql, out, err));
    db->kept[db->kept_count++] = (sb_db_kept){sql, *out};
    return SB_OK;
}

void sb_stmt_free(sb_stmt *stmt)
{
    if (stmt)
        stmt->db->ops->stmt_free(stmt);
}

void sb_stmt_bind_i64(sb_stmt *stmt, int index, int64_t value)
{
    stmt->db->ops->bind_i64(stmt, index, value);
}

void sb_stmt_bind_text(sb_stmt *stmt, int index, sb_str text)
{
    stmt->db->ops->bind_bytes(stmt, index, text, true);
}

void sb_stmt_bind_cstr(sb_stmt *stmt, int index, const char *text)
{
    sb_stmt_bind_text(stmt, index, sb_str_from(text));
}

void sb_stmt_bind_blob(sb_stmt *stmt, int index, sb_str bytes)
{
    stmt->db->ops->bind_bytes(stmt, index, bytes, false);
}

void sb_stmt_bind_null(sb_stmt *stmt, int index)
{
    stmt->db->ops->bind_bytes(stmt, index, SB_STR_NULL, true);
}

sb_status sb_stmt_step(sb_stmt *stmt, bool *row, sb_error *err)
{
    return counted(stmt->db, stmt->db->ops->step(stmt, row, err));
}

void sb_stmt_reset(sb_stmt *stmt)
{
    stmt->db->ops->reset(stmt);
}

sb_status sb_stmt_run(sb_stmt *stmt, sb_error *err)
{
    bool row;
    sb_status status;
    do {
        status = sb_stmt_step(stmt, &row, err);
    } while (row);
    stmt->db->ops->clear(stmt);
    return status;
}

int64_t sb_stmt_i64(const sb_stmt *stmt, int column)
{
    return stmt->db->ops->i64(stmt, column);
}

sb_str sb_stmt_str(const sb_stmt *stmt, int column)
{
    return stmt->db->ops->str(stmt, column);
}

bool sb_stmt_is_null(const sb_stmt *stmt, int column)
{
    return stmt->db->ops->is_null(stmt, column);
}

/* Transactions */

sb_status sb_tx_begin(sb_tx *tx, sb_db *db, sb_error *err)
{
    SB_TRY(sb_db_exec(db, db->ops->begin, err));
    tx->db = db;
    return SB_OK;
}

sb_status sb_tx_commit(sb_tx *tx, sb_error *err)
{
    SB_TRY(sb_db_exec(tx->db, "COMMIT", err)); /* when it fails, cleanup rolls back */
    tx->db = NULL;
    return SB_OK;
}

void sb_tx_cleanup(sb_tx *tx)
{
    sb_error err = SB_ERROR_INIT;
    /* Some errors (a full disk, a server that went) roll back by themselves: then there is nothing left to do. */
    if (tx->db && tx->db->ops->in_transaction(tx->db) && sb_db_exec(tx->db, "ROLLBACK", &err) != SB_OK)
        sb_log_warn("a rollback failed: %s", err.why);
    tx->db = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite.c - a thin, safe layer over sqlite3: settings, migrations, statements, transactions, errors. Owns its
 * connections; knows no table. */
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"

#define BUSY_TIMEOUT_MS 10000 /* a commit takes milliseconds; ten seconds is a stuck process or a dying disk */
#define VERSIONS_MAX    1000

struct sb_db {
    sqlite3 *raw;
    const char *what;
    char *path;
};

struct sb_stmt {
    sqlite3_stmt *raw;
    sb_db *db;
    int bind_rc; /* the first failed bind */
};

static sb_status io_error(const sb_db *db, int errnum, const char *verb, sb_error *err)
{
    sb_error_errno(err, NULL, db->path, errnum);
    sb_error_what(err, "%s could not be %s", db->what, verb);
    return SB_E_IO;
}

static sb_status fail(const sb_db *db, sb_status status, const char *verb, const char *why, const char *fix,
                      sb_error *err)
{
    sb_error_set(err, status, NULL, "%s: %s", fix, db->path, why);
    sb_error_what(err, "%s could not be %s", db->what, verb);
    return status;
}

/* Words for a code of SQLite. Its message names tables, never values. */
static sb_status explain(const sb_db *db, int rc, const char *verb, sb_error *err)
{
    const char *why = db->raw ? sqlite3_errmsg(db->raw) : sqlite3_errstr(rc);
    int errnum = db->raw ? sqlite3_system_errno(db->raw) : 0;
    switch (rc & 0xFF) {
    case SQLITE_NOMEM:
        return sb_error_nomem(err);
    case SQLITE_FULL:
        return io_error(db, ENOSPC, verb, err);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (errnum != 0)
            return io_error(db, errnum, verb, err);
        return fail(db, SB_E_IO, verb, why, "check the path and the disk (dmesg shows disk errors)", err);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return fail(db, SB_E_IO, verb, why, "make the file and its folder writable for this user (ls -ld)", err);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return fail(db, SB_E_BUSY, verb, "another process has been holding it for 10 seconds",
                    "wait until that process is done, or end it", err);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return fail(db, SB_E_INVALID, verb, why,
                    "the file is damaged or is no database: put back a copy of it, or move it away and start over",
                    err);
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
        return fail(db, SB_E_INVALID, verb, why, "the data breaks a rule of the table", err);
    case SQLITE_INTERRUPT:
        return fail(db, SB_E_INTERRUPTED, verb, why, "run the command again", err);
    default:
        return fail(db, SB_E_INTERNAL, verb, why, "please report this", err);
    }
}

/* Mend an existing file's mode. By name, for closing a descriptor of it would drop the locks that another connection of
 * this process holds (POSIX).                                                   sqlite.org/howtocorrupt.html §2.2 */
static sb_status protect_existing(const sb_db *db, sb_error *err)
{
    struct stat st;
    if (lstat(db->path, &st) != 0)
        return io_error(db, errno, "opened", err);
    if (S_ISLNK(st.st_mode))
        return io_error(db, ELOOP, "opened", err);
    if (!S_ISREG(st.st_mode))
        return fail(db, SB_E_IO, "opened", "it is not a regular file", "choose another path", err);
    if ((st.st_mode & 07777) != 0600 && chmod(db->path, 0600) != 0)
        return io_error(db, errno, "protected", err);
    return SB_OK;
}

/* Make the file exist with mode 0600 before SQLite sees it: its -wal and -shm get the same mode. */
static sb_status prepare_file(const sb_db *db, bool must_exist, sb_error *err)
{
    SB_AUTOFD fd = must_exist ? -1 : open(db->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) {
        SB_AUTOFREE copy = sb_str_dup(sb_str_from(db->path));
        if (!copy)
            return sb_error_nomem(err);
        return fchmod(fd, 0600) != 0 ? io_error(db, errno, "protected", err) : sb_dir_sync(dirname(copy), err);
    }
    if (!must_exist && errno != EEXIST)
        return io_error(db, errno, "created", err);
    sb_status status = protect_existing(db, err);
    if (status == SB_OK || !must_exist || access(db->path, F_OK) == 0 || errno != ENOENT)
        return status;
    if (err)
        err->code = SB_E_NOT_FOUND;
    return SB_E_NOT_FOUND;
}

static sb_status pragma_i64(sb_db *db, const char *sql, int64_t *value, sb_error *err)
{
    SB_AUTOPTR(sb_stmt) stmt = NULL;
    bool row;
    SB_TRY(sb_db_prepare(db, sql, &stmt, err));
    SB_TRY(sb_stmt_step(stmt, &row, err));
    *value = row ? sb_stmt_i64(stmt, 0) : 0;
    return SB_OK;
}

static sb_status set_journal_mode(sb_db *db, sb_error *err)
{
    SB_AUTOPTR(sb_stmt) stmt = NULL;
    bool row;
    SB_TRY(sb_db_prepare(db, "PRAGMA journal_mode = WAL", &stmt, err));
    SB_TRY(sb_stmt_step(stmt, &row, err));
    if (!row || !sb_str_eq_nocase(sb_stmt_str(stmt, 0), SB_STR_LIT("wal")))
        /* some network file systems have no shared memory: the rollback journal is as durable, only slower */
        sb_log_debug("%s: no write-ahead log on this file system, going on with a rollback journal", db->path);
    return SB_OK;
}

static sb_status configure(sb_db *db, sb_error *err)
{
    (void)sqlite3_extended_result_codes(db->raw, 1);
    (void)sqlite3_busy_timeout(db->raw, BUSY_TIMEOUT_MS);
    (void)sqlite3_limit(db->raw, SQLITE_LIMIT_ATTACHED, 0);
    int rc = sqlite3_db_config(db->raw, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db->raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (rc == SQLITE_OK) /* "word" is never a string by accident */
        rc = sqlite3_db_config(db->raw, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    if (rc != SQLITE_OK)
        return explain(db, rc, "opened", err);
    SB_TRY(set_journal_mode(db, err));
    return sb_db_exec(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY", err);
}

/* Is this our file? An empty one is marked as ours by the first migration. */
static sb_status check_owner(sb_db *db, unsigned application_id, sb_error *err)
{
    int64_t id = 0, tables = 0;
    SB_TRY(pragma_i64(db, "PRAGMA application_id", &id, err));
    SB_TRY(pragma_i64(db, "SELECT count(*) FROM sqlite_schema", &tables, err));
    if (application_id == 0 || tables == 0 || (uint32_t)id == application_id)
        return SB_OK;
    return fail(db, SB_E_INVALID, "used", "another program made this database",
                "choose another folder, or move that file away", err);
}

static sb_status migrate_one(sb_db *db, const sb_db_options *options, int64_t count, bool *done, sb_error *err)
{
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    int64_t version = 0;
    char pragma[96];
    SB_TRY(sb_tx_begin(&tx, db, err)); /* read under the lock: another process may be migrating */
    SB_TRY(pragma_i64(db, "PRAGMA user_version", &version, err));
    *done = version == count;
    if (*done)
        return SB_OK;
    if (version < 0 || version > count)
        return fail(db, SB_E_USAGE, "used", "a newer smartbulk made it",
                    "install the version that made it, or a later one", err);
    SB_TRY(sb_db_exec(db, options->migrations[version], err));
    (void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %lld; PRAGMA application_id = %d",
                   (long long)version + 1, (int)options->application_id);
    SB_TRY(sb_db_exec(db, pragma, err));
    return sb_tx_commit(&tx, err);
}

static sb_status migrate(sb_db *db, const sb_db_options *options, sb_error *err)
{
    int64_t count = 0, version = 0;
    while (options->migrations && options->migrations[count] && count < VERSIONS_MAX)
        count++;
    SB_TRY(pragma_i64(db, "PRAGMA user_version", &version, err));
    for (bool done = version == count; !done;)
        SB_TRY(migrate_one(db, options, count, &done, err));
    return SB_OK;
}

sb_status sb_db_open(const sb_db_options *options, sb_db **out, sb_error *err)
{
    SB_AUTOPTR(sb_db) db = calloc(1, sizeof(*db));
    if (!db)
        return sb_error_nomem(err);
    db->what = options->what ? options->what : "a database";
    /* SQLite gives "", ":memory:" and "file:" a meaning of their own; with a folder before it a name is a name */
    db->path = sb_printf("%s%s", options->path[0] == '/' ? "" : "./", options->path);
    if (!db->path)
        return sb_error_nomem(err);
    SB_TRY(prepare_file(db, options->must_exist, err));
    int rc = sqlite3_open_v2(db->path, &db->raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return explain(db, rc, "opened", err);
    SB_TRY(configure(db, err));
    SB_TRY(check_owner(db, options->application_id, err));
    SB_TRY(migrate(db, options, err));
    *out = db;
    db = NULL;
    return SB_OK;
}

void sb_db_free(sb_db *db)
{
    if (!db)
        return;
    (void)sqlite3_close_v2(db->raw); /* all that matters was committed; waits for statements that are still around */
    free(db->path);
    free(db);
}

sb_status sb_db_exec(sb_db *db, const char *sql, sb_error *err)
{
    int rc = sqlite3_exec(db->raw, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? SB_OK : explain(db, rc, "written", err);
}

int64_t sb_db_changes(const sb_db *db)
{
    return sqlite3_changes64(db->raw);
}

int64_t sb_db_last_id(const sb_db *db)
{
    return sqlite3_last_insert_rowid(db->raw);
}

sb_status sb_db_prepare(sb_db *db, const char *sql, sb_stmt **out, sb_error *err)
{
    SB_AUTOPTR(sb_stmt) stmt = calloc(1, sizeof(*stmt));
    if (!stmt)
        return sb_error_nomem(err);
    const char *rest = NULL;
    stmt->db = db;
    int rc = sqlite3_prepare_v3(db->raw, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->raw, &rest);
    if (rc != SQLITE_OK)
        return explain(db, rc, "read", err);
    if (!stmt->raw || sb_str_trim(sb_str_from(rest)).len > 0)
        return fail(db, SB_E_INTERNAL, "read", "a prepared statement is exactly one", "please report this", err);
    *out = stmt;
    stmt = NULL;
    return SB_OK;
}

void sb_stmt_free(sb_stmt *stmt)
{
    if (!stmt)
        return;
    (void)sqlite3_finalize(stmt->raw); /* repeats the last step's error, which was reported then */
    free(stmt);
}

static void bound(sb_stmt *stmt, int rc)
{
    if (stmt->bind_rc == SQLITE_OK)
        stmt->bind_rc = rc;
}

void sb_stmt_bind_i64(sb_stmt *stmt, int index, int64_t value)
{
    bound(stmt, sqlite3_bind_int64(stmt->raw, index, value));
}

void sb_stmt_bind_text(sb_stmt *stmt, int index, sb_str text)
{
    bound(stmt, sqlite3_bind_text64(stmt->raw, index, text.ptr, text.len, SQLITE_TRANSIENT, SQLITE_UTF8));
}

void sb_stmt_bind_cstr(sb_stmt *stmt, int index, const char *text)
{
    sb_stmt_bind_text(stmt, index, sb_str_from(text));
}

void sb_stmt_bind_blob(sb_stmt *stmt, int index, sb_str bytes)
{
    bound(stmt, sqlite3_bind_blob64(stmt->raw, index, bytes.ptr, bytes.len, SQLITE_TRANSIENT));
}

void sb_stmt_bind_null(sb_stmt *stmt, int index)
{
    bound(stmt, sqlite3_bind_null(stmt->raw, index));
}

sb_status sb_stmt_step(sb_stmt *stmt, bool *row, sb_error *err)
{
    *row = false;
    int rc = stmt->bind_rc;
    stmt->bind_rc = SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt->raw);
    if (rc == SQLITE_ROW) {
        *row = true;
        return SB_OK;
    }
    sb_status status = SB_OK;
    if (rc != SQLITE_DONE)
        status = explain(stmt->db, rc, sqlite3_stmt_readonly(stmt->raw) ? "read" : "written", err);
    (void)sqlite3_reset(stmt->raw); /* repeats the error that was reported */
    return status;
}

void sb_stmt_reset(sb_stmt *stmt)
{
    (void)sqlite3_reset(stmt->raw);
}

sb_status sb_stmt_run(sb_stmt *stmt, sb_error *err)
{
    bool row;
    sb_status status;
    do {
        status = sb_stmt_step(stmt, &row, err);
    } while (row);
    (void)sqlite3_clear_bindings(stmt->raw);
    return status;
}

int64_t sb_stmt_i64(const sb_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->raw, column);
}

sb_str sb_stmt_str(const sb_stmt *stmt, int column)
{
    if (sqlite3_column_type(stmt->raw, column) == SQLITE_NULL)
        return SB_STR_NULL;
    bool blob = sqlite3_column_type(stmt->raw, column) == SQLITE_BLOB;
    const char *ptr =
        blob ? sqlite3_column_blob(stmt->raw, column) : (const char *)sqlite3_column_text(stmt->raw, column);
    int len = sqlite3_column_bytes(stmt->raw, column);
    return (sb_str){ptr ? ptr : "", ptr && len > 0 ? (size_t)len : 0};
}

bool sb_stmt_is_null(const sb_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt->raw, column) == SQLITE_NULL;
}

sb_status sb_tx_begin(sb_tx *tx, sb_db *db, sb_error *err)
{
    SB_TRY(sb_db_exec(db, "BEGIN IMMEDIATE", err));
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
    /* Some errors (a full disk) roll back by themselves: then there is nothing left to do. */
    if (tx->db && !sqlite3_get_autocommit(tx->db->raw) &&
        sqlite3_exec(tx->db->raw, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        sb_log_warn("%s: a rollback failed: %s", tx->db->path, sqlite3_errmsg(tx->db->raw));
    tx->db = NULL;
}

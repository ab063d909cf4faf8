/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite.c - a thin, safe layer over sqlite3: the file, its settings, statements, errors. Owns its connections; knows no
 * table. */
#include "store/db_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"

#define BUSY_TIMEOUT_MS 10000 /* a commit takes milliseconds; ten seconds is a stuck process or a dying disk */

typedef struct lite {
    sb_db db; /* `where` is its path */
    sqlite3 *raw;
} lite;

typedef struct lite_stmt {
    sb_stmt stmt;
    sqlite3_stmt *raw;
    int bind_rc; /* the first failed bind */
} lite_stmt;

static sqlite3 *raw_of(const sb_db *db)
{
    return ((const lite *)db)->raw;
}

static sqlite3_stmt *raw_stmt(const sb_stmt *stmt)
{
    return ((const lite_stmt *)stmt)->raw;
}

static sb_status io_error(const sb_db *db, int errnum, const char *verb, sb_error *err)
{
    sb_error_errno(err, NULL, db->where, errnum);
    sb_error_what(err, "%s could not be %s", db->what, verb);
    return SB_E_IO;
}

/* Words for a code of SQLite. Its message names tables, never values. */
static sb_status explain(const sb_db *db, int rc, const char *verb, sb_error *err)
{
    const char *why = raw_of(db) ? sqlite3_errmsg(raw_of(db)) : sqlite3_errstr(rc);
    int errnum = raw_of(db) ? sqlite3_system_errno(raw_of(db)) : 0;
    switch (rc & 0xFF) {
    case SQLITE_NOMEM:
        return sb_error_nomem(err);
    case SQLITE_FULL:
        return io_error(db, ENOSPC, verb, err);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        /* SQLite looks once more, read-only, and leaves us that look's errno: the database is there, its companion not */
        if (errnum == ENOENT && access(db->where, F_OK) == 0)
            return sb_db_fail(db, SB_E_IO, verb, "its -wal or -shm file could not be created beside it",
                              "free some disk space (df -h, df -i), or make the folder writable (ls -ld); then run the "
                              "same command again: what is complete is kept",
                              err);
        if (errnum != 0)
            return io_error(db, errnum, verb, err);
        return sb_db_fail(db, SB_E_IO, verb, why, "check the path and the disk (dmesg shows disk errors)", err);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return sb_db_fail(db, SB_E_IO, verb, why, "make the file and its folder writable for this user (ls -ld)", err);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return sb_db_fail(db, SB_E_BUSY, verb, "another process has been holding it for 10 seconds",
                          "wait until that process is done, or end it", err);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return sb_db_fail(
            db, SB_E_INVALID, verb, why,
            "the file is damaged or is no database: put back a copy of it, or move it away and start over", err);
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
        return sb_db_fail(db, SB_E_INVALID, verb, why, "the data breaks a rule of the table", err);
    case SQLITE_INTERRUPT:
        return sb_db_fail(db, SB_E_INTERRUPTED, verb, why, "run the command again", err);
    default:
        return sb_db_fail(db, SB_E_INTERNAL, verb, why, "please report this", err);
    }
}

/* Mend an existing file's mode: that file's, whatever its name leads to an instant later. By a descriptor that opens
 * nothing (O_PATH): closing one that did would drop the locks that another connection of this process holds on it
 * (POSIX).                                                                       sqlite.org/howtocorrupt.html §2.2 */
static sb_status protect_existing(const sb_db *db, sb_error *err)
{
    struct stat st;
    char itself[64];
    SB_AUTOFD fd = open(db->where, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return io_error(db, errno, "opened", err);
    if (S_ISLNK(st.st_mode))
        return io_error(db, ELOOP, "opened", err);
    if (!S_ISREG(st.st_mode))
        return sb_db_fail(db, SB_E_IO, "opened", "it is not a regular file", "choose another path", err);
    (void)snprintf(itself, sizeof(itself), "/proc/self/fd/%d", fd); /* fchmod takes no such descriptor */
    if ((st.st_mode & 07777) != 0600 && chmod(itself, 0600) != 0)
        return io_error(db, errno, "protected", err);
    return SB_OK;
}

/* What SQLite has beside it, which it believes: a log that somebody else left there would become the database's. SQLite
 * itself, asked for such a link, names the database. */
static sb_status check_companions(const sb_db *db, sb_error *err)
{
    static const char *const ends[] = {"-wal", "-shm", "-journal"};
    struct stat st, own;
    if (lstat(db->where, &own) != 0)
        return io_error(db, errno, "opened", err);
    for (size_t i = 0; i < SB_ARRAY_LEN(ends); i++) {
        SB_AUTOFREE path = sb_printf("%s%s", db->where, ends[i]);
        if (!path)
            return sb_error_nomem(err);
        if (lstat(path, &st) != 0)
            continue;
        if (!S_ISREG(st.st_mode) || (st.st_uid != own.st_uid && st.st_uid != geteuid())) {
            (void)sb_error_set(err, SB_E_IO, NULL,
                               "%s is a link or no file, or belongs to somebody else than the database",
                               "look at it (ls -l), and move it away: it is not this database's", path);
            sb_error_what(err, "%s could not be opened", db->what);
            return SB_E_IO;
        }
    }
    return SB_OK;
}

/* Make the file exist with mode 0600 before SQLite sees it: its -wal and -shm get the same mode. */
static sb_status prepare_file(const sb_db *db, bool must_exist, sb_error *err)
{
    SB_AUTOFD fd = must_exist ? -1 : open(db->where, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) {
        SB_AUTOFREE copy = sb_str_dup(sb_str_from(db->where));
        if (!copy)
            return sb_error_nomem(err);
        return fchmod(fd, 0600) != 0 ? io_error(db, errno, "protected", err) : sb_dir_sync(dirname(copy), err);
    }
    if (!must_exist && errno != EEXIST)
        return io_error(db, errno, "created", err);
    sb_status status = protect_existing(db, err);
    if (status == SB_OK || !must_exist || access(db->where, F_OK) == 0 || errno != ENOENT)
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
        sb_log_debug("%s: no write-ahead log on this file system, going on with a rollback journal", db->where);
    return SB_OK;
}

static sb_status configure(sb_db *db, sb_error *err)
{
    (void)sqlite3_extended_result_codes(raw_of(db), 1);
    (void)sqlite3_busy_timeout(raw_of(db), BUSY_TIMEOUT_MS);
    (void)sqlite3_limit(raw_of(db), SQLITE_LIMIT_ATTACHED, 0);
    int rc = sqlite3_db_config(raw_of(db), SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(raw_of(db), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (rc == SQLITE_OK) /* "word" is never a string by accident */
        rc = sqlite3_db_config(raw_of(db), SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    if (rc != SQLITE_OK)
        return explain(db, rc, "opened", err);
    SB_TRY(set_journal_mode(db, err));
    return sb_db_exec(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY", err);
}

/* Is this our file? An empty one is marked as ours by the first migration. */
static sb_status check_owner(sb_db *db, unsigned application_id, sb_error *err)
{
    int64_t id = 0, tables = 0;
    /* In this order: another process may be at the first migration, which commits the mark and its tables together. Who
     * sees the tables sees the mark. */
    SB_TRY(pragma_i64(db, "SELECT count(*) FROM sqlite_schema", &tables, err));
    SB_TRY(pragma_i64(db, "PRAGMA application_id", &id, err));
    if (application_id == 0 || tables == 0 || (uint32_t)id == application_id)
        return SB_OK;
    return sb_db_fail(db, SB_E_INVALID, "used", "another program made this database",
                      "choose another folder, or move that file away", err);
}

/* The whole file is ours, as was checked; a transaction that writes has its lock. */
static sb_status lite_version(sb_db *db, unsigned application_id, int64_t *version, sb_error *err)
{
    (void)application_id;
    return pragma_i64(db, "PRAGMA user_version", version, err);
}

static sb_status lite_set_version(sb_db *db, unsigned application_id, int64_t version, sb_error *err)
{
    char pragma[96];
    (void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %lld; PRAGMA application_id = %d", (long long)version,
                   (int)application_id);
    return sb_db_exec(db, pragma, err);
}

static void lite_close(sb_db *db)
{
    (void)sqlite3_close_v2(raw_of(db)); /* all that matters was committed; waits for statements that are still around */
    free(db);
}

static bool lite_usable(const sb_db *db)
{
    (void)db;
    return true;
}

static sb_status lite_exec(sb_db *db, const char *sql, sb_error *err)
{
    int rc = sqlite3_exec(raw_of(db), sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? SB_OK : explain(db, rc, "written", err);
}

static int64_t lite_changes(const sb_db *db)
{
    return sqlite3_changes64(raw_of(db));
}

static int64_t lite_last_id(const sb_db *db)
{
    return sqlite3_last_insert_rowid(raw_of(db));
}

static bool lite_in_transaction(const sb_db *db)
{
    return !sqlite3_get_autocommit(raw_of(db));
}

/* Statements */

static void lite_stmt_free(sb_stmt *stmt)
{
    (void)sqlite3_finalize(raw_stmt(stmt)); /* repeats the last step's error, which was reported then */
    free(stmt);
}

static sb_status lite_prepare(sb_db *db, const char *sql, sb_stmt **out, sb_error *err)
{
    lite_stmt *stmt = calloc(1, sizeof(*stmt));
    const char *rest = NULL;
    if (!stmt)
        return sb_error_nomem(err);
    stmt->stmt.db = db;
    int rc = sqlite3_prepare_v3(raw_of(db), sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->raw, &rest);
    sb_status status = SB_OK;
    if (rc != SQLITE_OK)
        status = explain(db, rc, "read", err);
    else if (!stmt->raw || sb_str_trim(sb_str_from(rest)).len > 0)
        status =
            sb_db_fail(db, SB_E_INTERNAL, "read", "a prepared statement is exactly one", "please report this", err);
    if (status == SB_OK)
        *out = &stmt->stmt;
    else
        lite_stmt_free(&stmt->stmt);
    return status;
}

static void bound(sb_stmt *stmt, int rc)
{
    lite_stmt *s = (lite_stmt *)stmt;
    if (s->bind_rc == SQLITE_OK)
        s->bind_rc = rc;
}

static void lite_bind_i64(sb_stmt *stmt, int index, int64_t value)
{
    bound(stmt, sqlite3_bind_int64(raw_stmt(stmt), index, value));
}

static void lite_bind_bytes(sb_stmt *stmt, int index, sb_str bytes, bool text)
{
    if (!bytes.ptr)
        bound(stmt, sqlite3_bind_null(raw_stmt(stmt), index));
    else if (text)
        bound(stmt, sqlite3_bind_text64(raw_stmt(stmt), index, bytes.ptr, bytes.len, SQLITE_TRANSIENT, SQLITE_UTF8));
    else
        bound(stmt, sqlite3_bind_blob64(raw_stmt(stmt), index, bytes.ptr, bytes.len, SQLITE_TRANSIENT));
}

static sb_status lite_step(sb_stmt *stmt, bool *row, sb_error *err)
{
    lite_stmt *s = (lite_stmt *)stmt;
    *row = false;
    int rc = s->bind_rc;
    s->bind_rc = SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s->raw);
    if (rc == SQLITE_ROW) {
        *row = true;
        return SB_OK;
    }
    sb_status status = SB_OK;
    if (rc != SQLITE_DONE)
        status = explain(stmt->db, rc, sqlite3_stmt_readonly(s->raw) ? "read" : "written", err);
    (void)sqlite3_reset(s->raw); /* repeats the error that was reported */
    return status;
}

static void lite_reset(sb_stmt *stmt)
{
    (void)sqlite3_reset(raw_stmt(stmt));
}

static void lite_clear(sb_stmt *stmt)
{
    (void)sqlite3_clear_bindings(raw_stmt(stmt));
}

static int64_t lite_i64(const sb_stmt *stmt, int column)
{
    return sqlite3_column_int64(raw_stmt(stmt), column);
}

static sb_str lite_str(const sb_stmt *stmt, int column)
{
    sqlite3_stmt *raw = raw_stmt(stmt);
    if (sqlite3_column_type(raw, column) == SQLITE_NULL)
        return SB_STR_NULL;
    bool blob = sqlite3_column_type(raw, column) == SQLITE_BLOB;
    const char *ptr = blob ? sqlite3_column_blob(raw, column) : (const char *)sqlite3_column_text(raw, column);
    int len = sqlite3_column_bytes(raw, column);
    return (sb_str){ptr ? ptr : "", ptr && len > 0 ? (size_t)len : 0};
}

static bool lite_is_null(const sb_stmt *stmt, int column)
{
    return sqlite3_column_type(raw_stmt(stmt), column) == SQLITE_NULL;
}

/* Opening */

static const sb_db_ops ops = {
    .kind = SB_DB_SQLITE,
    .close = lite_close,
    .usable = lite_usable,
    .exec = lite_exec,
    .changes = lite_changes,
    .last_id = lite_last_id,
    .prepare = lite_prepare,
    .stmt_free = lite_stmt_free,
    .bind_i64 = lite_bind_i64,
    .bind_bytes = lite_bind_bytes,
    .step = lite_step,
    .reset = lite_reset,
    .clear = lite_clear,
    .i64 = lite_i64,
    .str = lite_str,
    .is_null = lite_is_null,
    .begin = "BEGIN IMMEDIATE", /* takes the write lock at once: it cannot fail half-way for another writer */
    .in_transaction = lite_in_transaction,
    .read_version = lite_version,
    .lock_version = lite_version,
    .set_version = lite_set_version,
};

/* The folders may be links, as /var/run is; the file itself may not, and SQLite, told so, takes a link anywhere in the
 * path for one. So it gets a path without. NULL without memory. */
static char *plain_path(const char *path)
{
    SB_AUTOFREE folder = sb_str_dup(sb_str_from(path));
    SB_AUTOFREE name = sb_str_dup(sb_str_from(path));
    if (!folder || !name)
        return NULL;
    SB_AUTOFREE real = realpath(dirname(folder), NULL);
    if (real)
        return sb_path_join(real, basename(name));
    /* Opening it will fail and say why. SQLite gives "", ":memory:" and "file:" a meaning of their own; with a folder
     * before it a name is a name. */
    return sb_printf("%s%s", path[0] == '/' ? "" : "./", path);
}

sb_status sb_sqlite_open(const sb_db_options *options, sb_db **out, sb_error *err)
{
    lite *bare = calloc(1, sizeof(*bare));
    if (!bare)
        return sb_error_nomem(err);
    SB_AUTOPTR(sb_db) db = &bare->db;
    db->ops = &ops;
    db->what = options->what ? options->what : "a database";
    db->where = plain_path(options->path);
    if (!db->where)
        return sb_error_nomem(err);
    SB_TRY(prepare_file(db, options->must_exist, err));
    SB_TRY(check_companions(db, err));
    int rc = sqlite3_open_v2(db->where, &bare->raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
                             NULL);
    if (rc != SQLITE_OK)
        return explain(db, rc, "opened", err);
    SB_TRY(configure(db, err));
    SB_TRY(check_owner(db, options->application_id, err));
    *out = db;
    db = NULL;
    return SB_OK;
}

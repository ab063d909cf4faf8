/* SPDX-License-Identifier: Apache-2.0 */
/* db.h - durable state behind one small interface: a file of SQLite, or a PostgreSQL for many machines. Opened safely,
 * migrated, and with errors that teach.
 *
 * Owns the connection and its settings. SQLite: 0600, write-ahead log, every commit on disk before it returns, foreign
 * keys on. PostgreSQL: read committed, the server's own durability. Knows no table. A sb_db and its statements belong
 * to one thread at a time: who shares one locks around it, or takes one of a pool (pool.h). Several processes may open
 * the same file or database.
 *
 * SQL is written once for both: parameters are ?1, ?2 …; types are TEXT, BIGINT and BYTEA; INSERT … ON CONFLICT and
 * RETURNING work. What only one of them has asks sb_db_kind_of(). */
#ifndef SB_STORE_SQLITE_H
#define SB_STORE_SQLITE_H

#include "base/buf.h"

typedef struct sb_db sb_db;

typedef enum sb_db_kind { SB_DB_SQLITE, SB_DB_POSTGRESQL } sb_db_kind;

typedef struct sb_db_options {
    const char *path; /* a file; or libpq's URI of a database, postgresql://… (may hold a password: never shown) */
    const char *what; /* for errors: "the export's journal"; a constant string */
    /* SQL scripts, one a version, NULL-terminated: a file at version n gets those from n on, each in a transaction.
     * Published ones never change; a new version is a new script at the end. */
    const char *const *migrations;
    unsigned application_id; /* refuse files that some other program made; 0: do not look */
    bool must_exist;         /* SB_E_NOT_FOUND instead of a new file */
} sb_db_options;

/* Open or create, then migrate. SB_E_INVALID: not a database, damaged, or another program's; SB_E_USAGE: made by a
 * newer smartbulk; SB_E_BUSY: another process holds it for longer than 10 s; SB_E_NOT_FOUND; SB_E_IO. */
sb_status sb_db_open(const sb_db_options *options, sb_db **out, sb_error *err);
void sb_db_free(sb_db *db); /* statements first; NULL is fine */
SB_DEFINE_FREEP(sb_db)

sb_db_kind sb_db_kind_of(const sb_db *db);
/* Is the connection good for another statement? A file always is; a server may have gone. */
bool sb_db_usable(const sb_db *db);

/* One or more statements without parameters or rows. */
sb_status sb_db_exec(sb_db *db, const char *sql, sb_error *err);
int64_t sb_db_changes(const sb_db *db); /* rows touched by the last INSERT, UPDATE or DELETE */
unsigned sb_db_take_errors(sb_db *db);  /* statements that failed since the last call */
int64_t sb_db_last_id(const sb_db *db); /* rowid of the last INSERT; SQLite only: elsewhere use RETURNING */

/* A prepared statement: bind, step until there is no row, bind again. */
typedef struct sb_stmt sb_stmt;
sb_status sb_db_prepare(sb_db *db, const char *sql, sb_stmt **out, sb_error *err);
void sb_stmt_free(sb_stmt *stmt); /* NULL is fine */
SB_DEFINE_FREEP(sb_stmt)
/* The same, kept with the connection: prepared at the first call, found again by the text's address (a constant's).
 * Borrowed: never freed by the caller. */
sb_status sb_db_cached(sb_db *db, const char *sql, sb_stmt **out, sb_error *err);

/* Parameters count from 1. Values are copied. A failure is kept, and returned by the next step. */
void sb_stmt_bind_i64(sb_stmt *stmt, int index, int64_t value);
void sb_stmt_bind_text(sb_stmt *stmt, int index, sb_str text);      /* ptr NULL: binds NULL */
void sb_stmt_bind_cstr(sb_stmt *stmt, int index, const char *text); /* NULL: binds NULL */
void sb_stmt_bind_blob(sb_stmt *stmt, int index, sb_str bytes);     /* ptr NULL: binds NULL */
void sb_stmt_bind_null(sb_stmt *stmt, int index);

/* *row tells whether there is one. Without one, or on failure, the statement is reset; who stops before that calls
 * sb_stmt_reset(), for an open statement holds its snapshot. Bindings stay. */
sb_status sb_stmt_step(sb_stmt *stmt, bool *row, sb_error *err);
void sb_stmt_reset(sb_stmt *stmt);
/* Step to the end, whatever rows there are, and forget the bindings: for INSERT, UPDATE, DELETE. */
sb_status sb_stmt_run(sb_stmt *stmt, sb_error *err);

/* Columns count from 0; borrowed until the next step or reset. */
int64_t sb_stmt_i64(const sb_stmt *stmt, int column); /* 0 for NULL */
sb_str sb_stmt_str(const sb_stmt *stmt, int column);  /* text or blob; ptr NULL for NULL; text is NUL-terminated */
bool sb_stmt_is_null(const sb_stmt *stmt, int column);

/* All or nothing:  SB_AUTO(sb_tx) tx = SB_TX_INIT;  SB_TRY(sb_tx_begin(&tx, db, err));  …  return sb_tx_commit(&tx,
 * err); Takes the write lock at once, so that it cannot fail half-way for another writer. Not nested. Rolled back on
 * every other way out. */
typedef struct sb_tx {
    sb_db *db; /* NULL when there is none open */
} sb_tx;
#define SB_TX_INIT                                                                                                     \
    {                                                                                                                  \
        NULL                                                                                                           \
    }
sb_status sb_tx_begin(sb_tx *tx, sb_db *db, sb_error *err);
sb_status sb_tx_commit(sb_tx *tx, sb_error *err); /* durable when it returns SB_OK */
void sb_tx_cleanup(sb_tx *tx);                    /* rolls back what was not committed */

#endif

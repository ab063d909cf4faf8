/* SPDX-License-Identifier: Apache-2.0 */
/* db_internal.h - what a kind of database implements behind db.h. Nobody outside store/ includes it. */
#ifndef SB_STORE_DB_INTERNAL_H
#define SB_STORE_DB_INTERNAL_H

#include "store/db.h"

typedef struct sb_db_ops {
    sb_db_kind kind;
    void (*close)(sb_db *db);
    bool (*usable)(const sb_db *db);
    sb_status (*exec)(sb_db *db, const char *sql, sb_error *err);
    int64_t (*changes)(const sb_db *db);
    int64_t (*last_id)(const sb_db *db);
    sb_status (*prepare)(sb_db *db, const char *sql, sb_stmt **out, sb_error *err);
    void (*stmt_free)(sb_stmt *stmt);
    void (*bind_i64)(sb_stmt *stmt, int index, int64_t value);
    void (*bind_bytes)(sb_stmt *stmt, int index, sb_str bytes, bool text); /* ptr NULL: NULL */
    sb_status (*step)(sb_stmt *stmt, bool *row, sb_error *err);
    void (*reset)(sb_stmt *stmt);
    void (*clear)(sb_stmt *stmt); /* forget the bindings */
    int64_t (*i64)(const sb_stmt *stmt, int column);
    sb_str (*str)(const sb_stmt *stmt, int column);
    bool (*is_null)(const sb_stmt *stmt, int column);
    const char *begin; /* starts a transaction that writes */
    bool (*in_transaction)(const sb_db *db);
    /* Migrations. *version 0: no table of ours is there. read_version() waits for nobody. The others are called within a
     * transaction: lock_version() keeps other processes' migrations out until its end, set_version() marks it as ours. */
    sb_status (*read_version)(sb_db *db, unsigned application_id, int64_t *version, sb_error *err);
    sb_status (*lock_version)(sb_db *db, unsigned application_id, int64_t *version, sb_error *err);
    sb_status (*set_version)(sb_db *db, unsigned application_id, int64_t version, sb_error *err);
} sb_db_ops;

typedef struct sb_db_kept {
    const char *sql; /* by address */
    sb_stmt *stmt;
} sb_db_kept;

/* The beginning of every kind's own structure. */
struct sb_db {
    const sb_db_ops *ops;
    const char *what;
    char *where; /* for messages: a path, or a server without its password */
    sb_db_kept *kept;
    size_t kept_count, kept_cap;
    unsigned errors;
};

struct sb_stmt {
    sb_db *db;
};

sb_status sb_sqlite_open(const sb_db_options *options, sb_db **out, sb_error *err);
sb_status sb_postgres_open(const sb_db_options *options, sb_db **out, sb_error *err);

/* "{what} could not be {verb}", "{where}: {why}", fix. Returns `status`. */
sb_status sb_db_fail(const sb_db *db, sb_status status, const char *verb, const char *why, const char *fix,
                     sb_error *err);

#endif

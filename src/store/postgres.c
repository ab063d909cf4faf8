/* SPDX-License-Identifier: Apache-2.0 */
/* postgres.c - a thin, safe layer over libpq: the connection and its settings, statements with typed parameters, errors
 * by SQLSTATE. Owns its connections; knows no table.
 *
 * All values travel in their binary form, so that no text of a stranger is ever read as anything else. The rows of a
 * statement are fetched at its first step. */
#include "store/db_internal.h"

#include <endian.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "store/postgres_uri.h"

#define CONNECT_TIMEOUT_S "10"
/* A server that says nothing more (a cable, a firewall that forgot us) is given up within half a minute, not after the
 * quarter of an hour that TCP would wait. */
#define SILENCE_MS     "20000" /* what was sent is not acknowledged */
#define PROBE_AFTER_S  "15"    /* nothing comes: is it there still? */
#define PROBE_EVERY_S  "5"
#define PROBES         "3"
#define PARAMETERS_MAX 32 /* our longest statement has some 14 */
#define SQL_MAX        4096

/* Types by their object id: fixed by PostgreSQL (pg_type.dat). */
#define OID_BOOL 16
#define OID_INT8 20
#define OID_INT2 21
#define OID_INT4 23

/* What every session of ours relies on. A lock that is not had in ten seconds is a stuck process. */
static const char settings[] = "SET client_min_messages = warning; SET lock_timeout = '10s';"
                               "SET default_transaction_isolation = 'read committed';"
                               "SET idle_in_transaction_session_timeout = '60s'";

typedef struct pg {
    sb_db db;
    PGconn *raw;
    int64_t changes;
    unsigned statements; /* prepared so far: each has a name of its own */
} pg;

typedef struct value {
    char *bytes; /* NULL: NULL */
    size_t len;
    bool text_form; /* a number, as digits: its type is the server's to say */
} value;

typedef struct pg_stmt {
    sb_stmt stmt;
    char name[16];
    bool writes;
    int count;
    value values[PARAMETERS_MAX];
    bool bind_failed;
    PGresult *result; /* NULL: not stepped yet */
    int row;
} pg_stmt;

static PGconn *raw_of(const sb_db *db)
{
    return ((const pg *)db)->raw;
}

/* Errors */

typedef struct meaning {
    const char *prefix; /* of a SQLSTATE */
    sb_status status;
    const char *fix;
} meaning;

/* The first that fits; classes have two characters. */
static const meaning meanings[] = {
    {"40001", SB_E_BUSY, "try again"},
    {"40P01", SB_E_BUSY, "try again"},
    {"55P03", SB_E_BUSY, "find out which session holds the lock (pg_locks), and end it"},
    {"53100", SB_E_IO, "free some disk space on the database server"},
    {"53", SB_E_BUSY, "give the database server more of what it lacks (connections, memory)"},
    {"57014", SB_E_BUSY, "look at the database server's load and its time-outs"},
    {"57", SB_E_NETWORK, "start the database server again"},
    {"08", SB_E_NETWORK, "look at the database server and the network to it"},
    {"58", SB_E_IO, "look at the database server's log and disks"},
    {"28", SB_E_USAGE, "look at the user's name and password, and at pg_hba.conf"},
    {"3D000", SB_E_USAGE, "create the database (createdb), or correct its name"},
    {"42501", SB_E_USAGE, "grant the user what it needs: to create tables, once, and to read and write them"},
    {"22", SB_E_INVALID, "the data breaks a rule of the table"},
    {"23", SB_E_INVALID, "the data breaks a rule of the table"},
    {"", SB_E_INTERNAL, "please report this"},
};

static const meaning *meaning_of(const char *sqlstate)
{
    const meaning *m = meanings;
    while (!sb_str_starts_with(sb_str_from(sqlstate), sb_str_from(m->prefix)))
        m++;
    return m;
}

/* The first line, so that detail and hint, which may hold values, stay where they are. */
static sb_str first_line(const char *text)
{
    sb_str rest = sb_str_from(text ? text : ""), line = SB_STR_NULL;
    (void)sb_str_split(&rest, '\n', &line);
    return sb_str_trim(line);
}

static sb_status lost(const sb_db *db, const char *verb, sb_error *err)
{
    sb_str line = first_line(PQerrorMessage(raw_of(db)));
    SB_AUTOFREE why = sb_str_dup(line);
    return sb_db_fail(db, SB_E_NETWORK, verb, why && why[0] ? why : "the connection was lost",
                      "look at the database server and the network to it", err);
}

static sb_status explain(const sb_db *db, const PGresult *result, const char *verb, sb_error *err)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    if (PQstatus(raw_of(db)) != CONNECTION_OK && (!state || strncmp(state, "57", 2) != 0))
        return lost(db, verb, err);
    const meaning *m = meaning_of(state ? state : "");
    SB_AUTOFREE why = sb_str_dup(first_line(result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL));
    return why ? sb_db_fail(db, m->status, verb, why[0] ? why : "the server did not say why", m->fix, err)
               : sb_error_nomem(err);
}

/* Connections */

static void pg_close(sb_db *db)
{
    PQfinish(raw_of(db));
    free(db);
}

/* What the server said since (that it goes down, say) is read first. */
static bool pg_usable(const sb_db *db)
{
    PGconn *raw = raw_of(db);
    struct pollfd look = {.fd = PQsocket(raw), .events = POLLIN};
    while (look.fd >= 0 && poll(&look, 1, 0) > 0) {
        if (!PQconsumeInput(raw))
            return false;
    }
    return PQstatus(raw) == CONNECTION_OK && PQtransactionStatus(raw) == PQTRANS_IDLE;
}

static sb_status pg_exec(sb_db *db, const char *sql, sb_error *err)
{
    PGresult *result = PQexec(raw_of(db), sql);
    ExecStatusType got = PQresultStatus(result);
    sb_status status = SB_OK;
    if (got != PGRES_COMMAND_OK && got != PGRES_TUPLES_OK && got != PGRES_EMPTY_QUERY)
        status = explain(db, result, "written", err);
    else if (strcmp(sql, "COMMIT") == 0 && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        /* a transaction in which a statement failed is rolled back, and that is no error to the server */
        status = sb_db_fail(db, SB_E_INTERNAL, "written", "the transaction was rolled back", "please report this", err);
    PQclear(result);
    return status;
}

static int64_t pg_changes(const sb_db *db)
{
    return ((const pg *)db)->changes;
}

static int64_t pg_last_id(const sb_db *db)
{
    (void)db;
    return 0;
}

static bool pg_in_transaction(const sb_db *db)
{
    PGTransactionStatusType now = PQtransactionStatus(raw_of(db));
    return now == PQTRANS_INTRANS || now == PQTRANS_INERROR;
}

/* Statements */

/* ?7 becomes $7, but not within quotes. False: too long. */
static bool translate(const char *sql, char out[SQL_MAX])
{
    size_t n = 0;
    bool quoted = false;
    for (; sql[n]; n++) {
        if (n + 1 == SQL_MAX)
            return false;
        quoted ^= sql[n] == '\'';
        out[n] = sql[n] == '?' && !quoted ? '$' : sql[n];
    }
    out[n] = '\0';
    return true;
}

static void forget(pg_stmt *s)
{
    for (int i = 0; i < PARAMETERS_MAX; i++)
        free(s->values[i].bytes);
    memset(s->values, 0, sizeof(s->values));
}

static void pg_reset(sb_stmt *stmt)
{
    pg_stmt *s = (pg_stmt *)stmt;
    PQclear(s->result);
    s->result = NULL;
}

static void pg_stmt_free(sb_stmt *stmt)
{
    pg_stmt *s = (pg_stmt *)stmt;
    char sql[40];
    pg_reset(stmt);
    forget(s);
    if (s->name[0] && PQstatus(raw_of(stmt->db)) == CONNECTION_OK) {
        (void)snprintf(sql, sizeof(sql), "DEALLOCATE %s", s->name);
        PQclear(PQexec(raw_of(stmt->db), sql)); /* one that fails goes with the connection */
    }
    free(s);
}

static sb_status describe(sb_db *db, pg_stmt *s, const char *sql, sb_error *err)
{
    PGresult *result = PQprepare(raw_of(db), s->name, sql, 0, NULL);
    sb_status status = PQresultStatus(result) == PGRES_COMMAND_OK ? SB_OK : explain(db, result, "read", err);
    PQclear(result);
    SB_TRY(status);
    result = PQdescribePrepared(raw_of(db), s->name);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        status = explain(db, result, "read", err);
    s->count = PQnparams(result);
    PQclear(result);
    if (status == SB_OK && s->count > PARAMETERS_MAX)
        status =
            sb_db_fail(db, SB_E_INTERNAL, "read", "a statement has too many parameters", "please report this", err);
    return status;
}

static sb_status pg_prepare(sb_db *db, const char *sql, sb_stmt **out, sb_error *err)
{
    char translated[SQL_MAX];
    pg_stmt *s = calloc(1, sizeof(*s));
    if (!s)
        return sb_error_nomem(err);
    s->stmt.db = db;
    s->writes = !sb_str_starts_with(sb_str_from(sql), SB_STR_LIT("SELECT"));
    sb_status status;
    if (!translate(sql, translated)) {
        status = sb_db_fail(db, SB_E_INTERNAL, "read", "a statement is too long", "please report this", err);
    } else {
        (void)snprintf(s->name, sizeof(s->name), "s%u", ((pg *)db)->statements++);
        status = describe(db, s, translated, err);
    }
    if (status == SB_OK)
        *out = &s->stmt;
    else
        pg_stmt_free(&s->stmt);
    return status;
}

static void bind_value(sb_stmt *stmt, int index, sb_str bytes, bool text_form)
{
    pg_stmt *s = (pg_stmt *)stmt;
    if (index < 1 || index > PARAMETERS_MAX) {
        s->bind_failed = true;
        return;
    }
    value *v = &s->values[index - 1];
    free(v->bytes);
    *v = (value){NULL, 0, text_form};
    if (!bytes.ptr)
        return;
    v->bytes = sb_str_dup(bytes);
    v->len = bytes.len;
    s->bind_failed |= v->bytes == NULL;
}

static void pg_bind_i64(sb_stmt *stmt, int index, int64_t number)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%lld", (long long)number);
    bind_value(stmt, index, (sb_str){digits, (size_t)len}, true);
}

static void pg_bind_bytes(sb_stmt *stmt, int index, sb_str bytes, bool text)
{
    (void)text; /* both are sent as they are */
    bind_value(stmt, index, bytes, false);
}

static sb_status execute(pg_stmt *s, sb_error *err)
{
    const char *bytes[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX], binary[PARAMETERS_MAX];
    sb_db *db = s->stmt.db;
    if (s->bind_failed)
        return sb_error_nomem(err);
    for (int i = 0; i < s->count; i++) {
        if (s->values[i].len > INT32_MAX)
            return sb_db_fail(db, SB_E_INVALID, "written", "a value is longer than the database takes",
                              "keep it elsewhere", err);
        bytes[i] = s->values[i].bytes;
        lengths[i] = (int)s->values[i].len;
        binary[i] = !s->values[i].text_form;
    }
    s->result = PQexecPrepared(raw_of(db), s->name, s->count, bytes, lengths, binary, 1);
    s->row = 0;
    ExecStatusType got = PQresultStatus(s->result);
    if (got != PGRES_COMMAND_OK && got != PGRES_TUPLES_OK) {
        sb_status status = explain(db, s->result, s->writes ? "written" : "read", err);
        pg_reset(&s->stmt);
        return status;
    }
    if (s->writes)
        ((pg *)db)->changes = strtoll(PQcmdTuples(s->result), NULL, 10);
    return SB_OK;
}

static sb_status pg_step(sb_stmt *stmt, bool *row, sb_error *err)
{
    pg_stmt *s = (pg_stmt *)stmt;
    *row = false;
    if (s->result)
        s->row++;
    else
        SB_TRY(execute(s, err));
    if (s->row < PQntuples(s->result))
        *row = true;
    else
        pg_reset(stmt);
    return SB_OK;
}

static void pg_clear(sb_stmt *stmt)
{
    forget((pg_stmt *)stmt);
}

static bool pg_is_null(const sb_stmt *stmt, int column)
{
    const pg_stmt *s = (const pg_stmt *)stmt;
    return PQgetisnull(s->result, s->row, column) != 0;
}

static int64_t pg_i64(const sb_stmt *stmt, int column)
{
    const pg_stmt *s = (const pg_stmt *)stmt;
    const char *bytes = PQgetvalue(s->result, s->row, column);
    uint64_t wide;
    uint32_t narrow;
    uint16_t small;
    if (pg_is_null(stmt, column))
        return 0;
    switch (PQftype(s->result, column)) {
    case OID_INT8:
        memcpy(&wide, bytes, sizeof(wide));
        return (int64_t)be64toh(wide);
    case OID_INT4:
        memcpy(&narrow, bytes, sizeof(narrow));
        return (int32_t)be32toh(narrow);
    case OID_INT2:
        memcpy(&small, bytes, sizeof(small));
        return (int16_t)be16toh(small);
    case OID_BOOL:
        return bytes[0] != 0;
    default:
        sb_log(SB_LOG_ERROR, "a column that is no integer was read as one");
        return 0;
    }
}

static sb_str pg_str(const sb_stmt *stmt, int column)
{
    const pg_stmt *s = (const pg_stmt *)stmt;
    if (pg_is_null(stmt, column))
        return SB_STR_NULL;
    return (sb_str){PQgetvalue(s->result, s->row, column), (size_t)PQgetlength(s->result, s->row, column)};
}

/* Migrations */

static sb_status one_number(sb_db *db, const char *sql, int64_t parameter, int64_t *out, sb_error *err)
{
    SB_AUTOPTR(sb_stmt) stmt = NULL;
    bool row;
    SB_TRY(sb_db_prepare(db, sql, &stmt, err));
    sb_stmt_bind_i64(stmt, 1, parameter);
    SB_TRY(sb_stmt_step(stmt, &row, err));
    *out = row ? sb_stmt_i64(stmt, 0) : 0;
    return SB_OK;
}

static const char version_sql[] = "SELECT version FROM smartbulk_schema WHERE application_id = ?1";

static sb_status pg_read_version(sb_db *db, unsigned application_id, int64_t *version, sb_error *err)
{
    int64_t there = 0;
    *version = 0;
    SB_TRY(one_number(db, "SELECT count(*) FROM pg_class WHERE oid = to_regclass('smartbulk_schema') AND ?1 <> 0", 1,
                      &there, err));
    return there ? one_number(db, version_sql, application_id, version, err) : SB_OK;
}

static sb_status pg_lock_version(sb_db *db, unsigned application_id, int64_t *version, sb_error *err)
{
    char lock[64];
    (void)snprintf(lock, sizeof(lock), "SELECT pg_advisory_xact_lock(%u)", application_id);
    SB_TRY(sb_db_exec(db, lock, err));
    SB_TRY(sb_db_exec(db,
                      "CREATE TABLE IF NOT EXISTS smartbulk_schema (application_id BIGINT PRIMARY KEY,"
                      " version BIGINT NOT NULL)",
                      err));
    return one_number(db, version_sql, application_id, version, err);
}

static sb_status pg_set_version(sb_db *db, unsigned application_id, int64_t version, sb_error *err)
{
    SB_AUTOPTR(sb_stmt) stmt = NULL;
    SB_TRY(sb_db_prepare(db,
                         "INSERT INTO smartbulk_schema VALUES (?1, ?2)"
                         " ON CONFLICT (application_id) DO UPDATE SET version = excluded.version",
                         &stmt, err));
    sb_stmt_bind_i64(stmt, 1, application_id);
    sb_stmt_bind_i64(stmt, 2, version);
    return sb_stmt_run(stmt, err);
}

/* Opening */

static const sb_db_ops ops = {
    .kind = SB_DB_POSTGRESQL,
    .close = pg_close,
    .usable = pg_usable,
    .exec = pg_exec,
    .changes = pg_changes,
    .last_id = pg_last_id,
    .prepare = pg_prepare,
    .stmt_free = pg_stmt_free,
    .bind_i64 = pg_bind_i64,
    .bind_bytes = pg_bind_bytes,
    .step = pg_step,
    .reset = pg_reset,
    .clear = pg_clear,
    .i64 = pg_i64,
    .str = pg_str,
    .is_null = pg_is_null,
    .begin = "BEGIN",
    .in_transaction = pg_in_transaction,
    .read_version = pg_read_version,
    .lock_version = pg_lock_version,
    .set_version = pg_set_version,
};

static void on_notice(void *impl, const char *text)
{
    (void)impl;
    sb_str line = first_line(text);
    sb_log_debug("database: %.*s", (int)line.len, line.ptr);
}

sb_status sb_postgres_open(const sb_db_options *options, sb_db **out, sb_error *err)
{
    pg *bare = calloc(1, sizeof(*bare));
    bool verify = false;
    if (!bare)
        return sb_error_nomem(err);
    SB_AUTOPTR(sb_db) db = &bare->db;
    db->ops = &ops;
    db->what = options->what ? options->what : "a database";
    if (sb_postgres_uri(options->path, &db->where, &verify) != SB_OK)
        return sb_db_fail(db, SB_E_USAGE, "opened", "the address is not one that libpq understands",
                          "write postgresql://USER@HOST:PORT/DATABASE; in a password / is %2F, ? is %3F, @ is %40",
                          err);
    /* those before the URI give way to it, those after do not */
    const char *names[] = {
        "connect_timeout",  "application_name", "tcp_user_timeout", "keepalives_idle",         "keepalives_interval",
        "keepalives_count", "dbname",           "client_encoding",  verify ? "sslmode" : NULL, NULL};
    const char *texts[] = {CONNECT_TIMEOUT_S, "smartbulk", SILENCE_MS,    PROBE_AFTER_S, PROBE_EVERY_S, PROBES,
                           options->path,     "UTF8",      "verify-full", NULL};
    bare->raw = PQconnectdbParams(names, texts, 1);
    if (PQstatus(bare->raw) != CONNECTION_OK)
        return lost(db, "opened", err);
    (void)PQsetNoticeProcessor(bare->raw, on_notice, NULL);
    SB_TRY(sb_db_exec(db, settings, err));
    *out = db;
    db = NULL;
    return SB_OK;
}

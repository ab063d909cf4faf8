/* SPDX-License-Identifier: Apache-2.0 */
/* test_databases.c - the promises that store/db.h and pool.h make for both kinds of database: each test runs on SQLite
 * and on PostgreSQL. What only SQLite promises is in test_sqlite.c. */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "databases.h"
#include "store/pool.h"

static const char *const v1[] = {"CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, bytes BYTEA);"
                                 "CREATE TABLE n (count BIGINT NOT NULL); INSERT INTO n VALUES (0)",
                                 NULL};
static const char *const v2[] = {"CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, bytes BYTEA);"
                                 "CREATE TABLE n (count BIGINT NOT NULL); INSERT INTO n VALUES (0)",
                                 "ALTER TABLE t ADD COLUMN more TEXT", NULL};
static const char *const broken[] = {"CREATE TABLE half (id BIGINT); NONSENSE", NULL};

static sb_db_options options_of(const database *f, const char *const *migrations)
{
    return (sb_db_options){
        .path = f->path, .what = "the test's database", .migrations = migrations, .application_id = 0x5342u};
}

static sb_db *open_db(database *f, const char *const *migrations)
{
    sb_db *db = NULL;
    sb_db_options options = options_of(f, migrations);
    if (sb_db_open(&options, &db, &f->err) != SB_OK)
        fail_msg("%s: %s", f->err.what, f->err.why);
    return db;
}

static void insert(sb_db *db, int64_t id, sb_str name, sb_str bytes)
{
    sb_stmt *stmt = NULL;
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_db_cached(db, "INSERT INTO t (id, name, bytes) VALUES (?1, ?2, ?3)", &stmt, &err), SB_OK);
    sb_stmt_bind_i64(stmt, 1, id);
    sb_stmt_bind_text(stmt, 2, name);
    sb_stmt_bind_blob(stmt, 3, bytes);
    if (sb_stmt_run(stmt, &err) != SB_OK)
        fail_msg("%s", err.why);
}

static int64_t number(sb_db *db, const char *sql)
{
    SB_AUTOPTR(sb_stmt) stmt = NULL;
    bool row;
    assert_int_equal(sb_db_prepare(db, sql, &stmt, NULL), SB_OK);
    assert_int_equal(sb_stmt_step(stmt, &row, NULL), SB_OK);
    assert_true(row);
    return sb_stmt_i64(stmt, 0);
}

/* The promises */

static void what_is_written_is_read_again(database *f)
{
    static const char nasty[] = "?1 $1 'quoted' \"name\" \\ \xc3\xa9 ; DROP TABLE t --";
    static const char bytes[] = {0, 1, 2, (char)0xff, '\\', 'x', 0};
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    SB_AUTOPTR(sb_stmt) stmt = NULL;
    bool row;
    insert(db, INT64_MIN, sb_str_from(nasty), (sb_str){bytes, sizeof(bytes)});
    insert(db, INT64_MAX, SB_STR_NULL, SB_STR_NULL);
    insert(db, 0, (sb_str){"", 0}, (sb_str){"", 0});
    assert_int_equal(sb_db_prepare(db, "SELECT id, name, bytes FROM t ORDER BY id", &stmt, &f->err), SB_OK);
    assert_int_equal(sb_stmt_step(stmt, &row, &f->err), SB_OK);
    assert_true(row && sb_stmt_i64(stmt, 0) == INT64_MIN);
    assert_true(sb_str_eq(sb_stmt_str(stmt, 1), sb_str_from(nasty)));
    assert_true(sb_str_eq(sb_stmt_str(stmt, 2), (sb_str){bytes, sizeof(bytes)}));
    assert_int_equal(sb_stmt_step(stmt, &row, &f->err), SB_OK);
    assert_true(row && sb_stmt_i64(stmt, 0) == 0 && sb_stmt_str(stmt, 1).ptr && sb_stmt_str(stmt, 1).len == 0);
    assert_false(sb_stmt_is_null(stmt, 2));
    assert_int_equal(sb_stmt_step(stmt, &row, &f->err), SB_OK);
    assert_true(row && sb_stmt_i64(stmt, 0) == INT64_MAX && sb_stmt_is_null(stmt, 1) && !sb_stmt_str(stmt, 2).ptr);
    assert_int_equal(sb_stmt_step(stmt, &row, &f->err), SB_OK);
    assert_false(row);
}

static void a_statement_can_be_run_again_and_again(database *f)
{
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    sb_stmt *stmt = NULL, *same = NULL;
    static const char sql[] = "SELECT id FROM t WHERE id >= ?1 AND id <= ?2 ORDER BY id";
    for (int64_t i = 1; i <= 3; i++)
        insert(db, i, SB_STR_NULL, SB_STR_NULL);
    assert_int_equal(sb_db_cached(db, sql, &stmt, NULL), SB_OK);
    assert_int_equal(sb_db_cached(db, sql, &same, NULL), SB_OK);
    assert_ptr_equal(stmt, same);
    for (int64_t from = 1; from <= 3; from++) {
        bool row;
        sb_stmt_bind_i64(stmt, 1, from);
        sb_stmt_bind_i64(stmt, 2, 3);
        assert_int_equal(sb_stmt_step(stmt, &row, NULL), SB_OK);
        assert_true(row && sb_stmt_i64(stmt, 0) == from);
        sb_stmt_reset(stmt); /* before its end */
    }
}

static void changes_and_conflicts_are_counted(database *f)
{
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    SB_AUTOPTR(sb_stmt) add = NULL;
    SB_AUTOPTR(sb_stmt) returning = NULL;
    bool row;
    assert_int_equal(sb_db_prepare(db, "INSERT INTO t (id) VALUES (?1) ON CONFLICT DO NOTHING", &add, NULL), SB_OK);
    for (int i = 0; i < 2; i++) {
        sb_stmt_bind_i64(add, 1, 7);
        assert_int_equal(sb_stmt_run(add, NULL), SB_OK);
        assert_int_equal(sb_db_changes(db), i == 0);
    }
    assert_int_equal(sb_db_prepare(db, "UPDATE t SET name = 'x' WHERE id = ?1 RETURNING id, name", &returning, NULL),
                     SB_OK);
    sb_stmt_bind_i64(returning, 1, 7);
    assert_int_equal(sb_stmt_step(returning, &row, NULL), SB_OK);
    assert_true(row && sb_stmt_i64(returning, 0) == 7 && sb_str_eq(sb_stmt_str(returning, 1), SB_STR_LIT("x")));
}

static void a_transaction_is_all_or_nothing(database *f)
{
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    {
        SB_AUTO(sb_tx) tx = SB_TX_INIT;
        assert_int_equal(sb_tx_begin(&tx, db, NULL), SB_OK);
        insert(db, 1, SB_STR_NULL, SB_STR_NULL);
    }
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 0);
    {
        SB_AUTO(sb_tx) tx = SB_TX_INIT;
        assert_int_equal(sb_tx_begin(&tx, db, NULL), SB_OK);
        insert(db, 1, SB_STR_NULL, SB_STR_NULL);
        assert_int_equal(sb_tx_commit(&tx, NULL), SB_OK);
    }
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 1);
}

static void a_transaction_with_a_fault_is_not_committed(database *f)
{
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    assert_int_equal(sb_tx_begin(&tx, db, NULL), SB_OK);
    insert(db, 1, SB_STR_NULL, SB_STR_NULL);
    assert_int_equal(sb_db_exec(db, "INSERT INTO t (id) VALUES (1)", &f->err), SB_E_INVALID);
    if (f->postgres) /* SQLite lets the rest stand: the caller decides */
        assert_int_not_equal(sb_tx_commit(&tx, &f->err), SB_OK);
    sb_tx_cleanup(&tx);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 0);
}

static void a_fault_does_not_repeat_values(database *f)
{
    SB_AUTOPTR(sb_db) db = open_db(f, v2);
    SB_AUTOPTR(sb_stmt) add = NULL;
    assert_int_equal(sb_db_exec(db, "CREATE UNIQUE INDEX one_of_a_name ON t (name)", NULL), SB_OK);
    assert_int_equal(sb_db_prepare(db, "INSERT INTO t (id, name) VALUES (?1, ?2)", &add, NULL), SB_OK);
    for (int64_t i = 0; i < 2; i++) {
        sb_stmt_bind_i64(add, 1, i);
        sb_stmt_bind_cstr(add, 2, "Mildred");
        assert_int_equal(sb_stmt_run(add, &f->err), i == 0 ? SB_OK : SB_E_INVALID);
    }
    assert_null(strstr(f->err.why, "Mildred"));
    assert_non_null(strstr(f->err.what, "the test's database"));
}

static void migrations_run_once_and_in_order(database *f)
{
    sb_db_free(open_db(f, v1));
    sb_db *db = open_db(f, v2);
    insert(db, 1, SB_STR_NULL, SB_STR_NULL);
    sb_db_free(db);
    db = open_db(f, v2);
    assert_int_equal(number(db, "SELECT count(*) FROM t WHERE more IS NULL"), 1);
    sb_db_free(db);
    sb_db_options older = options_of(f, v1);
    assert_int_equal(sb_db_open(&older, &db, &f->err), SB_E_USAGE);
    assert_non_null(strstr(f->err.why, "newer smartbulk"));
}

static void a_migration_that_fails_leaves_nothing(database *f)
{
    sb_db *db = NULL;
    sb_db_options options = options_of(f, broken);
    assert_int_not_equal(sb_db_open(&options, &db, &f->err), SB_OK);
    db = open_db(f, v1);
    assert_int_not_equal(sb_db_exec(db, "INSERT INTO half VALUES (1)", NULL), SB_OK);
    sb_db_free(db);
}

static void what_must_exist_is_not_made(database *f)
{
    sb_db *db = NULL;
    sb_db_options options = options_of(f, v1);
    options.must_exist = true;
    assert_int_equal(sb_db_open(&options, &db, &f->err), SB_E_NOT_FOUND);
    sb_db_free(open_db(f, v1));
    assert_int_equal(sb_db_open(&options, &db, &f->err), SB_OK);
    sb_db_free(db);
}

/* Threads */

#define THREADS 8
#define ROUNDS  25

typedef struct crowd {
    sb_pool *pool;
    const database *f;
} crowd;

static void add_one(sb_pool *pool)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    sb_error err = SB_ERROR_INIT;
    if (sb_lease_take(&lease, pool, &err) != SB_OK || sb_tx_begin(&tx, lease.db, &err) != SB_OK ||
        sb_db_exec(lease.db, "UPDATE n SET count = count + 1", &err) != SB_OK || sb_tx_commit(&tx, &err) != SB_OK)
        fail_msg("%s", err.why);
}

static void *add_many(void *impl)
{
    for (int i = 0; i < ROUNDS; i++)
        add_one(impl);
    return NULL;
}

static void threads_share_a_few_connections(database *f)
{
    pthread_t threads[THREADS];
    SB_AUTOPTR(sb_pool) pool = NULL;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    sb_db_options options = options_of(f, v1);
    assert_int_equal(sb_pool_new(&options, 3, &pool, &f->err), SB_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, pool), 0);
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(sb_lease_take(&lease, pool, NULL), SB_OK);
    assert_int_equal(number(lease.db, "SELECT count FROM n"), THREADS * ROUNDS);
    sb_lease_cleanup(&lease);
}

static void *open_one(void *impl)
{
    crowd *c = impl;
    sb_db *db = NULL;
    sb_error err = SB_ERROR_INIT;
    sb_db_options options = options_of(c->f, v2);
    if (sb_db_open(&options, &db, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
    sb_db_free(db);
    return NULL;
}

static void many_may_open_a_new_database_at_once(database *f)
{
    pthread_t threads[THREADS];
    crowd c = {.f = f};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_one, &c), 0);
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
}

/* PostgreSQL alone */

static void a_server_that_comes_back_is_found_again(void **state)
{
    (void)state;
    SKIP_WITHOUT_POSTGRES(&databases_server);
    database *f = database_new(true);
    SB_AUTOPTR(sb_pool) pool = NULL;
    sb_db_options options = options_of(f, v1);
    assert_int_equal(sb_pool_new(&options, 2, &pool, &f->err), SB_OK);
    add_one(pool);
    postgres_restart(&databases_server);
    add_one(pool);
    sb_pool_free(pool);
    pool = NULL;
    database_free(f);
}

/* A socket that takes connections and never says a word, in a folder of its own. */
static int silent_server(const char *dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.5432", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static unsigned connections_to(int listener)
{
    unsigned count = 0;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; count++)
        (void)close(fd);
    return count;
}

static void who_comes_while_a_server_is_silent_is_told_at_once(void **state)
{
    (void)state;
    SKIP_WITHOUT_POSTGRES(&databases_server);
    database *f = database_new(true);
    SB_AUTOPTR(sb_pool) pool = NULL;
    SB_AUTOFREE link = sb_printf("%s/link", f->dir);
    SB_AUTOFREE silent = sb_printf("%s/silent", f->dir);
    SB_AUTOFREE socket_path = sb_printf("%s/.s.PGSQL.5432", silent);
    const char *name = f->path + strlen("postgresql:///");
    SB_AUTOFREE uri =
        sb_printf("postgresql:///%.*s?host=%s&user=sb&connect_timeout=2", (int)strcspn(name, "?"), name, link);
    sb_db_options options = {.path = uri, .what = "the test's database", .migrations = v1};
    assert_int_equal(symlink(databases_server.dir, link), 0);
    assert_int_equal(sb_pool_new(&options, 3, &pool, &f->err), SB_OK);
    int listener = silent_server(silent);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink(silent, link), 0);
    {
        SB_AUTO(sb_lease) first = SB_LEASE_INIT; /* the connection there is, is good still */
        SB_AUTO(sb_lease) second = SB_LEASE_INIT;
        sb_error err = SB_ERROR_INIT, again = SB_ERROR_INIT;
        assert_int_equal(sb_lease_take(&first, pool, NULL), SB_OK);
        assert_int_equal(sb_lease_take(&second, pool, &err), SB_E_NETWORK);
        assert_int_equal(sb_lease_take(&second, pool, &again), SB_E_NETWORK);
        assert_string_equal(err.why, again.why);
    }
    assert_int_equal(connections_to(listener), 1);
    (void)close(listener);
    (void)unlink(socket_path);
    (void)rmdir(silent);
    (void)unlink(link);
    sb_pool_free(pool);
    pool = NULL;
    database_free(f);
}

static void a_password_is_never_shown(void **state)
{
    (void)state;
    sb_db *db = NULL;
    sb_error err = SB_ERROR_INIT;
    static const char *const uris[] = {"postgresql://sb:hunter2@127.0.0.1:1/x", "postgresql://sb:hunter2@[::1",
                                       "postgresql://sb:hunter2@127.0.0.1:1/x?nonsense=hunter2"};
    for (size_t i = 0; i < SB_ARRAY_LEN(uris); i++) {
        sb_db_options options = {.path = uris[i], .what = "the test's database", .migrations = v1};
        assert_int_not_equal(sb_db_open(&options, &db, &err), SB_OK);
        assert_null(strstr(err.why, "hunter2"));
        assert_null(strstr(err.what, "hunter2"));
        assert_null(strstr(err.fix, "hunter2"));
    }
}

ON_BOTH(what_is_written_is_read_again)
ON_BOTH(a_statement_can_be_run_again_and_again)
ON_BOTH(changes_and_conflicts_are_counted)
ON_BOTH(a_transaction_is_all_or_nothing)
ON_BOTH(a_transaction_with_a_fault_is_not_committed)
ON_BOTH(a_fault_does_not_repeat_values)
ON_BOTH(migrations_run_once_and_in_order)
ON_BOTH(a_migration_that_fails_leaves_nothing)
ON_BOTH(what_must_exist_is_not_made)
ON_BOTH(threads_share_a_few_connections)
ON_BOTH(many_may_open_a_new_database_at_once)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(what_is_written_is_read_again),
        BOTH(a_statement_can_be_run_again_and_again),
        BOTH(changes_and_conflicts_are_counted),
        BOTH(a_transaction_is_all_or_nothing),
        BOTH(a_transaction_with_a_fault_is_not_committed),
        BOTH(a_fault_does_not_repeat_values),
        BOTH(migrations_run_once_and_in_order),
        BOTH(a_migration_that_fails_leaves_nothing),
        BOTH(what_must_exist_is_not_made),
        BOTH(threads_share_a_few_connections),
        BOTH(many_may_open_a_new_database_at_once),
        cmocka_unit_test(a_server_that_comes_back_is_found_again),
        cmocka_unit_test(who_comes_while_a_server_is_silent_is_told_at_once),
        cmocka_unit_test(a_password_is_never_shown),
    };
    return cmocka_run_group_tests(tests, databases_start, databases_stop);
}

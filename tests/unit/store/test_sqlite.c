/* SPDX-License-Identifier: Apache-2.0 */
/* test_sqlite.c - the promises of store/db.h: modes, durability settings, migrations, statements, errors. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "store/db.h"

static const char *const v1[] = {"CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INTEGER)", NULL};
static const char *const v2[] = {"CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INTEGER)",
                                 "ALTER TABLE t ADD COLUMN more BLOB; CREATE TABLE u (t INTEGER REFERENCES t(id))",
                                 NULL};
static const char *const broken[] = {"CREATE TABLE t (id INTEGER PRIMARY KEY)", "CREATE TABLE half (a); NONSENSE",
                                     NULL};

#define APP_ID 0x736d4201u

typedef struct fixture {
    char dir[64];
    char *path;
    sb_error err;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/sb-sqlite-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->path = sb_path_join(f->dir, "x.db");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"x.db", "x.db-wal", "x.db-shm", "x.db-journal", "link.db", "folder", "other"};
    for (size_t i = 0; i < SB_ARRAY_LEN(names); i++) {
        SB_AUTOFREE path = sb_path_join(f->dir, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0); /* nothing else was left behind */
    free(f->path);
    free(f);
    return 0;
}

static sb_db *open_db(fixture *f, const char *const *migrations)
{
    sb_db *db = NULL;
    sb_db_options options = {
        .path = f->path, .what = "the test's file", .migrations = migrations, .application_id = APP_ID};
    sb_status status = sb_db_open(&options, &db, &f->err);
    if (status != SB_OK)
        print_error("%s: %s\n", f->err.what, f->err.why);
    assert_int_equal(status, SB_OK);
    return db;
}

static sb_status try_open(fixture *f, const char *const *migrations, bool must_exist)
{
    sb_db *db = NULL;
    sb_db_options options = {.path = f->path,
                             .what = "the test's file",
                             .migrations = migrations,
                             .application_id = APP_ID,
                             .must_exist = must_exist};
    sb_status status = sb_db_open(&options, &db, &f->err);
    sb_db_free(db);
    return status;
}

static int64_t number(sb_db *db, const char *sql)
{
    SB_AUTOPTR(sb_stmt) stmt = NULL;
    sb_error err;
    bool row;
    assert_int_equal(sb_db_prepare(db, sql, &stmt, &err), SB_OK);
    assert_int_equal(sb_stmt_step(stmt, &row, &err), SB_OK);
    assert_true(row);
    return sb_stmt_i64(stmt, 0);
}

static void files_are_private_whatever_the_umask(void **state)
{
    fixture *f = *state;
    mode_t old = umask(0);
    sb_db *db = open_db(f, v1);
    assert_int_equal(sb_db_exec(db, "INSERT INTO t(name) VALUES('a')", NULL), SB_OK);
    (void)umask(old);
    static const char *const names[] = {"x.db", "x.db-wal", "x.db-shm"};
    for (size_t i = 0; i < SB_ARRAY_LEN(names); i++) {
        struct stat st;
        SB_AUTOFREE path = sb_path_join(f->dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    sb_db_free(db);
}

static void a_file_that_others_could_read_is_closed_to_them(void **state)
{
    fixture *f = *state;
    sb_db_free(open_db(f, v1));
    assert_int_equal(chmod(f->path, 0644), 0);
    sb_db_free(open_db(f, v1));
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_link_is_not_followed(void **state)
{
    fixture *f = *state;
    sb_db_free(open_db(f, v1));
    char *real = f->path;
    f->path = sb_path_join(f->dir, "link.db");
    assert_int_equal(symlink(real, f->path), 0);
    assert_int_equal(try_open(f, v1, false), SB_E_IO);
    free(real);
}

static void a_link_to_what_others_may_read_does_not_close_that(void **state)
{
    fixture *f = *state;
    struct stat st;
    SB_AUTOFREE other = sb_path_join(f->dir, "other");
    assert_int_equal(sb_file_create_new(other, 0644, SB_STR_LIT("theirs"), &f->err), SB_OK);
    assert_int_equal(symlink(other, f->path), 0);
    assert_int_equal(try_open(f, v1, true), SB_E_IO);
    assert_int_equal(try_open(f, v1, false), SB_E_IO);
    assert_non_null(strstr(f->err.fix, "symbolic link"));
    assert_int_equal(stat(other, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(st.st_size, 6);
}

/* As /var/run is one. */
static void a_folder_that_is_a_link_leads_to_the_same_file(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    assert_int_equal(sb_db_exec(db, "INSERT INTO t(n) VALUES(1)", NULL), SB_OK);
    SB_AUTOFREE link = sb_path_join(f->dir, "folder");
    assert_int_equal(symlink(".", link), 0);
    free(f->path);
    f->path = sb_path_join(f->dir, "folder/x.db");
    SB_AUTOPTR(sb_db) again = open_db(f, v1);
    assert_int_equal(number(again, "SELECT count(*) FROM t"), 1);
}

static void commits_are_durable_and_keys_are_checked(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_db) db = open_db(f, v2);
    assert_int_equal(number(db, "PRAGMA synchronous"), 2);
    assert_int_equal(number(db, "PRAGMA foreign_keys"), 1);
    SB_AUTOPTR(sb_stmt) mode = NULL;
    bool row;
    assert_int_equal(sb_db_prepare(db, "PRAGMA journal_mode", &mode, NULL), SB_OK);
    assert_int_equal(sb_stmt_step(mode, &row, NULL), SB_OK);
    assert_true(sb_str_eq(sb_stmt_str(mode, 0), SB_STR_LIT("wal")));
    sb_stmt_reset(mode);
    assert_int_equal(sb_db_exec(db, "INSERT INTO u VALUES(99)", &f->err), SB_E_INVALID);
    assert_int_equal(sb_db_exec(db, "INSERT INTO t(name) VALUES(\"not a string\")", &f->err), SB_E_INTERNAL);
}

static void versions_are_applied_once_and_in_order(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    assert_int_equal(number(db, "PRAGMA user_version"), 1);
    assert_int_equal(sb_db_exec(db, "INSERT INTO t(name, n) VALUES('kept', 7)", NULL), SB_OK);
    sb_db_free(db);
    db = open_db(f, v2);
    assert_int_equal(number(db, "PRAGMA user_version"), 2);
    assert_int_equal(number(db, "SELECT n FROM t WHERE name = 'kept' AND more IS NULL"), 7);
    sb_db_free(db);
    db = open_db(f, v2);
    assert_int_equal(number(db, "PRAGMA user_version"), 2);
}

static void a_failed_version_leaves_nothing_behind(void **state)
{
    fixture *f = *state;
    assert_int_equal(try_open(f, broken, false), SB_E_INTERNAL);
    SB_AUTOPTR(sb_db) db = open_db(f, (const char *const[]){broken[0], NULL});
    assert_int_equal(number(db, "PRAGMA user_version"), 1);
    assert_int_equal(number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
}

static void a_newer_file_is_left_alone(void **state)
{
    fixture *f = *state;
    sb_db_free(open_db(f, v2));
    assert_int_equal(try_open(f, v1, false), SB_E_USAGE);
    assert_non_null(strstr(f->err.why, "newer"));
}

static void another_programs_file_is_left_alone(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_db) db = NULL;
    sb_db_options options = {.path = f->path, .what = "x", .migrations = v1, .application_id = 42};
    assert_int_equal(sb_db_open(&options, &db, NULL), SB_OK);
    assert_int_equal(try_open(f, v2, false), SB_E_INVALID);
    assert_int_equal(number(db, "PRAGMA user_version"), 1);
}

static void what_is_no_database_says_so(void **state)
{
    fixture *f = *state;
    char noise[4096];
    memset(noise, 'x', sizeof(noise));
    assert_int_equal(sb_file_create_new(f->path, 0600, (sb_str){noise, sizeof(noise)}, NULL), SB_OK);
    assert_int_equal(try_open(f, v1, false), SB_E_INVALID);
    assert_non_null(strstr(f->err.fix, "damaged"));
    assert_non_null(strstr(f->err.why, f->path));
}

static void a_missing_file_is_made_only_when_asked(void **state)
{
    fixture *f = *state;
    assert_int_equal(try_open(f, v1, true), SB_E_NOT_FOUND);
    assert_int_not_equal(access(f->path, F_OK), 0);
    free(f->path);
    f->path = sb_path_join(f->dir, "no/such/folder.db");
    assert_int_equal(try_open(f, v1, true), SB_E_NOT_FOUND);
    assert_int_equal(try_open(f, v1, false), SB_E_IO);
}

static void special_names_are_plain_files(void **state)
{
    fixture *f = *state;
    char cwd[4096];
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    assert_int_equal(chdir(f->dir), 0);
    sb_db *db = NULL;
    sb_db_options options = {.path = ":memory:", .what = "x", .migrations = v1};
    assert_int_equal(sb_db_open(&options, &db, NULL), SB_OK);
    assert_int_equal(access("./:memory:", F_OK), 0);
    sb_db_free(db);
    assert_int_equal(unlink("./:memory:"), 0);
    assert_int_equal(chdir(cwd), 0);
}

static void values_come_back_as_they_went_in(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_db) db = open_db(f, v2);
    SB_AUTOPTR(sb_stmt) insert = NULL;
    SB_AUTOPTR(sb_stmt) select = NULL;
    assert_int_equal(sb_db_prepare(db, "INSERT INTO t(name, n, more) VALUES(?1, ?2, ?3)", &insert, NULL), SB_OK);
    sb_stmt_bind_cstr(insert, 1, "'); DROP TABLE t; --");
    sb_stmt_bind_i64(insert, 2, INT64_MIN);
    sb_stmt_bind_blob(insert, 3, (sb_str){"\0\1\2", 3});
    assert_int_equal(sb_stmt_run(insert, NULL), SB_OK);
    assert_int_equal(sb_db_changes(db), 1);
    assert_int_equal(sb_db_last_id(db), 1);
    sb_stmt_bind_text(insert, 1, SB_STR_LIT("")); /* the others were forgotten: NULL */
    assert_int_equal(sb_stmt_run(insert, NULL), SB_OK);
    bool row;
    assert_int_equal(sb_db_prepare(db, "SELECT name, n, more FROM t ORDER BY id", &select, NULL), SB_OK);
    assert_int_equal(sb_stmt_step(select, &row, NULL), SB_OK);
    assert_true(row);
    assert_true(sb_str_eq(sb_stmt_str(select, 0), SB_STR_LIT("'); DROP TABLE t; --")));
    assert_true(sb_stmt_i64(select, 1) == INT64_MIN);
    assert_true(sb_str_eq(sb_stmt_str(select, 2), (sb_str){"\0\1\2", 3}));
    assert_int_equal(sb_stmt_step(select, &row, NULL), SB_OK);
    assert_true(row);
    assert_non_null(sb_stmt_str(select, 0).ptr); /* empty is not NULL */
    assert_int_equal(sb_stmt_str(select, 0).len, 0);
    assert_true(sb_stmt_is_null(select, 1));
    assert_null(sb_stmt_str(select, 2).ptr);
    assert_int_equal(sb_stmt_step(select, &row, NULL), SB_OK);
    assert_false(row);
}

static void a_wrong_bind_fails_the_next_step_and_only_that(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    SB_AUTOPTR(sb_stmt) insert = NULL;
    assert_int_equal(sb_db_prepare(db, "INSERT INTO t(name) VALUES(?1)", &insert, NULL), SB_OK);
    sb_stmt_bind_cstr(insert, 2, "x");
    assert_int_equal(sb_stmt_run(insert, &f->err), SB_E_INTERNAL);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 0);
    sb_stmt_bind_cstr(insert, 1, "x");
    assert_int_equal(sb_stmt_run(insert, &f->err), SB_OK);
    sb_stmt_bind_cstr(insert, 1, "x");
    assert_int_equal(sb_stmt_run(insert, &f->err), SB_E_INVALID); /* UNIQUE */
    assert_null(strstr(f->err.why, "'x'"));
}

static void a_statement_is_exactly_one(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    SB_AUTOPTR(sb_stmt) stmt = NULL;
    assert_int_equal(sb_db_prepare(db, "SELECT 1; DROP TABLE t", &stmt, &f->err), SB_E_INTERNAL);
    assert_int_equal(sb_db_prepare(db, "", &stmt, &f->err), SB_E_INTERNAL);
    assert_int_equal(sb_db_prepare(db, "SELECT nothing", &stmt, &f->err), SB_E_INTERNAL);
    assert_null(stmt);
}

static sb_status insert_and_give_up(sb_db *db, bool give_up, sb_error *err)
{
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    SB_TRY(sb_tx_begin(&tx, db, err));
    SB_TRY(sb_db_exec(db, "INSERT INTO t(n) VALUES(1)", err));
    if (give_up)
        return SB_E_INTERNAL;
    return sb_tx_commit(&tx, err);
}

static void a_transaction_is_all_or_nothing(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    assert_int_equal(insert_and_give_up(db, true, NULL), SB_E_INTERNAL);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 0);
    assert_int_equal(insert_and_give_up(db, false, NULL), SB_OK);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 1);
}

static void what_was_committed_survives_a_kill(void **state)
{
    fixture *f = *state;
    sb_db_free(open_db(f, v1));
    pid_t child = fork();
    if (child == 0) {
        sb_db *db = open_db(f, v1);
        SB_AUTO(sb_tx) tx = SB_TX_INIT;
        if (insert_and_give_up(db, false, NULL) != SB_OK || sb_tx_begin(&tx, db, NULL) != SB_OK ||
            sb_db_exec(db, "INSERT INTO t(n) VALUES(2)", NULL) != SB_OK)
            _exit(1);
        (void)raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 1);
}

/* Asked by another process, for a process never conflicts with its own POSIX locks. */
static bool others_see_a_lock(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(path, O_RDWR | O_CLOEXEC);
        _exit(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void opening_again_does_not_drop_the_first_ones_locks(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    assert_true(others_see_a_lock(f->path));
    sb_db *again = open_db(f, v1);
    assert_true(others_see_a_lock(f->path));
    sb_db_free(again);
    assert_true(others_see_a_lock(f->path));
    sb_db_free(db);
    db = NULL;
    assert_false(others_see_a_lock(f->path));
}

static void a_full_disk_is_named_and_loses_nothing(void **state)
{
    fixture *f = *state;
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    assert_int_equal(insert_and_give_up(db, false, NULL), SB_OK);
    assert_int_equal(sb_db_exec(db, "PRAGMA max_page_count = 8", NULL), SB_OK); /* what SQLite sees of a full disk */
    sb_status status = SB_OK;
    for (int i = 0; i < 1000 && status == SB_OK; i++)
        status = sb_db_exec(db, "INSERT INTO t(name) VALUES(hex(randomblob(1000)))", &f->err);
    assert_int_equal(status, SB_E_IO);
    assert_non_null(strstr(f->err.fix, "disk space"));
    assert_int_equal(number(db, "SELECT count(*) FROM t WHERE n = 1"), 1);
}

static void a_file_size_limit_is_an_error_and_loses_nothing(void **state)
{
    fixture *f = *state;
    sb_db_free(open_db(f, v1));
    pid_t child = fork();
    if (child == 0) {
        sb_db *db = open_db(f, v1);
        struct rlimit limit = {64 * 1024, 64 * 1024};
        (void)signal(SIGXFSZ, SIG_IGN);
        if (insert_and_give_up(db, false, NULL) != SB_OK || setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(1);
        sb_status status = SB_OK;
        for (int i = 0; i < 1000 && status == SB_OK; i++)
            status = sb_db_exec(db, "INSERT INTO t(name) VALUES(hex(randomblob(1000)))", &f->err);
        _exit(status == SB_E_IO && f->err.why[0] ? 0 : 2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    SB_AUTOPTR(sb_db) db = open_db(f, v1);
    assert_int_equal(number(db, "SELECT count(*) FROM t WHERE n = 1"), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(files_are_private_whatever_the_umask),
        T(a_file_that_others_could_read_is_closed_to_them),
        T(a_link_is_not_followed),
        T(a_link_to_what_others_may_read_does_not_close_that),
        T(a_folder_that_is_a_link_leads_to_the_same_file),
        T(commits_are_durable_and_keys_are_checked),
        T(versions_are_applied_once_and_in_order),
        T(a_failed_version_leaves_nothing_behind),
        T(a_newer_file_is_left_alone),
        T(another_programs_file_is_left_alone),
        T(what_is_no_database_says_so),
        T(a_missing_file_is_made_only_when_asked),
        T(special_names_are_plain_files),
        T(values_come_back_as_they_went_in),
        T(a_wrong_bind_fails_the_next_step_and_only_that),
        T(a_statement_is_exactly_one),
        T(a_transaction_is_all_or_nothing),
        T(what_was_committed_survives_a_kill),
        T(opening_again_does_not_drop_the_first_ones_locks),
        T(a_full_disk_is_named_and_loses_nothing),
        T(a_file_size_limit_is_an_error_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

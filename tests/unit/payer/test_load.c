/* SPDX-License-Identifier: Apache-2.0 */
/* test_load.c - files of data, rosters and opt-outs put into a payer's database; on SQLite and PostgreSQL. */
#include "../store/databases.h"
#include "scratch.h"

#include <dirent.h>
#include <sys/stat.h>

#include <smartbulk/load.h>

#include "base/file.h"
#include "payer/state/schema.h"

#define GROUP(id, members)                                                                                             \
    "{\"resourceType\":\"Group\",\"id\":\"" id "\",\"type\":\"person\",\"actual\":true,\"member\":[" members "]}\n"
#define MEMBER(id) "{\"entity\":{\"reference\":\"Patient/" id "\"}}"

typedef struct desk {
    char *dir, *audit;
    sb_load_options o;
    sb_load_counts counts;
    sb_buf bad; /* "file:line why", a line each */
    sb_error err;
    unsigned stop_after; /* pieces; 0: never */
} desk;

static void on_bad_line(void *impl, const char *file, uint64_t line, const char *why)
{
    const char *name = strrchr(file, '/');
    assert_true(sb_buf_printf(&((desk *)impl)->bad, "%s:%llu %s\n", name + 1, (unsigned long long)line, why));
}

static bool on_progress(void *impl, const sb_load_counts *counts)
{
    desk *k = impl;
    return k->stop_after == 0 || counts->added == 0 || --k->stop_after > 0;
}

static void begin(desk *k, database *d)
{
    sb_pool *pool = NULL;
    *k = (desk){.dir = sb_path_join(d->dir, "in")};
    k->audit = sb_path_join(d->dir, "audit.ndjson");
    assert_ok(sb_dir_make(k->dir, 0700, NULL));
    assert_ok(sb_payer_pool(d->path, 1, &pool, NULL)); /* serve makes the tables */
    sb_pool_free(pool);
    k->o = (sb_load_options){.database = d->path,
                             .audit_file = k->audit,
                             .actor = "mary",
                             .on_bad_line = on_bad_line,
                             .on_progress = on_progress,
                             .impl = k};
}

static void end(desk *k)
{
    struct dirent **names = NULL;
    int count = scandir(k->dir, &names, NULL, NULL);
    for (int i = 0; i < count; i++) {
        SB_AUTOFREE path = sb_path_join(k->dir, names[i]->d_name);
        (void)unlink(path);
        free(names[i]);
    }
    free(names);
    (void)rmdir(k->dir);
    (void)unlink(k->audit);
    free(k->dir);
    free(k->audit);
    sb_buf_cleanup(&k->bad);
}

/* The path of a file with this text; it is the caller's to free. */
static char *file(const desk *k, const char *name, const char *text)
{
    char *path = sb_path_join(k->dir, name);
    assert_ok(sb_file_write_atomic(path, 0600, sb_str_from(text), NULL));
    return path;
}

static void load(desk *k)
{
    if (sb_load(&k->o, &k->counts, &k->err) != SB_OK)
        fail_msg("%s: %s", k->err.what, k->err.why);
}

/* The rows of a question, values by commas. */
static void expect_rows(const desk *k, const char *sql, const char *rows)
{
    SB_AUTOPTR(sb_pool) pool = NULL;
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_stmt *stmt = NULL;
    bool row = true;
    assert_ok(sb_payer_pool(k->o.database, 1, &pool, NULL));
    assert_ok(sb_lease_take(&lease, pool, NULL));
    assert_ok(sb_db_cached(lease.db, sql, &stmt, NULL));
    for (;;) {
        assert_ok(sb_stmt_step(stmt, &row, NULL));
        if (!row)
            break;
        assert_true(sb_buf_printf(&text, "%s,", sb_stmt_str(stmt, 0).ptr));
    }
    assert_string_equal(sb_buf_cstr(&text), rows);
}

static void resources_rosters_and_opt_outs_are_put_where_serve_has_them(database *d)
{
    desk k;
    begin(&k, d);
    SB_AUTOFREE patients = file(&k, "p.ndjson",
                                "\xEF\xBB\xBF{\"resourceType\":\"Patient\",\"id\":\"1\"}\r\n\n"
                                "{\"resourceType\":\"Patient\",\"id\":\"2\"}");
    SB_AUTOFREE claims =
        file(&k, "c.ndjson", "{\"resourceType\":\"Claim\",\"id\":\"9\",\"patient\":{\"reference\":\"Patient/2\"}}\n");
    SB_AUTOFREE ignored = file(&k, "readme.txt", "not NDJSON");
    SB_AUTOFREE group = file(&k, "rosters.json", GROUP("north", MEMBER("1") "," MEMBER("2")) GROUP("south", ""));
    SB_AUTOFREE no = file(&k, "no.txt", "Patient/2\n7\r\n");
    const char *groups[] = {group, NULL};
    k.o.folder = k.dir;
    k.o.group_files = groups;
    k.o.opt_out_file = no;
    load(&k);
    assert_int_equal(k.counts.added, 3);
    assert_int_equal(k.counts.replaced, 0);
    assert_int_equal(k.counts.rosters, 2);
    assert_int_equal(k.counts.members, 2);
    assert_int_equal(k.counts.opted_out, 2);
    expect_rows(&k, "SELECT type || '/' || id || ' of ' || patient FROM resources ORDER BY type, id",
                "Claim/9 of 2,Patient/1 of 1,Patient/2 of 2,");
    expect_rows(&k, "SELECT roster_id || ':' || patient_id FROM roster_members ORDER BY 1", "north:1,north:2,");
    expect_rows(&k, "SELECT id FROM rosters ORDER BY id", "north,south,");
    expect_rows(&k, "SELECT patient_id FROM opt_outs ORDER BY patient_id", "2,7,");
    load(&k); /* again: nothing is there twice */
    assert_int_equal(k.counts.added, 0);
    assert_int_equal(k.counts.replaced, 3);
    expect_rows(&k, "SELECT id FROM resources ORDER BY type, id", "9,1,2,");
    expect_rows(&k, "SELECT roster_id || ':' || patient_id FROM roster_members ORDER BY 1", "north:1,north:2,");
    end(&k);
}

static void a_roster_is_replaced_and_removed_whole(database *d)
{
    desk k;
    begin(&k, d);
    SB_AUTOFREE first = file(&k, "first", GROUP("north", MEMBER("1") "," MEMBER("2")));
    SB_AUTOFREE second = file(&k, "second", GROUP("north", MEMBER("3")));
    const char *groups[] = {first, second, NULL}, *none[] = {"north", NULL};
    k.o.group_files = groups;
    load(&k);
    expect_rows(&k, "SELECT patient_id FROM roster_members", "3,");
    k.o.group_files = NULL;
    k.o.remove_groups = none;
    load(&k);
    assert_int_equal(k.counts.rosters_removed, 1);
    expect_rows(&k, "SELECT patient_id FROM roster_members", "");
    assert_int_equal(sb_load(&k.o, &k.counts, &k.err), SB_E_NOT_FOUND);
    end(&k);
}

static void deletions_and_opt_ins_take_out_what_is_there(database *d)
{
    desk k;
    begin(&k, d);
    SB_AUTOFREE patients = file(&k, "p.ndjson", "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n");
    SB_AUTOFREE gone = file(&k, "gone", "Patient/1\nPatient/never\nClaim/1\n");
    SB_AUTOFREE no = file(&k, "no", "1\n2\n");
    SB_AUTOFREE yes = file(&k, "yes", "Patient/2\n3\n");
    k.o.folder = k.dir;
    k.o.opt_out_file = no;
    load(&k);
    k.o = (sb_load_options){
        .database = k.o.database, .audit_file = k.o.audit_file, .deleted_file = gone, .opt_in_file = yes};
    load(&k);
    assert_int_equal(k.counts.deleted, 1);
    assert_int_equal(k.counts.opted_in, 1);
    expect_rows(&k, "SELECT id FROM resources", "");
    expect_rows(&k, "SELECT type || '/' || id || ' of ' || patient FROM deleted_resources", "Patient/1 of 1,");
    expect_rows(&k, "SELECT patient_id FROM opt_outs", "1,");
    end(&k);
}

static void a_deletion_remembers_all_whom_the_resource_was_about(database *d)
{
#define OF(id) "{\"reference\":\"Patient/" id "\"}"
    desk k;
    begin(&k, d);
    SB_AUTOFREE data =
        file(&k, "p.ndjson",
             "{\"resourceType\":\"Account\",\"id\":\"1\",\"subject\":[" OF("a") "," OF("b") "," OF(
                 "c") "]}\n"
                      "{\"resourceType\":\"Account\",\"id\":\"2\",\"subject\":[" OF(
                          "a") "]}\n"
                               "{\"resourceType\":\"Coverage\",\"id\":\"3\",\"beneficiary\":" OF("a") "}\n");
    SB_AUTOFREE gone = file(&k, "gone", "Account/1\nAccount/2\nCoverage/3\nAccount/never\n");
    k.o.folder = k.dir;
    load(&k);
    k.o = (sb_load_options){.database = k.o.database, .audit_file = k.o.audit_file, .deleted_file = gone};
    load(&k);
    assert_int_equal(k.counts.deleted, 3);
    expect_rows(&k, "SELECT id || ' of ' || patient || ' and ' || others FROM deleted_resources ORDER BY id",
                "1 of a and b/c,2 of a and ,3 of a and ,");
    end(&k);
}

static void every_bad_line_is_told_and_then_nothing_is_written(database *d)
{
    desk k;
    begin(&k, d);
    SB_AUTOFREE good = file(&k, "a.ndjson", "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n");
    SB_AUTOFREE bad = file(&k, "b.ndjson",
                           "{\"resourceType\":\"Patient\",\"id\":\"1\"\n"
                           "{\"resourceType\":\"Patient\"}\n"
                           "{\"resourceType\":\"Patiemt\",\"id\":\"1\"}\n"
                           "{\"resourceType\":\"Patient\",\"id\":\"1\",\"meta\":{\"lastUpdated\":\"yesterday\"}}\n"
                           "{\"resourceType\":\"Patient\",\"id\":\"2\"}\n");
    SB_AUTOFREE group =
        file(&k, "g", GROUP("../x", "") GROUP("n", "{}") "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n");
    SB_AUTOFREE gone = file(&k, "d", "Patient\nPatient/\nNone/1\nPatient/1/2\n");
    SB_AUTOFREE no = file(&k, "o", "Coverage/1\n");
    const char *groups[] = {group, NULL};
    k.o.folder = k.dir;
    k.o.group_files = groups;
    k.o.deleted_file = gone;
    k.o.opt_out_file = no;
    assert_int_equal(sb_load(&k.o, &k.counts, &k.err), SB_E_INVALID);
    assert_string_equal(sb_buf_cstr(&k.bad),
                        "o:1 it is not a patient's id, such as Patient/123\n"
                        "d:1 it is not a type and an id, such as Patient/123\n"
                        "d:2 it is not a type and an id, such as Patient/123\n"
                        "d:3 it is not a type and an id, such as Patient/123\n"
                        "d:4 it is not a type and an id, such as Patient/123\n"
                        "b.ndjson:1 column 35: the line ends inside the resource\n"
                        "b.ndjson:2 column 26: no id\n"
                        "b.ndjson:3 its resourceType is none of FHIR R4\n"
                        "b.ndjson:4 its meta.lastUpdated is not an instant such as 2026-01-31T12:00:00Z\n"
                        "g:1 its id is missing or has other characters than letters, digits, '-', '_' and '.'\n"
                        "g:2 its member 1 names no patient\n"
                        "g:3 it is no resource of the type Group\n");
    assert_int_equal(k.counts.bad_lines, 12);
    expect_rows(&k, "SELECT id FROM resources", "");
    expect_rows(&k, "SELECT patient_id FROM opt_outs", "");
    end(&k);
}

static void what_was_stopped_is_loaded_whole_the_next_time(database *d)
{
    enum { MANY = 2500 };
    desk k;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    begin(&k, d);
    for (unsigned i = 0; i < MANY; i++)
        assert_true(sb_buf_printf(&text, "{\"resourceType\":\"Claim\",\"id\":\"%05u\"}\n", i));
    SB_AUTOFREE claims = file(&k, "c.ndjson", sb_buf_cstr(&text));
    k.o.folder = k.dir;
    k.stop_after = 1;
    assert_int_equal(sb_load(&k.o, &k.counts, &k.err), SB_E_INTERRUPTED);
    assert_int_equal(k.counts.added, 1000);
    expect_rows(&k, "SELECT max(id) FROM resources", "00999,");
    load(&k);
    assert_int_equal(k.counts.added, MANY - 1000);
    assert_int_equal(k.counts.replaced, 1000);
    expect_rows(&k, "SELECT max(id) FROM resources", "02499,");
    end(&k);
}

static void the_audit_log_is_told_of_rosters_and_counts_but_of_no_member(database *d)
{
    desk k;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    begin(&k, d);
    SB_AUTOFREE group = file(&k, "g", GROUP("north", MEMBER("secret-member")));
    SB_AUTOFREE no = file(&k, "no", "secret-member\n");
    const char *groups[] = {group, NULL};
    k.o.group_files = groups;
    k.o.opt_out_file = no;
    load(&k);
    assert_ok(sb_file_read(k.audit, 65536, &text, NULL));
    assert_non_null(strstr(sb_buf_cstr(&text), "\"event\":\"roster.loaded\",\"outcome\":\"ok\",\"actor\":\"mary\","
                                               "\"group\":\"north\",\"members\":1"));
    assert_non_null(strstr(sb_buf_cstr(&text), "\"detail\":\"all: 1 said no, 0 took that back\""));
    assert_null(strstr(sb_buf_cstr(&text), "secret"));
    end(&k);
}

static void checking_alone_writes_nothing(database *d)
{
    desk k;
    begin(&k, d);
    SB_AUTOFREE patients = file(&k, "p.ndjson", "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n");
    k.o.folder = k.dir;
    k.o.check_only = true;
    load(&k);
    expect_rows(&k, "SELECT id FROM resources", "");
    assert_int_equal(access(k.audit, F_OK), -1);
    end(&k);
}

ON_BOTH(resources_rosters_and_opt_outs_are_put_where_serve_has_them)
ON_BOTH(a_roster_is_replaced_and_removed_whole)
ON_BOTH(deletions_and_opt_ins_take_out_what_is_there)
ON_BOTH(a_deletion_remembers_all_whom_the_resource_was_about)
ON_BOTH(every_bad_line_is_told_and_then_nothing_is_written)
ON_BOTH(what_was_stopped_is_loaded_whole_the_next_time)
ON_BOTH(the_audit_log_is_told_of_rosters_and_counts_but_of_no_member)
ON_BOTH(checking_alone_writes_nothing)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(resources_rosters_and_opt_outs_are_put_where_serve_has_them),
        BOTH(a_roster_is_replaced_and_removed_whole),
        BOTH(deletions_and_opt_ins_take_out_what_is_there),
        BOTH(a_deletion_remembers_all_whom_the_resource_was_about),
        BOTH(every_bad_line_is_told_and_then_nothing_is_written),
        BOTH(what_was_stopped_is_loaded_whole_the_next_time),
        BOTH(the_audit_log_is_told_of_rosters_and_counts_but_of_no_member),
        BOTH(checking_alone_writes_nothing),
    };
    return cmocka_run_group_tests(tests, databases_start, databases_stop);
}

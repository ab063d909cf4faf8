/* SPDX-License-Identifier: Apache-2.0 */
/* test_verify.c - a finished folder is checked again, offline: whatever was changed, lost or added is found. */
#include "journal_test.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <stdatomic.h>

#define PATIENT "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n"

static char problems[16 * 1024];

static void on_problem(void *impl, const char *file, const char *text)
{
    size_t len = strlen(problems);
    (void)impl;
    (void)snprintf(problems + len, sizeof(problems) - len, "%s: %s\n", file, text);
}

/* The folder's only process has ended. */
static sb_status verify(fixture *f, sb_verify_result *result)
{
    sb_journal_free(f->journal);
    f->journal = NULL;
    problems[0] = '\0';
    sb_status status = sb_export_verify(f->dir, on_problem, NULL, NULL, result, &f->err);
    reopen(f, false);
    return status;
}

static void write_file(fixture *f, const char *name, const char *text)
{
    SB_AUTOFD fd = -1;
    must(f, sb_folder_open_file(sb_journal_folder(f->journal), name, O_WRONLY | O_CREAT | O_TRUNC, &fd, &f->err));
    must(f, sb_file_write_all(fd, name, sb_str_from(text), &f->err));
}

static void done(fixture *f, int64_t id, const char *text, uint64_t resources, uint64_t bad)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SB_AUTO(sb_journal_file) file = row(f, id);
    (void)SHA256((const unsigned char *)text, strlen(text), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        (void)snprintf(file.sha256 + 2 * i, 3, "%02x", digest[i]);
    file.state = SB_FILE_DONE;
    file.bytes = strlen(text);
    file.resources = resources;
    file.bad_lines = bad;
    write_file(f, file.name, text);
    must(f, sb_journal_record(f->journal, &file, 1, &f->err));
}

#define BUNDLE                                                                                                         \
    "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{\"request\":{\"method\":\"DELETE\","            \
    "\"url\":\"Patient/1\"}}]}\n"

#define OUTCOME "{\"resourceType\":\"OperationOutcome\",\"issue\":[]}\n"

/* A finished export: two outputs, one with a tolerated bad line, a deleted file, an error file. */
static int set_up_export(void **state)
{
    set_up(state);
    fixture *f = *state;
    must(f, sb_journal_page_begin(f->journal, 0, &f->err));
    must(f, sb_journal_page_item(f->journal, SB_FILE_OUTPUT, "Patient", "https://p.example/1", 1, &f->err));
    must(f, sb_journal_page_item(f->journal, SB_FILE_OUTPUT, "Patient", "https://p.example/2", 1, &f->err));
    must(f, sb_journal_page_item(f->journal, SB_FILE_DELETED, "Bundle", "https://p.example/3", 1, &f->err));
    must(f, sb_journal_page_item(f->journal, SB_FILE_ERROR, "OperationOutcome", "https://p.example/4", 1, &f->err));
    must(f, sb_journal_page_end(f->journal, true, false, NULL, &f->err));
    done(f, 0, PATIENT PATIENT, 2, 0);
    done(f, 1, PATIENT "not a resource\n", 1, 1);
    done(f, 2, BUNDLE, 1, 0);
    done(f, 3, OUTCOME, 1, 0);
    write_file(f, "manifest.json", "{}");
    write_file(f, "manifest.001.json", "{}");
    write_file(f, "log.ndjson", "{}\n");
    write_file(f, "rejected/Patient.001.ndjson.bad-lines.ndjson", "{}\n");
    must(f, sb_journal_set(f->journal, "phase", SB_STR_LIT("done"), &f->err));
    return 0;
}

static void what_is_as_it_was_is_fine(void **state)
{
    fixture *f = *state;
    sb_verify_result r;
    must(f, verify(f, &r));
    assert_string_equal(problems, "");
    assert_int_equal(r.files, 4);
    assert_int_equal(r.resources, 5);
    assert_int_equal(r.problems, 0);
    assert_int_equal(r.bytes, 3 * strlen(PATIENT) + strlen("not a resource\n") + strlen(BUNDLE) + strlen(OUTCOME));
}

static void assert_problems(fixture *f, uint64_t n, const char *what)
{
    sb_verify_result r;
    assert_int_equal(verify(f, &r), SB_E_PARTIAL);
    if (!strstr(problems, what))
        print_error("%s", problems);
    assert_non_null(strstr(problems, what));
    assert_int_equal(r.problems, n);
    assert_true(f->err.what[0] && f->err.why[0] && f->err.fix[0]);
}

static void a_changed_byte_is_found(void **state)
{
    fixture *f = *state;
    write_file(f, "Patient.000.ndjson", PATIENT "{\"resourceType\":\"Patient\",\"id\":\"2\"}\n");
    assert_problems(f, 1, "Patient.000.ndjson: it was changed: its SHA-256 is ");
}

static void a_file_that_was_cut_is_found(void **state)
{
    fixture *f = *state;
    write_file(f, "Patient.000.ndjson", PATIENT);
    assert_problems(f, 2, "Patient.000.ndjson: it has 36 bytes, and had 72");
    assert_non_null(strstr(problems, "it holds 1 resources, and held 2"));
}

static void a_line_that_went_bad_is_found(void **state)
{
    fixture *f = *state;
    write_file(f, "Patient.000.ndjson", PATIENT "{\"resourceType\":\"Coverage\",\"id\":\"1\"}\n");
    assert_problems(f, 3, "Patient.000.ndjson: 1 of its lines are bad, and 0 were");
}

static void each_kind_of_file_has_its_rules(void **state)
{
    fixture *f = *state;
    done(f, 2, PATIENT, 1, 0); /* whoever recorded this was wrong: no Bundle is in it */
    assert_problems(f, 2, "deleted/Bundle.000.ndjson: 1 of its lines are bad, and 0 were");
    done(f, 2, BUNDLE, 1, 0);
    done(f, 3, PATIENT, 1, 0);
    assert_problems(f, 2, "error/OperationOutcome.000.ndjson: 1 of its lines are bad");
}

static void a_missing_file_is_found(void **state)
{
    fixture *f = *state;
    must(f, sb_folder_remove(sb_journal_folder(f->journal), "deleted/Bundle.000.ndjson", &f->err));
    assert_problems(f, 1, "deleted/Bundle.000.ndjson: it is missing");
}

static void a_link_is_not_followed(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE path = sb_path_join(f->dir, "Patient.000.ndjson");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_problems(f, 2, "Patient.000.ndjson: it cannot be read");
    assert_non_null(strstr(problems, "Patient.000.ndjson: it is not of this export"));
}

static void files_that_are_not_of_the_export_are_found(void **state)
{
    fixture *f = *state;
    static const char *const strange[] = {"Patient.002.ndjson", "manifest.1.json",  "rejected/x.ndjson",
                                          "deleted/a",          "manifest.01.json", "Patient.000.ndjson.tmp",
                                          "manifest.001.jsonx"};
    for (size_t i = 0; i < SB_ARRAY_LEN(strange); i++)
        write_file(f, strange[i], "");
    write_file(f, "odd/file", ""); /* the folder is told, not what is in it */
    for (size_t i = 0; i < SB_ARRAY_LEN(strange); i++) {
        SB_AUTOFREE line = sb_printf("%s: it is not of this export\n", strange[i]);
        assert_problems(f, SB_ARRAY_LEN(strange) + 1, line);
    }
    assert_non_null(strstr(problems, "odd: it is not of this export\n"));
}

static void a_name_cannot_write_to_the_terminal(void **state)
{
    fixture *f = *state;
    write_file(f, "a\x1b[31m\nb", "");
    assert_problems(f, 1, "it is not of this export");
    assert_null(strchr(problems, '\x1b'));
    assert_ptr_equal(strchr(problems, '\n'), strrchr(problems, '\n'));
}

static void what_never_came_is_told(void **state)
{
    fixture *f = *state;
    record(f, 0, SB_FILE_REJECTED, 1, 0);
    record(f, 1, SB_FILE_FAILED, 0, 0);
    must(f, sb_journal_set(f->journal, "phase", SB_STR_LIT("partial"), &f->err));
    assert_problems(f, 2, "Patient.000.ndjson: it was rejected");
    assert_non_null(strstr(problems, "Patient.001.ndjson: it could not be had"));
}

static void an_unfinished_export_is_not_judged(void **state)
{
    fixture *f = *state;
    sb_verify_result r;
    must(f, sb_journal_set(f->journal, "phase", SB_STR_LIT("download"), &f->err));
    assert_int_equal(verify(f, &r), SB_E_USAGE);
    assert_non_null(strstr(f->err.fix, "resume"));
    must(f, sb_journal_set(f->journal, "phase", SB_STR_LIT("later"), &f->err));
    assert_int_equal(verify(f, &r), SB_E_INVALID);
    assert_int_equal(sb_export_verify("/proc", NULL, NULL, NULL, &r, &f->err), SB_E_NOT_FOUND);
}

static void a_check_can_be_given_up(void **state)
{
    fixture *f = *state;
    sb_verify_result r;
    atomic_bool cancel = true;
    assert_int_equal(sb_export_verify(f->dir, on_problem, NULL, &cancel, &r, &f->err), SB_E_INTERRUPTED);
}

#define MANY 500

static void many_files_are_checked_side_by_side(void **state)
{
    set_up(state);
    fixture *f = *state;
    sb_verify_result r;
    must(f, sb_journal_page_begin(f->journal, 0, &f->err));
    for (int i = 0; i < MANY; i++)
        must(f, sb_journal_page_item(f->journal, SB_FILE_OUTPUT, "Patient", "https://p.example/1", 1, &f->err));
    must(f, sb_journal_page_end(f->journal, true, false, NULL, &f->err));
    for (int i = 0; i < MANY; i++)
        done(f, i, PATIENT, 1, 0);
    must(f, sb_journal_set(f->journal, "phase", SB_STR_LIT("done"), &f->err));
    must(f, verify(f, &r));
    assert_int_equal(r.files, MANY);
    assert_int_equal(r.resources, MANY);
    write_file(f, "Patient.499.ndjson", "");
    assert_problems(f, 2, "Patient.499.ndjson: it has 0 bytes");
    tear_down(state);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up_export, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_is_as_it_was_is_fine),
        T(a_changed_byte_is_found),
        T(a_file_that_was_cut_is_found),
        T(a_line_that_went_bad_is_found),
        T(each_kind_of_file_has_its_rules),
        T(a_missing_file_is_found),
        T(a_link_is_not_followed),
        T(files_that_are_not_of_the_export_are_found),
        T(a_name_cannot_write_to_the_terminal),
        T(what_never_came_is_told),
        T(an_unfinished_export_is_not_judged),
        T(a_check_can_be_given_up),
        cmocka_unit_test(many_files_are_checked_side_by_side),
    };
    return cmocka_run_group_tests_name("export_verify", tests, NULL, NULL);
}

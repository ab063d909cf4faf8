/* SPDX-License-Identifier: Apache-2.0 */
/* test_journal_page.c - manifest pages in the journal: names, pages that come again, size, crashes. */
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "journal_test.h"

static void names_count_by_type_and_folder(void **state)
{
    fixture *f = *state;
    must(f, sb_journal_page_begin(f->journal, 0, &f->err));
    must(f, sb_journal_page_item(f->journal, SB_FILE_OUTPUT, "Patient", "https://p.example/1", 3, &f->err));
    must(f, sb_journal_page_item(f->journal, SB_FILE_OUTPUT, "Coverage", "https://p.example/2", -5, &f->err));
    must(f, sb_journal_page_item(f->journal, SB_FILE_OUTPUT, "Patient", "https://p.example/3", 3, &f->err));
    must(f, sb_journal_page_item(f->journal, SB_FILE_DELETED, "Bundle", "https://p.example/4", 3, &f->err));
    must(f, sb_journal_page_item(f->journal, SB_FILE_ERROR, "OperationOutcome", "https://p.example/5", 3, &f->err));
    must(f, sb_journal_page_end(f->journal, true, true, "https://p.example/page2", &f->err));
    assert_row(f, 0, "Patient.000.ndjson", "https://p.example/1", SB_FILE_PENDING);
    assert_row(f, 1, "Coverage.000.ndjson", "https://p.example/2", SB_FILE_PENDING);
    assert_row(f, 2, "Patient.001.ndjson", "https://p.example/3", SB_FILE_PENDING);
    assert_row(f, 3, "deleted/Bundle.000.ndjson", "https://p.example/4", SB_FILE_PENDING);
    assert_row(f, 4, "error/OperationOutcome.000.ndjson", "https://p.example/5", SB_FILE_PENDING);
    SB_AUTO(sb_journal_file) file = row(f, 1);
    assert_int_equal(file.count, -1);
    assert_true(file.any_type);
    uint64_t pages;
    SB_AUTOFREE next = NULL;
    must(f, sb_journal_pages(f->journal, &pages, &next, &f->err));
    assert_int_equal(pages, 1);
    assert_string_equal(next, "https://p.example/page2");
}

static void a_type_that_is_none_makes_no_file_name(void **state)
{
    fixture *f = *state;
    must(f, PAGE(f, 0, NULL, {"../../etc/passwd", "https://p.example/1", 1}, {NULL, "https://p.example/2", 1},
                 {"", "https://p.example/3", 1}, {"Unknown", "https://p.example/4", 1}));
    assert_row(f, 0, "Unknown.000.ndjson", "https://p.example/1", SB_FILE_PENDING);
    assert_row(f, 3, "Unknown.003.ndjson", "https://p.example/4", SB_FILE_PENDING);
    SB_AUTO(sb_journal_file) file = row(f, 0);
    assert_string_equal(file.type, "");
    char longest[66];
    memset(longest, 'A', 65);
    longest[65] = '\0';
    assert_false(sb_file_type_is_safe(longest));
    longest[64] = '\0';
    assert_true(sb_file_type_is_safe(longest));
    assert_false(sb_file_type_is_safe("Patient\n"));
}

static void names_differ_even_where_case_does_not_count(void **state)
{
    fixture *f = *state;
    must(f, PAGE(f, 0, NULL, {"Patient", "https://p.example/1", 1}, {"patient", "https://p.example/2", 1}));
    assert_row(f, 1, "patient.001.ndjson", "https://p.example/2", SB_FILE_PENDING);
}

static void a_url_that_cannot_be_one_is_refused_with_the_whole_page(void **state)
{
    fixture *f = *state;
    assert_int_equal(PAGE(f, 0, NULL, {"Patient", "https://p.example/1", 1}, {"Patient", "https://p\r\nX: 1", 1}),
                     SB_E_SERVER);
    assert_int_equal(PAGE(f, 0, NULL, {"Patient", "", 1}), SB_E_SERVER);
    assert_int_equal(totals(f).files, 0);
    must(f, PAGE(f, 0, NULL, {"Patient", "https://p.example/1", 1})); /* names and ids begin where they did */
    assert_row(f, 0, "Patient.000.ndjson", "https://p.example/1", SB_FILE_PENDING);
}

static void pages_come_one_after_the_other(void **state)
{
    fixture *f = *state;
    assert_int_equal(PAGE(f, 1, NULL, {"Patient", "https://p.example/1", 1}), SB_E_INTERNAL);
    must(f, PAGE(f, 0, "n", {"Patient", "https://p.example/1", 1}));
    must(f, sb_journal_page_begin(f->journal, 1, &f->err));
    must(f, sb_journal_page_end(f->journal, false, false, NULL, &f->err)); /* an empty page is one */
    uint64_t pages;
    SB_AUTOFREE next = NULL;
    must(f, sb_journal_pages(f->journal, &pages, &next, &f->err));
    assert_int_equal(pages, 2);
    assert_null(next);
}

static void a_pages_facts_come_and_go_with_it(void **state)
{
    fixture *f = *state;
    must(f, sb_journal_page_begin(f->journal, 0, &f->err));
    must(f, sb_journal_page_fact(f->journal, "transaction_time", SB_STR_LIT("2026"), &f->err));
    sb_journal_page_abort(f->journal);
    SB_AUTOFREE lost = NULL;
    must(f, sb_journal_get(f->journal, "transaction_time", &lost, &f->err));
    assert_null(lost);
    must(f, sb_journal_page_begin(f->journal, 0, &f->err));
    must(f, sb_journal_page_fact(f->journal, "transaction_time", SB_STR_LIT("2026"), &f->err));
    must(f, sb_journal_page_end(f->journal, false, false, NULL, &f->err));
    reopen(f, false);
    SB_AUTOFREE kept = NULL;
    must(f, sb_journal_get(f->journal, "transaction_time", &kept, &f->err));
    assert_string_equal(kept, "2026");
}

static void new_signatures_are_taken_for_files_that_are_not_done(void **state)
{
    fixture *f = *state;
    must(f, PAGE(f, 0, NULL, {"Patient", "https://a.example/f/1?sig=old", 1},
                 {"Patient", "https://a.example/f/2?sig=old", 1}, {"Coverage", "https://a.example/f/3?sig=old", 1}));
    record(f, 0, SB_FILE_DONE, 5, 1);
    record(f, 2, SB_FILE_FAILED, 0, 0);
    /* another order, another host, and one more */
    must(f,
         PAGE(f, 0, "more", {"Coverage", "https://b.example/f/3?sig=new", 1}, {"Coverage", "https://b.example/f/9", 4},
              {"Patient", "https://b.example/f/2?sig=new", 1}, {"Patient", "https://b.example/f/1?sig=new", -1}));
    assert_row(f, 0, "Patient.000.ndjson", "https://a.example/f/1?sig=old", SB_FILE_DONE);
    assert_row(f, 1, "Patient.001.ndjson", "https://b.example/f/2?sig=new", SB_FILE_PENDING);
    assert_row(f, 2, "Coverage.000.ndjson", "https://b.example/f/3?sig=new", SB_FILE_FAILED);
    assert_row(f, 3, "Coverage.001.ndjson", "https://b.example/f/9", SB_FILE_PENDING);
    assert_int_equal(totals(f).files, 4);
    uint64_t pages;
    SB_AUTOFREE next = NULL;
    must(f, sb_journal_pages(f->journal, &pages, &next, &f->err));
    assert_string_equal(next, "more");
    /* and once more, all known now */
    must(f, PAGE(f, 0, NULL, {"Coverage", "https://c.example/f/3", 1}, {"Coverage", "https://c.example/f/9", 4},
                 {"Patient", "https://c.example/f/2", 1}, {"Patient", "https://c.example/f/1", 1}));
    assert_row(f, 3, "Coverage.001.ndjson", "https://c.example/f/9", SB_FILE_PENDING);
    assert_int_equal(totals(f).files, 4);
}

static void files_with_new_paths_are_known_by_their_place(void **state)
{
    fixture *f = *state;
    must(f, PAGE(f, 0, NULL, {"Patient", "https://a.example/x1", 1}, {"Coverage", "https://a.example/x2", 2}));
    record(f, 0, SB_FILE_DONE, 5, 1);
    for (int again = 0; again < 2; again++)
        must(f, PAGE(f, 0, NULL, {"Patient", "https://a.example/y1", 1}, {"Coverage", "https://a.example/y2", 2},
                     {"Coverage", "https://a.example/y3", 2}));
    assert_row(f, 0, "Patient.000.ndjson", "https://a.example/x1", SB_FILE_DONE);
    assert_row(f, 1, "Coverage.000.ndjson", "https://a.example/y2", SB_FILE_PENDING);
    assert_row(f, 2, "Coverage.001.ndjson", "https://a.example/y3", SB_FILE_PENDING);
    assert_int_equal(totals(f).files, 3);
}

static void a_file_that_came_in_anothers_stead_is_noticed(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE before = NULL;
    SB_AUTOFREE after = NULL;
    must(f, PAGE(f, 0, NULL, {"Patient", "https://a.example/x1", -1}, {"Patient", "https://a.example/x2", -1}));
    record(f, 0, SB_FILE_DONE, 5, 1); /* the tests' hash: "" */
    record(f, 1, SB_FILE_DONE, 5, 1);
    must(f, sb_journal_came_twice(f->journal, &before, &f->err));
    assert_null(before); /* a payer may have the same thing twice */
    must(f, PAGE(f, 0, NULL, {"Patient", "https://a.example/y2", -1}, {"Patient", "https://a.example/y1", -1}));
    must(f, sb_journal_came_twice(f->journal, &after, &f->err));
    assert_string_equal(after, "Patient.001.ndjson");
}

static void files_that_differ_in_their_query_alone_are_known_by_their_place(void **state)
{
    fixture *f = *state;
    must(f, PAGE(f, 0, NULL, {"Patient", "https://a.example/get?n=1&s=a", 1},
                 {"Patient", "https://a.example/get?n=2&s=a", 1}));
    must(f, PAGE(f, 0, NULL, {"Patient", "https://a.example/get?n=1&s=b", 1},
                 {"Patient", "https://a.example/get?n=2&s=b", 1}));
    assert_row(f, 0, "Patient.000.ndjson", "https://a.example/get?n=1&s=b", SB_FILE_PENDING);
    assert_row(f, 1, "Patient.001.ndjson", "https://a.example/get?n=2&s=b", SB_FILE_PENDING);
    assert_int_equal(totals(f).files, 2);
}

static void other_files_are_refused_and_nothing_changes(void **state)
{
    fixture *f = *state;
    must(f, PAGE(f, 0, NULL, {"Patient", "https://a.example/1", 1}, {"Coverage", "https://a.example/2", 2}));
    assert_int_equal(PAGE(f, 0, NULL, {"Patient", "https://a.example/1", 1}), SB_E_SERVER); /* fewer */
    assert_int_equal(PAGE(f, 0, NULL, {"Coverage", "https://a.example/1", 1}, {"Patient", "https://a.example/2", 2}),
                     SB_E_SERVER); /* other types */
    assert_int_equal(PAGE(f, 0, NULL, {"Patient", "https://a.example/z", 9}, {"Coverage", "https://a.example/2", 2}),
                     SB_E_SERVER); /* another count */
    assert_row(f, 0, "Patient.000.ndjson", "https://a.example/1", SB_FILE_PENDING);
    assert_int_equal(totals(f).files, 2);
    must(f, PAGE(f, 0, NULL, {"Patient", "https://a.example/1", 1}, {"Coverage", "https://a.example/2", 2}));
}

static void sums_do_not_overflow_whatever_a_manifest_claims(void **state)
{
    fixture *f = *state;
    for (uint64_t page = 0; page < 3; page++)
        must(f, PAGE(f, page, NULL, {"Patient", "https://a.example/1", INT64_MAX},
                     {"Patient", "https://a.example/2", INT64_MAX}));
    reopen(f, false);
    assert_int_equal(totals(f).files, 6);
}

static void types_past_the_table_are_added_up(void **state)
{
    fixture *f = *state;
    must(f, sb_journal_page_begin(f->journal, 0, &f->err));
    for (int i = 0; i < 100; i++) {
        char type[] = {'T', (char)('a' + i / 26), (char)('a' + i % 26), '\0'};
        must(f, sb_journal_page_item(f->journal, SB_FILE_OUTPUT, type, "https://p.example/x", 2, &f->err));
    }
    must(f, sb_journal_page_end(f->journal, false, false, NULL, &f->err));
    sb_export_snapshot t = totals(f);
    assert_int_equal(t.n_types, SB_EXPORT_SNAPSHOT_TYPES);
    assert_string_equal(t.types[SB_EXPORT_SNAPSHOT_TYPES - 1].type, "(others)");
    assert_int_equal(t.types[SB_EXPORT_SNAPSHOT_TYPES - 1].files, 100 - SB_EXPORT_SNAPSHOT_TYPES + 1);
    assert_int_equal(t.types[SB_EXPORT_SNAPSHOT_TYPES - 1].resources_expected,
                     2 * (100 - SB_EXPORT_SNAPSHOT_TYPES + 1));
}

#define MANY 100000

static void many(fixture *f, const char *signature)
{
    must(f, sb_journal_page_begin(f->journal, 0, &f->err));
    for (int i = 0; i < MANY; i++) {
        char url[160];
        (void)snprintf(url, sizeof(url), "https://files.payer.example/jobs/5f2b1c3e-8f5e-4a4e/eob/%06d.ndjson?%s", i,
                       signature);
        must(f, sb_journal_page_item(f->journal, SB_FILE_OUTPUT, "ExplanationOfBenefit", url, 1000, &f->err));
    }
    must(f, sb_journal_page_end(f->journal, true, false, NULL, &f->err));
}

static void a_hundred_thousand_files_need_no_more_memory_than_ten(void **state)
{
    fixture *f = *state;
    (void)sqlite3_memory_highwater(1);
    many(f, "sig=1");
    assert_true(sqlite3_memory_highwater(1) < 6 * 1024 * 1024);
    record(f, 7, SB_FILE_DONE, 1, 1);
    many(f, "sig=2");
    assert_true(sqlite3_memory_highwater(1) < 8 * 1024 * 1024);
    reopen(f, false);
    assert_int_equal(totals(f).files, MANY);
    assert_int_equal(totals(f).files_done, 1);
    assert_int_equal(totals(f).types[0].resources_expected, (uint64_t)MANY * 1000);
    SB_AUTO(sb_journal_file) last = row(f, MANY - 1);
    assert_string_equal(last.name, "ExplanationOfBenefit.99999.ndjson");
    assert_non_null(strstr(last.url, "sig=2"));
}

/* A process of its own does this to the folder, and is killed at the end of it. */
static void killed_after(fixture *f, void (*work)(fixture *f))
{
    sb_journal_free(f->journal);
    f->journal = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (sb_journal_open(f->dir, false, false, &f->journal, &f->err) == SB_OK)
            work(f);
        (void)kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    reopen(f, false);
}

static void begin_a_large_page(fixture *f)
{
    (void)sb_journal_page_begin(f->journal, 1, &f->err);
    for (int i = 0; i < 30000; i++) /* more than the cache holds: the log has it, uncommitted */
        (void)sb_journal_page_item(f->journal, SB_FILE_OUTPUT, "Coverage", "https://p.example/a/long/path/to/it", 1,
                                   &f->err);
}

static void record_one(fixture *f)
{
    record(f, 0, SB_FILE_DONE, 12, 3);
}

static void a_kill_leaves_what_was_recorded_and_nothing_half_done(void **state)
{
    fixture *f = *state;
    must(f, PAGE(f, 0, "next", {"Patient", "https://p.example/1", 1}));
    killed_after(f, record_one);
    killed_after(f, begin_a_large_page);
    assert_int_equal(totals(f).files, 1);
    assert_row(f, 0, "Patient.000.ndjson", "https://p.example/1", SB_FILE_DONE);
    must(f, PAGE(f, 1, NULL, {"Coverage", "https://p.example/2", 1}));
    assert_row(f, 1, "Coverage.000.ndjson", "https://p.example/2", SB_FILE_PENDING);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(names_count_by_type_and_folder),
        T(a_type_that_is_none_makes_no_file_name),
        T(names_differ_even_where_case_does_not_count),
        T(a_url_that_cannot_be_one_is_refused_with_the_whole_page),
        T(pages_come_one_after_the_other),
        T(a_pages_facts_come_and_go_with_it),
        T(new_signatures_are_taken_for_files_that_are_not_done),
        T(files_with_new_paths_are_known_by_their_place),
        T(a_file_that_came_in_anothers_stead_is_noticed),
        T(files_that_differ_in_their_query_alone_are_known_by_their_place),
        T(other_files_are_refused_and_nothing_changes),
        T(sums_do_not_overflow_whatever_a_manifest_claims),
        T(types_past_the_table_are_added_up),
        T(a_hundred_thousand_files_need_no_more_memory_than_ten),
        T(a_kill_leaves_what_was_recorded_and_nothing_half_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

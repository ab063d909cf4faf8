/* SPDX-License-Identifier: Apache-2.0 */
/* test_journal.c - the promises of export/journal.h: opening, facts, states, totals, parts. */
#include <pthread.h>

#include "journal_test.h"

static void facts_are_remembered_replaced_and_forgotten(void **state)
{
    fixture *f = *state;
    const sb_fact facts[] = {{"phase", SB_STR_LIT("waiting")}, {"poll_url", SB_STR_LIT("https://p.example/1")}};
    must(f, sb_journal_set_all(f->journal, facts, 2, &f->err));
    must(f, sb_journal_set(f->journal, "phase", SB_STR_LIT("download"), &f->err));
    reopen(f, false);
    SB_AUTOFREE phase = NULL, *poll = NULL, *none = NULL;
    must(f, sb_journal_get(f->journal, "phase", &phase, &f->err));
    must(f, sb_journal_get(f->journal, "poll_url", &poll, &f->err));
    assert_string_equal(phase, "download");
    assert_string_equal(poll, "https://p.example/1");
    must(f, sb_journal_set(f->journal, "poll_url", SB_STR_NULL, &f->err));
    must(f, sb_journal_get(f->journal, "poll_url", &none, &f->err));
    assert_null(none);
}

static void a_folder_with_an_export_is_not_begun_again(void **state)
{
    fixture *f = *state;
    must(f, sb_journal_set(f->journal, "phase", SB_STR_LIT("new"), &f->err));
    sb_journal_free(f->journal);
    f->journal = NULL;
    assert_int_equal(sb_journal_open(f->dir, true, false, &f->journal, &f->err), SB_E_USAGE);
    assert_non_null(strstr(f->err.fix, "resume"));
    assert_null(f->journal);
}

static void a_journal_that_holds_nothing_yet_is_as_good_as_none(void **state)
{
    reopen(*state, true); /* killed before the first fact */
}

static void a_folder_without_a_journal_holds_no_export(void **state)
{
    fixture *f = *state;
    char *dir = scratch_dir_new();
    sb_journal *none = NULL;
    assert_int_equal(sb_journal_open(dir, false, false, &none, &f->err), SB_E_NOT_FOUND);
    assert_int_equal(sb_journal_open(dir, false, true, &none, &f->err), SB_E_NOT_FOUND);
    assert_int_equal(rmdir(dir), 0); /* and asking has left nothing behind */
    assert_int_equal(sb_journal_open(dir, false, false, &none, &f->err), SB_E_NOT_FOUND);
    assert_null(none);
    free(dir);
}

static void one_process_writes_and_others_may_look(void **state)
{
    fixture *f = *state;
    sb_journal *second = NULL, *reader = NULL;
    must(f, PAGE(f, 0, NULL, {"Patient", "https://p.example/1", 7}));
    assert_int_equal(sb_journal_open(f->dir, false, false, &second, &f->err), SB_E_BUSY);
    assert_null(second);
    must(f, sb_journal_page_begin(f->journal, 1, &f->err)); /* a page that takes its time */
    must(f, sb_journal_page_item(f->journal, SB_FILE_OUTPUT, "Coverage", "https://p.example/2", -1, &f->err));
    must(f, sb_journal_open(f->dir, false, true, &reader, &f->err));
    sb_export_snapshot seen = {.files = 0};
    sb_journal_totals(reader, &seen);
    assert_int_equal(seen.files, 1);
    assert_int_equal(seen.resources, 0);
    assert_int_equal(seen.types[0].resources_expected, 7);
    assert_int_not_equal(sb_journal_set(reader, "phase", SB_STR_LIT("x"), &f->err), SB_OK); /* look, not touch */
    sb_journal_free(reader);
    must(f, sb_journal_page_end(f->journal, false, false, NULL, &f->err));
    assert_int_equal(totals(f).files, 2);
}

static void states_move_and_totals_follow(void **state)
{
    fixture *f = *state;
    must(f, PAGE(f, 0, NULL, {"Patient", "https://p.example/1", 5}, {"Patient", "https://p.example/2", 5},
                 {"Coverage", "https://p.example/3", -1}, {"Coverage", "https://p.example/4", -1}));
    record(f, 0, SB_FILE_KEEPING, 100, 5);
    assert_int_equal(totals(f).bytes, 100);
    assert_int_equal(totals(f).files_done, 0);
    record(f, 0, SB_FILE_DONE, 100, 5);
    record(f, 1, SB_FILE_REJECTED, 50, 4);
    record(f, 2, SB_FILE_FAILED, 0, 0);
    for (int again = 0; again < 2; again++) { /* kept in memory, and the same when read anew */
        sb_export_snapshot t = totals(f);
        assert_int_equal(t.files, 4);
        assert_int_equal(t.files_done, 1);
        assert_int_equal(t.files_bad, 2);
        assert_int_equal(t.bytes, 150);
        assert_int_equal(t.resources, 9);
        assert_int_equal(t.n_types, 2);
        assert_string_equal(t.types[0].type, "Patient");
        assert_int_equal(t.types[0].resources_expected, 10);
        assert_int_equal(t.types[0].files_done, 1);
        assert_int_equal(t.types[0].files_bad, 1);
        assert_string_equal(t.types[1].type, "Coverage");
        assert_int_equal(t.types[1].resources_expected, 0);
        reopen(f, false);
    }
    must(f, sb_journal_retry_failed(f->journal, &f->err));
    assert_int_equal(totals(f).files_bad, 1);
    assert_row(f, 2, "Coverage.000.ndjson", "https://p.example/3", SB_FILE_PENDING);
}

static void pending_files_come_in_order_and_in_batches(void **state)
{
    fixture *f = *state;
    sb_journal_file batch[2];
    size_t n;
    must(f, PAGE(f, 0, "next", {"Patient", "https://p.example/1", 1}, {"Patient", "https://p.example/2", 2}));
    must(f, PAGE(f, 1, NULL, {"Coverage", "https://p.example/3", 3}, {"Coverage", "https://p.example/4", 4}));
    record(f, 1, SB_FILE_DONE, 1, 1);
    must(f, sb_journal_pending(f->journal, -1, batch, 2, &n, &f->err));
    assert_int_equal(n, 2);
    assert_int_equal(batch[0].id, 0);
    assert_true(batch[0].needs_token);
    assert_int_equal(batch[1].id, 2);
    assert_int_equal(batch[1].count, 3);
    sb_journal_file_cleanup(&batch[0]);
    sb_journal_file_cleanup(&batch[1]);
    must(f, sb_journal_pending(f->journal, 2, batch, 2, &n, &f->err));
    assert_int_equal(n, 1);
    assert_string_equal(batch[0].name, "Coverage.001.ndjson");
    sb_journal_file_cleanup(&batch[0]);
}

static void what_a_crash_left_unsettled_is_found(void **state)
{
    fixture *f = *state;
    sb_journal_file batch[4];
    size_t n;
    must(f, PAGE(f, 0, NULL, {"Patient", "https://p.example/1", 1}, {"Patient", "https://p.example/2", 2},
                 {"Patient", "https://p.example/3", 3}));
    record(f, 0, SB_FILE_REJECTING, 10, 1);
    record(f, 2, SB_FILE_KEEPING, 20, 2);
    reopen(f, false);
    must(f, sb_journal_unsettled(f->journal, -1, batch, 4, &n, &f->err));
    assert_int_equal(n, 2);
    assert_int_equal(batch[0].state, SB_FILE_REJECTING);
    assert_int_equal(batch[1].state, SB_FILE_KEEPING);
    assert_int_equal(batch[1].bytes, 20);
    sb_journal_file_cleanup(&batch[0]);
    sb_journal_file_cleanup(&batch[1]);
}

static void a_group_is_recorded_whole_or_not_at_all(void **state)
{
    fixture *f = *state;
    must(f, PAGE(f, 0, NULL, {"Patient", "https://p.example/1", 1}));
    sb_journal_file files[2] = {{.id = 0, .state = SB_FILE_DONE, .bytes = 9}, {.id = 77, .state = SB_FILE_DONE}};
    assert_int_equal(sb_journal_record(f->journal, files, 2, &f->err), SB_E_INTERNAL);
    assert_row(f, 0, "Patient.000.ndjson", "https://p.example/1", SB_FILE_PENDING);
    assert_int_equal(totals(f).bytes, 0);
}

static void a_problem_and_a_hash_are_kept(void **state)
{
    fixture *f = *state;
    must(f, PAGE(f, 0, NULL, {"Patient", "https://p.example/1", 1}));
    char problem[] = "it says 403";
    sb_journal_file file = {.id = 0, .state = SB_FILE_FAILED, .problem = problem, .bad_lines = 3};
    memset(file.sha256, 'a', 64);
    must(f, sb_journal_record(f->journal, &file, 1, &f->err));
    SB_AUTO(sb_journal_file) seen = row(f, 0);
    assert_string_equal(seen.problem, problem);
    assert_string_equal(seen.sha256, file.sha256);
    assert_int_equal(seen.bad_lines, 3);
}

static void names_are_known(void **state)
{
    fixture *f = *state;
    bool found;
    must(f, PAGE(f, 0, NULL, {"Patient", "https://p.example/1", 1}));
    must(f, sb_journal_has_name(f->journal, "Patient.000.ndjson", &found, &f->err));
    assert_true(found);
    must(f, sb_journal_has_name(f->journal, "Patient.001.ndjson", &found, &f->err));
    assert_false(found);
}

static void a_part_is_known_until_its_file_has_a_result(void **state)
{
    fixture *f = *state;
    char validator[] = "\"etag-1\"", boot[] = "b00t";
    must(f, PAGE(f, 0, NULL, {"Patient", "https://p.example/1", 1}));
    must(f, sb_journal_part_set(f->journal, &(sb_journal_part){0, validator, boot}, &f->err));
    reopen(f, false);
    SB_AUTO(sb_journal_part) part = {.id = 0};
    must(f, sb_journal_part_get(f->journal, 0, &part, &f->err));
    assert_string_equal(part.validator, validator);
    assert_string_equal(part.boot_id, boot);
    sb_journal_part_cleanup(&part);
    record(f, 0, SB_FILE_KEEPING, 1, 1);
    must(f, sb_journal_part_get(f->journal, 0, &part, &f->err));
    assert_null(part.validator);
    must(f, sb_journal_part_set(f->journal, &(sb_journal_part){0, validator, boot}, &f->err));
    must(f, sb_journal_part_set(f->journal, &(sb_journal_part){.id = 0}, &f->err)); /* forget it */
    must(f, sb_journal_part_get(f->journal, 0, &part, &f->err));
    assert_null(part.validator);
}

typedef struct walk {
    fixture *f;
    int64_t seen;
} walk;

static sb_status count_until_three(void *impl, const sb_journal_file *file, sb_error *err)
{
    walk *w = impl;
    bool found;
    must(w->f, sb_journal_has_name(w->f->journal, file->name, &found, err)); /* the journal may be used meanwhile */
    assert_int_equal(file->id, w->seen);
    w->seen++;
    return file->id == 2 ? sb_error_set(err, SB_E_PARTIAL, "enough", NULL, NULL) : SB_OK;
}

static void a_walk_ends_at_its_first_failure(void **state)
{
    fixture *f = *state;
    walk w = {f, 0};
    must(f, PAGE(f, 0, NULL, {"A", "https://p.example/1", 1}, {"A", "https://p.example/2", 2},
                 {"A", "https://p.example/3", 3}, {"A", "https://p.example/4", 4}));
    assert_int_equal(sb_journal_each(f->journal, count_until_three, &w, &f->err), SB_E_PARTIAL);
    assert_int_equal(w.seen, 3);
}

typedef struct worker {
    fixture *f;
    int64_t first;
} worker;

static void *record_a_quarter(void *arg)
{
    const worker *w = arg;
    for (int64_t id = w->first; id < 400; id += 4) {
        const sb_journal_file file = {.id = id, .state = SB_FILE_DONE, .bytes = 10, .resources = 1};
        sb_export_snapshot seen;
        assert_int_equal(sb_journal_record(w->f->journal, &file, 1, NULL), SB_OK);
        sb_journal_totals(w->f->journal, &seen);
        assert_true(seen.files_done > 0);
    }
    return NULL;
}

static void threads_may_share_it(void **state)
{
    fixture *f = *state;
    pthread_t threads[4];
    worker workers[4];
    must(f, sb_journal_page_begin(f->journal, 0, &f->err));
    for (int i = 0; i < 400; i++)
        must(f, sb_journal_page_item(f->journal, SB_FILE_OUTPUT, "Patient", "https://p.example/x", 1, &f->err));
    must(f, sb_journal_page_end(f->journal, false, false, NULL, &f->err));
    for (int i = 0; i < 4; i++) {
        workers[i] = (worker){f, i};
        assert_int_equal(pthread_create(&threads[i], NULL, record_a_quarter, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(totals(f).files_done, 400);
    assert_int_equal(totals(f).bytes, 4000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(facts_are_remembered_replaced_and_forgotten),
        T(a_folder_with_an_export_is_not_begun_again),
        T(a_journal_that_holds_nothing_yet_is_as_good_as_none),
        T(a_folder_without_a_journal_holds_no_export),
        T(one_process_writes_and_others_may_look),
        T(states_move_and_totals_follow),
        T(pending_files_come_in_order_and_in_batches),
        T(what_a_crash_left_unsettled_is_found),
        T(a_group_is_recorded_whole_or_not_at_all),
        T(a_problem_and_a_hash_are_kept),
        T(names_are_known),
        T(a_part_is_known_until_its_file_has_a_result),
        T(a_walk_ends_at_its_first_failure),
        T(threads_may_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_export.c - the phases of an export, the same on a fresh run and after a kill in any of them. The download engine
 * is the test's own: defined here, it takes the place of the library's. */
#include "bulk_fixture.h"

#include <sys/wait.h>

#include "export/download.h"
#include "export/export_internal.h"

#define MANIFEST "{\"transactionTime\":\"2026-01-31T00:00:00Z\",\"requiresAccessToken\":true,\"output\":["
#define FILE(n)  "{\"type\":\"Patient\",\"url\":\"" BASE "/f/" #n "\"}"

/* --- the engine: what it does in its n-th run --- */

typedef enum deed { ALL_DONE, ONE_DONE_THEN_EXPIRED, EXPIRED, ONE_FAILED, ONE_REJECTED, INTERRUPTED, ON_FIRE } deed;

static struct {
    deed deeds[16];
    unsigned runs;
    bool finals[16];
    uint64_t allow_bad_lines;
} engine;

struct sb_download {
    sb_download_options options;
};

sb_status sb_download_new(const sb_download_options *options, sb_download **out, sb_error *err)
{
    (void)err;
    *out = calloc(1, sizeof(**out));
    (*out)->options = *options;
    engine.allow_bad_lines = options->allow_bad_lines;
    return SB_OK;
}

static sb_status settle(sb_download *d, sb_file_state state, size_t max, sb_error *err)
{
    sb_journal_file files[32];
    size_t n;
    SB_TRY(sb_journal_pending(d->options.journal, -1, files, SB_MIN(max, SB_ARRAY_LEN(files)), &n, err));
    for (size_t i = 0; i < n; i++) {
        files[i].state = state;
        files[i].bytes = 10;
        files[i].resources = 2;
        files[i].bad_lines = state == SB_FILE_REJECTED;
        d->options.on_log(d->options.on_log_impl, "download_request", &files[i], 0, NULL);
        d->options.on_log(d->options.on_log_impl, state == SB_FILE_DONE ? "download_complete" : "download_error",
                          &files[i], 500, "Bearer abcdefghijklmnop");
    }
    sb_status status = sb_journal_record(d->options.journal, files, n, err);
    for (size_t i = 0; i < n; i++)
        sb_journal_file_cleanup(&files[i]);
    return status;
}

sb_status sb_download_run(sb_download *d, sb_download_end *end, sb_error *err)
{
    deed what = engine.deeds[engine.runs];
    engine.finals[engine.runs++] = d->options.urls_are_final;
    *end = SB_DOWNLOAD_ALL;
    switch (what) {
    case EXPIRED:
    case ONE_DONE_THEN_EXPIRED:
        SB_TRY(settle(d, SB_FILE_DONE, what == ONE_DONE_THEN_EXPIRED, err));
        if (d->options.urls_are_final)
            return settle(d, SB_FILE_FAILED, 32, err);
        *end = SB_DOWNLOAD_URLS_EXPIRED;
        return SB_OK;
    case ONE_FAILED:
        SB_TRY(settle(d, SB_FILE_FAILED, 1, err));
        break;
    case ONE_REJECTED:
        SB_TRY(settle(d, SB_FILE_REJECTED, 1, err));
        break;
    case INTERRUPTED:
        return sb_error_set(err, SB_E_INTERRUPTED, "interrupted", "by the test", "resume");
    case ON_FIRE:
        return sb_error_set(err, SB_E_IO, "the disk is full", "ENOSPC", "free some disk space");
    case ALL_DONE:
        break;
    }
    return settle(d, SB_FILE_DONE, 32, err);
}

void sb_download_live(const sb_download *download, sb_export_snapshot *out)
{
    (void)download;
    out->wire_bytes += 100;
}

void sb_download_free(sb_download *download)
{
    free(download);
}

/* --- the tests --- */

static sb_export_options options;
static sb_export *export_now;

static int begin(void **state)
{
    memset(&engine, 0, sizeof(engine));
    export_now = NULL;
    int rc = set_up_payer(state);
    fixture *f = *state;
    f->dir = (scratch_dir_free(f->dir), scratch_dir_new());
    options = (sb_export_options){.dir = f->dir, .on_event = keep_event, .on_event_impl = f};
    return rc;
}

static int end(void **state)
{
    sb_export_free(export_now);
    return tear_down(state);
}

static const sb_export_request patients = {.level = SB_EXPORT_PATIENT};

static void close_it(void)
{
    sb_export_free(export_now);
    export_now = NULL;
}

static void start(fixture *f)
{
    must(f, sb_export_start(f->payer, &patients, &options, &export_now, &f->err));
}

static void resume(fixture *f)
{
    close_it();
    must(f, sb_export_resume(f->payer, &options, &export_now, &f->err));
}

static sb_status run(fixture *f)
{
    return sb_export_run(export_now, &f->err);
}

static sb_export_snapshot look(void)
{
    sb_export_snapshot s;
    sb_export_snapshot_get(export_now, &s);
    return s;
}

static void happy_payer(fixture *f)
{
    answers(f, (bulk_answer){.url = "$export", .status = 202, .headers = {"Content-Location: " POLL_URL}});
    answers(f, (bulk_answer){.method = "DELETE", .url = "/status/1", .status = 202});
    answers(f, (bulk_answer){
                   .url = "/status/1", .status = 202, .times = 1, .headers = {"X-Progress: 50 %", "Retry-After: 5"}});
    answers(f, (bulk_answer){.url = "/status/1", .status = 200, .body = MANIFEST FILE(1) "," FILE(2) "]}"});
}

static void from_nothing_to_done(void **state)
{
    fixture *f = *state;
    happy_payer(f);
    start(f);
    assert_int_equal(look().phase, SB_EXPORT_PHASE_NEW);
    assert_int_equal(f->payer_side.n_seen, 0); /* nothing is asked before run */
    must(f, run(f));
    sb_export_snapshot s = look();
    assert_int_equal(s.phase, SB_EXPORT_PHASE_DONE);
    assert_int_equal(s.files, 2);
    assert_int_equal(s.files_done, 2);
    assert_string_equal(s.transaction_time, "2026-01-31T00:00:00Z");
    assert_string_equal(s.progress, "50 %");
    assert_int_equal(s.wire_bytes, 100);
    assert_int_equal(s.resumed_files, 0);
    assert_true(s.token_fetches >= 1);
    assert_int_equal(s.elapsed_ns / SB_NS_PER_S, 5);
    assert_int_equal(asked(f, "DELETE", "/status/1"), 1); /* STAT-07 */
    assert_non_null(strstr(f->events, "kickoff|" BASE "/Patient/$export|0\naccepted||0\nprogress|50 %|5\n"
                                      "page|2026-01-31T00:00:00Z|0\ndeleted||0\n"));
    must(f, run(f)); /* and again: nothing is left to do */
    assert_int_equal(engine.runs, 1);
    assert_int_equal(asked(f, NULL, "$export"), 1);
}

static void the_log_tells_it_all_and_no_secret(void **state)
{
    fixture *f = *state;
    happy_payer(f);
    engine.deeds[0] = ONE_FAILED;
    start(f);
    assert_int_equal(run(f), SB_E_PARTIAL);
    SB_AUTOFREE log = read_text(f, "log.ndjson");
    static const char *const ids[] = {
        "kickoff",          "status_progress", "status_complete",   "status_page_complete", "manifest_complete",
        "download_request", "download_error",  "download_complete", "export_complete"};
    const char *at = log;
    for (size_t i = 0; i < SB_ARRAY_LEN(ids); i++) {
        SB_AUTOFREE want = sb_printf("\"eventId\":\"%s\"", ids[i]);
        at = strstr(at, want);
        assert_non_null(at);
    }
    assert_non_null(strstr(log, "\"eventDetail\":{\"fileUrl\":\"" BASE "/f/1\",\"itemType\":\"output\","
                                "\"resourceType\":\"Patient\"}"));
    assert_non_null(strstr(log, "\"files\":1,\"resources\":2,\"bytes\":10,\"attachments\":0,\"duration\":5000}"));
    assert_null(strstr(log, "tok1"));
    assert_null(strstr(log, "abcdefghijklmnop"));
}

/* In each phase the process ends; the next one goes on, and asks nothing twice that it has. */
static void a_run_that_ends_anywhere_goes_on_there(void **state)
{
    fixture *f = *state;
    start(f);
    answers(f, (bulk_answer){.url = "$export", .status = 0, .unsent = true});
    assert_int_equal(run(f), SB_E_NETWORK);
    assert_int_equal(look().phase, SB_EXPORT_PHASE_NEW);

    resume(f);
    forget_answers(f);
    answers(f, (bulk_answer){.url = "$export", .status = 202, .headers = {"Content-Location: " POLL_URL}});
    answers(f, (bulk_answer){.url = "/status/1", .status = 403});
    assert_int_equal(run(f), SB_E_AUTH);
    assert_int_equal(look().phase, SB_EXPORT_PHASE_WAITING);

    resume(f);
    forget_answers(f);
    forget_seen(f);
    engine.deeds[0] = INTERRUPTED;
    answers(f, (bulk_answer){.url = "/status/1", .status = 200, .body = MANIFEST FILE(1) "," FILE(2) "]}"});
    assert_int_equal(run(f), SB_E_INTERRUPTED);
    assert_int_equal(look().phase, SB_EXPORT_PHASE_DOWNLOAD);
    assert_int_equal(asked(f, NULL, "$export"), 0);

    resume(f);
    forget_answers(f);
    forget_seen(f);
    answers(f, (bulk_answer){.method = "DELETE", .status = 204});
    engine.deeds[1] = ON_FIRE;
    must_fail(f, run(f), SB_E_IO, "disk");
    resume(f);
    must(f, run(f));
    assert_int_equal(look().phase, SB_EXPORT_PHASE_DONE);
    assert_int_equal(f->payer_side.n_seen, 1); /* the DELETE alone */
    resume(f);
    assert_int_equal(look().resumed_files, 2);
    must(f, run(f));
}

static void die(void *impl, const sb_http_request *request)
{
    const char *at = impl;
    if (strstr(request->url, at) || strcmp(request->method, at) == 0)
        (void)kill(getpid(), SIGKILL);
}

/* A process of its own runs until it is killed at its first request to `at`. */
static void killed_at(fixture *f, const char *at, bool fresh)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        f->payer_side.on_request = die;
        f->payer_side.on_request_impl = (void *)(uintptr_t)at;
        sb_status status = fresh ? sb_export_start(f->payer, &patients, &options, &export_now, &f->err)
                                 : sb_export_resume(f->payer, &options, &export_now, &f->err);
        if (status == SB_OK)
            (void)run(f);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_kill_in_any_phase_changes_nothing_in_the_end(void **state)
{
    fixture *f = *state;
    happy_payer(f);
    killed_at(f, "$export", true);
    killed_at(f, "/status/1", false);
    killed_at(f, "/status/1", false); /* nothing is kicked off twice: it dies at the status again */
    killed_at(f, "DELETE", false);
    must(f, sb_export_resume(f->payer, &options, &export_now, &f->err));
    assert_int_equal(look().files_done, 2);
    must(f, run(f));
    assert_int_equal(look().phase, SB_EXPORT_PHASE_DONE);
    assert_int_equal(asked(f, NULL, "$export"), 0); /* in this process */
    assert_false(told(f, "warning|"));
}

static void a_kill_during_the_kickoff_is_said_aloud(void **state)
{
    fixture *f = *state;
    happy_payer(f);
    killed_at(f, "$export", true);
    resume(f);
    must(f, run(f));
    assert_true(told(f, "warning|a kick-off was sent at"));
    assert_fact(f, export_now->journal, "kickoff_sent", NULL);
}

static void expired_urls_are_asked_for_again(void **state)
{
    fixture *f = *state;
    happy_payer(f);
    engine.deeds[0] = ONE_DONE_THEN_EXPIRED;
    engine.deeds[1] = EXPIRED;
    start(f);
    must(f, run(f));                                   /* FILE-04 */
    assert_int_equal(asked(f, "GET", "/status/1"), 4); /* 202, 200, 200, 200 */
    assert_int_equal(engine.runs, 3);
    assert_false(engine.finals[2]);
    assert_true(told(f, "retry|file URLs have expired"));
    assert_int_equal(look().wire_bytes, 300);
}

static void but_not_for_ever(void **state)
{
    fixture *f = *state;
    happy_payer(f);
    for (int i = 0; i < 16; i++)
        engine.deeds[i] = EXPIRED;
    start(f);
    must_fail(f, run(f), SB_E_PARTIAL, "2 of 2 files");
    assert_int_equal(engine.runs, 7); /* once, five times with new URLs, once for good */
    assert_true(engine.finals[6]);
    assert_true(told(f, "warning|the payer's file URLs are refused even when they are fresh"));
    assert_int_equal(asked(f, "DELETE", "/status/1"), 0); /* the payer's copy may still be needed */
}

static void urls_that_nobody_can_renew_are_final(void **state)
{
    fixture *f = *state;
    happy_payer(f);
    start(f);
    engine.deeds[0] = ONE_DONE_THEN_EXPIRED;
    engine.deeds[1] = EXPIRED;
    answers(f, (bulk_answer){.url = "/status/1", .status = 404});
    f->payer_side.answers[3].times = 1; /* the manifest is had once; then the job is gone */
    must_fail(f, run(f), SB_E_PARTIAL, "1 of 2 files");
    assert_true(engine.finals[1]);
    assert_true(told(f, "warning|expired file URLs could not be renewed"));
    assert_int_equal(look().phase, SB_EXPORT_PHASE_PARTIAL);
}

static void what_failed_is_tried_again_by_a_resume(void **state)
{
    fixture *f = *state;
    happy_payer(f);
    engine.deeds[0] = ONE_FAILED;
    start(f);
    must_fail(f, run(f), SB_E_PARTIAL, "1 of 2 files");
    assert_int_equal(look().phase, SB_EXPORT_PHASE_PARTIAL);
    assert_int_equal(asked(f, "DELETE", "/status/1"), 0);
    resume(f);
    must(f, run(f));
    assert_int_equal(look().phase, SB_EXPORT_PHASE_DONE);
    assert_int_equal(asked(f, "DELETE", "/status/1"), 1);
}

static void what_was_rejected_is_not(void **state)
{
    fixture *f = *state;
    happy_payer(f);
    engine.deeds[0] = ONE_REJECTED;
    start(f);
    must_fail(f, run(f), SB_E_PARTIAL, "1 lines are bad; the first: ");
    resume(f);
    must_fail(f, run(f), SB_E_PARTIAL, "rejected/");
    assert_int_equal(engine.runs, 1);
}

static void a_job_that_failed_is_a_failed_export(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "$export", .status = 202, .headers = {"Content-Location: " POLL_URL}});
    answers(f, (bulk_answer){.url = "/status/1", .status = 410});
    start(f);
    must_fail(f, run(f), SB_E_SERVER, "begin a new export");
    assert_int_equal(look().phase, SB_EXPORT_PHASE_FAILED);
    resume(f);
    must_fail(f, run(f), SB_E_SERVER, "begin a new export"); /* asked once more, for a payer may recover */
    assert_int_equal(asked(f, NULL, "/status/1"), 2);
    assert_int_equal(asked(f, NULL, "$export"), 1);
}

static void the_payers_copy_is_kept_when_asked_to(void **state)
{
    fixture *f = *state;
    happy_payer(f);
    options.keep_remote = true;
    options.allow_bad_lines = 7;
    start(f);
    options.keep_remote = false; /* a resume inherits it */
    options.allow_bad_lines = 0;
    resume(f);
    must(f, run(f));
    assert_int_equal(asked(f, "DELETE", "/status/1"), 0);
    assert_int_equal(engine.allow_bad_lines, 7);
}

static void a_copy_that_is_not_deleted_is_a_warning(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.method = "DELETE", .status = 500, .body = OUTCOME("error", "exception", "no")});
    happy_payer(f);
    start(f);
    must(f, run(f));
    assert_true(
        told(f, "warning|the payer's copy could not be deleted: DELETE of the export answered 500: exception: no"));
    assert_int_equal(look().phase, SB_EXPORT_PHASE_DONE);
}

static void an_empty_export_is_done(void **state)
{
    fixture *f = *state;
    happy_payer(f);
    f->payer_side.answers[3].body = MANIFEST "]}";
    start(f);
    must(f, run(f));
    assert_int_equal(look().phase, SB_EXPORT_PHASE_DONE);
    assert_int_equal(look().files, 0);
}

static void cancelling_deletes_the_job_and_ends_the_folder(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "$export", .status = 202, .headers = {"Content-Location: " POLL_URL}});
    answers(f, (bulk_answer){.method = "GET", .url = "/status/1", .status = 403});
    answers(f, (bulk_answer){.method = "DELETE", .url = "/status/1", .status = 503, .times = 1});
    answers(f, (bulk_answer){.method = "DELETE", .url = "/status/1", .status = 202});
    start(f);
    assert_int_equal(run(f), SB_E_AUTH);
    resume(f);
    must_fail(f, sb_export_cancel(export_now, &f->err), SB_E_SERVER, "503");
    assert_int_equal(look().phase, SB_EXPORT_PHASE_WAITING); /* to be tried again */
    must(f, sb_export_cancel(export_now, &f->err));
    assert_int_equal(look().phase, SB_EXPORT_PHASE_CANCELLED);
    assert_true(told(f, "deleted|"));
    resume(f);
    must_fail(f, run(f), SB_E_USAGE, "cancelled");
}

static void a_folder_is_one_exports_alone(void **state)
{
    fixture *f = *state;
    sb_export *second = NULL;
    happy_payer(f);
    start(f);
    must(f, run(f));
    must_fail(f, sb_export_start(f->payer, &patients, &options, &second, &f->err), SB_E_BUSY, "another smartbulk");
    must_fail(f, sb_export_resume(f->payer, &options, &second, &f->err), SB_E_BUSY, "another smartbulk");
    close_it();
    must_fail(f, sb_export_start(f->payer, &patients, &options, &second, &f->err), SB_E_USAGE, "resume");
    assert_null(second);
}

static void an_export_that_never_began_does_not_hold_its_folder(void **state)
{
    fixture *f = *state;
    const sb_export_request group = {.level = SB_EXPORT_GROUP, .group_id = "g"};
    start(f);
    assert_int_equal(run(f), SB_E_USAGE); /* 404: no such export */
    close_it();
    happy_payer(f);
    must(f, sb_export_start(f->payer, &group, &options, &export_now, &f->err));
    must(f, run(f));
    assert_string_equal(last_asked(f, "$export")->url, BASE "/Group/g/$export");
    close_it();
    must_fail(f, sb_export_start(f->payer, &group, &options, &export_now, &f->err), SB_E_USAGE, "resume");
}

static void but_one_whose_kickoff_was_lost_does(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "$export", .status = 0});
    start(f);
    assert_int_equal(run(f), SB_E_NETWORK);
    close_it();
    must_fail(f, sb_export_start(f->payer, &patients, &options, &export_now, &f->err), SB_E_USAGE, "resume");
}

static void a_folder_with_other_files_is_left_alone(void **state)
{
    fixture *f = *state;
    assert_true(scratch_write(f->dir, "letter.txt", 0600, "x"));
    must_fail(f, sb_export_start(f->payer, &patients, &options, &export_now, &f->err), SB_E_USAGE, "letter.txt");
    SB_AUTOFREE made = sb_path_join(f->dir, ".smartbulk");
    assert_int_equal(access(made, F_OK), -1);
    must_fail(f, sb_export_resume(f->payer, &options, &export_now, &f->err), SB_E_NOT_FOUND, "");
}

static void a_wrong_request_makes_no_folder(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE deep = sb_path_join(f->dir, "a/b");
    options.dir = deep;
    const sb_export_request wrong = {.level = SB_EXPORT_PATIENT, .since = "yesterday"};
    must_fail(f, sb_export_start(f->payer, &wrong, &options, &export_now, &f->err), SB_E_USAGE, "_since");
    assert_int_equal(access(deep, F_OK), -1);
    must(f, sb_export_start(f->payer, &patients, &options, &export_now, &f->err));
    struct stat st;
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void an_export_of_another_payer_is_not_resumed(void **state)
{
    fixture *f = *state;
    start(f);
    close_it();
    f->options.fhir_url = "https://other.example/r4";
    open_payer(f);
    must_fail(f, sb_export_resume(f->payer, &options, &export_now, &f->err), SB_E_USAGE, "another payer");
}

static void a_folder_can_be_looked_at_while_it_is_worked_in(void **state)
{
    fixture *f = *state;
    sb_export_snapshot s;
    SB_AUTOFREE settings = NULL;
    happy_payer(f);
    start(f);
    engine.deeds[0] = INTERRUPTED;
    assert_int_equal(run(f), SB_E_INTERRUPTED);
    must(f, sb_export_status(f->dir, &s, &f->err)); /* the lock is held */
    assert_int_equal(s.phase, SB_EXPORT_PHASE_DOWNLOAD);
    assert_int_equal(s.files, 2);
    must(f, sb_export_settings(f->dir, &settings, &f->err));
    assert_non_null(strstr(settings, BASE));
    must_fail(f, sb_export_status(f->state, &s, &f->err), SB_E_NOT_FOUND, "");
}

static void without_a_payer_there_is_only_looking(void **state)
{
    fixture *f = *state;
    start(f);
    close_it();
    must(f, sb_export_resume(NULL, &options, &export_now, &f->err));
    assert_int_equal(look().phase, SB_EXPORT_PHASE_NEW);
    must_fail(f, run(f), SB_E_USAGE, "payer");
    must_fail(f, sb_export_cancel(export_now, &f->err), SB_E_USAGE, "payer");
}

static sb_status export_once(fixture *f, const sb_export_request *request)
{
    close_it();
    memset(&engine, 0, sizeof(engine));
    scratch_dir_free(f->dir);
    f->dir = scratch_dir_new();
    options.dir = f->dir;
    forget_answers(f);
    happy_payer(f);
    SB_TRY(sb_export_start(f->payer, request, &options, &export_now, &f->err));
    return run(f);
}

static void the_next_export_goes_on_from_the_last_complete_one(void **state)
{
    fixture *f = *state;
    const sb_export_request full = {.level = SB_EXPORT_PATIENT, .types = (const char *const[]){"Patient", NULL}};
    sb_export_request last = full, other = full;
    last.since = "last";
    other.since = "last";
    other.types = (const char *const[]){"Coverage", NULL};
    must_fail(f, export_once(f, &last), SB_E_USAGE, "make a full export first"); /* FILE-08 */
    must(f, export_once(f, &full));
    must_fail(f, export_once(f, &other), SB_E_USAGE, "no complete export of this request");
    must(f, export_once(f, &last));
    assert_non_null(strstr(last_asked(f, "$export")->url, "_since=2026-01-31T00%3A00%3A00.000Z"));
}

static void an_export_that_is_not_complete_is_no_beginning(void **state)
{
    fixture *f = *state;
    sb_export_request last = patients;
    last.since = "last";
    happy_payer(f);
    engine.deeds[0] = ONE_REJECTED;
    start(f);
    assert_int_equal(run(f), SB_E_PARTIAL);
    must_fail(f, export_once(f, &last), SB_E_USAGE, "no earlier export");
}

#define ERROR_FILE "{\"type\":\"OperationOutcome\",\"url\":\"" BASE "/e/1\"}"

/* An export whose manifest has an error file with these lines. */
static sb_status export_with_outcomes(fixture *f, const char *lines)
{
    close_it();
    f->dir = (scratch_dir_free(f->dir), scratch_dir_new());
    options.dir = f->dir;
    forget_answers(f);
    answers(f, (bulk_answer){.url = "$export", .status = 202, .headers = {"Content-Location: " POLL_URL}});
    answers(f, (bulk_answer){.method = "DELETE", .url = "/status/1", .status = 202});
    answers(f,
            (bulk_answer){.url = "/status/1", .status = 200, .body = MANIFEST FILE(1) "],\"error\":[" ERROR_FILE "]}"});
    engine.runs = 0;
    start(f);
    SB_AUTOFREE folder = sb_path_join(f->dir, "error");
    SB_AUTOFREE path = sb_path_join(folder, "OperationOutcome.000.ndjson");
    must(f, sb_dir_make(folder, 0700, &f->err));
    must(f, sb_file_create_new(path, 0600, sb_str_from(lines), &f->err)); /* the test's engine writes no files */
    return run(f);
}

static void what_the_payer_says_is_missing_is_told_and_asked_for_again(void **state)
{
    fixture *f = *state;
    sb_export_request last = patients;
    last.since = "last";
    sb_status status = export_with_outcomes(f, OUTCOME("information", "informational", "all is well") "\n\n" OUTCOME(
                                                   "error", "processing", "Jane could not be read"));
    must_fail(f, status, SB_E_PARTIAL, "it reports errors of its own"); /* exit 6: data is missing, and nobody asked */
    must_fail(f, run(f), SB_E_PARTIAL, "it reports errors of its own"); /* and running again does not mend it */
    assert_true(told(f, "errors (processing, see error/OperationOutcome.000.ndjson)"));
    assert_false(told(f, "Jane"));
    must_fail(f, export_once(f, &last), SB_E_USAGE, "no earlier export"); /* FILE-08 */
    must(f, export_with_outcomes(f, OUTCOME("information", "informational", "all is well") "\n"));
    must(f, export_once(f, &last));
}

static void what_the_token_did_not_cover_is_asked_for_again(void **state)
{
    fixture *f = *state;
    const sb_export_request both = {.level = SB_EXPORT_PATIENT,
                                    .types = (const char *const[]){"Patient", "Coverage", NULL}};
    sb_export_request last = both;
    last.since = "last";
    f->options.scope = "system/Patient.rs"; /* as granted: less than is asked for */
    open_payer(f);
    must_fail(f, export_once(f, &both), SB_E_PARTIAL, "the token did not cover");
    assert_true(told(f, "did not cover Coverage, so data may be missing"));
    must_fail(f, export_once(f, &last), SB_E_USAGE, "no complete export"); /* TOK-07, FILE-08 */
}

static void until_bounds_what_the_next_export_goes_on_from(void **state)
{
    fixture *f = *state;
    sb_export_request until = patients, last = patients;
    until.until = "2025-06-30";
    last.since = "last";
    must(f, export_once(f, &until));
    must(f, export_once(f, &last)); /* what came after until was never asked for */
    assert_non_null(strstr(last_asked(f, "$export")->url, "_since=2025-07-01T00%3A00%3A00.000Z"));
}

static void who_joined_a_group_is_not_in_what_changed(void **state)
{
    fixture *f = *state;
    must(f, export_once(f, &(sb_export_request){.level = SB_EXPORT_GROUP, .group_id = "g", .since = "2026-01-01"}));
    assert_true(told(f, "warning|since brings what was changed"));
    forget_events(f);
    must(f, export_once(f, &(sb_export_request){.level = SB_EXPORT_GROUP, .group_id = "g"}));
    assert_false(told(f, "warning|since"));
}

static void a_folder_that_cannot_be_written_says_so(void **state)
{
    fixture *f = *state;
    options.dir = "/proc/smartbulk";
    must_fail(f, sb_export_start(f->payer, &patients, &options, &export_now, &f->err), SB_E_IO, "/proc/smartbulk");
    options.dir = NULL;
    must_fail(f, sb_export_start(f->payer, &patients, &options, &export_now, &f->err), SB_E_USAGE, "--to DIR");
}

static void *watch(void *impl)
{
    const atomic_bool *over = impl;
    while (!atomic_load(over))
        (void)look();
    return NULL;
}

static void another_thread_may_look_while_it_runs(void **state)
{
    fixture *f = *state;
    atomic_bool over = false;
    pthread_t watcher;
    happy_payer(f);
    f->payer_side.answers[2].times = 50;
    engine.deeds[0] = engine.deeds[1] = engine.deeds[2] = EXPIRED;
    start(f);
    assert_int_equal(pthread_create(&watcher, NULL, watch, &over), 0);
    sb_status status = run(f);
    atomic_store(&over, true);
    (void)pthread_join(watcher, NULL);
    must(f, status);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(from_nothing_to_done),
        T(the_log_tells_it_all_and_no_secret),
        T(a_run_that_ends_anywhere_goes_on_there),
        T(a_kill_in_any_phase_changes_nothing_in_the_end),
        T(a_kill_during_the_kickoff_is_said_aloud),
        T(expired_urls_are_asked_for_again),
        T(but_not_for_ever),
        T(urls_that_nobody_can_renew_are_final),
        T(what_failed_is_tried_again_by_a_resume),
        T(what_was_rejected_is_not),
        T(a_job_that_failed_is_a_failed_export),
        T(the_payers_copy_is_kept_when_asked_to),
        T(a_copy_that_is_not_deleted_is_a_warning),
        T(an_empty_export_is_done),
        T(cancelling_deletes_the_job_and_ends_the_folder),
        T(a_folder_is_one_exports_alone),
        T(an_export_that_never_began_does_not_hold_its_folder),
        T(but_one_whose_kickoff_was_lost_does),
        T(a_folder_with_other_files_is_left_alone),
        T(a_wrong_request_makes_no_folder),
        T(an_export_of_another_payer_is_not_resumed),
        T(a_folder_can_be_looked_at_while_it_is_worked_in),
        T(without_a_payer_there_is_only_looking),
        T(the_next_export_goes_on_from_the_last_complete_one),
        T(an_export_that_is_not_complete_is_no_beginning),
        T(what_the_payer_says_is_missing_is_told_and_asked_for_again),
        T(what_the_token_did_not_cover_is_asked_for_again),
        T(until_bounds_what_the_next_export_goes_on_from),
        T(who_joined_a_group_is_not_in_what_changed),
        T(a_folder_that_cannot_be_written_says_so),
        T(another_thread_may_look_while_it_runs),
    };
    return cmocka_run_group_tests_name("export_export", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_poll.c - a job's status is asked for, for weeks if need be, and its manifest followed from page to page. */
#include "bulk_fixture.h"

#include "export/collect.h"

#define MANIFEST "{\"transactionTime\":\"2026-01-31T00:00:00Z\",\"requiresAccessToken\":true,\"output\":["
#define FILE(n)  "{\"type\":\"Patient\",\"url\":\"" BASE "/f/" #n "\"}"
#define READY                                                                                                          \
    {                                                                                                                  \
        .url = "/status/1", .status = 200, .body = MANIFEST FILE(1) "]}"                                               \
    }

static sb_job_verdict verdict;

static sb_status poll_it(fixture *f)
{
    return sb_collect(&f->context, POLL_URL, false, &verdict, &f->err);
}

static int64_t waited_s(fixture *f)
{
    return atomic_load(&f->clock.waited_ns) / SB_NS_PER_S;
}

static uint64_t pages_of(fixture *f)
{
    uint64_t pages;
    SB_AUTOFREE next = NULL;
    must(f, sb_journal_pages(f->journal, &pages, &next, &f->err));
    return pages;
}

static uint64_t files_of(fixture *f)
{
    sb_export_snapshot totals = {.files = 0};
    sb_journal_totals(f->journal, &totals);
    return totals.files;
}

/* As if this run began now. */
static void anew(fixture *f)
{
    forget_answers(f);
    forget_seen(f);
    forget_events(f);
    atomic_store(&f->clock.waited_ns, 0);
}

static void retry_after_is_followed_in_both_forms(void **state)
{
    fixture *f = *state;
    f->payer_side.date_s = 1790000000;
    answers(f, (bulk_answer){.status = 202, .times = 1, .headers = {"Retry-After: 30", "X-Progress: 10 %"}});
    answers(f, (bulk_answer){.status = 202, .times = 1, .headers = {"Retry-After: Mon, 21 Sep 2026 14:14:20 GMT"}});
    answers(f, (bulk_answer)READY);
    must(f, poll_it(f)); /* STAT-01 */
    assert_int_equal(waited_s(f), 90);
    assert_true(told(f, "progress|10 %|30\n"));
    assert_int_equal(files_of(f), 1);
    const bulk_seen *s = last_asked(f, "/status/1");
    assert_string_equal(s->method, "GET");
    assert_string_equal(s->bearer, "tok1"); /* USE-01 */
    assert_fact(f, f->journal, "progress", "");
    assert_fact(f, f->journal, "transaction_time", "2026-01-31T00:00:00Z");
}

static void nonsense_is_clamped(void **state)
{
    fixture *f = *state;
    static const char *const nonsense[] = {
        "Retry-After: 1790000000000", /* epoch milliseconds of long ago: HAPI's kind of seconds */
        "Retry-After: 0", "Retry-After: 1789999999", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT"};
    for (size_t i = 0; i < SB_ARRAY_LEN(nonsense); i++) {
        anew(f);
        answers(f, (bulk_answer){.status = 202, .times = 1, .headers = {nonsense[i]}});
        answers(f, (bulk_answer)READY);
        must(f, sb_collect(&f->context, POLL_URL, true, &verdict, &f->err));
        assert_int_equal(waited_s(f), 1); /* never faster than once a second */
    }
    anew(f);
    answers(f, (bulk_answer){.status = 202, .times = 1, .headers = {"Retry-After: 99999999"}});
    answers(f, (bulk_answer)READY);
    must(f, sb_collect(&f->context, POLL_URL, true, &verdict, &f->err));
    assert_int_equal(waited_s(f), 3600);
}

static void without_retry_after_the_waits_grow_to_a_minute(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 202, .times = 10});
    answers(f, (bulk_answer)READY);
    must(f, poll_it(f));
    assert_in_range(waited_s(f), (1 + 2 + 4 + 8 + 16 + 32 + 60 * 4) / 2 - 1, 1 + 2 + 4 + 8 + 16 + 32 + 60 * 4);
}

static void a_job_of_weeks_is_waited_for(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 202, .times = 24 * 21, .headers = {"Retry-After: 3600"}});
    answers(f, (bulk_answer)READY);
    must(f, poll_it(f)); /* REAL-04 */
    assert_int_equal(waited_s(f), 3600 * 24 * 21);
}

static void busy_is_no_failure(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 429, .times = 200, .headers = {"Retry-After: 60"}});
    answers(f, (bulk_answer)READY);
    must(f, poll_it(f)); /* STAT-02 */
    assert_int_equal(waited_s(f), 12000);
}

static void a_status_that_could_not_be_had_is_not_a_failed_job(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 503, .times = 30, .body = OUTCOME("error", "lock-error", "busy")});
    answers(f, (bulk_answer){.status = 400, .times = 30, .body = OUTCOME("fatal", "timeout", "slow")});
    answers(f, (bulk_answer){.status = 200, .times = 30, .body = OUTCOME("error", "transient", "odd")});
    answers(f, (bulk_answer)READY);
    must(f, poll_it(f));
    assert_true(told(f, "retry|the export's status could not be had (503): lock-error: busy"));
}

static void but_not_for_ever(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 503, .body = OUTCOME("error", "transient", "maintenance")});
    must_fail(f, poll_it(f), SB_E_SERVER, "maintenance");
    assert_int_equal(verdict, SB_JOB_LIVES);
    assert_in_range(waited_s(f), 24 * 3600, 25 * 3600);
}

static void other_5xx_are_tried_a_bounded_number_of_times(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 502, .times = 9, .body = "<html>Bad Gateway"});
    answers(f, (bulk_answer){.status = 202, .times = 1});
    answers(f, (bulk_answer){.status = 500, .times = 9});
    answers(f, (bulk_answer)READY);
    must(f, poll_it(f)); /* progress in between counts from the beginning again */
    anew(f);
    answers(f, (bulk_answer){.status = 502, .body = "<html>Bad Gateway"});
    must_fail(f, sb_collect(&f->context, POLL_URL, true, &verdict, &f->err), SB_E_SERVER, "Bad Gateway");
    assert_int_equal(verdict, SB_JOB_LIVES);
    assert_int_equal(asked(f, NULL, "/status/1"), 10);
}

static void a_job_that_failed_is_said_with_the_payers_words(void **state)
{
    fixture *f = *state;
    static const struct {
        int status;
        size_t times;
    } cases[] = {{500, 3}, {400, 1}, {422, 1}, {200, 1}}; /* the last is REAL-06 */
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        anew(f);
        answers(f, (bulk_answer){.status = cases[i].status, .body = OUTCOME("error", "processing", "disk exploded")});
        must_fail(f, poll_it(f), SB_E_SERVER, "disk exploded");
        assert_int_equal(verdict, SB_JOB_FAILED);
        assert_int_equal(f->err.http_status, cases[i].status);
        assert_int_equal(asked(f, NULL, "/status/1"), cases[i].times);
    }
    assert_int_equal(pages_of(f), 0);
}

static void a_job_that_is_gone_is_said_so(void **state)
{
    fixture *f = *state;
    for (int status = 404; status <= 410; status += 6) {
        anew(f);
        answers(f, (bulk_answer){.status = status, .body = OUTCOME("error", "not-found", "no such job")});
        must_fail(f, poll_it(f), SB_E_SERVER, "begin a new export");
        assert_int_equal(verdict, SB_JOB_GONE);
    }
}

static void a_refusal_leaves_the_job_alive(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 403, .body = OUTCOME("error", "forbidden", "not yours")});
    must_fail(f, poll_it(f), SB_E_AUTH, "not yours");
    assert_int_equal(verdict, SB_JOB_LIVES);
    forget_answers(f);
    answers(f, (bulk_answer){.status = 401});
    must_fail(f, poll_it(f), SB_E_AUTH, "401");
    assert_int_equal(verdict, SB_JOB_LIVES);
}

static void no_answer_is_tried_for_a_while(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 0, .times = 9});
    answers(f, (bulk_answer)READY);
    must(f, poll_it(f));
    anew(f);
    answers(f, (bulk_answer){.status = 0});
    must_fail(f, sb_collect(&f->context, POLL_URL, true, &verdict, &f->err), SB_E_NETWORK, "no connection");
    assert_int_equal(asked(f, NULL, "/status/1"), 10);
    assert_in_range(waited_s(f), 200, 900);
}

static void cancel_now(void *impl, const sb_http_request *request)
{
    fixture *f = impl;
    (void)request;
    atomic_store(&f->cancel, true);
}

static void a_wait_of_an_hour_ends_at_once_when_it_is_cancelled(void **state)
{
    fixture *f = *state;
    f->payer_side.on_request = cancel_now;
    f->payer_side.on_request_impl = f;
    answers(f, (bulk_answer){.status = 202, .headers = {"Retry-After: 3600"}});
    must_fail(f, poll_it(f), SB_E_INTERRUPTED, "resume");
    assert_int_equal(waited_s(f), 0);
    assert_int_equal(verdict, SB_JOB_LIVES);
}

static void a_separate_export_status_is_the_jobs(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 200,
                             .times = 2,
                             .headers = {"X-Export-Status: 202", "Retry-After: 5"},
                             .body = "{\"output\":[" FILE(9) "]}"}); /* STAT-03: not the manifest yet */
    answers(f, (bulk_answer){.status = 200, .headers = {"X-Export-Status: 200"}, .body = MANIFEST FILE(1) "]}"});
    must(f, poll_it(f));
    assert_int_equal(waited_s(f), 10);
    assert_int_equal(files_of(f), 1);
    anew(f);
    answers(f, (bulk_answer){
                   .status = 200, .headers = {"X-Export-Status: 404"}, .body = OUTCOME("error", "not-found", "gone")});
    must_fail(f, sb_collect(&f->context, POLL_URL, true, &verdict, &f->err), SB_E_SERVER, "gone");
    assert_int_equal(verdict, SB_JOB_GONE);
}

static void a_partial_manifest_with_a_202_is_passed_over(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 202, .times = 1, .headers = {"Retry-After: 1"}, .body = MANIFEST FILE(1) "]}"});
    answers(f, (bulk_answer){.status = 200, .body = MANIFEST FILE(1) "," FILE(2) "]}"});
    must(f, poll_it(f));
    assert_int_equal(files_of(f), 2);
}

static void a_manifest_that_was_cut_off_comes_again(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 200, .times = 2, .cut = true, .body = MANIFEST FILE(1) "," FILE(2)});
    answers(f, (bulk_answer){.status = 200, .body = MANIFEST FILE(1) "," FILE(2) "," FILE(3) "]}"});
    must(f, poll_it(f));
    assert_int_equal(files_of(f), 3);
}

static void what_is_no_manifest_is_the_payers_failure(void **state)
{
    fixture *f = *state;
    f->payer_side.chunk = 4096;
    answers(f, (bulk_answer){.status = 200, .body = "<html>Sign in</html>"});
    must_fail(f, poll_it(f), SB_E_SERVER, "begins with: <html>Sign in");
    assert_int_equal(verdict, SB_JOB_LIVES);
    forget_answers(f);
    answers(f, (bulk_answer){.status = 200});
    must_fail(f, poll_it(f), SB_E_SERVER, "empty");
}

#define PAGE(n, next) MANIFEST FILE(n) "],\"link\":[{\"relation\":\"next\",\"url\":\"" next "\"}]}"

static void pages_are_followed_to_the_last(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "/status/1", .status = 200, .body = PAGE(1, "1/p2")});
    answers(f, (bulk_answer){.url = "/status/1/p2", .status = 202, .times = 1, .headers = {"Retry-After: 7"}});
    answers(f, (bulk_answer){.url = "/status/1/p2", .status = 200, .body = PAGE(2, BASE "/status/p3?sig=secret")});
    answers(f, (bulk_answer){.url = "/status/p3", .status = 503, .times = 1});
    answers(f, (bulk_answer){.url = "/status/p3", .status = 200, .body = MANIFEST FILE(3) "]}"});
    must(f, poll_it(f));
    assert_int_equal(files_of(f), 3);
    assert_int_equal(pages_of(f), 3);
    assert_string_equal(last_asked(f, "/status/p3")->bearer, "tok1");
    SB_AUTOFREE log = read_text(f, "log.ndjson");
    assert_non_null(strstr(log, "\"eventId\":\"manifest_complete\",\"eventDetail\":{\"transactionTime\":"
                                "\"2026-01-31T00:00:00Z\",\"totalOutputFileCount\":3,\"totalDeletedFileCount\":0,"
                                "\"totalErrorFileCount\":0,\"totalManifests\":3}"));
    assert_null(strstr(log, "secret"));
    SB_AUTOFREE third = read_text(f, "manifest.002.json");
    assert_string_equal(third, MANIFEST FILE(3) "]}");
}

static void a_kill_between_two_pages_costs_no_page_twice(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "/status/1", .status = 200, .body = PAGE(1, BASE "/p2")});
    answers(f, (bulk_answer){.url = "/p2", .status = 403});
    assert_int_equal(poll_it(f), SB_E_AUTH);
    anew(f);
    answers(f, (bulk_answer){.url = "/p2", .status = 200, .body = MANIFEST FILE(2) "]}"});
    must(f, poll_it(f));
    assert_int_equal(asked(f, NULL, "/status/1"), 0);
    assert_int_equal(files_of(f), 2);
    anew(f);
    must(f, poll_it(f)); /* and when all are known nothing is asked */
    assert_int_equal(f->payer_side.n_seen, 0);
}

static void a_link_that_has_expired_is_asked_for_again(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "/status/1", .status = 200, .body = PAGE(1, BASE "/p2?sig=old")});
    answers(f, (bulk_answer){.url = "/p2", .status = 403});
    assert_int_equal(poll_it(f), SB_E_AUTH);
    anew(f);
    answers(f, (bulk_answer){.url = BASE "/p2?sig=old", .status = 410});
    answers(f, (bulk_answer){.url = "/status/1", .status = 200, .body = PAGE(1, BASE "/p2?sig=new")});
    answers(f, (bulk_answer){.url = BASE "/p2?sig=new", .status = 200, .body = MANIFEST FILE(2) "]}"});
    must(f, poll_it(f));
    assert_int_equal(files_of(f), 2);
}

static void pages_that_lead_in_a_circle_are_found_out(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "/status/1", .status = 200, .body = PAGE(1, BASE "/p2")});
    answers(f, (bulk_answer){.url = "/p2", .status = 200, .body = PAGE(2, BASE "/p3")});
    answers(f, (bulk_answer){.url = "/p3", .status = 200, .body = PAGE(3, BASE "/p2")});
    must_fail(f, poll_it(f), SB_E_SERVER, "circle");
    assert_int_equal(asked(f, NULL, "/p2"), 1);
}

static void a_page_that_leads_to_itself_is_found_out(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "/status/1", .status = 200, .body = PAGE(1, POLL_URL)});
    must_fail(f, poll_it(f), SB_E_SERVER, "circle");
}

static void a_page_on_another_server_is_not_followed(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.url = "/status/1", .status = 200, .body = PAGE(1, "https://evil.example/p2")});
    must_fail(f, poll_it(f), SB_E_SERVER, "token_hosts"); /* USE-03 */
    assert_int_equal(asked(f, NULL, "/p2"), 0);
}

static void the_manifest_can_be_asked_for_again(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer)READY);
    must(f, poll_it(f));
    anew(f);
    answers(f, (bulk_answer){.url = "/status/1", .status = 200, .body = MANIFEST FILE(1) "]}"});
    must(f, sb_collect(&f->context, POLL_URL, true, &verdict, &f->err)); /* FILE-04 */
    assert_int_equal(asked(f, NULL, "/status/1"), 1);
    assert_int_equal(files_of(f), 1);
}

static void what_is_odd_in_a_manifest_is_said(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 200,
                             .body = "{\"output\":[{\"type\":\"../x\",\"url\":\"http://fhir.payer.example/1\"}]}"});
    must(f, poll_it(f));
    assert_true(told(f, "warning|the payer lists file URLs as http; https is used"));
    assert_true(told(f, "warning|the manifest does not say whether files need the token"));
    assert_true(told(f, "warning|1 files are listed without a usable type"));
    assert_true(told(f, "warning|the payer gave no usable transactionTime"));
}

static void each_poll_is_in_the_log(void **state)
{
    fixture *f = *state;
    answers(f, (bulk_answer){.status = 202, .times = 1, .headers = {"X-Progress: \x1b[1mhalf", "Retry-After: 2"}});
    answers(f, (bulk_answer){.status = 500, .times = 1, .body = "<html>oops"});
    answers(f, (bulk_answer)READY);
    must(f, poll_it(f));
    SB_AUTOFREE log = read_text(f, "log.ndjson");
    assert_non_null(strstr(log, "\"eventId\":\"status_progress\",\"eventDetail\":{\"body\":null,\"xProgress\":"));
    assert_non_null(strstr(log, "\"retryAfter\":\"2\"}"));
    assert_non_null(strstr(log, "\"eventId\":\"status_error\",\"eventDetail\":{\"body\":\"<html>oops\",\"code\":500"));
    assert_non_null(strstr(log, "\"eventId\":\"status_complete\",\"eventDetail\":{\"transactionTime\":\"2026"));
    assert_non_null(strstr(log, "\"eventId\":\"status_page_complete\""));
    assert_null(strchr(log, '\x1b'));
    assert_false(told(f, "\x1b"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(retry_after_is_followed_in_both_forms),
        T(nonsense_is_clamped),
        T(without_retry_after_the_waits_grow_to_a_minute),
        T(a_job_of_weeks_is_waited_for),
        T(busy_is_no_failure),
        T(a_status_that_could_not_be_had_is_not_a_failed_job),
        T(but_not_for_ever),
        T(other_5xx_are_tried_a_bounded_number_of_times),
        T(a_job_that_failed_is_said_with_the_payers_words),
        T(a_job_that_is_gone_is_said_so),
        T(a_refusal_leaves_the_job_alive),
        T(no_answer_is_tried_for_a_while),
        T(a_wait_of_an_hour_ends_at_once_when_it_is_cancelled),
        T(a_separate_export_status_is_the_jobs),
        T(a_partial_manifest_with_a_202_is_passed_over),
        T(a_manifest_that_was_cut_off_comes_again),
        T(what_is_no_manifest_is_the_payers_failure),
        T(pages_are_followed_to_the_last),
        T(a_kill_between_two_pages_costs_no_page_twice),
        T(a_link_that_has_expired_is_asked_for_again),
        T(pages_that_lead_in_a_circle_are_found_out),
        T(a_page_that_leads_to_itself_is_found_out),
        T(a_page_on_another_server_is_not_followed),
        T(the_manifest_can_be_asked_for_again),
        T(what_is_odd_in_a_manifest_is_said),
        T(each_poll_is_in_the_log),
    };
    return cmocka_run_group_tests_name("export_poll", tests, NULL, NULL);
}

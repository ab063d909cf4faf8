/* SPDX-License-Identifier: Apache-2.0 */
/* test_download.c - an honest payer: what is listed is on disk afterwards, byte by byte, judged and recorded. */
#include <sched.h>
#include <zlib.h>

#include "download_test.h"

static void files_come_whole_and_are_recorded(void **state)
{
    engine *e = *state;
    size_t len;
    char *many = keep(e, patients(5000, &len));
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = many, .len = len});
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = "{\"resourceType\":\"Coverage\",\"id\":\"c\"}"});
    file_host_add(&e->host, &(hosted){.path = "/3", .bytes = ""});
    list(e, (listing){.type = "Patient", .path = "/1", .count = 5000});
    list(e, (listing){.type = "Coverage", .path = "/2", .count = 1});
    list(e, (listing){.type = "Patient", .path = "/3"});
    run_all(e);
    assert_content(e, "Patient.000.ndjson", many, len);
    assert_content(e, "Coverage.000.ndjson", "{\"resourceType\":\"Coverage\",\"id\":\"c\"}", 36);
    assert_content(e, "Patient.001.ndjson", "", 0);
    SB_AUTO(sb_journal_file) file = row(&e->base, 1);
    assert_int_equal(file.state, SB_FILE_DONE);
    assert_int_equal(file.bytes, 36);
    assert_int_equal(file.resources, 1);
    assert_string_equal(file.sha256, "e385696198d2ef1ab5e290a75911d26dd995ce606f73bb430ea262e3b1c85326");
    assert_int_equal(e->done, 3);
    assert_int_equal(totals(&e->base).files_done, 3);
    assert_int_equal(totals(&e->base).resources, 5001);
    no_parts_are_left(e);
}

static void over_tls_it_is_the_same(void **state)
{
    files_come_whole_and_are_recorded(state);
}

/* gzip of `text`; malloc'ed. */
static char *gzipped(const char *text, size_t len, size_t *out_len)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)text, .avail_in = (unsigned)len};
    size_t room = len + 1000;
    char *out = malloc(room);
    z.next_out = (Bytef *)out;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *out_len = z.total_out;
    (void)deflateEnd(&z);
    return out;
}

static void compressed_files_are_decoded(void **state)
{
    engine *e = *state;
    size_t len, zipped_len;
    char *many = keep(e, patients(20000, &len));
    char *zipped = keep(e, gzipped(many, len, &zipped_len));
    char *twice = keep(e, malloc(2 * zipped_len)); /* two members one after the other are one stream */
    memcpy(twice, zipped, zipped_len);
    memcpy(twice + zipped_len, zipped, zipped_len);
    hosted *f = file_host_add(&e->host, &(hosted){.path = "/1", .bytes = zipped, .len = zipped_len, .gzip = true});
    file_host_add(&e->host,
                  &(hosted){.path = "/2", .bytes = twice, .len = 2 * zipped_len, .gzip = true, .chunked = true});
    list(e, (listing){.type = "Patient", .path = "/1", .count = 20000});
    list(e, (listing){.type = "Patient", .path = "/2", .count = 40000});
    run_all(e);
    assert_content(e, "Patient.000.ndjson", many, len);
    assert_string_equal(f->last_accept_encoding, "gzip"); /* FILE-01 */
    SB_AUTO(sb_journal_file) file = row(&e->base, 1);
    assert_int_equal(file.state, SB_FILE_DONE);
    assert_int_equal(file.bytes, 2 * len);
}

static void bodies_may_be_chunked_or_end_with_the_connection(void **state)
{
    engine *e = *state;
    size_t len;
    char *many = keep(e, patients(3000, &len));
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = many, .len = len, .chunked = true});
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = many, .len = len, .until_close = true});
    list(e, (listing){.type = "Patient", .path = "/1", .count = 3000});
    list(e, (listing){.type = "Patient", .path = "/2", .count = 3000});
    run_all(e);
    assert_content(e, "Patient.000.ndjson", many, len);
    assert_content(e, "Patient.001.ndjson", many, len);
}

static void each_kind_of_file_is_judged_by_its_own_rules(void **state)
{
    engine *e = *state;
    static const char deletes[] = "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{\"request\":"
                                  "{\"method\":\"DELETE\",\"url\":\"Patient/1\"}}]}\n";
    static const char outcome[] = "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\"code\":"
                                  "\"exception\"}]}\n";
    static const char mixed[] =
        "{\"resourceType\":\"Patient\",\"id\":\"1\"}\n{\"resourceType\":\"Coverage\",\"id\":\"2\"}\n";
    file_host_add(&e->host, &(hosted){.path = "/d", .bytes = deletes});
    file_host_add(&e->host, &(hosted){.path = "/e", .bytes = outcome});
    file_host_add(&e->host, &(hosted){.path = "/m", .bytes = mixed});
    list(e, (listing){.kind = SB_FILE_DELETED, .type = "Bundle", .path = "/d"});
    list(e, (listing){.kind = SB_FILE_ERROR, .type = "OperationOutcome", .path = "/e", .count = 7}); /* a warning */
    list(e, (listing){.type = "Patient", .path = "/m", .any_type = true});
    list(e, (listing){.type = "Patient", .path = "/m"}); /* here one line is of another type              FILE-03 */
    list(e, (listing){.kind = SB_FILE_DELETED, .type = "Bundle", .path = "/m"});
    run_all(e);
    assert_content(e, "deleted/Bundle.000.ndjson", deletes, strlen(deletes));
    assert_content(e, "error/OperationOutcome.000.ndjson", outcome, strlen(outcome));
    assert_content(e, "Patient.000.ndjson", mixed, strlen(mixed));
    assert_state(e, 3, SB_FILE_REJECTED);
    assert_state(e, 4, SB_FILE_REJECTED);
    assert_true(is_there(e, "rejected/deleted/Bundle.001.ndjson"));
    assert_true(is_there(e, "rejected/deleted/Bundle.001.ndjson.bad-lines.ndjson"));
    assert_int_equal(e->warnings, 1);
    assert_non_null(strstr(e->warning, "the manifest says 7"));
}

static void deleted_files_hold_deletes_whatever_type_they_are_listed_as(void **state)
{
    engine *e = *state;
    static const char deletes[] = "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{\"request\":"
                                  "{\"method\":\"DELETE\",\"url\":\"Patient/1\"}}]}\n";
    static const char puts[] = "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{\"request\":"
                               "{\"method\":\"PUT\",\"url\":\"Patient/1\"}}]}\n";
    file_host_add(&e->host, &(hosted){.path = "/d", .bytes = deletes});
    file_host_add(&e->host, &(hosted){.path = "/p", .bytes = puts});
    list(e, (listing){.kind = SB_FILE_DELETED, .type = "Patient", .path = "/d"});
    list(e, (listing){.kind = SB_FILE_DELETED, .type = "Patient", .path = "/p"});
    run_all(e);
    assert_content(e, "deleted/Patient.000.ndjson", deletes, strlen(deletes));
    assert_content(e, "rejected/deleted/Patient.001.ndjson", puts, strlen(puts));
}

static void many_small_files_share_connections_and_commits(void **state)
{
    engine *e = *state;
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = "{\"resourceType\":\"Patient\",\"id\":\"c\"}\n"});
    SB_AUTOFREE url = file_host_url(&e->host, "/1");
    must(&e->base, sb_journal_page_begin(e->base.journal, 0, &e->base.err));
    for (int i = 0; i < 1000; i++)
        must(&e->base, sb_journal_page_item(e->base.journal, SB_FILE_OUTPUT, "Patient", url, 1, &e->base.err));
    must(&e->base, sb_journal_page_end(e->base.journal, false, false, NULL, &e->base.err));
    run_all(e);
    assert_int_equal(totals(&e->base).files_done, 1000);
    assert_int_equal(e->host.requests, 1000);
    assert_true(fake_server_connections(e->host.server) <= 4);
    assert_int_equal(e->done, 1000);
}

static void nothing_to_do_is_done_at_once(void **state)
{
    engine *e = *state;
    run_all(e);
    assert_int_equal(e->host.requests, 0);
    assert_int_equal(e->tokens.n_seen, 0);
}

static void what_is_done_is_never_fetched_again(void **state)
{
    engine *e = *state;
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = "{\"resourceType\":\"Patient\",\"id\":\"c\"}\n"});
    list(e, (listing){.type = "Patient", .path = "/1", .count = 1});
    run_all(e);
    run_all(e);
    assert_int_equal(e->host.requests, 1);
    list(e, (listing){.type = "Patient", .path = "/1", .count = 1});
    run_all(e);
    assert_int_equal(e->host.requests, 2);
}

static void the_log_hears_of_requests_and_results(void **state)
{
    engine *e = *state;
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = "{\"resourceType\":\"Patient\",\"id\":\"c\"}\n"});
    file_host_add(&e->host, &(hosted){.path = "/2", .status = 503, .times = 1, .words = "no", .bytes = ""});
    e->options.connections = 1;
    list(e, (listing){.type = "Patient", .path = "/1", .count = 1});
    list(e, (listing){.type = "Coverage", .path = "/2"});
    run_all(e);
    assert_non_null(strstr(e->log, "download_request Patient.000.ndjson 0"));
    assert_non_null(strstr(e->log, "download_complete Patient.000.ndjson 200"));
    assert_non_null(strstr(e->log, "download_error Coverage.000.ndjson 503"));
    assert_non_null(strstr(e->log, "download_complete Coverage.000.ndjson 200"));
    assert_int_equal(e->retries, 1);
}

typedef struct watcher {
    sb_download *download;
    sb_journal *journal;
    atomic_bool stop;
    uint64_t most_bytes, most_active;
} watcher;

static void *watch_numbers(void *arg)
{
    watcher *w = arg;
    while (!atomic_load(&w->stop)) {
        sb_export_snapshot s = {.files = 0};
        sb_journal_totals(w->journal, &s);
        sb_download_live(w->download, &s);
        w->most_bytes = SB_MAX(w->most_bytes, s.bytes);
        w->most_active = SB_MAX(w->most_active, s.active);
        (void)sched_yield();
    }
    return NULL;
}

static void the_display_sees_what_is_under_way(void **state)
{
    engine *e = *state;
    size_t len;
    pthread_t thread;
    char *many = keep(e, patients(20000, &len));
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = many, .len = len});
    for (int i = 0; i < 20; i++)
        list(e, (listing){.type = "Patient", .path = "/1", .count = 20000});
    watcher w = {.journal = e->base.journal};
    must(&e->base, sb_download_new(&e->options, &w.download, &e->base.err));
    assert_int_equal(pthread_create(&thread, NULL, watch_numbers, &w), 0);
    must(&e->base, sb_download_run(w.download, &e->end, &e->base.err));
    atomic_store(&w.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    sb_export_snapshot s = {.files = 0};
    sb_journal_totals(w.journal, &s);
    sb_download_live(w.download, &s);
    sb_download_free(w.download);
    assert_int_equal(s.bytes, 20 * len);
    assert_int_equal(s.wire_bytes, 20 * len);
    assert_int_equal(s.active, 0);
    /* a file counts twice for the moment in which its group is in the journal and still with the committer: never more */
    assert_true(w.most_bytes > 0 && w.most_bytes <= 40 * len);
    assert_true(w.most_active <= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TE(files_come_whole_and_are_recorded),
        TLS(over_tls_it_is_the_same),
        TE(compressed_files_are_decoded),
        TE(bodies_may_be_chunked_or_end_with_the_connection),
        TLS(bodies_may_be_chunked_or_end_with_the_connection),
        TE(each_kind_of_file_is_judged_by_its_own_rules),
        TE(deleted_files_hold_deletes_whatever_type_they_are_listed_as),
        TE(many_small_files_share_connections_and_commits),
        TE(nothing_to_do_is_done_at_once),
        TE(what_is_done_is_never_fetched_again),
        TE(the_log_hears_of_requests_and_results),
        TE(the_display_sees_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

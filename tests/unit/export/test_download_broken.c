/* SPDX-License-Identifier: Apache-2.0 */
/* test_download_broken.c - what a slow, broken or hostile file server does, and what becomes of the files.
 * FILE-04, FILE-05, FILE-06, REAL-06 */
#include <zlib.h>

#include "download_test.h"

#define LINE "{\"resourceType\":\"Patient\",\"id\":\"c\"}\n"
#define OUTCOME(severity, code)                                                                                        \
    "{\n \"resourceType\": \"OperationOutcome\",\n \"issue\": [{\"severity\": \"" severity "\", \"code\": \"" code     \
    "\", \"diagnostics\": \"no luck\"}]}\n"

static void passing_statuses_are_tried_again(void **state)
{
    engine *e = *state;
    static const int statuses[] = {408, 429, 500, 502, 503, 504};
    static const char *const paths[] = {"/0", "/1", "/2", "/3", "/4", "/5"};
    for (unsigned i = 0; i < SB_ARRAY_LEN(statuses); i++) {
        file_host_add(&e->host, &(hosted){.path = paths[i], .bytes = LINE, .status = statuses[i], .times = 3});
        list(e, (listing){.type = "Patient", .path = paths[i], .count = 1});
    }
    run_all(e);
    assert_int_equal(totals(&e->base).files_done, 6);
    assert_int_equal(e->retries, 18);
}

static void retry_after_is_heeded_within_bounds(void **state)
{
    engine *e = *state;
    file_host_add(&e->host,
                  &(hosted){.path = "/1", .bytes = LINE, .status = 429, .times = 1, .headers = "Retry-After: 1\r\n"});
    list(e, (listing){.type = "Patient", .path = "/1", .count = 1});
    int64_t before = sb_clock_system()->monotonic_ns(NULL);
    run_all(e);
    assert_true(sb_clock_system()->monotonic_ns(NULL) - before >= SB_NS_PER_S);
    file_host_add(
        &e->host,
        &(hosted){.path = "/2", .bytes = LINE, .status = 503, .times = 1, .headers = "Retry-After: 86400\r\n"});
    list(e, (listing){.type = "Patient", .path = "/2", .count = 1});
    e->tuning.retry_after_max_s = 1; /* a day is not waited for */
    run_all(e);
    assert_state(e, 1, SB_FILE_DONE);
}

static void one_file_that_the_payer_fails_for_is_listed_and_the_others_come(void **state)
{
    engine *e = *state;
    file_host_add(&e->host, &(hosted){.path = "/1", .status = 500, .words = OUTCOME("error", "exception")});
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = LINE});
    file_host_add(&e->host, &(hosted){.path = "/3", .status = 400, .words = "what?"});
    list(e, (listing){.type = "Patient", .path = "/1"});
    list(e, (listing){.type = "Patient", .path = "/2"});
    list(e, (listing){.type = "Patient", .path = "/3"});
    run_all(e);
    assert_state(e, 1, SB_FILE_DONE);
    assert_state(e, 2, SB_FILE_FAILED);
    SB_AUTO(sb_journal_file) file = row(&e->base, 0);
    assert_int_equal(file.state, SB_FILE_FAILED);
    assert_non_null(strstr(file.problem, "500"));
    assert_non_null(strstr(file.problem, "no luck"));
    assert_int_equal(e->host.files[0].requests, e->tuning.tries_max);
    assert_int_equal(e->host.files[2].requests, 1);
    assert_int_equal(e->failed, 2);
    no_parts_are_left(e);
}

static void a_payer_that_is_down_fails_no_file(void **state)
{
    engine *e = *state;
    file_host_add(&e->host, &(hosted){.path = "/1", .status = 503, .words = "down"});
    for (int i = 0; i < 100; i++)
        list(e, (listing){.type = "Patient", .path = "/1"});
    assert_int_equal(run(e), SB_E_SERVER);
    assert_int_equal(totals(&e->base).files_bad, 0);
    assert_true(file_host_requests(&e->host) < 20 * e->tuning.tries_max);
    no_parts_are_left(e);
}

static void a_broken_stretch_does_not_hide_the_files_behind_it(void **state)
{
    engine *e = *state;
    e->options.connections = 1;
    e->tuning.tries_max = 1;
    file_host_add(&e->host, &(hosted){.path = "/1", .status = 500, .words = "down"});
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = LINE});
    list(e, (listing){.type = "Patient", .path = "/2"});
    for (int i = 0; i < 40; i++)
        list(e, (listing){.type = "Patient", .path = "/1"});
    list(e, (listing){.type = "Patient", .path = "/2"});
    run_all(e);
    assert_int_equal(totals(&e->base).files_done, 2);
    assert_int_equal(totals(&e->base).files_bad, 40);
}

static void without_a_network_everything_stays_pending(void **state)
{
    engine *e = *state;
    for (int i = 0; i < 100; i++) /* port 1: nobody listens there */
        list_url(e, &(listing){.type = "Patient"}, "http://127.0.0.1:1/x");
    assert_int_equal(run(e), SB_E_NETWORK);
    assert_non_null(strstr(e->err.what, "no connection"));
    assert_int_equal(totals(&e->base).files_bad, 0);
}

static void an_unknown_certificate_is_not_tried_again(void **state)
{
    engine *e = *state;
    fake_ca *other = fake_ca_new("other");
    file_host strangers;
    file_host_start(&strangers, other);
    SB_AUTOFREE url = file_host_url(&strangers, "/1");
    list_url(e, &(listing){.type = "Patient"}, url);
    assert_int_equal(run(e), SB_E_NETWORK);
    assert_int_equal(e->retries, 0);
    assert_non_null(strstr(e->err.what, "certificate"));
    file_host_stop(&strangers);
    fake_ca_free(other);
}

static void expired_urls_ask_for_the_manifest(void **state)
{
    engine *e = *state;
    static const int statuses[] = {403, 404, 410};
    for (unsigned i = 0; i < 3; i++) {
        e->host.n = 0;
        file_host_add(&e->host, &(hosted){.path = "/1", .status = statuses[i], .words = ""});
        list(e, (listing){.type = "Patient", .path = "/1"});
        assert_int_equal(run(e), SB_OK);
        assert_int_equal(e->end, SB_DOWNLOAD_URLS_EXPIRED);
        assert_state(e, i, SB_FILE_PENDING);
    }
    e->options.urls_are_final = true; /* asked for often enough */
    run_all(e);
    assert_int_equal(totals(&e->base).files_bad, 3);
}

static void many_expired_urls_are_not_all_tried(void **state)
{
    engine *e = *state;
    file_host_add(&e->host, &(hosted){.path = "/1", .status = 403, .words = ""});
    for (int i = 0; i < 200; i++)
        list(e, (listing){.type = "Patient", .path = "/1"});
    assert_int_equal(run(e), SB_OK);
    assert_int_equal(e->end, SB_DOWNLOAD_URLS_EXPIRED);
    assert_true(file_host_requests(&e->host) < 30);
}

typedef struct big {
    char *bytes;
    size_t len;
} big;

static void cut(engine *e, const big *b, hosted how)
{
    how.bytes = b->bytes;
    how.len = b->len;
    how.cut_after = b->len / 3;
    file_host_add(&e->host, &how);
    list(e, (listing){.type = "Patient", .path = how.path, .count = 30000});
}

static void what_broke_off_is_never_taken_for_whole(void **state)
{
    engine *e = *state;
    big b;
    b.bytes = keep(e, patients(30000, &b.len));
    /* without a validator the file is begun anew; each way of breaking off is noticed */
    cut(e, &b, (hosted){.path = "/1", .cuts = 2, .cut_how = FAKE_CLOSE});
    cut(e, &b, (hosted){.path = "/2", .cuts = 2, .cut_how = FAKE_CUT, .chunked = true});
    if (e->ca) /* on plain http nobody can tell: it is for loopback alone */
        cut(e, &b, (hosted){.path = "/3", .cuts = 2, .cut_how = FAKE_CUT, .until_close = true});
    run_all(e);
    assert_content(e, "Patient.000.ndjson", b.bytes, b.len);
    assert_content(e, "Patient.001.ndjson", b.bytes, b.len);
    assert_int_equal(e->host.files[0].ranges, 0);
    assert_int_equal(e->host.files[0].requests, 3);
    if (e->ca)
        assert_content(e, "Patient.002.ndjson", b.bytes, b.len);
}

static void the_rest_is_asked_for_when_it_can_be_proved_the_same(void **state)
{
    engine *e = *state;
    big b;
    b.bytes = keep(e, patients(30000, &b.len));
    cut(e, &b, (hosted){.path = "/1", .cuts = 2, .cut_how = FAKE_CUT, .etag = "\"v1\""});
    cut(e, &b, (hosted){.path = "/2", .cuts = 1, .cut_how = FAKE_CUT, .modified = "Mon, 21 Sep 2026 11:00:00 GMT"});
    cut(e, &b, (hosted){.path = "/3", .cuts = 1, .cut_how = FAKE_CUT, .etag = "W/\"weak\""}); /* FILE-06 */
    cut(e, &b, (hosted){.path = "/4", .cuts = 1, .cut_how = FAKE_CUT, .modified = "Mon, 21 Sep 2026 12:00:00 GMT"});
    cut(e, &b, (hosted){.path = "/5", .cuts = 1, .cut_how = FAKE_CUT, .etag = "\"v1\"", .no_ranges = true});
    cut(e, &b, (hosted){.path = "/6", .cuts = 1, .cut_how = FAKE_CUT, .etag = "\"v1\"", .chunked = true});
    run_all(e);
    static const unsigned ranges[] = {2, 1, 0, 0, 1, 1};
    for (unsigned i = 0; i < 6; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "Patient.%03u.ndjson", i);
        assert_content(e, name, b.bytes, b.len);
        assert_int_equal(e->host.files[i].ranges, ranges[i]);
    }
    assert_string_equal(e->host.files[0].last_accept_encoding, "identity");
}

/* Behind the first answer the file is another one. */
static void replace(void *impl, file_host *host, hosted *file)
{
    const hosted *other = impl;
    (void)host;
    if (file->requests == 1) {
        file->bytes = other->bytes;
        file->len = other->len;
        file->etag = other->etag;
    }
}

static void a_file_that_became_another_is_begun_anew(void **state)
{
    engine *e = *state;
    big b;
    size_t short_len;
    b.bytes = keep(e, patients(30000, &b.len));
    char *other = keep(e, patients(29999, &short_len));
    other[strlen("{'resourceType':'Patient','id':'")] = 'q';
    hosted then = {.bytes = other, .len = short_len, .etag = "\"v2\""};
    e->host.on_request = replace;
    e->host.on_request_impl = &then;
    file_host_add(&e->host, &(hosted){.path = "/1",
                                      .bytes = b.bytes,
                                      .len = b.len,
                                      .etag = "\"v1\"",
                                      .cuts = 1,
                                      .cut_after = b.len / 2,
                                      .cut_how = FAKE_CUT});
    list(e, (listing){.type = "Patient", .path = "/1", .count = 29999});
    run_all(e);
    assert_content(e, "Patient.000.ndjson", other, short_len);
}

static void a_rest_of_another_file_is_known_by_its_validator(void **state)
{
    engine *e = *state;
    big b;
    size_t other_len;
    b.bytes = keep(e, patients(30000, &b.len));
    char *other = keep(e, patients(30000, &other_len));
    other[strlen("{'resourceType':'Patient','id':'")] = 'q'; /* where the rest begins they are the same */
    hosted then = {.bytes = other, .len = other_len, .etag = "\"v2\""};
    e->host.on_request = replace;
    e->host.on_request_impl = &then;
    cut(e, &b, (hosted){.path = "/1", .cuts = 1, .cut_how = FAKE_CUT, .etag = "\"v1\"", .no_conditions = true});
    run_all(e);
    assert_content(e, "Patient.000.ndjson", other, other_len);
}

/* A server that lies: same validator, other bytes; or nothing where we ask (416). */
static void a_rest_that_does_not_fit_is_thrown_away(void **state)
{
    engine *e = *state;
    big b;
    b.bytes = keep(e, patients(30000, &b.len));
    char *shifted = keep(e, malloc(b.len));
    memcpy(shifted, b.bytes + 1, b.len - 1);
    shifted[b.len - 1] = '\n';
    hosted then = {.bytes = shifted, .len = b.len, .etag = "\"v1\""};
    e->host.on_request = replace;
    e->host.on_request_impl = &then;
    file_host_add(&e->host, &(hosted){.path = "/1",
                                      .bytes = b.bytes,
                                      .len = b.len,
                                      .etag = "\"v1\"",
                                      .cuts = 1,
                                      .cut_after = b.len / 2,
                                      .cut_how = FAKE_CUT});
    list(e, (listing){.type = "Patient", .path = "/1"});
    run_all(e);
    assert_state(e, 0, SB_FILE_REJECTED); /* the whole of what it gives now, which begins in the middle of a line */
    assert_content(e, "rejected/Patient.000.ndjson", shifted, b.len);
    then = (hosted){.bytes = LINE, .len = strlen(LINE), .etag = "\"v1\""};
    file_host_add(&e->host, &(hosted){.path = "/2",
                                      .bytes = b.bytes,
                                      .len = b.len,
                                      .etag = "\"v1\"",
                                      .cuts = 1,
                                      .cut_after = b.len / 2,
                                      .cut_how = FAKE_CUT});
    list(e, (listing){.type = "Coverage", .path = "/2", .any_type = true});
    run_all(e);
    assert_content(e, "Coverage.000.ndjson", LINE, strlen(LINE));
    assert_int_equal(e->host.files[1].requests, 3);
}

static void a_piece_of_the_rest_is_not_taken_for_the_rest(void **state)
{
    engine *e = *state;
    big b;
    b.bytes = keep(e, patients(30000, &b.len));
    cut(e, &b, (hosted){.path = "/1", .cuts = 1, .cut_how = FAKE_CUT, .etag = "\"v1\"", .range_len = 100});
    list(e, (listing){.type = "Patient", .path = "/1"}); /* without a count nobody else would notice */
    e->host.files[0].cuts = 2;
    cut(e, &b, (hosted){.path = "/2", .cuts = 1, .cut_how = FAKE_CUT, .etag = "\"v1\"", .chunked = true});
    e->host.files[1].range_lie = b.len / 3; /* it ends with the end of a line, perhaps, and of its chunks */
    run_all(e);                             /* each answer brings a part of it, and none is taken for the end */
    assert_content(e, "Patient.002.ndjson", b.bytes, b.len);
    assert_content(e, "Patient.000.ndjson", b.bytes, b.len);
    assert_content(e, "Patient.001.ndjson", b.bytes, b.len);
    assert_int_equal(e->host.files[0].ranges, 2);
    assert_true(e->host.files[1].ranges > 1);
}

static void another_run_goes_on_with_a_part(void **state)
{
    engine *e = *state;
    big b;
    b.bytes = keep(e, patients(30000, &b.len));
    e->tuning.tries_max = 1;
    *strstr(b.bytes, "true") = 'T'; /* a bad line in the part is found again, though it is not fetched again */
    e->options.allow_bad_lines = 5;
    cut(e, &b, (hosted){.path = "/1", .cuts = 1, .cut_how = FAKE_CUT, .etag = "\"v1\""});
    assert_int_equal(run(e), SB_E_NETWORK);
    assert_true(is_there(e, ".smartbulk/parts/0.part"));
    run_all(e);
    assert_int_equal(e->host.files[0].ranges, 1);
    assert_int_not_equal(strtoul(e->host.files[0].last_range + 6, NULL, 10), 0);
    assert_content(e, "Patient.000.ndjson", b.bytes, b.len);
    SB_AUTO(sb_journal_file) file = row(&e->base, 0);
    assert_int_equal(file.bad_lines, 1);
    assert_int_equal(file.resources, 29999);
    assert_int_equal(file.bytes, b.len);
    no_parts_are_left(e);
}

static void a_part_of_another_boot_is_not_believed(void **state)
{
    engine *e = *state;
    big b;
    b.bytes = keep(e, patients(30000, &b.len));
    e->tuning.tries_max = 1;
    cut(e, &b, (hosted){.path = "/1", .cuts = 1, .cut_how = FAKE_CUT, .etag = "\"v1\""});
    assert_int_equal(run(e), SB_E_NETWORK);
    char validator[] = "\"v1\"", boot[] = "another";
    must(&e->base, sb_journal_part_set(e->base.journal, &(sb_journal_part){0, validator, boot}, &e->base.err));
    run_all(e);
    assert_int_equal(e->host.files[0].ranges, 0);
    assert_content(e, "Patient.000.ndjson", b.bytes, b.len);
}

static char *gzipped(const char *text, size_t len, size_t *out_len)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)text, .avail_in = (unsigned)len};
    char *out = malloc(len + 1000);
    z.next_out = (Bytef *)out;
    z.avail_out = (unsigned)len + 1000;
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *out_len = z.total_out;
    (void)deflateEnd(&z);
    return out;
}

static void a_compressed_rest_goes_on_in_the_middle_of_the_stream(void **state)
{
    engine *e = *state;
    size_t len, zipped_len;
    char *many = keep(e, patients(60000, &len));
    char *zipped = keep(e, gzipped(many, len, &zipped_len));
    hosted *f = file_host_add(&e->host, &(hosted){.path = "/1",
                                                  .bytes = zipped,
                                                  .len = zipped_len,
                                                  .gzip = true,
                                                  .etag = "\"z\"",
                                                  .cuts = 2,
                                                  .cut_after = zipped_len / 3,
                                                  .cut_how = FAKE_CUT});
    list(e, (listing){.type = "Patient", .path = "/1", .count = 60000});
    run_all(e);
    assert_int_equal(f->ranges, 2);
    assert_string_equal(f->last_accept_encoding, "gzip");
    assert_content(e, "Patient.000.ndjson", many, len);
}

static void damaged_compression_is_refused(void **state)
{
    engine *e = *state;
    e->options.connections = 8; /* so many failures in a row end a run, and the good file may come last */
    size_t len, zipped_len;
    char *many = keep(e, patients(3000, &len));
    char *zipped = keep(e, gzipped(many, len, &zipped_len));
    char *garbage = keep(e, malloc(zipped_len + 4));
    char *bad_sum = keep(e, malloc(zipped_len));
    memcpy(garbage, zipped, zipped_len);
    memcpy(garbage + zipped_len, "junk", 4);
    memcpy(bad_sum, zipped, zipped_len);
    bad_sum[zipped_len - 6] ^= 1;
    file_host_add(&e->host,
                  &(hosted){.path = "/1", .bytes = zipped, .len = zipped_len - 9, .gzip = true}); /* cut off */
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = garbage, .len = zipped_len + 4, .gzip = true});
    file_host_add(&e->host, &(hosted){.path = "/3", .bytes = bad_sum, .len = zipped_len, .gzip = true});
    file_host_add(&e->host, &(hosted){.path = "/4", .bytes = many, .len = len, .gzip = true}); /* it is none */
    file_host_add(&e->host, &(hosted){.path = "/5", .bytes = many, .len = len, .headers = "Content-Encoding: br\r\n"});
    file_host_add(&e->host, &(hosted){.path = "/6", .bytes = LINE});
    for (int i = 1; i <= 6; i++) {
        char path[16];
        (void)snprintf(path, sizeof(path), "/%d", i);
        list(e, (listing){.type = "Patient", .path = path});
    }
    run_all(e);
    for (int64_t i = 0; i < 5; i++)
        assert_state(e, i, SB_FILE_FAILED);
    assert_state(e, 5, SB_FILE_DONE);
    no_parts_are_left(e);
}

static void a_decompression_bomb_is_defused(void **state)
{
    engine *e = *state;
    size_t len = (size_t)200 * 1024 * 1024, zipped_len;
    char *zeros = keep(e, calloc(1, len));
    char *zipped = keep(e, gzipped(zeros, len, &zipped_len));
    e->tuning.tries_max = 8;
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = zipped, .len = zipped_len, .gzip = true});
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = LINE});
    list(e, (listing){.type = "Patient", .path = "/1"});
    list(e, (listing){.type = "Patient", .path = "/2"});
    run_all(e);
    SB_AUTO(sb_journal_file) file = row(&e->base, 0);
    assert_int_equal(file.state, SB_FILE_FAILED);
    assert_non_null(strstr(file.problem, "fill disks"));
    assert_state(e, 1, SB_FILE_DONE);
    assert_int_equal(e->host.files[0].requests, 1); /* it would be the same the next time */
    no_parts_are_left(e);
}

static void pages_and_outcomes_are_explained(void **state)
{
    engine *e = *state;
    e->options.connections = 8; /* so many failures in a row end a run, and the good file may come last */
    e->tuning.tries_max = 2;
    file_host_add(&e->host, &(hosted){.path = "/1", .bytes = "<!DOCTYPE html><html>Please log in</html>"});
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = OUTCOME("error", "forbidden")});
    file_host_add(&e->host, &(hosted){.path = "/3", .bytes = OUTCOME("error", "transient")});
    file_host_add(&e->host, &(hosted){.path = "/4", .bytes = "\x1f\x8b\x08\x00zip"});
    file_host_add(&e->host, &(hosted){.path = "/5", .bytes = LINE});
    static const char *const paths[] = {"/1", "/2", "/3", "/4", "/5"};
    for (unsigned i = 0; i < 5; i++)
        list(e, (listing){.type = "Patient", .path = paths[i], .any_type = i == 1});
    run_all(e);
    static const char *const says[] = {"HTML", "no luck", "no luck", "Content-Encoding"};
    for (int64_t i = 0; i < 4; i++) {
        SB_AUTO(sb_journal_file) file = row(&e->base, i);
        assert_int_equal(file.state, SB_FILE_FAILED);
        assert_non_null(strstr(file.problem, says[i]));
    }
    assert_int_equal(e->host.files[1].requests, 1);
    assert_int_equal(e->host.files[2].requests, 2);
    assert_state(e, 4, SB_FILE_DONE);
    no_parts_are_left(e);
}

static void a_stall_is_given_up_and_gone_on_with(void **state)
{
    engine *e = *state;
    big b;
    b.bytes = keep(e, patients(30000, &b.len));
    e->tuning.stall_s = 1;
    cut(e, &b, (hosted){.path = "/1", .cuts = 1, .cut_how = FAKE_STALL, .etag = "\"v1\""});
    run_all(e);
    assert_int_equal(e->host.files[0].ranges, 1);
    assert_content(e, "Patient.000.ndjson", b.bytes, b.len);
}

static void endless_errors_are_not_listened_to(void **state)
{
    engine *e = *state;
    size_t len = 3 * 1024 * 1024;
    char *noise = keep(e, malloc(len + 1));
    memset(noise, 'x', len);
    noise[len] = '\0';
    e->tuning.tries_max = 2;
    file_host_add(&e->host, &(hosted){.path = "/1", .status = 400, .words = noise});
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = LINE});
    list(e, (listing){.type = "Patient", .path = "/1"});
    list(e, (listing){.type = "Patient", .path = "/2"});
    run_all(e);
    assert_state(e, 0, SB_FILE_FAILED);
    assert_state(e, 1, SB_FILE_DONE);
}

static void plain_http_to_another_machine_is_not_spoken(void **state)
{
    engine *e = *state;
    file_host_add(&e->host, &(hosted){.path = "/2", .bytes = LINE});
    list_url(e, &(listing){.type = "Patient"}, "http://files.example/1");
    list_url(e, &(listing){.type = "Patient"}, "ftp://files.example/1");
    list(e, (listing){.type = "Patient", .path = "/2"});
    run_all(e);
    assert_state(e, 0, SB_FILE_FAILED);
    assert_state(e, 1, SB_FILE_FAILED);
    assert_state(e, 2, SB_FILE_DONE);
}

static void set_cancel(void *impl, file_host *host, hosted *file)
{
    (void)host;
    if (file->requests == 0)
        atomic_store(&((engine *)impl)->cancel, true);
}

static void an_interruption_is_heeded_at_once(void **state)
{
    engine *e = *state;
    big b;
    b.bytes = keep(e, patients(30000, &b.len));
    e->host.on_request = set_cancel;
    e->host.on_request_impl = e;
    cut(e, &b, (hosted){.path = "/1", .cuts = 1, .cut_how = FAKE_STALL, .etag = "\"v1\""}); /* for ever, it seems */
    int64_t before = sb_clock_system()->monotonic_ns(NULL);
    assert_int_equal(run(e), SB_E_INTERRUPTED);
    assert_true(sb_clock_system()->monotonic_ns(NULL) - before < 5 * SB_NS_PER_S);
    assert_state(e, 0, SB_FILE_PENDING);
    atomic_store(&e->cancel, false);
    run_all(e);
    assert_content(e, "Patient.000.ndjson", b.bytes, b.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TE(passing_statuses_are_tried_again),
        TE(retry_after_is_heeded_within_bounds),
        TE(one_file_that_the_payer_fails_for_is_listed_and_the_others_come),
        TE(a_payer_that_is_down_fails_no_file),
        TE(a_broken_stretch_does_not_hide_the_files_behind_it),
        TE(without_a_network_everything_stays_pending),
        TLS(an_unknown_certificate_is_not_tried_again),
        TE(expired_urls_ask_for_the_manifest),
        TE(many_expired_urls_are_not_all_tried),
        TE(what_broke_off_is_never_taken_for_whole),
        TLS(what_broke_off_is_never_taken_for_whole),
        TE(the_rest_is_asked_for_when_it_can_be_proved_the_same),
        TE(a_file_that_became_another_is_begun_anew),
        TE(a_rest_of_another_file_is_known_by_its_validator),
        TE(a_rest_that_does_not_fit_is_thrown_away),
        TE(a_piece_of_the_rest_is_not_taken_for_the_rest),
        TE(another_run_goes_on_with_a_part),
        TE(a_part_of_another_boot_is_not_believed),
        TE(a_compressed_rest_goes_on_in_the_middle_of_the_stream),
        TE(damaged_compression_is_refused),
        TE(a_decompression_bomb_is_defused),
        TE(pages_and_outcomes_are_explained),
        TE(a_stall_is_given_up_and_gone_on_with),
        TE(endless_errors_are_not_listened_to),
        TE(plain_http_to_another_machine_is_not_spoken),
        TE(an_interruption_is_heeded_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

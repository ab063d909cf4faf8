/* SPDX-License-Identifier: Apache-2.0 */
/* test_export_job.c - exports from kick-off to expiry: whose they are, how many, how long, and their files. */
#include "export_job_fixture.h"

#include <zlib.h>

static void a_job_takes_its_time_and_tells_how_far_it_is(void **state)
{
    fixture *f = *state;
    f->options.min_seconds = 10;
    f->options.retry_after_s = 3;
    restart(f);
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_SYSTEM);
    sb_str id = kick_off(f, &request, space);
    sb_job_status status = wait_for(f, "a", id, SB_JOB_RUNNING);
    assert_int_equal(status.percent, 0);
    assert_int_equal(status.retry_after_s, 3);
    assert_true(status.expires_s == 0);
    advance(f, 5);
    assert_ok(sb_jobs_status(f->jobs, "a", id, &status, NULL));
    assert_int_equal(status.state, SB_JOB_RUNNING);
    assert_in_range(status.percent, 40, 60);
    assert_string_equal(status.progress, "49% complete");
    sb_buf text = SB_BUF_INIT;
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_jobs_manifest(f->jobs, "a", id, 0, "https://x", &text, &err), SB_E_BUSY);
    advance(f, 5);
    status = wait_for(f, "a", id, SB_JOB_DONE);
    assert_int_equal(status.percent, 100);
    assert_true(status.expires_s >= NOW_S + 110 && status.expires_s <= NOW_S + 111);
}

static void a_client_has_so_many_under_way_and_no_more(void **state)
{
    fixture *f = *state;
    f->options.min_seconds = 10;
    f->options.per_client = 2;
    restart(f);
    char first[SB_JOB_ID_SIZE], other[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_SYSTEM), others = request_of("b", SB_JOB_SYSTEM);
    (void)kick_off(f, &request, first);
    (void)kick_off(f, &request, other);
    expect_refusal(f, &request, 429, "under way is 2");
    (void)kick_off(f, &others, other); /* another client's are not counted */
    assert_ok(sb_jobs_delete(f->jobs, "a", sb_str_from(first), NULL));
    (void)kick_off(f, &request, first);
    expect_refusal(f, &request, 429, "under way is 2");
    advance(f, 10);
    (void)wait_for(f, "a", sb_str_from(first), SB_JOB_DONE);
    (void)kick_off(f, &request, first); /* the finished ones are kept, but no longer counted */
}

static void what_is_kept_is_bounded(void **state)
{
    fixture *f = *state;
    f->options.per_client_kept = 3;
    f->options.max_jobs = 5;
    restart(f);
    char id[SB_JOB_ID_SIZE];
    sb_job_request a = request_of("a", SB_JOB_SYSTEM), b = request_of("b", SB_JOB_SYSTEM);
    for (int i = 0; i < 3; i++)
        (void)wait_for(f, "a", kick_off(f, &a, id), SB_JOB_DONE);
    expect_refusal(f, &a, 429, "kept for one client is 3");
    (void)kick_off(f, &b, id);
    (void)kick_off(f, &b, id);
    expect_refusal(f, &b, 503, "keeps is 5");
    for (int i = 0; i < 500; i++) { /* creating and deleting never fills it */
        assert_ok(sb_jobs_delete(f->jobs, "b", sb_str_from(id), NULL));
        (void)kick_off(f, &b, id);
    }
}

static void a_job_is_its_owners_alone(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("owner", SB_JOB_SYSTEM);
    sb_str id = kick_off(f, &request, space);
    (void)wait_for(f, "owner", id, SB_JOB_DONE);
    sb_job_status status;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    SB_AUTO(sb_job_file) file = SB_JOB_FILE_INIT;
    sb_error mine = SB_ERROR_INIT, unknown = SB_ERROR_INIT;
    assert_int_equal(sb_jobs_status(f->jobs, "thief", id, &status, &mine), SB_E_NOT_FOUND);
    assert_int_equal(
        sb_jobs_status(f->jobs, "thief", SB_STR_LIT("00000000000000000000000000000000"), &status, &unknown),
        SB_E_NOT_FOUND);
    assert_memory_equal(&mine, &unknown, sizeof(mine)); /* nothing tells a job of another from none at all */
    assert_int_equal(mine.http_status, 404);
    assert_int_equal(sb_jobs_manifest(f->jobs, "thief", id, 0, "https://x", &text, NULL), SB_E_NOT_FOUND);
    assert_int_equal(sb_jobs_file_open(f->jobs, "thief", id, SB_STR_LIT("Patient.000.ndjson"), false, &file, NULL),
                     SB_E_NOT_FOUND);
    assert_int_equal(sb_jobs_delete(f->jobs, "thief", id, NULL), SB_E_NOT_FOUND);
    assert_ok(sb_jobs_status(f->jobs, "owner", id, &status, NULL));
    assert_int_equal(strlen(space), 32);
}

/* A list of what was deleted is of every type at once. */
static void what_tells_of_all_types_is_for_tokens_as_wide_as_the_export(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *scope;
        bool covered;
    } cases[] = {{"system/*.rs", true},
                 {"system/Patient.rs system/Coverage.rs", true},
                 {"system/Patient.rs", false},
                 {"system/Patient.rs system/Coverage.rs?status=active", false}};
    SB_AUTO(sb_scopes) asked = SB_SCOPES_INIT;
    char space[SB_JOB_ID_SIZE];
    assert_ok(sb_scopes_parse("system/Patient.rs system/Coverage.rs", &asked, NULL));
    sb_job_request request = request_of("a", SB_JOB_PATIENT);
    request.scopes = &asked;
    sb_str id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    for (size_t i = 0; i < SB_ARRAY_LEN(cases); i++) {
        SB_AUTO(sb_scopes) token = SB_SCOPES_INIT;
        bool covered = false;
        assert_ok(sb_scopes_parse(cases[i].scope, &token, NULL));
        assert_ok(sb_jobs_file_covered(f->jobs, "a", id, NULL, &token, &covered, NULL));
        assert_int_equal(covered, cases[i].covered);
    }
}

static void names_that_are_not_in_the_manifest_open_nothing(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"",
                                        "Patient",
                                        "Patient.0.ndjson",
                                        "Patient.000.ndjson.gz",
                                        "Patient.001.ndjson",
                                        "patient.000.ndjson",
                                        "../lock",
                                        "Observation.000.ndjson",
                                        "Patient.99999999999999999999.ndjson",
                                        "Patient/../Patient.000.ndjson",
                                        "error.000.ndjson",
                                        "Patient.000.ndjso"};
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_SYSTEM);
    sb_str id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    for (size_t i = 0; i < SB_ARRAY_LEN(names); i++) {
        SB_AUTO(sb_job_file) file = SB_JOB_FILE_INIT;
        assert_int_equal(sb_jobs_file_open(f->jobs, "a", id, sb_str_from(names[i]), false, &file, NULL),
                         SB_E_NOT_FOUND);
        assert_int_equal(file.fd, -1);
    }
}

static void an_open_file_outlives_its_job(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_GROUP);
    request.group_id = SB_STR_LIT("first-half"); /* so that the file is the job's own */
    sb_str id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    SB_AUTO(sb_job_file) file = SB_JOB_FILE_INIT;
    assert_ok(sb_jobs_file_open(f->jobs, "a", id, SB_STR_LIT("Patient.000.ndjson"), false, &file, NULL));
    assert_ok(sb_jobs_delete(f->jobs, "a", id, NULL));
    assert_int_equal(sb_jobs_delete(f->jobs, "a", id, NULL), SB_E_NOT_FOUND);
    assert_int_equal(files_made(f), 1); /* where somebody else's machine could still be reading it */
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    read_fd(file.fd, file.size, &text);
    assert_int_equal(count_lines(&text), 5);
    sb_job_file_cleanup(&file);
    advance(f, 60);
    await_no_files(f);
}

static void a_job_goes_away_when_it_expires(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_GROUP);
    request.group_id = SB_STR_LIT("first-half");
    sb_str id = kick_off(f, &request, space);
    sb_job_status status = wait_for(f, "a", id, SB_JOB_DONE);
    assert_true(status.expires_s == NOW_S + 100);
    assert_true(files_made(f) > 0);
    advance(f, 99);
    assert_ok(sb_jobs_status(f->jobs, "a", id, &status, NULL));
    advance(f, 1);
    sb_jobs_sweep(f->jobs);
    assert_int_equal(sb_jobs_status(f->jobs, "a", id, &status, NULL), SB_E_NOT_FOUND);
    await_no_files(f);
}

static void files_are_for_whoever_has_their_name_only_when_they_are_open(void **state)
{
    fixture *f = *state;
    static const sb_str name = SB_STR_LIT("Patient.000.ndjson");
    for (int open = 0; open < 2; open++) {
        char space[SB_JOB_ID_SIZE];
        SB_AUTO(sb_job_file) file = SB_JOB_FILE_INIT;
        sb_job_request request = request_of("a", SB_JOB_SYSTEM);
        f->options.open_files = open;
        restart(f);
        sb_str id = kick_off(f, &request, space);
        (void)wait_for(f, "a", id, SB_JOB_DONE);
        assert_int_equal(sb_jobs_file_open(f->jobs, NULL, id, name, false, &file, NULL),
                         open ? SB_OK : SB_E_NOT_FOUND); /* USE-02 */
    }
}

static void nothing_private_is_left_behind_or_open_to_others(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_GROUP);
    request.group_id = SB_STR_LIT("first-half");
    (void)wait_for(f, "a", kick_off(f, &request, space), SB_JOB_DONE);
    SB_AUTOFREE wide =
        sb_printf("find %s \\( -type d ! -perm 700 -o -type f ! -perm 600 \\) | grep -q .", f->state_dir);
    assert_int_not_equal(system(wide), 0);
    sb_jobs_free(f->jobs);
    f->jobs = NULL;
    assert_int_equal(scratch_count(f->state_dir), 1);
    SB_AUTOFREE jobs = sb_path_join(f->state_dir, "jobs");
    assert_ok(sb_dir_make(jobs, 0700, NULL));
    scratch_write(jobs, "left-by-a-killed-server", SB_STR_LIT("x"));
    start(f);
    assert_int_equal(files_made(f), 0);
}

static void two_servers_cannot_share_a_folder(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_GROUP);
    request.group_id = SB_STR_LIT("first-half");
    (void)wait_for(f, "a", kick_off(f, &request, space), SB_JOB_DONE);
    size_t before = files_made(f);
    sb_jobs *second = NULL;
    assert_int_equal(sb_jobs_new(&f->options, &second, NULL), SB_E_BUSY);
    assert_null(second);
    assert_int_equal(files_made(f), before); /* the first one's files are untouched */
}

static void inflate_all(const sb_buf *from, sb_buf *to)
{
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    unsigned char space[16384];
    SB_AUTO(sb_buf) copy = SB_BUF_INIT; /* zlib wants bytes it could write */
    assert_true(sb_buf_add_str(&copy, sb_buf_str(from)));
    z.next_in = (unsigned char *)copy.ptr;
    z.avail_in = (uInt)copy.len;
    int rc;
    do {
        z.next_out = space;
        z.avail_out = sizeof(space);
        rc = inflate(&z, Z_NO_FLUSH);
        assert_true(rc == Z_OK || rc == Z_STREAM_END);
        assert_true(sb_buf_add(to, space, sizeof(space) - z.avail_out));
    } while (rc != Z_STREAM_END);
    assert_int_equal(inflateEnd(&z), Z_OK);
}

static void compressed_files_hold_the_same_bytes(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_GROUP);
    for (int whole = 0; whole < 2; whole++) {
        request.group_id = whole ? SB_STR_LIT("all") : SB_STR_LIT("first-half");
        sb_str id = kick_off(f, &request, space);
        (void)wait_for(f, "a", id, SB_JOB_DONE);
        SB_AUTO(sb_job_file) plain = SB_JOB_FILE_INIT;
        SB_AUTO(sb_job_file) packed = SB_JOB_FILE_INIT;
        SB_AUTO(sb_job_file) again = SB_JOB_FILE_INIT;
        sb_str name = SB_STR_LIT("ExplanationOfBenefit.000.ndjson");
        assert_ok(sb_jobs_file_open(f->jobs, "a", id, name, false, &plain, NULL));
        assert_ok(sb_jobs_file_open(f->jobs, "a", id, name, true, &packed, NULL));
        assert_true(!packed.gzip && packed.size == plain.size && strcmp(packed.etag, plain.etag) == 0);
        sb_job_file_cleanup(&packed);
        sb_jobs_wait_compressed(f->jobs);
        assert_ok(sb_jobs_file_open(f->jobs, "a", id, name, true, &packed, NULL));
        assert_ok(sb_jobs_file_open(f->jobs, "a", id, name, true, &again, NULL));
        assert_true(packed.gzip && !plain.gzip && packed.size < plain.size / 4);
        assert_string_not_equal(packed.etag, plain.etag);
        assert_string_equal(packed.etag, again.etag);
        assert_true(packed.etag[0] == '"' && packed.etag[strlen(packed.etag) - 1] == '"');
        assert_string_equal(plain.content_type, "application/fhir+ndjson");
        SB_AUTO(sb_buf) a = SB_BUF_INIT;
        SB_AUTO(sb_buf) b = SB_BUF_INIT;
        SB_AUTO(sb_buf) c = SB_BUF_INIT;
        read_fd(plain.fd, plain.size, &a);
        read_fd(packed.fd, packed.size, &b);
        inflate_all(&b, &c);
        assert_true(sb_str_eq(sb_buf_str(&a), sb_buf_str(&c)));
    }
}

static void who_fetches_each_file_once_gets_it_compressed(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_GROUP);
    for (int whole = 0; whole < 2; whole++) {
        request.group_id = whole ? SB_STR_LIT("all") : SB_STR_LIT("first-half");
        sb_str id = kick_off(f, &request, space);
        (void)wait_for(f, "a", id, SB_JOB_DONE);
        SB_AUTOJSON manifest = manifest_of(f, "a", id);
        const json_t *item;
        size_t i;
        sb_jobs_wait_compressed(f->jobs);
        json_array_foreach (json_object_get(manifest, "output"), i, item) {
            SB_AUTO(sb_job_file) plain = SB_JOB_FILE_INIT;
            SB_AUTO(sb_job_file) packed = SB_JOB_FILE_INIT;
            sb_str name = sb_str_from(strrchr(sb_json_str(item, "url"), '/') + 1);
            assert_ok(sb_jobs_file_open(f->jobs, "a", id, name, false, &plain, NULL));
            assert_ok(sb_jobs_file_open(f->jobs, "a", id, name, true, &packed, NULL));
            assert_int_equal(packed.gzip, plain.size >= 1024); /* smaller ones stay plain */
        }
        assert_true(i > 0);
    }
}

static void who_is_told_page_by_page_gets_each_page_compressed(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    f->options.manifest_files = 1;
    restart(f);
    sb_job_request request = request_of("a", SB_JOB_GROUP);
    request.group_id = SB_STR_LIT("first-half");
    request.partial = true;
    sb_str id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    size_t before = files_made(f), pages = 0;
    for (;; pages++) {
        SB_AUTO(sb_buf) text = SB_BUF_INIT;
        if (sb_jobs_manifest(f->jobs, "a", id, (unsigned)pages, "x", &text, NULL) != SB_OK)
            break;
        sb_jobs_wait_compressed(f->jobs);
        assert_true(files_made(f) - before <= pages + 1); /* of no page that was not told of */
    }
    assert_true(pages > 2 && files_made(f) > before + 1);
    size_t all = files_made(f);
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    assert_ok(sb_jobs_manifest(f->jobs, "a", id, 0, "x", &text, NULL));
    sb_jobs_wait_compressed(f->jobs);
    assert_int_equal(files_made(f), all);
}

typedef struct reader {
    fixture *f;
    sb_str id;
    unsigned failures;
} reader;

static void *read_compressed(void *impl)
{
    reader *r = impl;
    for (int i = 0; i < 20; i++) {
        sb_job_file file = SB_JOB_FILE_INIT;
        sb_status status =
            sb_jobs_file_open(r->f->jobs, "a", r->id, SB_STR_LIT("ExplanationOfBenefit.001.ndjson"), true, &file, NULL);
        r->failures += status != SB_OK || file.size < 1000;
        sb_job_file_cleanup(&file);
    }
    return NULL;
}

static void many_readers_share_one_compressed_copy(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_SYSTEM);
    sb_str id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    pthread_t threads[8];
    reader readers[8];
    for (size_t i = 0; i < SB_ARRAY_LEN(threads); i++) {
        readers[i] = (reader){f, id, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, read_compressed, &readers[i]), 0);
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(readers[i].failures, 0);
    }
    sb_jobs_wait_compressed(f->jobs);
    assert_int_equal(files_made(f), 1); /* the copy */
}

static void a_job_whose_data_is_gone_fails(void **state)
{
    fixture *f = *state;
    SB_AUTOFREE path = sb_path_join(f->data_dir, "Patient.000.ndjson");
    assert_int_equal(unlink(path), 0);
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_GROUP);
    request.group_id = SB_STR_LIT("first-half");
    sb_str id = kick_off(f, &request, space);
    sb_job_status status = wait_for(f, "a", id, SB_JOB_FAILED);
    assert_int_equal(status.error.code, SB_E_IO);
    assert_true(status.expires_s == NOW_S + 100);
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_error err = SB_ERROR_INIT;
    assert_int_equal(sb_jobs_manifest(f->jobs, "a", id, 0, "https://x", &text, &err), SB_E_IO);
    assert_int_equal(err.http_status, 500);
    request.group_id = SB_STR_LIT("all"); /* whole files are opened only when they are fetched */
    id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    SB_AUTO(sb_job_file) file = SB_JOB_FILE_INIT;
    assert_int_equal(sb_jobs_file_open(f->jobs, "a", id, SB_STR_LIT("Patient.000.ndjson"), false, &file, NULL),
                     SB_E_IO);
}

/* Somebody who is told how exports end: good ends he may refuse to hear of. */
typedef struct listener {
    fixture *f;
    bool refuses;
    unsigned done, failed;
    sb_job_state seen; /* what the client was told at the time */
} listener;

static bool hear(void *impl, const sb_job_end *end)
{
    listener *l = impl;
    sb_job_status status;
    assert_ok(sb_jobs_status(l->f->jobs, end->client, sb_str_from(end->id), &status, NULL));
    l->seen = status.state;
    *(end->error ? &l->failed : &l->done) += 1;
    return end->error || !l->refuses;
}

static void an_export_is_given_when_its_end_was_told_and_not_before(void **state)
{
    fixture *f = *state;
    listener l = {.f = f};
    char space[SB_JOB_ID_SIZE];
    f->options.on_end = hear;
    f->options.on_end_impl = &l;
    restart(f);
    sb_job_request request = request_of("a", SB_JOB_PATIENT);
    sb_str id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    assert_int_equal(l.done, 1);
    assert_int_equal(l.seen, SB_JOB_RUNNING);
    l.refuses = true;
    id = kick_off(f, &request, space);
    sb_job_status status = wait_for(f, "a", id, SB_JOB_FAILED);
    assert_contains(status.error.why, "could not be told to the audit log");
    assert_int_equal(l.failed, 1);
    sb_jobs_free(f->jobs); /* its threads use what is on our stack */
    f->jobs = NULL;
}

typedef struct client {
    fixture *f;
    char name[8];
    unsigned done;
} client;

/* Kick off, poll, fetch, delete, over and over; some are deleted while under way. */
static void *use_the_server(void *impl)
{
    client *c = impl;
    sb_job_request request = request_of(c->name, SB_JOB_GROUP);
    request.group_id = SB_STR_LIT("first-half");
    for (int i = 0; i < 30; i++) {
        char id[SB_JOB_ID_SIZE];
        sb_job_refusal refusal;
        if (sb_jobs_create(c->f->jobs, &request, id, &refusal, NULL) != SB_OK)
            return NULL;
        sb_job_status status = {.state = SB_JOB_QUEUED};
        while (i % 3 != 0 && status.state < SB_JOB_DONE) {
            if (sb_jobs_status(c->f->jobs, c->name, sb_str_from(id), &status, NULL) != SB_OK)
                return NULL;
        }
        sb_job_file file = SB_JOB_FILE_INIT;
        sb_status opened = sb_jobs_file_open(c->f->jobs, c->name, sb_str_from(id), SB_STR_LIT("Coverage.000.ndjson"),
                                             i % 2, &file, NULL);
        sb_job_file_cleanup(&file);
        if ((i % 3 != 0 && opened != SB_OK) || sb_jobs_delete(c->f->jobs, c->name, sb_str_from(id), NULL) != SB_OK)
            return NULL;
        c->done++;
    }
    return NULL;
}

static void many_clients_at_once_get_in_nobodys_way(void **state)
{
    fixture *f = *state;
    pthread_t threads[6];
    client clients[6];
    for (size_t i = 0; i < SB_ARRAY_LEN(threads); i++) {
        clients[i] = (client){.f = f};
        (void)snprintf(clients[i].name, sizeof(clients[i].name), "c%zu", i % 3); /* some share a name */
        assert_int_equal(pthread_create(&threads[i], NULL, use_the_server, &clients[i]), 0);
    }
    for (size_t i = 0; i < SB_ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(clients[i].done, 30);
    }
    sb_jobs_free(f->jobs);
    f->jobs = NULL;
    assert_int_equal(scratch_count(f->state_dir), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served(a_job_takes_its_time_and_tells_how_far_it_is),
        served(a_client_has_so_many_under_way_and_no_more),
        served(what_is_kept_is_bounded),
        served(a_job_is_its_owners_alone),
        served(what_tells_of_all_types_is_for_tokens_as_wide_as_the_export),
        served(names_that_are_not_in_the_manifest_open_nothing),
        served(an_open_file_outlives_its_job),
        served(a_job_goes_away_when_it_expires),
        served(files_are_for_whoever_has_their_name_only_when_they_are_open),
        served(nothing_private_is_left_behind_or_open_to_others),
        served(two_servers_cannot_share_a_folder),
        served(compressed_files_hold_the_same_bytes),
        served(who_fetches_each_file_once_gets_it_compressed),
        served(who_is_told_page_by_page_gets_each_page_compressed),
        served(many_readers_share_one_compressed_copy),
        served(a_job_whose_data_is_gone_fails),
        served(an_export_is_given_when_its_end_was_told_and_not_before),
        served(many_clients_at_once_get_in_nobodys_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

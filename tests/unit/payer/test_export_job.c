/* SPDX-License-Identifier: Apache-2.0 */
/* test_export_job.c - exports from kick-off to expiry, on a clock of the test's own. */
#include "scratch.h"

#include <stdatomic.h>
#include <time.h>
#include <zlib.h>

#include "base/json.h"
#include "payer/data/generator.h"
#include "payer/export/export_job.h"

#define NOW_S INT64_C(1795000000) /* 2026-11-18: after everything the generator stamps */

/* A clock that stands still until it is told to go on. */
typedef struct test_clock {
    atomic_int_fast64_t ns;
    sb_clock clock;
} test_clock;

static int64_t test_monotonic(void *impl)
{
    return atomic_load(&((test_clock *)impl)->ns);
}

static int64_t test_wall(void *impl)
{
    return NOW_S + atomic_load(&((test_clock *)impl)->ns) / SB_NS_PER_S;
}

static void test_wait(void *impl, pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    (void)impl, (void)deadline_ns;
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += 5000000; /* look again soon: the test may have moved the time */
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_nsec -= 1000000000;
        ts.tv_sec++;
    }
    (void)pthread_cond_timedwait(cond, mutex, &ts);
}

typedef struct fixture {
    char *dir, *data_dir, *state_dir;
    test_clock clock;
    sb_data *data;
    sb_rosters *rosters;
    sb_groups *groups;
    sb_jobs *jobs;
    sb_jobs_options options;
} fixture;

static void start(fixture *f)
{
    sb_error err = SB_ERROR_INIT;
    if (sb_jobs_new(&f->options, &f->jobs, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
}

static void restart(fixture *f)
{
    sb_jobs_free(f->jobs);
    f->jobs = NULL;
    start(f);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    void *dir = NULL;
    if (!f || scratch_make(&dir) != 0)
        return -1;
    f->dir = dir;
    f->data_dir = sb_path_join(f->dir, "data");
    f->state_dir = sb_path_join(f->dir, "state");
    f->clock.clock = (sb_clock){&f->clock, test_monotonic, test_wall, test_wait};
    assert_ok(sb_generator_write(f->data_dir, 10, 200000, NULL));
    assert_ok(sb_data_ndjson_open(f->data_dir, &f->data, NULL));
    assert_ok(sb_rosters_sandbox(f->data, &f->rosters, NULL));
    assert_ok(sb_groups_sandbox(f->rosters, &f->groups, NULL));
    f->options = (sb_jobs_options){.state_dir = f->state_dir,
                                   .data = f->data,
                                   .groups = f->groups,
                                   .clock = &f->clock.clock,
                                   .workers = 2,
                                   .keep_seconds = 100};
    start(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sb_jobs_free(f->jobs);
    sb_groups_free(f->groups);
    sb_rosters_free(f->rosters);
    sb_data_free(f->data);
    free(f->data_dir);
    free(f->state_dir);
    void *dir = f->dir;
    free(f);
    return scratch_remove(&dir);
}

/* Files that exports made, compressed copies among them. */
static size_t files_made(const fixture *f)
{
    SB_AUTOFREE jobs = sb_path_join(f->state_dir, "jobs");
    SB_AUTOFREE gzip = sb_path_join(f->state_dir, "gzip");
    return scratch_count(jobs) + scratch_count(gzip);
}

static void await_no_files(const fixture *f)
{
    for (int i = 0; files_made(f) > 0 && i < 1000; i++) /* a thread may be the one that removes them */
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    assert_int_equal(files_made(f), 0);
}

static void advance(fixture *f, int64_t seconds)
{
    atomic_fetch_add(&f->clock.ns, seconds * SB_NS_PER_S);
}

/* Requests */

static sb_job_request request_of(const char *client, sb_job_level level)
{
    return (sb_job_request){.client_id = client, .request_url = "https://p.example/fhir/$export", .level = level};
}

static sb_str kick_off(fixture *f, const sb_job_request *request, char id[SB_JOB_ID_SIZE])
{
    unsigned retry;
    sb_error err = SB_ERROR_INIT;
    if (sb_jobs_create(f->jobs, request, id, &retry, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
    return sb_str_from(id);
}

static void expect_refusal(fixture *f, const sb_job_request *request, int http_status, const char *why)
{
    char id[SB_JOB_ID_SIZE];
    unsigned retry;
    sb_error err = SB_ERROR_INIT;
    assert_int_not_equal(sb_jobs_create(f->jobs, request, id, &retry, &err), SB_OK);
    assert_int_equal(err.http_status, http_status);
    assert_contains(err.why, why);
}

static sb_job_status wait_for(fixture *f, const char *client, sb_str id, sb_job_state state)
{
    sb_job_status status;
    for (int i = 0; i < 20000; i++) {
        assert_ok(sb_jobs_status(f->jobs, client, id, &status, NULL));
        if (status.state == state)
            return status;
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL); /* a condition is polled; no time of the test's passes */
    }
    fail_msg("the job is in state %d, not %d", (int)status.state, (int)state);
    return status;
}

static json_t *manifest_of(fixture *f, const char *client, sb_str id)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    json_t *manifest = NULL;
    assert_ok(sb_jobs_manifest(f->jobs, client, id, 0, "https://p.example/files/1", &text, NULL));
    assert_ok(sb_json_parse_object(sb_buf_str(&text), "the manifest", &manifest, NULL));
    return manifest;
}

static void read_fd(int fd, uint64_t size, sb_buf *out)
{
    assert_true(sb_buf_reserve(out, size + 1));
    assert_int_equal(pread(fd, out->ptr + out->len, size, 0), size);
    out->len += size;
    out->ptr[out->len] = '\0';
}

static void append_file(fixture *f, const char *client, sb_str id, const char *name, sb_buf *out)
{
    SB_AUTO(sb_job_file) file = SB_JOB_FILE_INIT;
    assert_ok(sb_jobs_file_open(f->jobs, client, id, sb_str_from(name), false, &file, NULL));
    read_fd(file.fd, file.size, out);
}

/* Run the request to its end; every output file of `type`, one after the other, in `out`. Returns their number. */
static unsigned export_type(fixture *f, const sb_job_request *request, const char *type, sb_buf *out)
{
    char space[SB_JOB_ID_SIZE];
    sb_str id = kick_off(f, request, space);
    (void)wait_for(f, request->client_id, id, SB_JOB_DONE);
    SB_AUTOJSON manifest = manifest_of(f, request->client_id, id);
    size_t i;
    unsigned files = 0;
    json_t *item;
    json_array_foreach (json_object_get(manifest, "output"), i, item) {
        if (strcmp(sb_json_str(item, "type"), type) != 0)
            continue;
        size_t before = out->len;
        append_file(f, request->client_id, id, strrchr(sb_json_str(item, "url"), '/') + 1, out);
        json_int_t lines = 0;
        for (size_t at = before; at < out->len; at++)
            lines += out->ptr[at] == '\n';
        assert_int_equal(lines, json_integer_value(json_object_get(item, "count")));
        files++;
    }
    assert_ok(sb_jobs_delete(f->jobs, request->client_id, id, NULL));
    return files;
}

static unsigned count_lines(const sb_buf *text)
{
    unsigned lines = 0;
    for (size_t i = 0; i < text->len; i++)
        lines += text->ptr[i] == '\n';
    return lines;
}

/* Tests */

static void an_unfiltered_export_gives_back_the_very_files(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_SYSTEM);
    sb_str id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    SB_AUTOJSON manifest = manifest_of(f, "a", id);
    assert_string_equal(sb_json_str(manifest, "request"), request.request_url);
    assert_string_equal(sb_json_str(manifest, "transactionTime"), "2026-11-18T11:06:40.000Z");
    assert_true(json_is_true(json_object_get(manifest, "requiresAccessToken")));
    assert_int_equal(json_array_size(json_object_get(manifest, "deleted")), 0);
    assert_int_equal(json_array_size(json_object_get(manifest, "error")), 0);
    size_t i;
    json_t *item;
    assert_int_equal(json_array_size(json_object_get(manifest, "output")), scratch_count(f->data_dir));
    json_array_foreach (json_object_get(manifest, "output"), i, item) {
        SB_AUTO(sb_buf) served = SB_BUF_INIT;
        SB_AUTO(sb_buf) source = SB_BUF_INIT;
        const char *name = strrchr(sb_json_str(item, "url"), '/') + 1;
        SB_AUTOFREE path = sb_path_join(f->data_dir, name); /* the generator's names are numbered as ours */
        append_file(f, "a", id, name, &served);
        assert_ok(sb_file_read(path, 64 << 20, &source, NULL));
        assert_true(served.len > 0 && sb_str_eq(sb_buf_str(&served), sb_buf_str(&source)));
    }
    assert_int_equal(files_made(f), 0); /* nothing was copied */
}

static void the_next_export_since_the_transaction_time_is_empty(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    atomic_store(&f->clock.ns, -INT64_C(400) * 86400 * SB_NS_PER_S); /* now the data's stamps are in the future */
    sb_job_request request = request_of("a", SB_JOB_PATIENT);
    sb_str id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    SB_AUTOJSON first = manifest_of(f, "a", id);
    request.since = sb_str_from(sb_json_str(first, "transactionTime"));
    id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    SB_AUTOJSON second = manifest_of(f, "a", id);
    assert_int_equal(json_array_size(json_object_get(second, "output")), 0);
}

static void since_and_until_divide_the_data(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) all = SB_BUF_INIT;
    SB_AUTO(sb_buf) older = SB_BUF_INIT;
    SB_AUTO(sb_buf) newer = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_SYSTEM);
    (void)export_type(f, &request, "ExplanationOfBenefit", &all);
    request.until = SB_STR_LIT("2023-01-01T00:00:00Z");
    (void)export_type(f, &request, "ExplanationOfBenefit", &older);
    request.until = SB_STR_NULL;
    request.since = SB_STR_LIT("2023-01-01T00:00:00Z");
    (void)export_type(f, &request, "ExplanationOfBenefit", &newer);
    assert_true(count_lines(&older) > 0 && count_lines(&newer) > 0);
    assert_int_equal(count_lines(&older) + count_lines(&newer), count_lines(&all));
    assert_int_equal(older.len + newer.len, all.len);
    assert_null(strstr(sb_buf_cstr(&older), "\"lastUpdated\":\"2024"));
    assert_null(strstr(sb_buf_cstr(&newer), "\"lastUpdated\":\"2022"));
}

static void groups_divide_the_patients(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) all = SB_BUF_INIT;
    SB_AUTO(sb_buf) first = SB_BUF_INIT;
    SB_AUTO(sb_buf) second = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_GROUP);
    request.group_id = SB_STR_LIT("all");
    (void)export_type(f, &request, "ExplanationOfBenefit", &all);
    request.group_id = SB_STR_LIT("first-half");
    (void)export_type(f, &request, "ExplanationOfBenefit", &first);
    request.group_id = SB_STR_LIT("second-half");
    (void)export_type(f, &request, "ExplanationOfBenefit", &second);
    assert_int_equal(first.len + second.len, all.len);
    assert_non_null(strstr(sb_buf_cstr(&first), "Patient/p00000001\""));
    assert_null(strstr(sb_buf_cstr(&second), "Patient/p00000001\""));
    request.group_id = SB_STR_LIT("../all");
    expect_refusal(f, &request, 404, "not this client's");
}

static void a_patient_export_holds_what_belongs_to_patients(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_PATIENT);
    assert_int_equal(export_type(f, &request, "Practitioner", &text), 0);
    sb_str types[] = {SB_STR_LIT("Practitioner")};
    request.types = (sb_job_list){types, 1};
    assert_int_equal(export_type(f, &request, "Practitioner", &text), 1); /* claims refer to them */
    types[0] = SB_STR_LIT("Provenance");                                  /* may be about anybody */
    expect_refusal(f, &request, 400, "belongs to no patient");
}

static void listed_patients_are_all_that_is_given(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_PATIENT);
    sb_str patients[] = {SB_STR_LIT("Patient/p00000003"), SB_STR_LIT("https://p.example/fhir/Patient/p00000004")};
    request.patients = (sb_job_list){patients, 2};
    (void)export_type(f, &request, "Patient", &text);
    assert_int_equal(count_lines(&text), 2);
    sb_str strangers[] = {SB_STR_LIT("Patient/nobody")};
    request.patients = (sb_job_list){strangers, 1};
    expect_refusal(f, &request, 400, "patient");
    request.lenient = true; /* nobody is left: that must not become everybody */
    sb_buf_clear(&text);
    assert_int_equal(export_type(f, &request, "Patient", &text), 0);
    request = request_of("a", SB_JOB_GROUP);
    request.group_id = SB_STR_LIT("second-half");
    sb_str outside[] = {SB_STR_LIT("Patient/p00000001")};
    request.patients = (sb_job_list){outside, 1};
    expect_refusal(f, &request, 400, "patient");
    request = request_of("a", SB_JOB_SYSTEM);
    request.patients = (sb_job_list){patients, 2};
    request.lenient = true;
    expect_refusal(f, &request, 400, "patient");
}

static void elements_leave_the_rest_out_and_say_so(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_PATIENT);
    sb_str elements[] = {SB_STR_LIT("Patient.birthDate,ExplanationOfBenefit.total")};
    request.elements = (sb_job_list){elements, 1};
    (void)export_type(f, &request, "Patient", &text);
    sb_str first = sb_buf_str(&text), line;
    assert_true(sb_str_split(&first, '\n', &line));
    SB_AUTOJSON patient = NULL;
    assert_ok(sb_json_parse_object(line, "a cut patient", &patient, NULL));
    assert_int_equal(json_object_size(patient), 4); /* resourceType, id, meta, birthDate */
    assert_string_equal(sb_json_str(patient, "id"), "p00000001");
    json_t *meta = json_object_get(patient, "meta");
    assert_non_null(json_object_get(meta, "lastUpdated"));
    assert_string_equal(sb_json_str(json_array_get(json_object_get(meta, "tag"), 0), "code"), "SUBSETTED");
    sb_buf_clear(&text);
    (void)export_type(f, &request, "ExplanationOfBenefit", &text);
    first = sb_buf_str(&text);
    assert_true(sb_str_split(&first, '\n', &line));
    SB_AUTOJSON claim = NULL;
    assert_ok(sb_json_parse_object(line, "a cut claim", &claim, NULL));
    assert_non_null(json_object_get(claim, "total"));
    assert_non_null(json_object_get(claim, "insurance")); /* may not be missing */
    assert_null(json_object_get(claim, "item"));
    sb_buf_clear(&text);
    (void)export_type(f, &request, "Coverage", &text); /* nothing was said of it: whole */
    assert_null(strstr(sb_buf_cstr(&text), "SUBSETTED"));
    elements[0] = SB_STR_LIT("birthDate, na me");
    expect_refusal(f, &request, 400, "_elements 'na me'");
}

static void filtered_output_is_cut_into_files(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) whole = SB_BUF_INIT;
    SB_AUTO(sb_buf) cut = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_GROUP);
    request.group_id = SB_STR_LIT("first-half");
    assert_int_equal(export_type(f, &request, "ExplanationOfBenefit", &whole), 1);
    f->options.file_bytes = 20000;
    restart(f);
    unsigned files = export_type(f, &request, "ExplanationOfBenefit", &cut);
    assert_in_range(files, whole.len / 20000, whole.len / 10000);
    assert_true(sb_str_eq(sb_buf_str(&whole), sb_buf_str(&cut)));
    f->options.file_bytes = 1; /* shorter than any line: a resource a file */
    restart(f);
    sb_buf_clear(&cut);
    assert_int_equal(export_type(f, &request, "ExplanationOfBenefit", &cut), count_lines(&whole));
}

static void wrong_parameters_are_refused_and_named(void **state)
{
    fixture *f = *state;
    sb_job_request request = request_of("a", SB_JOB_SYSTEM);
    request.since = SB_STR_LIT("2026-01-01");
    expect_refusal(f, &request, 400, "_since '2026-01-01' is not an instant");
    request.since = SB_STR_LIT("2026-01-01T00:00:00Z");
    request.until = SB_STR_LIT("2025-01-01T00:00:00Z");
    expect_refusal(f, &request, 400, "_until");
    request = request_of("a", SB_JOB_SYSTEM);
    request.output_format = SB_STR_LIT("text/csv");
    expect_refusal(f, &request, 400, "_outputFormat 'text/csv'");
    request.output_format = SB_STR_LIT("ndjson");
    sb_str types[] = {SB_STR_LIT("Patient,Pateint")};
    request.types = (sb_job_list){types, 1};
    expect_refusal(f, &request, 400, "_type 'Pateint' is no resource type");
    types[0] = SB_STR_LIT("x\x1b[31m");
    expect_refusal(f, &request, 400, "_type '?'"); /* nothing of it reaches a terminal */
    request = request_of("a", SB_JOB_SYSTEM);
    sb_str filters[] = {SB_STR_LIT("ExplanationOfBenefit?service-date=sa2025")};
    request.type_filters = (sb_job_list){filters, 1};
    expect_refusal(f, &request, 400, "_typeFilter");
}

static void types_beyond_the_token_are_refused(void **state)
{
    fixture *f = *state;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_str types[] = {SB_STR_LIT("ExplanationOfBenefit")};
    SB_AUTO(sb_scopes) scopes = SB_SCOPES_INIT;
    assert_ok(sb_scopes_parse("system/Patient.rs system/Coverage.read", &scopes, NULL));
    sb_job_request request = request_of("a", SB_JOB_PATIENT);
    request.scopes = &scopes;
    assert_int_equal(export_type(f, &request, "ExplanationOfBenefit", &text), 0); /* not asked for, not given */
    request.types = (sb_job_list){types, 1};
    expect_refusal(f, &request, 403, "ExplanationOfBenefit");
    request.lenient = true;
    expect_refusal(f, &request, 403, "ExplanationOfBenefit");
    request.types.count = 0;
    assert_ok(sb_scopes_parse("", &scopes, NULL));
    expect_refusal(f, &request, 403, "covers no resource type");
}

static void what_a_lenient_request_misses_is_in_an_error_file(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    sb_job_request request = request_of("a", SB_JOB_SYSTEM);
    sb_str types[] = {SB_STR_LIT("Patient"), SB_STR_LIT("Pateint"), SB_STR_LIT("Observation")};
    request.types = (sb_job_list){types, 3};
    request.lenient = true;
    sb_str id = kick_off(f, &request, space);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    SB_AUTOJSON manifest = manifest_of(f, "a", id);
    assert_int_equal(json_array_size(json_object_get(manifest, "output")), 1); /* and nobody has an Observation */
    json_t *item = json_array_get(json_object_get(manifest, "error"), 0);
    assert_string_equal(sb_json_str(item, "type"), "OperationOutcome");
    assert_int_equal(json_integer_value(json_object_get(item, "count")), 1);
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    append_file(f, "a", id, strrchr(sb_json_str(item, "url"), '/') + 1, &text);
    assert_contains(sb_buf_cstr(&text), "Pateint");
    assert_contains(sb_buf_cstr(&text), "\"resourceType\":\"OperationOutcome\"");
}

static void a_request_full_of_mistakes_leaves_a_file_that_can_be_read(void **state)
{
    fixture *f = *state;
    char space[SB_JOB_ID_SIZE];
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_job_request request = request_of("a", SB_JOB_SYSTEM);
    sb_str *others = calloc(SB_JOB_LIST_MAX, sizeof(*others));
    assert_non_null(others);
    for (size_t i = 0; i < SB_JOB_LIST_MAX; i++)
        others[i] = SB_STR_LIT("organizeOutputBy");
    request.others = (sb_job_list){others, SB_JOB_LIST_MAX};
    request.lenient = true;
    sb_str id = kick_off(f, &request, space);
    free(others);
    (void)wait_for(f, "a", id, SB_JOB_DONE);
    SB_AUTOJSON manifest = manifest_of(f, "a", id);
    json_t *item = json_array_get(json_object_get(manifest, "error"), 0);
    assert_int_equal(json_integer_value(json_object_get(item, "count")), 100);
    append_file(f, "a", id, strrchr(sb_json_str(item, "url"), '/') + 1, &text);
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    assert_int_equal(lines, 100); /* the manifest counts right */
    assert_contains(sb_buf_cstr(&text), "more than is listed here");
}

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
        unsigned retry;
        if (sb_jobs_create(c->f->jobs, &request, id, &retry, NULL) != SB_OK)
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

#define served(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        served(an_unfiltered_export_gives_back_the_very_files),
        served(the_next_export_since_the_transaction_time_is_empty),
        served(since_and_until_divide_the_data),
        served(groups_divide_the_patients),
        served(a_patient_export_holds_what_belongs_to_patients),
        served(listed_patients_are_all_that_is_given),
        served(elements_leave_the_rest_out_and_say_so),
        served(filtered_output_is_cut_into_files),
        served(wrong_parameters_are_refused_and_named),
        served(types_beyond_the_token_are_refused),
        served(what_a_lenient_request_misses_is_in_an_error_file),
        served(a_request_full_of_mistakes_leaves_a_file_that_can_be_read),
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
        served(many_readers_share_one_compressed_copy),
        served(a_job_whose_data_is_gone_fails),
        served(many_clients_at_once_get_in_nobodys_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

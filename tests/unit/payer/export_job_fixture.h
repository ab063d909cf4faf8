/* SPDX-License-Identifier: Apache-2.0 */
/* export_job_fixture.h - made-up data, and exports of it on a clock of the test's own. */
#ifndef SB_TEST_EXPORT_JOB_FIXTURE_H
#define SB_TEST_EXPORT_JOB_FIXTURE_H

#include "scratch.h"

#include "../smart/fake_clock.h"
#include "base/json.h"
#include "payer/data/generator.h"
#include "payer/export/export_job.h"

#define NOW_S INT64_C(1795000000) /* 2026-11-18: after everything the generator stamps */

typedef struct fixture {
    char *dir, *data_dir, *state_dir;
    fake_clock clock;
    sb_data *data;
    sb_rosters *rosters;
    sb_groups *groups;
    sb_jobs *jobs;
    sb_jobs_options options;
} fixture;

static inline void start(fixture *f)
{
    sb_error err = SB_ERROR_INIT;
    if (sb_jobs_new(&f->options, &f->jobs, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
}

static inline void restart(fixture *f)
{
    sb_jobs_free(f->jobs);
    f->jobs = NULL;
    start(f);
}

static inline int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    void *dir = NULL;
    if (!f || scratch_make(&dir) != 0)
        return -1;
    f->dir = dir;
    f->data_dir = sb_path_join(f->dir, "data");
    f->state_dir = sb_path_join(f->dir, "state");
    fake_clock_init(&f->clock);
    atomic_store(&f->clock.wall_s, NOW_S);
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

static inline int tear_down(void **state)
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
static inline size_t files_made(const fixture *f)
{
    SB_AUTOFREE jobs = sb_path_join(f->state_dir, "jobs");
    SB_AUTOFREE gzip = sb_path_join(f->state_dir, "gzip");
    return scratch_count(jobs) + scratch_count(gzip);
}

static inline void await_no_files(const fixture *f)
{
    for (int i = 0; files_made(f) > 0 && i < 1000; i++) /* a thread may be the one that removes them */
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    assert_int_equal(files_made(f), 0);
}

static inline void advance(fixture *f, int64_t seconds)
{
    fake_advance_s(&f->clock, seconds);
}

/* Requests */

static inline sb_job_request request_of(const char *client, sb_job_level level)
{
    return (sb_job_request){.client_id = client, .request_url = "https://p.example/fhir/$export", .level = level};
}

static inline sb_str kick_off(fixture *f, const sb_job_request *request, char id[SB_JOB_ID_SIZE])
{
    sb_job_refusal refusal;
    sb_error err = SB_ERROR_INIT;
    if (sb_jobs_create(f->jobs, request, id, &refusal, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
    return sb_str_from(id);
}

static inline void expect_refusal(fixture *f, const sb_job_request *request, int http_status, const char *why)
{
    char id[SB_JOB_ID_SIZE];
    sb_job_refusal refusal;
    sb_error err = SB_ERROR_INIT;
    assert_int_not_equal(sb_jobs_create(f->jobs, request, id, &refusal, &err), SB_OK);
    assert_int_equal(err.http_status, http_status);
    assert_contains(err.why, why);
}

static inline sb_job_status wait_for(fixture *f, const char *client, sb_str id, sb_job_state state)
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

static inline json_t *manifest_of(fixture *f, const char *client, sb_str id)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    json_t *manifest = NULL;
    assert_ok(sb_jobs_manifest(f->jobs, client, id, 0, "https://p.example/files/1", &text, NULL));
    assert_ok(sb_json_parse_object(sb_buf_str(&text), "the manifest", &manifest, NULL));
    sb_jobs_wait_compressed(f->jobs); /* so that nothing half-made is there when a test counts files */
    return manifest;
}

static inline void read_fd(int fd, uint64_t size, sb_buf *out)
{
    assert_true(sb_buf_reserve(out, size + 1));
    assert_int_equal(pread(fd, out->ptr + out->len, size, 0), size);
    out->len += size;
    out->ptr[out->len] = '\0';
}

static inline void append_file(fixture *f, const char *client, sb_str id, const char *name, sb_buf *out)
{
    SB_AUTO(sb_job_file) file = SB_JOB_FILE_INIT;
    assert_ok(sb_jobs_file_open(f->jobs, client, id, sb_str_from(name), false, &file, NULL));
    read_fd(file.fd, file.size, out);
}

/* Run the request to its end; every output file of `type`, one after the other, in `out`. Returns their number. */
static inline unsigned export_type(fixture *f, const sb_job_request *request, const char *type, sb_buf *out)
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

static inline unsigned count_lines(const sb_buf *text)
{
    unsigned lines = 0;
    for (size_t i = 0; i < text->len; i++)
        lines += text->ptr[i] == '\n';
    return lines;
}

#define served(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif

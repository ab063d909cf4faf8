/* SPDX-License-Identifier: Apache-2.0 */
/* test_job_db.c - exports that several processes share: asked for at one, made at another, fetched at any; restarts,
 * dead owners, and members as they are when the job runs. */
#include "payer/export/job_table.h"
#include "payer/export/job_withdraw.h"

#include <ftw.h>

#include "../smart/fake_clock.h"
#include "../store/databases.h"
#include "base/file.h"
#include "base/json.h"
#include "payer/data/generator.h"
#include "payer/export/job_record.h"
#include "payer/export/job_request.h"
#include "payer/state/schema.h"

#define assert_ok(status) assert_int_equal((status), SB_OK)
#define KEEP_S            1000

/* Groups that a test changes while jobs wait: "g" is client "a"'s. */
typedef struct fake_groups {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool closed; /* whoever reads members waits */
    bool taken_away;
    sb_idset *members, *opted_out; /* NULL: everybody; nobody */
} fake_groups;

static sb_status fake_get(void *impl, const char *client, sb_str id, size_t members_max, json_t **out, sb_error *err)
{
    (void)impl, (void)members_max;
    if (strcmp(client, "a") != 0 || !sb_str_eq(id, SB_STR_LIT("g")))
        return sb_groups_not_found(err);
    *out = json_pack("{s:s, s:s}", "resourceType", "Group", "id", "g");
    return SB_OK;
}

static sb_status fake_search(void *impl, const char *client, const sb_group_search *search, json_t *resources,
                             sb_error *err)
{
    (void)impl, (void)client, (void)search, (void)resources, (void)err;
    return SB_OK;
}

static sb_status fake_any(void *impl, const char *client, sb_error *err)
{
    (void)impl, (void)client, (void)err;
    return SB_OK;
}

static sb_status fake_members(void *impl, const char *client, sb_str id, sb_members *out, sb_error *err)
{
    fake_groups *g = impl;
    (void)client, (void)id;
    (void)pthread_mutex_lock(&g->lock);
    while (g->closed)
        (void)pthread_cond_wait(&g->opened, &g->lock);
    *out = (sb_members){.ids = g->members, .opted_out = g->opted_out};
    bool gone = g->taken_away;
    (void)pthread_mutex_unlock(&g->lock);
    return gone ? sb_groups_not_found(err) : SB_OK;
}

static void fake_free(void *impl)
{
    (void)impl;
}

static void set_closed(fake_groups *g, bool closed)
{
    (void)pthread_mutex_lock(&g->lock);
    g->closed = closed;
    (void)pthread_cond_broadcast(&g->opened);
    (void)pthread_mutex_unlock(&g->lock);
}

/* The generator's data, and deletions of the test's. */
typedef struct fake_data {
    sb_data *real;
    const sb_data_deletion *deletions;
    size_t count;
} fake_data;

static const sb_data_type *fake_types(void *impl, size_t *count)
{
    return sb_data_types(((fake_data *)impl)->real, count);
}

static sb_status fake_scan(void *impl, const sb_data_type *type, size_t part, sb_data_visit *visit, void *context,
                           sb_error *err)
{
    return sb_data_scan(((fake_data *)impl)->real, type, part, visit, context, err);
}

static sb_status fake_open(void *impl, const sb_data_type *type, size_t part, int *fd, sb_error *err)
{
    return sb_data_open(((fake_data *)impl)->real, type, part, fd, err);
}

static sb_status fake_deletions(void *impl, int64_t after_us, int64_t until_us, sb_data_deletion_visit *visit,
                                void *context, sb_error *err)
{
    const fake_data *d = impl;
    for (size_t i = 0; i < d->count; i++) {
        if (d->deletions[i].deleted_us > after_us && d->deletions[i].deleted_us <= until_us)
            SB_TRY(visit(context, &d->deletions[i], err));
    }
    return SB_OK;
}

/* What all processes share. */
typedef struct shared {
    const database *d;
    fake_clock clock;
    char *data_dir, *state_dir;
    fake_groups fake;
    sb_groups *groups;
    fake_data source;
    sb_data *data;
    sb_jobs_options options; /* of the processes to come */
} shared;

typedef struct process {
    sb_pool *pool;
    sb_jobs *jobs;
} process;

static void open_shared(shared *s, const database *d)
{
    static const sb_groups_ops groups = {fake_get, fake_search, fake_members, fake_any, fake_free};
    static const sb_data_ops data = {fake_types, fake_scan, fake_open, fake_free, fake_deletions};
    *s = (shared){.d = d};
    fake_clock_init(&s->clock);
    s->data_dir = sb_path_join(d->dir, "data");
    s->state_dir = sb_path_join(d->dir, "state");
    assert_int_equal(pthread_mutex_init(&s->fake.lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&s->fake.opened, NULL), 0);
    assert_ok(sb_groups_new(&groups, &s->fake, &s->groups, NULL));
    assert_ok(sb_generator_write(s->data_dir, 10, 200000, NULL));
    assert_ok(sb_data_ndjson_open(s->data_dir, &s->source.real, NULL));
    assert_ok(sb_data_new(&data, &s->source, &s->data, NULL));
    s->options = (sb_jobs_options){.state_dir = s->state_dir,
                                   .data = s->data,
                                   .groups = s->groups,
                                   .clock = &s->clock.clock,
                                   .workers = 2,
                                   .keep_seconds = KEEP_S};
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void close_shared(shared *s)
{
    sb_data_free(s->data);
    sb_data_free(s->source.real);
    sb_groups_free(s->groups);
    sb_idset_free(s->fake.members);
    sb_idset_free(s->fake.opted_out);
    (void)pthread_cond_destroy(&s->fake.opened);
    (void)pthread_mutex_destroy(&s->fake.lock);
    (void)nftw(s->data_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    (void)nftw(s->state_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(s->data_dir);
    free(s->state_dir);
}

static void begin(shared *s, process *p)
{
    sb_error err = SB_ERROR_INIT;
    assert_ok(sb_payer_pool(s->d->path, 6, &p->pool, NULL));
    s->options.pool = p->pool;
    if (sb_jobs_new(&s->options, &p->jobs, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
}

static void end(process *p)
{
    sb_jobs_free(p->jobs);
    sb_pool_free(p->pool);
    *p = (process){NULL, NULL};
}

static sb_job_request of_group(void)
{
    return (sb_job_request){.client_id = "a",
                            .request_url = "https://p.example/fhir/Group/g/$export",
                            .level = SB_JOB_GROUP,
                            .group_id = SB_STR_LIT("g")};
}

static sb_str ask(process *p, const sb_job_request *request, char id[SB_JOB_ID_SIZE])
{
    sb_job_refusal refusal;
    sb_error err = SB_ERROR_INIT;
    if (sb_jobs_create(p->jobs, request, id, &refusal, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
    return sb_str_from(id);
}

static bool is_in(process *p, sb_str id, sb_job_state state)
{
    sb_job_status status;
    sb_error err = SB_ERROR_INIT;
    if (sb_jobs_status(p->jobs, "a", id, &status, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
    if (status.state == SB_JOB_FAILED && state != SB_JOB_FAILED)
        fail_msg("%s: %s", status.error.what, status.error.why);
    return status.state == state;
}

static json_t *manifest_of(process *p, sb_str id, unsigned page)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    json_t *manifest = NULL;
    sb_error err = SB_ERROR_INIT;
    if (sb_jobs_manifest(p->jobs, "a", id, page, "https://p.example/jobs/1", &text, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
    assert_ok(sb_json_parse_object(sb_buf_str(&text), "the manifest", &manifest, NULL));
    return manifest;
}

/* All bytes of a list of files, one after the other. */
static void fetch(process *p, sb_str id, const json_t *manifest, const char *list, sb_buf *out)
{
    size_t i;
    const json_t *item;
    json_array_foreach (json_object_get(manifest, list), i, item) {
        SB_AUTO(sb_job_file) file = SB_JOB_FILE_INIT;
        sb_str name = sb_str_from(strrchr(sb_json_str(item, "url"), '/') + 1);
        assert_ok(sb_jobs_file_open(p->jobs, "a", id, name, false, &file, NULL));
        assert_true(sb_buf_reserve(out, file.size + 1));
        assert_int_equal(pread(file.fd, out->ptr + out->len, file.size, 0), file.size);
        out->len += file.size;
        out->ptr[out->len] = '\0';
    }
}

static void fetch_done(process *p, sb_str id, sb_buf *out)
{
    assert_true(eventually(is_in(p, id, SB_JOB_DONE)));
    SB_AUTOJSON manifest = manifest_of(p, id, 0);
    fetch(p, id, manifest, "output", out);
}

/* Some, so that files are written */
static void set_members(shared *s, const char *first, const char *second)
{
    sb_idset_free(s->fake.members);
    s->fake.members = sb_idset_new();
    assert_true(sb_idset_add(s->fake.members, sb_str_from(first)) &&
                sb_idset_add(s->fake.members, sb_str_from(second)));
    sb_idset_seal(s->fake.members);
}

/* Promises */

static void a_job_is_asked_for_at_one_process_and_fetched_at_any(database *d)
{
    shared s;
    process one = {NULL, NULL}, two = {NULL, NULL};
    char space[SB_JOB_ID_SIZE];
    SB_AUTO(sb_buf) here = SB_BUF_INIT;
    SB_AUTO(sb_buf) there = SB_BUF_INIT;
    open_shared(&s, d);
    set_members(&s, "p00000001", "p00000002");
    begin(&s, &one);
    begin(&s, &two);
    sb_job_request request = of_group();
    sb_str id = ask(&one, &request, space);
    fetch_done(&two, id, &there);
    fetch_done(&one, id, &here);
    assert_true(here.len > 0 && sb_str_eq(sb_buf_str(&here), sb_buf_str(&there)));
    assert_non_null(strstr(sb_buf_cstr(&here), "Patient/p00000001"));
    assert_null(strstr(sb_buf_cstr(&here), "Patient/p00000003"));
    sb_job_status status;
    assert_int_equal(sb_jobs_status(two.jobs, "b", id, &status, NULL), SB_E_NOT_FOUND);
    assert_ok(sb_jobs_delete(two.jobs, "a", id, NULL));
    assert_int_equal(sb_jobs_status(one.jobs, "a", id, &status, NULL), SB_E_NOT_FOUND);
    fake_advance_s(&s.clock, 1); /* as long as a list of files is believed */
    SB_AUTO(sb_job_file) file = SB_JOB_FILE_INIT;
    assert_int_equal(sb_jobs_file_open(one.jobs, "a", id, SB_STR_LIT("Patient.000.ndjson"), false, &file, NULL),
                     SB_E_NOT_FOUND);
    end(&one);
    end(&two);
    close_shared(&s);
}

static void jobs_outlive_a_restart(database *d)
{
    shared s;
    process p = {NULL, NULL};
    char done_id[SB_JOB_ID_SIZE], waiting_id[SB_JOB_ID_SIZE];
    SB_AUTO(sb_buf) before = SB_BUF_INIT;
    SB_AUTO(sb_buf) after = SB_BUF_INIT;
    SB_AUTO(sb_buf) waited = SB_BUF_INIT;
    open_shared(&s, d);
    set_members(&s, "p00000001", "p00000002");
    begin(&s, &p);
    sb_job_request request = of_group();
    sb_str done = ask(&p, &request, done_id);
    fetch_done(&p, done, &before);
    sb_str waiting = ask(&p, &request, waiting_id);
    end(&p); /* given back to the queue, or just done */
    begin(&s, &p);
    fetch_done(&p, done, &after);
    fetch_done(&p, waiting, &waited);
    assert_true(before.len > 0 && sb_str_eq(sb_buf_str(&before), sb_buf_str(&after)));
    assert_true(sb_str_eq(sb_buf_str(&before), sb_buf_str(&waited)));
    end(&p);
    close_shared(&s);
}

/* A row that nobody works at yet. */
static void put_in_queue(shared *s, sb_pool *pool, char id[SB_JOB_ID_SIZE])
{
    SB_AUTO(sb_job_row) row = SB_JOB_ROW_INIT;
    sb_job_limits limits = {.per_client_kept = 10, .max_jobs = 10};
    sb_job_request request = of_group();
    (void)snprintf(row.id, sizeof(row.id), "%032x", 7);
    row.client = sb_str_dup(SB_STR_LIT("a"));
    row.created_us = row.transaction_us = fake_wall_s(&s->clock) * 1000000;
    assert_ok(sb_job_request_save(&request, &row.request, NULL));
    assert_ok(sb_job_table_add(pool, &row, &limits, fake_wall_s(&s->clock), NULL));
    memcpy(id, row.id, SB_JOB_ID_SIZE);
}

/* As a process that dies at once: it takes the oldest job, and is not heard of again. */
static bool take(shared *s, sb_pool *pool, const char *token, sb_job_row *row)
{
    bool got;
    assert_ok(sb_job_table_take(pool, token, fake_wall_s(&s->clock), row, &got, NULL));
    return got;
}

static void a_dead_owners_job_is_made_by_another(database *d)
{
    shared s;
    process p = {NULL, NULL};
    char id[SB_JOB_ID_SIZE];
    SB_AUTOPTR(sb_pool) pool = NULL;
    SB_AUTO(sb_job_row) row = SB_JOB_ROW_INIT;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    open_shared(&s, d);
    assert_ok(sb_payer_pool(d->path, 1, &pool, NULL));
    put_in_queue(&s, pool, id);
    assert_true(take(&s, pool, "dead", &row));
    begin(&s, &p);
    assert_true(is_in(&p, sb_str_from(id), SB_JOB_RUNNING));
    fake_advance_s(&s.clock, SB_LEASE_SECONDS - 1);
    assert_true(is_in(&p, sb_str_from(id), SB_JOB_RUNNING)); /* it may yet be heard of */
    /* then it is believed dead; time goes on, for it is a thread that has to look */
    assert_true(eventually((fake_advance_ns(&s.clock, SB_NS_PER_S / 100), is_in(&p, sb_str_from(id), SB_JOB_DONE))));
    fetch_done(&p, sb_str_from(id), &text);
    assert_true(text.len > 0);
    end(&p);
    close_shared(&s);
}

static void an_owner_that_was_too_slow_changes_nothing(database *d)
{
    shared s;
    char id[SB_JOB_ID_SIZE];
    bool ours;
    SB_AUTOPTR(sb_pool) pool = NULL;
    SB_AUTO(sb_job_row) slow = SB_JOB_ROW_INIT;
    SB_AUTO(sb_job_row) quick = SB_JOB_ROW_INIT;
    open_shared(&s, d);
    assert_ok(sb_payer_pool(d->path, 1, &pool, NULL));
    put_in_queue(&s, pool, id);
    assert_true(take(&s, pool, "slow", &slow));
    assert_false(take(&s, pool, "early", &quick));
    fake_advance_s(&s.clock, SB_LEASE_SECONDS - 1);
    assert_ok(sb_job_table_beat(pool, id, slow.owner, fake_wall_s(&s.clock), 1, 2, &ours, NULL));
    assert_true(ours);
    fake_advance_s(&s.clock, SB_LEASE_SECONDS);
    assert_false(take(&s, pool, "early", &quick)); /* the heartbeat counts */
    fake_advance_s(&s.clock, 1);
    assert_true(take(&s, pool, "quick", &quick));
    assert_int_equal(sb_job_attempts(&quick), 2);
    assert_ok(sb_job_table_beat(pool, id, slow.owner, fake_wall_s(&s.clock), 1, 2, &ours, NULL));
    assert_false(ours);
    slow.state = SB_JOB_DONE;
    slow.outputs = sb_str_dup(SB_STR_LIT("dir x\n"));
    assert_ok(sb_job_table_finish(pool, &slow, &ours, NULL));
    assert_false(ours);
    assert_ok(sb_job_table_give_back(pool, id, slow.owner, NULL));
    assert_false(take(&s, pool, "early", &slow)); /* it is still the quick one's */
    close_shared(&s);
}

static void a_job_that_its_owners_die_of_is_given_up(database *d)
{
    shared s;
    process p = {NULL, NULL};
    char id[SB_JOB_ID_SIZE];
    sb_job_status status;
    SB_AUTOPTR(sb_pool) pool = NULL;
    open_shared(&s, d);
    assert_ok(sb_payer_pool(d->path, 1, &pool, NULL));
    put_in_queue(&s, pool, id);
    for (int i = 0; i < SB_JOB_ATTEMPTS_MAX; i++) {
        SB_AUTO(sb_job_row) row = SB_JOB_ROW_INIT;
        assert_true(take(&s, pool, "dead", &row));
        fake_advance_s(&s.clock, SB_LEASE_SECONDS + 1);
    }
    begin(&s, &p);
    assert_true(eventually(is_in(&p, sb_str_from(id), SB_JOB_FAILED)));
    assert_ok(sb_jobs_status(p.jobs, "a", sb_str_from(id), &status, NULL));
    assert_string_equal(status.error.what, "the export was given up");
    end(&p);
    close_shared(&s);
}

static bool row_holds(sb_pool *pool, const char *id, const char *part)
{
    SB_AUTO(sb_job_row) row = SB_JOB_ROW_INIT;
    assert_ok(sb_job_table_find(pool, sb_str_from(id), NULL, 0, false, &row, NULL));
    return strstr(row.request, part) != NULL;
}

static void members_and_those_who_opted_out_are_read_when_the_job_runs(database *d)
{
    shared s;
    process p = {NULL, NULL};
    char space[SB_JOB_ID_SIZE];
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    open_shared(&s, d);
    set_members(&s, "p00000001", "p00000002");
    begin(&s, &p);
    set_closed(&s.fake, true);
    sb_job_request request = of_group();
    sb_str id = ask(&p, &request, space);
    assert_true(eventually(is_in(&p, id, SB_JOB_RUNNING)));
    set_members(&s, "p00000002", "p00000003");
    s.fake.opted_out = sb_idset_new();
    assert_true(sb_idset_add(s.fake.opted_out, SB_STR_LIT("p00000003")));
    sb_idset_seal(s.fake.opted_out);
    set_closed(&s.fake, false);
    fetch_done(&p, id, &text);
    assert_null(strstr(sb_buf_cstr(&text), "Patient/p00000001"));
    assert_non_null(strstr(sb_buf_cstr(&text), "Patient/p00000002"));
    assert_null(strstr(sb_buf_cstr(&text), "Patient/p00000003")); /* PDEX-07 */
    end(&p);
    close_shared(&s);
}

static void who_opted_out_is_in_no_file_that_is_given_whole(database *d)
{
    shared s;
    process p = {NULL, NULL};
    char space[SB_JOB_ID_SIZE];
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    open_shared(&s, d);
    s.fake.opted_out = sb_idset_new(); /* members: everybody */
    assert_true(sb_idset_add(s.fake.opted_out, SB_STR_LIT("p00000003")));
    sb_idset_seal(s.fake.opted_out);
    begin(&s, &p);
    sb_job_request request = of_group();
    request.level = SB_JOB_SYSTEM;
    fetch_done(&p, ask(&p, &request, space), &text);
    assert_non_null(strstr(sb_buf_cstr(&text), "Patient/p00000002"));
    assert_null(strstr(sb_buf_cstr(&text), "p00000003"));
    assert_non_null(strstr(sb_buf_cstr(&text), "\"Practitioner\"")); /* which is nobody's */
    end(&p);
    close_shared(&s);
}

static void a_group_that_was_taken_away_is_not_exported(database *d)
{
    shared s;
    process p = {NULL, NULL};
    char space[SB_JOB_ID_SIZE];
    sb_error err = SB_ERROR_INIT;
    sb_job_refusal refusal;
    open_shared(&s, d);
    begin(&s, &p);
    s.fake.taken_away = true;
    sb_job_request request = of_group();
    sb_str id = ask(&p, &request, space);
    assert_true(eventually(is_in(&p, id, SB_JOB_FAILED)));
    request.client_id = "b";
    assert_int_not_equal(sb_jobs_create(p.jobs, &request, space, &refusal, &err), SB_OK);
    assert_int_equal(err.http_status, 404);
    assert_int_equal(refusal.why, SB_EXPORT_REFUSAL_GROUP);
    end(&p);
    close_shared(&s);
}

static void named_members_are_forgotten_when_the_job_has_run(database *d)
{
    shared s;
    process p = {NULL, NULL};
    char space[SB_JOB_ID_SIZE];
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    sb_str patient = SB_STR_LIT("Patient/p00000004");
    open_shared(&s, d);
    begin(&s, &p);
    sb_job_request request = of_group();
    request.patients = (sb_job_list){&patient, 1};
    sb_str id = ask(&p, &request, space);
    fetch_done(&p, id, &text);
    assert_non_null(strstr(sb_buf_cstr(&text), "Patient/p00000004"));
    assert_null(strstr(sb_buf_cstr(&text), "Patient/p00000005"));
    assert_true(row_holds(p.pool, space, "\"group\":\"g\""));
    assert_false(row_holds(p.pool, space, "p00000004"));
    end(&p);
    close_shared(&s);
}

static void limits_hold_for_all_processes_together(database *d)
{
    shared s;
    process one = {NULL, NULL}, two = {NULL, NULL};
    char space[SB_JOB_ID_SIZE];
    sb_error err = SB_ERROR_INIT;
    sb_job_refusal refusal;
    open_shared(&s, d);
    s.options.per_client = 2;
    s.options.min_seconds = 100;
    begin(&s, &one);
    begin(&s, &two);
    sb_job_request request = of_group();
    (void)ask(&one, &request, space);
    (void)ask(&two, &request, space);
    assert_int_not_equal(sb_jobs_create(one.jobs, &request, space, &refusal, &err), SB_OK);
    assert_int_equal(err.http_status, 429); /* EXP-04 */
    assert_int_equal(refusal.why, SB_EXPORT_REFUSAL_TOO_MANY);
    assert_int_not_equal(sb_jobs_create(two.jobs, &request, space, &refusal, &err), SB_OK);
    request.client_id = "b";
    request.level = SB_JOB_PATIENT;
    assert_ok(sb_jobs_create(two.jobs, &request, space, &refusal, &err));
    end(&one);
    end(&two);
    close_shared(&s);
}

static void deletions_come_as_bundles_of_those_who_may_be_told(database *d)
{
    shared s;
    process p = {NULL, NULL};
    char space[SB_JOB_ID_SIZE];
    static const sb_data_deletion deletions[] = {
        {SB_STR_LIT("Coverage"), SB_STR_LIT("old"), SB_STR_LIT("p00000001"), INT64_C(1600000000000000)},
        {SB_STR_LIT("Coverage"), SB_STR_LIT("mine"), SB_STR_LIT("p00000001"), INT64_C(1780000000000000)},
        {SB_STR_LIT("Coverage"), SB_STR_LIT("theirs"), SB_STR_LIT("p00000009"), INT64_C(1780000000000000)},
        {SB_STR_LIT("Practitioner"), SB_STR_LIT("dr"), SB_STR_LIT(""), INT64_C(1780000000000000)},
    };
    open_shared(&s, d);
    s.source.deletions = deletions;
    s.source.count = SB_ARRAY_LEN(deletions);
    set_members(&s, "p00000001", "p00000002");
    begin(&s, &p);
    sb_str types[] = {SB_STR_LIT("Coverage"), SB_STR_LIT("Practitioner")};
    sb_job_request request = of_group();
    request.types = (sb_job_list){types, 2};
    for (int since = 0; since < 2; since++) {
        SB_AUTO(sb_buf) text = SB_BUF_INIT;
        request.since = since ? SB_STR_LIT("2026-01-01T00:00:00Z") : SB_STR_NULL;
        sb_str id = ask(&p, &request, space);
        assert_true(eventually(is_in(&p, id, SB_JOB_DONE)));
        SB_AUTOJSON manifest = manifest_of(&p, id, 0);
        fetch(&p, id, manifest, "deleted", &text);
        assert_string_equal(sb_buf_cstr(&text),
                            since ? "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":["
                                    "{\"request\":{\"method\":\"DELETE\",\"url\":\"Coverage/mine\"}},"
                                    "{\"request\":{\"method\":\"DELETE\",\"url\":\"Practitioner/dr\"}}]}\n"
                                  : ""); /* FILE-03 */
    }
    end(&p);
    close_shared(&s);
}

static void withdraw(process *p, const char *roster)
{
    SB_AUTO(sb_lease) lease = SB_LEASE_INIT;
    SB_AUTO(sb_tx) tx = SB_TX_INIT;
    assert_ok(sb_lease_take(&lease, p->pool, NULL));
    assert_ok(sb_tx_begin(&tx, lease.db, NULL));
    assert_ok(sb_jobs_withdraw(lease.db, "a", sb_str_from(roster), NULL));
    assert_ok(sb_tx_commit(&tx, NULL));
}

static bool is_there(process *p, const char *client, sb_str id)
{
    sb_job_status status;
    SB_AUTO(sb_job_file) file = SB_JOB_FILE_INIT;
    bool opens = sb_jobs_file_open(p->jobs, client, id, SB_STR_LIT("Patient.000.ndjson"), false, &file, NULL) == SB_OK;
    return opens || sb_jobs_status(p->jobs, client, id, &status, NULL) == SB_OK;
}

/* At the process that made them, at another, and with all that was prepared. */
static void a_roster_that_is_taken_away_takes_its_exports_along(database *d)
{
    shared s;
    process p = {NULL, NULL}, q = {NULL, NULL};
    char group[SB_JOB_ID_SIZE], patients[SB_JOB_ID_SIZE], others[SB_JOB_ID_SIZE];
    open_shared(&s, d);
    set_members(&s, "p00000001", "p00000002");
    begin(&s, &p);
    begin(&s, &q);
    sb_job_request request = of_group();
    sb_str of_g = ask(&p, &request, group);
    request.level = SB_JOB_PATIENT;
    sb_str of_all = ask(&p, &request, patients);
    request.client_id = "b";
    sb_str of_b = ask(&p, &request, others);
    assert_true(eventually(is_in(&p, of_g, SB_JOB_DONE) && is_in(&p, of_all, SB_JOB_DONE)));
    assert_true(is_there(&q, "a", of_g) && is_there(&q, "a", of_all));
    withdraw(&q, "another");
    fake_advance_s(&s.clock, 2); /* what a process has seen it believes for a second */
    assert_true(eventually(!is_there(&p, "a", of_all) && !is_there(&q, "a", of_all)));
    assert_true(is_there(&p, "a", of_g) && is_there(&q, "a", of_g));
    withdraw(&q, "g");
    fake_advance_s(&s.clock, 2);
    assert_true(eventually(!is_there(&p, "a", of_g) && !is_there(&q, "a", of_g)));
    assert_true(is_there(&p, "b", of_b));
    end(&q);
    end(&p);
    close_shared(&s);
}

static void a_folder_that_is_no_jobs_goes_away(database *d)
{
    shared s;
    process p = {NULL, NULL};
    open_shared(&s, d);
    SB_AUTOFREE left = sb_printf("%s/jobs/%032x/3.abc", s.state_dir, 1);
    SB_AUTOFREE file = sb_path_join(left, "Patient.000.ndjson");
    assert_ok(sb_dir_make(left, 0700, NULL));
    assert_ok(sb_file_create_new(file, 0600, SB_STR_LIT("x"), NULL));
    begin(&s, &p);
    assert_true(eventually(access(left, F_OK) != 0));
    end(&p);
    close_shared(&s);
}

ON_BOTH(a_job_is_asked_for_at_one_process_and_fetched_at_any)
ON_BOTH(jobs_outlive_a_restart)
ON_BOTH(a_dead_owners_job_is_made_by_another)
ON_BOTH(an_owner_that_was_too_slow_changes_nothing)
ON_BOTH(a_job_that_its_owners_die_of_is_given_up)
ON_BOTH(members_and_those_who_opted_out_are_read_when_the_job_runs)
ON_BOTH(who_opted_out_is_in_no_file_that_is_given_whole)
ON_BOTH(a_group_that_was_taken_away_is_not_exported)
ON_BOTH(named_members_are_forgotten_when_the_job_has_run)
ON_BOTH(limits_hold_for_all_processes_together)
ON_BOTH(deletions_come_as_bundles_of_those_who_may_be_told)
ON_BOTH(a_roster_that_is_taken_away_takes_its_exports_along)
ON_BOTH(a_folder_that_is_no_jobs_goes_away)

/* The list of files */

static void a_list_of_files_is_read_as_it_was_written(void **state)
{
    (void)state;
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    SB_AUTO(sb_record) record = SB_RECORD_INIT;
    char name[SB_JOB_FILE_NAME_MAX];
    static const sb_record_file files[] = {
        {.type = SB_STR_LIT("Coverage"),
         .number = 0,
         .resources = 5,
         .bytes = 77,
         .part = 3,
         .etag = SB_STR_LIT("a-b")},
        {.type = SB_STR_LIT("Coverage"), .number = 1, .resources = UINT32_MAX, .bytes = INT64_MAX},
        {.type = SB_STR_LIT("Patient"), .number = 1000, .resources = 1, .bytes = 1},
        {.type = SB_STR_LIT(SB_RECORD_DELETED), .resources = 1, .bytes = 1},
        {.type = SB_STR_LIT(SB_RECORD_ERROR), .resources = 1, .bytes = 1},
    };
    assert_true(sb_record_begin(&text, "1.abc"));
    for (size_t i = 0; i < SB_ARRAY_LEN(files); i++)
        assert_true(sb_record_add(&text, &files[i]));
    assert_ok(sb_record_parse(sb_buf_str(&text), &record, NULL));
    assert_true(sb_str_eq(record.dir, SB_STR_LIT("1.abc")));
    assert_int_equal(record.count, SB_ARRAY_LEN(files));
    for (size_t i = 0; i < record.count; i++) {
        sb_record_name(&files[i], name);
        const sb_record_file *found = sb_record_find(&record, sb_str_from(name));
        assert_ptr_equal(found, &record.files[i]);
        assert_true(found->resources == files[i].resources && found->bytes == files[i].bytes &&
                    found->part == files[i].part && sb_str_eq(found->etag, files[i].etag));
    }
    static const char *const not_there[] = {
        "",      "Coverage.0.ndjson",  "Coverage.002.ndjson", "Coverage.000.ndjso",
        "../x",  "Patient.000.ndjson", "Zebra.000.ndjson",    "Coverage.000.ndjson.gz",
        "Cover."};
    for (size_t i = 0; i < SB_ARRAY_LEN(not_there); i++)
        assert_null(sb_record_find(&record, sb_str_from(not_there[i])));
}

static void a_list_of_files_that_was_tampered_with_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "dir x",
                                      "dir \n",
                                      "dir ../x\n",
                                      "dir .\n",
                                      "dir a/b\n",
                                      "Patient 0 1 1\n",
                                      "dir x\nPatient\n",
                                      "dir x\nPatient 0 1\n",
                                      "dir x\nPatient -1 1 1\n",
                                      "dir x\nPatient 0 1 1 x etag\n",
                                      "dir x\n\nPatient 0 1 1\n",
                                      "dir x\nPatient 99999999999 1 1\n"};
    for (size_t i = 0; i < SB_ARRAY_LEN(bad); i++) {
        SB_AUTO(sb_record) record = SB_RECORD_INIT;
        if (sb_record_parse(sb_str_from(bad[i]), &record, NULL) != SB_E_INVALID)
            fail_msg("taken: %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_job_is_asked_for_at_one_process_and_fetched_at_any),
        BOTH(jobs_outlive_a_restart),
        BOTH(a_dead_owners_job_is_made_by_another),
        BOTH(an_owner_that_was_too_slow_changes_nothing),
        BOTH(a_job_that_its_owners_die_of_is_given_up),
        BOTH(members_and_those_who_opted_out_are_read_when_the_job_runs),
        BOTH(who_opted_out_is_in_no_file_that_is_given_whole),
        BOTH(a_group_that_was_taken_away_is_not_exported),
        BOTH(named_members_are_forgotten_when_the_job_has_run),
        BOTH(limits_hold_for_all_processes_together),
        BOTH(deletions_come_as_bundles_of_those_who_may_be_told),
        BOTH(a_roster_that_is_taken_away_takes_its_exports_along),
        BOTH(a_folder_that_is_no_jobs_goes_away),
        cmocka_unit_test(a_list_of_files_is_read_as_it_was_written),
        cmocka_unit_test(a_list_of_files_that_was_tampered_with_is_refused),
    };
    return cmocka_run_group_tests(tests, databases_start, databases_stop);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* export_job.c - the manager of all exports: begun and ended, asked for one, asked how one goes, told to drop one. What
 * they are is in the database (job_table.h) and in folders (job_folders.h); the work is job_work.c's, what is read of it
 * job_read.c's. */
#include "payer/export/export_job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "payer/export/jobs_internal.h"
#include "payer/state/schema.h"

#define MAX_JOBS        1000
#define PER_CLIENT_KEPT 100
#define KEEP_SECONDS    3600
#define MANIFEST_FILES  1000 /* some 200 KB of JSON */
#define FILE_BYTES      ((uint64_t)32 * 1024 * 1024)
#define OWN_CONNECTIONS 4 /* beside the workers': of those who poll and fetch */

/* What several files need */

void sb_jobs_draw(char id[SB_JOB_ID_SIZE])
{
    unsigned char random[(SB_JOB_ID_SIZE - 1) / 2];
    sb_random_bytes(random, sizeof(random));
    sb_hex(random, sizeof(random), id);
}

bool sb_jobs_is_id(sb_str text)
{
    bool ok = text.len == SB_JOB_ID_SIZE - 1;
    for (size_t i = 0; ok && i < text.len; i++)
        ok = (text.ptr[i] >= '0' && text.ptr[i] <= '9') || (text.ptr[i] >= 'a' && text.ptr[i] <= 'f');
    return ok;
}

static int64_t ready_s(const sb_jobs *jobs, const sb_job_row *row)
{
    return row->created_us / SB_US_PER_S + jobs->options.min_seconds;
}

sb_job_state sb_jobs_state_at(const sb_jobs *jobs, const sb_job_row *row, int64_t now_s)
{
    return row->state == SB_JOB_DONE && now_s < ready_s(jobs, row) ? SB_JOB_RUNNING : row->state;
}

sb_status sb_jobs_members(const sb_jobs *jobs, const sb_job_request *request, sb_members *out, sb_error *err)
{
    sb_str group = request->level == SB_JOB_GROUP ? request->group_id : SB_STR_NULL;
    if (request->level == SB_JOB_GROUP && group.len == 0)
        return sb_groups_not_found(err);
    return sb_groups_members(jobs->options.groups, request->client_id, group, out, err);
}

void sb_jobs_forget(sb_jobs *jobs, const char *id)
{
    sb_jobs_enter(jobs);
    for (unsigned i = 0; i < SB_JOBS_WORKERS_MAX; i++) {
        if (jobs->attempts[i] && strcmp(jobs->attempts[i]->id, id) == 0)
            atomic_store(&jobs->attempts[i]->progress.cancel, true);
    }
    sb_jobs_drop_held(jobs, id);
    sb_jobs_leave(jobs);
    sb_job_folders_bury(&jobs->folders, id, NULL);
}

static void gone(void *context, const char *id)
{
    sb_jobs_forget(context, id);
}

void sb_jobs_sweep(sb_jobs *jobs)
{
    sb_error err = SB_ERROR_INIT;
    if (sb_job_table_expire(jobs->options.pool, sb_jobs_wall_s(jobs), gone, jobs, &err) != SB_OK)
        sb_log_warn("exports that have expired could not be removed: %s: %s", err.what, err.why);
}

/* Beginning and end */

static void fill_defaults(sb_jobs_options *o)
{
    o->clock = o->clock ? o->clock : sb_clock_system();
    o->workers = o->workers ? SB_MIN(o->workers, (unsigned)SB_JOBS_WORKERS_MAX) : 1;
    o->max_jobs = o->max_jobs ? o->max_jobs : MAX_JOBS;
    o->per_client_kept = o->per_client_kept ? o->per_client_kept : PER_CLIENT_KEPT;
    o->keep_seconds = o->keep_seconds ? o->keep_seconds : KEEP_SECONDS;
    o->retry_after_s = o->retry_after_s ? o->retry_after_s : 1;
    o->manifest_files = o->manifest_files ? o->manifest_files : MANIFEST_FILES;
    o->file_bytes = o->file_bytes ? o->file_bytes : FILE_BYTES;
}

static void remove_own_database(const sb_jobs *jobs)
{
    static const char *const names[] = {"jobs.db", "jobs.db-wal", "jobs.db-shm"};
    for (size_t i = 0; i < SB_ARRAY_LEN(names); i++) {
        SB_AUTOFREE path = sb_path_join(jobs->state_dir, names[i]);
        if (path)
            (void)unlink(path); /* not there: as it should be */
    }
}

/* Nobody else's: what a predecessor left goes first. */
static sb_status open_own(sb_jobs *jobs, sb_error *err)
{
    SB_AUTOFREE lock = sb_path_join(jobs->state_dir, "lock");
    SB_AUTOFREE database = sb_path_join(jobs->state_dir, "jobs.db");
    if (!lock || !database)
        return sb_error_nomem(err);
    SB_TRY(sb_file_lock(lock, false, &jobs->lock_fd, err));
    SB_TRY(sb_job_folders_open(jobs->state_dir, &jobs->folders, err));
    sb_job_folders_clear(&jobs->folders);
    sb_job_folders_cleanup(&jobs->folders);
    remove_own_database(jobs);
    SB_TRY(sb_payer_pool(database, jobs->options.workers + OWN_CONNECTIONS, &jobs->own_pool, err));
    jobs->options.pool = jobs->own_pool;
    return SB_OK;
}

/* It may be reached by a link: that is its operator's affair. */
static sb_status claim_folder(const sb_jobs *jobs, sb_error *err)
{
    SB_TRY(sb_dir_make(jobs->state_dir, 0700, err));
    SB_AUTOFD fd = open(jobs->state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return sb_error_errno(err, "the folder of exports could not be opened", jobs->state_dir, errno);
    return sb_dir_claim(fd, jobs->state_dir, "the folder of exports", err);
}

static sb_status open_stores(sb_jobs *jobs, sb_error *err)
{
    SB_TRY(claim_folder(jobs, err));
    if (!jobs->options.pool)
        SB_TRY(open_own(jobs, err));
    SB_TRY(sb_job_folders_open(jobs->state_dir, &jobs->folders, err));
    sb_job_folders_clean_gzip(&jobs->folders, jobs->options.data, sb_jobs_wall_s(jobs));
    return sb_gzip_cache_new(jobs->options.clock, &jobs->gzip, err);
}

static void warn_of_the_future(const sb_jobs *jobs)
{
    int64_t newest = sb_data_newest_us(jobs->options.data);
    if (newest > sb_jobs_wall_s(jobs) * SB_US_PER_S) {
        char text[SB_INSTANT_SIZE];
        sb_log_warn("the newest meta.lastUpdated in the data, %s, is in the future: it is every export's "
                    "transactionTime until then",
                    sb_instant_format_us(newest, text));
    }
}

static sb_status new_bare(sb_jobs **out, sb_error *err)
{
    sb_jobs *bare = calloc(1, sizeof(*bare));
    bool lock = bare && pthread_mutex_init(&bare->lock, NULL) == 0;
    bool wake = lock && sb_cond_init(&bare->wake) == 0;
    if (wake && sb_cond_init(&bare->beat) == 0) {
        bare->lock_fd = -1;
        *out = bare;
        return SB_OK;
    }
    if (wake)
        (void)pthread_cond_destroy(&bare->wake);
    if (lock)
        (void)pthread_mutex_destroy(&bare->lock);
    free(bare);
    return sb_error_nomem(err);
}

sb_status sb_jobs_new(const sb_jobs_options *options, sb_jobs **out, sb_error *err)
{
    SB_AUTOPTR(sb_jobs) jobs = NULL;
    SB_TRY(new_bare(&jobs, err));
    jobs->options = *options;
    fill_defaults(&jobs->options);
    jobs->state_dir = sb_str_dup(sb_str_from(options->state_dir));
    if (!jobs->state_dir)
        return sb_error_nomem(err);
    jobs->options.state_dir = jobs->state_dir;
    SB_TRY(open_stores(jobs, err));
    warn_of_the_future(jobs);
    SB_TRY(sb_jobs_start_threads(jobs, err));
    *out = jobs;
    jobs = NULL;
    return SB_OK;
}

void sb_jobs_free(sb_jobs *jobs)
{
    if (!jobs)
        return;
    sb_jobs_stop_threads(jobs);
    sb_gzip_cache_free(jobs->gzip); /* before folders are taken away that it writes into */
    sb_jobs_drop_held(jobs, NULL);
    sb_pool_free(jobs->own_pool);
    if (jobs->lock_fd >= 0) { /* without the lock, the folders are not ours to remove */
        if (jobs->folders.jobs)
            sb_job_folders_clear(&jobs->folders);
        remove_own_database(jobs);
    }
    sb_fd_cleanup(&jobs->lock_fd);
    sb_job_folders_cleanup(&jobs->folders);
    (void)pthread_cond_destroy(&jobs->beat);
    (void)pthread_cond_destroy(&jobs->wake);
    (void)pthread_mutex_destroy(&jobs->lock);
    free(jobs->state_dir);
    free(jobs);
}

/* Asking for an export */

/* Whether it may be at all. Members are read now only if what is named depends on them; whom it will be about, the job finds out. */
static sb_status judge(sb_jobs *jobs, const sb_job_request *request, sb_export_refusal *refusal, sb_error *err)
{
    SB_AUTO(sb_members) members = SB_MEMBERS_INIT;
    SB_AUTOPTR(sb_plan) plan = NULL;
    json_t *group = NULL;
    bool named = request->patients.count > 0 || (request->level == SB_JOB_SYSTEM && request->types.count > 0);
    if (named) {
        SB_TRY(sb_jobs_members(jobs, request, &members, err));
    } else if (request->level == SB_JOB_GROUP) {
        SB_TRY(sb_groups_get(jobs->options.groups, request->client_id, request->group_id, 0, &group, err));
        json_decref(group);
    } else {
        SB_TRY(sb_groups_any(jobs->options.groups, request->client_id, err));
    }
    return sb_plan_new(jobs->options.data, named ? &members : NULL, request, &plan, refusal, err);
}

/* In the order of kick-offs, though the clock counts seconds. */
static int64_t draw_time(sb_jobs *jobs)
{
    sb_jobs_enter(jobs);
    int64_t now_us = sb_jobs_wall_s(jobs) * SB_US_PER_S;
    bool same_second = jobs->last_created_us / SB_US_PER_S == now_us / SB_US_PER_S;
    jobs->last_created_us = same_second ? jobs->last_created_us + 1 : now_us;
    int64_t created = jobs->last_created_us;
    sb_jobs_leave(jobs);
    return created;
}

static sb_status fill_row(sb_jobs *jobs, const sb_job_request *request, sb_job_row *row, sb_error *err)
{
    sb_jobs_draw(row->id);
    row->client = sb_str_dup(sb_str_from(request->client_id));
    if (!row->client)
        return sb_error_nomem(err);
    row->transaction_us = SB_MAX(sb_jobs_wall_s(jobs) * SB_US_PER_S, sb_data_newest_us(jobs->options.data));
    row->created_us = draw_time(jobs);
    return sb_job_request_save(request, &row->request, err);
}

static sb_status create(sb_jobs *jobs, const sb_job_request *request, char id[SB_JOB_ID_SIZE],
                        sb_export_refusal *refusal, sb_error *err)
{
    const sb_jobs_options *o = &jobs->options;
    sb_job_limits limits = {o->per_client, o->per_client_kept, o->max_jobs, o->min_seconds};
    SB_AUTO(sb_job_row) row = SB_JOB_ROW_INIT;
    SB_TRY(judge(jobs, request, refusal, err));
    SB_TRY(fill_row(jobs, request, &row, err));
    sb_jobs_sweep(jobs);
    SB_TRY(sb_job_table_add(o->pool, &row, &limits, sb_jobs_wall_s(jobs), err));
    memcpy(id, row.id, SB_JOB_ID_SIZE);
    sb_jobs_enter(jobs);
    jobs->news++;
    (void)pthread_cond_signal(&jobs->wake);
    sb_jobs_leave(jobs);
    return SB_OK;
}

/* What groups and the table of jobs refuse they say by the answer that it means; each of theirs means one thing. */
static sb_export_refusal refusal_of(const sb_error *err)
{
    switch (err->http_status) {
    case 403:
        return SB_EXPORT_REFUSAL_ROSTER;
    case 404:
        return SB_EXPORT_REFUSAL_GROUP;
    case 429:
        return SB_EXPORT_REFUSAL_TOO_MANY;
    case 503:
        return SB_EXPORT_REFUSAL_FULL;
    default:
        return SB_EXPORT_REFUSAL_INTERNAL;
    }
}

sb_status sb_jobs_create(sb_jobs *jobs, const sb_job_request *request, char id[SB_JOB_ID_SIZE], sb_job_refusal *refusal,
                         sb_error *err)
{
    sb_error failed = SB_ERROR_INIT;
    *refusal = (sb_job_refusal){SB_EXPORT_REFUSAL_INTERNAL, jobs->options.retry_after_s};
    sb_status status = create(jobs, request, id, &refusal->why, &failed);
    if (status != SB_OK && refusal->why == SB_EXPORT_REFUSAL_INTERNAL) /* not the plan's */
        refusal->why = refusal_of(&failed);
    if (status != SB_OK && err)
        *err = failed;
    return status;
}

/* Watching it */

static unsigned percent_at(const sb_jobs *jobs, const sb_job_row *row, int64_t now_s)
{
    bool early = now_s < ready_s(jobs, row);
    unsigned worked = row->state == SB_JOB_DONE || early ? 99 : 0;
    if (row->state == SB_JOB_RUNNING && row->total > 0) /* else nobody has told yet how much there is to do */
        worked = (unsigned)SB_MIN(row->done / (row->total / 99 + 1), (uint64_t)99);
    int64_t created_s = row->created_us / SB_US_PER_S, ready = ready_s(jobs, row);
    if (!early)
        return worked;
    unsigned waited = (unsigned)(SB_MAX(now_s - created_s, (int64_t)0) * 99 / (ready - created_s));
    return SB_MIN(worked, waited);
}

static void describe(const sb_jobs *jobs, const sb_job_row *row, sb_job_status *out)
{
    int64_t now_s = sb_jobs_wall_s(jobs);
    *out =
        (sb_job_status){.state = sb_jobs_state_at(jobs, row, now_s), .expires_s = row->expires_s, .error = row->error};
    switch (out->state) {
    case SB_JOB_QUEUED:
        (void)snprintf(out->progress, sizeof(out->progress), "waiting for its turn");
        break;
    case SB_JOB_RUNNING:
        out->percent = percent_at(jobs, row, now_s);
        (void)snprintf(out->progress, sizeof(out->progress), "%u%% complete", out->percent);
        break;
    case SB_JOB_DONE:
        out->percent = 100;
        (void)snprintf(out->progress, sizeof(out->progress), "100%% complete");
        return;
    case SB_JOB_FAILED:
        (void)snprintf(out->progress, sizeof(out->progress), "failed");
        return;
    }
    out->retry_after_s = jobs->options.retry_after_s;
    out->expires_s = 0;
}

sb_status sb_jobs_status(sb_jobs *jobs, const char *client_id, sb_str job_id, sb_job_status *out, sb_error *err)
{
    SB_AUTO(sb_job_row) row = SB_JOB_ROW_INIT;
    if (!client_id && !jobs->options.open_files)
        return sb_job_not_found(err);
    SB_TRY(sb_job_table_find(jobs->options.pool, job_id, client_id, sb_jobs_wall_s(jobs), false, &row, err));
    describe(jobs, &row, out);
    return SB_OK;
}

sb_status sb_jobs_delete(sb_jobs *jobs, const char *client_id, sb_str job_id, sb_error *err)
{
    SB_AUTOFREE id = sb_str_dup(job_id);
    if (!id)
        return sb_error_nomem(err);
    SB_TRY(sb_job_table_delete(jobs->options.pool, job_id, client_id, sb_jobs_wall_s(jobs), err));
    sb_jobs_forget(jobs, id);
    return SB_OK;
}

/* For who administers */

typedef struct visitor {
    sb_jobs *jobs;
    sb_job_visit *visit;
    void *context;
} visitor;

static sb_status visit_row(void *context, const sb_job_row *row, sb_error *err)
{
    visitor *v = context;
    SB_AUTO(sb_kept_request) kept = SB_KEPT_REQUEST_INIT;
    sb_job_status status;
    (void)sb_kept_request_load(sb_str_from(row->request), row->client, &kept, NULL); /* then without a group */
    SB_AUTOFREE group = sb_str_dup(kept.request.group_id);
    describe(v->jobs, row, &status);
    sb_job_summary summary = {.id = row->id,
                              .client = row->client,
                              .group = group ? group : "",
                              .state = status.state,
                              .percent = status.percent,
                              .created_s = row->created_us / SB_US_PER_S,
                              .finished_s = row->finished_s,
                              .expires_s = row->expires_s,
                              .why = row->error.why};
    return v->visit(v->context, &summary, err);
}

sb_status sb_jobs_each(sb_jobs *jobs, const char *client_id, sb_job_visit *visit, void *context, sb_error *err)
{
    visitor v = {jobs, visit, context};
    return sb_job_table_each(jobs->options.pool, client_id, visit_row, &v, err);
}

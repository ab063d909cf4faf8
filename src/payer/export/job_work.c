/* SPDX-License-Identifier: Apache-2.0 */
/* job_work.c - the threads: workers that take jobs and write their files, and a keeper that tells the database that
 * they live, and sweeps. Owns no state but theirs. */
#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "payer/export/deleted_output.h"
#include "payer/export/jobs_internal.h"
#include "payer/export/tree.h"

#define LOOK_S         2  /* how long a job of another process's kick-off, or of a dead one, may wait */
#define ORPHANS_S      60 /* between two searches for folders that are no job's */
#define FINISH_TRIES   30 /* of LOOK_S each: a database that is restarted is back by then, and the lease is not over */
#define ERRORS_FILE(n) ((sb_record_file){.type = SB_STR_LIT(SB_RECORD_ERROR), .resources = (n)})

/* One attempt at one job, of one worker. */
typedef struct work {
    sb_jobs *jobs;
    sb_job_row row;
    sb_kept_request kept;
    sb_members members;
    sb_plan *plan;
    sb_outputs outputs;
    char *dir;
    sb_buf record;
    uint64_t files, resources;
    sb_attempt attempt;
} work;

static void work_cleanup(work *w)
{
    sb_job_row_cleanup(&w->row);
    sb_plan_free(w->plan);
    sb_kept_request_cleanup(&w->kept);
    sb_members_cleanup(&w->members);
    sb_outputs_cleanup(&w->outputs);
    free(w->dir);
    sb_buf_cleanup(&w->record);
}

/* Writing */

static sb_status add_file(work *w, const sb_record_file *file, sb_error *err)
{
    w->files++;
    w->resources += file->resources;
    return sb_record_add(&w->record, file) ? SB_OK : sb_error_nomem(err);
}

static sb_status add_outputs(work *w, sb_error *err)
{
    for (size_t i = 0; i < w->outputs.count; i++) {
        const sb_output *it = &w->outputs.items[i];
        sb_record_file file = {
            .type = sb_str_from(it->type->name), .number = it->number, .resources = it->resources, .bytes = it->bytes};
        if (it->source) {
            file.part = it->part;
            file.etag = sb_str_from(it->type->parts[it->part].etag);
        }
        SB_TRY(add_file(w, &file, err));
    }
    return SB_OK;
}

static sb_status write_deleted(work *w, sb_error *err)
{
    sb_deleted_list list = SB_DELETED_LIST_INIT;
    sb_status status =
        sb_deleted_write(w->plan, w->jobs->options.data, w->dir, w->jobs->options.file_bytes, &list, err);
    for (size_t i = 0; status == SB_OK && i < list.count; i++) {
        sb_record_file file = {.type = SB_STR_LIT(SB_RECORD_DELETED),
                               .number = (unsigned)i,
                               .resources = list.items[i].bundles,
                               .bytes = list.items[i].bytes};
        status = add_file(w, &file, err);
    }
    sb_deleted_list_cleanup(&list);
    return status;
}

static sb_status write_warnings(work *w, sb_error *err)
{
    size_t count;
    char name[SB_JOB_FILE_NAME_MAX];
    sb_str lines = sb_plan_warnings(w->plan, &count);
    sb_record_file file = ERRORS_FILE(count);
    if (count == 0)
        return SB_OK;
    file.bytes = lines.len;
    sb_record_name(&file, name);
    SB_AUTOFREE path = sb_path_join(w->dir, name);
    SB_TRY(path ? sb_file_create_new(path, 0600, lines, err) : sb_error_nomem(err));
    return add_file(w, &file, err);
}

/* Members and opt-outs as they are now, not as they were at the kick-off. What a request named then and may no longer
 * have is left out, and said in a file: that is no reason to fail.                                         PDEX-07 */
static sb_status make_plan(work *w, sb_error *err)
{
    SB_TRY(sb_kept_request_load(sb_str_from(w->row.request), w->row.client, &w->kept, err));
    SB_TRY(sb_jobs_members(w->jobs, &w->kept.request, &w->members, err));
    w->kept.request.lenient = true;
    return sb_plan_new(w->jobs->options.data, &w->members, &w->kept.request, &w->plan, &(sb_export_refusal){0}, err);
}

static sb_status run(work *w, sb_error *err)
{
    sb_jobs *jobs = w->jobs;
    if (sb_job_attempts(&w->row) > SB_JOB_ATTEMPTS_MAX)
        return sb_error_set(err, SB_E_INTERNAL, "the export was given up", "%d processes ended while they worked at it",
                            "look into their logs", SB_JOB_ATTEMPTS_MAX);
    SB_TRY(make_plan(w, err));
    w->dir = sb_job_folders_attempt(&jobs->folders, w->row.id, sb_str_from(w->row.owner));
    if (!w->dir || !sb_record_begin(&w->record, w->row.owner))
        return sb_error_nomem(err);
    SB_TRY(sb_job_folders_make(&jobs->folders, w->row.id, w->row.owner, err));
    SB_TRY(sb_outputs_write(w->plan, jobs->options.data, w->dir, jobs->options.file_bytes, &w->attempt.progress,
                            &w->outputs, err));
    SB_TRY(add_outputs(w, err));
    SB_TRY(write_deleted(w, err));
    SB_TRY(write_warnings(w, err));
    return jobs->own_pool ? SB_OK : sb_job_folders_sync(w->dir, err); /* its own is gone with the process anyway */
}

/* Ending */

static bool tell(work *w, const sb_error *error)
{
    const sb_jobs_options *o = &w->jobs->options;
    SB_AUTOFREE group = sb_str_dup(w->kept.request.group_id);
    sb_job_end end = {.id = w->row.id,
                      .client = w->row.client,
                      .group = group ? group : "",
                      .error = error,
                      .members = sb_members_count(&w->members),
                      .files = w->files,
                      .resources = w->resources};
    return !o->on_end || o->on_end(o->on_end_impl, &end);
}

/* What its row says from now on. */
static sb_status fill_row(work *w, sb_status status, const sb_error *error, sb_error *err)
{
    const sb_jobs_options *o = &w->jobs->options;
    sb_job_row *row = &w->row;
    row->finished_s = sb_jobs_wall_s(w->jobs);
    int64_t ready_s = row->created_us / SB_US_PER_S + o->min_seconds;
    row->expires_s = SB_MAX(row->finished_s, ready_s) + o->keep_seconds;
    row->state = status == SB_OK ? SB_JOB_DONE : SB_JOB_FAILED;
    row->error = status == SB_OK ? (sb_error)SB_ERROR_INIT : *error;
    sb_charp_cleanup(&row->request);
    if (w->kept.document)
        SB_TRY(sb_kept_request_shorten(&w->kept, &row->request, err));
    else
        row->request = sb_str_dup(SB_STR_LIT("{}"));
    if (status == SB_OK)
        row->outputs = sb_buf_steal(&w->record);
    return row->request && (status != SB_OK || row->outputs) ? SB_OK : sb_error_nomem(err);
}

/* A pause of a worker; false: the end has come. */
static bool pause_worker(sb_jobs *jobs)
{
    int64_t until = sb_jobs_now_ns(jobs) + LOOK_S * SB_NS_PER_S;
    sb_jobs_enter(jobs);
    while (!jobs->stop && sb_jobs_now_ns(jobs) < until)
        jobs->options.clock->wait_until(jobs->options.clock->impl, &jobs->wake, &jobs->lock, until);
    bool go_on = !jobs->stop;
    sb_jobs_leave(jobs);
    return go_on;
}

/* The row says how it ended, if it is still ours. The work of an hour is not thrown away because the database is just
 * being restarted. */
static bool settle(work *w, sb_status status, const sb_error *error)
{
    sb_error err = SB_ERROR_INIT;
    bool ours = false;
    sb_status got = fill_row(w, status, error, &err);
    for (int i = 0; got == SB_OK && i < FINISH_TRIES; i++) {
        got = sb_job_table_finish(w->jobs->options.pool, &w->row, &ours, &err);
        if (got == SB_OK || !pause_worker(w->jobs))
            break;
        got = SB_OK;
    }
    if (err.code != SB_OK && !ours)
        sb_log(SB_LOG_ERROR, "how an export ended could not be kept: %s: %s", err.what, err.why);
    return ours;
}

static void give_back(work *w)
{
    sb_error err = SB_ERROR_INIT;
    if (sb_job_table_give_back(w->jobs->options.pool, w->row.id, w->row.owner, &err) != SB_OK)
        sb_log_warn("an export could not be given back to the queue: %s: %s", err.what, err.why);
}

/* Nobody else has it, and it was not deleted, as far as we know. */
static bool is_ours(const work *w)
{
    bool ours = true;
    return sb_job_table_beat(w->jobs->options.pool, w->row.id, w->row.owner, sb_jobs_wall_s(w->jobs),
                             atomic_load(&w->attempt.progress.done), atomic_load(&w->attempt.progress.total), &ours,
                             NULL) != SB_OK ||
           ours;
}

/* Told before its row says so: nobody is given what could not be told. Who dies between the two leaves the export to
 * another, which tells again. *status is how it ends in fact; false: it was not ours to end.                  PDEX-08 */
static bool conclude(work *w, sb_status *status, sb_error *err)
{
    if (!is_ours(w))
        return false;
    if (*status == SB_OK && !tell(w, NULL))
        *status = sb_error_set(err, SB_E_IO, "the export is not given", "its end could not be told to the audit log",
                               "make room on its disk, look at its permissions, and start a new export");
    if (*status != SB_OK) {
        sb_log(SB_LOG_ERROR, "an export failed: %s: %s", err->what, err->why);
        (void)tell(w, err); /* nothing is given */
    }
    return settle(w, *status, err);
}

static void work_off(work *w)
{
    sb_error err = SB_ERROR_INIT;
    sb_status status = run(w, &err);
    bool kept = false;
    if (status != SB_OK && atomic_load(&w->attempt.progress.cancel))
        status = SB_E_INTERRUPTED;  /* its folder may have been taken away under it */
    if (status == SB_E_INTERRUPTED) /* the end, or it was taken away: who comes next begins anew */
        give_back(w);
    else
        kept = conclude(w, &status, &err);
    if (kept && status == SB_OK)
        sb_job_folders_bury(&w->jobs->folders, w->row.id, w->row.owner);
    else if (w->dir)
        sb_tree_remove(w->dir);
}

/* The threads */

static void set_attempt(sb_jobs *jobs, unsigned number, sb_attempt *attempt)
{
    sb_jobs_enter(jobs);
    jobs->attempts[number] = attempt;
    if (attempt && jobs->stop)
        atomic_store(&attempt->progress.cancel, true);
    sb_jobs_leave(jobs);
}

/* One job, if there is one. */
static bool work_one(sb_jobs *jobs, unsigned number, sb_error *err)
{
    char token[SB_JOB_ID_SIZE];
    bool got = false;
    SB_AUTO(work) w = {.jobs = jobs};
    sb_jobs_draw(token);
    if (sb_job_table_take(jobs->options.pool, token, sb_jobs_wall_s(jobs), &w.row, &got, err) != SB_OK || !got)
        return false;
    memcpy(w.attempt.id, w.row.id, sizeof(w.attempt.id));
    memcpy(w.attempt.owner, w.row.owner, sizeof(w.attempt.owner));
    set_attempt(jobs, number, &w.attempt);
    work_off(&w);
    set_attempt(jobs, number, NULL);
    return true;
}

/* Until there is news, or it is time to look without. */
static void await_work(sb_jobs *jobs, uint64_t seen)
{
    int64_t until = sb_jobs_now_ns(jobs) + LOOK_S * SB_NS_PER_S;
    while (!jobs->stop && jobs->news == seen && sb_jobs_now_ns(jobs) < until)
        jobs->options.clock->wait_until(jobs->options.clock->impl, &jobs->wake, &jobs->lock, until);
}

typedef struct worker_start {
    sb_jobs *jobs;
    unsigned number;
} worker_start;

static void *worker(void *impl)
{
    worker_start start = *(worker_start *)impl;
    sb_jobs *jobs = start.jobs;
    bool failing = false;
    free(impl);
    sb_jobs_enter(jobs);
    while (!jobs->stop) {
        sb_error err = SB_ERROR_INIT;
        uint64_t seen = jobs->news;
        sb_jobs_leave(jobs);
        bool worked = work_one(jobs, start.number, &err);
        if (err.code != SB_OK && !failing) /* once, not every two seconds */
            sb_log(SB_LOG_ERROR, "no export can be taken from the queue: %s: %s", err.what, err.why);
        failing = err.code != SB_OK;
        sb_jobs_enter(jobs);
        if (!worked)
            await_work(jobs, seen);
    }
    sb_jobs_leave(jobs);
    return NULL;
}

/* The keeper */

typedef struct pulse {
    char id[SB_JOB_ID_SIZE];
    char owner[SB_JOB_OWNER_SIZE];
    uint64_t done, total;
} pulse;

static size_t take_pulses(sb_jobs *jobs, pulse pulses[SB_JOBS_WORKERS_MAX])
{
    size_t count = 0;
    sb_jobs_enter(jobs);
    for (unsigned i = 0; i < SB_JOBS_WORKERS_MAX; i++) {
        const sb_attempt *a = jobs->attempts[i];
        if (!a)
            continue;
        pulse *p = &pulses[count++];
        memcpy(p->id, a->id, sizeof(p->id));
        memcpy(p->owner, a->owner, sizeof(p->owner));
        p->done = atomic_load(&a->progress.done);
        p->total = atomic_load(&a->progress.total);
    }
    sb_jobs_leave(jobs);
    return count;
}

/* Somebody else has it, or it was deleted: what is being written is for nobody. */
static void cancel_owner(sb_jobs *jobs, const char *owner)
{
    sb_jobs_enter(jobs);
    for (unsigned i = 0; i < SB_JOBS_WORKERS_MAX; i++) {
        sb_attempt *a = jobs->attempts[i];
        if (a && strcmp(a->owner, owner) == 0)
            atomic_store(&a->progress.cancel, true);
    }
    sb_jobs_leave(jobs);
}

static void beat(sb_jobs *jobs)
{
    pulse pulses[SB_JOBS_WORKERS_MAX];
    size_t count = take_pulses(jobs, pulses);
    for (size_t i = 0; i < count; i++) {
        sb_error err = SB_ERROR_INIT;
        bool ours = true;
        const pulse *p = &pulses[i];
        if (sb_job_table_beat(jobs->options.pool, p->id, p->owner, sb_jobs_wall_s(jobs), p->done, p->total, &ours,
                              &err) != SB_OK) {
            sb_log_warn("the database could not be told that an export goes on: %s: %s", err.what, err.why);
            return;
        }
        if (!ours)
            cancel_owner(jobs, p->owner);
    }
}

/* Folders first, then rows: a row that is older than its folder is never missed. */
typedef struct orphans {
    char (*ids)[SB_JOB_ID_SIZE];
    size_t count, cap;
} orphans;

static bool note_folder(void *context, const char *job)
{
    orphans *o = context;
    if (!sb_jobs_is_id(sb_str_from(job)))
        return true; /* not ours */
    if (o->count == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 64;
        void *ids = reallocarray(o->ids, cap, sizeof(*o->ids));
        if (!ids)
            return false;
        o->ids = ids;
        o->cap = cap;
    }
    memcpy(o->ids[o->count++], job, SB_JOB_ID_SIZE);
    return true;
}

/* What a killed process left behind, and what was still being sent when its time came. */
static void bury_orphans(sb_jobs *jobs)
{
    orphans o = {NULL, 0, 0};
    SB_AUTOPTR(sb_idset) ids = sb_idset_new();
    sb_job_folders_each(&jobs->folders, note_folder, &o);
    if (o.count > 0 && ids && sb_job_table_ids(jobs->options.pool, ids, NULL) == SB_OK) {
        for (size_t i = 0; i < o.count; i++) {
            if (!sb_idset_has(ids, sb_str_from(o.ids[i])))
                sb_job_folders_bury(&jobs->folders, o.ids[i], NULL);
        }
    }
    free(o.ids);
}

static void *keeper(void *impl)
{
    sb_jobs *jobs = impl;
    int64_t next_orphans = sb_jobs_now_ns(jobs), next = next_orphans;
    sb_jobs_enter(jobs);
    while (!jobs->stop) {
        int64_t now = sb_jobs_now_ns(jobs);
        if (now < next) {
            jobs->options.clock->wait_until(jobs->options.clock->impl, &jobs->beat, &jobs->lock, next);
            continue;
        }
        sb_jobs_leave(jobs);
        beat(jobs);
        sb_jobs_sweep(jobs);
        if (now >= next_orphans) {
            bury_orphans(jobs);
            next_orphans = now + ORPHANS_S * SB_NS_PER_S;
        }
        next = now + LOOK_S * SB_NS_PER_S;
        sb_jobs_enter(jobs);
    }
    sb_jobs_leave(jobs);
    return NULL;
}

static sb_status start_one(sb_jobs *jobs, void *(*run_thread)(void *impl), void *impl, sb_error *err)
{
    int rc = pthread_create(&jobs->threads[jobs->thread_count], NULL, run_thread, impl);
    if (rc != 0)
        return sb_error_errno(err, "a thread could not be started", "export worker", rc);
    jobs->thread_count++;
    return SB_OK;
}

sb_status sb_jobs_start_threads(sb_jobs *jobs, sb_error *err)
{
    SB_TRY(start_one(jobs, keeper, jobs, err));
    for (unsigned i = 0; i < jobs->options.workers; i++) {
        worker_start *start = malloc(sizeof(*start));
        if (!start)
            return sb_error_nomem(err);
        *start = (worker_start){jobs, i};
        sb_status status = start_one(jobs, worker, start, err);
        if (status != SB_OK) {
            free(start);
            return status;
        }
    }
    return SB_OK;
}

void sb_jobs_stop_threads(sb_jobs *jobs)
{
    sb_jobs_enter(jobs);
    jobs->stop = true;
    for (unsigned i = 0; i < SB_JOBS_WORKERS_MAX; i++) {
        if (jobs->attempts[i])
            atomic_store(&jobs->attempts[i]->progress.cancel, true);
    }
    (void)pthread_cond_broadcast(&jobs->wake);
    (void)pthread_cond_broadcast(&jobs->beat);
    sb_jobs_leave(jobs);
    for (unsigned i = 0; i < jobs->thread_count; i++)
        (void)pthread_join(jobs->threads[i], NULL);
    jobs->thread_count = 0;
}

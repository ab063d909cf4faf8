/* SPDX-License-Identifier: Apache-2.0 */
/* export_job.c - the jobs of all clients, the threads that work them off, and when each goes away.
 *
 * One lock guards the list, the queue and what changes in a job; a job's outputs change only while its worker has it
 * (RUNNING), and are read only afterwards. A job that is taken off the list lives on while somebody holds a reference;
 * the last to let go leaves it on the list of the dead, whose files are removed outside the lock. */
#include "payer/export/export_job.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "payer/data/instant.h"
#include "payer/export/export_output.h"
#include "payer/export/gzip_cache.h"
#include "payer/export/tree.h"
#include "payer/export/type_filter.h"

#define WORKERS_MAX     64
#define MAX_JOBS        1000
#define PER_CLIENT_KEPT 100
#define KEEP_SECONDS    3600
#define FILE_BYTES      ((uint64_t)32 * 1024 * 1024)
#define GZIP_MIN_BYTES  1024 /* below, the header of the answer is as long as what is saved */
#define NDJSON_TYPE     "application/fhir+ndjson"
#define WARNINGS_FILE   "error.000.ndjson" /* no resource type is called so: it cannot meet an output's name */

typedef struct job {
    char id[SB_JOB_ID_SIZE];
    char *client;
    char *request_url;
    char *dir;
    sb_members members;
    sb_plan *plan;
    bool scoped; /* by the scopes of the token that asked for it */
    sb_scopes scopes;
    unsigned refs;    /* the list, the queue or worker, and whoever reads a file of it just now */
    struct job *next; /* in the queue, then among the dead */
    sb_job_state state;
    int64_t transaction_us;
    int64_t created_ns, ready_ns; /* not done before ready_ns, however fast we are */
    int64_t expires_ns;           /* INT64_MAX while under way */
    int64_t expires_s, finished_s;
    sb_error error;
    sb_output_progress progress;
    sb_outputs outputs;
} job;

struct sb_jobs {
    sb_jobs_options options; /* with defaults filled in; state_dir is ours */
    char *state_dir, *jobs_dir, *gzip_dir;
    int lock_fd;
    sb_gzip_cache *gzip;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* work, an expiry that comes sooner, or the end */
    pthread_t threads[WORKERS_MAX];
    unsigned thread_count;
    bool stop;
    job **list;
    size_t count;
    job *queue_head, *queue_tail;
    job *dead;
};

/* Lives and deaths */

static void job_free(job *j)
{
    if (!j)
        return;
    free(j->client);
    free(j->request_url);
    free(j->dir);
    sb_plan_free(j->plan);
    sb_scopes_cleanup(&j->scopes);
    sb_members_cleanup(&j->members);
    sb_outputs_cleanup(&j->outputs);
    free(j);
}

static void job_freep(job **j)
{
    job_free(*j);
}

static void enter(sb_jobs *jobs)
{
    (void)pthread_mutex_lock(&jobs->lock);
}

/* Let go of the lock, and bury who died under it. */
static void leave(sb_jobs *jobs)
{
    job *dead = jobs->dead;
    jobs->dead = NULL;
    (void)pthread_mutex_unlock(&jobs->lock);
    while (dead) {
        job *next = dead->next;
        sb_tree_remove(dead->dir);
        job_free(dead);
        dead = next;
    }
}

static void release(sb_jobs *jobs, job *j)
{
    if (--j->refs > 0)
        return;
    j->next = jobs->dead;
    jobs->dead = j;
}

/* So that who creates and deletes without end fills nothing while the workers are busy. */
static void dequeue(sb_jobs *jobs, job *j)
{
    job *before = NULL;
    for (job **at = &jobs->queue_head; *at; at = &(*at)->next) {
        if (*at == j) {
            *at = j->next;
            j->next = NULL;
            if (jobs->queue_tail == j)
                jobs->queue_tail = before;
            release(jobs, j);
            return;
        }
        before = *at;
    }
}

/* Take a job away from its client: a worker that has it stops soon. */
static void unlist(sb_jobs *jobs, size_t index)
{
    job *j = jobs->list[index];
    jobs->list[index] = jobs->list[--jobs->count];
    atomic_store(&j->progress.cancel, true);
    dequeue(jobs, j);
    release(jobs, j);
}

static int64_t now_ns(const sb_jobs *jobs)
{
    return jobs->options.clock->monotonic_ns(jobs->options.clock->impl);
}

static int64_t wall_s(const sb_jobs *jobs)
{
    return jobs->options.clock->wall_s(jobs->options.clock->impl);
}

static void sweep(sb_jobs *jobs)
{
    int64_t now = now_ns(jobs);
    for (size_t i = jobs->count; i-- > 0;) {
        if (jobs->list[i]->expires_ns <= now)
            unlist(jobs, i);
    }
}

void sb_jobs_sweep(sb_jobs *jobs)
{
    enter(jobs);
    sweep(jobs);
    leave(jobs);
}

/* What others see: a job that was worked off before its time is still under way. */
static sb_job_state state_at(const job *j, int64_t now)
{
    return j->state == SB_JOB_DONE && now < j->ready_ns ? SB_JOB_RUNNING : j->state;
}

static sb_status not_found(sb_error *err)
{
    sb_error_set(err, SB_E_NOT_FOUND, "there is no such export", "it is unknown, deleted, expired or another client's",
                 "start a new export");
    if (err)
        err->http_status = 404;
    return SB_E_NOT_FOUND;
}

/* The client's job; SB_E_NOT_FOUND alike for all who may not see it. Under the lock. */
static sb_status find(sb_jobs *jobs, const char *client, sb_str id, size_t *index, sb_error *err)
{
    sweep(jobs);
    for (size_t i = 0; i < jobs->count; i++) {
        const job *j = jobs->list[i];
        bool its_own = client ? strcmp(j->client, client) == 0 : jobs->options.open_files;
        if (sb_str_eq(sb_str_from(j->id), id) && its_own) {
            *index = i;
            return SB_OK;
        }
    }
    return not_found(err);
}

/* Working */

static sb_status write_warnings(const job *j, sb_error *err)
{
    size_t count;
    sb_str lines = sb_plan_warnings(j->plan, &count);
    if (count == 0)
        return SB_OK;
    SB_AUTOFREE path = sb_path_join(j->dir, WARNINGS_FILE);
    return path ? sb_file_create_new(path, 0600, lines, err) : sb_error_nomem(err);
}

static sb_status run(const sb_jobs *jobs, job *j, sb_error *err)
{
    SB_TRY(sb_dir_make(j->dir, 0700, err));
    SB_TRY(sb_outputs_write(j->plan, jobs->options.data, j->dir, jobs->options.file_bytes, &j->progress, &j->outputs,
                            err));
    return write_warnings(j, err);
}

static void finish(sb_jobs *jobs, job *j, sb_status status, const sb_error *err)
{
    int64_t now = now_ns(jobs), ready = SB_MAX(now, j->ready_ns);
    int64_t keep_ns = (int64_t)jobs->options.keep_seconds * SB_NS_PER_S;
    j->finished_s = wall_s(jobs);
    j->expires_ns = ready + keep_ns;
    j->expires_s = j->finished_s + (ready - now + keep_ns) / SB_NS_PER_S;
    j->state = status == SB_OK ? SB_JOB_DONE : SB_JOB_FAILED;
    j->error = *err;
}

static void work_off(sb_jobs *jobs, job *j)
{
    sb_error err = SB_ERROR_INIT;
    j->state = SB_JOB_RUNNING;
    leave(jobs);
    sb_status status = run(jobs, j, &err);
    if (status != SB_OK && status != SB_E_INTERRUPTED)
        sb_log(SB_LOG_ERROR, "an export failed: %s: %s", err.what, err.why);
    enter(jobs);
    finish(jobs, j, status, &err);
    release(jobs, j);
}

static int64_t next_expiry(const sb_jobs *jobs)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < jobs->count; i++)
        next = SB_MIN(next, jobs->list[i]->expires_ns);
    return next;
}

static void *worker(void *impl)
{
    sb_jobs *jobs = impl;
    enter(jobs);
    while (!jobs->stop) {
        sweep(jobs);
        job *j = jobs->queue_head;
        if (jobs->dead) { /* bury them now: a wait may be long */
            leave(jobs);
            enter(jobs);
        } else if (j) {
            jobs->queue_head = j->next;
            j->next = NULL;
            work_off(jobs, j);
        } else {
            const sb_clock *clock = jobs->options.clock;
            clock->wait_until(clock->impl, &jobs->wake, &jobs->lock, next_expiry(jobs));
        }
    }
    leave(jobs);
    return NULL;
}

/* Beginning and end */

static void fill_defaults(sb_jobs_options *o)
{
    o->clock = o->clock ? o->clock : sb_clock_system();
    o->workers = o->workers ? SB_MIN(o->workers, (unsigned)WORKERS_MAX) : 1;
    o->max_jobs = o->max_jobs ? o->max_jobs : MAX_JOBS;
    o->per_client_kept = o->per_client_kept ? o->per_client_kept : PER_CLIENT_KEPT;
    o->keep_seconds = o->keep_seconds ? o->keep_seconds : KEEP_SECONDS;
    o->retry_after_s = o->retry_after_s ? o->retry_after_s : 1;
    o->file_bytes = o->file_bytes ? o->file_bytes : FILE_BYTES;
}

static sb_status open_folders(sb_jobs *jobs, sb_error *err)
{
    const char *dir = jobs->state_dir;
    SB_TRY(sb_dir_make(dir, 0700, err));
    SB_AUTOFREE lock = sb_path_join(dir, "lock");
    jobs->jobs_dir = sb_path_join(dir, "jobs");
    jobs->gzip_dir = sb_path_join(dir, "gzip");
    if (!lock || !jobs->jobs_dir || !jobs->gzip_dir)
        return sb_error_nomem(err);
    SB_TRY(sb_file_lock(lock, false, &jobs->lock_fd, err));
    sb_tree_remove(jobs->jobs_dir); /* ours since we have the lock */
    sb_tree_remove(jobs->gzip_dir);
    SB_TRY(sb_dir_make(jobs->jobs_dir, 0700, err));
    return sb_dir_make(jobs->gzip_dir, 0700, err);
}

static void warn_of_the_future(const sb_jobs *jobs)
{
    int64_t newest = sb_data_newest_us(jobs->options.data);
    if (newest > wall_s(jobs) * SB_US_PER_S) {
        char text[SB_INSTANT_SIZE];
        sb_log_warn("the newest meta.lastUpdated in the data, %s, is in the future: it is every export's "
                    "transactionTime until then",
                    sb_instant_format_us(newest, text));
    }
}

static sb_status start_threads(sb_jobs *jobs, sb_error *err)
{
    for (; jobs->thread_count < jobs->options.workers; jobs->thread_count++) {
        int rc = pthread_create(&jobs->threads[jobs->thread_count], NULL, worker, jobs);
        if (rc != 0)
            return sb_error_errno(err, "a thread could not be started", "export worker", rc);
    }
    return SB_OK;
}

sb_status sb_jobs_new(const sb_jobs_options *options, sb_jobs **out, sb_error *err)
{
    sb_jobs *bare = calloc(1, sizeof(*bare));
    if (!bare || pthread_mutex_init(&bare->lock, NULL) != 0) {
        free(bare);
        return sb_error_nomem(err);
    }
    if (sb_cond_init(&bare->wake) != 0) {
        (void)pthread_mutex_destroy(&bare->lock);
        free(bare);
        return sb_error_nomem(err);
    }
    SB_AUTOPTR(sb_jobs) jobs = bare;
    jobs->lock_fd = -1;
    jobs->options = *options;
    fill_defaults(&jobs->options);
    jobs->state_dir = sb_str_dup(sb_str_from(options->state_dir));
    jobs->list = calloc(jobs->options.max_jobs, sizeof(job *));
    if (!jobs->state_dir || !jobs->list)
        return sb_error_nomem(err);
    jobs->options.state_dir = jobs->state_dir;
    SB_TRY(open_folders(jobs, err));
    SB_TRY(sb_gzip_cache_new(&jobs->gzip, err));
    warn_of_the_future(jobs);
    SB_TRY(start_threads(jobs, err));
    *out = jobs;
    jobs = NULL;
    return SB_OK;
}

static void stop_threads(sb_jobs *jobs)
{
    enter(jobs);
    jobs->stop = true;
    while (jobs->count > 0)
        unlist(jobs, jobs->count - 1); /* which empties the queue and cancels what is under way */
    (void)pthread_cond_broadcast(&jobs->wake);
    leave(jobs);
    for (unsigned i = 0; i < jobs->thread_count; i++)
        (void)pthread_join(jobs->threads[i], NULL);
}

void sb_jobs_free(sb_jobs *jobs)
{
    if (!jobs)
        return;
    stop_threads(jobs);
    if (jobs->lock_fd >= 0) { /* without the lock, the folders are not ours to remove */
        sb_tree_remove(jobs->jobs_dir);
        sb_tree_remove(jobs->gzip_dir);
    }
    sb_fd_cleanup(&jobs->lock_fd);
    sb_gzip_cache_free(jobs->gzip);
    (void)pthread_cond_destroy(&jobs->wake);
    (void)pthread_mutex_destroy(&jobs->lock);
    free(jobs->list);
    free(jobs->state_dir);
    free(jobs->jobs_dir);
    free(jobs->gzip_dir);
    free(jobs);
}

/* Asking for an export */

static void draw_id(char id[SB_JOB_ID_SIZE])
{
    unsigned char random[(SB_JOB_ID_SIZE - 1) / 2];
    sb_random_bytes(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        (void)snprintf(id + 2 * i, 3, "%02x", random[i]);
}

static sb_status keep_scopes(const sb_job_request *request, job *j, sb_error *err)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    j->scoped = request->scopes != NULL;
    if (!j->scoped)
        return SB_OK;
    if (!sb_scopes_format(request->scopes, &text))
        return sb_error_nomem(err);
    return sb_scopes_parse(sb_buf_cstr(&text), &j->scopes, err);
}

static sb_status make_job(sb_jobs *jobs, const sb_job_request *request, job **out, sb_error *err)
{
    __attribute__((cleanup(job_freep))) job *j = calloc(1, sizeof(*j));
    if (!j)
        return sb_error_nomem(err);
    draw_id(j->id);
    j->client = sb_str_dup(sb_str_from(request->client_id));
    j->request_url = sb_str_dup(sb_str_from(request->request_url));
    j->dir = sb_path_join(jobs->jobs_dir, j->id);
    if (!j->client || !j->request_url || !j->dir)
        return sb_error_nomem(err);
    sb_str group = request->level == SB_JOB_GROUP ? request->group_id : SB_STR_NULL;
    SB_TRY(sb_groups_members(jobs->options.groups, request->client_id, group, &j->members, err));
    SB_TRY(sb_plan_new(jobs->options.data, &j->members, request, &j->plan, err));
    SB_TRY(keep_scopes(request, j, err));
    j->created_ns = now_ns(jobs);
    j->ready_ns = j->created_ns + (int64_t)jobs->options.min_seconds * SB_NS_PER_S;
    j->expires_ns = INT64_MAX;
    j->transaction_us = SB_MAX(wall_s(jobs) * SB_US_PER_S, sb_data_newest_us(jobs->options.data));
    *out = j;
    j = NULL;
    return SB_OK;
}

static sb_status refuse(sb_error *err, int http_status, const char *limit, unsigned number, const char *fix)
{
    sb_error_set(err, SB_E_BUSY, "no further export can be started now", "%s is %u", fix, limit, number);
    if (err)
        err->http_status = http_status;
    return SB_E_BUSY;
}

/* May this client have one more? Under the lock.                                                   EXP-04, STAT-08 */
static sb_status admit(sb_jobs *jobs, const char *client, sb_error *err)
{
    const sb_jobs_options *o = &jobs->options;
    int64_t now = now_ns(jobs);
    unsigned under_way = 0, kept = 0;
    sweep(jobs);
    for (size_t i = 0; i < jobs->count; i++) {
        if (strcmp(jobs->list[i]->client, client) != 0)
            continue;
        kept++;
        under_way += state_at(jobs->list[i], now) < SB_JOB_DONE;
    }
    if (o->per_client > 0 && under_way >= o->per_client)
        return refuse(err, 429, "the number of exports that one client may have under way", o->per_client,
                      "wait for one to end, or cancel it (DELETE its status URL)");
    if (kept >= o->per_client_kept)
        return refuse(err, 429, "the number of exports that are kept for one client", o->per_client_kept,
                      "delete finished exports (DELETE their status URLs)"); /* REAL-04 */
    if (jobs->count == o->max_jobs)
        return refuse(err, 503, "the number of exports that this server keeps", o->max_jobs, "come back later");
    return SB_OK;
}

sb_status sb_jobs_create(sb_jobs *jobs, const sb_job_request *request, char id[SB_JOB_ID_SIZE], unsigned *retry_after_s,
                         sb_error *err)
{
    job *j = NULL;
    *retry_after_s = jobs->options.retry_after_s;
    SB_TRY(make_job(jobs, request, &j, err));
    enter(jobs);
    sb_status status = admit(jobs, j->client, err);
    if (status == SB_OK) {
        j->refs = 2; /* the list and the queue */
        jobs->list[jobs->count++] = j;
        if (jobs->queue_head)
            jobs->queue_tail->next = j;
        else
            jobs->queue_head = j;
        jobs->queue_tail = j;
        memcpy(id, j->id, SB_JOB_ID_SIZE);
        (void)pthread_cond_signal(&jobs->wake);
        j = NULL;
    }
    leave(jobs);
    job_free(j);
    return status;
}

/* Watching it */

static unsigned percent_at(const job *j, int64_t now)
{
    uint64_t done = atomic_load(&j->progress.done), total = atomic_load(&j->progress.total);
    unsigned worked = j->state == SB_JOB_QUEUED ? 0 : 99;
    if (j->state == SB_JOB_RUNNING && total > 0)
        worked = (unsigned)SB_MIN(done / (total / 99 + 1), (uint64_t)99);
    if (now >= j->ready_ns)
        return worked;
    unsigned waited = (unsigned)((now - j->created_ns) / ((j->ready_ns - j->created_ns) / 99 + 1));
    return SB_MIN(worked, waited);
}

static void describe(const sb_jobs *jobs, const job *j, sb_job_status *out)
{
    int64_t now = now_ns(jobs);
    *out = (sb_job_status){.state = state_at(j, now), .expires_s = j->expires_s, .error = j->error};
    switch (out->state) {
    case SB_JOB_QUEUED:
        (void)snprintf(out->progress, sizeof(out->progress), "waiting for its turn");
        break;
    case SB_JOB_RUNNING:
        out->percent = percent_at(j, now);
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
    size_t index;
    enter(jobs);
    sb_status status = find(jobs, client_id, job_id, &index, err);
    if (status == SB_OK)
        describe(jobs, jobs->list[index], out);
    leave(jobs);
    return status;
}

sb_status sb_jobs_delete(sb_jobs *jobs, const char *client_id, sb_str job_id, sb_error *err)
{
    size_t index;
    enter(jobs);
    sb_status status = find(jobs, client_id, job_id, &index, err);
    if (status == SB_OK)
        unlist(jobs, index);
    leave(jobs);
    return status;
}

/* Reading what it made */

/* A reference to the client's job, if it is done: give it back with let_go(). */
static sb_status hold_done(sb_jobs *jobs, const char *client_id, sb_str job_id, job **out, sb_error *err)
{
    size_t index;
    enter(jobs);
    sb_status status = find(jobs, client_id, job_id, &index, err);
    job *j = status == SB_OK ? jobs->list[index] : NULL;
    if (j) {
        switch (state_at(j, now_ns(jobs))) {
        case SB_JOB_DONE:
            j->refs++;
            *out = j;
            break;
        case SB_JOB_FAILED:
            status = j->error.code;
            if (err)
                *err = j->error;
            if (err)
                err->http_status = 500;
            break;
        case SB_JOB_QUEUED:
        case SB_JOB_RUNNING:
            status = sb_error_set(err, SB_E_BUSY, "the export is not done", "it is still under way", "poll its status");
            break;
        }
    }
    leave(jobs);
    return status;
}

static void let_go(sb_jobs *jobs, job *j)
{
    enter(jobs);
    release(jobs, j);
    leave(jobs);
}

static sb_status add_item(json_t *list, const char *type, const char *files_url, const char *name, uint64_t count,
                          sb_error *err)
{
    SB_AUTOFREE url = sb_printf("%s/%s", files_url, name);
    json_t *item =
        url ? json_pack("{s:s, s:s, s:I}", "type", type, "url", url, "count", (json_int_t)count) : NULL; /* STAT-05 */
    return item && json_array_append_new(list, item) == 0 ? SB_OK : sb_error_nomem(err);
}

static sb_status list_files(const job *j, const char *files_url, json_t *output, json_t *errors, sb_error *err)
{
    for (size_t i = 0; i < j->outputs.count; i++) {
        char name[SB_JOB_FILE_NAME_MAX];
        sb_output_name(&j->outputs.items[i], name);
        SB_TRY(add_item(output, j->outputs.items[i].type->name, files_url, name, j->outputs.items[i].resources, err));
    }
    size_t warnings;
    (void)sb_plan_warnings(j->plan, &warnings);
    return warnings == 0 ? SB_OK : add_item(errors, "OperationOutcome", files_url, WARNINGS_FILE, warnings, err);
}

static sb_status write_manifest(const sb_jobs *jobs, const job *j, const char *files_url, sb_buf *out, sb_error *err)
{
    char transaction_time[SB_INSTANT_SIZE];
    SB_AUTOJSON output = json_array();
    SB_AUTOJSON errors = json_array();
    if (!output || !errors)
        return sb_error_nomem(err);
    SB_TRY(list_files(j, files_url, output, errors, err));
    SB_AUTOJSON manifest = json_pack("{s:s, s:s, s:b, s:O, s:[], s:O}", "transactionTime",
                                     sb_instant_format_us(j->transaction_us, transaction_time), "request",
                                     j->request_url, "requiresAccessToken", !jobs->options.open_files, "output", output,
                                     "deleted", "error", errors); /* STAT-04 */
    SB_AUTOFREE text = manifest ? sb_json_dump(manifest) : NULL;
    return text && sb_buf_add_cstr(out, text) ? SB_OK : sb_error_nomem(err);
}

sb_status sb_jobs_manifest(sb_jobs *jobs, const char *client_id, sb_str job_id, const char *files_url, sb_buf *out,
                           sb_error *err)
{
    job *j = NULL;
    SB_TRY(hold_done(jobs, client_id, job_id, &j, err));
    sb_status status = write_manifest(jobs, j, files_url, out, err);
    let_go(jobs, j);
    return status;
}

void sb_job_file_cleanup(sb_job_file *file)
{
    sb_fd_cleanup(&file->fd);
    *file = (sb_job_file)SB_JOB_FILE_INIT;
}

/* A file to be handed out: the descriptor, the name of its bytes, and where its compressed copy is kept. */
typedef struct opened {
    int fd;
    char etag[56];
    int64_t modified_s;
    char *gzip_path;
} opened;

static void opened_cleanup(opened *o)
{
    sb_fd_cleanup(&o->fd);
    sb_charp_cleanup(&o->gzip_path);
}

static sb_status open_source(const sb_jobs *jobs, const sb_output *output, opened *o, sb_error *err)
{
    const sb_data_part *part = &output->type->parts[output->part];
    SB_TRY(sb_data_open(jobs->options.data, output->type, output->part, &o->fd, err));
    (void)snprintf(o->etag, sizeof(o->etag), "%s", part->etag);
    o->modified_s = part->modified_s;
    o->gzip_path = sb_printf("%s/%s.gz", jobs->gzip_dir, part->etag); /* one for all jobs */
    return o->gzip_path ? SB_OK : sb_error_nomem(err);
}

static sb_status open_written(const job *j, const char *name, uint64_t number, opened *o, sb_error *err)
{
    SB_AUTOFREE path = sb_path_join(j->dir, name);
    if (!path)
        return sb_error_nomem(err);
    o->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (o->fd < 0)
        return sb_error_errno(err, "an export file could not be opened", path, errno);
    (void)snprintf(o->etag, sizeof(o->etag), "%s-%" PRIu64, j->id, number);
    o->modified_s = j->finished_s;
    o->gzip_path = sb_printf("%s.gz", path);
    return o->gzip_path ? SB_OK : sb_error_nomem(err);
}

static sb_status open_named(const sb_jobs *jobs, const job *j, sb_str name, opened *o, sb_error *err)
{
    size_t warnings;
    (void)sb_plan_warnings(j->plan, &warnings);
    if (warnings > 0 && sb_str_eq(name, SB_STR_LIT(WARNINGS_FILE)))
        return open_written(j, WARNINGS_FILE, UINT64_MAX, o, err);
    const sb_output *output = sb_outputs_find(&j->outputs, name);
    if (!output)
        return not_found(err);
    if (output->source)
        return open_source(jobs, output, o, err);
    char own[SB_JOB_FILE_NAME_MAX]; /* never the stranger's text as a path */
    sb_output_name(output, own);
    return open_written(j, own, (uint64_t)(output - j->outputs.items), o, err);
}

static sb_status hand_out(sb_jobs *jobs, opened *o, bool gzip, sb_job_file *out, sb_error *err)
{
    struct stat st;
    if (fstat(o->fd, &st) != 0)
        return sb_error_errno(err, "an export file could not be examined", o->etag, errno);
    gzip = gzip && st.st_size >= GZIP_MIN_BYTES;
    if (gzip) {
        SB_AUTOFD plain = o->fd;
        o->fd = -1;
        SB_TRY(sb_gzip_cache_open(jobs->gzip, plain, o->gzip_path, &o->fd, err));
        if (fstat(o->fd, &st) != 0)
            return sb_error_errno(err, "a compressed file could not be examined", o->etag, errno);
    }
    *out = (sb_job_file){.fd = o->fd,
                         .size = (uint64_t)st.st_size,
                         .gzip = gzip,
                         .modified_s = o->modified_s,
                         .content_type = NDJSON_TYPE};
    (void)snprintf(out->etag, sizeof(out->etag), "\"%s%s\"", o->etag, gzip ? "-gz" : "");
    o->fd = -1; /* the caller's now */
    return SB_OK;
}

sb_status sb_jobs_file_open(sb_jobs *jobs, const char *client_id, sb_str job_id, sb_str name, bool gzip,
                            sb_job_file *out, sb_error *err)
{
    job *j = NULL;
    SB_AUTO(opened) o = {.fd = -1};
    SB_TRY(hold_done(jobs, client_id, job_id, &j, err));
    sb_status status = open_named(jobs, j, name, &o, err);
    if (status == SB_OK)
        status = hand_out(jobs, &o, gzip, out, err);
    let_go(jobs, j);
    return status;
}

sb_status sb_jobs_file_covered(sb_jobs *jobs, const char *client_id, sb_str job_id, const char *type,
                               const sb_scopes *scopes, bool *covered, sb_error *err)
{
    job *j = NULL;
    SB_TRY(hold_done(jobs, client_id, job_id, &j, err));
    *covered = sb_type_scopes_cover(scopes, j->scoped ? &j->scopes : NULL, type);
    let_go(jobs, j);
    return SB_OK;
}

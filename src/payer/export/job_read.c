/* SPDX-License-Identifier: Apache-2.0 */
/* job_read.c - manifests and files of jobs that are done. The lists of files of those that are being fetched are held in
 * memory: a job's row is read once a second, not once a file.
 *
 * A file's compressed copy is made when the manifest that names it is first answered. When the file is asked for is too
 * late: nobody waits for it, and a file is fetched once. When the export is done is too early: one that is never
 * collected, or is given up, would cost processor and disk too, and while others are being prepared the processor is
 * wanted most. Now, somebody is about to fetch, through a network that is slower than the compressor as a rule; and a
 * manifest of many files is worked off in their order, which is that of who fetches. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "payer/export/jobs_internal.h"
#include "payer/export/type_filter.h"

#define BELIEVED_NS    SB_NS_PER_S /* how long what another process deletes may still be there */
#define GZIP_MIN_BYTES 1024        /* below, the header of the answer is as long as what is saved */
#define NDJSON_TYPE    "application/fhir+ndjson"

/* Holding */

static void held_free(sb_held *held)
{
    sb_job_row_cleanup(&held->row);
    sb_kept_request_cleanup(&held->kept);
    sb_record_cleanup(&held->record);
    free(held);
}

static void release(sb_held *held)
{
    if (--held->refs == 0)
        held_free(held);
}

void sb_jobs_drop_held(sb_jobs *jobs, const char *id)
{
    for (size_t i = 0; i < SB_JOBS_HELD_MAX; i++) {
        sb_held *held = jobs->held[i];
        if (held && (!id || strcmp(held->id, id) == 0)) {
            jobs->held[i] = NULL;
            release(held);
        }
    }
}

static void let_go(sb_jobs *jobs, sb_held **held)
{
    if (!*held)
        return;
    sb_jobs_enter(jobs);
    release(*held);
    sb_jobs_leave(jobs);
    *held = NULL;
}

/* In memory, and believed; a reference. */
static sb_held *find_held(sb_jobs *jobs, const char *client, sb_str id)
{
    sb_held *found = NULL;
    int64_t now = sb_jobs_now_ns(jobs), now_s = sb_jobs_wall_s(jobs);
    sb_jobs_enter(jobs);
    for (size_t i = 0; !found && i < SB_JOBS_HELD_MAX; i++) {
        sb_held *held = jobs->held[i];
        if (held && sb_str_eq(sb_str_from(held->id), id) && now - held->checked_ns < BELIEVED_NS &&
            held->row.expires_s > now_s && (!client || strcmp(client, held->row.client) == 0))
            found = held;
    }
    if (found) {
        found->refs++;
        found->used = ++jobs->uses;
    }
    sb_jobs_leave(jobs);
    return found;
}

/* Instead of the one that was used longest ago, or of an older copy of the same. */
static void keep_held(sb_jobs *jobs, sb_held *held)
{
    size_t oldest = 0;
    sb_jobs_enter(jobs);
    sb_jobs_drop_held(jobs, held->id);
    for (size_t i = 0; i < SB_JOBS_HELD_MAX; i++) {
        if (!jobs->held[i]) {
            oldest = i;
            break;
        }
        if (jobs->held[i]->used < jobs->held[oldest]->used)
            oldest = i;
    }
    if (jobs->held[oldest])
        release(jobs->held[oldest]);
    held->refs++;
    held->used = ++jobs->uses;
    jobs->held[oldest] = held;
    sb_jobs_leave(jobs);
}

/* What of its row stayed the same is not read again. */
static bool still_held(sb_jobs *jobs, const sb_job_row *row, int64_t asked_ns, sb_held **out)
{
    *out = NULL;
    sb_jobs_enter(jobs);
    for (size_t i = 0; i < SB_JOBS_HELD_MAX; i++) {
        sb_held *held = jobs->held[i];
        if (!held || strcmp(held->id, row->id) != 0)
            continue;
        held->checked_ns = asked_ns;
        held->refs++;
        held->used = ++jobs->uses;
        *out = held;
    }
    sb_jobs_leave(jobs);
    return *out != NULL;
}

static sb_status read_held(sb_jobs *jobs, const char *client, sb_str id, int64_t asked_ns, sb_held **out, sb_error *err)
{
    sb_held *held = calloc(1, sizeof(*held));
    if (!held)
        return sb_error_nomem(err);
    held->refs = 1;
    held->checked_ns = asked_ns;
    sb_status status = sb_job_table_find(jobs->options.pool, id, client, sb_jobs_wall_s(jobs), true, &held->row, err);
    if (status == SB_OK)
        status = sb_record_parse(sb_str_from(held->row.outputs), &held->record, err);
    if (status == SB_OK)
        status = sb_kept_request_load(sb_str_from(held->row.request), held->row.client, &held->kept, err);
    if (status != SB_OK) {
        held_free(held);
        return status;
    }
    sb_charp_cleanup(&held->row.outputs); /* the record has its own */
    memcpy(held->id, held->row.id, sizeof(held->id));
    keep_held(jobs, held);
    *out = held;
    return SB_OK;
}

static sb_status failed(const sb_job_row *row, sb_error *err)
{
    sb_status code = row->error.code == SB_OK ? SB_E_INTERNAL : row->error.code;
    if (err) {
        *err = row->error;
        err->code = code;
        err->http_status = 500;
    }
    return code;
}

/* The client's job, if it is done: give it back with let_go(). */
static sb_status hold(sb_jobs *jobs, const char *client, sb_str id, sb_held **out, sb_error *err)
{
    SB_AUTO(sb_job_row) row = SB_JOB_ROW_INIT;
    int64_t now_s = sb_jobs_wall_s(jobs), asked_ns = sb_jobs_now_ns(jobs);
    if (!client && !jobs->options.open_files)
        return sb_job_not_found(err);
    *out = find_held(jobs, client, id);
    if (*out)
        return SB_OK;
    SB_TRY(sb_job_table_find(jobs->options.pool, id, client, now_s, false, &row, err));
    switch (sb_jobs_state_at(jobs, &row, now_s)) {
    case SB_JOB_DONE:
        break;
    case SB_JOB_FAILED:
        return failed(&row, err);
    case SB_JOB_QUEUED:
    case SB_JOB_RUNNING:
        return sb_error_set(err, SB_E_BUSY, "the export is not done", "it is still under way", "poll its status");
    }
    return still_held(jobs, &row, asked_ns, out) ? SB_OK : read_held(jobs, client, id, asked_ns, out, err);
}

/* Manifests */

static json_t *item_of(const sb_record_file *file, const char *job_url)
{
    char name[SB_JOB_FILE_NAME_MAX];
    const char *type = NULL;
    sb_record_name(file, name);
    if (sb_str_eq(file->type, SB_STR_LIT(SB_RECORD_DELETED)))
        type = "Bundle";
    if (sb_str_eq(file->type, SB_STR_LIT(SB_RECORD_ERROR)))
        type = "OperationOutcome";
    SB_AUTOFREE url = sb_printf("%s/%s", job_url, name);
    SB_AUTOFREE own = sb_str_dup(file->type);
    return url && own ? json_pack("{s:s, s:s, s:I}", "type", type ? type : own, "url", url, "count",
                                  (json_int_t)file->resources)
                      : NULL; /* STAT-05 */
}

static sb_status list_files(const sb_held *held, size_t from, size_t to, const char *job_url, json_t *manifest,
                            sb_error *err)
{
    json_t *output = json_object_get(manifest, "output"), *deleted = json_object_get(manifest, "deleted"),
           *errors = json_object_get(manifest, "error");
    for (size_t i = from; i < to; i++) {
        const sb_record_file *file = &held->record.files[i];
        json_t *list = output;
        if (sb_str_eq(file->type, SB_STR_LIT(SB_RECORD_DELETED)))
            list = deleted;
        if (sb_str_eq(file->type, SB_STR_LIT(SB_RECORD_ERROR)))
            list = errors;
        if (json_array_append_new(list, item_of(file, job_url)) != 0)
            return sb_error_nomem(err);
    }
    return SB_OK;
}

/* Where the list goes on.                                                                                   STAT-04 */
static sb_status add_next(json_t *manifest, const char *job_url, unsigned page, sb_error *err)
{
    SB_AUTOFREE url = sb_printf("%s?page=%u", job_url, page);
    json_t *links = url ? json_pack("[{s:s, s:s}]", "relation", "next", "url", url) : NULL;
    return links && json_object_set_new(manifest, "link", links) == 0 ? SB_OK : sb_error_nomem(err);
}

/* Which files of the list a page names. */
typedef struct page_range {
    size_t from, to;
} page_range;

static sb_status find_page(const sb_jobs *jobs, const sb_held *held, unsigned page, page_range *out, sb_error *err)
{
    size_t each = held->kept.request.partial ? jobs->options.manifest_files : SIZE_MAX, count = held->record.count;
    if (page > 0 && (each == SIZE_MAX || page > (count - 1) / each || count == 0))
        return sb_job_not_found(err);
    out->from = page > 0 ? page * each : 0;
    out->to = count - out->from > each ? out->from + each : count;
    return SB_OK;
}

static sb_status write_manifest(const sb_jobs *jobs, const sb_held *held, unsigned page, const page_range *range,
                                const char *job_url, sb_buf *out, sb_error *err)
{
    char transaction_time[SB_INSTANT_SIZE];
    SB_AUTOJSON manifest = json_pack("{s:s, s:s, s:b, s:[], s:[], s:[]}", "transactionTime",
                                     sb_instant_format_us(held->row.transaction_us, transaction_time), "request",
                                     held->kept.request.request_url, "requiresAccessToken", !jobs->options.open_files,
                                     "output", "deleted", "error"); /* STAT-04 */
    if (!manifest)
        return sb_error_nomem(err);
    SB_TRY(list_files(held, range->from, range->to, job_url, manifest, err));
    if (range->to < held->record.count)
        SB_TRY(add_next(manifest, job_url, page + 1, err));
    SB_AUTOFREE text = sb_json_dump(manifest);
    return text && sb_buf_add_cstr(out, text) ? SB_OK : sb_error_nomem(err);
}

sb_status sb_jobs_file_covered(sb_jobs *jobs, const char *client_id, sb_str job_id, const char *type,
                               const sb_scopes *scopes, bool *covered, sb_error *err)
{
    sb_held *held = NULL;
    SB_TRY(hold(jobs, client_id, job_id, &held, err));
    const sb_scopes *asked = held->kept.request.scopes;
    *covered = type ? sb_type_scopes_cover(scopes, asked, type) : asked && sb_scopes_within(asked, scopes);
    let_go(jobs, &held);
    return SB_OK;
}

/* Files */

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
    bool own; /* of a job's folder: it stays while it is sent */
} opened;

static void opened_cleanup(opened *o)
{
    sb_fd_cleanup(&o->fd);
    sb_charp_cleanup(&o->gzip_path);
}

/* The part of the source with these very bytes, wherever it is in the list by now. */
static bool find_part(const sb_data_type *type, const sb_record_file *file, size_t *part)
{
    *part = file->part;
    if (*part < type->part_count && sb_str_eq(sb_str_from(type->parts[*part].etag), file->etag))
        return true;
    for (*part = 0; *part < type->part_count; (*part)++) {
        if (sb_str_eq(sb_str_from(type->parts[*part].etag), file->etag))
            return true;
    }
    return false;
}

static sb_status open_source(const sb_jobs *jobs, const sb_record_file *file, opened *o, sb_error *err)
{
    size_t index;
    const sb_data_type *type = sb_data_find(jobs->options.data, file->type);
    if (!type || !find_part(type, file, &index))
        return sb_job_not_found(err); /* the source was changed since                                     FILE-04 */
    const sb_data_part *part = &type->parts[index];
    SB_TRY(sb_data_open(jobs->options.data, type, index, &o->fd, err));
    (void)snprintf(o->etag, sizeof(o->etag), "%s", part->etag);
    o->modified_s = part->modified_s;
    o->gzip_path = sb_printf("%s/%s.gz", jobs->folders.gzip, part->etag); /* one for all jobs */
    return o->gzip_path ? SB_OK : sb_error_nomem(err);
}

static sb_status open_written(const sb_jobs *jobs, const sb_held *held, const sb_record_file *file, opened *o,
                              sb_error *err)
{
    char name[SB_JOB_FILE_NAME_MAX];
    sb_record_name(file, name); /* never the stranger's text as a path */
    SB_AUTOFREE dir = sb_job_folders_attempt(&jobs->folders, held->id, held->record.dir);
    SB_AUTOFREE path = dir ? sb_path_join(dir, name) : NULL;
    if (!path)
        return sb_error_nomem(err);
    o->fd = sb_job_folders_read(&jobs->folders, held->id, held->record.dir, name);
    if (o->fd < 0 && errno == ENOENT)
        return sb_job_not_found(err); /* another process has just removed it */
    if (o->fd < 0)
        return sb_error_errno(err, "an export file could not be opened", path, errno);
    (void)snprintf(o->etag, sizeof(o->etag), "%s-%zu", held->id, (size_t)(file - held->record.files));
    o->modified_s = held->row.finished_s;
    o->own = true;
    o->gzip_path = sb_printf("%s.gz", path);
    return o->gzip_path ? SB_OK : sb_error_nomem(err);
}

static sb_status open_listed(const sb_jobs *jobs, const sb_held *held, const sb_record_file *file, opened *o,
                             sb_error *err)
{
    return file->etag.len > 0 ? open_source(jobs, file, o, err) : open_written(jobs, held, file, o, err);
}

static sb_status open_named(const sb_jobs *jobs, const sb_held *held, sb_str name, opened *o, sb_error *err)
{
    const sb_record_file *file = sb_record_find(&held->record, name);
    return file ? open_listed(jobs, held, file, o, err) : sb_job_not_found(err);
}

static sb_status hand_out(sb_jobs *jobs, opened *o, bool gzip, sb_job_file *out, sb_error *err)
{
    struct stat st;
    if (fstat(o->fd, &st) != 0)
        return sb_error_errno(err, "an export file could not be examined", o->etag, errno);
    int packed = gzip && st.st_size >= GZIP_MIN_BYTES ? sb_gzip_cache_open(jobs->gzip, o->fd, o->gzip_path) : -1;
    gzip = packed >= 0;
    if (gzip) {
        sb_fd_cleanup(&o->fd);
        o->fd = packed;
        if (fstat(o->fd, &st) != 0)
            return sb_error_errno(err, "a compressed file could not be examined", o->etag, errno);
    }
    if (o->own || gzip)
        sb_job_file_reading(o->fd);
    *out = (sb_job_file){.fd = o->fd,
                         .size = (uint64_t)st.st_size,
                         .gzip = gzip,
                         .modified_s = o->modified_s,
                         .content_type = NDJSON_TYPE};
    (void)snprintf(out->etag, sizeof(out->etag), "\"%s%s", o->etag, gzip ? SB_JOB_FILE_GZIP_TAG : "\"");
    o->fd = -1; /* the caller's now */
    return SB_OK;
}

/* Compressing ahead */

typedef struct ahead {
    sb_jobs *jobs;
    char id[SB_JOB_ID_SIZE];
    char *client;
    size_t at, end; /* in the list of files */
} ahead;

static void ahead_free(void *impl)
{
    ahead *a = impl;
    free(a->client);
    free(a);
}

/* The job is looked for each time: what was given up meanwhile is compressed for nobody. */
static bool ahead_next(void *impl, int *source_fd, char **path)
{
    ahead *a = impl;
    sb_held *held = NULL;
    bool found = false;
    if (hold(a->jobs, a->client, sb_str_from(a->id), &held, NULL) != SB_OK)
        return false;
    while (!found && a->at < a->end && a->at < held->record.count) {
        const sb_record_file *file = &held->record.files[a->at++];
        SB_AUTO(opened) o = {.fd = -1};
        found = file->bytes >= GZIP_MIN_BYTES && open_listed(a->jobs, held, file, &o, NULL) == SB_OK;
        if (!found)
            continue;
        *source_fd = o.fd;
        *path = o.gzip_path;
        o = (opened){.fd = -1}; /* the cache's now */
    }
    let_go(a->jobs, &held);
    return found;
}

/* Which of these nobody was told of before. */
static bool is_news(sb_jobs *jobs, sb_held *held, page_range *range)
{
    sb_jobs_enter(jobs);
    range->from = SB_MAX(range->from, held->ahead);
    held->ahead = SB_MAX(held->ahead, range->to);
    sb_jobs_leave(jobs);
    return range->from < range->to;
}

/* Without memory, they are made when they are asked for. */
static void compress_ahead(sb_jobs *jobs, sb_held *held, page_range range)
{
    if (!is_news(jobs, held, &range))
        return;
    ahead *a = calloc(1, sizeof(*a));
    if (!a)
        return;
    *a = (ahead){.jobs = jobs, .client = sb_str_dup(sb_str_from(held->row.client)), .at = range.from, .end = range.to};
    memcpy(a->id, held->id, sizeof(a->id));
    if (a->client)
        sb_gzip_cache_ahead(jobs->gzip, &(sb_gzip_ahead){ahead_next, ahead_free, a});
    else
        ahead_free(a);
}

sb_status sb_jobs_manifest(sb_jobs *jobs, const char *client_id, sb_str job_id, unsigned page, const char *job_url,
                           sb_buf *out, sb_error *err)
{
    sb_held *held = NULL;
    page_range range = {0, 0};
    SB_TRY(hold(jobs, client_id, job_id, &held, err));
    sb_status status = find_page(jobs, held, page, &range, err);
    if (status == SB_OK)
        status = write_manifest(jobs, held, page, &range, job_url, out, err);
    if (status == SB_OK)
        compress_ahead(jobs, held, range);
    let_go(jobs, &held);
    return status;
}

void sb_jobs_wait_compressed(sb_jobs *jobs)
{
    sb_gzip_cache_wait(jobs->gzip);
}

sb_status sb_jobs_file_open(sb_jobs *jobs, const char *client_id, sb_str job_id, sb_str name, bool gzip,
                            sb_job_file *out, sb_error *err)
{
    sb_held *held = NULL;
    SB_AUTO(opened) o = {.fd = -1};
    SB_TRY(hold(jobs, client_id, job_id, &held, err));
    sb_status status = open_named(jobs, held, name, &o, err);
    if (status == SB_OK)
        status = hand_out(jobs, &o, gzip, out, err);
    let_go(jobs, &held);
    return status;
}

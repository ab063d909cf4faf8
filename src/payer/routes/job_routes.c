/* SPDX-License-Identifier: Apache-2.0 */
/* job_routes.c - an export under way and done: its status, its manifest, its files, its end.      STAT-*, FILE-*,
 * USE-02 */
#include <stdio.h>

#include "http/accept.h"
#include "http/retry.h"
#include "payer/routes/service_internal.h"

static sb_str job_id(const sb_server_request *request)
{
    return request->target.segments[2];
}

static void under_way(const sb_job_status *status, sb_answer *answer)
{
    answer->status = 202;
    sb_answer_header(answer, "X-Progress", "%s", status->progress); /* STAT-01 */
    sb_answer_header(answer, "Retry-After", "%u", status->retry_after_s);
    sb_answer_header(answer, "Cache-Control", "no-store");
}

/* ?page=N, as a partial manifest's link has it.                                                            STAT-04 */
static bool read_page(const sb_server_request *request, unsigned *page)
{
    const sb_form_field *field = sb_form_find(&request->target.query, "page");
    uint64_t number = 0;
    bool ok = !field || sb_str_to_u64(field->value, UINT32_MAX, &number);
    *page = (unsigned)number;
    return ok;
}

static void done(sb_service *service, const sb_server_request *request, const sb_visit *visit,
                 const sb_job_status *status, sb_answer *answer)
{
    char expires[SB_HTTP_DATE_SIZE];
    sb_error err = SB_ERROR_INIT;
    unsigned page;
    if (!read_page(request, &page)) {
        sb_answer_outcome(answer, 404, "not-found", "there is no such page of the manifest");
        return;
    }
    SB_AUTOFREE job_url = sb_printf("%s/jobs/%.*s", service->fhir_url, (int)job_id(request).len, job_id(request).ptr);
    sb_status got =
        job_url ? sb_jobs_manifest(service->o.jobs, visit->client, job_id(request), page, job_url, &answer->body, &err)
                : sb_error_nomem(&err);
    if (got != SB_OK) {
        sb_buf_clear(&answer->body);
        sb_answer_error(answer, &err);
        return;
    }
    sb_http_date_format(status->expires_s, expires);
    answer->status = 200;
    answer->content_type = SB_JSON;
    sb_answer_header(answer, "Expires", "%s", expires); /* STAT-04 */
    sb_answer_header(answer, "Cache-Control", "no-store");
}

void sb_route_job_status(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    sb_error err = SB_ERROR_INIT;
    sb_job_status status;
    if (sb_jobs_status(service->o.jobs, visit->client, job_id(request), &status, &err) != SB_OK) {
        sb_answer_error(answer, &err);
        return;
    }
    switch (status.state) {
    case SB_JOB_QUEUED:
    case SB_JOB_RUNNING:
        under_way(&status, answer);
        break;
    case SB_JOB_DONE:
        done(service, request, visit, &status, answer);
        break;
    case SB_JOB_FAILED:
        visit->reason = "export_failed";
        sb_answer_outcome(answer, 500, "exception", "the export failed; start a new one");
        break;
    }
}

static void refuse_job(sb_visit *visit, const sb_error *err, sb_answer *answer)
{
    if (err->http_status == 404)
        visit->reason = "export_unknown";
    sb_answer_error(answer, err);
}

/* The ids we give are of one form: anything else is nobody's job, and may be a token at the wrong place. */
static void note_job(sb_visit *visit, const sb_server_request *request)
{
    sb_str id = job_id(request);
    if (sb_jobs_is_id(id))
        (void)snprintf(visit->job, sizeof(visit->job), "%.*s", (int)id.len, id.ptr);
}

void sb_route_job_delete(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    sb_error err = SB_ERROR_INIT;
    note_job(visit, request);
    visit->audit = "export.deleted";
    if (sb_jobs_delete(service->o.jobs, visit->client, job_id(request), &err) != SB_OK)
        refuse_job(visit, &err, answer);
    else
        answer->status = 202; /* STAT-07 */
}

/* Files */

static bool wants_gzip(sb_str value, const void *of)
{
    (void)of;
    return sb_accept_coding(value, "gzip");
}

/* Goes on with a plain file: it gets the rest of that, though there is a compressed copy by now.             FILE-05 */
static bool goes_on_plain(const sb_server_request *request)
{
    sb_str tag = sb_str_trim(sb_server_header_first(request, "If-Range"));
    return tag.len > 0 && !sb_str_ends_with(tag, SB_STR_LIT(SB_JOB_FILE_GZIP_TAG));
}

/* "Coverage.000.ndjson" is of Coverages; "deleted.000.ndjson" names resources of every type, members among them; a file
 * of another shape holds none.                                                                              EXP-06 */
static bool covers_file(sb_service *service, const sb_server_request *request, const sb_visit *visit, sb_str name)
{
    sb_error err = SB_ERROR_INIT;
    bool covered = false;
    sb_str first = SB_STR_NULL;
    (void)sb_str_split(&name, '.', &first);
    bool of_all = sb_str_eq(first, SB_STR_LIT("deleted"));
    if (!of_all && !sb_scope_is_type(first))
        return true;
    SB_AUTOFREE type = of_all ? NULL : sb_str_dup(first);
    return (of_all || type) &&
           sb_jobs_file_covered(service->o.jobs, visit->client, job_id(request), type, &visit->grant->scopes, &covered,
                                &err) == SB_OK &&
           covered;
}

static void give(sb_service *service, sb_job_file *file, sb_answer *answer)
{
    (void)atomic_fetch_add(&service->files, 1);
    answer->status = 200;
    answer->content_type = file->content_type;
    answer->fd = file->fd;
    answer->size = file->size;
    answer->modified_s = file->modified_s;
    memcpy(answer->etag, file->etag, sizeof(answer->etag));
    file->fd = -1; /* the answer's now */
    if (file->gzip)
        sb_answer_header(answer, "Content-Encoding", "gzip");
    sb_answer_header(answer, "Vary", "Accept-Encoding");
    sb_answer_header(answer, "Cache-Control", "no-store");
}

/* So are our files' names of one form; what a client puts in the place of one may be its token. */
static void note_file(sb_visit *visit, sb_str name)
{
    if (sb_str_is_text(name) && sb_str_ends_with(name, SB_STR_LIT(".ndjson")) && name.len <= SB_JOB_FILE_NAME_MAX)
        (void)snprintf(visit->detail, sizeof(visit->detail), "%.*s", (int)name.len, name.ptr);
}

void sb_route_job_file(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTO(sb_job_file) file = SB_JOB_FILE_INIT;
    sb_str name = request->target.segments[3];
    note_job(visit, request);
    visit->audit = "export.file"; /* members' data leaves the house                                         PDEX-08 */
    note_file(visit, name);
    bool gzip = sb_server_header_any(request, "Accept-Encoding", wants_gzip, NULL) && !goes_on_plain(request);
    if (!visit->grant && sb_server_header_count(request, "Authorization") > 0) {
        visit->reason = "token_for_open_file"; /* as object stores do                                        USE-02 */
        sb_answer_outcome(answer, 400, "invalid", "this URL is its own authorization; send no token with it");
        return;
    }
    if (sb_jobs_file_open(service->o.jobs, visit->grant ? visit->client : NULL, job_id(request), name, gzip, &file,
                          &err) != SB_OK)
        refuse_job(visit, &err, answer);
    else if (visit->grant && !covers_file(service, request, visit, name))
        sb_bearer_insufficient(visit, answer, "system/*.rs");
    else
        give(service, &file, answer);
}

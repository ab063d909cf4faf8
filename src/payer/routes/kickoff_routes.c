/* SPDX-License-Identifier: Apache-2.0 */
/* kickoff_routes.c - $export at its three levels, by GET and POST.                                   EXP-01 … EXP-06 */
#include <stdio.h>

#include "base/json.h"
#include "fhir/parameters.h"
#include "http/accept.h"
#include "payer/export/kickoff_request.h"
#include "payer/routes/service_internal.h"

static bool accepts(sb_str value, const void *of)
{
    (void)of;
    return sb_accept_media(value, SB_FHIR_JSON) || sb_accept_media(value, SB_JSON);
}

static bool prefers_async(sb_str value, const void *of)
{
    (void)of;
    return sb_prefer_has(value, "respond-async", NULL);
}

static bool prefers_lenient(sb_str value, const void *of)
{
    (void)of;
    return sb_prefer_has(value, "handling", "lenient");
}

/* What is wrong with the request as such, before anything is read of what it asks for. */
static bool refuse_form(sb_visit *visit, sb_answer *answer, unsigned status, const char *reason, const char *why)
{
    visit->reason = reason;
    visit->audit = "export.refused";
    sb_answer_outcome(answer, status, status == 400 ? "invalid" : "not-supported", why);
    return false;
}

static bool check_headers(const sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    if (!sb_server_header_any(request, "Prefer", prefers_async, NULL))
        return refuse_form(visit, answer, 400, "prefer_missing",
                           "an export is asynchronous: send Prefer: respond-async"); /* EXP-05 */
    if (sb_server_header_count(request, "Accept") > 0 && !sb_server_header_any(request, "Accept", accepts, NULL))
        return refuse_form(visit, answer, 406, "accept_not_offered",
                           "the answer is application/fhir+json; let Accept have it");
    return true;
}

static void read_level(const sb_server_request *request, sb_job_request *out)
{
    out->level = SB_JOB_SYSTEM;
    if (sb_target_at(&request->target, 1, "Patient"))
        out->level = SB_JOB_PATIENT;
    if (!sb_target_at(&request->target, 1, "Group"))
        return;
    out->level = SB_JOB_GROUP;
    out->group_id = request->target.segments[2];
}

static const char *level_name(sb_job_level level)
{
    static const char *const names[] = {"system", "patient", "group"};
    return names[level];
}

/* What the audit log is to know, whatever becomes of it. Types are as they were asked for.                  PDEX-08 */
static void note_request(sb_visit *visit, const sb_job_request *job)
{
    SB_AUTO(sb_buf) text = SB_BUF_INIT;
    bool ok = sb_buf_printf(&text, "%s export", level_name(job->level));
    for (size_t i = 0; ok && i < job->types.count && text.len < sizeof(visit->detail); i++)
        ok = sb_buf_printf(&text, "%s%.*s", i == 0 ? " of " : ",", (int)job->types.items[i].len,
                           job->types.items[i].ptr ? job->types.items[i].ptr : "");
    if (ok && job->patients.count > 0)
        ok = sb_buf_printf(&text, ", of listed members");
    if (!ok || !sb_str_is_text(sb_buf_str(&text)))
        sb_buf_clear(&text);
    (void)snprintf(visit->detail, sizeof(visit->detail), "%s", sb_buf_cstr(&text));
    (void)snprintf(visit->group, sizeof(visit->group), "%.*s", (int)SB_MIN(job->group_id.len, (size_t)SB_DATA_ID_MAX),
                   job->group_id.ptr ? job->group_id.ptr : "");
    if (job->patients.count > 0)
        visit->members = (int64_t)job->patients.count;
}

static void refuse(sb_visit *visit, const sb_error *err, const sb_job_refusal *refusal, sb_answer *answer)
{
    visit->reason = sb_export_refusal_name(refusal->why);
    visit->audit = "export.refused";
    sb_answer_error(answer, err);
    if (err->http_status == 429 || err->http_status == 503)
        sb_answer_header(answer, "Retry-After", "%u", refusal->retry_after_s); /* EXP-04 */
    if (refusal->why == SB_EXPORT_REFUSAL_SCOPE)
        sb_answer_header(answer, "WWW-Authenticate", "Bearer realm=\"smartbulk\", error=\"insufficient_scope\"");
}

static void refuse_parameters(sb_visit *visit, const sb_error *err, const sb_kickoff *kickoff, sb_answer *answer)
{
    refuse(visit, err, &(sb_job_refusal){.why = kickoff->refusal}, answer);
}

static void start(sb_service *service, const sb_server_request *request, sb_visit *visit, const sb_kickoff *kickoff,
                  sb_answer *answer)
{
    char id[SB_JOB_ID_SIZE];
    sb_job_refusal refusal = {SB_EXPORT_REFUSAL_INTERNAL, 1};
    sb_error err = SB_ERROR_INIT;
    SB_AUTOFREE url =
        sb_printf("%s%s%s%s", service->base_url, request->target.path, request->target.query_text ? "?" : "",
                  request->target.query_text ? request->target.query_text : "");
    sb_job_request job = {.client_id = visit->client,
                          .request_url = url,
                          .scopes = &visit->grant->scopes,
                          .lenient = sb_server_header_any(request, "Prefer", prefers_lenient, NULL)};
    read_level(request, &job);
    sb_kickoff_fill(kickoff, &job);
    note_request(visit, &job);
    sb_status status = url ? sb_jobs_create(service->o.jobs, &job, id, &refusal, &err) : sb_error_nomem(&err);
    if (status != SB_OK) {
        refuse(visit, &err, &refusal, answer);
        return;
    }
    (void)atomic_fetch_add(&service->exports, 1);
    visit->audit = "export.started";
    memcpy(visit->job, id, sizeof(visit->job));
    answer->status = 202;
    sb_answer_header(answer, "Content-Location", "%s/jobs/%s", service->fhir_url, id);
    sb_answer_header(answer, "Cache-Control", "no-store");
}

void sb_route_kickoff_get(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTO(sb_kickoff) kickoff = SB_KICKOFF_INIT;
    if (strcmp(request->method, "HEAD") == 0) { /* it would start an export */
        (void)refuse_form(visit, answer, 405, "method_not_offered", "this method is not offered here");
        sb_answer_header(answer, "Allow", "GET, POST");
        return;
    }
    if (!check_headers(request, visit, answer))
        return;
    if (sb_kickoff_from_query(&request->target.query, &kickoff, &err) != SB_OK)
        refuse_parameters(visit, &err, &kickoff, answer);
    else
        start(service, request, visit, &kickoff, answer);
}

void sb_route_kickoff_post(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTO(sb_kickoff) kickoff = SB_KICKOFF_INIT;
    SB_AUTOJSON document = NULL;
    sb_str type = sb_server_header_first(request, "Content-Type");
    if (!check_headers(request, visit, answer))
        return;
    if (!sb_content_type_is(type, SB_FHIR_JSON) && !sb_content_type_is(type, SB_JSON)) {
        (void)refuse_form(visit, answer, 415, sb_refusal_name(SB_REFUSAL_CONTENT_TYPE),
                          "a POST has a Parameters resource as application/fhir+json");
        return;
    }
    if (request->target.query_text) {
        (void)refuse_form(visit, answer, 400, sb_refusal_name(SB_REFUSAL_IN_URL),
                          "a POST has its parameters in the body, none in the URL");
        return;
    }
    if (sb_parameters_parse(request->body, &document, &err) != SB_OK) {
        (void)refuse_form(visit, answer, 400, sb_export_refusal_name(SB_EXPORT_REFUSAL_MALFORMED), err.why);
        return;
    }
    kickoff.davinci = sb_target_at(&request->target, 3, "$davinci-data-export"); /* PDEX-02 */
    if (sb_kickoff_from_parameters(document, &kickoff, &err) != SB_OK)
        refuse_parameters(visit, &err, &kickoff, answer);
    else
        start(service, request, visit, &kickoff, answer);
}

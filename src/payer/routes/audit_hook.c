/* SPDX-License-Identifier: Apache-2.0 */
/* audit_hook.c - what the audit log is told of a request, before its answer goes out: an answer that could not be
 * written there is not given.                                                                               PDEX-08
 *
 * Routes say what happened (visit->audit); for those that leave it open, and for every refusal, the name of the route
 * does. Floods of strangers are told by the second (knocks.h), so that nobody fills the disk by knocking. */
#include <stdio.h>

#include "base/log.h"
#include "payer/ops/audit.h"
#include "payer/routes/service_internal.h"

#define UNWRITTEN       "audit_unwritable"
#define UNWRITTEN_RETRY 30 /* seconds: a disk that is full is made room on by a person */

/* What an answer of a route means where it does not say so itself; `done` NULL: nothing that is worth a line. */
static const struct {
    const char *route, *done, *refused;
    bool durable; /* data or rights are given away: on disk before the answer */
} names[] = {
    {"token", "token.issued", "token.refused", false},
    {"introspect", NULL, "token.introspection_refused", false},
    {"revoke", "token.revoked", "token.revocation_refused", true},
    {"register", "client.registered", "client.registration_refused", true},
    {"registration", NULL, "client.change_refused", true},
    {"kickoff", "export.started", "export.refused", true},
    {"cancel", "export.deleted", "export.deletion_refused", true},
    {"file", "export.file", "access.refused", false},
};

static size_t named(const sb_visit *visit)
{
    size_t i = 0;
    while (i < SB_ARRAY_LEN(names) && (!visit->route || strcmp(names[i].route, visit->route->name) != 0))
        i++;
    return i;
}

static const char *event_of(const sb_server_request *request, const sb_visit *visit, unsigned status)
{
    size_t i = named(visit);
    bool known = i < SB_ARRAY_LEN(names);
    if (visit->audit)
        return visit->audit;
    if (status >= 400)
        return known ? names[i].refused : "access.refused";
    return known && strcmp(request->method, "HEAD") != 0 ? names[i].done : NULL;
}

static const char *reason_of(const sb_visit *visit, unsigned status)
{
    if (visit->reason)
        return visit->reason;
    switch (status) {
    case 401:
        return "unauthorized";
    case 403:
        return "forbidden";
    case 404:
        return "not_found";
    case 405:
        return "method_not_offered";
    case 413:
        return "body_too_long";
    case 429:
        return "too_many";
    case 431:
        return "headers_too_many";
    default:
        return status >= 500 ? "server_failed" : status >= 400 ? "request_invalid" : NULL;
    }
}

/* A stranger's knocking: one line a second stands for all of it. Who proved who he is, or claims to be a client that there
 * is, is told each time: the former within that client's limits, the latter within the limit of failures. */
static bool is_knocking(const sb_visit *visit, unsigned status)
{
    if (status == 429 && !visit->grant)
        return true;
    return status >= 400 && (!visit->client[0] || visit->is_stranger) && !visit->actor[0];
}

/* False: it is one of those that this second's line stands for. */
static bool is_told(sb_service *service, const char *reason, char before[SB_KNOCKS_TEXT_SIZE])
{
    const sb_clock *clock = service->o.clock;
    return sb_knocks_add(&service->knocks, reason, clock->wall_s(clock->impl), before);
}

/* Group and job of the address, where the route has not filled them in. */
static void read_path(const sb_server_request *request, sb_visit *visit)
{
    const sb_target *target = &request->target;
    const char *second = target->segment_count > 2 ? target->segments[2].ptr : "";
    if (!visit->route)
        return;
    if (sb_str_starts_with(sb_str_from(visit->route->path), SB_STR_LIT("fhir/Group/*")) && !visit->group[0])
        (void)snprintf(visit->group, sizeof(visit->group), "%s", second);
    if (sb_str_starts_with(sb_str_from(visit->route->path), SB_STR_LIT("fhir/jobs/*")) && !visit->job[0] &&
        sb_jobs_is_id(sb_str_from(second)))
        (void)snprintf(visit->job, sizeof(visit->job), "%s", second);
}

/* What was done is not known to anybody: as if it had not been. */
static void undo(sb_service *service, const sb_visit *visit, const char *event)
{
    sb_error err = SB_ERROR_INIT;
    if (strcmp(event, "export.started") == 0 && visit->job[0])
        (void)sb_jobs_delete(service->o.jobs, visit->client, sb_str_from(visit->job), &err);
    if (strcmp(event, "client.registered") == 0)
        (void)sb_clients_remove(service->o.clients, sb_str_from(visit->client), &err);
}

static bool tell(sb_service *service, const sb_server_request *request, sb_visit *visit, const char *event,
                 unsigned status)
{
    char before[SB_KNOCKS_TEXT_SIZE] = "";
    size_t i = named(visit);
    if (is_knocking(visit, status) && !is_told(service, reason_of(visit, status), before))
        return true;
    read_path(request, visit);
    sb_audit_event line = {.event = event,
                           .outcome = status < 400   ? "ok"
                                      : status < 500 ? "refused"
                                                     : "failed",
                           .reason = reason_of(visit, status),
                           .client = visit->client,
                           .actor = visit->actor,
                           .peer = request->peer,
                           .group = visit->group,
                           .job = visit->job,
                           .detail = before[0] ? before : visit->detail,
                           .members = visit->members,
                           .durable =
                               status < 400 && (visit->actor[0] || (i < SB_ARRAY_LEN(names) && names[i].durable))};
    return sb_audit_add(service->o.audit, &line);
}

void sb_audit_end(sb_service *service)
{
    char before[SB_KNOCKS_TEXT_SIZE];
    sb_audit_event line = {
        .event = "access.refused", .outcome = "refused", .reason = "several", .detail = before, .members = -1};
    if (service->o.audit && service->has_knocks && sb_knocks_take(&service->knocks, before) &&
        !sb_audit_add(service->o.audit, &line))
        sb_log_warn("what strangers were refused for last is not in the audit log");
}

bool sb_audit_visit(sb_service *service, const sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    unsigned status = answer->broken ? 500 : answer->status;
    const char *event = event_of(request, visit, status);
    if (!service->o.audit || !event || tell(service, request, visit, event, status))
        return true;
    if (status < 400)
        undo(service, visit, event);
    visit->reason = UNWRITTEN;
    sb_answer_cleanup(answer);
    answer->status = 503;
    sb_answer_header(answer, "Retry-After", "%d", UNWRITTEN_RETRY);
    return false;
}

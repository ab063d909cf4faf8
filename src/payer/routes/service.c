/* SPDX-License-Identifier: Apache-2.0 */
/* service.c - finds the route of a request, sees to its token, calls it, reports it. Knows no route's subject. */
#include "payer/routes/service.h"

#include "payer/routes/service_internal.h"

#define REGISTRATIONS_BURST      20 /* of one address at once; a partner registers two or three clients */
#define REGISTRATIONS_PER_MINUTE 5

static const char *const default_algs[] = {"RS384", "ES384", NULL}; /* AUTH-02 */

static const sb_route *const tables[] = {sb_oauth_routes, sb_fhir_routes};

#define TABLES (SB_ARRAY_LEN(tables) + 1)

static const sb_route *table(const sb_service *service, size_t index)
{
    static const sb_route none = {NULL, NULL, NULL, 0, SB_ROUTE_OPEN, NULL};
    if (index < SB_ARRAY_LEN(tables))
        return tables[index];
    return service->o.pages ? service->o.pages->routes : &none;
}

/* Also when the target could not be read: who means to speak FHIR is answered in it. */
static bool is_fhir(const sb_server_request *request)
{
    if (request->target.path)
        return sb_target_at(&request->target, 0, SB_FHIR_ROOT);
    return sb_str_starts_with(sb_str_from(request->raw_target), SB_STR_LIT("/" SB_FHIR_ROOT "/"));
}

static bool is_page(const sb_service *service, const sb_server_request *request)
{
    return service->o.pages && request->target.path && sb_target_at(&request->target, 0, SB_PAGE_ROOT);
}

/* No, in the manner of whoever asks: FHIR, a browser, OAuth. The answer has its status. */
static void say_no(const sb_service *service, const sb_server_request *request, const char *fhir_code, const char *why,
                   sb_answer *answer)
{
    if (is_fhir(request))
        sb_answer_outcome(answer, answer->status, fhir_code, why);
    else if (is_page(service, request))
        service->o.pages->refuse(service->o.pages->impl, request, why, answer);
    else
        sb_answer_oauth(answer, answer->status, answer->status == 503 ? "temporarily_unavailable" : "invalid_request",
                        why);
}

static void audit(sb_service *service, const sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    if (!sb_audit_visit(service, request, visit, answer))
        say_no(service, request, "transient", "the server cannot do this now; come back later", answer);
}

/* No route, or none for this method. */
static void no_route(const sb_service *service, const sb_server_request *request, sb_answer *answer)
{
    SB_AUTO(sb_buf) allow = SB_BUF_INIT;
    for (size_t i = 0; i < TABLES; i++) {
        for (const sb_route *route = table(service, i); route->method; route++) {
            if (sb_path_fits(route->path, &request->target) &&
                !sb_buf_printf(&allow, "%s%s", allow.len ? ", " : "", route->method))
                answer->broken = true;
        }
    }
    answer->status = allow.len ? 405 : 404;
    if (allow.len)
        say_no(service, request, "not-supported", "this method is not offered here", answer);
    else
        say_no(service, request, "not-found", "there is nothing at this address", answer);
    if (allow.len)
        sb_answer_header(answer, "Allow", "%s", sb_buf_cstr(&allow));
}

static bool needs_token(const sb_service *service, const sb_visit *visit, const sb_server_request *request)
{
    if (!visit->route)
        return is_fhir(request); /* a stranger need not know which addresses there are */
    return visit->route->access == SB_ROUTE_BEARER &&
           !(service->o.open_files && visit->route->run == sb_route_job_file);
}

static const sb_route *find_route(const sb_service *service, const sb_server_request *request)
{
    for (size_t i = 0; i < TABLES; i++) {
        for (const sb_route *route = table(service, i); route->method; route++) {
            if (sb_path_fits(route->path, &request->target) && sb_method_fits(route->method, request->method))
                return route;
        }
    }
    return NULL;
}

/* NULL without memory. */
static sb_visit *visit_of(sb_server_request *request)
{
    if (!request->user) {
        sb_visit *visit = calloc(1, sizeof(*visit));
        if (visit)
            visit->members = SB_VISIT_MEMBERS_UNKNOWN;
        request->user = visit;
    }
    return request->user;
}

static bool on_begin(void *impl, sb_server_request *request, size_t *body_max, sb_answer *answer)
{
    sb_service *service = impl;
    sb_visit *visit = visit_of(request);
    if (!visit) {
        answer->broken = true;
        return false;
    }
    visit->route = find_route(service, request);
    bool allowed = !needs_token(service, visit, request) || sb_bearer_check(service, request, visit, answer);
    if (allowed && !visit->route)
        no_route(service, request, answer);
    if (!allowed || !visit->route) {
        audit(service, request, visit, answer);
        return false;
    }
    *body_max = visit->route->body_max;
    return true;
}

static void on_respond(void *impl, sb_server_request *request, sb_answer *answer)
{
    sb_visit *visit = request->user;
    visit->route->run(impl, request, visit, answer);
    audit(impl, request, visit, answer);
}

static void on_refuse(void *impl, sb_server_request *request, const char *why, sb_answer *answer)
{
    sb_visit *visit = visit_of(request); /* there is none yet when not even the target could be read */
    say_no(impl, request, answer->status == 413 ? "too-long" : "invalid", why, answer);
    if (visit)
        audit(impl, request, visit, answer);
}

/* The path for the log. Queries name members; and so does the path of a request that a proxy asks about (Envoy puts it behind
 * our own), whose route alone is told. */
static sb_str shown_path(const sb_server_request *request, const sb_visit *visit)
{
    sb_str raw = sb_str_from(request->raw_target), path = SB_STR_NULL;
    bool asked = visit && visit->route && visit->route->run == sb_route_decision;
    if (asked || sb_str_starts_with(raw, SB_STR_LIT(SB_DECISION_PATH)))
        return SB_STR_LIT(SB_DECISION_PATH);
    (void)sb_str_split(&raw, '?', &path);
    return path;
}

static void on_answered(void *impl, const sb_server_request *request, unsigned status, uint64_t bytes, int64_t took_ns)
{
    sb_service *service = impl;
    const sb_visit *visit = request->user;
    (void)atomic_fetch_add(&service->requests, 1);
    (void)atomic_fetch_add(&service->bytes, bytes);
    sb_metrics_answer(service->o.metrics, visit && visit->route ? visit->route->name : NULL, status, bytes, took_ns,
                      visit ? visit->reason : NULL);
    if (!service->o.on_event)
        return;
    sb_service_event event = {.method = request->method,
                              .path = shown_path(request, visit),
                              .peer = request->peer,
                              .status = status,
                              .bytes = bytes,
                              .took_ns = took_ns,
                              .route = visit && visit->route ? visit->route->name : "",
                              .client = visit ? visit->client : "",
                              .reason = visit && visit->reason ? visit->reason : ""};
    service->o.on_event(service->o.on_event_impl, &event);
}

static void on_release(void *impl, sb_server_request *request)
{
    sb_visit *visit = request->user;
    (void)impl;
    if (!visit)
        return;
    sb_grant_free(visit->grant);
    free(visit);
    request->user = NULL;
}

sb_server_handler sb_service_handler(sb_service *service)
{
    return (sb_server_handler){.impl = service,
                               .begin = on_begin,
                               .respond = on_respond,
                               .refuse = on_refuse,
                               .answered = on_answered,
                               .release = on_release};
}

/* Beginning and end */

sb_status sb_service_new(const sb_service_options *options, sb_service **out, sb_error *err)
{
    SB_AUTOPTR(sb_service) service = calloc(1, sizeof(*service));
    if (!service)
        return sb_error_nomem(err);
    service->o = *options;
    service->has_knocks = sb_knocks_init(&service->knocks);
    service->base_url = sb_str_dup(sb_str_from(options->base_url));
    service->fhir_url = sb_printf("%s/" SB_FHIR_ROOT, options->base_url);
    service->token_url = sb_printf("%s/token", options->base_url);
    service->register_url = sb_printf("%s/register", options->base_url);
    service->introspect_url = sb_printf("%s/introspect", options->base_url);
    service->revoke_url = sb_printf("%s/revoke", options->base_url);
    service->jwks_url = sb_printf("%s/jwks", options->base_url);
    if (!service->has_knocks || !service->base_url || !service->fhir_url || !service->token_url ||
        !service->register_url || !service->introspect_url || !service->revoke_url || !service->jwks_url)
        return sb_error_nomem(err);
    service->o.base_url = service->base_url;
    service->o.algs = options->algs ? options->algs : default_algs;
    if (!options->registration_scope)
        service->o.registration_scope = SB_SERVICE_SCOPES_MAX;
    sb_assertion_policy policy = {.token_url = service->token_url,
                                  .issuer = service->base_url,
                                  .algs = service->o.algs,
                                  .clients = options->clients,
                                  .keys = options->keys,
                                  .clock = options->clock};
    SB_TRY(sb_assertion_checker_new(&policy, &service->checker, err));
    SB_TRY(sb_failures_new(options->clock, options->failures_burst, options->failures_per_minute, &service->failures,
                           err));
    SB_TRY(
        sb_failures_new(options->clock, REGISTRATIONS_BURST, REGISTRATIONS_PER_MINUTE, &service->registrations, err));
    *out = service;
    service = NULL;
    return SB_OK;
}

void sb_service_free(sb_service *service)
{
    if (!service)
        return;
    sb_audit_end(service);
    if (service->has_knocks)
        sb_knocks_destroy(&service->knocks);
    sb_assertion_checker_free(service->checker);
    sb_failures_free(service->failures);
    sb_failures_free(service->registrations);
    free(service->base_url);
    free(service->fhir_url);
    free(service->token_url);
    free(service->register_url);
    free(service->introspect_url);
    free(service->revoke_url);
    free(service->jwks_url);
    free(service);
}

const char *sb_service_fhir_url(const sb_service *service)
{
    return service->fhir_url;
}

const char *sb_service_register_url(const sb_service *service)
{
    return service->register_url;
}

void sb_service_count(const sb_service *service, sb_service_counts *out)
{
    *out = (sb_service_counts){.requests = atomic_load(&service->requests),
                               .token_requests = atomic_load(&service->token_requests),
                               .tokens_issued = atomic_load(&service->tokens_issued),
                               .tokens_refused = atomic_load(&service->tokens_refused),
                               .unauthorized = atomic_load(&service->unauthorized),
                               .exports = atomic_load(&service->exports),
                               .files = atomic_load(&service->files),
                               .bytes = atomic_load(&service->bytes)};
}

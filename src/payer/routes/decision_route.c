/* SPDX-License-Identifier: Apache-2.0 */
/* decision_route.c - may this request go through? For servers that a payer already has, asked by the proxy before them:
 * nginx's auth_request, Envoy's ext_authz. docs/decision.md has both configurations.
 *
 *   nginx: GET /authorize-request; X-Original-Method and X-Original-URI have the request as it came
 *   Envoy: the request's own method and path, behind /authorize-request
 *   X-FHIR-Base                         where the FHIR server's base is in it; /fhir when not set
 *   Authorization                       the client's own
 *
 * The proxy sets the X- headers, whatever the client sent.
 *
 * 204: let it through; X-Client-Id and X-Client-Scope tell who it is. 401 and 403 carry WWW-Authenticate. A token that
 * could not be looked up is a 503, which proxies turn into a refusal of their own. */
#include "payer/auth/request_scope.h"
#include "payer/routes/service_internal.h"

#define BASE_DEFAULT "/fhir"

/* The request that is asked about. */
typedef struct question {
    char *method;
    sb_target target, base;
    bool readable; /* `target` is */
} question;

static void question_cleanup(question *q)
{
    free(q->method);
    sb_target_cleanup(&q->target);
    sb_target_cleanup(&q->base);
}

/* A header that is there once; empty: it is not. */
static sb_str only(const sb_server_request *request, const char *name)
{
    return sb_server_header_count(request, name) == 1 ? sb_server_header_first(request, name) : (sb_str){"", 0};
}

/* False: the proxy did not ask as it must. */
static bool read_question(const sb_server_request *request, question *q)
{
    bool behind = request->target.segment_count > 1;
    sb_str uri = only(request, "X-Original-URI"), method = only(request, "X-Original-Method");
    sb_str base = only(request, "X-FHIR-Base");
    if (behind) {
        uri = sb_str_from(request->raw_target);
        method = sb_str_from(request->method);
        if (!sb_str_starts_with(uri, SB_STR_LIT(SB_DECISION_PATH)))
            return false;
        uri = (sb_str){uri.ptr + strlen(SB_DECISION_PATH), uri.len - strlen(SB_DECISION_PATH)};
    }
    if (sb_server_header_count(request, "X-FHIR-Base") == 0)
        base = SB_STR_LIT(BASE_DEFAULT);
    if (uri.len == 0 || method.len == 0 || base.len == 0 || sb_target_parse(base, &q->base, NULL) != SB_OK)
        return false;
    q->method = sb_str_dup(method);
    q->readable = sb_target_parse(uri, &q->target, NULL) == SB_OK;
    return q->method != NULL;
}

static void refuse(sb_visit *visit, sb_answer *answer, unsigned status, const char *reason, const char *why)
{
    visit->reason = reason;
    sb_answer_outcome(answer, status, status == 403 ? "forbidden" : "invalid", why);
    if (status == 403)
        sb_answer_header(answer, "WWW-Authenticate", "Bearer realm=\"smartbulk\", error=\"insufficient_scope\"");
}

static void let_through(const sb_visit *visit, sb_answer *answer)
{
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    answer->status = 204;
    sb_answer_header(answer, "Cache-Control", "no-store");
    if (!visit->grant)
        return;
    if (!sb_scopes_format(&visit->grant->scopes, &scope))
        answer->broken = true;
    sb_answer_header(answer, "X-Client-Id", "%s", visit->client);
    sb_answer_header(answer, "X-Client-Scope", "%s", sb_buf_cstr(&scope));
}

/* Two headers could be read as two clients: nobody is told which one was meant.                             USE-06 */
static bool one_authorization(const sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    if (sb_server_header_count(request, "Authorization") <= 1)
        return true;
    visit->reason = "authorization_repeated";
    sb_answer_outcome(answer, 401, "login", "there are several Authorization headers; send one");
    sb_answer_header(answer, "WWW-Authenticate", "Bearer realm=\"smartbulk\", error=\"invalid_request\"");
    return false;
}

void sb_route_decision(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    SB_AUTO(question) q = {.method = NULL};
    sb_request_need need = {.access = SB_REQUEST_NEVER};
    if (!read_question(request, &q)) {
        refuse(visit, answer, 400, "decision_not_asked",
               "the proxy must send X-Original-Method, X-Original-URI and, if it is not /fhir, X-FHIR-Base: once each");
        return;
    }
    if (q.readable)
        sb_request_scope(q.method, &q.target, &q.base, &need);
    if (need.access != SB_REQUEST_OPEN &&
        (!one_authorization(request, visit, answer) || !sb_bearer_check(service, request, visit, answer)))
        return;
    if (need.access == SB_REQUEST_NEVER)
        refuse(visit, answer, 403, "request_not_known", "requests of this kind are not let through");
    else if (need.access == SB_REQUEST_SCOPED && !sb_request_covered(&need, &visit->grant->scopes))
        refuse(visit, answer, 403, "scope_insufficient", "the token's scope does not cover this request");
    else
        let_through(visit, answer);
}

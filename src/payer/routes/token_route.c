/* SPDX-License-Identifier: Apache-2.0 */
/* token_route.c - POST /token: a client assertion against an access token.         TOK-02, TOK-04, AUTH-06, AUTH-10
 *
 * The order is the point: first what costs nothing, then the assertion, then the scope, then (once, atomically) the
 * jti, and only then the token: a request that is refused uses nothing up, and of two with one jti one wins. */
#include "base/json.h"
#include "base/secret.h"
#include "http/accept.h"
#include "payer/routes/service_internal.h"

#define FIELDS_MAX        64 /* four are known; who sends more sends extensions */
#define ASSERTION_TYPE    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define GENERIC           "the client could not be authenticated" /* one text for every reason */
#define FULL_RETRY_S      5
#define TOO_OFTEN_RETRY_S 1

/* A request as it is worked off. */
typedef struct attempt {
    sb_service *service;
    const sb_server_request *request;
    sb_visit *visit;
    sb_answer *answer;
    sb_form form;
    sb_assertion_good good;
    sb_scopes granted;
} attempt;

static void attempt_cleanup(attempt *a)
{
    sb_form_cleanup(&a->form);
    sb_assertion_good_cleanup(&a->good);
    sb_scopes_cleanup(&a->granted);
}

static bool invalid_request(attempt *a, const char *reason, const char *description)
{
    a->visit->reason = reason;
    sb_answer_oauth(a->answer, 400, "invalid_request", description);
    return false;
}

/* 401 with the scheme that was used, if one was (RFC 6749 §5.2): any 401 names one.                         TOK-04 */
static bool refuse_client(attempt *a, const char *reason, const char *description)
{
    bool basic = sb_server_header_count(a->request, "Authorization") > 0;
    a->visit->reason = reason;
    sb_answer_oauth(a->answer, 401, "invalid_client", description);
    sb_answer_header(a->answer, "WWW-Authenticate", "%s realm=\"token\"", basic ? "Basic" : "Bearer");
    return false;
}

static bool invalid_client(attempt *a, const char *reason)
{
    return refuse_client(a, reason, GENERIC);
}

/* A client under onboarding is told why; and so is who only says that he is one: the operator who switches it on knows
 * that. */
static bool not_authenticated(attempt *a, sb_refusal refusal)
{
    SB_AUTOFREE told = NULL;
    if (a->good.show_reason)
        told = sb_printf("%s: %s", sb_refusal_name(refusal), sb_refusal_text(refusal));
    return refuse_client(a, sb_refusal_name(refusal), told ? told : GENERIC);
}

static bool unavailable(attempt *a, sb_refusal refusal)
{
    a->visit->reason = sb_refusal_name(refusal);
    sb_answer_oauth(a->answer, 503, "temporarily_unavailable", "no token can be issued now; come back later");
    sb_answer_header(a->answer, "Retry-After", "%d", FULL_RETRY_S);
    return false;
}

/* Of a parameter that was sent once; empty: not sent, or sent without a value, which is the same (RFC 6749 §3.1). */
static sb_str field(const attempt *a, const char *name)
{
    const sb_form_field *f = sb_form_find(&a->form, name);
    return f ? f->value : (sb_str){"", 0};
}

static bool repeats_itself(const sb_form *form)
{
    for (size_t i = 0; i < form->len; i++) {
        for (size_t k = 0; k < i; k++) {
            if (sb_str_eq(form->items[i].name, form->items[k].name))
                return true;
        }
    }
    return false;
}

/* What can be seen without looking at the assertion. */
static bool check_form(attempt *a)
{
    sb_error err = SB_ERROR_INIT;
    if (!sb_content_type_is(sb_server_header_first(a->request, "Content-Type"), "application/x-www-form-urlencoded"))
        return invalid_request(a, "content_type_wrong", "the Content-Type is not application/x-www-form-urlencoded");
    if (sb_form_parse(a->request->body, FIELDS_MAX, &a->form, &err) != SB_OK)
        return invalid_request(a, "form_malformed", err.why);
    sb_str grant_type = field(a, "grant_type");
    if (grant_type.len > 0 && !sb_str_eq(grant_type, SB_STR_LIT("client_credentials"))) {
        a->visit->reason = "grant_type_unknown"; /* whatever else is wrong                                   TOK-04 */
        sb_answer_oauth(a->answer, 400, "unsupported_grant_type", "the grant type is client_credentials");
        return false;
    }
    if (repeats_itself(&a->form))
        return invalid_request(a, "parameter_repeated", "a parameter is sent more than once");
    if (a->request->target.query_text)
        return invalid_request(a, "parameter_in_url", "parameters belong in the body, not in the URL");
    if (grant_type.len == 0)
        return invalid_request(a, "grant_type_missing", "grant_type is missing");
    return true;
}

static bool check_method(attempt *a)
{
    bool header = sb_server_header_count(a->request, "Authorization") > 0;
    bool secret = field(a, "client_secret").len > 0;
    bool assertion = field(a, "client_assertion").len > 0;
    sb_str type = field(a, "client_assertion_type");
    if (header + secret + assertion > 1)
        return invalid_request(a, "auth_methods_mixed", "the client authenticates in more than one way");
    if (header || secret)
        return invalid_client(a, "auth_method_not_offered");
    if (assertion && !sb_str_eq(type, SB_STR_LIT(ASSERTION_TYPE)))
        return invalid_request(a, "assertion_type_wrong", "client_assertion_type is not " ASSERTION_TYPE);
    if (!assertion)
        return invalid_client(a, "assertion_missing");
    return true;
}

/* Nothing is told that a stranger does not know: it is his address that failed. */
static bool too_often(attempt *a)
{
    a->visit->reason = sb_refusal_name(SB_REFUSAL_TOO_OFTEN);
    sb_answer_oauth(a->answer, 429, "temporarily_unavailable",
                    "too many attempts of this address failed; wait a little");
    sb_answer_header(a->answer, "Retry-After", "%d", TOO_OFTEN_RETRY_S);
    return false;
}

static bool check_assertion(attempt *a)
{
    if (sb_failures_exceeded(a->service->failures, a->request->peer))
        return too_often(a);
    sb_refusal refusal = sb_assertion_check(a->service->checker, field(a, "client_assertion"), field(a, "client_id"),
                                            a->visit->client, &a->good);
    if (refusal == SB_REFUSAL_INTERNAL || refusal == SB_REFUSAL_KEYS_BUSY)
        return unavailable(a, refusal);
    if (refusal == SB_REFUSAL_NONE)
        return true;
    sb_failures_add(a->service->failures, a->request->peer);
    return not_authenticated(a, refusal);
}

static bool has_malformed(const sb_scopes *scopes)
{
    for (size_t i = 0; i < scopes->len; i++) {
        if (scopes->items[i].kind == SB_SCOPE_MALFORMED)
            return true;
    }
    return false;
}

/* Granted is what was asked for and may be had; nothing of it is an error.                                  TOK-08 */
static bool check_scope(attempt *a)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTO(sb_scopes) asked = SB_SCOPES_INIT;
    sb_status status = sb_scopes_parse(field(a, "scope").ptr, &asked, &err);
    if (status == SB_OK && !has_malformed(&asked))
        status = sb_scopes_intersect(&asked, &a->good.client->scopes, &a->granted, &err);
    if (status == SB_E_NOMEM)
        return unavailable(a, SB_REFUSAL_INTERNAL);
    if (status == SB_OK && a->granted.len > 0)
        return true;
    a->visit->reason = sb_refusal_name(SB_REFUSAL_SCOPE);
    sb_answer_oauth(a->answer, 400, "invalid_scope",
                    "the scope is missing, malformed, or nothing of it is granted to this client; ask for system/...");
    return false;
}

/* The assertion is used up and the token kept, in one step.                                                 AUTH-10 */
static bool draw_token(attempt *a, char token[SB_ACCESS_TOKEN_SIZE])
{
    sb_issue issue = {.client = a->good.client,
                      .scopes = &a->granted,
                      .used = sb_digest_of_pair(sb_str_from(a->good.client->id), sb_str_from(a->good.jti)),
                      .dead_s = a->good.dead_s};
    switch (sb_grants_issue(a->service->o.grants, &issue, token)) {
    case SB_ISSUE_DONE:
        return true;
    case SB_ISSUE_REPLAYED:
        return not_authenticated(a, SB_REFUSAL_REPLAYED);
    case SB_ISSUE_REPLAY_FULL:
        return unavailable(a, SB_REFUSAL_REPLAY_FULL);
    case SB_ISSUE_TOKENS_FULL:
        return unavailable(a, SB_REFUSAL_TOKENS_FULL);
    case SB_ISSUE_FAILED:
        break;
    }
    return unavailable(a, SB_REFUSAL_INTERNAL);
}

static bool issue(attempt *a)
{
    char token[SB_ACCESS_TOKEN_SIZE];
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    if (!sb_scopes_format(&a->granted, &scope))
        return unavailable(a, SB_REFUSAL_INTERNAL);
    if (!draw_token(a, token))
        return false;
    SB_AUTOJSON body =
        json_pack("{s:s, s:s, s:I, s:s}", "access_token", token, "token_type", "bearer", "expires_in",
                  (json_int_t)sb_grants_lifetime_s(a->service->o.grants), "scope", sb_buf_cstr(&scope)); /* TOK-02 */
    sb_wipe(token, sizeof(token));
    sb_answer_json(a->answer, 200, SB_JSON, body);
    sb_answer_header(a->answer, "Cache-Control", "no-store");
    sb_answer_header(a->answer, "Pragma", "no-cache");
    a->visit->reason = sb_refusal_name(SB_REFUSAL_NONE);
    return true;
}

void sb_route_token(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    SB_AUTO(attempt) a = {.service = service, .request = request, .visit = visit, .answer = answer};
    (void)atomic_fetch_add(&service->token_requests, 1);
    bool issued = check_form(&a) && check_method(&a) && check_assertion(&a) && check_scope(&a) && issue(&a);
    (void)atomic_fetch_add(issued ? &service->tokens_issued : &service->tokens_refused, 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* token_route.c - POST /token: a client assertion against an access token.         TOK-02, TOK-04, AUTH-06, AUTH-10
 *
 * The order is the point: first what costs nothing, then the assertion, then the scope and the client's limit, then
 * (once, atomically) the jti, and only then the token: a request that is refused uses nothing up, and of two with one jti
 * one wins. */
#include "base/json.h"
#include "base/secret.h"
#include "payer/routes/client_request.h"

/* A request as it is worked off. */
typedef struct attempt {
    sb_client_request client;
    sb_scopes granted;
} attempt;

static void attempt_cleanup(attempt *a)
{
    sb_client_request_cleanup(&a->client);
    sb_scopes_cleanup(&a->granted);
}

static bool check_form(sb_client_request *r)
{
    if (!sb_client_request_read(r))
        return false;
    sb_str grant_type = sb_client_request_field(r, "grant_type");
    if (grant_type.len > 0 && !sb_str_eq(grant_type, SB_STR_LIT("client_credentials"))) /* whatever else is wrong */
        return sb_client_request_bad(r, SB_REFUSAL_GRANT_TYPE_UNKNOWN, "unsupported_grant_type"); /* TOK-04 */
    if (!sb_client_request_check(r))
        return false;
    if (grant_type.len == 0)
        return sb_client_request_invalid(r, SB_REFUSAL_GRANT_TYPE_MISSING);
    return true;
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
    sb_status status = sb_scopes_parse(sb_client_request_field(&a->client, "scope").ptr, &asked, &err);
    if (status == SB_OK && !has_malformed(&asked))
        status = sb_scopes_intersect(&asked, &a->client.good.client->scopes, &a->granted, &err);
    if (status == SB_E_NOMEM)
        return sb_client_request_unavailable(&a->client, SB_REFUSAL_INTERNAL);
    if (status == SB_OK && a->granted.len > 0)
        return true;
    sb_client_request_refused(&a->client, SB_REFUSAL_SCOPE);
    sb_answer_oauth(a->client.answer, 400, "invalid_scope",
                    "the scope is missing, malformed, or nothing of it is granted to this client; ask for system/...");
    return false;
}

/* The assertion is used up and the token kept, in one step.                                                 AUTH-10 */
static bool draw_token(attempt *a, sb_buf *token)
{
    sb_client_request *r = &a->client;
    sb_issue issue = {
        .client = r->good.client, .scopes = &a->granted, .used = sb_client_request_used(r), .dead_s = r->good.dead_s};
    sb_issue_answer answer = sb_grants_issue(r->service->o.grants, &issue, token);
    if (answer != SB_ISSUE_TOO_LONG)
        return sb_client_request_used_up(r, answer);
    sb_client_request_refused(r, SB_REFUSAL_SCOPE);
    sb_answer_oauth(r->answer, 400, "invalid_scope", "the scope is too long for a token; ask for less, or system/*.rs");
    return false;
}

static bool issue(attempt *a)
{
    SB_AUTO(sb_buf) token = SB_BUF_INIT;
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    if (!sb_scopes_format(&a->granted, &scope))
        return sb_client_request_unavailable(&a->client, SB_REFUSAL_INTERNAL);
    if (!draw_token(a, &token))
        return false;
    SB_AUTOJSON body = json_pack("{s:s, s:s, s:I, s:s}", "access_token", sb_buf_cstr(&token), "token_type", "bearer",
                                 "expires_in", (json_int_t)sb_grants_lifetime_s(a->client.service->o.grants), "scope",
                                 sb_buf_cstr(&scope)); /* TOK-02 */
    sb_buf_wipe(&token);
    sb_answer_json(a->client.answer, 200, SB_JSON, body);
    sb_answer_header(a->client.answer, "Cache-Control", "no-store");
    sb_answer_header(a->client.answer, "Pragma", "no-cache");
    a->client.visit->reason = sb_refusal_name(SB_REFUSAL_NONE);
    return true;
}

void sb_route_token(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    SB_AUTO(attempt) a = {.client = {.service = service, .request = request, .visit = visit, .answer = answer}};
    (void)atomic_fetch_add(&service->token_requests, 1);
    bool issued = check_form(&a.client) && sb_client_request_authenticate(&a.client) && check_scope(&a) &&
                  sb_client_request_take(&a.client) && issue(&a);
    (void)atomic_fetch_add(issued ? &service->tokens_issued : &service->tokens_refused, 1);
}

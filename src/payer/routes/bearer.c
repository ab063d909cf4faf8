/* SPDX-License-Identifier: Apache-2.0 */
/* bearer.c - the token of a request: taken from its header, looked up, refused as RFC 6750 says. */
#include <string.h>

#include "payer/routes/service_internal.h"

#define REALM         "smartbulk"
#define UNKNOWN_RETRY 5 /* seconds: a database that restarts is back by then */

/* RFC 6750 §3.1: who sent no token is told the scheme alone; who sent a bad one is told so. */
static void unauthorized(sb_service *service, sb_visit *visit, sb_answer *answer, bool sent)
{
    (void)atomic_fetch_add(&service->unauthorized, 1);
    visit->reason = sent ? "token_invalid" : "token_missing";
    sb_answer_outcome(answer, 401, "login",
                      sent ? "the access token is unknown, expired or revoked; get a new one"
                           : "an access token is needed: Authorization: Bearer");
    if (sent)
        sb_answer_header(answer, "WWW-Authenticate", "Bearer realm=\"" REALM "\", error=\"invalid_token\"");
    else
        sb_answer_header(answer, "WWW-Authenticate", "Bearer realm=\"" REALM "\"");
}

/* Whether the token is good is not known: a 401 would be a refusal that clients take for final.            TOK-05 */
static void unknowable(sb_visit *visit, sb_answer *answer)
{
    visit->reason = sb_refusal_name(SB_REFUSAL_INTERNAL);
    sb_answer_outcome(answer, 503, "transient", "access tokens cannot be looked up now; come back later");
    sb_answer_header(answer, "Retry-After", "%d", UNKNOWN_RETRY);
}

sb_str sb_bearer_of(const sb_server_request *request)
{
    static const sb_str scheme = SB_STR_LIT("bearer ");
    sb_str header = sb_server_header_first(request, "Authorization");
    if (sb_server_header_count(request, "Authorization") > 1 || header.len < scheme.len ||
        !sb_str_eq_nocase((sb_str){header.ptr, scheme.len}, scheme))
        return (sb_str){"", 0};
    return sb_str_trim((sb_str){header.ptr + scheme.len, header.len - scheme.len});
}

bool sb_bearer_check(sb_service *service, const sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    size_t count = sb_server_header_count(request, "Authorization");
    sb_str token = sb_bearer_of(request);
    if (count > 1) {
        visit->reason = "authorization_repeated";
        sb_answer_outcome(answer, 400, "invalid", "there are several Authorization headers; send one");
        return false;
    }
    if (token.len == 0) {
        unauthorized(service, visit, answer, false);
        return false;
    }
    if (sb_grants_find(service->o.grants, token, &visit->grant, NULL) != SB_OK) {
        unknowable(visit, answer);
        return false;
    }
    if (!visit->grant) {
        unauthorized(service, visit, answer, true);
        return false;
    }
    memcpy(visit->client, visit->grant->client->id, strlen(visit->grant->client->id) + 1); /* SB_CLIENT_ID_MAX */
    return true;
}

void sb_bearer_insufficient(sb_visit *visit, sb_answer *answer, const char *needed)
{
    visit->reason = "scope_insufficient";
    sb_answer_outcome(answer, 403, "forbidden", "the token's scope does not cover this; ask for a token with more");
    sb_answer_header(answer, "WWW-Authenticate",
                     "Bearer realm=\"" REALM "\", error=\"insufficient_scope\", scope=\"%s\"", needed);
}

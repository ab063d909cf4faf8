/* SPDX-License-Identifier: Apache-2.0 */
/* introspect_route.c - POST /introspect: a resource server asks what a token stands for.                    RFC 7662
 *
 * Only servers that the configuration names may ask, by HTTP Basic. Of a token that is not live they hear that it is not,
 * and nothing else: not why, not whose it was. */
#include "base/json.h"
#include "base/secret.h"
#include "http/accept.h"
#include "payer/auth/basic_credentials.h"
#include "payer/routes/service_internal.h"

#define FIELDS_MAX 16
#define RETRY_S    5

static void invalid_request(sb_visit *visit, sb_answer *answer, const char *reason, const char *why)
{
    visit->reason = reason;
    sb_answer_oauth(answer, 400, "invalid_request", why);
}

static void unauthorized(sb_service *service, const sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    visit->reason = "resource_server_unknown";
    sb_failures_add(service->failures, request->peer);
    sb_answer_oauth(answer, 401, "invalid_client", "the resource server could not be authenticated");
    sb_answer_header(answer, "WWW-Authenticate", "Basic realm=\"introspection\"");
}

/* All are compared, so that the time tells nothing; digests, so that lengths do not. */
static bool is_known(const sb_service *service, sb_str id, sb_str secret)
{
    sb_digest id_digest = sb_digest_of(id), secret_digest = sb_digest_of(secret);
    bool known = false;
    for (size_t i = 0; i < service->o.introspector_count; i++) {
        const sb_introspector *one = &service->o.introspectors[i];
        unsigned id_fits = sb_secret_equal(&one->id, &id_digest, sizeof(id_digest));
        unsigned secret_fits = sb_secret_equal(&one->secret, &secret_digest, sizeof(secret_digest));
        known |= (id_fits & secret_fits) != 0;
    }
    return known;
}

static bool authenticate(const sb_service *service, const sb_server_request *request)
{
    SB_AUTO(sb_buf) id = SB_BUF_INIT;
    SB_AUTO(sb_buf) secret = SB_BUF_INIT;
    bool ok = sb_server_header_count(request, "Authorization") == 1 &&
              sb_basic_read(sb_server_header_first(request, "Authorization"), &id, &secret) &&
              is_known(service, sb_buf_str(&id), sb_buf_str(&secret));
    sb_buf_wipe(&secret);
    return ok;
}

static void answer_grant(const sb_service *service, const sb_grant *grant, sb_answer *answer)
{
    SB_AUTO(sb_buf) scope = SB_BUF_INIT;
    bool ok = !grant || sb_scopes_format(&grant->scopes, &scope);
    SB_AUTOJSON body = !ok     ? NULL
                       : grant ? json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "active", 1, "client_id",
                                           grant->client->id, "sub", grant->client->id, "scope", sb_buf_cstr(&scope),
                                           "token_type", "bearer", "iss", service->o.base_url, "iat",
                                           (json_int_t)grant->issued_s, "exp", (json_int_t)grant->expires_s)
                               : json_pack("{s:b}", "active", 0);
    sb_answer_json(answer, 200, SB_JSON, body);
    sb_answer_header(answer, "Cache-Control", "no-store");
    sb_answer_header(answer, "Pragma", "no-cache");
}

static void introspect(sb_service *service, sb_str token, sb_visit *visit, sb_answer *answer)
{
    SB_AUTOPTR(sb_grant) grant = NULL;
    if (sb_grants_find(service->o.grants, token, &grant, NULL) == SB_OK) {
        answer_grant(service, grant, answer);
        return;
    }
    visit->reason = sb_refusal_name(SB_REFUSAL_INTERNAL); /* not known is not inactive */
    sb_answer_oauth(answer, 503, "temporarily_unavailable", "tokens cannot be looked up now; come back later");
    sb_answer_header(answer, "Retry-After", "%d", RETRY_S);
}

void sb_route_introspect(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    SB_AUTO(sb_form) form = SB_FORM_INIT;
    sb_error err = SB_ERROR_INIT;
    if (sb_failures_exceeded(service->failures, request->peer)) {
        visit->reason = sb_refusal_name(SB_REFUSAL_TOO_OFTEN);
        sb_answer_oauth(answer, 429, "temporarily_unavailable", "too many attempts of this address failed");
        sb_answer_header(answer, "Retry-After", "1");
        return;
    }
    if (!authenticate(service, request)) {
        unauthorized(service, request, visit, answer);
        return;
    }
    if (!sb_content_type_is(sb_server_header_first(request, "Content-Type"), "application/x-www-form-urlencoded") ||
        sb_form_parse(request->body, FIELDS_MAX, &form, &err) != SB_OK) {
        invalid_request(visit, answer, "form_malformed", "the body is no form");
        return;
    }
    const sb_form_field *token = sb_form_find(&form, "token");
    if (!token || token->value.len == 0)
        invalid_request(visit, answer, "token_missing", "token is missing, or there more than once");
    else
        introspect(service, token->value, visit, answer);
}

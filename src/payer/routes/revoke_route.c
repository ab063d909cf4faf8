/* SPDX-License-Identifier: Apache-2.0 */
/* revoke_route.c - POST /revoke: a client ends a token of its own.                                           RFC 7009
 *
 * It authenticates as at the token endpoint, within the same allowance, and its assertion is used up. A token that is unknown, ended or another's is
 * no error, and tells nothing. */
#include "payer/routes/client_request.h"

static bool use_up(sb_client_request *r)
{
    sb_issue use = {
        .client = r->good.client, .scopes = NULL, .used = sb_client_request_used(r), .dead_s = r->good.dead_s};
    return sb_client_request_used_up(r, sb_grants_use(r->service->o.grants, &use));
}

static bool check_token(sb_client_request *r)
{
    return sb_client_request_field(r, "token").len > 0 || sb_client_request_invalid(r, SB_REFUSAL_TOKEN_MISSING);
}

static void revoke(sb_client_request *r)
{
    if (!sb_grants_revoke(r->service->o.grants, sb_client_request_field(r, "token"), sb_str_from(r->good.client->id))) {
        (void)sb_client_request_unavailable(r, SB_REFUSAL_INTERNAL);
        return;
    }
    r->answer->status = 200;
    sb_answer_header(r->answer, "Cache-Control", "no-store");
    sb_answer_header(r->answer, "Pragma", "no-cache");
}

void sb_route_revoke(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    SB_AUTO(sb_client_request) r = {.service = service, .request = request, .visit = visit, .answer = answer};
    if (sb_client_request_read(&r) && sb_client_request_check(&r) && check_token(&r) &&
        sb_client_request_authenticate(&r) && sb_client_request_take(&r) && use_up(&r))
        revoke(&r);
}

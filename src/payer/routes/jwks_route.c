/* SPDX-License-Identifier: Apache-2.0 */
/* jwks_route.c - GET /jwks: the keys that access tokens are signed with, those to come included.   RFC 7517, RFC 9068 */
#include "payer/routes/service_internal.h"

void sb_route_jwks(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    (void)request, (void)visit;
    if (!service->o.server_keys) {
        sb_answer_oauth(answer, 404, "invalid_request",
                        "access tokens are not signed here: ask about them, or use them");
        return;
    }
    SB_AUTOPTR(sb_server_keyset) set = sb_server_keys_take(service->o.server_keys);
    answer->status = 200;
    answer->content_type = SB_JSON;
    if (!sb_buf_add_cstr(&answer->body, sb_server_keyset_json(set)))
        answer->broken = true;
    sb_answer_header(answer, "Cache-Control", "public, max-age=%d", SB_SERVER_KEYS_MAX_AGE_S);
}

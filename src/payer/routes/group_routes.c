/* SPDX-License-Identifier: Apache-2.0 */
/* group_routes.c - GET Group and Group/{id}: the rosters.                                                   PDEX-01 */
#include "base/json.h"
#include "payer/routes/service_internal.h"

#define MEMBERS_MAX 1000 /* listed in one Group; `quantity` tells all, an export brings the rest */

static bool may(sb_visit *visit, unsigned right, sb_answer *answer)
{
    if (sb_scopes_cover(&visit->grant->scopes, "Group", right) == SB_SCOPE_COVERS_ALL)
        return true;
    sb_bearer_insufficient(visit, answer, "system/Group.rs");
    return false;
}

void sb_route_groups(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOJSON bundle = NULL;
    const sb_form *query = &request->target.query;
    if (!may(visit, SB_SCOPE_SEARCH, answer))
        return;
    const sb_form_field *by = sb_form_find(query, "identifier");
    by = by ? by : sb_form_find(query, "name");
    if (query->len > (by ? 1u : 0u)) { /* a search that passes over a condition finds too much */
        sb_answer_outcome(answer, 400, "not-supported", "a search for groups takes one identifier or one name");
        return;
    }
    if (sb_rosters_to_bundle(service->o.rosters, service->fhir_url, by ? by->value.ptr : "", &bundle, &err) != SB_OK)
        sb_answer_error(answer, &err);
    else
        sb_answer_json(answer, 200, SB_FHIR_JSON, bundle);
}

void sb_route_group(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOJSON group = NULL;
    if (!may(visit, SB_SCOPE_READ, answer))
        return;
    const sb_roster *roster = sb_rosters_find(service->o.rosters, request->target.segments[2]);
    if (!roster)
        sb_answer_outcome(answer, 404, "not-found", "there is no such group; list them: GET Group");
    else if (sb_roster_to_fhir(roster, MEMBERS_MAX, &group, &err) != SB_OK)
        sb_answer_error(answer, &err);
    else
        sb_answer_json(answer, 200, SB_FHIR_JSON, group);
}

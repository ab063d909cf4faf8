/* SPDX-License-Identifier: Apache-2.0 */
/* fhir_routes.c - where the export server answers. */
#include "fhir/parameters.h"
#include "payer/routes/service_internal.h"

#define BODY_MAX SB_PARAMETERS_MAX_BYTES

const sb_route sb_fhir_routes[] = {
    {"GET", "fhir/.well-known/smart-configuration", sb_route_smart_configuration, 0, SB_ROUTE_OPEN, "discovery"},
    {"GET", "fhir/metadata", sb_route_metadata, 0, SB_ROUTE_OPEN, "metadata"},
    {"GET", "fhir/$export", sb_route_kickoff_get, 0, SB_ROUTE_BEARER, "kickoff"},
    {"POST", "fhir/$export", sb_route_kickoff_post, BODY_MAX, SB_ROUTE_BEARER, "kickoff"},
    {"GET", "fhir/Patient/$export", sb_route_kickoff_get, 0, SB_ROUTE_BEARER, "kickoff"},
    {"POST", "fhir/Patient/$export", sb_route_kickoff_post, BODY_MAX, SB_ROUTE_BEARER, "kickoff"},
    {"GET", "fhir/Group/*/$export", sb_route_kickoff_get, 0, SB_ROUTE_BEARER, "kickoff"},
    {"POST", "fhir/Group/*/$export", sb_route_kickoff_post, BODY_MAX, SB_ROUTE_BEARER, "kickoff"},
    {"POST", "fhir/Group/*/$davinci-data-export", sb_route_kickoff_post, BODY_MAX, SB_ROUTE_BEARER, "kickoff"},
    {"GET", "fhir/Group", sb_route_groups, 0, SB_ROUTE_BEARER, "groups"},
    {"GET", "fhir/Group/*", sb_route_group, 0, SB_ROUTE_BEARER, "groups"},
    {"GET", "fhir/jobs/*", sb_route_job_status, 0, SB_ROUTE_BEARER, "status"},
    {"DELETE", "fhir/jobs/*", sb_route_job_delete, 0, SB_ROUTE_BEARER, "cancel"},
    {"GET", "fhir/jobs/*/*", sb_route_job_file, 0, SB_ROUTE_BEARER, "file"},
    {NULL, NULL, NULL, 0, SB_ROUTE_OPEN, NULL},
};

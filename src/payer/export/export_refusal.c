/* SPDX-License-Identifier: Apache-2.0 */
/* export_refusal.c - the names: part of what log readers rely on, so they never change. */
#include "payer/export/export_refusal.h"

const char *sb_export_refusal_name(sb_export_refusal refusal)
{
    static const char *const names[SB_EXPORT_REFUSAL_COUNT] = {
        [SB_EXPORT_REFUSAL_INTERNAL] = "internal_error",
        [SB_EXPORT_REFUSAL_MALFORMED] = "parameters_malformed",
        [SB_EXPORT_REFUSAL_OUTPUT_FORMAT] = "output_format_not_offered",
        [SB_EXPORT_REFUSAL_EXPORT_TYPE] = "export_type_invalid",
        [SB_EXPORT_REFUSAL_SINCE] = "since_invalid",
        [SB_EXPORT_REFUSAL_UNTIL] = "until_invalid",
        [SB_EXPORT_REFUSAL_PATIENT] = "patient_invalid",
        [SB_EXPORT_REFUSAL_TYPE] = "type_unknown",
        [SB_EXPORT_REFUSAL_FILTER] = "filter_invalid",
        [SB_EXPORT_REFUSAL_ELEMENTS] = "elements_invalid",
        [SB_EXPORT_REFUSAL_PARTIAL] = "partial_manifests_invalid",
        [SB_EXPORT_REFUSAL_PARAMETER] = "parameter_unknown",
        [SB_EXPORT_REFUSAL_SCOPE] = "scope_insufficient",
        [SB_EXPORT_REFUSAL_ROSTER] = "roster_missing",
        [SB_EXPORT_REFUSAL_GROUP] = "group_unknown",
        [SB_EXPORT_REFUSAL_TOO_MANY] = "too_many_exports",
        [SB_EXPORT_REFUSAL_FULL] = "server_full",
    };
    return refusal < SB_EXPORT_REFUSAL_COUNT && names[refusal] ? names[refusal] : "unknown";
}

const char *sb_export_refusal_parameter(sb_export_refusal refusal)
{
    static const char *const parameters[SB_EXPORT_REFUSAL_COUNT] = {
        [SB_EXPORT_REFUSAL_OUTPUT_FORMAT] = "_outputFormat",
        [SB_EXPORT_REFUSAL_EXPORT_TYPE] = "exportType",
        [SB_EXPORT_REFUSAL_SINCE] = "_since",
        [SB_EXPORT_REFUSAL_UNTIL] = "_until",
        [SB_EXPORT_REFUSAL_PATIENT] = "patient",
        [SB_EXPORT_REFUSAL_TYPE] = "_type",
        [SB_EXPORT_REFUSAL_FILTER] = "_typeFilter",
        [SB_EXPORT_REFUSAL_ELEMENTS] = "_elements",
        [SB_EXPORT_REFUSAL_PARTIAL] = "allowPartialManifests",
    };
    return refusal < SB_EXPORT_REFUSAL_COUNT && parameters[refusal] ? parameters[refusal] : "parameter";
}

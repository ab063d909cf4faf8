/* SPDX-License-Identifier: Apache-2.0 */
/* export_refusal.h - why an export was refused, for machines that read logs. What is told the asker is in the error.
 *                                                                                                   EXP-04, PDEX-08 */
#ifndef SB_PAYER_EXPORT_REFUSAL_H
#define SB_PAYER_EXPORT_REFUSAL_H

#include "base/defs.h"

typedef enum sb_export_refusal {
    SB_EXPORT_REFUSAL_INTERNAL, /* we failed: whatever is none of the others */
    SB_EXPORT_REFUSAL_MALFORMED,
    SB_EXPORT_REFUSAL_OUTPUT_FORMAT, /* a parameter that cannot be had as it is, to SB_EXPORT_REFUSAL_PARAMETER */
    SB_EXPORT_REFUSAL_EXPORT_TYPE,
    SB_EXPORT_REFUSAL_SINCE,
    SB_EXPORT_REFUSAL_UNTIL,
    SB_EXPORT_REFUSAL_PATIENT,
    SB_EXPORT_REFUSAL_TYPE,
    SB_EXPORT_REFUSAL_FILTER,
    SB_EXPORT_REFUSAL_ELEMENTS,
    SB_EXPORT_REFUSAL_PARTIAL,
    SB_EXPORT_REFUSAL_PARAMETER, /* one that is not known here */
    SB_EXPORT_REFUSAL_SCOPE,
    SB_EXPORT_REFUSAL_ROSTER, /* the client has none */
    SB_EXPORT_REFUSAL_GROUP,  /* not there, or another's */
    SB_EXPORT_REFUSAL_TOO_MANY,
    SB_EXPORT_REFUSAL_FULL,
    SB_EXPORT_REFUSAL_COUNT
} sb_export_refusal;

/* "since_invalid". Constants. */
const char *sb_export_refusal_name(sb_export_refusal refusal);
/* The parameter that it is about, as it is written in a request: "_since". "parameter" where it is none of ours. */
const char *sb_export_refusal_parameter(sb_export_refusal refusal);

#endif

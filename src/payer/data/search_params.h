/* SPDX-License-Identifier: Apache-2.0 */
/* search_params.h - the search parameters of FHIR R4 that are understood here, and where in a resource their values lie.
 *
 * What payers' claims and the records beside them are searched by; CARIN's and Da Vinci's names where R4 has none. Knows
 * nothing of values. */
#ifndef SB_PAYER_SEARCH_PARAMS_H
#define SB_PAYER_SEARCH_PARAMS_H

#include "base/buf.h"

typedef enum sb_search_kind {
    SB_SEARCH_DATE,    /* date, dateTime, instant or Period */
    SB_SEARCH_TOKEN,   /* Coding, CodeableConcept or Identifier: system and code */
    SB_SEARCH_CODE,    /* a code or a boolean: no system beside it */
    SB_SEARCH_ID,      /* the resource's own id */
    SB_SEARCH_PATIENT, /* the patient whose compartment it is in */
    SB_SEARCH_UPDATED, /* meta.lastUpdated */
} sb_search_kind;

typedef struct sb_search_param {
    const char *name;
    sb_search_kind kind;
    const char *types; /* with a space around each; NULL: all */
    const char *paths; /* "effectiveDateTime|effectivePeriod": elements' names with dots between; NULL: see the kind */
} sb_search_param;

/* NULL: a type has no such parameter, or it is not understood here. */
const sb_search_param *sb_search_param_find(sb_str type, sb_str name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* operation_outcome.h - FHIR's own words for what went wrong: read from a payer's answer, written into ours.
 *
 * Read: the worst severity, the codes, and one safe line for a person. Whether polling may go on is decided here and
 * nowhere else (STAT-02). Knows nothing of HTTP. Any thread. */
#ifndef SB_FHIR_OPERATION_OUTCOME_H
#define SB_FHIR_OPERATION_OUTCOME_H

#include <jansson.h>

#include "base/buf.h"

/* A body longer than this is not read at all: stack traces run to tens of KB, and we show one line. */
#define SB_OUTCOME_MAX_BYTES ((size_t)256 * 1024)
/* Issues past these are not looked at: a conformance server lists hundreds, a person reads three. */
#define SB_OUTCOME_MAX_ISSUES 100
#define SB_OUTCOME_CODE_SIZE  64  /* R5's longest issue type has 17 characters */
#define SB_OUTCOME_TEXT_SIZE  768 /* fits sb_error.why with room for what the caller adds */

typedef enum sb_outcome_severity {
    SB_OUTCOME_NONE, /* no issue, or none with a known severity */
    SB_OUTCOME_INFORMATION,
    SB_OUTCOME_WARNING,
    SB_OUTCOME_ERROR,
    SB_OUTCOME_FATAL
} sb_outcome_severity;

/* What an OperationOutcome says. Holds no pointers: copy it freely. */
typedef struct sb_outcome {
    sb_outcome_severity severity;    /* the worst of all issues */
    size_t issues;                   /* how many were looked at */
    bool transient;                  /* see sb_outcome_is_transient */
    char code[SB_OUTCOME_CODE_SIZE]; /* of the first issue with the worst severity; "" when it has none */
    char text[SB_OUTCOME_TEXT_SIZE]; /* every issue, worst first: "code: words; code: words", safe for a terminal; may
                                        be "" */
} sb_outcome;

/* SB_E_INVALID when `body` is longer than SB_OUTCOME_MAX_BYTES, is not JSON, or is not an OperationOutcome (an HTML
 * page of a proxy): *out is then all zero. An outcome without issues, or with malformed ones, is accepted: it is all we
 * have. */
sb_status sb_outcome_parse(sb_str body, sb_outcome *out, sb_error *err);
/* The same for a resource that is already parsed (a line of an error file, a Bundle's entry). */
sb_status sb_outcome_from_json(const json_t *resource, sb_outcome *out, sb_error *err);

/* May the same request succeed later? True when there is an issue that matters (of severity error or fatal; or of any,
 * when there is none such) and every one that matters has the code `transient` or one of its children: lock-error,
 * no-store, exception, timeout, incomplete, throttled. So one lasting error among passing ones counts as lasting.
 * STAT-02 */
bool sb_outcome_is_transient(const sb_outcome *outcome);

/* Is it worse than information and warnings? Bulk servers answer 200 with one of these. REAL-06 */
static inline bool sb_outcome_is_error(const sb_outcome *outcome)
{
    return outcome->severity >= SB_OUTCOME_ERROR;
}

/* "fatal", "error", "warning", "information"; NONE is "information". */
const char *sb_outcome_severity_name(sb_outcome_severity severity);

/* A new OperationOutcome with one issue; NULL without memory, or when `diagnostics` is not UTF-8. `code` is an issue
 * type of FHIR ("forbidden", "not-found", "throttled" …); `diagnostics` may be NULL. The caller owns the result. */
json_t *sb_outcome_new(sb_outcome_severity severity, const char *code, const char *diagnostics);
/* Add an issue to one made by sb_outcome_new. False without memory. */
SB_MUST_USE bool sb_outcome_add(json_t *outcome, sb_outcome_severity severity, const char *code,
                                const char *diagnostics);

#endif

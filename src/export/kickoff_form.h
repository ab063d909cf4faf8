/* SPDX-License-Identifier: Apache-2.0 */
/* kickoff_form.h - a request in the forms a payer takes: a URL with a query, or a Parameters body.       EXP-01 … EXP-03
 *
 * Knows nothing of HTTP. No state; any thread. */
#ifndef SB_EXPORT_KICKOFF_FORM_H
#define SB_EXPORT_KICKOFF_FORM_H

#include <jansson.h>

#include "base/buf.h"

/* "{base}/Patient/$export", "{base}/Group/{id}/$export" or "{base}/$export"; malloc'ed. */
sb_status sb_kickoff_address(const json_t *request, const char *fhir_url, char **out, sb_error *err);
/* The query of a GET, "_type=Patient%2CCoverage&…", without '?'; "" when nothing is asked for. `patient` is not in it:
 * no URL names a person. */
sb_status sb_kickoff_query(const json_t *request, sb_buf *out, sb_error *err);
/* The Parameters body of a POST; the caller owns it. `repeated`: lists as entries of their own (Bulk Data 4), else as one
 * entry with commas (before). */
sb_status sb_kickoff_body(const json_t *request, bool repeated, json_t **out, sb_error *err);
/* For the log: the parameters as an object, without `patient`, and of each search its type alone. NULL without memory. */
json_t *sb_kickoff_shown(const json_t *request);

#endif

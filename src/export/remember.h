/* SPDX-License-Identifier: Apache-2.0 */
/* remember.h - what one export leaves for the next: the transactionTime by request, and how the payer wants to be asked.
 *
 * Small files in the state folder, 0600. Without a state folder nothing is remembered. Knows nothing of HTTP. */
#ifndef SB_EXPORT_REMEMBER_H
#define SB_EXPORT_REMEMBER_H

#include "export/request.h"

/* The `_since` of the next export of this request (FILE-08): malloc'ed; *out NULL when there was none. SB_E_USAGE for a
 * file that is open to others or none of ours. `state_dir` may be NULL. */
sb_status sb_remember_since_get(const char *state_dir, const char *fingerprint, char **out, sb_error *err);
/* An export is complete: `instant` is what the next one goes on from. */
sb_status sb_remember_since_set(const char *state_dir, const char *fingerprint, const char *instant, sb_error *err);

/* GET or POST: what this payer took the last time. SB_EXPORT_METHOD_AUTO: not known. Never a failure: it is a hint. */
sb_export_method sb_remember_method_get(const char *state_dir, const char *fhir_url);
void sb_remember_method_set(const char *state_dir, const char *fhir_url, sb_export_method method);

#endif

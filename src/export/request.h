/* SPDX-License-Identifier: Apache-2.0 */
/* request.h - what is asked of the payer: checked once, kept as canonical JSON, compared by fingerprint.
 *
 * The canonical form is what the journal keeps and what kickoff.c sends:
 *   {"level":"group", "groupId":"…", "method":"auto", "types":[…], "typeFilters":[…], "patients":["Patient/…"],
 *    "elements":[…], "includeAssociatedData":[…], "outputFormat":"…", "since":"2026-01-31T00:00:00.000Z",
 *    "until":"…", "organizeOutputBy":"…", "allowPartialManifests":true, "lenient":true}
 * with members left out that were not given, and lists without repetition in the order given. Knows nothing of HTTP. */
#ifndef SB_EXPORT_REQUEST_H
#define SB_EXPORT_REQUEST_H

#include <jansson.h>

#include <smartbulk/export.h>

#include "base/buf.h"

#define SB_REQUEST_LIST_MAX 200000 /* the members of one payer's export: what a Parameters body of 16 MiB takes */

/* "last" as `since` (FILE-08): the caller replaces it by what remember.h knows, after this. */
#define SB_REQUEST_SINCE_LAST "last"

/* Check and copy. SB_E_USAGE, with the fix, for everything that a payer would refuse or misunderstand for certain.
 * `since` "last" is kept as it is. The caller owns *out. */
sb_status sb_request_new(const sb_export_request *request, json_t **out, sb_error *err);

/* Read back what the journal kept. SB_E_INVALID when it is none. */
sb_status sb_request_read(const char *text, json_t **out, sb_error *err);

/* Does it ask for changes since the last export? */
bool sb_request_wants_last(const json_t *request);
/* Give `since` its instant. SB_E_USAGE when `until` is not after it. */
sb_status sb_request_set_since(json_t *request, const char *instant, sb_error *err);

/* The members of a list as texts, borrowed from the request: NULL-terminated, to be freed (not what it points to). NULL
 * without memory. */
const char **sb_request_list(const json_t *request, const char *member, size_t *n);

/* SHA-256 in hex over what makes two exports ask the same of the same payer, as the same client: all of the request but
 * its time, its order and how it is asked. */
#define SB_FINGERPRINT_SIZE 65
sb_status sb_request_fingerprint(const json_t *request, const char *fhir_url, const char *client_id,
                                 char out[SB_FINGERPRINT_SIZE], sb_error *err);

#endif

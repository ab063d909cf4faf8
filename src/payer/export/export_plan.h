/* SPDX-License-Identifier: Apache-2.0 */
/* export_plan.h - a kick-off judged: which types, which parts whole, which lines, which elements.
 *
 * Immutable once made; owns copies of what it needs of the request. Knows nothing of threads, folders or manifests. */
#ifndef SB_PAYER_EXPORT_PLAN_H
#define SB_PAYER_EXPORT_PLAN_H

#include "payer/export/export_job.h"

#define SB_ELEMENT_NAME_MAX 64 /* FHIR's longest element name has 35 letters */

typedef struct sb_plan sb_plan;

/* `members`: whom it may be about, borrowed for the plan's life; NULL: not looked at, for a plan that is only to be
 * judged. Errors as sb_jobs_create() documents them: err->http_status is 400 or 403, and *refusal says why. */
sb_status sb_plan_new(const sb_data *data, const sb_members *members, const sb_job_request *request, sb_plan **out,
                      sb_export_refusal *refusal, sb_error *err);
void sb_plan_free(sb_plan *plan); /* NULL is fine */
SB_DEFINE_FREEP(sb_plan)

/* The types to export, in alphabetical order. */
size_t sb_plan_type_count(const sb_plan *plan);
const sb_data_type *sb_plan_type(const sb_plan *plan, size_t index);

/* What to do with a part of a type: nothing in it is wanted; everything is, as it is; or it must be looked through. */
typedef enum sb_part_use { SB_PART_SKIP, SB_PART_WHOLE, SB_PART_SCAN } sb_part_use;
sb_part_use sb_plan_part_use(const sb_plan *plan, const sb_data_type *type, size_t part);

/* Is this line to be exported? */
bool sb_plan_wants(const sb_plan *plan, const sb_data_type *type, const sb_data_line *line);
/* Is anything to be told of what was deleted? Then when, and whether this deletion is to be told. Whether a search would
 * have found the resource, nobody knows any more: it is told, unless the token's own limits could hide it.   STAT-04 */
bool sb_plan_wants_deletions(const sb_plan *plan, int64_t *after_us, int64_t *until_us);
bool sb_plan_wants_deletion(const sb_plan *plan, const sb_data_deletion *deletion);
/* Is only a part of each resource of this type wanted? Then sb_plan_cut() appends it to `out`, one line without its
 * end, marked SUBSETTED; it holds `id`, `resourceType`, `meta` and what FHIR says may never be missing, too. */
bool sb_plan_cuts(const sb_plan *plan, const sb_data_type *type);
SB_MUST_USE bool sb_plan_cut(const sb_plan *plan, const sb_data_type *type, sb_str json, sb_buf *out);

/* What a lenient request asked for and does not get: OperationOutcomes, one a line. Empty when there is nothing. */
sb_str sb_plan_warnings(const sb_plan *plan, size_t *count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* status.h - the journal's facts of an export as a whole, by name, and what a snapshot takes from them.
 *
 *   phase              one of sb_phase_name()          export_id          a UUID: log.ndjson's exportId
 *   request            request.h's canonical form      settings           sb_payer_settings(): whom to ask
 *   options            what holds for a resume too     fhir_url, client_id   for remember.h
 *   kickoff_sent       kickoff.h                       poll_url           where the job is asked for
 *   progress, next_poll   poll.h                       transaction_time   manifest.h
 *   remote             "deleted": the payer's copy is gone
 *   uncovered          kickoff.h: types that were asked for, and that the token did not cover                     */
#ifndef SB_EXPORT_STATUS_H
#define SB_EXPORT_STATUS_H

#include "export/journal.h"

const char *sb_phase_name(sb_export_phase phase); /* "new", "waiting" … as the journal keeps it */
bool sb_phase_is_over(sb_export_phase phase);     /* nothing is left to be done, or nothing can be */

/* SB_E_INVALID when the journal's word is none of ours (a newer version's). */
sb_status sb_phase_get(sb_journal *journal, sb_export_phase *out, sb_error *err);

/* Options that a resume inherits. */
typedef struct sb_kept_options {
    bool keep_remote;
    uint64_t allow_bad_lines, max_line_bytes;
} sb_kept_options;
sb_status sb_kept_options_get(sb_journal *journal, sb_kept_options *out, sb_error *err);
char *sb_kept_options_text(const sb_kept_options *options); /* malloc'ed; NULL without memory */

/* Fill what the journal knows: phase, progress, transaction_time, totals; the rest is zero. `wall_s` is now, for the
 * time until the next poll. */
sb_status sb_status_read(sb_journal *journal, int64_t wall_s, sb_export_snapshot *out, sb_error *err);

#endif

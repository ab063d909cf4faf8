/* SPDX-License-Identifier: Apache-2.0 */
/* kickoff.h - asks a payer for an export, until it accepts or refuses: method, fallbacks, waits, refusals explained.
 *
 * A kick-off starts work at the payer, so it is not repeated blindly. Before one is sent the journal says so
 * ("kickoff_sent"); an answer, or the certainty that nothing was sent, takes that back. An answer that was lost (the
 * connection broke, or a gateway gave up: 502, 504) ends the run with SB_E_NETWORK: the payer may be at work on a job
 * whose address nobody knows. Bulk Data has no way to find it again; it costs the payer's quota until it expires. So it
 * is a person's, or cron's, decision to ask again: `resume` does, and says aloud that there may be a lost job. The same
 * happens after a kill before "poll_url" is in the journal, which is why that comes first. Knows nothing of polling.                                          EXP-01 … EXP-06 */
#ifndef SB_EXPORT_KICKOFF_H
#define SB_EXPORT_KICKOFF_H

#include "export/context.h"
#include "export/request.h"

/* *poll_url: where the job is asked for, malloc'ed; its origin may see the token. It is in the journal ("poll_url"), and
 * with it the method that worked when it was ours to choose ("kickoff_method"); the caller has "kickoff_sent" forgotten.
 * SB_E_AUTH (401, 403), SB_E_USAGE (400, 404: a parameter, the address), SB_E_SERVER,
 * SB_E_NETWORK, SB_E_INTERRUPTED; err->http_status is the answer's. */
sb_status sb_kickoff(const sb_export_context *context, char **poll_url, sb_error *err);

/* The next export of this payer begins with the method that worked. After the answer is in the journal, and from there:
 * so that a run that was killed before this does it later.                                                      EXP-02 */
sb_status sb_kickoff_remember_method(const sb_export_context *context, sb_error *err);

#endif

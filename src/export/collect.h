/* SPDX-License-Identifier: Apache-2.0 */
/* collect.h - the whole manifest into the journal: its first page by polling, the others by following links. STAT-04 …
 *
 * The same on a fresh run, after a kill between two pages, and when it is asked for again because URLs have expired
 * (FILE-04). Knows nothing of downloads. */
#ifndef SB_EXPORT_COLLECT_H
#define SB_EXPORT_COLLECT_H

#include "export/poll.h"

/* Returns when every page is in the journal. `again`: they are, but all of them are to be asked for anew. */
sb_status sb_collect(const sb_export_context *context, const char *poll_url, bool again, sb_job_verdict *verdict,
                     sb_error *err);

#endif

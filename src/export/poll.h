/* SPDX-License-Identifier: Apache-2.0 */
/* poll.h - asks for a job's status until its manifest is there, for weeks if need be.                STAT-01 … STAT-03
 *
 *   202 ─► wait ─┐         200, a manifest ─► READY
 *   429 ─► wait ─┤         404, 410 ─► GONE
 *   transient ─► wait ─┤   403 ─► refused; the job may live
 *   5xx, no answer ─► wait, a bounded number of times ─► failed; the job may live
 *        ▲       │         else ─► FAILED: the payer's job itself failed
 *        └───────┘
 * A later page of a partial manifest may be waited for in the same way. Knows nothing of which page comes next. */
#ifndef SB_EXPORT_POLL_H
#define SB_EXPORT_POLL_H

#include "export/manifest_get.h"

typedef enum sb_job_verdict {
    SB_JOB_LIVES,  /* as far as we know: to be asked again later */
    SB_JOB_FAILED, /* by the payer's word */
    SB_JOB_GONE,   /* deleted or expired */
} sb_job_verdict;

/* Until page `page` of the manifest, which `url` leads to (the status URL for the first: page 0), is in the journal;
 * what was found on it goes into `found`. On failure *verdict says what is to be thought of the job. */
sb_status sb_poll(const sb_export_context *context, const char *url, uint64_t page, sb_manifest_found *found,
                  sb_job_verdict *verdict, sb_error *err);

#endif

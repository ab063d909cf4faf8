/* SPDX-License-Identifier: Apache-2.0 */
/* context.h - what every step of one export needs: whom to ask, where to write, whom to tell, and how to wait.
 *
 * All borrowed; constant while the export runs. Any thread. */
#ifndef SB_EXPORT_CONTEXT_H
#define SB_EXPORT_CONTEXT_H

#include "export/journal.h"
#include "export/log.h"
#include "fhir/operation_outcome.h"
#include "smart/authorized.h"

typedef struct sb_export_context {
    sb_payer *payer;
    sb_journal *journal;
    sb_event_log *log;
    const json_t *request;                                      /* what is asked: request.h's canonical form */
    void (*on_event)(void *impl, const sb_export_event *event); /* never NULL; serialises */
    void *on_event_impl;
} sb_export_context;

/* Wait `ns` on the payer's clock, or until it is cancelled: SB_E_INTERRUPTED, at once. Weeks are fine. */
sb_status sb_context_pause(const sb_export_context *context, int64_t ns, sb_error *err);
int64_t sb_context_now_ns(const sb_export_context *context);
int64_t sb_context_wall_s(const sb_export_context *context);

/* How long to wait before the request is made again: as the answer's Retry-After says, within bounds (nonsense is
 * clamped: STAT-01), else the backoff for this attempt. */
typedef struct sb_wait_bounds {
    unsigned first_ms, cap_ms; /* of the backoff */
    unsigned min_s, max_s;     /* of Retry-After */
} sb_wait_bounds;
int64_t sb_context_wait_ns(const sb_http_response *response, unsigned attempt, const sb_wait_bounds *bounds);

/* Tell the caller's display. `text` is made safe here. */
void sb_context_tell(const sb_export_context *context, sb_export_event_kind kind, const char *text, int64_t wait_ns);
void sb_context_warn(const sb_export_context *context, const char *fmt, ...) SB_PRINTF(2, 3);

/* What an answer that is no success says, for an error's `why`: its OperationOutcome, else the beginning of its body,
 * safe to show: without the patients that were asked for, should it name them. `outcome` gets the OperationOutcome (all
 * zero: none). Returns `out`. */
const char *sb_context_says(const sb_export_context *context, sb_str body, sb_outcome *outcome, char *out, size_t size);
/* Blot out the patients that were asked for, where a server's words name them. */
void sb_context_hide(const sb_export_context *context, char *text);
/* sb_payer_send(); they are blotted out in the answer's headers, and in `err`. The body is for sb_context_says(). */
sb_status sb_context_send(const sb_export_context *context, sb_http_request *request, sb_http_response *response,
                          sb_error *err);

#endif

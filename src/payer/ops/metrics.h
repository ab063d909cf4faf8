/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - what was done, counted, in the text form that Prometheus reads.
 *
 * Holds counters alone: who reads them adds what can only be asked for at the time (jobs, clients). Counting takes no lock
 * and allocates nothing. Any thread. */
#ifndef SB_PAYER_METRICS_H
#define SB_PAYER_METRICS_H

#include <smartbulk/clock.h>

#include "base/buf.h"

typedef struct sb_metrics sb_metrics;

sb_status sb_metrics_new(const sb_clock *clock, sb_metrics **out, sb_error *err); /* `clock` is borrowed */
void sb_metrics_free(sb_metrics *metrics);                                        /* NULL is fine */
SB_DEFINE_FREEP(sb_metrics)

/* One answer. `route` and `reason` are constants ("" or NULL: none): they become labels as they are. NULL metrics:
 * nothing is done. */
void sb_metrics_answer(sb_metrics *metrics, const char *route, unsigned status, uint64_t bytes, int64_t took_ns,
                       const char *reason);

/* Of what is counted: answers of a route with this status; refusals for this reason, of all routes. */
uint64_t sb_metrics_answers(const sb_metrics *metrics, const char *route, unsigned status);
uint64_t sb_metrics_refusals(const sb_metrics *metrics, const char *reason);
int64_t sb_metrics_began_s(const sb_metrics *metrics); /* on the wall clock */

/* All of it, appended. False without memory. */
SB_MUST_USE bool sb_metrics_write(sb_metrics *metrics, sb_buf *out);

/* The head of one metric, for those who add more; then lines of their own. `type` is "gauge" or "counter". */
SB_MUST_USE bool sb_metrics_head(sb_buf *out, const char *name, const char *type, const char *help);

#endif

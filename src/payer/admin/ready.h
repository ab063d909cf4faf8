/* SPDX-License-Identifier: Apache-2.0 */
/* ready.h - could this process do its work now? Each thing that it cannot do without is tried, by a thread of its own: a
 * database or a disk that hangs holds up nobody who asks.
 *
 * Tried when somebody asks, and not more often than once a second, whoever asks. Any thread. */
#ifndef SB_PAYER_READY_H
#define SB_PAYER_READY_H

#include <smartbulk/clock.h>

#include "payer/ops/audit.h"
#include "payer/state/probe.h"
#include "store/pool.h"

typedef enum sb_ready_check {
    SB_READY_KEYS,     /* what this server signs or proves itself with is loaded, and good */
    SB_READY_DATABASE, /* it takes a row, and has it on disk: the replay guard and the tokens are there         AUTH-10 */
    SB_READY_CLOCK,    /* it tells a time that can be, near the database server's */
    SB_READY_AUDIT, /* a line could be written: else nobody is let in                                        PDEX-08 */
    SB_READY_EXPORTS, /* a file could be made in the folder of exports */
    SB_READY_CHECKS
} sb_ready_check;

const char *sb_ready_name(sb_ready_check check); /* "database" */

#define SB_READY_WHY_SIZE 1400 /* what and why of an error */

typedef struct sb_ready_report {
    bool all; /* what is asked for: is it ready? */
    struct {
        bool ok;
        char why[SB_READY_WHY_SIZE]; /* "": all is well. Fit for people; no secrets */
    } checks[SB_READY_CHECKS];
    bool counted; /* `counts` are of this report */
    sb_state_counts counts;
    bool late; /* the checks have not come to an end in time: this is what was before */
} sb_ready_report;

typedef struct sb_ready_options {
    sb_pool *pool; /* borrowed, as are all of these */
    sb_audit *audit;
    const char *exports_folder;
    const sb_clock *clock;
    bool (*keys)(void *impl, char why[SB_READY_WHY_SIZE]); /* NULL: there are none that it needs */
    void *keys_impl;
} sb_ready_options;

typedef struct sb_ready sb_ready;

sb_status sb_ready_new(const sb_ready_options *options, sb_ready **out, sb_error *err);
void sb_ready_free(sb_ready *ready); /* waits for a check that is under way; NULL is fine */
SB_DEFINE_FREEP(sb_ready)

/* Waits for the checks, not longer than some seconds. */
void sb_ready_ask(sb_ready *ready, sb_ready_report *out);

#endif

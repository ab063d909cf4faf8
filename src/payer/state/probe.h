/* SPDX-License-Identifier: Apache-2.0 */
/* probe.h - is the payer's database there, and does it take what is written? And what an operator wants counted of it.
 * Works on a connection of sb_payer_pool(). */
#ifndef SB_PAYER_PROBE_H
#define SB_PAYER_PROBE_H

#include "store/db.h"

/* Write something and commit it: on disk when it returns SB_OK. *clock_s is the database server's own clock; `now_s`
 * where there is no server. */
sb_status sb_state_probe(sb_db *db, int64_t now_s, int64_t *clock_s, sb_error *err);

/* How many, by the words of the tables. */
typedef struct sb_state_counts {
    int64_t clients_pending, clients_active, clients_suspended;
    int64_t jobs_queued, jobs_running, jobs_done, jobs_failed;
    int64_t oldest_queued_s; /* since 1970: when the one was asked for that waits longest; 0: none waits */
} sb_state_counts;

sb_status sb_state_count(sb_db *db, sb_state_counts *out, sb_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* job_withdraw.h - exports end with the right to what is in them. */
#ifndef SB_PAYER_JOB_WITHDRAW_H
#define SB_PAYER_JOB_WITHDRAW_H

#include "store/db.h"

/* A roster is taken from a client: its exports of that roster go, and those of no roster in particular, which may hold
 * its members; with "*", all of them. In the caller's transaction. Who is reading a file reads it to its end; no process
 * opens one a second later.                                                                                  PDEX-01 */
sb_status sb_jobs_withdraw(sb_db *db, const char *client, sb_str roster, sb_error *err);

#endif

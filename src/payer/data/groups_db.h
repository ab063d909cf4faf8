/* SPDX-License-Identifier: Apache-2.0 */
/* groups_db.h - rosters in the payer's database as each client is shown them: those that it was given (roster_db.h), with
 * who is a member now and did not opt out.                                                        PDEX-01, PDEX-07
 *
 * Nothing is held in memory: a roster that is loaded, given or taken counts at the next question, in all processes. */
#ifndef SB_PAYER_GROUPS_DB_H
#define SB_PAYER_GROUPS_DB_H

#include <smartbulk/clock.h>

#include "payer/data/groups.h"
#include "store/pool.h"

/* `pool` is of sb_payer_pool(); both are borrowed. */
sb_status sb_groups_db(sb_pool *pool, const sb_clock *clock, sb_groups **out, sb_error *err);

#endif

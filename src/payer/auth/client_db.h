/* SPDX-License-Identifier: Apache-2.0 */
/* client_db.h - a register of clients in the payer's database, shared by its processes.                KEY-05, KEY-07
 *
 * All of it is held in memory as well, so that an id which is known and one which is not take the same time to look up,
 * and tokens cost no query here. Another process's change is seen within SB_CLIENT_DB_STALE_MS; this one's at once. When
 * the database cannot be asked, nobody is found: SB_E_BUSY and the like, never "unknown". */
#ifndef SB_PAYER_CLIENT_DB_H
#define SB_PAYER_CLIENT_DB_H

#include <smartbulk/clock.h>

#include "payer/auth/client.h"
#include "store/pool.h"

/* Who was just let in at one process goes to the next by a load balancer. Asked for known ids and others alike: were it
 * for others alone, the time to an answer would tell them apart. */
#define SB_CLIENT_DB_STALE_MS 250
#define SB_CLIENT_DB_MAX      10000 /* of some 4 KB each; a payer has a hundred partners */

/* `pool` (of sb_payer_pool()) and `clock` are borrowed. */
sb_status sb_clients_db(sb_pool *pool, const sb_clock *clock, sb_clients **out, sb_error *err);

#endif

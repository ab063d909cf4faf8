/* SPDX-License-Identifier: Apache-2.0 */
/* roster_db.h - rosters in the payer's database as an administrator keeps them: groups of members, the clients each is
 * for, and the members who opted out.                                                                PDEX-01, PDEX-07
 *
 * What a client sees of them is groups_db.h's. Functions work on a connection of sb_payer_pool(), and those that change
 * something may be called within a transaction of the caller's, so that what belongs together is changed together. A
 * change is seen at once, by all processes: nothing of this is held in memory. */
#ifndef SB_PAYER_ROSTER_DB_H
#define SB_PAYER_ROSTER_DB_H

#include "payer/data/group_resource.h"
#include "store/db.h"

/* As a roster that is given to a client: all of them, and in exports of no group every member. It is no group's id. */
#define SB_ROSTER_ALL "*"

/* Could it be put? The same judgement without a database. SB_E_INVALID; SB_E_NOMEM. */
sb_status sb_roster_check(const json_t *group, sb_error *err);
/* Make a roster, or put this in place of the one with its id, by a Group resource: name, identifiers, members. Who may
 * use it stays. SB_E_INVALID as sb_group_read(): then, and on every failure, the caller rolls back. A member who is
 * listed twice is kept with the longer time. Call it within a transaction. */
sb_status sb_roster_put(sb_db *db, const json_t *group, int64_t now_s, sb_error *err);
sb_status sb_roster_remove(sb_db *db, sb_str id, sb_error *err); /* and takes it from all clients. SB_E_NOT_FOUND */

/* Give a roster, or SB_ROSTER_ALL, to a client; or take it away. Given twice is given once. SB_E_NOT_FOUND: no such
 * client, or no such roster; when taking: the client has not got it. */
sb_status sb_roster_give(sb_db *db, const char *client, sb_str roster, sb_error *err);
sb_status sb_roster_take(sb_db *db, const char *client, sb_str roster, sb_error *err);

/* One roster, for an administrator's eyes. Borrowed until the visitor returns. */
typedef struct sb_roster_row {
    const char *id, *name;
    int64_t members;   /* as loaded: who opted out, or is not yet or no longer a member, included */
    int64_t opted_out; /* of them */
    int64_t changed_s;
} sb_roster_row;

/* Visitors: anything but SB_OK ends it, and is returned. They leave the connection alone. */
typedef sb_status sb_roster_visit(void *context, const sb_roster_row *row, sb_error *err);
/* All, by their ids. */
sb_status sb_roster_each(sb_db *db, sb_roster_visit *visit, void *context, sb_error *err);

typedef sb_status sb_roster_name_visit(void *context, const char *name, sb_error *err);
/* Ids of the rosters that a client has (SB_ROSTER_ALL as itself); of the clients that have a roster (those that have all
 * included). */
sb_status sb_roster_each_of_client(sb_db *db, const char *client, sb_roster_name_visit *visit, void *context,
                                   sb_error *err);
sb_status sb_roster_each_client(sb_db *db, sb_str roster, sb_roster_name_visit *visit, void *context, sb_error *err);

/* A member says no to all exports, from now on; or takes that back (SB_E_NOT_FOUND: there is nothing to take back). The
 * patient need not be known. SB_E_INVALID: that is no id. */
sb_status sb_opt_out_add(sb_db *db, sb_str patient, int64_t now_s, sb_error *err);
sb_status sb_opt_out_remove(sb_db *db, sb_str patient, sb_error *err);
sb_status sb_opt_out_count(sb_db *db, int64_t *out, sb_error *err);

#endif

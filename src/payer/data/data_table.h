/* SPDX-License-Identifier: Apache-2.0 */
/* data_table.h - the tables `resources` and `deleted_resources` of the payer's database: a data source for exports, and
 * what puts resources in. docs/payer-database.md describes them for people.
 *
 * The source offers every type of FHIR R4, whether there is one of it or not, so that what is loaded while it serves is
 * served. A scan reads in pieces, in the order of the ids, and holds no connection while it visits: what changes
 * meanwhile is seen or not seen, but nothing is given twice. */
#ifndef SB_PAYER_DATA_TABLE_H
#define SB_PAYER_DATA_TABLE_H

#include "payer/data/data.h"
#include "store/pool.h"

/* `pool` is of sb_payer_pool(), and borrowed. */
sb_status sb_data_table_open(sb_pool *pool, sb_data **out, sb_error *err);

/* Put one in, or in the place of one with its type and id; *is_new tells which. It counts as deleted no more. For who
 * has a transaction open. */
sb_status sb_table_put(sb_db *db, sb_str type, const sb_data_line *line, bool *is_new, sb_error *err);
/* Take one out, and remember that it was deleted, when, and whose it was; *was_there: nothing else is remembered. */
sb_status sb_table_delete(sb_db *db, sb_str type, sb_str id, int64_t deleted_us, bool *was_there, sb_error *err);

#endif

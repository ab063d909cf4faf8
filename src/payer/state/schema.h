/* SPDX-License-Identifier: Apache-2.0 */
/* schema.h - the payer's tables: what survives a restart and is shared by the processes of one database. Knows no
 * query: each is beside what it is for. docs/payer-database.md describes the tables for people. */
#ifndef SB_PAYER_SCHEMA_H
#define SB_PAYER_SCHEMA_H

#include "store/pool.h"

/* Open the payer's database: a file's path, or postgresql://…; errors as sb_db_open(). */
sb_status sb_payer_pool(const char *database, unsigned connections, sb_pool **out, sb_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* settings_database.h - the database that a configuration names, opened: for `serve`, and for the commands that work on
 * the same one beside it. */
#ifndef SB_PAYER_SETTINGS_DATABASE_H
#define SB_PAYER_SETTINGS_DATABASE_H

#include "payer/settings.h"
#include "store/pool.h"

/* Errors as sb_db_open(); SB_E_USAGE: the file that holds the database's URI cannot be used. */
sb_status sb_settings_pool(const sb_settings *settings, unsigned connections, sb_pool **out, sb_error *err);

/* What database_file holds: a URI of PostgreSQL's. The caller wipes `out`. SB_E_USAGE: anything else, which is not shown. */
sb_status sb_settings_database_file(const sb_settings *settings, sb_buf *out, sb_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* command_stores.h - the database and the audit log of a payer, opened by a command beside a serve that may run on them.
 *
 * The audit log is one of the command's own, beside that of serve: a chain has one writer. */
#ifndef SB_PAYER_COMMAND_STORES_H
#define SB_PAYER_COMMAND_STORES_H

#include "payer/ops/audit.h"
#include "payer/settings.h"
#include "store/pool.h"

typedef struct sb_command_stores {
    sb_settings *settings; /* NULL: a database was named */
    sb_pool *pool;         /* one connection */
    sb_audit *audit;       /* NULL: none is kept, or it was opened to look at */
    char *audit_file;      /* NULL: none is kept */
} sb_command_stores;

#define SB_COMMAND_STORES_INIT                                                                                         \
    {                                                                                                                  \
        .settings = NULL                                                                                               \
    }

/* One of config and database; audit_file NULL: with config, its audit.file with ".commands" at its end; else none.
 * SB_E_USAGE, SB_E_NOT_FOUND: no such database; SB_E_IO, SB_E_BUSY, SB_E_INVALID. */
sb_status sb_command_stores_open(const char *config, const char *database, const char *audit_file, bool read_only,
                                 sb_command_stores *out, sb_error *err);
void sb_command_stores_cleanup(sb_command_stores *stores); /* what was taken out of it is set to NULL before */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* grants_db.h - tokens and used assertions in the payer's database: what one process issued is good at all, what was used
 * at one is used at all, and both outlive a restart.                                                       AUTH-10
 *
 * A used assertion and its token are written in one transaction, many callers' in one commit. What was looked up is
 * believed for SB_GRANT_STALE_S (grant_cache.h): so long may a revocation at another process take to be seen here; one at this
 * process is seen at once. A client that was suspended has no live token from the moment the register says so. */
#ifndef SB_PAYER_GRANTS_DB_H
#define SB_PAYER_GRANTS_DB_H

#include "payer/auth/grant_cache.h"
#include "store/pool.h"

typedef struct sb_grants_db_options {
    sb_pool *pool; /* of sb_payer_pool(); borrowed, as are the next two */
    sb_clients *clients;
    const sb_clock *clock;
    unsigned lifetime_s;
    size_t tokens_max; /* live at once */
    size_t used_max;   /* assertions that could still be used */
} sb_grants_db_options;

sb_status sb_grants_db(const sb_grants_db_options *options, sb_grants **out, sb_error *err);

#endif

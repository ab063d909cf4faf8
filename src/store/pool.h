/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h - connections to one database, lent to one thread at a time.
 *
 * Opens them as they are needed, up to a bound; who comes when all are lent waits for one. A connection whose server
 * has gone is replaced, so that a database which is restarted is found again. Any thread. */
#ifndef SB_STORE_POOL_H
#define SB_STORE_POOL_H

#include "store/db.h"

typedef struct sb_pool sb_pool;

/* Opens the first connection, and migrates with it. Errors as sb_db_open(). Texts are copied, migrations borrowed. */
sb_status sb_pool_new(const sb_db_options *options, unsigned connections, sb_pool **out, sb_error *err);
void sb_pool_free(sb_pool *pool); /* none is lent any more; NULL is fine */
SB_DEFINE_FREEP(sb_pool)

/* A connection until it is given back:  SB_AUTO(sb_lease) lease = SB_LEASE_INIT;  SB_TRY(sb_lease_take(&lease, pool,
 * err));  … lease.db …  Given back on every way out, with no transaction open. Waits without bound for one that is lent;
 * SB_E_BUSY: a new one cannot be opened. Never take two in one thread: it could wait for itself. */
typedef struct sb_lease {
    sb_pool *pool;
    sb_db *db;
} sb_lease;
#define SB_LEASE_INIT                                                                                                  \
    {                                                                                                                  \
        NULL, NULL                                                                                                     \
    }
sb_status sb_lease_take(sb_lease *lease, sb_pool *pool, sb_error *err);
void sb_lease_cleanup(sb_lease *lease);

/* What an operator watches. */
typedef struct sb_pool_counts {
    unsigned open, lent, max;
    uint64_t errors;   /* statements that failed, on connections that were given back */
    uint64_t unopened; /* times that a connection was wanted, and could not be had */
} sb_pool_counts;
void sb_pool_count(sb_pool *pool, sb_pool_counts *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c - idle connections on a stack, so that the busiest stay warm; a count of those that are open.
 *
 * A server that takes long to be unreachable (a cable, a firewall) is left alone for as long as that took, and whoever
 * comes meanwhile hears at once what the last one heard: else every thread would hang in turn. */
#include "store/pool.h"

#include <pthread.h>

#include <smartbulk/clock.h>

#include "base/secret.h"

#define QUIET_MAX_NS (10 * SB_NS_PER_S) /* what connecting may take */

struct sb_pool {
    pthread_mutex_t lock;
    pthread_cond_t given; /* one was given back, or may be opened */
    sb_db_options options;
    char *path;
    unsigned max, open;
    sb_db **idle;
    unsigned idle_count;
    int64_t quiet_until_ns; /* no connection is tried before */
    sb_error last;          /* why none was had */
    uint64_t errors, unopened;
};

sb_status sb_pool_new(const sb_db_options *options, unsigned connections, sb_pool **out, sb_error *err)
{
    sb_pool *bare = calloc(1, sizeof(*bare));
    if (!bare || pthread_mutex_init(&bare->lock, NULL) != 0) {
        free(bare);
        return sb_error_nomem(err);
    }
    if (pthread_cond_init(&bare->given, NULL) != 0) {
        (void)pthread_mutex_destroy(&bare->lock);
        free(bare);
        return sb_error_nomem(err);
    }
    SB_AUTOPTR(sb_pool) pool = bare;
    pool->options = *options;
    pool->max = SB_MAX(connections, 1u);
    pool->path = sb_str_dup(sb_str_from(options->path));
    pool->idle = calloc(pool->max, sizeof(sb_db *));
    if (!pool->path || !pool->idle)
        return sb_error_nomem(err);
    pool->options.path = pool->path;
    SB_TRY(sb_db_open(&pool->options, &pool->idle[0], err));
    pool->idle_count = pool->open = 1;
    *out = pool;
    pool = NULL;
    return SB_OK;
}

void sb_pool_free(sb_pool *pool)
{
    if (!pool)
        return;
    for (unsigned i = 0; i < pool->idle_count; i++)
        sb_db_free(pool->idle[i]);
    free(pool->idle);
    if (pool->path)
        sb_wipe(pool->path, strlen(pool->path)); /* a URI may hold a password */
    free(pool->path);
    (void)pthread_cond_destroy(&pool->given);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* One that is idle, or NULL and the right to open one. */
static sb_db *take_idle(sb_pool *pool)
{
    sb_db *db = NULL;
    (void)pthread_mutex_lock(&pool->lock);
    while (pool->idle_count == 0 && pool->open == pool->max)
        (void)pthread_cond_wait(&pool->given, &pool->lock);
    if (pool->idle_count > 0)
        db = pool->idle[--pool->idle_count];
    else
        pool->open++;
    (void)pthread_mutex_unlock(&pool->lock);
    return db;
}

static void give_up_place(sb_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    pool->open--;
    (void)pthread_cond_signal(&pool->given);
    (void)pthread_mutex_unlock(&pool->lock);
}

static int64_t now_ns(void)
{
    const sb_clock *clock = sb_clock_system();
    return clock->monotonic_ns(clock->impl);
}

static bool is_quiet(sb_pool *pool, sb_error *err)
{
    (void)pthread_mutex_lock(&pool->lock);
    bool quiet = now_ns() < pool->quiet_until_ns;
    if (quiet)
        *err = pool->last;
    (void)pthread_mutex_unlock(&pool->lock);
    return quiet;
}

static sb_status open_one(sb_pool *pool, sb_db **out, sb_error *err)
{
    sb_error reason = SB_ERROR_INIT;
    int64_t began = now_ns();
    if (!is_quiet(pool, &reason) && sb_db_open(&pool->options, out, &reason) == SB_OK)
        return SB_OK;
    int64_t ended = now_ns();
    (void)pthread_mutex_lock(&pool->lock);
    pool->quiet_until_ns = SB_MAX(pool->quiet_until_ns, ended + SB_MIN(ended - began, (int64_t)QUIET_MAX_NS));
    pool->last = reason;
    pool->unopened++;
    (void)pthread_mutex_unlock(&pool->lock);
    if (err)
        *err = reason;
    return reason.code;
}

sb_status sb_lease_take(sb_lease *lease, sb_pool *pool, sb_error *err)
{
    sb_db *db = take_idle(pool);
    if (db && !sb_db_usable(db)) {
        sb_db_free(db);
        db = NULL;
    }
    sb_status status = db ? SB_OK : open_one(pool, &db, err);
    if (status != SB_OK) {
        give_up_place(pool);
        return status;
    }
    *lease = (sb_lease){pool, db};
    return SB_OK;
}

void sb_lease_cleanup(sb_lease *lease)
{
    sb_pool *pool = lease->pool;
    if (!pool)
        return;
    (void)pthread_mutex_lock(&pool->lock);
    pool->idle[pool->idle_count++] = lease->db;
    pool->errors += sb_db_take_errors(lease->db);
    (void)pthread_cond_signal(&pool->given);
    (void)pthread_mutex_unlock(&pool->lock);
    *lease = (sb_lease)SB_LEASE_INIT;
}

void sb_pool_count(sb_pool *pool, sb_pool_counts *out)
{
    (void)pthread_mutex_lock(&pool->lock);
    *out = (sb_pool_counts){.open = pool->open,
                            .lent = pool->open - pool->idle_count,
                            .max = pool->max,
                            .errors = pool->errors,
                            .unopened = pool->unopened};
    (void)pthread_mutex_unlock(&pool->lock);
}

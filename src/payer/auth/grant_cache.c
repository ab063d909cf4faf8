/* SPDX-License-Identifier: Apache-2.0 */
/* grant_cache.c - a table of digests, and a count of what was dropped from it. */
#include "payer/auth/grant_cache.h"

#include <pthread.h>

#include "payer/auth/expiring.h"

#define CACHE_MAX 100000 /* tokens; some 300 bytes each */

struct sb_grant_cache {
    const sb_clock *clock;
    pthread_mutex_t lock;
    sb_expiring *table; /* on the monotonic clock */
    uint64_t drops;     /* how many there were: what was read before one may be dead since */
};

static int64_t now_ns(const sb_grant_cache *c)
{
    return c->clock->monotonic_ns(c->clock->impl);
}

static void free_value(void *value)
{
    sb_grant_free(value);
}

sb_status sb_grant_cache_new(const sb_clock *clock, sb_grant_cache **out, sb_error *err)
{
    sb_grant_cache *c = calloc(1, sizeof(*c));
    if (!c || pthread_mutex_init(&c->lock, NULL) != 0) {
        free(c);
        return sb_error_nomem(err);
    }
    c->clock = clock;
    sb_status status = sb_expiring_new(CACHE_MAX, free_value, &c->table, err);
    if (status != SB_OK) {
        sb_grant_cache_free(c);
        return status;
    }
    *out = c;
    return SB_OK;
}

void sb_grant_cache_free(sb_grant_cache *c)
{
    if (!c)
        return;
    sb_expiring_free(c->table);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

sb_grant *sb_grant_cache_get(sb_grant_cache *c, const sb_digest *token, uint64_t *drops)
{
    bool found;
    (void)pthread_mutex_lock(&c->lock);
    *drops = c->drops;
    sb_grant *grant = sb_expiring_get(c->table, token, now_ns(c), &found);
    if (grant)
        (void)sb_grant_ref(grant);
    (void)pthread_mutex_unlock(&c->lock);
    return grant;
}

/* A cache that is full is emptied: it costs a look-up each, and no live token its life. */
static bool put(sb_grant_cache *c, const sb_digest *token, sb_grant *grant)
{
    int64_t now = now_ns(c), until = now + SB_GRANT_STALE_S * SB_NS_PER_S;
    sb_expiring_put_result result = sb_expiring_put(c->table, token, until, now, grant);
    if (result == SB_EXPIRING_FULL) {
        (void)sb_expiring_clear(c->table);
        result = sb_expiring_put(c->table, token, until, now, grant);
    }
    return result == SB_EXPIRING_ADDED;
}

void sb_grant_cache_put(sb_grant_cache *c, const sb_digest *token, sb_grant *grant, uint64_t drops)
{
    (void)pthread_mutex_lock(&c->lock);
    if (c->drops == drops && put(c, token, grant))
        (void)sb_grant_ref(grant);
    (void)pthread_mutex_unlock(&c->lock);
}

void sb_grant_cache_drop(sb_grant_cache *c, const sb_digest *token)
{
    (void)pthread_mutex_lock(&c->lock);
    c->drops++;
    if (token)
        sb_expiring_remove(c->table, token);
    else
        (void)sb_expiring_clear(c->table);
    (void)pthread_mutex_unlock(&c->lock);
}

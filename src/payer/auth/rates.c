/* SPDX-License-Identifier: Apache-2.0 */
/* rates.c - a bucket is one number: the time at which it will be full again. Who has none has a full one, so those that
 * are full are forgotten when room is needed. */
#include "payer/auth/rates.h"

#include <pthread.h>
#include <stdatomic.h>

#include "payer/auth/digest.h"
#include "payer/auth/expiring.h"

#define MINUTE_NS   (60 * SB_NS_PER_S)
#define BUCKETS_MAX 20000 /* twice as many as there can be clients */

struct sb_rates {
    pthread_mutex_t lock;
    const sb_clock *clock;
    atomic_uint per_minute;
    sb_expiring *buckets; /* digest of the id to a bucket, until it is full */
};

typedef struct bucket {
    int64_t full_ns;
} bucket;

sb_status sb_rates_new(const sb_clock *clock, unsigned per_minute, sb_rates **out, sb_error *err)
{
    sb_rates *rates = calloc(1, sizeof(*rates));
    if (!rates || pthread_mutex_init(&rates->lock, NULL) != 0) {
        free(rates);
        return sb_error_nomem(err);
    }
    rates->clock = clock;
    atomic_init(&rates->per_minute, per_minute);
    sb_status status = sb_expiring_new(BUCKETS_MAX, free, &rates->buckets, err);
    if (status != SB_OK) {
        sb_rates_free(rates);
        return status;
    }
    *out = rates;
    return SB_OK;
}

void sb_rates_free(sb_rates *rates)
{
    if (!rates)
        return;
    sb_expiring_free(rates->buckets);
    (void)pthread_mutex_destroy(&rates->lock);
    free(rates);
}

void sb_rates_set(sb_rates *rates, unsigned per_minute)
{
    atomic_store(&rates->per_minute, per_minute);
}

/* When the client's bucket is full again, as of now. */
static int64_t full_at(sb_rates *rates, const sb_digest *id, int64_t now)
{
    bool found;
    const bucket *b = sb_expiring_get(rates->buckets, id, now, &found);
    return b ? b->full_ns : now;
}

/* Without memory nobody is held up: that is a limit of courtesy, not of safety. */
static void put(sb_rates *rates, const sb_digest *id, int64_t full_ns, int64_t now)
{
    bucket *b = malloc(sizeof(*b));
    if (!b)
        return;
    b->full_ns = full_ns;
    sb_expiring_remove(rates->buckets, id);
    if (sb_expiring_put(rates->buckets, id, full_ns, now, b) != SB_EXPIRING_ADDED)
        free(b);
}

/* 0: no limit. */
static unsigned allowance(sb_rates *rates, unsigned own)
{
    return own ? own : rates ? atomic_load(&rates->per_minute) : 0;
}

unsigned sb_rates_take(sb_rates *rates, const char *client_id, unsigned own)
{
    unsigned per_minute = allowance(rates, own);
    if (!rates || per_minute == 0)
        return 0;
    int64_t one_ns = MINUTE_NS / per_minute, wait_ns = 0;
    sb_digest id = sb_digest_of(sb_str_from(client_id));
    (void)pthread_mutex_lock(&rates->lock);
    int64_t now = rates->clock->monotonic_ns(rates->clock->impl);
    int64_t full_ns = full_at(rates, &id, now) + one_ns;
    if (full_ns - now <= SB_MAX(MINUTE_NS, one_ns))
        put(rates, &id, full_ns, now);
    else
        wait_ns = full_ns - now - MINUTE_NS;
    (void)pthread_mutex_unlock(&rates->lock);
    return (unsigned)((wait_ns + SB_NS_PER_S - 1) / SB_NS_PER_S);
}

void sb_rates_give_back(sb_rates *rates, const char *client_id, unsigned own)
{
    unsigned per_minute = allowance(rates, own);
    if (!rates || per_minute == 0)
        return;
    sb_digest id = sb_digest_of(sb_str_from(client_id));
    (void)pthread_mutex_lock(&rates->lock);
    int64_t now = rates->clock->monotonic_ns(rates->clock->impl);
    put(rates, &id, SB_MAX(full_at(rates, &id, now) - MINUTE_NS / per_minute, now), now);
    (void)pthread_mutex_unlock(&rates->lock);
}

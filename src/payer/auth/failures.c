/* SPDX-License-Identifier: Apache-2.0 */
/* failures.c - a bucket is one number: the time at which it will be full again. A network's bucket is in one of four places,
 * chosen by a secret hash; where all are others', the fullest of them goes, which has the least to remember. */
#include "payer/auth/failures.h"

#include <pthread.h>

#include "base/random.h"
#include "http/network.h"

#define SET_BITS                                                                                                       \
    11 /* 8192 buckets of four a set: at a hundred failures a second each, the CPU is the limit, not these */
#define WAYS 4

typedef struct bucket {
    uint64_t network;
    int64_t full_ns; /* INT64_MIN: nobody's */
} bucket;

struct sb_failures {
    pthread_mutex_t lock;
    const sb_clock *clock;
    int64_t interval_ns, burst_ns; /* one failure, and all that may come at once, as time */
    uint64_t multiplier;
    bucket sets[1 << SET_BITS][WAYS];
};

sb_status sb_failures_new(const sb_clock *clock, unsigned burst, unsigned per_minute, sb_failures **out, sb_error *err)
{
    sb_failures *f = calloc(1, sizeof(*f));
    if (!f || pthread_mutex_init(&f->lock, NULL) != 0) {
        free(f);
        return sb_error_nomem(err);
    }
    f->clock = clock;
    f->interval_ns = 60 * SB_NS_PER_S / SB_MAX(per_minute, 1u);
    f->burst_ns = f->interval_ns * burst;
    sb_random_bytes(&f->multiplier, sizeof(f->multiplier));
    f->multiplier |= 1;
    for (size_t i = 0; i < SB_ARRAY_LEN(f->sets); i++) {
        for (size_t k = 0; k < WAYS; k++)
            f->sets[i][k].full_ns = INT64_MIN;
    }
    *out = f;
    return SB_OK;
}

void sb_failures_free(sb_failures *f)
{
    if (!f)
        return;
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
}

static uint64_t network_of(const char *text)
{
    sb_address address;
    return sb_address_parse(sb_str_from(text), &address) ? sb_address_network(&address) : 0;
}

int64_t sb_failures_network(const char *address)
{
    uint64_t network = network_of(address);
    return network ? (int64_t)network : -1; /* one of 2^64 shares another's */
}

/* Its bucket, or the one that it may take over. */
static bucket *place_of(sb_failures *f, uint64_t network)
{
    bucket *set = f->sets[sb_network_place(network, f->multiplier, SET_BITS)], *fullest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].network == network && set[i].full_ns != INT64_MIN)
            return &set[i];
        if (set[i].full_ns < fullest->full_ns)
            fullest = &set[i];
    }
    return fullest;
}

static int64_t now_ns(const sb_failures *f)
{
    return f->clock->monotonic_ns(f->clock->impl);
}

bool sb_failures_exceeded(sb_failures *f, const char *address)
{
    if (f->burst_ns == 0)
        return false;
    int64_t now = now_ns(f);
    uint64_t network = network_of(address);
    (void)pthread_mutex_lock(&f->lock);
    const bucket *b = place_of(f, network);
    bool exceeded = b->network == network && b->full_ns > now + f->burst_ns - f->interval_ns;
    (void)pthread_mutex_unlock(&f->lock);
    return exceeded;
}

void sb_failures_add(sb_failures *f, const char *address)
{
    int64_t now = now_ns(f);
    uint64_t network = network_of(address);
    (void)pthread_mutex_lock(&f->lock);
    bucket *b = place_of(f, network);
    if (b->network != network) /* what another did is not this one's */
        *b = (bucket){network, now};
    b->full_ns = SB_MAX(b->full_ns, now) + f->interval_ns;
    (void)pthread_mutex_unlock(&f->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* failures.c - a bucket is one number: the time at which it will be full again. */
#include "payer/auth/failures.h"

#include <arpa/inet.h>
#include <pthread.h>

#include "base/random.h"

#define BUCKET_BITS 12 /* 4096: at a hundred failures a second each, the CPU is the limit, not these */

struct sb_failures {
    pthread_mutex_t lock;
    const sb_clock *clock;
    int64_t interval_ns, burst_ns; /* one failure, and all that may come at once, as time */
    uint64_t multiplier;
    int64_t full_ns[1 << BUCKET_BITS];
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
    for (size_t i = 0; i < SB_ARRAY_LEN(f->full_ns); i++)
        f->full_ns[i] = INT64_MIN;
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

/* The first 64 bits of an address: all of an IPv4 one, the network of an IPv6 one. A socket for both shows the former
 * as ::ffff:192.0.2.1, where these bits are the same for all the world. */
static uint64_t network_of(const char *address)
{
    struct in6_addr v6;
    unsigned char bytes[8] = {0};
    uint64_t network;
    if (inet_pton(AF_INET6, address, &v6) != 1)
        (void)inet_pton(AF_INET, address, bytes);
    else if (IN6_IS_ADDR_V4MAPPED(&v6))
        memcpy(bytes, v6.s6_addr + 12, 4);
    else
        memcpy(bytes, v6.s6_addr, sizeof(bytes));
    memcpy(&network, bytes, sizeof(network));
    return network + 1; /* none is 0, which no multiplier moves */
}

int64_t sb_failures_network(const char *address)
{
    uint64_t network = network_of(address);
    return network ? (int64_t)network : -1; /* one of 2^64 shares another's */
}

static int64_t *bucket_of(sb_failures *f, const char *address)
{
    uint64_t hash = network_of(address) * f->multiplier;
    hash ^= hash >> 32; /* the network's last bits are in the middle now: let them count */
    return &f->full_ns[(hash * f->multiplier) >> (64 - BUCKET_BITS)];
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
    (void)pthread_mutex_lock(&f->lock);
    bool exceeded = *bucket_of(f, address) > now + f->burst_ns - f->interval_ns;
    (void)pthread_mutex_unlock(&f->lock);
    return exceeded;
}

void sb_failures_add(sb_failures *f, const char *address)
{
    int64_t now = now_ns(f);
    (void)pthread_mutex_lock(&f->lock);
    int64_t *full = bucket_of(f, address);
    *full = SB_MAX(*full, now) + f->interval_ns;
    (void)pthread_mutex_unlock(&f->lock);
}

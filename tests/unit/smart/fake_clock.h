/* SPDX-License-Identifier: Apache-2.0 */
/* fake_clock.h - time that tests own. It stands still until a test moves it, or, with `jumps`, goes to each deadline
 * that somebody waits for. */
#ifndef SB_TEST_FAKE_CLOCK_H
#define SB_TEST_FAKE_CLOCK_H

#include <stdatomic.h>
#include <time.h>

#include <smartbulk/clock.h>

#include "base/defs.h"

typedef struct fake_clock {
    sb_clock clock;
    _Atomic int64_t mono_ns, wall_s;
    _Atomic int64_t waited_ns; /* the sum of what was waited for, with `jumps` */
    bool jumps;
} fake_clock;

static inline int64_t fake_monotonic_ns(void *impl)
{
    return atomic_load(&((fake_clock *)impl)->mono_ns);
}

static inline int64_t fake_wall_s(void *impl)
{
    return atomic_load(&((fake_clock *)impl)->wall_s);
}

static inline void fake_advance_ns(fake_clock *c, int64_t ns)
{
    int64_t before = atomic_fetch_add(&c->mono_ns, ns);
    (void)atomic_fetch_add(&c->wall_s, (before + ns) / SB_NS_PER_S - before / SB_NS_PER_S);
}

static inline void fake_advance_s(fake_clock *c, int64_t s)
{
    fake_advance_ns(c, s * SB_NS_PER_S);
}

static inline void fake_wait_until(void *impl, pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    fake_clock *c = impl;
    if (c->jumps) {
        int64_t ns = deadline_ns - fake_monotonic_ns(c);
        if (ns > 0) {
            fake_advance_ns(c, ns);
            (void)atomic_fetch_add(&c->waited_ns, ns);
        }
        return;
    }
    struct timespec ts; /* look again every millisecond: the contract allows to wake early */
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += SB_NS_PER_MS;
    if (ts.tv_nsec >= SB_NS_PER_S) {
        ts.tv_sec++;
        ts.tv_nsec -= SB_NS_PER_S;
    }
    (void)pthread_cond_timedwait(cond, mutex, &ts);
}

static inline void fake_clock_init(fake_clock *c)
{
    *c = (fake_clock){.clock = {c, fake_monotonic_ns, fake_wall_s, fake_wait_until}};
    atomic_init(&c->mono_ns, 1000 * SB_NS_PER_S);
    atomic_init(&c->wall_s, INT64_C(1790000000)); /* 2026-09-21 */
    atomic_init(&c->waited_ns, 0);
}

/* Real time passes until `cond` holds; false after ten seconds. For what another thread does on its own. */
#define eventually(cond)                                                                                               \
    ({                                                                                                                 \
        bool eventually_ok_ = false;                                                                                   \
        for (int eventually_i_ = 0; eventually_i_ < 10000 && !(eventually_ok_ = (cond)); eventually_i_++)              \
            (void)nanosleep(&(struct timespec){0, 1000000}, NULL);                                                     \
        eventually_ok_;                                                                                                \
    })

#endif

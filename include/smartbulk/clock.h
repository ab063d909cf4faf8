/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - time, injected: the program runs on the machine's clocks, tests on their own. */
#ifndef SMARTBULK_CLOCK_H
#define SMARTBULK_CLOCK_H

#include <pthread.h>
#include <stdint.h>

#include <smartbulk/error.h>

/* Two readings and one way to wait. `impl` is handed to each. All three must be safe from any thread. */
typedef struct sb_clock {
    void *impl;
    /* Nanoseconds that never go back and do not count from any date; what lifetimes and waits are measured with. */
    int64_t (*monotonic_ns)(void *impl);
    /* Seconds since 1970-01-01T00:00:00Z; what goes into assertions and is compared with the payer's `Date`. */
    int64_t (*wall_s)(void *impl);
    /* Wait on `cond` (whose mutex the caller holds) until it is signalled or monotonic_ns reaches `deadline_ns`.
     * May wake early. `cond` was initialised by sb_cond_init(). */
    void (*wait_until)(void *impl, pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns);
} sb_clock;

/* The machine's clocks (CLOCK_MONOTONIC, CLOCK_REALTIME). A constant; never freed. */
SB_PUBLIC const sb_clock *sb_clock_system(void);

/* A condition variable that waits on CLOCK_MONOTONIC; pthread_cond_destroy() ends it. Returns 0 or an errno. */
SB_PUBLIC int sb_cond_init(pthread_cond_t *cond);

#endif

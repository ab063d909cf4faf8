/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - the machine's clocks behind the injected interface. Owns no state. */
#include <smartbulk/clock.h>

#include <time.h>

#include "base/defs.h"

static int64_t monotonic_ns(void *impl)
{
    (void)impl;
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock on Linux */
    return (int64_t)ts.tv_sec * SB_NS_PER_S + ts.tv_nsec;
}

static int64_t wall_s(void *impl)
{
    (void)impl;
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec;
}

static void wait_until(void *impl, pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    (void)impl;
    if (deadline_ns < 0)
        deadline_ns = 0;
    struct timespec ts = {.tv_sec = (time_t)(deadline_ns / SB_NS_PER_S), .tv_nsec = (long)(deadline_ns % SB_NS_PER_S)};
    (void)pthread_cond_timedwait(cond, mutex, &ts); /* a time-out is what the caller's loop looks at the clock for */
}

const sb_clock *sb_clock_system(void)
{
    static const sb_clock system_clock = {NULL, monotonic_ns, wall_s, wait_until};
    return &system_clock;
}

int sb_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);
    if (rc != 0)
        return rc;
    rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (rc == 0)
        rc = pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    return rc;
}

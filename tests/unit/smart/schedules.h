/* SPDX-License-Identifier: Apache-2.0 */
/* schedules.h - tests of what holds whatever happens: one schedule is one seed, and a failure names it. SB_SEED=N plays
 * that one alone, SB_SOAK=1 many more. */
#ifndef SB_TEST_SCHEDULES_H
#define SB_TEST_SCHEDULES_H

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

/* A promise; `world` has a seed. From any thread. */
#define HOLDS(world, sentence, true)                                                                                   \
    do {                                                                                                               \
        if (!(true)) {                                                                                                 \
            (void)fprintf(stderr, "seed %llu: not so: %s\n", (unsigned long long)(world)->seed, sentence);             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static inline unsigned schedules_count(unsigned usual, unsigned soak)
{
    return getenv("SB_SEED") ? 1 : getenv("SB_SOAK") ? usual * soak : usual;
}

static inline uint64_t schedules_seed(unsigned index)
{
    const char *only = getenv("SB_SEED");
    return only ? strtoull(only, NULL, 10) : index;
}

static inline void schedules_log_nothing(void *impl, sb_log_level level, const char *line)
{
    (void)impl, (void)level, (void)line;
}

/* What goes wrong on purpose is told thousands of times, to nobody. */
static inline void schedules_be_quiet(void)
{
    sb_log_set(SB_LOG_DEBUG, schedules_log_nothing, NULL);
}

#endif

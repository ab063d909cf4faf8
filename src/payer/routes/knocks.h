/* SPDX-License-Identifier: Apache-2.0 */
/* knocks.h - refusals of strangers for the audit log: one line a second stands for all of them, and says how many there were
 * for which reason since the line before. Any thread. */
#ifndef SB_PAYER_KNOCKS_H
#define SB_PAYER_KNOCKS_H

#include <pthread.h>

#include "base/buf.h"

#define SB_KNOCKS_KINDS     16  /* reasons that are counted each for itself; who makes up more mistakes has "others" */
#define SB_KNOCKS_TEXT_SIZE 600 /* of words for all of them, with counts of ten digits */

typedef struct sb_knocks {
    pthread_mutex_t lock;
    bool has_told;
    int64_t told_s;
    size_t kinds;
    struct {
        const char *reason; /* a constant */
        uint64_t count;
    } each[SB_KNOCKS_KINDS];
    uint64_t others;
} sb_knocks;

bool sb_knocks_init(sb_knocks *knocks);
void sb_knocks_destroy(sb_knocks *knocks);

/* Is this one told? False: it is counted, and told with the next. True: `before` has words for those that were counted, ""
 * when there are none. */
bool sb_knocks_add(sb_knocks *knocks, const char *reason, int64_t now_s, char before[SB_KNOCKS_TEXT_SIZE]);
/* Those that are counted and not told yet, which are forgotten. False: there are none. */
bool sb_knocks_take(sb_knocks *knocks, char before[SB_KNOCKS_TEXT_SIZE]);

#endif

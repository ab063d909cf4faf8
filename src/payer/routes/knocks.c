/* SPDX-License-Identifier: Apache-2.0 */
/* knocks.c - a count for each reason, and when a line was last written. */
#include "payer/routes/knocks.h"

#include <inttypes.h>
#include <stdio.h>

bool sb_knocks_init(sb_knocks *k)
{
    return pthread_mutex_init(&k->lock, NULL) == 0;
}

void sb_knocks_destroy(sb_knocks *k)
{
    (void)pthread_mutex_destroy(&k->lock);
}

static void count(sb_knocks *k, const char *reason)
{
    size_t i = 0;
    while (i < k->kinds && strcmp(k->each[i].reason, reason) != 0)
        i++;
    if (i == SB_KNOCKS_KINDS) {
        k->others++;
        return;
    }
    if (i == k->kinds) {
        k->each[i].reason = reason;
        k->each[i].count = 0;
        k->kinds++;
    }
    k->each[i].count++;
}

static bool take(sb_knocks *k, char before[SB_KNOCKS_TEXT_SIZE])
{
    size_t len = 0;
    before[0] = '\0';
    for (size_t i = 0; i < k->kinds && len < SB_KNOCKS_TEXT_SIZE; i++)
        len += (size_t)snprintf(before + len, SB_KNOCKS_TEXT_SIZE - len, "%s%" PRIu64 " %s",
                                i == 0 ? "before it: " : ", ", k->each[i].count, k->each[i].reason);
    if (k->others > 0 && len < SB_KNOCKS_TEXT_SIZE)
        (void)snprintf(before + len, SB_KNOCKS_TEXT_SIZE - len, ", %" PRIu64 " others", k->others);
    bool some = k->kinds > 0;
    k->kinds = 0;
    k->others = 0;
    return some;
}

bool sb_knocks_add(sb_knocks *k, const char *reason, int64_t now_s, char before[SB_KNOCKS_TEXT_SIZE])
{
    (void)pthread_mutex_lock(&k->lock);
    bool told = !k->has_told || k->told_s != now_s;
    if (told) {
        k->has_told = true;
        k->told_s = now_s;
        (void)take(k, before);
    } else {
        count(k, reason);
    }
    (void)pthread_mutex_unlock(&k->lock);
    return told;
}

bool sb_knocks_take(sb_knocks *k, char before[SB_KNOCKS_TEXT_SIZE])
{
    (void)pthread_mutex_lock(&k->lock);
    bool some = take(k, before);
    (void)pthread_mutex_unlock(&k->lock);
    return some;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c - the guard, and its memory in memory. */
#include "payer/auth/replay.h"

#include <pthread.h>

#include "payer/auth/expiring.h"

struct sb_replay {
    const sb_replay_ops *ops;
    void *impl;
};

sb_status sb_replay_new(const sb_replay_ops *ops, void *impl, sb_replay **out, sb_error *err)
{
    sb_replay *replay = malloc(sizeof(*replay));
    if (!replay) {
        ops->free(impl);
        return sb_error_nomem(err);
    }
    *replay = (sb_replay){ops, impl};
    *out = replay;
    return SB_OK;
}

void sb_replay_free(sb_replay *replay)
{
    if (!replay)
        return;
    replay->ops->free(replay->impl);
    free(replay);
}

sb_replay_answer sb_replay_use(sb_replay *replay, sb_str iss, sb_str jti, int64_t expires_s, int64_t now_s,
                               sb_error *err)
{
    sb_digest key = sb_digest_of_pair(iss, jti);
    return replay->ops->use(replay->impl, &key, expires_s, now_s, err);
}

sb_replay_answer sb_replay_use_digest(sb_replay *replay, const sb_digest *used, int64_t expires_s, int64_t now_s,
                                      sb_error *err)
{
    return replay->ops->use(replay->impl, used, expires_s, now_s, err);
}

/* In memory */

typedef struct memory {
    pthread_mutex_t lock;
    sb_expiring *table;
    int64_t latest_s; /* the clock's latest reading: what had ended then may have been forgotten */
} memory;

/* A clock that was set back would make what has been forgotten good again: so time only goes on here, and what had
 * ended by its latest reading counts as seen. */
static sb_replay_answer memory_use(void *impl, const sb_digest *key, int64_t expires_s, int64_t now_s, sb_error *err)
{
    memory *m = impl;
    sb_replay_answer answer = SB_REPLAY_SEEN;
    (void)pthread_mutex_lock(&m->lock);
    m->latest_s = SB_MAX(m->latest_s, now_s);
    if (expires_s > m->latest_s) {
        switch (sb_expiring_put(m->table, key, expires_s, m->latest_s, NULL)) {
        case SB_EXPIRING_ADDED:
            answer = SB_REPLAY_FRESH;
            break;
        case SB_EXPIRING_EXISTS:
            break;
        case SB_EXPIRING_FULL:
            answer = SB_REPLAY_FULL;
            break;
        case SB_EXPIRING_NOMEM:
            (void)sb_error_nomem(err);
            answer = SB_REPLAY_FAILED;
            break;
        }
    }
    (void)pthread_mutex_unlock(&m->lock);
    return answer;
}

static void memory_free(void *impl)
{
    memory *m = impl;
    sb_expiring_free(m->table);
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

sb_status sb_replay_memory(size_t max, sb_replay **out, sb_error *err)
{
    static const sb_replay_ops ops = {memory_use, memory_free};
    memory *m = calloc(1, sizeof(*m));
    if (!m || pthread_mutex_init(&m->lock, NULL) != 0) {
        free(m);
        return sb_error_nomem(err);
    }
    m->latest_s = INT64_MIN;
    sb_status status = sb_expiring_new(max, NULL, &m->table, err);
    if (status != SB_OK) {
        memory_free(m);
        return status;
    }
    return sb_replay_new(&ops, m, out, err);
}

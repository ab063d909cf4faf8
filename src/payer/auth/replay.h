/* SPDX-License-Identifier: Apache-2.0 */
/* replay.h - an assertion is good once: the guard that remembers which were used.                           AUTH-10
 *
 * Keyed by (iss, jti), atomic, bounded; when it is full it refuses, and never forgets what could still be used. Where
 * it remembers is behind a table of functions. Any thread. */
#ifndef SB_PAYER_REPLAY_H
#define SB_PAYER_REPLAY_H

#include "payer/auth/digest.h"

typedef enum sb_replay_answer {
    SB_REPLAY_FRESH, /* never seen: and from now on it is */
    SB_REPLAY_SEEN,
    SB_REPLAY_FULL,
    SB_REPLAY_FAILED /* it could not be remembered: to be treated as FULL; `err` says why */
} sb_replay_answer;

typedef struct sb_replay_ops {
    /* Remember `key` until the wall clock reads `expires_s`; `now_s` is what it reads now. */
    sb_replay_answer (*use)(void *impl, const sb_digest *key, int64_t expires_s, int64_t now_s, sb_error *err);
    void (*free)(void *impl);
} sb_replay_ops;

typedef struct sb_replay sb_replay;

/* Takes `impl` over, also on failure. For those who implement a store. */
sb_status sb_replay_new(const sb_replay_ops *ops, void *impl, sb_replay **out, sb_error *err);
void sb_replay_free(sb_replay *replay); /* NULL is fine */
SB_DEFINE_FREEP(sb_replay)

/* Use this assertion up, which nobody accepts any more once the wall clock reads `expires_s`. */
sb_replay_answer sb_replay_use(sb_replay *replay, sb_str iss, sb_str jti, int64_t expires_s, int64_t now_s,
                               sb_error *err);

/* The same by the digest of (iss, jti). */
sb_replay_answer sb_replay_use_digest(sb_replay *replay, const sb_digest *used, int64_t expires_s, int64_t now_s,
                                      sb_error *err);

/* In memory, `max` of them: forgets with the process. */
sb_status sb_replay_memory(size_t max, sb_replay **out, sb_error *err);

#endif

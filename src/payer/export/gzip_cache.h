/* SPDX-License-Identifier: Apache-2.0 */
/* gzip_cache.h - compressed copies of files: each made once, by a thread of its own, and kept where the caller says.
 *
 * Nobody ever waits for one: who asks before it is there sends the file as it is, so that a request costs no more than one
 * for a plain file. What somebody asked for is made first; then, list by list in turn, what will be asked for. The thread
 * gives way to those that answer. The bytes are the same at every making, so that ranges of them fit together.
 *                                                                                                            FILE-05 */
#ifndef SB_PAYER_GZIP_CACHE_H
#define SB_PAYER_GZIP_CACHE_H

#include <smartbulk/clock.h>

#include "base/buf.h"

#define SB_GZIP_WANTED_MAX 64 /* waiting to be made, each with a descriptor; beyond, files stay as they are */
#define SB_GZIP_AHEAD_MAX  16 /* lists that are made ahead, without a descriptor; beyond, who asks has it made */
#define SB_GZIP_AGAIN_S    INT64_C(30) /* after a failure: a disk that is full is not asked with every request */

typedef struct sb_gzip_cache sb_gzip_cache;

/* `clock` is borrowed. Has a thread of its own. */
sb_status sb_gzip_cache_new(const sb_clock *clock, sb_gzip_cache **out, sb_error *err);
void sb_gzip_cache_free(sb_gzip_cache *cache); /* what is under way is given up; NULL is fine */
SB_DEFINE_FREEP(sb_gzip_cache)

/* A descriptor on the compressed copy of `source_fd` at `path`. -1: there is none yet; it is made meanwhile, if there is
 * room. `source_fd` is read by position, by a descriptor of our own: its offset stays, and it may be closed. Any thread. */
int sb_gzip_cache_open(sb_gzip_cache *cache, int source_fd, const char *path);

/* Files that will be asked for. */
typedef struct sb_gzip_ahead {
    /* The next one: a descriptor, and where its copy is kept (malloc'ed); both are the cache's then. False: there are no
     * more. Called by the cache's thread. */
    bool (*next)(void *impl, int *source_fd, char **path);
    void (*free)(void *impl);
    void *impl;
} sb_gzip_ahead;

/* Takes `impl` over. After a failure, what was only to be made ahead is given up. Any thread. */
void sb_gzip_cache_ahead(sb_gzip_cache *cache, const sb_gzip_ahead *ahead);

/* Until nothing is left to be made: for tests. */
void sb_gzip_cache_wait(sb_gzip_cache *cache);

#endif

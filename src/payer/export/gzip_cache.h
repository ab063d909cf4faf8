/* SPDX-License-Identifier: Apache-2.0 */
/* gzip_cache.h - compressed copies of files: each made once, by whoever asks first, and kept where the caller says.
 *
 * The bytes are the same at every making, so that ranges of them fit together.                              FILE-05 */
#ifndef SB_PAYER_GZIP_CACHE_H
#define SB_PAYER_GZIP_CACHE_H

#include "base/buf.h"

typedef struct sb_gzip_cache sb_gzip_cache;

sb_status sb_gzip_cache_new(sb_gzip_cache **out, sb_error *err);
void sb_gzip_cache_free(sb_gzip_cache *cache); /* nobody is waiting in it */
SB_DEFINE_FREEP(sb_gzip_cache)

/* A descriptor on the compressed copy of `source_fd` at `path`, made now when it is not there; one thread makes it,
 * others who ask for the same path wait. `source_fd` is read by position: its own offset stays. Any thread. SB_E_IO. */
sb_status sb_gzip_cache_open(sb_gzip_cache *cache, int source_fd, const char *path, int *fd, sb_error *err);

#endif

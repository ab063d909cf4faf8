/* SPDX-License-Identifier: Apache-2.0 */
/* gzip_cache.c - a list of what is being made, and a condition for those who wait for it. */
#include "payer/export/gzip_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"

#define GZIP_LEVEL  1 /* claims shrink tenfold even so; each level above costs time for a few percent */
#define CHUNK_BYTES ((size_t)128 * 1024)

typedef struct making {
    const char *path; /* of its maker's stack */
    struct making *next;
} making;

struct sb_gzip_cache {
    pthread_mutex_t lock;
    pthread_cond_t made;
    making *makings;
};

sb_status sb_gzip_cache_new(sb_gzip_cache **out, sb_error *err)
{
    sb_gzip_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return sb_error_nomem(err);
    if (pthread_mutex_init(&cache->lock, NULL) != 0 || pthread_cond_init(&cache->made, NULL) != 0) {
        free(cache);
        return sb_error_nomem(err);
    }
    *out = cache;
    return SB_OK;
}

void sb_gzip_cache_free(sb_gzip_cache *cache)
{
    if (!cache)
        return;
    (void)pthread_cond_destroy(&cache->made);
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache);
}

typedef struct deflater {
    z_stream z;
    bool begun;
    unsigned char *in, *out; /* CHUNK_BYTES each */
} deflater;

static void deflater_cleanup(deflater *d)
{
    if (d->begun)
        (void)deflateEnd(&d->z);
    free(d->in);
    free(d->out);
}

/* What zlib has for us goes to `fd`, until it wants more. */
static sb_status drain(deflater *d, int flush, int fd, const char *path, sb_error *err)
{
    do {
        d->z.next_out = d->out;
        d->z.avail_out = CHUNK_BYTES;
        if (deflate(&d->z, flush) == Z_STREAM_ERROR)
            return sb_error_set(err, SB_E_INTERNAL, "a file could not be compressed", "%s: zlib refused", NULL, path);
        sb_str piece = {(const char *)d->out, CHUNK_BYTES - d->z.avail_out};
        SB_TRY(sb_file_write_all(fd, path, piece, err));
    } while (d->z.avail_out == 0);
    return SB_OK;
}

static sb_status compress_file(int from, int to, const char *path, sb_error *err)
{
    SB_AUTO(deflater) d = {.in = malloc(CHUNK_BYTES), .out = malloc(CHUNK_BYTES)};
    if (!d.in || !d.out || deflateInit2(&d.z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return sb_error_nomem(err); /* 16: gzip, with a header that holds neither time nor name */
    d.begun = true;
    for (off_t at = 0;;) {
        ssize_t n = pread(from, d.in, CHUNK_BYTES, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sb_error_errno(err, "a file could not be read to compress it", path, errno);
        d.z.next_in = d.in;
        d.z.avail_in = (uInt)n;
        SB_TRY(drain(&d, n == 0 ? Z_FINISH : Z_NO_FLUSH, to, path, err));
        if (n == 0)
            return SB_OK;
        at += n;
    }
}

/* Under another name until it is whole: whoever finds `path` finds all of it. */
static sb_status make(int source_fd, const char *path, sb_error *err)
{
    SB_AUTOFREE part = sb_printf("%s.XXXXXX", path); /* another process may be making the same */
    if (!part)
        return sb_error_nomem(err);
    SB_AUTOFD fd = mkostemp(part, O_CLOEXEC); /* 0600 */
    if (fd < 0)
        return sb_error_errno(err, "a compressed file could not be created", part, errno);
    sb_status status = compress_file(source_fd, fd, part, err);
    if (status == SB_OK && rename(part, path) != 0)
        status = sb_error_errno(err, "a compressed file could not be put in place", path, errno);
    if (status != SB_OK)
        (void)unlink(part); /* nothing half-made stays */
    return status;
}

static bool is_being_made(const sb_gzip_cache *cache, const char *path)
{
    for (const making *m = cache->makings; m; m = m->next) {
        if (strcmp(m->path, path) == 0)
            return true;
    }
    return false;
}

static void forget(sb_gzip_cache *cache, const making *done)
{
    for (making **at = &cache->makings; *at; at = &(*at)->next) {
        if (*at == done) {
            *at = done->next;
            return;
        }
    }
}

sb_status sb_gzip_cache_open(sb_gzip_cache *cache, int source_fd, const char *path, int *fd, sb_error *err)
{
    sb_status status = SB_OK;
    making mine = {path, NULL};
    (void)pthread_mutex_lock(&cache->lock);
    while (is_being_made(cache, path))
        (void)pthread_cond_wait(&cache->made, &cache->lock);
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (*fd < 0) {
        mine.next = cache->makings;
        cache->makings = &mine;
        (void)pthread_mutex_unlock(&cache->lock);
        status = make(source_fd, path, err);
        if (status == SB_OK)
            *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (status == SB_OK && *fd < 0)
            status = sb_error_errno(err, "a compressed file could not be opened", path, errno);
        (void)pthread_mutex_lock(&cache->lock);
        forget(cache, &mine);
        (void)pthread_cond_broadcast(&cache->made);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return status;
}

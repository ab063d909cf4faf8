/* SPDX-License-Identifier: Apache-2.0 */
/* gzip_cache.c - a short list of what is wanted, lists of what will be, and the thread that makes it. */
#include "payer/export/gzip_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/log.h"

#define GZIP_LEVEL  1 /* claims shrink tenfold even so; each level above costs time for a few percent */
#define CHUNK_BYTES ((size_t)128 * 1024)
#define NICENESS    10 /* a tenth of a core that others want, all of one that nobody does */

typedef struct wanted {
    int fd; /* of the source; ours */
    char *path;
    struct wanted *next;
} wanted;

typedef struct ahead_list {
    sb_gzip_ahead files;
    struct ahead_list *next;
} ahead_list;

struct sb_gzip_cache {
    pthread_mutex_t lock;
    pthread_cond_t work; /* for our thread */
    pthread_cond_t idle; /* it has nothing left to do */
    const sb_clock *clock;
    wanted *queue, *current;
    size_t queued;
    ahead_list *ahead;  /* whose turn it is first */
    size_t ahead_count; /* with the one that is being asked */
    bool has_failed;
    int64_t failed_ns;
    atomic_bool ending;
    pthread_t thread;
    bool has_thread;
};

static void wanted_free(wanted *w)
{
    if (!w)
        return;
    sb_fd_cleanup(&w->fd);
    free(w->path);
    free(w);
}

static void ahead_list_free(sb_gzip_cache *cache, ahead_list *list)
{
    cache->ahead_count--;
    list->files.free(list->files.impl);
    free(list);
}

static void drop_ahead(sb_gzip_cache *cache)
{
    while (cache->ahead) {
        ahead_list *first = cache->ahead;
        cache->ahead = first->next;
        ahead_list_free(cache, first);
    }
}

static void add_ahead(sb_gzip_cache *cache, ahead_list *list)
{
    ahead_list **last = &cache->ahead;
    while (*last)
        last = &(*last)->next;
    list->next = NULL;
    *last = list;
}

/* Making one */

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

static sb_status compress_file(const sb_gzip_cache *cache, int from, int to, const char *path, sb_error *err)
{
    SB_AUTO(deflater) d = {.in = malloc(CHUNK_BYTES), .out = malloc(CHUNK_BYTES)};
    if (!d.in || !d.out || deflateInit2(&d.z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return sb_error_nomem(err); /* 16: gzip, with a header that holds neither time nor name */
    d.begun = true;
    for (off_t at = 0;;) {
        if (atomic_load(&cache->ending))
            return SB_E_INTERRUPTED;
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
static sb_status make(const sb_gzip_cache *cache, const wanted *w, sb_error *err)
{
    SB_AUTOFREE part = sb_printf("%s.XXXXXX", w->path); /* another process may be making the same */
    if (!part)
        return sb_error_nomem(err);
    SB_AUTOFD fd = mkostemp(part, O_CLOEXEC); /* 0600 */
    if (fd < 0 && errno == ENOENT)
        return SB_E_NOT_FOUND; /* its folder is gone: the export was given up */
    if (fd < 0)
        return sb_error_errno(err, "a compressed file could not be created", part, errno);
    sb_status status = compress_file(cache, w->fd, fd, part, err);
    if (status == SB_OK && fdatasync(fd) != 0) /* else after a power cut the name is there, and half of the bytes */
        status = sb_error_errno(err, "a compressed file could not be brought to disk", part, errno);
    if (status == SB_OK && rename(part, w->path) != 0)
        status = errno == ENOENT ? SB_E_NOT_FOUND
                                 : sb_error_errno(err, "a compressed file could not be put in place", w->path, errno);
    if (status != SB_OK)
        (void)unlink(part); /* nothing half-made stays */
    return status;
}

/* Under the lock, which is let go of meanwhile. */
static void make_current(sb_gzip_cache *cache)
{
    sb_error err = SB_ERROR_INIT;
    (void)pthread_mutex_unlock(&cache->lock);
    bool is_there = access(cache->current->path, F_OK) == 0; /* another process has made it */
    sb_status status = is_there ? SB_OK : make(cache, cache->current, &err);
    bool failed = status != SB_OK && status != SB_E_NOT_FOUND && status != SB_E_INTERRUPTED;
    if (failed)
        sb_log_warn("%s: %s", err.what, err.why);
    (void)pthread_mutex_lock(&cache->lock);
    cache->has_failed = failed;
    cache->failed_ns = cache->clock->monotonic_ns(cache->clock->impl);
    if (failed)
        drop_ahead(cache);
    wanted_free(cache->current);
    cache->current = NULL;
}

/* The next file of the list whose turn it is. Under the lock, which is let go of meanwhile. */
static wanted *take_ahead(sb_gzip_cache *cache)
{
    ahead_list *list = cache->ahead;
    wanted *w = calloc(1, sizeof(*w));
    cache->ahead = list->next;
    (void)pthread_mutex_unlock(&cache->lock);
    if (w)
        w->fd = -1;
    bool more = w && list->files.next(list->files.impl, &w->fd, &w->path);
    (void)pthread_mutex_lock(&cache->lock);
    if (more) {
        add_ahead(cache, list);
        return w;
    }
    ahead_list_free(cache, list);
    wanted_free(w);
    return NULL;
}

static wanted *take_wanted(sb_gzip_cache *cache)
{
    wanted *w = cache->queue;
    cache->queue = w->next;
    cache->queued--;
    return w;
}

static void *work(void *impl)
{
    sb_gzip_cache *cache = impl;
    (void)setpriority(PRIO_PROCESS, 0, NICENESS); /* on Linux this is the thread's own */
    (void)pthread_mutex_lock(&cache->lock);
    while (!atomic_load(&cache->ending)) {
        if (!cache->queue && cache->ahead_count == 0) {
            (void)pthread_cond_broadcast(&cache->idle);
            (void)pthread_cond_wait(&cache->work, &cache->lock);
            continue;
        }
        cache->current = cache->queue ? take_wanted(cache) : take_ahead(cache);
        if (cache->current)
            make_current(cache);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return NULL;
}

/* Asking */

static bool is_wanted(const sb_gzip_cache *cache, const char *path)
{
    if (cache->current && strcmp(cache->current->path, path) == 0)
        return true;
    for (const wanted *w = cache->queue; w; w = w->next) {
        if (strcmp(w->path, path) == 0)
            return true;
    }
    return false;
}

static bool takes_more(const sb_gzip_cache *cache)
{
    int64_t now = cache->clock->monotonic_ns(cache->clock->impl);
    return cache->queued < SB_GZIP_WANTED_MAX &&
           !(cache->has_failed && now - cache->failed_ns < SB_GZIP_AGAIN_S * SB_NS_PER_S);
}

/* Without memory or a descriptor, it stays as it is. */
static void want(sb_gzip_cache *cache, int source_fd, const char *path)
{
    wanted **last = &cache->queue, *w = calloc(1, sizeof(*w));
    if (!w)
        return;
    w->fd = fcntl(source_fd, F_DUPFD_CLOEXEC, 0);
    w->path = sb_str_dup(sb_str_from(path));
    if (w->fd < 0 || !w->path) {
        wanted_free(w);
        return;
    }
    while (*last)
        last = &(*last)->next;
    *last = w;
    cache->queued++;
    (void)pthread_cond_signal(&cache->work);
}

int sb_gzip_cache_open(sb_gzip_cache *cache, int source_fd, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); /* a FIFO planted here holds nobody up */
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid())
        return fd;
    bool is_missing = fd < 0 && errno == ENOENT;
    if (fd >= 0)
        (void)close(fd); /* who put it there was not us */
    if (!is_missing)
        return -1;
    (void)pthread_mutex_lock(&cache->lock);
    if (!is_wanted(cache, path) && takes_more(cache))
        want(cache, source_fd, path);
    (void)pthread_mutex_unlock(&cache->lock);
    return -1;
}

void sb_gzip_cache_ahead(sb_gzip_cache *cache, const sb_gzip_ahead *ahead)
{
    ahead_list *list = calloc(1, sizeof(*list));
    (void)pthread_mutex_lock(&cache->lock);
    bool taken = list && takes_more(cache) && cache->ahead_count < SB_GZIP_AHEAD_MAX;
    if (taken) {
        list->files = *ahead;
        cache->ahead_count++;
        add_ahead(cache, list);
        (void)pthread_cond_signal(&cache->work);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    if (taken)
        return;
    ahead->free(ahead->impl);
    free(list);
}

void sb_gzip_cache_wait(sb_gzip_cache *cache)
{
    (void)pthread_mutex_lock(&cache->lock);
    while (cache->queue || cache->ahead_count > 0 || cache->current)
        (void)pthread_cond_wait(&cache->idle, &cache->lock);
    (void)pthread_mutex_unlock(&cache->lock);
}

/* Beginning and end */

static sb_status init_locks(sb_gzip_cache *cache, sb_error *err)
{
    if (pthread_mutex_init(&cache->lock, NULL) != 0)
        return sb_error_nomem(err);
    if (pthread_cond_init(&cache->work, NULL) != 0) {
        (void)pthread_mutex_destroy(&cache->lock);
        return sb_error_nomem(err);
    }
    if (pthread_cond_init(&cache->idle, NULL) != 0) {
        (void)pthread_cond_destroy(&cache->work);
        (void)pthread_mutex_destroy(&cache->lock);
        return sb_error_nomem(err);
    }
    return SB_OK;
}

sb_status sb_gzip_cache_new(const sb_clock *clock, sb_gzip_cache **out, sb_error *err)
{
    sb_gzip_cache *bare = calloc(1, sizeof(*bare));
    if (!bare)
        return sb_error_nomem(err);
    bare->clock = clock;
    sb_status status = init_locks(bare, err);
    if (status != SB_OK) {
        free(bare);
        return status;
    }
    SB_AUTOPTR(sb_gzip_cache) cache = bare;
    cache->has_thread = pthread_create(&cache->thread, NULL, work, cache) == 0;
    if (!cache->has_thread)
        return sb_error_set(err, SB_E_IO, "exports cannot be served", "no thread could be made",
                            "look at the limits of this machine (ulimit -u)");
    *out = cache;
    cache = NULL;
    return SB_OK;
}

void sb_gzip_cache_free(sb_gzip_cache *cache)
{
    if (!cache)
        return;
    (void)pthread_mutex_lock(&cache->lock);
    atomic_store(&cache->ending, true);
    (void)pthread_cond_signal(&cache->work);
    (void)pthread_mutex_unlock(&cache->lock);
    if (cache->has_thread)
        (void)pthread_join(cache->thread, NULL);
    while (cache->queue) {
        wanted *w = cache->queue;
        cache->queue = w->next;
        wanted_free(w);
    }
    drop_ahead(cache);
    (void)pthread_cond_destroy(&cache->idle);
    (void)pthread_cond_destroy(&cache->work);
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache);
}

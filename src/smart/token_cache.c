/* SPDX-License-Identifier: Apache-2.0 */
/* token_cache.c - one token in one file. Owns the paths; the lock is held only within a call.
 *
 * Wall clocks go back and forth. The file says when the token was asked for and when it ends, both by the wall clock: a
 * token from the future (the clock went back) is not used; one that looks younger than it is costs a 401, after which
 * it is taken out; one that looks older is fetched anew. */
#include "smart/token_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"
#include "smart/token_internal.h"

#define FILE_MAX      (128 * 1024) /* a token of 32 KB and its scope of 64 KB */
#define FILE_FORMAT   1
#define FROM_FUTURE_S 2           /* rounding, and clocks that are being slewed */
#define ROUNDING_NS   SB_NS_PER_S /* the file's times are whole seconds */
#define LOCK_WAIT_NS  (SB_TOKEN_FETCH_MAX_S * SB_NS_PER_S)
#define LOCK_LOOK_NS  (20 * SB_NS_PER_MS)          /* flock has no time-out: look this often */
#define LIFETIME_MAX  (UINT64_C(10) * 365 * 86400) /* beyond it the file is not one of ours */

struct sb_token_cache {
    char *dir, *path, *lock_path;
    const sb_clock *clock;
    const atomic_bool *cancel, *closing;
    sb_token_provider inner;
    pthread_mutex_t lock;
    pthread_cond_t never; /* for waiting on the clock alone */
    sb_token *last;       /* under lock: what was handed out last; asked again, another is wanted */
};

static bool is_cancelled(const sb_token_cache *cache)
{
    return (cache->cancel && atomic_load(cache->cancel)) || (cache->closing && atomic_load(cache->closing));
}

static int64_t now_ns(const sb_token_cache *cache)
{
    return cache->clock->monotonic_ns(cache->clock->impl);
}

/* A folder that others may write to could hold anybody's files. */
static bool dir_is_ours(const sb_token_cache *cache)
{
    struct stat st;
    sb_error err = SB_ERROR_INIT;
    if (sb_dir_make(cache->dir, 0700, &err) != SB_OK) {
        sb_log_info("tokens are not shared between runs: %s: %s", err.what, err.why);
        return false;
    }
    if (lstat(cache->dir, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & (S_IWGRP | S_IWOTH))) {
        sb_log_warn("tokens are not shared between runs: %s is not ours alone (chmod 700, or remove it)", cache->dir);
        return false;
    }
    return true;
}

/* The exclusive lock; -1 when it cannot be had (then we go on without the file), SB_E_INTERRUPTED when given up. */
static sb_status take_lock(sb_token_cache *cache, int *fd, sb_error *err)
{
    sb_error why = SB_ERROR_INIT;
    int64_t until = now_ns(cache) + LOCK_WAIT_NS;
    *fd = -1;
    for (;;) {
        sb_status status = sb_file_lock(cache->lock_path, false, fd, &why);
        int64_t now = now_ns(cache);
        if (status == SB_OK)
            return SB_OK;
        if (status != SB_E_BUSY || now >= until) {
            sb_log_warn("the shared token is not used: %s: %s", why.what, why.why);
            return SB_OK;
        }
        if (is_cancelled(cache))
            return sb_error_set(err, SB_E_INTERRUPTED, "interrupted", "the wait for another run's token was given up",
                                "run the command again: what is complete is kept");
        (void)pthread_mutex_lock(&cache->lock);
        cache->clock->wait_until(cache->clock->impl, &cache->never, &cache->lock, now + LOCK_LOOK_NS);
        (void)pthread_mutex_unlock(&cache->lock);
    }
}

static bool get_seconds(const json_t *file, const char *member, int64_t *out)
{
    const json_t *value = json_object_get(file, member);
    *out = json_is_integer(value) ? json_integer_value(value) : -1;
    return *out >= 0;
}

/* A token out of the file's JSON, on this process's monotonic clock. NULL: none that can be used. */
static sb_token *revive(const sb_token_cache *cache, const json_t *file)
{
    int64_t asked_s, lifetime_s, wall_s = cache->clock->wall_s(cache->clock->impl);
    sb_token *token = NULL;
    const char *text = sb_json_str(file, "access_token");
    if (!text || !get_seconds(file, "requested_s", &asked_s) || !get_seconds(file, "lifetime_s", &lifetime_s))
        return NULL;
    if (asked_s > wall_s + FROM_FUTURE_S || (uint64_t)lifetime_s > LIFETIME_MAX || wall_s - asked_s >= lifetime_s)
        return NULL;
    int64_t age_ns = SB_MAX(wall_s - asked_s, INT64_C(0)) * SB_NS_PER_S + ROUNDING_NS;
    if (sb_token_new(text, strlen(text), now_ns(cache) - age_ns, (unsigned)lifetime_s, sb_json_str(file, "scope"),
                     &token, NULL) != SB_OK)
        return NULL;
    return token;
}

/* Under the file lock. NULL: there is none, or none to be trusted. */
static sb_token *read_file(const sb_token_cache *cache)
{
    sb_buf text = SB_BUF_INIT;
    sb_error err = SB_ERROR_INIT;
    json_t *file = NULL;
    sb_token *token = NULL;
    sb_status status = sb_file_read_private(cache->path, FILE_MAX, &text, &err);
    if (status == SB_OK)
        status = sb_json_parse_object(sb_buf_str(&text), "the shared token's file", &file, &err);
    if (status == SB_OK) {
        token = revive(cache, file);
        const json_t *secret = json_object_get(file, "access_token");
        if (json_is_string(secret)) /* the parser's copy */
            sb_wipe((void *)(uintptr_t)json_string_value(secret), json_string_length(secret));
    } else if (status != SB_E_NOT_FOUND) {
        sb_log_warn("the shared token is not used, a new one will be made: %s: %s", err.what, err.why);
    }
    json_decref(file);
    sb_buf_wipe(&text);
    return token;
}

/* As text, in memory that is wiped: jansson's own buffers are not. */
static bool dump(const json_t *file, sb_buf *out)
{
    size_t len = json_dumpb(file, NULL, 0, JSON_COMPACT);
    if (len == 0 || !sb_buf_reserve(out, len))
        return false;
    out->len = json_dumpb(file, out->ptr, len, JSON_COMPACT);
    return out->len == len;
}

/* Under the file lock. A failure costs the next run a request, no more. */
static void write_file(const sb_token_cache *cache, const sb_token *token)
{
    sb_error err = SB_ERROR_INIT;
    int64_t age_s = (now_ns(cache) - sb_token_requested_ns(token)) / SB_NS_PER_S;
    int64_t asked_s = cache->clock->wall_s(cache->clock->impl) - age_s;
    json_t *file = json_pack("{s:i, s:s, s:I, s:I, s:s*}", "format", FILE_FORMAT, "access_token", sb_token_text(token),
                             "requested_s", (json_int_t)asked_s, "lifetime_s",
                             (json_int_t)(sb_token_lifetime_ns(token) / SB_NS_PER_S), "scope", sb_token_scope(token));
    sb_buf text = SB_BUF_INIT;
    sb_status status = file && dump(file, &text) ? SB_OK : sb_error_nomem(&err);
    if (status == SB_OK)
        status = sb_file_write_atomic(cache->path, 0600, sb_buf_str(&text), &err);
    if (status != SB_OK)
        sb_log_info("the token could not be kept for the next run: %s: %s", err.what, err.why);
    const json_t *secret = json_object_get(file, "access_token");
    if (json_is_string(secret))
        sb_wipe((void *)(uintptr_t)json_string_value(secret), json_string_length(secret));
    json_decref(file);
    sb_buf_wipe(&text);
}

/* Outside of its last quarter, in which its owner is renewing it. */
static bool is_fresh(const sb_token_cache *cache, const sb_token *token)
{
    return sb_token_expires_ns(token) - now_ns(cache) > sb_token_lifetime_ns(token) / 4;
}

/* What this process was given before is not what it is asking for now. */
static bool is_last(sb_token_cache *cache, const sb_token *token)
{
    (void)pthread_mutex_lock(&cache->lock);
    bool same = cache->last && sb_token_same(cache->last, token);
    (void)pthread_mutex_unlock(&cache->lock);
    return same;
}

static void remember_last(sb_token_cache *cache, sb_token *token)
{
    (void)pthread_mutex_lock(&cache->lock);
    sb_token *old = cache->last;
    cache->last = sb_token_ref(token);
    (void)pthread_mutex_unlock(&cache->lock);
    sb_token_release(old);
}

/* Under the file lock. */
static sb_status fetch_shared(sb_token_cache *cache, bool renewal, sb_token **out, sb_error *err)
{
    sb_token *kept = read_file(cache);
    if (kept && is_last(cache, kept)) {
        sb_token_release(kept);
        kept = NULL;
    }
    if (kept && is_fresh(cache, kept)) {
        *out = kept;
        return SB_OK;
    }
    sb_error why = SB_ERROR_INIT;
    sb_status status = cache->inner.fetch(cache->inner.impl, renewal, out, &why);
    if (status == SB_OK) {
        write_file(cache, *out);
    } else if ((status == SB_E_NETWORK || status == SB_E_SERVER) && kept && sb_token_expires_ns(kept) > now_ns(cache)) {
        sb_log_warn("no new token could be had, the last run's is used while it lives: %s: %s", why.what, why.why);
        *out = sb_token_ref(kept);
        status = SB_OK;
    }
    sb_token_release(kept);
    if (status != SB_OK && err)
        *err = why;
    return status;
}

static sb_status fetch(void *impl, bool renewal, sb_token **out, sb_error *err)
{
    sb_token_cache *cache = impl;
    SB_AUTOFD fd = -1;
    if (dir_is_ours(cache))
        SB_TRY(take_lock(cache, &fd, err));
    sb_status status =
        fd >= 0 ? fetch_shared(cache, renewal, out, err) : cache->inner.fetch(cache->inner.impl, renewal, out, err);
    if (status == SB_OK)
        remember_last(cache, *out);
    return status;
}

void sb_token_cache_reject(sb_token_cache *cache, const sb_token *refused)
{
    SB_AUTOFD fd = -1;
    struct stat st;
    if (!is_last(cache, refused) || stat(cache->path, &st) != 0)
        return; /* a newer one is kept, or none: the usual case of a second 401 */
    if (take_lock(cache, &fd, NULL) != SB_OK || fd < 0)
        return;
    sb_token *kept = read_file(cache);
    if (kept && sb_token_same(kept, refused) && unlink(cache->path) != 0 && errno != ENOENT)
        sb_log_warn("a refused token could not be removed: %s", cache->path);
    sb_token_release(kept);
}

sb_token_provider sb_token_cache_provider(sb_token_cache *cache)
{
    return (sb_token_provider){cache, fetch, NULL};
}

/* Different keys never share a file: each part is hashed with its length. */
static sb_status name_file(sb_token_cache *cache, const char *const *key, sb_error *err)
{
    SB_AUTO(sb_buf) all = SB_BUF_INIT;
    unsigned char hash[SHA256_DIGEST_LENGTH];
    char name[2 * SHA256_DIGEST_LENGTH + 1];
    for (; *key; key++)
        if (!sb_buf_printf(&all, "%zu:%s,", strlen(*key), *key))
            return sb_error_nomem(err);
    (void)SHA256((const unsigned char *)sb_buf_cstr(&all), all.len, hash); /* fails for no input */
    sb_hex(hash, sizeof(hash), name);
    cache->path = sb_printf("%s/token-%s.json", cache->dir, name);
    cache->lock_path = sb_printf("%s/token-%s.lock", cache->dir, name);
    return cache->path && cache->lock_path ? SB_OK : sb_error_nomem(err);
}

static sb_status init(sb_token_cache *cache, const sb_token_cache_options *options, sb_error *err)
{
    cache->dir = sb_str_dup(sb_str_from(options->dir));
    if (!cache->dir)
        return sb_error_nomem(err);
    cache->clock = options->clock;
    cache->cancel = options->cancel;
    cache->closing = options->closing;
    return name_file(cache, options->key, err);
}

sb_status sb_token_cache_new(const sb_token_cache_options *options, sb_token_provider inner, sb_token_cache **out,
                             sb_error *err)
{
    *out = NULL;
    sb_token_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return sb_error_nomem(err);
    if (pthread_mutex_init(&cache->lock, NULL) != 0 || sb_cond_init(&cache->never) != 0) {
        free(cache); /* a mutex on Linux holds nothing that must be destroyed */
        return sb_error_nomem(err);
    }
    sb_status status = init(cache, options, err);
    if (status != SB_OK) {
        sb_token_cache_free(cache);
        return status;
    }
    cache->inner = inner;
    *out = cache;
    return SB_OK;
}

void sb_token_cache_free(sb_token_cache *cache)
{
    if (!cache)
        return;
    sb_token_release(cache->last);
    (void)pthread_cond_destroy(&cache->never);
    (void)pthread_mutex_destroy(&cache->lock);
    if (cache->inner.free)
        cache->inner.free(cache->inner.impl);
    free(cache->dir);
    free(cache->path);
    free(cache->lock_path);
    free(cache);
}

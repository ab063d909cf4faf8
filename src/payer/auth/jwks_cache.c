/* SPDX-License-Identifier: Apache-2.0 */
/* jwks_cache.c - entries by the digest of their URL, in chains; each is in one of these states:
 *
 *   NONE ──fetch──► FRESH ──fresh_ns──► OLD ──dead_ns──► NONE
 *                    │ renew_ns: fetched again by our thread, nobody waits
 *                    └ a kid that is not in it: fetched again by who asks, once in SB_JWKS_AGAIN_S
 *
 * OLD is fetched again by who asks; when that fails, what there is is used until dead_ns. The lock is held for looking
 * and noting, never while fetching; an entry that somebody works with is pinned, and not thrown out. */
#include "payer/auth/jwks_cache.h"

#include "base/log.h"
#include "payer/auth/digest.h"

#define CHAINS 256

typedef struct entry {
    sb_digest key;
    char *url;
    sb_keyset *set;                      /* NULL: there is none */
    int64_t renew_ns, fresh_ns, dead_ns; /* of the set */
    int64_t used_ns, tried_ns;
    bool tried, fetching, queued;
    unsigned pins;
    sb_error err; /* of the last fetch; code SB_OK: it went well */
    struct entry *next, *next_queued;
} entry;

struct sb_jwks_cache {
    sb_jwks_fetcher fetcher;
    const sb_clock *clock;
    unsigned waiting_max;
    pthread_mutex_t lock;
    pthread_cond_t work; /* for our thread */
    entry *chains[CHAINS];
    size_t count;
    unsigned waiting;
    entry *queue;
    bool ending;
    pthread_t thread;
    bool has_thread;
};

void sb_keyset_free(sb_keyset *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) > 1)
        return;
    sb_jwks_free(set->jwks);
    free(set);
}

static sb_keyset *keyset_ref(sb_keyset *set)
{
    (void)atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

static int64_t now_ns(const sb_jwks_cache *cache)
{
    return cache->clock->monotonic_ns(cache->clock->impl);
}

/* Entries; all under the lock */

static void entry_free(entry *e)
{
    if (!e)
        return;
    free(e->url);
    sb_keyset_free(e->set);
    free(e);
}

/* Makes room: the one that was not used for longest goes, if nobody works with it. */
static void throw_one_out(sb_jwks_cache *cache)
{
    entry **oldest = NULL;
    for (size_t i = 0; i < CHAINS; i++) {
        for (entry **at = &cache->chains[i]; *at; at = &(*at)->next) {
            if ((*at)->pins == 0 && (!oldest || (*at)->used_ns < (*oldest)->used_ns))
                oldest = at;
        }
    }
    if (!oldest)
        return;
    entry *gone = *oldest;
    *oldest = gone->next;
    cache->count--;
    entry_free(gone);
}

static entry *entry_make(sb_jwks_cache *cache, const char *url, const sb_digest *key, entry **chain)
{
    if (cache->count >= SB_JWKS_CACHE_MAX)
        throw_one_out(cache);
    entry *e = cache->count < SB_JWKS_CACHE_MAX ? calloc(1, sizeof(*e)) : NULL;
    if (!e)
        return NULL;
    e->key = *key;
    e->url = sb_str_dup(sb_str_from(url));
    if (!e->url) {
        free(e);
        return NULL;
    }
    e->next = *chain;
    *chain = e;
    cache->count++;
    return e;
}

/* The entry of that URL, pinned; NULL: no memory, or all are pinned. */
static entry *entry_pin(sb_jwks_cache *cache, const char *url)
{
    sb_digest key = sb_digest_of(sb_str_from(url));
    entry **chain = &cache->chains[key.bytes[0] % CHAINS], *e = *chain;
    while (e && memcmp(e->key.bytes, key.bytes, sizeof(key.bytes)) != 0)
        e = e->next;
    if (!e)
        e = entry_make(cache, url, &key, chain);
    if (!e)
        return NULL;
    e->pins++;
    e->used_ns = now_ns(cache);
    return e;
}

/* Fetching */

static int64_t fresh_s(const sb_jwks_answer *answer)
{
    if (!answer->has_max_age)
        return SB_JWKS_FRESH_DEFAULT_S;
    return SB_MAX(SB_MIN(answer->max_age_s, (unsigned)SB_JWKS_FRESH_MAX_S), (unsigned)SB_JWKS_FRESH_MIN_S);
}

static sb_status fetch_set(const sb_jwks_cache *cache, const char *url, int64_t *fresh, sb_keyset **out, sb_error *err)
{
    sb_jwks_answer answer = {.body = SB_BUF_INIT};
    sb_keyset *set = calloc(1, sizeof(*set));
    if (!set)
        return sb_error_nomem(err);
    atomic_init(&set->refs, 1);
    sb_status status = cache->fetcher.fetch(cache->fetcher.impl, url, &answer, err);
    if (status == SB_OK)
        status = sb_jwks_parse(sb_buf_str(&answer.body), &set->jwks, &set->passed_over, err);
    *fresh = fresh_s(&answer);
    sb_buf_cleanup(&answer.body);
    if (status != SB_OK) {
        sb_keyset_free(set);
        return status;
    }
    *out = set;
    return SB_OK;
}

static void note_set(entry *e, sb_keyset *set, int64_t fresh, int64_t now)
{
    sb_keyset_free(e->set);
    e->set = set;
    e->fresh_ns = now + fresh * SB_NS_PER_S;
    e->renew_ns = now + fresh * SB_NS_PER_S / 4 * 3;
    e->dead_ns = e->fresh_ns + SB_JWKS_STALE_S * SB_NS_PER_S;
    e->err.code = SB_OK;
}

/* The entry is pinned; the lock is let go of meanwhile. */
static void fetch(sb_jwks_cache *cache, entry *e)
{
    sb_keyset *set = NULL;
    sb_error err = SB_ERROR_INIT;
    int64_t fresh = 0;
    e->fetching = e->tried = true;
    e->tried_ns = now_ns(cache);
    (void)pthread_mutex_unlock(&cache->lock);
    sb_status status = fetch_set(cache, e->url, &fresh, &set, &err);
    if (status != SB_OK)
        sb_log_warn("a key set could not be fetched: %s", err.why);
    (void)pthread_mutex_lock(&cache->lock);
    if (status == SB_OK)
        note_set(e, set, fresh, now_ns(cache));
    else
        e->err = err;
    e->fetching = false;
}

/* Renewing before it is needed */

static void queue_up(sb_jwks_cache *cache, entry *e)
{
    entry **last = &cache->queue;
    if (e->queued || e->fetching)
        return;
    while (*last)
        last = &(*last)->next_queued;
    *last = e;
    e->next_queued = NULL;
    e->queued = true;
    e->pins++;
    (void)pthread_cond_signal(&cache->work);
}

static void *renew(void *impl)
{
    sb_jwks_cache *cache = impl;
    (void)pthread_mutex_lock(&cache->lock);
    while (!cache->ending) {
        entry *e = cache->queue;
        if (!e) {
            (void)pthread_cond_wait(&cache->work, &cache->lock);
            continue;
        }
        cache->queue = e->next_queued;
        e->queued = false;
        if (!e->fetching)
            fetch(cache, e);
        e->pins--;
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return NULL;
}

/* Asking */

static bool may_try(const entry *e, int64_t now)
{
    return !e->tried || now - e->tried_ns >= SB_JWKS_AGAIN_S * SB_NS_PER_S;
}

static sb_status too_many(sb_error *err)
{
    return sb_error_set(err, SB_E_BUSY, "the key set cannot be fetched now",
                        "too many requests wait for key sets to be fetched", "come back later");
}

/* Whoever is at it is the only one: others of the same URL would hold up threads for as long as its host likes. */
static sb_status wait_for_fetch(sb_jwks_cache *cache, entry *e, sb_error *err)
{
    if (e->fetching || cache->waiting >= cache->waiting_max)
        return too_many(err);
    cache->waiting++;
    fetch(cache, e);
    cache->waiting--;
    return SB_OK;
}

/* Good enough for who cannot wait: as if the server could not be reached. */
static bool would_do(const entry *e, sb_str kid, int64_t now)
{
    return e->set && now < e->dead_ns && sb_jwks_find(e->set->jwks, kid);
}

static bool suits(const entry *e, sb_str kid, int64_t now)
{
    return e->set && now < e->fresh_ns && sb_jwks_find(e->set->jwks, kid);
}

static sb_status give(sb_jwks_cache *cache, entry *e, sb_keyset **out, sb_error *err)
{
    int64_t now = now_ns(cache);
    if (!e->set || now >= e->dead_ns) {
        if (err)
            *err = e->err;
        return e->err.code != SB_OK ? e->err.code : SB_E_NETWORK;
    }
    if (now >= e->renew_ns && may_try(e, now))
        queue_up(cache, e);
    *out = keyset_ref(e->set);
    return SB_OK;
}

sb_status sb_jwks_cache_find(sb_jwks_cache *cache, const char *url, sb_str kid, sb_keyset **out, sb_error *err)
{
    sb_status status = SB_OK;
    (void)pthread_mutex_lock(&cache->lock);
    entry *e = entry_pin(cache, url);
    if (e) {
        int64_t now = now_ns(cache);
        if (!suits(e, kid, now) && (e->fetching || may_try(e, now)))
            status = wait_for_fetch(cache, e, err);
        if (status == SB_OK || (status == SB_E_BUSY && would_do(e, kid, now)))
            status = give(cache, e, out, err);
        e->pins--;
    } else {
        status = too_many(err);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return status;
}

sb_status sb_jwks_cache_check(sb_jwks_cache *cache, const char *url, sb_keyset **out, sb_error *err)
{
    sb_status status = SB_OK;
    (void)pthread_mutex_lock(&cache->lock);
    entry *e = entry_pin(cache, url);
    if (e) {
        if (e->fetching || may_try(e, now_ns(cache)))
            status = wait_for_fetch(cache, e, err);
        if (status == SB_OK && e->err.code != SB_OK) { /* an older set that still works is not what was asked for */
            status = e->err.code;
            if (err)
                *err = e->err;
        } else if (status == SB_OK) {
            status = give(cache, e, out, err);
        }
        e->pins--;
    } else {
        status = too_many(err);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return status;
}

/* Beginning and end */

static sb_status init_locks(sb_jwks_cache *cache, sb_error *err)
{
    if (pthread_mutex_init(&cache->lock, NULL) != 0)
        return sb_error_nomem(err);
    if (sb_cond_init(&cache->work) != 0) {
        (void)pthread_mutex_destroy(&cache->lock);
        return sb_error_nomem(err);
    }
    return SB_OK;
}

sb_status sb_jwks_cache_new(const sb_jwks_fetcher *fetcher, const sb_clock *clock, unsigned waiting_max,
                            sb_jwks_cache **out, sb_error *err)
{
    sb_jwks_cache *bare = calloc(1, sizeof(*bare));
    if (!bare)
        return sb_error_nomem(err);
    bare->fetcher = *fetcher;
    bare->clock = clock;
    bare->waiting_max = waiting_max;
    sb_status status = init_locks(bare, err);
    if (status != SB_OK) {
        free(bare);
        return status;
    }
    SB_AUTOPTR(sb_jwks_cache) cache = bare;
    cache->has_thread = pthread_create(&cache->thread, NULL, renew, cache) == 0;
    if (!cache->has_thread)
        return sb_error_set(err, SB_E_IO, "the server cannot be started", "no thread could be made",
                            "look at the limits of this machine (ulimit -u)");
    *out = cache;
    cache = NULL;
    return SB_OK;
}

void sb_jwks_cache_free(sb_jwks_cache *cache)
{
    if (!cache)
        return;
    (void)pthread_mutex_lock(&cache->lock);
    cache->ending = true;
    (void)pthread_cond_signal(&cache->work);
    (void)pthread_mutex_unlock(&cache->lock);
    if (cache->has_thread)
        (void)pthread_join(cache->thread, NULL);
    for (size_t i = 0; i < CHAINS; i++) {
        while (cache->chains[i]) {
            entry *e = cache->chains[i];
            cache->chains[i] = e->next;
            entry_free(e);
        }
    }
    (void)pthread_cond_destroy(&cache->work);
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache);
}

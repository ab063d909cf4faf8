/* SPDX-License-Identifier: Apache-2.0 */
/* token_source.c - always a fresh token, at most one request for it at a time. Knows providers and clocks as injected
 * functions, nothing of HTTP.
 *
 * Two paths. The fast one takes the caller's shard: a spinlock, a handle and a time of last use on one cache line of
 * its own, so that threads on different cores share no line that anybody writes, and no system call is made. The slow
 * one is a monitor (`lock`, `changed`): whoever needs a token that is not there fetches it, all others wait for that.
 *
 *                      get: none usable                   success
 *           IDLE ────────────────────────► FETCHING ─────────────────► IDLE, new token in every shard
 *             ▲       renewal is due           │
 *             └────────────────────────────────┘ failure: every waiter gets that error; for a short while so does
 *                                                         whoever asks next; a living old token is handed on
 *
 * The renewal thread starts with the first token, sleeps until 75 % of a token's life, fetches, and backs off while
 * fetching fails. When nobody has asked for a token for long it stops renewing; the next asker fetches. */
#include <openssl/sha.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/log.h"
#include "base/random.h"
#include "http/retry.h"
#include "smart/token_internal.h"

#define RENEW_PERCENT        75
#define RENEW_JITTER_PERCENT 10                   /* a fleet that started together does not renew together */
#define RENEW_SPACING_NS     (100 * SB_NS_PER_MS) /* between renewals, however short the payer makes its tokens live */
#define IDLE_NS              (900 * SB_NS_PER_S) /* nobody asked for so long: polls that wait for hours need no token */
#define REJECTED_KEPT        32 /* a payer that reissues a refused token does so at once, not 32 later */
#define FETCH_TRIES          2  /* a shared cache may give the refused token once more */

/* Failed renewals, while the old token lives. A refusal is tried again too (servers fail to read a key set now and
 * then), but rarely: accounts get locked (TOK-05). */
#define BACKOFF_FIRST_MS      1000
#define BACKOFF_CAP_MS        30000
#define BACKOFF_AUTH_FIRST_MS 30000
#define BACKOFF_AUTH_CAP_MS   300000
/* How long a failure answers those who ask after it: long enough for a crowd, short enough for a person; and longer
 * each time, up to the same caps, while there is no token, so that callers who ask all the time do not knock all the
 * time. */
#define FAILURE_KEPT_MS      1000
#define FAILURE_KEPT_AUTH_MS 5000

struct shard {
    _Alignas(SB_CACHE_LINE) _Atomic bool busy;
    sb_token *token;              /* under busy */
    _Atomic int64_t last_used_ns; /* when this shard last handed out a token */
};

struct digest {
    unsigned char bytes[SHA256_DIGEST_LENGTH];
};

struct sb_token_source {
    struct shard shards[SB_TOKEN_SHARDS];
    const sb_clock *clock;
    sb_token_provider provider;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* a fetch ended */
    pthread_cond_t wake;    /* for the renewal thread: new token, or stop */
    /* All of the following under lock. */
    sb_token *current; /* also in every shard; NULL: none */
    bool fetching, had_token, stopping, thread_runs;
    pthread_t thread;
    uint64_t fetches_ended;  /* what waiters watch */
    int64_t renew_ns;        /* when the renewal thread is to act */
    unsigned failures;       /* in a row */
    unsigned in_vain;        /* those of them that left nobody a token */
    int64_t failed_until_ns; /* until then `failure` is the answer to who asks */
    sb_error failure;        /* of the last fetch; code SB_OK when it succeeded */
    struct digest rejected[REJECTED_KEPT];
    size_t n_rejected; /* ever; the newest REJECTED_KEPT are kept */

    _Atomic uint64_t fetches;
};

/* Threads are dealt out over the shards as they come; the number is never freed, only used modulo. */
static unsigned my_shard(void)
{
    static _Atomic unsigned dealt;
    static _Thread_local unsigned mine; /* 0: none yet */
    if (mine == 0)
        mine = (atomic_fetch_add_explicit(&dealt, 1, memory_order_relaxed) % SB_TOKEN_SHARDS) + 1;
    return mine - 1;
}

static void shard_lock(struct shard *shard)
{
    while (atomic_exchange_explicit(&shard->busy, true, memory_order_acquire))
        (void)sched_yield(); /* held for a few instructions; the holder may have lost its CPU */
}

static void shard_unlock(struct shard *shard)
{
    atomic_store_explicit(&shard->busy, false, memory_order_release);
}

static int64_t now_ns(const sb_token_source *source)
{
    return source->clock->monotonic_ns(source->clock->impl);
}

static bool is_alive(const sb_token *token, int64_t now)
{
    return token && sb_token_expires_ns(token) > now;
}

/* Alive for the time asked for; a token whose whole life is shorter than that only has to be outside of its last
 * quarter, which is when it is renewed. */
static bool is_good(const sb_token *token, int64_t now, unsigned min_left_s)
{
    if (!is_alive(token, now))
        return false;
    int64_t want = (int64_t)min_left_s * SB_NS_PER_S, life = sb_token_lifetime_ns(token);
    return sb_token_expires_ns(token) - now >= (want <= life ? want : life / 4);
}

static bool get_fast(sb_token_source *source, unsigned min_left_s, sb_token **out)
{
    struct shard *shard = &source->shards[my_shard()];
    int64_t now = now_ns(source);
    shard_lock(shard);
    bool good = is_good(shard->token, now, min_left_s);
    if (good)
        *out = sb_token_ref(shard->token); /* the shard's own handle: nobody else's cache line */
    shard_unlock(shard);
    if (good)
        atomic_store_explicit(&shard->last_used_ns, now, memory_order_relaxed);
    return good;
}

/* Put `token` (NULL: none) in the place of the current one, for all shards. Under lock. Takes the reference over. */
static void replace_current(sb_token_source *source, sb_token *token)
{
    for (unsigned i = 0; i < SB_TOKEN_SHARDS; i++) {
        struct shard *shard = &source->shards[i];
        sb_token *fresh = token ? sb_token_ref_shard(token, i) : NULL;
        shard_lock(shard);
        sb_token *old = shard->token;
        shard->token = fresh;
        shard_unlock(shard);
        sb_token_release(old);
    }
    sb_token_release(source->current);
    source->current = token;
}

static void digest_token(const sb_token *token, struct digest *out)
{
    const char *text = sb_token_text(token);
    (void)SHA256((const unsigned char *)text, strlen(text), out->bytes); /* fails for no input */
}

static bool was_rejected(const sb_token_source *source, const sb_token *token)
{
    struct digest digest;
    digest_token(token, &digest);
    size_t kept = SB_MIN(source->n_rejected, (size_t)REJECTED_KEPT);
    for (size_t i = 0; i < kept; i++)
        if (memcmp(source->rejected[i].bytes, digest.bytes, sizeof(digest.bytes)) == 0)
            return true;
    return false;
}

/* Ask the provider. Not under lock: this takes as long as the payer takes. */
static sb_status ask_provider(sb_token_source *source, bool renewal, sb_token **out, sb_error *err)
{
    *out = NULL;
    sb_status status = source->provider.fetch(source->provider.impl, renewal, out, err);
    if (status == SB_OK && !*out)
        return sb_error_set(err, SB_E_INTERNAL, "no token was given", "the provider said it succeeded",
                            "report this as a mistake of smartbulk");
    return status;
}

static sb_status check_fetched(const sb_token_source *source, const sb_token *token, sb_error *err)
{
    if (was_rejected(source, token))
        return sb_error_set(err, SB_E_AUTH, "the payer does not accept the token that it issues",
                            "it answered 401 to this token, and its token endpoint gives the same one again",
                            "check that fhir_url and the token endpoint belong together; else tell the payer");
    if (!is_alive(token, now_ns(source)))
        return sb_error_set(err, SB_E_SERVER, "the payer's token was too old when it came",
                            "its whole lifetime of %lld s went by before the answer was here",
                            "tell the payer: expires_in is too short for the time that an answer takes",
                            (long long)(sb_token_lifetime_ns(token) / SB_NS_PER_S));
    return SB_OK;
}

static void plan_renewal(sb_token_source *source, const sb_token *token)
{
    int64_t percent = sb_token_lifetime_ns(token) / 100;
    int64_t jitter = (int64_t)sb_random_below((uint64_t)(percent * RENEW_JITTER_PERCENT) + 1);
    int64_t due = sb_token_requested_ns(token) + percent * RENEW_PERCENT + jitter;
    source->renew_ns = SB_MAX(due, now_ns(source) + RENEW_SPACING_NS);
}

static void remember_failure(sb_token_source *source, const sb_error *err)
{
    bool refused = err->code == SB_E_AUTH;
    int64_t now = now_ns(source);
    source->failure = *err;
    source->failed_until_ns = now + (refused ? sb_backoff_ns(source->in_vain, FAILURE_KEPT_AUTH_MS, BACKOFF_AUTH_CAP_MS)
                                             : sb_backoff_ns(source->in_vain, FAILURE_KEPT_MS, BACKOFF_CAP_MS));
    source->renew_ns = now + (refused ? sb_backoff_ns(source->failures, BACKOFF_AUTH_FIRST_MS, BACKOFF_AUTH_CAP_MS)
                                      : sb_backoff_ns(source->failures, BACKOFF_FIRST_MS, BACKOFF_CAP_MS));
    source->failures++;
    if (!is_alive(source->current, now))
        source->in_vain++;
    else
        sb_log_warn("the token could not be renewed, the old one is used for %lld s more: %s: %s",
                    (long long)((sb_token_expires_ns(source->current) - now) / SB_NS_PER_S), err->what, err->why);
}

static void *renewal_thread(void *arg);

/* The first token starts it. Without it everything works, but somebody waits at each renewal. */
static void start_thread(sb_token_source *source)
{
    sigset_t all, before;
    if (source->thread_runs || source->stopping)
        return;
    (void)sigfillset(&all); /* signals are for the program's own threads */
    int rc = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (rc == 0) {
        source->thread_runs = pthread_create(&source->thread, NULL, renewal_thread, source) == 0;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (!source->thread_runs)
        sb_log_warn("no thread could be started to renew the token in the background");
}

/* Fetch once, for everybody. Under lock, which is given up meanwhile; `fetching` keeps all others out. */
static void fetch_locked(sb_token_source *source)
{
    sb_status status = SB_E_INTERNAL;
    sb_error err = SB_ERROR_INIT;
    sb_token *token = NULL;
    source->fetching = true;
    for (int tries = 0; tries < FETCH_TRIES; tries++) {
        bool renewal = source->had_token;
        (void)pthread_mutex_unlock(&source->lock);
        sb_token_release(token);
        status = ask_provider(source, renewal, &token, &err);
        (void)pthread_mutex_lock(&source->lock);
        if (status != SB_OK)
            break;
        source->had_token = true;
        status = check_fetched(source, token, &err); /* under lock: a 401 may have come in the meantime */
        if (status != SB_E_AUTH)
            break;
    }
    source->fetching = false;
    source->fetches_ended++;
    if (status == SB_OK) {
        replace_current(source, token);
        plan_renewal(source, token);
        source->failure.code = SB_OK;
        source->failures = source->in_vain = 0;
        (void)atomic_fetch_add_explicit(&source->fetches, 1, memory_order_relaxed);
        start_thread(source);
    } else {
        sb_token_release(token);
        err.code = status;
        remember_failure(source, &err);
    }
    (void)pthread_cond_broadcast(&source->changed);
    (void)pthread_cond_signal(&source->wake);
}

/* Wait for the fetch under way. Under lock. */
static void wait_for_fetch(sb_token_source *source)
{
    uint64_t seen = source->fetches_ended;
    while (source->fetching && source->fetches_ended == seen)
        (void)pthread_cond_wait(&source->changed, &source->lock);
}

static sb_status get_slow(sb_token_source *source, unsigned min_left_s, sb_token **out, sb_error *err)
{
    for (unsigned tries = 0;; tries++) {
        int64_t now = now_ns(source);
        bool failed_lately = source->failure.code != SB_OK && now < source->failed_until_ns;
        if (is_good(source->current, now, min_left_s) || (is_alive(source->current, now) && !source->fetching &&
                                                          (tries >= FETCH_TRIES || source->failure.code != SB_OK))) {
            /* Good enough, or the best there is: renewal is failing (its thread goes on trying), or tokens come old */
            unsigned mine = my_shard();
            *out = sb_token_ref_shard(source->current, mine);
            atomic_store_explicit(&source->shards[mine].last_used_ns, now, memory_order_relaxed);
            return SB_OK;
        }
        if (source->fetching) {
            wait_for_fetch(source);
        } else if (source->failure.code != SB_OK && (tries > 0 || failed_lately)) {
            if (err)
                *err = source->failure;
            return source->failure.code;
        } else {
            fetch_locked(source);
        }
    }
}

sb_status sb_token_source_get(sb_token_source *source, unsigned min_left_s, sb_token **out, sb_error *err)
{
    *out = NULL;
    if (get_fast(source, min_left_s, out))
        return SB_OK;
    (void)pthread_mutex_lock(&source->lock);
    sb_status status = get_slow(source, min_left_s, out, err);
    (void)pthread_mutex_unlock(&source->lock);
    return status;
}

void sb_token_source_reject(sb_token_source *source, const sb_token *refused)
{
    (void)pthread_mutex_lock(&source->lock);
    if (!was_rejected(source, refused)) {
        digest_token(refused, &source->rejected[source->n_rejected % REJECTED_KEPT]);
        source->n_rejected++;
    }
    if (source->current && sb_token_same(source->current, refused))
        replace_current(source, NULL);
    (void)pthread_mutex_unlock(&source->lock);
}

uint64_t sb_token_source_fetches(const sb_token_source *source)
{
    return atomic_load_explicit(&source->fetches, memory_order_relaxed);
}

static bool is_idle(const sb_token_source *source, int64_t now)
{
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < SB_TOKEN_SHARDS; i++)
        last = SB_MAX(last, atomic_load_explicit(&source->shards[i].last_used_ns, memory_order_relaxed));
    return now - last > SB_MAX(IDLE_NS, sb_token_lifetime_ns(source->current));
}

static void *renewal_thread(void *arg)
{
    sb_token_source *source = arg;
    (void)pthread_mutex_lock(&source->lock);
    while (!source->stopping) {
        int64_t now = now_ns(source);
        if (source->fetching || !is_alive(source->current, now))
            (void)pthread_cond_wait(&source->wake, &source->lock); /* whoever needs a token fetches it */
        else if (now < source->renew_ns)
            source->clock->wait_until(source->clock->impl, &source->wake, &source->lock,
                                      SB_MIN(source->renew_ns, sb_token_expires_ns(source->current)));
        else if (is_idle(source, now))
            (void)pthread_cond_wait(&source->wake, &source->lock);
        else
            fetch_locked(source);
    }
    (void)pthread_mutex_unlock(&source->lock);
    return NULL;
}

static sb_status init_sync(sb_token_source *source, sb_error *err)
{
    if (pthread_mutex_init(&source->lock, NULL) != 0)
        return sb_error_nomem(err);
    if (sb_cond_init(&source->changed) != 0) {
        (void)pthread_mutex_destroy(&source->lock);
        return sb_error_nomem(err);
    }
    if (sb_cond_init(&source->wake) != 0) {
        (void)pthread_cond_destroy(&source->changed);
        (void)pthread_mutex_destroy(&source->lock);
        return sb_error_nomem(err);
    }
    return SB_OK;
}

sb_status sb_token_source_new(sb_token_provider provider, const sb_clock *clock, sb_token_source **out, sb_error *err)
{
    *out = NULL;
    sb_token_source *source = aligned_alloc(SB_CACHE_LINE, sizeof(*source)); /* a multiple of it, by _Alignas */
    if (source)
        memset(source, 0, sizeof(*source));
    sb_status status = source ? init_sync(source, err) : sb_error_nomem(err);
    if (status != SB_OK) {
        free(source);
        if (provider.free)
            provider.free(provider.impl);
        return status;
    }
    source->provider = provider;
    source->clock = clock;
    *out = source;
    return SB_OK;
}

void sb_token_source_free(sb_token_source *source)
{
    if (!source)
        return;
    (void)pthread_mutex_lock(&source->lock);
    source->stopping = true;
    bool join = source->thread_runs;
    (void)pthread_cond_signal(&source->wake);
    (void)pthread_mutex_unlock(&source->lock);
    if (join)
        (void)pthread_join(source->thread, NULL);
    replace_current(source, NULL);
    (void)pthread_cond_destroy(&source->wake);
    (void)pthread_cond_destroy(&source->changed);
    (void)pthread_mutex_destroy(&source->lock);
    if (source->provider.free)
        source->provider.free(source->provider.impl);
    free(source);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* server_keys.c - when the keys are read again, and who waits for it: nobody, for one thread does it and the others go on
 * with what they have. What is in the table is server_keys_table.c's. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "base/secret.h"
#include "jose/sealed_key.h"
#include "payer/auth/server_keys_internal.h"

#define FAILED_RETRY_S  5 /* after the database could not be asked */
#define UNKNOWN_RETRY_S 1 /* after a name was not found: strangers can make up names */

struct sb_server_keys {
    sb_server_keys_table table;
    sb_secret *secret;
    pthread_mutex_t reading; /* held while the database is asked */
    pthread_mutex_t lock;    /* of what follows */
    sb_server_keyset *set;
    int64_t due_ns, unknown_ns; /* when they are read again; when, for a name that is not known */
    bool is_busy, has_failed;   /* they are being read just now; the last time that was no good */
};

static int64_t now_ns(const sb_server_keys *k)
{
    return k->table.clock->monotonic_ns(k->table.clock->impl);
}

static int64_t now_s(const sb_server_keys *k)
{
    return k->table.clock->wall_s(k->table.clock->impl);
}

void sb_server_keyset_free(sb_server_keyset *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        sb_key_free(set->keys[i].key);
    free(set->json);
    free(set);
}

static sb_server_keyset *ref(sb_server_keyset *set)
{
    (void)atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

static sb_server_keyset *current(sb_server_keys *k)
{
    (void)pthread_mutex_lock(&k->lock);
    sb_server_keyset *set = ref(k->set);
    (void)pthread_mutex_unlock(&k->lock);
    return set;
}

/* With `reading` held. */
static sb_status read_again(sb_server_keys *k, sb_error *err)
{
    sb_server_keyset *set = NULL;
    (void)pthread_mutex_lock(&k->lock);
    k->is_busy = true;
    (void)pthread_mutex_unlock(&k->lock);
    sb_status status = sb_server_keys_table_read(&k->table, &set, err);
    (void)pthread_mutex_lock(&k->lock);
    sb_server_keyset *old = status == SB_OK ? k->set : NULL;
    if (status == SB_OK)
        k->set = set;
    k->is_busy = false;
    k->has_failed = status != SB_OK;
    k->due_ns = now_ns(k) + (status == SB_OK ? SB_SERVER_KEYS_STALE_S : FAILED_RETRY_S) * SB_NS_PER_S;
    (void)pthread_mutex_unlock(&k->lock);
    sb_server_keyset_free(old);
    return status;
}

static void read_if_due(sb_server_keys *k)
{
    sb_error err = SB_ERROR_INIT;
    (void)pthread_mutex_lock(&k->lock);
    bool due = !k->is_busy && now_ns(k) >= k->due_ns;
    (void)pthread_mutex_unlock(&k->lock);
    if (!due || pthread_mutex_trylock(&k->reading) != 0)
        return;
    if (read_again(k, &err) != SB_OK)
        sb_log(SB_LOG_ERROR, "the keys that sign tokens could not be read: %s: %s", err.what, err.why);
    (void)pthread_mutex_unlock(&k->reading);
}

sb_server_keyset *sb_server_keys_take(sb_server_keys *k)
{
    read_if_due(k);
    return current(k);
}

/* The newest that may: its predecessor may still, for verifiers who have not seen this one are none of our own. */
const sb_key *sb_server_keyset_signer(const sb_server_keyset *set, int64_t now_s)
{
    const sb_server_key *best = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const sb_server_key *one = &set->keys[i];
        if (one->signs_from_s <= now_s && now_s < one->signs_until_s &&
            (!best || one->signs_from_s >= best->signs_from_s))
            best = one;
    }
    return best ? best->key : NULL;
}

const char *sb_server_keyset_json(const sb_server_keyset *set)
{
    return set->json;
}

static const sb_key *look_up(const sb_server_keyset *set, sb_str kid, int64_t now_s)
{
    for (size_t i = 0; i < set->count; i++) {
        if (sb_str_eq(kid, sb_str_from(sb_key_kid(set->keys[i].key))) && now_s < set->keys[i].ends_s)
            return set->keys[i].key;
    }
    return NULL;
}

/* May this thread have them read again for a name that is not known? *unknowable: it may not, and what is in memory is no
 * answer. */
static bool may_read(sb_server_keys *k, bool *unknowable)
{
    int64_t now = now_ns(k);
    (void)pthread_mutex_lock(&k->lock);
    bool may = !k->is_busy && now >= k->unknown_ns;
    if (may)
        k->unknown_ns = now + UNKNOWN_RETRY_S * SB_NS_PER_S;
    *unknowable = !may && (k->is_busy || k->has_failed);
    (void)pthread_mutex_unlock(&k->lock);
    return may;
}

static sb_status busy(sb_error *err)
{
    return sb_error_set(err, SB_E_BUSY, "a token's key could not be looked up", "the keys are being read just now",
                        "come back later");
}

static sb_status read_for_unknown(sb_server_keys *k, sb_error *err)
{
    bool unknowable;
    if (!may_read(k, &unknowable))
        return unknowable ? busy(err) : SB_OK;
    if (pthread_mutex_trylock(&k->reading) != 0)
        return busy(err);
    sb_status status = read_again(k, err);
    (void)pthread_mutex_unlock(&k->reading);
    return status;
}

sb_status sb_server_keys_find(sb_server_keys *k, sb_str kid, sb_server_keyset **out_set, const sb_key **out,
                              sb_error *err)
{
    SB_AUTOPTR(sb_server_keyset) set = sb_server_keys_take(k);
    *out_set = NULL;
    *out = look_up(set, kid, now_s(k));
    if (!*out) {
        SB_TRY(read_for_unknown(k, err));
        sb_server_keyset_free(set);
        set = current(k);
        *out = look_up(set, kid, now_s(k));
    }
    if (*out) {
        *out_set = set;
        set = NULL;
    }
    return SB_OK;
}

/* Beginning and end */

static sb_status begin(sb_server_keys *k, const sb_server_keys_options *options, sb_error *err)
{
    SB_TRY(sb_secret_new(options->secret, &k->secret, err));
    k->table = (sb_server_keys_table){.pool = options->pool,
                                      .clock = options->clock,
                                      .secret = sb_secret_str(k->secret),
                                      .sign_s = (int64_t)SB_MAX(options->sign_days, 1u) * SB_SERVER_KEYS_DAY_S};
    return sb_server_keys_table_read(&k->table, &k->set, err);
}

sb_status sb_server_keys_new(const sb_server_keys_options *options, sb_server_keys **out, sb_error *err)
{
    sb_server_keys *k = calloc(1, sizeof(*k));
    if (!k || pthread_mutex_init(&k->lock, NULL) != 0) {
        free(k);
        return sb_error_nomem(err);
    }
    if (pthread_mutex_init(&k->reading, NULL) != 0) {
        (void)pthread_mutex_destroy(&k->lock);
        free(k);
        return sb_error_nomem(err);
    }
    sb_status status = begin(k, options, err);
    if (status != SB_OK) {
        sb_server_keys_free(k);
        return status;
    }
    k->due_ns = now_ns(k) + SB_SERVER_KEYS_STALE_S * SB_NS_PER_S;
    *out = k;
    return SB_OK;
}

void sb_server_keys_free(sb_server_keys *k)
{
    if (!k)
        return;
    sb_server_keyset_free(k->set);
    sb_secret_free(k->secret);
    (void)pthread_mutex_destroy(&k->lock);
    (void)pthread_mutex_destroy(&k->reading);
    free(k);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* serve_keeper.c - a thread that, now and then, takes away what has had its time. Who asks for something does so as well,
 * where it is in the way; but where nobody asks, nobody would. Of several processes on one database each does it: what
 * another has taken is not there any more. */
#include "payer/serve_internal.h"

#define EVERY_NS (INT64_C(3600) * SB_NS_PER_S) /* what is taken away had days */

struct sb_serve_keeper {
    sb_serve *serve;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* the end */
    bool ending;         /* under lock */
};

static void sweep(sb_serve *s)
{
    sb_generation *g = sb_generation_take(s);
    sb_service_sweep(g->service);
    sb_generation_release(g);
}

static void *keep(void *impl)
{
    sb_serve_keeper *k = impl;
    const sb_clock *clock = k->serve->clock;
    int64_t next = clock->monotonic_ns(clock->impl);
    (void)pthread_mutex_lock(&k->lock);
    while (!k->ending) {
        if (clock->monotonic_ns(clock->impl) < next) {
            clock->wait_until(clock->impl, &k->wake, &k->lock, next);
            continue;
        }
        (void)pthread_mutex_unlock(&k->lock);
        sweep(k->serve);
        next = clock->monotonic_ns(clock->impl) + EVERY_NS;
        (void)pthread_mutex_lock(&k->lock);
    }
    (void)pthread_mutex_unlock(&k->lock);
    return NULL;
}

static void dismantle(sb_serve_keeper *k)
{
    (void)pthread_cond_destroy(&k->wake);
    (void)pthread_mutex_destroy(&k->lock);
    free(k);
}

sb_status sb_serve_keeper_start(sb_serve *serve, sb_error *err)
{
    sb_serve_keeper *k = calloc(1, sizeof(*k));
    if (!k || pthread_mutex_init(&k->lock, NULL) != 0) {
        free(k);
        return sb_error_nomem(err);
    }
    if (sb_cond_init(&k->wake) != 0) {
        (void)pthread_mutex_destroy(&k->lock);
        free(k);
        return sb_error_nomem(err);
    }
    k->serve = serve;
    if (pthread_create(&k->thread, NULL, keep, k) != 0) {
        dismantle(k);
        return sb_error_nomem(err);
    }
    serve->keeper = k;
    return SB_OK;
}

void sb_serve_keeper_stop(sb_serve *serve)
{
    sb_serve_keeper *k = serve->keeper;
    if (!k)
        return;
    serve->keeper = NULL;
    (void)pthread_mutex_lock(&k->lock);
    k->ending = true;
    (void)pthread_cond_signal(&k->wake);
    (void)pthread_mutex_unlock(&k->lock);
    (void)pthread_join(k->thread, NULL);
    dismantle(k);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* token_desk.c - see token_desk.h. Owns one thread and one reference to the newest token it knows; renewing, sharing
 * and rejecting are the payer's token source's. */
#include "export/token_desk.h"

#include <pthread.h>
#include <stdatomic.h>

#include "smart/authorized.h"
#include "smart/token_internal.h"

#define MIN_LEFT_S   10 /* a request is on its way for seconds; the token is checked at its start (USE-05) */
#define USED_PERCENT 75 /* of its lifetime: then the source has a newer one */
#define GRACE_NS     (100 * SB_NS_PER_MS) /* who was waiting gets what came, however short it lives */

struct sb_token_desk {
    sb_token_giver giver;
    void (*wake)(void *impl);
    void *wake_impl;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    bool wanted, closing, known;
    sb_token *token; /* with `known`: may be NULL, the payer wants none */
    int64_t use_until_ns;
    uint64_t rejections; /* so far */
    sb_status status;    /* of the last request */
    sb_error err;
};

static int64_t now_ns(const sb_token_desk *desk)
{
    return desk->giver.clock->monotonic_ns(desk->giver.clock->impl);
}

static void take_answer(sb_token_desk *desk, sb_token *token, sb_status status, const sb_error *err)
{
    desk->wanted = false;
    desk->status = status;
    desk->err = *err;
    if (status != SB_OK)
        return;
    sb_token_release(desk->token);
    desk->token = token;
    desk->known = true;
    desk->use_until_ns = INT64_MAX;
    if (!token)
        return;
    int64_t began = sb_token_requested_ns(token), life = sb_token_expires_ns(token) - began;
    desk->use_until_ns = SB_MAX(began + life / 100 * USED_PERCENT, now_ns(desk) + GRACE_NS);
}

/* A token that was on its way here when one was refused may be that one: the source had it still when it gave it. Who was
 * refused once and got it again would be refused twice, which ends the run. The source knows better now.       USE-04 */
static bool may_be_refused(const sb_token_desk *desk, uint64_t rejections_before, const sb_token *token)
{
    return token && desk->rejections != rejections_before;
}

static void *serve(void *impl)
{
    sb_token_desk *desk = impl;
    (void)pthread_mutex_lock(&desk->lock);
    while (!desk->closing) {
        if (!desk->wanted) {
            (void)pthread_cond_wait(&desk->changed, &desk->lock);
            continue;
        }
        sb_token *token = NULL;
        sb_error err = SB_ERROR_INIT;
        uint64_t rejections = desk->rejections;
        (void)pthread_mutex_unlock(&desk->lock);
        sb_status status = desk->giver.get(desk->giver.impl, MIN_LEFT_S, &token, &err);
        (void)pthread_mutex_lock(&desk->lock);
        if (may_be_refused(desk, rejections, token)) {
            sb_token_release(token);
            continue; /* it is still wanted */
        }
        take_answer(desk, token, status, &err);
        (void)pthread_mutex_unlock(&desk->lock);
        desk->wake(desk->wake_impl);
        (void)pthread_mutex_lock(&desk->lock);
    }
    (void)pthread_mutex_unlock(&desk->lock);
    return NULL;
}

static sb_status payer_get(void *impl, unsigned min_left_s, sb_token **out, sb_error *err)
{
    return sb_payer_token(impl, min_left_s, out, err);
}

static void payer_reject(void *impl, const sb_token *refused)
{
    sb_payer_reject_token(impl, refused);
}

sb_status sb_token_desk_new(sb_payer *payer, void (*wake)(void *impl), void *impl, sb_token_desk **out, sb_error *err)
{
    const sb_token_giver giver = {payer, sb_payer_clock(payer), payer_get, payer_reject};
    return sb_token_desk_new_over(&giver, wake, impl, out, err);
}

sb_status sb_token_desk_new_over(const sb_token_giver *giver, void (*wake)(void *impl), void *impl, sb_token_desk **out,
                                 sb_error *err)
{
    sb_token_desk *desk = calloc(1, sizeof(*desk));
    if (!desk)
        return sb_error_nomem(err);
    desk->giver = *giver;
    desk->wake = wake;
    desk->wake_impl = impl;
    (void)pthread_mutex_init(&desk->lock, NULL); /* cannot fail on Linux, nor can the next */
    (void)pthread_cond_init(&desk->changed, NULL);
    if (pthread_create(&desk->thread, NULL, serve, desk) != 0) {
        free(desk);
        return sb_error_set(err, SB_E_NOMEM, "a thread could not be started", "pthread_create failed",
                            "raise the limit on processes (ulimit -u)");
    }
    *out = desk;
    return SB_OK;
}

void sb_token_desk_free(sb_token_desk *desk)
{
    if (!desk)
        return;
    (void)pthread_mutex_lock(&desk->lock);
    desk->closing = true;
    (void)pthread_cond_signal(&desk->changed);
    (void)pthread_mutex_unlock(&desk->lock);
    (void)pthread_join(desk->thread, NULL);
    sb_token_release(desk->token);
    (void)pthread_cond_destroy(&desk->changed);
    (void)pthread_mutex_destroy(&desk->lock);
    free(desk);
}

static void want(sb_token_desk *desk)
{
    desk->wanted = true;
    (void)pthread_cond_signal(&desk->changed);
}

sb_status sb_token_desk_get(sb_token_desk *desk, bool *ready, sb_token **out, sb_error *err)
{
    *out = NULL;
    (void)pthread_mutex_lock(&desk->lock);
    sb_status status = desk->status;
    *ready = status == SB_OK && desk->known && now_ns(desk) < desk->use_until_ns;
    if (*ready && desk->token)
        *out = sb_token_ref(desk->token);
    else if (!*ready && status == SB_OK)
        want(desk);
    if (status != SB_OK && err)
        *err = desk->err;
    (void)pthread_mutex_unlock(&desk->lock);
    return status;
}

void sb_token_desk_reject(sb_token_desk *desk, const sb_token *refused)
{
    desk->giver.reject(desk->giver.impl, refused);
    (void)pthread_mutex_lock(&desk->lock);
    desk->rejections++;
    if (desk->token && sb_token_same(desk->token, refused))
        desk->known = false;
    (void)pthread_mutex_unlock(&desk->lock);
}

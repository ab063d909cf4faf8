/* SPDX-License-Identifier: Apache-2.0 */
/* server_watch.c - a list in the order of deadlines, and a thread that looks at its head. */
#include "http/server_watch.h"

#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include <smartbulk/clock.h>

#include "base/file.h"

struct sb_watch {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* the list is no longer empty, or the end */
    pthread_t thread;
    sb_watched head; /* of a ring */
    int64_t limit_ns;
    bool stop;
};

/* Sockets live in real time, whatever clock the rest of a test has. */
static int64_t now_ns(void)
{
    const sb_clock *clock = sb_clock_system();
    return clock->monotonic_ns(clock->impl);
}

static void unlink_one(sb_watched *c)
{
    if (!c->next)
        return;
    c->prev->next = c->next;
    c->next->prev = c->prev;
    c->next = c->prev = NULL;
}

static void wait_until(sb_watch *watch, int64_t deadline_ns)
{
    const sb_clock *clock = sb_clock_system();
    clock->wait_until(clock->impl, &watch->wake, &watch->lock, deadline_ns);
}

static void *run(void *impl)
{
    sb_watch *watch = impl;
    (void)pthread_mutex_lock(&watch->lock);
    while (!watch->stop) {
        sb_watched *first = watch->head.next;
        if (first == &watch->head) {
            (void)pthread_cond_wait(&watch->wake, &watch->lock);
        } else if (first->deadline_ns > now_ns()) {
            wait_until(watch, first->deadline_ns);
        } else {
            unlink_one(first);
            (void)shutdown(first->fd, SHUT_RDWR); /* its own thread sees the end and cleans up */
        }
    }
    (void)pthread_mutex_unlock(&watch->lock);
    return NULL;
}

sb_status sb_watch_new(unsigned limit_ms, sb_watch **out, sb_error *err)
{
    sb_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return sb_error_nomem(err);
    watch->head.next = watch->head.prev = &watch->head;
    watch->limit_ns = (int64_t)limit_ms * SB_NS_PER_MS;
    if (pthread_mutex_init(&watch->lock, NULL) != 0) {
        free(watch);
        return sb_error_nomem(err);
    }
    int rc = sb_cond_init(&watch->wake);
    if (rc == 0) {
        rc = pthread_create(&watch->thread, NULL, run, watch);
        if (rc == 0) {
            *out = watch;
            return SB_OK;
        }
        (void)pthread_cond_destroy(&watch->wake);
    }
    (void)pthread_mutex_destroy(&watch->lock);
    free(watch);
    return sb_error_errno(err, "a thread could not be started", "connection watch", rc);
}

void sb_watch_free(sb_watch *watch)
{
    if (!watch)
        return;
    (void)pthread_mutex_lock(&watch->lock);
    watch->stop = true;
    (void)pthread_cond_signal(&watch->wake);
    (void)pthread_mutex_unlock(&watch->lock);
    (void)pthread_join(watch->thread, NULL);
    (void)pthread_cond_destroy(&watch->wake);
    (void)pthread_mutex_destroy(&watch->lock);
    free(watch);
}

void sb_watch_on(sb_watch *watch, sb_watched *c)
{
    (void)pthread_mutex_lock(&watch->lock);
    unlink_one(c);
    c->deadline_ns = now_ns() + watch->limit_ns;
    c->prev = watch->head.prev;
    c->next = &watch->head;
    c->prev->next = c;
    watch->head.prev = c;
    if (c->prev == &watch->head)
        (void)pthread_cond_signal(&watch->wake);
    (void)pthread_mutex_unlock(&watch->lock);
}

void sb_watch_off(sb_watch *watch, sb_watched *c)
{
    (void)pthread_mutex_lock(&watch->lock);
    unlink_one(c);
    (void)pthread_mutex_unlock(&watch->lock);
}

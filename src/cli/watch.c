/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c - see watch.h. */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct watch {
    display *display;
    atomic_bool *cancel;
    int signals, ended;
    sigset_t watched, before;
    pthread_t thread;
    pthread_mutex_t lock; /* over `export_`: it must not be freed while a tick looks at it */
    sb_export *export_;
    sb_export_snapshot snapshot; /* the thread's: too large for a stack frame's taste */
};

/* What is ignored stays ignored: nohup, and a shell's background jobs. */
static void watched_signals(sigset_t *set)
{
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};
    (void)sigemptyset(set);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        struct sigaction now;
        if (sigaction(wanted[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            (void)sigaddset(set, wanted[i]);
    }
}

/* Let a signal do to the process what it does by itself. Returns when that was a stop that is over. */
static void let_it_act(int number)
{
    sigset_t one;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, number);
    (void)signal(number, SIG_DFL);
    (void)raise(number); /* to this thread, which blocks it; it is delivered by the next line */
    (void)pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    (void)pthread_sigmask(SIG_BLOCK, &one, NULL);
}

static void tick(watch *w)
{
    (void)pthread_mutex_lock(&w->lock);
    bool any = w->export_ != NULL;
    if (any)
        sb_export_snapshot_get(w->export_, &w->snapshot);
    (void)pthread_mutex_unlock(&w->lock);
    display_tick(w->display, any ? &w->snapshot : NULL);
}

static void on_signal(watch *w, int number)
{
    switch (number) {
    case SIGINT:
    case SIGTERM:
    case SIGHUP:
        if (!atomic_exchange(w->cancel, true)) {
            display_stopping(w->display);
            return;
        }
        display_clear(w->display);
        let_it_act(number);
        return;
    case SIGQUIT:
    case SIGTSTP:
        display_clear(w->display);
        let_it_act(number);
        display_resize(w->display);
        return;
    default: /* SIGCONT after a SIGSTOP, SIGWINCH */
        display_resize(w->display);
        return;
    }
}

static void *run(void *impl)
{
    watch *w = impl;
    struct pollfd fds[] = {{.fd = w->signals, .events = POLLIN}, {.fd = w->ended, .events = POLLIN}};
    for (;;) {
        struct signalfd_siginfo info;
        if (poll(fds, 2, display_tick_ms(w->display)) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents)
            return NULL;
        if ((fds[0].revents & POLLIN) && read(w->signals, &info, sizeof(info)) == sizeof(info))
            on_signal(w, (int)info.ssi_signo);
        tick(w);
    }
}

static void close_all(watch *w)
{
    if (w->signals >= 0)
        (void)close(w->signals);
    if (w->ended >= 0)
        (void)close(w->ended);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}

watch *watch_start(display *display_, atomic_bool *cancel)
{
    watch *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    w->display = display_;
    w->cancel = cancel;
    watched_signals(&w->watched);
    w->signals = signalfd(-1, &w->watched, SFD_CLOEXEC | SFD_NONBLOCK);
    w->ended = eventfd(0, EFD_CLOEXEC);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_sigmask(SIG_BLOCK, &w->watched, &w->before);
    if (w->signals >= 0 && w->ended >= 0 && pthread_create(&w->thread, NULL, run, w) == 0)
        return w;
    (void)pthread_sigmask(SIG_SETMASK, &w->before, NULL);
    close_all(w);
    return NULL;
}

void watch_export(watch *w, sb_export *export_)
{
    if (!w)
        return;
    (void)pthread_mutex_lock(&w->lock);
    w->export_ = export_;
    (void)pthread_mutex_unlock(&w->lock);
}

void watch_end(watch *w)
{
    if (!w)
        return;
    uint64_t one = 1;
    (void)!write(w->ended, &one, sizeof(one)); /* an eventfd takes its first */
    (void)pthread_join(w->thread, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &w->before, NULL);
    close_all(w);
}

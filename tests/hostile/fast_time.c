/* SPDX-License-Identifier: Apache-2.0 */
/* fast_time.c - preloaded into the program under test: waiting costs no time, and its end tells what was left behind.
 *
 * A payer may make its client wait for hours (Retry-After, backoff, stalled answers), and thousands of scenarios have no
 * hours. So the program's clocks are the machine's plus an offset, and when all its threads wait and none for the
 * network, the offset jumps to the first moment any of them waits for. A thread that waits for a peer stops the jumps:
 * honest answers take real time however loaded the machine is, so that nothing times out by accident. Only while the
 * peer says (`stalls`, in the page it shares with us) that it keeps as many connections waiting on purpose as we wait
 * for do they go on, a second in a millisecond.
 *
 * FAST_TIME names the shared page. Knows nothing of the program. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S       INT64_C(1000000000)
#define NS_PER_MS      INT64_C(1000000)
#define NEVER          INT64_MAX
#define SLICE_NS       (20 * NS_PER_MS) /* a wake that was missed is made up for so soon */
#define STALL_SLICE_NS NS_PER_MS
#define STALL_SPEED    1000 /* how fast time goes by while peers are silent: fast, but they can follow */
#define POLL_MAX       512  /* more descriptors nobody here polls */
#define FDS_MAX        4096 /* descriptors looked at in the end */

/* Shared with the peer: hosts.py knows the layout. */
#pragma GCC visibility push(default) /* all of what follows that is not static stands before libc's */

typedef struct page {
    _Atomic int64_t offset_ns; /* ours */
    _Atomic int32_t stalls;    /* the peer's: how many connections it keeps waiting on purpose */
    _Atomic int32_t ended;     /* ours, from here on: told at the end */
    int32_t fds_left, threads_left;
    int64_t peak_kb;
    char left[256]; /* which descriptors */
} page;

typedef struct waiter {
    struct waiter *next;
    int64_t deadline_ns; /* of our time */
    int64_t since_ns;    /* of the machine's, when it began; and */
    int64_t began_ns;    /* of ours */
    int connections;     /* that it waits for */
    bool woken;
    pthread_cond_t *cond; /* or */
    pthread_t thread;     /* whose end is waited for, if `joins`; or */
    bool joins;
    const struct pollfd *fds;
    nfds_t n;
    int wake_fd;
} waiter;

static int (*real_poll)(struct pollfd *, nfds_t, int);
static int (*real_wait)(pthread_cond_t *, pthread_mutex_t *);
static int (*real_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*real_signal)(pthread_cond_t *);
static int (*real_broadcast)(pthread_cond_t *);
static int (*real_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static int (*real_join)(pthread_t, void **);

static page no_page;
static page *shared = &no_page;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static waiter *waiters;     /* under lock */
static unsigned n_waiting;  /* under lock: waiters that nobody has woken */
static unsigned n_live = 1; /* under lock: threads that run or wait */
static struct ended {
    struct ended *next;
    pthread_t thread;
} * ended; /* under lock: threads that ended and nobody has joined */
static bool fds_before[FDS_MAX];
static __thread int my_wake_fd = -1;

static void *next_symbol(const char *name)
{
    void *found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2"); /* condition variables have an older version, too */
    return found ? found : dlsym(RTLD_NEXT, name);
}

static int64_t machine_ns(void)
{
    struct timespec ts;
    (void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t our_ns(void)
{
    return machine_ns() + atomic_load(&shared->offset_ns);
}

static struct timespec to_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

/* Clocks */

int clock_gettime(clockid_t clock, struct timespec *ts)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, ts);
    bool moves = clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME || clock == CLOCK_BOOTTIME ||
                 clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_RAW;
    if (rc == 0 && moves)
        *ts = to_timespec((int64_t)ts->tv_sec * NS_PER_S + ts->tv_nsec + atomic_load(&shared->offset_ns));
    return rc;
}

time_t time(time_t *out)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    if (out)
        *out = ts.tv_sec;
    return ts.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec ts;
    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    *tv = (struct timeval){.tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000};
    return 0;
}

/* Jumps. All of it under `lock`. */

static void wake(waiter *w)
{
    const uint64_t one = 1;
    if (w->cond)
        (void)real_broadcast(w->cond);
    else if (w->wake_fd >= 0 && write(w->wake_fd, &one, sizeof(one)) < 0)
        return; /* it is full: it wakes all the same */
}

/* Something came for it that it has not seen yet? */
static bool has_news(const waiter *w)
{
    struct pollfd copy[POLL_MAX];
    if (w->cond || w->n == 0)
        return false;
    memcpy(copy, w->fds, w->n * sizeof(copy[0]));
    return real_poll(copy, w->n, 0) != 0;
}

static void try_jump(void)
{
    int64_t machine = machine_ns(), now = our_ns(), first = NEVER, limit = NEVER;
    int connections = 0;
    if (n_waiting < n_live)
        return;
    for (const waiter *w = waiters; w; w = w->next) {
        if (w->deadline_ns <= now)
            return; /* it is about to wake */
        first = w->deadline_ns < first ? w->deadline_ns : first;
        connections += w->connections;
        if (w->connections > 0 && w->began_ns + (machine - w->since_ns) * STALL_SPEED < limit)
            limit = w->began_ns + (machine - w->since_ns) * STALL_SPEED;
    }
    if (connections > 0 && atomic_load(&shared->stalls) < connections)
        return;
    for (const waiter *w = waiters; w; w = w->next)
        if (has_news(w))
            return;
    first = first < limit ? first : limit;
    if (first == NEVER || first <= now)
        return;
    (void)atomic_fetch_add(&shared->offset_ns, first - now);
    for (waiter *w = waiters; w; w = w->next)
        if (w->deadline_ns <= first)
            wake(w);
}

/* Under lock. */
static void begin_to_wait(waiter *w)
{
    w->since_ns = machine_ns();
    w->began_ns = our_ns();
    w->next = waiters;
    waiters = w;
    n_waiting++;
    try_jump();
}

static void enter(waiter *w)
{
    (void)pthread_mutex_lock(&lock);
    begin_to_wait(w);
    (void)pthread_mutex_unlock(&lock);
}

/* Once more round its loop. */
static void stay(waiter *w)
{
    (void)pthread_mutex_lock(&lock);
    n_waiting += w->woken;
    w->woken = false;
    try_jump();
    (void)pthread_mutex_unlock(&lock);
}

static void leave(waiter *w)
{
    (void)pthread_mutex_lock(&lock);
    waiter **at = &waiters;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    n_waiting -= !w->woken;
    (void)pthread_mutex_unlock(&lock);
}

/* Whoever waits for `cond` may have been woken: until it has looked, it counts as running. */
static void mark_woken(const pthread_cond_t *cond)
{
    (void)pthread_mutex_lock(&lock);
    for (waiter *w = waiters; w; w = w->next) {
        if (w->cond != cond || w->woken)
            continue;
        w->woken = true;
        n_waiting--;
    }
    (void)pthread_mutex_unlock(&lock);
}

/* How long to wait of the machine's time, at most until `deadline`. */
static int64_t slice_ns(const waiter *w)
{
    int64_t left = w->deadline_ns == NEVER ? NEVER : w->deadline_ns - our_ns();
    int64_t slice = atomic_load(&shared->stalls) > 0 ? STALL_SLICE_NS : SLICE_NS;
    return left < 0 ? 0 : left < slice ? left : slice;
}

/* Waiting */

int pthread_cond_signal(pthread_cond_t *cond)
{
    mark_woken(cond);
    return real_signal(cond);
}

int pthread_cond_broadcast(pthread_cond_t *cond)
{
    mark_woken(cond);
    return real_broadcast(cond);
}

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    waiter w = {.deadline_ns = NEVER, .cond = cond, .wake_fd = -1};
    enter(&w);
    int rc = real_wait(cond, mutex);
    leave(&w);
    return rc;
}

/* All that are waited for with a deadline are on CLOCK_MONOTONIC (sb_cond_init). */
int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    waiter w = {.deadline_ns = (int64_t)until->tv_sec * NS_PER_S + until->tv_nsec, .cond = cond, .wake_fd = -1};
    int rc = ETIMEDOUT;
    enter(&w);
    while (our_ns() < w.deadline_ns) {
        struct timespec ts = to_timespec(machine_ns() + slice_ns(&w));
        rc = real_timedwait(cond, mutex, &ts);
        if (rc != ETIMEDOUT)
            break;
        stay(&w);
    }
    leave(&w);
    return our_ns() >= w.deadline_ns ? ETIMEDOUT : rc;
}

static int count_connections(const struct pollfd *fds, nfds_t n)
{
    int count = 0;
    for (nfds_t i = 0; i < n; i++) {
        int domain = 0;
        socklen_t size = sizeof(domain);
        if (getsockopt(fds[i].fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0)
            count += domain == AF_INET || domain == AF_INET6;
    }
    return count;
}

static int poll_until(waiter *w, struct pollfd *fds, nfds_t n)
{
    struct pollfd all[POLL_MAX + 1];
    uint64_t drained;
    int rc = 0;
    memcpy(all, fds, n * sizeof(*fds));
    all[n] = (struct pollfd){.fd = w->wake_fd, .events = POLLIN};
    while (w->deadline_ns > our_ns()) {
        int64_t ms = (slice_ns(w) + NS_PER_MS - 1) / NS_PER_MS;
        rc = real_poll(all, n + 1, (int)ms);
        bool only_ours = rc == 1 && all[n].revents;
        if (all[n].revents && read(w->wake_fd, &drained, sizeof(drained)) < 0)
            rc = 0;
        rc -= rc > 0 && all[n].revents;
        if (rc != 0)
            break;
        if (!only_ours)
            stay(w);
    }
    for (nfds_t i = 0; i < n; i++)
        fds[i].revents = rc > 0 ? all[i].revents : 0;
    return rc;
}

int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    int rc = real_poll(fds, n, n < POLL_MAX ? 0 : timeout_ms);
    if (rc != 0 || timeout_ms == 0 || n >= POLL_MAX)
        return rc;
    if (my_wake_fd < 0)
        my_wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    waiter w = {.deadline_ns = timeout_ms < 0 ? NEVER : our_ns() + timeout_ms * NS_PER_MS,
                .connections = count_connections(fds, n),
                .fds = fds,
                .n = n,
                .wake_fd = my_wake_fd};
    enter(&w);
    rc = poll_until(&w, fds, n);
    leave(&w);
    return rc;
}

/* What _FORTIFY_SOURCE makes of it. */
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t size);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t size)
{
    if (size / sizeof(*fds) < n)
        abort();
    return poll(fds, n, timeout_ms);
}

/* Threads */

typedef struct beginning {
    void *(*run)(void *);
    void *impl;
    struct ended *end;
} beginning;

static void count_live(int by)
{
    (void)pthread_mutex_lock(&lock);
    n_live += (unsigned)by;
    (void)pthread_mutex_unlock(&lock);
}

/* Whoever waits for the end of this thread is about to run, so that no time jumps between the two; and when nobody does,
 * it keeps none of the others from jumping. */
static void end(struct ended *me)
{
    bool awaited = false;
    (void)pthread_mutex_lock(&lock);
    n_live--;
    for (waiter *w = waiters; w; w = w->next) {
        if (!w->joins || !pthread_equal(w->thread, me->thread))
            continue;
        awaited = w->woken = true;
        n_waiting--;
    }
    if (!awaited) {
        me->next = ended;
        ended = me;
    }
    (void)pthread_mutex_unlock(&lock);
    if (awaited)
        free(me);
}

static void *begin(void *impl)
{
    beginning b = *(beginning *)impl;
    *b.end = (struct ended){.thread = pthread_self()};
    free(impl);
    void *result = b.run(b.impl);
    if (my_wake_fd >= 0)
        (void)close(my_wake_fd);
    end(b.end);
    return result;
}

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr, void *(*run)(void *),
                   void *restrict impl)
{
    beginning *b = malloc(sizeof(*b));
    struct ended *at_end = malloc(sizeof(*at_end));
    if (!b || !at_end) {
        free(b);
        free(at_end);
        return EAGAIN;
    }
    *b = (beginning){run, impl, at_end};
    count_live(1);
    int rc = real_create(thread, attr, begin, b);
    if (rc == 0)
        return 0;
    count_live(-1);
    free(b);
    free(at_end);
    return rc;
}

/* Under lock: it ended, and that is no news any more. */
static bool has_ended(pthread_t thread)
{
    for (struct ended **at = &ended; *at; at = &(*at)->next) {
        struct ended *found = *at;
        if (!pthread_equal(found->thread, thread))
            continue;
        *at = found->next;
        free(found);
        return true;
    }
    return false;
}

int pthread_join(pthread_t thread, void **result)
{
    waiter w = {.deadline_ns = NEVER, .joins = true, .thread = thread, .wake_fd = -1};
    (void)pthread_mutex_lock(&lock);
    bool waits = !has_ended(thread);
    if (waits)
        begin_to_wait(&w);
    (void)pthread_mutex_unlock(&lock);
    int rc = real_join(thread, result);
    if (waits)
        leave(&w);
    return rc;
}

/* Beginning and end */

static int64_t peak_kb(void)
{
    char line[256];
    long long kb = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status && fgets(line, sizeof(line), status))
        if (sscanf(line, "VmHWM: %lld", &kb) == 1)
            break;
    if (status)
        (void)fclose(status);
    return kb;
}

__attribute__((constructor)) static void set_up(void)
{
    const char *path = getenv("FAST_TIME");
    real_poll = next_symbol("poll");
    real_wait = next_symbol("pthread_cond_wait");
    real_timedwait = next_symbol("pthread_cond_timedwait");
    real_signal = next_symbol("pthread_cond_signal");
    real_broadcast = next_symbol("pthread_cond_broadcast");
    real_create = next_symbol("pthread_create");
    real_join = next_symbol("pthread_join");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        (void)close(fd);
    if (mapped != MAP_FAILED)
        shared = mapped;
    for (int i = 0; i < FDS_MAX; i++)
        fds_before[i] = fcntl(i, F_GETFD) >= 0;
}

/* What is open or runs now, nobody ended. */
__attribute__((destructor)) static void tell(void)
{
    char link[64], target[128];
    size_t used = 0;
    shared->fds_left = 0;
    for (int i = 0; i < FDS_MAX; i++) {
        if (fds_before[i] || i == my_wake_fd || fcntl(i, F_GETFD) < 0)
            continue;
        shared->fds_left++;
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", i);
        ssize_t len = readlink(link, target, sizeof(target));
        if (used < sizeof(shared->left))
            used += (size_t)snprintf(shared->left + used, sizeof(shared->left) - used, "%d=%.*s ", i,
                                     len > 0 ? (int)len : 0, target);
    }
    shared->threads_left = (int32_t)n_live - 1;
    for (const struct ended *e = ended; e; e = e->next)
        shared->threads_left++;
    shared->peak_kb = peak_kb();
    atomic_store(&shared->ended, 1);
}

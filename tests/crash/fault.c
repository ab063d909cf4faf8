/* SPDX-License-Identifier: Apache-2.0 */
/* fault.c - the shared object that tests/crash/run.py preloads into the built program: it counts every call that changes
 * what is on disk (a "point"), writes down which it was, and strikes at the one it was told to.
 *
 * It stands between the program, SQLite and all other libraries on one side and the C library on the other, so that
 * nobody picks the points by hand and none is forgotten: whoever adds a write adds a point. The program under test is the
 * one that is shipped; nothing of this is in it. Knows nothing of exports.
 *
 * Told and telling through a file that both map (struct board); its path is in SB_FAULT. board.py has the same layout. */
#undef _FILE_OFFSET_BITS /* both names of each call are defined here; off_t has 64 bits all the same */
#undef _FORTIFY_SOURCE   /* whose inline functions have the names of ours */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "cut.h"

#define EXPORTED   __attribute__((visibility("default")))
#define TRACE_MAX  8192 /* points of a run; the exports here have some hundreds */
#define TRACE_NAME 55
#define BOOT_ID    "/proc/sys/kernel/random/boot_id"
#define HALF       (-1)
#define FDS_MAX    1024 /* a server under test has some dozens */

/* What is done at the point. */
enum {
    STRIKE_NONE,
    STRIKE_KILL,       /* SIGKILL before the call */
    STRIKE_TORN,       /* SIGKILL in the middle of it: half of what was to be written is */
    STRIKE_FULL,       /* the disk is full, from here on; half of this write found room */
    STRIKE_FULL_ONCE,  /* the disk is full, this once: somebody made room */
    STRIKE_SYNC_FAILS, /* EIO, from here on */
    STRIKE_SYNC_ONCE,  /* EIO, this once: the kernel tells a lost write only once */
    STRIKE_CLOCK,      /* the wall clock is set, from here on */
    STRIKE_CUT_BYTES,  /* the power fails: see cut.h */
    STRIKE_CUT_NAMES,
    STRIKE_CUT_ALL,
};

typedef struct board {
    _Atomic uint64_t points; /* so far */
    uint64_t at;             /* the point to strike at: the first is 1 */
    _Atomic uint64_t strike; /* a full disk is given room again while the program runs */
    int64_t clock_shift_s;   /* added to the wall clock */
    uint64_t boots;          /* how often the machine was started anew: 0 leaves it its own boot id */
    _Atomic uint64_t struck; /* how often */
    struct {
        char call; /* w write, t truncate, s sync, r rename or link, u unlink, m mkdir, c create, p mode */
        char name[TRACE_NAME];
    } trace[TRACE_MAX];
} board;

static const char takes_room[] = "wrmc";
static board *b;
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER; /* when the power fails: cut.c knows no threads */
static atomic_bool confined;                                      /* see seccomp_load() */

static bool cutting(void)
{
    return b && b->strike >= STRIKE_CUT_BYTES;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SB_FAULT"), *lost = getenv("SB_FAULT_LOST");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    void *at = fd >= 0 ? mmap(NULL, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (at == MAP_FAILED || !lost)
        abort(); /* a run that counts nothing would pass */
    b = at;
    (void)close(fd);
    if (cutting())
        cut_begin(lost);
}

__attribute__((noreturn)) static void die(void)
{
    (void)syscall(SYS_tgkill, getpid(), gettid(), SIGKILL); /* a filter of serve's lets it through, but no kill() */
    for (;;)
        (void)pause();
}

/* While the power fails the other threads still run, on files that go back: nobody is to hear of that, and nobody to die
 * of a mapped file that is shorter than it was, before all is undone. */

static void wait_for_death(int number)
{
    (void)number;
    for (;;)
        (void)syscall(SYS_sched_yield);
}

static void fall_silent(void)
{
    struct sigaction action = {.sa_handler = wait_for_death};
    (void)sigaction(SIGBUS, &action, NULL);
    for (int fd = STDERR_FILENO + 1; fd < FDS_MAX; fd++)
        (void)shutdown(fd, SHUT_RDWR); /* of what is no socket, nothing */
}

static bool is_regular(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void trace(uint64_t n, char call, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (n > TRACE_MAX)
        return;
    b->trace[n - 1].call = call;
    (void)snprintf(b->trace[n - 1].name, TRACE_NAME, "%.*s", TRACE_NAME - 1, slash && slash[1] ? slash + 1 : path);
}

/* 0: go on; an errno to fail with; HALF: do half of it. */
static int strike(char call)
{
    bool first = atomic_fetch_add(&b->struck, 1) == 0;
    switch (b->strike) {
    case STRIKE_TORN:
        if (call == 'w')
            return HALF;
        die();
    case STRIKE_KILL:
        die();
    case STRIKE_FULL:
        return first && call == 'w' ? HALF : ENOSPC;
    case STRIKE_FULL_ONCE:
        return first ? ENOSPC : 0;
    case STRIKE_SYNC_FAILS:
        return EIO;
    case STRIKE_SYNC_ONCE:
        return first ? EIO : 0;
    case STRIKE_CUT_BYTES:
    case STRIKE_CUT_NAMES:
    case STRIKE_CUT_ALL:
        fall_silent();
        cut_power((unsigned)(b->strike - STRIKE_CUT_BYTES) + 1);
        die();
    default:
        return 0;
    }
}

static bool concerns(char call)
{
    switch (b->strike) {
    case STRIKE_FULL:
    case STRIKE_FULL_ONCE:
        return strchr(takes_room, call) != NULL;
    case STRIKE_SYNC_FAILS:
    case STRIKE_SYNC_ONCE:
        return call == 's';
    case STRIKE_NONE:
    case STRIKE_CLOCK:
        return false;
    default:
        return true;
    }
}

/* Count a point; leave() ends it. */
static int enter(char call, const char *path)
{
    if (!b)
        return 0; /* another library's constructor, before ours */
    if (cutting())
        (void)pthread_mutex_lock(&one_at_a_time);
    uint64_t n = atomic_fetch_add(&b->points, 1) + 1;
    trace(n, call, path);
    return n >= b->at && concerns(call) ? strike(call) : 0;
}

static int enter_fd(char call, int fd)
{
    char link[64], path[4096];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = '\0';
    return enter(call, path);
}

static long leave(long result)
{
    if (cutting()) {
        int errnum = errno;
        (void)pthread_mutex_unlock(&one_at_a_time);
        errno = errnum;
    }
    return result;
}

static long fails(int errnum)
{
    errno = errnum;
    return leave(-1);
}

/* Writes. Sockets, pipes and the terminal are nobody's durable state. */

static size_t part_of(int how, size_t len)
{
    return how == HALF ? len / 2 : len;
}

static ssize_t wrote(int how, ssize_t n)
{
    if (how == HALF && b->strike == STRIKE_TORN)
        die();
    return n == 0 && how == HALF ? fails(ENOSPC) : leave(n);
}

static off_t end_of(int fd)
{
    struct stat st;
    bool appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    return appends && fstat(fd, &st) == 0 ? st.st_size : lseek(fd, 0, SEEK_CUR);
}

EXPORTED ssize_t write(int fd, const void *bytes, size_t len)
{
    if (!is_regular(fd))
        return syscall(SYS_write, fd, bytes, len);
    int how = enter_fd('w', fd);
    if (how > 0)
        return fails(how);
    if (cutting())
        cut_write(fd, end_of(fd), len);
    return wrote(how, syscall(SYS_write, fd, bytes, part_of(how, len)));
}

EXPORTED ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    int how = enter_fd('w', fd);
    if (how > 0)
        return fails(how);
    if (cutting())
        cut_write(fd, offset, len);
    return wrote(how, syscall(SYS_pwrite64, fd, bytes, part_of(how, len), offset));
}

EXPORTED ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
    return pwrite(fd, bytes, len, offset);
}

EXPORTED ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    if (!is_regular(fd))
        return syscall(SYS_writev, fd, pieces, count);
    abort(); /* nobody does so far: whoever begins adds it here */
}

EXPORTED int ftruncate(int fd, off_t length)
{
    int how = enter_fd('t', fd);
    if (how > 0)
        return (int)fails(how);
    if (cutting())
        cut_truncate(fd, length);
    return (int)leave(syscall(SYS_ftruncate, fd, length));
}

EXPORTED int ftruncate64(int fd, off_t length)
{
    return ftruncate(fd, length);
}

static int sync_fd(int fd, long call)
{
    int how = enter_fd('s', fd);
    if (how > 0)
        return (int)fails(how);
    long rc = syscall(call, fd);
    if (rc == 0 && cutting())
        cut_synced(fd);
    return (int)leave(rc);
}

EXPORTED int fsync(int fd)
{
    return sync_fd(fd, SYS_fsync);
}

EXPORTED int fdatasync(int fd)
{
    return sync_fd(fd, SYS_fdatasync);
}

/* Names */

EXPORTED int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    struct stat st;
    int how = enter('r', to);
    if (how > 0)
        return (int)fails(how);
    bool refused = (flags & RENAME_NOREPLACE) && fstatat(to_dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (cutting() && !refused)
        cut_rename(from_dir, from, to_dir, to);
    return (int)leave(syscall(SYS_renameat2, from_dir, from, to_dir, to, flags));
}

EXPORTED int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return renameat2(from_dir, from, to_dir, to, 0);
}

EXPORTED int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORTED int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    if (atomic_load(&confined)) {
        errno = EPERM;
        return -1;
    }
    int how = enter('r', to);
    if (how > 0)
        return (int)fails(how);
    long rc = syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    if (rc == 0 && cutting())
        cut_made(to_dir, to);
    return (int)leave(rc);
}

EXPORTED int unlinkat(int dir, const char *path, int flags)
{
    int how = enter('u', path);
    if (how > 0)
        return (int)fails(how);
    if (cutting())
        cut_unlink(dir, path);
    return (int)leave(syscall(SYS_unlinkat, dir, path, flags));
}

EXPORTED int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

EXPORTED int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

EXPORTED int remove(const char *path)
{
    struct stat st;
    bool is_folder = fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
    return unlinkat(AT_FDCWD, path, is_folder ? AT_REMOVEDIR : 0);
}

EXPORTED int mkdirat(int dir, const char *path, mode_t mode)
{
    int how = enter('m', path);
    if (how > 0)
        return (int)fails(how);
    long rc = syscall(SYS_mkdirat, dir, path, mode);
    if (rc == 0 && cutting())
        cut_made(dir, path);
    return (int)leave(rc);
}

EXPORTED int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

/* A mode that a power cut takes back is one that whoever opens the file sets again. */
EXPORTED int fchmod(int fd, mode_t mode)
{
    int how = enter_fd('p', fd);
    return (int)(how > 0 ? fails(how) : leave(syscall(SYS_fchmod, fd, mode)));
}

EXPORTED int chmod(const char *path, mode_t mode)
{
    int how = enter('p', path);
    return (int)(how > 0 ? fails(how) : leave(syscall(SYS_fchmodat, AT_FDCWD, path, mode)));
}

static int another_boot_id(void)
{
    char text[64];
    int fd = memfd_create("boot_id", MFD_CLOEXEC);
    int len = snprintf(text, sizeof(text), "00000000-0000-4000-8000-%012llx\n", (unsigned long long)b->boots);
    if (fd < 0 || syscall(SYS_write, fd, text, (size_t)len) != len || lseek(fd, 0, SEEK_SET) != 0)
        abort();
    return fd;
}

/* A file that is there, and is to be emptied. */
static int open_emptied(int dir, const char *path, int flags)
{
    int how = enter('t', path);
    if (how > 0)
        return (int)fails(how);
    long fd = syscall(SYS_openat, dir, path, flags & ~(O_TRUNC | O_CREAT), 0);
    if (fd >= 0 && cutting())
        cut_truncate((int)fd, 0);
    if (fd >= 0 && syscall(SYS_ftruncate, fd, 0) != 0)
        abort();
    return (int)leave(fd);
}

static int open_new(int dir, const char *path, int flags, mode_t mode)
{
    int how = enter('c', path);
    if (how > 0)
        return (int)fails(how);
    long fd = syscall(SYS_openat, dir, path, flags, mode);
    if (fd >= 0 && cutting())
        cut_made(dir, path);
    return (int)leave(fd);
}

/* Opening is a point when it makes or empties a file. */
static int open_at(int dir, const char *path, int flags, va_list rest)
{
    bool unnamed = (flags & O_TMPFILE) == O_TMPFILE; /* no point, before it is linked */
    mode_t mode = (flags & O_CREAT) || unnamed ? va_arg(rest, mode_t) : 0;
    struct stat st;
    if (b && b->boots > 0 && strcmp(path, BOOT_ID) == 0)
        return another_boot_id();
    bool there = fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!unnamed && there && S_ISREG(st.st_mode) && (flags & O_TRUNC) && !(flags & O_EXCL))
        return open_emptied(dir, path, flags);
    if ((flags & O_CREAT) && !there)
        return open_new(dir, path, flags, mode);
    return (int)syscall(SYS_openat, dir, path, flags, mode);
}

#define OPEN_BODY(dir, after)                                                                                          \
    va_list rest;                                                                                                      \
    va_start(rest, after);                                                                                             \
    int fd = open_at(dir, path, flags, rest);                                                                          \
    va_end(rest);                                                                                                      \
    return fd

EXPORTED int open(const char *path, int flags, ...)
{
    OPEN_BODY(AT_FDCWD, flags);
}

EXPORTED int open64(const char *path, int flags, ...)
{
    OPEN_BODY(AT_FDCWD, flags);
}

EXPORTED int openat(int dir, const char *path, int flags, ...)
{
    OPEN_BODY(dir, flags);
}

EXPORTED int openat64(int dir, const char *path, int flags, ...)
{
    OPEN_BODY(dir, flags);
}

EXPORTED int mkostemp(char *path, int flags)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[6];
    size_t len = strlen(path);
    if (len < sizeof(random) || getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        abort();
    for (size_t i = 0; i < sizeof(random); i++)
        path[len - sizeof(random) + i] = digits[random[i] % 16];
    return open(path, flags | O_RDWR | O_CREAT | O_EXCL, 0600); /* no second try: a name is taken once in 16^6 times */
}

/* The filter that serve puts on is the one that is shipped. What strikes when the power fails must link all the same
 * (cut.c); serve itself may not. */
EXPORTED int seccomp_load(const scmp_filter_ctx filter)
{
    int (*add_rule)(scmp_filter_ctx, uint32_t, int, unsigned, ...) = dlsym(RTLD_NEXT, "seccomp_rule_add");
    int (*load)(scmp_filter_ctx) = dlsym(RTLD_NEXT, "seccomp_load");
    if (!add_rule || !load || (cutting() && add_rule(filter, SCMP_ACT_ALLOW, SYS_linkat, 0) != 0))
        abort();
    int rc = load(filter);
    atomic_store(&confined, rc == 0);
    return rc;
}

/* The wall clock. The monotonic one is nobody's to set. */

EXPORTED int clock_gettime(clockid_t which, struct timespec *out)
{
    int rc = (int)syscall(SYS_clock_gettime, which, out);
    bool wall = which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE;
    if (rc == 0 && b && wall && (b->strike != STRIKE_CLOCK || atomic_load(&b->points) >= b->at))
        out->tv_sec += b->clock_shift_s;
    return rc;
}

EXPORTED int gettimeofday(struct timeval *out, void *zone)
{
    struct timespec now;
    (void)zone;
    int rc = clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return rc;
}

EXPORTED time_t time(time_t *out)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

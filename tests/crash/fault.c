/* SPDX-License-Identifier: Apache-2.0 */
/* fault.c - the shared object that tests/crash/run.py preloads into the built program: it counts every call that changes
 * what is on disk (a "point"), writes down which it was, and strikes at the one it was told to.
 *
 * It stands between the program, SQLite and all other libraries on one side and the C library on the other, so that
 * nobody picks the points by hand and none is forgotten: whoever adds a write adds a point. The program under test is the
 * one that is shipped; nothing of this is in it. Knows nothing of exports.
 *
 * Told and telling through a file that both map (struct board); its path is in SB_FAULT. run.py has the same layout. */
#undef _FILE_OFFSET_BITS /* both names of each call are defined here; off_t has 64 bits all the same */
#undef _FORTIFY_SOURCE   /* whose inline functions have the names of ours */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORTED   __attribute__((visibility("default")))
#define TRACE_MAX  8192 /* points of a run; the exports here have some hundreds */
#define TRACE_NAME 55

/* What is done at the point. */
enum {
    STRIKE_NONE,
    STRIKE_KILL,       /* SIGKILL before the call */
    STRIKE_TORN,       /* SIGKILL in the middle of it: half of what was to be written is */
    STRIKE_FULL,       /* the disk is full, from here on */
    STRIKE_FULL_ONCE,  /* the disk is full, this once: somebody made room */
    STRIKE_SYNC_FAILS, /* EIO, from here on */
    STRIKE_SYNC_ONCE,  /* EIO, this once: the kernel tells a lost write only once */
};

typedef struct board {
    _Atomic uint64_t points; /* so far */
    uint64_t at;             /* the point to strike at: the first is 1 */
    uint64_t strike;
    int64_t clock_shift_s;   /* added to the wall clock */
    _Atomic uint64_t struck; /* how often */
    struct {
        char call; /* see calls below */
        char name[TRACE_NAME];
    } trace[TRACE_MAX];
} board;

/* w write, t truncate, s sync, r rename or link, u unlink, m mkdir, c create, p mode */
static const char takes_room[] = "wrmc";
static board *b;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SB_FAULT");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    void *at = fd >= 0 ? mmap(NULL, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (at == MAP_FAILED)
        abort(); /* a run that counts nothing would pass */
    b = at;
    (void)close(fd);
}

__attribute__((noreturn)) static void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

static bool is_regular(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void name_fd(int fd, char *out, size_t size)
{
    char link[64], path[4096];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = '\0';
    const char *slash = strrchr(path, '/');
    (void)snprintf(out, size, "%.*s", (int)size - 1, slash ? slash + 1 : path);
}

/* Count a point. 0: go on; an errno to fail with; -1: do half of it, then die(). */
static int point(char call, const char *name)
{
    if (!b)
        return 0; /* another library's constructor, before ours */
    const char *slash = strrchr(name, '/');
    uint64_t n = atomic_fetch_add(&b->points, 1) + 1;
    if (n <= TRACE_MAX) {
        b->trace[n - 1].call = call;
        (void)snprintf(b->trace[n - 1].name, TRACE_NAME, "%.*s", TRACE_NAME - 1, slash && slash[1] ? slash + 1 : name);
    }
    if (b->strike == STRIKE_NONE || n < b->at)
        return 0;
    if (b->strike == STRIKE_KILL || (b->strike == STRIKE_TORN && call != 'w')) {
        atomic_fetch_add(&b->struck, 1);
        die();
    }
    bool room = b->strike == STRIKE_FULL || b->strike == STRIKE_FULL_ONCE;
    bool sync = b->strike == STRIKE_SYNC_FAILS || b->strike == STRIKE_SYNC_ONCE;
    bool once = b->strike == STRIKE_FULL_ONCE || b->strike == STRIKE_SYNC_ONCE;
    if ((room && !strchr(takes_room, call)) || (sync && call != 's'))
        return 0;
    if (atomic_fetch_add(&b->struck, 1) > 0 && once)
        return 0;
    return b->strike == STRIKE_TORN ? -1 : room ? ENOSPC : EIO;
}

static int point_fd(char call, int fd)
{
    char name[TRACE_NAME];
    name_fd(fd, name, sizeof(name));
    return point(call, name);
}

static int fails(int errnum)
{
    errno = errnum;
    return -1;
}

/* Writes. Sockets, pipes and the terminal are nobody's durable state. */

EXPORTED ssize_t write(int fd, const void *bytes, size_t len)
{
    int how = is_regular(fd) ? point_fd('w', fd) : 0;
    if (how > 0)
        return fails(how);
    ssize_t n = syscall(SYS_write, fd, bytes, how < 0 ? len / 2 : len);
    if (how < 0)
        die();
    return n;
}

EXPORTED ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    int how = is_regular(fd) ? point_fd('w', fd) : 0;
    if (how > 0)
        return fails(how);
    ssize_t n = syscall(SYS_pwrite64, fd, bytes, how < 0 ? len / 2 : len, offset);
    if (how < 0)
        die();
    return n;
}

EXPORTED ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
    return pwrite(fd, bytes, len, offset);
}

EXPORTED ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    int how = is_regular(fd) ? point_fd('w', fd) : 0;
    if (how > 0)
        return fails(how);
    ssize_t n = syscall(SYS_writev, fd, pieces, how < 0 ? (count + 1) / 2 : count);
    if (how < 0)
        die();
    return n;
}

EXPORTED int ftruncate(int fd, off_t length)
{
    int how = point_fd('t', fd);
    return how > 0 ? fails(how) : (int)syscall(SYS_ftruncate, fd, length);
}

EXPORTED int ftruncate64(int fd, off_t length)
{
    return ftruncate(fd, length);
}

EXPORTED int fsync(int fd)
{
    int how = point_fd('s', fd);
    return how > 0 ? fails(how) : (int)syscall(SYS_fsync, fd);
}

EXPORTED int fdatasync(int fd)
{
    int how = point_fd('s', fd);
    return how > 0 ? fails(how) : (int)syscall(SYS_fdatasync, fd);
}

/* Names */

EXPORTED int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    int how = point('r', to);
    return how > 0 ? fails(how) : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
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
    int how = point('r', to);
    return how > 0 ? fails(how) : (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

EXPORTED int unlinkat(int dir, const char *path, int flags)
{
    int how = point('u', path);
    return how > 0 ? fails(how) : (int)syscall(SYS_unlinkat, dir, path, flags);
}

EXPORTED int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

EXPORTED int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

EXPORTED int mkdirat(int dir, const char *path, mode_t mode)
{
    int how = point('m', path);
    return how > 0 ? fails(how) : (int)syscall(SYS_mkdirat, dir, path, mode);
}

EXPORTED int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

EXPORTED int fchmod(int fd, mode_t mode)
{
    int how = point_fd('p', fd);
    return how > 0 ? fails(how) : (int)syscall(SYS_fchmod, fd, mode);
}

EXPORTED int chmod(const char *path, mode_t mode)
{
    int how = point('p', path);
    return how > 0 ? fails(how) : (int)syscall(SYS_fchmodat, AT_FDCWD, path, mode);
}

/* Opening is a point when it makes a file. */
static int open_at(int dir, const char *path, int flags, va_list rest)
{
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
    struct stat st;
    bool makes = (flags & O_CREAT) && fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) != 0;
    int how = makes ? point('c', path) : 0;
    return how > 0 ? fails(how) : (int)syscall(SYS_openat, dir, path, flags, mode);
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

/* The wall clock. The monotonic one is nobody's to set. */

EXPORTED int clock_gettime(clockid_t which, struct timespec *out)
{
    int rc = (int)syscall(SYS_clock_gettime, which, out);
    if (rc == 0 && b && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
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

/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - files that are read whole, replaced whole, or locked. Owns no state. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/random.h"

#define OTHERS_WRITE (S_IWGRP | S_IWOTH)

static const char *errno_fix(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return "free some disk space (df -h), then run the same command again: what is complete is kept";
    case EACCES:
    case EPERM:
        return "check the owner and the permissions of the path (ls -ld)";
    case EROFS:
        return "this file system is read-only: choose another folder";
    case ENOENT:
        return "check the path: a part of it does not exist";
    case ENOTDIR:
        return "check the path: a part of it is a file where a folder is expected";
    case EMFILE:
    case ENFILE:
        return "raise the limit on open files (ulimit -n)";
    case ELOOP:
        return "the path is a symbolic link, which is not followed here: give the real path";
    default:
        return "check the path and the disk (dmesg shows disk errors)";
    }
}

sb_status sb_error_errno(sb_error *err, const char *what, const char *path, int errnum)
{
    char buf[128];
    return sb_error_set(err, SB_E_IO, what, "%s: %s", errno_fix(errnum), path, strerror_r(errnum, buf, sizeof(buf)));
}

char *sb_path_join(const char *dir, const char *name)
{
    size_t len = strlen(dir);
    return sb_printf("%s%s%s", dir, len > 0 && dir[len - 1] == '/' ? "" : "/", name);
}

static sb_status read_fd(int fd, const char *path, size_t max, sb_buf *out, sb_error *err)
{
    for (;;) {
        if (!sb_buf_reserve(out, 16 * 1024))
            return sb_error_nomem(err);
        ssize_t n = read(fd, out->ptr + out->len, 16 * 1024);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sb_error_errno(err, "a file could not be read", path, errno);
        out->len += (size_t)n;
        out->ptr[out->len] = '\0';
        if (n == 0)
            return SB_OK;
        if (out->len > max)
            return sb_error_set(err, SB_E_INVALID, "a file is larger than it can honestly be",
                                "%s holds more than %zu bytes", "check that this is the file you meant", path, max);
    }
}

static sb_status open_to_read(const char *path, int *fd, sb_error *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (*fd >= 0)
        return SB_OK;
    int errnum = errno;
    sb_error_errno(err, "a file could not be opened", path, errnum);
    if (errnum != ENOENT)
        return SB_E_IO;
    if (err)
        err->code = SB_E_NOT_FOUND;
    return SB_E_NOT_FOUND;
}

sb_status sb_file_read(const char *path, size_t max, sb_buf *out, sb_error *err)
{
    SB_AUTOFD fd = -1;
    SB_TRY(open_to_read(path, &fd, err));
    return read_fd(fd, path, max, out, err);
}

sb_status sb_file_read_private(const char *path, size_t max, sb_buf *out, sb_error *err)
{
    SB_AUTOFD fd = -1;
    struct stat st;
    SB_TRY(open_to_read(path, &fd, err));
    if (fstat(fd, &st) != 0)
        return sb_error_errno(err, "a file could not be examined", path, errno);
    if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        sb_error_set(err, SB_E_USAGE, "a file that holds a secret is open to others",
                     "%s has mode %04o; only its owner may have any right to it", NULL, path, st.st_mode & 07777u);
        sb_error_fix(err, "chmod 600 %s   (and replace the key if others may have read it)", path);
        return SB_E_USAGE;
    }
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return sb_error_set(err, SB_E_USAGE, "a file that holds a secret belongs to somebody else",
                            "%s belongs to user %u, and we run as user %u",
                            "run as its owner, or make a copy of your own", path, (unsigned)st.st_uid,
                            (unsigned)geteuid());
    return read_fd(fd, path, max, out, err);
}

sb_status sb_file_read_some(int fd, const char *name, void *space, size_t size, size_t *got, sb_error *err)
{
    ssize_t n;
    do {
        n = read(fd, space, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return sb_error_errno(err, "a file could not be read", name, errno);
    *got = (size_t)n;
    return SB_OK;
}

sb_status sb_file_write_all(int fd, const char *path, sb_str bytes, sb_error *err)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sb_error_errno(err, "a file could not be written", path, errno);
        bytes.ptr += n;
        bytes.len -= (size_t)n;
    }
    return SB_OK;
}

static sb_status put(int fd, const char *path, mode_t mode, sb_str bytes, sb_error *err)
{
    if (fchmod(fd, mode) != 0) /* exactly this mode, whatever the umask */
        return sb_error_errno(err, "a file's mode could not be set", path, errno);
    if (ftruncate(fd, 0) != 0)
        return sb_error_errno(err, "a file could not be written", path, errno);
    SB_TRY(sb_file_write_all(fd, path, bytes, err));
    return fsync(fd) == 0 ? SB_OK : sb_error_errno(err, "a file could not be made durable", path, errno);
}

/* The same into a file that has a name of our making. */
static sb_status fill(int fd, const char *path, mode_t mode, sb_str bytes, sb_error *err)
{
    sb_status status = put(fd, path, mode, bytes, err);
    if (status != SB_OK)
        (void)unlink(path); /* nothing half-written stays */
    return status;
}

static sb_status exists(const char *path, sb_error *err)
{
    return sb_error_set(err, SB_E_USAGE, "a file is there already and is never overwritten", "%s exists",
                        "choose another name, or move the old file away", path);
}

static sb_status create(const char *path, mode_t mode, int *fd, sb_error *err)
{
    *fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (*fd >= 0)
        return SB_OK;
    return errno == EEXIST ? exists(path, err) : sb_error_errno(err, "a file could not be created", path, errno);
}

static sb_status sync_parent(const char *path, sb_error *err)
{
    SB_AUTOFREE copy = sb_str_dup(sb_str_from(path));
    if (!copy)
        return sb_error_nomem(err);
    return sb_dir_sync(dirname(copy), err);
}

/* Without a name until it is whole: a crash leaves no half of it. SB_E_NOT_FOUND when that is not to be had: not every
 * file system has nameless files, and a server that confines itself may not link. */
static sb_status create_whole(const char *path, mode_t mode, sb_str bytes, sb_error *err)
{
    char nameless[64];
    SB_AUTOFREE copy = sb_str_dup(sb_str_from(path));
    if (!copy)
        return sb_error_nomem(err);
    SB_AUTOFD fd = open(dirname(copy), O_WRONLY | O_TMPFILE | O_CLOEXEC, mode);
    if (fd < 0)
        return SB_E_NOT_FOUND;
    SB_TRY(put(fd, path, mode, bytes, err));
    (void)snprintf(nameless, sizeof(nameless), "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, nameless, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
        return SB_OK;
    return errno == EEXIST ? exists(path, err) : SB_E_NOT_FOUND;
}

sb_status sb_file_create_new(const char *path, mode_t mode, sb_str bytes, sb_error *err)
{
    SB_AUTOFD fd = -1;
    sb_status status = create_whole(path, mode, bytes, err);
    if (status == SB_E_NOT_FOUND)
        status = create(path, mode, &fd, err);
    if (status == SB_OK && fd >= 0)
        status = fill(fd, path, mode, bytes, err);
    SB_TRY(status);
    status = sync_parent(path, err);
    if (status != SB_OK)
        (void)unlink(path); /* what failed left nothing: the same command, given again, must not find it in its way */
    return status;
}

/* The temporary file of `path`: always of the same name, so that what a killed run left there, perhaps with a token in
 * it, is the next one's and does not lie around. False when somebody else is writing it just now (whoever has its lock),
 * or when it is nothing of ours. */
static bool take_usual_temp(const char *temp, mode_t mode, int *out)
{
    struct stat ours, there;
    SB_AUTOFD fd = open(temp, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &ours) != 0 || lstat(temp, &there) != 0)
        return false;
    bool same = ours.st_dev == there.st_dev && ours.st_ino == there.st_ino; /* else it is in its place by now */
    if (!same || !S_ISREG(ours.st_mode) || ours.st_uid != geteuid() || ours.st_nlink != 1)
        return false;
    *out = fd;
    fd = -1;
    return true;
}

static sb_status open_temp(const char *path, mode_t mode, char **temp, int *fd, sb_error *err)
{
    uint64_t tag;
    *temp = sb_printf("%s.tmp", path);
    if (*temp && take_usual_temp(*temp, mode, fd))
        return SB_OK;
    free(*temp);
    sb_random_bytes(&tag, sizeof(tag));
    *temp = sb_printf("%s.%016llx.tmp", path, (unsigned long long)tag);
    return *temp ? create(*temp, mode, fd, err) : sb_error_nomem(err);
}

sb_status sb_file_write_atomic(const char *path, mode_t mode, sb_str bytes, sb_error *err)
{
    SB_AUTOFREE temp = NULL;
    SB_AUTOFD fd = -1;
    SB_TRY(open_temp(path, mode, &temp, &fd, err));
    SB_TRY(fill(fd, temp, mode, bytes, err));
    if (rename(temp, path) != 0) {
        int errnum = errno;
        (void)unlink(temp);
        return sb_error_errno(err, "a file could not be replaced", path, errnum);
    }
    return sync_parent(path, err);
}

/* A new folder is synced into its parent: else a power cut takes it away with everything in it, however well synced. */
static sb_status make_one(const char *path, mode_t mode, sb_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0)
        return SB_OK; /* whether it is a folder, the next step tells */
    if (mkdir(path, mode) != 0)
        return errno == EEXIST ? SB_OK : sb_error_errno(err, "a folder could not be created", path, errno);
    if (lstat(path, &st) != 0)
        return sb_error_errno(err, "a folder could not be created", path, errno);
    if ((st.st_mode & 0777) != mode && fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) != 0) /* the umask's doing */
        return sb_error_errno(err, "a folder's mode could not be set", path, errno);
    return sync_parent(path, err);
}

sb_status sb_dir_make(const char *path, mode_t mode, sb_error *err)
{
    SB_AUTOFREE copy = sb_str_dup(sb_str_from(path));
    if (!copy)
        return sb_error_nomem(err);
    for (char *p = copy + (copy[0] == '/');; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char end = *p;
        *p = '\0';
        SB_TRY(copy[0] != '\0' ? make_one(copy, mode, err) : SB_OK);
        *p = end;
        if (end == '\0')
            break;
    }
    struct stat st;
    if (stat(path, &st) != 0)
        return sb_error_errno(err, "a folder could not be created", path, errno);
    if (!S_ISDIR(st.st_mode))
        return sb_error_errno(err, "a folder could not be created", path, ENOTDIR);
    return SB_OK;
}

/* Also by a descriptor that opens nothing (O_PATH), which fchmod does not take: for that alone /proc is needed. */
static int change_mode(int fd, mode_t mode)
{
    char itself[64];
    if (fchmod(fd, mode) == 0)
        return 0;
    if (errno != EBADF)
        return -1;
    (void)snprintf(itself, sizeof(itself), "/proc/self/fd/%d", fd);
    return chmod(itself, mode);
}

static sb_status not_ours(const char *path, uid_t owner, const char *fix, sb_error *err)
{
    return sb_error_set(err, SB_E_USAGE, "what is in the way belongs to somebody else",
                        "%s belongs to user %u, and we run as user %u", fix, path, (unsigned)owner,
                        (unsigned)geteuid());
}

sb_status sb_dir_claim(int fd, const char *path, const char *called, sb_error *err)
{
    static const char fix[] =
        "run as its owner, or name a new folder (one inside it, perhaps): it is made for us alone";
    struct stat st;
    if (fstat(fd, &st) != 0)
        return sb_error_errno(err, "a folder could not be examined", path, errno);
    if (st.st_uid != geteuid()) {
        (void)not_ours(path, st.st_uid, fix, err);
        sb_error_what(err, "%s belongs to somebody else, who could change what is in it", called);
        return SB_E_USAGE;
    }
    if ((st.st_mode & OTHERS_WRITE) == 0)
        return SB_OK;
    unsigned mode = st.st_mode & 07777;
    if (st.st_mode & S_ISVTX) {
        (void)sb_error_set(err, SB_E_USAGE, NULL, "%s has mode %04o: others could put files in the places of ours", fix,
                           path, mode);
        sb_error_what(err, "%s is one that users share", called);
        return SB_E_USAGE;
    }
    if (change_mode(fd, mode & ~(mode_t)OTHERS_WRITE) != 0)
        return sb_error_errno(err, "a folder's mode could not be set", path, errno);
    sb_log_warn("others could write into %s (mode %04o): now only you can", path, mode);
    return SB_OK;
}

sb_status sb_dir_make_own(const char *path, sb_error *err)
{
    struct stat st;
    SB_TRY(make_one(path, 0700, err));
    SB_AUTOFD fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return sb_error_errno(err, "a folder could not be opened", path, errno);
    if (!S_ISDIR(st.st_mode))
        return sb_error_errno(err, "a folder could not be opened", path, S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR);
    if (st.st_uid != geteuid())
        return not_ours(path, st.st_uid, "look at it (ls -ld), and move it away", err);
    if ((st.st_mode & 07777) != 0700 && change_mode(fd, 0700) != 0)
        return sb_error_errno(err, "a folder's mode could not be set", path, errno);
    return SB_OK;
}

sb_status sb_dir_sync(const char *path, sb_error *err)
{
    SB_AUTOFD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return sb_error_errno(err, "a folder could not be made durable", path, errno);
    return SB_OK;
}

sb_status sb_file_lock(const char *path, bool wait, int *out_fd, sb_error *err)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return sb_error_errno(err, "a lock file could not be opened", path, errno);
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 07777) != 0600)
        (void)!fchmod(fd, 0600); /* under a umask that takes our own rights the next one could not open it */
    int rc;
    do {
        rc = flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) {
        *out_fd = fd;
        return SB_OK;
    }
    int errnum = errno;
    (void)close(fd);
    if (errnum == EWOULDBLOCK)
        return sb_error_set(err, SB_E_BUSY, "another smartbulk is at work here", "%s is locked by it",
                            "wait until it is done, or end it first", path);
    return sb_error_errno(err, "a lock could not be taken", path, errnum);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* folder.c - the output folder by its descriptors. Owns those of the few folders inside it, and the lock. */
#include "export/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"

#define OTHERS_WRITE (S_IWGRP | S_IWOTH)
#define OTHERS       (S_IRWXG | S_IRWXO)

#define MAX_SUBFOLDERS 16 /* those of folder.h, and two in rejected/: eight */
#define LOCK_NAME      SB_FOLDER_STATE "/lock"

typedef struct {
    char *name; /* below the folder; "" is the folder itself */
    int fd;
} subfolder;

struct sb_folder {
    char *path;
    sb_folder_use use;
    int lock_fd;
    pthread_mutex_t mutex; /* guards subs */
    subfolder subs[MAX_SUBFOLDERS];
    size_t n_subs;
};

static sb_status failed(const sb_folder *folder, const char *what, const char *name, int errnum, sb_error *err)
{
    SB_AUTOFREE path = sb_path_join(folder->path, name);
    sb_error_errno(err, what, path ? path : name, errnum);
    if (errnum != ENOENT)
        return SB_E_IO;
    if (err)
        err->code = SB_E_NOT_FOUND;
    return SB_E_NOT_FOUND;
}

static bool add_sub(sb_folder *folder, sb_str name, int fd)
{
    char *copy = sb_str_dup(name);
    if (!copy || folder->n_subs == MAX_SUBFOLDERS) {
        free(copy);
        return false;
    }
    folder->subs[folder->n_subs++] = (subfolder){copy, fd};
    return true;
}

static int find_sub(const sb_folder *folder, sb_str name)
{
    for (size_t i = 0; i < folder->n_subs; i++)
        if (sb_str_eq(sb_str_from(folder->subs[i].name), name))
            return folder->subs[i].fd;
    return -1;
}

static sb_status not_ours(const sb_folder *folder, const char *name, uid_t owner, sb_error *err)
{
    return sb_error_set(err, SB_E_USAGE, "what is in the way belongs to somebody else",
                        "%s/%s belongs to user %u, and we run as user %u",
                        "run as its owner, or look at it (ls -ld) and export into another folder", folder->path, name,
                        (unsigned)owner, (unsigned)geteuid());
}

/* Open one folder inside another, made first when asked to; a link in its place is not followed. */
static int open_step(int parent, const char *step, bool make)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct stat st;
    int fd = openat(parent, step, flags);
    if (fd < 0 && errno == ENOTDIR && fstatat(parent, step, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
        errno = ELOOP; /* what it is, not what it is not */
    if (fd >= 0 || errno != ENOENT || !make)
        return fd;
    if (mkdirat(parent, step, 0700) != 0 && errno != EEXIST)
        return -1;
    fd = openat(parent, step, flags);
    /* A umask may have taken our own right to it. By name, but through no link, in a folder where only we write. */
    if (fd < 0 && errno == EACCES && fchmodat(parent, step, 0700, AT_SYMLINK_NOFOLLOW) == 0)
        fd = openat(parent, step, flags);
    if (fd < 0)
        return -1;
    if (fchmod(fd, 0700) == 0 && fsync(parent) == 0) /* the new folder must be there when what is in it is relied on */
        return fd;
    int errnum = errno;
    (void)close(fd);
    errno = errnum;
    return -1;
}

/* A folder inside ours is ours. .smartbulk holds URLs that are capabilities: nobody else sees it. The others hold data:
 * nobody else writes there; who may read their names is its owner's affair, and whoever only looks changes nothing. */
static sb_status claim_sub(const sb_folder *folder, int fd, const char *name, sb_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return failed(folder, "a folder could not be examined", name, errno, err);
    if (st.st_uid != geteuid())
        return not_ours(folder, name, st.st_uid, err);
    bool state = sb_str_starts_with(sb_str_from(name), SB_STR_LIT(SB_FOLDER_STATE));
    mode_t taken = state ? OTHERS : folder->use == SB_FOLDER_LOOK ? 0 : OTHERS_WRITE;
    if ((st.st_mode & taken) != 0 && fchmod(fd, st.st_mode & 07777 & ~taken) != 0)
        return failed(folder, "a folder's mode could not be set", name, errno, err);
    return SB_OK;
}

/* The folder of this name below ours, opened step by step and kept. Called under the mutex. */
static sb_status sub_fd(sb_folder *folder, sb_str name, bool make, int *out, sb_error *err)
{
    *out = find_sub(folder, name);
    if (*out >= 0)
        return SB_OK;
    const char *slash = memrchr(name.ptr, '/', name.len);
    sb_str parent = {name.ptr, slash ? (size_t)(slash - name.ptr) : 0};
    int parent_fd = -1;
    SB_TRY(sub_fd(folder, parent, make, &parent_fd, err));
    SB_AUTOFREE copy = sb_str_dup(name);
    if (!copy)
        return sb_error_nomem(err);
    SB_AUTOFD fd = open_step(parent_fd, copy + (slash ? parent.len + 1 : 0), make);
    if (fd < 0)
        return failed(folder, "a folder could not be opened", copy, errno, err);
    SB_TRY(claim_sub(folder, fd, copy, err));
    if (!add_sub(folder, name, fd))
        return sb_error_nomem(err);
    *out = fd;
    fd = -1;
    return SB_OK;
}

sb_status sb_folder_at(sb_folder *folder, const char *name, bool make, int *dir_fd, const char **leaf, sb_error *err)
{
    const char *slash = strrchr(name, '/');
    *leaf = slash ? slash + 1 : name;
    (void)pthread_mutex_lock(&folder->mutex);
    sb_status status = sub_fd(folder, (sb_str){name, slash ? (size_t)(slash - name) : 0}, make, dir_fd, err);
    (void)pthread_mutex_unlock(&folder->mutex);
    return status;
}

static sb_status claim_state(sb_folder *folder, sb_error *err)
{
    int fd;
    const char *leaf;
    sb_status found = sb_folder_at(folder, LOCK_NAME, folder->use == SB_FOLDER_BEGIN, &fd, &leaf, err);
    if (found == SB_E_NOT_FOUND)
        return sb_error_set(err, found, "there is no export in this folder", "%s has no " SB_FOLDER_STATE,
                            "check the folder; `smartbulk export` begins a new one", folder->path);
    return found;
}

/* The kernel's own name for a descriptor: absolute, no links, whatever the path was that led to it. */
static char *path_of(int fd, const char *fallback)
{
    char link[64], path[PATH_MAX];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof(path));
    if (len <= 0 || (size_t)len >= sizeof(path))
        return realpath(fallback, NULL);
    return sb_str_dup((sb_str){path, (size_t)len});
}

sb_status sb_folder_open(const char *dir, sb_folder_use use, sb_folder **out, sb_error *err)
{
    if (use == SB_FOLDER_BEGIN)
        SB_TRY(sb_dir_make(dir, 0700, err));
    SB_AUTOFD fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int errnum = errno;
        sb_error_errno(err, "the export's folder could not be opened", dir, errnum);
        if (errnum != ENOENT)
            return SB_E_IO;
        if (err)
            err->code = SB_E_NOT_FOUND;
        return SB_E_NOT_FOUND;
    }
    SB_AUTOPTR(sb_folder) folder = calloc(1, sizeof(*folder));
    if (!folder)
        return sb_error_nomem(err);
    folder->lock_fd = -1;
    folder->use = use;
    (void)pthread_mutex_init(&folder->mutex, NULL); /* cannot fail on Linux */
    folder->path = path_of(fd, dir);
    if (!folder->path || !add_sub(folder, SB_STR_LIT(""), fd))
        return sb_error_nomem(err);
    fd = -1;
    if (use != SB_FOLDER_LOOK)
        SB_TRY(sb_dir_claim(sb_folder_fd(folder), folder->path, "the output folder", err));
    SB_TRY(claim_state(folder, err));
    *out = folder;
    folder = NULL;
    return SB_OK;
}

void sb_folder_free(sb_folder *folder)
{
    if (!folder)
        return;
    for (size_t i = 0; i < folder->n_subs; i++) {
        (void)close(folder->subs[i].fd);
        free(folder->subs[i].name);
    }
    if (folder->lock_fd >= 0)
        (void)close(folder->lock_fd);
    (void)pthread_mutex_destroy(&folder->mutex);
    free(folder->path);
    free(folder);
}

sb_status sb_folder_lock(sb_folder *folder, sb_error *err)
{
    SB_AUTOFD fd = -1;
    SB_TRY(sb_folder_open_file(folder, LOCK_NAME, O_RDWR | O_CREAT, &fd, err));
    int rc;
    do {
        rc = flock(fd, LOCK_EX | LOCK_NB);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0 && errno == EWOULDBLOCK)
        return sb_error_set(
            err, SB_E_BUSY, "another smartbulk is at work in this folder", "%s/" LOCK_NAME " is locked by it",
            "wait until it is done, or end it first; `smartbulk status` shows where it stands", folder->path);
    if (rc != 0)
        return failed(folder, "the folder could not be locked", LOCK_NAME, errno, err);
    folder->lock_fd = fd;
    fd = -1;
    return SB_OK;
}

int sb_folder_fd(const sb_folder *folder)
{
    return folder->subs[0].fd;
}

const char *sb_folder_path(const sb_folder *folder)
{
    return folder->path;
}

sb_status sb_folder_open_file(sb_folder *folder, const char *name, int flags, int *fd, sb_error *err)
{
    int dir_fd;
    const char *leaf;
    struct stat st;
    bool create = (flags & O_CREAT) != 0;
    SB_TRY(sb_folder_at(folder, name, create, &dir_fd, &leaf, err));
    /* O_NONBLOCK: a FIFO planted here must not hold us up; it has no meaning for regular files */
    SB_AUTOFD opened = openat(dir_fd, leaf, (flags & ~O_TRUNC) | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (opened < 0)
        return failed(folder, "a file could not be opened", name, errno, err);
    if (fstat(opened, &st) != 0)
        return failed(folder, "a file could not be examined", name, errno, err);
    if (!S_ISREG(st.st_mode))
        return sb_error_set(err, SB_E_IO, "something that is no file is in the way", "%s/%s is not a regular file",
                            "look at it (ls -l), and move it away", folder->path, name);
    if (create && st.st_uid != geteuid())
        return not_ours(folder, name, st.st_uid, err); /* whoever has it open already would read along */
    if (create && (st.st_mode & 07777) != 0600 && fchmod(opened, 0600) != 0)
        return failed(folder, "a file's mode could not be set", name, errno, err);
    if ((flags & O_TRUNC) && st.st_size > 0 && ftruncate(opened, 0) != 0)
        return failed(folder, "a file could not be written", name, errno, err);
    *fd = opened;
    opened = -1;
    return SB_OK;
}

/* For file systems without RENAME_NOREPLACE: a link never replaces, and names the same file until the old name goes. */
static int rename_by_link(int from_fd, const char *from, int to_fd, const char *to)
{
    if (linkat(from_fd, from, to_fd, to, 0) != 0) {
        struct stat a, b;
        int errnum = errno;
        bool same = errnum == EEXIST && fstatat(from_fd, from, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
                    fstatat(to_fd, to, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
        if (!same) { /* else: we crashed here, between link and unlink */
            errno = errnum;
            return -1;
        }
    }
    return unlinkat(from_fd, from, 0);
}

sb_status sb_folder_rename_new(sb_folder *folder, const char *from, const char *to, sb_error *err)
{
    int from_fd, to_fd;
    const char *from_leaf, *to_leaf;
    SB_TRY(sb_folder_at(folder, from, false, &from_fd, &from_leaf, err));
    SB_TRY(sb_folder_at(folder, to, true, &to_fd, &to_leaf, err));
    int rc = renameat2(from_fd, from_leaf, to_fd, to_leaf, RENAME_NOREPLACE);
    if (rc != 0 && (errno == EINVAL || errno == ENOSYS))
        rc = rename_by_link(from_fd, from_leaf, to_fd, to_leaf);
    if (rc == 0)
        return SB_OK;
    if (errno == EEXIST)
        return sb_error_set(err, SB_E_USAGE, "a file is in the way, and is never overwritten", "%s/%s exists",
                            "it is none of ours: move it away, then resume", folder->path, to);
    return failed(folder, "a file could not be put in its place", errno == ENOENT ? from : to, errno, err);
}

sb_status sb_folder_write(sb_folder *folder, const char *name, sb_str bytes, sb_error *err)
{
    SB_AUTOFREE temp = sb_printf("%s.tmp", name); /* the lock makes us the only writer; a leftover is overwritten */
    if (!temp)
        return sb_error_nomem(err);
    SB_AUTOFD fd = -1;
    int dir_fd;
    const char *leaf, *temp_leaf;
    SB_TRY(sb_folder_open_file(folder, temp, O_WRONLY | O_CREAT | O_TRUNC, &fd, err));
    SB_TRY(sb_folder_at(folder, temp, false, &dir_fd, &temp_leaf, err));
    SB_TRY(sb_folder_at(folder, name, false, &dir_fd, &leaf, err));
    sb_status status = sb_file_write_all(fd, name, bytes, err);
    if (status == SB_OK && fdatasync(fd) != 0)
        status = failed(folder, "a file could not be made durable", name, errno, err);
    if (status == SB_OK && renameat(dir_fd, temp_leaf, dir_fd, leaf) != 0)
        status = failed(folder, "a file could not be replaced", name, errno, err);
    if (status != SB_OK)
        (void)unlinkat(dir_fd, temp_leaf, 0); /* nothing half-written stays */
    return status;
}

sb_status sb_folder_remove(sb_folder *folder, const char *name, sb_error *err)
{
    int dir_fd;
    const char *leaf;
    sb_error inner = SB_ERROR_INIT;
    sb_status status = sb_folder_at(folder, name, false, &dir_fd, &leaf, &inner);
    if (status == SB_E_NOT_FOUND)
        return SB_OK;
    if (status != SB_OK) {
        if (err)
            *err = inner;
        return status;
    }
    if (unlinkat(dir_fd, leaf, 0) != 0 && errno != ENOENT)
        return failed(folder, "a file could not be removed", name, errno, err);
    return SB_OK;
}

sb_status sb_folder_sync(sb_folder *folder, const char *name, sb_error *err)
{
    int dir_fd;
    const char *leaf;
    SB_TRY(sb_folder_at(folder, name, false, &dir_fd, &leaf, err));
    if (fsync(dir_fd) != 0)
        return failed(folder, "a folder could not be made durable", name, errno, err);
    return SB_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cut.c - see cut.h. Owns the list of changes, and a descriptor of each file and folder in it. Calls the kernel directly:
 * the C library's names are fault.c's. */
#include "cut.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INODES_MAX 1024 /* the exports here have some dozens of files */
#define LEAF_SIZE  256  /* NAME_MAX and its end */

/* A descriptor of our own keeps the inode's number from being used again. */
typedef struct inode {
    dev_t dev;
    ino_t ino;
    int fd;
} inode;

typedef enum change_kind { BYTES, MADE, MOVED, GONE } change_kind;

typedef struct change {
    change_kind kind;
    const inode *covered_by; /* whose sync makes it durable: the file, or the folder of `name` */
    char name[LEAF_SIZE];
    const inode *from_dir; /* MOVED */
    char from[LEAF_SIZE];
    off_t offset, old_size; /* BYTES */
    char *old;
    size_t old_len;
    unsigned kept; /* GONE: under this number in the folder of lost things */
} change;

static inode inodes[INODES_MAX];
static size_t n_inodes;
static change *changes;
static size_t n_changes, room;
static int lost_fd = -1;
static unsigned n_lost;

static void must(bool so)
{
    if (!so)
        abort();
}

static int open_raw(int dir, const char *path, int flags)
{
    return (int)syscall(SYS_openat, dir, path, flags | O_CLOEXEC, 0);
}

void cut_begin(const char *lost)
{
    lost_fd = open_raw(AT_FDCWD, lost, O_RDONLY | O_DIRECTORY);
    must(lost_fd >= 0);
}

static const inode *inode_of(int fd)
{
    struct stat st;
    char path[64];
    must(fstat(fd, &st) == 0);
    for (size_t i = 0; i < n_inodes; i++)
        if (inodes[i].dev == st.st_dev && inodes[i].ino == st.st_ino)
            return &inodes[i];
    must(n_inodes < INODES_MAX);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int own = open_raw(AT_FDCWD, path, S_ISDIR(st.st_mode) ? O_RDONLY | O_DIRECTORY : O_RDWR);
    must(own >= 0);
    inodes[n_inodes] = (inode){st.st_dev, st.st_ino, own};
    return &inodes[n_inodes++];
}

/* The folder of a path, and the path's last step. NULL when there is no such folder. */
static const inode *folder_of(int dir, const char *path, char leaf[LEAF_SIZE])
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    (void)snprintf(leaf, LEAF_SIZE, "%.*s", LEAF_SIZE - 1, slash ? slash + 1 : path);
    (void)snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    int fd = open_raw(dir, slash == path ? "/" : folder, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return NULL;
    const inode *found = inode_of(fd);
    (void)close(fd);
    return found;
}

static change *add(change_kind kind, const inode *covered_by)
{
    if (n_changes == room) {
        room = room ? 2 * room : 256;
        changes = realloc(changes, room * sizeof(*changes));
        must(changes != NULL);
    }
    changes[n_changes] = (change){.kind = kind, .covered_by = covered_by};
    return &changes[n_changes++];
}

static void keep_bytes(int fd, off_t offset, size_t len)
{
    struct stat st;
    must(fstat(fd, &st) == 0);
    const inode *file = inode_of(fd);
    change *c = add(BYTES, file);
    c->offset = offset;
    c->old_size = st.st_size;
    if (offset >= st.st_size || len == 0)
        return;
    c->old = malloc(len);
    must(c->old != NULL);
    ssize_t n = pread(file->fd, c->old, len, offset);
    must(n >= 0);
    c->old_len = (size_t)n;
}

void cut_write(int fd, off_t offset, size_t len)
{
    keep_bytes(fd, offset, len);
}

void cut_truncate(int fd, off_t length)
{
    struct stat st;
    must(fstat(fd, &st) == 0);
    keep_bytes(fd, length, length < st.st_size ? (size_t)(st.st_size - length) : 0);
}

void cut_unlink(int dir, const char *path)
{
    char leaf[LEAF_SIZE], kept[32];
    const inode *folder = folder_of(dir, path, leaf);
    (void)snprintf(kept, sizeof(kept), "%u", n_lost);
    if (!folder || syscall(SYS_linkat, folder->fd, leaf, lost_fd, kept, 0) != 0)
        return; /* it is not there, or is a folder: those that are removed are empty, and nobody misses them */
    change *c = add(GONE, folder);
    (void)snprintf(c->name, LEAF_SIZE, "%s", leaf);
    c->kept = n_lost++;
}

void cut_rename(int from_dir, const char *from, int to_dir, const char *to)
{
    char from_leaf[LEAF_SIZE], to_leaf[LEAF_SIZE];
    struct stat st;
    const inode *source = folder_of(from_dir, from, from_leaf), *target = folder_of(to_dir, to, to_leaf);
    if (!source || !target || fstatat(source->fd, from_leaf, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;             /* it will fail */
    cut_unlink(to_dir, to); /* what it replaces */
    change *c = add(MOVED, target);
    c->from_dir = source;
    (void)snprintf(c->name, LEAF_SIZE, "%s", to_leaf);
    (void)snprintf(c->from, LEAF_SIZE, "%s", from_leaf);
}

void cut_made(int dir, const char *path)
{
    char leaf[LEAF_SIZE];
    const inode *folder = folder_of(dir, path, leaf);
    must(folder != NULL);
    (void)snprintf(add(MADE, folder)->name, LEAF_SIZE, "%s", leaf);
}

void cut_synced(int fd)
{
    size_t n = 0;
    const inode *synced = inode_of(fd);
    for (size_t i = 0; i < n_changes; i++) {
        if (changes[i].covered_by != synced)
            changes[n++] = changes[i];
        else
            free(changes[i].old);
    }
    n_changes = n;
}

static void undo(const change *c)
{
    char kept[32];
    switch (c->kind) {
    case BYTES:
        must(syscall(SYS_ftruncate, c->covered_by->fd, c->old_size) == 0);
        must(c->old_len == 0 ||
             syscall(SYS_pwrite64, c->covered_by->fd, c->old, c->old_len, c->offset) == (long)c->old_len);
        break;
    case MADE: /* a folder with all that is in it */
        (void)snprintf(kept, sizeof(kept), "%u", n_lost++);
        (void)syscall(SYS_renameat2, c->covered_by->fd, c->name, lost_fd, kept, 0);
        break;
    case MOVED:
        (void)syscall(SYS_renameat2, c->covered_by->fd, c->name, c->from_dir->fd, c->from, 0);
        break;
    case GONE:
        (void)snprintf(kept, sizeof(kept), "%u", c->kept);
        (void)syscall(SYS_linkat, lost_fd, kept, c->covered_by->fd, c->name, 0);
        break;
    }
}

void cut_power(unsigned what)
{
    while (n_changes > 0) {
        const change *c = &changes[--n_changes];
        if (what & (c->kind == BYTES ? CUT_BYTES : CUT_NAMES))
            undo(c);
    }
}

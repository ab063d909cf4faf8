/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - files and folders: bounded reads, atomic writes, modes that keep secrets, locks.
 *
 * Every function names the path and errno's text in its error. Any thread. */
#ifndef SB_BASE_FILE_H
#define SB_BASE_FILE_H

#include <sys/types.h>

#include "base/buf.h"

static inline void sb_fd_cleanup(int *fd); /* for SB_AUTOFD: closes when >= 0 */
#define SB_AUTOFD __attribute__((cleanup(sb_fd_cleanup))) int

/* The whole file, at most `max` bytes (SB_E_INVALID when longer, SB_E_NOT_FOUND when missing, else SB_E_IO). */
sb_status sb_file_read(const char *path, size_t max, sb_buf *out, sb_error *err);

/* As sb_file_read, but refuses (SB_E_USAGE, with the chmod that mends it) a file that others than its owner may read or
 * write, or that belongs to somebody else than us or root. */
sb_status sb_file_read_private(const char *path, size_t max, sb_buf *out, sb_error *err);

/* Replace `path` by these bytes or leave it alone: temporary file beside it with exactly `mode`, fsync, rename, fsync
 * of the folder. */
sb_status sb_file_write_atomic(const char *path, mode_t mode, sb_str bytes, sb_error *err);

/* Create `path`, never over an existing file (SB_E_USAGE) and never through a symlink; fsynced, exactly `mode`. */
sb_status sb_file_create_new(const char *path, mode_t mode, sb_str bytes, sb_error *err);

/* What comes of one read, again where a signal broke it off; *got is 0 at the end. `name` is for the error alone. */
sb_status sb_file_read_some(int fd, const char *name, void *space, size_t size, size_t *got, sb_error *err);
/* All of `bytes` to `fd`, over short writes and EINTR. `path` is for the error alone. */
sb_status sb_file_write_all(int fd, const char *path, sb_str bytes, sb_error *err);

/* mkdir -p: missing folders get `mode`, existing ones are left as they are. */
sb_status sb_dir_make(const char *path, mode_t mode, sb_error *err);
/* A folder that the user named holds files of ours, which who else may write into it could change. It must be ours; others'
 * right to write is taken away, with a warning, but not of one that users share (sticky, as /tmp): SB_E_USAGE. `called`
 * is what it is to the user ("the output folder"). `fd` may be of O_PATH. */
sb_status sb_dir_claim(int fd, const char *path, const char *called, sb_error *err);
/* As sb_dir_make, but of a folder inside one that is claimed: ours, no symbolic link, 0700 from now on. SB_E_USAGE. */
sb_status sb_dir_make_own(const char *path, sb_error *err);
sb_status sb_dir_sync(const char *path, sb_error *err); /* fsync of a folder: makes renames in it durable */

/* An exclusive flock that the caller keeps by keeping the descriptor open. SB_E_BUSY when another process has it and
 * `wait` is false. The file is created 0600 when missing. */
sb_status sb_file_lock(const char *path, bool wait, int *out_fd, sb_error *err);

/* `dir` + "/" + `name`, malloc'ed; NULL without memory. */
char *sb_path_join(const char *dir, const char *name);

/* Fill from errno: what + path, strerror, and the usual fixes (ENOSPC, EACCES, EROFS, ENOENT …). Returns SB_E_IO. */
sb_status sb_error_errno(sb_error *err, const char *what, const char *path, int errnum);

#include <unistd.h>
static inline void sb_fd_cleanup(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* what matters was fsynced and checked before */
    *fd = -1;
}

#endif

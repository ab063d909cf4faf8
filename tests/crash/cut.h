/* SPDX-License-Identifier: Apache-2.0 */
/* cut.h - what a power cut takes away: every change since the last sync that covers it.
 *
 * A kill leaves all that the kernel was given; a power cut does not, and only it tells whether the program syncs what it
 * relies on. So each change is remembered together with its opposite until fsync() or fdatasync() of the file (its bytes and
 * length) or fsync() of the folder (the names in it) makes it durable; cut_power() does the opposites of what is left, the
 * latest first. That is POSIX's word, and stricter than most file systems. One thread at a time. Never fails: it aborts,
 * for a test that forgets would pass. */
#ifndef SB_TESTS_CRASH_CUT_H
#define SB_TESTS_CRASH_CUT_H

#include <stddef.h>
#include <sys/types.h>

enum {
    CUT_BYTES = 1, /* names have come to the disk, bytes have not */
    CUT_NAMES = 2, /* the other way round */
    CUT_ALL = CUT_BYTES | CUT_NAMES,
};

void cut_begin(const char *lost); /* a folder on the same file system: what a name stood for, when the name goes */

/* Before it is done. */
void cut_write(int fd, off_t offset, size_t len);
void cut_truncate(int fd, off_t length);
void cut_unlink(int dir, const char *path);
void cut_rename(int from_dir, const char *from, int to_dir, const char *to);

/* When it was done. */
void cut_made(int dir, const char *path);
void cut_synced(int fd);

void cut_power(unsigned what);

#endif

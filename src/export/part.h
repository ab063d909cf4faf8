/* SPDX-License-Identifier: Apache-2.0 */
/* part.h - a file that is being written: whole buffers to the kernel, which is told early to take them to the disk.
 *
 * Knows nothing of what the bytes are. A part belongs to one thread at a time. */
#ifndef SB_EXPORT_PART_H
#define SB_EXPORT_PART_H

#include "export/folder.h"

#define SB_PART_NAME_SIZE 64

typedef struct sb_part {
    sb_folder *folder;
    char name[SB_PART_NAME_SIZE]; /* below the folder; "" when there is none */
    int fd;                       /* -1: not open */
    uint64_t size;                /* of what was added, written or not */
    uint64_t started;             /* so much of it the kernel was told to write back */
    char *buffer;                 /* of SB_PART_BUFFER bytes, kept between files */
    size_t buffered;
} sb_part;

#define SB_PART_BUFFER ((size_t)256 * 1024) /* one write for sixteen TLS records */

#define SB_PART_INIT                                                                                                   \
    {                                                                                                                  \
        .fd = -1                                                                                                       \
    }
void sb_part_cleanup(sb_part *part); /* closes; the file stays */

/* Begin `name` with nothing in it, or, with `keep`, behind its first `keep` bytes. */
sb_status sb_part_open(sb_part *part, sb_folder *folder, const char *name, uint64_t keep, sb_error *err);
/* Throw away what was added, and begin again. */
sb_status sb_part_restart(sb_part *part, sb_error *err);
sb_status sb_part_add(sb_part *part, sb_str bytes, sb_error *err);
/* Hand the rest to the kernel: after it, the file has `size` bytes for whoever reads it. */
sb_status sb_part_flush(sb_part *part, sb_error *err);
/* Bytes that are in the file already; *n 0 at the end. */
sb_status sb_part_read(const sb_part *part, uint64_t offset, char *out, size_t max, size_t *n, sb_error *err);
/* Close and remove it. What was never opened is fine. */
void sb_part_discard(sb_part *part);
/* Close, and forget its name: the file is somebody else's now. *fd is the caller's. */
void sb_part_release(sb_part *part, int *fd);

#endif

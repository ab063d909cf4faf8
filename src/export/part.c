/* SPDX-License-Identifier: Apache-2.0 */
/* part.c - see part.h. Owns the descriptor and the buffer.
 *
 * No space is reserved (fallocate): how long a file will be is the peer's word, which must not take our disk, and the
 * file systems' delayed allocation finds whole extents anyway. */
#include "export/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

/* The kernel begins to write back in steps of so many bytes, so that little is left for the last fdatasync(). */
#define WRITEBACK_STEP ((uint64_t)8 * 1024 * 1024)

static sb_status failed(const sb_part *part, const char *what, sb_error *err)
{
    SB_AUTOFREE path = sb_path_join(sb_folder_path(part->folder), part->name);
    return sb_error_errno(err, what, path ? path : part->name, errno);
}

void sb_part_cleanup(sb_part *part)
{
    if (part->fd >= 0)
        (void)close(part->fd); /* what matters was fsynced and checked before */
    free(part->buffer);
    *part = (sb_part)SB_PART_INIT;
}

sb_status sb_part_open(sb_part *part, sb_folder *folder, const char *name, uint64_t keep, sb_error *err)
{
    if (!part->buffer)
        part->buffer = malloc(SB_PART_BUFFER);
    if (!part->buffer)
        return sb_error_nomem(err);
    part->folder = folder;
    (void)snprintf(part->name, sizeof(part->name), "%s", name);
    SB_TRY(sb_folder_open_file(folder, name, O_RDWR | O_CREAT, &part->fd, err));
    part->size = part->started = keep;
    part->buffered = 0;
    return ftruncate(part->fd, (off_t)keep) == 0 ? SB_OK : failed(part, "a file could not be begun", err);
}

sb_status sb_part_restart(sb_part *part, sb_error *err)
{
    part->size = part->started = 0;
    part->buffered = 0;
    return ftruncate(part->fd, 0) == 0 ? SB_OK : failed(part, "a file could not be begun again", err);
}

/* At the place where the buffer begins. */
static sb_status write_out(sb_part *part, sb_str bytes, sb_error *err)
{
    uint64_t offset = part->size - part->buffered;
    while (bytes.len > 0) {
        ssize_t n = pwrite(part->fd, bytes.ptr, bytes.len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(part, "a file could not be written", err);
        bytes.ptr += n;
        bytes.len -= (size_t)n;
        offset += (uint64_t)n;
    }
    if (offset - part->started >= WRITEBACK_STEP) {
        /* advice: where it is not understood, the last fdatasync() has more to do */
        (void)sync_file_range(part->fd, (off_t)part->started, (off_t)(offset - part->started), SYNC_FILE_RANGE_WRITE);
        part->started = offset;
    }
    return SB_OK;
}

sb_status sb_part_flush(sb_part *part, sb_error *err)
{
    SB_TRY(write_out(part, (sb_str){part->buffer, part->buffered}, err));
    part->buffered = 0;
    return SB_OK;
}

sb_status sb_part_add(sb_part *part, sb_str bytes, sb_error *err)
{
    while (bytes.len > 0) {
        size_t n = SB_MIN(bytes.len, SB_PART_BUFFER - part->buffered);
        memcpy(part->buffer + part->buffered, bytes.ptr, n);
        part->buffered += n;
        part->size += n;
        bytes.ptr += n;
        bytes.len -= n;
        if (part->buffered == SB_PART_BUFFER)
            SB_TRY(sb_part_flush(part, err));
    }
    return SB_OK;
}

sb_status sb_part_read(const sb_part *part, uint64_t offset, char *out, size_t max, size_t *n, sb_error *err)
{
    ssize_t got;
    do {
        got = pread(part->fd, out, max, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return failed(part, "a file could not be read back", err);
    *n = (size_t)got;
    return SB_OK;
}

void sb_part_release(sb_part *part, int *fd)
{
    *fd = part->fd;
    part->fd = -1;
    part->name[0] = '\0';
    part->size = part->started = 0;
    part->buffered = 0;
}

void sb_part_discard(sb_part *part)
{
    int fd;
    if (part->fd < 0)
        return;
    (void)sb_folder_remove(part->folder, part->name, NULL); /* what stays is swept at the next run */
    sb_part_release(part, &fd);
    (void)close(fd);
}

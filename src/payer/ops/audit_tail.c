/* SPDX-License-Identifier: Apache-2.0 */
/* audit_tail.c - the last bytes of the file, read and divided at newlines. */
#include "payer/ops/audit_tail.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/file.h"
#include "payer/ops/audit_line.h"

void sb_audit_tail_cleanup(sb_audit_tail *tail)
{
    sb_buf_cleanup(&tail->bytes);
}

static sb_status read_last(int fd, const char *path, uint64_t size, uint64_t want, sb_buf *out, sb_error *err)
{
    if (!sb_buf_reserve(out, want + 1))
        return sb_error_nomem(err);
    while (out->len < want) {
        ssize_t n = pread(fd, out->ptr + out->len, want - out->len, (off_t)(size - want + out->len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return sb_error_errno(err, "the audit log could not be read", path, n < 0 ? errno : EIO);
        out->len += (size_t)n;
    }
    return SB_OK;
}

sb_status sb_audit_tail_read(int fd, const char *path, sb_audit_tail *out, sb_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return sb_error_errno(err, "the audit log could not be examined", path, errno);
    uint64_t size = (uint64_t)st.st_size;
    uint64_t want = SB_MIN(size, (uint64_t)2 * SB_AUDIT_LINE_MAX); /* the last whole line, and an unfinished one */
    out->whole = size;
    if (size == 0)
        return SB_OK;
    SB_TRY(read_last(fd, path, size, want, &out->bytes, err));
    const char *bytes = out->bytes.ptr;
    const char *newline = memrchr(bytes, '\n', want);
    size_t whole = newline ? (size_t)(newline - bytes) + 1 : 0;
    out->torn = (sb_str){bytes + whole, want - whole};
    out->whole = size - out->torn.len;
    if (whole == 0 && out->whole == 0)
        return SB_OK;
    const char *before = whole > 0 ? memrchr(bytes, '\n', whole - 1) : NULL;
    size_t from = before ? (size_t)(before - bytes) + 1 : 0;
    if (whole == 0 || (!before && want < size))
        return sb_error_set(err, SB_E_INVALID, "the audit log cannot be understood", "%s does not end in lines",
                            "look whether it is an audit log", path);
    out->line = (sb_str){bytes + from, whole - 1 - from};
    return SB_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* line_reader.c - a buffer that slides over a file and grows only for a line that does not fit. */
#include "payer/data/line_reader.h"

#include <errno.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "payer/data/data.h"

#define READ_SIZE ((size_t)256 * 1024) /* holds ten of the longest claims we know; larger reads gain nothing */

void sb_line_reader_init(sb_line_reader *reader, int fd, const char *path)
{
    *reader = (sb_line_reader){.fd = fd, .path = path, .sums = true, .checksum = crc32(0, NULL, 0)};
}

void sb_line_reader_cleanup(sb_line_reader *reader)
{
    free(reader->space);
    *reader = (sb_line_reader){.fd = -1};
}

static sb_status make_room(sb_line_reader *r, sb_error *err)
{
    if (r->space && r->begin > 0) {
        memmove(r->space, r->space + r->begin, r->end - r->begin);
        r->end -= r->begin;
        r->begin = 0;
    }
    if (r->end < r->size)
        return SB_OK;
    if (r->size > SB_DATA_LINE_MAX)
        return sb_error_set(err, SB_E_INVALID, "a line is too long to be a resource", "%s line %llu is above %zu bytes",
                            "mend the line or take it out", r->path, (unsigned long long)r->line + 1, SB_DATA_LINE_MAX);
    size_t size = r->size ? r->size * 2 : READ_SIZE;
    char *more = realloc(r->space, size);
    if (!more)
        return sb_error_nomem(err);
    r->space = more;
    r->size = size;
    return SB_OK;
}

static sb_status fill(sb_line_reader *r, sb_error *err)
{
    SB_TRY(make_room(r, err));
    ssize_t n;
    do {
        n = read(r->fd, r->space + r->end, r->size - r->end);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return sb_error_errno(err, "a data file could not be read", r->path, errno);
    if (r->sums)
        r->checksum = crc32_z(r->checksum, (const Bytef *)r->space + r->end, (size_t)n);
    r->end += (size_t)n;
    r->eof = n == 0;
    return SB_OK;
}

sb_status sb_line_reader_next(sb_line_reader *r, sb_str *line, bool *more, sb_error *err)
{
    for (;;) {
        size_t have = r->end - r->begin;
        const char *from = r->space ? r->space + r->begin : NULL;
        const char *newline = from && have > r->searched ? memchr(from + r->searched, '\n', have - r->searched) : NULL;
        if (newline || (r->eof && have > 0)) {
            size_t len = newline ? (size_t)(newline - from) + 1 : have;
            *line = (sb_str){from, len};
            r->begin += len;
            r->searched = 0;
            r->line++;
            *more = true;
            return SB_OK;
        }
        if (r->eof) {
            *more = false;
            return SB_OK;
        }
        r->searched = have;
        SB_TRY(fill(r, err));
    }
}

sb_str sb_line_reader_content(const sb_line_reader *reader, sb_str line)
{
    static const sb_str mark = SB_STR_LIT("\xEF\xBB\xBF");
    if (reader->line == 1 && sb_str_starts_with(line, mark))
        line = (sb_str){line.ptr + mark.len, line.len - mark.len};
    return sb_str_trim(line);
}

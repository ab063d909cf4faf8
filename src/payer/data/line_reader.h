/* SPDX-License-Identifier: Apache-2.0 */
/* line_reader.h - the lines of a file, one at a time, in memory of one line. */
#ifndef SB_PAYER_LINE_READER_H
#define SB_PAYER_LINE_READER_H

#include "base/buf.h"

typedef struct sb_line_reader {
    int fd;           /* borrowed */
    const char *path; /* borrowed; for errors */
    char *space;
    size_t size, begin, end; /* of the space; and of what is in it but not yet given out */
    size_t searched;         /* bytes after begin that hold no newline */
    bool eof;
    uint64_t line;          /* number of the line given last, from 1 */
    bool sums;              /* keep the checksum: as it begins; who does not need it saves a sixth of a scan's time */
    unsigned long checksum; /* CRC-32 of all bytes read */
} sb_line_reader;

void sb_line_reader_init(sb_line_reader *reader, int fd, const char *path);
void sb_line_reader_cleanup(sb_line_reader *reader);

/* The next line with its end (LF) where it has one, valid until the next call; *more is false after the last.
 * SB_E_IO; SB_E_INVALID for a line above SB_DATA_LINE_MAX. */
sb_status sb_line_reader_next(sb_line_reader *reader, sb_str *line, bool *more, sb_error *err);

/* The resource in such a line: without LF, CRLF, surrounding white space, and the byte order mark of a first line. */
sb_str sb_line_reader_content(const sb_line_reader *reader, sb_str line);

#endif

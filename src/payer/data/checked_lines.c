/* SPDX-License-Identifier: Apache-2.0 */
/* checked_lines.c - the line reader and the validator, walking side by side. */
#include "payer/data/checked_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "fhir/ndjson.h"
#include "payer/data/data.h"
#include "payer/data/line_reader.h"

static void note_bad_line(void *impl, const sb_ndjson_bad_line *bad)
{
    *(sb_ndjson_bad_line *)impl = *bad;
}

static sb_status refuse(const sb_checked_visitor *visitor, const sb_ndjson_bad_line *bad, sb_error *err)
{
    char why[160];
    (void)snprintf(why, sizeof(why), "column %llu: %s", (unsigned long long)bad->column,
                   sb_ndjson_reason_text(bad->reason));
    return visitor->bad(visitor->impl, bad->line, why, err);
}

static sb_status walk(sb_line_reader *reader, sb_ndjson *grammar, sb_ndjson_bad_line *bad,
                      const sb_checked_visitor *visitor, sb_error *err)
{
    for (;;) {
        sb_str line;
        bool more;
        SB_TRY(sb_line_reader_next(reader, &line, &more, err));
        if (!more)
            return SB_OK;
        bool whole = line.ptr[line.len - 1] == '\n';
        bad->reason = 0;
        sb_ndjson_feed(grammar, line.ptr, line.len);
        if (whole)
            sb_ndjson_settle(grammar);
        else
            sb_ndjson_finish(grammar, &(sb_ndjson_counts){0}); /* the last line, without its end */
        sb_str content = sb_line_reader_content(reader, line);
        if (bad->reason != 0)
            SB_TRY(refuse(visitor, bad, err));
        else if (content.len > 0)
            SB_TRY(visitor->line(visitor->impl, reader->line, content, err));
    }
}

sb_status sb_checked_lines(int fd, const char *path, const sb_checked_visitor *visitor, unsigned long *checksum,
                           sb_error *err)
{
    SB_AUTOPTR(sb_ndjson) grammar = NULL;
    SB_AUTO(sb_line_reader) reader;
    sb_ndjson_bad_line bad = {.line = 0}; /* reason is 0 while all is well */
    sb_ndjson_options options = {
        .require_id = true, .max_line = SB_DATA_LINE_MAX, .on_bad_line = note_bad_line, .impl = &bad};
    sb_line_reader_init(&reader, fd, path);
    reader.sums = checksum != NULL;
    SB_TRY(sb_ndjson_new(&options, &grammar, err));
    SB_TRY(walk(&reader, grammar, &bad, visitor, err));
    if (checksum)
        *checksum = reader.checksum;
    return SB_OK;
}

sb_status sb_open_regular(const char *path, int *fd, struct stat *st, sb_error *err)
{
    /* O_NONBLOCK: a named pipe of this name would otherwise hold us for ever */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, st) != 0)
        return sb_error_errno(err, "a data file could not be opened", path, errno);
    if (!S_ISREG(st->st_mode))
        return sb_error_set(err, SB_E_USAGE, "what should be a data file is none", "%s is not a regular file",
                            "move it out of the way", path);
    return SB_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* error_files.c - see error_files.h. One line in memory at a time, within an OperationOutcome's bound. Owns no state. */
#include "export/error_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"

typedef struct look {
    sb_folder *folder;
    bool *found;
    char *name;
    size_t size;
    sb_outcome *out;
} look;

static inline void filep_cleanup(FILE **file)
{
    if (*file)
        (void)fclose(*file); /* it was only read */
}

/* The next line, or as much of it as fits. False at the end. */
static bool next_line(FILE *from, sb_buf *line, sb_error *err, sb_status *status)
{
    int c;
    sb_buf_clear(line);
    while ((c = getc_unlocked(from)) != EOF && c != '\n')
        if (line->len < SB_OUTCOME_MAX_BYTES && !sb_buf_add_char(line, (char)c)) {
            *status = sb_error_nomem(err);
            return false;
        }
    return c != EOF || line->len > 0;
}

static sb_status look_into(const look *l, const char *name, sb_error *err)
{
    SB_AUTO(sb_buf) line = SB_BUF_INIT;
    SB_AUTOFD fd = -1;
    sb_status opened = sb_folder_open_file(l->folder, name, O_RDONLY, &fd, err);
    if (opened == SB_E_NOT_FOUND)
        return SB_OK; /* somebody took it away: `verify` will say so */
    SB_TRY(opened);
    __attribute__((cleanup(filep_cleanup))) FILE *from = fdopen(fd, "r");
    if (!from)
        return sb_error_errno(err, "a file could not be read", name, errno);
    fd = -1; /* it is the FILE's now */
    sb_status status = SB_OK;
    while (!*l->found && next_line(from, &line, err, &status))
        *l->found = sb_outcome_parse(sb_buf_str(&line), l->out, NULL) == SB_OK && sb_outcome_is_error(l->out);
    SB_TRY(status);
    if (ferror(from))
        return sb_error_errno(err, "a file could not be read", name, errno);
    if (*l->found)
        (void)snprintf(l->name, l->size, "%s", name);
    return SB_OK;
}

static sb_status look_at(void *impl, const sb_journal_file *file, sb_error *err)
{
    const look *l = impl;
    if (*l->found || file->kind != SB_FILE_ERROR || file->state != SB_FILE_DONE)
        return SB_OK;
    return look_into(l, file->name, err);
}

sb_status sb_error_files_look(sb_journal *journal, bool *found, char *name, size_t size, sb_outcome *out, sb_error *err)
{
    look l = {sb_journal_folder(journal), found, name, size, out};
    *found = false;
    return sb_journal_each(journal, look_at, &l, err);
}

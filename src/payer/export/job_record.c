/* SPDX-License-Identifier: Apache-2.0 */
/* job_record.c - one line a file, sorted, searched by halves. Owns no state. */
#include "payer/export/job_record.h"

#include <inttypes.h>
#include <stdio.h>

void sb_record_cleanup(sb_record *record)
{
    free(record->text);
    free(record->files);
    *record = (sb_record)SB_RECORD_INIT;
}

bool sb_record_begin(sb_buf *text, const char *dir)
{
    return sb_buf_printf(text, "dir %s\n", dir);
}

bool sb_record_add(sb_buf *text, const sb_record_file *file)
{
    bool ok = sb_buf_printf(text, "%.*s %u %" PRIu64 " %" PRIu64, (int)file->type.len, file->type.ptr, file->number,
                            file->resources, file->bytes);
    if (ok && file->etag.len > 0)
        ok = sb_buf_printf(text, " %zu %.*s", file->part, (int)file->etag.len, file->etag.ptr);
    return ok && sb_buf_add_char(text, '\n');
}

static bool read_number(sb_str *line, uint64_t max, uint64_t *out)
{
    sb_str word;
    return sb_str_split(line, ' ', &word) && sb_str_to_u64(word, max, out);
}

static bool read_file(sb_str line, sb_record_file *out)
{
    uint64_t number, part = 0;
    if (!sb_str_split(&line, ' ', &out->type) || out->type.len == 0 || out->type.len > 64 ||
        !read_number(&line, UINT32_MAX, &number) || !read_number(&line, INT64_MAX, &out->resources) ||
        !read_number(&line, INT64_MAX, &out->bytes))
        return false;
    if (line.len > 0 && !read_number(&line, SIZE_MAX, &part))
        return false;
    out->number = (unsigned)number;
    out->part = (size_t)part;
    out->etag = line;
    return true;
}

static sb_status damaged(sb_error *err)
{
    return sb_error_set(err, SB_E_INVALID, "an export's list of files could not be read again",
                        "its row in the database is not as it was written", "look who else writes into the database");
}

static size_t count_lines(sb_str text)
{
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    return lines;
}

sb_status sb_record_parse(sb_str text, sb_record *out, sb_error *err)
{
    size_t lines = count_lines(text);
    sb_str rest, line;
    if (lines == 0)
        return damaged(err);
    out->text = sb_str_dup(text);
    out->files = calloc(lines, sizeof(*out->files));
    if (!out->text || !out->files)
        return sb_error_nomem(err);
    rest = (sb_str){out->text, text.len};
    if (!sb_str_split(&rest, '\n', &line) || !sb_str_starts_with(line, SB_STR_LIT("dir ")))
        return damaged(err);
    out->dir = (sb_str){line.ptr + strlen("dir "), line.len - strlen("dir ")};
    if (out->dir.len == 0 || memchr(out->dir.ptr, '/', out->dir.len) || out->dir.ptr[0] == '.')
        return damaged(err);
    while (sb_str_split(&rest, '\n', &line)) {
        if (line.len == 0 && rest.len == 0)
            break; /* behind the last line's end */
        if (out->count == lines || !read_file(line, &out->files[out->count++]))
            return damaged(err);
    }
    return SB_OK;
}

void sb_record_name(const sb_record_file *file, char name[SB_JOB_FILE_NAME_MAX])
{
    (void)snprintf(name, SB_JOB_FILE_NAME_MAX, "%.*s.%03u.ndjson", (int)SB_MIN(file->type.len, (size_t)64),
                   file->type.ptr, file->number);
}

/* Where a name stands to a file: by type, then by number. */
static int compare(sb_str type, uint64_t number, const sb_record_file *file)
{
    size_t len = SB_MIN(type.len, file->type.len);
    int order = len ? memcmp(type.ptr, file->type.ptr, len) : 0;
    if (order != 0 || type.len != file->type.len)
        return order ? order : (type.len > file->type.len) - (type.len < file->type.len);
    return (number > file->number) - (number < file->number);
}

const sb_record_file *sb_record_find(const sb_record *record, sb_str name)
{
    sb_str rest = name, type, digits;
    uint64_t number;
    if (!sb_str_split(&rest, '.', &type) || !sb_str_split(&rest, '.', &digits) ||
        !sb_str_to_u64(digits, UINT32_MAX, &number))
        return NULL;
    size_t low = 0, high = record->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const sb_record_file *it = &record->files[middle];
        int order = compare(type, number, it);
        if (order == 0) {
            char its[SB_JOB_FILE_NAME_MAX];
            sb_record_name(it, its);
            return sb_str_eq(sb_str_from(its), name) ? it : NULL; /* "Patient.0.ndjson" is not its name */
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

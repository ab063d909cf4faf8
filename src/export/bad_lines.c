/* SPDX-License-Identifier: Apache-2.0 */
/* bad_lines.c - see bad_lines.h. Owns the part of the list. */
#include "export/bad_lines.h"

#include <stdio.h>

#include "base/json.h"
#include "export/download_names.h"

#define LISTED_MAX 10000 /* a person reads ten, a program that mends a payer's export some thousands */

void sb_bad_lines_begin(sb_bad_lines *list, sb_folder *folder, int64_t file_id)
{
    list->folder = folder;
    list->file_id = file_id;
    list->listed = list->left_out = 0;
}

static sb_status add_text(sb_bad_lines *list, const char *text, sb_error *err)
{
    if (list->part.fd < 0) {
        char name[SB_PART_NAME_SIZE];
        sb_name_of_list_part(list->file_id, name);
        SB_TRY(sb_part_open(&list->part, list->folder, name, 0, err));
    }
    return sb_part_add(&list->part, sb_str_from(text), err);
}

sb_status sb_bad_lines_add(sb_bad_lines *list, const sb_ndjson_bad_line *bad, sb_error *err)
{
    char text[256];
    if (list->listed == LISTED_MAX) {
        list->left_out++;
        return SB_OK;
    }
    if (list->listed++ == 0)
        list->first = *bad;
    /* the reasons are our own texts: letters, and a backslash in one of them */
    SB_AUTOJSON reason = json_string(sb_ndjson_reason_text(bad->reason));
    SB_AUTOFREE quoted = reason ? json_dumps(reason, JSON_ENCODE_ANY) : NULL;
    if (!quoted)
        return sb_error_nomem(err);
    (void)snprintf(text, sizeof(text), "{\"line\": %llu, \"offset\": %llu, \"column\": %llu, \"reason\": %s}\n",
                   (unsigned long long)bad->line, (unsigned long long)bad->offset, (unsigned long long)bad->column,
                   quoted);
    return add_text(list, text, err);
}

sb_status sb_bad_lines_note(sb_bad_lines *list, const char *reason, sb_error *err)
{
    SB_AUTOJSON entry = json_pack("{s:s}", "reason", reason);
    SB_AUTOFREE text = entry ? json_dumps(entry, 0) : NULL;
    if (!text)
        return sb_error_nomem(err);
    SB_TRY(add_text(list, text, err));
    return add_text(list, "\n", err);
}

sb_status sb_bad_lines_finish(sb_bad_lines *list, sb_error *err)
{
    char text[96];
    if (list->left_out > 0) {
        (void)snprintf(text, sizeof(text), "and %llu more bad lines, which are not listed",
                       (unsigned long long)list->left_out);
        SB_TRY(sb_bad_lines_note(list, text, err));
    }
    return sb_bad_lines_any(list) ? sb_part_flush(&list->part, err) : SB_OK;
}

void sb_bad_lines_discard(sb_bad_lines *list)
{
    sb_part_discard(&list->part);
}

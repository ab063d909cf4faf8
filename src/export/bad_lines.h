/* SPDX-License-Identifier: Apache-2.0 */
/* bad_lines.h - the list of a file's bad lines, beside it in rejected/: NDJSON, one entry a line:
 *   {"line": 12, "offset": 3456, "column": 7, "reason": "…"}     and, about the whole file, {"reason": "…"}
 *
 * Written as the lines are found, to a part that is made for the first of them. Bounded: a file of nothing but bad
 * lines must not become a list that is larger than it. */
#ifndef SB_EXPORT_BAD_LINES_H
#define SB_EXPORT_BAD_LINES_H

#include "export/part.h"
#include "fhir/ndjson.h"

typedef struct sb_bad_lines {
    sb_folder *folder;
    int64_t file_id;
    sb_part part;
    sb_ndjson_bad_line first; /* when any is listed */
    uint64_t listed, left_out;
} sb_bad_lines;

void sb_bad_lines_begin(sb_bad_lines *list, sb_folder *folder, int64_t file_id); /* an empty one: there is no file */
sb_status sb_bad_lines_add(sb_bad_lines *list, const sb_ndjson_bad_line *bad, sb_error *err);
sb_status sb_bad_lines_note(sb_bad_lines *list, const char *reason, sb_error *err); /* about the whole file */
sb_status sb_bad_lines_finish(sb_bad_lines *list, sb_error *err);
static inline bool sb_bad_lines_any(const sb_bad_lines *list)
{
    return list->part.fd >= 0;
}
void sb_bad_lines_discard(sb_bad_lines *list);

#endif

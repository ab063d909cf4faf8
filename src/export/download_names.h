/* SPDX-License-Identifier: Apache-2.0 */
/* download_names.h - where a file is while it is fetched, and where it goes. */
#ifndef SB_EXPORT_DOWNLOAD_NAMES_H
#define SB_EXPORT_DOWNLOAD_NAMES_H

#include <stdio.h>

#include "export/part.h"

static inline void sb_name_of_part(int64_t file_id, char out[SB_PART_NAME_SIZE])
{
    (void)snprintf(out, SB_PART_NAME_SIZE, SB_FOLDER_PARTS "/%lld.part", (long long)file_id);
}
static inline void sb_name_of_list_part(int64_t file_id, char out[SB_PART_NAME_SIZE])
{
    (void)snprintf(out, SB_PART_NAME_SIZE, SB_FOLDER_PARTS "/%lld.bad", (long long)file_id);
}

/* A file's name has at most 64 letters, a folder's, and a number: journal.h. */
#define SB_PLACE_SIZE 192
static inline void sb_name_of_rejected(const char *name, char out[SB_PLACE_SIZE])
{
    (void)snprintf(out, SB_PLACE_SIZE, SB_FOLDER_REJECTED "/%s", name);
}
static inline void sb_name_of_list(const char *name, char out[SB_PLACE_SIZE])
{
    (void)snprintf(out, SB_PLACE_SIZE, SB_FOLDER_REJECTED "/%s.bad-lines.ndjson", name);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* deleted_output.h - what was deleted since the last export, as files of transaction Bundles.               FILE-03
 *
 * Nothing where the request has no _since, or the source keeps no record. Knows nothing of jobs. */
#ifndef SB_PAYER_DELETED_OUTPUT_H
#define SB_PAYER_DELETED_OUTPUT_H

#include "payer/export/export_plan.h"

typedef struct sb_deleted_file {
    uint64_t bundles, bytes;
} sb_deleted_file;

typedef struct sb_deleted_list {
    sb_deleted_file *items; /* deleted.000.ndjson, deleted.001.ndjson … */
    size_t count;
} sb_deleted_list;

#define SB_DELETED_LIST_INIT                                                                                           \
    {                                                                                                                  \
        NULL, 0                                                                                                        \
    }
void sb_deleted_list_cleanup(sb_deleted_list *list);

/* Files of `dir`, mode 0600, of about `file_bytes`. SB_E_IO. */
sb_status sb_deleted_write(const sb_plan *plan, const sb_data *data, const char *dir, uint64_t file_bytes,
                           sb_deleted_list *out, sb_error *err);

#endif

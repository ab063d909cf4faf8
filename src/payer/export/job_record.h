/* SPDX-License-Identifier: Apache-2.0 */
/* job_record.h - what came of an export: the list of its files, as text of our own that every process understands.
 *
 *   dir 3f0c…                            the folder below the job's where files are
 *   Coverage 0 1200 733000 17 5f3-…      type, number, resources, bytes; a part of the source: its index and etag
 *   Coverage 1 80 52000                  a file of that folder
 *   deleted 0 3 900                      lower case, so behind all types: Bundles of deletions,
 *   error 0 2 310                        and OperationOutcomes
 *
 * Knows no database and no manifest. */
#ifndef SB_PAYER_JOB_RECORD_H
#define SB_PAYER_JOB_RECORD_H

#include "payer/export/export_job.h"

#define SB_RECORD_DELETED "deleted"
#define SB_RECORD_ERROR   "error"

typedef struct sb_record_file {
    sb_str type;
    unsigned number; /* within its type: Type.NNN.ndjson */
    uint64_t resources, bytes;
    size_t part; /* of the source, if there is an etag: its place when it was written */
    sb_str etag;
} sb_record_file;

typedef struct sb_record {
    char *text;
    sb_str dir;
    sb_record_file *files; /* by type, then by number */
    size_t count;
} sb_record;

#define SB_RECORD_INIT                                                                                                 \
    {                                                                                                                  \
        .text = NULL                                                                                                   \
    }
void sb_record_cleanup(sb_record *record);

/* Writing: first the folder, then the files in their order. False without memory. */
SB_MUST_USE bool sb_record_begin(sb_buf *text, const char *dir);
SB_MUST_USE bool sb_record_add(sb_buf *text, const sb_record_file *file);

/* SB_E_INVALID: it is not such a list. Copies. */
sb_status sb_record_parse(sb_str text, sb_record *out, sb_error *err);

/* "Type.NNN.ndjson" */
void sb_record_name(const sb_record_file *file, char name[SB_JOB_FILE_NAME_MAX]);
/* By exactly that name; NULL: none. */
const sb_record_file *sb_record_find(const sb_record *record, sb_str name);

#endif

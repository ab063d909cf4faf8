/* SPDX-License-Identifier: Apache-2.0 */
/* export_output.h - a plan carried out: the list of an export's files, and those of them that had to be written.
 *
 * A part of the source that is wanted whole is listed, not copied. Knows nothing of jobs, clients or time. */
#ifndef SB_PAYER_EXPORT_OUTPUT_H
#define SB_PAYER_EXPORT_OUTPUT_H

#include <stdatomic.h>

#include "payer/export/export_plan.h"

typedef struct sb_output {
    const sb_data_type *type;
    unsigned number; /* within its type: Type.NNN.ndjson */
    bool source;     /* the file is the source's `part`; else it is in the job's folder */
    size_t part;
    uint64_t resources;
    uint64_t bytes;
} sb_output;

typedef struct sb_outputs {
    sb_output *items; /* by type, then by number */
    size_t count, cap;
} sb_outputs;

#define SB_OUTPUTS_INIT                                                                                                \
    {                                                                                                                  \
        NULL, 0, 0                                                                                                     \
    }
void sb_outputs_cleanup(sb_outputs *outputs);

/* "Type.NNN.ndjson" */
void sb_output_name(const sb_output *output, char name[SB_JOB_FILE_NAME_MAX]);
/* By that name; NULL when there is none. */
const sb_output *sb_outputs_find(const sb_outputs *outputs, sb_str name);

/* How the work goes on, for those who watch; and how to end it early. */
typedef struct sb_output_progress {
    atomic_uint_fast64_t done, total; /* bytes of the source */
    atomic_bool cancel;
} sb_output_progress;

/* Do what the plan says. Files are written to `dir` with mode 0600, each at most `file_bytes` or one resource long.
 * SB_E_INTERRUPTED when cancelled; SB_E_IO. What was written stays: the caller removes the folder. */
sb_status sb_outputs_write(const sb_plan *plan, const sb_data *data, const char *dir, uint64_t file_bytes,
                           sb_output_progress *progress, sb_outputs *out, sb_error *err);

#endif

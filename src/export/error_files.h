/* SPDX-License-Identifier: Apache-2.0 */
/* error_files.h - what the payer itself says went wrong with its export: the OperationOutcomes of the manifest's error
 * files. They may hold mere information (STAT-04); an error means that data is missing which no file of ours lacks. */
#ifndef SB_EXPORT_ERROR_FILES_H
#define SB_EXPORT_ERROR_FILES_H

#include "export/journal.h"
#include "fhir/operation_outcome.h"

/* Look through all error files that are in their places, until one outcome says error or fatal: then *found, with the
 * file's name, and `out` holds the outcome. */
sb_status sb_error_files_look(sb_journal *journal, bool *found, char *name, size_t size, sb_outcome *out,
                              sb_error *err);

#endif

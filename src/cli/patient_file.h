/* SPDX-License-Identifier: Apache-2.0 */
/* patient_file.h - a list of patients in a file: a Reference or id a line; empty lines and those from '#' on do not
 * count. */
#ifndef SB_CLI_PATIENT_FILE_H
#define SB_CLI_PATIENT_FILE_H

#include <smartbulk/error.h>

#include "list.h"

/* "-" is standard input. Never names a patient in its error, only the line. */
sb_status patient_file_read(const char *path, string_list *out, sb_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* default_dir.h - the folder of an export for which none was named: PAYER-YYYY-MM-DD here, with -2, -3 … when that
 * exists. */
#ifndef SB_CLI_DEFAULT_DIR_H
#define SB_CLI_DEFAULT_DIR_H

#include <smartbulk/error.h>

/* Makes the folder (0700), so that two runs at once never choose the same. *out is malloc'ed. */
sb_status default_dir_make(const char *payer, char **out, sb_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h - private working folders: made, and removed with all that is in them. */
#ifndef SB_PAYER_TREE_H
#define SB_PAYER_TREE_H

#include "base/defs.h"

/* Remove `path` and everything below it (never through a symbolic link); one that is not there is no error. What cannot
 * be removed is logged: it is rubbish, not a reason to fail. */
void sb_tree_remove(const char *path);

#endif

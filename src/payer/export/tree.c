/* SPDX-License-Identifier: Apache-2.0 */
/* tree.c - emptying a tree from its leaves. Owns no state. */
#include "payer/export/tree.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define OPEN_FOLDERS 8 /* our trees are two deep */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    if (remove(path) != 0 && errno != ENOENT)
        sb_log_warn("%s could not be removed: %s", path, strerrordesc_np(errno));
    return 0;
}

void sb_tree_remove(const char *path)
{
    if (access(path, F_OK) == 0)
        (void)nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS); /* each failure was logged */
}

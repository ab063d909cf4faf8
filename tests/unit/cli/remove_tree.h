/* SPDX-License-Identifier: Apache-2.0 */
/* remove_tree.h - a test's folder goes, with all that is in it. Uses nothing of ours: these tests see the program alone. */
#ifndef SB_TEST_CLI_REMOVE_TREE_H
#define SB_TEST_CLI_REMOVE_TREE_H

#include <ftw.h>
#include <stdio.h>

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void remove_tree(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* scratch_dir.h - a folder of its own for each test, removed with all that is in it. */
#ifndef SB_TEST_SCRATCH_DIR_H
#define SB_TEST_SCRATCH_DIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static inline char *scratch_dir_new(void)
{
    const char *tmp = getenv("TMPDIR");
    char *path = sb_printf("%s/sb-test-XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp");
    return path && mkdtemp(path) ? path : NULL;
}

static int scratch_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void scratch_dir_free(char *path)
{
    if (path)
        (void)nftw(path, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

static inline bool scratch_write(const char *dir, const char *name, mode_t mode, const char *text)
{
    SB_AUTOFREE path = sb_path_join(dir, name);
    return path && sb_file_write_atomic(path, mode, sb_str_from(text), NULL) == SB_OK;
}

#endif

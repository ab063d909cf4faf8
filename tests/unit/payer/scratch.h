/* SPDX-License-Identifier: Apache-2.0 */
/* scratch.h - a throw-away folder for a test, and files in it. For the tests of the payer's side alone. */
#ifndef SB_TEST_SCRATCH_H
#define SB_TEST_SCRATCH_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

#define assert_ok(status) assert_int_equal((status), SB_OK)
#define assert_contains(text, part)                                                                                    \
    do {                                                                                                               \
        if (!strstr((text), (part)))                                                                                   \
            fail_msg("'%s' is not in '%s'", (part), (text));                                                           \
    } while (0)

static inline int scratch_make(void **state)
{
    char *dir = strdup("/tmp/sb-test-XXXXXX");
    if (!dir || !mkdtemp(dir))
        return -1;
    *state = dir;
    return 0;
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline int scratch_remove(void **state)
{
    int rc = nftw(*state, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return rc;
}

static inline void scratch_write(const char *dir, const char *name, sb_str bytes)
{
    SB_AUTOFREE path = sb_path_join(dir, name);
    sb_error err = SB_ERROR_INIT;
    (void)unlink(path);
    if (sb_file_create_new(path, 0600, bytes, &err) != SB_OK)
        fail_msg("%s: %s", err.what, err.why);
}

static inline size_t scratch_count(const char *dir)
{
    SB_AUTOFREE command = sb_printf("find %s -type f | wc -l", dir);
    FILE *pipe = popen(command, "r");
    unsigned count = 0;
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%u", &count), 1);
    assert_int_equal(pclose(pipe), 0);
    return count;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h - what a fuzz target is: one function that takes any bytes, and says by dying what is wrong.
 *
 * The name and form are libFuzzer's; standalone.c drives the same targets where there is no clang. */
#ifndef SB_TEST_FUZZ_H
#define SB_TEST_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise about any input; `promise` is a sentence. */
#define FUZZ_REQUIRE(promise, condition)                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (void)fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, promise);                                 \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* A copy that ends where the input ends, so that a read past it is seen; NUL-terminated as functions with C strings
 * need. */
static inline char *fuzz_cstr(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    FUZZ_REQUIRE("there is memory", text);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* A stream is cut: all of it at once when `cut` is 0, else pieces of changing lengths up to `cut`. Begin with
 * *turn = cut; returns how many of the `left` bytes come next. */
static inline size_t fuzz_piece(uint8_t cut, size_t *turn, size_t left)
{
    size_t len = cut == 0 ? left : *turn % cut + 1;
    *turn = *turn * 5 + 3;
    return SB_MIN(len, left);
}

/* The input as a file: its descriptor, and its path for functions that want one. The caller closes it. */
#define FUZZ_PATH_SIZE 64
static inline int fuzz_file(const uint8_t *data, size_t size, char path[FUZZ_PATH_SIZE])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_REQUIRE("there is a file in memory", fd >= 0 && write(fd, data, size) == (ssize_t)size);
    FUZZ_REQUIRE("it can be read from its start", lseek(fd, 0, SEEK_SET) == 0);
    (void)snprintf(path, FUZZ_PATH_SIZE, "/proc/self/fd/%d", fd);
    return fd;
}

/* Text for one line of a terminal or a log. */
static inline void fuzz_check_shown(const char *text)
{
    for (const char *c = text; *c; c++)
        FUZZ_REQUIRE("nothing that is shown can steer a terminal", (unsigned char)*c >= 0x20 && *c != 0x7F);
}

/* Every error says what, why and what to do, and cannot steer a terminal. */
static inline void fuzz_check_error(sb_status status, const sb_error *err)
{
    if (status == SB_OK)
        return;
    FUZZ_REQUIRE("an error carries its own status", err->code == status);
    FUZZ_REQUIRE("an error has three parts", err->what[0] && err->why[0] && err->fix[0]);
    fuzz_check_shown(err->what);
    fuzz_check_shown(err->why);
    for (const char *c = err->fix; *c; c++)
        FUZZ_REQUIRE("only lines' ends steer in a fix", (unsigned char)*c >= 0x20 ? *c != 0x7F : *c == '\n');
}

#endif

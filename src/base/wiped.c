/* SPDX-License-Identifier: Apache-2.0 */
/* wiped.c - see the header. Owns nothing. */
#include "base/wiped.h"

#include <malloc.h>
#include <string.h>

#include "base/secret.h"

void sb_wiped_free(void *memory)
{
    if (memory)
        sb_wipe(memory, malloc_usable_size(memory));
    free(memory);
}

void *sb_wiped_realloc(void *memory, size_t size)
{
    if (!memory)
        return malloc(size);
    if (size == 0) {
        sb_wiped_free(memory);
        return NULL;
    }
    size_t had = malloc_usable_size(memory);
    if (size <= had && size >= had / 2)
        return memory;
    void *moved = malloc(size);
    if (!moved)
        return NULL;
    memcpy(moved, memory, SB_MIN(had, size));
    sb_wiped_free(memory);
    return moved;
}

char *sb_wiped_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* names.c - grows by doubling. */
#include "base/names.h"

void sb_names_cleanup(sb_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (sb_names)SB_NAMES_INIT;
}

sb_status sb_names_add(void *context, const char *name, sb_error *err)
{
    sb_names *names = context;
    if (names->count == names->cap) {
        size_t wider = names->cap ? names->cap * 2 : 16;
        char **items = reallocarray(names->items, wider, sizeof(*items));
        if (!items)
            return sb_error_nomem(err);
        names->items = items;
        names->cap = wider;
    }
    names->items[names->count] = sb_str_dup(sb_str_from(name));
    return names->items[names->count] ? (names->count++, SB_OK) : sb_error_nomem(err);
}

bool sb_names_have(const sb_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i], name) == 0)
            return true;
    }
    return false;
}

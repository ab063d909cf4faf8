/* SPDX-License-Identifier: Apache-2.0 */
/* list.h - repeated option values: NULL-terminated lists of strings, as the public API takes them. */
#ifndef SB_CLI_LIST_H
#define SB_CLI_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct string_list {
    char **items; /* NULL-terminated when not NULL; the strings are owned */
    size_t len;
} string_list;

bool list_add(string_list *list, const char *text); /* false without memory */
/* "a,b,c" as three items; empty items are an error (false). */
bool list_add_split(string_list *list, const char *text);
void list_free(string_list *list);

static inline const char *const *list_view(const string_list *list)
{
    return (const char *const *)list->items;
}

#endif

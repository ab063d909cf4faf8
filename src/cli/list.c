/* SPDX-License-Identifier: Apache-2.0 */
/* list.c - repeated option values. */
#include "list.h"

#include <stdlib.h>
#include <string.h>

static bool add(string_list *list, const char *text, size_t len)
{
    char **items = realloc(list->items, (list->len + 2) * sizeof(*items));
    if (!items)
        return false;
    list->items = items;
    items[list->len] = strndup(text, len);
    items[list->len + 1] = NULL;
    if (!items[list->len])
        return false;
    list->len++;
    return true;
}

bool list_add(string_list *list, const char *text)
{
    return add(list, text, strlen(text));
}

bool list_add_split(string_list *list, const char *text)
{
    for (;;) {
        size_t len = strcspn(text, ",");
        if (len == 0 || !add(list, text, len))
            return false;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

void list_free(string_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        free(list->items[i]);
    free(list->items);
    *list = (string_list){NULL, 0};
}

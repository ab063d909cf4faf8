/* SPDX-License-Identifier: Apache-2.0 */
/* idset.c - ids end to end in one buffer, and a sorted list of where each lies. */
#include "payer/data/idset.h"

typedef struct entry {
    size_t offset;
    size_t len;
} entry;

struct sb_idset {
    sb_buf text;
    entry *entries;
    size_t count, cap;
};

sb_idset *sb_idset_new(void)
{
    return calloc(1, sizeof(sb_idset));
}

void sb_idset_free(sb_idset *set)
{
    if (!set)
        return;
    sb_buf_cleanup(&set->text);
    free(set->entries);
    free(set);
}

bool sb_idset_add(sb_idset *set, sb_str id)
{
    if (set->count == set->cap) {
        size_t cap = set->cap ? set->cap * 2 : 64;
        entry *more = reallocarray(set->entries, cap, sizeof(*more));
        if (!more)
            return false;
        set->entries = more;
        set->cap = cap;
    }
    entry e = {set->text.len, id.len};
    if (!sb_buf_add_str(&set->text, id))
        return false;
    set->entries[set->count++] = e;
    return true;
}

static sb_str text_of(const sb_idset *set, const entry *e)
{
    return (sb_str){set->text.ptr + e->offset, e->len};
}

static int compare(sb_str a, sb_str b)
{
    size_t len = SB_MIN(a.len, b.len);
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_entries(const void *a, const void *b, void *set)
{
    return compare(text_of(set, a), text_of(set, b));
}

void sb_idset_seal(sb_idset *set)
{
    if (set->count < 2)
        return;
    qsort_r(set->entries, set->count, sizeof(*set->entries), compare_entries, set);
    size_t kept = 1;
    for (size_t i = 1; i < set->count; i++) {
        if (!sb_str_eq(text_of(set, &set->entries[i]), text_of(set, &set->entries[kept - 1])))
            set->entries[kept++] = set->entries[i];
    }
    set->count = kept;
}

size_t sb_idset_size(const sb_idset *set)
{
    return set->count;
}

sb_str sb_idset_at(const sb_idset *set, size_t index)
{
    return text_of(set, &set->entries[index]);
}

bool sb_idset_has(const sb_idset *set, sb_str id)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(id, text_of(set, &set->entries[middle]));
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

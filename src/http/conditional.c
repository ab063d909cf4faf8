/* SPDX-License-Identifier: Apache-2.0 */
/* conditional.c - preconditions first, then the range. */
#include "http/conditional.h"

#include "http/retry.h"

/* Does an If-None-Match list hold this tag? Weak comparison: W/ is passed over (RFC 9110 §13.1.2). */
static bool list_has(sb_str list, const char *etag)
{
    sb_str item;
    while (sb_str_split(&list, ',', &item)) {
        item = sb_str_trim(item);
        if (sb_str_eq(item, SB_STR_LIT("*")))
            return true;
        if (sb_str_starts_with(item, SB_STR_LIT("W/")))
            item = (sb_str){item.ptr + 2, item.len - 2};
        if (etag && sb_str_eq(item, sb_str_from(etag)))
            return true;
    }
    return false;
}

static bool not_changed(const sb_entity *entity, const sb_conditions *conditions)
{
    int64_t since;
    if (conditions->if_none_match.len > 0)
        return list_has(conditions->if_none_match, entity->etag);
    return conditions->if_modified_since.len > 0 && sb_http_date_parse(conditions->if_modified_since, &since) &&
           entity->modified_s <= since;
}

/* If-Range takes a strong tag, or a date that is exactly Last-Modified. The date is as good as a tag only where the
 * file cannot have changed twice in that second; we have tags, so who sends a date gets the whole.  §13.1.5 */
static bool range_holds(const sb_entity *entity, sb_str if_range)
{
    return if_range.len == 0 || (entity->etag && sb_str_eq(sb_str_trim(if_range), sb_str_from(entity->etag)));
}

/* "bytes=first-last", "bytes=first-", "bytes=-suffix". False: to be treated as not sent. */
static bool parse_range(sb_str range, bool *suffix, uint64_t *first, uint64_t *last)
{
    sb_str unit = SB_STR_NULL, rest = range, from = SB_STR_NULL;
    *first = 0;
    *last = UINT64_MAX;
    if (!sb_str_split(&rest, '=', &unit) || !sb_str_eq_nocase(sb_str_trim(unit), SB_STR_LIT("bytes")))
        return false;
    rest = sb_str_trim(rest);
    if (rest.len < 2 || !memchr(rest.ptr, '-', rest.len))
        return false;
    (void)sb_str_split(&rest, '-', &from);
    *suffix = from.len == 0;
    if (!*suffix && !sb_str_to_u64(from, INT64_MAX, first))
        return false;
    if (rest.len > 0 && !sb_str_to_u64(rest, INT64_MAX, last))
        return false;
    return *suffix ? rest.len > 0 : *first <= *last;
}

void sb_conditional_select(const sb_entity *entity, const sb_conditions *conditions, sb_selection *out)
{
    uint64_t first, last;
    bool suffix;
    *out = (sb_selection){.status = 200, .first = 0, .length = entity->size};
    if (not_changed(entity, conditions)) {
        *out = (sb_selection){.status = 304};
        return;
    }
    if (conditions->range.len == 0 || !parse_range(conditions->range, &suffix, &first, &last) ||
        !range_holds(entity, conditions->if_range))
        return;
    if (suffix) {
        first = last < entity->size ? entity->size - last : 0;
        last = last == 0 ? 0 : UINT64_MAX;
        if (last == 0)
            first = entity->size; /* the last no bytes: there is no such part */
    }
    if (first >= entity->size) {
        *out = (sb_selection){.status = 416};
        return;
    }
    last = SB_MIN(last, entity->size - 1);
    *out = (sb_selection){.status = 206, .first = first, .length = last - first + 1};
}

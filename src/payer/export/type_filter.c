/* SPDX-License-Identifier: Apache-2.0 */
/* type_filter.c - scopes and searches, held against a resource. */
#include "payer/export/type_filter.h"

void sb_type_filter_cleanup(sb_type_filter *filter)
{
    for (size_t i = 0; i < filter->limit_count; i++)
        sb_search_free(filter->limits[i].search);
    for (size_t i = 0; i < filter->search_count; i++)
        sb_search_free(filter->searches[i]);
    free(filter->limits);
    free(filter->searches);
    *filter = (sb_type_filter){.limited = false};
}

static bool is_for(const sb_scope *scope, const char *type)
{
    return scope->kind == SB_SCOPE_SYSTEM && (strcmp(scope->type, "*") == 0 || strcmp(scope->type, type) == 0);
}

static sb_status add_limit(sb_type_filter *filter, const sb_scope *scope, const char *type, sb_error *err)
{
    sb_search *search = NULL;
    sb_status status =
        sb_search_parse(sb_str_from(type), sb_str_from(scope->query), NULL, NULL, &search, &(sb_error)SB_ERROR_INIT);
    if (status == SB_E_NOMEM)
        return sb_error_nomem(err);
    if (status == SB_OK)
        filter->limits[filter->limit_count++] = (sb_type_limit){scope->rights, search};
    return SB_OK; /* one that cannot be held against anything gives nothing */
}

sb_status sb_type_filter_init(sb_type_filter *out, const sb_scopes *scopes, const char *type, bool *covered,
                              sb_error *err)
{
    *out = (sb_type_filter){.rights = SB_SCOPE_EXPORT};
    *covered = true;
    if (!scopes || sb_scopes_cover(scopes, type, SB_SCOPE_EXPORT) == SB_SCOPE_COVERS_ALL)
        return SB_OK;
    *out = (sb_type_filter){.limited = true, .limits = calloc(scopes->len + 1, sizeof(*out->limits))};
    if (!out->limits)
        return sb_error_nomem(err);
    unsigned any = 0;
    for (size_t i = 0; i < scopes->len; i++) {
        if (!is_for(&scopes->items[i], type))
            continue;
        if (scopes->items[i].query)
            SB_TRY(add_limit(out, &scopes->items[i], type, err));
        else
            out->rights |= scopes->items[i].rights;
    }
    any = out->rights;
    for (size_t i = 0; i < out->limit_count; i++)
        any |= out->limits[i].rights;
    *covered = (any & SB_SCOPE_EXPORT) == SB_SCOPE_EXPORT;
    return SB_OK;
}

bool sb_type_filter_add(sb_type_filter *filter, sb_search *search)
{
    sb_search **more = reallocarray(filter->searches, filter->search_count + 1, sizeof(sb_search *));
    if (!more)
        return false;
    filter->searches = more;
    filter->searches[filter->search_count++] = search;
    return true;
}

bool sb_type_filter_is_open(const sb_type_filter *filter)
{
    return !filter->limited && filter->search_count == 0;
}

static bool within_limits(const sb_type_filter *filter, const sb_data_line *line)
{
    unsigned rights = filter->rights;
    for (size_t i = 0; i < filter->limit_count && (rights & SB_SCOPE_EXPORT) != SB_SCOPE_EXPORT; i++) {
        if ((filter->limits[i].rights & ~rights) && sb_search_matches(filter->limits[i].search, line))
            rights |= filter->limits[i].rights;
    }
    return (rights & SB_SCOPE_EXPORT) == SB_SCOPE_EXPORT;
}

bool sb_type_filter_lets(const sb_type_filter *filter, const sb_data_line *line)
{
    if (filter->limited && !within_limits(filter, line))
        return false;
    for (size_t i = 0; i < filter->search_count; i++) {
        if (sb_search_matches(filter->searches[i], line))
            return true;
    }
    return filter->search_count == 0;
}

bool sb_type_scopes_cover(const sb_scopes *token, const sb_scopes *export, const char *type)
{
    sb_scope_cover cover = sb_scopes_cover(token, type, SB_SCOPE_EXPORT);
    if (cover != SB_SCOPE_COVERS_PART || !export)
        return cover == SB_SCOPE_COVERS_ALL;
    for (size_t i = 0; i < export->len; i++) {
        const sb_scopes one = {&export->items[i], 1};
        if (is_for(&export->items[i], type) && !sb_scopes_within(&one, token))
            return false;
    }
    return true;
}

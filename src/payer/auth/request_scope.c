/* SPDX-License-Identifier: Apache-2.0 */
/* request_scope.c - FHIR's interactions (hl7.org/fhir/R4/http.html) as rights of SMART scopes.
 *
 *   GET  Type  Type/id/Type  Type/_search (POST)      search      GET  Type/id  Type/id/_history[/v]      read
 *   POST Type  create    PUT, PATCH Type/id  update   DELETE Type/id  delete
 *   GET, POST $export, Patient/$export, Group/id/$export, …/$davinci-data-export: read and search of each _type, or all
 *   GET  metadata  .well-known/smart-configuration    open
 *
 * A search that brings other types along (_include, _revinclude) needs all. */
#include "payer/auth/request_scope.h"

#include "fhir/id.h"

#define TYPE_SIZE 65 /* FHIR's longest type name has 33 letters */

static const sb_str all_types = SB_STR_LIT("*");

static void need(sb_request_need *out, sb_str type, unsigned rights)
{
    *out = (sb_request_need){.access = SB_REQUEST_SCOPED, .rights = rights, .types = {type}, .type_count = 1};
}

/* An id is a plain name, which no server behind us reads as more: "..;", "1;x" and "1\\.." are steps to some. */
static bool is_id(sb_str text)
{
    return sb_fhir_is_id(text) && text.ptr[0] != '_';
}

static bool is(const char *method, const char *name)
{
    return strcmp(method, name) == 0;
}

static bool reads(const char *method)
{
    return is(method, "GET") || is(method, "HEAD");
}

static bool brings_others(const sb_form *query)
{
    for (size_t i = 0; i < query->len; i++) {
        if (sb_str_starts_with(query->items[i].name, SB_STR_LIT("_include")) ||
            sb_str_starts_with(query->items[i].name, SB_STR_LIT("_revinclude")) ||
            sb_str_starts_with(query->items[i].name, SB_STR_LIT("_has")) ||
            sb_str_starts_with(query->items[i].name, SB_STR_LIT("_query")) ||
            memchr(query->items[i].name.ptr, '.', query->items[i].name.len)) /* chained */
            return true;
    }
    return false;
}

static void need_search(const sb_target *target, sb_str type, sb_request_need *out)
{
    need(out, brings_others(&target->query) ? all_types : type, SB_SCOPE_SEARCH);
    if (sb_str_eq(out->types[0], all_types)) /* what is brought along is read */
        out->rights = SB_SCOPE_EXPORT;
}

/* Exports */

/* The types that _type names; false: too many, or none. */
static bool export_types(const sb_target *target, sb_request_need *out)
{
    size_t count = 0;
    for (size_t i = 0; i < target->query.len; i++) {
        sb_str rest = target->query.items[i].value, item;
        if (!sb_str_eq(target->query.items[i].name, SB_STR_LIT("_type")))
            continue;
        while (sb_str_split(&rest, ',', &item)) {
            item = sb_str_trim(item);
            if (!sb_scope_is_type(item) || count == SB_REQUEST_TYPES_MAX)
                return false;
            out->types[count++] = item;
        }
    }
    out->type_count = count;
    return count > 0;
}

static bool is_export(sb_str name)
{
    return sb_str_eq(name, SB_STR_LIT("$export")) || sb_str_eq(name, SB_STR_LIT("$davinci-data-export"));
}

/* A POST has its types in a body that is not seen here: it needs all. */
static void need_export(const char *method, const sb_target *target, sb_request_need *out)
{
    if (!reads(method) && !is(method, "POST"))
        return;
    need(out, all_types, SB_SCOPE_EXPORT);
    if (reads(method) && !export_types(target, out))
        need(out, all_types, SB_SCOPE_EXPORT);
}

/* By the number of segments after the base */

static void at_one(const char *method, const sb_target *target, sb_str first, sb_request_need *out)
{
    if (reads(method) && sb_str_eq(first, SB_STR_LIT("metadata")))
        out->access = SB_REQUEST_OPEN;
    else if (is_export(first))
        need_export(method, target, out);
    else if (!sb_scope_is_type(first))
        return;
    else if (reads(method))
        need_search(target, first, out);
    else if (is(method, "POST"))
        need(out, first, SB_SCOPE_CREATE);
}

static void at_two(const char *method, const sb_target *target, sb_str first, sb_str second, sb_request_need *out)
{
    if (reads(method) && sb_str_eq(first, SB_STR_LIT(".well-known")) &&
        sb_str_eq(second, SB_STR_LIT("smart-configuration")))
        out->access = SB_REQUEST_OPEN;
    if (!sb_scope_is_type(first))
        return;
    if (sb_str_eq(first, SB_STR_LIT("Patient")) && is_export(second))
        need_export(method, target, out);
    else if (sb_str_eq(second, SB_STR_LIT("_search")) && is(method, "POST")) /* its parameters are not seen here */
        need(out, all_types, SB_SCOPE_EXPORT);
    else if (sb_str_eq(second, SB_STR_LIT("_history")) && reads(method))
        need(out, first, SB_SCOPE_EXPORT);
    else if (!is_id(second))
        return;
    else if (reads(method))
        need(out, first, SB_SCOPE_READ);
    else if (is(method, "PUT") || is(method, "PATCH"))
        need(out, first, SB_SCOPE_UPDATE);
    else if (is(method, "DELETE"))
        need(out, first, SB_SCOPE_DELETE);
}

static void at_three(const char *method, const sb_target *target, const sb_str *s, sb_request_need *out)
{
    if (!sb_scope_is_type(s[0]) || !is_id(s[1]))
        return;
    if (sb_str_eq(s[0], SB_STR_LIT("Group")) && is_export(s[2]))
        need_export(method, target, out);
    else if (reads(method) && sb_str_eq(s[2], SB_STR_LIT("_history")))
        need(out, s[0], SB_SCOPE_READ);
    else if (reads(method) && sb_scope_is_type(s[2])) /* a compartment */
        need_search(target, s[2], out);
}

void sb_request_scope(const char *method, const sb_target *target, const sb_target *base, sb_request_need *out)
{
    *out = (sb_request_need){.access = SB_REQUEST_NEVER};
    if (target->segment_count <= base->segment_count)
        return;
    for (size_t i = 0; i < base->segment_count; i++) {
        if (!sb_str_eq(target->segments[i], base->segments[i]))
            return;
    }
    const sb_str *s = target->segments + base->segment_count;
    switch (target->segment_count - base->segment_count) {
    case 1:
        at_one(method, target, s[0], out);
        break;
    case 2:
        at_two(method, target, s[0], s[1], out);
        break;
    case 3:
        at_three(method, target, s, out);
        break;
    case 4: /* Type/id/_history/version */
        if (reads(method) && sb_scope_is_type(s[0]) && is_id(s[1]) && sb_str_eq(s[2], SB_STR_LIT("_history")) &&
            is_id(s[3]))
            need(out, s[0], SB_SCOPE_READ);
        break;
    default:
        break;
    }
}

bool sb_request_covered(const sb_request_need *needed, const sb_scopes *scopes)
{
    if (needed->access == SB_REQUEST_OPEN)
        return true;
    if (needed->access == SB_REQUEST_NEVER || needed->type_count == 0)
        return false;
    for (size_t i = 0; i < needed->type_count; i++) {
        char type[TYPE_SIZE];
        if (needed->types[i].len >= sizeof(type))
            return false;
        memcpy(type, needed->types[i].ptr, needed->types[i].len);
        type[needed->types[i].len] = '\0';
        if (sb_scopes_cover(scopes, type, needed->rights) != SB_SCOPE_COVERS_ALL)
            return false;
    }
    return true;
}

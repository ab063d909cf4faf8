/* SPDX-License-Identifier: Apache-2.0 */
/* group_routes.c - GET Group and Group/{id}: the rosters that the client may use, a page at a time.         PDEX-01 */
#include <stdio.h>

#include "base/json.h"
#include "base/url.h"
#include "payer/routes/service_internal.h"

#define MEMBERS_MAX   1000     /* listed in one Group; `quantity` tells all, an export brings the rest */
#define PAGE_GROUPS   100      /* in a Bundle, unless fewer are asked for: a few hundred KB */
#define PAGE_FOLLOWER "_after" /* ours, in the `next` links that we give */

static bool may(sb_visit *visit, unsigned right, sb_answer *answer)
{
    if (sb_scopes_cover(&visit->grant->scopes, "Group", right) == SB_SCOPE_COVERS_ALL)
        return true;
    sb_bearer_insufficient(visit, answer, "system/Group.rs");
    return false;
}

/* Searching */

/* A search that passes over a condition finds too much: what is not known is refused, and so is what is repeated. */
static const char *read_search(const sb_form *query, sb_group_search *search)
{
    *search = (sb_group_search){.max = PAGE_GROUPS};
    for (size_t i = 0; i < query->len; i++) {
        const sb_form_field *field = &query->items[i];
        uint64_t count = 0;
        if (sb_form_count(query, field->name.ptr) > 1)
            return "a search for groups takes each condition once";
        if (sb_str_eq(field->name, SB_STR_LIT("identifier"))) {
            search->identifier = field->value;
        } else if (sb_str_eq(field->name, SB_STR_LIT("name"))) {
            search->name = field->value;
        } else if (sb_str_eq(field->name, SB_STR_LIT("characteristic"))) {
            search->characteristic = field->value;
        } else if (sb_str_eq(field->name, SB_STR_LIT(PAGE_FOLLOWER))) {
            search->after = field->value;
        } else if (sb_str_eq(field->name, SB_STR_LIT("_count"))) {
            if (!sb_str_to_u64(field->value, UINT32_MAX, &count) || count == 0)
                return "_count is a number, 1 or more";
            search->max = SB_MIN((size_t)count, (size_t)PAGE_GROUPS);
        } else {
            return "a search for groups takes identifier, name, characteristic and _count";
        }
    }
    return NULL;
}

static json_t *entry_of(const sb_service *service, json_t *group)
{
    SB_AUTOFREE url = sb_printf("%s/Group/%s", service->fhir_url, sb_json_str(group, "id"));
    return url ? json_pack("{s:s, s:O, s:{s:s}}", "fullUrl", url, "resource", group, "search", "mode", "match") : NULL;
}

/* The same search, from behind the last of this page. */
static bool add_next(const sb_service *service, const sb_form *query, const char *last, json_t *links)
{
    SB_AUTO(sb_buf) url = SB_BUF_INIT;
    if (!sb_buf_printf(&url, "%s/Group?", service->fhir_url))
        return false;
    for (size_t i = 0; i < query->len; i++) {
        if (sb_str_eq(query->items[i].name, SB_STR_LIT(PAGE_FOLLOWER)))
            continue;
        if (!sb_buf_printf(&url, "%s=", query->items[i].name.ptr) || !sb_url_encode(query->items[i].value, &url) ||
            !sb_buf_add_char(&url, '&'))
            return false;
    }
    return sb_buf_add_cstr(&url, PAGE_FOLLOWER "=") && sb_url_encode(sb_str_from(last), &url) &&
           json_array_append_new(links, json_pack("{s:s, s:s}", "relation", "next", "url", sb_buf_cstr(&url))) == 0;
}

/* One group more than fits tells that there is another page. */
static json_t *bundle_of(const sb_service *service, const sb_form *query, json_t *groups, size_t max)
{
    SB_AUTOJSON entries = json_array();
    SB_AUTOJSON links = json_array();
    bool more = json_array_size(groups) > max;
    size_t count = more ? max : json_array_size(groups);
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(entries, entry_of(service, json_array_get(groups, i))) != 0)
            return NULL;
    }
    if (more && !add_next(service, query, sb_json_str(json_array_get(groups, max - 1), "id"), links))
        return NULL;
    json_t *bundle = json_pack("{s:s, s:s, s:O, s:O}", "resourceType", "Bundle", "type", "searchset", "link", links,
                               "entry", entries);
    bool whole = !more && !sb_form_find(query, PAGE_FOLLOWER);
    if (bundle && whole && json_object_set_new(bundle, "total", json_integer((json_int_t)count)) != 0) {
        json_decref(bundle);
        return NULL;
    }
    return bundle;
}

void sb_route_groups(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    sb_error err = SB_ERROR_INIT;
    sb_group_search search;
    SB_AUTOJSON groups = json_array();
    if (!may(visit, SB_SCOPE_SEARCH, answer))
        return;
    const char *wrong = read_search(&request->target.query, &search);
    if (wrong) {
        sb_answer_outcome(answer, 400, "not-supported", wrong);
        return;
    }
    size_t page = search.max++;
    if (sb_groups_search(service->o.groups, visit->client, &search, groups, &err) != SB_OK) {
        sb_answer_error(answer, &err);
        return;
    }
    SB_AUTOJSON bundle = bundle_of(service, &request->target.query, groups, page);
    sb_answer_json(answer, 200, SB_FHIR_JSON, bundle);
    sb_answer_header(answer, "Cache-Control", "no-store");
}

void sb_route_group(sb_service *service, sb_server_request *request, sb_visit *visit, sb_answer *answer)
{
    sb_error err = SB_ERROR_INIT;
    SB_AUTOJSON group = NULL;
    sb_str id = request->target.segments[2];
    if (!may(visit, SB_SCOPE_READ, answer))
        return;
    (void)snprintf(visit->group, sizeof(visit->group), "%.*s", (int)SB_MIN(id.len, (size_t)SB_DATA_ID_MAX), id.ptr);
    if (sb_groups_get(service->o.groups, visit->client, id, MEMBERS_MAX, &group, &err) != SB_OK) {
        visit->reason = err.http_status == 404 ? sb_export_refusal_name(SB_EXPORT_REFUSAL_GROUP) : NULL;
        sb_answer_error(answer, &err);
        return;
    }
    visit->audit = "group.read"; /* it names members                                                       PDEX-08 */
    visit->members = json_integer_value(json_object_get(group, "quantity"));
    sb_answer_json(answer, 200, SB_FHIR_JSON, group);
    sb_answer_header(answer, "Cache-Control", "no-store");
}

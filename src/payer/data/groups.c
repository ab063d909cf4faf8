/* SPDX-License-Identifier: Apache-2.0 */
/* groups.c - what all kinds of groups have in common, and the sandbox's, which are everybody's. */
#include "payer/data/groups.h"

struct sb_groups {
    const sb_groups_ops *ops;
    void *impl;
};

void sb_members_cleanup(sb_members *members)
{
    sb_idset_free(members->own_ids);
    sb_idset_free(members->own_opted_out);
    *members = (sb_members)SB_MEMBERS_INIT;
}

bool sb_members_have(const sb_members *members, sb_str patient_id)
{
    if (patient_id.len == 0) /* who it is about cannot be told */
        return !sb_members_leave_out(members);
    return (!members->ids || sb_idset_has(members->ids, patient_id)) &&
           (!members->opted_out || !sb_idset_has(members->opted_out, patient_id));
}

bool sb_members_are_limited(const sb_members *members)
{
    return members->ids && !members->everyone;
}

bool sb_members_leave_out(const sb_members *members)
{
    return sb_members_are_limited(members) || members->opted_out;
}

int64_t sb_members_count(const sb_members *members)
{
    return members->ids ? (int64_t)sb_idset_size(members->ids) : -1;
}

sb_status sb_groups_new(const sb_groups_ops *ops, void *impl, sb_groups **out, sb_error *err)
{
    sb_groups *groups = calloc(1, sizeof(*groups));
    if (!groups) {
        ops->free(impl);
        return sb_error_nomem(err);
    }
    *groups = (sb_groups){ops, impl};
    *out = groups;
    return SB_OK;
}

void sb_groups_free(sb_groups *groups)
{
    if (!groups)
        return;
    groups->ops->free(groups->impl);
    free(groups);
}

sb_status sb_groups_get(const sb_groups *groups, const char *client, sb_str id, size_t members_max, json_t **out,
                        sb_error *err)
{
    return groups->ops->get(groups->impl, client, id, members_max, out, err);
}

sb_status sb_groups_search(const sb_groups *groups, const char *client, const sb_group_search *search,
                           json_t *resources, sb_error *err)
{
    return groups->ops->search(groups->impl, client, search, resources, err);
}

sb_status sb_groups_members(const sb_groups *groups, const char *client, sb_str id, sb_members *out, sb_error *err)
{
    return groups->ops->members(groups->impl, client, id, out, err);
}

sb_status sb_groups_not_found(sb_error *err)
{
    sb_error_set(err, SB_E_NOT_FOUND, "the group cannot be used", "it is unknown here, or not this client's",
                 "list the groups: GET Group");
    if (err)
        err->http_status = 404;
    return SB_E_NOT_FOUND;
}

sb_status sb_groups_any(const sb_groups *groups, const char *client, sb_error *err)
{
    return groups->ops->any(groups->impl, client, err);
}

sb_status sb_groups_none(sb_error *err)
{
    sb_error_set(err, SB_E_NOT_FOUND, "nothing can be exported to this client", "no group of members is its",
                 "ask the payer which group is yours, and to assign it to this client");
    if (err)
        err->http_status = 403;
    return SB_E_NOT_FOUND;
}

/* The sandbox's */

static bool follows(sb_str id, sb_str after)
{
    int order = after.len > 0 ? memcmp(id.ptr, after.ptr, SB_MIN(id.len, after.len)) : 1;
    return order > 0 || (order == 0 && id.len > after.len);
}

static sb_status sandbox_get(void *impl, const char *client, sb_str id, size_t members_max, json_t **out, sb_error *err)
{
    (void)client;
    const sb_roster *roster = sb_rosters_find(impl, id);
    return roster ? sb_roster_to_fhir(roster, members_max, out, err) : sb_groups_not_found(err);
}

static sb_status sandbox_search(void *impl, const char *client, const sb_group_search *search, json_t *resources,
                                sb_error *err)
{
    (void)client;
    for (size_t i = 0; i < sb_rosters_count(impl) && json_array_size(resources) < search->max; i++) {
        const sb_roster *roster = sb_rosters_at(impl, i); /* in the order of their ids */
        json_t *group = NULL;
        if (!sb_roster_fits(roster, search->identifier, search->name) || search->characteristic.len > 0 ||
            !follows(sb_str_from(sb_roster_id(roster)), search->after))
            continue;
        SB_TRY(sb_roster_to_fhir(roster, 0, &group, err));
        if (json_array_append_new(resources, group) != 0)
            return sb_error_nomem(err);
    }
    return SB_OK;
}

static sb_status sandbox_members(void *impl, const char *client, sb_str id, sb_members *out, sb_error *err)
{
    (void)client;
    const sb_roster *roster = sb_rosters_find(impl, id.len > 0 ? id : SB_STR_LIT("all"));
    if (!roster)
        return sb_groups_not_found(err);
    *out = (sb_members){.ids = sb_roster_ids(roster), .everyone = sb_roster_is_everyone(roster)};
    return SB_OK;
}

static sb_status sandbox_any(void *impl, const char *client, sb_error *err)
{
    (void)impl, (void)client, (void)err; /* all are everybody's */
    return SB_OK;
}

static void sandbox_free(void *impl)
{
    (void)impl; /* borrowed */
}

sb_status sb_groups_sandbox(const sb_rosters *rosters, sb_groups **out, sb_error *err)
{
    static const sb_groups_ops ops = {sandbox_get, sandbox_search, sandbox_members, sandbox_any, sandbox_free};
    return sb_groups_new(&ops, (void *)(uintptr_t)rosters, out,
                         err); /* constant: no function of the table changes it */
}

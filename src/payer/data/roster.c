/* SPDX-License-Identifier: Apache-2.0 */
/* roster.c - groups as sets of patient ids. */
#include "payer/data/roster.h"

#include "base/json.h"

#define IDENTIFIER_SYSTEM "urn:smartbulk:roster"

struct sb_roster {
    const char *id;
    const char *name;
    sb_idset *members;
    bool everyone;
};

#define SANDBOX_GROUPS 3 /* all, first-half, second-half */

struct sb_rosters {
    sb_roster groups[SANDBOX_GROUPS];
    size_t count;
};

void sb_rosters_free(sb_rosters *rosters)
{
    if (!rosters)
        return;
    for (size_t i = 0; i < rosters->count; i++)
        sb_idset_free(rosters->groups[i].members);
    free(rosters);
}

static sb_status add_patient(void *context, const sb_data_line *line, sb_error *err)
{
    return sb_idset_add(context, line->id) ? SB_OK : sb_error_nomem(err);
}

static sb_status all_patients(const sb_data *data, sb_idset *set, sb_error *err)
{
    const sb_data_type *patients = sb_data_find(data, SB_STR_LIT("Patient"));
    for (size_t i = 0; patients && i < patients->part_count; i++)
        SB_TRY(sb_data_scan(data, patients, i, add_patient, set, err));
    return SB_OK;
}

sb_status sb_rosters_sandbox(const sb_data *data, sb_rosters **out, sb_error *err)
{
    SB_AUTOPTR(sb_rosters) rosters = calloc(1, sizeof(*rosters));
    if (!rosters)
        return sb_error_nomem(err);
    static const sb_roster groups[SANDBOX_GROUPS] = {{"all", "All members", NULL, true},
                                                     {"first-half", "The first half of all members", NULL, false},
                                                     {"second-half", "The second half of all members", NULL, false}};
    for (; rosters->count < SANDBOX_GROUPS; rosters->count++) {
        rosters->groups[rosters->count] = groups[rosters->count];
        rosters->groups[rosters->count].members = sb_idset_new();
        if (!rosters->groups[rosters->count].members)
            return sb_error_nomem(err);
    }
    sb_idset *everyone = rosters->groups[0].members;
    SB_TRY(all_patients(data, everyone, err));
    size_t total = sb_idset_size(everyone);
    for (size_t i = 0; i < total; i++) {
        sb_idset *half = rosters->groups[i < total - total / 2 ? 1 : 2].members;
        if (!sb_idset_add(half, sb_idset_at(everyone, i)))
            return sb_error_nomem(err);
    }
    for (size_t i = 0; i < rosters->count; i++)
        sb_idset_seal(rosters->groups[i].members);
    *out = rosters;
    rosters = NULL;
    return SB_OK;
}

size_t sb_rosters_count(const sb_rosters *rosters)
{
    return rosters->count;
}

const sb_roster *sb_rosters_at(const sb_rosters *rosters, size_t index)
{
    return &rosters->groups[index];
}

const sb_roster *sb_rosters_find(const sb_rosters *rosters, sb_str group_id)
{
    for (size_t i = 0; i < rosters->count; i++) {
        if (sb_str_eq(sb_str_from(rosters->groups[i].id), group_id))
            return &rosters->groups[i];
    }
    return NULL;
}

bool sb_rosters_know(const sb_rosters *rosters, sb_str patient_id)
{
    return sb_idset_has(rosters->groups[0].members, patient_id);
}

const char *sb_roster_id(const sb_roster *roster)
{
    return roster->id;
}

const char *sb_roster_name(const sb_roster *roster)
{
    return roster->name;
}

size_t sb_roster_size(const sb_roster *roster)
{
    return sb_idset_size(roster->members);
}

bool sb_roster_is_everyone(const sb_roster *roster)
{
    return roster->everyone;
}

bool sb_roster_has(const sb_roster *roster, sb_str patient_id)
{
    return sb_idset_has(roster->members, patient_id);
}

const sb_idset *sb_roster_ids(const sb_roster *roster)
{
    return roster->members;
}

static sb_status add_members(const sb_roster *roster, size_t max, json_t *group, sb_error *err)
{
    size_t count = SB_MIN(sb_roster_size(roster), max);
    if (count == 0)
        return SB_OK;
    json_t *members = json_array();
    if (!members || json_object_set_new(group, "member", members) != 0)
        return sb_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        sb_str id = sb_idset_at(roster->members, i);
        SB_AUTOFREE reference = sb_printf("Patient/%.*s", (int)id.len, id.ptr);
        json_t *member = reference ? json_pack("{s:{s:s}}", "entity", "reference", reference) : NULL;
        if (!member || json_array_append_new(members, member) != 0)
            return sb_error_nomem(err);
    }
    return SB_OK;
}

sb_status sb_roster_to_fhir(const sb_roster *roster, size_t members_max, json_t **out, sb_error *err)
{
    SB_AUTOJSON group =
        json_pack("{s:s, s:s, s:[{s:s, s:s}], s:b, s:s, s:b, s:s, s:I}", "resourceType", "Group", "id", roster->id,
                  "identifier", "system", IDENTIFIER_SYSTEM, "value", roster->id, "active", 1, "type", "person",
                  "actual", 1, "name", roster->name, "quantity", (json_int_t)sb_roster_size(roster));
    if (!group)
        return sb_error_nomem(err);
    SB_TRY(add_members(roster, members_max, group, err));
    *out = json_incref(group);
    return SB_OK;
}

bool sb_roster_fits(const sb_roster *roster, sb_str identifier, sb_str name)
{
    if (name.len > 0 && !sb_str_eq(name, sb_str_from(roster->name)))
        return false;
    if (identifier.len == 0)
        return true;
    sb_str value = identifier, system = SB_STR_NULL;
    if (memchr(identifier.ptr, '|', identifier.len)) {
        (void)sb_str_split(&value, '|', &system);
        if (system.len > 0 && !sb_str_eq(system, SB_STR_LIT(IDENTIFIER_SYSTEM)))
            return false;
    }
    return sb_str_eq(value, sb_str_from(roster->id));
}

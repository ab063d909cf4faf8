/* SPDX-License-Identifier: Apache-2.0 */
/* group_resource.c - the elements of a Group that a roster is made of, each judged. */
#include "payer/data/group_resource.h"

#include "base/json.h"
#include "fhir/instant.h"
#include "payer/data/line.h"

static sb_status refuse(sb_error *err, const char *why, const char *fix)
{
    return sb_error_set(err, SB_E_INVALID, "the group cannot be used", "%s", fix, why);
}

bool sb_group_id_is_good(sb_str id)
{
    if (id.len == 0 || id.len > SB_DATA_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (i == 0 || !strchr("-_.", c) || c == '\0'))
            return false;
    }
    return true;
}

static bool short_text(const char *text, size_t max)
{
    sb_str s = sb_str_from(text);
    return s.len <= max && sb_str_is_text(s);
}

/* NULL when missing; false when it is there and no list of at most `max`. */
static bool list_of(const json_t *group, const char *name, size_t max, const json_t **out)
{
    *out = json_object_get(group, name);
    return !*out || (json_is_array(*out) && json_array_size(*out) <= max);
}

sb_status sb_group_read(const json_t *group, sb_group_resource *out, sb_error *err)
{
    const char *type = sb_json_str(group, "resourceType"), *of = sb_json_str(group, "type");
    const char *id = sb_json_str(group, "id"), *name = sb_json_str(group, "name");
    if (!type || strcmp(type, "Group") != 0)
        return refuse(err, "it is no resource of the type Group", "give Group resources, one a line");
    if (!id || !sb_group_id_is_good(sb_str_from(id)))
        return refuse(err, "its id is missing or has other characters than letters, digits, '-', '_' and '.'",
                      "give it an id as FHIR allows: clients write it into URLs");
    if (!of || strcmp(of, "person") != 0 || !json_is_true(json_object_get(group, "actual")))
        return refuse(err, "it is not one of actual persons", "give it \"type\": \"person\" and \"actual\": true");
    if (json_object_get(group, "name") && (!name || !short_text(name, SB_ROSTER_NAME_MAX)))
        return refuse(err, "its name is not a text of at most 255 bytes", "shorten the name");
    *out = (sb_group_resource){.id = sb_str_from(id), .name = name && name[0] ? name : id};
    if (!list_of(group, "identifier", SB_ROSTER_IDENTIFIERS_MAX, &out->identifiers))
        return refuse(err, "its identifier is not a list of at most 16", "leave out those that nobody looks for");
    if (!list_of(group, "member", SB_ROSTER_MEMBERS_MAX, &out->members))
        return refuse(err, "its member is not a list of at most a million", "make several groups of it");
    return SB_OK;
}

size_t sb_group_identifier_count(const sb_group_resource *group)
{
    return json_array_size(group->identifiers);
}

sb_status sb_group_identifier_at(const sb_group_resource *group, size_t index, sb_group_identifier *out, sb_error *err)
{
    const json_t *one = json_array_get(group->identifiers, index);
    const char *system = sb_json_str(one, "system"), *value = sb_json_str(one, "value");
    if ((json_object_get(one, "system") && !system) || !value || !value[0])
        return refuse(err, "it has an identifier without a value", "leave that identifier out");
    *out = (sb_group_identifier){system ? system : "", value};
    if (!short_text(out->system, SB_ROSTER_TEXT_MAX) || !short_text(value, SB_ROSTER_TEXT_MAX))
        return refuse(err, "it has an identifier longer than 1024 bytes", "leave that identifier out");
    return SB_OK;
}

size_t sb_group_member_count(const sb_group_resource *group)
{
    return json_array_size(group->members);
}

/* A Period: an end that is a day (month, year) is in it until it is over.                        FHIR R4, Period.end */
static bool read_period(const json_t *period, sb_group_member *out)
{
    sb_instant first, after;
    const json_t *start = json_object_get(period, "start"), *end = json_object_get(period, "end");
    out->from_s = INT64_MIN;
    out->until_s = INT64_MAX;
    if (!period)
        return true;
    if (!json_is_object(period))
        return false;
    if (start) {
        const char *text = sb_json_str(period, "start");
        if (!text || sb_instant_parse_period(sb_str_from(text), &first, NULL, NULL) != SB_OK)
            return false;
        out->from_s = first.s;
    }
    if (end) {
        const char *text = sb_json_str(period, "end");
        if (!text || sb_instant_parse_period(sb_str_from(text), NULL, &after, NULL) != SB_OK)
            return false;
        out->until_s = after.s + (after.ns > 0);
    }
    return out->from_s < out->until_s;
}

/* Members' ids are not repeated in errors. */
sb_status sb_group_member_at(const sb_group_resource *group, size_t index, sb_group_member *out, sb_error *err)
{
    const json_t *member = json_array_get(group->members, index);
    const json_t *inactive = json_object_get(member, "inactive");
    const char *reference = sb_json_str(json_object_get(member, "entity"), "reference");
    *out = (sb_group_member){.patient = reference ? sb_line_patient_id(sb_str_from(reference)) : SB_STR_NULL,
                             .inactive = json_is_true(inactive)};
    if (out->patient.len == 0)
        return sb_error_set(err, SB_E_INVALID, "the group cannot be used", "its member %zu names no patient",
                            "name each by a reference, \"Patient/123\"", index + 1);
    if (inactive && !json_is_boolean(inactive))
        return sb_error_set(err, SB_E_INVALID, "the group cannot be used",
                            "its member %zu has an inactive that is "
                            "neither true nor false",
                            "write true or false, or leave it out", index + 1);
    if (!read_period(json_object_get(member, "period"), out))
        return sb_error_set(err, SB_E_INVALID, "the group cannot be used",
                            "the period of its member %zu is none, or ends before it begins",
                            "write dates, \"2026-01-31\", or leave the period out", index + 1);
    return SB_OK;
}

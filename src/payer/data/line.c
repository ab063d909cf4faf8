/* SPDX-License-Identifier: Apache-2.0 */
/* line.c - one walk over a resource's own members. Owns no state. */
#include "payer/data/line.h"

#include "payer/data/instant.h"
#include "payer/data/slice.h"
#include "smart/scopes.h"

static sb_status refuse(sb_error *err, const char *why)
{
    return sb_error_set(err, SB_E_INVALID, "a resource cannot be served", "%s", "mend the line or take it out", why);
}

/* The members that carry what we look for, as raw slices; ptr is NULL for those that are missing. */
typedef struct members {
    sb_str type, id, meta;
    sb_line_references references;
} members;

static void collect(sb_str json, members *m)
{
    sb_str rest, name, value;
    if (!sb_slice_enter(json, '{', &rest))
        return;
    while (sb_slice_member(&rest, &name, &value)) {
        sb_str *place = sb_str_eq(name, SB_STR_LIT("resourceType")) ? &m->type
                        : sb_str_eq(name, SB_STR_LIT("id"))         ? &m->id
                        : sb_str_eq(name, SB_STR_LIT("meta"))       ? &m->meta
                                                                    : NULL;
        if (place)
            *place = value;
        else
            sb_line_references_note(&m->references, name, value);
    }
}

static bool keep_first(void *impl, sb_str id)
{
    sb_line_space *space = impl;
    memcpy(space->patient, id.ptr, id.len); /* at most SB_DATA_ID_MAX: sb_line_patient_id() */
    space->patient_len = id.len;
    return false;
}

static sb_str patient_of(const members *m, sb_str type, sb_str own_id, sb_line_space *space)
{
    if (sb_str_eq(type, SB_STR_LIT("Patient")))
        return own_id;
    space->patient_len = 0;
    if (sb_data_type_in_compartment(type))
        sb_line_references_patients(&m->references, type, keep_first, space);
    return (sb_str){space->patient, space->patient_len};
}

static sb_status read_updated(sb_str meta, int64_t *out, sb_error *err)
{
    char space[64];
    sb_str value, text;
    *out = SB_UPDATED_NONE;
    if (!meta.ptr || !sb_slice_find(meta, SB_STR_LIT("lastUpdated"), &value))
        return SB_OK;
    if (!sb_slice_text(value, space, sizeof(space), &text) || sb_instant_parse_us(text, out, NULL) != SB_OK)
        return refuse(err, "its meta.lastUpdated is not an instant such as 2026-01-31T12:00:00Z");
    return SB_OK;
}

sb_status sb_line_read(sb_str json, sb_line_space *space, sb_str *type, sb_data_line *out, sb_error *err)
{
    members m = {0};
    collect(json, &m);
    if (!m.type.ptr || !sb_slice_text(m.type, space->type, sizeof(space->type), type) || type->len == 0)
        return refuse(err, "it has no resourceType");
    if (!sb_scope_is_type(
            *type)) /* it goes into names of files and URLs; without escapes it is a slice of any length */
        return refuse(err, "its resourceType is not the name of a resource type");
    *out = (sb_data_line){.json = json};
    if (!m.id.ptr || !sb_slice_text(m.id, space->id, sizeof(space->id), &out->id) || out->id.len == 0)
        return refuse(err, "it has no id");
    if (out->id.len > SB_DATA_ID_MAX)
        return refuse(err, "its id is longer than 128 characters");
    out->patient = patient_of(&m, *type, out->id, space);
    return read_updated(m.meta, &out->updated_us, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* line_patients.c - references to patients, found in the text of a resource. Owns no state. */
#include "payer/data/line_patients.h"

#include "base/json.h"
#include "payer/data/data.h"
#include "payer/data/slice.h"

#define DEPTH_MAX 2048 /* what the validator lets through */

static const sb_str mark = SB_STR_LIT("Patient/");

static bool ends_id(char c)
{
    return c == '/' || c == '#' || c == '?' || c == '|';
}

sb_str sb_line_patient_id(sb_str reference)
{
    size_t at = reference.len;
    for (size_t i = 0; i + mark.len <= reference.len; i++) {
        if ((i == 0 || reference.ptr[i - 1] == '/') && memcmp(reference.ptr + i, mark.ptr, mark.len) == 0)
            at = i + mark.len; /* the last one: a base URL may have such a folder too */
    }
    sb_str id = {reference.ptr + at, reference.len - at};
    for (size_t i = 0; i < id.len; i++) {
        if (ends_id(id.ptr[i]))
            id.len = i;
    }
    return id.len <= SB_DATA_ID_MAX ? id : SB_STR_NULL;
}

/* Whom it is about */

/* Where R4's CompartmentDefinition/patient has a reference beside `patient`, `beneficiary` and `subject`. Those by which
 * somebody only did, wrote or received something make nobody the one whom it is about. */
static const struct place {
    sb_str type, member, inner; /* inner: of each element of member; NULL: member itself */
} places[SB_LINE_PLACES] = {
    {SB_STR_LIT(""), SB_STR_LIT("patient"), SB_STR_LIT("")},
    {SB_STR_LIT(""), SB_STR_LIT("beneficiary"), SB_STR_LIT("")},
    {SB_STR_LIT(""), SB_STR_LIT("subject"), SB_STR_LIT("")},
    {SB_STR_LIT("Appointment"), SB_STR_LIT("participant"), SB_STR_LIT("actor")},
    {SB_STR_LIT("AppointmentResponse"), SB_STR_LIT("actor"), SB_STR_LIT("")},
    {SB_STR_LIT("EnrollmentRequest"), SB_STR_LIT("candidate"), SB_STR_LIT("")},
    {SB_STR_LIT("ResearchSubject"), SB_STR_LIT("individual"), SB_STR_LIT("")},
    {SB_STR_LIT("SupplyRequest"), SB_STR_LIT("deliverTo"), SB_STR_LIT("")},
    {SB_STR_LIT("SupplyRequest"), SB_STR_LIT("requester"), SB_STR_LIT("")},
};

bool sb_line_has_many_patients(sb_str type)
{
    return sb_str_eq(type, SB_STR_LIT("Account")) || sb_str_eq(type, SB_STR_LIT("Appointment")) ||
           sb_str_eq(type, SB_STR_LIT("SupplyRequest"));
}

typedef struct walk {
    sb_line_patient_visit *visit;
    void *impl;
} walk;

/* One Reference. False: enough. */
static bool reference(const walk *w, sb_str value)
{
    char space[SB_REFERENCE_MAX];
    sb_str member, text;
    if (!sb_slice_find(value, SB_STR_LIT("reference"), &member) || !sb_slice_text(member, space, sizeof(space), &text))
        return true;
    sb_str id = sb_line_patient_id(text);
    return id.len == 0 || w->visit(w->impl, id);
}

/* A Reference, or a list of them. */
static bool references(const walk *w, sb_str value)
{
    sb_str rest, element;
    if (!sb_slice_enter(value, '[', &rest))
        return reference(w, value);
    while (sb_slice_element(&rest, &element)) {
        if (!reference(w, element))
            return false;
    }
    return true;
}

static bool within(const walk *w, sb_str list, sb_str inner)
{
    sb_str rest, element, member;
    if (!sb_slice_enter(list, '[', &rest))
        return true;
    while (sb_slice_element(&rest, &element)) {
        if (sb_slice_find(element, inner, &member) && !references(w, member))
            return false;
    }
    return true;
}

void sb_line_references_note(sb_line_references *found, sb_str name, sb_str value)
{
    for (size_t i = 0; i < SB_LINE_PLACES; i++) {
        if (sb_str_eq(name, places[i].member))
            found->values[i] = value;
    }
}

void sb_line_references_patients(const sb_line_references *found, sb_str type, sb_line_patient_visit *visit, void *impl)
{
    const walk w = {visit, impl};
    for (size_t i = 0; i < SB_LINE_PLACES; i++) {
        const struct place *p = &places[i];
        sb_str value = found->values[i];
        if (!value.ptr || (p->type.len > 0 && !sb_str_eq(type, p->type)))
            continue;
        if (!(p->inner.len > 0 ? within(&w, value, p->inner) : references(&w, value)))
            return;
    }
}

void sb_line_patients(sb_str json, sb_str type, sb_line_patient_visit *visit, void *impl)
{
    sb_line_references found = {.values = {{NULL, 0}}};
    sb_str rest, name, value;
    if (!sb_slice_enter(json, '{', &rest))
        return;
    while (sb_slice_member(&rest, &name, &value))
        sb_line_references_note(&found, name, value);
    sb_line_references_patients(&found, type, visit, impl);
}

/* Whom it names */

static bool is_of_id(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* The id that begins here: as far as a reference goes, or, within other text, as FHIR's ids go. */
static bool is_one_of(const char *id, const char *end, const sb_idset *patients)
{
    size_t plain = 0, whole = 0;
    while (id + plain < end && is_of_id(id[plain]))
        plain++;
    while (id + whole < end && !ends_id(id[whole]) && id[whole] != '"' && id[whole] != '\\')
        whole++;
    while (plain > 1 && !sb_idset_has(patients, (sb_str){id, plain}) && id[plain - 1] == '.')
        plain--; /* a sentence's end */
    return sb_idset_has(patients, (sb_str){id, plain}) || sb_idset_has(patients, (sb_str){id, whole});
}

/* Every "Patient/" of a text that holds no escape of a letter, digit or sign. */
static bool text_mentions(sb_str text, const sb_idset *patients)
{
    static const sb_str word = SB_STR_LIT("Patient");
    const char *at = text.ptr, *end = text.ptr + text.len;
    while ((at = memmem(at, (size_t)(end - at), word.ptr, word.len))) {
        at += word.len;
        if (at < end && *at == '\\') /* "Patient\/1" */
            at++;
        if (at == end || *at != '/')
            continue;
        if (is_one_of(++at, end, patients))
            return true;
    }
    return false;
}

static bool value_mentions(const json_t *value, const sb_idset *patients, unsigned depth)
{
    const char *name;
    json_t *one;
    size_t i;
    if (depth == 0)
        return true;
    if (json_is_string(value))
        return text_mentions((sb_str){json_string_value(value), json_string_length(value)}, patients);
    json_array_foreach ((json_t *)(uintptr_t)value, i, one) {
        if (value_mentions(one, patients, depth - 1))
            return true;
    }
    json_object_foreach ((json_t *)(uintptr_t)value, name, one) {
        if (value_mentions(one, patients, depth - 1))
            return true;
    }
    return false;
}

/* "\u0050atient": who writes what is plain with escapes could hide a name from a search of the text. */
static bool hides_ascii(sb_str json)
{
    const char *at = json.ptr, *end = json.ptr + json.len;
    while ((at = memmem(at, (size_t)(end - at), "\\u00", 4))) {
        at += 4;
        if (at < end && *at >= '2' && *at <= '7')
            return true;
    }
    return false;
}

bool sb_line_mentions(sb_str json, const sb_idset *patients)
{
    if (!hides_ascii(json))
        return text_mentions(json, patients);
    SB_AUTOJSON value = json_loadb(json.ptr, json.len, 0, NULL);
    return !value || value_mentions(value, patients, DEPTH_MAX);
}

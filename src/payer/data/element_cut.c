/* SPDX-License-Identifier: Apache-2.0 */
/* element_cut.c - copying the members that stay. Owns no state. */
#include "payer/data/element_cut.h"

#include <ctype.h>

#include "payer/data/slice.h"

#define SUBSETTED "{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ObservationValue\",\"code\":\"SUBSETTED\"}"

/* Elements with a cardinality of at least one in R4, for the types that payers hold. */
static const struct {
    const char *type, *names; /* names with a space around each */
} mandatory[] = {
    {"AllergyIntolerance", " patient "},
    {"Claim", " status type use patient created provider priority insurance "},
    {"ClaimResponse", " status type use patient created insurer outcome "},
    {"Condition", " subject "},
    {"Coverage", " status beneficiary payor "},
    {"DiagnosticReport", " status code "},
    {"DocumentReference", " status content "},
    {"Encounter", " status class "},
    {"ExplanationOfBenefit", " status type use patient created insurer provider outcome insurance "},
    {"Immunization", " status vaccineCode patient occurrenceDateTime occurrenceString "},
    {"MedicationDispense", " status medicationCodeableConcept medicationReference "},
    {"MedicationRequest", " status intent medicationCodeableConcept medicationReference subject "},
    {"Observation", " status code "},
    {"Procedure", " status subject "},
    {"RelatedPerson", " patient "},
    {"ServiceRequest", " status intent subject "},
};

static bool is_name(sb_str text)
{
    if (text.len == 0 || text.len > 64 || !isalpha((unsigned char)text.ptr[0]))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!isalnum((unsigned char)text.ptr[i]))
            return false;
    }
    return true;
}

bool sb_element_parse(sb_str text, sb_element *out)
{
    *out = (sb_element){{0}};
    const char *dot = text.len ? memchr(text.ptr, '.', text.len) : NULL;
    sb_str name = text;
    if (dot) {
        sb_str type = {text.ptr, (size_t)(dot - text.ptr)};
        name = (sb_str){dot + 1, text.len - type.len - 1};
        if (!is_name(type))
            return false;
        memcpy(out->type, type.ptr, type.len);
    }
    if (!is_name(name))
        return false;
    memcpy(out->name, name.ptr, name.len);
    return true;
}

static bool concerns(const sb_element *element, sb_str type)
{
    return element->type[0] == '\0' || sb_str_eq(sb_str_from(element->type), type);
}

bool sb_element_any(const sb_element *elements, size_t count, sb_str type)
{
    for (size_t i = 0; i < count; i++) {
        if (concerns(&elements[i], type))
            return true;
    }
    return false;
}

static bool is_mandatory(sb_str type, sb_str name)
{
    if (sb_str_eq(name, SB_STR_LIT("resourceType")) || sb_str_eq(name, SB_STR_LIT("id")))
        return true;
    for (size_t i = 0; i < SB_ARRAY_LEN(mandatory); i++) {
        if (!sb_str_eq(sb_str_from(mandatory[i].type), type))
            continue;
        const char *names = mandatory[i].names;
        for (const char *at = names; (at = memmem(at, strlen(at), name.ptr, name.len)); at++) {
            if (at > names && at[-1] == ' ' && at[name.len] == ' ')
                return true;
        }
    }
    return false;
}

/* `_birthDate` holds the extensions of `birthDate`: it goes with it. */
static bool stays(const sb_element *elements, size_t count, sb_str type, sb_str name)
{
    if (name.len > 1 && name.ptr[0] == '_')
        name = (sb_str){name.ptr + 1, name.len - 1};
    if (name.len == 0)
        return false;
    if (is_mandatory(type, name))
        return true;
    for (size_t i = 0; i < count; i++) {
        if (concerns(&elements[i], type) && sb_str_eq(sb_str_from(elements[i].name), name))
            return true;
    }
    return false;
}

static bool put_member(sb_buf *out, sb_str name, sb_str value, bool *first)
{
    bool ok = sb_buf_add_char(out, *first ? '{' : ',') && sb_buf_add_char(out, '"') && sb_buf_add_str(out, name) &&
              sb_buf_add_cstr(out, "\":") && sb_buf_add_str(out, value);
    *first = false;
    return ok;
}

static bool put_tags(sb_str tags, sb_buf *out)
{
    sb_str rest, tag;
    if (!sb_buf_add_char(out, '['))
        return false;
    if (tags.ptr && sb_slice_enter(tags, '[', &rest)) {
        while (sb_slice_element(&rest, &tag)) {
            if (!sb_buf_add_str(out, tag) || !sb_buf_add_char(out, ','))
                return false;
        }
    }
    return sb_buf_add_cstr(out, SUBSETTED "]");
}

/* `meta` as it was ({} where there was none), its tags and SUBSETTED. */
static bool put_meta(sb_str meta, sb_buf *out)
{
    SB_AUTO(sb_buf) tags = SB_BUF_INIT;
    sb_str rest, name, value, old = SB_STR_NULL;
    bool first = true;
    if (sb_slice_enter(meta, '{', &rest)) {
        while (sb_slice_member(&rest, &name, &value)) {
            if (sb_str_eq(name, SB_STR_LIT("tag")))
                old = value;
            else if (!put_member(out, name, value, &first))
                return false;
        }
    }
    return put_tags(old, &tags) && put_member(out, SB_STR_LIT("tag"), sb_buf_str(&tags), &first) &&
           sb_buf_add_char(out, '}');
}

bool sb_element_cut(const sb_element *elements, size_t count, sb_str type, sb_str json, sb_buf *out)
{
    SB_AUTO(sb_buf) meta = SB_BUF_INIT;
    sb_str rest, name, value;
    bool first = true, seen_meta = false;
    if (!sb_slice_enter(json, '{', &rest))
        return false;
    while (sb_slice_member(&rest, &name, &value)) {
        if (sb_str_eq(name, SB_STR_LIT("meta"))) {
            seen_meta = true;
            sb_buf_clear(&meta);
            if (!put_meta(value, &meta) || !put_member(out, name, sb_buf_str(&meta), &first))
                return false;
        } else if (stays(elements, count, type, name) && !put_member(out, name, value, &first)) {
            return false;
        }
    }
    if (!seen_meta &&
        (!put_meta(SB_STR_LIT("{}"), &meta) || !put_member(out, SB_STR_LIT("meta"), sb_buf_str(&meta), &first)))
        return false;
    return sb_buf_add_char(out, '}');
}

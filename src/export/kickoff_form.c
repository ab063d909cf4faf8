/* SPDX-License-Identifier: Apache-2.0 */
/* kickoff_form.c - writes a request as a query or as Parameters, by one table. Owns no state. */
#include "export/kickoff_form.h"

#include "base/json.h"
#include "base/url.h"
#include "fhir/parameters.h"

typedef enum shape {
    TEXT,     /* one value */
    FLAG,     /* true */
    COMMAS,   /* a list: commas in a query, and in a body before Bulk Data 4 */
    REPEATED, /* a list: a parameter each, always */
    PATIENTS  /* references, in a body alone */
} shape;

static const struct {
    const char *member, *parameter;
    shape shape;
    sb_parameter_kind kind; /* in a body */
} parameters[] = {
    {"outputFormat", "_outputFormat", TEXT, SB_PARAMETER_STRING},
    {"since", "_since", TEXT, SB_PARAMETER_INSTANT},
    {"until", "_until", TEXT, SB_PARAMETER_INSTANT},
    {"types", "_type", COMMAS, SB_PARAMETER_STRING},
    {"elements", "_elements", COMMAS, SB_PARAMETER_STRING},
    {"patients", "patient", PATIENTS, SB_PARAMETER_REFERENCE},
    {"includeAssociatedData", "includeAssociatedData", COMMAS, SB_PARAMETER_CODE},
    {"typeFilters", "_typeFilter", REPEATED, SB_PARAMETER_STRING},
    {"organizeOutputBy", "organizeOutputBy", TEXT, SB_PARAMETER_STRING},
    {"allowPartialManifests", "allowPartialManifests", FLAG, SB_PARAMETER_BOOLEAN},
};

sb_status sb_kickoff_address(const json_t *request, const char *fhir_url, char **out, sb_error *err)
{
    SB_AUTO(sb_url) url = SB_URL_INIT;
    const char *level = sb_json_str(request, "level"), *group = sb_json_str(request, "groupId");
    SB_AUTOFREE path = NULL;
    if (level && strcmp(level, "group") == 0 && group)
        path = sb_printf("Group/%s/$export", group); /* request.c lets no other characters into it than a path takes */
    else
        path = sb_printf("%s$export", level && strcmp(level, "patient") == 0 ? "Patient/" : "");
    if (!path)
        return sb_error_nomem(err);
    SB_TRY(sb_url_join(&url, fhir_url, path, err));
    *out = sb_str_dup(sb_str_from(url.text));
    return *out ? SB_OK : sb_error_nomem(err);
}

/* "a,b,c" of a list of texts. */
static bool join(const json_t *list, sb_buf *out)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if ((i > 0 && !sb_buf_add_char(out, ',')) || !sb_buf_add_cstr(out, text ? text : ""))
            return false;
    }
    return true;
}

static bool add_pair(sb_buf *query, const char *parameter, sb_str value)
{
    return (query->len == 0 || sb_buf_add_char(query, '&')) && sb_buf_add_cstr(query, parameter) &&
           sb_buf_add_char(query, '=') && sb_url_encode(value, query);
}

static bool add_to_query(sb_buf *query, size_t i, const json_t *value)
{
    SB_AUTO(sb_buf) joined = SB_BUF_INIT;
    const char *name = parameters[i].parameter;
    switch (parameters[i].shape) {
    case TEXT:
        return add_pair(query, name, sb_str_from(json_string_value(value)));
    case FLAG:
        return add_pair(query, name, SB_STR_LIT("true"));
    case COMMAS:
        return join(value, &joined) && add_pair(query, name, sb_buf_str(&joined));
    case REPEATED:
        for (size_t k = 0; k < json_array_size(value); k++)
            if (!add_pair(query, name, sb_str_from(json_string_value(json_array_get(value, k)))))
                return false;
        return true;
    case PATIENTS:
        return true;
    }
    return true;
}

sb_status sb_kickoff_query(const json_t *request, sb_buf *out, sb_error *err)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(parameters); i++) {
        const json_t *value = json_object_get(request, parameters[i].member);
        if (value && !add_to_query(out, i, value))
            return sb_error_nomem(err);
    }
    return SB_OK;
}

/* One entry. Bulk Data 4 has a Coding where there was a code. */
static bool add_entry(json_t *body, size_t i, const char *text, bool repeated)
{
    const char *name = parameters[i].parameter;
    if (parameters[i].kind == SB_PARAMETER_REFERENCE)
        return sb_parameters_add_reference(body, name, text);
    if (parameters[i].kind == SB_PARAMETER_CODE && repeated)
        return sb_parameters_add_coding(body, name, NULL, text);
    return sb_parameters_add_text(body, name, parameters[i].kind, text);
}

static bool add_to_body(json_t *body, size_t i, const json_t *value, bool repeated)
{
    SB_AUTO(sb_buf) joined = SB_BUF_INIT;
    if (parameters[i].shape == FLAG)
        return sb_parameters_add_boolean(body, parameters[i].parameter, true);
    if (parameters[i].shape == TEXT)
        return add_entry(body, i, json_string_value(value), repeated);
    if (parameters[i].shape == COMMAS && !repeated)
        return join(value, &joined) && add_entry(body, i, sb_buf_cstr(&joined), false);
    for (size_t k = 0; k < json_array_size(value); k++)
        if (!add_entry(body, i, json_string_value(json_array_get(value, k)), repeated))
            return false;
    return true;
}

sb_status sb_kickoff_body(const json_t *request, bool repeated, json_t **out, sb_error *err)
{
    SB_AUTOJSON body = sb_parameters_new();
    if (!body)
        return sb_error_nomem(err);
    for (size_t i = 0; i < SB_ARRAY_LEN(parameters); i++) {
        const json_t *value = json_object_get(request, parameters[i].member);
        if (value && !add_to_body(body, i, value, repeated))
            return sb_error_nomem(err);
    }
    *out = json_incref(body);
    return SB_OK;
}

/* "ExplanationOfBenefit?…": a search may name a person. */
static json_t *without_queries(const json_t *filters)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(filters) && out; i++) {
        SB_AUTOFREE shown = sb_url_redacted(json_string_value(json_array_get(filters, i)));
        if (shown)
            (void)json_array_append_new(out, json_string(shown));
    }
    return out;
}

json_t *sb_kickoff_shown(const json_t *request)
{
    json_t *out = json_object();
    for (size_t i = 0; i < SB_ARRAY_LEN(parameters) && out; i++) {
        json_t *value = json_object_get(request, parameters[i].member);
        if (!value || parameters[i].shape == PATIENTS)
            continue;
        bool search = parameters[i].shape == REPEATED;
        (void)json_object_set_new(out, parameters[i].parameter, search ? without_queries(value) : json_incref(value));
    }
    return out;
}

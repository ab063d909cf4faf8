/* SPDX-License-Identifier: Apache-2.0 */
/* parameters.c - building and reading FHIR Parameters. Owns nothing between calls. */
#include "fhir/parameters.h"

#include "base/json.h"
#include "fhir/safe_line.h"

static const struct {
    const char *member;
    sb_parameter_kind kind;
    json_type type;
} values[] = {
    {"valueString", SB_PARAMETER_STRING, JSON_STRING},
    {"valueCode", SB_PARAMETER_CODE, JSON_STRING},
    {"valueId", SB_PARAMETER_ID, JSON_STRING},
    {"valueInstant", SB_PARAMETER_INSTANT, JSON_STRING},
    {"valueDateTime", SB_PARAMETER_DATE_TIME, JSON_STRING},
    {"valueDate", SB_PARAMETER_DATE, JSON_STRING},
    {"valueUri", SB_PARAMETER_URI, JSON_STRING},
    {"valueUrl", SB_PARAMETER_URL, JSON_STRING},
    {"valueCanonical", SB_PARAMETER_CANONICAL, JSON_STRING},
    {"valueBoolean", SB_PARAMETER_BOOLEAN, JSON_TRUE},
    {"valueInteger", SB_PARAMETER_INTEGER, JSON_INTEGER},
    {"valueReference", SB_PARAMETER_REFERENCE, JSON_OBJECT},
    {"valueCoding", SB_PARAMETER_CODING, JSON_OBJECT},
    {"resource", SB_PARAMETER_RESOURCE, JSON_OBJECT},
    {"part", SB_PARAMETER_PARTS, JSON_ARRAY},
};

static bool type_fits(const json_t *value, json_type type)
{
    return json_typeof(value) == type || (type == JSON_TRUE && json_is_false(value));
}

static sb_status malformed(sb_error *err, const char *name, const char *why)
{
    char shown[64] = ""; /* a foreign name: any bytes, any length */
    size_t len = 0;
    (void)sb_safe_line_add(shown, sizeof shown, &len, sb_str_from(name));
    return sb_error_set(err, SB_E_INVALID, "the Parameters resource could not be understood", "%s%s%s%s",
                        "send one value[x], `resource` or `part` for each named parameter",
                        len > 0 ? "parameter \"" : "", shown, len > 0 ? "\": " : "", why);
}

/* Fill `out` from an entry that may be malformed; NULL when it is not, else what is wrong with it. */
static const char *read_entry(const json_t *entry, sb_parameter *out)
{
    const char *member;
    const json_t *value;
    *out = (sb_parameter){.name = sb_json_str(entry, "name")};
    if (out->name == NULL || out->name[0] == '\0')
        return "an entry has no name";
    json_object_foreach ((json_t *)(uintptr_t)entry, member, value) {
        bool is_value =
            strncmp(member, "value", 5) == 0 || strcmp(member, "resource") == 0 || strcmp(member, "part") == 0;
        if (!is_value)
            continue; /* name, id, extension, _value… */
        if (out->value != NULL)
            return "it has two values";
        out->value = value;
        out->kind = SB_PARAMETER_OTHER;
        for (size_t i = 0; i < SB_ARRAY_LEN(values); i++) {
            if (strcmp(member, values[i].member) != 0)
                continue;
            if (!type_fits(value, values[i].type))
                return "its value has the wrong JSON type";
            out->kind = values[i].kind;
        }
    }
    if (json_is_string(out->value) && out->kind != SB_PARAMETER_OTHER)
        out->text = json_string_value(out->value);
    else if (out->kind == SB_PARAMETER_REFERENCE)
        out->text = sb_json_str(out->value, "reference");
    else if (out->kind == SB_PARAMETER_CODING)
        out->text = sb_json_str(out->value, "code");
    out->system = out->kind == SB_PARAMETER_CODING ? sb_json_str(out->value, "system") : NULL;
    out->boolean = out->kind == SB_PARAMETER_BOOLEAN && json_is_true(out->value);
    out->integer = out->kind == SB_PARAMETER_INTEGER ? json_integer_value(out->value) : 0;
    return NULL;
}

static sb_status check_list(const json_t *list, unsigned nesting, sb_error *err)
{
    if (nesting > SB_PARAMETERS_MAX_NESTING)
        return malformed(err, NULL, "its parts are nested too deep");
    for (size_t i = 0; i < json_array_size(list); i++) {
        sb_parameter p;
        const char *wrong = read_entry(json_array_get(list, i), &p);
        if (wrong != NULL)
            return malformed(err, p.name, wrong);
        if (p.kind == SB_PARAMETER_PARTS)
            SB_TRY(check_list(p.value, nesting + 1, err));
    }
    return SB_OK;
}

sb_status sb_parameters_check(const json_t *resource, sb_error *err)
{
    const char *type = sb_json_str(resource, "resourceType");
    const json_t *list = json_object_get(resource, "parameter");
    if (type == NULL || strcmp(type, "Parameters") != 0)
        return malformed(err, NULL, "its resourceType is not Parameters");
    if (list != NULL && !json_is_array(list))
        return malformed(err, NULL, "`parameter` is not an array");
    return check_list(list, 0, err);
}

sb_status sb_parameters_parse(sb_str body, json_t **out, sb_error *err)
{
    SB_AUTOJSON resource = NULL;
    if (body.len > SB_PARAMETERS_MAX_BYTES)
        return malformed(err, NULL, "it is longer than 16 MiB");
    SB_TRY(sb_json_parse_object(body, "the Parameters resource", &resource, err));
    SB_TRY(sb_parameters_check(resource, err));
    *out = json_incref(resource);
    return SB_OK;
}

const json_t *sb_parameters_list(const json_t *resource)
{
    return json_object_get(resource, "parameter");
}

bool sb_parameters_next(const json_t *list, size_t *at, sb_parameter *out)
{
    while (*at < json_array_size(list))
        if (read_entry(json_array_get(list, (*at)++), out) == NULL)
            return true;
    return false;
}

bool sb_parameters_find(const json_t *list, const char *name, sb_parameter *out)
{
    size_t at = 0;
    while (sb_parameters_next(list, &at, out))
        if (strcmp(out->name, name) == 0)
            return true;
    return false;
}

json_t *sb_parameters_new(void)
{
    return json_pack("{s:s, s:[]}", "resourceType", "Parameters", "parameter");
}

/* Add an entry whose `member` is `value`, which this consumes. */
static bool add(json_t *to, const char *name, const char *member, json_t *value)
{
    json_t *list = json_is_array(to) ? to : json_object_get(to, "parameter");
    SB_AUTOJSON entry = json_pack("{s:s}", "name", name);
    SB_AUTOJSON owned = value;
    return owned != NULL && entry != NULL && json_object_set(entry, member, owned) == 0 &&
           json_array_append(list, entry) == 0;
}

bool sb_parameters_add_text(json_t *to, const char *name, sb_parameter_kind kind, const char *text)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(values); i++)
        if (values[i].kind == kind && values[i].type == JSON_STRING)
            return add(to, name, values[i].member, json_string(text));
    return false;
}

bool sb_parameters_add_boolean(json_t *to, const char *name, bool value)
{
    return add(to, name, "valueBoolean", json_boolean(value));
}

bool sb_parameters_add_integer(json_t *to, const char *name, int32_t value)
{
    return add(to, name, "valueInteger", json_integer(value));
}

bool sb_parameters_add_reference(json_t *to, const char *name, const char *reference)
{
    return add(to, name, "valueReference", json_pack("{s:s}", "reference", reference));
}

bool sb_parameters_add_coding(json_t *to, const char *name, const char *system, const char *code)
{
    return add(to, name, "valueCoding", json_pack("{s:s*, s:s}", "system", system, "code", code));
}

bool sb_parameters_add_resource(json_t *to, const char *name, json_t *resource)
{
    return add(to, name, "resource", json_incref(resource));
}

json_t *sb_parameters_add_parts(json_t *to, const char *name)
{
    json_t *parts = json_array();
    return add(to, name, "part", json_incref(parts)) ? (json_decref(parts), parts) : (json_decref(parts), NULL);
}
